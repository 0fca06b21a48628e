/* SPDX-License-Identifier: MIT */
/*
 * test_tensor.c - making, reading, shapes, views, epochs.
 */
#include "tensors.h"

START_TEST(makes_and_reads)
{
    ppl_ctx *c = context(_i);
    assert_values(ppl_scalar(c, 2.5), 0, 2.5);
    assert_values(ppl_full(c, PPL_SHAPE(2, 3), -1), 0, -1, -1, -1, -1, -1, -1);
    assert_values(numbers(c, 0.5, 1e-3), rounding(_i), 0.5, 1e-3);
    assert_values(integers(c, 7, -9), 0, 7, -9);
    assert_values(ppl_from_mask(c, PPL_SHAPE(3), (unsigned char[]){ 0, 1, 7 }), 0, 0, 1,
                  1);

    ppl_tensor *t = ppl_full(c, PPL_SHAPE(2, 3, 4), 1);
    ck_assert_ptr_eq(ppl_tensor_ctx(t), c);
    ck_assert_int_eq(ppl_tensor_dtype(t), ppl_ctx_dtype(c));
    ck_assert_int_eq(ppl_rank(t), 3);
    ck_assert_int_eq(ppl_dim(t, 1), 3);
    ck_assert_int_eq(ppl_dim(t, -1), 4);
    ck_assert_int_eq(ppl_dim(t, 3), 0);
    ck_assert_int_eq(ppl_dim(t, -4), 0);
    ck_assert_int_eq(ppl_numel(t), 24);
    ck_assert_int_eq(ppl_tensor_shape(t).dim[3], 0);
    ck_assert(!ppl_requires_grad(t));
    ck_assert(ppl_requires_grad(variable(c, 1)));
    ck_assert_uint_eq((uintptr_t)ppl_data(t) % 64, 0);

    double two[2];
    ck_assert_int_eq(ppl_read(t, two, 2), 24);
    ck_assert(isnan(ppl_item(t)));
    ck_assert_double_eq(ppl_item(integers(c, 41)), 41);
    ck_assert_double_eq(ppl_total(t), 24);
    ck_assert_double_eq(ppl_total(integers(c, 1, 2, 3)), 6);
    ck_assert_double_eq(
        ppl_total(ppl_not(ppl_from_mask(c, PPL_SHAPE(3), (unsigned char[3]){ 0 }))), 3);
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(null_drains)
{
    double two[2] = { 1, 1 };
    ck_assert_ptr_null(ppl_tensor_ctx(NULL));
    ck_assert_int_eq(ppl_tensor_shape(NULL).rank, 0);
    ck_assert_int_eq(ppl_numel(NULL), 0);
    ck_assert_int_eq(ppl_dim(NULL, 0), 0);
    ck_assert(isnan(ppl_item(NULL)));
    ck_assert(isnan(ppl_total(NULL)));
    ck_assert_int_eq(ppl_read(NULL, two, 2), 0);
    ck_assert(isnan(two[0]) && isnan(two[1]));
    ck_assert_ptr_null(ppl_data(NULL));
    ck_assert_ptr_null(ppl_add(NULL, NULL));
    ck_assert_ptr_null(ppl_reshape(NULL, PPL_SCALAR));
    ck_assert_ptr_null(ppl_head(NULL, 1));
    ck_assert_ptr_null(ppl_sum_last(NULL, 1));
    ck_assert_ptr_null(ppl_clamp(NULL, 1, 0));
    ck_assert_ptr_null(ppl_grad(NULL));
    ck_assert_ptr_null(ppl_scalar(NULL, 1));
    ck_assert_int_eq(ppl_backward(NULL), PPL_EINVAL);

    /* After an error nothing is made, and the first text stays. */
    ppl_ctx *c = context(_i);
    ppl_tensor *t = numbers(c, 1, 2);
    ck_assert_ptr_null(ppl_add(t, NULL));
    ck_assert_ptr_null(ppl_add(t, t));
    ck_assert_ptr_null(ppl_scalar(c, 1));
    ck_assert_ptr_null(ppl_detach(t));
    ck_assert_ptr_null(ppl_add(NULL, t));
    assert_fails(c, NULL, PPL_EINVAL, "add: input 1 is NULL");
    ck_assert_ptr_nonnull(ppl_add(t, t));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(refuses_shapes)
{
    ppl_ctx *c = context(_i);
    assert_fails(c, ppl_full(c, (ppl_shape){ 9, { 0 } }, 0), PPL_ESHAPE,
                 "full: a shape of rank 9; ranks are 0 to 8");
    assert_fails(c, ppl_full(c, (ppl_shape){ -1, { 0 } }, 0), PPL_ESHAPE,
                 "full: a shape of rank -1; ranks are 0 to 8");
    assert_fails(c, counted(c, PPL_SHAPE(3, -2)), PPL_ESHAPE,
                 "from_doubles: shape [3,-2]: dimensions are 0 or more");
    assert_fails(c, ppl_full(c, PPL_SHAPE(INT64_MAX / 2, 3), 0), PPL_ESHAPE,
                 "full: shape [4611686018427387903,3] has more elements than memory has");
    assert_fails(c, ppl_from_doubles(c, PPL_SHAPE(3), NULL), PPL_EINVAL,
                 "from_doubles: the elements are NULL");
    ppl_tensor *most = ppl_full(c, PPL_SHAPE(1, 2, 1, 2, 1, 2, 1, 2), 3);
    assert_shape(most, 1, 2, 1, 2, 1, 2, 1, 2);
    ck_assert_double_eq(ppl_total(ppl_add(most, most)), 96);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(wraps)
{
    ppl_ctx *c = context(_i);
    const float f32[] = { 1, 2 };
    const double f64[] = { 1, 2 };
    const int64_t whole[] = { 3, 4 };
    const void *same = _i == 0 ? (const void *)f32 : f64, *other = _i == 0 ? f64 : same;
    ppl_dtype dtype = ppl_ctx_dtype(c);
    ppl_tensor *t = ppl_wrap(c, dtype, PPL_SHAPE(2), same);
    ck_assert_ptr_eq(ppl_data(t), same);
    assert_values(ppl_neg(t), 0, -1, -2);
    assert_values(ppl_wrap(c, PPL_I64, PPL_SHAPE(2), whole), 0, 3, 4);
    assert_fails(
        c, ppl_wrap(c, dtype == PPL_F32 ? PPL_F64 : PPL_F32, PPL_SHAPE(2), other),
        PPL_EDTYPE,
        _i == 0 ? "wrap: the elements are f64, the context's are f32; copy them with "
                  "ppl_from_doubles"
                : "wrap: the elements are f32, the context's are f64; copy them with "
                  "ppl_from_doubles");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(views_share)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *t = counted(c, PPL_SHAPE(4, 3)), *r;
    r = ppl_reshape(t, PPL_SHAPE(2, -1));
    assert_shape(r, 2, 6);
    ck_assert_ptr_eq(ppl_data(r), ppl_data(t));
    assert_values(ppl_head(t, 2), 0, 1, 2, 3, 4, 5, 6);
    assert_values(ppl_row(t, 2), 0, 7, 8, 9);
    assert_values(ppl_slice(t, 0, 3, 4), 0, 10, 11, 12);
    assert_values(ppl_row(ppl_slice(ppl_reshape(r, PPL_SHAPE(6, 2)), -2, 1, 5), 1), 0, 5,
                  6);
    ck_assert_ptr_eq(ppl_data(ppl_row(r, 1)), ppl_data(ppl_row(t, 2)));
    ck_assert_ptr_eq(ppl_head(t, 4), t);
    ck_assert_ptr_eq(ppl_reshape(t, PPL_SHAPE(4, 3)), t);
    assert_shape(ppl_head(t, 0), 0, 3);
    ck_assert_int_eq(ppl_rank(ppl_row(ppl_head(numbers(c, 1, 2), 1), 0)), 0);

    assert_fails(c, ppl_reshape(t, PPL_SHAPE(5, -1)), PPL_ESHAPE,
                 "reshape: shape [4,3] cannot become [5,-1]; both must have as many "
                 "elements (one dimension may be -1)");
    assert_fails(c, ppl_reshape(t, PPL_SHAPE(-1, -1)), PPL_ESHAPE,
                 "reshape: shape [4,3] cannot become [-1,-1]; both must have as many "
                 "elements (one dimension may be -1)");
    assert_fails(c, ppl_reshape(t, (ppl_shape){ 9, { 0 } }), PPL_ESHAPE,
                 "reshape: a shape of rank 9; ranks are 0 to 8");
    assert_fails(c, ppl_head(t, 5), PPL_EINVAL, "head: shape [4,3] has no first 5 rows");
    assert_fails(c, ppl_row(t, -1), PPL_EINVAL, "row: shape [4,3] has no row -1");
    assert_fails(c, ppl_row(ppl_scalar(c, 1), 0), PPL_ESHAPE,
                 "row: a scalar, of shape [], has no axis 0");
    assert_fails(
        c, ppl_slice(t, 1, 2, 4), PPL_EINVAL,
        "slice: axis 1 of shape [4,3] has no elements 2 to 4 (stop not included)");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(epochs_end_tensors)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *outside = numbers(c, 1, 2);
    ppl_epoch outer = ppl_epoch_begin(c);
    ppl_tensor *first = ppl_add(outside, outside);
    ppl_epoch inner = ppl_epoch_begin(c);
    ppl_tensor *second = ppl_add(outside, first);
    assert_values(second, 0, 3, 6);
    ppl_epoch_end(c, inner);
    assert_fails(c, ppl_add(first, second), PPL_ESTALE,
                 "add: input 1 was made in an epoch that has ended; copy it out with "
                 "ppl_read, or open the epoch around both uses");
    ppl_epoch_begin(c);
    assert_fails(c, ppl_head(second, 1), PPL_ESTALE,
                 "head: input 0 was made in an epoch that has ended; copy it out with "
                 "ppl_read, or open the epoch around both uses");
    ck_assert(isnan(ppl_item(second)));
    assert_fails(c, NULL, PPL_ESTALE,
                 "item: the tensor was made in an epoch that has ended; copy it out with "
                 "ppl_read, or open the epoch around both uses");
    assert_values(ppl_neg(first), 0, -2, -4);
    ppl_epoch_end(c, outer);
    ck_assert_int_eq(ppl_backward(first), PPL_ESTALE);
    assert_fails(c, NULL, PPL_ESTALE,
                 "backward: root 0 was made in an epoch that has ended; copy it out with "
                 "ppl_read, or open the epoch around both uses");
    assert_values(ppl_neg(outside), 0, -1, -2);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(contexts_are_apart)
{
    ppl_ctx *c = context(_i), *other = context(_i);
    ppl_tensor *a = numbers(c, 1, 2), *b = numbers(other, 1, 2);
    assert_fails(c, ppl_add(a, b), PPL_EINVAL, "add: input 1 belongs to another context");
    ck_assert(ppl_ok(other));
    ppl_ctx_free(other);
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        makes_and_reads, null_drains, refuses_shapes, wraps, views_share,
        epochs_end_tensors, contexts_are_apart, NULL
    };
    return run_tests("tensor", tests);
}

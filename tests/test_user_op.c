/* SPDX-License-Identifier: MIT */
/*
 * test_user_op.c - operations of one's own, on the public headers alone: an example.
 *
 * An operation is a const row (kiln/tensor.h). Two are written here: one that broadcasts
 * and leaves shapes to the runtime; and one with a rule of shapes of its own, a number in
 * its node, and a gradient that is taken once for all the nodes that share an input. The
 * tests hold them against the library's operations.
 */
#include "tensors.h"

/* Elements as doubles, of either floating dtype. */
static double get(ppl_dtype dtype, const void *elements, int64_t i)
{
    return dtype == PPL_F32 ? (double)((const float *)elements)[i]
                            : ((const double *)elements)[i];
}

static void add_to(ppl_dtype dtype, void *elements, int64_t i, double value)
{
    if (dtype == PPL_F32)
        ((float *)elements)[i] += (float)value;
    else
        ((double *)elements)[i] += value;
}

static void set(ppl_dtype dtype, void *elements, int64_t i, double value)
{
    if (dtype == PPL_F32)
        ((float *)elements)[i] = (float)value;
    else
        ((double *)elements)[i] = value;
}

/* ---- hypotenuse: sqrt(a^2 + b^2), elementwise -------------------------------------- */

static void hypotenuse_forward(ppl_tensor *out)
{
    ppl_dtype dtype = ppl_tensor_dtype(out);
    for (int64_t i = 0; i < ppl_numel(out); i++)
        set(dtype, ppl_result(out), i, hypot(get(dtype, ppl_operand(out, 0), i),
                                             get(dtype, ppl_operand(out, 1), i)));
}

/* d y / d a = a / y. At a = b = 0 that is NaN: the law asks for 0 where g is. */
static void hypotenuse_vjp(ppl_tensor *out, int input, void *grad)
{
    ppl_dtype dtype = ppl_tensor_dtype(out);
    for (int64_t i = 0; i < ppl_numel(out); i++) {
        double g = get(dtype, ppl_adjoint(out), i);
        double y = get(dtype, ppl_result(out), i);
        if (g != 0)
            add_to(dtype, grad, i, g * get(dtype, ppl_operand(out, input), i) / y);
    }
}

static const ppl_op hypotenuse_row = {
    .name = "hypotenuse", .inputs = 2, .flags = PPL_OP_BROADCAST,
    .forward = hypotenuse_forward, .vjp = hypotenuse_vjp
};

static ppl_tensor *hypotenuse(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_apply(&hypotenuse_row, (ppl_tensor *[]){ a, b }, 2, NULL, 0);
}

/* ---- filter: y_t = x_t + x_{t+1} k_1 + ... over a [T] with a kernel [K] ------------ */

typedef struct filter_attr {
    double gain;                    /* a number that the node keeps */
} filter_attr;

/* How often vjp_together was called, and for how many nodes. */
static int calls_together, nodes_together;

static ppl_status filter_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                               void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)count, (void)attr;
    ppl_ctx *c = ppl_tensor_ctx(inputs[0]);
    int64_t length = ppl_dim(inputs[0], 0), taps = ppl_dim(inputs[1], 0);
    if (ppl_rank(inputs[0]) != 1 || ppl_rank(inputs[1]) != 1 || taps < 1 || taps > length)
        return ppl_fail(c, PPL_ESHAPE, "%s: needs [T] and [K] with 1 <= K <= T",
                        op->name);
    *dtype = ppl_ctx_dtype(c);
    *shape = PPL_SHAPE(length - taps + 1);
    return PPL_OK;
}

static void filter_forward(ppl_tensor *out)
{
    ppl_dtype dtype = ppl_tensor_dtype(out);
    const filter_attr *attr = ppl_op_attr(out);
    for (int64_t t = 0; t < ppl_numel(out); t++) {
        double sum = 0;
        for (int64_t k = 0; k < ppl_numel(ppl_op_input(out, 1)); k++)
            sum += get(dtype, ppl_operand(out, 0), t + k) *
                   get(dtype, ppl_operand(out, 1), k);
        set(dtype, ppl_result(out), t, attr->gain * sum);
    }
}

static void filter_vjp(ppl_tensor *out, int input, void *grad)
{
    ppl_dtype dtype = ppl_tensor_dtype(out);
    const filter_attr *attr = ppl_op_attr(out);
    for (int64_t t = 0; t < ppl_numel(out); t++)
        for (int64_t k = 0; k < ppl_numel(ppl_op_input(out, 1)); k++) {
            double g = attr->gain * get(dtype, ppl_adjoint(out), t);
            if (input == 0)
                add_to(dtype, grad, t + k, g * get(dtype, ppl_operand(out, 1), k));
            else
                add_to(dtype, grad, k, g * get(dtype, ppl_operand(out, 0), t + k));
        }
}

/* Only the kernel is shared. A faster row would sum over all nodes in one go here. */
static int filter_vjp_together(ppl_tensor *const *outs, int count, int input, void *grad)
{
    if (input == 0)
        return 0;
    calls_together++;
    nodes_together += count;
    for (int n = 0; n < count; n++)
        filter_vjp(outs[n], input, grad);
    return 1;
}

static const ppl_op filter_row = {
    .name = "filter", .inputs = 2, .shape = filter_shape, .forward = filter_forward,
    .vjp = filter_vjp, .vjp_together = filter_vjp_together
};

static ppl_tensor *filter(ppl_tensor *x, ppl_tensor *kernel, double gain)
{
    return ppl_apply(&filter_row, (ppl_tensor *[]){ x, kernel }, 2,
                     &(filter_attr){ gain }, sizeof(filter_attr));
}

/* ---- Tests ------------------------------------------------------------------------- */

START_TEST(broadcasting_row)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *a = variable(c, 3, 5, 0);
    ppl_tensor *b = ppl_variable(c, PPL_SHAPE(2, 1), LIST(4, 0));
    ppl_tensor *y = hypotenuse(a, b);
    assert_shape(y, 2, 3);
    assert_values(y, rounding(_i), 5, sqrt(41), 4, 3, 5, 0);
    /* The last element, whose derivative is NaN, is masked out. */
    ppl_tensor *mask = ppl_less(ppl_scalar(c, 0), y);
    y = ppl_where(mask, y, ppl_scalar(c, 0));
    ck_assert_int_eq(ppl_backward(ppl_sum(y, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(a), rounding(_i), 3. / 5 + 1, 5 / sqrt(41) + 1, 0);
    assert_values(ppl_grad(b), rounding(_i), 4. / 5 + 4 / sqrt(41) + 1, 0);
    assert_fails(c, hypotenuse(a, numbers(c, 1, 2)), PPL_ESHAPE, "hypotenuse: shapes [3] "
                 "and [2] do not broadcast: axis 0 is 3 against 2; make them equal or 1");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(shared_kernel)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = variable(c, 1, 2, 3, 4), *kernel = variable(c, 10, 1);
    ppl_tensor *y = filter(filter(x, kernel, 2), kernel, 1);
    assert_values(filter(x, kernel, 2), rounding(_i), 24, 46, 68);
    assert_values(y, rounding(_i), 286, 528);
    calls_together = nodes_together = 0;
    ck_assert_int_eq(ppl_backward(ppl_sum(y, 0)), PPL_OK);
    ck_assert_int_eq(calls_together, 1);
    ck_assert_int_eq(nodes_together, 2);
    assert_values(ppl_grad(x), rounding(_i), 200, 240, 42, 2);
    assert_values(ppl_grad(kernel), rounding(_i), 24 + 46 + 60 + 10, 46 + 68 + 100 + 14);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(errors_of_rows)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = variable(c, 1, 2), *long_kernel = variable(c, 1, 2, 3);
    assert_fails(c, filter(x, long_kernel, 1), PPL_ESHAPE,
                 "filter: needs [T] and [K] with 1 <= K <= T");
    assert_fails(c, filter(x, NULL, 1), PPL_EINVAL, "filter: input 1 is NULL");
    assert_fails(c, ppl_apply(&filter_row, &x, 1, NULL, 0), PPL_EINVAL,
                 "filter: takes 2 inputs, not 1");
    const ppl_op hollow = { .name = "hollow", .inputs = 1, .forward = filter_forward };
    assert_fails(c, ppl_apply(&hollow, &x, 1, NULL, 0), PPL_EINVAL,
                 "hollow: its row has no forward, or neither a shape rule nor "
                 "PPL_OP_BROADCAST");
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        broadcasting_row, shared_kernel, errors_of_rows, NULL
    };
    return run_tests("user_op", tests);
}

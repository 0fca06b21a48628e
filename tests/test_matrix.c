/* SPDX-License-Identifier: MIT */
/*
 * test_matrix.c - the operations of kiln/matrix.h: values, gradients against differences,
 * batches, edges, and what singular matrices are told.
 */
#include "gradients.h"

#include <kiln/matrix.h>

static ppl_tensor *turned(ppl_tensor *t)
{
    return ppl_transpose(t, -1, -2);
}

/* t t^T + I / 2. */
static ppl_tensor *definite(ppl_tensor *t)
{
    int64_t n = ppl_dim(t, -1);
    ppl_tensor *ones = ppl_full(ppl_tensor_ctx(t), PPL_SHAPE(n), 0.5);
    return ppl_add(ppl_matmul(t, turned(t)), ppl_matrix_embed(ones, PPL_DIAGONAL));
}

/* ---- Gradients --------------------------------------------------------------------- */

BUILD(extract, ppl_exp(ppl_matrix_extract(in[0], (ppl_part)g->number)))
BUILD(embed, ppl_exp(ppl_matrix_embed(in[0], (ppl_part)g->number)))
BUILD(keep, ppl_exp(ppl_matrix_keep(in[0], (ppl_part)g->number)))
BUILD(outer, ppl_outer(in[0], in[1]))
BUILD(cholesky, ppl_cholesky(definite(in[0]), 0.25))
BUILD(solve, ppl_triangular_solve(in[0], in[1], (unsigned)g->number))
BUILD(solve_vector, ppl_triangular_solve_vector(in[0], in[1], (unsigned)g->number))
BUILD(log_det, ppl_triangular_log_det(in[0]))
BUILD(cumsum, ppl_exp(ppl_cumsum(in[0], g->number)))
BUILD(reverse_cumsum, ppl_exp(ppl_reverse_cumsum(in[0], g->number)))

static const grad_case cases[] = {
    CASE(extract, -1, 1, PPL_DIAGONAL, 1, S(2, 4, 4)),
    CASE(extract, -1, 1, PPL_LOWER, 1, S(2, 4, 4)),
    CASE(extract, -1, 1, PPL_STRICTLY_LOWER, 1, S(4, 4)),
    CASE(embed, -1, 1, PPL_DIAGONAL, 1, S(2, 4)),
    CASE(embed, -1, 1, PPL_LOWER, 1, S(2, 6)),
    CASE(embed, -1, 1, PPL_STRICTLY_LOWER, 1, S(10)),
    CASE(keep, -1, 1, PPL_LOWER, 1, S(2, 3, 3)),
    CASE(outer, -1, 1, 0, 2, S(2, 3), S(4)),
    CASE(cholesky, -1, 1, 0, 1, S(3, 3)),
    CASE(cholesky, -1, 1, 0, 1, S(2, 1, 5, 5)),
    CASE(cholesky, -1, 1, 0, 1, S(0, 3, 3)),
    CASE(solve, 0.5, 1.5, 0, 2, S(4, 4), S(4, 3)),
    CASE(solve, 0.5, 1.5, PPL_UPPER, 2, S(4, 4), S(4, 3)),
    CASE(solve, 0.5, 1.5, PPL_TRANSPOSED, 2, S(4, 4), S(4, 3)),
    CASE(solve, 0.5, 1.5, PPL_UPPER | PPL_TRANSPOSED, 2, S(4, 4), S(4, 3)),
    CASE(solve, 0.5, 1.5, PPL_UNIT_DIAGONAL, 2, S(4, 4), S(4, 3)),
    CASE(solve, 0.5, 1.5, PPL_UNIT_DIAGONAL | PPL_UPPER | PPL_TRANSPOSED, 2, S(3, 3),
         S(3, 1)),
    CASE(solve, 0.5, 1.5, 0, 2, S(3, 3), S(2, 2, 3, 2)),
    CASE(solve, 0.5, 1.5, 0, 2, S(2, 1, 3, 3), S(4, 3, 2)),
    CASE(solve, 0.5, 1.5, 0, 2, S(2, 3, 3), S(3, 2)),
    CASE(solve, 0.5, 1.5, 0, 2, S(3, 3), S(3, 0)),
    CASE(solve_vector, 0.5, 1.5, 0, 2, S(3, 3), S(5, 3)),
    CASE(solve_vector, 0.5, 1.5, PPL_TRANSPOSED, 2, S(2, 3, 3), S(2, 3)),
    CASE(log_det, -2, 2, 0, 1, S(2, 3, 3)),
    CASE(cumsum, -1, 1, -1, 1, S(2, 5)),
    CASE(cumsum, -1, 1, 0, 1, S(3, 2, 2)),
    CASE(reverse_cumsum, -1, 1, 1, 1, S(2, 3, 2)),
};

START_TEST(gradients)
{
    for (int k = 0; k < COUNT_OF(cases); k++)
        check_gradient(_i, &cases[k]);
}
END_TEST

/* ---- Values ------------------------------------------------------------------------ */

START_TEST(parts_are_read_row_by_row)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *t = counted(c, PPL_SHAPE(3, 3));
    assert_values(ppl_matrix_extract(t, PPL_DIAGONAL), 0, 1, 5, 9);
    assert_values(ppl_matrix_extract(t, PPL_LOWER), 0, 1, 4, 5, 7, 8, 9);
    assert_values(ppl_matrix_extract(t, PPL_STRICTLY_LOWER), 0, 4, 7, 8);
    assert_values(ppl_matrix_keep(t, PPL_LOWER), 0, 1, 0, 0, 4, 5, 0, 7, 8, 9);
    assert_values(ppl_matrix_embed(numbers(c, 1, 2, 3), PPL_STRICTLY_LOWER), 0, 0, 0, 0,
                  1, 0, 0, 2, 3, 0);
    assert_values(ppl_matrix_embed(numbers(c, 1, 2), PPL_DIAGONAL), 0, 1, 0, 0, 2);
    ppl_tensor *none = ppl_full(c, PPL_SHAPE(2, 0), 0);
    assert_shape(ppl_matrix_embed(none, PPL_STRICTLY_LOWER), 2, 1, 1);
    assert_shape(ppl_matrix_embed(none, PPL_LOWER), 2, 0, 0);
    assert_shape(ppl_matrix_extract(ppl_full(c, PPL_SHAPE(0, 0), 0), PPL_LOWER), 0);
    assert_values(ppl_outer(numbers(c, 1, 2), numbers(c, 3, 4, 5)), 0, 3, 4, 5, 6, 8, 10);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(running_sums)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *t = counted(c, PPL_SHAPE(2, 3));
    assert_values(ppl_cumsum(t, -1), 0, 1, 3, 6, 4, 9, 15);
    assert_values(ppl_cumsum(t, 0), 0, 1, 2, 3, 5, 7, 9);
    assert_values(ppl_reverse_cumsum(t, 1), 0, 6, 5, 3, 15, 11, 6);
    assert_shape(ppl_cumsum(ppl_full(c, PPL_SHAPE(2, 0), 0), 1), 2, 0);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(factors_multiply_back)
{
    const double a[] = { 4, 12, -16, 12, 37, -43, -16, -43, 98 };
    ppl_ctx *c = context(_i);
    ppl_tensor *l = ppl_cholesky(ppl_from_doubles(c, PPL_SHAPE(3, 3), a), 0);
    assert_values(l, rounding(_i), 2, 0, 0, 6, 1, 0, -8, 5, 3);
    assert_values(ppl_triangular_log_det(l), rounding(_i), log(6));
    /* Only the lower triangle is read; jitter goes onto the diagonal. */
    const double lower[] = { 3, NAN, 6, 13 };
    assert_values(ppl_cholesky(ppl_from_doubles(c, PPL_SHAPE(2, 2), lower), 1),
                  rounding(_i), 2, 0, 3, sqrt(5));
    ppl_tensor *big = definite(ppl_reshape(ppl_tanh(counted(c, PPL_SHAPE(2, 8, 8))),
                                           PPL_SHAPE(2, 8, 8)));
    ppl_tensor *factor = ppl_cholesky(big, 0);
    double expected[128];
    ppl_read(big, expected, 128);
    assert_elements("L L^T", ppl_matmul(factor, turned(factor)), 128, expected,
                    rounding(_i));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(solves_solve)
{
    ppl_ctx *c = context(_i);
    const double lower[] = { 2, NAN, 1, 4 }, upper[] = { 2, 1, NAN, 4 };
    ppl_tensor *l = ppl_from_doubles(c, PPL_SHAPE(2, 2), lower);
    ppl_tensor *u = ppl_from_doubles(c, PPL_SHAPE(2, 2), upper);
    ppl_tensor *b = ppl_reshape(numbers(c, 2, 4, 9, 10), PPL_SHAPE(2, 2));
    assert_values(ppl_triangular_solve(l, b, 0), 0, 1, 2, 2, 2);
    assert_values(ppl_triangular_solve(u, b, PPL_UPPER | PPL_TRANSPOSED), 0, 1, 2, 2, 2);
    assert_values(ppl_triangular_solve(u, b, PPL_UPPER), 0, -0.125, 0.75, 2.25, 2.5);
    assert_values(ppl_triangular_solve(l, b, PPL_TRANSPOSED), 0, -0.125, 0.75, 2.25, 2.5);
    assert_values(ppl_triangular_solve(l, b, PPL_UNIT_DIAGONAL), 0, 2, 4, 7, 6);
    assert_values(ppl_triangular_solve_vector(l, b, 0), 0, 1, 0.75, 4.5, 1.375);
    ppl_ctx_free(c);
}
END_TEST

/* A matrix whose adjoint is zero adds nothing, also where it cannot be divided by. */
START_TEST(zero_adjoints_add_nothing)
{
    ppl_ctx *c = context(_i);
    const double a[] = { 1e-300, 0, 0, 1, 4, 0, 0, 4 };
    ppl_tensor *t = ppl_variable(c, PPL_SHAPE(2, 2, 2), a);
    ppl_tensor *l = ppl_cholesky(t, 0);
    if (_i == 0) {                  /* float has no 1e-300 */
        ck_assert_ptr_null(l);
        ppl_clear_error(c);
    } else {
        ck_assert_int_eq(ppl_backward(ppl_sum(ppl_row(l, 1), PPL_ALL)), PPL_OK);
        assert_values(ppl_grad(t), 1e-15, 0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25);
    }
    ppl_ctx_free(c);
}
END_TEST

/* ---- Errors ------------------------------------------------------------------------ */

START_TEST(singular_matrices_are_named)
{
    ppl_ctx *c = context(_i);
    const double two[] = { 1, 0, 0, 1, 1, 2, 2, 1 };
    ppl_tensor *t = ppl_from_doubles(c, PPL_SHAPE(2, 1, 2, 2), two);
    assert_fails(c, ppl_cholesky(t, 0), PPL_ESINGULAR, _i
                 ? "cholesky: matrix [1,0] is not positive definite: pivot 1 is -3; "
                   "if that is rounding, a jitter of 4e-15 on the diagonal mends it"
                 : "cholesky: matrix [1,0] is not positive definite: pivot 1 is -3; "
                   "if that is rounding, a jitter of 2e-06 on the diagonal mends it");
    ck_assert_ptr_nonnull(ppl_cholesky(t, 1.5));
    assert_fails(c, ppl_cholesky(ppl_full(c, PPL_SHAPE(1, 1), NAN), 0), PPL_ESINGULAR,
                 "cholesky: the matrix is not positive definite: pivot 0 is nan; its "
                 "elements must be finite, and their products too");
    ppl_tensor *flat = ppl_from_doubles(c, PPL_SHAPE(2, 2), LIST(1, 0, 5, 0));
    ppl_tensor *b = ppl_full(c, PPL_SHAPE(2, 1), 1);
    assert_fails(c, ppl_triangular_solve(flat, b, 0), PPL_ESINGULAR,
                 "triangular_solve: the matrix is singular: element 1 of its diagonal is "
                 "0; if it is a Cholesky factor, a jitter on the diagonal of what was "
                 "factored mends it");
    ck_assert_ptr_nonnull(ppl_triangular_solve(flat, b, PPL_UNIT_DIAGONAL));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(shapes_are_checked)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *wide = ppl_full(c, PPL_SHAPE(2, 3), 1), *v = numbers(c, 1, 2, 3, 4);
    ppl_tensor *square = ppl_full(c, PPL_SHAPE(2, 2), 1);
    assert_fails(c, ppl_cholesky(wide, 0), PPL_ESHAPE, "cholesky: input 0 has shape "
                 "[2,3]; its last two axes must be a square matrix");
    assert_fails(c, ppl_triangular_solve(v, wide, 0), PPL_ESHAPE, "triangular_solve: "
                 "input 0 has shape [4]; its last two axes must be a square matrix");
    assert_fails(c, ppl_triangular_solve(square, v, 0), PPL_ESHAPE, "triangular_solve: a "
                 "matrix [2,2] and a right-hand side [4]; as many rows as the matrix has "
                 "are due");
    assert_fails(c, ppl_matrix_extract(wide, PPL_LOWER), PPL_ESHAPE, "matrix_extract: "
                 "shape [2,3]; its last two axes must be a square matrix");
    assert_fails(c, ppl_matrix_embed(v, PPL_LOWER), PPL_ESHAPE, "matrix_embed: shape [4] "
                 "makes no lower triangle; its last axis must have n(n+1)/2 elements, "
                 "and its rank be below 8");
    assert_fails(c, ppl_matrix_embed(ppl_scalar(c, 1), PPL_DIAGONAL), PPL_ESHAPE,
                 "matrix_embed: shape [] makes no diagonal; its last axis must have n "
                 "elements, and its rank be below 8");
    assert_fails(c, ppl_outer(v, ppl_scalar(c, 1)), PPL_ESHAPE, "outer: vectors of rank "
                 "1 and 0; 1 to 7 can be");
    assert_fails(c, ppl_cumsum(v, 1), PPL_ESHAPE, "cumsum: shape [4] has no axis 1; axes "
                 "are 0 to 0, or -1 to -1 from the end");
    ppl_tensor *counts = ppl_from_integers(c, PPL_SHAPE(1, 1), (int64_t[]){ 1 });
    ck_assert_ptr_null(ppl_cholesky(counts, 0));
    ck_assert_int_eq(ppl_error(c), PPL_EDTYPE);
    ppl_clear_error(c);
    ck_assert_ptr_null(ppl_cholesky(NULL, 0));
    ck_assert_ptr_null(ppl_triangular_solve_vector(NULL, NULL, 0));
    ck_assert_ptr_null(ppl_outer(NULL, v));
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        gradients, parts_are_read_row_by_row, running_sums, factors_multiply_back,
        solves_solve, zero_adjoints_add_nothing, singular_matrices_are_named,
        shapes_are_checked, NULL
    };
    return run_tests("matrix", tests);
}

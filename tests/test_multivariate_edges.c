/* SPDX-License-Identifier: MIT */
/*
 * test_multivariate_edges.c - families of vectors and matrices: what single families do
 * beyond the table of test_multivariate. KL between normals of different forms, singular
 * matrices and other bad input, tiny concentrations, shared parameters.
 */
#include "fixture.h"

#include <kiln/matrix.h>

static const ppl_rng rng = { { 0x12345678, 0x9abcdef0 } };

static ppl_tensor *matrix(ppl_ctx *c, int64_t rows, int64_t columns, const double *values)
{
    return ppl_from_doubles(c, PPL_SHAPE(rows, columns), values);
}
#define MATRIX(c, rows, columns, ...) matrix(c, rows, columns, LIST(__VA_ARGS__))

/* ---- KL between forms of the normal ------------------------------------------------ */

enum { FORMS = 3 };

/* The normal of loc, W W^T + diag(D) in three forms; the last of W = 0 only. */
static ppl_dist *in_form(int form, ppl_tensor *loc, ppl_tensor *W, ppl_tensor *D)
{
    if (form == 0)
        return ppl_low_rank_multivariate_normal(loc, W, D);
    if (form == 1)
        return ppl_multivariate_normal(
            loc, ppl_add(ppl_matmul(W, ppl_transpose(W, -1, -2)),
                         ppl_matrix_embed(D, PPL_DIAGONAL)));
    return ppl_event(ppl_normal(loc, ppl_sqrt(D)), 1);
}

typedef struct found {
    double kl, gradient[2][8];
} found;

/* KL and its gradients in W and D of both, from forms of q and of p. */
static found ask(ppl_ctx *c, int from, int to)
{
    const double zero[3] = { 0 }, W[] = { 0.5, -1, 0.25 }, V[] = { 1, 0.5, -0.5 };
    found f = { .kl = NAN };
    ppl_tensor *m = numbers(c, 0.5, -1, 2), *n = numbers(c, 0, 0, 1);
    ppl_tensor *W_q = ppl_variable(c, PPL_SHAPE(3, 1), from == 2 ? zero : W);
    ppl_tensor *W_p = ppl_variable(c, PPL_SHAPE(3, 1), to == 2 ? zero : V);
    ppl_tensor *D_q = variable(c, 0.5, 1, 2), *D_p = variable(c, 1, 0.25, 3);
    ppl_tensor *kl = ppl_kl(in_form(from, m, W_q, D_q), in_form(to, n, W_p, D_p));
    ck_assert_msg(ppl_backward(kl) == PPL_OK, "%d, %d: %s", from, to, ppl_error_text(c));
    f.kl = ppl_item(kl);
    ppl_read(ppl_grad(D_q), f.gradient[0], 3);
    ppl_read(ppl_grad(D_p), f.gradient[1], 3);
    if (from < 2)
        ppl_read(ppl_grad(W_q), f.gradient[0] + 3, 3);
    if (to < 2)
        ppl_read(ppl_grad(W_p), f.gradient[1] + 3, 3);
    return f;
}

/* Against the two full normals, which golden numbers check; with W = 0 where one of them
 * stands for a normal. */
START_TEST(forms_of_the_normal_agree)
{
    ppl_ctx *c = context(_i);
    const double tolerance = _i ? 1e-12 : 1e-4;
    for (int from = 0; from < FORMS; from++)
        for (int to = 0; to < FORMS; to++) {
            if (from == 2 && to == 2)
                continue;
            const double zero[3] = { 0 }, W[] = { 0.5, -1, 0.25 }, V[] = { 1, 0.5, -0.5 };
            const found a = ask(c, from, to);
            ppl_tensor *W_q = ppl_variable(c, PPL_SHAPE(3, 1), from == 2 ? zero : W);
            ppl_tensor *W_p = ppl_variable(c, PPL_SHAPE(3, 1), to == 2 ? zero : V);
            ppl_tensor *D_q = variable(c, 0.5, 1, 2), *D_p = variable(c, 1, 0.25, 3);
            ppl_tensor *kl = ppl_kl(in_form(1, numbers(c, 0.5, -1, 2), W_q, D_q),
                                    in_form(1, numbers(c, 0, 0, 1), W_p, D_p));
            assert_ok(c, ppl_backward(kl));
            ck_assert_msg(is_near(a.kl, ppl_item(kl), tolerance), "%d, %d: %.15g %.15g",
                          from, to, a.kl, ppl_item(kl));
            assert_elements("D_q", ppl_grad(D_q), 3, a.gradient[0], tolerance);
            assert_elements("D_p", ppl_grad(D_p), 3, a.gradient[1], tolerance);
            if (from < 2)
                assert_elements("W_q", ppl_grad(W_q), 3, a.gradient[0] + 3, tolerance);
            if (to < 2)
                assert_elements("W_p", ppl_grad(W_p), 3, a.gradient[1] + 3, tolerance);
        }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(a_delta_has_its_density)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *at = numbers(c, 2, 1), *loc = numbers(c, 0, 1);
    ppl_dist *p = ppl_multivariate_normal_cholesky(loc, MATRIX(c, 2, 2, 1, 0, 0.5, 0.75));
    ppl_tensor *kl = ppl_kl(ppl_delta(at, NULL, 1), p);
    ck_assert(is_near(ppl_item(kl), -ppl_item(ppl_log_prob(p, at)), rounding(_i)));
    stop(c);
}
END_TEST

START_TEST(nearby_normals_keep_their_precision)
{
    ppl_ctx *c = start(_i);
    const double h = ldexp(1, _i ? -26 : -11), tolerance = _i ? 1e-7 : 2e-3;
    ppl_tensor *zero = numbers(c, 0, 0);
    ppl_dist *p = ppl_multivariate_normal_cholesky(zero, MATRIX(c, 2, 2, 1, 0, 0, 2));
    ppl_dist *q = ppl_multivariate_normal_cholesky(zero, MATRIX(c, 2, 2, 1 + h, 0, 0, 2));
    /* t^2/2 + t - log(1 + t) is t^2 - t^3/3 .. */
    ck_assert(is_near(ppl_item(ppl_kl(q, p)) / (h * h), 1, tolerance));
    stop(c);
}
END_TEST

/* ---- Parameters shared along a batch ----------------------------------------------- */

START_TEST(shared_and_repeated_parameters_agree)
{
    ppl_ctx *c = start(_i);
    double x[12], one[4], many[4];
    for (int i = 0; i < 12; i++)
        x[i] = (i * 5 % 7 - 3) / 2.0;
    ppl_tensor *value = matrix(c, 4, 3, x), *loc = numbers(c, 0.5, -1, 2);
    ppl_tensor *D = numbers(c, 1, 2, 0.5), *W = MATRIX(c, 3, 1, 1, -1, 0.5);
    ppl_dist *d[] = { ppl_low_rank_multivariate_normal(loc, W, D),
                      ppl_low_rank_multivariate_normal(ppl_expand(loc, PPL_SHAPE(4, 3)),
                                                       ppl_expand(W, PPL_SHAPE(4, 3, 1)),
                                                       D) };
    ppl_read(ppl_log_prob(d[0], value), one, 4);
    ppl_read(ppl_log_prob(d[1], value), many, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq(one[i], many[i]);
    stop(c);
}
END_TEST

/* The sweep gives each input its gradient, and again with another adjoint. */
START_TEST(a_second_sweep_has_gradients_of_its_own)
{
    ppl_ctx *c = start(_i);
    double g[2];
    ppl_tensor *a = variable(c, 2, 3), *x = variable(c, 0.25, 0.75);
    ppl_tensor *y = ppl_log_prob(ppl_dirichlet(a), x), *twice = ppl_affine(y, 2, 0);
    assert_ok(c, ppl_backward(y));
    ppl_read(ppl_grad(x), g, 2);
    assert_ok(c, ppl_backward(twice));
    assert_values(ppl_grad(x), rounding(_i), 3 * g[0], 3 * g[1]);
    stop(c);
}
END_TEST

/* ---- Edges ------------------------------------------------------------------------- */

START_TEST(tiny_concentrations_draw_within_the_simplex)
{
    ppl_ctx *c = start(_i);
    double x[600];
    const double tiny[] = { 1e-3, 1e-3, 1e-3 };
    ppl_tensor *a = ppl_variable(c, PPL_SHAPE(3), tiny);
    ppl_dist *d = ppl_expand_dist(ppl_dirichlet(a), PPL_SHAPE(200));
    ppl_tensor *draws = ppl_dist_sample(d, &rng), *log_prob = ppl_log_prob(d, draws);
    int extreme = 0;
    ppl_read(draws, x, 600);
    for (int k = 0; k < 600; k++) {
        ck_assert(x[k] > 0 && x[k] <= 1);
        extreme += x[k] < 1e-30;
    }
    ck_assert_int_gt(extreme, 100);
    ck_assert(isfinite(ppl_total(log_prob)));
    assert_ok(c, ppl_backward(ppl_sum(ppl_add(log_prob, ppl_sum(draws, -1)), PPL_ALL)));
    ck_assert(isfinite(ppl_total(ppl_grad(a))));
    stop(c);
}
END_TEST

START_TEST(outside_the_support_log_prob_is_minus_infinity)
{
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = _i ? PPL_F64 : PPL_F32,
                                              .no_validation = 1 });
    ppl_tensor *two = ppl_scalar(c, 2), *five = ppl_scalar(c, 5), *eye, *bad, *value;
    eye = MATRIX(c, 2, 2, 1, 0, 0, 1);
    bad = MATRIX(c, 2, 2, 1, 2, 2, 1);
    ppl_dist *of_matrices[] = { ppl_wishart(five, eye), ppl_inverse_wishart(five, eye),
                                ppl_lkj(2, two) };
    for (int i = 0; i < COUNT_OF(of_matrices); i++) {
        ck_assert(ppl_item(ppl_log_prob(of_matrices[i], bad)) == -INFINITY);
        value = ppl_full(c, PPL_SHAPE(2, 2), NAN);
        ck_assert(isnan(ppl_item(ppl_log_prob(of_matrices[i], value))));
    }
    value = numbers(c, -0.5, 1.5);
    ppl_dist *of_vectors[] = { ppl_dirichlet(numbers(c, 2, 2)),
                               ppl_logistic_normal(numbers(c, 0), numbers(c, 1)) };
    for (int i = 0; i < COUNT_OF(of_vectors); i++)
        ck_assert(ppl_item(ppl_log_prob(of_vectors[i], value)) == -INFINITY);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(zero_sums_are_mapped_both_ways)
{
    ppl_ctx *c = start(_i);
    const double numbers_of[] = { 1, -2, 0.5, 3, 0.25, -1 };
    ppl_dist *d = ppl_zero_sum_normal(ppl_scalar(c, 1), PPL_SHAPE(3, 4));
    const ppl_constraint_map *map = ppl_constraint_bijection(d->family->support);
    ppl_tensor *t = matrix(c, 2, 3, numbers_of);
    ppl_tensor *x = map->to_constrained(d->family->support, t);
    assert_shape(x, 3, 4);
    ck_assert(fabs(ppl_total(ppl_sum(x, -1))) <= 20 * rounding(_i));
    ck_assert(is_near(ppl_total(ppl_mul(x, x)), ppl_total(ppl_mul(t, t)),
                      20 * rounding(_i)));
    assert_elements("back", map->from_constrained(d->family->support, x), 6, numbers_of,
                    20 * rounding(_i));
    ck_assert(isfinite(ppl_item(ppl_log_prob(d, x))));
    assert_null(c, ppl_log_prob(d, ppl_full(c, PPL_SHAPE(3, 4), 1)), PPL_ECONSTRAINT,
                "zero_sum_normal: value is (1, 1, 1, 1, ...); it must be numbers with "
                "sum 0 along both axes");
    stop(c);
}
END_TEST

/* ---- What is refused --------------------------------------------------------------- */

static void direction(ppl_ctx *c, const void *arg)
{
    ppl_tensor *m = arg ? numbers(c, 3, 0, 4) : numbers(c, 0, 0, 0);
    ppl_sample(c, "x", ppl_projected_normal(m));
}

/* Not at a mean, which lies inside the sphere. */
START_TEST(directions_start_on_the_sphere)
{
    ppl_ctx *c = start(_i);
    const double third = sqrt(1.0 / 3);
    ppl_epoch_begin(c);
    ppl_trace *t = trace_of(c, direction, c, handlers(ppl_init_to_mean(c)));
    assert_values(value_of(t, "x"), rounding(_i), 0.6, 0, 0.8);
    t = trace_of(c, direction, NULL, handlers(ppl_init_to_mean(c)));
    assert_values(value_of(t, "x"), rounding(_i), third, third, third);
    t = trace_of(c, direction, c, handlers(ppl_init_to_feasible(c)));
    assert_values(value_of(t, "x"), rounding(_i), third, third, third);
    stop(c);
}
END_TEST

/* However long the concentration is, and however many numbers a direction has. */
START_TEST(extreme_directions_have_densities)
{
    ppl_ctx *c = start(_i);
    double m[1000], x[1000];
    for (int k = 0; k < 1000; k++) {
        m[k] = 100;
        x[k] = sqrt(1e-3);
    }
    ppl_tensor *at = ppl_from_doubles(c, PPL_SHAPE(1000), x);
    ppl_tensor *leaf = ppl_variable(c, PPL_SHAPE(1000), m);
    ppl_tensor *y = ppl_log_prob(ppl_projected_normal(leaf), at);
    /* Almost a normal of 999 numbers, of standard deviation 1 / |m|. */
    ck_assert(is_near(ppl_item(y), 999 * (log(100 * sqrt(1e3)) - 0.91893853320467274),
                      2e-4));
    ck_assert_int_eq(ppl_backward(y), PPL_OK);
    ck_assert(isfinite(ppl_total(ppl_grad(leaf))));
    y = ppl_log_prob(ppl_projected_normal(numbers(c, 1e4, 0, 0)), numbers(c, -1, 0, 0));
    ck_assert(is_near(ppl_item(y),
                      -5e7 + log(2) - 3 * log(1e4) - 3 * 0.91893853320467274,
                      _i ? 1e-10 : 1e-6));
    stop(c);
}
END_TEST

START_TEST(singular_matrices_are_refused)
{
    ppl_ctx *c = start(_i);
    const double values[] = { 1, 0, 0, 1, 1, 1, 1, 1 };
    ppl_tensor *loc = numbers(c, 0, 0), *five = ppl_scalar(c, 5);
    ppl_tensor *S = ppl_from_doubles(c, PPL_SHAPE(2, 2, 2), values);
    assert_null(c, ppl_multivariate_normal(loc, S), PPL_ESINGULAR,
                _i ? "multivariate_normal: covariance[1] is not positive definite: pivot "
                     "1 is 0; if that is rounding, ppl_add_jitter(covariance, 4e-15) "
                     "mends it"
                   : "multivariate_normal: covariance[1] is not positive definite: pivot "
                     "1 is 0; if that is rounding, ppl_add_jitter(covariance, 2e-06) "
                     "mends it");
    assert_null(c, ppl_multivariate_normal(loc, ppl_full(c, PPL_SHAPE(2, 2), INFINITY)),
                PPL_ESINGULAR, "multivariate_normal: covariance is not positive definite: "
                "pivot 0 is inf; its elements must be finite, and their products too");
    ck_assert_ptr_null(ppl_multivariate_normal_precision(loc, S));
    ck_assert_int_eq(ppl_error(c), PPL_ESINGULAR);
    ck_assert_ptr_nonnull(strstr(ppl_error_text(c), "precision[1] is not positive"));
    ppl_clear_error(c);
    ck_assert_ptr_null(ppl_wishart(five, S));
    ck_assert_ptr_nonnull(strstr(ppl_error_text(c), "wishart: scale[1] is not positive"));
    ppl_clear_error(c);
    ck_assert_ptr_nonnull(ppl_multivariate_normal(loc, ppl_add_jitter(S, 1e-3)));
    assert_null(c, ppl_multivariate_normal(loc, MATRIX(c, 2, 2, 1, 0.5, 0.25, 1)),
                PPL_ECONSTRAINT,
                "multivariate_normal: covariance is not symmetric: its element [1,0] is "
                "0.25 and [0,1] is 0.5");
    stop(c);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *two = numbers(c, 0, 0), *three = numbers(c, 0, 0, 0);
    ppl_tensor *eye = MATRIX(c, 2, 2, 1, 0, 0, 1), *one = ppl_scalar(c, 1);
    assert_null(c, ppl_multivariate_normal(three, eye), PPL_ESHAPE,
                "multivariate_normal: loc has shape [3] and covariance [2,2]; the last "
                "axis of a vector must be as long as those of the matrix");
    assert_null(c, ppl_multivariate_normal(two, two), PPL_ESHAPE,
                "multivariate_normal: covariance has shape [2]; its last two axes must "
                "be a square matrix");
    assert_null(c, ppl_dirichlet(ppl_full(c, PPL_SHAPE(3, 0), 1)), PPL_ESHAPE,
                "dirichlet: concentration has shape [3,0], which is no component at all; "
                "its last axis counts them");
    assert_null(c, ppl_dirichlet(numbers(c, 1, -2)), PPL_ECONSTRAINT,
                "dirichlet: concentration[1] is -2; it must be positive");
    assert_null(c, ppl_log_prob(ppl_dirichlet(numbers(c, 1, 2)), numbers(c, 0.5, 0.75)),
                PPL_ECONSTRAINT,
                "dirichlet: value is (0.5, 0.75); it must be nonnegative, with sum 1");
    assert_null(c, ppl_log_prob(ppl_dirichlet(numbers(c, 1)), numbers(c, 0.5, 0.5)),
                PPL_ESHAPE,
                "dirichlet: a value of shape [2] does not fit the distribution's shape "
                "[1]; reshape the value or the parameters");
    assert_null(c, ppl_wishart(one, eye), PPL_ECONSTRAINT,
                "wishart: df is 1; it must be greater than 1");
    assert_null(c, ppl_inverse_wishart(ppl_scalar(c, 0.5), eye), PPL_ECONSTRAINT,
                "inverse_wishart: df is 0.5; it must be greater than 1");
    assert_null(c, ppl_lkj(0, one), PPL_EINVAL,
                "lkj: matrices of 0 rows; at least 1 is needed");
    assert_null(c, ppl_gaussian_random_walk(one, 0), PPL_EINVAL,
                "gaussian_random_walk: 0 steps; at least 1 is needed");
    assert_null(c, ppl_zero_sum_normal(one, PPL_SCALAR), PPL_ESHAPE,
                "zero_sum_normal: events of shape []; they must have 1 to 3 axes, none "
                "empty");
    assert_null(c, ppl_logistic_normal(two, three), PPL_ESHAPE,
                "logistic_normal: loc has shape [2] and scale [3]; their last axes must "
                "be equally long, at least 1");
    assert_null(c, ppl_car(two, one, one, eye), PPL_ECONSTRAINT,
                "car: correlation is 1; it must be above -1 and below 1");
    assert_null(c, ppl_car(two, ppl_scalar(c, 0.5), one, MATRIX(c, 2, 2, 0, 1, 0.5, 0)),
                PPL_ECONSTRAINT,
                "car: adjacency is (0, 1, 0.5, 0); it must be symmetric and nonnegative, "
                "with a neighbour in each row");
    assert_null(c, ppl_projected_normal(numbers(c, 2)), PPL_ESHAPE,
                "projected_normal: concentration [1]; its last axis is a direction, of 2 "
                "numbers at least");
    assert_null(c, ppl_projected_normal(one), PPL_ESHAPE,
                "projected_normal: concentration has shape []; it needs 1 axis at least");
    assert_null(c, ppl_projected_normal(numbers(c, 1, NAN)), PPL_ECONSTRAINT,
                "projected_normal: concentration is (1, nan); it must be finite numbers");
    assert_null(c, ppl_log_prob(ppl_projected_normal(two), numbers(c, 1, 1)),
                PPL_ECONSTRAINT,
                "projected_normal: value is (1, 1); it must be a vector of length 1");
    assert_null(c, ppl_kl(ppl_dirichlet(numbers(c, 1, 1)), ppl_dirichlet(numbers(c, 1))),
                PPL_ESHAPE,
                "kl: p, dirichlet of shape [1], does not broadcast to q, dirichlet of "
                "shape [2]; a draw of q must be a value of p");
    ck_assert_ptr_null(ppl_multivariate_normal(NULL, eye));
    ck_assert_ptr_null(ppl_multivariate_normal(two, NULL));
    stop(c);
}
END_TEST

/* However many counts there are: of two categories it is a BetaBinomial's, and the order of
 * more does not matter, neither to its gradient. */
START_TEST(a_dirichlet_multinomial_has_an_entropy_however_long)
{
    ppl_ctx *c = start(_i);
    const double near = _i ? 1e-11 : 1e-5, order[2][3] = { { 2.5, 40, 0.5 }, { 40, 0.5, 2.5 } };
    ppl_tensor *n = ppl_from_integers(c, PPL_SCALAR, (const int64_t[]){ 1000000 });
    ppl_tensor *few = ppl_from_integers(c, PPL_SCALAR, (const int64_t[]){ 200 });
    assert_values(ppl_entropy(ppl_dirichlet_multinomial(n, numbers(c, 0.75, 3))), near,
                  ppl_item(ppl_entropy(ppl_beta_binomial(ppl_scalar(c, 0.75), ppl_scalar(c, 3),
                                                         n))));
    double value[2], slope[2][3];
    for (int k = 0; k < 2; k++) {
        ppl_tensor *a = ppl_variable(c, PPL_SHAPE(3), order[k]);
        ppl_tensor *entropy = ppl_entropy(ppl_dirichlet_multinomial(few, a));
        value[k] = ppl_item(entropy);
        ck_assert_int_eq(ppl_backward(entropy), PPL_OK);
        ppl_read(ppl_grad(a), slope[k], 3);
    }
    ck_assert(is_near(value[0], value[1], near));
    for (int k = 0; k < 3; k++)
        ck_assert(is_near(slope[0][k], slope[1][(k + 2) % 3], near));
    assert_values(ppl_entropy(ppl_dirichlet_multinomial(few, numbers(c, 4))), 0, 0);
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        forms_of_the_normal_agree, a_delta_has_its_density,
        nearby_normals_keep_their_precision, shared_and_repeated_parameters_agree,
        a_second_sweep_has_gradients_of_its_own,
        tiny_concentrations_draw_within_the_simplex,
        a_dirichlet_multinomial_has_an_entropy_however_long,
        outside_the_support_log_prob_is_minus_infinity, zero_sums_are_mapped_both_ways,
        directions_start_on_the_sphere, extreme_directions_have_densities,
        singular_matrices_are_refused, what_does_not_fit_is_refused, NULL
    };
    return run_tests("multivariate_edges", tests);
}

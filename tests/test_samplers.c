/* SPDX-License-Identifier: MIT */
/*
 * test_samplers.c - the draws of every family: whether they fit it, what they depend on,
 * and how they move with its parameters.
 *
 * At fixed keys: fits at probability 1e-4 or more (Kolmogorov-Smirnov, or chi-square of
 * outcomes, of a million draws), moments and pathwise gradients (of 2e4) within 4
 * standard errors. A draw in float is the draw in double rounded, so that fits and
 * moments are those of doubles. The second Stable fits at 2e-4 only by chance: over 60 keys
 * such probabilities are uniform (themselves by Kolmogorov-Smirnov at 0.61; 0.93 the first).
 */
#include "tensors.h"

#include "counts_fit.h"
#include "families.h"
#include "golden_json.h"

#include <kiln/maths.h>

#include <float.h>

enum { DRAWS = 1000000, PATHS = 20000, GRID = 20000 };

/* ---- Fits -------------------------------------------------------------------------- */

/* n draws as doubles; the caller frees. */
static double *draw(ppl_ctx *c, const family_row *row, const double *params, int n)
{
    double *x = malloc((size_t)n * sizeof *x);
    ppl_dist *d = ppl_expand_dist(make_member(c, row, params), PPL_SHAPE(n));
    ck_assert_int_eq(ppl_read(ppl_dist_sample(d, &test_rng), x, n), n);
    return x;
}

/* By the row's cdf, or by the family's own, which golden numbers check. */
static double continuous_fit(ppl_ctx *c, const family_row *row, const double *params,
                             const double *x, int n)
{
    double *u = malloc((size_t)n * sizeof *u);
    if (row->cdf) {
        for (int i = 0; i < n; i++)
            u[i] = row->cdf(x[i], params);
    } else {
        ppl_tensor *at = ppl_from_doubles(c, PPL_SHAPE(n), x);
        ppl_read(ppl_cdf(make_member(c, row, params), at), u, n);
    }
    double p = ks_probability(u, n);
    free(u);
    return p;
}

/* Of a few outcomes that need not be integers. */
static double listed_fit(ppl_dist *d, const double *x, int n)
{
    double outcome[16], mass[16], count[16] = { 0 };
    ppl_tensor *values = d->family->enumerate(d);
    int K = (int)ppl_read(values, outcome, 16);
    ck_assert_int_le(K, 16);
    ppl_read(ppl_exp(ppl_log_prob(d, values)), mass, K);
    for (int k = 0; k < K; k++) {
        mass[k] *= n;
        for (int i = 0; i < n; i++)
            count[k] += x[i] == outcome[k];
    }
    return chi_square_probability(count, mass, K);
}

enum { RANGE = 1 << 20 };

/* Integers over a wide range are as good as continuous. */
static double discrete_fit(ppl_ctx *c, const family_row *row, const double *params,
                           const double *x, int n)
{
    ppl_dist *d = make_member(c, row, params);
    double low = x[0], high = x[0];
    if (d->family->value_dtype != PPL_I64)
        return listed_fit(d, x, n);
    for (int i = 0; i < n; i++) {
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    return high - low < RANGE ? counts_fit(d, n, x, low, high)
                              : continuous_fit(c, row, params, x, n);
}

/* Mean and variance within 4 standard errors, where they are finite. */
static void check_moments(ppl_ctx *c, const family_row *row, const double *params,
                          double *x, int n)
{
    ppl_dist *d = make_member(c, row, params);
    double mean = d->family->mean ? ppl_item(ppl_dist_mean(d)) : (double)NAN;
    double variance = d->family->variance ? ppl_item(ppl_dist_variance(d)) : (double)NAN;
    mean_error m = mean_of(x, n), v;
    for (int i = 0; i < n; i++)
        x[i] = (x[i] - mean) * (x[i] - mean);
    v = mean_of(x, n);
    ck_assert_msg(!isfinite(mean) ||
                      fabs(m.mean - mean) <= 4 * m.error + 1e-6 * fabs(mean),
                  "%s(%g, %g): mean %g, not %g +- %g", row->golden, params[0], params[1],
                  m.mean, mean, m.error);
    ck_assert_msg(!isfinite(variance) ||
                      fabs(v.mean - variance) <= 4 * v.error + 1e-5 * variance,
                  "%s(%g, %g): variance %g, not %g +- %g", row->golden, params[0],
                  params[1], v.mean, variance, v.error);
}

static int is_heavy(const family_row *row, int point)
{
    return row->heavy >> point & 1;
}

/* _i counts families: each in a process of its own. A draw of cut counts is a search. */
START_TEST(samples_fit)
{
    ppl_ctx *c = context(1);
    const family_row *row = &families[_i];
    const int n = row->counts ? DRAWS / 20 : DRAWS;
    for (int k = 0; has_point(row, k); k++) {
        ppl_epoch epoch = ppl_epoch_begin(c);
        double *x = draw(c, row, row->point[k], n), p = 1;
        if (!differentiable(row))
            p = discrete_fit(c, row, row->point[k], x, n);
        else if (row->cdf || (row->family->cdf && !has_atoms(row)))
            p = continuous_fit(c, row, row->point[k], x, n);
        ck_assert_msg(p > 1e-4, "%s, point %d: fits with probability %g", row->golden, k,
                      p);
        if (!is_heavy(row, k))
            check_moments(c, row, row->point[k], x, n);
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        free(x);
        ppl_epoch_end(c, epoch);
    }
    ppl_ctx_free(c);
}
END_TEST

/* ---- Pathwise gradients ------------------------------------------------------------ */

/* Parameters of one point: each repeated n times in a variable, or once. */
static void make_leaves(ppl_ctx *c, const family_row *row, const double *point, int n,
                        ppl_tensor **leaf)
{
    double *same = malloc((size_t)n * sizeof *same);
    for (int k = 0; k < param_count(row); k++) {
        for (int j = 0; j < n; j++)
            same[j] = point[k];
        leaf[k] = ppl_variable(c, n > 1 ? PPL_SHAPE(n) : PPL_SCALAR, same);
    }
    free(same);
}

/* Of one parameter: the means of dx and d(x^2) against derivatives of E[x] and E[x^2].
 * Where these are 0 they may be off by 1e-9; of a composed one in float, whose dx is a
 * difference of rounded numbers, dx by 1e-8 and d(x^2) = 2 x dx by 2 |x| times that. */
static void check_slopes(const family_row *row, const double *point, int param,
                         const double *value, double *slope, const double exact[2],
                         int rounded)
{
    double rounding = rounded ? 1e-8 : 1e-9;
    for (int power = 0; power < 2; power++) {
        mean_error m = mean_of(slope, PATHS);
        double allowed = 4 * m.error + 1e-5 * fabs(exact[power]) + rounding;
        ck_assert_msg(!isfinite(exact[power]) || fabs(m.mean - exact[power]) <= allowed,
                      "%s(%g, %g): dE[x^%d] by parameter %d is %g, not %g +- %g",
                      row->golden, point[0], point[1], power + 1, param, m.mean,
                      exact[power], m.error);
        if (rounded)
            rounding *= fmax(1, 2 * fabs(mean_of(value, PATHS).mean));
        for (int j = 0; j < PATHS; j++)
            slope[j] *= 2 * value[j];
    }
}

/* Derivatives of E[x] and E[x^2] in each parameter; in double whatever the draws are in. */
static void slopes_of_moments(const family_row *row, const double *point,
                              double exact[PPL_MAX_PARAMS][2])
{
    ppl_ctx *c = context(1);
    ppl_tensor *one[PPL_MAX_PARAMS] = { NULL };
    const int count = param_count(row);
    make_leaves(c, row, point, 1, one);
    ppl_dist *d = row->make(one);
    ppl_tensor *mean = ppl_dist_mean(d);
    ppl_tensor *square = ppl_add(ppl_mul(mean, mean), ppl_dist_variance(d));
    ck_assert_int_eq(ppl_backward(mean), PPL_OK);
    for (int k = 0; k < count; k++)
        exact[k][0] = ppl_item(ppl_grad(one[k]));
    ck_assert_int_eq(ppl_backward(square), PPL_OK);
    for (int k = 0; k < count; k++)
        exact[k][1] = ppl_item(ppl_grad(one[k])) - exact[k][0];
    ppl_ctx_free(c);
}

/* E[x] and E[x^2] move with the parameters as mean and mean^2 + variance do. */
static void check_by_moments(ppl_ctx *c, const family_row *row, const double *point)
{
    static double value[PATHS], slope[PATHS];
    ppl_tensor *leaf[PPL_MAX_PARAMS] = { NULL };
    double exact[PPL_MAX_PARAMS][2];
    slopes_of_moments(row, point, exact);
    make_leaves(c, row, point, PATHS, leaf);
    ppl_tensor *x = ppl_dist_sample(row->make(leaf), &test_rng);
    ck_assert_int_eq(ppl_backward(ppl_sum(x, PPL_ALL)), PPL_OK);
    ppl_read(x, value, PATHS);
    for (int k = 0; k < param_count(row); k++) {
        ppl_read(ppl_grad(leaf[k]), slope, PATHS);
        check_slopes(row, point, k, value, slope, exact[k],
                     row->composed && ppl_ctx_dtype(c) == PPL_F32);
    }
}

/* With F the cdf at the point, kept as it is, E[F(x)] moves with a parameter as -E[dF] of
 * the cdf's derivative in it, whatever the tails: here by quadrature over the quantiles. */
static void check_by_cdf(ppl_ctx *c, const family_row *row, const double *point)
{
    static double at[GRID], slope[GRID];
    ppl_tensor *leaf[PPL_MAX_PARAMS] = { NULL }, *grid[PPL_MAX_PARAMS] = { NULL };
    ppl_dist *fixed = make_member(c, row, point);
    make_leaves(c, row, point, PATHS, leaf);
    make_leaves(c, row, point, GRID, grid);
    ppl_tensor *x = ppl_dist_sample(row->make(leaf), &test_rng);
    ck_assert_int_eq(ppl_backward(ppl_sum(ppl_cdf(fixed, x), PPL_ALL)), PPL_OK);
    for (int j = 0; j < GRID; j++)
        at[j] = (j + 0.5) / GRID;
    x = ppl_icdf(fixed, ppl_from_doubles(c, PPL_SHAPE(GRID), at));
    ck_assert_int_eq(ppl_backward(ppl_sum(ppl_cdf(row->make(grid), x), PPL_ALL)), PPL_OK);
    for (int k = 0; k < param_count(row); k++) {
        ppl_read(ppl_grad(grid[k]), slope, GRID);
        double exact = -mean_of(slope, GRID).mean;
        ppl_read(ppl_grad(leaf[k]), slope, PATHS);
        mean_error m = mean_of(slope, PATHS);
        ck_assert_msg(fabs(m.mean - exact) <= 4 * m.error + 1e-4 * fabs(exact) + 1e-9,
                      "%s(%g, %g): dE[F] by parameter %d is %g, not %g +- %g", row->golden,
                      point[0], point[1], k, m.mean, exact, m.error);
    }
}

/* _i counts families and, within each, dtypes. */
START_TEST(pathwise_gradients_are_unbiased)
{
    ppl_ctx *c = context(_i % DTYPES);
    const family_row *row = &families[_i / DTYPES];
    const ppl_family *f = make_member(c, row, row->point[0])->family;
    int reparameterised = (f->flags & PPL_REPARAM) && differentiable(row);
    for (int k = 0; reparameterised && has_point(row, k); k++) {
        ppl_epoch epoch = ppl_epoch_begin(c);
        if (f->mean && f->variance && !is_heavy(row, k))
            check_by_moments(c, row, row->point[k]);
        if (f->cdf && f->icdf && !row->slow && !has_atoms(row))
            check_by_cdf(c, row, row->point[k]);
        ppl_epoch_end(c, epoch);
    }
    ppl_ctx_free(c);
}
END_TEST

/* On a circle that is nearly evenly covered. A cdf jumps at pi, so how draws move is asked
 * of a function that does not: E[cos(x - loc)] is 1 less the variance, of directions. */
START_TEST(angles_of_low_concentration_fit)
{
    const double concentration[] = { 0.5, 1e-9, 1e-308 };
    ppl_ctx *c = context(1);
    (void)_i;
    for (int i = 0; i < COUNT_OF(concentration); i++) {
        static double x[DRAWS], slope[PATHS];
        const double loc = 0.75;
        double exact;
        ppl_epoch epoch = ppl_epoch_begin(c);
        ppl_tensor *center = ppl_scalar(c, loc), *one;
        ppl_dist *d = ppl_von_mises(center, ppl_scalar(c, concentration[i]));
        ppl_read(ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(DRAWS)), &test_rng), x,
                 DRAWS);
        ppl_read(ppl_cdf(d, ppl_from_doubles(c, PPL_SHAPE(DRAWS), x)), x, DRAWS);
        const double p = ks_probability(x, DRAWS);
        ck_assert_msg(p > 1e-4, "%g: fits with probability %g", concentration[i], p);
        for (int n = 0; n < PATHS; n++)
            slope[n] = concentration[i];
        one = ppl_variable(c, PPL_SCALAR, slope);
        ck_assert_int_eq(ppl_backward(ppl_dist_variance(ppl_von_mises(center, one))),
                         PPL_OK);
        exact = -ppl_item(ppl_grad(one));
        ppl_tensor *k = ppl_variable(c, PPL_SHAPE(PATHS), slope);
        ppl_tensor *away = ppl_sub(ppl_dist_sample(ppl_von_mises(center, k), &test_rng),
                                   center);
        ck_assert_int_eq(ppl_backward(ppl_sum(ppl_cos(away), PPL_ALL)), PPL_OK);
        ppl_read(ppl_grad(k), slope, PATHS);
        const mean_error m = mean_of(slope, PATHS);
        ck_assert_msg(fabs(m.mean - exact) <= 4 * m.error, "%g: %g, not %g +- %g",
                      concentration[i], m.mean, exact, m.error);
        ppl_epoch_end(c, epoch);
    }
    ppl_ctx_free(c);
}
END_TEST

/* Of a concentration whose double, or whose square, is beyond all numbers: k x^2 is that of
 * a standard normal. */
START_TEST(angles_of_huge_concentration_fit)
{
    const double concentration[] = { 1e30, 1e200, DBL_MAX / 8 };
    ppl_ctx *c = context(1);
    (void)_i;
    for (int i = 0; i < COUNT_OF(concentration); i++) {
        static double x[DRAWS];
        const double k = concentration[i];
        ppl_dist *d = ppl_von_mises(ppl_scalar(c, 0), ppl_scalar(c, k));
        ppl_read(ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(DRAWS)), &test_rng), x,
                 DRAWS);
        for (int n = 0; n < DRAWS; n++)
            x[n] = x[n] * k * x[n];
        const mean_error m = mean_of(x, DRAWS);
        ck_assert_msg(fabs(m.mean - 1) <= 4 * m.error, "%g: %g +- %g, not 1", k, m.mean,
                      m.error);
    }
    for (int i = 0; i < 2; i++)
        ck_assert(isfinite(ppl_item(ppl_dist_sample(
            ppl_von_mises(ppl_scalar(c, 0), ppl_scalar(c, i ? DBL_MAX : 5e-324)),
            &test_rng))));
    ppl_ctx_free(c);
}
END_TEST

/* ---- Implicit derivatives --------------------------------------------------------------- */

/* d log x / d a of unit Gamma draws, and what two of them make of a Beta draw: the mean
 * of dx/da over g1 + g0 = s, given x, is the implicit derivative of the Beta. */
START_TEST(implicit_derivatives_are_met)
{
    json_t *root = golden_load("distributions.json");
    const json_t *gammas = json_object_get(root, "gamma_implicit");
    const json_t *betas = json_object_get(root, "beta_implicit");
    for (size_t i = 0; i < json_array_size(gammas); i++) {
        double a = NAN, x = NAN, slope = NAN;
        golden_numbers(json_array_get(gammas, i), "params", &a, 1);
        golden_numbers(json_array_get(gammas, i), "value", &x, 1);
        golden_numbers(json_array_get(gammas, i), "d_params", &slope, 1);
        assert_near("gamma_implicit", (int)i, "slope",
                    x * ppl_maths_gamma_slope(a, x, log(x)), slope, 1e-11, 0);
    }
    for (size_t i = 0; i < json_array_size(betas); i++) {
        double a[2] = { NAN, NAN }, x = NAN, slope[2] = { NAN, NAN }, sum[2] = { 0 },
               mass = 0;
        golden_numbers(json_array_get(betas, i), "params", a, 2);
        golden_numbers(json_array_get(betas, i), "value", &x, 1);
        golden_numbers(json_array_get(betas, i), "d_params", slope, 2);
        double both = a[0] + a[1], width = 12 / sqrt(both), steps = 1000;
        double low = log(both) - width - 45 / both, high = log(both) + fmin(width, 4);
        for (int k = 0; k <= (int)steps; k++) {
            double u = low + (high - low) * k / steps, s = exp(u);
            double weight = exp(both * u - s - lgamma(both));
            mass += weight;
            sum[0] += weight * ppl_maths_gamma_slope(a[0], x * s, log(x) + u);
            sum[1] += weight * ppl_maths_gamma_slope(a[1], (1 - x) * s, log1p(-x) + u);
        }
        for (int k = 0; k < 2; k++)
            assert_near("beta_implicit", (int)i, "slope",
                        (k ? -x : x) * (1 - x) * sum[k] / mass, slope[k], 1e-8, 0);
    }
    ck_assert_int_ge((int)json_array_size(gammas), 40);
    ck_assert_int_ge((int)json_array_size(betas), 40);
    json_decref(root);
}
END_TEST

/* Far tails, large concentrations, and where series and integral meet; by mpmath. */
START_TEST(implicit_derivatives_hold_far_out)
{
    static const double point[][3] = {
        { 1e-5, 0.5, 92292.137638846681 },
        { 1e-5, 4, 20635.043820032669 },
        { 0.3, 50, 0.14666383964695077 },
        { 5, 100, 0.032375351046891018 },
        { 20, 1.25, 0.14885352712844311 },
        { 150, 300, 0.0046260391649983617 },
        { 199, 199.75, 0.0050198827396308456 },
        { 201, 200.5, 0.0049854551205186355 },
        { 1e6, 1005000, 9.9750846845907724e-7 },
        { 1e6, 998000, 1.0010015021700889e-6 },
        { 1e10, 10000200000, 9.9999000014999783e-11 },
    };
    (void)_i;
    for (int i = 0; i < COUNT_OF(point); i++) {
        const double *p = point[i];
        assert_near("unit gamma", i, "slope",
                    ppl_maths_gamma_slope(p[0], p[1], log(p[1])), p[2], 1e-11, 0);
    }
    /* A draw of e^-2000 is 0, and moves all the same. */
    assert_near("unit gamma", 0, "slope", ppl_maths_gamma_slope(0.001, 0, -2000),
                1999424.4280681897, 1e-11, 0);
}
END_TEST

/* ---- What draws depend on ---------------------------------------------------------- */

START_TEST(a_draw_depends_on_its_element_alone)
{
    ppl_ctx *c = context(_i);
    for (int i = 0; i < FAMILIES; i++) {
        double *few = draw(c, &families[i], families[i].point[0], 7);
        double *many = draw(c, &families[i], families[i].point[0], 1000);
        ck_assert_msg(memcmp(few, many, 7 * sizeof *few) == 0, "%s", families[i].golden);
        free(few);
        free(many);
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(an_expanded_distribution_draws_independent_copies)
{
    ppl_ctx *c = context(_i);
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        double *x = draw(c, row, row->point[0], 64);
        int others = 0;
        for (int k = 1; k < 64; k++)
            others += x[k] != x[0];
        ck_assert_msg((others > 0) == (row->family != &ppl_family_delta), "%s",
                      row->golden);
        free(x);
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(both_dtypes_draw_the_same)
{
    ppl_ctx *c[2] = { context(0), context(1) };
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        for (int point = 0; has_point(row, point); point++) {
            double *x = draw(c[0], row, row->point[point], 1000);
            double *y = draw(c[1], row, row->point[point], 1000);
            for (int k = 0; k < 1000; k++)
                assert_near(row->golden, k, "draw", x[k], (double)(float)y[k],
                            row->composed ? 1e-4 : 2e-7,
                            row->composed ? 1e-5 : (double)FLT_MIN);
            free(x);
            free(y);
        }
    }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

/* Concentrations so small that draws underflow: the log_prob stays finite. */
START_TEST(tiny_concentrations_draw_within_the_support)
{
    ppl_ctx *c = context(_i);
    double tiny = 1e-3, x[1000];
    ppl_tensor *a = ppl_variable(c, PPL_SCALAR, &tiny), *one = ppl_scalar(c, 1);
    ppl_dist *d[] = { ppl_gamma(a, one), ppl_beta(a, a) };
    for (int i = 0; i < 2; i++) {
        d[i] = ppl_expand_dist(d[i], PPL_SHAPE(1000));
        ppl_tensor *draws = ppl_dist_sample(d[i], &test_rng),
                   *log_prob = ppl_log_prob(d[i], draws);
        int extreme = 0;
        ppl_read(draws, x, 1000);
        for (int k = 0; k < 1000; k++) {
            ck_assert(x[k] > 0 && (i == 0 || x[k] < 1));
            extreme += x[k] < 1e-30;
        }
        ck_assert_int_gt(extreme, 300);
        ck_assert(isfinite(ppl_total(log_prob)));
        ck_assert_int_eq(ppl_backward(ppl_sum(log_prob, PPL_ALL)), PPL_OK);
    }
    ck_assert(isfinite(ppl_item(ppl_grad(a))));
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        implicit_derivatives_are_met, implicit_derivatives_hold_far_out,
        a_draw_depends_on_its_element_alone, both_dtypes_draw_the_same,
        an_expanded_distribution_draws_independent_copies,
        tiny_concentrations_draw_within_the_support, NULL
    };
    Suite *suite = suite_create("samplers");
    TCase *quick = tcase_create("quick"), *slow = tcase_create("samples");
    for (const TTest *const *t = tests; *t; t++)
        tcase_add_loop_test(quick, *t, 0, DTYPES);
    tcase_add_loop_test(slow, samples_fit, 0, FAMILIES);
    tcase_add_test(slow, angles_of_low_concentration_fit);
    tcase_add_test(quick, angles_of_huge_concentration_fit);
    tcase_add_loop_test(slow, pathwise_gradients_are_unbiased, 0, DTYPES * FAMILIES);
    tcase_set_timeout(quick, 60);
    tcase_set_timeout(slow, 60);
    suite_add_tcase(suite, quick);
    suite_add_tcase(suite, slow);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

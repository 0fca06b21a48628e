/* SPDX-License-Identifier: MIT */
/*
 * test_truncated.c - cut distributions: of every base that has a cdf, of integers, far in
 * a tail, by search where there are no quantiles; gradients of draws against closed forms;
 * what is refused. Golden numbers, differences and samplers: the rows of families.h.
 */
#include "tensors.h"

#include "families.h"

static double item(ppl_tensor *t)
{
    return ppl_item(t);
}

static int discrete(const ppl_dist *d)
{
    return (d->family->flags & PPL_DISCRETE) != 0;
}

/* ---- Every base ------------------------------------------------------------------ */

/* Cut where the base has probabilities `p` and `q`, both ends or one given: all is the
 * base's, divided by the mass. */
static void check_cut(ppl_ctx *c, int i, const family_row *row, ppl_dist *base, double p,
                      double q, int left, int right)
{
    const double tolerance = i ? 1e-10 : 2e-4;
    ppl_tensor *low = ppl_icdf(base, ppl_scalar(c, p));
    ppl_tensor *high = ppl_icdf(base, ppl_scalar(c, q));
    ppl_dist *d = ppl_truncated(base, left ? low : NULL, right ? high : NULL);
    p = left ? p : 0;
    q = right ? q : 1;
    ck_assert_msg(d != NULL, "%s: %s", row->golden, ppl_error_text(c));
    const double half = p + (q - p) / 2;
    ppl_tensor *x = ppl_icdf(base, ppl_scalar(c, half));
    assert_near(row->golden, 0, "log_prob", item(ppl_log_prob(d, x)),
                item(ppl_log_prob(base, x)) - log(q - p), tolerance, tolerance);
    assert_near(row->golden, 1, "cdf", item(ppl_cdf(d, x)), 0.5, tolerance, 0);
    assert_near(row->golden, 2, "icdf", item(ppl_icdf(d, ppl_scalar(c, 0.5))), item(x),
                tolerance, tolerance);
    assert_near(row->golden, 3, "inverse_survival",
                item(ppl_inverse_survival(d, ppl_scalar(c, 0.5))), item(x), tolerance,
                tolerance);
    ppl_tensor *draws = ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(200)), &test_rng);
    double value[200];
    ck_assert_int_eq(ppl_read(draws, value, 200), 200);
    for (int k = 0; k < 200; k++)
        ck_assert_msg((!left || value[k] >= item(low)) &&
                          (!right || value[k] <= item(high)),
                      "%s: a draw is %g", row->golden, value[k]);
    ck_assert(isfinite(ppl_total(ppl_log_prob(d, draws))));
    ck_assert_msg(ppl_ok(c), "%s: %s", row->golden, ppl_error_text(c));
}

START_TEST(every_base_with_a_cdf_can_be_cut)
{
    ppl_ctx *c = context(_i);
    int bases = 0;
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        ppl_dist *base = make_member(c, row, row->point[0]);
        if (!base->family->cdf || !base->family->icdf || discrete(base) || has_atoms(row))
            continue;
        check_cut(c, _i, row, base, 0.25, 0.75, 1, 1);
        check_cut(c, _i, row, base, 0.25, 0.5, 0, 1);
        check_cut(c, _i, row, base, 0.5, 0.75, 1, 0);
        check_cut(c, _i, row, base, 0.875, 0.96875, 1, 1);
        bases++;
    }
    ck_assert_int_ge(bases, 30);
    ppl_ctx_free(c);
}
END_TEST

/* An infinite bound is none, among others that are finite. */
START_TEST(infinite_bounds_are_none)
{
    ppl_ctx *c = context(_i);
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        ppl_tensor *params[PPL_MAX_PARAMS];
        ppl_dist *base = make_member(c, row, row->point[0]);
        if (!base->family->cdf || !base->family->icdf || discrete(base) || has_atoms(row))
            continue;
        make_params(c, row, row->point[0], 0, 1, params);
        base = row->make(params);
        ppl_tensor *x = ppl_detach(ppl_icdf(base, ppl_scalar(c, 0.5)));
        const double low[] = { -INFINITY, item(ppl_icdf(base, ppl_scalar(c, 0.25))) };
        const double high[] = { item(ppl_icdf(base, ppl_scalar(c, 0.75))), INFINITY };
        ppl_dist *d = ppl_truncated(base, vector(c, 2, low), vector(c, 2, high));
        const double lp = item(ppl_log_prob(base, x)) - log(0.75);
        ck_assert_msg(d != NULL, "%s: %s", row->golden, ppl_error_text(c));
        ppl_tensor *density = ppl_log_prob(d, ppl_expand(x, PPL_SHAPE(2)));
        ck_assert_msg(density != NULL, "%s: %s", row->golden, ppl_error_text(c));
        assert_elements(row->golden, density, 2, LIST(lp, lp), _i ? 1e-9 : 1e-4);
        ck_assert_msg(ppl_backward(ppl_sum(density, PPL_ALL)) == PPL_OK, "%s",
                      ppl_error_text(c));
        for (int k = 0; k < param_count(row); k++)
            ck_assert_msg(isfinite(ppl_total(ppl_grad(params[k]))), "%s: parameter %d",
                          row->golden, k);
        ck_assert_msg(ppl_ok(c), "%s: %s", row->golden, ppl_error_text(c));
    }
    ppl_ctx_free(c);
}
END_TEST

/* ---- Draws against closed forms -------------------------------------------------- */

enum { N = 400 };

/* Exponential from low on: x = low + e / rate, so dx/dlow = 1 and dx/drate = -(x - low) /
 * rate, also where P(X >= low) is no number. */
START_TEST(draws_move_with_bounds_and_base)
{
    static const double lows[] = { 0.5, 3, 50, 2000 }, rates[] = { 0.25, 2 };
    ppl_ctx *c = context(_i);
    for (int k = 0; k < 8; k++) {
        double low[N], rate[N], x[N], by_low[N], by_rate[N];
        for (int j = 0; j < N; j++) {
            low[j] = lows[k / 2];
            rate[j] = rates[k % 2];
        }
        ppl_tensor *l = ppl_variable(c, PPL_SHAPE(N), low);
        ppl_tensor *r = ppl_variable(c, PPL_SHAPE(N), rate);
        ppl_dist *d = ppl_truncated(ppl_exponential(r), l, NULL);
        ppl_tensor *draws = ppl_dist_sample(d, &test_rng);
        ck_assert_msg(ppl_backward(ppl_sum(draws, PPL_ALL)) == PPL_OK, "%s",
                      ppl_error_text(c));
        ppl_read(draws, x, N);
        ppl_read(ppl_grad(l), by_low, N);
        ppl_read(ppl_grad(r), by_rate, N);
        /* x - low is as exact as x can be. */
        const double tolerance = _i ? 1e-9 : 2e-3;
        for (int j = 0; j < N; j++) {
            const double slope = -(x[j] - low[j]) / rate[j];
            ck_assert(x[j] >= low[j]);
            ck_assert_msg(is_near(by_low[j], 1, tolerance), "low %g, rate %g: %g", low[j],
                          rate[j], by_low[j]);
            ck_assert_msg(fabs(by_rate[j] - slope) <= tolerance * (1 + fabs(slope)) *
                                                          (1 + (_i ? 0 : low[j] / 20)),
                          "low %g, rate %g: %g, not %g", low[j], rate[j], by_rate[j],
                          slope);
        }
        /* The same uniforms make the same excess. */
        ppl_dist *from_0 = ppl_truncated(ppl_exponential(ppl_scalar(c, rate[0])),
                                         ppl_scalar(c, 0), NULL);
        double e[N];
        ppl_read(ppl_dist_sample(ppl_expand_dist(from_0, PPL_SHAPE(N)), &test_rng), e, N);
        for (int j = 0; j < N; j++)
            ck_assert_msg(fabs(x[j] - low[j] - e[j]) <= (_i ? 1e-11 : 1e-5) * (1 + x[j]),
                          "%g, not %g", x[j] - low[j], e[j]);
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(far_in_either_tail)
{
    ppl_ctx *c = context(_i);
    ppl_dist *base = ppl_laplace(ppl_scalar(c, 0), ppl_scalar(c, 1));
    ppl_dist *left = ppl_truncated(base, NULL, ppl_scalar(c, -1500));
    ppl_dist *right = ppl_truncated(base, ppl_scalar(c, 1500), ppl_scalar(c, 1501));
    double x[N];
    ppl_read(ppl_dist_sample(ppl_expand_dist(left, PPL_SHAPE(N)), &test_rng), x, N);
    double sum = 0;
    for (int j = 0; j < N; j++) {
        ck_assert(x[j] <= -1500 && x[j] > -1530);
        sum += (-1500 - x[j]) / N;
    }
    ck_assert(fabs(sum - 1) < 4 / sqrt(N));
    ppl_read(ppl_dist_sample(ppl_expand_dist(right, PPL_SHAPE(N)), &test_rng), x, N);
    for (int j = 0; j < N; j++)
        ck_assert(x[j] >= 1500 && x[j] <= 1501);
    assert_values(ppl_log_prob(right, ppl_scalar(c, 1500.5)), 100 * rounding(_i),
                  -0.5 - log(-expm1(-1)));
    assert_values(ppl_icdf(right, ppl_scalar(c, 0.25)), 100 * rounding(_i),
                  1500 - log1p(-0.25 * -expm1(-1)));
    ppl_ctx_free(c);
}
END_TEST

/* ---- A base without quantiles ---------------------------------------------------- */

START_TEST(a_mixture_is_cut_by_search)
{
    ppl_ctx *c = context(_i);
    ppl_dist *base = ppl_mixture_same_family(
        ppl_categorical(numbers(c, 1, 3)),
        ppl_normal(numbers(c, -2, 1), numbers(c, 0.5, 1)));
    const double low = -1.75, high = 1.5;
    double leaf = high, slope = NAN, x = NAN;
    ppl_tensor *top = ppl_variable(c, PPL_SCALAR, &leaf);
    ppl_dist *d = ppl_truncated(base, ppl_scalar(c, low), top);
    ck_assert_str_eq(d->family->name, "truncated(mixture(normal))");
    const double below = item(ppl_cdf(base, ppl_scalar(c, low)));
    const double mass = item(ppl_cdf(base, ppl_scalar(c, high))) - below;
    ppl_tensor *q = ppl_icdf(d, ppl_scalar(c, 0.375));
    x = item(q);
    ck_assert_msg(is_near(item(ppl_cdf(base, ppl_scalar(c, x))), below + 0.375 * mass,
                          _i ? 1e-12 : 1e-5), "%.9g, not %.9g at %.9g",
                  item(ppl_cdf(base, ppl_scalar(c, x))), below + 0.375 * mass, x);
    /* F(x) = F(low) + p (F(high) - F(low)), so p(x) dx = p p(high) dhigh. */
    ck_assert_int_eq(ppl_backward(q), PPL_OK);
    slope = item(ppl_grad(top));
    ck_assert(is_near(slope, 0.375 * exp(item(ppl_log_prob(base, ppl_scalar(c, high))) -
                                         item(ppl_log_prob(base, ppl_scalar(c, x)))),
                      _i ? 1e-10 : 1e-5));
    ppl_ctx_free(c);
}
END_TEST

/* ---- Integers -------------------------------------------------------------------- */

static double poisson(double rate, double x)
{
    return exp(x * log(rate) - rate - lgamma(x + 1));
}

/* An Exponential and a Geometric cut below are what they were, further up; ends move too. */
START_TEST(moments_far_out)
{
    static const double lows[] = { 0.5, 3, 50, 2000 };
    ppl_ctx *c = context(_i);
    for (int k = 0; k < 4; k++) {
        const double rate = 2, near = (_i ? 1e-12 : 2e-5) * (1 + lows[k] / 100);
        ppl_tensor *low = ppl_variable(c, PPL_SCALAR, &lows[k]);
        ppl_tensor *r = ppl_variable(c, PPL_SCALAR, &rate);
        ppl_dist *d = ppl_truncated(ppl_exponential(r), low, NULL);
        ppl_tensor *mean = ppl_dist_mean(d), *variance = ppl_dist_variance(d);
        assert_elements("mean", mean, 1, LIST(lows[k] + 0.5), near);
        assert_elements("variance", variance, 1, LIST(0.25), near);
        ck_assert_int_eq(ppl_backward(mean), PPL_OK);
        assert_elements("by low", ppl_grad(low), 1, LIST(1), near);
        assert_elements("by rate", ppl_grad(r), 1, LIST(-0.25), near);
        ck_assert_int_eq(ppl_backward(variance), PPL_OK);
        assert_elements("by low, and 0", ppl_grad(low), 1, LIST(1), near);
        assert_elements("by rate, and -0.25", ppl_grad(r), 1, LIST(-0.5), near);
        ppl_tensor *entropy = ppl_entropy(d);
        assert_elements("entropy", entropy, 1, LIST(1 - log(2)), 3 * near);
        ck_assert_int_eq(ppl_backward(entropy), PPL_OK);
        assert_elements("by low, and 1", ppl_grad(low), 1, LIST(1), 10 * near);
        assert_elements("by rate, and -0.5", ppl_grad(r), 1, LIST(-1), 10 * near);
    }
    const double p[] = { 0.25, 1e-3, 1e-6 };
    const int64_t from[] = { 7, 20000, 10000000 };
    ppl_dist *d = ppl_truncated(ppl_geometric(vector(c, 3, p)),
                                ppl_from_integers(c, PPL_SHAPE(3), from), NULL);
    assert_elements("mean", ppl_dist_mean(d), 3, LIST(10, 20999, 10999999),
                    _i ? 1e-13 : 1e-6);
    assert_elements("variance", ppl_dist_variance(d), 3, LIST(12, 999e3, 999999e6),
                    _i ? 1e-12 : 1e-5);
    double geometric[3];
    ppl_read(ppl_entropy(ppl_geometric(vector(c, 3, p))), geometric, 3);
    assert_elements("entropy", ppl_entropy(d), 3, geometric, _i ? 1e-12 : 1e-5);
    ppl_ctx_free(c);
}
END_TEST

/* Of Pareto laws: a mean where a > 1, a variance where a > 2, however little; a Cauchy's
 * side that is left decides. */
START_TEST(heavy_tails_have_no_moments)
{
    static const double a[] = { 0.5, 1, 1.0625, 2, 2.0625, 5 };
    ppl_ctx *c = context(_i);
    double mean[6], variance[6];
    for (int k = 0; k < 6; k++) {
        mean[k] = a[k] > 1 ? 3 * a[k] / (a[k] - 1) : INFINITY;
        variance[k] = a[k] > 2 ? 3 * mean[k] / (a[k] - 1) / (a[k] - 2) : INFINITY;
    }
    ppl_dist *d = ppl_truncated(ppl_pareto(ppl_scalar(c, 1), vector(c, 6, a)),
                                ppl_scalar(c, 3), NULL);
    assert_elements("mean", ppl_dist_mean(d), 6, mean, _i ? 1e-12 : 1e-4);
    assert_elements("variance", ppl_dist_variance(d), 6, variance, _i ? 1e-11 : 1e-3);
    const double low[] = { -INFINITY, 4, -INFINITY, 0 }, high[] = { 2, INFINITY, INFINITY, 1 };
    d = ppl_truncated(ppl_cauchy(ppl_scalar(c, 0), ppl_scalar(c, 1)), vector(c, 4, low),
                      vector(c, 4, high));
    const double of_unit = log(2) / 2 / atan(1);
    assert_elements("mean", ppl_dist_mean(d), 4, LIST(-INFINITY, INFINITY, NAN, of_unit),
                    _i ? 1e-13 : 1e-6);
    assert_elements("variance", ppl_dist_variance(d), 4,
                    LIST(INFINITY, INFINITY, NAN, 1 / atan(1) - 1 - of_unit * of_unit),
                    _i ? 1e-13 : 1e-6);
    ppl_ctx_free(c);
}
END_TEST

/* At ends where a density is infinite, at 0 and elsewhere; of tails of exponent 0.05; of two
 * normals far apart, where most panels hold nothing, also of the moments: as in closed form. */
START_TEST(entropies_are_found)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *half = ppl_scalar(c, 0.5), *one = ppl_scalar(c, 1), *none = ppl_scalar(c, 0);
    const double near = _i ? 1e-11 : 3e-5, pi = acos(-1), bell = log(2 * pi * exp(1)) / 2;
    const double gamma = item(ppl_entropy(ppl_gamma(half, one)));
    assert_values(ppl_entropy(ppl_truncated(ppl_gamma(half, one), NULL, ppl_scalar(c, 1e3))),
                  near, gamma);
    assert_values(ppl_entropy(ppl_truncated(ppl_beta(half, half), none, NULL)), near,
                  log(pi / 4));
    assert_values(ppl_entropy(ppl_truncated(ppl_pareto(one, ppl_scalar(c, 0.05)),
                                            ppl_scalar(c, 3), NULL)), near, log(60) + 21);
    assert_values(ppl_entropy(ppl_truncated(ppl_levy(ppl_scalar(c, 5), one), none, NULL)),
                  near, (1 + 3 * 0.57721566490153286 + log(16 * pi)) / 2);
    ppl_dist *pair = ppl_truncated(
        ppl_mixture_same_family(ppl_categorical(numbers(c, 1, 1)),
                                ppl_normal(numbers(c, -1000, 1000), one)),
        ppl_scalar(c, -2000), NULL);
    assert_values(ppl_entropy(pair), near, bell + log(2));
    assert_values(ppl_dist_variance(pair), _i ? 1e-12 : 1e-3, 1e6 + 1);
    assert_values(ppl_icdf(pair, ppl_scalar(c, 0.75)), rounding(_i), 1000);
    ppl_ctx_free(c);
}
END_TEST

static ppl_tensor *integer(ppl_ctx *c, int64_t x)
{
    return ppl_from_integers(c, PPL_SCALAR, &x);
}

/* By sums; how the mean moves: d mean / d rate = variance / rate. Ends may differ but where
 * values are listed. */
START_TEST(cut_counts_have_moments_and_lists)
{
    static const int64_t low[] = { 2, 0, 9 }, high[] = { 6, 3, 9 };
    ppl_ctx *c = context(_i);
    double m[3] = { 0 }, v[3] = { 0 }, rate = 4.5, by_rate = 0, values[5];
    for (int k = 0; k < 3; k++) {
        double mass = 0;
        for (int64_t x = low[k]; x <= high[k]; x++)
            mass += poisson(rate, (double)x);
        for (int64_t x = low[k]; x <= high[k]; x++)
            m[k] += (double)x * poisson(rate, (double)x) / mass;
        for (int64_t x = low[k]; x <= high[k]; x++)
            v[k] += pow((double)x - m[k], 2) * poisson(rate, (double)x) / mass;
        by_rate += v[k] / rate;
    }
    ppl_tensor *r = ppl_variable(c, PPL_SCALAR, &rate);
    ppl_dist *d = ppl_truncated(ppl_poisson(r), ppl_from_integers(c, PPL_SHAPE(3), low),
                                ppl_from_integers(c, PPL_SHAPE(3), high));
    ppl_tensor *mean = ppl_dist_mean(d);
    assert_elements("mean", mean, 3, m, 64 * rounding(_i));
    assert_elements("variance", ppl_dist_variance(d), 3, v, 64 * rounding(_i));
    ck_assert_int_eq(ppl_backward(ppl_sum(mean, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(r), 256 * rounding(_i), by_rate);
    ck_assert_ptr_null(d->family->enumerate(d));
    ck_assert_int_eq(ppl_error(c), PPL_EUNSUPPORTED);
    ppl_clear_error(c);
    d = ppl_truncated(ppl_poisson(ppl_scalar(c, rate)), integer(c, 2), integer(c, 6));
    ck_assert(d->family->flags & PPL_ENUMERABLE);
    ck_assert_int_eq(ppl_read(d->family->enumerate(d), values, 5), 5);
    for (int k = 0; k < 5; k++)
        ck_assert(values[k] == 2 + k);
    assert_values(ppl_dist_mean(ppl_expand_dist(d, PPL_SHAPE(2))), 64 * rounding(_i), m[0],
                  m[0]);
    ppl_dist *gated = ppl_hurdle(ppl_scalar(c, 0.25), d);
    ck_assert_int_eq(ppl_numel(gated->family->enumerate(gated)), 6);
    assert_values(ppl_sum(ppl_exp(ppl_log_prob(gated, gated->family->enumerate(gated))), 0),
                  64 * rounding(_i), 1);
    assert_values(ppl_dist_mean(gated), 64 * rounding(_i), 0.75 * m[0]);
    /* A Binomial ends by itself; a Poisson does not. */
    d = ppl_truncated(ppl_binomial(integer(c, 4), ppl_scalar(c, 0.5)), integer(c, 3), NULL);
    ck_assert_int_eq(ppl_read(d->family->enumerate(d), values, 5), 2);
    assert_values(ppl_dist_mean(d), 64 * rounding(_i), 3.2);
    d = ppl_truncated(ppl_poisson(ppl_scalar(c, rate)), integer(c, 2), NULL);
    ck_assert(!d->family->enumerate);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(counts_are_cut_at_integers)
{
    static const int64_t low[] = { 2, 0, 9, 40, INT64_MIN }, high[] = { 6, 3, 9, 60, 4 };
    ppl_ctx *c = context(_i);
    for (int k = 0; k < COUNT_OF(low); k++) {
        double rate = 4.5, mass = 0, mean = 0, below = 0, draws[2000];
        const int64_t from = low[k] < 0 ? 0 : low[k];
        for (int64_t x = from; x <= high[k]; x++) {
            mass += poisson(rate, (double)x);
            mean += (double)x * poisson(rate, (double)x);
        }
        ppl_tensor *r = ppl_variable(c, PPL_SCALAR, &rate);
        ppl_tensor *least = low[k] < 0 ? NULL : integer(c, low[k]);
        ppl_dist *d = ppl_truncated(ppl_poisson(r), least, integer(c, high[k]));
        ck_assert_msg(d != NULL, "%s", ppl_error_text(c));
        for (int64_t x = from; x <= high[k]; x++) {
            const double p = poisson(rate, (double)x) / mass;
            ppl_tensor *at = integer(c, x);
            ck_assert(is_near(item(ppl_log_prob(d, at)), log(p), _i ? 1e-10 : 1e-5));
            /* Where it is reached half way: x is the least whose cdf is not less. */
            if (p > 1e-4) {
                ppl_tensor *u = ppl_scalar(c, below + p / 2);
                ck_assert(item(ppl_icdf(d, u)) == (double)x);
                u = ppl_affine(u, -1, 1);
                ck_assert(item(ppl_inverse_survival(d, u)) == (double)x);
            }
            below += p;
            ck_assert(is_near(item(ppl_cdf(d, at)), below, _i ? 1e-10 : 1e-5));
        }
        /* d log p(x) / d rate = (x - mean) / rate */
        ppl_tensor *lp = ppl_log_prob(d, integer(c, high[k]));
        ck_assert_int_eq(ppl_backward(lp), PPL_OK);
        ck_assert(is_near(item(ppl_grad(r)), ((double)high[k] - mean / mass) / rate,
                          _i ? 1e-9 : 1e-4));
        ppl_tensor *x = ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(2000)), &test_rng);
        ck_assert_int_eq(ppl_tensor_dtype(x), PPL_I64);
        ck_assert(!ppl_requires_grad(x));
        ppl_read(x, draws, 2000);
        mean_error m = mean_of(draws, 2000);
        ck_assert(fabs(m.mean - mean / mass) <= 4 * m.error + 1e-12);
    }
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

/* A Bernoulli's values are floating, a Categorical's support has no upper end of its own. */
START_TEST(outcomes_are_cut)
{
    ppl_ctx *c = context(_i);
    const double near = _i ? 1e-15 : 1e-7;
    ppl_tensor *k = ppl_from_integers(c, PPL_SHAPE(4), (const int64_t[]){ 0, 1, 2, 3 });
    ppl_dist *d = ppl_truncated(ppl_categorical(numbers(c, 4, 1, 3, 2)), integer(c, 1), NULL);
    assert_elements("values", d->family->enumerate(d), 3, LIST(1, 2, 3), 0);
    assert_elements("cdf", ppl_cdf(d, k), 4, LIST(0, 1. / 6, 4. / 6, 1), near);
    assert_elements("icdf", ppl_icdf(d, numbers(c, 0, 0.125, 0.5, 1)), 4, LIST(1, 1, 2, 3), 0);
    assert_values(ppl_dist_mean(d), near, 13. / 6);
    assert_values(ppl_entropy(d), near, log(6) - (3 * log(3) + 2 * log(2)) / 6);
    d = ppl_truncated(ppl_zero_inflated(ppl_scalar(c, 0.5), ppl_categorical(numbers(c, 1, 1))),
                      integer(c, 0), NULL);
    assert_values(ppl_entropy(d), 4 * near, 2 * log(2) - 0.75 * log(3));
    for (int logits = 0; logits < 2; logits++) {
        ppl_dist *base = logits ? ppl_bernoulli_logits(ppl_scalar(c, -60))
                                : ppl_bernoulli(ppl_scalar(c, 0.25));
        d = ppl_truncated(base, integer(c, 1), NULL);
        assert_elements("values", d->family->enumerate(d), 1, LIST(1), 0);
        ppl_tensor *x = ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(3)), &test_rng);
        assert_elements("draws", x, 3, LIST(1, 1, 1), 0);
        ck_assert_int_eq(ppl_tensor_dtype(x), ppl_ctx_dtype(c));
        assert_elements("log_prob", ppl_log_prob(d, x), 3, LIST(0, 0, 0), near);
        d = ppl_truncated(base, NULL, integer(c, 1));
        x = numbers(c, 0, 1);
        double whole[2];
        ppl_read(ppl_log_prob(base, x), whole, 2);
        assert_elements("as before", ppl_log_prob(d, x), 2, whole, near);
    }
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

/* Of a Poisson of rate 5 from 1000 on: P(1000) is all but rate / 1001 of it. */
START_TEST(counts_are_cut_far_out)
{
    ppl_ctx *c = context(_i);
    double x[N];
    int more = 0;
    ppl_dist *d = ppl_truncated(ppl_poisson(ppl_scalar(c, 5)), integer(c, 1000), NULL);
    ppl_read(ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(N)), &test_rng), x, N);
    for (int j = 0; j < N; j++) {
        ck_assert(x[j] >= 1000 && x[j] < 1004);
        more += x[j] > 1000;
    }
    ck_assert_int_le(more, 10);
    ck_assert(is_near(item(ppl_log_prob(d, integer(c, 1000))), log1p(-5.0 / 1001),
                      _i ? 1e-5 : 1e-2));
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

/* ---- What it is made of ---------------------------------------------------------- */

START_TEST(a_cut_normal_is_truncated_normal)
{
    ppl_ctx *c = context(_i);
    ppl_dist *base = ppl_expand_dist(ppl_normal(ppl_scalar(c, 0.5), ppl_scalar(c, 2)),
                                     PPL_SHAPE(3));
    ppl_dist *d = ppl_truncated(base, ppl_scalar(c, -1), NULL);
    ck_assert_ptr_eq(d->family, &ppl_family_truncated_normal);
    assert_shape(ppl_dist_mean(d), 3);
    d = ppl_truncated(d, ppl_scalar(c, -2), ppl_scalar(c, 3));
    ppl_dist *same = ppl_truncated_normal(ppl_scalar(c, 0.5), ppl_scalar(c, 2),
                                          ppl_scalar(c, -1), ppl_scalar(c, 3));
    ck_assert(item(ppl_log_prob(same, ppl_scalar(c, 1))) ==
              item(ppl_row(ppl_log_prob(d, ppl_full(c, PPL_SHAPE(3), 1)), 0)));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(cut_twice_expanded_masked)
{
    ppl_ctx *c = context(_i);
    ppl_dist *base = ppl_logistic(numbers(c, 0, 1), ppl_scalar(c, 1));
    ppl_dist *once = ppl_truncated(base, ppl_scalar(c, 0.5), ppl_scalar(c, 2));
    ppl_dist *twice = ppl_truncated(ppl_truncated(base, ppl_scalar(c, 0.5), NULL), NULL,
                                    ppl_scalar(c, 2));
    ppl_tensor *x = numbers(c, 0.75, 1.75);
    double lp[2];
    ppl_read(ppl_log_prob(once, x), lp, 2);
    assert_elements("twice", ppl_log_prob(twice, x), 2, lp, _i ? 1e-12 : 1e-5);
    unsigned char set[] = { 1, 0 };
    base = ppl_masked(base, ppl_from_mask(c, PPL_SHAPE(2), set));
    ppl_dist *masked = ppl_truncated(base, ppl_scalar(c, 0.5), ppl_scalar(c, 2));
    assert_elements("masked", ppl_log_prob(masked, x), 2, LIST(lp[0], 0),
                    _i ? 1e-12 : 1e-5);
    ppl_dist *wide = ppl_expand_dist(once, PPL_SHAPE(3, 2));
    assert_shape(ppl_dist_sample(wide, &test_rng), 3, 2);
    assert_shape(ppl_log_prob(ppl_event(wide, 1), ppl_dist_sample(wide, &test_rng)), 3);
    ck_assert_ptr_eq(ppl_truncated(base, NULL, NULL), base);
    ppl_ctx_free(c);
}
END_TEST

/* ---- What is refused ------------------------------------------------------------- */

START_TEST(bad_input_is_explained)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *one = ppl_scalar(c, 1), *two = ppl_scalar(c, 2), *zero = ppl_scalar(c, 0);
#define REFUSED(call, status, text)                                                      \
    do {                                                                                 \
        ck_assert_ptr_null(call);                                                        \
        ck_assert_int_eq(ppl_error(c), status);                                          \
        ck_assert_msg(strstr(ppl_error_text(c), text) != NULL, "%s", ppl_error_text(c)); \
        ppl_clear_error(c);                                                              \
    } while (0)
    REFUSED(ppl_truncated(ppl_exponential(one), two, one), PPL_ECONSTRAINT,
            "truncated(exponential): low is 2 and high is 1; low must be below high");
    REFUSED(ppl_truncated(ppl_exponential(one), one, one), PPL_ECONSTRAINT,
            "low must be below high");
    REFUSED(ppl_truncated(ppl_exponential(numbers(c, 1, 2)), numbers(c, 1, -3), zero),
            PPL_ECONSTRAINT, "low[0] is 1 and high[0] is 0; low must be below high");
    REFUSED(ppl_truncated(ppl_exponential(numbers(c, 1, 2)), numbers(c, -1, -3),
                          numbers(c, 1, -2)),
            PPL_ECONSTRAINT, "truncated(exponential): there is no mass between -3 and -2 "
                             "(element 1 of [2])");
    REFUSED(ppl_truncated(ppl_left_censored(ppl_exponential(one), one), zero, NULL),
            PPL_EUNSUPPORTED, "truncated: left_censored(exponential) has no cdf, by which the "
                              "mass between the bounds would be known; take a base that has "
                              "one");
    REFUSED(ppl_truncated(ppl_delta(numbers(c, 1, 3), NULL, 0), zero, two), PPL_ECONSTRAINT,
            "truncated(delta): there is no mass between 0 and 2 (element 1 of [2])");
    REFUSED(ppl_truncated(ppl_empirical(numbers(c, 1, 3), numbers(c, 0, 0)),
                          ppl_scalar(c, 1.5), ppl_scalar(c, 2.5)), PPL_ECONSTRAINT,
            "truncated(empirical): there is no mass between 1.5 and 2.5 (element 0 of [])");
    ppl_dist *spiked[] = { ppl_delta(zero, NULL, 0), ppl_normal(zero, one) };
    REFUSED(ppl_truncated(ppl_mixture(ppl_categorical(numbers(c, 1, 1)), spiked, 2), zero, NULL),
            PPL_EUNSUPPORTED, "truncated: mixture(delta, ..) gives numbers probabilities of "
                              "their own, beside which there may be a density; cut its parts");
    REFUSED(ppl_truncated(ppl_event(ppl_exponential(numbers(c, 1, 2)), 1), zero, NULL),
            PPL_ESHAPE, "truncated: an event of exponential has 1 axes; cut");
    REFUSED(ppl_truncated(ppl_poisson(one), ppl_scalar(c, 0.5), NULL), PPL_ECONSTRAINT,
            "truncated(poisson): low is 0.5");
    REFUSED(ppl_truncated(ppl_poisson(one), integer(c, 3), integer(c, 2)),
            PPL_ECONSTRAINT,
            "truncated(poisson): low is 3 and high is 2; low must not be above high");
    REFUSED(ppl_truncated(ppl_exponential(numbers(c, 1, 2)), numbers(c, 1, 2, 3), NULL),
            PPL_ESHAPE, "do not broadcast");
    ppl_dist *d = ppl_truncated(ppl_exponential(one), one, two);
    REFUSED(ppl_log_prob(d, ppl_scalar(c, 5.25)), PPL_ECONSTRAINT,
            "truncated(exponential): value is 5.25; it must be between 1 and 2");
#undef REFUSED
    ck_assert_ptr_null(ppl_truncated(NULL, one, two));
    ppl_ctx_free(c);
    /* Unchecked, what has no mass has no density. */
    c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = _i ? PPL_F64 : PPL_F32,
                                     .no_validation = 1 });
    d = ppl_truncated(ppl_exponential(ppl_scalar(c, 1)), ppl_scalar(c, -3),
                      ppl_scalar(c, -2));
    ck_assert(isnan(item(ppl_log_prob(d, ppl_scalar(c, -2.5)))));
    ck_assert(item(ppl_log_prob(d, ppl_scalar(c, 1))) == -INFINITY);
    ck_assert(isnan(item(ppl_dist_sample(d, &test_rng))));
    ck_assert(isnan(item(ppl_dist_mean(d))) && isnan(item(ppl_dist_variance(d))));
    ck_assert(isnan(item(ppl_entropy(d))));
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_base_with_a_cdf_can_be_cut, infinite_bounds_are_none,
        draws_move_with_bounds_and_base, far_in_either_tail, a_mixture_is_cut_by_search,
        moments_far_out, heavy_tails_have_no_moments, entropies_are_found,
        cut_counts_have_moments_and_lists, counts_are_cut_at_integers, outcomes_are_cut,
        counts_are_cut_far_out, a_cut_normal_is_truncated_normal, cut_twice_expanded_masked,
        bad_input_is_explained, NULL
    };
    return run_tests("truncated", tests);
}

/* SPDX-License-Identifier: MIT */
/*
 * fisher_snedecor.c - FisherSnedecor(df1, df2) on x >= 0, df1 > 0, df2 > 0: the ratio of two
 * chi-square numbers, each over its degrees of freedom.
 *
 *   log p(x)   log(w^a v^b / B(a, b)) - log x,  a = df1 / 2, b = df2 / 2,
 *              w = df1 x / (df1 x + df2), v = 1 - w (gamma_terms.h); infinite at 0 where df1 < 2
 *   P(X <= x)  I_w(a, b), the incomplete beta function
 *   mean df2 / (df2 - 2), infinite where df2 <= 2
 *   variance   2 df2^2 (df1 + df2 - 2) / (df1 (df2 - 2)^2 (df2 - 4)), infinite where df2 <= 4
 *   entropy    log B(a, b) + (1 - a) psi(a) - (1 + b) psi(b) + (a + b) psi(a + b) + log(b / a)
 *   draw       (g1 / df1) / (g2 / df2), g1 of Gamma(a, 1), g2 of Gamma(b, 1) (ppl_rng_gamma)
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 2, 1995,
 * chapter 27.
 */
#include "gamma_terms.h"

/* w and v. */
static void split(double x, double df1, double df2, double *w, double *v)
{
    const double r = df1 / df2 * x;
    *w = r < 1 ? r / (1 + r) : 1 / (1 + 1 / r);
    *v = r < 1 ? 1 / (1 + r) : 1 / r / (1 + 1 / r);
}

/* w over its mean is x / n, and v over its mean 1 / n, n = (df1 x + df2) / (df1 + df2). */
static ppl__beta_point point_of(double x, double df1, double df2)
{
    const double m = 1 / (1 + df2 / df1), rest = 1 / (1 + df1 / df2), n = m * x + rest;
    return (ppl__beta_point){ rest * (x - 1) / n, x / n, -m * (x - 1) / n, 1 / n };
}

static double log_prob(double x, double df1, double df2)
{
    const ppl__beta_point p = point_of(x, df1, df2);
    if (x == 0)
        return df1 == 2 ? 0 : df1 < 2 ? INFINITY : -INFINITY;
    return x > 0 && !(x >= INFINITY) ? ppl__beta_kernel(df1 / 2, df2 / 2, &p) - log(x)
                                     : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double df1, double df2)
{
    const double all = ppl__lambda(df1 / 2 + df2 / 2);
    const ppl__beta_point p = point_of(x, df1, df2);
    if (!(x >= 0))
        return 0;
    if (input == 0)
        return (df1 == 2 ? 0 : (df1 / 2 - 1) / x) -
               (df1 / 2 + df2 / 2) / (x + df2 / df1);
    if (input == 1)
        return (ppl__lambda(df1 / 2) - all - ppl__excess_of(p.t_w, p.r_w)) / 2;
    return (ppl__lambda(df2 / 2) - all - ppl__excess_of(p.t_v, p.r_v)) / 2;
}

static double log_tail(int upper, double x, double df1, double df2)
{
    double w, v;
    split(x, df1, df2, &w, &v);
    if (x <= 0 || isinf(x))
        return (x <= 0) == upper ? 0 : -INFINITY;
    return ppl__beta_log_tail(upper, w, v, df1 / 2, df2 / 2, NULL);
}

/* logit w = log x + log df1 - log df2. */
static double log_tail_slope(int input, int upper, double x, double df1, double df2)
{
    double w, v, slope[3];

    if (!(x > 0 && x < INFINITY))
        return 0;
    split(x, df1, df2, &w, &v);
    ppl__beta_log_tail(upper, w, v, df1 / 2, df2 / 2, slope);
    return input == 0   ? slope[0] / x
           : input == 1 ? slope[1] / 2 + slope[0] / df1
                        : slope[2] / 2 - slope[0] / df2;
}

/* A first value from w or from v, whichever is small and so has its digits, then Newton's
 * method on the logarithm of the tail, in log x. */
static double quantile(int upper, double p, double df1, double df2)
{
    const double a = upper ? df2 / 2 : df1 / 2, b = upper ? df1 / 2 : df2 / 2;
    double w = ppl_maths_beta_i_inverse(a, b, p), v = 1 - w;

    if (p == 0 || p == 1)
        return (p == 0) == upper ? INFINITY : 0;
    if (w > 0.5 && p > 0.01) {
        v = ppl_maths_beta_i_inverse(b, a, 1 - p);
        w = 1 - v;
    }
    double x = upper ? df2 / df1 * (v / w) : df2 / df1 * (w / v);
    for (int k = 0; k < 2 && x > 0 && x < INFINITY; k++) {
        const double step = (log_tail(upper, x, df1, df2) - log(p)) /
                            (x * log_tail_slope(0, upper, x, df1, df2));
        x *= fabs(step) < 1 ? exp(-step) : 1;
    }
    return x;
}

/* The logarithms of both Gammas; returns that of the draw. */
static double log_draw(const ppl_rng *rng, uint64_t element, double df1, double df2,
                       double log_g[2])
{
    ppl_rng_gamma(rng, 0, element, df1 / 2, &log_g[0]);
    ppl_rng_gamma(rng, 3, element, df2 / 2, &log_g[1]);
    return log_g[0] - log_g[1] + log(df2 / df1);
}

static double draw(const ppl_rng *rng, uint64_t element, double df1, double df2)
{
    double log_g[2];
    return exp(log_draw(rng, element, df1, df2, log_g));
}

static double draw_slope(int input, double x, const ppl_rng *rng, uint64_t element, double df1,
                         double df2)
{
    const double df = input == 0 ? df1 : df2;
    double log_g[2];

    log_draw(rng, element, df1, df2, log_g);
    const double g = log_g[input], by_df = ppl_maths_gamma_slope(df / 2, exp(g), g) / 2;
    return (input == 0 ? x : -x) * (by_df - 1 / df);
}

static double mean(double df1, double df2)
{
    (void)df1;
    return df2 > 2 ? df2 / (df2 - 2) : INFINITY;
}

static double mean_slope(int input, double df1, double df2)
{
    (void)df1;
    return input == 0 || !(df2 > 2) ? 0 : -2 / ((df2 - 2) * (df2 - 2));
}

static double variance(double df1, double df2)
{
    const double m = mean(df1, df2);
    return df2 > 4 ? 2 * m * m * (1 + (df2 - 2) / df1) / (df2 - 4) : INFINITY;
}

static double variance_slope(int input, double df1, double df2)
{
    if (!(df2 > 4))
        return 0;
    const double all = 1 / (df1 + df2 - 2);
    return variance(df1, df2) * (input == 0 ? all - 1 / df1
                                            : all + 2 / df2 - 2 / (df2 - 2) - 1 / (df2 - 4));
}

static double entropy(double df1, double df2)
{
    const double a = df1 / 2, b = df2 / 2, s = a + b;
    return (log(s / a) - log(b)) / 2 + ppl__beta_rest(a, b) - (1 - a) * ppl__lambda(a) +
           (1 + b) * ppl__lambda(b) - s * ppl__lambda(s);
}

static double entropy_slope(int input, double df1, double df2)
{
    const double a = df1 / 2, b = df2 / 2, s = a + b, all = s * ppl__trigamma_rest(s);
    return input == 0
               ? (all - b / (2 * a * s) + 0.5 / (a * a) - (a - 1) * ppl__trigamma_rest(a)) / 2
               : (all - a / (2 * b * s) - 0.5 / (b * b) -
                  (b + 1) * ppl__trigamma_rest(b)) / 2;
}

PPL__LOG_PROB(2, "fisher_snedecor")
PPL__TAILS(2, "fisher_snedecor")
PPL__QUANTILES(2, "fisher_snedecor")
PPL__DRAWS_OF_RNG(2, "fisher_snedecor")
PPL__MOMENT(2, "fisher_snedecor", mean)
PPL__MOMENT(2, "fisher_snedecor", variance)
PPL__MOMENT(2, "fisher_snedecor", entropy)

ppl_dist *ppl_fisher_snedecor(ppl_tensor *df1, ppl_tensor *df2)
{
    ppl_tensor *params[] = { df1, df2 };
    return ppl_dist_make(&ppl_family_fisher_snedecor, params, NULL);
}

const ppl_family ppl_family_fisher_snedecor = {
    .name = "fisher_snedecor",
    .params = 2,
    .param_name = { "df1", "df2" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive },
    .support = &ppl_constraint_nonnegative,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy_of,
    .mean = mean_of,
    .variance = variance_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

/* SPDX-License-Identifier: MIT */
/*
 * inverse_gamma.c - InverseGamma(concentration a, rate b) on x > 0, a > 0, b > 0: b / g, g
 * of Gamma(a, 1).
 *
 *   log p(x)   log(y^a e^-y / Gamma(a)) - log x,  y = b / x (gamma_terms.h)
 *   P(X <= x)  Q(a, y), the upper incomplete gamma function
 *   mean b / (a - 1), infinite where a <= 1; variance mean^2 / (a - 2), infinite where a <= 2
 *   entropy    a + log b + log Gamma(a) - (1 + a) psi(a)
 *   draw       b / g; dx/db = x / b, dx/da = -x d log g / da (ppl_rng_gamma)
 *   KL(q||p)   that of the two Gammas
 *
 * Parameters as in pyro.distributions.InverseGamma.
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 17.
 */
#include "gamma_terms.h"

static double log_prob(double x, double a, double b)
{
    return x > 0 ? ppl__gamma_kernel(a, b / x) - log(x) : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double a, double b)
{
    const double y = b / x;
    if (!(x > 0))
        return 0;
    return input == 0 ? (y - a - 1) / x
           : input == 1 ? ppl__log_ratio(y, a) + ppl__lambda(a) : (a - y) / b;
}

static double log_tail(int upper, double x, double a, double b)
{
    const double y = b / x;
    if (x <= 0 || isinf(x))
        return (x <= 0) == upper ? 0 : -INFINITY;
    return ppl__gamma_log_tail(!upper, y, a, NULL);
}

static double log_tail_slope(int input, int upper, double x, double a, double b)
{
    double slope[2];
    if (!(x > 0 && x < INFINITY))
        return 0;
    ppl__gamma_log_tail(!upper, b / x, a, slope);
    return input == 1 ? slope[1] : input == 0 ? -slope[0] / x : slope[0] / b;
}

static double quantile(int upper, double p, double a, double b)
{
    return b / (upper ? ppl_maths_gamma_p_inverse(a, p) : ppl_maths_gamma_q_inverse(a, p));
}

static double draw(const ppl_rng *rng, uint64_t element, double a, double b)
{
    double log_g;
    ppl_rng_gamma(rng, 0, element, a, &log_g);
    return b * exp(-log_g);
}

static double draw_slope(int input, double x, const ppl_rng *rng, uint64_t element, double a,
                         double b)
{
    double log_g;
    if (input == 1)
        return x / b;
    ppl_rng_gamma(rng, 0, element, a, &log_g);
    return -x * ppl_maths_gamma_slope(a, exp(log_g), log_g);
}

static double mean(double a, double b)
{
    return a > 1 ? b / (a - 1) : INFINITY;
}

static double mean_slope(int input, double a, double b)
{
    if (!(a > 1))
        return 0;
    return input == 0 ? -b / ((a - 1) * (a - 1)) : 1 / (a - 1);
}

static double variance(double a, double b)
{
    const double m = b / (a - 1);
    return a > 2 ? m * m / (a - 2) : INFINITY;
}

static double variance_slope(int input, double a, double b)
{
    if (!(a > 2))
        return 0;
    return variance(a, b) * (input == 0 ? -2 / (a - 1) - 1 / (a - 2) : 2 / b);
}

/* By stirling.h, so that what is left of its terms in log a is -3/2 log a. */
static double entropy(double a, double b)
{
    return log(b) - 1.5 * log(a) + PPL__HALF_LOG_TWO_PI + ppl__stirling(a) +
           (1 + a) * ppl__lambda(a);
}

static double entropy_slope(int input, double a, double b)
{
    return input == 0 ? -ppl__trigamma_excess(a, -1) : 1 / b;
}

PPL__LOG_PROB(2, "inverse_gamma")
PPL__TAILS(2, "inverse_gamma")
PPL__QUANTILES(2, "inverse_gamma")
PPL__DRAWS_OF_RNG(2, "inverse_gamma")
PPL__MOMENT(2, "inverse_gamma", mean)
PPL__MOMENT(2, "inverse_gamma", variance)
PPL__MOMENT(2, "inverse_gamma", entropy)

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    return ppl_family_gamma.kl(q, p);
}

ppl_dist *ppl_inverse_gamma(ppl_tensor *concentration, ppl_tensor *rate)
{
    ppl_tensor *params[] = { concentration, rate };
    return ppl_dist_make(&ppl_family_inverse_gamma, params, NULL);
}

const ppl_family ppl_family_inverse_gamma = {
    .name = "inverse_gamma",
    .params = 2,
    .param_name = { "concentration", "rate" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive },
    .support = &ppl_constraint_positive,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy_of,
    .mean = mean_of,
    .variance = variance_of,
    .kl = kl,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

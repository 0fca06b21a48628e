/* SPDX-License-Identifier: MIT */
/*
 * log_uniform.c - LogUniform(low, high) on low <= x <= high, 0 < low < high: exp of a
 * uniform number.
 *
 *   log p(x)   -log x - log L,  L = log(high / low)
 *   P(X <= x)  log(x / low) / L
 *   mean (high - low) / L, variance a (coth a - 1/a) mean^2, a = L / 2
 *   entropy    log L + (log low + log high) / 2
 *   KL(q||p)   log(L_p / L_q) where p's interval covers q's, inf where it does not
 */
#include "langevin.h"
#include "pointwise.h"

static double log_prob(double x, double low, double high)
{
    return x >= low && x <= high ? -log(x) - log(ppl__log_ratio(high, low))
                                 : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double low, double high)
{
    const double length = ppl__log_ratio(high, low);
    if (!(x >= low && x <= high))
        return 0;
    return input == 0 ? -1 / x : input == 1 ? 1 / (low * length) : -1 / (high * length);
}

static double log_tail(int upper, double x, double low, double high)
{
    const double length = ppl__log_ratio(high, low);
    const double below = ppl__log_ratio(x, low) / length;
    const double above = ppl__log_ratio(high, x) / length;
    if (x <= low || x >= high)
        return (x <= low) == upper ? 0 : -INFINITY;
    if (upper)
        return below < 0.5 ? log1p(-below) : log(above);
    return above < 0.5 ? log1p(-above) : log(below);
}

static double log_tail_slope(int input, int upper, double x, double low, double high)
{
    const double length = ppl__log_ratio(high, low);
    const double below = ppl__log_ratio(x, low), above = ppl__log_ratio(high, x);
    if (!(x >= low && x <= high))
        return 0;
    if (input == 0)
        return upper ? -1 / (x * above) : 1 / (x * below);
    if (input == 1)
        return (upper ? 1 : -above / below) / (low * length);
    return (upper ? below / above : -1) / (high * length);
}

/* From the end that is nearer, and within both. */
static double quantile(int upper, double p, double low, double high)
{
    const double length = ppl__log_ratio(high, low);
    const double from_low = upper ? 1 - p : p, from_high = upper ? p : 1 - p;
    return from_low < from_high ? fmin(high, low * exp(from_low * length))
                                : fmax(low, high * exp(-from_high * length));
}

static double quantile_slope(int input, int upper, double p, double low, double high)
{
    const double x = quantile(upper, p, low, high);
    if (input == 0)
        return (upper ? -x : x) * ppl__log_ratio(high, low);
    return ((input == 2) == upper ? 1 - p : p) * (x / (input == 1 ? low : high));
}

static double mean(double low, double high)
{
    return (high - low) / ppl__log_ratio(high, low);
}

static double mean_slope(int input, double low, double high)
{
    const double length = ppl__log_ratio(high, low), m = mean(low, high);
    return (input == 0 ? m / low - 1 : 1 - m / high) / length;
}

static double variance(double low, double high)
{
    const double m = mean(low, high), a = ppl__log_ratio(high, low) / 2;
    return m * m * a * ppl__langevin(a);
}

static double variance_slope(int input, double low, double high)
{
    const double m = mean(low, high), a = ppl__log_ratio(high, low) / 2;
    const double by_a = ppl__langevin(a) + a * ppl__langevin_slope(a);
    return 2 * m * mean_slope(input, low, high) * a * ppl__langevin(a) +
           m * m * by_a * (input == 0 ? -0.5 / low : 0.5 / high);
}

static double entropy(double low, double high)
{
    return log(ppl__log_ratio(high, low)) + (log(low) + log(high)) / 2;
}

static double entropy_slope(int input, double low, double high)
{
    const double length = ppl__log_ratio(high, low);
    return input == 0 ? (0.5 - 1 / length) / low : (0.5 + 1 / length) / high;
}

static double kl(double low_q, double high_q, double low_p, double high_p)
{
    if (low_q < low_p || high_q > high_p)
        return INFINITY;
    return log1p((ppl__log_ratio(low_q, low_p) + ppl__log_ratio(high_p, high_q)) /
                 ppl__log_ratio(high_q, low_q));
}

static double kl_slope(int input, double low_q, double high_q, double low_p,
                       double high_p)
{
    const double at[] = { low_q, high_q, low_p, high_p };
    if (low_q < low_p || high_q > high_p)
        return 0;
    const double length = input < 2 ? ppl__log_ratio(high_q, low_q)
                                    : ppl__log_ratio(high_p, low_p);
    return (input == 0 || input == 3 ? 1 : -1) / (at[input] * length);
}

PPL__LOG_PROB(2, "log_uniform")
PPL__TAILS(2, "log_uniform")
PPL__SLOPED_QUANTILES(2, "log_uniform")
PPL__DRAWS_OF_SLOPED_QUANTILES(2, "log_uniform")
PPL__MOMENT(2, "log_uniform", mean)
PPL__MOMENT(2, "log_uniform", variance)
PPL__MOMENT(2, "log_uniform", entropy)
PPL__KL(2, "log_uniform")

static void bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    *lower = d->param[0];
    *upper = d->param[1];
}

ppl_dist *ppl_log_uniform(ppl_tensor *low, ppl_tensor *high)
{
    ppl_tensor *params[] = { low, high };
    return ppl_dist_make(&ppl_family_log_uniform, params, NULL);
}

const ppl_family ppl_family_log_uniform = {
    .name = "log_uniform",
    .params = 2,
    .param_name = { "low", "high" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive },
    .ascending = 1,
    .support = &ppl_constraint_positive,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy_of,
    .mean = mean_of,
    .variance = variance_of,
    .kl = kl_of,
    .bounds = bounds,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

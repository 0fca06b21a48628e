/* SPDX-License-Identifier: MIT */
/*
 * continuous_bernoulli_logits.c - ContinuousBernoulli(logits n) on [0,1]: density
 * proportional to e^(n x), that is to p^x (1 - p)^(1-x) with n = log(p / (1 - p)).
 *
 *   log p(x)   n (x - 1/2) - log(sinh h / h),  h = n / 2
 *   P(X <= x)  (e^(n x) - 1) / (e^n - 1)
 *   mean 1/2 + L(h) / 2, variance L'(h) / 4, with the Langevin function L (langevin.h)
 *   entropy    log(sinh h / h) - h L(h)
 *   KL(q||p)   (h_q - h_p) L(h_q) - log(sinh h_q / h_q) + log(sinh h_p / h_p)
 *
 * Written so, nothing cancels near n = 0, where the density's usual form is 0 / 0. Far from it
 * the draws are at an edge, a distance y from it, nearly an Exponential(|n|), and the terms
 * that are as large as n are left out by hand:
 *
 *   log p(x)   log |n| - |n| y - log(1 - e^-|n|)
 *   entropy    1 - log |n| + log(1 - e^-|n|) - |n| / (e^|n| - 1)
 *
 * and so for the KL, in which L(h) = sign(h) (1 + 2 / (e^|2h| - 1)) - 1 / h.
 * Source: Loaiza-Ganem, Cunningham, The continuous Bernoulli, 2019.
 */
#include "langevin.h"
#include "pointwise.h"

/* Where the forms for the edge are taken. */
static int is_far(double n)
{
    return fabs(n) > 1;
}

/* log(|n| / (1 - e^-|n|)), the density at the edge. */
static double log_peak(double n)
{
    return log(fabs(n)) - log1p(-exp(-fabs(n)));
}

static double log_prob(double x, double n)
{
    if (!(x >= 0 && x <= 1))
        return ppl__outside(x);
    return is_far(n) ? log_peak(n) - fabs(n) * (n < 0 ? x : 1 - x)
                     : n * (x - 0.5) - ppl__log_sinhc(n / 2);
}

static double log_prob_slope(int input, double x, double n)
{
    if (!(x >= 0 && x <= 1))
        return 0;
    if (input == 0)
        return n;
    if (!is_far(n))
        return x - 0.5 - ppl__langevin(n / 2) / 2;
    return 1 / n + (n < 0 ? x + 1 / expm1(-n) : x - 1 - 1 / expm1(n));
}

/* log P(X <= x), of x and rest = 1 - x. */
static double log_below(double x, double rest, double n)
{
    if (n == 0)
        return log(x);
    return n < 0 ? log(expm1(n * x) / expm1(n)) : -n * rest + log(expm1(-n * x) / expm1(-n));
}

/* P(X > x; n) = P(X <= 1 - x; -n). */
static double log_tail(int upper, double x, double n)
{
    if (x <= 0 || x >= 1)
        return (x <= 0) == upper ? 0 : -INFINITY;
    const double below = log_below(x, 1 - x, n), above = log_below(1 - x, x, -n);
    const double own = upper ? above : below, other = upper ? below : above;
    return own < -PPL__LOG_TWO ? own : log1p(-exp(other));
}

/* d log P(X <= x) / dn = x / (1 - e^(-n x)) - 1 / (1 - e^-n), where 1 / (1 - e^-t) = 1/2 + 1 / t
 * + L(t / 2) / 2. */
static double log_below_by_n(double x, double n)
{
    if (fabs(n) < 1)
        return (x - 1 + x * ppl__langevin(n * x / 2) - ppl__langevin(n / 2)) / 2;
    return -x / expm1(-n * x) + 1 / expm1(-n);
}

static double log_below_by_x(double x, double n)
{
    return n == 0 ? 1 / x : -n / expm1(-n * x);
}

static double log_tail_slope(int input, int upper, double x, double n)
{
    if (!(x >= 0 && x <= 1))
        return 0;
    if (input == 0)
        return upper ? -log_below_by_x(1 - x, -n) : log_below_by_x(x, n);
    return upper ? -log_below_by_n(1 - x, -n) : log_below_by_n(x, n);
}

static double quantile(int upper, double p, double n)
{
    const double below = upper ? 1 - p : p, above = upper ? p : 1 - p;
    if (n == 0)
        return below;
    const double t = below * expm1(fmin(n, 500));
    if (t > -0.5 && t < 1)
        return log1p(t) / n;
    return n < 0 ? log(above + below * exp(n)) / n : 1 + log(below + above * exp(-n)) / n;
}

static double mean(double n)
{
    return fabs(n) < 1 ? 0.5 + ppl__langevin(n / 2) / 2 : -1 / expm1(-n) - 1 / n;
}

static double mean_slope(int input, double n)
{
    (void)input;
    return ppl__langevin_slope(n / 2) / 4;
}

static double variance(double n)
{
    return ppl__langevin_slope(n / 2) / 4;
}

static double variance_slope(int input, double n)
{
    (void)input;
    return ppl__langevin_curvature(n / 2) / 8;
}

static double entropy(double n)
{
    return is_far(n) ? 1 - log_peak(n) - fabs(n) / expm1(fabs(n))
                     : ppl__log_sinhc(n / 2) - n / 2 * ppl__langevin(n / 2);
}

static double entropy_slope(int input, double n)
{
    (void)input;
    return -n / 4 * ppl__langevin_slope(n / 2);
}

/* log(sinh h / h) - |h| with h = n / 2. */
static double log_rest(double n)
{
    return is_far(n) ? -log_peak(n) : ppl__log_sinhc(n / 2) - fabs(n) / 2;
}

/* L(h) - sign(h) + 1 / h with h = n / 2, for n far from 0. */
static double langevin_rest(double n)
{
    return copysign(2 / expm1(fabs(n)), n);
}

static double kl(double n_q, double n_p)
{
    if (!is_far(n_q))
        return (n_q - n_p) / 2 * ppl__langevin(n_q / 2) - ppl__log_sinhc(n_q / 2) +
               ppl__log_sinhc(n_p / 2);
    const double apart = fabs(n_p) / 2 - copysign(n_p / 2, n_q * n_p);
    const double t = (n_p - n_q) / n_q, rest = (n_q - n_p) / 2 * langevin_rest(n_q);
    if (is_far(n_p) && apart == 0)
        return ppl__excess_f64(t, t < -0.5 ? log(n_p / n_q) : log1p(t)) + rest +
               log1p(-exp(-fabs(n_p))) - log1p(-exp(-fabs(n_q)));
    return apart + t + rest - log_rest(n_q) + log_rest(n_p);
}

static double kl_slope(int input, double n_q, double n_p)
{
    if (input == 0)
        return (n_q - n_p) / 4 * ppl__langevin_slope(n_q / 2);
    if (!is_far(n_q) || !is_far(n_p))
        return (ppl__langevin(n_p / 2) - ppl__langevin(n_q / 2)) / 2;
    return (copysign(1, n_p) - copysign(1, n_q) + langevin_rest(n_p) - langevin_rest(n_q)) / 2 +
           (n_p - n_q) / n_q / n_p;
}

PPL__LOG_PROB(1, "continuous_bernoulli_logits")
PPL__TAILS(1, "continuous_bernoulli_logits")
PPL__QUANTILES(1, "continuous_bernoulli_logits")
PPL__DRAWS_OF_QUANTILES(1, "continuous_bernoulli_logits")
PPL__MOMENT(1, "continuous_bernoulli_logits", mean)
PPL__MOMENT(1, "continuous_bernoulli_logits", variance)
PPL__MOMENT(1, "continuous_bernoulli_logits", entropy)
PPL__KL(1, "continuous_bernoulli_logits")

ppl_dist *ppl_continuous_bernoulli_logits(ppl_tensor *logits)
{
    return ppl_dist_make(&ppl_family_continuous_bernoulli_logits, &logits, NULL);
}

const ppl_family ppl_family_continuous_bernoulli_logits = {
    .name = "continuous_bernoulli_logits",
    .params = 1,
    .param_name = { "logits" },
    .param_constraint = { &ppl_constraint_real },
    .support = &ppl_constraint_unit_interval,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy_of,
    .mean = mean_of,
    .variance = variance_of,
    .kl = kl_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

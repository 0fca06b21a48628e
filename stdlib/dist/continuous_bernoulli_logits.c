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
 * Written so, nothing cancels near n = 0, where the density's usual form is 0 / 0.
 * Source: Loaiza-Ganem, Cunningham, The continuous Bernoulli, 2019.
 */
#include "langevin.h"
#include "pointwise.h"

static double log_prob(double x, double n)
{
    return x >= 0 && x <= 1 ? n * (x - 0.5) - ppl__log_sinhc(n / 2) : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double n)
{
    if (!(x >= 0 && x <= 1))
        return 0;
    return input == 0 ? n : x - 0.5 - ppl__langevin(n / 2) / 2;
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
    return ppl__log_sinhc(n / 2) - n / 2 * ppl__langevin(n / 2);
}

static double entropy_slope(int input, double n)
{
    (void)input;
    return -n / 4 * ppl__langevin_slope(n / 2);
}

static double kl(double n_q, double n_p)
{
    return (n_q - n_p) / 2 * ppl__langevin(n_q / 2) - ppl__log_sinhc(n_q / 2) +
           ppl__log_sinhc(n_p / 2);
}

static double kl_slope(int input, double n_q, double n_p)
{
    return input == 0 ? (n_q - n_p) / 4 * ppl__langevin_slope(n_q / 2)
                      : (ppl__langevin(n_p / 2) - ppl__langevin(n_q / 2)) / 2;
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

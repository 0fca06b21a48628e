/* SPDX-License-Identifier: MIT */
/*
 * pareto.c - Pareto(scale, alpha) on x >= scale, scale > 0, alpha > 0.
 *
 *   log p(x)   log(alpha) - alpha log(x / scale) - log x
 *   P(X > x)   (scale / x)^alpha
 *   mean alpha scale / (alpha - 1), infinite where alpha <= 1
 *   variance   alpha scale^2 / ((alpha - 1)^2 (alpha - 2)), infinite where alpha <= 2
 *   entropy    log(scale / alpha) + 1 + 1 / alpha
 *   KL(q||p)   (r - 1 - log r) + alpha_p log(scale_q / scale_p), r = alpha_p / alpha_q,
 *              where scale_q >= scale_p; inf elsewhere
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 20.
 */
#include "pointwise.h"

static double log_prob(double x, double scale, double alpha)
{
    return x >= scale ? log(alpha) - alpha * ppl__log_ratio(x, scale) - log(x)
                      : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double scale, double alpha)
{
    if (!(x >= scale))
        return 0;
    return input == 0 ? -(alpha + 1) / x
           : input == 1 ? alpha / scale : 1 / alpha - ppl__log_ratio(x, scale);
}

static double log_tail(int upper, double x, double scale, double alpha)
{
    const double e = alpha * ppl__log_ratio(x, scale);
    if (x <= scale)
        return upper ? 0 : -INFINITY;
    return upper ? -e : ppl__log1mexp(e);
}

static double log_tail_slope(int input, int upper, double x, double scale, double alpha)
{
    const double y = ppl__log_ratio(x, scale);
    const double slope = upper ? -1 : ppl__odds_beyond(alpha * y);
    if (x < scale)
        return 0;
    return slope * (input == 0 ? alpha / x : input == 1 ? -alpha / scale : y);
}

static double quantile(int upper, double p, double scale, double alpha)
{
    return scale * exp(-(upper ? log(p) : log1p(-p)) / alpha);
}

static double quantile_slope(int input, int upper, double p, double scale, double alpha)
{
    const double y = -(upper ? log(p) : log1p(-p)) / alpha, ratio = exp(y);
    if (input == 0)
        return scale * ratio / alpha * (upper ? -1 / p : 1 / (1 - p));
    return input == 1 ? ratio : -scale * ratio * (y / alpha);
}

static double mean(double scale, double alpha)
{
    return alpha > 1 ? scale * alpha / (alpha - 1) : INFINITY;
}

static double mean_slope(int input, double scale, double alpha)
{
    if (!(alpha > 1))
        return 0;
    return input == 0 ? alpha / (alpha - 1) : -scale / ((alpha - 1) * (alpha - 1));
}

static double variance(double scale, double alpha)
{
    const double b = scale / (alpha - 1);
    return alpha > 2 ? alpha / (alpha - 2) * b * b : INFINITY;
}

static double variance_slope(int input, double scale, double alpha)
{
    if (!(alpha > 2))
        return 0;
    return variance(scale, alpha) *
           (input == 0 ? 2 / scale : 1 / alpha - 2 / (alpha - 1) - 1 / (alpha - 2));
}

static double entropy(double scale, double alpha)
{
    return log(scale / alpha) + 1 + 1 / alpha;
}

static double entropy_slope(int input, double scale, double alpha)
{
    return input == 0 ? 1 / scale : -(1 + 1 / alpha) / alpha;
}

static double kl(double scale_q, double alpha_q, double scale_p, double alpha_p)
{
    const double t = (alpha_p - alpha_q) / alpha_q;
    if (scale_q < scale_p)
        return INFINITY;
    return ppl__excess_f64(t, log(alpha_p / alpha_q)) +
           alpha_p * ppl__log_ratio(scale_q, scale_p);
}

static double kl_slope(int input, double scale_q, double alpha_q, double scale_p,
                       double alpha_p)
{
    const double t = (alpha_p - alpha_q) / alpha_q;
    if (scale_q < scale_p)
        return 0;
    switch (input) {
    case 0:
        return alpha_p / scale_q;
    case 1:
        return -t / alpha_q;
    case 2:
        return -alpha_p / scale_p;
    }
    return t / alpha_p + ppl__log_ratio(scale_q, scale_p);
}

PPL__LOG_PROB(2, "pareto")
PPL__TAILS(2, "pareto")
PPL__SLOPED_QUANTILES(2, "pareto")
PPL__DRAWS_OF_SLOPED_QUANTILES(2, "pareto")
PPL__MOMENT(2, "pareto", mean)
PPL__MOMENT(2, "pareto", variance)
PPL__MOMENT(2, "pareto", entropy)
PPL__KL(2, "pareto")

static void bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    (void)upper;
    *lower = d->param[0];
}

ppl_dist *ppl_pareto(ppl_tensor *scale, ppl_tensor *alpha)
{
    ppl_tensor *params[] = { scale, alpha };
    return ppl_dist_make(&ppl_family_pareto, params, NULL);
}

const ppl_family ppl_family_pareto = {
    .name = "pareto",
    .params = 2,
    .param_name = { "scale", "alpha" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive },
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

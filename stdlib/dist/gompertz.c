/* SPDX-License-Identifier: MIT */
/*
 * gompertz.c - Gompertz(concentration c, rate b) on x >= 0, c > 0, b > 0: its hazard c b
 * e^(b x) grows exponentially.
 *
 *   log p(x)   log(c b) + b x - c (e^(b x) - 1)
 *   P(X > x)   exp(-c (e^(b x) - 1))
 *   mean       G(c) / b, G(c) = e^c E1(c) with the exponential integral E1
 *   entropy    1 - log(c b) - G(c)
 *
 * Parameters as in numpyro.distributions.Gompertz.
 * Source: Lenart, The moments of the Gompertz distribution, 2014.
 */
#include "pointwise.h"

static double log_prob(double x, double c, double b)
{
    return x >= 0 ? log(c) + log(b) + b * x - c * expm1(b * x) : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double c, double b)
{
    const double grown = exp(b * x);
    if (!(x >= 0))
        return 0;
    return input == 0 ? b * (1 - c * grown)
           : input == 1 ? 1 / c - expm1(b * x) : 1 / b + x * (1 - c * grown);
}

static double log_tail(int upper, double x, double c, double b)
{
    const double e = c * expm1(b * x);
    if (x <= 0)
        return upper ? 0 : -INFINITY;
    return upper ? -e : ppl__log1mexp(e);
}

static double log_tail_slope(int input, int upper, double x, double c, double b)
{
    const double grown = exp(b * x);
    const double slope = upper ? -1 : ppl__odds_beyond(c * expm1(b * x));
    if (x < 0 || slope == 0)
        return 0;
    return slope * (input == 0 ? c * b * grown : input == 1 ? expm1(b * x) : c * x * grown);
}

static double quantile(int upper, double p, double c, double b)
{
    return log1p(-(upper ? log(p) : log1p(-p)) / c) / b;
}

/* e^c E1(c): its series (Abramowitz, Stegun 5.1.11), or its continued fraction (5.1.22) in
 * the form 1 / (c + 1 - 1 / (c + 3 - 4 / (c + 5 - ..))), from its far end. */
static double scaled_e1(double c)
{
    double sum = 0, term = 1, tail = 0;

    if (!(c > 2)) {
        for (int n = 1; n < 30; n++) {
            term *= -c / n;
            sum -= term / n;
        }
        return exp(c) * (sum - PPL__EULER - log(c));
    }
    for (int n = 60; n > 0; n--)
        tail = (double)n * n / (c + 2 * n + 1 - tail);
    return 1 / (c + 1 - tail);
}

/* G - 1 / c; far out by the fraction, as there 1 / c is nearly all of G. */
static double scaled_e1_slope(double c)
{
    double tail = 0;

    if (!(c > 2))
        return scaled_e1(c) - 1 / c;
    for (int n = 60; n > 0; n--)
        tail = (double)n * n / (c + 2 * n + 1 - tail);
    return -(1 - tail) / (c + 1 - tail) / c;
}

static double mean(double c, double b)
{
    return scaled_e1(c) / b;
}

static double mean_slope(int input, double c, double b)
{
    return input == 0 ? scaled_e1_slope(c) / b : -mean(c, b) / b;
}

static double entropy(double c, double b)
{
    return 1 - log(c) - log(b) - scaled_e1(c);
}

static double entropy_slope(int input, double c, double b)
{
    return input == 0 ? -1 / c - scaled_e1_slope(c) : -1 / b;
}

PPL__LOG_PROB(2, "gompertz")
PPL__TAILS(2, "gompertz")
PPL__QUANTILES(2, "gompertz")
PPL__DRAWS_OF_QUANTILES(2, "gompertz")
PPL__MOMENT(2, "gompertz", mean)
PPL__MOMENT(2, "gompertz", entropy)

ppl_dist *ppl_gompertz(ppl_tensor *concentration, ppl_tensor *rate)
{
    ppl_tensor *params[] = { concentration, rate };
    return ppl_dist_make(&ppl_family_gompertz, params, NULL);
}

const ppl_family ppl_family_gompertz = {
    .name = "gompertz",
    .params = 2,
    .param_name = { "concentration", "rate" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive },
    .support = &ppl_constraint_nonnegative,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy_of,
    .mean = mean_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

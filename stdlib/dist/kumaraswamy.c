/* SPDX-License-Identifier: MIT */
/*
 * kumaraswamy.c - Kumaraswamy(concentration1 a, concentration0 b) on [0,1], a > 0, b > 0.
 *
 *   log p(x)   log(a b) + (a - 1) log x + (b - 1) log(1 - x^a); infinite at 0 where a < 1,
 *              at 1 where b < 1
 *   P(X > x)   (1 - x^a)^b
 *   mean b B(1 + 1/a, b), variance b B(1 + 2/a, b) - mean^2
 *   entropy    1 - 1/b + (1 - 1/a) (psi(b + 1) + gamma) - log(a b)
 *   KL(q||p)   with c = a_p / a_q and r = b_p / b_q
 *              r - 1 - log r + (c - 1) (psi(b_q + 1) + gamma) - log c - (b_p - 1) R(1, b_q, c),
 *              R of power_rest.h
 *
 * Source: Jones, Kumaraswamy's distribution: a beta-type distribution with some
 * tractability advantages, 2009.
 */
#include "moment_gap.h"
#include "power_rest.h"

/* c log y with 0 log 0 = 0. */
static double power(double c, double log_y)
{
    return c == 0 ? 0 : c * log_y;
}

/* log(1 - x^a) from log x. */
static double log_rest(double log_x, double a)
{
    return ppl__log1mexp(-a * log_x);
}

static double log_prob(double x, double a, double b)
{
    const double log_x = log(x);
    return x >= 0 && x <= 1 ? log(a) + log(b) + power(a - 1, log_x) +
                                  power(b - 1, log_rest(log_x, a))
                            : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double a, double b)
{
    const double log_x = log(x), odds = ppl__odds_beyond(-a * log_x);  /* x^a / (1 - x^a) */
    if (!(x >= 0 && x <= 1))
        return 0;
    switch (input) {
    case 0:
        return power(a - 1, 1 / x) -
               power(b - 1, a * exp(power(a - 1, log_x) - log_rest(log_x, a)));
    case 1:
        return 1 / a + log_x - (b == 1 ? 0 : (b - 1) * odds * log_x);
    }
    return 1 / b + log_rest(log_x, a);
}

/* P(X > x) = e^-h, where h is b x^a as x^a vanishes. */
static double log_tail(int upper, double x, double a, double b)
{
    const double log_power = a * log(x), rest = log_rest(log(x), a);
    const double log_h = log(b) + (log_power < -40 ? log_power : log(-rest));
    if (x <= 0 || x >= 1)
        return (x <= 0) == upper ? 0 : -INFINITY;
    if (upper)
        return log_power < -40 ? -exp(log_h) : b * rest;
    return log_h < -20 ? log_h - exp(log_h) / 2 : ppl__log1mexp(exp(log_h));
}

static double log_tail_slope(int input, int upper, double x, double a, double b)
{
    const double log_x = log(x), rest = log_rest(log_x, a);
    const double odds = ppl__odds_beyond(-a * log_x);
    if (!(x > 0 && x < 1))
        return 0;
    if (!upper && a * log_x < -40) {                /* d log P / d log h, h = b x^a */
        const double h = exp(log(b) + a * log_x);
        const double share = h < 1e-17 ? 1 : h > 700 ? 0 : h / expm1(h);
        return share * (input == 0 ? a / x : input == 1 ? log_x : 1 / b);
    }
    const double factor = upper ? 1 : -ppl__odds_beyond(-log_tail(1, x, a, b));
    return factor * (input == 0 ? -b * a * odds / x : input == 1 ? -b * odds * log_x : rest);
}

static double quantile(int upper, double p, double a, double b)
{
    const double rest = (upper ? log(p) : log1p(-p)) / b;
    return exp(ppl__log1mexp(-rest) / a);
}

/* With w = 1 - x^a = P(X > x)^(1/b). */
static double quantile_slope(int input, int upper, double p, double a, double b)
{
    const double log_w = (upper ? log(p) : log1p(-p)) / b;
    const double log_power = ppl__log1mexp(-log_w);         /* of x^a */
    const double x = exp(log_power / a), by_w = power(1 / a - 1, log_power);
    switch (input) {
    case 0:
        return (upper ? -1 : 1) * exp(by_w + power(1 - b, log_w)) / (a * b);
    case 1:
        return x > 0 ? -x * log_power / (a * a) : 0;
    }
    return isinf(log_w) ? 0 : exp(by_w + log_w) * log_w / (a * b);
}

static double mean(double a, double b)
{
    return exp(ppl__log_moment(1 / a, b));
}

/* d log mean / d input. */
static double log_mean_slope(int input, double a, double b)
{
    const double u = 1 / a;
    return input == 0 ? -u * u * ppl__log_moment_by_u(u, b)
                      : -ppl_maths_digamma_rise(1 + b, u);
}

static double mean_slope(int input, double a, double b)
{
    return mean(a, b) * log_mean_slope(input, a, b);
}

static double variance(double a, double b)
{
    return exp(ppl__log_moment(2 / a, b)) * -expm1(-ppl__moment_gap(1 / a, b));
}

static double variance_slope(int input, double a, double b)
{
    const double u = 1 / a;
    const double by = input == 0 ? -u * u * ppl__moment_gap_by_u(u, b)
                                 : ppl__moment_gap_by_b(u, b);
    return 2 * log_mean_slope(input, a, b) * variance(a, b) +
           exp(ppl__log_moment(2 * u, b)) * by;
}

static double entropy(double a, double b)
{
    return 1 - 1 / b + (1 - 1 / a) * (ppl_maths_digamma_at(1 + b) + PPL__EULER) - log(a) -
           log(b);
}

static double entropy_slope(int input, double a, double b)
{
    if (input == 0)
        return ((ppl_maths_digamma_at(1 + b) + PPL__EULER) / a - 1) / a;
    return (1 / b - 1) / b + (1 - 1 / a) * ppl_maths_trigamma_at(1 + b);
}

static double kl(double a_q, double b_q, double a_p, double b_p)
{
    const double c = a_p / a_q, t = (b_p - b_q) / b_q;
    const double harmonic = ppl_maths_digamma_at(1 + b_q) + PPL__EULER;
    const double rest = c == 1 ? 0 : (b_p - 1) * ppl__power_rest_of(1, b_q, c).value;
    return ppl__excess_f64(t, ppl__log_ratio(b_p, b_q)) + (a_p - a_q) / a_q * harmonic -
           ppl__log_ratio(a_p, a_q) - rest;
}

static double kl_slope(int input, double a_q, double b_q, double a_p, double b_p)
{
    const double c = a_p / a_q;
    const ppl__power_rest r = ppl__power_rest_of(1, b_q, c);
    const double by_c = ppl_maths_digamma_at(1 + b_q) + PPL__EULER - 1 / c -
                        (b_p - 1) * r.slope[2];

    switch (input) {
    case 0:
        return -by_c * c / a_q;
    case 1:
        return (b_q - b_p) / b_q / b_q + (c - 1) * ppl_maths_trigamma_at(1 + b_q) -
               (b_p - 1) * r.slope[1];
    case 2:
        return by_c / a_q;
    }
    return (b_p - b_q) / b_q / b_p - r.value;
}

PPL__LOG_PROB(2, "kumaraswamy")
PPL__TAILS(2, "kumaraswamy")
PPL__SLOPED_QUANTILES(2, "kumaraswamy")
PPL__DRAWS_OF_SLOPED_QUANTILES(2, "kumaraswamy")
PPL__MOMENT(2, "kumaraswamy", mean)
PPL__MOMENT(2, "kumaraswamy", variance)
PPL__MOMENT(2, "kumaraswamy", entropy)
PPL__KL(2, "kumaraswamy")

ppl_dist *ppl_kumaraswamy(ppl_tensor *concentration1, ppl_tensor *concentration0)
{
    ppl_tensor *params[] = { concentration1, concentration0 };
    return ppl_dist_make(&ppl_family_kumaraswamy, params, NULL);
}

const ppl_family ppl_family_kumaraswamy = {
    .name = "kumaraswamy",
    .params = 2,
    .param_name = { "concentration1", "concentration0" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive },
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

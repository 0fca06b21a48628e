/* SPDX-License-Identifier: MIT */
/*
 * tails.c - the probability between two numbers, from the tails at each (tails.h).
 */
#include "tails.h"

#include "pointwise.h"

ppl__tails ppl__tails_at(const ppl_dist *d, ppl_tensor *x)
{
    ppl_dist *of = (ppl_dist *)(uintptr_t)d;
    return x ? (ppl__tails){ ppl_log_cdf(of, x), ppl_log_survival(of, x) }
             : (ppl__tails){ NULL, NULL };
}

/* ---- P(a < X <= b) --------------------------------------------------------------- */

/* Inputs, in order: log F(a), log S(a), log F(b), log S(b). */
enum { CDF_A, SURVIVAL_A, CDF_B, SURVIVAL_B };

/* log(exp(x) - exp(y)), y <= x; -inf if they are equal, and where y lies above x by its
 * rounding. */
static double log_difference(double x, double y)
{
    return x > y ? x + ppl__log1mexp(x - y) : isnan(x + y) ? (double)NAN : -INFINITY;
}

static double between(double cdf_a, double survival_a, double cdf_b, double survival_b)
{
    if (survival_a < -PPL__LOG_TWO)
        return log_difference(survival_a, survival_b);
    if (cdf_b < -PPL__LOG_TWO)
        return log_difference(cdf_b, cdf_a);
    return log1p(-(exp(cdf_a) + exp(survival_b)));
}

/* exp(x) / (exp(x) - exp(y)) and exp(y) / (exp(x) - exp(y)), by x - y. */
static double difference_slope(int of_less, double t)
{
    return of_less ? -ppl__odds_beyond(t) : -1 / expm1(-t);
}

/* Where there is nothing between, nothing moves. */
static double between_slope(int input, double cdf_a, double survival_a, double cdf_b,
                            double survival_b)
{
    const double y = between(cdf_a, survival_a, cdf_b, survival_b);
    if (y == -INFINITY)
        return 0;
    if (survival_a < -PPL__LOG_TWO)
        return input == SURVIVAL_A || input == SURVIVAL_B
                   ? difference_slope(input == SURVIVAL_B, survival_a - survival_b) : 0;
    if (cdf_b < -PPL__LOG_TWO)
        return input == CDF_A || input == CDF_B
                   ? difference_slope(input == CDF_A, cdf_b - cdf_a) : 0;
    return input == CDF_A ? -exp(cdf_a - y)
           : input == SURVIVAL_B ? -exp(survival_b - y) : 0;
}

PPL__POINTWISE(between, 4, "log P(a < X <= b)", between(PPL__IN_4(0)),
               between_slope(input, PPL__IN_4(0)))

ppl_tensor *ppl__log_between(ppl__tails a, ppl__tails b)
{
    ppl_tensor *in[] = { a.log_cdf, a.log_survival, b.log_cdf, b.log_survival };
    if (!a.log_cdf || !b.log_cdf)
        return a.log_cdf ? a.log_survival : b.log_cdf;
    return ppl_apply(&between_op, in, 4, NULL, 0);
}

static double beyond(double a, double b)
{
    const double most = fmax(a, b);
    return isinf(most) ? most : most + log1p(exp(fmin(a, b) - most));
}

static double beyond_slope(int input, double a, double b)
{
    const double y = beyond(a, b);
    return y == -INFINITY ? 0 : exp((input == 0 ? a : b) - y);
}

PPL__POINTWISE(beyond, 2, "log P(X <= a or X > b)", beyond(PPL__IN_2(0)),
               beyond_slope(input, PPL__IN_2(0)))

ppl_tensor *ppl__log_beyond(ppl_tensor *log_cdf, ppl_tensor *log_survival)
{
    return ppl_apply(&beyond_op, (ppl_tensor *[]){ log_cdf, log_survival }, 2, NULL, 0);
}

/* ---- Shares ---------------------------------------------------------------------- */

static double share(double own, double other)
{
    return own < -PPL__LOG_TWO ? own : log1p(-exp(other));
}

static double share_slope(int input, double own, double other)
{
    if (own < -PPL__LOG_TWO)
        return input == 0;
    return input == 0 ? 0 : -ppl__odds_beyond(-other);
}

PPL__POINTWISE(share, 2, "log of a share", share(PPL__IN_2(0)),
               share_slope(input, PPL__IN_2(0)))

ppl_tensor *ppl__log_share(ppl_tensor *own, ppl_tensor *other)
{
    return ppl_apply(&share_op, (ppl_tensor *[]){ own, other }, 2, NULL, 0);
}

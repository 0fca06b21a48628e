/* SPDX-License-Identifier: MIT */
/*
 * discrete_uniform.c - DiscreteUniform(low, high) on the integers low .. high, both
 * included; n = high - low + 1 of them.
 *
 *   log p(x)   -log n
 *   mean (low + high)/2, variance (n^2 - 1)/12, entropy log n
 *   cdf        (floor x - low + 1)/n within; quantile low - 1 + ceil(p n), low at least
 *   draw       by a word of 64 bits times n (Lemire, Fast Random Integer Generation in an
 *              Interval, 2019), exactly uniform
 *   KL(q||p)   log(n_p / n_q); infinite where p does not have all of q
 *
 * Nothing has a gradient. Numbers beyond 2^53 are rounded to doubles.
 * Source: Johnson, Kemp, Kotz, Univariate Discrete Distributions (2005), ch. 6.7.
 */
#include "counts.h"

enum { LOW, HIGH };

static double size(double low, double high)
{
    return high - low + 1;
}

static double log_mass(const ppl__count_dist *d, double k)
{
    const double low = d->param[LOW], high = d->param[HIGH];

    return k < low || k > high ? -INFINITY : -log(size(low, high));
}

static double level(const ppl__count_dist *d, double k, int i)
{
    (void)d, (void)k, (void)i;
    return 0;
}

/* The high word of x n, where the low one is not among the 2^64 mod n that would favour
 * some results. */
static uint64_t below(const ppl_rng *rng, uint64_t element, uint64_t n)
{
    for (uint32_t attempt = 0;; attempt++) {
        uint32_t word[4];
        ppl_rng_block(rng, 0, element, attempt, word);
        const uint64_t x[2] = { word[0], word[1] }, m[2] = { n & UINT32_MAX, n >> 32 };
        const uint64_t low = x[0] * m[0], middle = x[0] * m[1] + (low >> 32);
        const uint64_t other = x[1] * m[0] + (middle & UINT32_MAX);
        if ((other << 32 | (low & UINT32_MAX)) >= -n % n)
            return x[1] * m[1] + (middle >> 32) + (other >> 32);
    }
}

static int64_t draw(const ppl__count_dist *d, const ppl_rng *rng, uint64_t element)
{
    const double n = size(d->param[LOW], d->param[HIGH]);

    if (!(n >= 1 && n < 0x1p63 && fabs(d->param[LOW]) <= 0x1p62))
        return -1;
    return (int64_t)d->param[LOW] + (int64_t)below(rng, element, (uint64_t)n);
}

static void spread(const ppl__count_dist *d, double *mean, double *deviation, double *most)
{
    const double n = size(d->param[LOW], d->param[HIGH]);

    *mean = d->param[LOW] + (n - 1) / 2;
    *deviation = sqrt((n - 1) * (n + 1) / 12);
    *most = d->param[HIGH];
}

static const ppl__count_kind kind = { 0, log_mass, level, NULL, NULL, spread, draw };

/* ---- Formulas of low and high ------------------------------------------------------ */

/* Those of x, low and high (in[0], in[1], in[2]); of low and high; of two members. */
#define LOOP(name, expression)                                                           \
    static void name(const ppl__span *s, void *out)                                      \
    {                                                                                    \
        double *y = out;                                                                 \
        for (size_t i = 0; i < s->n; i++)                                                \
            y[i] = expression;                                                           \
    }
#define IN(k) ((const double *)s->in[k])[i]

static double cdf_of(double x, double low, double high)
{
    return isnan(x) ? x : x < low ? 0 : x >= high ? 1
           : (floor(x) - low + 1) / size(low, high);
}

static double icdf_of(double p, double low, double high)
{
    return !(p >= 0 && p <= 1) ? (double)NAN
                               : low + fmax(ceil(p * size(low, high)) - 1, 0);
}

static double log_cdf_of(double x, double low, double high)
{
    return isnan(x) ? x : x >= high ? 0
           : log(fmax(floor(x) - low + 1, 0) / size(low, high));
}

static double log_survival_of(double x, double low, double high)
{
    return isnan(x) ? x : x < low ? 0 : log(fmax(high - floor(x), 0) / size(low, high));
}

static double kl_of(double low_q, double high_q, double low_p, double high_p)
{
    return low_q < low_p || high_q > high_p
               ? INFINITY : log(size(low_p, high_p)) - log(size(low_q, high_q));
}

LOOP(cdf_loop, cdf_of(IN(0), IN(1), IN(2)))
LOOP(icdf_loop, icdf_of(IN(0), IN(1), IN(2)))
LOOP(log_cdf_loop, log_cdf_of(IN(0), IN(1), IN(2)))
LOOP(log_survival_loop, log_survival_of(IN(0), IN(1), IN(2)))
LOOP(mean_loop, IN(LOW) + (IN(HIGH) - IN(LOW)) / 2)
LOOP(variance_loop, (IN(HIGH) - IN(LOW)) * (size(IN(LOW), IN(HIGH)) + 1) / 12)
LOOP(entropy_loop, log(size(IN(LOW), IN(HIGH))))
LOOP(kl_loop, kl_of(IN(0), IN(1), IN(2), IN(3)))

#define ROW(name)                                                                        \
    static const ppl__formula name##_formula = PPL__VALUE_IN_DOUBLE(-1, name##_loop); \
    PPL__FORMULA_ROW(name##_op, "discrete_uniform " #name, name##_formula, NULL)
ROW(cdf)
ROW(icdf)
ROW(log_cdf)
ROW(log_survival)
ROW(mean)
ROW(variance)
ROW(entropy)
ROW(kl)

static ppl_tensor *at(const ppl_op *op, const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[LOW], d->param[HIGH] };
    return ppl_apply(op, in, 3, NULL, 0);
}

static ppl_tensor *cdf(const ppl_dist *d, ppl_tensor *x)
{
    return at(&cdf_op, d, x);
}

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *probability)
{
    return at(&icdf_op, d, probability);
}

static ppl_tensor *log_cdf(const ppl_dist *d, ppl_tensor *x)
{
    return at(&log_cdf_op, d, x);
}

static ppl_tensor *log_survival(const ppl_dist *d, ppl_tensor *x)
{
    return at(&log_survival_op, d, x);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_apply(&mean_op, d->param, 2, NULL, 0);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_apply(&variance_op, d->param, 2, NULL, 0);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_apply(&entropy_op, d->param, 2, NULL, 0);
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *in[] = { q->param[LOW], q->param[HIGH], p->param[LOW], p->param[HIGH] };
    return ppl_apply(&kl_op, in, 4, NULL, 0);
}

/* ---- Values ------------------------------------------------------------------------ */

static ppl_tensor *enumerate(const ppl_dist *d)
{
    double low, high;
    return ppl__same_throughout(d, LOW, &low) && ppl__same_throughout(d, HIGH, &high)
               ? ppl__integers_from(d->ctx, (int64_t)low, (int64_t)high) : NULL;
}

static void bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    *lower = d->param[LOW];
    *upper = d->param[HIGH];
}

/* ---- Row --------------------------------------------------------------------------- */

ppl_dist *ppl_discrete_uniform(ppl_tensor *low, ppl_tensor *high)
{
    ppl_tensor *params[] = { low, high };
    return ppl_dist_make(&ppl_family_discrete_uniform, params, &kind);
}

const ppl_family ppl_family_discrete_uniform = {
    .name = "discrete_uniform",
    .params = 2,
    .param_name = { "low", "high" },
    .param_constraint = { &ppl_constraint_integer, &ppl_constraint_integer },
    .param_dtype = { PPL_I64, PPL_I64 },
    .ascending = 1,
    .support = &ppl_constraint_integer,
    .flags = PPL_DISCRETE | PPL_ENUMERABLE,
    PPL__COUNT_ROW,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .enumerate = enumerate,
    .cdf = cdf,
    .icdf = icdf,
    .log_cdf = log_cdf,
    .log_survival = log_survival,
    .kl = kl,
    .bounds = bounds,
};

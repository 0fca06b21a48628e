/* SPDX-License-Identifier: MIT */
/*
 * pointwise.h - a family of one real number from functions of single numbers.
 *
 * A family's file writes its formulas as functions of a value x and the parameters a.. in
 * the order of its row, and beside each its derivative by the number of an argument: 0 is
 * x, then come the parameters (without an x, 0 is the first parameter). The macros make
 * operations of them, worked in double for both dtypes, and the functions of the row. P
 * is the number of parameters, `family` its name in quotes.
 *
 *   macro                   needs                         and
 *   LOG_PROB(P, family)     log_prob(x, a..)              log_prob_slope(input, x, a..)
 *   SCALED_LOG_PROB(P, family)
 *                           scaled_log_prob(x, a..)       log_prob_slope(input, x, a..)
 *   MOMENT(P, family, f)    f(a..)                        f_slope(input, a..)
 *   KL(P, family)           kl(a.. of q, a.. of p)        kl_slope(input, the same)
 *   TAILS(P, family)        log_tail(upper, x, a..)       log_tail_slope(input, upper, x, a..)
 *   QUANTILES(P, family)    quantile(upper, p, a..)
 *   DRAWS_OF_QUANTILES(P, family)
 *   SLOPED_QUANTILES(P, family), DRAWS_OF_SLOPED_QUANTILES(P, family)
 *                           the same              quantile_slope(input, upper, p, a..)
 *   DRAWS(P, family, noise) draw(e, a..)                  draw_slope(input, x, e, a..)
 *   DRAWS_OF_RNG(P, family) draw(rng, element, a..)       draw_slope(input, x, rng, element, a..)
 *
 * scaled_log_prob is log p + log scale, the scale being the last parameter.
 * log_tail is log P(X > x) if `upper`, else log P(X <= x), and quantile its inverse, of a
 * probability p. As log T(x; a) = log p holds whatever a is, dx/da = -(d log T / da) /
 * (d log T / dx), and dx/dp = 1 / (p d log T / dx): quantiles, and draws that are quantiles
 * of uniform numbers e, need no derivatives of their own; but have one where x rounds to
 * an end of the support, or to loc, and no longer tells p.
 *
 * A draw that would lie outside the support or beyond the dtype's range for being rounded
 * is the nearest number within.
 */
#ifndef KILN_POINTWISE_H
#define KILN_POINTWISE_H

#include "density.h"

/* Element i of input k of span s, and of P inputs from k on. */
#define PPL__IN(k) (((const double *)s->in[k])[i])
#define PPL__IN_1(k) PPL__IN(k)
#define PPL__IN_2(k) PPL__IN(k), PPL__IN((k) + 1)
#define PPL__IN_3(k) PPL__IN_2(k), PPL__IN((k) + 2)
#define PPL__IN_4(k) PPL__IN_3(k), PPL__IN((k) + 3)

/* The operation name_op, from what its value is at element i of s, without a gradient. */
#define PPL__POINTWISE_LOOP(name, value)                                                 \
    static void name##_values(const ppl__span *s, void *out)                             \
    {                                                                                    \
        double *y = out;                                                                 \
        for (size_t i = 0; i < s->n; i++)                                                \
            y[i] = value;                                                                \
    }
#define PPL__POINTWISE_VALUE(name, inputs, text, value)                                  \
    PPL__POINTWISE_LOOP(name, value)                                                     \
    static const ppl__formula name##_formula =                                           \
        PPL__VALUE_IN_DOUBLE(inputs, name##_values);                                     \
    PPL__FORMULA_ROW(name##_op, text, name##_formula, NULL)

/* The same from its value and its derivative. */
#define PPL__POINTWISE(name, inputs, text, value, slope)                                 \
    PPL__POINTWISE_LOOP(name, value)                                                     \
    PPL__POINTWISE_SLOPE(name, inputs, text, slope)
#define PPL__POINTWISE_SLOPE(name, inputs, text, slope)                                  \
    static void name##_slopes(const ppl__span *s, int input, void *out)                  \
    {                                                                                    \
        double *d = out;                                                                 \
        for (size_t i = 0; i < s->n; i++)                                                \
            d[i] = slope;                                                                \
    }                                                                                    \
    static const ppl__formula name##_formula =                                           \
        PPL__IN_DOUBLE(inputs, name##_values, name##_slopes);                            \
    PPL__FORMULA_OP(name##_op, text, name##_formula)

/* Of a value (or a probability) and d's parameters; of d's parameters; of q's and p's. */
ppl_tensor *ppl__apply_at(const ppl_op *op, const ppl_dist *d, ppl_tensor *x);
ppl_tensor *ppl__apply_of(const ppl_op *op, const ppl_dist *d);
ppl_tensor *ppl__apply_to_both(const ppl_op *op, const ppl_dist *q, const ppl_dist *p);

#define PPL__POINTWISE_AT(name, P, text, value, slope)                                   \
    PPL__POINTWISE(name, P + 1, text, value, slope)                                      \
    PPL__APPLIED_AT(name)
#define PPL__APPLIED_AT(name)                                                            \
    static ppl_tensor *name##_at(const ppl_dist *d, ppl_tensor *x)                       \
    {                                                                                    \
        return ppl__apply_at(&name##_op, d, x);                                          \
    }

/* ---- Densities, moments, divergences ----------------------------------------------- */

#define PPL__LOG_PROB(P, family)                                                         \
    PPL__POINTWISE_AT(log_prob, P, family " log_prob",                                   \
                      log_prob(PPL__IN(0), PPL__IN_##P(1)),                              \
                      log_prob_slope(input, PPL__IN(0), PPL__IN_##P(1)))

/* The logarithm of a single scale is made once, and is kept (density.h). */
#define PPL__SCALED_LOG_PROB(P, family)                                                  \
    static void log_prob_values(const ppl__span *s, void *out)                           \
    {                                                                                    \
        const double *log_scale = ppl__mapped(ppl_maths_log, PPL_F64, s, P, out);        \
        double *y = out;                                                                 \
        for (size_t i = 0; i < s->n; i++)                                                \
            y[i] = scaled_log_prob(PPL__IN(0), PPL__IN_##P(1)) - log_scale[i];           \
    }                                                                                    \
    PPL__POINTWISE_SLOPE(log_prob, P + 1, family " log_prob",                            \
                         log_prob_slope(input, PPL__IN(0), PPL__IN_##P(1)))              \
    PPL__APPLIED_AT(log_prob)

#define PPL__MOMENT(P, family, name)                                                     \
    PPL__POINTWISE(name, P, family " " #name, name(PPL__IN_##P(0)),                      \
                   name##_slope(input, PPL__IN_##P(0)))                                  \
    static ppl_tensor *name##_of(const ppl_dist *d)                                      \
    {                                                                                    \
        return ppl__apply_of(&name##_op, d);                                             \
    }

#define PPL__KL(P, family)                                                               \
    PPL__POINTWISE(kl, 2 * P, family " kl", kl(PPL__IN_##P(0), PPL__IN_##P(P)),          \
                   kl_slope(input, PPL__IN_##P(0), PPL__IN_##P(P)))                      \
    static ppl_tensor *kl_of(const ppl_dist *q, const ppl_dist *p)                       \
    {                                                                                    \
        return ppl__apply_to_both(&kl_op, q, p);                                         \
    }

/* ---- Tails and quantiles ----------------------------------------------------------- */

/* A cdf is flat where it is 0. */
#define PPL__TAILS(P, family)                                                            \
    static double tail_element(int upper, const ppl__span *s, size_t i)                  \
    {                                                                                    \
        return log_tail(upper, PPL__IN(0), PPL__IN_##P(1));                              \
    }                                                                                    \
    static double tail_element_slope(int input, int upper, const ppl__span *s, size_t i) \
    {                                                                                    \
        return log_tail_slope(input, upper, PPL__IN(0), PPL__IN_##P(1));                 \
    }                                                                                    \
    static double cdf_element_slope(int input, const ppl__span *s, size_t i)             \
    {                                                                                    \
        const double cdf = exp(tail_element(0, s, i));                                   \
        return cdf == 0 ? 0 : cdf * tail_element_slope(input, 0, s, i);                  \
    }                                                                                    \
    PPL__POINTWISE_AT(cdf, P, family " cdf", exp(tail_element(0, s, i)),                 \
                      cdf_element_slope(input, s, i))                                    \
    PPL__POINTWISE_AT(log_cdf, P, family " log_cdf", tail_element(0, s, i),              \
                      tail_element_slope(input, 0, s, i))                                \
    PPL__POINTWISE_AT(log_survival, P, family " log_survival", tail_element(1, s, i),    \
                      tail_element_slope(input, 1, s, i))

#define PPL__QUANTILES(P, family)                                                        \
    static double quantile_element_slope(int input, int upper, const ppl__span *s,       \
                                         size_t i)                                       \
    {                                                                                    \
        const double x = quantile(upper, PPL__IN(0), PPL__IN_##P(1));                    \
        const double by_x = log_tail_slope(0, upper, x, PPL__IN_##P(1));                 \
        return input == 0 ? 1 / (PPL__IN(0) * by_x)                                      \
                          : -log_tail_slope(input, upper, x, PPL__IN_##P(1)) / by_x;     \
    }                                                                                    \
    PPL__QUANTILES_AND(P, family, quantile_element_slope(input, upper, s, i))
#define PPL__SLOPED_QUANTILES(P, family)                                                 \
    PPL__QUANTILES_AND(P, family,                                                        \
                       quantile_slope(input, upper, PPL__IN(0), PPL__IN_##P(1)))
#define PPL__QUANTILES_AND(P, family, slope)                                             \
    static double quantile_within(const ppl__span *s, int upper, int input, size_t i)    \
    {                                                                                    \
        if (!(PPL__IN(0) >= 0 && PPL__IN(0) <= 1))                                       \
            return NAN;                                                                  \
        return input < 0 ? quantile(upper, PPL__IN(0), PPL__IN_##P(1)) : (slope);        \
    }                                                                                    \
    PPL__POINTWISE_AT(icdf, P, family " icdf", quantile_within(s, 0, -1, i),             \
                      quantile_within(s, 0, input, i))                                   \
    PPL__POINTWISE_AT(inverse_survival, P, family " inverse_survival",                   \
                      quantile_within(s, 1, -1, i), quantile_within(s, 1, input, i))

/* For the row of a family. */
#define PPL__TAIL_FUNCTIONS                                                              \
    .cdf = cdf_at, .log_cdf = log_cdf_at, .log_survival = log_survival_at
#define PPL__QUANTILE_FUNCTIONS .icdf = icdf_at, .inverse_survival = inverse_survival_at

/* ---- Draws ------------------------------------------------------------------------- */

typedef struct ppl__draw_attr {
    const double *noise;                    /* one number for each element, or NULL */
    double least, most;                     /* what a draw can be */
    ppl_rng rng;
} ppl__draw_attr;

/* A draw of d by `op` of its parameters, of noise or, where that is NULL, of rng. */
ppl_tensor *ppl__draw(const ppl_op *op, const ppl_dist *d, const ppl_rng *rng,
                      void (*noise)(const ppl_rng *rng, uint32_t stream, size_t n,
                                    double *out));

/* Sets the least and the largest number of a dtype that a draw from a support can be. */
void ppl__draw_range(const ppl_constraint *support, ppl_dtype dtype, ppl__draw_attr *a);
static inline double ppl__within(const ppl__draw_attr *attr, double x)
{
    return x < attr->least ? attr->least : x > attr->most ? attr->most : x;
}

#define PPL__DRAWS_OF(P, family, source, value, slope)                                   \
    PPL__POINTWISE(draw, P, family " sample", ppl__within(s->attr, value), slope)        \
    static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)                     \
    {                                                                                    \
        return ppl__draw(&draw_op, d, rng, source);                                      \
    }

#define PPL__RESULT (((const double *)s->y)[i])
#define PPL__DRAWS(P, family, source)                                                    \
    PPL__DRAWS_OF(P, family, source, draw(ppl__noise_of(s)[i], PPL__IN_##P(0)),          \
                  draw_slope(input, PPL__RESULT, ppl__noise_of(s)[i], PPL__IN_##P(0)))

#define PPL__RNG (&((const ppl__draw_attr *)s->attr)->rng)
#define PPL__DRAWS_OF_RNG(P, family)                                                     \
    PPL__DRAWS_OF(P, family, NULL, draw(PPL__RNG, s->start + i, PPL__IN_##P(0)),         \
                  draw_slope(input, PPL__RESULT, PPL__RNG, s->start + i, PPL__IN_##P(0)))

#define PPL__DRAWS_OF_QUANTILES(P, family)                                               \
    static double draw_element_slope(int input, const ppl__span *s, size_t i)            \
    {                                                                                    \
        const double x = quantile(0, ppl__noise_of(s)[i], PPL__IN_##P(0));               \
        return -log_tail_slope(input + 1, 0, x, PPL__IN_##P(0)) /                        \
               log_tail_slope(0, 0, x, PPL__IN_##P(0));                                  \
    }                                                                                    \
    PPL__DRAWS_OF(P, family, ppl_rng_uniforms,                                           \
                  quantile(0, ppl__noise_of(s)[i], PPL__IN_##P(0)),                      \
                  draw_element_slope(input, s, i))
#define PPL__DRAWS_OF_SLOPED_QUANTILES(P, family)                                        \
    PPL__DRAWS_OF(P, family, ppl_rng_uniforms,                                           \
                  quantile(0, ppl__noise_of(s)[i], PPL__IN_##P(0)),                      \
                  quantile_slope(input + 1, 0, ppl__noise_of(s)[i], PPL__IN_##P(0)))

/* ---- Small functions that formulas share ------------------------------------------- */

#define PPL__EULER 0.57721566490153286061
#define PPL__HALF_LOG_TWO_PI 0.91893853320467274178
#define PPL__LOG_TWO 0.69314718055994530942
#define PPL__PI 3.14159265358979323846
#define PPL__SQRT_HALF 0.70710678118654752440

/* A log density outside the support: -inf, but NaN of NaN. */
static inline double ppl__outside(double x)
{
    return isnan(x) ? x : -INFINITY;
}

/* log(1 - exp(-t)), t >= 0. */
static inline double ppl__log1mexp(double t)
{
    return t < PPL__LOG_TWO ? log(-expm1(-t)) : log1p(-exp(-t));
}

/* t - (1 - exp(-t)), t >= 0. */
static inline double ppl__lag(double t)
{
    if (t > 0.02)
        return t + expm1(-t);
    return t * t / 2 * (1 - t / 3 * (1 - t / 4 * (1 - t / 5 * (1 - t / 6 * (1 - t / 7)))));
}

/* exp(-t) / (1 - exp(-t)) = 1 / expm1(t), the odds of an exponential lying beyond t. */
static inline double ppl__odds_beyond(double t)
{
    return t > 700 ? exp(-t) : 1 / expm1(t);
}

/* log(x / y) of positive numbers, near each other or far apart. */
static inline double ppl__log_ratio(double x, double y)
{
    const double r = x / y;
    return r > 0.5 && r < 2 ? log1p((x - y) / y)
           : r > 1e-300 && r < 1e300 ? log(r) : log(x) - log(y);
}

#endif

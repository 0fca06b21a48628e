/* SPDX-License-Identifier: MIT */
/*
 * zero_inflated.c - ZeroInflated(gate g, base of counts): 0 with probability g, else a
 * draw of the base, f its masses, F its distribution function.
 *
 *   log p(x)   log(g + (1 - g) f(0)) at 0, log(1 - g) + log f(x) elsewhere
 *   P(X <= x)  g + (1 - g) F(x), x >= 0
 *   entropy    -p(0) log p(0) - (1 - f(0)) (1 - g) log(1 - g) + (1 - g) (H + f(0) log f(0)),
 *              H the base's
 *   quantile   the base's of (p - g) / (1 - g)
 *   mean (1 - g) m, variance (1 - g) (v + g m^2), of the base's m and v
 *
 * One operation serves masses and tails: l, the logarithm of a mass or tail of the base,
 * becomes log(g + (1 - g) e^l) where the point mass at 0 is within, else log(1 - g) + l.
 * Near 0 it is log1p((1 - g) (e^l - 1)), elsewhere a sum of exponentials, so that neither
 * small gates nor small masses are lost.
 * Source: Lambert, Zero-Inflated Poisson Regression, Technometrics 34 (1992).
 */
#include "gated.h"

#include <kiln/constructed.h>

/* ---- The operation: gate, l, whether 0 is within ----------------------------------- */

static double value_of(const ppl__odds *gate, double l, double within)
{
    const double rest = gate->log_p[0] + l, missing = -gate->p[0] * expm1(l);

    if (within == 0)
        return rest;
    if (missing < 0.5)
        return log1p(-missing);
    const double top = fmax(gate->log_p[1], rest);
    return top > -INFINITY || isnan(l)
               ? top + log(exp(gate->log_p[1] - top) + exp(rest - top)) : top;
}

static double slope_of(int logits, const ppl__odds *gate, double l, double within,
                       double y, int input)
{
    if (y == -INFINITY || input == 2)
        return 0;
    if (within == 0)
        return input == 1 ? 1 : logits ? -gate->p[1] : -1 / gate->p[0];
    if (input == 1)
        return exp(gate->log_p[0] + l - y);
    return -expm1(l) * (logits ? exp(gate->log_p[0] + gate->log_p[1] - y) : exp(-y));
}

#define EACH(expression)                                                                 \
    const double *g = s->in[0], *l = s->in[1], *within = s->in[2];                       \
    const int logits = *(const int *)s->attr;                                            \
    double *result = out;                                                                \
    for (size_t i = 0; i < s->n; i++) {                                                  \
        const ppl__odds gate = ppl__odds_of(logits, g[i]);                               \
        result[i] = expression;                                                          \
    }

static void mixed_value(const ppl__span *s, void *out)
{
    EACH(value_of(&gate, l[i], within[i]))
}

static void mixed_slope(const ppl__span *s, int input, void *out)
{
    const double *y = s->y;
    EACH(slope_of(logits, &gate, l[i], within[i], y[i], input))
}

static const ppl__formula mixed_formula = PPL__IN_DOUBLE(3, mixed_value, mixed_slope);
PPL__FORMULA_OP(mixed_op, "zero_inflated", mixed_formula)

static ppl_tensor *mixed(const ppl_dist *d, ppl_tensor *l, ppl_tensor *within)
{
    const int logits = ppl__gate_by_logits(d);
    ppl_tensor *in[] = { d->param[0], l, ppl_to_float(within) };
    return ppl_apply(&mixed_op, in, 3, &logits, sizeof logits);
}

/* ---- Masses, tails ----------------------------------------------------------------- */

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_dist *base = ppl__gated_base(d);
    return base ? mixed(d, base->family->log_prob(base, x),
                        ppl__is_no_count(x)) : NULL;
}

static ppl_tensor *is_negative(ppl_tensor *x)
{
    return ppl_less(ppl_to_float(x), ppl_scalar(ppl_tensor_ctx(x), 0));
}

static ppl_tensor *log_cdf(const ppl_dist *d, ppl_tensor *x)
{
    return mixed(d, ppl_log_cdf(ppl__gated_base(d), x), ppl_not(is_negative(x)));
}

static ppl_tensor *log_survival(const ppl_dist *d, ppl_tensor *x)
{
    return mixed(d, ppl_log_survival(ppl__gated_base(d), x), is_negative(x));
}

static ppl_tensor *cdf(const ppl_dist *d, ppl_tensor *x)
{
    return ppl_exp(log_cdf(d, x));
}

/* ---- Moments, draws ---------------------------------------------------------------- */

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_mul(ppl__gate_open(d), ppl_dist_mean(ppl__gated_base(d)));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_dist *base = ppl__gated_base(d);
    ppl_tensor *m = ppl_dist_mean(base), *gate = d->param[0];
    if (ppl__gate_by_logits(d))
        gate = ppl_sigmoid(gate);
    ppl_tensor *all = ppl_add(ppl_dist_variance(base), ppl_mul(gate, ppl_mul(m, m)));
    return ppl_mul(ppl__gate_open(d), all);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    ppl_dist *base = ppl__gated_base(d);
    ppl_tensor *zero = ppl_expand(ppl__no_count(d->ctx), d->shape);
    ppl_tensor *none = base ? base->family->log_prob(base, zero) : NULL;
    ppl_tensor *rest = ppl_sub(ppl_entropy(base), ppl__entropy_share(none));
    ppl_tensor *gate = ppl_mul(ppl_neg(ppl_expm1(none)), ppl__gate_share(d, 0));
    return ppl_add(ppl__entropy_share(log_prob(d, zero)),
                   ppl_add(gate, ppl_mul(ppl__gate_open(d), rest)));
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const ppl_rng own = ppl_rng_part(rng, 1);
    return ppl__gate_draw(d, rng, ppl_dist_sample(ppl__gated_base(d), &own));
}

/* ---- Quantiles --------------------------------------------------------------------- */

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *probability)
{
    return ppl__gated_quantile(d, ppl_scalar(d->ctx, -INFINITY), 0, probability, 0);
}

static ppl_tensor *inverse_survival(const ppl_dist *d, ppl_tensor *probability)
{
    return ppl__gated_quantile(d, ppl_scalar(d->ctx, -INFINITY), 0, probability, 1);
}

/* ---- Row --------------------------------------------------------------------------- */

ppl_dist *ppl_zero_inflated(ppl_tensor *gate, ppl_dist *base)
{
    return ppl__gated(&ppl_family_zero_inflated, 0, gate, base,
                      base && base->family->entropy != NULL);
}

ppl_dist *ppl_zero_inflated_logits(ppl_tensor *gate_logits, ppl_dist *base)
{
    return ppl__gated(&ppl_family_zero_inflated, 1, gate_logits, base,
                      base && base->family->entropy != NULL);
}

const ppl_family ppl_family_zero_inflated = {
    .name = "zero_inflated",
    PPL__GATED_ROW,
};

/* SPDX-License-Identifier: MIT */
/*
 * hurdle.c - Hurdle(gate g, base of counts): 0 with probability g, else a draw of the base
 * given that it is not 0; f its masses, S(x) = P(X > x).
 *
 *   log p(x)   log g at 0, log(1 - g) + log f(x) - log(1 - f(0)) elsewhere
 *   P(X > x)   (1 - g) S(x) / (1 - f(0)), x >= 0
 *   entropy    h(g) + (1 - g) H, h(g) that of the gate, H that of the base given that it is
 *              not 0, a sum (tail_moments.h)
 *   quantile   the base's, of what the base must reach
 *   mean r m, variance r (v + m^2 (1 - r)), r = (1 - g) / (1 - f(0)), of the base's m, v
 *   draw       draws of the base until one is not 0; after 16 of 0, by inversion: the least
 *              k with S(k) <= u (1 - f(0)), u uniform, by bisection, or where the base has
 *              no cdf by adding up its masses
 *
 * 1 - f(0) is taken from log f(0), and keeps its digits where f(0) is about 1 as far as
 * the base gives them. Where f(0) is 1 no count is left, and log p of one is NaN.
 * Source: Mullahy, Specification and Testing of Some Modified Count Data Models, Journal of
 * Econometrics 33 (1986).
 */
#include "gated.h"
#include "pointwise.h"
#include "tail_moments.h"

#include <kiln/constructed.h>

enum { ATTEMPTS = 16, MOST_MASSES = 1 << 16 };

/* ---- Operations -------------------------------------------------------------------- */

/* Inputs: the gate, l, log f(0), whether this is the mass at 0. */
static double value_of(const ppl__odds *gate, double l, double l_0, double zero)
{
    return zero != 0 ? gate->log_p[1] : gate->log_p[0] + l - ppl__log1mexp(-l_0);
}

static double slope_of(int logits, const ppl__odds *gate, double l_0, double zero,
                       double y, int input)
{
    if (y == -INFINITY || input == 3)
        return 0;
    if (input == 0)
        return zero != 0 ? (logits ? gate->p[0] : 1 / gate->p[1])
                         : (logits ? -gate->p[1] : -1 / gate->p[0]);
    return zero != 0 ? 0 : input == 1 ? 1 : ppl__odds_beyond(-l_0);
}

#define EACH(expression)                                                                 \
    const double *g = s->in[0], *l_0 = s->in[2], *zero = s->in[3];                       \
    const int logits = *(const int *)s->attr;                                            \
    double *result = out;                                                                \
    for (size_t i = 0; i < s->n; i++) {                                                  \
        const ppl__odds gate = ppl__odds_of(logits, g[i]);                               \
        result[i] = expression;                                                          \
    }

static void cut_value(const ppl__span *s, void *out)
{
    const double *l = s->in[1];
    EACH(value_of(&gate, l[i], l_0[i], zero[i]))
}

static void cut_slope(const ppl__span *s, int input, void *out)
{
    const double *y = s->y;
    EACH(slope_of(logits, &gate, l_0[i], zero[i], y[i], input))
}

/* log(1 - e^s). */
PPL__POINTWISE(rest, 1, "hurdle", ppl__log1mexp(-PPL__IN(0)),
               ((void)input, -ppl__odds_beyond(-PPL__IN(0))))

static const ppl__formula cut_formula = PPL__IN_DOUBLE(4, cut_value, cut_slope);
PPL__FORMULA_OP(cut_op, "hurdle", cut_formula)

/* log f(0), of the base's batch. */
static ppl_tensor *log_none(ppl_dist *base)
{
    return base ? base->family->log_prob(base, ppl_expand(ppl__no_count(base->ctx),
                                                          base->shape)) : NULL;
}

static ppl_tensor *cut(const ppl_dist *d, ppl_tensor *l, ppl_tensor *zero)
{
    const int logits = ppl__gate_by_logits(d);
    ppl_tensor *in[] = { d->param[0], l, log_none(ppl__gated_base(d)),
                         ppl_to_float(zero) };
    return ppl_apply(&cut_op, in, 4, &logits, sizeof logits);
}

/* ---- Masses, tails ----------------------------------------------------------------- */

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_dist *base = ppl__gated_base(d);
    return base ? cut(d, base->family->log_prob(base, x),
                      ppl__is_no_count(x)) : NULL;
}

static ppl_tensor *is_below(ppl_tensor *x, double bound)
{
    return ppl_less(ppl_to_float(x), ppl_scalar(ppl_tensor_ctx(x), bound));
}

static ppl_tensor *log_survival(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *below = is_below(x, 0), *none = ppl_scalar(d->ctx, 0);
    ppl_tensor *tail = ppl_log_survival(ppl__gated_base(d), x);
    return ppl_where(below, none, cut(d, tail, is_below(x, -INFINITY)));
}

/* Below 1 it is g itself. */
static ppl_tensor *log_cdf(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *s = log_survival(d, x), *at_0 = is_below(x, 1);
    ppl_tensor *gate = cut(d, ppl_detach(s), at_0);
    ppl_tensor *upper = ppl_apply(&rest_op, &s, 1, NULL, 0);
    return ppl_where(is_below(x, 0), ppl_scalar(d->ctx, -INFINITY),
                     ppl_where(at_0, gate, upper));
}

/* Not by its logarithm where it is g, which may be 0 and still has a slope. */
static ppl_tensor *cdf(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *gate = ppl_where(is_below(x, 0), ppl_scalar(d->ctx, 0), d->param[0]);
    return ppl_where(is_below(x, 1), gate, ppl_exp(log_cdf(d, x)));
}

/* ---- Moments ----------------------------------------------------------------------- */

static ppl_tensor *ratio(const ppl_dist *d)
{
    ppl_tensor *some = ppl_neg(ppl_expm1(log_none(ppl__gated_base(d))));
    return ppl_div(ppl__gate_open(d), some);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_mul(ratio(d), ppl_dist_mean(ppl__gated_base(d)));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_dist *base = ppl__gated_base(d);
    ppl_tensor *r = ratio(d), *m = ppl_dist_mean(base);
    ppl_tensor *rest = ppl_mul(ppl_mul(m, m), ppl_affine(r, -1, 1));
    return ppl_mul(r, ppl_add(ppl_dist_variance(base), rest));
}

/* The base given that it is not 0, which is the hurdle of a gate that is open. */
static ppl__tails given_tails(const ppl__searched *law, ppl_tensor *x)
{
    return ppl__tails_at(law->d, x);
}

/* At 1, where nearly all of it may lie, by what lies above. */
static ppl_tensor *given_log_prob(const ppl__searched *law, ppl_tensor *x)
{
    ppl_dist *base = ppl__gated_base(law->d);
    ppl_ctx *c = law->d->ctx;
    ppl_tensor *log_p = cut(law->d, base->family->log_prob(base, x), is_below(x, -INFINITY));
    ppl_tensor *rest = log_survival(law->d, ppl_scalar(c, 1));
    log_p = ppl_where(is_below(x, 2), ppl__log_share(log_p, rest), log_p);
    return ppl_where(is_below(x, 1), ppl_scalar(c, -INFINITY), log_p);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    const ppl_dist *open = ppl_hurdle(ppl_scalar(d->ctx, 0), ppl__gated_base(d));
    if (!open)
        return NULL;
    ppl_tensor *given = ppl__tail_entropy(
        &(ppl__searched){ open, NULL, 1, given_tails, given_log_prob });
    return ppl_add(ppl_add(ppl__gate_share(d, 0), ppl__gate_share(d, 1)),
                   ppl_mul(ppl__gate_open(d), given));
}

/* ---- Quantiles --------------------------------------------------------------------- */

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *probability)
{
    return ppl__gated_quantile(d, log_none(ppl__gated_base(d)), 1, probability, 0);
}

static ppl_tensor *inverse_survival(const ppl_dist *d, ppl_tensor *probability)
{
    return ppl__gated_quantile(d, log_none(ppl__gated_base(d)), 1, probability, 1);
}

/* ---- Draws by inversion ------------------------------------------------------------ */

/* Elements of a draw that are sought: k where it is not known yet, and what its tail, or
 * the sum of masses up to it, must reach. Numbers are read as an operation does: a draw
 * depends on what its base depends on, and no code of the model sees more of them. */
typedef struct search {
    ppl_dist *base;
    size_t n;
    unsigned char *open;
    int64_t *low, *high, *at;
    double *target, *sum, *answer;
} search;

static double number(const ppl_tensor *t, size_t i)
{
    const void *x = ppl_result((ppl_tensor *)(uintptr_t)t);
    return ppl_tensor_dtype(t) == PPL_F32 ? (double)((const float *)x)[i]
                                          : ((const double *)x)[i];
}

/* 0 when out of memory. */
static int begin(search *s, const ppl_tensor *draw, const ppl_rng *rng)
{
    ppl_ctx *c = s->base->ctx;
    const int64_t *y = ppl_result((ppl_tensor *)(uintptr_t)draw);
    const ppl_tensor *none = log_none(s->base);

    s->n = (size_t)ppl_numel(draw);
    s->open = ppl_alloc(c, s->n);
    s->low = ppl_alloc(c, 3 * s->n * sizeof *s->low);
    s->target = ppl_alloc(c, 3 * s->n * sizeof *s->target);
    if (!none || !s->open || !s->low || !s->target)
        return 0;
    s->high = s->low + s->n;
    s->at = s->high + s->n;
    s->sum = s->target + s->n;
    s->answer = s->sum + s->n;
    for (size_t i = 0; i < s->n; i++) {
        const double u = ppl_rng_uniform(rng, 0, i, 0);
        s->open[i] = y[i] == 0;
        s->low[i] = 0;
        s->high[i] = s->at[i] = 1;
        s->sum[i] = 0;
        s->target[i] = s->base->family->cdf
                           ? log(u) + ppl__log1mexp(-number(none, i))
                           : -u * expm1(number(none, i));
    }
    return 1;
}

/* The base's log_survival or log_prob at s->at into s->answer; 0 when all are known, or on
 * error. Each question is an epoch, so that many take no memory. */
static int ask(const search *s, ppl_tensor *(*f)(const ppl_dist *d, ppl_tensor *x))
{
    ppl_ctx *c = s->base->ctx;
    size_t open = 0;

    for (size_t i = 0; i < s->n; i++)
        open += s->open[i];
    if (open == 0)
        return 0;
    const ppl_epoch mark = ppl_epoch_begin(c);
    const ppl_tensor *t = f(s->base, ppl_wrap(c, PPL_I64, s->base->shape, s->at));
    for (size_t i = 0; t && i < s->n; i++)
        s->answer[i] = number(t, i);
    ppl_epoch_end(c, mark);
    return ppl_ok(c);
}

static ppl_tensor *tail_of(const ppl_dist *d, ppl_tensor *x)
{
    return ppl_log_survival((ppl_dist *)(uintptr_t)d, x);
}

enum { DONE, DOUBLING, HALVING };           /* what is open */

/* Doubles k until its tail is at most the target, then halves what is between. */
static void bisect(search *s)
{
    while (ask(s, tail_of))
        for (size_t i = 0; i < s->n; i++) {
            const double t = s->answer[i];
            const int reached = t <= s->target[i];
            if (s->open[i] == DONE)
                continue;
            *(reached ? &s->high[i] : &s->low[i]) = s->at[i];
            if (isnan(t) || s->low[i] > INT64_MAX / 2) {
                s->high[i] = isnan(t) ? -1 : INT64_MAX;
                s->open[i] = DONE;
            } else if (s->open[i] == DOUBLING && !reached) {
                s->high[i] = s->at[i] *= 2;
            } else {
                s->open[i] = s->high[i] - s->low[i] > 1 ? HALVING : DONE;
                s->at[i] = s->low[i] + (s->high[i] - s->low[i]) / 2;
            }
        }
}

/* Adds masses of 1, 2, .. up. */
static void add_up(search *s)
{
    for (int64_t k = 1; k < MOST_MASSES && ask(s, s->base->family->log_prob); k++)
        for (size_t i = 0; i < s->n; i++) {
            s->sum[i] += exp(s->answer[i]);
            s->at[i] = k + 1;
            if (!s->open[i])
                continue;
            s->high[i] = k;
            if (!(s->sum[i] < s->target[i]))
                s->open[i] = DONE;
        }
}

/* The draw with its zeros found by inversion. */
static ppl_tensor *inverted(ppl_dist *base, ppl_tensor *draw, const ppl_rng *rng)
{
    search s = { .base = base };
    const int was = ppl_set_grad_enabled(base->ctx, 0);
    ppl_tensor *found = NULL;

    if (begin(&s, draw, rng)) {
        if (base->family->cdf)
            bisect(&s);
        else
            add_up(&s);
        found = ppl_from_integers(base->ctx, base->shape, s.high);
    }
    ppl_set_grad_enabled(base->ctx, was);
    return ppl_where(ppl_equal(draw, ppl__no_count(base->ctx)), found, draw);
}

static int has_zero(const ppl_tensor *draw)
{
    const int64_t *y = ppl_result((ppl_tensor *)(uintptr_t)draw);
    for (int64_t i = 0; i < ppl_numel(draw); i++)
        if (y[i] == 0)
            return 1;
    return 0;
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    ppl_dist *base = ppl__gated_base(d);
    ppl_rng own = ppl_rng_part(rng, 1);
    ppl_tensor *x = ppl_dist_sample(base, &own), *zero = ppl__no_count(d->ctx);

    for (uint64_t i = 2; x && has_zero(x) && i <= ATTEMPTS; i++) {
        own = ppl_rng_part(rng, i);
        x = ppl_where(ppl_equal(x, zero), ppl_dist_sample(base, &own), x);
    }
    own = ppl_rng_part(rng, ATTEMPTS + 1);
    return ppl__gate_draw(d, rng, x && has_zero(x) ? inverted(base, x, &own) : x);
}

/* ---- Row --------------------------------------------------------------------------- */

ppl_dist *ppl_hurdle(ppl_tensor *gate, ppl_dist *base)
{
    return ppl__gated(&ppl_family_hurdle, 0, gate, base,
                      base && base->family->icdf != NULL);
}

const ppl_family ppl_family_hurdle = {
    .name = "hurdle",
    PPL__GATED_ROW,
};

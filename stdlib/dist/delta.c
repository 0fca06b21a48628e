/* SPDX-License-Identifier: MIT */
/*
 * delta.c - Delta(value, log_density): all mass at one value, with a density given to it.
 *
 *   log p(x)   log_density where x = value, -inf elsewhere
 *   mean value, variance 0, entropy -log_density
 *   P(X <= x)  1 from value on; the quantile of any probability is value
 *   cut        itself, where value lies between the bounds
 *   draw       value itself, with its gradient
 *   KL(q||p)   log_density - log p(value), for p of any family (stdlib/kl/pairs.c)
 *
 * log_density stands for the Jacobian of a transformed point (as in pyro.distributions.
 * Delta); it belongs to a whole event. So that events, masks and KL need no special case,
 * it is written as the sum over the event: all of it at the event's first element.
 */
#include "pointwise.h"

#include "../shape_text.h"

static void log_prob_value(const ppl__span *s, void *out)
{
    const double *x = s->in[0], *value = s->in[1], *log_density = s->in[2];
    double *y = out;

    for (size_t i = 0; i < s->n; i++)
        y[i] = x[i] == value[i] ? log_density[i]
               : isnan(x[i]) || isnan(value[i]) ? (double)NAN : -INFINITY;
}

static void log_prob_slope(const ppl__span *s, int input, void *slope)
{
    double *d = slope;

    for (size_t i = 0; i < s->n; i++)
        d[i] = input == 2;
}

static const ppl__formula log_prob_formula =
    PPL__IN_DOUBLE(3, log_prob_value, log_prob_slope);
PPL__FORMULA_OP(log_prob_op, "delta log_prob", log_prob_formula)

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    (void)rng;
    return ppl__whole_param(d, 0);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1] };
    return ppl_apply(&log_prob_op, in, 3, NULL, 0);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_neg(d->param[1]);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return d->param[0];
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_scalar(d->ctx, 0);
}

/* ---- Distribution function --------------------------------------------------------- */

static double log_tail(int upper, double x, double value, double log_density)
{
    (void)log_density;
    return isnan(x) || isnan(value) ? (double)NAN : (x >= value) != upper ? 0 : -INFINITY;
}

/* Flat but for the step, where it has no derivative. */
static double log_tail_slope(int input, int upper, double x, double value,
                             double log_density)
{
    (void)input, (void)upper, (void)x, (void)value, (void)log_density;
    return 0;
}

PPL__TAILS(2, "delta")
PPL__POINTWISE(icdf, 2, "delta icdf",
               PPL__IN(0) >= 0 && PPL__IN(0) <= 1 ? PPL__IN(1) : (double)NAN, input == 1)

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *probability)
{
    return ppl_apply(&icdf_op, (ppl_tensor *[]){ probability, d->param[0] }, 2, NULL, 0);
}

/* A value outside the bounds is none. Inputs: value, low, high. */
static int is_within(double value, double low, double high)
{
    return value >= low && value <= high;
}

PPL__POINTWISE(cut, 3, "truncated delta", is_within(PPL__IN_3(0)) ? PPL__IN(0) : (double)NAN,
               input == 0 && is_within(PPL__IN_3(0)))

static ppl_dist *truncated(const ppl_dist *d, ppl_tensor *low, ppl_tensor *high)
{
    ppl_tensor *in[] = { ppl__whole_param(d, 0), low, high };
    ppl_tensor *params[] = { ppl_apply(&cut_op, in, 3, NULL, 0), d->param[1] };
    return ppl_dist_make(&ppl_family_delta, params, NULL);
}

/* ---- Making ------------------------------------------------------------------------ */

/* log_density [batch] as [batch, event of `value`] with the same sums: 0 but at the first
 * element of each event. */
static ppl_tensor *spread(ppl_tensor *log_density, const ppl_tensor *value, int event_dim)
{
    ppl_ctx *c = ppl_tensor_ctx(value);
    ppl_shape shape = ppl_tensor_shape(log_density), event = PPL_SCALAR;
    int64_t count = 1;

    for (int i = 0; i < event_dim; i++) {
        event.dim[event.rank] = ppl_dim(value, i - event_dim);
        count *= event.dim[event.rank++];
    }
    if (count == 0 || shape.rank + event_dim > PPL_MAX_RANK) {
        ppl_fail(c, PPL_ESHAPE, "delta: no place for a log_density %s beside an event of "
                 "shape %s", SHAPE_TEXT(shape), SHAPE_TEXT(event));
        return NULL;
    }
    for (int i = 0; i < event_dim; i++)
        shape.dim[shape.rank++] = 1;
    unsigned char *first = ppl_alloc(c, (size_t)count);
    if (first)
        first[0] = 1;
    return ppl_where(ppl_wrap(c, PPL_MASK, event, first), ppl_reshape(log_density, shape),
                     ppl_scalar(c, 0));
}

ppl_dist *ppl_delta(ppl_tensor *value, ppl_tensor *log_density, int event_dim)
{
    ppl_ctx *c = ppl_tensor_ctx(value);

    if (!c || !ppl_ok(c))
        return NULL;
    if (event_dim < 0 || event_dim > ppl_rank(value)) {
        ppl_fail(c, PPL_ESHAPE, "delta: event_dim is %d; a value of shape %s has 0 to %d "
                 "event axes", event_dim, SHAPE_OF(value), ppl_rank(value));
        return NULL;
    }
    if (!log_density)
        log_density = ppl_scalar(c, 0);
    else if (event_dim > 0)
        log_density = spread(log_density, value, event_dim);
    if (!log_density)
        return NULL;
    ppl_tensor *params[] = { value, log_density };
    return ppl_event(ppl_dist_make(&ppl_family_delta, params, NULL), event_dim);
}

const ppl_family ppl_family_delta = {
    .name = "delta",
    .params = 2,
    .param_name = { "value", "log_density" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_real },
    .support = &ppl_constraint_real,
    .flags = PPL_REPARAM | PPL_ATOMS,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    PPL__TAIL_FUNCTIONS,
    .icdf = icdf,
    .inverse_survival = icdf,
    .truncated = truncated,
};

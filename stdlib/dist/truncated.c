/* SPDX-License-Identifier: MIT */
/*
 * truncated.c - X of a base distribution, given low <= X <= high; either may be missing.
 *
 *   log p(x)   log p_base(x) - log M within, M = P_base(low <= X <= high); -inf outside
 *   P(X <= x)  P_base(low <= X <= x) / M
 *   draw       of a uniform number u, the base's quantile at F(low) + u M, or by the
 *              upper tail at S(high) + (1 - u) M, whichever is less
 *
 * Probabilities between two numbers are those of tails.h, in logarithms: they hold where
 * both bounds lie in one tail. Where M is too small to be a number, and of a base without
 * quantiles, one is searched for by the cdf, which is monotone, between the bounds
 * (search.h). Moments are integrals, or sums, of tails, the entropy of the density
 * (tail_moments.h). Counts of which finitely many are left are listed.
 *
 * Draws move as F(x) = u says, F being the cdf of the whole: dx/da = -(dF/da) / p(x)
 * (Figurnov, Mohamed, Mnih, Implicit Reparameterization Gradients, 2018), taken of log F
 * or of log (1 - F). So of the base they need derivatives of its cdf only.
 *
 * A family is made for each distribution, since what it can do depends on the base; all
 * are of the kind ppl_family_truncated. A base that knows what it is when cut (a Normal)
 * makes that instead (ppl_family.truncated).
 */
#include "counts.h"
#include "pointwise.h"
#include "tail_moments.h"

#include <kiln/constructed.h>

#include "../shape_text.h"

enum { LOW, HIGH };

/* The attr. */
typedef struct cut {
    int given[2];                           /* whether there is such a bound */
} cut;

/* Whether a family is of integers. */
static int is_whole(const ppl_family *of)
{
    return (of->flags & PPL_DISCRETE) && !(of->flags & PPL_ATOMS);
}

static int is_discrete(const ppl_dist *d)
{
    return is_whole(d->parts->dist[0]->family);
}

static ppl_dist *base_of(const ppl_dist *d)
{
    return (ppl_dist *)(uintptr_t)d->parts->dist[0];
}

static ppl_tensor *bound(const ppl_dist *d, int i)
{
    return ((const cut *)d->attr)->given[i] ? d->param[i] : NULL;
}

static ppl_tensor *floating(ppl_tensor *t)
{
    return t && ppl_tensor_dtype(t) == PPL_I64 ? ppl_to_float(t) : t;
}

/* ---- Probabilities of the base --------------------------------------------------- */

PPL__POINTWISE(before, 1, "truncated", PPL__IN(0) - 1, input == 0)
PPL__POINTWISE(number_before, 1, "truncated",
               s->dtype == PPL_F32 ? (double)nextafterf((float)PPL__IN(0), -INFINITY)
                                   : nextafter(PPL__IN(0), -INFINITY), input == 0)

/* What low must be exceeded by: the integer before it, or the number where numbers may have
 * probabilities. */
static ppl_tensor *before_low(const ppl_dist *d)
{
    ppl_tensor *low = bound(d, LOW);
    const int atoms = (d->parts->dist[0]->family->flags & PPL_ATOMS) != 0;
    return low && (atoms || is_discrete(d))
               ? ppl_apply(atoms ? &number_before_op : &before_op, &low, 1, NULL, 0) : low;
}

/* The tails at both ends, and log M. */
typedef struct ends {
    ppl__tails low, high;
    ppl_tensor *log_mass;
} ends;

static ends ends_of(const ppl_dist *d)
{
    const ppl_dist *base = base_of(d);
    ends e = { ppl__tails_at(base, before_low(d)), ppl__tails_at(base, bound(d, HIGH)),
               NULL };
    e.log_mass = ppl__log_between(e.low, e.high);
    return e;
}

/* x moved to the nearest end where it lies outside. */
static ppl_tensor *within(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *low = before_low(d), *high = floating(bound(d, HIGH));
    if (low)
        x = ppl_where(ppl_less(x, low), low, x);
    return high ? ppl_where(ppl_less(high, x), high, x) : x;
}

/* log P(X <= x) and log P(X > x) of the whole, x within the bounds. */
static ppl__tails tails_of(const ppl_dist *d, const ends *e, ppl_tensor *x)
{
    const ppl__tails at = ppl__tails_at(base_of(d), x);
    ppl_tensor *below = ppl_sub(ppl__log_between(e->low, at), e->log_mass);
    ppl_tensor *above = ppl_sub(ppl__log_between(at, e->high), e->log_mass);
    return (ppl__tails){ ppl__log_share(below, above), ppl__log_share(above, below) };
}

/* The same of any x; integers become floating. */
static ppl__tails tails_at(const ppl_dist *d, ppl_tensor *x)
{
    const ends e = ends_of(d);
    return tails_of(d, &e, within(d, floating(x)));
}

static ppl_tensor *log_cdf(const ppl_dist *d, ppl_tensor *x)
{
    return tails_at(d, x).log_cdf;
}

static ppl_tensor *log_survival(const ppl_dist *d, ppl_tensor *x)
{
    return tails_at(d, x).log_survival;
}

static ppl_tensor *cdf(const ppl_dist *d, ppl_tensor *x)
{
    return ppl_exp(log_cdf(d, x));
}

/* ---- The density ----------------------------------------------------------------- */

/* Inputs: the base's log density, log M, x, low, high. */
static double cut_density(double log_base, double log_mass, double x, double low,
                          double high)
{
    return !(x >= low && x <= high) ? ppl__outside(x)
           : log_mass == -INFINITY ? (double)NAN : log_base - log_mass;
}

static double cut_density_slope(int input, double x, double low, double high)
{
    return !(x >= low && x <= high) ? 0 : input == 0 ? 1 : input == 1 ? -1 : 0;
}

PPL__POINTWISE(cut_density, 5, "truncated log_prob",
               cut_density(PPL__IN_4(0), PPL__IN(4)),
               cut_density_slope(input, PPL__IN_3(2)))

static ppl_tensor *log_prob_by(const ppl_dist *d, const ends *e, ppl_tensor *x)
{
    const ppl_dist *base = base_of(d);
    ppl_tensor *in[] = { base->family->log_prob(base, x), e->log_mass, x, d->param[LOW],
                         d->param[HIGH] };
    return ppl_apply(&cut_density_op, in, 5, NULL, 0);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    const ends e = ends_of(d);
    return log_prob_by(d, &e, x);
}

/* ---- Whether there is mass -------------------------------------------------------- */

/* Looks for an element less than `limit`, and tells it through the attr as well. */
typedef struct probe {
    double limit;
    int64_t *found;                     /* which is the first, counted from 1; 0: none */
} probe;

static double probed(const probe *p, size_t i, double x)
{
    if (x < p->limit && *p->found == 0)
        *p->found = (int64_t)i + 1;
    return x;
}

PPL__POINTWISE_VALUE(probe, 1, "truncated", probed(s->attr, s->start + i, PPL__IN(0)))

static int64_t first_less(ppl_tensor *t, double limit)
{
    const probe attr = { limit, ppl_alloc(ppl_tensor_ctx(t), sizeof *attr.found) };
    const int done = attr.found && ppl_apply(&probe_op, &t, 1, &attr, sizeof attr);
    return done ? *attr.found : 0;
}

/* ---- Quantiles ------------------------------------------------------------------- */

static ppl__tails searched_tails(const ppl__searched *s, ppl_tensor *x)
{
    return tails_of(s->d, s->more, x);
}

static ppl_tensor *searched_log_prob(const ppl__searched *s, ppl_tensor *x)
{
    return log_prob_by(s->d, s->more, x);
}

static ppl__searched law_of(const ppl_dist *d, const ends *e)
{
    return (ppl__searched){ d, e, is_discrete(d), searched_tails, searched_log_prob };
}

/* A probability of this much of less than M may not be a number. */
static double least_log_mass(const ppl_dist *d)
{
    return ppl_ctx_dtype(d->ctx) == PPL_F32 ? -60 : -600;
}

static ppl_tensor *exp_or(ppl_tensor *t, ppl_ctx *c, double otherwise)
{
    return t ? ppl_exp(t) : ppl_scalar(c, otherwise);
}

/* The base's quantile by the lesser of the probabilities below and above it. */
static ppl_tensor *by_tails(const ppl_dist *d, const ends *e, ppl_tensor *below,
                            ppl_tensor *above)
{
    ppl_dist *base = base_of(d);
    ppl_tensor *mass = exp_or(e->log_mass, d->ctx, 1);
    ppl_tensor *lower = ppl_add(exp_or(e->low.log_cdf, d->ctx, 0), ppl_mul(below, mass));
    ppl_tensor *upper = ppl_add(exp_or(e->high.log_survival, d->ctx, 0),
                                ppl_mul(above, mass));
    ppl_tensor *take_lower = ppl_less(lower, upper), *none = ppl_scalar(d->ctx, NAN);
    /* What is not taken is asked of NaN, which costs nothing. */
    return ppl_where(take_lower, ppl_icdf(base, ppl_where(take_lower, lower, none)),
                     ppl_inverse_survival(base, ppl_where(take_lower, none, upper)));
}

/* x within low and high and within the least and the most that a draw can be; NaN where
 * the probability is none, or the mass. Inputs: x, below, log M, low, high. */
static double settle(const ppl__draw_attr *attr, double x, double below, double log_mass,
                     double low, double high)
{
    if (!(below >= 0 && below <= 1) || !(log_mass > -INFINITY))
        return NAN;
    return fmin(fmax(ppl__within(attr, x), low), high);
}

PPL__POINTWISE_VALUE(settle, 5, "truncated icdf",
                     settle(s->attr, PPL__IN_4(0), PPL__IN(4)))

/* The x with P(X <= x) = below = 1 - above, without a gradient. */
static ppl_tensor *quantile_value(const ppl_dist *d, const ends *e, ppl_tensor *below,
                                  ppl_tensor *above, int drawn)
{
    const int was = ppl_set_grad_enabled(d->ctx, 0);
    const int known = d->parts->dist[0]->family->icdf != NULL;
    ppl_tensor *limit = ppl_scalar(d->ctx, least_log_mass(d)), *x = NULL;
    ppl__draw_attr attr = { .least = -INFINITY, .most = INFINITY };
    if (known)
        x = by_tails(d, e, below, above);
    if (!known || first_less(e->log_mass, least_log_mass(d))) {
        const ppl__searched law = law_of(d, e);
        ppl_tensor *found = ppl__search(&law, before_low(d), floating(bound(d, HIGH)),
                                        below, above);
        x = known ? ppl_where(ppl_less(e->log_mass, limit), found, x) : found;
    }
    if (drawn && d->family->support)
        ppl__draw_range(d->family->support, ppl_ctx_dtype(d->ctx), &attr);
    ppl_tensor *in[] = { x, below, e->log_mass, d->param[LOW], d->param[HIGH] };
    x = ppl_apply(&settle_op, in, 5, &attr, sizeof attr);
    ppl_set_grad_enabled(d->ctx, was);
    return x;
}

static ppl_tensor *quantile(const ppl_dist *d, ppl_tensor *below, ppl_tensor *above,
                            int drawn)
{
    const ends e = ends_of(d);
    ppl_tensor *x = quantile_value(d, &e, below, above, drawn);
    if (is_discrete(d) || !ppl__recording(d->ctx) ||
        !(ppl_requires_grad(e.log_mass) || ppl_requires_grad(below)))
        return x;
    const ppl__searched law = law_of(d, &e);
    return ppl__moved(&law, x, below);
}

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *probability)
{
    return quantile(d, probability, ppl_affine(probability, -1, 1), 0);
}

static ppl_tensor *inverse_survival(const ppl_dist *d, ppl_tensor *probability)
{
    return quantile(d, ppl_affine(probability, -1, 1), probability, 0);
}

/* ---- Draws ----------------------------------------------------------------------- */

static ppl_status integers_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                                 void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op, (void)count, (void)attr;
    *dtype = PPL_I64;
    *shape = ppl_tensor_shape(inputs[0]);
    return PPL_OK;
}

static void integers_forward(ppl_tensor *out)
{
    const ppl_tensor *in = ppl_op_input(out, 0);
    const void *elements = ppl_operand(out, 0);
    int64_t *y = ppl_result(out);
    for (int64_t i = 0; i < ppl_numel(out); i++) {
        const double x = ppl_tensor_dtype(in) == PPL_F32 ? ((const float *)elements)[i]
                                                         : ((const double *)elements)[i];
        y[i] = fabs(x) < 0x1p63 ? (int64_t)x : x > 0 ? INT64_MAX : -1;
    }
}

static const ppl_op integers_op = {
    .name = "truncated sample", .inputs = 1, .shape = integers_shape,
    .forward = integers_forward
};

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const size_t n = ppl__dist_numel(d);
    double *u = ppl_alloc(d->ctx, n * sizeof *u);
    if (!u)
        return NULL;
    ppl_rng_uniforms(rng, 0, n, u);
    ppl_tensor *below = ppl_from_doubles(d->ctx, d->shape, u);
    for (size_t i = 0; i < n; i++)
        u[i] = 1 - u[i];
    ppl_tensor *x = quantile(d, below, ppl_from_doubles(d->ctx, d->shape, u), 1);
    if (d->family->value_dtype == PPL_I64)
        return ppl_apply(&integers_op, &x, 1, NULL, 0);
    return x;
}

/* ---- Making ---------------------------------------------------------------------- */

static ppl_tensor *greatest(ppl_tensor *a, ppl_tensor *b)
{
    return !a || !b ? (a ? a : b) : ppl_where(ppl_less(a, b), b, a);
}

static ppl_tensor *least(ppl_tensor *a, ppl_tensor *b)
{
    return !a || !b ? (a ? a : b) : ppl_where(ppl_less(a, b), a, b);
}

/* What a base says of its ends: by its bounds, or as it lists its values. */
static void own_bounds(const ppl_dist *base, ppl_tensor **low, ppl_tensor **high)
{
    *low = *high = NULL;
    if (base->family->bounds) {
        base->family->bounds(base, low, high);
    } else if (base->family->enumerate) {
        ppl_tensor *values = base->family->enumerate(base);
        const int64_t n = values ? ppl_numel(values) : 0;
        *low = ppl_reshape(ppl_slice(values, 0, 0, 1), PPL_SCALAR);
        *high = ppl_reshape(ppl_slice(values, 0, n - 1, n), PPL_SCALAR);
    }
}

/* Those of the base as well. */
static void bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    const int was = ppl_set_grad_enabled(d->ctx, 0);
    ppl_tensor *low, *high;
    own_bounds(d->parts->dist[0], &low, &high);
    *lower = greatest(floating(bound(d, LOW)), floating(low));
    *upper = least(floating(bound(d, HIGH)), floating(high));
    ppl_set_grad_enabled(d->ctx, was);
}

/* ---- Moments --------------------------------------------------------------------- */

static ppl__tails tails_within(const ppl__searched *s, ppl_tensor *x)
{
    return tails_of(s->d, s->more, within(s->d, x));
}

static ppl_tensor *moment(const ppl_dist *d, ppl_tensor *(*of)(const ppl__searched *law))
{
    const ends e = ends_of(d);
    ppl__searched law = law_of(d, &e);
    law.tails = tails_within;
    return of(&law);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return moment(d, ppl__tail_mean);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return moment(d, ppl__tail_variance);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return moment(d, ppl__tail_entropy);
}

/* ---- Counts between two ends ----------------------------------------------------- */

/* The least and the greatest element of t, or what stands for a missing one. */
static void range_of(const ppl_tensor *t, double missing, double range[2])
{
    const void *elements = t ? ppl_data(t) : NULL;
    range[0] = range[1] = missing;
    for (size_t i = 0; t && i < (size_t)ppl_numel(t); i++) {
        const double x = ppl__count_at(t, elements, i);
        range[0] = i == 0 ? x : fmin(range[0], x);
        range[1] = i == 0 ? x : fmax(range[1], x);
    }
}

/* Those of all elements' lower and upper ends; NULL after an error. */
static void ends_of_counts(const ppl_dist *d, double lower[2], double upper[2])
{
    ppl_tensor *low, *high;
    bounds(d, &low, &high);
    range_of(low, d->family->support ? d->family->support->lower : NAN, lower);
    range_of(high, NAN, upper);
}

static ppl_tensor *enumerate(const ppl_dist *d)
{
    double lower[2], upper[2];
    ends_of_counts(d, lower, upper);
    if (ppl_ok(d->ctx) && (lower[0] != lower[1] || upper[0] != upper[1]))
        ppl_fail(d->ctx, PPL_EUNSUPPORTED, "%s: its values can be listed only where the "
                 "bounds are the same throughout", d->family->name);
    if (!ppl_ok(d->ctx))
        return NULL;
    ppl_tensor *k = ppl__integers_from(d->ctx, (int64_t)lower[0], (int64_t)upper[0]);
    return d->family->value_dtype == PPL_I64 ? k : ppl_to_float(k);
}

/* Whether a discrete base has finitely many values between such bounds. */
static int is_finite(const ppl_dist *base, const cut *as)
{
    ppl_tensor *low, *high;
    own_bounds(base, &low, &high);
    return (as->given[LOW] || low ||
            base->family->support == &ppl_constraint_nonnegative_integer) &&
           (as->given[HIGH] || high);
}

/* ---- Rows ------------------------------------------------------------------------ */

const ppl_family ppl_family_truncated = {
    .name = "truncated",
    .params = 2,
    .param_name = { "low", "high" },
    .ascending = 1u << LOW,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .bounds = bounds,
    .cdf = cdf,
    .icdf = icdf,
    .log_cdf = log_cdf,
    .log_survival = log_survival,
    .inverse_survival = inverse_survival,
};

static const ppl_family *family_of(const ppl_dist *base, const cut *as)
{
    const ppl_family *of = base->family;
    ppl_family *f = ppl_alloc(base->ctx, sizeof *f);
    if (!f)
        return NULL;
    *f = ppl_family_truncated;
    f->kind = &ppl_family_truncated;
    f->name = ppl_intern_join(base->ctx, "truncated(", of->name);
    f->name = ppl_intern_join(base->ctx, f->name, ")");
    f->support = of->support;
    f->value_dtype = of->value_dtype;
    if (is_whole(of)) {
        f->flags = PPL_DISCRETE;
        for (int i = LOW; i <= HIGH; i++) {
            f->param_dtype[i] = PPL_I64;
            f->param_constraint[i] = as->given[i] ? &ppl_constraint_integer : NULL;
        }
        if (is_finite(base, as)) {
            f->flags |= PPL_ENUMERABLE;
            f->enumerate = enumerate;
        }
    }
    return f->name ? f : NULL;
}

static int can_be_cut(const ppl_dist *base)
{
    const ppl_family *f = base->family;
    if (f->event_dim > 0 || base->event_dim > 0)
        ppl_fail(base->ctx, PPL_ESHAPE, "truncated: an event of %s has %d axes; cut a "
                 "distribution of single numbers, and make events of the result with "
                 "ppl_event", f->name, base->event_dim);
    else if (!f->cdf)
        ppl_fail(base->ctx, PPL_EUNSUPPORTED, "truncated: %s has no cdf, by which the "
                 "mass between the bounds would be known; take a base that has one "
                 "(doc/distributions.md)", f->name);
    else if ((f->flags & PPL_ATOMS) && !f->truncated)
        ppl_fail(base->ctx, PPL_EUNSUPPORTED, "truncated: %s gives numbers probabilities of "
                 "their own, beside which there may be a density; cut its parts", f->name);
    return ppl_ok(base->ctx);
}

/* Element i of t, broadcast to `shape`. */
static double element(ppl_tensor *t, ppl_shape shape, int64_t i)
{
    double *x = ppl_alloc(ppl_tensor_ctx(t), (size_t)(i + 1) * sizeof *x);
    ppl_tensor *whole = ppl_expand(floating(t), shape);
    return x && ppl_read(whole, x, i + 1) > i ? x[i] : (double)NAN;
}

/* Fails where the base has nothing between the bounds. */
static int has_mass(const ppl_dist *d)
{
    const int was = ppl_set_grad_enabled(d->ctx, 0);
    ppl_tensor *log_mass = ends_of(d).log_mass;
    const int64_t i = first_less(log_mass, -1e300) - 1;
    const ppl_shape shape = ppl_tensor_shape(log_mass);
    if (i >= 0) {
        const double low = element(d->param[LOW], shape, i);
        const double high = element(d->param[HIGH], shape, i);
        if (ppl_ok(d->ctx))
            ppl_fail(d->ctx, PPL_ECONSTRAINT, "%s: there is no mass between %.9g and "
                     "%.9g (element %lld of %s), or less than can be told from none; "
                     "move the bounds into the base's support", d->family->name, low, high,
                     (long long)i, SHAPE_TEXT(shape));
    }
    ppl_set_grad_enabled(d->ctx, was);
    return ppl_ok(d->ctx);
}

ppl_dist *ppl_truncated(ppl_dist *base, ppl_tensor *low, ppl_tensor *high)
{
    if (!base || !ppl_ok(base->ctx))
        return NULL;
    if ((!low && !high) || !can_be_cut(base))
        return ppl_ok(base->ctx) ? base : NULL;
    ppl_dist *plain = ppl_alloc(base->ctx, sizeof *plain), *d;
    cut *as = ppl_alloc(base->ctx, sizeof *as);
    if (!plain || !as)
        return NULL;
    *plain = *base;
    plain->mask = NULL;
    as->given[LOW] = low != NULL;
    as->given[HIGH] = high != NULL;
    low = low ? low : ppl_scalar(base->ctx, -INFINITY);
    high = high ? high : ppl_scalar(base->ctx, INFINITY);
    if (base->family->truncated && !(base->family->flags & (PPL_DISCRETE | PPL_ATOMS)))
        return ppl_masked(base->family->truncated(plain, low, high), base->mask);
    const ppl_family *f = family_of(base, as);
    const ppl_dist_parts parts = { .dist = (const ppl_dist *[]){ plain }, .dists = 1,
                                   .batch = base->shape };
    d = f ? ppl_dist_make_of(f, (ppl_tensor *[]){ low, high }, &parts, as) : NULL;
    if (!d || (ppl_validating(d->ctx) && !has_mass(d)))
        return NULL;
    if (base->family->truncated)
        d = base->family->truncated(plain, d->param[LOW], d->param[HIGH]);
    return ppl_masked(d, base->mask);
}

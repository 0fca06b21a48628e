/* SPDX-License-Identifier: MIT */
/*
 * folded.c - |X| of a base distribution on the real line.
 *
 *   log p(y)    log (p(y) + p(-y)) for y >= 0, -inf below
 *   P(Y <= y)   F(y) - F(-y), and P(Y > y) = F(-y) + S(y), F and S the base's tails
 *   quantile    by search with both (search.h)
 *   moments     integrals of both, and the entropy of the density (tail_moments.h)
 *   draw        |draw of the base|, with its gradient
 *
 * At 0 the two densities are one, counted twice, as it is the limit from above. As
 * pyro.distributions.FoldedDistribution. A family is made for each distribution, since what
 * it can do depends on the base; all are of the kind ppl_family_folded.
 */
#include "density.h"
#include "pointwise.h"
#include "tail_moments.h"

#include <kiln/constructed.h>

static ppl_dist *base_of(const ppl_dist *d)
{
    return (ppl_dist *)(uintptr_t)d->parts->dist[0];
}

/* log (p(y) + p(-y)). Inputs: y and the logarithms. */
static double folded(double y, double right, double left)
{
    const double most = fmax(right, left);
    if (!(y >= 0))
        return ppl__outside(y);
    return isinf(most) ? most : most + log1p(exp(fmin(right, left) - most));
}

static double folded_slope(int input, double y, double right, double left)
{
    const double both = folded(y, right, left);
    return input == 0 || isinf(both) ? 0 : exp((input == 1 ? right : left) - both);
}

PPL__POINTWISE(folded, 3, "folded log_prob", folded(PPL__IN_3(0)),
               folded_slope(input, PPL__IN_3(0)))

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *y)
{
    const ppl_dist *base = base_of(d);
    ppl_tensor *in[] = { y, base->family->log_prob(base, y),
                         base->family->log_prob(base, ppl_neg(y)) };
    return ppl_apply(&folded_op, in, 3, NULL, 0);
}

static ppl_tensor *not_below_0(const ppl_dist *d, ppl_tensor *y)
{
    ppl_tensor *zero = ppl_scalar(d->ctx, 0);
    return ppl_where(ppl_less(y, zero), zero, y);
}

/* log P(Y <= y) and log P(Y > y), each by the one that is exact. */
static ppl__tails tails_of(const ppl_dist *d, ppl_tensor *y)
{
    y = not_below_0(d, y);
    const ppl__tails a = ppl__tails_at(base_of(d), ppl_neg(y));
    const ppl__tails b = ppl__tails_at(base_of(d), y);
    ppl_tensor *within = ppl__log_between(a, b);
    ppl_tensor *beyond = ppl__log_beyond(a.log_cdf, b.log_survival);
    return (ppl__tails){ ppl__log_share(within, beyond), ppl__log_share(beyond, within) };
}

static ppl_tensor *log_cdf(const ppl_dist *d, ppl_tensor *y)
{
    return tails_of(d, y).log_cdf;
}

static ppl_tensor *log_survival(const ppl_dist *d, ppl_tensor *y)
{
    return tails_of(d, y).log_survival;
}

static ppl_tensor *cdf(const ppl_dist *d, ppl_tensor *y)
{
    return ppl_exp(log_cdf(d, y));
}

/* ---- Quantiles --------------------------------------------------------------------- */

static ppl__tails searched_tails(const ppl__searched *law, ppl_tensor *y)
{
    return tails_of(law->d, y);
}

static ppl_tensor *searched_log_prob(const ppl__searched *law, ppl_tensor *y)
{
    return log_prob(law->d, y);
}

static ppl_tensor *quantile(const ppl_dist *d, ppl_tensor *below, ppl_tensor *above)
{
    const ppl__searched law = { d, NULL, 0, searched_tails, searched_log_prob };
    const int was = ppl_set_grad_enabled(d->ctx, 0);
    ppl_tensor *y = ppl__search(&law, ppl_scalar(d->ctx, 0), NULL, below, above);
    ppl_set_grad_enabled(d->ctx, was);
    return was ? ppl__moved(&law, y, below) : y;
}

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *probability)
{
    return quantile(d, probability, ppl_affine(probability, -1, 1));
}

static ppl_tensor *inverse_survival(const ppl_dist *d, ppl_tensor *probability)
{
    return quantile(d, ppl_affine(probability, -1, 1), probability);
}

/* ---- Moments ----------------------------------------------------------------------- */

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl__tail_mean(&(ppl__searched){ d, NULL, 0, searched_tails, searched_log_prob });
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl__tail_variance(
        &(ppl__searched){ d, NULL, 0, searched_tails, searched_log_prob });
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl__tail_entropy(
        &(ppl__searched){ d, NULL, 0, searched_tails, searched_log_prob });
}

/* ---- The family -------------------------------------------------------------------- */

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    return ppl_abs(ppl_dist_sample(ppl_expand_dist(base_of(d), d->shape), rng));
}

const ppl_family ppl_family_folded = {
    .name = "folded",
    .support = &ppl_constraint_nonnegative,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .cdf = cdf,
    .log_cdf = log_cdf,
    .log_survival = log_survival,
    .icdf = icdf,
    .inverse_survival = inverse_survival,
};

static const ppl_family *family_of(const ppl_dist *base)
{
    const ppl_family *of = base->family;
    const int smooth = of->cdf && !(of->flags & PPL_ATOMS);
    ppl_family *f = ppl_alloc(base->ctx, sizeof *f);
    if (!f)
        return NULL;
    *f = ppl_family_folded;
    f->kind = &ppl_family_folded;
    f->name = ppl_intern_join(base->ctx, "folded(", of->name);
    f->name = ppl_intern_join(base->ctx, f->name, ")");
    f->flags = of->flags & (PPL_REPARAM | PPL_ATOMS);
    f->entropy = smooth ? entropy : NULL;
    f->mean = smooth ? mean : NULL;
    f->variance = smooth ? variance : NULL;
    f->cdf = smooth ? cdf : NULL;
    f->log_cdf = smooth ? log_cdf : NULL;
    f->log_survival = smooth ? log_survival : NULL;
    f->icdf = smooth ? icdf : NULL;
    f->inverse_survival = smooth ? inverse_survival : NULL;
    return f->name ? f : NULL;
}

static int can_be_folded(const ppl_dist *base)
{
    const ppl_family *f = base->family;
    if (f->event_dim > 0 || base->event_dim > 0)
        ppl_fail(base->ctx, PPL_ESHAPE, "folded: %s is of events of %d axes; fold a "
                 "distribution of single numbers, and make events of the result with "
                 "ppl_event", f->name, base->event_dim);
    else if ((f->flags & PPL_DISCRETE) || f->value_dtype == PPL_I64)
        ppl_fail(base->ctx, PPL_EUNSUPPORTED, "folded: %s is discrete; folding adds "
                 "densities", f->name);
    return ppl_ok(base->ctx);
}

ppl_dist *ppl_folded(ppl_dist *base)
{
    if (!base || !ppl_ok(base->ctx) || !can_be_folded(base))
        return NULL;
    const ppl_family *f = family_of(base);
    ppl_dist *plain = ppl_alloc(base->ctx, sizeof *plain);
    if (!f || !plain)
        return NULL;
    *plain = *base;
    plain->mask = NULL;
    const ppl_dist_parts parts = { .dist = (const ppl_dist *[]){ plain }, .dists = 1,
                                   .batch = base->shape };
    return ppl_masked(ppl_dist_make_of(f, NULL, &parts, NULL), base->mask);
}

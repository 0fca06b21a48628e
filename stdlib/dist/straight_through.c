/* SPDX-License-Identifier: MIT */
/*
 * straight_through.c - the straight-through form of a RelaxedBernoulli or a
 * RelaxedOneHotCategorical: draws made 0 and 1, with the gradient that they had before.
 *
 * As the logistic or Gumbel numbers of a relaxed draw choose its largest component with the
 * discrete distribution's probabilities, whatever the temperature, all but the draw is that
 * distribution's own. The parts are the relaxed and the discrete one.
 * Sources: Bengio, Leonard, Courville, Estimating or Propagating Gradients Through
 * Stochastic Neurons (2013); Jang, Gu, Poole (2017), section 2.2.
 */
#include "density.h"

#include <kiln/kl.h>

#include "../shape_text.h"

/* ---- The operation: relaxed draws -------------------------------------------------- */

static ppl_status same_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                             void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op, (void)count, (void)attr;
    *dtype = ppl_tensor_dtype(inputs[0]);
    *shape = ppl_tensor_shape(inputs[0]);
    return PPL_OK;
}

static double element(const ppl_tensor *out, const void *x, size_t i)
{
    return ppl_tensor_dtype(out) == PPL_F32 ? (double)((const float *)x)[i]
                                            : ((const double *)x)[i];
}

/* The attr: how many components an event has; 0: it is one number. */
static void harden(ppl_tensor *out)
{
    const size_t K = *(const size_t *)ppl_op_attr(out), step = K ? K : 1;
    const void *x = ppl_operand(out, 0);

    for (size_t i = 0, n = (size_t)ppl_numel(out); i + step <= n; i += step) {
        size_t top = i;
        for (size_t k = i + 1; k < i + step; k++)
            top = element(out, x, k) > element(out, x, top) ? k : top;
        for (size_t k = i; k < i + step; k++) {
            const int set = K ? k == top : element(out, x, k) > 0.5;
            if (ppl_tensor_dtype(out) == PPL_F32)
                ((float *)ppl_result(out))[k] = (float)set;
            else
                ((double *)ppl_result(out))[k] = set;
        }
    }
}

/* As if nothing had been done. */
static void pass(ppl_tensor *out, int i, void *grad)
{
    (void)i;
    for (size_t k = 0, n = (size_t)ppl_numel(out); k < n; k++)
        if (ppl_tensor_dtype(out) == PPL_F32)
            ((float *)grad)[k] += ((const float *)ppl_adjoint(out))[k];
        else
            ((double *)grad)[k] += ((const double *)ppl_adjoint(out))[k];
}

static const ppl_op harden_op = {
    .name = "straight_through", .inputs = 1, .shape = same_shape, .forward = harden,
    .vjp = pass
};

/* ---- The parts --------------------------------------------------------------------- */

enum { RELAXED, HARD };

static ppl_dist *part(const ppl_dist *d, int i)
{
    ppl_dist *p = (ppl_dist *)(uintptr_t)d->parts->dist[i];
    ppl_shape batch = d->shape;

    for (int a = 0; a < d->family->event_dim; a++)
        batch.dim[--batch.rank] = 0;
    return ppl_expand_dist(p, batch);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    ppl_tensor *x = ppl_dist_sample(part(d, RELAXED), rng);
    const size_t K = d->family->event_dim > 0 ? (size_t)ppl_dim(x, -1) : 0;
    return ppl_apply(&harden_op, &x, 1, &K, sizeof K);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_dist *hard = part(d, HARD);
    return hard ? hard->family->log_prob(hard, x) : NULL;
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_entropy(part(d, HARD));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_dist_mean(part(d, HARD));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_dist_variance(part(d, HARD));
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    return ppl_dist_covariance(part(d, HARD));
}

static ppl_tensor *enumerate(const ppl_dist *d)
{
    const ppl_dist *hard = d->parts->dist[HARD];
    return hard->family->enumerate(hard);
}

static ppl_shape event_shape(const ppl_dist *d)
{
    const ppl_dist *hard = d->parts->dist[HARD];
    return hard->family->event_shape ? hard->family->event_shape(hard) : PPL_SCALAR;
}

/* ---- KL: of the discrete distributions --------------------------------------------- */

static const ppl_dist *hard_of(const ppl_dist *d)
{
    return d->family->kind == &ppl_family_straight_through ? part(d, HARD) : d;
}

ppl_tensor *ppl__straight_through_kl(const ppl_dist *q, const ppl_dist *p)
{
    const ppl_dist *from = hard_of(q), *to = hard_of(p);
    return from && to ? ppl_kl_rule_of(from, to)(from, to) : NULL;
}

static int kl_holds(const ppl_dist *q, const ppl_dist *p)
{
    const ppl_dist *from = hard_of(q), *to = hard_of(p);
    return from && to && ppl_kl_rule_of(from, to) != NULL;
}

/* ---- Making ------------------------------------------------------------------------ */

const ppl_family ppl_family_straight_through = {
    .name = "straight_through",
    .flags = PPL_DISCRETE | PPL_ENUMERABLE,
    .sample = sample,
    .log_prob = log_prob,
    .event_shape = event_shape,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .covariance = covariance,
    .enumerate = enumerate,
    .kl = ppl__straight_through_kl,
    .kl_holds = kl_holds,
};

static ppl_dist *hard_form(const ppl_dist *relaxed)
{
    const ppl_family *f = relaxed->family;
    ppl_tensor *weights = relaxed->param[1];

    if (f == &ppl_family_relaxed_bernoulli)
        return ppl_bernoulli(weights);
    if (f == &ppl_family_relaxed_bernoulli_logits)
        return ppl_bernoulli_logits(weights);
    if (f == &ppl_family_relaxed_one_hot_categorical)
        return ppl_one_hot_categorical(weights);
    if (f == &ppl_family_relaxed_one_hot_categorical_logits)
        return ppl_one_hot_categorical_logits(weights);
    ppl_fail(relaxed->ctx, PPL_EUNSUPPORTED, "straight_through: %s is not relaxed; it "
             "takes a relaxed_bernoulli or a relaxed_one_hot_categorical", f->name);
    return NULL;
}

static const ppl_family *family_of(const ppl_dist *relaxed, const ppl_dist *hard)
{
    ppl_ctx *c = relaxed->ctx;
    ppl_family *f = ppl_alloc(c, sizeof *f);

    if (!f)
        return NULL;
    *f = ppl_family_straight_through;
    f->kind = &ppl_family_straight_through;
    f->name = ppl_intern_join(c, ppl_intern_join(c, "straight_through(",
                                                 relaxed->family->name), ")");
    f->event_dim = hard->family->event_dim;
    f->support = hard->family->support;
    if (!hard->family->covariance)
        f->covariance = NULL;
    f->flags |= PPL_REPARAM;
    return f->name ? f : NULL;
}

ppl_dist *ppl_straight_through(ppl_dist *relaxed)
{
    if (!relaxed || !ppl_ok(relaxed->ctx))
        return NULL;
    ppl_dist *hard = hard_form(relaxed);
    const ppl_family *f = hard ? family_of(relaxed, hard) : NULL;
    ppl_dist *bare = f ? ppl_alloc(relaxed->ctx, sizeof *bare) : NULL;
    if (!bare)
        return NULL;
    *bare = *relaxed;
    bare->mask = NULL;
    bare->event_dim = f->event_dim;
    const ppl_dist_parts parts = { .dist = (const ppl_dist *[]){ bare, hard }, .dists = 2,
                                   .batch = ppl_dist_batch_shape(bare) };
    ppl_dist *d = ppl_dist_make_of(f, NULL, &parts, NULL);
    return ppl_masked(ppl_event(d, relaxed->event_dim - f->event_dim), relaxed->mask);
}

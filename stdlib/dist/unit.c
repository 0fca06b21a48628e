/* SPDX-License-Identifier: MIT */
/*
 * unit.c - Unit(log_factor): one value, which has no numbers, of weight e^log_factor.
 *
 *   log p(x)   log_factor, at the value of shape [0]
 *   draw       that value
 *
 * No distribution unless log_factor is 0: what ppl_factor puts a term into a density by
 * (pyro.distributions.Unit).
 */
#include "event.h"

static ppl_shape event_shape(const ppl_dist *d)
{
    (void)d;
    return PPL_SHAPE(0);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    (void)rng;
    return ppl_full(d->ctx, d->shape, 0);
}

/* A plate around it makes the batch larger than the factor. */
static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_shape batch = ppl_tensor_shape(x);

    batch.dim[--batch.rank] = 0;
    return ppl__at_batch(d->param[0], batch, 0);
}

ppl_dist *ppl_unit(ppl_tensor *log_factor)
{
    return ppl_dist_make(&ppl_family_unit, &log_factor, NULL);
}

const ppl_family ppl_family_unit = {
    .name = "unit",
    .params = 1,
    .param_name = { "log_factor" },
    .support = &ppl_constraint_real_vector,
    .event_dim = 1,
    .flags = PPL_REPARAM,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
};

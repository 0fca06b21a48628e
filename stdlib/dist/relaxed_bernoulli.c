/* SPDX-License-Identifier: MIT */
/*
 * relaxed_bernoulli.c - RelaxedBernoulli(temperature, probs p): that of the logits
 * log(p / (1 - p)), which has the formulas (relaxed_bernoulli_logits.c). At p 0 or 1 draws
 * are the least or the greatest number of the support.
 * Source: Maddison, Mnih, Teh, The Concrete Distribution (2017), appendix B.
 */
#include "density.h"

#include <kiln/relaxed.h>

#define BY_LOGITS ppl_family_relaxed_bernoulli_logits

static ppl_dist in_logits(const ppl_dist *d)
{
    ppl_tensor *p = d->param[1];
    ppl_dist same = *d;

    same.family = &BY_LOGITS;
    same.param[1] = ppl_sub(ppl_log(p), ppl_log1p(ppl_neg(p)));
    return same;
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const ppl_dist same = in_logits(d);
    return BY_LOGITS.sample(&same, rng);
}

#define FUNCTION(name)                                                                   \
    static ppl_tensor *name(const ppl_dist *d, ppl_tensor *x)                            \
    {                                                                                    \
        const ppl_dist same = in_logits(d);                                              \
        return BY_LOGITS.name(&same, x);                                                 \
    }
FUNCTION(log_prob)
FUNCTION(cdf)
FUNCTION(log_cdf)
FUNCTION(log_survival)
FUNCTION(icdf)
FUNCTION(inverse_survival)

#define MOMENT(name)                                                                     \
    static ppl_tensor *name(const ppl_dist *d)                                           \
    {                                                                                    \
        const ppl_dist same = in_logits(d);                                              \
        return BY_LOGITS.name(&same);                                                    \
    }
MOMENT(entropy)
MOMENT(mean)
MOMENT(variance)

ppl_dist *ppl_relaxed_bernoulli(ppl_tensor *temperature, ppl_tensor *probs)
{
    ppl_tensor *params[] = { temperature, probs };
    return ppl_dist_make(&ppl_family_relaxed_bernoulli, params, NULL);
}

const ppl_family ppl_family_relaxed_bernoulli = {
    .name = "relaxed_bernoulli",
    .params = 2,
    .param_name = { "temperature", "probs" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_unit_interval },
    .support = &ppl_constraint_open_unit_interval,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .cdf = cdf,
    .icdf = icdf,
    .log_cdf = log_cdf,
    .log_survival = log_survival,
    .inverse_survival = inverse_survival,
};

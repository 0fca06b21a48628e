/* SPDX-License-Identifier: MIT */
/*
 * continuous_bernoulli.c - ContinuousBernoulli(probs p) on [0,1], 0 < p < 1: density
 * proportional to p^x (1 - p)^(1-x).
 *
 *   the formulas of continuous_bernoulli_logits.c with logits log(p / (1 - p))
 *
 * (p = 0 and p = 1 are no densities.)
 * Source: Loaiza-Ganem, Cunningham, The continuous Bernoulli, 2019.
 */
#include "pointwise.h"
#include "stand_in.h"

static double logit(double p)
{
    return p > 0.25 && p < 0.75 ? log1p((2 * p - 1) / (1 - p)) : log(p) - log1p(-p);
}

static double logit_slope(int input, double p)
{
    (void)input;
    return 1 / (p * (1 - p));
}

PPL__MOMENT(1, "continuous_bernoulli", logit)

static ppl_dist *by_logits(const ppl_dist *d)
{
    return ppl_continuous_bernoulli_logits(logit_of(d));
}

STAND_IN(by_logits)

ppl_dist *ppl_continuous_bernoulli(ppl_tensor *probs)
{
    return ppl_dist_make(&ppl_family_continuous_bernoulli, &probs, NULL);
}

const ppl_family ppl_family_continuous_bernoulli = {
    .name = "continuous_bernoulli",
    .params = 1,
    .param_name = { "probs" },
    .param_constraint = { &ppl_constraint_open_unit_interval },
    .support = &ppl_constraint_unit_interval,
    .flags = PPL_REPARAM,
    STAND_IN_FUNCTIONS,
};

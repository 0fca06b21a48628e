/* SPDX-License-Identifier: MIT */
/*
 * chi2.c - Chi2(df) on x >= 0, df > 0: Gamma(df / 2, 1 / 2) (gamma.c).
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 18.
 */
#include "stand_in.h"

static ppl_dist *as_gamma(const ppl_dist *d)
{
    return ppl_gamma(ppl_affine(d->param[0], 0.5, 0), ppl_scalar(d->ctx, 0.5));
}

STAND_IN(as_gamma)

ppl_dist *ppl_chi2(ppl_tensor *df)
{
    return ppl_dist_make(&ppl_family_chi2, &df, NULL);
}

const ppl_family ppl_family_chi2 = {
    .name = "chi2",
    .params = 1,
    .param_name = { "df" },
    .param_constraint = { &ppl_constraint_positive },
    .support = &ppl_constraint_nonnegative,
    .flags = PPL_REPARAM,
    STAND_IN_FUNCTIONS,
};

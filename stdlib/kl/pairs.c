/* SPDX-License-Identifier: MIT */
/*
 * pairs.c - KL divergences between members of two families.
 *
 *   Normal (event_dim 1), MultivariateNormal, LowRankMultivariateNormal, each with each
 *   Bernoulli, Binomial, Categorical, Geometric, Multinomial, OneHotCategorical: probs
 *   against logits, both ways (rules in stdlib/dist)
 *   a straight-through distribution to the Bernoulli or OneHotCategorical that it is of
 *   Bernoulli to Poisson, Poisson to Bernoulli and Binomial (trials.c)
 *   KL(Delta(v, log_density) || p) = log_density - log p(v), for p of any family
 */
#include "pairs.h"

#include "../dist/multivariate_normal.h"

/* p's density is asked at v without a check of its support: outside it the KL is inf. */
static ppl_tensor *delta_any(const ppl_dist *q, const ppl_dist *p)
{
    const ppl_family *f = p->family;
    ppl_tensor *log_density = q->param[1];

    if (f->value_dtype == PPL_I64) {
        ppl_fail(q->ctx, PPL_EDTYPE, "kl: a delta is a floating number and %s is of "
                 "integers; there is no KL between them", f->name);
        return NULL;
    }
    if (f->event_dim > 0)
        log_density = ppl_sum_last(ppl__whole_param(q, 1), f->event_dim);
    return ppl_sub(log_density, f->log_prob(p, ppl__whole_param(q, 0)));
}

const ppl__kl_pair ppl__kl_pairs[] = {
    { &ppl_family_bernoulli, &ppl_family_bernoulli_logits, ppl__bernoulli_kl },
    { &ppl_family_bernoulli_logits, &ppl_family_bernoulli, ppl__bernoulli_kl },
    { &ppl_family_bernoulli, &ppl_family_poisson, ppl__bernoulli_poisson_kl },
    { &ppl_family_bernoulli_logits, &ppl_family_poisson, ppl__bernoulli_poisson_kl },
    { &ppl_family_binomial, &ppl_family_binomial_logits, ppl__binomial_kl },
    { &ppl_family_binomial_logits, &ppl_family_binomial, ppl__binomial_kl },
    { &ppl_family_categorical, &ppl_family_categorical_logits, ppl__categorical_kl },
    { &ppl_family_categorical_logits, &ppl_family_categorical, ppl__categorical_kl },
    { &ppl_family_delta, NULL, delta_any },
    { &ppl_family_geometric, &ppl_family_geometric_logits, ppl__geometric_kl },
    { &ppl_family_geometric_logits, &ppl_family_geometric, ppl__geometric_kl },
    { &ppl_family_low_rank_multivariate_normal, &ppl_family_multivariate_normal,
      ppl__full_normal_kl },
    { &ppl_family_low_rank_multivariate_normal, &ppl_family_normal, ppl__low_rank_kl },
    { &ppl_family_multivariate_normal, &ppl_family_low_rank_multivariate_normal,
      ppl__full_normal_kl },
    { &ppl_family_multivariate_normal, &ppl_family_normal, ppl__full_normal_kl },
    { &ppl_family_multinomial, &ppl_family_multinomial_logits, ppl__multinomial_kl },
    { &ppl_family_multinomial_logits, &ppl_family_multinomial, ppl__multinomial_kl },
    { &ppl_family_normal, &ppl_family_low_rank_multivariate_normal, ppl__low_rank_kl },
    { &ppl_family_normal, &ppl_family_multivariate_normal, ppl__full_normal_kl },
    { &ppl_family_one_hot_categorical, &ppl_family_one_hot_categorical_logits,
      ppl__one_hot_categorical_kl },
    { &ppl_family_one_hot_categorical_logits, &ppl_family_one_hot_categorical,
      ppl__one_hot_categorical_kl },
    { &ppl_family_poisson, &ppl_family_bernoulli, ppl__poisson_trials_kl },
    { &ppl_family_poisson, &ppl_family_bernoulli_logits, ppl__poisson_trials_kl },
    { &ppl_family_poisson, &ppl_family_binomial, ppl__poisson_trials_kl },
    { &ppl_family_poisson, &ppl_family_binomial_logits, ppl__poisson_trials_kl },
    { &ppl_family_straight_through, &ppl_family_bernoulli, ppl__straight_through_kl },
    { &ppl_family_straight_through, &ppl_family_bernoulli_logits,
      ppl__straight_through_kl },
    { &ppl_family_straight_through, &ppl_family_one_hot_categorical,
      ppl__straight_through_kl },
    { &ppl_family_straight_through, &ppl_family_one_hot_categorical_logits,
      ppl__straight_through_kl },
    { NULL, NULL, NULL }
};

/* SPDX-License-Identifier: MIT */
/*
 * relations.c - KL divergences of families whose members are members of another: an Exponential
 * is a Gamma. Where a pair has no rule as it is, those of what q, p or both also are do.
 */
#include "pairs.h"

#include "../dist/stand_in.h"

static ppl_tensor *number(const ppl_dist *d, double x) { return ppl_scalar(d->ctx, x); }

static ppl_dist *asymmetric_laplace_of(const ppl_dist *d)
{
    return ppl_asymmetric_laplace(d->param[0], d->param[1], number(d, 1));
}

static ppl_dist *beta_of(const ppl_dist *d)
{
    ppl_tensor *mean = d->param[0], *rest = ppl_affine(mean, -1, 1);
    return ppl_beta(ppl_mul(mean, d->param[1]), ppl_mul(rest, d->param[1]));
}

static ppl_dist *binomial_of(const ppl_dist *d)
{
    return ppl_binomial(number(d, 1), d->param[0]);
}

static ppl_dist *binomial_logits_of(const ppl_dist *d)
{
    return ppl_binomial_logits(number(d, 1), d->param[0]);
}

static ppl_dist *gamma_of_chi2(const ppl_dist *d)
{
    return ppl_gamma(ppl_affine(d->param[0], 0.5, 0), number(d, 0.5));
}

static ppl_dist *gamma_of_exponential(const ppl_dist *d)
{
    return ppl_gamma(number(d, 1), d->param[0]);
}

static ppl_dist *weibull_of(const ppl_dist *d)
{
    return ppl_weibull(ppl_div(number(d, 1), d->param[0]), number(d, 1));
}

static const struct relation {
    const ppl_family *family, *other;
    ppl_dist *(*of)(const ppl_dist *d);
} relations[] = {
    { &ppl_family_bernoulli, &ppl_family_binomial, binomial_of },
    { &ppl_family_bernoulli_logits, &ppl_family_binomial_logits, binomial_logits_of },
    { &ppl_family_beta_proportion, &ppl_family_beta, beta_of },
    { &ppl_family_chi2, &ppl_family_gamma, gamma_of_chi2 },
    { &ppl_family_exponential, &ppl_family_gamma, gamma_of_exponential },
    { &ppl_family_exponential, &ppl_family_weibull, weibull_of },
    { &ppl_family_laplace, &ppl_family_asymmetric_laplace, asymmetric_laplace_of },
};

enum { RELATIONS = sizeof relations / sizeof *relations };

/* What a family also is: itself, i = 0, or by relation i - 1; NULL: not by that. */
static const ppl_family *also(const ppl_family *f, int i)
{
    return i == 0 ? f : relations[i - 1].family == f ? relations[i - 1].other : NULL;
}

/* The rule of the first two of what q and p also are that have one, and how they are it. */
static ppl_kl_rule find(const ppl_family *q, const ppl_family *p, int *by_q, int *by_p)
{
    for (*by_q = 0; *by_q <= RELATIONS; ++*by_q)
        for (*by_p = 0; *by_p <= RELATIONS; ++*by_p) {
            const ppl_family *as_q = also(q, *by_q), *as_p = also(p, *by_p);
            ppl_kl_rule rule = as_q && as_p ? ppl__kl_direct(as_q, as_p) : NULL;
            if (rule)
                return rule;
        }
    return NULL;
}

static const ppl_dist *as(const ppl_dist *d, int by)
{
    return by == 0 ? d : ppl__in_shape_of(d, relations[by - 1].of(d));
}

static ppl_tensor *related(const ppl_dist *q, const ppl_dist *p)
{
    int by_q, by_p;
    ppl_kl_rule rule = find(q->family, p->family, &by_q, &by_p);
    const ppl_dist *as_q = as(q, by_q), *as_p = as(p, by_p);

    return as_q && as_p ? rule(as_q, as_p) : NULL;
}

ppl_kl_rule ppl__kl_related(const ppl_family *q, const ppl_family *p)
{
    int by_q, by_p;
    return find(q, p, &by_q, &by_p) ? related : NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * counts.c - KL divergences between families of counts that have no closed form:
 *
 *   KL(q||p) = sum over k of q(k) (log q(k) - log p(k))
 *
 * by strides (strides.h), to about 1e-14 of the sum of the terms' sizes: exact to rounding, for
 * any two of Binomial, BetaBinomial, Geometric, NegativeBinomial and Poisson, and of each to
 * a DiscreteUniform. With d = log q - log p the derivatives are the sums of
 * q (d - KL) d log q and of -q d log p. Infinite where p excludes a count that q does not.
 */
#include "pairs.h"

#include "../dist/counts.h"
#include "../dist/strides.h"

typedef struct side {
    const ppl__count_kind *kind;
    int params;
} side;

typedef struct pair {
    side q, p;
} pair;

/* What is summed: the terms of the KL, or (input >= 0) those of its derivative by that
 * parameter, of q's and then p's. */
typedef struct summand {
    const pair *of;
    ppl__count_dist q, p;
    int input;
    double kl;
    int *excluded;                      /* set where p excludes what q does not */
} summand;

static double term_of(const void *more, double k)
{
    const summand *s = more;
    const pair *of = s->of;
    const double log_q = of->q.kind->log_mass(&s->q, k), q = exp(log_q);

    if (q == 0)
        return 0;
    const double log_p = of->p.kind->log_mass(&s->p, k);
    if (log_p == -INFINITY) {
        *s->excluded = 1;
        return 0;
    }
    if (s->input < 0)
        return q * (log_q - log_p);
    if (s->input < of->q.params)
        return q * (log_q - log_p - s->kl) *
               of->q.kind->log_mass_slope(&s->q, k, s->input);
    return -q * of->p.kind->log_mass_slope(&s->p, k, s->input - of->q.params);
}

/* Whether q has a mass, however small, below the first count of p or beyond its last. */
static int reaches_further(const summand *s)
{
    double mean, deviation, most;

    s->of->p.kind->spread(&s->p, &mean, &deviation, &most);
    return (s->of->p.kind->log_mass(&s->p, 0) == -INFINITY &&
            s->of->q.kind->log_mass(&s->q, 0) > -INFINITY) ||
           (most < INFINITY && s->of->q.kind->log_mass(&s->q, most + 1) > -INFINITY);
}

static double sum_of(summand *s)
{
    double mean, deviation, most;
    int excluded = reaches_further(s);

    s->excluded = &excluded;
    s->of->q.kind->spread(&s->q, &mean, &deviation, &most);
    if (!isfinite(mean))
        return NAN;
    const double centre = floor(mean);
    const double sum = ppl__stride_sum(term_of, s, 0, centre) +
                       ppl__stride_sum(term_of, s, centre, most + 1);
    return !excluded ? sum : s->input < 0 ? INFINITY : 0;
}

/* Of element i of a span, whose inputs are q's parameters and then p's. */
static double sum_at(const ppl__span *s, size_t i, int input, double kl)
{
    const pair *of = s->attr;
    summand at = { .of = of, .input = input, .kl = kl };

    at.q.form = of->q.kind->form;
    at.p.form = of->p.kind->form;
    for (int k = 0; k < of->q.params; k++)
        at.q.param[k] = ((const double *)s->in[k])[i];
    for (int k = 0; k < of->p.params; k++)
        at.p.param[k] = ((const double *)s->in[of->q.params + k])[i];
    return sum_of(&at);
}

static void kl_value(const ppl__span *s, void *out)
{
    double *y = out;

    for (size_t i = 0; i < s->n; i++)
        y[i] = sum_at(s, i, -1, 0);
}

static void kl_slope(const ppl__span *s, int input, void *slope)
{
    const double *y = s->y;
    double *d = slope;

    for (size_t i = 0; i < s->n; i++)
        d[i] = sum_at(s, i, input, y[i]);
}

static const ppl__formula kl_formula = PPL__IN_DOUBLE(-1, kl_value, kl_slope);
PPL__FORMULA_OP(kl_op, "kl of counts", kl_formula)

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    const pair attr = { { q->attr, q->family->params }, { p->attr, p->family->params } };
    ppl_tensor *in[PPL__MAX_INPUTS];

    memcpy(in, q->param, (size_t)attr.q.params * sizeof *in);
    memcpy(in + attr.q.params, p->param, (size_t)attr.p.params * sizeof *in);
    return ppl_apply(&kl_op, in, attr.q.params + attr.p.params, &attr, sizeof attr);
}

ppl_kl_rule ppl__kl_counts(const ppl_family *q, const ppl_family *p)
{
    return q->log_prob == ppl__count_log_prob && p->log_prob == ppl__count_log_prob &&
           q->support == &ppl_constraint_nonnegative_integer ? kl : NULL;
}

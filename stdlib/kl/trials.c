/* SPDX-License-Identifier: MIT */
/*
 * trials.c - KL divergences between outcomes, successes and counts of different families.
 *
 *   KL(Bernoulli(q) || Poisson(r)) = q log q + (1 - q) log(1 - q) - q log r + r
 *   KL(Poisson(r) || Bernoulli, Binomial) is infinite, unless r = 0: -log p(0)
 *
 * A Bernoulli by probs or by logits, as is a Binomial.
 */
#include "pairs.h"

#include "../dist/odds.h"

static int by_logits(const ppl_dist *d)
{
    return d->family == &ppl_family_bernoulli_logits ||
           d->family == &ppl_family_binomial_logits;
}

/* With q log(q/r) - q + r for the outcome 1, and (1 - q) log(1 - q) + q for 0. */
static void to_poisson_value(const ppl__span *s, void *out)
{
    const double *x = s->in[0], *r = s->in[1];
    double *y = out;

    for (size_t i = 0; i < s->n; i++) {
        const ppl__odds q = ppl__odds_of(*(const int *)s->attr, x[i]);
        y[i] = ppl__kl_share(q.p[1], r[i], q.log_p[1], log(r[i])) +
               ppl__kl_share(q.p[0], 1, q.log_p[0], 0);
    }
}

static void to_poisson_slope(const ppl__span *s, int input, void *slope)
{
    const double *x = s->in[0], *r = s->in[1];
    double *d = slope;

    for (size_t i = 0; i < s->n; i++) {
        const int logits = *(const int *)s->attr;
        const ppl__odds q = ppl__odds_of(logits, x[i]);
        if (input == 1)
            d[i] = 1 - ppl__over(q.p[1], r[i]);
        else
            d[i] = (q.logit - log(r[i])) * (logits ? q.p[0] * q.p[1] : 1);
    }
}

static const ppl__formula to_poisson_formula =
    PPL__IN_DOUBLE(2, to_poisson_value, to_poisson_slope);
PPL__FORMULA_OP(to_poisson_op, "kl of bernoulli and poisson", to_poisson_formula)

ppl_tensor *ppl__bernoulli_poisson_kl(const ppl_dist *q, const ppl_dist *p)
{
    const int logits = by_logits(q);
    ppl_tensor *in[] = { q->param[0], p->param[0] };
    return ppl_apply(&to_poisson_op, in, 2, &logits, sizeof logits);
}

/* Inputs: the rate, the probability, the number of trials. */
static void from_poisson_value(const ppl__span *s, void *out)
{
    const double *r = s->in[0], *x = s->in[1], *n = s->in[2];
    double *y = out;

    for (size_t i = 0; i < s->n; i++) {
        const ppl__odds p = ppl__odds_of(*(const int *)s->attr, x[i]);
        y[i] = r[i] > 0 ? INFINITY : ppl__times_log(-n[i], p.log_p[0]);
    }
}

static void from_poisson_slope(const ppl__span *s, int input, void *slope)
{
    const double *r = s->in[0], *x = s->in[1], *n = s->in[2];
    double *d = slope;

    for (size_t i = 0; i < s->n; i++) {
        const int logits = *(const int *)s->attr;
        const ppl__odds p = ppl__odds_of(logits, x[i]);
        d[i] = input == 1 && !(r[i] > 0) ? n[i] * (logits ? p.p[1] : 1 / p.p[0]) : 0;
    }
}

static const ppl__formula from_poisson_formula =
    PPL__IN_DOUBLE(3, from_poisson_value, from_poisson_slope);
PPL__FORMULA_OP(from_poisson_op, "kl of poisson and trials", from_poisson_formula)

ppl_tensor *ppl__poisson_trials_kl(const ppl_dist *q, const ppl_dist *p)
{
    const int logits = by_logits(p), one = p->family->params == 1;
    ppl_tensor *in[] = { q->param[0], p->param[!one],
                         one ? ppl_scalar(q->ctx, 1) : p->param[0] };
    return ppl_apply(&from_poisson_op, in, 3, &logits, sizeof logits);
}

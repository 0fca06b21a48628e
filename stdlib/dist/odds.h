/* SPDX-License-Identifier: MIT */
/*
 * odds.h - the probabilities of two outcomes, given as probs or as logits, with all that
 * formulas ask of them and without the roundings: what Bernoulli, Binomial, Geometric and
 * NegativeBinomial share.
 */
#ifndef KILN_ODDS_H
#define KILN_ODDS_H

#include "density.h"

/* P(0) and P(1), their logarithms, and log(P(1) / P(0)). */
typedef struct ppl__odds {
    double p[2], log_p[2], logit;
} ppl__odds;

/* From P(1), or from the logit. */
static inline ppl__odds ppl__odds_of(int by_logits, double x)
{
    ppl__odds o = { { 1 - x, x }, { log1p(-x), log(x) }, x };

    if (!by_logits) {
        o.logit = o.log_p[1] - o.log_p[0];
        return o;
    }
    const int likely = x > 0;
    const double e = exp(-fabs(x)), log_rest = log1p(e);
    o.p[likely] = 1 / (1 + e);
    o.p[!likely] = e / (1 + e);
    o.log_p[likely] = -log_rest;
    o.log_p[!likely] = -fabs(x) - log_rest;
    return o;
}

/* w / v with 0 / 0 = 0. */
static inline double ppl__over(double w, double v)
{
    return w == 0 ? 0 : w / v;
}

/* w log v with 0 log 0 = 0. */
static inline double ppl__times_log(double w, double log_v)
{
    return w == 0 ? 0 : w * log_v;
}

/* ---- KL of one trial --------------------------------------------------------------- */

static inline double ppl__odds_kl(const ppl__odds *q, const ppl__odds *p)
{
    return ppl__kl_share(q->p[0], p->p[0], q->log_p[0], p->log_p[0]) +
           ppl__kl_share(q->p[1], p->p[1], q->log_p[1], p->log_p[1]);
}

/* Its derivatives in P(1) of q and of p; those in the logits are P(0) P(1) times them. */
static inline double ppl__odds_kl_by_q(const ppl__odds *q, const ppl__odds *p)
{
    return q->logit == p->logit ? 0 : q->logit - p->logit;
}

static inline double ppl__odds_kl_by_p(const ppl__odds *q, const ppl__odds *p)
{
    return ppl__over(q->p[0], p->p[0]) - ppl__over(q->p[1], p->p[1]);
}

#endif

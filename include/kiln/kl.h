/* SPDX-License-Identifier: MIT */
/*
 * kiln/kl.h - Kullback-Leibler divergences between distributions.
 *
 * The rules of families and pairs stand in stdlib/dist and stdlib/kl.
 */
#ifndef KILN_KL_H
#define KILN_KL_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* KL(q || p) of two distributions, one number for each value (events not yet summed). */
typedef ppl_tensor *(*ppl_kl_rule)(const ppl_dist *q, const ppl_dist *p);

/* The rule for a pair of families, or NULL if there is none: a context's own additions
 * first (newest first), then the family's own rule, then the built-in pairs. */
PPL_API ppl_kl_rule ppl_kl_find(const ppl_ctx *c, const ppl_family *q, const ppl_family *p);
/* The same for two distributions, as some families' rules hold for some members only. */
PPL_API ppl_kl_rule ppl_kl_rule_of(const ppl_dist *q, const ppl_dist *p);
/* Adds a rule to one context; p NULL: for every second argument. */
PPL_API PPL_MUST_CHECK ppl_status ppl_kl_register(ppl_ctx *c, const ppl_family *q,
                                                  const ppl_family *p, ppl_kl_rule rule);
/* [batch], in nats; the arguments are always (q, p). Event dims must agree (PPL_ESHAPE);
 * masks are joined by and. No rule: PPL_EUNSUPPORTED, naming both families. */
PPL_API ppl_tensor *ppl_kl(ppl_dist *q, ppl_dist *p);

#ifdef __cplusplus
}
#endif
#endif

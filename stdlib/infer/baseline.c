/* SPDX-License-Identifier: MIT */
/*
 * baseline.c - baselines of score-function gradients (Williams 1992; Mnih and Gregor 2014).
 *
 * E[b grad log q(z)] = 0 for any b that does not depend on z. The running average comes
 * from earlier steps, so it does not; what the user gives is asked by provenance. The
 * average is of the mean cost of an element, one number a site, so that plates may change
 * their size; it is kept in the ledger, which a step that fails leaves as it was.
 */
#include "baseline.h"

#include <math.h>

const ppl_option_key ppl_baseline = { "baseline" };

static int check_options(const ppl__pair *pair, const ppl_msg *q,
                         const ppl_baseline_opts *opts)
{
    char site[128];

    ppl_site_text(q, site, sizeof site);
    if (!(opts->decay >= 0 && opts->decay < 1))
        ppl_fail(pair->ctx, PPL_EINVAL, "the baseline of site %s has decay %g; it must be "
                 "at least 0 (no average) and below 1", site, opts->decay);
    else if (opts->learn && opts->value == NULL)
        ppl_fail(pair->ctx, PPL_EINVAL, "the baseline of site %s is to learn and has no "
                 "value; give it one that is computed from parameters", site);
    return ppl_ok(pair->ctx);
}

/* The user's value at the cost's shape; NULL with the error recorded. */
static ppl_tensor *given(ppl__pair *pair, int position, const ppl_tensor *cost,
                         ppl_tensor *value)
{
    const ppl_msg *q = ppl_trace_at(pair->guide, position), *late;
    char site[128], other[128];

    late = ppl__pair_dependence(pair, ppl_tensor_sites(value), position);
    if (late == NULL)
        return ppl_expand(value, ppl_tensor_shape(cost));
    ppl_fail(pair->ctx, PPL_EMISMATCH, "the baseline of site %s depends on %s, which would "
             "bias the gradient; compute it from what is known before the draw",
             ppl_site_text(q, site, sizeof site), ppl_site_text(late, other, sizeof other));
    return NULL;
}

int ppl__baseline_of(ppl__ledger *ledger, ppl__pair *pair, int position, ppl_tensor *cost,
                     ppl__baseline *b)
{
    const ppl_msg *q = ppl_trace_at(pair->guide, position);
    const ppl_baseline_opts *opts = ppl_msg_option(q, &ppl_baseline);
    double average = 0;

    *b = (ppl__baseline){ .excess = cost };
    if (cost == NULL || opts == NULL || !check_options(pair, q, opts))
        return ppl_ok(pair->ctx);
    if (opts->value != NULL) {
        ppl_tensor *value = given(pair, position, cost, opts->value);

        b->excess = ppl_sub(cost, ppl_detach(value));
        if (opts->learn && value != NULL && ppl_requires_grad(value)) {
            b->learned = value;
            b->error = ppl_neg(b->excess);
        }
    }
    if (opts->decay > 0 && ppl_numel(cost) > 0) {
        average = ppl__ledger_average(ledger, q, opts->decay,
                                      ppl_total(b->excess) / (double)ppl_numel(cost));
        b->excess = ppl_affine(b->excess, 1, -average);
    }
    return ppl_ok(pair->ctx);
}

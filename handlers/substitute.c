/* SPDX-License-Identifier: MIT */
/*
 * substitute.c - parameters take given values, in constrained space and without a
 * gradient; the store is neither read nor filled for them. The outer of two has the last
 * word.
 */
#include "supply.h"

static const ppl_handler_ops substitute_ops = { .name = "substitute",
                                                .process = ppl__supply_process,
                                                .enter = ppl__supply_enter,
                                                .leave = ppl__supply_leave };

ppl_handler *ppl_substitute(ppl_ctx *c, const ppl_value *values, int *unused)
{
    return ppl__supply_make(c, &substitute_ops, PPL_SITE_PARAM, PPL_DONE, values, unused);
}

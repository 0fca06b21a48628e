/* SPDX-License-Identifier: MIT */
/*
 * condition.c - sample sites become observed at given values. Messages travel outward, so
 * of two that name a site the outer one has the last word.
 */
#include "supply.h"

static const ppl_handler_ops condition_ops = { .name = "condition",
                                               .process = ppl__supply_process,
                                               .enter = ppl__supply_enter,
                                               .leave = ppl__supply_leave };

ppl_handler *ppl_condition(ppl_ctx *c, const ppl_value *values, int *unused)
{
    return ppl__supply_make(c, &condition_ops, PPL_SITE_SAMPLE, PPL_OBSERVED | PPL_DONE,
                            values, unused);
}

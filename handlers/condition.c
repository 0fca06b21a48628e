/* SPDX-License-Identifier: MIT */
/*
 * condition.c - sample sites become observed at given values. Messages travel outward, so
 * of two that name a site the outer one has the last word.
 */
#include "supply.h"

static void condition_process(ppl_handler *h, ppl_msg *m)
{
    ppl_tensor *value = m->kind == PPL_SITE_SAMPLE ? ppl__supply_take(h, m) : NULL;

    if (value == NULL)
        return;
    m->value = value;
    m->flags |= PPL_OBSERVED | PPL_DONE;
}

static const ppl_handler_ops condition_ops = { .name = "condition",
                                               .process = condition_process,
                                               .enter = ppl__supply_enter,
                                               .leave = ppl__supply_leave };

ppl_handler *ppl_condition(ppl_ctx *c, const ppl_value *values, int *unused)
{
    return ppl__supply_make(c, &condition_ops, "sample site", values, unused);
}

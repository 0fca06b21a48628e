/* SPDX-License-Identifier: MIT */
/*
 * kind.h - kinds of messages as bits, and what handlers ask of messages most.
 */
#ifndef KILN_KIND_H
#define KILN_KIND_H

#include <kiln/handlers_sites.h>

/* A latent that nothing has given a value yet. */
static inline int ppl__is_open_latent(const ppl_msg *m)
{
    return m->kind == PPL_SITE_SAMPLE && (m->flags & (PPL_OBSERVED | PPL_DONE)) == 0;
}

/* PPL_HIDE_*: of an inspection, for the kind it is made for. */
static inline unsigned ppl__kind_bit(const ppl_msg *m)
{
    switch (m->kind == PPL_SITE_INSPECT ? m->inspected : m->kind) {
    case PPL_SITE_SAMPLE:
        return (m->flags & PPL_OBSERVED) != 0 ? PPL_HIDE_OBSERVED : PPL_HIDE_LATENT;
    case PPL_SITE_PARAM:
        return PPL_HIDE_PARAM;
    case PPL_SITE_DETERMINISTIC:
        return PPL_HIDE_DETERMINISTIC;
    case PPL_SITE_SUBSAMPLE:
        return PPL_HIDE_PLATE;
    default:
        return 0;
    }
}

#endif

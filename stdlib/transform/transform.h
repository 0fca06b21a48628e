/* SPDX-License-Identifier: MIT */
/*
 * transform.h - what the files of transforms share.
 */
#ifndef KILN_TRANSFORM_PRIVATE_H
#define KILN_TRANSFORM_PRIVATE_H

#include <kiln/transforms.h>

#include "../shape_text.h"

/* [batch] zeros: the log |det J| of a map that keeps volumes, on events of that many
 * axes. */
ppl_tensor *ppl__transform_zeros(const ppl_tensor *x, int axes);
/* t summed over its last `axes` axes, which may be 0. */
ppl_tensor *ppl__transform_sum(ppl_tensor *t, int axes);
/* Replaces `shape` by what it and the other broadcast to; 0 if they do not. */
int ppl__transform_widen(ppl_shape *shape, const ppl_tensor *other);
/* PPL_REAL for 0 axes, else real vectors or arrays of that many axes. */
ppl_constraint ppl__real_of(ppl_ctx *c, int axes);

static inline int ppl__domain_dim(const ppl_transform *t)
{
    return ppl_constraint_event_dim(&t->domain);
}

static inline int ppl__codomain_dim(const ppl_transform *t)
{
    return ppl_constraint_event_dim(&t->codomain);
}

#endif

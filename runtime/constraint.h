/* SPDX-License-Identifier: MIT */
/*
 * constraint.h - checking whole tensors against a constraint (constraint.c).
 */
#ifndef KILN_CONSTRAINT_H
#define KILN_CONSTRAINT_H

#include <kiln/effects.h>

/* The first of the n elements from `start` on that violates k, a constraint of single
 * elements (event_dim 0); n if none does. NaN violates every constraint. `dtype` is
 * floating or PPL_I64. */
size_t ppl__constraint_scan(const ppl_constraint *k, ppl_dtype dtype, const void *data,
                            size_t start, size_t n);

/* What a value must be, for error texts: "positive", "between 0 and 1". */
#define PPL__CONSTRAINT_TEXT 160
const char *ppl__constraint_text(const ppl_constraint *k,
                                 char buffer[PPL__CONSTRAINT_TEXT]);

#endif

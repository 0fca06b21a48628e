/* SPDX-License-Identifier: MIT */
/*
 * constraint.h - checking whole tensors against a constraint, what is said of values that
 * violate one (constraint.c, constraint_text.c), what the files of constraints share.
 */
#ifndef KILN_CONSTRAINT_PRIVATE_H
#define KILN_CONSTRAINT_PRIVATE_H

#include "ops.h"

/* The number of elements in one event of t. */
size_t ppl__event_size(const ppl_constraint *k, const ppl_tensor *t);
/* The first element of the first event of t, from element `start` on, that violates k;
 * numel if none does (or if there is no memory, with the error recorded). NaN violates
 * every constraint. t is floating (of either dtype) or PPL_I64. */
size_t ppl__first_violation(const ppl_constraint *k, const ppl_tensor *t, size_t start);
/* "[3,5] is -0.2; it must be positive", of the event at element i. */
#define PPL__VIOLATION_TEXT 640
const char *ppl__violation_text(const ppl_constraint *k, const ppl_tensor *t, size_t i,
                                char buffer[PPL__VIOLATION_TEXT]);

double ppl__number_at(const ppl_tensor *t, size_t i);
/* The fewest of 6, 9 and 17 digits that say which number it is; returns the length. */
int ppl__number_text(const ppl_tensor *t, size_t i, char *buffer, size_t size);
/* "[3,5]": where element i stands among the first `axes` axes, in events of `event`
 * elements; "" if there are none. */
const char *ppl__index_text(const ppl_shape *shape, size_t i, int axes, size_t event,
                            char buffer[PPL_SHAPE_TEXT]);

/* What a value must be that is made of parts (constraint_combined.c). */
const char *ppl__parts_text(const struct ppl_constraint_parts *parts);

/* ---- For the files of constraints -------------------------------------------------- */

extern const ppl_constraint_map ppl__identity_map;
ppl_tensor *ppl__identity(const ppl_constraint *self, ppl_tensor *t);
/* [batch] zeros: the log_abs_det of the identity on events of that many axes. */
ppl_tensor *ppl__zeros_without(const ppl_tensor *t, int axes);

#endif

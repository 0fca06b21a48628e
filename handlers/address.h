/* SPDX-License-Identifier: MIT */
/*
 * address.h - tables of addresses, numbered in the order they were entered: what finds a
 * site in a trace and a value in a list at a cost that does not grow with their number.
 */
#ifndef KILN_ADDRESS_H
#define KILN_ADDRESS_H

#include <kiln/effects.h>

typedef struct ppl__address {
    ppl_name name;
    int64_t index;
} ppl__address;

/* All zero is an empty table. Its memory is the epoch's. */
typedef struct ppl__addresses {
    ppl__address *entry;            /* in order */
    int count, capacity;
    int filled;                     /* entries that are in the slots */
    int *slot;                      /* 1 + number, 0 for empty; a power of two */
    size_t slots;
} ppl__addresses;

/* Room for `need` elements in an array of the epoch, *capacity of them now: doubles, with
 * zeros, leaving the old array to the epoch; 0 with the error recorded. */
int ppl__make_room(ppl_ctx *c, void **array, int *capacity, int need, size_t size);

/* The number of an address that was entered, or -1. */
int ppl__address_find(const ppl__addresses *t, ppl_name name, int64_t index);
/* The same, entered now (and numbered count - 1) if it was not; -1 when out of memory. */
int ppl__address_enter(ppl_ctx *c, ppl__addresses *t, ppl_name name, int64_t index);
/* Of one that is known not to have been: nothing is looked up. */
int ppl__address_add(ppl_ctx *c, ppl__addresses *t, ppl_name name, int64_t index);
/* Enters the names of a list that ends with NULL (NULL: none), without an index; 0 with
 * the error recorded. */
int ppl__address_enter_names(ppl_ctx *c, ppl__addresses *t, const char *const *names);
/* "z[17]" into a buffer; returns it. `name` NULL is "(NULL)". */
const char *ppl__address_text(const char *name, int64_t index, char *buffer, size_t size);

/* Reports an address that a handler was told of and that no `what` of the run had. */
void ppl__fail_unused(ppl_ctx *c, const char *handler, const char *what, const char *name,
                      int64_t index, int may_count);

#endif

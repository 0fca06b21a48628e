/* SPDX-License-Identifier: MIT */
/*
 * supply.h - values by address, each of which must be reached: what condition, substitute,
 * do and init_to_value share.
 */
#ifndef KILN_SUPPLY_H
#define KILN_SUPPLY_H

#include "address.h"

#include <kiln/handlers_values.h>

typedef struct ppl__supply {
    ppl_handler base;
    const char *what;               /* is given a value: "sample site" */
    ppl__addresses address;
    ppl_tensor **value;
    unsigned char *reached;
    int count, next;                /* next: where to look first */
    int *unused;                    /* where to write the number, or NULL */
} ppl__supply;

/* NULL with the error recorded. The row's enter and leave are the two below. */
ppl_handler *ppl__supply_make(ppl_ctx *c, const ppl_handler_ops *ops, const char *what,
                              const ppl_value *values, int *unused);
/* The value for m's address, which is then reached; or NULL. */
ppl_tensor *ppl__supply_take(ppl_handler *h, const ppl_msg *m);
void ppl__supply_enter(ppl_handler *h, ppl_ctx *c);
void ppl__supply_leave(ppl_handler *h, ppl_ctx *c, ppl_status why);

#endif

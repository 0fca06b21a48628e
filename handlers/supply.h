/* SPDX-License-Identifier: MIT */
/*
 * supply.h - what condition and substitute share: values by address, put in the place of
 * those of one kind of site; each must be reached.
 */
#ifndef KILN_SUPPLY_H
#define KILN_SUPPLY_H

#include <kiln/handlers.h>

typedef struct ppl__supply {
    ppl_handler base;
    ppl_kind kind;                  /* of the sites that take a value */
    unsigned flags;                 /* that they get with it */
    ppl_value *value;               /* names interned */
    unsigned char *reached;
    int count, next;                /* next: where to look first */
    int *unused;                    /* where to write the number, or NULL */
} ppl__supply;

/* NULL with the error recorded. */
ppl_handler *ppl__supply_make(ppl_ctx *c, const ppl_handler_ops *ops, ppl_kind kind,
                              unsigned flags, const ppl_value *values, int *unused);
/* The functions of both rows. */
void ppl__supply_process(ppl_handler *h, ppl_msg *m);
void ppl__supply_enter(ppl_handler *h, ppl_ctx *c);
void ppl__supply_leave(ppl_handler *h, ppl_ctx *c, ppl_status why);

#endif

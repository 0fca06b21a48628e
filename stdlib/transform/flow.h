/* SPDX-License-Identifier: MIT */
/*
 * flow.h - what the files of flows share: a flow's record, its parameters, its networks.
 */
#ifndef KILN_FLOW_H
#define KILN_FLOW_H

#include "transform.h"

#include <kiln/flows.h>

/* A network of linear layers, its activation between them. */
typedef struct ppl__net {
    int layers;                     /* hidden ones; one more in all */
    ppl_tensor **weight, **bias;
    ppl_tensor *skip;               /* from input to output, or NULL */
    ppl_activation activation;
    ppl_tensor *context;            /* before the input, or NULL */
} ppl__net;

/* The attr of a flow's transform. */
typedef struct ppl__flow {
    ppl_ctx *ctx;
    const char *kind;               /* for error texts */
    ppl_name name;
    int64_t dim;
    ppl_flow_opts opts;             /* with defaults filled in */
    ppl_tensor **tensor;            /* parameters, context: what provenance sees */
    int tensors;
    ppl__net net;
    const void *own;                /* the kind's */
} ppl__flow;

/* ---- Making ------------------------------------------------------------------------ */

/* A record with the options, `hidden` (that many layers) where they give none; NULL with
 * the error recorded. */
ppl__flow *ppl__flow_begin(ppl_ctx *c, const char *kind, const char *name, int64_t dim,
                           const ppl_flow_opts *opts, const int64_t *hidden, int layers);
/* Parameter NAME.suffix; NULL on error. At most PPL__FLOW_TENSORS of all. */
enum { PPL__FLOW_TENSORS = 64 };
ppl_tensor *ppl__flow_param(ppl__flow *f, const char *suffix, ppl_shape shape,
                            ppl_init init);
/* Within 1 / sqrt(dim), as torch's layers start. */
ppl_init ppl__flow_uniform(int64_t dim);
/* NAME.suffix, state that is no parameter of an optimiser's: [n] as given at first (NULL:
 * zeros), as it is now in `out`; 0 with the error recorded. */
int ppl__flow_state(ppl__flow *f, const char *suffix, int64_t n, const double *first,
                    double *out);
/* 1 if some elements stay and some do not; else with the error recorded. */
int ppl__flow_split_ok(const ppl__flow *f);
/* The transform of a finished record, on vectors, or on numbers where the type says that
 * it is elementwise. */
ppl_transform *ppl__flow_make(const ppl__flow *f, const ppl_transform_type *type);
/* `same` of all flows: one name, one set of options. */
int ppl__flow_same(const ppl_transform *a, const ppl_transform *b);

/* ---- Applying ---------------------------------------------------------------------- */

static inline const ppl__flow *ppl__flow_of(const ppl_transform *t)
{
    return t->attr;
}

/* `shape` of all flows: the same, of dim elements in the last axis; else 0 with the error
 * recorded. The same of a value. */
int ppl__flow_shape(const ppl_transform *self, ppl_shape *shape, int inverse);
int ppl__flow_fits(const ppl_transform *self, const ppl_tensor *x);
/* 1 if x can have so many axes more; else with the error recorded. */
int ppl__flow_has_room(const ppl__flow *f, const ppl_tensor *x, int axes);
/* Elements from `start` to `stop` - 1 of the last axis. */
ppl_tensor *ppl__flow_slice(ppl_tensor *t, int64_t start, int64_t stop);
/* t with an axis of 1 at its end; and with its last axis, of 1, dropped. */
ppl_tensor *ppl__flow_column(ppl_tensor *t);
ppl_tensor *ppl__flow_drop(ppl_tensor *t);
/* sum of a b over the last axis, which stays, as 1. */
ppl_tensor *ppl__flow_dot(ppl_tensor *a, ppl_tensor *b);

/* ---- Networks (flow_net.c) --------------------------------------------------------- */

/* The flow's network NAME.where, of the flow's hidden sizes: `in` elements, behind those
 * of the context if there is one, to `out`. 0 with the error recorded. */
int ppl__flow_dense(ppl__flow *f, const char *where, int64_t in, int64_t out);
/* The same from dim to `params` numbers for each element, [params,dim] in a row: those of
 * an element depend on the elements before it in *order [dim], which is set. */
int ppl__flow_made(ppl__flow *f, int64_t params, const int64_t **order);
/* The output for x [..,in]; NULL x: for the context alone. */
ppl_tensor *ppl__flow_run(const ppl__flow *f, ppl_tensor *x);

#endif

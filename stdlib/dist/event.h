/* SPDX-License-Identifier: MIT */
/*
 * event.h - formulas of whole events (vectors, matrices) as operations: for families of
 * several numbers what density.h is for those of one.
 *
 * A formula is asked once for each element of the batch. It gets the events of its inputs
 * as doubles and gives one number, or one event; and from the adjoint of that, the
 * gradients of all inputs at once. Batches broadcast: an event shared by many elements of
 * the batch is neither copied nor converted again, and the formula is told when it is the
 * same as before. Float results are rounded once, at the end.
 */
#ifndef KILN_EVENT_H
#define KILN_EVENT_H

#include "density.h"

enum {
    PPL__EVENT_INPUTS = 9,
    PPL__EVENT_AXES = 3                     /* of one event, at most */
};

/* One element of the batch. Matrices are row-major. */
typedef struct ppl__event {
    const double *in[PPL__EVENT_INPUTS];
    size_t dim[PPL__EVENT_INPUTS][PPL__EVENT_AXES];     /* the axes of an input's event */
    const int *axes;                        /* how many each has: the formula's */
    unsigned fresh;                         /* bit i: in[i] is not that of the element
                                               before; all are for the first element */
    size_t index;                           /* which element of the batch */
    double *work;                           /* as much as the formula's `work` says; kept
                                               between elements, zeros at first */
    double *kept;                           /* as much as `keep` says: the gradient of an
                                               element finds there what its value left */
    void *attr;                             /* the node's copy */
    const ppl_tensor *out;
    /* for gradients */
    const double *y, *g;                    /* the result, its adjoint */
    double *d[PPL__EVENT_INPUTS];           /* to be added to; NULL: no gradient is due */
} ppl__event;

typedef struct ppl__event_formula {
    int inputs;
    int axes[PPL__EVENT_INPUTS];            /* trailing axes that are one event */
    ppl_shape (*event)(const ppl__event *e);        /* of the result; NULL: a number */
    int integers;                           /* the result is of integers (PPL_I64) */
    size_t (*work)(const ppl__event *e);    /* in doubles, from e->dim; NULL: none */
    size_t (*keep)(const ppl__event *e);    /* the same */
    void (*value)(const ppl__event *e, double *y);
    /* NULL: no gradient. Not called where the adjoint is all 0. */
    void (*gradient)(const ppl__event *e);
} ppl__event_formula;

/* The const row `op` of a formula. */
#define PPL__EVENT_OP(op, text, formula)                                                 \
    static const ppl_op op = { .name = text, .inputs = -1, .shape = ppl__event_shape,    \
                               .forward = ppl__event_forward, .vjp = ppl__event_vjp,     \
                               .vjp_all = ppl__event_vjp_all };                          \
    static ppl_tensor *op##_apply(ppl_tensor *const *inputs, const ppl_dist *d,          \
                                  const void *attr, size_t size)                         \
    {                                                                                    \
        return ppl__event_apply(&op, &(formula), inputs, d, attr, size);                 \
    }

/* Applies it to tensors whose leading axes broadcast, with each other and with the values
 * of d unless that is NULL. */
ppl_tensor *ppl__event_apply(const ppl_op *op, const ppl__event_formula *f,
                             ppl_tensor *const *inputs, const ppl_dist *d,
                             const void *attr, size_t size);
ppl_status ppl__event_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                            void *attr, ppl_dtype *dtype, ppl_shape *shape);
void ppl__event_forward(ppl_tensor *out);
void ppl__event_vjp(ppl_tensor *out, int i, void *grad);
void ppl__event_vjp_all(ppl_tensor *out, void *const *grads, unsigned fresh);

/* The shapes of results: that of the event of input 0. */
ppl_shape ppl__event_like_first(const ppl__event *e);

/* "[2,1]" for the element of the batch, "" if there is no batch. */
const char *ppl__event_index(const ppl__event *e, char text[PPL_SHAPE_TEXT]);

/* ---- For families ------------------------------------------------------------------ */

/* The last `axes` axes of parameter i: an event_shape. */
ppl_shape ppl__event_of_param(const ppl_dist *d, int i, int axes);
/* Widens `batch` by the first `rank` axes of a shape; 0 if they do not broadcast. */
int ppl__widen(ppl_shape *batch, const ppl_shape *shape, int rank);
/* t with an axis of 1 behind its last. */
ppl_tensor *ppl__one_more_axis(ppl_tensor *t);

#endif

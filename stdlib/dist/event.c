/* SPDX-License-Identifier: MIT */
/*
 * event.c - running formulas of whole events over a batch (event.h).
 *
 * The gradients of all inputs come from one pass over the batch, when the tape first asks
 * for one of them; they are kept, in double, with the adjoint that they belong to, and
 * handed out while the adjoint is the same. All memory is the epoch's.
 */
#include "event.h"

#include "../shape_text.h"

#include <string.h>

/* The attr of a node: what the row itself cannot say. */
typedef struct header {
    const ppl__event_formula *formula;
    void *own;                              /* the family's attr */
    ppl_shape batch;                        /* at least; then that of the node */
    void *adjoint;                          /* that the gradients are of, or NULL */
    double *gradient[PPL__EVENT_INPUTS];    /* of each input's shape; NULL: not wanted */
} header;

/* ---- Shapes ------------------------------------------------------------------------ */

int ppl__widen(ppl_shape *batch, const ppl_shape *shape, int rank)
{
    ppl_shape joined = *batch;
    if (rank > joined.rank) {
        joined = *shape;
        joined.rank = rank;
    }
    for (int i = 1; i <= batch->rank && i <= rank; i++) {
        const int64_t a = batch->dim[batch->rank - i], b = shape->dim[rank - i];
        if (a != b && a != 1 && b != 1)
            return 0;
        joined.dim[joined.rank - i] = a == 1 ? b : a;
    }
    for (int i = joined.rank; i < PPL_MAX_RANK; i++)
        joined.dim[i] = 0;
    *batch = joined;
    return 1;
}

static void read_dims(const ppl__event_formula *f, ppl_tensor *const *inputs,
                      ppl__event *e)
{
    e->axes = f->axes;
    for (int i = 0; i < f->inputs; i++)
        for (int a = 0; a < f->axes[i]; a++)
            e->dim[i][a] = (size_t)ppl_dim(inputs[i], a - f->axes[i]);
}

ppl_status ppl__event_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                            void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    header *h = attr;
    const ppl__event_formula *f = h->formula;
    ppl_ctx *c = ppl_tensor_ctx(inputs[0]);
    ppl__event e = { .attr = h->own };

    for (int i = 0; i < count; i++) {
        const ppl_shape s = ppl_tensor_shape(inputs[i]);
        char text[2][PPL_SHAPE_TEXT];
        if (s.rank < f->axes[i] || !ppl__widen(&h->batch, &s, s.rank - f->axes[i]))
            return ppl_fail(c, PPL_ESHAPE, "%s: input %d has shape %s, which does not "
                            "broadcast to the batch %s; its last %d axes are one value",
                            op->name, i, ppl_shape_text(&s, text[0]),
                            ppl_shape_text(&h->batch, text[1]), f->axes[i]);
    }
    read_dims(f, inputs, &e);
    const ppl_shape event = f->event ? f->event(&e) : PPL_SCALAR;
    if (h->batch.rank + event.rank > PPL_MAX_RANK)
        return ppl_fail(c, PPL_ESHAPE, "%s: %d axes of the batch and %d of a value are "
                        "more than %d", op->name, h->batch.rank, event.rank,
                        PPL_MAX_RANK);
    *dtype = f->integers ? PPL_I64 : ppl_ctx_dtype(c);
    *shape = h->batch;
    for (int a = 0; a < event.rank; a++)
        shape->dim[shape->rank++] = event.dim[a];
    return PPL_OK;
}

ppl_shape ppl__event_like_first(const ppl__event *e)
{
    ppl_shape s = { e->axes[0], { 0 } };
    for (int a = 0; a < s.rank; a++)
        s.dim[a] = (int64_t)e->dim[0][a];
    return s;
}

/* ---- Walking over a batch ---------------------------------------------------------- */

typedef struct walk {
    ppl__event e;
    const header *h;
    size_t batch, size[PPL__EVENT_INPUTS];      /* elements of the batch, of an event */
    size_t at[PPL__EVENT_INPUTS];               /* where the inputs' events stand */
    double *room[PPL__EVENT_INPUTS];            /* a converted event; NULL: as it is */
} walk;

static void convert(ppl_dtype dtype, const void *from, size_t start, size_t n, double *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = dtype == PPL_F32   ? (double)((const float *)from)[start + i]
                : dtype == PPL_F64 ? ((const double *)from)[start + i]
                : dtype == PPL_I64 ? (double)((const int64_t *)from)[start + i]
                                   : ((const unsigned char *)from)[start + i];
}

/* 0 when out of memory. */
static int begin(walk *w, const ppl_tensor *out)
{
    header *h = ppl_op_attr(out);
    const ppl__event_formula *f = h->formula;
    ppl_tensor *in[PPL__EVENT_INPUTS];
    ppl_ctx *c = ppl_tensor_ctx(out);

    *w = (walk){ .h = h, .batch = 1, .e = { .attr = h->own, .out = out } };
    for (int a = 0; a < h->batch.rank; a++)
        w->batch *= (size_t)h->batch.dim[a];
    for (int i = 0; i < f->inputs; i++)
        in[i] = ppl_op_input(out, i);
    read_dims(f, in, &w->e);
    for (int i = 0; i < f->inputs; i++) {
        w->size[i] = 1;
        for (int a = 0; a < f->axes[i]; a++)
            w->size[i] *= w->e.dim[i][a];
        if (ppl_tensor_dtype(in[i]) != PPL_F64 &&
            !(w->room[i] = ppl_alloc(c, w->size[i] * sizeof(double))))
            return 0;
    }
    return !f->work ||
           (w->e.work = ppl_alloc(c, f->work(&w->e) * sizeof(double))) != NULL;
}

/* Where the event of input i stands that belongs to element `index` of the batch. */
static size_t stands(const walk *w, int i, size_t index)
{
    const ppl_shape s = ppl_tensor_shape(ppl_op_input(w->e.out, i));
    const ppl_shape *batch = &w->h->batch;
    size_t at = 0, stride = w->size[i];
    for (int a = batch->rank, k = s.rank - w->h->formula->axes[i]; k > 0;) {
        const size_t all = (size_t)batch->dim[--a], own = (size_t)s.dim[--k];
        at += own == 1 ? 0 : index % all * stride;
        stride *= own;
        index /= all;
    }
    return at;
}

static void step(walk *w, size_t index)
{
    w->e.fresh = 0;
    w->e.index = index;
    for (int i = 0; i < w->h->formula->inputs; i++) {
        const ppl_tensor *t = ppl_op_input(w->e.out, i);
        const size_t at = stands(w, i, index);
        if (w->e.in[i] && at == w->at[i])
            continue;
        w->at[i] = at;
        w->e.fresh |= 1u << i;
        if (w->room[i])
            convert(ppl_tensor_dtype(t), ppl_operand(w->e.out, i), at, w->size[i],
                    w->room[i]);
        w->e.in[i] = w->room[i] ? w->room[i]
                                : (const double *)ppl_operand(w->e.out, i) + at;
    }
}

static size_t result_size(const walk *w)
{
    return w->batch > 0 ? (size_t)ppl_numel(w->e.out) / w->batch : 0;
}

void ppl__event_forward(ppl_tensor *out)
{
    walk w;
    ((header *)ppl_op_attr(out))->adjoint = NULL;   /* gradients are of the values before */
    if (!begin(&w, out))
        return;
    const size_t n = result_size(&w);
    const ppl_dtype dtype = ppl_tensor_dtype(out);
    double *y = dtype == PPL_F64 ? NULL
                                 : ppl_alloc(ppl_tensor_ctx(out), n * sizeof *y);
    if (dtype != PPL_F64 && !y)
        return;
    for (size_t b = 0; b < w.batch && ppl_ok(ppl_tensor_ctx(out)); b++) {
        step(&w, b);
        if (dtype == PPL_F64) {
            w.h->formula->value(&w.e, (double *)ppl_result(out) + b * n);
            continue;
        }
        w.h->formula->value(&w.e, y);
        for (size_t i = 0; i < n; i++)
            if (dtype == PPL_F32)
                ((float *)ppl_result(out))[b * n + i] = (float)y[i];
            else
                ((int64_t *)ppl_result(out))[b * n + i] = (int64_t)y[i];
    }
}

/* ---- Gradients --------------------------------------------------------------------- */

static size_t bytes(const ppl_tensor *t)
{
    return (size_t)ppl_numel(t) * (ppl_tensor_dtype(t) == PPL_F32 ? sizeof(float)
                                                                  : sizeof(double));
}

/* Fills h->gradient for the adjoint that `out` has now; 0 when out of memory. */
static int differentiate(ppl_tensor *out, header *h)
{
    ppl_ctx *c = ppl_tensor_ctx(out);
    walk w;
    if (!begin(&w, out))
        return 0;
    const size_t n = result_size(&w);
    double *y = ppl_alloc(c, 2 * n * sizeof *y), *g = y + n;
    if (!y || !(h->adjoint = ppl_alloc(c, bytes(out))))
        return 0;
    for (int i = 0; i < h->formula->inputs; i++) {
        const ppl_tensor *t = ppl_op_input(out, i);
        h->gradient[i] = NULL;
        if (ppl_requires_grad(t) &&
            !(h->gradient[i] = ppl_alloc(c, (size_t)ppl_numel(t) * sizeof(double))))
            return h->adjoint = NULL, 0;
    }
    w.e.y = y;
    w.e.g = g;
    for (size_t b = 0; b < w.batch; b++) {
        int any = 0;
        convert(ppl_tensor_dtype(out), ppl_adjoint(out), b * n, n, g);
        for (size_t i = 0; i < n; i++)
            any |= g[i] < 0 || g[i] > 0 || isnan(g[i]);
        if (!any)
            continue;
        convert(ppl_tensor_dtype(out), ppl_result(out), b * n, n, y);
        step(&w, b);
        for (int i = 0; i < h->formula->inputs; i++)
            w.e.d[i] = h->gradient[i] ? h->gradient[i] + w.at[i] : NULL;
        h->formula->gradient(&w.e);
    }
    memcpy(h->adjoint, ppl_adjoint(out), bytes(out));
    return 1;
}

void ppl__event_vjp(ppl_tensor *out, int i, void *grad)
{
    header *h = ppl_op_attr(out);
    const size_t n = (size_t)ppl_numel(ppl_op_input(out, i));

    if ((!h->adjoint || !h->gradient[i] ||
         memcmp(h->adjoint, ppl_adjoint(out), bytes(out)) != 0) && !differentiate(out, h))
        return;
    for (size_t k = 0; k < n; k++)
        if (ppl_tensor_dtype(out) == PPL_F32)
            ((float *)grad)[k] += (float)h->gradient[i][k];
        else
            ((double *)grad)[k] += h->gradient[i][k];
}

/* ---- For families ------------------------------------------------------------------ */

ppl_tensor *ppl__event_apply(const ppl_op *op, const ppl__event_formula *f,
                             ppl_tensor *const *inputs, const ppl_dist *d,
                             const void *attr, size_t size)
{
    header h = { .formula = f };
    ppl_ctx *c = NULL;

    for (int i = 0; i < f->inputs && !c; i++)
        c = ppl_tensor_ctx(inputs[i]);
    if (c && size > 0 && (h.own = ppl_alloc(c, size)) != NULL)
        memcpy(h.own, attr, size);
    if (d) {
        h.batch = d->shape;
        for (int a = 0; a < d->family->event_dim; a++)
            h.batch.dim[--h.batch.rank] = 0;
    }
    return ppl_apply(op, inputs, f->inputs, &h, sizeof h);
}

const char *ppl__event_index(const ppl__event *e, char text[PPL_SHAPE_TEXT])
{
    const header *h = ppl_op_attr(e->out);
    ppl_shape at = h->batch;
    size_t index = e->index;

    for (int a = at.rank; a-- > 0; index /= (size_t)h->batch.dim[a])
        at.dim[a] = (int64_t)(index % (size_t)h->batch.dim[a]);
    return at.rank > 0 ? ppl_shape_text(&at, text) : "";
}

ppl_shape ppl__event_of_param(const ppl_dist *d, int i, int axes)
{
    ppl_shape s = { axes, { 0 } };
    for (int a = 0; a < axes; a++)
        s.dim[a] = ppl_dim(d->param[i], a - axes);
    return s;
}

ppl_tensor *ppl__one_more_axis(ppl_tensor *t)
{
    ppl_shape s = ppl_tensor_shape(t);
    if (t && s.rank == PPL_MAX_RANK)
        ppl_fail(ppl_tensor_ctx(t), PPL_ESHAPE, "a tensor of shape %s has no room for "
                 "one more axis; %d are the most", SHAPE_TEXT(s), PPL_MAX_RANK);
    else
        s.dim[s.rank++] = 1;
    return ppl_reshape(t, s);
}

/* SPDX-License-Identifier: MIT */
/*
 * event.c - running formulas of whole events over a batch (event.h).
 *
 * The gradients of all inputs come from one pass over the batch. Those of double are added
 * to where they stand, those of float in double first. All memory is the epoch's.
 */
#include "event.h"

#include "../shape_text.h"

#include <string.h>

/* The attr of a node: what the row itself cannot say. */
typedef struct header {
    const ppl__event_formula *formula;
    void *own;                              /* the family's attr */
    ppl_shape batch;                        /* at least; then that of the node */
    double *kept;                           /* of each element, as its value left it */
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
    size_t keep;                                /* how much is kept of an element */
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
    const header *h = ppl_op_attr(out);
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
    w->keep = f->keep ? f->keep(&w->e) : 0;
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
    w->e.kept = w->h->kept ? w->h->kept + index * w->keep : NULL;
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
    header *h = ppl_op_attr(out);
    walk w;
    if (!begin(&w, out) ||
        (w.keep > 0 && !(h->kept = ppl_alloc(ppl_tensor_ctx(out),
                                             w.batch * w.keep * sizeof *h->kept))))
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

/* Where the formula adds to: grads, or sums in double; 0 when out of memory. */
static int open_gradients(const walk *w, void *const *grads, unsigned fresh, double **d)
{
    for (int i = 0; i < w->h->formula->inputs; i++) {
        const ppl_tensor *t = ppl_op_input(w->e.out, i);
        const size_t size = (size_t)ppl_numel(t) * sizeof(double);
        d[i] = NULL;
        if (!grads[i])
            continue;
        d[i] = ppl_tensor_dtype(t) == PPL_F64 ? grads[i] : ppl_alloc(ppl_tensor_ctx(t), size);
        if (!d[i])
            return 0;
        if (d[i] == grads[i] && fresh & 1u << i)
            memset(d[i], 0, size);
    }
    return 1;
}

/* n elements as doubles, in `room` where they are none. */
static const double *numbers(ppl_dtype dtype, const void *elements, size_t start, size_t n,
                             double *room)
{
    if (dtype == PPL_F64)
        return (const double *)elements + start;
    convert(dtype, elements, start, n, room);
    return room;
}

static int any_of(size_t n, const double *g)
{
    int any = 0;
    for (size_t i = 0; i < n; i++)
        any |= g[i] < 0 || g[i] > 0 || isnan(g[i]);
    return any;
}

static void differentiate(walk *w, ppl_tensor *out, double *const *d, double *room)
{
    const size_t n = result_size(w);
    const ppl_dtype dtype = ppl_tensor_dtype(out);

    for (size_t b = 0; b < w->batch; b++) {
        w->e.g = numbers(dtype, ppl_adjoint(out), b * n, n, room);
        if (!any_of(n, w->e.g))
            continue;
        w->e.y = numbers(dtype, ppl_result(out), b * n, n, room + n);
        step(w, b);
        for (int i = 0; i < w->h->formula->inputs; i++)
            w->e.d[i] = d[i] ? d[i] + w->at[i] : NULL;
        w->h->formula->gradient(&w->e);
    }
}

void ppl__event_vjp_all(ppl_tensor *out, void *const *grads, unsigned fresh)
{
    double *d[PPL__EVENT_INPUTS], *room;
    walk w;

    if (!begin(&w, out) || !open_gradients(&w, grads, fresh, d) ||
        !(room = ppl_alloc(ppl_tensor_ctx(out), 2 * result_size(&w) * sizeof *room)))
        return;
    differentiate(&w, out, d, room);
    for (int i = 0; i < w.h->formula->inputs; i++) {
        const size_t n = (size_t)ppl_numel(ppl_op_input(out, i));
        float *grad = grads[i];
        for (size_t k = 0; d[i] && d[i] != grads[i] && k < n; k++)
            grad[k] = (float)(fresh & 1u << i ? d[i][k] : (double)grad[k] + d[i][k]);
    }
}

void ppl__event_vjp(ppl_tensor *out, int i, void *grad)
{
    void *grads[PPL__EVENT_INPUTS] = { NULL };

    grads[i] = grad;
    ppl__event_vjp_all(out, grads, 0);
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

/* SPDX-License-Identifier: MIT */
/*
 * density.c - running the loops of formulas (density.h), and what samplers share.
 *
 * Cost of a float formula worked in double: one conversion of each input and of the
 * result, in blocks that stay in the first-level cache. Nothing is allocated. Integers are
 * converted to double, which holds those below 2^53; a formula with any among its inputs
 * is worked in double.
 */
#include "density.h"

/* Blocks of a formula worked in double on float elements. */
typedef struct wide {
    double in[PPL__MAX_INPUTS][PPL__SPAN], y[PPL__SPAN];
} wide;

static void widen(size_t n, const float *x, double *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i];
}

static void widen_integers(size_t n, const int64_t *x, double *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (double)x[i];
}

static const void *at(ppl_dtype dtype, const void *elements, size_t i)
{
    return dtype == PPL_F32 ? (const void *)((const float *)elements + i)
                            : (const void *)((const double *)elements + i);
}

static void *at_result(ppl_dtype dtype, void *elements, size_t i)
{
    return dtype == PPL_F32 ? (void *)((float *)elements + i)
                            : (void *)((double *)elements + i);
}

/* Whether loops of the elements' own type are there for all inputs of `out`. */
static int as_they_are(const ppl_tensor *out, int inputs, int loops)
{
    for (int k = 0; k < inputs; k++)
        loops &= ppl_tensor_dtype(ppl_op_input(out, k)) != PPL_I64;
    return loops;
}

/* Input k of the span as doubles. */
static void convert(ppl__span *s, const ppl_tensor *out, int k, wide *w)
{
    const ppl_dtype dtype = ppl_tensor_dtype(ppl_op_input(out, k));
    const void *elements = ppl_operand(out, k);

    s->in[k] = w->in[k];
    if (dtype == PPL_I64)
        widen_integers(s->n, (const int64_t *)elements + s->start, w->in[k]);
    else if (dtype == PPL_F32)
        widen(s->n, (const float *)elements + s->start, w->in[k]);
    else
        s->in[k] = (const double *)elements + s->start;
}

/* The span of `out` from `start` on; as doubles, in w as need be, unless w is NULL. */
static void enter(ppl__span *s, const ppl_tensor *out, int inputs, size_t start, wide *w)
{
    const size_t left = (size_t)ppl_numel(out) - start;
    s->n = left < PPL__SPAN ? left : PPL__SPAN;
    s->start = start;
    for (int k = 0; k < inputs; k++) {
        if (w)
            convert(s, out, k, w);
        else
            s->in[k] = at(s->dtype, ppl_operand(out, k), start);
    }
}

void ppl__formula_forward(const ppl__formula *f, ppl_tensor *out)
{
    const size_t n = (size_t)ppl_numel(out);
    ppl__span s = { .dtype = ppl_tensor_dtype(out), .attr = ppl_op_attr(out) };
    const int own = as_they_are(out, f->inputs, f->value[s.dtype] != NULL);
    void *result = ppl_result(out);
    wide w;

    for (size_t start = 0; start < n; start += PPL__SPAN) {
        void *y = at_result(s.dtype, result, start);
        enter(&s, out, f->inputs, start, own ? NULL : &w);
        if (own || s.dtype == PPL_F64) {
            f->value[s.dtype](&s, y);
            continue;
        }
        f->value[PPL_F64](&s, w.y);
        for (size_t i = 0; i < s.n; i++)
            ((float *)y)[i] = (float)w.y[i];
    }
}

/* grad += g d, and 0 where g is 0. */
#define ACCUMULATE(name, REAL, SLOPE)                                                    \
    static void name(size_t n, const REAL *restrict g, const SLOPE *restrict d,          \
                     REAL *restrict grad)                                                \
    {                                                                                    \
        for (size_t i = 0; i < n; i++)                                                   \
            grad[i] += g[i] == 0 ? 0 : (REAL)((SLOPE)g[i] * d[i]);                       \
    }
ACCUMULATE(accumulate_f32, float, float)
ACCUMULATE(accumulate_f64, double, double)
ACCUMULATE(accumulate_wide, float, double)

void ppl__formula_vjp(const ppl__formula *f, ppl_tensor *out, int i, void *grad)
{
    const size_t n = (size_t)ppl_numel(out);
    ppl__span s = { .dtype = ppl_tensor_dtype(out), .attr = ppl_op_attr(out) };
    const int own = as_they_are(out, f->inputs, f->slope[s.dtype] != NULL);
    const void *adjoint = ppl_adjoint(out);
    union {
        float f32[PPL__SPAN];
        double f64[PPL__SPAN];
    } d;
    wide w;

    for (size_t start = 0; start < n; start += PPL__SPAN) {
        const void *g = at(s.dtype, adjoint, start);
        void *to = at_result(s.dtype, grad, start);
        enter(&s, out, f->inputs, start, own ? NULL : &w);
        s.y = at(s.dtype, ppl_result(out), start);
        if (s.dtype == PPL_F32 && !own) {
            widen(s.n, s.y, w.y);
            s.y = w.y;
            f->slope[PPL_F64](&s, i, d.f64);
            accumulate_wide(s.n, g, d.f64, to);
        } else {
            f->slope[s.dtype](&s, i, &d);
            if (s.dtype == PPL_F32)
                accumulate_f32(s.n, g, d.f32, to);
            else
                accumulate_f64(s.n, g, d.f64, to);
        }
    }
}

/* ---- For samplers ------------------------------------------------------------------ */

size_t ppl__dist_numel(const ppl_dist *d)
{
    size_t n = 1;
    for (int i = 0; i < d->shape.rank; i++)
        n *= (size_t)d->shape.dim[i];
    return n;
}

const double *ppl__noise(const ppl_dist *d, const ppl_rng *rng,
                         void (*draw)(const ppl_rng *rng, uint32_t stream, size_t n,
                                      double *out))
{
    const size_t n = ppl__dist_numel(d);
    double *noise = ppl_alloc(d->ctx, n * sizeof *noise);
    if (noise)
        draw(rng, 0, n, noise);
    return noise;
}

ppl_tensor *ppl__at_batch(ppl_tensor *t, ppl_shape batch, int own)
{
    const int rank = ppl_rank(t);
    int same = rank == batch.rank + own;

    for (int i = 0; same && i < batch.rank; i++)
        same = ppl_dim(t, i) == batch.dim[i];
    if (same)
        return t;
    for (int i = rank - own; i < rank; i++)
        batch.dim[batch.rank++] = ppl_dim(t, i);
    return ppl_expand(t, batch);
}

ppl_tensor *ppl__whole_param(const ppl_dist *d, int i)
{
    ppl_shape batch = d->shape;
    batch.rank -= d->family->event_dim;
    return ppl__at_batch(d->param[i], batch, d->family->param_event_dim[i]);
}

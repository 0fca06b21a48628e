/* SPDX-License-Identifier: MIT */
/*
 * flow.c - what all flows share: their records, parameters and state.
 */
#include "flow.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- Options ----------------------------------------------------------------------- */

static double or_else(double x, double otherwise)
{
    return x < 0 || x > 0 || isnan(x) ? x : otherwise;
}

static void fill_in(ppl__flow *f, const ppl_flow_opts *opts, const int64_t *hidden,
                    int layers)
{
    ppl_flow_opts *o = &f->opts;
    if (opts)
        *o = *opts;
    if (o->layers == 0) {
        o->hidden = hidden;
        o->layers = layers;
    }
    o->log_scale_min = or_else(o->log_scale_min, -5);
    o->log_scale_max = or_else(o->log_scale_max, 3);
    o->split = o->split ? o->split : f->dim / 2;
    o->bins = o->bins ? o->bins : 8;
    o->bound = or_else(o->bound, 3);
    o->quadratic = o->quadratic != 0;
    o->count = o->count ? o->count : 1;
    o->momentum = or_else(o->momentum, 0.1);
    o->epsilon = or_else(o->epsilon, 1e-5);
    if (o->layers <= 0 || !o->hidden)
        return;                             /* some have no network */
    int64_t *sizes = ppl_alloc(f->ctx, (size_t)o->layers * sizeof *sizes);
    if (sizes)
        o->hidden = memcpy(sizes, o->hidden, (size_t)o->layers * sizeof *sizes);
}

/* 1 if the options make sense; else with the error recorded. */
static int check(const ppl__flow *f)
{
    const ppl_flow_opts *o = &f->opts;
    if (f->dim < 1)
        ppl_fail(f->ctx, PPL_EINVAL, "%s %s: vectors of %" PRId64 " elements; give 1 at "
                 "least", f->kind, f->name, f->dim);
    else if (!(o->log_scale_min < o->log_scale_max))
        ppl_fail(f->ctx, PPL_EINVAL, "%s %s: log_scale_min %g must be below "
                 "log_scale_max %g", f->kind, f->name, o->log_scale_min,
                 o->log_scale_max);
    else if (o->count < 1)
        ppl_fail(f->ctx, PPL_EINVAL, "%s %s: count is %d; give 1 at least", f->kind,
                 f->name, o->count);
    else if (o->context && (ppl_rank(o->context) == 0 || ppl_dim(o->context, -1) == 0))
        ppl_fail(f->ctx, PPL_ESHAPE, "%s %s: a context of shape %s; give it a last axis of 1 "
                 "element at least", f->kind, f->name, SHAPE_OF(o->context));
    else if (o->context && ppl_tensor_dtype(o->context) != ppl_ctx_dtype(f->ctx))
        ppl_fail(f->ctx, PPL_EDTYPE, "%s %s: the context is not floating (ppl_to_float "
                 "converts integers and masks)", f->kind, f->name);
    else if (o->layers < 0 || (o->layers > 0 && !o->hidden))
        ppl_fail(f->ctx, PPL_EINVAL, "%s %s: %d hidden layers%s; give 1 at least and their "
                 "sizes, or 0 for the usual ones", f->kind, f->name, o->layers,
                 o->hidden ? "" : " without sizes");
    for (int i = 0; i < o->layers && ppl_ok(f->ctx); i++)
        if (o->hidden[i] < 1)
            ppl_fail(f->ctx, PPL_EINVAL, "%s %s: hidden layer %d has %" PRId64 " units; "
                     "give 1 at least", f->kind, f->name, i, o->hidden[i]);
    return ppl_ok(f->ctx);
}

int ppl__flow_split_ok(const ppl__flow *f)
{
    if (f->dim < 2)
        ppl_fail(f->ctx, PPL_EINVAL, "%s %s: vectors of 1 element cannot be split; give 2 at "
                 "least", f->kind, f->name);
    else if (f->opts.split < 1 || f->opts.split >= f->dim)
        ppl_fail(f->ctx, PPL_EINVAL, "%s %s: split is %" PRId64 "; of %" PRId64
                 " elements 1 to %" PRId64 " can stay", f->kind, f->name, f->opts.split,
                 f->dim, f->dim - 1);
    return ppl_ok(f->ctx);
}

/* ---- Making ------------------------------------------------------------------------ */

ppl__flow *ppl__flow_begin(ppl_ctx *c, const char *kind, const char *name, int64_t dim,
                           const ppl_flow_opts *opts, const int64_t *hidden, int layers)
{
    ppl__flow *f = c && ppl_ok(c) ? ppl_alloc(c, sizeof *f) : NULL;
    if (!f)
        return NULL;
    *f = (ppl__flow){ .ctx = c, .kind = kind, .name = ppl_intern(c, name), .dim = dim,
                      .tensor = ppl_alloc(c, PPL__FLOW_TENSORS * sizeof *f->tensor) };
    fill_in(f, opts, hidden, layers);
    if (!f->name || !f->tensor || !ppl_ok(c) || !check(f))
        return NULL;
    if (f->opts.context)
        f->tensor[f->tensors++] = f->opts.context;
    return f;
}

ppl_tensor *ppl__flow_param(ppl__flow *f, const char *suffix, ppl_shape shape,
                            ppl_init init)
{
    ppl_tensor *t = ppl_param(f->ctx, ppl_intern_join(f->ctx, f->name, suffix), shape,
                              init, PPL_REAL);
    if (t && f->tensors == PPL__FLOW_TENSORS) {
        ppl_fail(f->ctx, PPL_EINVAL, "%s %s: more than %d parameters; give it fewer "
                 "layers", f->kind, f->name, PPL__FLOW_TENSORS);
        return NULL;
    }
    if (t)
        f->tensor[f->tensors++] = t;
    return t;
}

ppl_init ppl__flow_uniform(int64_t dim)
{
    const double bound = 1 / sqrt((double)dim);
    return ppl_init_uniform(-bound, bound);
}

int ppl__flow_state(ppl__flow *f, const char *suffix, int64_t n, const double *first,
                    double *out)
{
    ppl_name name = ppl_intern_join(f->ctx, f->name, suffix);
    const int there = name ? ppl_param_find(f->ctx, name) : -1;
    if (!name)
        return 0;
    if (there >= 0 && ppl_param_at(f->ctx, there)->count != n) {
        ppl_fail(f->ctx, PPL_ESHAPE, "%s %s: %s has %" PRId64 " elements, and vectors %" PRId64
                 "; use another name, or a file of these dimensions", f->kind, f->name, name,
                 ppl_param_at(f->ctx, there)->count, n);
        return 0;
    }
    if (there < 0) {
        memset(out, 0, (size_t)n * sizeof *out);
        if (ppl_param_write(f->ctx, name, PPL_SHAPE(n), first ? first : out) != PPL_OK)
            return 0;
    }
    return ppl_param_read(f->ctx, name, out, n) == PPL_OK;
}

ppl_transform *ppl__flow_make(const ppl__flow *f, const ppl_transform_type *type)
{
    const ppl_constraint k = type->flags & PPL_ELEMENTWISE ? PPL_REAL
                                                           : ppl_constraint_real_vector;
    if (!ppl_ok(f->ctx))
        return NULL;
    return ppl_transform_make(&(ppl_transform){
        .ctx = f->ctx, .type = type, .domain = k, .codomain = k, .tensor = f->tensor,
        .tensors = f->tensors, .attr = f });
}

int ppl__flow_same(const ppl_transform *a, const ppl_transform *b)
{
    const ppl__flow *f = a->attr, *g = b->attr;
    const ppl_flow_opts *o = &f->opts, *p = &g->opts;
    /* Sizes of layers show in the shapes of parameters; one name has one permutation. */
    return f->name == g->name && f->dim == g->dim && o->activation == p->activation &&
           o->skip == p->skip && o->stable == p->stable && o->split == p->split &&
           o->count == p->count && o->residual == p->residual && o->bins == p->bins &&
           o->identity == p->identity && o->training == p->training &&
           !(o->epsilon < p->epsilon) && !(o->epsilon > p->epsilon) &&
           o->quadratic == p->quadratic && !(o->bound < p->bound) &&
           !(o->bound > p->bound) && !(o->log_scale_min < p->log_scale_min) &&
           !(o->log_scale_min > p->log_scale_min) &&
           !(o->log_scale_max < p->log_scale_max) &&
           !(o->log_scale_max > p->log_scale_max);
}

/* ---- Applying ---------------------------------------------------------------------- */

int ppl__flow_shape(const ppl_transform *self, ppl_shape *shape, int inverse)
{
    const ppl__flow *f = self->attr;
    (void)inverse;
    if (shape->rank > 0 && shape->dim[shape->rank - 1] == f->dim)
        return 1;
    ppl_fail(self->ctx, PPL_ESHAPE, "%s %s: a value of shape %s; its last axis must have "
             "%" PRId64 " elements", f->kind, f->name, SHAPE_TEXT(*shape), f->dim);
    return 0;
}

int ppl__flow_fits(const ppl_transform *self, const ppl_tensor *x)
{
    ppl_shape shape = ppl_tensor_shape(x);
    return x && ppl__flow_shape(self, &shape, 0);
}

int ppl__flow_has_room(const ppl__flow *f, const ppl_tensor *x, int axes)
{
    if (x && ppl_rank(x) + axes > PPL_MAX_RANK)
        ppl_fail(f->ctx, PPL_ESHAPE, "%s %s: a value of shape %s; it takes %d axes at most",
                 f->kind, f->name, SHAPE_OF(x), PPL_MAX_RANK - axes);
    return ppl_ok(f->ctx);
}

ppl_tensor *ppl__flow_slice(ppl_tensor *t, int64_t start, int64_t stop)
{
    return ppl_slice(t, -1, start, stop);
}

ppl_tensor *ppl__flow_column(ppl_tensor *t)
{
    ppl_shape shape = ppl_tensor_shape(t);
    if (!t || shape.rank == PPL_MAX_RANK)
        return NULL;
    shape.dim[shape.rank++] = 1;
    return ppl_reshape(t, shape);
}

ppl_tensor *ppl__flow_drop(ppl_tensor *t)
{
    ppl_shape shape = ppl_tensor_shape(t);
    if (!t)
        return NULL;
    shape.dim[--shape.rank] = 0;
    return ppl_reshape(t, shape);
}

ppl_tensor *ppl__flow_dot(ppl_tensor *a, ppl_tensor *b)
{
    return ppl__flow_column(ppl_sum(ppl_mul(a, b), -1));
}

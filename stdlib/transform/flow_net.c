/* SPDX-License-Identifier: MIT */
/*
 * flow_net.c - the networks of flows: dense, and masked so that they are autoregressive.
 *
 * MADE (Germain, Gregor, Murray and Larochelle 2015): every unit has a degree, and is
 * joined to units of the layer before whose degree is at most its own (of the last layer:
 * less than its own). Inputs and outputs have their place in the order as degree, from 1;
 * hidden units have degrees spread evenly from 1 to dim - 1. A context has degree 0, and
 * hidden units then begin at 0 (Paige and Wood 2016). Rounding is as in Pyro, so that
 * masks agree with weights trained there. Weights are masked when the flow is made, once
 * for all its uses.
 */
#include "flow.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Layers ------------------------------------------------------------------------ */

/* One layer's parameters, NAME.where.layers.i; `mask` [out,in] or NULL. */
static int layer(ppl__flow *f, const char *where, int i, int64_t in, int64_t out,
                 ppl_tensor *mask)
{
    char suffix[64];
    ppl_tensor **weight = &f->net.weight[i];
    snprintf(suffix, sizeof suffix, ".%s.layers.%d.weight", where, i);
    *weight = ppl__flow_param(f, ppl_intern(f->ctx, suffix), PPL_SHAPE(out, in),
                              ppl__flow_uniform(in));
    snprintf(suffix, sizeof suffix, ".%s.layers.%d.bias", where, i);
    f->net.bias[i] = ppl__flow_param(f, ppl_intern(f->ctx, suffix), PPL_SHAPE(out),
                                     ppl__flow_uniform(in));
    if (mask)
        *weight = ppl_mul(*weight, mask);
    return *weight && f->net.bias[i];
}

static int begin_net(ppl__flow *f)
{
    ppl__net *n = &f->net;
    const size_t all = (size_t)f->opts.layers + 1;
    n->layers = f->opts.layers;
    n->context = f->opts.context;
    n->activation = f->opts.activation == PPL_IDENTITY ? PPL_RELU : f->opts.activation;
    n->weight = ppl_alloc(f->ctx, all * sizeof *n->weight);
    n->bias = ppl_alloc(f->ctx, all * sizeof *n->bias);
    return n->weight && n->bias;
}

static int64_t context_size(const ppl__flow *f)
{
    return f->opts.context ? ppl_dim(f->opts.context, -1) : 0;
}

/* Elements into layer i, and out of it. */
static int64_t width(const ppl__flow *f, int i, int64_t in, int64_t out)
{
    return i < 0 ? in : i < f->opts.layers ? f->opts.hidden[i] : out;
}

int ppl__flow_dense(ppl__flow *f, const char *where, int64_t in, int64_t out)
{
    in += context_size(f);
    if (!begin_net(f))
        return 0;
    for (int i = 0; i <= f->opts.layers; i++)
        if (!layer(f, where, i, width(f, i - 1, in, out), width(f, i, in, out), NULL))
            return 0;
    return 1;
}

/* ---- Masks ------------------------------------------------------------------------- */

/* Element i of n numbers spread evenly from 1 to `last`, in float as torch.linspace. */
static float spread(int64_t i, int64_t n, int64_t last)
{
    const float end = (float)last, step = n > 1 ? (end - 1) / (float)(n - 1) : 0;
    return i < n / 2 || n == 1 ? 1 + step * (float)i : end - step * (float)(n - 1 - i);
}

/* The degrees of the units of layer i; -1 is the input. NULL when out of memory. */
static double *degrees(const ppl__flow *f, int i, int64_t n, const int64_t *place)
{
    const int64_t context = context_size(f);
    double *d = ppl_alloc(f->ctx, (size_t)n * sizeof *d);
    for (int64_t k = 0; d && k < n; k++)
        d[k] = i < 0               ? (k < context ? 0 : (double)place[k - context] + 1)
               : i == f->opts.layers ? (double)place[k % f->dim] + 1
               : context > 0 ? nearbyintf(spread(k, n, f->dim)) - 1
                             : nearbyintf(spread(k, n, f->dim - 1));
    return d;
}

/* [n,m]: 1 where a unit of degree to[i] may see one of degree from[j]. */
static ppl_tensor *mask_of(ppl_ctx *c, int64_t n, const double *to, int64_t m,
                           const double *from, int strictly)
{
    double *mask = to && from ? ppl_alloc(c, (size_t)(n * m) * sizeof *mask) : NULL;
    for (int64_t i = 0; mask && i < n; i++)
        for (int64_t j = 0; j < m; j++)
            mask[i * m + j] = strictly ? to[i] > from[j] : to[i] >= from[j];
    return mask ? ppl_from_doubles(c, PPL_SHAPE(n, m), mask) : NULL;
}

/* ---- The order of the elements ----------------------------------------------------- */

/* A random order that depends on the seed and the flow's name, not on the step. */
static void shuffle(const ppl__flow *f, double *order)
{
    uint64_t seed, step, h = UINT64_C(14695981039346656037);
    ppl_rng_state(f->ctx, &seed, &step);
    for (const char *p = f->name; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
    h ^= seed * UINT64_C(0x9e3779b97f4a7c15);
    const ppl_rng rng = { { (uint32_t)h, (uint32_t)(h >> 32) } };
    for (int64_t i = 0; i < f->dim; i++)
        order[i] = (double)i;
    for (int64_t i = f->dim - 1; i > 0; i--) {
        const double u = ppl_rng_uniform(&rng, 0, (uint64_t)i, 0);
        const int64_t j = (int64_t)(u * (double)(i + 1));
        const double swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

/* The elements in their order, and the place of each; 0 if it is no permutation. */
static int set_order(ppl__flow *f, const char *suffix, int64_t *order, int64_t *place)
{
    double *kept = ppl_alloc(f->ctx, 2 * (size_t)f->dim * sizeof *kept);
    if (!kept)
        return 0;
    if (!f->opts.permutation) {
        shuffle(f, kept + f->dim);
        if (!ppl__flow_state(f, suffix, f->dim, kept + f->dim, kept))
            return 0;
    }
    for (int64_t i = 0; i < f->dim; i++)
        place[i] = -1;
    for (int64_t i = 0; i < f->dim; i++) {
        const int64_t at = f->opts.permutation ? f->opts.permutation[i]
                                               : llround(kept[i]);
        if (at < 0 || at >= f->dim || place[at] >= 0) {
            ppl_fail(f->ctx, PPL_EINVAL, "%s %s: element %" PRId64 " of its permutation "
                     "is %" PRId64 "; each of 0 to %" PRId64 " must be there once", f->kind,
                     f->name, i, at, f->dim - 1);
            return 0;
        }
        order[i] = at;
        place[at] = i;
    }
    return 1;
}

int ppl__flow_made(ppl__flow *f, int64_t params, const int64_t **order)
{
    const char *where = f->opts.context ? "nn" : "arn";
    const int64_t in = f->dim + context_size(f), out = f->dim * params;
    int64_t *elements = ppl_alloc(f->ctx, 2 * (size_t)f->dim * sizeof *elements);
    int64_t *place = elements + f->dim;
    for (int i = 0; i < f->opts.layers; i++)
        if (f->opts.hidden[i] < f->dim) {
            ppl_fail(f->ctx, PPL_EINVAL, "%s %s: hidden layer %d has %" PRId64 " units; "
                     "it must have the vectors' %" PRId64 " at least", f->kind, f->name, i,
                     f->opts.hidden[i], f->dim);
            return 0;
        }
    if (!elements || !begin_net(f) ||
        !set_order(f, f->opts.context ? ".nn.permutation" : ".arn.permutation", elements,
                   place))
        return 0;
    double *from = degrees(f, -1, in, place), *first = from;
    for (int i = 0; i <= f->opts.layers; i++) {
        const int64_t n = width(f, i, in, out), m = width(f, i - 1, in, out);
        double *to = degrees(f, i, n, place);
        if (!layer(f, where, i, m, n, mask_of(f->ctx, n, to, m, from,
                                              i == f->opts.layers)))
            return 0;
        from = to;
    }
    if (f->opts.skip) {
        ppl_tensor *skip = ppl__flow_param(f, f->opts.context ? ".nn.skip_layer.weight"
                                                              : ".arn.skip_layer.weight",
                                           PPL_SHAPE(out, in), ppl__flow_uniform(in));
        f->net.skip = ppl_mul(skip, mask_of(f->ctx, out, from, in, first, 1));
        if (!f->net.skip)
            return 0;
    }
    *order = elements;
    return 1;
}

/* ---- Running ----------------------------------------------------------------------- */

/* x behind the context, which is broadcast to x's batch. */
static ppl_tensor *input_of(const ppl__flow *f, ppl_tensor *x)
{
    ppl_tensor *context = f->net.context;
    ppl_shape shape = ppl_tensor_shape(x);
    if (!context || !x)
        return x ? x : context;
    shape.dim[shape.rank - 1] = ppl_dim(context, -1);
    return ppl_concat((ppl_tensor *[]){ ppl_expand(context, shape), x }, 2, -1);
}

ppl_tensor *ppl__flow_run(const ppl__flow *f, ppl_tensor *x)
{
    const ppl__net *n = &f->net;
    ppl_tensor *h = x = input_of(f, x);
    for (int i = 0; i <= n->layers; i++)
        h = ppl_linear(h, n->weight[i], n->bias[i],
                       i < n->layers ? n->activation : PPL_IDENTITY);
    return n->skip ? ppl_add(h, ppl_linear(x, n->skip, NULL, PPL_IDENTITY)) : h;
}

/* SPDX-License-Identifier: MIT */
/*
 * pointwise.c - applying the operations of families of one number (pointwise.h).
 */
#include "pointwise.h"

#include <float.h>

ppl_tensor *ppl__apply_at(const ppl_op *op, const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[PPL_MAX_PARAMS + 1] = { x };
    const int count = d->family->params;

    for (int i = 0; i < count; i++)
        in[i + 1] = d->param[i];
    return ppl_apply(op, in, count + 1, NULL, 0);
}

ppl_tensor *ppl__apply_of(const ppl_op *op, const ppl_dist *d)
{
    return ppl_apply(op, d->param, d->family->params, NULL, 0);
}

ppl_tensor *ppl__apply_to_both(const ppl_op *op, const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *in[2 * PPL_MAX_PARAMS];
    const int count = q->family->params;

    for (int i = 0; i < count; i++) {
        in[i] = q->param[i];
        in[count + i] = p->param[i];
    }
    return ppl_apply(op, in, 2 * count, NULL, 0);
}

/* 0 and 1 are not among them, since a density may be 0 or infinite there. */
void ppl__draw_range(const ppl_constraint *support, ppl_dtype dtype, ppl__draw_attr *a)
{
    const int narrow = dtype == PPL_F32;
    const double tiny = narrow ? (double)FLT_MIN : DBL_MIN;
    const double huge = narrow ? (double)FLT_MAX : DBL_MAX;
    const double epsilon = narrow ? (double)FLT_EPSILON : DBL_EPSILON;

    a->least = support->lower == 0 ? tiny : fmax(support->lower, -huge);
    a->most = support->upper == 1 ? 1 - epsilon / 2 : fmin(support->upper, huge);
}

ppl_tensor *ppl__draw(const ppl_op *op, const ppl_dist *d, const ppl_rng *rng,
                      void (*noise)(const ppl_rng *rng, uint32_t stream, size_t n,
                                    double *out))
{
    ppl__draw_attr attr = { .rng = *rng };
    ppl_tensor *in[PPL_MAX_PARAMS];

    if (noise && !(attr.noise = ppl__noise(d, rng, noise)))
        return NULL;
    in[0] = ppl__whole_param(d, 0);
    for (int i = 1; i < d->family->params; i++)
        in[i] = d->param[i];
    ppl__draw_range(d->family->support, ppl_tensor_dtype(d->param[0]), &attr);
    return ppl_apply(op, in, d->family->params, &attr, sizeof attr);
}

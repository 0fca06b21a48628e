/* SPDX-License-Identifier: MIT */
/*
 * hmm.c - time axes of hidden Markov models (hmm.h).
 */
#include "hmm.h"

#include "../shape_text.h"

ppl_shape ppl__insert_axis(ppl_shape shape, int behind, int64_t size)
{
    const int at = shape.rank++ - behind;

    for (int a = shape.rank - 1; a > at; a--)
        shape.dim[a] = shape.dim[a - 1];
    shape.dim[at] = size;
    return shape;
}

ppl_tensor *ppl__with_time(ppl_tensor *t, int own)
{
    return !t || ppl_rank(t) > own
               ? t : ppl_reshape(t, ppl__insert_axis(ppl_tensor_shape(t), own, 1));
}

ppl_tensor *ppl__at_step(ppl_tensor *t, int64_t step, int own)
{
    ppl_shape shape = ppl_tensor_shape(t);

    if (!t)
        return NULL;
    if (shape.dim[shape.rank - own - 1] > 1)
        t = ppl_slice(t, -own - 1, step, step + 1);
    for (int a = shape.rank - own - 1; a + 1 < shape.rank; a++)
        shape.dim[a] = shape.dim[a + 1];
    shape.dim[--shape.rank] = 0;
    return ppl_reshape(t, shape);
}

int ppl__join_time(ppl_ctx *c, const char *family, const char *what, int64_t steps,
                   int64_t duration, int64_t *T)
{
    if (steps == 1 || steps == *T)
        return 1;
    if (duration == 0 && *T == 1 && steps > 0) {
        *T = steps;
        return 1;
    }
    ppl_fail(c, PPL_ESHAPE, "%s: the time axis of %s has %lld steps, where others, or "
             "the duration, have %lld; make them equal or 1", family, what,
             (long long)steps, (long long)*T);
    return 0;
}

int ppl__is_sequence(const ppl_dist *d, const ppl_tensor *value)
{
    const ppl_shape shape = ppl_tensor_shape(value);
    const int own = d->family->event_dim;
    int same = shape.rank >= own;

    for (int a = 1; same && a <= own; a++)
        same = shape.dim[shape.rank - a] == d->shape.dim[d->shape.rank - a];
    if (value && !same)
        ppl_fail(d->ctx, PPL_ESHAPE, "%s: a value of shape %s does not fit the "
                 "distribution's shape %s", d->family->name, SHAPE_TEXT(shape),
                 SHAPE_TEXT(d->shape));
    return value && same;
}

int ppl__is_hmm(const char *what, const ppl_dist *d, const ppl_family *kind)
{
    if (!d)
        return 0;
    if (d->family == kind || d->family->kind == kind)
        return 1;
    ppl_fail(d->ctx, PPL_EINVAL, "%s: the distribution is a %s; it must be a %s", what,
             d->family->name, kind->name);
    return 0;
}

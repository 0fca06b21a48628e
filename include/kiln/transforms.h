/* SPDX-License-Identifier: MIT */
/*
 * kiln/transforms.h - maps between tensors whose volume change is known, and distributions
 * transformed by them. Normalizing flows, which have parameters, are in kiln/flows.h.
 *
 * A transform belongs to the epoch it was made in, as a distribution does. It maps events:
 * the last axes of a tensor, as many as its domain says; axes before them are a batch.
 * Constructors return NULL on error and take NULL by returning NULL.
 */
#ifndef KILN_TRANSFORMS_H
#define KILN_TRANSFORMS_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PPL_ELEMENTWISE = 1,            /* each number by itself, increasing or decreasing */
    PPL_LINEAR = 2,                 /* linear up to a constant: means map to means */
    PPL_NOT_INJECTIVE = 4           /* its inverse is one of several; no log |det J| */
};

struct ppl_transform;

/* A kind of transform: a const row. */
typedef struct ppl_transform_type {
    const char *name;               /* "affine" */
    unsigned flags;
    /* y from x, or x from y. With log_abs_det (else NULL) also log |det dy/dx| of that
     * pair, in nats, both times that of forward: exactly one number for each event. */
    ppl_tensor *(*forward)(const struct ppl_transform *self, ppl_tensor *x,
                           ppl_tensor **log_abs_det);
    ppl_tensor *(*inverse)(const struct ppl_transform *self, ppl_tensor *y,
                           ppl_tensor **log_abs_det);
    /* The rest is OPTIONAL. */
    /* The shape of y from that of x, or (inverse) the other way: batch axes and all. 0 if
     * it cannot be. NULL: the same. */
    int (*shape)(const struct ppl_transform *self, ppl_shape *shape, int inverse);
    /* Of elementwise ones: a mask that broadcasts to the elements, 1 where y decreases in
     * x. NULL, or returning NULL: nowhere. */
    ppl_tensor *(*decreasing)(const struct ppl_transform *self);
    /* Whether two of this kind have the same attr. NULL: they always have. */
    int (*same)(const struct ppl_transform *a, const struct ppl_transform *b);
} ppl_transform_type;

/* Read-only. */
typedef struct ppl_transform {
    ppl_ctx *ctx;
    const ppl_transform_type *type;
    ppl_constraint domain, codomain;
    ppl_tensor *const *tensor;      /* parameters, contexts: all that y depends on but x */
    int tensors;
    const struct ppl_transform *const *part;    /* that it is made of */
    int parts;
    const void *attr;               /* the kind's own, or NULL */
} ppl_transform;

/* A copy of `like`, its arrays copied too, that belongs to the epoch; `attr` is kept. NULL
 * if a tensor or a part could not be made (is NULL). */
PPL_API ppl_transform *ppl_transform_make(const ppl_transform *like);

/* y and, unless log_abs_det is NULL, *log_abs_det = log |det dy/dx| at x, in nats: x's
 * batch, one number an event. Not injective: PPL_EUNSUPPORTED where that is asked for. */
PPL_API ppl_tensor *ppl_transform_forward(const ppl_transform *t, ppl_tensor *x,
                                          ppl_tensor **log_abs_det);
/* x with forward(x) = y (of a transform that is not injective, one such x), and the same
 * log |det dy/dx|, which is that of forward. */
PPL_API ppl_tensor *ppl_transform_inverse(const ppl_transform *t, ppl_tensor *y,
                                          ppl_tensor **log_abs_det);
/* The shape of y from that of x, or (inverse) the other way; 0 with the error recorded. */
PPL_API int ppl_transform_shape(const ppl_transform *t, ppl_shape *shape, int inverse);
/* Flags that hold of it and of its parts. */
PPL_API unsigned ppl_transform_flags(const ppl_transform *t);
/* 1 if the two are the same map: of one kind, with the same parts, numbers and tensors
 * (the same, or equal constants). Two parameters are not, though their values be equal. */
PPL_API int ppl_transform_equal(const ppl_transform *a, const ppl_transform *b);

/* ---- Numbers ----------------------------------------------------------------------- */

/* loc + scale x; they broadcast. scale may be negative, not 0. */
PPL_API ppl_transform *ppl_transform_affine(ppl_tensor *loc, ppl_tensor *scale);
PPL_API ppl_transform *ppl_transform_exp(ppl_ctx *c);
PPL_API ppl_transform *ppl_transform_sigmoid(ppl_ctx *c);
PPL_API ppl_transform *ppl_transform_softplus(ppl_ctx *c);
PPL_API ppl_transform *ppl_transform_tanh(ppl_ctx *c);
/* x^exponent of x > 0; the exponent broadcasts, and is not 0. */
PPL_API ppl_transform *ppl_transform_power(ppl_tensor *exponent);
/* Not injective; its inverse is y. */
PPL_API ppl_transform *ppl_transform_abs(ppl_ctx *c);

/* ---- Vectors and matrices: the maps of constraints --------------------------------- */

/* Onto a constraint: its map for optimisers, its bijection. */
PPL_API ppl_transform *ppl_transform_to(ppl_ctx *c, ppl_constraint k);
PPL_API ppl_transform *ppl_biject_to(ppl_ctx *c, ppl_constraint k);
PPL_API ppl_transform *ppl_transform_softmax(ppl_ctx *c);           /* not injective */
PPL_API ppl_transform *ppl_transform_stick_breaking(ppl_ctx *c);    /* [K-1] to [K] */
PPL_API ppl_transform *ppl_transform_ordered(ppl_ctx *c);
PPL_API ppl_transform *ppl_transform_lower_cholesky(ppl_ctx *c);    /* [n(n+1)/2], [n,n] */
PPL_API ppl_transform *ppl_transform_corr_cholesky(ppl_ctx *c);     /* [n(n-1)/2], [n,n] */
PPL_API ppl_transform *ppl_transform_positive_definite(ppl_ctx *c); /* [n(n+1)/2], [n,n] */

/* ---- Shapes ------------------------------------------------------------------------ */

/* y[i] = x[permutation[i]] along the last axis, which is [n]. */
PPL_API ppl_transform *ppl_transform_permute(ppl_ctx *c, const int64_t *permutation,
                                             int64_t n);
/* Events of shape `from` seen as events of shape `to`. */
PPL_API ppl_transform *ppl_transform_reshape(ppl_ctx *c, ppl_shape from, ppl_shape to);

/* ---- Made of others ---------------------------------------------------------------- */

PPL_API ppl_transform *ppl_transform_invert(ppl_transform *t);
/* The first is applied first. n >= 1. */
PPL_API ppl_transform *ppl_transform_compose(ppl_transform *const *transforms, int n);
/* `axes` batch axes more are one event: log |det J| is summed over them. */
PPL_API ppl_transform *ppl_transform_independent(ppl_transform *t, int axes);
/* The elements along axis `axis` (negative: from the end) of one event are divided among
 * the transforms, length[i] to the i-th. The axis is the first of an event. */
PPL_API ppl_transform *ppl_transform_cat(ppl_transform *const *transforms,
                                         const int64_t *length, int n, int axis);
/* One event is n events of the transforms', each through its own, along a first axis. */
PPL_API ppl_transform *ppl_transform_stack(ppl_transform *const *transforms, int n);

/* ---- Distributions ----------------------------------------------------------------- */

/* The distribution of T_n(.. T_1(x)) for x of `base`: log p(y) = log p(x) - log |det J|.
 * Reparameterised if the base is. Its events are the codomain's, or as many axes as the
 * base's if those are more. A value that it has drawn is remembered with its x, so that
 * log_prob of that very tensor needs no inverse. cdf and icdf where every transform is
 * elementwise; mean, variance and entropy where every one is linear. The KL of two of the
 * same transforms is that of their bases. */
PPL_API ppl_dist *ppl_transformed(ppl_dist *base, ppl_transform *const *transforms, int n);

/* Of all of them, for ppl_kl_register: their families are made as they are. */
PPL_API extern const ppl_family ppl_family_transformed;

#ifdef __cplusplus
}
#endif
#endif

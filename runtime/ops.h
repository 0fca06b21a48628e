/* SPDX-License-Identifier: MIT */
/*
 * ops.h - what the rooms of the operations (op_*.c, ops.c, tape.c, tensor.c) share:
 * records, checks, rules of shapes and axes, and the split of a shape at an axis.
 */
#ifndef KILN_OPS_H
#define KILN_OPS_H

#include "impl.h"

/* A record in the current epoch: no op, no flags; shape, dtype, data still to be set. */
ppl_tensor *ppl__record(ppl_ctx *c);
/* Room for t->numel elements: the record's own for one, else the arena's; 0 if there is
 * none. */
int ppl__make_elements(ppl_tensor *t);
/* PPL_OK if rank, dimensions and number of elements are possible, else PPL_ESHAPE. */
ppl_status ppl__shape_check(ppl_ctx *c, const char *what, const ppl_shape *shape);
/* ppl__check of one of several, which the error text calls "<what> <i>". */
ppl_status ppl__check_numbered(ppl_ctx *c, const char *what, const ppl_tensor *t, int i);
/* PPL_OK if the elements are of `dtype`, else PPL_EDTYPE with what would mend it. */
ppl_status ppl__need_dtype(const char *what, const ppl_tensor *t, int i, ppl_dtype dtype);
/* The shape that all inputs broadcast to, or PPL_ESHAPE; the last `skip` axes are left as
 * they are in the input of highest rank. */
ppl_status ppl__broadcast_shape(const char *what, ppl_tensor *const *inputs, int count,
                                int skip, ppl_shape *shape);
/* `axis`, counted from the front, or -1 with PPL_ESHAPE recorded; `rank` is t's, or one
 * more for an axis that is to be made. */
int ppl__axis(const char *what, const ppl_tensor *t, int rank, int axis);
/* Among `elements` of input t, the matrix for the output's matrix `batch`: leading
 * dimensions of 1 stretch. */
void *ppl__matrix_at(const ppl_tensor *out, const ppl_tensor *t, const void *elements,
                     size_t batch);
/* 1 if input i of `out` is stretched for it, its gradient to be summed back. */
int ppl__is_stretched(const ppl_tensor *out, int i);
/* 1 if input i of `out` shares elements with another, which are not the same ones throughout
 * (x_t and x_(t-1)): a vjp_all that writes one while it adds to the other would lose some. */
int ppl__overlaps_another(const ppl_tensor *out, int i);
/* Adds a number to one element of the context's floating dtype. */
void ppl__add_number(const ppl_ctx *c, void *element, double value);

enum { PPL__ALL_INPUTS = 16 };      /* of a node at most, for vjp_all */

/* Flag of a row: vjp_together writes where ppl_op_first of its first node, or returns 0. */
#define PPL__TOGETHER_WRITES 0x100
/* Flag of a row: where input 0 is PPL__EVEN, vjp_all writes only the first of its adjoint. */
#define PPL__SPREADS 0x200
/* Rows that are multiplied at a time for the gradient of a weight: enough for full speed,
 * few enough to be in the caches still. */
#define PPL__TOGETHER 192
/* ppl_outer_sum_begin, or of x_r^T d_r (kiln/maths.h). With `later` its products are jobs
 * (impl.h) of target `sum`, and with `first` the sum holds nothing yet. */
ppl_outer_sum *ppl__outer_sum_begin(ppl_ctx *c, size_t m, size_t n, void *sum, int turned,
                                    int later, int first);
/* From here on others may add to the sum as well, until more rows are added. */
void ppl__outer_sum_share(ppl_outer_sum *o);
/* The next run of rows of d [rows,n], from row *to on, that are not all zero: rows *from
 * to *to - 1; 0 when there are no more. */
int ppl__next_run(ppl_dtype dtype, size_t rows, size_t n, const void *d, size_t ldd,
                  size_t *from, size_t *to);

/* 1 if x [rows,k] is so sparse that these two beat dense products: y [rows,columns] = x
 * weight^T, and grad += d^T x, both [columns,k]; zeros of x do not enter (sparse_rows.c). */
int ppl__is_sparse(ppl_dtype dtype, size_t rows, size_t columns, size_t k, const void *x);
void ppl__sparse_multiply(ppl_ctx *c, size_t rows, size_t columns, size_t k, const void *x,
                          const void *weight, void *y);
void ppl__sparse_add_outer(ppl_ctx *c, size_t rows, size_t columns, size_t k, const void *d,
                           const void *x, void *grad);

/* A shape seen from one axis: [outer, n, inner]. */
typedef struct ppl__split {
    size_t outer, n, inner;
} ppl__split;

static inline ppl__split ppl__split_at(const ppl_shape *shape, int axis)
{
    ppl__split s = { 1, (size_t)shape->dim[axis], 1 };
    for (int i = 0; i < axis; i++)
        s.outer *= (size_t)shape->dim[i];
    for (int i = axis + 1; i < shape->rank; i++)
        s.inner *= (size_t)shape->dim[i];
    return s;
}

static inline int ppl__same_shape(const ppl_shape *a, const ppl_shape *b)
{
    if (a->rank != b->rank)
        return 0;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return 0;
    return 1;
}

static inline int ppl__epoch_open(const ppl_ctx *c, int depth, uint32_t serial)
{
    return depth <= c->epoch_depth && c->epoch[depth].serial == serial;
}

static inline int ppl__usable(const ppl_ctx *c, const ppl_tensor *t)
{
    return t && t->ctx == c && ppl__epoch_open(c, t->epoch_depth, t->epoch);
}

/* 1 if the elements of `t` are others for other values of a leaf or a latent. */
static inline int ppl__moves(const ppl_tensor *t)
{
    return t->sites || t->flags & (PPL__REQUIRES_GRAD | PPL__MOVES);
}

/* ppl_operand, in line. */
static inline const void *ppl__operand(const ppl_tensor *out, int i)
{
    return out->operand ? out->operand[i] : out->input[i]->data;
}

/* The byte address of element i. */
static inline void *ppl__at(const ppl_tensor *t, const void *elements, size_t i)
{
    return (char *)(uintptr_t)elements + i * ppl__dtype_size((ppl_dtype)t->dtype);
}

#endif

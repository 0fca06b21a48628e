/* SPDX-License-Identifier: MIT */
/*
 * kiln/tensor.h - tensors, differentiable operations, gradients, and operations of your own.
 *
 * A tensor is a contiguous row-major array of rank 0 to 8 and, when a parameter is behind
 * it, a node of the tape. Floating tensors have the context's dtype. Operations take no
 * context (every tensor knows its own), record themselves, and broadcast as NumPy does:
 * trailing dimensions are matched, 1 stretches. They return NULL on error.
 *
 * Axes count from 0, or from the end when negative. PPL_ALL means every axis.
 */
#ifndef KILN_TENSOR_H
#define KILN_TENSOR_H

#include <kiln/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PPL_MAX_RANK 8
#define PPL_ALL INT32_MIN

typedef struct ppl_shape {
    int rank;                       /* 0: a scalar */
    int64_t dim[PPL_MAX_RANK];      /* the first `rank` are meaningful, the rest 0 */
} ppl_shape;

/* PPL_SHAPE(20, 100) is the shape [20,100]; PPL_SCALAR is []. */
#define PPL_SHAPE(...)                                                                     \
    ((ppl_shape){ (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)),             \
                  { __VA_ARGS__ } })
#define PPL_SCALAR ((ppl_shape){ 0, { 0 } })

/* ---- Making and reading ------------------------------------------------------------ */

PPL_API ppl_tensor *ppl_full(ppl_ctx *c, ppl_shape shape, double value);
PPL_API ppl_tensor *ppl_scalar(ppl_ctx *c, double value);
/* Copies; doubles are rounded to the context's dtype. */
PPL_API ppl_tensor *ppl_from_doubles(ppl_ctx *c, ppl_shape shape, const double *data);
PPL_API ppl_tensor *ppl_from_integers(ppl_ctx *c, ppl_shape shape, const int64_t *data);
PPL_API ppl_tensor *ppl_from_mask(ppl_ctx *c, ppl_shape shape, const unsigned char *data);
/* Borrows `data`, which must outlive the epoch and stay as it is; nothing is copied.
 * A floating dtype other than the context's is an error. */
PPL_API ppl_tensor *ppl_wrap(ppl_ctx *c, ppl_dtype dtype, ppl_shape shape, const void *data);
/* A copy that wants a gradient: ppl_grad reads it after ppl_backward. */
PPL_API ppl_tensor *ppl_variable(ppl_ctx *c, ppl_shape shape, const double *data);

PPL_API ppl_ctx *ppl_tensor_ctx(const ppl_tensor *t);       /* NULL gives NULL */
PPL_API ppl_dtype ppl_tensor_dtype(const ppl_tensor *t);
PPL_API ppl_shape ppl_tensor_shape(const ppl_tensor *t);    /* NULL gives [] */
/* "[20,100]" into a buffer; returns it. For error texts. */
#define PPL_SHAPE_TEXT 192
PPL_API const char *ppl_shape_text(const ppl_shape *shape, char buffer[PPL_SHAPE_TEXT]);
PPL_API int ppl_rank(const ppl_tensor *t);
PPL_API int64_t ppl_dim(const ppl_tensor *t, int axis);     /* 0 if there is no such axis */
PPL_API int64_t ppl_numel(const ppl_tensor *t);             /* 0 for NULL */
PPL_API int ppl_requires_grad(const ppl_tensor *t);
/* A number that no other tensor of the context ever has; 0 for NULL. To remember a tensor
 * by, since a later epoch may put another at its address. */
PPL_API uint64_t ppl_tensor_serial(const ppl_tensor *t);

/* The only element of `t` as a double; NaN for NULL or when there is not exactly one.
 * Reading a sampled value taints what follows in the run: every later site counts as
 * depending on it, since a C program may branch on it (doc/mean-field.md). A number made
 * from it has no gradient: keep to operations where a pathwise gradient should flow. */
PPL_API double ppl_item(const ppl_tensor *t);
/* Writes min(count, numel) elements to `out` as doubles, NaN for NULL; returns how many
 * the tensor has. Taints as ppl_item does. */
PPL_API int64_t ppl_read(const ppl_tensor *t, double *out, int64_t count);
/* The elements themselves, read-only, in the tensor's dtype. Taints as ppl_item does. */
PPL_API const void *ppl_data(const ppl_tensor *t);

/* ---- Elementwise, with broadcasting ------------------------------------------------ */

PPL_API ppl_tensor *ppl_add(ppl_tensor *a, ppl_tensor *b);
PPL_API ppl_tensor *ppl_sub(ppl_tensor *a, ppl_tensor *b);
PPL_API ppl_tensor *ppl_mul(ppl_tensor *a, ppl_tensor *b);
PPL_API ppl_tensor *ppl_div(ppl_tensor *a, ppl_tensor *b);
PPL_API ppl_tensor *ppl_pow(ppl_tensor *a, ppl_tensor *b);
/* factor * t + shift, with plain numbers. */
PPL_API ppl_tensor *ppl_affine(ppl_tensor *t, double factor, double shift);
/* alpha * a + beta * b, with plain numbers that are finite. */
PPL_API ppl_tensor *ppl_axpby(double alpha, ppl_tensor *a, double beta, ppl_tensor *b);
/* a + weight * (b - a). */
PPL_API ppl_tensor *ppl_lerp(ppl_tensor *a, ppl_tensor *b, ppl_tensor *weight);
PPL_API ppl_tensor *ppl_neg(ppl_tensor *t);
PPL_API ppl_tensor *ppl_exp(ppl_tensor *t);
PPL_API ppl_tensor *ppl_log(ppl_tensor *t);
PPL_API ppl_tensor *ppl_log1p(ppl_tensor *t);
PPL_API ppl_tensor *ppl_expm1(ppl_tensor *t);
PPL_API ppl_tensor *ppl_sqrt(ppl_tensor *t);
PPL_API ppl_tensor *ppl_sin(ppl_tensor *t);
PPL_API ppl_tensor *ppl_cos(ppl_tensor *t);
PPL_API ppl_tensor *ppl_atan(ppl_tensor *t);
PPL_API ppl_tensor *ppl_tanh(ppl_tensor *t);
PPL_API ppl_tensor *ppl_sigmoid(ppl_tensor *t);
PPL_API ppl_tensor *ppl_softplus(ppl_tensor *t);        /* log(1 + exp t), no overflow */
PPL_API ppl_tensor *ppl_relu(ppl_tensor *t);            /* gradient 0 at 0 */
PPL_API ppl_tensor *ppl_abs(ppl_tensor *t);             /* gradient 0 at 0 */
PPL_API ppl_tensor *ppl_lgamma(ppl_tensor *t);          /* log |Gamma(t)| */
PPL_API ppl_tensor *ppl_digamma(ppl_tensor *t);
PPL_API ppl_tensor *ppl_trigamma(ppl_tensor *t);
PPL_API ppl_tensor *ppl_erf(ppl_tensor *t);
PPL_API ppl_tensor *ppl_erfc(ppl_tensor *t);            /* 1 - erf(t) */
PPL_API ppl_tensor *ppl_erfinv(ppl_tensor *t);
PPL_API ppl_tensor *ppl_ndtr(ppl_tensor *t);            /* normal distribution function */
PPL_API ppl_tensor *ppl_ndtri(ppl_tensor *t);           /* its inverse */
PPL_API ppl_tensor *ppl_log_ndtr(ppl_tensor *t);        /* its logarithm, tails and all */
PPL_API ppl_tensor *ppl_log_bessel_i0(ppl_tensor *t);   /* log I0(t) */
PPL_API ppl_tensor *ppl_log_bessel_i1(ppl_tensor *t);   /* log I1(t), t >= 0 */
PPL_API ppl_tensor *ppl_bessel_ratio(ppl_tensor *t);    /* I1(t) / I0(t) */
/* Within [low, high]; gradient 0 outside. low <= high. */
PPL_API ppl_tensor *ppl_clamp(ppl_tensor *t, double low, double high);
/* a where `mask` is set, b elsewhere; a NaN on the side not taken reaches neither value
 * nor gradient. The three broadcast. a and b are floating, or both integers. */
PPL_API ppl_tensor *ppl_where(ppl_tensor *mask, ppl_tensor *a, ppl_tensor *b);

/* Masks from comparisons (floating or integer operands); no gradient. */
PPL_API ppl_tensor *ppl_less(ppl_tensor *a, ppl_tensor *b);
PPL_API ppl_tensor *ppl_equal(ppl_tensor *a, ppl_tensor *b);
PPL_API ppl_tensor *ppl_and(ppl_tensor *a, ppl_tensor *b);      /* of masks */
PPL_API ppl_tensor *ppl_not(ppl_tensor *mask);
/* An integer or mask tensor in the context's floating dtype; no gradient. */
PPL_API ppl_tensor *ppl_to_float(ppl_tensor *t);

/* ---- Reductions: the axis is dropped ----------------------------------------------- */

PPL_API ppl_tensor *ppl_sum(ppl_tensor *t, int axis);
PPL_API ppl_tensor *ppl_mean(ppl_tensor *t, int axis);
PPL_API ppl_tensor *ppl_max(ppl_tensor *t, int axis);   /* gradient to the first maximum */
PPL_API ppl_tensor *ppl_logsumexp(ppl_tensor *t, int axis);
/* Over one axis, which is kept. */
PPL_API ppl_tensor *ppl_softmax(ppl_tensor *t, int axis);
PPL_API ppl_tensor *ppl_log_softmax(ppl_tensor *t, int axis);
/* The sum over the last `count` axes. */
PPL_API ppl_tensor *ppl_sum_last(ppl_tensor *t, int count);
/* The sum of all elements, accumulated in double; NaN for NULL. Taints. */
PPL_API double ppl_total(const ppl_tensor *t);

/* ---- Products ---------------------------------------------------------------------- */

/* [..,M,K] by [..,K,N] gives [..,M,N]; leading dimensions broadcast. Rank 2 at least. */
PPL_API ppl_tensor *ppl_matmul(ppl_tensor *a, ppl_tensor *b);

typedef enum ppl_activation {
    PPL_IDENTITY,
    PPL_RELU,
    PPL_TANH,
    PPL_SIGMOID,
    PPL_SOFTPLUS
} ppl_activation;

/* activation(x weight^T + bias) in one pass: x [..,I], weight [O,I], bias [O] or NULL,
 * gives [..,O]. The layout is PyTorch's. Many rows of data x (no gradient) that are mostly
 * zeros take the time of their other elements alone. */
PPL_API ppl_tensor *ppl_linear(ppl_tensor *x, ppl_tensor *weight, ppl_tensor *bias,
                               ppl_activation activation);

/* ---- Shapes ------------------------------------------------------------------------ */

/* Same elements, other shape, no copy. One dimension may be -1: what is left. */
PPL_API ppl_tensor *ppl_reshape(ppl_tensor *t, ppl_shape shape);
/* Elements start to stop - 1 along `axis`; no copy along axis 0. */
PPL_API ppl_tensor *ppl_slice(ppl_tensor *t, int axis, int64_t start, int64_t stop);
/* The first n rows; no copy. */
PPL_API ppl_tensor *ppl_head(ppl_tensor *t, int64_t n);
/* Row i with axis 0 dropped; no copy. */
PPL_API ppl_tensor *ppl_row(ppl_tensor *t, int64_t i);
PPL_API ppl_tensor *ppl_transpose(ppl_tensor *t, int axis, int other);
/* Broadcast to `shape`. */
PPL_API ppl_tensor *ppl_expand(ppl_tensor *t, ppl_shape shape);
/* Joins along an axis that exists (concat) or a new one (stack). count >= 1. */
PPL_API ppl_tensor *ppl_concat(ppl_tensor *const *tensors, int count, int axis);
PPL_API ppl_tensor *ppl_stack(ppl_tensor *const *tensors, int count, int axis);
/* Rows `index` (integers of rank 1, 0 <= i < dim) along `axis`. */
PPL_API ppl_tensor *ppl_index_select(ppl_tensor *t, int axis, ppl_tensor *index);
/* t with one element chosen along the last axis: index [..] of integers, t [..,K]. */
PPL_API ppl_tensor *ppl_gather_last(ppl_tensor *t, ppl_tensor *index);
/* The same values with no gradient. What they depend on is still remembered. */
PPL_API ppl_tensor *ppl_detach(ppl_tensor *t);

/* ---- Gradients --------------------------------------------------------------------- */

/* Adds d root / d leaf to every leaf's gradient; `root` has one element. */
PPL_API PPL_MUST_CHECK ppl_status ppl_backward(ppl_tensor *root);
/* The same from several roots at once: root i (a leaf of the caller's sum) is weighted by
 * seed[i], a constant of the root's shape or of one element; NULL means 1. */
PPL_API PPL_MUST_CHECK ppl_status ppl_backward_from(ppl_tensor *const *roots,
                                                    ppl_tensor *const *seeds, int count);
/* The gradient of a leaf (ppl_variable, or a parameter's leaf) so far; zeros if nothing
 * reached it. NULL for a tensor that is not a leaf. */
PPL_API ppl_tensor *ppl_grad(ppl_tensor *leaf);
/* Nonzero: record operations (the default). Returns what it was. */
PPL_API int ppl_set_grad_enabled(ppl_ctx *c, int enabled);

/* ---- Programs ---------------------------------------------------------------------- */

/*
 * A computation recorded once and run again on other numbers, without its C code: what is
 * asked thousands of times (a log density by MCMC) then costs its arithmetic and little
 * else. Record with a leaf (ppl_variable), end with the roots whose weighted sum is the
 * value, set the leaf, run. It belongs to the epoch that it was begun in.
 */
typedef struct ppl_program ppl_program;
/* From here on operations on what depends on a leaf or a latent are noted. */
PPL_API ppl_program *ppl_program_begin(ppl_ctx *c);
/* The value will be the sum over i of weights[i] (NULL: 1) times the sum of root i.
 * PPL_EUNSUPPORTED if a number that depends on a leaf or a latent was read into C meanwhile,
 * since the C code may branch on it. Constants of the computation are as they were. */
PPL_API PPL_MUST_CHECK ppl_status ppl_program_end(ppl_program *p, ppl_tensor *const *roots,
                                                  const double *weights, int count);
/* The value, for what the leaves hold now; with `gradient` also their gradients, which are
 * those of the latest run (of parameters: added to the slab's). Values of distributions
 * are not checked against supports again. */
PPL_API PPL_MUST_CHECK ppl_status ppl_program_run(ppl_program *p, int gradient,
                                                  double *value);
/* Gives a leaf of ppl_variable other elements; reads its gradient, without a tensor. */
PPL_API void ppl_leaf_write(ppl_tensor *leaf, const double *data);
PPL_API void ppl_leaf_grad(const ppl_tensor *leaf, double *out);

/* ---- Operations of your own -------------------------------------------------------- */

/*
 * An operation is a const row; a node of the tape points to its row, so yours are the same
 * thing as ours. With PPL_OP_BROADCAST the inputs are floating, the output has their
 * broadcast shape, ppl_operand gives each input at that shape, and vjp writes at that
 * shape: the tape sums it back to the input's own, once for all operations. A row that
 * sees to broadcasting itself says PPL_OP_UNSTRETCHED: it gets inputs, and writes
 * gradients, of the inputs' own shapes.
 *
 * Law: a zero element of the adjoint contributes exactly zero, also where the derivative
 * is infinite or NaN. Masked-out elements rely on it.
 */
enum {
    PPL_OP_BROADCAST = 1,           /* shape may then be NULL */
    PPL_OP_INTEGERS = 2,            /* inputs that broadcast may be integers as well */
    PPL_OP_WRITES = 4,              /* vjp writes where ppl_op_first(out), else it adds */
    PPL_OP_UNSTRETCHED = 8,
    PPL_OP_EVEN = 16                /* vjp_all asks ppl_adjoint_even */
};

/* For programs (ppl_program_begin): `make` gives, in memory of the epoch, what is the same in
 * every run of a node - where its elements are, how they are gone through - or NULL when
 * out of memory. The row's forward and vjp_all are then these; vjp_all comes after forward
 * on the same numbers, its arguments and the place of the adjoint the same in every run. */
typedef struct ppl_op_plan {
    void *(*make)(ppl_tensor *out);
    void (*forward)(ppl_tensor *out, void *plan);
    void (*vjp_all)(ppl_tensor *out, void *plan, void *const *grads, unsigned fresh);
} ppl_op_plan;

typedef struct ppl_op {
    const char *name;               /* in error texts */
    int inputs;                     /* their number; -1: any */
    unsigned flags;
    /* Checks the inputs and sets dtype and shape of the output; or calls ppl_fail and
     * returns its status. `attr` is the node's copy and may be completed. */
    ppl_status (*shape)(const struct ppl_op *op, ppl_tensor *const *inputs, int count,
                        void *attr, ppl_dtype *dtype, ppl_shape *shape);
    /* Fills ppl_result(out). */
    void (*forward)(ppl_tensor *out);
    /* Adds to `grad` (input i's shape and dtype, or out's when broadcasting) the product
     * of ppl_adjoint(out) with d out / d input i. NULL: no gradient. */
    void (*vjp)(ppl_tensor *out, int i, void *grad);
    /* Optional: the same for `count` nodes of this op whose input i is one tensor, at once
     * (a weight used at every time step), where the gradient can wait for more of them.
     * Returns 1 if it did, 0 to have vjp called node by node. */
    int (*vjp_together)(ppl_tensor *const *outs, int count, int i, void *grad);
    /* Optional, of rows that do not have inputs stretched for them: vjp for all inputs in
     * one pass. grads[i] is input i's, NULL where none is due. Where bit i of `fresh` is
     * set nothing stands there yet, and grads[i] is to be written instead of added to (the
     * first time only if a tensor is given twice). */
    void (*vjp_all)(ppl_tensor *out, void *const *grads, unsigned fresh);
    const ppl_op_plan *planned;     /* optional */
} ppl_op;

/* Applies a row: `attr` (size bytes, or NULL) is copied into the node. */
PPL_API ppl_tensor *ppl_apply(const ppl_op *op, ppl_tensor *const *inputs, int count,
                              const void *attr, size_t attr_size);
PPL_API ppl_tensor *ppl_op_input(const ppl_tensor *out, int i);
PPL_API int ppl_op_inputs(const ppl_tensor *out);               /* how many there are */
PPL_API void *ppl_op_attr(const ppl_tensor *out);
PPL_API const void *ppl_operand(const ppl_tensor *out, int i);  /* elements of input i */
PPL_API void *ppl_result(ppl_tensor *out);                      /* elements of the output */
PPL_API const void *ppl_adjoint(const ppl_tensor *out);         /* d root / d output */
/* In a vjp_all with PPL_OP_EVEN: 1 if the adjoint is the same for all elements, as a sum's
 * is; then only the first is there. (Without that flag all are.) */
PPL_API int ppl_adjoint_even(const ppl_tensor *out);
/* In a vjp with PPL_OP_WRITES: 1 if `grad` holds nothing yet and is to be written whole
 * (without that flag it is zeroed before). */
PPL_API int ppl_op_first(const ppl_tensor *out);

#ifdef __cplusplus
}
#endif
#endif

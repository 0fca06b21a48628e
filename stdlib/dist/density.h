/* SPDX-License-Identifier: MIT */
/*
 * density.h - elementwise formulas as operations: what lets a family's file read as its
 * formula.
 *
 * A formula is two loops over at most PPL__SPAN elements: the value, and its derivatives,
 * by one input or (which saves what they share) by all. Inputs come broadcast to one
 * shape; the zero-adjoint law (tensor.h), blocks and the tape are seen to in density.c.
 * Loops in double serve both dtypes and integers, other elements being converted on the
 * way; loops written with REAL (loops.h) work in the elements' own type, which is faster
 * for float, and are compiled for every instruction set.
 */
#ifndef KILN_DENSITY_H
#define KILN_DENSITY_H

#include <kiln/distributions.h>
#include <kiln/maths.h>

#include <math.h>
#include <string.h>

#define PPL__SPAN 256
#define PPL__MAX_INPUTS 8

/* What a function made of an input, and of which numbers. A sweep keeps that of a single
 * number, repeated, from block to block; a program also that of every element, from run to run:
 * most parameters of most nodes are the same numbers in every run, and their logarithms need not
 * be made again. */
typedef struct ppl__kept {
    void (*function)(ppl_dtype dtype, size_t n, const void *x, void *y);
    char *x, *y;                            /* NULL: nothing is kept */
    size_t made;                            /* of how many numbers, from the first on */
} ppl__kept;

/* Some elements of a node. */
typedef struct ppl__span {
    size_t n, start;                        /* how many; which one of all is the first */
    const void *in[PPL__MAX_INPUTS];        /* the inputs, at the first */
    const void *y;                          /* the value, for derivatives */
    const void *attr;                       /* the node's own */
    ppl_dtype dtype;                        /* of the node, also where it is widened */
    unsigned single;                        /* bit k: in[k] is one number, repeated */
    unsigned due;                           /* bit k: the slope by in[k] is asked for */
    ppl__kept *kept;                        /* of each input; NULL for a number alone */
    /* Fills y with x of a dtype, PPL_F32 or PPL_F64; set where any input is single. */
    void (*repeat[2])(size_t n, const void *x, void *y);
} ppl__span;

/* A loop over the elements of a span, whose arrays do not overlap: the compiler is told so,
 * since a loop with many would else be worked one element at a time. */
#if defined(__clang__)
#define PPL__EACH_OF(i, count)                                                           \
    _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < (count); i++)
#elif defined(__GNUC__)
#define PPL__EACH_OF(i, count) _Pragma("GCC ivdep") for (size_t i = 0; i < (count); i++)
#else
#define PPL__EACH_OF(i, count) for (size_t i = 0; i < (count); i++)
#endif
#define PPL__EACH(i, s) PPL__EACH_OF(i, (s)->n)

/* Indexed by PPL_F32 and PPL_F64; NULL at PPL_F32: worked in double. */
typedef struct ppl__formula {
    int inputs;                             /* -1: as many as a node has */
    void (*value[2])(const ppl__span *s, void *y);
    /* d = dy / d in[input]; may be anything where the adjoint is 0. */
    void (*slope[2])(const ppl__span *s, int input, void *d);
    /* Instead of slope: d[k] = dy / d in[k] for all k. Those that are not due may be left
     * out; there is room for all. */
    void (*slopes[2])(const ppl__span *s, void *const *d);
    const struct ppl__formula *avx2, *avx512;       /* the same, compiled for these */
} ppl__formula;

/* Loops in double, for both dtypes: by one input, by all, with no gradient. */
#define PPL__IN_DOUBLE(count, value_loop, slope_loop)                                    \
    { count, { NULL, value_loop }, .slope = { NULL, slope_loop } }
#define PPL__FUSED_IN_DOUBLE(count, value_loop, slopes_loop)                             \
    { count, { NULL, value_loop }, .slopes = { NULL, slopes_loop } }
#define PPL__VALUE_IN_DOUBLE(count, value_loop)                                          \
    { count, { NULL, value_loop }, .slope = { NULL } }

void ppl__formula_forward(const ppl__formula *f, ppl_tensor *out);
void ppl__formula_vjp(const ppl__formula *f, ppl_tensor *out, int i, void *grad);
void ppl__formula_vjp_all(const ppl__formula *f, ppl_tensor *out, void *const *grads,
                          unsigned fresh);
void *ppl__formula_plan(const ppl__formula *f, ppl_tensor *out);
void ppl__formula_forward_planned(ppl_tensor *out, void *plan);
void ppl__formula_vjp_all_planned(ppl_tensor *out, void *plan, void *const *grads,
                                  unsigned fresh);

/* Of a single double, the commonest case, in line. */
static inline int ppl__same_bytes(const void *x, const void *y, size_t size)
{
    return size == sizeof(double) ? memcmp(x, y, sizeof(double)) == 0
                                  : memcmp(x, y, size) == 0;
}

/* A function's values of input k: y, or where they stand already, as those of a single number
 * do after a sweep's first block, and a program's where its run before has made them of the
 * same numbers. An input keeps one function, the first that asks. Loops written with REAL have
 * MAPPED(function, s, k, y) for LOOP(function). */
const void *ppl__map(void (*function)(ppl_dtype dtype, size_t n, const void *x, void *y),
                     ppl_dtype dtype, const ppl__span *s, int k, void *y);
static inline const void *
ppl__mapped(void (*function)(ppl_dtype dtype, size_t n, const void *x, void *y),
            ppl_dtype dtype, const ppl__span *s, int k, void *y)
{
    const size_t size = dtype == PPL_F32 ? sizeof(float) : sizeof(double);
    const int single = s->single >> k & 1;
    const size_t n = single ? 1 : s->n, from = single ? 0 : s->start;
    const ppl__kept *e = s->kept ? &s->kept[k] : NULL;

    if (!e) {
        function(dtype, n, s->in[k], y);
        return y;
    }
    if (e->function == function && e->made >= from + n &&
        ppl__same_bytes(s->in[k], e->x + from * size, n * size))
        return e->y + from * size;
    return ppl__map(function, dtype, s, k, y);
}

/* The const row `op` of a formula, with a gradient or without; of draws, whose shape is that
 * which the attr's first member points to when they are made. */
#define PPL__FORMULA_OP(op, text, formula) PPL__FORMULA_OP_AS(op, text, formula, NULL)
#define PPL__DRAW_OP(op, text, formula)                                                  \
    PPL__FORMULA_OP_AS(op, text, formula, ppl__draw_shape)
#define PPL__FORMULA_OP_AS(op, text, formula, rule)                                      \
    static void op##_vjp(ppl_tensor *out, int i, void *grad)                             \
    {                                                                                    \
        ppl__formula_vjp(&(formula), out, i, grad);                                      \
    }                                                                                    \
    static void op##_vjp_all(ppl_tensor *out, void *const *grads, unsigned fresh)        \
    {                                                                                    \
        ppl__formula_vjp_all(&(formula), out, grads, fresh);                             \
    }                                                                                    \
    PPL__FORMULA_ROW(op, text, formula, op##_vjp, .vjp_all = op##_vjp_all, .shape = rule)
#define PPL__FORMULA_ROW(op, text, formula, gradient, ...)                               \
    static void op##_forward(ppl_tensor *out) { ppl__formula_forward(&(formula), out); } \
    static void *op##_plan(ppl_tensor *out) { return ppl__formula_plan(&(formula), out); } \
    static const ppl_op_plan op##_planned = { op##_plan, ppl__formula_forward_planned,   \
                                              ppl__formula_vjp_all_planned };            \
    static const ppl_op op = {                                                           \
        .name = text, .inputs = -1,                                                      \
        .flags = PPL_OP_BROADCAST | PPL_OP_INTEGERS | PPL_OP_UNSTRETCHED |               \
                 PPL_OP_EVEN,                                                            \
        .forward = op##_forward, .vjp = gradient, .planned = &op##_planned, __VA_ARGS__  \
    };

/* ---- For samplers ------------------------------------------------------------------ */

/* The rule of PPL__DRAW_OP; so parameters need not be stretched to the shape of a draw. */
ppl_status ppl__draw_shape(const ppl_op *op, ppl_tensor *const *inputs, int count, void *attr,
                           ppl_dtype *dtype, ppl_shape *shape);
size_t ppl__dist_numel(const ppl_dist *d);
/* One double for each element of a draw, of stream 0, in the epoch; NULL on error. The
 * pointer is the attr of the operation that uses it. */
const double *ppl__noise(const ppl_dist *d, const ppl_rng *rng,
                         void (*draw)(const ppl_rng *rng, uint32_t stream, size_t n,
                                      double *out));
static inline const double *ppl__noise_of(const ppl__span *s)
{
    return *(const double *const *)s->attr + s->start;
}
/* t with its axes before the last `own` broadcast to `batch`; no copy where they are. */
ppl_tensor *ppl__at_batch(ppl_tensor *t, ppl_shape batch, int own);
/* Parameter i at the shape of a draw (and its own event axes), so that what is computed
 * from it has that shape, also where the distribution was expanded. */
ppl_tensor *ppl__whole_param(const ppl_dist *d, int i);

/* ---- Differences that nearly cancel ------------------------------------------------ */

/* log(1 + t) - t for |t| <= 0.1: with y = t / (2 + t), log(1 + t) = 2 artanh y and
 * t - 2 y = t y. */
#define PPL__LOG1P_MINUS(name, REAL)                                                     \
    static inline REAL name(REAL t)                                                      \
    {                                                                                    \
        const REAL y = t / (2 + t), w = y * y;                                           \
        REAL tail = (REAL)(1.0 / 9) + w * ((REAL)(1.0 / 11) + w * (REAL)(1.0 / 13));     \
        tail = (REAL)(1.0 / 5) + w * ((REAL)(1.0 / 7) + w * tail);                       \
        tail = (REAL)(1.0 / 3) + w * tail;                                               \
        return 2 * y * w * tail - t * y;                                                 \
    }
PPL__LOG1P_MINUS(ppl__log1p_minus_f32, float)
PPL__LOG1P_MINUS(ppl__log1p_minus_f64, double)

/* r - 1 - log r >= 0, from t = r - 1 and log r. */
#define PPL__EXCESS(name, small, REAL)                                                   \
    static inline REAL name(REAL t, REAL log_r)                                          \
    {                                                                                    \
        return t < (REAL)0.1 && t > (REAL)-0.1 ? -small(t) : t - log_r;                  \
    }
PPL__EXCESS(ppl__excess_f32, ppl__log1p_minus_f32, float)
PPL__EXCESS(ppl__excess_f64, ppl__log1p_minus_f64, double)

/* q log(q / p) - q + p >= 0, the share of one outcome in a KL, from probabilities and
 * their logarithms. 0 log 0 is 0. */
static inline double ppl__kl_share(double q, double p, double log_q, double log_p)
{
    if (q == 0)
        return p;
    if (fabs(p - q) < 0.1 * q)
        return -q * ppl__log1p_minus_f64((p - q) / q);
    return q * (log_q - log_p) + (p - q);
}

/* ---- Shared by families of categories ---------------------------------------------- */

/* Weights over the last axis: nonnegative, finite and not all 0; or logits: below infinity,
 * and not all -inf. */
extern const ppl_constraint ppl__probs_constraint;
extern const ppl_constraint ppl__logits_constraint;

/* ---- Rules that stdlib/kl/pairs.c registers for pairs of parameterisations --------- */

ppl_tensor *ppl__bernoulli_kl(const ppl_dist *q, const ppl_dist *p);
ppl_tensor *ppl__binomial_kl(const ppl_dist *q, const ppl_dist *p);
ppl_tensor *ppl__categorical_kl(const ppl_dist *q, const ppl_dist *p);
ppl_tensor *ppl__geometric_kl(const ppl_dist *q, const ppl_dist *p);
ppl_tensor *ppl__multinomial_kl(const ppl_dist *q, const ppl_dist *p);
ppl_tensor *ppl__one_hot_categorical_kl(const ppl_dist *q, const ppl_dist *p);
ppl_tensor *ppl__straight_through_kl(const ppl_dist *q, const ppl_dist *p);

#endif

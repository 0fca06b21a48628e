/* SPDX-License-Identifier: MIT */
/*
 * kiln/flows.h - normalizing flows: transforms of vectors whose parameters are looked up
 * (ppl_param) under a name, as those of layers are.
 *
 *   ppl_transform *f = ppl_flow_planar(c, "f", 2, NULL);
 *   ppl_sample(c, "z", ppl_transformed(ppl_normal(loc, scale), &f, 1));
 *
 * A flow on vectors of `dim` elements takes x [..,dim]. Names, layouts and initial values
 * of parameters are those of pyro.distributions.transforms, so weights that were saved
 * from there load by name (kiln/io.h). Make a flow once a run and use it as often as you
 * like: it holds its parameters and what is computed from them alone.
 *
 * With a context (a tensor [..,C], broadcast to x's batch) a flow is conditional: a network
 * of the context, or of context and x, gives what its parameters would be.
 *
 * Every flow goes both ways. The inverses of autoregressive flows take dim evaluations of
 * the network, one after the other; a value just drawn needs none (kiln/transforms.h).
 */
#ifndef KILN_FLOWS_H
#define KILN_FLOWS_H

#include <kiln/transforms.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ppl_flow_residual {
    PPL_NO_RESIDUAL,
    PPL_RESIDUAL,                   /* y = x + f(x) */
    PPL_GATED_RESIDUAL              /* y = a x + (1 - a) f(x), a = sigmoid(gate) */
} ppl_flow_residual;

/* Options of all flows; 0 or NULL is the default. */
typedef struct ppl_flow_opts {
    ppl_tensor *context;            /* NULL: not conditional */
    /* networks */
    const int64_t *hidden;          /* sizes of the hidden layers, `layers` of them */
    int layers;
    ppl_activation activation;      /* PPL_RELU; of block: PPL_TANH, or PPL_SIGMOID */
    ppl_flow_residual residual;     /* block */
    int skip;                       /* autoregressive: input to output as well, linearly */
    const int64_t *permutation;     /* autoregressive: x[permutation[0]] comes first, ...;
                                       NULL: drawn when the flow is first made, and kept
                                       beside the parameters, in NAME.arn.permutation */
    /* affine flows */
    double log_scale_min, log_scale_max;    /* -5, 3; gradients pass through the clipping */
    int stable;                     /* y = s x + (1 - s) m, s = sigmoid(.. + 2) */
    /* coupling flows */
    int64_t split;                  /* the elements that stay; dim / 2 */
    int identity;                   /* spline coupling: they stay as they are */
    /* splines */
    int64_t bins;                   /* 8 */
    double bound;                   /* from -bound to bound; 3 */
    int quadratic;                  /* rational quadratic; else rational linear */
    /* householder, sylvester */
    int count;                      /* reflections: 1 */
    /* batch_norm */
    int training;                   /* by the batch at hand, which the averages follow */
    double momentum, epsilon;       /* 0.1, 1e-5 */
} ppl_flow_opts;

/* ---- Autoregressive ---------------------------------------------------------------- */

/* Inverse autoregressive flow (Kingma et al. 2016): y = m + exp(s) x, where m and s of an
 * element are functions of the elements of x before it, from one masked network (MADE,
 * Germain et al. 2015). hidden: { 3 dim + 1 }, none below dim. Parameters: NAME.arn.layers
 * .0.weight, .bias, ...; conditional: NAME.nn.layers... */
PPL_API ppl_transform *ppl_flow_affine_autoregressive(ppl_ctx *c, const char *name,
                                                      int64_t dim,
                                                      const ppl_flow_opts *opts);
/* Every element through a spline whose knots are functions of those before it. hidden:
 * { 10 dim, 10 dim }. */
PPL_API ppl_transform *ppl_flow_spline_autoregressive(ppl_ctx *c, const char *name,
                                                      int64_t dim,
                                                      const ppl_flow_opts *opts);
/* Block neural autoregressive flow (De Cao et al. 2019): y_i is a network of x_1..x_i,
 * increasing in x_i. hidden: units for each element, { 8, 8 }. The inverse is found by
 * bisection within -1000 to 1000; NaN for a y that no such x has, as there are without a
 * residual. No context. Parameters: NAME.layers.0._weight, _diag_weight, bias; .gate.
 * (Pyro's log |det J| is of weights that differ by the 1e-8 it divides by; here it holds.) */
PPL_API ppl_transform *ppl_flow_block_autoregressive(ppl_ctx *c, const char *name,
                                                     int64_t dim,
                                                     const ppl_flow_opts *opts);

/* ---- Coupling ---------------------------------------------------------------------- */

/* Real NVP (Dinh et al. 2017): the first `split` elements stay, the others become m +
 * exp(s) x, m and s from a network of the first. hidden: { 10 dim }. NAME.nn.layers... */
PPL_API ppl_transform *ppl_flow_affine_coupling(ppl_ctx *c, const char *name, int64_t dim,
                                                const ppl_flow_opts *opts);
/* The same with splines: the first elements through splines of their own (NAME.lower_
 * spline), the others through those that a network of the first gives (NAME.upper_spline
 * .nn). hidden: { 10 dim, 10 dim }. */
PPL_API ppl_transform *ppl_flow_spline_coupling(ppl_ctx *c, const char *name, int64_t dim,
                                                const ppl_flow_opts *opts);

/* ---- Elementwise ------------------------------------------------------------------- */

/* Monotone rational splines between -bound and bound, the identity outside: quadratic
 * (Durkan et al. 2019) or linear (Dolatabadi et al. 2020). Parameters: NAME.unnormalized_
 * widths, _heights [dim,bins], _derivatives [dim,bins-1], linear also _lambdas. A transform
 * of numbers: log |det J| is one for each. */
PPL_API ppl_transform *ppl_flow_spline(ppl_ctx *c, const char *name, int64_t dim,
                                       const ppl_flow_opts *opts);

/* Batch normalization (Dinh et al. 2017): y = (x - beta) / g sqrt(v + epsilon) + m, g =
 * relu(gamma) + 1e-6, m and v moving averages (NAME.gamma, beta; NAME.moving_mean,
 * moving_variance, which no optimiser sees). In training the inverse, the way of data y
 * [batch,dim], takes the mean and variance of its batch, 2 values at least, with gradients
 * through them, and the averages move by `momentum` towards those when the step succeeds.
 * log |det J| is one for each number. (Pyro's log_abs_det_jacobian of a draw in training
 * takes the variance of y; here forward's is always that of the averages it goes by.) No
 * context. */
PPL_API ppl_transform *ppl_flow_batch_norm(ppl_ctx *c, const char *name, int64_t dim,
                                           const ppl_flow_opts *opts);

/* ---- Whole vectors ----------------------------------------------------------------- */

/* Rezende and Mohamed 2015: y = x + u tanh(w x + b), u moved so that w u > -1 (NAME.u, w,
 * bias); y = x + beta (x - x0) / (alpha + |x - x0|) (NAME.x0, alpha_prime, beta_prime). */
PPL_API ppl_transform *ppl_flow_planar(ppl_ctx *c, const char *name, int64_t dim,
                                       const ppl_flow_opts *opts);
PPL_API ppl_transform *ppl_flow_radial(ppl_ctx *c, const char *name, int64_t dim,
                                       const ppl_flow_opts *opts);
/* `count` reflections (Tomczak and Welling 2016): volumes stay (NAME.u_unnormed). */
PPL_API ppl_transform *ppl_flow_householder(ppl_ctx *c, const char *name, int64_t dim,
                                            const ppl_flow_opts *opts);
/* Van den Berg et al. 2018: y = x + Q R tanh(S Q^T x + b), Q of `count` reflections, R and
 * S upper triangular with diagonals within -1 to 1. No context. (Pyro applies Q as if it
 * were transposed, for which its log |det J| does not hold; the equation here does.) */
PPL_API ppl_transform *ppl_flow_sylvester(ppl_ctx *c, const char *name, int64_t dim,
                                          const ppl_flow_opts *opts);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/*
 * kiln/optim.h - optimisers: one pass over the parameters that a step has touched.
 *
 * An optimiser descends the gradient in the slab (kiln/effects.h), with the moments and
 * the count of steps that each parameter carries there. It belongs to the context.
 * In the options zero means the default named beside each field.
 */
#ifndef KILN_OPTIM_H
#define KILN_OPTIM_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One of your own begins with this struct. `update` moves every touched parameter and
 * counts its steps (ppl_param_set_steps); gradients are finite when it is called. */
typedef struct ppl_optim {
    const char *name;
    void (*update)(struct ppl_optim *self, ppl_ctx *c);
} ppl_optim;

/* What all of ours share. The learning rate of a parameter's step t = 1, 2, ... is
 * lr * lr_decay^t. Gradients are clipped before use: first each element to
 * [-clip_value, clip_value], then all of them together to the 2-norm clip_norm. */
typedef struct ppl_optim_opts {
    double lr;                      /* 1e-3 */
    double lr_decay;                /* 1: none */
    double weight_decay;            /* 0 */
    double clip_value;              /* none */
    double clip_norm;               /* none */
    double momentum;                /* SGD: 0 */
    double beta1, beta2;            /* Adam and kin: 0.9, 0.999 */
    double epsilon;                 /* Adam and kin: 1e-8 */
} ppl_optim_opts;

/* p -= lr v, v = momentum v + g (v = g at first), g += weight_decay p. */
PPL_API ppl_optim *ppl_sgd(ppl_ctx *c, const ppl_optim_opts *opts);
/* Kingma and Ba 2015; weight_decay is added to the gradient. */
PPL_API ppl_optim *ppl_adam(ppl_ctx *c, const ppl_optim_opts *opts);
/* Loshchilov and Hutter 2019: decoupled, p -= lr weight_decay p. weight_decay: 0.01. */
PPL_API ppl_optim *ppl_adamw(ppl_ctx *c, const ppl_optim_opts *opts);
/* Pyro's: elements clipped to clip_value (10), then weight_decay added to the gradient,
 * epsilon added to the uncorrected root: p -= lr sqrt(1-b2^t)/(1-b1^t) m/(sqrt(v)+eps). */
PPL_API ppl_optim *ppl_clipped_adam(ppl_ctx *c, const ppl_optim_opts *opts);

/* The 2-norm of the gradients of the touched parameters. */
PPL_API double ppl_grad_norm(ppl_ctx *c);

#ifdef __cplusplus
}
#endif
#endif

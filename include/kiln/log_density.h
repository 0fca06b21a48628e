/* SPDX-License-Identifier: MIT */
/*
 * kiln/log_density.h - a model's joint log density as a function of unconstrained numbers,
 * with its gradient: what MCMC, optimisers and Laplace approximations ask for.
 */
#ifndef KILN_LOG_DENSITY_H
#define KILN_LOG_DENSITY_H

#include <kiln/handlers.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ppl_log_density ppl_log_density;

/* Which of the numbers are a latent's. */
typedef struct ppl_latent {
    ppl_name name;
    int64_t index;                  /* PPL_NO_INDEX for a plain site */
    ppl_shape shape;                /* of its value */
    int64_t offset, count;          /* of its unconstrained numbers: [offset, + count) */
} ppl_latent;

/* The log density of `model` under `handlers` (NULL: none; condition it there), at the
 * parameters and the data that it has now. Each latent is a bijection of unconstrained
 * numbers onto its support; the model must visit the same latents, of the same shapes,
 * whatever their values. It belongs to the context and lives until the end of the epoch.
 *
 * The model's C code runs once to record its arithmetic (a ppl_program), which is run again
 * for other numbers; or each time, if it reads a latent's value into C and so may branch.
 *
 * NULL with the error recorded: a latent is discrete or its support has no bijection
 * (PPL_EUNSUPPORTED: condition on it), a plate subsamples (PPL_EUNSUPPORTED). */
PPL_API ppl_log_density *ppl_log_density_of(ppl_ctx *c, ppl_model model, const void *arg,
                                            ppl_handler *const *handlers);
/* How many unconstrained numbers there are, and whose they are, in order of visit. */
PPL_API int64_t ppl_log_density_size(const ppl_log_density *d);
PPL_API int ppl_log_density_latents(const ppl_log_density *d);
PPL_API const ppl_latent *ppl_log_density_latent(const ppl_log_density *d, int i);
/* 1 if the recorded arithmetic is run, 0 if the model's C code is. */
PPL_API int ppl_log_density_is_recorded(const ppl_log_density *d);

/* log p(x, z(u)) + log |det dz/du| in nats at u [size], scales and masks of handlers applied
 * to the first; its gradient [size], unless NULL. What is not finite comes back as it is. */
PPL_API PPL_MUST_CHECK ppl_status ppl_log_density_at(ppl_log_density *d, const double *u,
                                                     double *value, double *gradient);
/* The latents' values z(u), one behind the other in order, each in its own shape. */
PPL_API PPL_MUST_CHECK ppl_status ppl_log_density_constrain(ppl_log_density *d,
                                                            const double *u, double *z);
/* And back. A value outside its support is PPL_ECONSTRAINT. */
PPL_API PPL_MUST_CHECK ppl_status ppl_log_density_unconstrain(ppl_log_density *d,
                                                              const double *z, double *u);

#ifdef __cplusplus
}
#endif
#endif

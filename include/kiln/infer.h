/* SPDX-License-Identifier: MIT */
/*
 * kiln/infer.h - evidence lower bounds, their ledger, and stochastic variational inference.
 *
 * An ELBO runs the guide, replays its samples into the model, and estimates
 * E_q[log p(x,z) - log q(z)] and its gradient. Losses are -ELBO, in nats. Model and guide
 * must have the same latent sites, but for sites of ppl_sample_auxiliary in the guide.
 */
#ifndef KILN_INFER_H
#define KILN_INFER_H

#include <kiln/handlers.h>
#include <kiln/optim.h>
#include <kiln/shards.h>
#include <kiln/structure.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- ELBOs ------------------------------------------------------------------------- */

typedef struct ppl_elbo ppl_elbo;

typedef struct ppl_elbo_opts {
    int particles;                  /* samples averaged in a step; 0 means 1 */
} ppl_elbo_opts;

/* Sampled log-ratios at every latent site. Gradients: pathwise where the guide's site is
 * reparameterised; elsewhere the score function, weighted by the cost downstream of the
 * site (by provenance and by plate). */
PPL_API ppl_elbo *ppl_trace_elbo(ppl_ctx *c, const ppl_elbo_opts *opts);
/* The analytic KL(q || p) in place of the sampled log-ratio at each latent site where that
 * leaves the estimate unbiased: there is a rule for the pair, scale and mask agree in
 * model and guide, and no latent that the model's density at this site depends on is this
 * site or a descendant of it in the guide. Elsewhere the sampled log-ratio stands, site by
 * site, and the ledger says why (doc/mean-field.md). Gradients as with ppl_trace_elbo: the
 * score function of a site that is not reparameterised is weighted by its own downstream
 * cost, in which KLs stand where they do in the bound. */
PPL_API ppl_elbo *ppl_trace_mean_field_elbo(ppl_ctx *c, const ppl_elbo_opts *opts);

/* The baseline of a site whose gradient is a score function: what is taken off its
 * downstream cost, element by element, before that weighs the score. It changes the
 * gradient's variance and not its mean. An option of the guide's site, which
 * ppl_infer_config gives it (Williams 1992; Mnih and Gregor 2014). */
typedef struct ppl_baseline_opts {
    double decay;                   /* above 0, below 1: a running average of the cost's mean
                                       over elements, each step's weight falling by decay;
                                       0: none */
    ppl_tensor *value;              /* your own, in nats, broadcast to the site's batch; it
                                       may not depend on the draw (PPL_EMISMATCH). NULL:
                                       none. Given both, the average is of what is left */
    int learn;                      /* nonzero: `value` is fitted, sum (cost - value)^2 being
                                       added to the loss whose gradient is taken; compute it
                                       from parameters of its own and from data, and from
                                       samples only through ppl_detach */
} ppl_baseline_opts;
PPL_API extern const ppl_option_key ppl_baseline;

/* One estimate of the loss at the parameters as they are, within the current epoch; with
 * `gradient` nonzero, gradients are added to the slab. Nothing is updated but the ledger.
 * On error the status is recorded and *loss is NaN. */
PPL_API PPL_MUST_CHECK ppl_status ppl_elbo_estimate(ppl_elbo *elbo, ppl_model model,
                                                    ppl_model guide, const void *arg,
                                                    int gradient, double *loss);

/* The same of a batch in shards (shards.h), each model and guide with an argument of its own:
 * the sum of their losses and gradients, which is that of the batch if its log-density and the
 * guide's are sums over the shards. Of a latent that is not of rows, say of weights, each
 * shard draws one of its own: give it scale 1 / shards, in the model and in the guide. In the
 * ledger a site's term is summed over the shards; its estimator is that of the last, its
 * baseline that of the first, since each keeps its own. */
PPL_API PPL_MUST_CHECK ppl_status ppl_elbo_estimate_shards(ppl_elbo *elbo, ppl_model model,
                                                           ppl_model guide,
                                                           const void *const *arg, int shards,
                                                           int gradient, double *loss);

/* ---- The ledger -------------------------------------------------------------------- */

typedef enum ppl_estimator {
    PPL_LIKELIHOOD,                 /* an observed site: its log-probability */
    PPL_ANALYTIC_KL,                /* -KL(q || p) in closed form */
    PPL_SAMPLED_RATIO,              /* log p - log q at the sample, pathwise gradient */
    PPL_SCORE_FUNCTION              /* log p - log q at the sample, score-function gradient */
} ppl_estimator;

/* Option of a guide's latent, const ppl_estimator: PPL_SAMPLED_RATIO has the mean-field
 * ELBO sample a ratio whose KL it could swap in (to compare the two); PPL_ANALYTIC_KL makes
 * it an error (PPL_EUNSUPPORTED, with the reason) that it cannot. */
PPL_API extern const ppl_option_key ppl_option_estimator;

typedef struct ppl_ledger_row {
    ppl_name name;
    int64_t index;
    ppl_estimator estimator;        /* of the latest step */
    char reason[192];               /* why that one */
    int64_t steps;                  /* estimates so far */
    double mean, variance;          /* of the site's term in the ELBO, nats, over them */
    double baseline;                /* the running average of its cost; 0: none */
} ppl_ledger_row;

PPL_API const char *ppl_estimator_name(ppl_estimator estimator);
PPL_API int ppl_ledger_count(const ppl_elbo *elbo);
PPL_API const ppl_ledger_row *ppl_ledger_at(const ppl_elbo *elbo, int i);
PPL_API const ppl_ledger_row *ppl_ledger_find(const ppl_elbo *elbo, const char *name,
                                              int64_t index);
/* A table; consecutive indices of a name with one estimator and reason share a line. */
PPL_API PPL_MUST_CHECK ppl_status ppl_ledger_write(const ppl_elbo *elbo, FILE *out);
/* A line a site, in the order of first visit, under a line of names: site, index (empty for
 * a plain site), estimator, steps, mean, variance (nats, nats^2), why. */
PPL_API PPL_MUST_CHECK ppl_status ppl_ledger_write_csv(const ppl_elbo *elbo, FILE *out);
PPL_API void ppl_ledger_reset(ppl_elbo *elbo);

/* ---- SVI --------------------------------------------------------------------------- */

typedef struct ppl_svi ppl_svi;

/* NULL with the error recorded. elbo and optim stay the context's. */
PPL_API PPL_MUST_CHECK ppl_svi *ppl_svi_new(ppl_ctx *c, ppl_model model, ppl_model guide,
                                            ppl_elbo *elbo, ppl_optim *optim);
PPL_API void ppl_svi_free(ppl_svi *svi);
/* ppl_check of its model and guide (structure.h): before the first step. */
PPL_API const ppl_findings *ppl_svi_check(ppl_svi *svi, const void *arg);
/* One epoch: estimate, gradient, update. All or nothing: on any status but PPL_OK the
 * parameters, moments, counts of steps and the random state are as before. A loss or
 * gradient that is not finite is PPL_ENONFINITE, naming the first site or the parameter.
 * loss may be NULL. */
PPL_API PPL_MUST_CHECK ppl_status ppl_svi_step(ppl_svi *svi, const void *arg, double *loss);
/* A step on a batch in shards (ppl_elbo_estimate_shards), one at a time on each thread of the
 * context: where rows have no more in common than parameters, the fastest use of threads. */
PPL_API PPL_MUST_CHECK ppl_status ppl_svi_step_shards(ppl_svi *svi, const void *const *arg,
                                                      int shards, double *loss);
/* The loss alone, without gradient or update; draws fresh samples. */
PPL_API PPL_MUST_CHECK ppl_status ppl_svi_evaluate(ppl_svi *svi, const void *arg,
                                                   double *loss);
/* Loss and gradient (left in the slab for ppl_param_grad, ppl_grad_norm), no update. */
PPL_API PPL_MUST_CHECK ppl_status ppl_svi_gradient(ppl_svi *svi, const void *arg,
                                                   double *loss);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/*
 * svi.c - stochastic variational inference: one step is one epoch, all or nothing.
 */
#include "ledger.h"

#include <math.h>

struct ppl_svi {
    ppl_ctx *ctx;
    ppl_model model, guide;
    ppl_elbo *elbo;
    ppl_optim *optim;
};

ppl_svi *ppl_svi_new(ppl_ctx *c, ppl_model model, ppl_model guide, ppl_elbo *elbo,
                     ppl_optim *optim)
{
    ppl_svi *svi;

    if (ppl_boundary_enter(c) != PPL_OK)
        return NULL;
    if (model == NULL || guide == NULL || elbo == NULL || optim == NULL)
        ppl_fail(c, PPL_EINVAL, "ppl_svi_new: %s is NULL; give all four",
                 model == NULL   ? "the model"
                 : guide == NULL ? "the guide"
                 : elbo == NULL  ? "the ELBO"
                                 : "the optimiser");
    else if (ppl__ledger_of(elbo)->ctx != c)
        ppl_fail(c, PPL_EINVAL, "ppl_svi_new: the ELBO belongs to another context; make "
                 "it in this one");
    svi = ppl_ok(c) ? ppl_persistent_alloc(c, sizeof *svi) : NULL;
    if (svi != NULL)
        *svi = (ppl_svi){ c, model, guide, elbo, optim };
    ppl_boundary_leave(c);
    return svi;
}

void ppl_svi_free(ppl_svi *svi)
{
    if (svi != NULL)
        ppl_persistent_free(svi->ctx, svi, sizeof *svi);
}

const ppl_findings *ppl_svi_check(ppl_svi *svi, const void *arg)
{
    return svi != NULL ? ppl_check(svi->ctx, svi->model, svi->guide, arg) : NULL;
}

/* ---- Steps ------------------------------------------------------------------------- */

/* An epoch around one estimate; `update` moves the parameters if all went well. */
static ppl_status run_step(ppl_svi *svi, const void *const *arg, int shards, int gradient,
                           int update, double *loss)
{
    ppl_ctx *c;
    uint64_t seed, step;
    double unused;
    ppl_epoch mark;
    int params;

    loss = loss != NULL ? loss : &unused;
    *loss = NAN;
    if (svi == NULL)
        return PPL_EINVAL;
    c = svi->ctx;
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    params = ppl_param_count(c);
    ppl_rng_state(c, &seed, &step);
    mark = ppl_epoch_begin(c);
    ppl_next_step(c);
    if (gradient)
        ppl_zero_grad(c);
    if (ppl_ok(c) &&
        ppl_elbo_estimate_shards(svi->elbo, svi->model, svi->guide, arg, shards, gradient,
                                 loss) == PPL_OK && update)
        svi->optim->update(svi->optim, c);
    if (update)
        ppl_param_commit(c);
    ppl_epoch_end(c, mark);
    if (!ppl_ok(c)) {
        *loss = NAN;
        ppl_param_rollback(c, params);
        ppl_set_rng_state(c, seed, step);
    }
    return ppl_boundary_leave(c);
}

ppl_status ppl_svi_step(ppl_svi *svi, const void *arg, double *loss)
{
    return run_step(svi, &arg, 1, 1, 1, loss);
}

ppl_status ppl_svi_step_shards(ppl_svi *svi, const void *const *arg, int shards, double *loss)
{
    return run_step(svi, arg, shards, 1, 1, loss);
}

ppl_status ppl_svi_gradient(ppl_svi *svi, const void *arg, double *loss)
{
    return run_step(svi, &arg, 1, 1, 0, loss);
}

ppl_status ppl_svi_evaluate(ppl_svi *svi, const void *arg, double *loss)
{
    return run_step(svi, &arg, 1, 0, 0, loss);
}

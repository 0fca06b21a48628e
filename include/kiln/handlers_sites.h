/* SPDX-License-Identifier: MIT */
/*
 * kiln/handlers_sites.h - what a site is, what it is called, and who sees it.
 */
#ifndef KILN_HANDLERS_SITES_H
#define KILN_HANDLERS_SITES_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Hiding ------------------------------------------------------------------------ */

enum {
    PPL_HIDE_LATENT = 1,
    PPL_HIDE_OBSERVED = 2,
    PPL_HIDE_PARAM = 4,
    PPL_HIDE_DETERMINISTIC = 8,
    PPL_HIDE_PLATE = 16             /* the indices of plates */
};

/* What block hides. Lists of names end with NULL. One of `predicate`, `hide`, `expose`
 * and `kinds` decides; giving more than one hides what any of them hides. */
typedef struct ppl_block_opts {
    int (*predicate)(const ppl_msg *m, void *user);     /* nonzero hides */
    void *user;
    const char *const *hide;        /* these names */
    const char *const *expose;      /* all but these names */
    unsigned kinds;                 /* PPL_HIDE_* */
} ppl_block_opts;

/* Handlers outside do not see what it hides. NULL opts hides everything. */
PPL_API ppl_handler *ppl_block(ppl_ctx *c, const ppl_block_opts *opts);

/* ---- Names ------------------------------------------------------------------------- */

typedef struct ppl_name_scope_opts {
    const char *divider;            /* NULL: "/" */
    unsigned keep;                  /* PPL_HIDE_*: kinds whose names stay as they are */
} ppl_name_scope_opts;

/* Names inside get `prefix` and a divider before them, so that one function may be called
 * twice in a model: its sites, plates and parameters are then distinct. NULL opts:
 * defaults. */
PPL_API ppl_handler *ppl_name_scope(ppl_ctx *c, const char *prefix,
                                    const ppl_name_scope_opts *opts);

/* ---- Options and inspection -------------------------------------------------------- */

/* `configure` is called with each sample and parameter on its way out, to give it options:
 * ppl_msg_set_option(m, &ppl_option_enumerate, &no). Who reads an option declares its key:
 * ppl_option_enumerate (handlers_trace.h), ppl_option_estimator (infer.h). */
PPL_API ppl_handler *ppl_infer_config(ppl_ctx *c, void (*configure)(ppl_msg *m, void *user),
                                      void *user);

/* Has the caller's functions look at each message, or change it: `before` on its way out,
 * `after` on its way back. Either may be NULL. */
PPL_API ppl_handler *ppl_watch(ppl_ctx *c, void (*before)(ppl_msg *m, void *user),
                               void (*after)(ppl_msg *m, void *user), void *user);
/* What the handlers around would do to a message sent here: its scale, mask, plates, seed
 * and options. */
PPL_API ppl_msg ppl_inspect(ppl_ctx *c);

/* ---- lift: parameters become latents ----------------------------------------------- */

/* The prior of a parameter. A list ends with a NULL distribution; a row without a name is
 * for the parameters that no other row names. */
typedef struct ppl_prior {
    const char *name;
    ppl_dist *dist;
} ppl_prior;

/* Parameters become latent samples of the same names: any network becomes Bayesian. The
 * prior is broadcast to the parameter's shape, all of it one event; its support must lie
 * in the parameter's constraint (PPL_ECONSTRAINT). The sample is made where lift stands,
 * once in a run: plates, scales and masks further in do not count, and the store is not
 * asked. A row whose name was never reached is an error (PPL_EUNUSED), or is counted in
 * *unused if that is not NULL. */
PPL_API ppl_handler *ppl_lift(ppl_ctx *c, const ppl_prior *priors, int *unused);
/* The prior of each parameter is what `prior` returns; NULL: it stays a parameter. */
typedef ppl_dist *(*ppl_prior_function)(ppl_msg *m, void *user);
PPL_API ppl_handler *ppl_lift_by(ppl_ctx *c, ppl_prior_function prior, void *user);

/* ---- reparam: a latent as a function of others ------------------------------------- */

/* A way to write a latent as a function of other latents: a const row. */
typedef struct ppl_reparameteriser {
    const char *name;               /* "transform" */
    const char *needs;              /* what it fits, for errors: "a family made by a map" */
    /* Makes the sites that take m's place (ppl_sample_beside, ppl_param: they go outward)
     * and returns the value of m, of shape m->dist->shape. NULL, with nothing made and no
     * error recorded: it does not fit m. */
    ppl_tensor *(*rewrite)(const struct ppl_reparameteriser *self, ppl_msg *m);
    double number;                  /* the row's own */
    const void *attr;
} ppl_reparameteriser;

/* For families with `loc` and `scale` on all real numbers: z = loc + scale^(1 - k)
 * (NAME_decentered - k loc), NAME_decentered ~ (k loc, scale^k). k = `centered`: 1 leaves
 * z as it is, 0 takes loc and scale out of it (Papaspiliopoulos, Roberts and Skold 2007;
 * Gorinova, Moore and Hoffman 2020). Other parameters stay. */
PPL_API ppl_reparameteriser ppl_loc_scale_reparam(double centered);
/* The same with k learned: the parameter NAME_centered, of the shape of an event, from
 * 1/2 on. */
PPL_API extern const ppl_reparameteriser ppl_loc_scale_reparam_learned;
/* For families that are images of another (ppl_family's `image`): NAME_base ~ the other,
 * z the image of it. */
PPL_API extern const ppl_reparameteriser ppl_transform_reparam;

/* Which latents, and how; a list ends with a NULL `how`. A name that was never reached is
 * an error (PPL_EUNUSED), as is a site named that is observed or that the row does not fit
 * (PPL_EUNSUPPORTED); a row without a name is for every other latent that it fits. */
typedef struct ppl_reparam_row {
    const char *name;
    const ppl_reparameteriser *how;
} ppl_reparam_row;

/* Latents become deterministic values of latents made beside them; a latent that has a
 * value (by a replay further in) is left as it is. */
PPL_API ppl_handler *ppl_reparam(ppl_ctx *c, const ppl_reparam_row *rows);

#ifdef __cplusplus
}
#endif
#endif

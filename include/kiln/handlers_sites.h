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

/* ---- collapse: latents integrated out ---------------------------------------------- */

/* What to know of a conjugate pair: a latent of family `prior` that is parameter `param` of
 * sites of family `likelihood`. A table of rows ends with prior NULL. */
typedef struct ppl_conjugacy {
    const ppl_family *prior, *likelihood;
    int param;
    /* The sufficient statistics of each value of x, as many as `statistics` (2 at most):
     * x's shape without the likelihood's event axes, then the prior's event axes. */
    int statistics;
    void (*statistic)(const ppl_dist *likelihood, ppl_tensor *x, ppl_tensor **out);
    /* The latent given x, from their sums over the x of each latent. */
    ppl_dist *(*posterior)(const ppl_dist *prior, ppl_tensor *const *sum);
} ppl_conjugacy;

/* For latents `names` (NULL: every latent of a prior family in the table that is neither
 * masked nor scaled further in) whose children x have them for a parameter: p(z) p(x | z)
 * becomes p(x) p(z | x). Each x, as it is reached, has its density given those before, z
 * integrated out; where the handler is left, z is sampled from its posterior given all of
 * them. The joint density is the same; hide z (ppl_block, further out) and what remains
 * is the marginal model. A latent that is itself such a child is not integrated out.
 *
 * Of the elements of a collapsed log_prob only the sum counts. Masks leave elements out
 * exactly. Errors (PPL_EUNSUPPORTED): a site or deterministic value that depends on z in
 * another way; a mask of z, or a scale other than 1, further in. PPL_EUNUSED: a name that
 * was never reached. */
PPL_API ppl_handler *ppl_collapse(ppl_ctx *c, const ppl_conjugacy *table,
                                  const char *const *names);

#ifdef __cplusplus
}
#endif
#endif

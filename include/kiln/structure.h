/* SPDX-License-Identifier: MIT */
/*
 * kiln/structure.h - the structure of a model: which site depends on which, a picture of
 * it, and whether a guide fits it.
 *
 * What depends on what is known from provenance, which tensors carry: the parents of a site
 * are the latents that its density was computed from, by whatever operations, in the run
 * that was looked at.
 */
#ifndef KILN_STRUCTURE_H
#define KILN_STRUCTURE_H

#include <kiln/handlers.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Dependencies ------------------------------------------------------------------ */

typedef struct ppl_node {
    ppl_name name;
    int64_t index;                  /* PPL_NO_INDEX for a plain site */
    ppl_kind kind;                  /* PPL_SITE_SAMPLE, _PARAM or _DETERMINISTIC */
    unsigned flags;                 /* PPL_OBSERVED, PPL_AUXILIARY */
    const char *family;             /* of a sample: "normal"; else NULL */
    const ppl_frame *plates;        /* outermost first */
    const int *parent;              /* the numbers of the nodes it depends on, ascending */
    int parents;
} ppl_node;

/* The nodes of one run, in order of visit. Of this epoch. */
typedef struct ppl_graph {
    ppl_ctx *ctx;
    int count;
    const ppl_node *node;
} ppl_graph;

typedef struct ppl_graph_opts {
    ppl_handler *const *handlers;   /* around the model, as for ppl_run; or NULL */
    int parameters;                 /* nonzero: parameters are nodes too */
} ppl_graph_opts;

/* Runs the model and tells its sites' parents. Deterministic sites are nodes: what depends
 * on their values has them as its parents. NULL with the error recorded. */
PPL_API const ppl_graph *ppl_get_graph(ppl_ctx *c, ppl_model model, const void *arg,
                                       const ppl_graph_opts *opts);
/* The node at an address, or NULL. */
PPL_API const ppl_node *ppl_graph_find(const ppl_graph *g, const char *name,
                                       int64_t index);

/* ---- A picture --------------------------------------------------------------------- */

typedef struct ppl_render_opts {
    ppl_graph_opts graph;
    int indices;                    /* of a name that has more of them, the first so many
                                       have nodes and the rest share one; 0: all */
    const char *title;              /* or NULL */
} ppl_render_opts;

/* Writes the model as a graph in the DOT language (`dot -Tsvg`): latents as ellipses,
 * observed ones shaded, deterministic sites dashed, parameters as plain boxes, factors as
 * small squares; plates as boxes with their sizes. Sites of one name that form a chain
 * stand in a row. Runs the model in an epoch of its own. */
PPL_API PPL_MUST_CHECK ppl_status ppl_render_model(ppl_ctx *c, ppl_model model,
                                                   const void *arg,
                                                   const ppl_render_opts *opts, FILE *out);

/* ---- Whether model and guide fit --------------------------------------------------- */

typedef enum ppl_finding_kind {
    PPL_FOUND_GUIDE_ONLY,           /* a guide's latent that the model lacks */
    PPL_FOUND_MODEL_ONLY,           /* a model's latent that the guide does not sample */
    PPL_FOUND_ROLES,                /* latent on one side, something else on the other */
    PPL_FOUND_OUTSIDE,              /* the guide can propose what the model has not */
    PPL_FOUND_UNREACHED,            /* the guide cannot propose all that the model has */
    PPL_FOUND_EVENT_DIM,
    PPL_FOUND_SHAPE,
    PPL_FOUND_PLATES                /* a site in different plates, or of different sizes */
} ppl_finding_kind;

typedef struct ppl_finding {
    ppl_finding_kind kind;
    ppl_name name;                  /* of the site, or of a plate */
    int64_t first, last;            /* indices that it is true of; PPL_NO_INDEX: none */
    char text[512];                 /* what is so, and what mends it */
} ppl_finding;

/* Of the epoch that ppl_check was called in. */
typedef struct ppl_findings {
    ppl_ctx *ctx;
    int count;
    const ppl_finding *finding;
} ppl_findings;

/* Runs the guide and the model, replayed where that is possible, and tells all in which
 * they do not fit; nothing is changed, no step is counted, no parameter made. Supports are
 * compared at values that one of the two admits: numbers at and beyond the bounds, draws
 * of both, and images of random numbers under the support's map. No findings: count 0.
 * NULL with the error recorded if one of the runs fails. */
PPL_API const ppl_findings *ppl_check(ppl_ctx *c, ppl_model model, ppl_model guide,
                                      const void *arg);
/* A line a finding: "z[0..159]: ..", or that there is none. */
PPL_API PPL_MUST_CHECK ppl_status ppl_findings_write(const ppl_findings *f, FILE *out);

#ifdef __cplusplus
}
#endif
#endif

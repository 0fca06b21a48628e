/* SPDX-License-Identifier: MIT */
/*
 * pair.h - a guide's trace and the model's trace replayed from it, and who depends on
 * whom.
 */
#ifndef KILN_PAIR_H
#define KILN_PAIR_H

#include <kiln/handlers.h>

typedef struct ppl__pair {
    ppl_ctx *ctx;
    ppl_trace *model, *guide;
    int *position;                  /* of a site id in the guide's trace, or -1 */
    ppl_tensor **kl;                /* by position in the guide: the KL(q || p) [batch] that
                                       stands for the site's log-ratio, or NULL */
    int ids;
    int *stamp, stamps;             /* scratch of the searches: who was seen in which */
    int *stack;
} ppl__pair;

/* Traces the guide and the replayed model and checks that they fit; NULL with the error
 * recorded. All of it is epoch memory. */
ppl__pair *ppl__pair_make(ppl_ctx *c, ppl_model model, ppl_model guide, const void *arg);

/* The first latent in `parents` that is the guide's site at `position` or a descendant of
 * it, as its message; NULL if there is none. Guide order is topological, so only latents
 * at or after `position` are searched. */
const ppl_msg *ppl__pair_dependence(ppl__pair *pair, const ppl_sites *parents,
                                    int position);

/* Whether a site depends on another, and on which axes slice by slice. Bit 0: it is that
 * site or a descendant of it. Bit k: moreover both, and every site on every way between
 * them, are in one plate on axis -k: slice i there depends on slice i of the other. */
typedef uint16_t ppl__reach;

/* The axes (bit k: axis -k) on which two sites are in one plate. */
ppl__reach ppl__shared_axes(const ppl_msg *a, const ppl_msg *b);
/* Fills `reach`, by position in the guide, for the guide's site at `position`. */
void ppl__pair_descendants(const ppl__pair *pair, int position, ppl__reach *reach);
/* The same of a density with `parents`: 0 if it depends on none of them. */
ppl__reach ppl__pair_depends(const ppl__pair *pair, const ppl_sites *parents,
                             const ppl__reach *reach);

#endif

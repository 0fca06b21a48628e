/* SPDX-License-Identifier: MIT */
/*
 * multivariate_normal.h - the pieces of a normal vector, for families made of it. loc is
 * [..,n], scale_tril [..,n,n]; leading axes broadcast.
 */
#ifndef KILN_MULTIVARIATE_NORMAL_H
#define KILN_MULTIVARIATE_NORMAL_H

#include "event.h"
#include "matrix.h"

/* A draw, and the log_prob, of d, whose values are such vectors. */
ppl_tensor *ppl__normal_draw(const ppl_dist *d, const ppl_rng *rng, ppl_tensor *loc,
                             ppl_tensor *scale_tril);
ppl_tensor *ppl__normal_log_prob(const ppl_dist *d, ppl_tensor *x, ppl_tensor *loc,
                                 ppl_tensor *scale_tril);
ppl_tensor *ppl__normal_entropy(ppl_tensor *scale_tril);
ppl_tensor *ppl__normal_kl(ppl_tensor *loc_q, ppl_tensor *scale_tril_q, ppl_tensor *loc_p,
                           ppl_tensor *scale_tril_p);
/* The diagonal of L L^T, and all of it. */
ppl_tensor *ppl__row_squares(ppl_tensor *scale_tril);
ppl_tensor *ppl__times_own_transpose(ppl_tensor *scale_tril);

/* ---- Rules that stdlib/kl/pairs.c registers ---------------------------------------- */

/* Of normals with event_dim 1 and multivariate normals, by full matrices; of normals and
 * low-rank ones, by the factors. */
ppl_tensor *ppl__full_normal_kl(const ppl_dist *q, const ppl_dist *p);
ppl_tensor *ppl__low_rank_kl(const ppl_dist *q, const ppl_dist *p);

#endif

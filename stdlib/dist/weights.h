/* SPDX-License-Identifier: MIT */
/*
 * weights.h - probabilities of K categories from the last axis of a parameter: for
 * formulas of whole events, p = w / sum(w), or p = softmax(w) of logits; and what families of
 * vectors have from a Categorical.
 */
#ifndef KILN_WEIGHTS_H
#define KILN_WEIGHTS_H

#include "event.h"

/* p and log p of n weights; returns what they were divided by: their sum, or 1 for
 * logits. */
static inline double ppl__load_weights(size_t n, int logits, const double *w, double *p,
                                       double *log_p)
{
    double top = -INFINITY, sum = 0;

    for (size_t k = 0; k < n; k++)
        top = w[k] > top ? w[k] : top;
    for (size_t k = 0; k < n; k++)
        log_p[k] = logits ? w[k] - top : w[k];
    if (logits) {
        ppl_maths_exp(PPL_F64, n, log_p, p);
    } else {
        memcpy(p, w, n * sizeof *p);
        ppl_maths_log(PPL_F64, n, w, log_p);
    }
    for (size_t k = 0; k < n; k++)
        sum += p[k];
    const double log_sum = log(sum);
    for (size_t k = 0; k < n; k++) {
        log_p[k] -= log_sum;
        p[k] /= sum;
    }
    return logits ? 1 : sum;
}

/* Whether parameter i of d is of logits. */
int ppl__by_logits(const ppl_dist *d, int i);
/* The Categorical of the weights that are d's parameter i, of d's batch. */
ppl_dist ppl__categories(const ppl_dist *d, int i);
/* Of those weights [..,K]: p, p (1 - p), diag p - p p^T; 1 - p has all its digits. */
ppl_tensor *ppl__probabilities(const ppl_dist *d, int i);
ppl_tensor *ppl__category_variance(const ppl_dist *d, int i);
ppl_tensor *ppl__category_covariance(const ppl_dist *d, int i);

/* 1 if parameter i has categories; else 0, with the error recorded. */
int ppl__has_categories(const ppl_family *family, int i, const ppl_tensor *weights);

#endif

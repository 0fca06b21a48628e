/* SPDX-License-Identifier: MIT */
/*
 * counts.h - families of counts from functions of one count: their operations, exact draws,
 * quantiles, and logarithms of masses to the last digits. In double.
 *
 * Masses follow Loader, Fast and Accurate Computation of Binomial Probabilities (2000):
 * factorials enter by what Stirling's formula leaves over, and what is left are deviances,
 * so that nothing cancels however large the counts are.
 */
#ifndef KILN_COUNTS_H
#define KILN_COUNTS_H

#include "density.h"
#include "odds.h"

/* ---- A family ---------------------------------------------------------------------- */

enum { PPL__COUNT_PARAMS = PPL__MAX_INPUTS - 1 };

/* One distribution: the parameters as doubles, and which parameterisation they are of. */
typedef struct ppl__count_dist {
    int form;
    double param[PPL__COUNT_PARAMS];
} ppl__count_dist;

/* What a family is, for one whole count k. The attr of its distributions. */
typedef struct ppl__count_kind {
    int form;                           /* handed to all functions */
    /* In nats, also for k outside the support. */
    double (*log_mass)(const ppl__count_dist *d, double k);
    /* Its derivative in parameter i; not asked where the mass is 0. */
    double (*log_mass_slope)(const ppl__count_dist *d, double k, int i);
    /* P(X <= k), or P(X > k) if `upper`, for k >= 0; NULL: no closed form. */
    double (*cdf)(const ppl__count_dist *d, double k, int upper);
    double (*cdf_slope)(const ppl__count_dist *d, double k, int i);
    /* Where a search for quantiles begins, and its step: about the mean and the standard
     * deviation; and the largest count, or infinity. */
    void (*spread)(const ppl__count_dist *d, double *mean, double *deviation, double *most);
    int64_t (*draw)(const ppl__count_dist *d, const ppl_rng *rng, uint64_t element);
} ppl__count_kind;

/* The functions of its row. */
ppl_tensor *ppl__count_sample(const ppl_dist *d, const ppl_rng *rng);
ppl_tensor *ppl__count_log_prob(const ppl_dist *d, ppl_tensor *x);
ppl_tensor *ppl__count_cdf(const ppl_dist *d, ppl_tensor *x);
ppl_tensor *ppl__count_log_cdf(const ppl_dist *d, ppl_tensor *x);
ppl_tensor *ppl__count_log_survival(const ppl_dist *d, ppl_tensor *x);
ppl_tensor *ppl__count_icdf(const ppl_dist *d, ppl_tensor *probability);
ppl_tensor *ppl__count_inverse_survival(const ppl_dist *d, ppl_tensor *probability);
/* By the sum of -p log p; the kind has a spread. */
ppl_tensor *ppl__count_entropy(const ppl_dist *d);
#define PPL__COUNT_ROW                                                                   \
    .value_dtype = PPL_I64, .sample = ppl__count_sample, .log_prob = ppl__count_log_prob
#define PPL__COUNT_CDF                                                                   \
    .cdf = ppl__count_cdf, .icdf = ppl__count_icdf, .log_cdf = ppl__count_log_cdf,       \
    .log_survival = ppl__count_log_survival,                                             \
    .inverse_survival = ppl__count_inverse_survival

/* The sum of the masses of from <= k < end or, input >= 0, its derivative in that parameter;
 * the kind has a spread. */
double ppl__count_masses(const ppl__count_kind *kind, const ppl__count_dist *d, int input,
                         double from, double end);

/* ---- Masses ------------------------------------------------------------------------ */

/* log of e^-rate rate^k / k!; -inf for k < 0. */
double ppl__log_poisson(double k, double rate);
/* The same where the logarithm is known, and the rate may have underflowed. */
double ppl__log_poisson_by(double k, double rate, double log_rate);
/* log of (x + y)! / (x! y!) p^x q^y, for real x, y >= 0 and p + q = 1, where `excess` is
 * x - (x + y) p = x q - y p, which the caller may know without cancellation. */
double ppl__log_binomial(double x, double y, double excess, double log_p, double log_q);
/* log of the mass of k of n under a Beta(a, b) mixture of Binomials; -inf unless 0 <= k
 * <= n. */
double ppl__log_beta_binomial(double k, double n, double a, double b);
/* psi(a + k) - psi(a), a > 0, k >= 0: the sum of 1 / (a + i), i < k. */
double ppl__digamma_difference(double a, double k);

/* ---- Draws ------------------------------------------------------------------------- */

/* Of one stream, and for the gamma the three after it. A count beyond INT64_MAX is
 * INT64_MAX, and one of parameters that make no distribution -1. */
int64_t ppl__poisson_draw(const ppl_rng *rng, uint32_t stream, uint64_t element,
                          double rate);
/* Of `total` trials with P(1) = p and P(0) = q. */
int64_t ppl__binomial_draw(const ppl_rng *rng, uint32_t stream, uint64_t element,
                           double total, double p, double q);
/* Of Poisson whose rate is a draw of Gamma(concentration, 1) times e^log_scale. */
int64_t ppl__gamma_poisson_draw(const ppl_rng *rng, uint32_t stream, uint64_t element,
                                double concentration, double log_scale);
/* Counts y of n categories of weights w, with sum `total`, by conditional Binomials of the
 * elements from `first` on; all -1, and 0 returned, where the parameters make no
 * distribution. `tail` is room for n numbers. */
int ppl__multinomial_draw(const ppl_rng *rng, uint64_t first, double total, size_t n,
                          const double *w, double *tail, double *y);
/* A whole x >= 0 as a count. */
static inline int64_t ppl__count_of(double x)
{
    return x < 0x1p63 ? (int64_t)x : INT64_MAX;
}

/* ---- Supports ---------------------------------------------------------------------- */

/* Vectors of counts whose sum is parameter 0: a support_at. */
ppl_constraint ppl__counts_of_total(const double *param);
/* Element i of a tensor of any dtype but a mask's. */
double ppl__count_at(const ppl_tensor *t, const void *elements, size_t i);
/* The integers low .. high. */
ppl_tensor *ppl__integers_from(ppl_ctx *c, int64_t low, int64_t high);
/* The value of parameter i, and 1; or 0 with an error if it is not the same throughout. */
int ppl__same_throughout(const ppl_dist *d, int i, double *value);

#endif

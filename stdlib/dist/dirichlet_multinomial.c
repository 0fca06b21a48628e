/* SPDX-License-Identifier: MIT */
/*
 * dirichlet_multinomial.c - DirichletMultinomial(total_count n, concentration a [..,K])
 * on counts x [..,K] with sum n: Multinomial(n, p) where p is Dirichlet(a); A = sum a.
 *
 *   log p(x)   log n! Gamma(A) / Gamma(n + A)
 *              + sum_k log Gamma(x_k + a_k) / (x_k! Gamma(a_k))
 *   mean n m, variance n m (1 - m) (n + A) / (1 + A),
 *              covariance n (diag m - m m^T) (n + A) / (1 + A), m = a / A
 *   draw       of the Multinomial whose p is drawn, in logarithms as small a underflow
 *
 * Written as a product of the BetaBinomials of each count, given those before it, among
 * what they have left, so that nothing cancels as a grows and the Multinomial is neared.
 * total_count has no gradient; no entropy in closed form.
 * Source: Johnson, Kotz, Balakrishnan, Discrete Multivariate Distributions, 1997,
 * chapter 35.13.1.
 */
#include "counts.h"
#include "weights.h"

#include <kiln/matrix.h>

enum { TOTAL, CONCENTRATION };              /* the parameters */

static double sum_of(size_t n, const double *x)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k];
    return sum;
}

static int fits(size_t n, const double *x, double total)
{
    for (size_t k = 0; k < n; k++)
        if (!(x[k] >= 0))
            return 0;
    return sum_of(n, x) == total;
}

/* ---- log_prob: a, total, x --------------------------------------------------------- */

/* Sums of a from each component on. */
static size_t log_prob_work(const ppl__event *e)
{
    return e->dim[0][0];
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *a = e->in[0], *x = e->in[2];
    double left = *e->in[1], *tail = e->work;

    for (size_t k = n; (e->fresh & 1) && k-- > 0;)
        tail[k] = a[k] + (k + 1 < n ? tail[k + 1] : 0);
    *y = fits(n, x, left) ? 0 : -INFINITY;
    for (size_t k = 0; k + 1 < n && *y > -INFINITY; k++) {
        *y += ppl__log_beta_binomial(x[k], left, a[k], tail[k + 1]);
        left -= x[k];
    }
}

/* psi(x_k + a_k) - psi(a_k) - (psi(n + A) - psi(A)). */
static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *a = e->in[0], *x = e->in[2], total = *e->in[1];

    if (!fits(n, x, total) || !e->d[0])
        return;
    const double all = ppl__digamma_difference(sum_of(n, a), total);
    for (size_t k = 0; k < n; k++)
        e->d[0][k] += e->g[0] * (ppl__digamma_difference(a[k], x[k]) - all);
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 3, .axes = { 1, 0, 1 }, .work = log_prob_work, .value = log_prob_value,
    .gradient = log_prob_gradient
};
PPL__EVENT_OP(log_prob_op, "dirichlet_multinomial log_prob", log_prob_formula)

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { d->param[CONCENTRATION], d->param[TOTAL], x };
    return log_prob_op_apply(in, d, NULL, 0);
}

/* ---- Drawing: a, total ------------------------------------------------------------- */

/* The weights that were drawn, and room. */
static size_t draw_work(const ppl__event *e)
{
    return 2 * e->dim[0][0];
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0], first = e->index * n;
    const ppl_rng *rng = e->attr;
    double *w = e->work, top = -INFINITY;

    for (size_t k = 0; k < n; k++) {
        ppl_rng_gamma(rng, 1, first + k, e->in[0][k], &w[k]);
        top = w[k] > top ? w[k] : top;
    }
    for (size_t k = 0; k < n; k++)
        w[k] -= top;
    ppl_maths_exp(PPL_F64, n, w, w);
    ppl__multinomial_draw(rng, first, *e->in[1], n, w, e->work + n, y);
}

static const ppl__event_formula draw_formula = {
    .inputs = 2, .axes = { 1, 0 }, .event = ppl__event_like_first, .integers = 1,
    .work = draw_work, .value = draw_value
};
PPL__EVENT_OP(draw_op, "dirichlet_multinomial sample", draw_formula)

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    ppl_tensor *in[] = { d->param[CONCENTRATION], d->param[TOTAL] };
    return draw_op_apply(in, d, rng, sizeof *rng);
}

/* ---- Moments ----------------------------------------------------------------------- */

/* Each with an axis behind. */
static ppl_tensor *total(const ppl_dist *d)
{
    return ppl__one_more_axis(ppl_to_float(d->param[TOTAL]));
}

static ppl_tensor *whole(const ppl_dist *d)
{
    return ppl__one_more_axis(ppl_sum(d->param[CONCENTRATION], -1));
}

static ppl_tensor *share(const ppl_dist *d)
{
    return ppl_div(d->param[CONCENTRATION], whole(d));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_mul(total(d), share(d));
}

/* n (n + A) / (1 + A), the last as 1 + (n - 1) / (1 + A). */
static ppl_tensor *spread(const ppl_dist *d)
{
    ppl_tensor *n = total(d);
    ppl_tensor *wider = ppl_div(ppl_affine(n, 1, -1), ppl_affine(whole(d), 1, 1));
    return ppl_mul(n, ppl_affine(wider, 1, 1));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *m = share(d), *rest = ppl_div(ppl_sub(whole(d), d->param[CONCENTRATION]),
                                              whole(d));
    return ppl_mul(spread(d), ppl_mul(m, rest));
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    ppl_tensor *m = share(d);
    return ppl_mul(ppl__one_more_axis(spread(d)),
                   ppl_sub(ppl_matrix_embed(m, PPL_DIAGONAL), ppl_outer(m, m)));
}

/* ---- Row --------------------------------------------------------------------------- */

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, CONCENTRATION, 1);
}

ppl_dist *ppl_dirichlet_multinomial(ppl_tensor *total_count, ppl_tensor *concentration)
{
    ppl_tensor *params[] = { total_count, concentration };
    const ppl_family *family = &ppl_family_dirichlet_multinomial;
    return ppl__has_categories(family, CONCENTRATION, concentration)
               ? ppl_dist_make(family, params, NULL) : NULL;
}

const ppl_family ppl_family_dirichlet_multinomial = {
    .name = "dirichlet_multinomial",
    .params = 2,
    .param_name = { "total_count", "concentration" },
    .param_constraint = { &ppl_constraint_nonnegative_integer, &ppl_constraint_positive },
    .param_event_dim = { 0, 1 },
    .param_dtype = { PPL_I64 },
    .support = &ppl_constraint_nonnegative_integer,
    .support_at = ppl__counts_of_total,
    .event_dim = 1,
    .flags = PPL_DISCRETE,
    .value_dtype = PPL_I64,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .mean = mean,
    .variance = variance,
    .covariance = covariance,
};

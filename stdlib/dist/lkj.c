/* SPDX-License-Identifier: MIT */
/*
 * lkj.c - LKJCholesky(n, concentration c) on the lower triangular L with rows of length 1
 * and a positive diagonal, c > 0, and LKJ on the correlation matrices R = L L^T of n
 * rows: the density of R is proportional to |R|^(c - 1).
 *
 *   log p(L)   sum_i (2 (c - 1) + n - 1 - i) log L_ii - N,   i = 1 .. n - 1,
 *              N = sum_i (i/2 log pi + log Gamma(a_i) - log Gamma(s)),
 *              s = c + (n - 1)/2, a_i = s - i/2
 *   log p(R)   sum_i 2 (c - 1) log L_ii - N; by R (c - 1) R^-1
 *   by c       sum_i (2 log L_ii - psi(a_i) + psi(s))
 *   rows are independent: L_ii^2 is Beta(a_i, i/2), the rest of row i points anywhere
 *   L: mean E L_ii = B(a_i + 1/2, i/2) / B(a_i, i/2), variance 1/(2 s) off the diagonal
 *   R: mean I, variance 1/(2 s) off the diagonal
 *   entropy    N minus the exponents times E log L_ii = (psi(a_i) - psi(s))/2
 *   draw       row by row (the onion), the Beta as a ratio of Gammas (ppl_rng_gamma)
 *   KL(q||p)   sum_i (D(a_i,q, a_i,p) - D(s_q, s_p)),  D as in stirling.h; the same for R
 *
 * Of L the diagonal alone is read. For large c Gammas are taken together (stirling.h).
 * Source: Lewandowski, Kurowicka, Joe, Generating random correlation matrices based on
 * vines and extended onion method, 2009.
 */
#include "event.h"
#include "matrix.h"
#include "multivariate_normal.h"
#include "stirling.h"

#include <kiln/matrix.h>

#include <string.h>

#define LOG_PI 1.14472988584940017414

/* Of both families: the matrices' rows, and whether they are correlations. */
typedef struct kind {
    size_t n;
    int correlation;
} kind;

static const kind *kind_of(const ppl__event *e)
{
    return e->attr;
}

static double top(const kind *k, double c)
{
    return c + ((double)k->n - 1) / 2;
}

/* a_i, which for the last row is c: as s - i/2 it would lose the digits of a small c. */
static double part(const kind *k, double c, size_t i)
{
    return c + (double)(k->n - 1 - i) / 2;
}

/* The exponent of L_ii. */
static double exponent(const kind *k, double c, size_t i)
{
    return 2 * (c - 1) + (k->correlation ? 0 : (double)(k->n - 1 - i));
}

/* log Gamma(s) - log Gamma(a_i), and its derivative. */
static double gamma_gap(const kind *k, double c, size_t i)
{
    const double half = (double)i / 2, a = part(k, c, i);
    return ppl__lgamma_step(a, half) + half * log(a);
}

static double digamma_gap(const kind *k, double c, size_t i)
{
    const double half = (double)i / 2, a = part(k, c, i);
    return ppl__digamma_step(a, half) + half / a;
}

static double trigamma_gap(const kind *k, double c, size_t i)
{
    return ppl_maths_trigamma_at(top(k, c)) - ppl_maths_trigamma_at(part(k, c, i));
}

/* ---- log_prob: x, c ---------------------------------------------------------------- */

static size_t log_prob_work(const ppl__event *e)
{
    return 2 * e->dim[0][0] * e->dim[0][0];
}

/* L; NULL if a correlation matrix is not positive definite. */
static const double *factor_of(const ppl__event *e)
{
    const size_t n = kind_of(e)->n;

    if (!kind_of(e)->correlation)
        return e->in[0];
    return ppl__cholesky(n, e->in[0], e->work) == n ? e->work : NULL;
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const kind *k = kind_of(e);
    const double c = e->in[1][0], *L = factor_of(e);

    *y = 0;
    if (!L) {
        *y = isnan(ppl__dot(k->n * k->n, e->in[0], e->in[0])) ? NAN : -INFINITY;
        return;
    }
    for (size_t i = k->correlation ? 0 : 1; i < k->n; i++) {
        const double x = L[i * k->n + i], power = exponent(k, c, i);
        *y += (power == 0 ? 0 : power * log(x)) - (double)i / 2 * LOG_PI +
              gamma_gap(k, c, i);
        if (x < 0)
            *y = -INFINITY;
    }
}

static void log_prob_gradient(const ppl__event *e)
{
    const kind *k = kind_of(e);
    const size_t n = k->n;
    const double c = e->in[1][0], *L = factor_of(e), g = e->g[0];
    double *inverse = e->work + n * n;

    for (size_t i = 1; L && i < n; i++)
        L = L[i * n + i] < 0 ? NULL : L;
    if (!L)
        return;
    for (size_t i = 1; e->d[1] && i < n; i++)
        e->d[1][0] += g * (2 * log(L[i * n + i]) + digamma_gap(k, c, i));
    if (e->d[0] && k->correlation) {
        ppl__invert_lower(n, L, inverse);
        ppl__add_product(g * (c - 1), 'T', 'N', n, n, n, inverse, inverse, e->d[0]);
        return;
    }
    for (size_t i = 1; e->d[0] && i < n; i++) {
        const double power = exponent(k, c, i);
        e->d[0][i * n + i] += power == 0 ? 0 : g * power / L[i * n + i];
    }
}

/* ---- Drawing L: c ------------------------------------------------------------------ */

typedef struct draw_attr {
    kind k;
    ppl_rng rng;
    const double *eps;                      /* n n of each draw */
    double *log_g;                          /* 2 n of each: of L_ii^2 and of the rest */
} draw_attr;

static ppl_shape square(const ppl__event *e)
{
    const int64_t n = (int64_t)kind_of(e)->n;
    return PPL_SHAPE(n, n);
}

/* x / (x + y) from logarithms. */
static double part_of(double log_x, double log_y)
{
    const double e = exp(-fabs(log_x - log_y));
    return (log_x > log_y ? 1 : e) / (1 + e);
}

static void draw_value(const ppl__event *e, double *y)
{
    const draw_attr *attr = e->attr;
    const size_t n = attr->k.n;
    const double c = e->in[0][0];

    memset(y, 0, n * n * sizeof *y);
    y[0] = 1;
    for (size_t i = 1; i < n; i++) {
        const size_t at = e->index * n + i;
        const double *eps = attr->eps + at * n, half = (double)i / 2;
        double *log_g = attr->log_g + 2 * at;
        ppl_rng_gamma(&attr->rng, 0, 2 * at, part(&attr->k, c, i), &log_g[0]);
        ppl_rng_gamma(&attr->rng, 0, 2 * at + 1, half, &log_g[1]);
        const double scale = sqrt(part_of(log_g[1], log_g[0]) / ppl__dot(i, eps, eps));
        for (size_t j = 0; j < i; j++)
            y[i * n + j] = scale * eps[j];
        y[i * n + i] = sqrt(part_of(log_g[0], log_g[1]));
    }
}

/* With b = L_ii^2, d log(b / (1 - b)) / dc is the slope of its Gamma: L_ii moves by half
 * of (1 - b) times that, the rest of the row by -b. */
static void draw_gradient(const ppl__event *e)
{
    const draw_attr *attr = e->attr;
    const size_t n = attr->k.n;
    const double c = e->in[0][0];

    for (size_t i = 1; i < n; i++) {
        const double *log_g = attr->log_g + 2 * (e->index * n + i);
        const double b = part_of(log_g[0], log_g[1]), rest = part_of(log_g[1], log_g[0]);
        const double *g = e->g + i * n, *y = e->y + i * n;
        e->d[0][0] += (g[i] * y[i] * rest - ppl__dot(i, g, y) * b) / 2 *
                      ppl_maths_gamma_slope(part(&attr->k, c, i), exp(log_g[0]), log_g[0]);
    }
}

/* ---- Entropy, mean, variance: c ---------------------------------------------------- */

static void entropy_value(const ppl__event *e, double *y)
{
    const kind *k = kind_of(e);
    const double c = e->in[0][0];

    *y = 0;
    for (size_t i = 1; i < k->n; i++)
        *y += (double)i / 2 * LOG_PI - gamma_gap(k, c, i) +
              exponent(k, c, i) / 2 * digamma_gap(k, c, i);
}

static void entropy_gradient(const ppl__event *e)
{
    const kind *k = kind_of(e);
    const double c = e->in[0][0];

    for (size_t i = 1; i < k->n; i++)
        e->d[0][0] += e->g[0] * exponent(k, c, i) / 2 * trigamma_gap(k, c, i);
}

/* E L_ii = Gamma(a + 1/2) Gamma(s) / (Gamma(a) Gamma(s + 1/2)). */
static double mean_at(const kind *k, double c, size_t i)
{
    const double s = top(k, c), a = part(k, c, i);
    return exp(ppl__lgamma_step(a, 0.5) - ppl__lgamma_step(s, 0.5) + log(a / s) / 2);
}

static double mean_slope(const kind *k, double c, size_t i)
{
    const double s = top(k, c), a = part(k, c, i);
    return mean_at(k, c, i) * (ppl__digamma_step(a, 0.5) + 0.5 / a -
                               ppl__digamma_step(s, 0.5) - 0.5 / s);
}

static void mean_value(const ppl__event *e, double *y)
{
    const kind *k = kind_of(e);

    memset(y, 0, k->n * k->n * sizeof *y);
    for (size_t i = 0; i < k->n; i++)
        y[i * k->n + i] = i == 0 || k->correlation ? 1 : mean_at(k, e->in[0][0], i);
}

static void mean_gradient(const ppl__event *e)
{
    const kind *k = kind_of(e);

    for (size_t i = 1; !k->correlation && i < k->n; i++)
        e->d[0][0] += e->g[i * k->n + i] * mean_slope(k, e->in[0][0], i);
}

static void variance_value(const ppl__event *e, double *y)
{
    const kind *k = kind_of(e);
    const size_t n = k->n;
    const double c = e->in[0][0], s = top(k, c);

    memset(y, 0, n * n * sizeof *y);
    for (size_t i = 1; i < n; i++) {
        const double m = mean_at(k, c, i);
        for (size_t j = 0; j < i; j++)
            y[i * n + j] = 1 / (2 * s);
        for (size_t j = 0; k->correlation && j < i; j++)
            y[j * n + i] = 1 / (2 * s);
        if (!k->correlation)
            y[i * n + i] = part(k, c, i) / s - m * m;
    }
}

static void variance_gradient(const ppl__event *e)
{
    const kind *k = kind_of(e);
    const size_t n = k->n;
    const double c = e->in[0][0], s = top(k, c);

    for (size_t i = 1; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            e->d[0][0] -= (e->g[i * n + j] + (k->correlation ? e->g[j * n + i] : 0)) /
                          (2 * s * s);
        if (!k->correlation)
            e->d[0][0] += e->g[i * n + i] * ((double)i / (2 * s * s) -
                                             2 * mean_at(k, c, i) * mean_slope(k, c, i));
    }
}

/* ---- KL: c_q, c_p ------------------------------------------------------------------ */

static void kl_value(const ppl__event *e, double *y)
{
    const kind *k = kind_of(e);
    const double q = e->in[0][0], p = e->in[1][0];

    *y = 0;
    for (size_t i = 1; i < k->n; i++)
        *y += ppl__gamma_divergence(part(k, q, i), part(k, p, i)) -
              ppl__gamma_divergence(top(k, q), top(k, p));
}

static void kl_gradient(const ppl__event *e)
{
    const kind *k = kind_of(e);
    const double q = e->in[0][0], p = e->in[1][0];

    for (size_t i = 1; i < k->n; i++) {
        if (e->d[0])
            e->d[0][0] -= e->g[0] * (q - p) * trigamma_gap(k, q, i);
        if (e->d[1])
            e->d[1][0] += e->g[0] * (digamma_gap(k, q, i) - digamma_gap(k, p, i));
    }
}

/* ---- Rows -------------------------------------------------------------------------- */

static const ppl__event_formula log_prob_formula = {
    .inputs = 2, .axes = { 2, 0 }, .work = log_prob_work, .value = log_prob_value,
    .gradient = log_prob_gradient
};
static const ppl__event_formula draw_formula = {
    .inputs = 1, .event = square, .value = draw_value, .gradient = draw_gradient
};
static const ppl__event_formula entropy_formula = {
    .inputs = 1, .value = entropy_value, .gradient = entropy_gradient
};
static const ppl__event_formula mean_formula = {
    .inputs = 1, .event = square, .value = mean_value, .gradient = mean_gradient
};
static const ppl__event_formula variance_formula = {
    .inputs = 1, .event = square, .value = variance_value, .gradient = variance_gradient
};
static const ppl__event_formula kl_formula = {
    .inputs = 2, .value = kl_value, .gradient = kl_gradient
};
PPL__EVENT_OP(log_prob_op, "lkj log_prob", log_prob_formula)
PPL__EVENT_OP(draw_op, "lkj sample", draw_formula)
PPL__EVENT_OP(entropy_op, "lkj entropy", entropy_formula)
PPL__EVENT_OP(mean_op, "lkj mean", mean_formula)
PPL__EVENT_OP(variance_op, "lkj variance", variance_formula)
PPL__EVENT_OP(kl_op, "lkj kl", kl_formula)

static ppl_shape event_shape(const ppl_dist *d)
{
    const int64_t n = (int64_t)((const kind *)d->attr)->n;
    return PPL_SHAPE(n, n);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const kind *k = d->attr;
    const size_t all = ppl__dist_numel(d);
    double *eps = ppl_alloc(d->ctx, all * sizeof *eps);
    const draw_attr attr = {
        *k, *rng, eps, ppl_alloc(d->ctx, 2 * all / k->n * sizeof(double))
    };

    if (!eps || !attr.log_g)
        return NULL;
    ppl_rng_normals(rng, 3, all, eps);      /* 0 to 2 are those of the Gammas */
    ppl_tensor *L = draw_op_apply(d->param, d, &attr, sizeof attr);
    return k->correlation ? ppl__times_own_transpose(L) : L;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0] };
    return log_prob_op_apply(in, d, d->attr, sizeof(kind));
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return entropy_op_apply(d->param, NULL, d->attr, sizeof(kind));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return mean_op_apply(d->param, NULL, d->attr, sizeof(kind));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return variance_op_apply(d->param, NULL, d->attr, sizeof(kind));
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *in[] = { q->param[0], p->param[0] };
    return kl_op_apply(in, NULL, q->attr, sizeof(kind));
}

static ppl_dist *make(const ppl_family *family, int64_t n, ppl_tensor *concentration,
                      int correlation)
{
    if (!concentration)
        return NULL;
    if (n < 1) {
        ppl_fail(ppl_tensor_ctx(concentration), PPL_EINVAL, "%s: matrices of %lld rows; "
                 "at least 1 is needed", family->name, (long long)n);
        return NULL;
    }
    kind *k = ppl_alloc(ppl_tensor_ctx(concentration), sizeof *k);
    if (!k)
        return NULL;
    *k = (kind){ (size_t)n, correlation };
    return ppl_dist_make(family, &concentration, k);
}

ppl_dist *ppl_lkj(int64_t n, ppl_tensor *concentration)
{
    return make(&ppl_family_lkj, n, concentration, 1);
}

ppl_dist *ppl_lkj_cholesky(int64_t n, ppl_tensor *concentration)
{
    return make(&ppl_family_lkj_cholesky, n, concentration, 0);
}

#define LKJ_FAMILY(text, constraint)                                                     \
    {                                                                                    \
        .name = text, .params = 1, .param_name = { "concentration" },                    \
        .param_constraint = { &ppl_constraint_positive }, .support = &(constraint),      \
        .event_dim = 2, .flags = PPL_REPARAM, .event_shape = event_shape,                \
        .sample = sample, .log_prob = log_prob, .entropy = entropy, .mean = mean,        \
        .variance = variance, .kl = kl,                                                  \
    }
const ppl_family ppl_family_lkj = LKJ_FAMILY("lkj", ppl_constraint_corr_matrix);
const ppl_family ppl_family_lkj_cholesky =
    LKJ_FAMILY("lkj_cholesky", ppl_constraint_corr_cholesky);

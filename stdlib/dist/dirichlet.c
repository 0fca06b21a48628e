/* SPDX-License-Identifier: MIT */
/*
 * dirichlet.c - Dirichlet(concentration a [..,K]) on the simplex, a_k > 0; A = sum a.
 *
 *   log p(x)   sum_k (a_k - 1) log x_k + log Gamma(A) - sum_k log Gamma(a_k)
 *   mean a/A, variance a_k (A - a_k) / (A^2 (A + 1)),
 *              covariance (diag m - m m^T) / (A + 1), m = a/A
 *   mode       (a - 1) / (A - K); NaN unless every a_k > 1
 *   entropy    log B(a) + (A - K) psi(A) - sum_k (a_k - 1) psi(a_k)
 *   draw       g_k / sum g, g_k of Gamma(a_k, 1); dx_j/da_k = x_j ((j == k) - x_k) times
 *              d log g_k / da_k (ppl_rng_gamma)
 *   KL(q||p)   log B(a_p) - log B(a_q) + sum_k (q_k - p_k) (psi(q_k) - psi(A_q))
 *
 * As a grows, log Gamma(a_k) grows as a_k log a_k and cancels in all three; so Stirling's
 * terms are taken together (stirling.h, r and r' there), with m = a/A:
 *
 *   log p      sum_k a_k log(x_k / m_k) + c,
 *              c = sum_k (log a_k / 2 - r(a_k)) - log A / 2 + r(A)
 *              - (K - 1) log(2 pi) / 2
 *   entropy    sum_k log m_k - c + (A - K) (r'(A) - 1/(2A))
 *              - sum_k (a_k - 1) (r'(a_k) - 1/(2 a_k))
 *   KL         A_p KL(m_p || m_q) + sum_k D(q_k, p_k) - D(A_q, A_p), D what is left of log
 *              Gamma(p) - log Gamma(q) + (q - p) psi(q) without p log(p/q) - p + q
 *
 * Worked in double, and draws by logarithms, as for small a all Gammas underflow; a
 * component that would be 0 is the least normal number. Off the simplex: -inf where a
 * component is negative; the sum is not looked at (but by validation). On its faces
 * log_prob is +inf or -inf as a_k is below or above 1, NaN if both.
 * Source: Kotz, Balakrishnan, Johnson, Continuous Multivariate Distributions 1, 2000,
 * chapter 49.
 */
#include "event.h"
#include "stirling.h"

#include "../shape_text.h"

#include <kiln/matrix.h>

#include <float.h>

static double sum_of(size_t n, const double *x)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += x[k];
    return sum;
}

/* c. */
static double constant(size_t n, const double *a)
{
    const double sum = sum_of(n, a);
    double c = ppl__stirling(sum) - log(sum) / 2 -
               ((double)n - 1) * PPL__HALF_LOG_TWO_PI;

    for (size_t k = 0; k < n; k++)
        c += log(a[k]) / 2 - ppl__stirling(a[k]);
    return c;
}

/* ---- log_prob: x, a ---------------------------------------------------------------- */

/* work: log x / m; behind that c and A, which stay while a does. */
static size_t log_prob_work(const ppl__event *e)
{
    return e->dim[0][0] + 2;
}

/* a log(x / m) - log x: one component's share. */
static double share(double x, double a, double m, double log_ratio)
{
    if (x < 0)
        return -INFINITY;
    if (a == 1 && x >= 0)
        return -log(m);
    return x == 0 ? (a - 1) * -INFINITY : a * log_ratio - log(x);
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *x = e->in[0], *a = e->in[1];
    double *ratio = e->work, *kept = e->work + n, sum = 0;

    if (e->fresh & 2) {
        kept[0] = constant(n, a);
        kept[1] = sum_of(n, a);
    }
    for (size_t k = 0; k < n; k++)
        ratio[k] = x[k] / a[k] * kept[1];
    ppl_maths_log(PPL_F64, n, ratio, ratio);
    for (size_t k = 0; k < n; k++)
        sum += share(x[k], a[k], a[k] / kept[1], ratio[k]);
    *y = sum + kept[0];
}

static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *x = e->in[0], *a = e->in[1], g = e->g[0];
    double *work = e->work;

    for (size_t k = 0; k < n; k++)
        if (x[k] < 0)
            return;
    for (size_t k = 0; e->d[0] && k < n; k++)
        e->d[0][k] += a[k] == 1 ? 0 : g * (a[k] - 1) / x[k];
    if (!e->d[1])
        return;
    const double psi = ppl_maths_digamma_at(sum_of(n, a));
    ppl_maths_digamma(PPL_F64, n, a, work);
    for (size_t k = 0; k < n; k++)
        e->d[1][k] += g * (psi - work[k]);
    ppl_maths_log(PPL_F64, n, x, work);
    for (size_t k = 0; k < n; k++)
        e->d[1][k] += g * work[k];
}

/* ---- Drawing: a -------------------------------------------------------------------- */

/* The logarithms of a draw's Gammas are kept for its derivatives. */
typedef struct draw_attr {
    ppl_rng rng;
    double *log_g;
} draw_attr;

static void draw_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0], start = e->index * n;
    const draw_attr *attr = e->attr;
    const double least = ppl_tensor_dtype(e->out) == PPL_F32 ? (double)FLT_MIN : DBL_MIN;
    double *log_g = attr->log_g + start, top = -INFINITY;

    ppl_rng_gammas(&attr->rng, 0, start, n, e->in[0], 0, y, log_g);
    for (size_t k = 0; k < n; k++)
        top = log_g[k] > top ? log_g[k] : top;
    for (size_t k = 0; k < n; k++)
        y[k] = log_g[k] - top;
    ppl_maths_exp(PPL_F64, n, y, y);
    const double sum = sum_of(n, y);
    for (size_t k = 0; k < n; k++) {
        y[k] /= sum;
        y[k] = y[k] < least ? least : y[k];
    }
}

static void draw_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const draw_attr *attr = e->attr;
    const double *log_g = attr->log_g + e->index * n;
    double mean = 0;

    for (size_t k = 0; k < n; k++)
        mean += e->g[k] == 0 ? 0 : e->g[k] * e->y[k];
    for (size_t k = 0; k < n; k++)
        e->d[0][k] += e->y[k] * (e->g[k] - mean) *
                      ppl_maths_gamma_slope(e->in[0][k], exp(log_g[k]), log_g[k]);
}

/* ---- Entropy: a -------------------------------------------------------------------- */

/* (a - n) times psi(a) - log a. */
static double tail(double a, double n)
{
    return (a - n) * (ppl__stirling_slope(a) - 0.5 / a);
}

static void entropy_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *a = e->in[0], sum = sum_of(n, a);

    *y = tail(sum, (double)n) - constant(n, a);
    for (size_t k = 0; k < n; k++)
        *y += log(a[k] / sum) - tail(a[k], 1);
}

static void entropy_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *a = e->in[0], sum = sum_of(n, a);
    const double all = ppl__trigamma_excess(sum, (double)n);

    for (size_t k = 0; k < n; k++)
        e->d[0][k] += e->g[0] * (all - ppl__trigamma_excess(a[k], 1));
}

/* ---- KL: a_q, a_p ------------------------------------------------------------------ */

static void kl_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *q = e->in[0], *p = e->in[1];

    const double sum_q = sum_of(n, q), sum_p = sum_of(n, p);

    *y = -ppl__gamma_divergence_rest(sum_q, sum_p);
    for (size_t k = 0; k < n; k++) {
        const double mean_q = q[k] / sum_q, mean_p = p[k] / sum_p;
        *y += sum_p * ppl__kl_share(mean_p, mean_q, log(mean_p), log(mean_q)) +
              ppl__gamma_divergence_rest(q[k], p[k]);
    }
}

static void kl_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *q = e->in[0], *p = e->in[1], sum_q = sum_of(n, q), sum_p = sum_of(n, p);

    for (int of_p = 0; of_p < 2; of_p++)
        for (size_t k = 0; e->d[of_p] && k < n; k++)
            e->d[of_p][k] +=
                e->g[0] * ppl__dirichlet_kl_slope(of_p, q[k], sum_q, p[k], sum_p);
}

/* ---- Rows -------------------------------------------------------------------------- */

static const ppl__event_formula log_prob_formula = {
    .inputs = 2, .axes = { 1, 1 }, .work = log_prob_work, .value = log_prob_value,
    .gradient = log_prob_gradient
};
static const ppl__event_formula draw_formula = {
    .inputs = 1, .axes = { 1 }, .event = ppl__event_like_first, .value = draw_value,
    .gradient = draw_gradient
};
static const ppl__event_formula entropy_formula = {
    .inputs = 1, .axes = { 1 }, .value = entropy_value, .gradient = entropy_gradient
};
static const ppl__event_formula kl_formula = {
    .inputs = 2, .axes = { 1, 1 }, .value = kl_value, .gradient = kl_gradient
};
PPL__EVENT_OP(log_prob_op, "dirichlet log_prob", log_prob_formula)
PPL__EVENT_OP(draw_op, "dirichlet sample", draw_formula)
PPL__EVENT_OP(entropy_op, "dirichlet entropy", entropy_formula)
PPL__EVENT_OP(kl_op, "dirichlet kl", kl_formula)

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 0, 1);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const draw_attr attr = {
        *rng, ppl_alloc(d->ctx, ppl__dist_numel(d) * sizeof(double))
    };
    return attr.log_g ? draw_op_apply(d->param, d, &attr, sizeof attr) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0] };
    return log_prob_op_apply(in, d, NULL, 0);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return entropy_op_apply(d->param, NULL, NULL, 0);
}

/* A, with an axis to divide the components by. */
static ppl_tensor *total(const ppl_dist *d)
{
    return ppl__one_more_axis(ppl_sum(d->param[0], -1));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_div(d->param[0], total(d));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *sum = total(d), *rest = ppl_sub(sum, d->param[0]);
    ppl_tensor *product = ppl_mul(mean(d), ppl_div(rest, sum));
    return ppl_div(product, ppl_affine(sum, 1, 1));
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    ppl_tensor *m = mean(d), *scale = ppl__one_more_axis(ppl_affine(total(d), 1, 1));
    return ppl_div(ppl_sub(ppl_matrix_embed(m, PPL_DIAGONAL), ppl_outer(m, m)), scale);
}

static ppl_tensor *mode(const ppl_dist *d)
{
    ppl_tensor *a = d->param[0], *one = ppl_scalar(d->ctx, 1);
    const double K = (double)ppl_dim(a, -1);
    ppl_tensor *least = ppl__one_more_axis(ppl_neg(ppl_max(ppl_neg(a), -1)));
    ppl_tensor *at = ppl_div(ppl_affine(a, 1, -1), ppl_affine(total(d), 1, -K));
    return ppl_where(ppl_less(one, least), at, ppl_scalar(d->ctx, NAN));
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *in[] = { q->param[0], p->param[0] };
    return kl_op_apply(in, NULL, NULL, 0);
}

ppl_dist *ppl_dirichlet(ppl_tensor *concentration)
{
    if (concentration && ppl_rank(concentration) > 0 && ppl_dim(concentration, -1) == 0) {
        ppl_fail(ppl_tensor_ctx(concentration), PPL_ESHAPE, "dirichlet: concentration "
                 "has shape %s, which is no component at all; its last axis counts them",
                 SHAPE_OF(concentration));
        return NULL;
    }
    return ppl_dist_make(&ppl_family_dirichlet, &concentration, NULL);
}

const ppl_family ppl_family_dirichlet = {
    .name = "dirichlet",
    .params = 1,
    .param_name = { "concentration" },
    .param_constraint = { &ppl_constraint_positive },
    .param_event_dim = { 1 },
    .support = &ppl_constraint_simplex,
    .event_dim = 1,
    .flags = PPL_REPARAM,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .covariance = covariance,
    .mode = mode,
    .kl = kl,
};

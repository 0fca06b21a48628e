/* SPDX-License-Identifier: MIT */
/*
 * logistic_normal.c - LogisticNormal(loc m, scale s [..,K-1]) on the simplex of K
 * components: independent normals t_k, made shares of what is left (stick-breaking).
 *
 *   x_k = r_k sigmoid(t_k - log(K - 1 - k)), r_k = 1 - x_0 - .. - x_(k-1), k = 0 .. K-2;
 *   x_(K-1) what is left at the end. With R_k = x_(k+1) + .. + x_(K-1):
 *   t_k = log x_k - log R_k + log(K - 1 - k)
 *   log p(x)   sum_k (-z_k^2 / 2 - log s_k - log(2 pi) / 2 - log x_k - log R_k
 *              + log(x_k + R_k)), z_k = (t_k - m_k) / s_k; a density in x_0 .. x_(K-2)
 *   by x_j     sum of what log x_j and the R_k and R_k + x_k it is part of contribute
 *   draw       from m + s e, e standard normal, in logarithms
 *   KL(q||p)   that of the normals
 *
 * The sums R_k are taken from the end, so that small components are not lost. -inf where
 * a component is negative or (as z is infinite) 0; no moments or entropy in closed form.
 * Source: Aitchison, The Statistical Analysis of Compositional Data, 1986; the map is
 * that of torch.distributions.StickBreakingTransform.
 */
#include "event.h"

#include "../shape_text.h"

#define HALF_LOG_TWO_PI 0.91893853320467274178

/* ---- log_prob: x, m, s ------------------------------------------------------------- */

static size_t log_prob_work(const ppl__event *e)
{
    return 2 * e->dim[0][0];
}

/* rest[k] = R_k; returns 0 if a component is not positive. */
static int fill_rest(const ppl__event *e, double *rest)
{
    const size_t K = e->dim[0][0];
    const double *x = e->in[0];

    rest[K - 1] = 0;
    for (size_t k = K - 1; k-- > 0;)
        rest[k] = rest[k + 1] + x[k + 1];
    for (size_t k = 0; k < K; k++)
        if (x[k] <= 0)
            return 0;
    return 1;
}

static double standardised(const ppl__event *e, const double *rest, size_t k)
{
    const double t = log(e->in[0][k] / rest[k] * (double)(e->dim[0][0] - 1 - k));
    return (t - e->in[1][k]) / e->in[2][k];
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t K = e->dim[0][0];
    const double *x = e->in[0];
    double *rest = e->work;

    *y = fill_rest(e, rest) ? 0 : -INFINITY;
    for (size_t k = 0; *y > -INFINITY && k + 1 < K; k++) {
        const double z = standardised(e, rest, k);
        *y += -z * z / 2 - log(e->in[2][k]) - HALF_LOG_TWO_PI -
              log(x[k] / (x[k] + rest[k])) - log(rest[k]);
    }
}

/* x_j is in R_k for k < j, and in x_k + R_k for k <= j: sums from the front. */
static void log_prob_gradient(const ppl__event *e)
{
    const size_t K = e->dim[0][0];
    const double *x = e->in[0], g = e->g[0];
    double *rest = e->work, before = 0;

    if (!fill_rest(e, rest))
        return;
    for (size_t k = 0; k + 1 < K; k++) {
        const double z = standardised(e, rest, k), s = e->in[2][k];
        before += 1 / (x[k] + rest[k]);
        if (e->d[0])
            e->d[0][k] += g * (before - (1 + z / s) / x[k]);
        before += (z / s - 1) / rest[k];
        if (e->d[1])
            e->d[1][k] += g * z / s;
        if (e->d[2])
            e->d[2][k] += g * (z * z - 1) / s;
    }
    if (e->d[0])
        e->d[0][K - 1] += g * before;
}

/* ---- Drawing: m, s ----------------------------------------------------------------- */

static ppl_shape one_longer(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)e->dim[0][0] + 1);
}

static const double *noise_of(const ppl__event *e)
{
    return *(const double *const *)e->attr + e->index * (e->dim[0][0] + 1);
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* t_k - log(K - 1 - k): log(x_k / R_k). */
static double log_odds(const ppl__event *e, size_t k)
{
    return e->in[0][k] + e->in[1][k] * noise_of(e)[k] - log((double)(e->dim[0][0] - k));
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t last = e->dim[0][0];
    const double least = ppl_tensor_dtype(e->out) == PPL_F32 ? 0x1p-126 : 0x1p-1022;
    double log_left = 0;

    for (size_t k = 0; k < last; k++) {
        const double odds = log_odds(e, k);
        y[k] = fmax(exp(log_left - softplus(-odds)), least);
        log_left -= softplus(odds);
    }
    y[last] = fmax(exp(log_left), least);
}

/* d log x_k / dt_k = 1 - share, d log x_j / dt_k = -share for j > k. */
static void draw_gradient(const ppl__event *e)
{
    const size_t last = e->dim[0][0];
    double after = e->g[last] == 0 ? 0 : e->g[last] * e->y[last];

    for (size_t k = last; k-- > 0;) {
        const double odds = log_odds(e, k), share = 1 / (1 + exp(-odds));
        const double own = e->g[k] == 0 ? 0 : e->g[k] * e->y[k];
        const double d = own / (1 + exp(odds)) - after * share;
        if (e->d[0])
            e->d[0][k] += d;
        if (e->d[1])
            e->d[1][k] += d * noise_of(e)[k];
        after += own;
    }
}

/* ---- Rows -------------------------------------------------------------------------- */

static const ppl__event_formula log_prob_formula = {
    .inputs = 3, .axes = { 1, 1, 1 }, .work = log_prob_work, .value = log_prob_value,
    .gradient = log_prob_gradient
};
static const ppl__event_formula draw_formula = {
    .inputs = 2, .axes = { 1, 1 }, .event = one_longer, .value = draw_value,
    .gradient = draw_gradient
};
PPL__EVENT_OP(log_prob_op, "logistic_normal log_prob", log_prob_formula)
PPL__EVENT_OP(draw_op, "logistic_normal sample", draw_formula)

static ppl_shape event_shape(const ppl_dist *d)
{
    return PPL_SHAPE(ppl_dim(d->param[0], -1) + 1);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const double *eps = ppl__noise(d, rng, ppl_rng_normals);
    return eps ? draw_op_apply(d->param, d, &eps, sizeof eps) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1] };
    return log_prob_op_apply(in, d, NULL, 0);
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    return ppl_kl(ppl_event(ppl_normal(q->param[0], q->param[1]), 1),
                  ppl_event(ppl_normal(p->param[0], p->param[1]), 1));
}

ppl_dist *ppl_logistic_normal(ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *params[] = { loc, scale };
    const int64_t n = ppl_dim(loc, -1);

    if (!loc || !scale)
        return NULL;
    if (ppl_rank(loc) >= 1 && n > 0 && ppl_rank(scale) >= 1 && ppl_dim(scale, -1) == n)
        return ppl_dist_make(&ppl_family_logistic_normal, params, NULL);
    ppl_fail(ppl_tensor_ctx(loc), PPL_ESHAPE, "logistic_normal: loc has shape %s and "
             "scale %s; their last axes must be equally long, at least 1", SHAPE_OF(loc),
             SHAPE_OF(scale));
    return NULL;
}

const ppl_family ppl_family_logistic_normal = {
    .name = "logistic_normal",
    .params = 2,
    .param_name = { "loc", "scale" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_positive },
    .param_event_dim = { 1, 1 },
    .support = &ppl_constraint_simplex,
    .event_dim = 1,
    .flags = PPL_REPARAM,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .kl = kl,
};

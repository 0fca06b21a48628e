/* SPDX-License-Identifier: MIT */
/*
 * normal.c - Normal(loc, scale) on the real line, scale > 0.
 *
 *   log p(x)   -z^2 / 2 - log scale - log(2 pi) / 2,  z = (x - loc) / scale
 *   P(X <= x)  the normal distribution function of z (normal_tails.h)
 *   mean loc, variance scale^2, entropy 1/2 + log(2 pi) / 2 + log scale
 *   draw       loc + scale eps, eps standard normal
 *   KL(q||p)   (z^2 + t^2) / 2 + (t - log(1 + t)),  z = (loc_q - loc_p) / scale_p,
 *              t = scale_q / scale_p - 1
 *
 * The KL is the usual (r^2 + z^2 - 1) / 2 - log r, r = 1 + t, regrouped so that every
 * term is at least 0 and nothing cancels as q approaches p.
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 13.
 */
#ifdef REAL

static void LOOP(log_prob)(const ppl__span *s, void *out)
{
    const REAL *x = s->in[0], *loc = s->in[1], *scale = s->in[2];
    const REAL *log_scale = MAPPED(log, s, 2, out);
    REAL *y = out;

    PPL__EACH(i, s) {
        const REAL z = (x[i] - loc[i]) / scale[i];
        y[i] = -z * z / 2 - log_scale[i] - (REAL)HALF_LOG_TWO_PI;
    }
}

static void LOOP(log_prob_slopes)(const ppl__span *s, void *const *d)
{
    const REAL *x = s->in[0], *loc = s->in[1], *scale = s->in[2];
    REAL *restrict dx = d[0], *restrict dloc = d[1], *restrict dscale = d[2];

    PPL__EACH(i, s) {
        const REAL precision = 1 / scale[i], z = (x[i] - loc[i]) * precision;
        dx[i] = -z * precision;
        dloc[i] = z * precision;
        dscale[i] = (z * z - 1) * precision;
    }
}

static void LOOP(draw)(const ppl__span *s, void *out)
{
    const REAL *loc = s->in[0], *scale = s->in[1];
    double room[PPL__SPAN];
    const double *eps = draw_eps(s, room);
    REAL *restrict y = out;

    PPL__EACH(i, s)
        y[i] = (REAL)(loc[i] + scale[i] * eps[i]);
}

static void LOOP(draw_slope)(const ppl__span *s, int input, void *slope)
{
    double room[PPL__SPAN];
    REAL *restrict d = slope;

    if (input == 0) {
        PPL__EACH(i, s)
            d[i] = 1;
        return;
    }
    const double *eps = eps_of(s, room);
    PPL__EACH(i, s)
        d[i] = (REAL)eps[i];
}

static void LOOP(kl)(const ppl__span *s, void *out)
{
    const REAL *loc_q = s->in[0], *scale_q = s->in[1];
    const REAL *loc_p = s->in[2], *scale_p = s->in[3];
    REAL *restrict y = out;

    PPL__EACH(i, s)
        y[i] = scale_q[i] / scale_p[i];
    LOOP(log)(DTYPE, s->n, y, y);
    PPL__EACH(i, s) {
        const REAL z = (loc_q[i] - loc_p[i]) / scale_p[i];
        const REAL t = (scale_q[i] - scale_p[i]) / scale_p[i];
        y[i] = (z * z + t * t) / 2 + EXCESS(t, y[i]);
    }
}

static void LOOP(kl_slope)(const ppl__span *s, int input, void *slope)
{
    const REAL *loc_q = s->in[0], *scale_q = s->in[1];
    const REAL *loc_p = s->in[2], *scale_p = s->in[3];
    const REAL sign = input == 0 ? 1 : -1;
    REAL *restrict d = slope;

    if (input == 0 || input == 2) {
        PPL__EACH(i, s)
            d[i] = sign * (loc_q[i] - loc_p[i]) / scale_p[i] / scale_p[i];
        return;
    }
    PPL__EACH(i, s) {
        const REAL t = (scale_q[i] - scale_p[i]) / scale_p[i];
        d[i] = t * (2 + t);                         /* r^2 - 1 */
    }
    if (input == 1) {
        PPL__EACH(i, s)
            d[i] /= scale_q[i];
        return;
    }
    PPL__EACH(i, s) {
        const REAL z = (loc_q[i] - loc_p[i]) / scale_p[i];
        d[i] = -(d[i] + z * z) / scale_p[i];
    }
}

#else

#include "normal_tails.h"

#define HALF_LOG_TWO_PI PPL__HALF_LOG_TWO_PI

/* Few draws keep their standard normals, which are cheaper to draw again than to keep where
 * they would leave the cache. They are drawn block by block, by the thread that uses
 * them. */
typedef struct kept_draws {
    ppl_rng rng;
    int kept;
    double eps[];
} kept_draws;
typedef struct draw_attr {                  /* so small that the record has room for it */
    const ppl_shape *shape;
    kept_draws *draws;
} draw_attr;
enum { KEPT = 16384 };

static const double *draw_eps(const ppl__span *s, double *room)
{
    kept_draws *draws = ((const draw_attr *)s->attr)->draws;
    double *eps = draws->kept ? draws->eps + s->start : room;

    ppl_rng_normals_from(&draws->rng, 0, s->start / 2, s->n, eps);
    return eps;
}

static const double *eps_of(const ppl__span *s, double *room)
{
    const kept_draws *draws = ((const draw_attr *)s->attr)->draws;

    return draws->kept ? draws->eps + s->start : draw_eps(s, room);
}

#define LOOPS "normal.c"
#include "loops.h"

static const ppl__formula log_prob_formula =
    PPL__FUSED_LOOPS(3, log_prob, log_prob_slopes);
static const ppl__formula draw_formula = PPL__LOOPS(2, draw, draw_slope);
static const ppl__formula kl_formula = PPL__LOOPS(4, kl, kl_slope);
PPL__FORMULA_OP(log_prob_op, "normal log_prob", log_prob_formula)
PPL__DRAW_OP(draw_op, "normal sample", draw_formula)
PPL__FORMULA_OP(kl_op, "normal kl", kl_formula)

static double log_tail(int upper, double x, double loc, double scale)
{
    return ppl__normal_log_tail(upper, (x - loc) / scale);
}

static double log_tail_slope(int input, int upper, double x, double loc, double scale)
{
    const double z = (x - loc) / scale;
    const double slope = ppl__normal_log_tail_slope(upper, z) / scale;
    return input == 0 ? slope : input == 1 ? -slope : -z * slope;
}

static double quantile(int upper, double p, double loc, double scale)
{
    return loc + scale * ppl__normal_quantile(upper, p);
}

PPL__TAILS(2, "normal")
PPL__QUANTILES(2, "normal")

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const size_t n = ppl__dist_numel(d);
    const size_t kept = n <= KEPT ? n : 0;
    const draw_attr attr = {
        &d->shape, ppl_alloc_raw(d->ctx, sizeof(kept_draws) + kept * sizeof(double))
    };
    if (!attr.draws)
        return NULL;
    attr.draws->rng = *rng;
    attr.draws->kept = n <= KEPT;
    return ppl_apply(&draw_op, d->param, 2, &attr, sizeof attr);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1] };
    return ppl_apply(&log_prob_op, in, 3, NULL, 0);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_affine(ppl_log(d->param[1]), 1, 0.5 + HALF_LOG_TWO_PI);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return d->param[0];
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_mul(d->param[1], d->param[1]);
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *in[] = { q->param[0], q->param[1], p->param[0], p->param[1] };
    return ppl_apply(&kl_op, in, 4, NULL, 0);
}

ppl_dist *ppl_normal(ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *params[] = { loc, scale };
    return ppl_dist_make(&ppl_family_normal, params, NULL);
}

const ppl_family ppl_family_normal = {
    .name = "normal",
    .params = 2,
    .param_name = { "loc", "scale" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_positive },
    .support = &ppl_constraint_real,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .kl = kl,
    .truncated = ppl__truncate_normal,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

#endif

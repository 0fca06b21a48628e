/* SPDX-License-Identifier: MIT */
/*
 * exponential.c - Exponential(rate) on x >= 0, rate > 0.
 *
 *   log p(x)   log rate - rate x
 *   P(X > x)   exp(-rate x)
 *   mean 1/rate, variance 1/rate^2, entropy 1 - log rate
 *   draw       -log(u) / rate, u uniform in (0,1)
 *   KL(q||p)   r - 1 - log r,  r = rate_p / rate_q
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 19.
 */
#include "pointwise.h"

static void log_prob_value(const ppl__span *s, void *out)
{
    const double *x = s->in[0], *rate = s->in[1];
    double *y = out;

    ppl_maths_log(PPL_F64, s->n, rate, y);
    for (size_t i = 0; i < s->n; i++)
        y[i] = x[i] < 0 ? -INFINITY : y[i] - rate[i] * x[i];
}

static void log_prob_slope(const ppl__span *s, int input, void *slope)
{
    const double *x = s->in[0], *rate = s->in[1];
    double *d = slope;

    for (size_t i = 0; i < s->n; i++)
        d[i] = x[i] < 0 ? 0 : input == 0 ? -rate[i] : 1 / rate[i] - x[i];
}

static void exponentials(const ppl_rng *rng, uint32_t stream, size_t n, double *out)
{
    ppl_rng_uniforms(rng, stream, n, out);
    ppl_maths_log(PPL_F64, n, out, out);
    for (size_t i = 0; i < n; i++)
        out[i] = -out[i];
}

static void draw_value(const ppl__span *s, void *out)
{
    const double *rate = s->in[0], *e = ppl__noise_of(s);
    double *y = out;

    for (size_t i = 0; i < s->n; i++)
        y[i] = e[i] / rate[i];
}

static void draw_slope(const ppl__span *s, int input, void *slope)
{
    const double *rate = s->in[0], *y = s->y;
    double *d = slope;

    (void)input;
    for (size_t i = 0; i < s->n; i++)
        d[i] = -y[i] / rate[i];
}

static void kl_value(const ppl__span *s, void *out)
{
    const double *rate_q = s->in[0], *rate_p = s->in[1];
    double *y = out;

    for (size_t i = 0; i < s->n; i++)
        y[i] = rate_p[i] / rate_q[i];
    ppl_maths_log(PPL_F64, s->n, y, y);
    for (size_t i = 0; i < s->n; i++)
        y[i] = ppl__excess_f64((rate_p[i] - rate_q[i]) / rate_q[i], y[i]);
}

static void kl_slope(const ppl__span *s, int input, void *slope)
{
    const double *rate_q = s->in[0], *rate_p = s->in[1];
    double *d = slope;

    for (size_t i = 0; i < s->n; i++) {
        const double t = (rate_p[i] - rate_q[i]) / rate_q[i];
        d[i] = input == 0 ? -t / rate_q[i] : t / rate_p[i];
    }
}

static const ppl__formula log_prob_formula =
    PPL__IN_DOUBLE(2, log_prob_value, log_prob_slope);
static const ppl__formula draw_formula = PPL__IN_DOUBLE(1, draw_value, draw_slope);
static const ppl__formula kl_formula = PPL__IN_DOUBLE(2, kl_value, kl_slope);
PPL__FORMULA_OP(log_prob_op, "exponential log_prob", log_prob_formula)
PPL__FORMULA_OP(draw_op, "exponential sample", draw_formula)
PPL__FORMULA_OP(kl_op, "exponential kl", kl_formula)

static double log_tail(int upper, double x, double rate)
{
    if (x <= 0)
        return upper ? 0 : -INFINITY;
    return upper ? -rate * x : ppl__log1mexp(rate * x);
}

static double log_tail_slope(int input, int upper, double x, double rate)
{
    const double slope = upper ? -1 : ppl__odds_beyond(rate * x);
    return x < 0 ? 0 : slope * (input == 0 ? rate : x);
}

static double quantile(int upper, double p, double rate)
{
    return -(upper ? log(p) : log1p(-p)) / rate;
}

PPL__TAILS(1, "exponential")
PPL__QUANTILES(1, "exponential")

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const double *noise = ppl__noise(d, rng, exponentials);
    ppl_tensor *rate = ppl__whole_param(d, 0);
    return noise ? ppl_apply(&draw_op, &rate, 1, &noise, sizeof noise) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0] };
    return ppl_apply(&log_prob_op, in, 2, NULL, 0);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_affine(ppl_log(d->param[0]), -1, 1);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_div(ppl_scalar(d->ctx, 1), d->param[0]);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *m = mean(d);
    return ppl_mul(m, m);
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *in[] = { q->param[0], p->param[0] };
    return ppl_apply(&kl_op, in, 2, NULL, 0);
}

ppl_dist *ppl_exponential(ppl_tensor *rate)
{
    return ppl_dist_make(&ppl_family_exponential, &rate, NULL);
}

const ppl_family ppl_family_exponential = {
    .name = "exponential",
    .params = 1,
    .param_name = { "rate" },
    .param_constraint = { &ppl_constraint_positive },
    .support = &ppl_constraint_nonnegative,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .kl = kl,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

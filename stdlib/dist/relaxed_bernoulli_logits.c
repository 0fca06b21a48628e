/* SPDX-License-Identifier: MIT */
/*
 * relaxed_bernoulli_logits.c - RelaxedBernoulli(temperature t, logits a) on numbers above 0
 * and below 1; t > 0.
 *
 *   draw       S((a + e) / t), e standard logistic; S(z) = 1 / (1 + e^-z)
 *   log p(x)   log t - |d| - 2 log(1 + e^-|d|) - log x - log(1 - x),
 *              d = a - t z, z = log(x / (1 - x))
 *   P(X <= x)  S(-d);  quantile S((a + log(p / (1 - p))) / t)
 *
 * Neither mean nor variance in closed form.
 * Source: Maddison, Mnih, Teh, The Concrete Distribution (2017), appendix B.
 */
#include "pointwise.h"

#include <kiln/relaxed.h>

static double logit(double x)
{
    return x > 0.25 && x < 0.75 ? log1p((2 * x - 1) / (1 - x)) : log(x) - log1p(-x);
}

static double log_sigmoid(double z)
{
    return z < 0 ? z - log1p(exp(z)) : -log1p(exp(-z));
}

static double sigmoid(double z)
{
    return z < 0 ? exp(z) / (1 + exp(z)) : 1 / (1 + exp(-z));
}

static int is_inside(double x)
{
    return x > 0 && x < 1;
}

static double log_prob(double x, double t, double a)
{
    const double d = fabs(a - t * logit(x));

    return is_inside(x) ? log(t) - d - 2 * log1p(exp(-d)) - log(x) - log1p(-x)
                        : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double t, double a)
{
    const double z = logit(x), s = tanh((a - t * z) / 2);

    if (!is_inside(x))
        return 0;
    if (input == 0)
        return (t * s - 1 + 2 * x) / (x * (1 - x));
    return input == 1 ? 1 / t + z * s : -s;
}

static double log_tail(int upper, double x, double t, double a)
{
    if (!is_inside(x))
        return isnan(x) ? x : (x >= 1) == upper ? -INFINITY : 0;
    const double v = t * logit(x) - a;
    return log_sigmoid(upper ? -v : v);
}

static double log_tail_slope(int input, int upper, double x, double t, double a)
{
    const double z = logit(x), v = t * z - a;

    if (!is_inside(x))
        return 0;
    const double by_v = upper ? -sigmoid(v) : sigmoid(-v);
    return by_v * (input == 0 ? t / (x * (1 - x)) : input == 1 ? z : -1);
}

static double quantile(int upper, double p, double t, double a)
{
    return sigmoid((a + (upper ? -logit(p) : logit(p))) / t);
}

/* ---- Draws ------------------------------------------------------------------------- */

static double draw(double u, double t, double a)
{
    return sigmoid((a + logit(u)) / t);
}

static double draw_slope(int input, double x, double u, double t, double a)
{
    const double z = (a + logit(u)) / t, e = exp(-fabs(z));
    const double spread = e / ((1 + e) * (1 + e)) / t;

    (void)x;
    return spread == 0 ? 0 : input == 0 ? -spread * z : spread;
}

PPL__LOG_PROB(2, "relaxed_bernoulli_logits")
PPL__TAILS(2, "relaxed_bernoulli_logits")
PPL__QUANTILES(2, "relaxed_bernoulli_logits")
PPL__DRAWS(2, "relaxed_bernoulli_logits", ppl_rng_uniforms)

/* ---- Row --------------------------------------------------------------------------- */

ppl_dist *ppl_relaxed_bernoulli_logits(ppl_tensor *temperature, ppl_tensor *logits)
{
    ppl_tensor *params[] = { temperature, logits };
    return ppl_dist_make(&ppl_family_relaxed_bernoulli_logits, params, NULL);
}

const ppl_family ppl_family_relaxed_bernoulli_logits = {
    .name = "relaxed_bernoulli_logits",
    .params = 2,
    .param_name = { "temperature", "logits" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_real },
    .support = &ppl_constraint_open_unit_interval,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

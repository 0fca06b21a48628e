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
 * Moments are expectations over e, or where t < 1 (the steps of S being steep) over another
 * logistic number u, as S(z) = P(u < z):
 *
 *   E x        E S((a + e) / t) = E S(a + t u);  a > 0: 1 less that at -a
 *   E x^2      E S((a + e) / t)^2 = E 2 S(u) S(a - t u); about the mean where t > 2
 *   entropy    2 - log t + E log S'(z), z = (a + e) / t; E |z| is (|a| + 2 log(1 + e^-|a|)) / t,
 *              d/da = (1 - 2 E x) / t
 *
 * by the trapezoidal rule, which for functions without poles next to the real line is right
 * to the last digits, and of |z| by quadrature.h.
 * Source: Maddison, Mnih, Teh, The Concrete Distribution (2017), appendix B.
 */
#include "pointwise.h"
#include "quadrature.h"

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

/* ---- Moments: expectations over a logistic number ----------------------------------- */

/* S' and log S'. */
static double bell(double z)
{
    return sigmoid(z) * sigmoid(-z);
}

static double log_bell(double z)
{
    return -fabs(z) - 2 * log1p(exp(-fabs(z)));
}

/* What expectations are of, at u of a member whose a <= 0. */
typedef struct law {
    double t, a, mean;
} law;
typedef double integrand(const law *l, double u);

static double inner(const law *l, double u)
{
    return l->t < 1 ? l->a + l->t * u : (l->a + u) / l->t;
}

/* The derivatives of that; where t < 1 the integrands are of `inner` alone. */
static double inner_by_a(const law *l)
{
    return l->t < 1 ? 1 : 1 / l->t;
}

static double inner_by_t(const law *l, double u)
{
    return l->t < 1 ? u : -inner(l, u) / l->t;
}

static double first(const law *l, double u)
{
    return sigmoid(inner(l, u));
}

static double first_by_a(const law *l, double u)
{
    return bell(inner(l, u)) * inner_by_a(l);
}

static double first_by_t(const law *l, double u)
{
    return bell(inner(l, u)) * inner_by_t(l, u);
}

/* Of x^2 less a constant; u stands for -u where t < 1. */
static double before(const law *l, double u)
{
    return l->t < 1 ? sigmoid(-u) : l->t > 2 ? first(l, u) - l->mean : first(l, u);
}

static double second(const law *l, double u)
{
    return l->t > 2 ? before(l, u) * before(l, u)
                    : (l->t < 1 ? 2 : 1) * before(l, u) * first(l, u);
}

static double second_by_a(const law *l, double u)
{
    return 2 * before(l, u) * first_by_a(l, u);
}

static double second_by_t(const law *l, double u)
{
    return 2 * before(l, u) * first_by_t(l, u);
}

static double of_log_bell(const law *l, double u)
{
    return log_bell(inner(l, u));
}

static double of_swing(const law *l, double u)
{
    return inner(l, u) * tanh(inner(l, u) / 2);
}

/* Outwards until nothing more is added; all integrands but for their zeros next to 0 have one
 * peak on either side. */
static double expect(integrand *f, const law *l)
{
    const double step = 0.4;
    double sum = f(l, 0) * bell(0);

    for (int side = -1; side <= 1; side += 2)
        for (int k = 1; k < 1 << 14; k++) {
            const double u = side * step * k, term = f(l, u) * bell(u);
            sum += term;
            if (k > 25 && !(fabs(term) > 1e-18 * fabs(sum)))
                break;
        }
    return step * sum;
}

static law lower_law(double t, double a)
{
    law l = { t, -fabs(a), 0 };
    l.mean = expect(first, &l);
    return l;
}

static double mean(double t, double a)
{
    const double m = lower_law(t, a).mean;
    return a > 0 ? 1 - m : m;
}

static double mean_slope(int input, double t, double a)
{
    const law l = lower_law(t, a);
    const double slope = expect(input == 0 ? first_by_t : first_by_a, &l);
    return input == 0 && a > 0 ? -slope : slope;
}

static double variance(double t, double a)
{
    const law l = lower_law(t, a);
    return expect(second, &l) - (t > 2 ? 0 : l.mean * l.mean);
}

static double variance_slope(int input, double t, double a)
{
    const law l = lower_law(t, a);
    const double square = expect(input == 0 ? second_by_t : second_by_a, &l);
    const double by_mean = t > 2 ? 0 : 2 * l.mean * expect(input == 0 ? first_by_t
                                                                      : first_by_a, &l);
    return (input == 1 && a > 0 ? -1 : 1) * (square - by_mean);
}

static double softened(double z)
{
    return log1p(exp(-z));
}

static double softened_swing(double z)
{
    return z * sigmoid(-z);
}

/* E f(|z|) of what falls off as e^-|z|. */
static double expect_beyond(double (*f)(double z), double t, double a)
{
    static const double cut[] = { 0, 4, 12, 44 };
    double sum = 0;

    for (int k = 0; k < 3; k++)
        for (int i = 0; i < PPL__NODES; i++) {
            const double z = ppl__node(i, cut[k], cut[k + 1]);
            sum += ppl__weight(i, cut[k], cut[k + 1]) * f(z) * t *
                   (bell(t * z - a) + bell(t * z + a));
        }
    return sum;
}

static double entropy(double t, double a)
{
    const law l = { t, a, 0 };
    return 2 - log(t) + (t < 1 ? log_bell(a) / t - 2 * expect_beyond(softened, t, a)
                               : expect(of_log_bell, &l));
}

static double entropy_slope(int input, double t, double a)
{
    const law l = { t, a, 0 };
    if (input == 1)
        return (1 - 2 * mean(t, a)) / t;
    return ((t < 1 ? -log_bell(a) / t - 2 * expect_beyond(softened_swing, t, a)
                   : expect(of_swing, &l)) - 1) / t;
}

PPL__LOG_PROB(2, "relaxed_bernoulli_logits")
PPL__TAILS(2, "relaxed_bernoulli_logits")
PPL__QUANTILES(2, "relaxed_bernoulli_logits")
PPL__DRAWS(2, "relaxed_bernoulli_logits", ppl_rng_uniforms)
PPL__MOMENT(2, "relaxed_bernoulli_logits", mean)
PPL__MOMENT(2, "relaxed_bernoulli_logits", variance)
PPL__MOMENT(2, "relaxed_bernoulli_logits", entropy)

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
    .entropy = entropy_of,
    .mean = mean_of,
    .variance = variance_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

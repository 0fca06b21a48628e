/* SPDX-License-Identifier: MIT */
/*
 * cross.c - KL divergences between two families of one real number.
 *
 *   KL(q||p) = -H(q) - E_q[log p(x)]
 *
 * log p is a sum of few functions of x, whose expectations under q have closed forms. A
 * row of `expectations` has those of one q, a row of `targets` makes E_q[log p] of them;
 * the pairs follow. With m and v q's mean and variance:
 *
 *   p             log p(x)                                          needs, under q
 *   AsymmetricLaplace  linear on either side of l                   m, E |x-l|
 *   Beta          (a-1) log x + (b-1) log(1-x) - log B(a,b)         E log x, E log(1-x)
 *   Exponential   log r - r x                                       m
 *   Gamma         a log b - log G(a) + (a-1) log x - b x            m, E log x
 *   Gumbel        -log s - (x-l)/s - exp(-(x-l)/s)                  m, E exp(-x/s)
 *   InverseGamma  a log b - log G(a) - (a+1) log x - b/x            E log x, E 1/x
 *   Kumaraswamy   log a b + (a-1) log x + (b-1) log(1-x^a)          E log x, E log(1-x^a)
 *   Laplace       -log 2s - |x-l|/s                                 E |x-l|
 *   LogNormal     -log x - log s - log(2 pi)/2 - (log x - l)^2 / 2 s^2   E log x, var log x
 *   LogUniform    -log x - log(log high - log low)                  E log x
 *   Normal        -log s - log(2 pi)/2 - (x-l)^2 / 2 s^2            m, v
 *   HalfNormal, TruncatedNormal: the same and a constant, so log p(m) - v / 2 s^2
 *   Pareto        log a + a log s - (a+1) log x                     E log x
 *   Uniform       -log(high - low)                                  nothing
 *   Weibull       log k - k log s + (k-1) log x - (x/s)^k           E log x, E x^k
 *   Continuous Bernoulli: linear in x, so it is log p(m)            m
 *
 * Where q's support is not within p's the KL is inf. E log x is that of the logarithm of
 * |x| where x may be negative: there it does not count. Checked against quadrature
 * (tests/golden/kl_cross.py, kl_moments.py). Sources: as the families'.
 */
#include "pairs.h"

#include "../dist/power_rest.h"
#include "../dist/stirling.h"

#define EULER PPL__EULER

typedef ppl_tensor *expectation(const ppl_dist *q);
typedef ppl_tensor *expectation_of(const ppl_dist *q, ppl_tensor *t);

typedef struct expectations {
    const ppl_family *q;
    expectation *log_x, *log_1mx;       /* E log x, E log(1 - x) */
    expectation *spread;                /* the variance of log x */
    expectation_of *distance;           /* E |x - t| */
    expectation_of *log_exp, *log_power;    /* log E exp(-t x), log E x^t: those may be
                                               beyond any number */
    expectation_of *power_rest;         /* E log(1 - x^t) */
    int endless;                        /* bounds or not, the support has no upper end */
} expectations;

/* ---- Expectations under q ---------------------------------------------------------- */

static ppl_tensor *first(const ppl_dist *q) { return q->param[0]; }
static ppl_tensor *second(const ppl_dist *q) { return q->param[1]; }
static ppl_tensor *mean_of(const ppl_dist *q) { return q->family->mean(q); }

static ppl_tensor *beta_log_x(const ppl_dist *q)
{
    return ppl_sub(ppl_digamma(first(q)), ppl_digamma(ppl_add(first(q), second(q))));
}

static ppl_tensor *beta_log_1mx(const ppl_dist *q)
{
    return ppl_sub(ppl_digamma(second(q)), ppl_digamma(ppl_add(first(q), second(q))));
}

static ppl_tensor *exponential_log_x(const ppl_dist *q)
{
    return ppl_affine(ppl_log(first(q)), -1, -EULER);
}

/* log r / (r + t) */
static ppl_tensor *exponential_exp(const ppl_dist *q, ppl_tensor *t)
{
    return ppl_neg(ppl_log1p(ppl_div(t, first(q))));
}

static ppl_tensor *gamma_log_x(const ppl_dist *q)
{
    return ppl_sub(ppl_digamma(first(q)), ppl_log(second(q)));
}

/* -a log(1 + t/b) */
static ppl_tensor *gamma_exp(const ppl_dist *q, ppl_tensor *t)
{
    return ppl_neg(ppl_mul(first(q), ppl_log1p(ppl_div(t, second(q)))));
}

/* (log 2 + psi(1/2)) / 2 = -(EULER + log 2) / 2 */
static ppl_tensor *half_normal_log_x(const ppl_dist *q)
{
    return ppl_affine(ppl_log(first(q)), 1, -0.63518142273073908501);
}

static ppl_tensor *log_normal_log_x(const ppl_dist *q)
{
    return first(q);
}

/* -t m + t^2 s^2 / 2 */
static ppl_tensor *normal_exp(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *ts = ppl_mul(t, second(q));

    return ppl_sub(ppl_affine(ppl_mul(ts, ts), 0.5, 0), ppl_mul(t, first(q)));
}

/* s sqrt(2/pi) exp(-d^2/2) + (m - t) erf(d / sqrt 2), d = (m - t) / s */
static ppl_tensor *normal_distance(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *off = ppl_sub(first(q), t), *d = ppl_div(off, second(q));
    ppl_tensor *bell = ppl_exp(ppl_affine(ppl_mul(d, d), -0.5, 0));

    return ppl_add(ppl_mul(ppl_affine(second(q), 0.79788456080286535588, 0), bell),
                   ppl_mul(off, ppl_erf(ppl_affine(d, 0.70710678118654752440, 0))));
}

static ppl_tensor *pareto_log_x(const ppl_dist *q)
{
    return ppl_add(ppl_log(first(q)), ppl_div(ppl_scalar(q->ctx, 1), second(q)));
}

/* E log x of x uniform on [low, high], from u = (high - low) / low: below log high by lag,
 * above log low by lead. Not asked for where low < 0. */
static double lag_of(double low, double high)
{
    const double u = (high - low) / low;
    return u < INFINITY ? ppl__excess_f64(u, log1p(u)) / u : 1;
}

static double lead_of(double low, double high)
{
    return low > 0 ? ppl__log_ratio(high, low) - lag_of(low, high) : INFINITY;
}

static double mean_log_of(double low, double high)
{
    return low >= 0 ? log(high) - lag_of(low, high) : 0;
}

static double mean_log_slope(int input, double low, double high)
{
    if (!(low >= 0))
        return 0;
    return (input == 0 ? lead_of(low, high) : lag_of(low, high)) / (high - low);
}

PPL__POINTWISE(mean_log, 2, "mean log", mean_log_of(PPL__IN_2(0)),
               mean_log_slope(input, PPL__IN_2(0)))

static ppl_tensor *mean_log(ppl_tensor *low, ppl_tensor *high)
{
    return ppl_apply(&mean_log_op, (ppl_tensor *[]){ low, high }, 2, NULL, 0);
}

static ppl_tensor *uniform_log_x(const ppl_dist *q)
{
    return mean_log(first(q), second(q));
}

static ppl_tensor *uniform_log_1mx(const ppl_dist *q)
{
    return mean_log(ppl_affine(second(q), -1, 1), ppl_affine(first(q), -1, 1));
}

/* log((1 - exp(-t w)) / (t w)) - t l, w = h - l */
static ppl_tensor *uniform_exp(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *tw = ppl_mul(t, ppl_sub(second(q), first(q)));

    return ppl_sub(ppl_log(ppl_div(ppl_neg(ppl_expm1(ppl_neg(tw))), tw)),
                   ppl_mul(t, first(q)));
}

/* log s - EULER / k */
static ppl_tensor *weibull_log_x(const ppl_dist *q)
{
    return ppl_sub(ppl_log(first(q)), ppl_div(ppl_scalar(q->ctx, EULER), second(q)));
}

/* ---- Powers, logarithms and distances ---------------------------------------------- */

static ppl_tensor *number(const ppl_dist *q, double x) { return ppl_scalar(q->ctx, x); }
static ppl_tensor *square(ppl_tensor *x) { return ppl_mul(x, x); }
static ppl_tensor *reciprocal(const ppl_dist *q, ppl_tensor *x)
{
    return ppl_div(number(q, 1), x);
}

/* log G(a + t) / G(a) by Stirling's formula, and psi(a + t) - psi(a): the two of large a and
 * small t would cancel. Infinite and flat where a + t <= 0. */
static double log_growth(double a, double t)
{
    return fabs(t) < 0.5 * a ? log1p(t / a) : ppl__log_ratio(a + t, a);
}

static double log_gamma_rise_of(double a, double t)
{
    const double u = t / a, grown = log_growth(a, t);
    const double rest = fabs(u) < 0.1 ? a * ppl__log1p_minus_f64(u) : a * grown - t;

    return a + t > 0 ? t * log(a) + rest + (t - 0.5) * grown + ppl__stirling(a + t) -
                       ppl__stirling(a) : INFINITY;
}

static double log_gamma_rise_slope(int input, double a, double t)
{
    if (!(a + t > 0))
        return 0;
    return (input == 0 ? log_growth(a, t) + ppl__lambda(a) : log(a + t)) - ppl__lambda(a + t);
}

PPL__POINTWISE(log_gamma_rise, 2, "log gamma rise", log_gamma_rise_of(PPL__IN_2(0)),
               log_gamma_rise_slope(input, PPL__IN_2(0)))

static ppl_tensor *log_gamma_rise(ppl_tensor *a, ppl_tensor *t)
{
    return ppl_apply(&log_gamma_rise_op, (ppl_tensor *[]){ a, t }, 2, NULL, 0);
}

/* y where below < above, else inf. */
static ppl_tensor *finite_where(ppl_tensor *below, ppl_tensor *above, ppl_tensor *y)
{
    return ppl_where(ppl_less(below, above), y, ppl_scalar(ppl_tensor_ctx(y), INFINITY));
}

/* log E y^t of y of Beta(a, b): where a + b + t <= 0 too it is of two infinities. */
static ppl_tensor *beta_power_of(ppl_tensor *a, ppl_tensor *b, ppl_tensor *t)
{
    return finite_where(ppl_neg(t), a, ppl_sub(log_gamma_rise(a, t),
                                               log_gamma_rise(ppl_add(a, b), t)));
}

static ppl_tensor *beta_power(const ppl_dist *q, ppl_tensor *t)
{
    return beta_power_of(first(q), second(q), t);
}

static ppl_tensor *beta_power_rest(const ppl_dist *q, ppl_tensor *t)
{
    return ppl__mean_log_rest(first(q), second(q), t);
}

static ppl_tensor *beta_spread(const ppl_dist *q)
{
    return ppl_sub(ppl_trigamma(first(q)), ppl_trigamma(ppl_add(first(q), second(q))));
}

static ppl_tensor *gamma_power(const ppl_dist *q, ppl_tensor *t)
{
    return ppl_sub(log_gamma_rise(first(q), t), ppl_mul(t, ppl_log(second(q))));
}

static ppl_tensor *gamma_spread(const ppl_dist *q) { return ppl_trigamma(first(q)); }

/* x^2 / 2 s^2 is of Gamma(1/2, 1). */
static ppl_tensor *half_normal_power(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *log_scale = ppl_affine(ppl_log(first(q)), 1, 0.34657359027997265471);
    return ppl_add(ppl_mul(t, log_scale),
                   log_gamma_rise(number(q, 0.5), ppl_affine(t, 0.5, 0)));
}

static ppl_tensor *half_normal_spread(const ppl_dist *q)
{
    return number(q, PPL__PI * PPL__PI / 8);
}

static ppl_tensor *inverse_gamma_log_x(const ppl_dist *q)
{
    return ppl_sub(ppl_log(second(q)), ppl_digamma(first(q)));
}

static ppl_tensor *inverse_gamma_power(const ppl_dist *q, ppl_tensor *t)
{
    return ppl_add(log_gamma_rise(first(q), ppl_neg(t)), ppl_mul(t, ppl_log(second(q))));
}

/* x^a is of Beta(1, b). */
static ppl_tensor *kumaraswamy_log_x(const ppl_dist *q)
{
    ppl_tensor *harmonic = ppl_affine(ppl_digamma(ppl_affine(second(q), 1, 1)), 1, EULER);
    return ppl_neg(ppl_div(harmonic, first(q)));
}

static ppl_tensor *kumaraswamy_log_1mx(const ppl_dist *q)
{
    return ppl__mean_log_rest(number(q, 1), second(q), reciprocal(q, first(q)));
}

static ppl_tensor *kumaraswamy_power(const ppl_dist *q, ppl_tensor *t)
{
    return beta_power_of(number(q, 1), second(q), ppl_div(t, first(q)));
}

static ppl_tensor *kumaraswamy_spread(const ppl_dist *q)
{
    ppl_tensor *rest = ppl_trigamma(ppl_affine(second(q), 1, 1));
    return ppl_div(ppl_affine(rest, -1, PPL__PI * PPL__PI / 6), square(first(q)));
}

/* |m - t| + s exp(-|m - t| / s) */
static ppl_tensor *laplace_distance(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *off = ppl_abs(ppl_sub(first(q), t)), *s = second(q);
    return ppl_add(off, ppl_mul(s, ppl_exp(ppl_neg(ppl_div(off, s)))));
}

/* |m - t| + 2 s log(1 + exp(-|m - t| / s)) */
static ppl_tensor *logistic_distance(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *off = ppl_abs(ppl_sub(first(q), t)), *s = second(q);
    ppl_tensor *twice = ppl_affine(ppl_softplus(ppl_neg(ppl_div(off, s))), 2, 0);
    return ppl_add(off, ppl_mul(s, twice));
}

static ppl_tensor *log_normal_power(const ppl_dist *q, ppl_tensor *t)
{
    return normal_exp(q, ppl_neg(t));
}

static ppl_tensor *log_normal_spread(const ppl_dist *q) { return square(second(q)); }

static ppl_tensor *log_uniform_log_x(const ppl_dist *q)
{
    return ppl_affine(ppl_add(ppl_log(first(q)), ppl_log(second(q))), 0.5, 0);
}

static ppl_tensor *log_length(const ppl_dist *q)
{
    return ppl_log(ppl_div(second(q), first(q)));
}

/* The logarithm of (h^t - l^t) / (t w), w = log(h / l), by the larger of the two. */
static ppl_tensor *log_uniform_power(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *tw = ppl_mul(t, log_length(q)), *size = ppl_abs(tw);
    ppl_tensor *down = ppl_less(t, number(q, 0));
    ppl_tensor *larger = ppl_mul(t, ppl_log(ppl_where(down, first(q), second(q))));
    return ppl_add(larger, ppl_log(ppl_div(ppl_neg(ppl_expm1(ppl_neg(size))), size)));
}

static ppl_tensor *log_uniform_spread(const ppl_dist *q)
{
    return ppl_affine(square(log_length(q)), 1.0 / 12, 0);
}

/* t log s + log(a / (a - t)); infinite where t >= a. */
static ppl_tensor *pareto_power(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *a = second(q), *rest = ppl_log(ppl_div(a, ppl_sub(a, t)));
    return finite_where(t, a, ppl_add(ppl_mul(t, ppl_log(first(q))), rest));
}

static ppl_tensor *pareto_spread(const ppl_dist *q)
{
    return reciprocal(q, square(second(q)));
}

/* |m - t| where t is not within, else (r + (m - t)^2 / r) / 2, r half the width. */
static ppl_tensor *uniform_distance(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *r = ppl_affine(ppl_sub(second(q), first(q)), 0.5, 0);
    ppl_tensor *off = ppl_abs(ppl_sub(mean_of(q), t));
    ppl_tensor *within = ppl_affine(ppl_add(r, ppl_mul(off, ppl_div(off, r))), 0.5, 0);
    return ppl_where(ppl_less(off, r), within, off);
}

static ppl_tensor *weibull_power(const ppl_dist *q, ppl_tensor *t)
{
    return ppl_add(ppl_mul(t, ppl_log(first(q))),
                   log_gamma_rise(number(q, 1), ppl_div(t, second(q))));
}

static ppl_tensor *weibull_spread(const ppl_dist *q)
{
    return ppl_affine(reciprocal(q, square(second(q))), PPL__PI * PPL__PI / 6, 0);
}

static const expectations rows[] = {
    { .q = &ppl_family_asymmetric_laplace },
    { .q = &ppl_family_beta, .log_x = beta_log_x, .log_1mx = beta_log_1mx,
      .log_power = beta_power, .power_rest = beta_power_rest, .spread = beta_spread },
    { .q = &ppl_family_cauchy },
    { .q = &ppl_family_continuous_bernoulli },
    { .q = &ppl_family_continuous_bernoulli_logits },
    { .q = &ppl_family_exponential, .log_x = exponential_log_x, .log_exp = exponential_exp },
    { .q = &ppl_family_fisher_snedecor },
    { .q = &ppl_family_gamma, .log_x = gamma_log_x, .log_exp = gamma_exp,
      .log_power = gamma_power, .spread = gamma_spread },
    { .q = &ppl_family_gompertz },
    { .q = &ppl_family_gumbel },
    { .q = &ppl_family_half_cauchy },
    { .q = &ppl_family_half_normal, .log_x = half_normal_log_x,
      .log_power = half_normal_power, .spread = half_normal_spread },
    { .q = &ppl_family_inverse_gamma, .log_x = inverse_gamma_log_x,
      .log_power = inverse_gamma_power, .spread = gamma_spread },
    { .q = &ppl_family_kumaraswamy, .log_x = kumaraswamy_log_x,
      .log_1mx = kumaraswamy_log_1mx, .log_power = kumaraswamy_power,
      .spread = kumaraswamy_spread },
    { .q = &ppl_family_laplace, .distance = laplace_distance },
    { .q = &ppl_family_log_normal, .log_x = log_normal_log_x,
      .log_power = log_normal_power, .spread = log_normal_spread },
    { .q = &ppl_family_log_uniform, .log_x = log_uniform_log_x,
      .log_power = log_uniform_power, .spread = log_uniform_spread },
    { .q = &ppl_family_logistic, .distance = logistic_distance },
    { .q = &ppl_family_normal, .log_exp = normal_exp, .distance = normal_distance },
    { .q = &ppl_family_pareto, .log_x = pareto_log_x, .log_power = pareto_power,
      .spread = pareto_spread, .endless = 1 },
    { .q = &ppl_family_soft_laplace },
    { .q = &ppl_family_student_t },
    { .q = &ppl_family_truncated_normal },
    { .q = &ppl_family_uniform, .log_x = uniform_log_x, .log_1mx = uniform_log_1mx,
      .log_exp = uniform_exp, .distance = uniform_distance },
    { .q = &ppl_family_weibull, .log_x = weibull_log_x, .log_power = weibull_power,
      .spread = weibull_spread },
};

/* ---- E_q[log p] -------------------------------------------------------------------- */

typedef ppl_tensor *target_function(const expectations *e, const ppl_dist *q,
                                    const ppl_dist *p);

static ppl_tensor *to_beta(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *a = first(p), *b = second(p);
    ppl_tensor *log_b = ppl_sub(ppl_add(ppl_lgamma(a), ppl_lgamma(b)),
                                ppl_lgamma(ppl_add(a, b)));

    return ppl_sub(ppl_add(ppl_mul(ppl_affine(a, 1, -1), e->log_x(q)),
                           ppl_mul(ppl_affine(b, 1, -1), e->log_1mx(q))), log_b);
}

/* log p is linear in x: what it is at the mean. */
static ppl_tensor *at_mean(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    (void)e;
    return p->family->log_prob(p, mean_of(q));
}

static ppl_tensor *to_exponential(const expectations *e, const ppl_dist *q,
                                  const ppl_dist *p)
{
    (void)e;
    return ppl_sub(ppl_log(first(p)), ppl_mul(first(p), mean_of(q)));
}

static ppl_tensor *to_gamma(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *a = first(p), *b = second(p);
    ppl_tensor *norm = ppl_sub(ppl_mul(a, ppl_log(b)), ppl_lgamma(a));

    return ppl_add(norm, ppl_sub(ppl_mul(ppl_affine(a, 1, -1), e->log_x(q)),
                                 ppl_mul(b, mean_of(q))));
}

static ppl_tensor *to_gumbel(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *t = ppl_div(ppl_scalar(q->ctx, 1), second(p)), *shift;

    shift = ppl_mul(t, first(p));
    return ppl_sub(ppl_sub(shift, ppl_mul(t, mean_of(q))),
                   ppl_add(ppl_log(second(p)),
                           ppl_exp(ppl_add(shift, e->log_exp(q, t)))));
}

static ppl_tensor *to_laplace(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    return ppl_neg(ppl_add(ppl_log(ppl_affine(second(p), 2, 0)),
                           ppl_div(e->distance(q, first(p)), second(p))));
}

/* k and 1 / k times the distances above and below l, as sums and differences of the two. */
static ppl_tensor *to_asymmetric_laplace(const expectations *e, const ppl_dist *q,
                                         const ppl_dist *p)
{
    ppl_tensor *k = p->param[2], *inverse = reciprocal(p, k), *s = second(p);
    ppl_tensor *both = ppl_add(k, inverse), *off = ppl_sub(mean_of(q), first(p));
    ppl_tensor *twice = ppl_add(ppl_mul(both, e->distance(q, first(p))),
                                ppl_mul(ppl_sub(k, inverse), off));

    return ppl_neg(ppl_add(ppl_log(ppl_mul(s, both)), ppl_div(ppl_affine(twice, 0.5, 0), s)));
}

static ppl_tensor *to_inverse_gamma(const expectations *e, const ppl_dist *q,
                                    const ppl_dist *p)
{
    ppl_tensor *a = first(p), *b = second(p);
    ppl_tensor *norm = ppl_sub(ppl_mul(a, ppl_log(b)), ppl_lgamma(a));

    return ppl_sub(norm, ppl_add(ppl_mul(ppl_affine(a, 1, 1), e->log_x(q)),
                                 ppl_mul(b, ppl_exp(e->log_power(q, number(q, -1))))));
}

static ppl_tensor *to_kumaraswamy(const expectations *e, const ppl_dist *q,
                                  const ppl_dist *p)
{
    ppl_tensor *a = first(p), *b = second(p);

    return ppl_add(ppl_add(ppl_log(a), ppl_log(b)),
                   ppl_add(ppl_mul(ppl_affine(a, 1, -1), e->log_x(q)),
                           ppl_mul(ppl_affine(b, 1, -1), e->power_rest(q, a))));
}

static ppl_tensor *to_log_normal(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *log_x = e->log_x(q), *s = second(p);
    ppl_tensor *squares = ppl_add(e->spread(q), square(ppl_sub(log_x, first(p))));

    return ppl_neg(ppl_add(ppl_affine(ppl_add(log_x, ppl_log(s)), 1, PPL__HALF_LOG_TWO_PI),
                           ppl_affine(ppl_div(squares, square(s)), 0.5, 0)));
}

static ppl_tensor *to_log_uniform(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    return ppl_neg(ppl_add(e->log_x(q), ppl_log(log_length(p))));
}

/* log p is quadratic in x: what it is at the mean, less v / 2 s^2. Where q has no variance the
 * KL is infinite. */
static ppl_tensor *quadratic(const ppl_dist *q, const ppl_dist *p, ppl_tensor *scale)
{
    ppl_tensor *v = q->family->variance(q), *at_mean = p->family->log_prob(p, mean_of(q));
    ppl_tensor *less = ppl_affine(ppl_div(v, square(scale)), 0.5, 0);

    return ppl_where(ppl_less(v, number(q, INFINITY)), ppl_sub(at_mean, less),
                     number(q, -INFINITY));
}

static ppl_tensor *to_half_normal(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    (void)e;
    return quadratic(q, p, first(p));
}

static ppl_tensor *to_normal(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    (void)e;
    return quadratic(q, p, second(p));
}

static ppl_tensor *to_pareto(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *s = first(p), *a = second(p);

    return ppl_sub(ppl_add(ppl_log(a), ppl_mul(a, ppl_log(s))),
                   ppl_mul(ppl_affine(a, 1, 1), e->log_x(q)));
}

static ppl_tensor *to_uniform(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    (void)e;
    (void)q;
    return ppl_neg(ppl_log(ppl_sub(second(p), first(p))));
}

static ppl_tensor *to_weibull(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *s = first(p), *k = second(p);
    ppl_tensor *log_scale = ppl_mul(k, ppl_log(s));
    ppl_tensor *power = ppl_exp(ppl_sub(e->log_power(q, k), log_scale));

    return ppl_add(ppl_sub(ppl_log(k), log_scale),
                   ppl_sub(ppl_mul(ppl_affine(k, 1, -1), e->log_x(q)), power));
}

enum {
    MEAN = 1, VARIANCE = 2, LOG_X = 4, LOG_1MX = 8, EXP_TX = 16, DISTANCE = 32, POWER = 64,
    POWER_REST = 128, SPREAD = 256
};

static const struct target {
    const ppl_family *p;
    unsigned needs;
    target_function *function;
    int above_zero;                     /* every member's support begins above 0 */
    int boundless;                      /* its bounds may be infinite */
} targets[] = {
    { &ppl_family_asymmetric_laplace, MEAN | DISTANCE, to_asymmetric_laplace, 0, 0 },
    { &ppl_family_beta, LOG_X | LOG_1MX, to_beta, 0, 0 },
    { &ppl_family_continuous_bernoulli, MEAN, at_mean, 0, 0 },
    { &ppl_family_continuous_bernoulli_logits, MEAN, at_mean, 0, 0 },
    { &ppl_family_exponential, MEAN, to_exponential, 0, 0 },
    { &ppl_family_gamma, MEAN | LOG_X, to_gamma, 0, 0 },
    { &ppl_family_gumbel, MEAN | EXP_TX, to_gumbel, 0, 0 },
    { &ppl_family_half_normal, MEAN | VARIANCE, to_half_normal, 0, 0 },
    { &ppl_family_inverse_gamma, LOG_X | POWER, to_inverse_gamma, 0, 0 },
    { &ppl_family_kumaraswamy, LOG_X | POWER_REST, to_kumaraswamy, 0, 0 },
    { &ppl_family_laplace, DISTANCE, to_laplace, 0, 0 },
    { &ppl_family_log_normal, LOG_X | SPREAD, to_log_normal, 0, 0 },
    { &ppl_family_log_uniform, LOG_X, to_log_uniform, 1, 0 },
    { &ppl_family_normal, MEAN | VARIANCE, to_normal, 0, 0 },
    { &ppl_family_pareto, LOG_X, to_pareto, 1, 0 },
    { &ppl_family_truncated_normal, MEAN | VARIANCE, to_normal, 0, 1 },
    { &ppl_family_uniform, 0, to_uniform, 0, 0 },
    { &ppl_family_weibull, LOG_X | POWER, to_weibull, 0, 0 },
};

/* ---- Supports ---------------------------------------------------------------------- */

/* The ends of a support: numbers, or tensors where they depend on parameters. */
typedef struct ends {
    double low, high;
    ppl_tensor *lower, *upper;
} ends;

static ends ends_of(const ppl_dist *d)
{
    ends e = { d->family->support->lower, d->family->support->upper, NULL, NULL };

    if (d->family->bounds != NULL)
        d->family->bounds(d, &e.lower, &e.upper);
    /* A closed end is the largest number: the support has none there. */
    if (e.high > 1e300)
        e.high = INFINITY;
    return e;
}

/* Whether q's support is not within p's, whatever the bounds that are tensors. */
static int never_within(const ends *q, const ends *p, const struct target *to)
{
    return (q->lower == NULL && p->lower == NULL && q->low < p->low) ||
           (q->upper == NULL && p->upper == NULL && q->high > p->high) ||
           (q->lower == NULL && p->lower != NULL && !to->boundless &&
            (isinf(q->low) || (to->above_zero && q->low <= 0))) ||
           (q->upper == NULL && p->upper != NULL && !to->boundless && isinf(q->high));
}

static ppl_tensor *number_or(ppl_ctx *c, ppl_tensor *t, double x)
{
    return t != NULL ? t : ppl_scalar(c, x);
}

/* A mask of where it is not; NULL where it always is. */
static ppl_tensor *outside(ppl_ctx *c, const ends *q, const ends *p)
{
    ppl_tensor *below = NULL, *above = NULL;

    if (q->lower != NULL || p->lower != NULL)
        below = ppl_less(number_or(c, q->lower, q->low), number_or(c, p->lower, p->low));
    if (q->upper != NULL || p->upper != NULL)
        above = ppl_less(number_or(c, p->upper, p->high),
                         number_or(c, q->upper, q->high));
    if (below == NULL || above == NULL)
        return below != NULL ? below : above;
    return ppl_not(ppl_and(ppl_not(below), ppl_not(above)));
}

/* ---- The rule ---------------------------------------------------------------------- */

static const expectations *row_of(const ppl_family *q)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].q == q)
            return &rows[i];
    return NULL;
}

static const struct target *target_of(const ppl_family *p)
{
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (targets[i].p == p)
            return &targets[i];
    return NULL;
}

static unsigned has(const expectations *e)
{
    return (e->q->mean ? MEAN : 0u) | (e->q->variance ? VARIANCE : 0u) |
           (e->log_x ? LOG_X : 0u) | (e->log_1mx ? LOG_1MX : 0u) |
           (e->log_exp ? EXP_TX : 0u) | (e->distance ? DISTANCE : 0u) |
           (e->log_power ? POWER : 0u) | (e->power_rest ? POWER_REST : 0u) |
           (e->spread ? SPREAD : 0u);
}

static ppl_tensor *cross(const ppl_dist *q, const ppl_dist *p)
{
    const expectations *e = row_of(q->family);
    const struct target *to = target_of(p->family);
    const ends inner = ends_of(q), outer = ends_of(p);
    ppl_tensor *kl, *mask;

    if (never_within(&inner, &outer, to))
        return ppl_full(q->ctx, q->shape, INFINITY);
    kl = ppl_neg(ppl_add(q->family->entropy(q), to->function(e, q, p)));
    kl = ppl_where(ppl_equal(kl, number(q, INFINITY)), number(q, INFINITY), kl);
    mask = outside(q->ctx, &inner, &outer);
    return mask != NULL ? ppl_where(mask, number(q, INFINITY), kl) : kl;
}

/* The same of the families, without members. */
static int rows_never_nest(const expectations *e, const struct target *to)
{
    const ppl_family *q = e->q, *p = to->p;
    const double q_high = q->support->upper > 1e300 ? INFINITY : q->support->upper;
    const double p_high = p->support->upper > 1e300 ? INFINITY : p->support->upper;

    if (q->bounds)
        return e->endless && !p->bounds && !isinf(p_high);
    if (p->bounds)
        return !to->boundless &&
               (isinf(q->support->lower) || (to->above_zero && q->support->lower <= 0));
    return q->support->lower < p->support->lower || q_high > p_high;
}

ppl_kl_rule ppl__kl_cross(const ppl_family *q, const ppl_family *p)
{
    const expectations *e = row_of(q);
    const struct target *to = target_of(p);

    if (e == NULL || to == NULL || q == p)
        return NULL;
    return rows_never_nest(e, to) || (to->needs & ~has(e)) == 0 ? cross : NULL;
}

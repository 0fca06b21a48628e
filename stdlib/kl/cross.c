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
 *   Beta          (a-1) log x + (b-1) log(1-x) - log B(a,b)         E log x, E log(1-x)
 *   Exponential   log r - r x                                       m
 *   Gamma         a log b - log G(a) + (a-1) log x - b x            m, E log x
 *   Gumbel        -log s - (x-l)/s - exp(-(x-l)/s)                  m, E exp(-x/s)
 *   Laplace       -log 2s - |x-l|/s                                 E |x-l|
 *   Normal        -log s - log(2 pi)/2 - (x-l)^2 / 2 s^2            m, v
 *   Pareto        log a + a log s - (a+1) log x                     E log x
 *   Uniform       -log(high - low)                                  nothing
 *   Continuous Bernoulli: linear in x, so it is log p(m)            m
 *
 * Where q's support is not within p's the KL is inf. E log x is that of the logarithm of
 * |x| where x may be negative: there it does not count. Checked against quadrature
 * (tests/golden/kl_cross.py). Sources: as the families'.
 */
#include "pairs.h"

#include "../dist/density.h"

#define EULER 0.57721566490153286061

typedef ppl_tensor *expectation(const ppl_dist *q);
typedef ppl_tensor *expectation_of(const ppl_dist *q, ppl_tensor *t);

typedef struct expectations {
    const ppl_family *q;
    expectation *log_x, *log_1mx;       /* E log x, E log(1 - x) */
    expectation_of *exp_tx, *distance;  /* E exp(-t x), E |x - t| */
    int endless;                        /* bounds or not, the support has no upper end */
} expectations;

/* ---- Expectations under q ---------------------------------------------------------- */

static ppl_tensor *first(const ppl_dist *q) { return q->param[0]; }
static ppl_tensor *second(const ppl_dist *q) { return q->param[1]; }

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

static ppl_tensor *exponential_exp(const ppl_dist *q, ppl_tensor *t)
{
    return ppl_div(first(q), ppl_add(first(q), t));
}

static ppl_tensor *gamma_log_x(const ppl_dist *q)
{
    return ppl_sub(ppl_digamma(first(q)), ppl_log(second(q)));
}

/* (1 + t/b)^-a */
static ppl_tensor *gamma_exp(const ppl_dist *q, ppl_tensor *t)
{
    return ppl_exp(ppl_neg(ppl_mul(first(q), ppl_log1p(ppl_div(t, second(q))))));
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

/* exp(-t m + t^2 s^2 / 2) */
static ppl_tensor *normal_exp(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *ts = ppl_mul(t, second(q));

    return ppl_exp(ppl_sub(ppl_affine(ppl_mul(ts, ts), 0.5, 0), ppl_mul(t, first(q))));
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

/* x log x, 0 at 0. */
static ppl_tensor *x_log_x(ppl_tensor *x)
{
    ppl_ctx *c = ppl_tensor_ctx(x);
    ppl_tensor *zero = ppl_scalar(c, 0);

    return ppl_where(ppl_equal(x, zero), zero, ppl_mul(x, ppl_log(x)));
}

/* (h log h - l log l) / (h - l) - 1 */
static ppl_tensor *mean_log(ppl_tensor *low, ppl_tensor *high)
{
    ppl_tensor *rise = ppl_sub(x_log_x(high), x_log_x(low));
    return ppl_affine(ppl_div(rise, ppl_sub(high, low)), 1, -1);
}

static ppl_tensor *uniform_log_x(const ppl_dist *q)
{
    return mean_log(first(q), second(q));
}

static ppl_tensor *uniform_log_1mx(const ppl_dist *q)
{
    return mean_log(ppl_affine(second(q), -1, 1), ppl_affine(first(q), -1, 1));
}

/* exp(-t l) (1 - exp(-t w)) / (t w), w = h - l */
static ppl_tensor *uniform_exp(const ppl_dist *q, ppl_tensor *t)
{
    ppl_tensor *tw = ppl_mul(t, ppl_sub(second(q), first(q)));

    return ppl_mul(ppl_exp(ppl_neg(ppl_mul(t, first(q)))),
                   ppl_div(ppl_neg(ppl_expm1(ppl_neg(tw))), tw));
}

/* log s - EULER / k */
static ppl_tensor *weibull_log_x(const ppl_dist *q)
{
    return ppl_sub(ppl_log(first(q)), ppl_div(ppl_scalar(q->ctx, EULER), second(q)));
}

static const expectations rows[] = {
    { &ppl_family_beta, beta_log_x, beta_log_1mx, NULL, NULL, 0 },
    { &ppl_family_continuous_bernoulli, NULL, NULL, NULL, NULL, 0 },
    { &ppl_family_continuous_bernoulli_logits, NULL, NULL, NULL, NULL, 0 },
    { &ppl_family_exponential, exponential_log_x, NULL, exponential_exp, NULL, 0 },
    { &ppl_family_gamma, gamma_log_x, NULL, gamma_exp, NULL, 0 },
    { &ppl_family_gumbel, NULL, NULL, NULL, NULL, 0 },
    { &ppl_family_half_normal, half_normal_log_x, NULL, NULL, NULL, 0 },
    { &ppl_family_laplace, NULL, NULL, NULL, NULL, 0 },
    { &ppl_family_log_normal, log_normal_log_x, NULL, NULL, NULL, 0 },
    { &ppl_family_logistic, NULL, NULL, NULL, NULL, 0 },
    { &ppl_family_normal, NULL, NULL, normal_exp, normal_distance, 0 },
    { &ppl_family_pareto, pareto_log_x, NULL, NULL, NULL, 1 },
    { &ppl_family_uniform, uniform_log_x, uniform_log_1mx, uniform_exp, NULL, 0 },
    { &ppl_family_weibull, weibull_log_x, NULL, NULL, NULL, 0 },
};

/* ---- E_q[log p] -------------------------------------------------------------------- */

typedef ppl_tensor *target_function(const expectations *e, const ppl_dist *q,
                                    const ppl_dist *p);

static ppl_tensor *mean_of(const ppl_dist *q) { return q->family->mean(q); }

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
                           ppl_mul(ppl_exp(shift), e->exp_tx(q, t))));
}

static ppl_tensor *to_laplace(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    return ppl_neg(ppl_add(ppl_log(ppl_affine(second(p), 2, 0)),
                           ppl_div(e->distance(q, first(p)), second(p))));
}

static ppl_tensor *to_normal(const expectations *e, const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *off = ppl_sub(mean_of(q), first(p)), *s = second(p);
    ppl_tensor *square = ppl_add(q->family->variance(q), ppl_mul(off, off));

    (void)e;
    return ppl_neg(ppl_add(ppl_affine(ppl_log(s), 1, 0.91893853320467274178),
                           ppl_affine(ppl_div(square, ppl_mul(s, s)), 0.5, 0)));
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

enum { MEAN = 1, VARIANCE = 2, LOG_X = 4, LOG_1MX = 8, EXP_TX = 16, DISTANCE = 32 };

static const struct target {
    const ppl_family *p;
    unsigned needs;
    target_function *function;
    int above_zero;                     /* every member's support begins above 0 */
} targets[] = {
    { &ppl_family_beta, LOG_X | LOG_1MX, to_beta, 0 },
    { &ppl_family_continuous_bernoulli, MEAN, at_mean, 0 },
    { &ppl_family_continuous_bernoulli_logits, MEAN, at_mean, 0 },
    { &ppl_family_exponential, MEAN, to_exponential, 0 },
    { &ppl_family_gamma, MEAN | LOG_X, to_gamma, 0 },
    { &ppl_family_gumbel, MEAN | EXP_TX, to_gumbel, 0 },
    { &ppl_family_laplace, DISTANCE, to_laplace, 0 },
    { &ppl_family_normal, MEAN | VARIANCE, to_normal, 0 },
    { &ppl_family_pareto, LOG_X, to_pareto, 1 },
    { &ppl_family_uniform, 0, to_uniform, 0 },
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
static int never_within(const ends *q, const ends *p, int above_zero)
{
    return (q->lower == NULL && p->lower == NULL && q->low < p->low) ||
           (q->upper == NULL && p->upper == NULL && q->high > p->high) ||
           (q->lower == NULL && (isinf(q->low) || (above_zero && q->low <= 0)) &&
            p->lower != NULL) ||
           (q->upper == NULL && isinf(q->high) && p->upper != NULL);
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
           (e->exp_tx ? EXP_TX : 0u) | (e->distance ? DISTANCE : 0u);
}

static ppl_tensor *cross(const ppl_dist *q, const ppl_dist *p)
{
    const expectations *e = row_of(q->family);
    const struct target *to = target_of(p->family);
    const ends inner = ends_of(q), outer = ends_of(p);
    ppl_tensor *kl, *mask;

    if (never_within(&inner, &outer, to->above_zero))
        return ppl_full(q->ctx, q->shape, INFINITY);
    kl = ppl_neg(ppl_add(q->family->entropy(q), to->function(e, q, p)));
    mask = outside(q->ctx, &inner, &outer);
    return mask != NULL ? ppl_where(mask, ppl_scalar(q->ctx, INFINITY), kl) : kl;
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
        return isinf(q->support->lower) || (to->above_zero && q->support->lower <= 0);
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

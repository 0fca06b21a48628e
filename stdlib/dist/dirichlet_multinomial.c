/* SPDX-License-Identifier: MIT */
/*
 * dirichlet_multinomial.c - DirichletMultinomial(total_count n, concentration a [..,K])
 * on counts x [..,K] with sum n: Multinomial(n, p) where p is Dirichlet(a); A = sum a.
 *
 *   log p(x)   log n! Gamma(A) / Gamma(n + A)
 *              + sum_k log Gamma(x_k + a_k) / (x_k! Gamma(a_k))
 *   mean n m, variance n m (1 - m) (n + A) / (1 + A),
 *              covariance n (diag m - m m^T) (n + A) / (1 + A), m = a / A
 *   entropy    sum over k of that of x_k given what the counts before it leave, N, which is
 *              BetaBinomial(n, a_k + .. + a_(K-1), the rest): sums over N of sums (strides.h)
 *   draw       of the Multinomial whose p is drawn, in logarithms as small a underflow
 *
 * Written as a product of the BetaBinomials of each count, given those before it, among
 * what they have left, so that nothing cancels as a grows and the Multinomial is neared.
 * total_count has no gradient. The entropy's, of g(x, a) = log Gamma(x + a) / (x! Gamma(a)), is
 * that of minus the sum of E g(x_k, a_k), of BetaBinomials too: those of the derivatives of g
 * and of log n! Gamma(A) / Gamma(n + A) are the score's, whose mean is 0.
 * Source: Johnson, Kotz, Balakrishnan, Discrete Multivariate Distributions, 1997,
 * chapter 35.13.1.
 */
#include "counts.h"
#include "strides.h"
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

/* ---- Entropy: a, total -------------------------------------------------------------- */

/* A BetaBinomial; of what is left to a component also the two numbers that part it. */
typedef struct pair {
    double n, a, b, first, others;
} pair;

static double surprise(const void *more, double x)
{
    const pair *p = more;
    const double log_mass = ppl__log_beta_binomial(x, p->n, p->a, p->b);
    return log_mass > -INFINITY ? -exp(log_mass) * log_mass : 0;
}

static double entropy_of(double n, double a, double b)
{
    return ppl__stride_sum(surprise, &(pair){ .n = n, .a = a, .b = b }, 0, n + 1);
}

static double surprise_left(const void *more, double left)
{
    const pair *p = more;
    const double mass = exp(ppl__log_beta_binomial(left, p->n, p->a, p->b));
    return mass > 0 ? mass * entropy_of(left, p->first, p->others) : 0;
}

static void entropy_value(const ppl__event *e, double *y)
{
    const size_t K = e->dim[0][0];
    const double *a = e->in[0], n = *e->in[1];
    double before = 0, *tail = e->work;

    for (size_t k = K; k-- > 0;)
        tail[k] = a[k] + (k + 1 < K ? tail[k + 1] : 0);
    *y = tail[0] > 0 && tail[0] < INFINITY && n >= 0 ? 0 : (double)NAN;
    for (size_t k = 0; k + 1 < K && !isnan(*y); k++) {
        const pair left = { n, tail[k], before, a[k], tail[k + 1] };
        *y += k == 0 ? entropy_of(n, a[0], tail[1])
                     : ppl__stride_sum(surprise_left, &left, 0, n + 1);
        before += a[k];
    }
}

/* g(x, a) less g(c, a), c about the mean. */
static double growth(const pair *p, double x)
{
    const double c = floor(p->n * (p->a / (p->a + p->b)));
    double t[] = { x + p->a, x + 1, c + p->a, c + 1 };
    ppl_maths_lgamma(PPL_F64, 4, t, t);
    return (t[0] - t[2]) - (t[1] - t[3]);
}

/* With the score in a, or in b. */
static double by_own(const void *more, double x)
{
    const pair *p = more;
    const double mass = exp(ppl__log_beta_binomial(x, p->n, p->a, p->b));
    return mass > 0 ? mass * growth(p, x) *
                          (ppl__digamma_difference(p->a, x) -
                           ppl__digamma_difference(p->a + p->b, p->n)) : 0;
}

static double by_others(const void *more, double x)
{
    const pair *p = more;
    const double mass = exp(ppl__log_beta_binomial(x, p->n, p->a, p->b));
    return mass > 0 ? mass * growth(p, x) *
                          (ppl__digamma_difference(p->b, p->n - x) -
                           ppl__digamma_difference(p->a + p->b, p->n)) : 0;
}

static void entropy_gradient(const ppl__event *e)
{
    const size_t K = e->dim[0][0];
    const double *a = e->in[0], n = *e->in[1];

    for (size_t j = 0; j < K && K > 1 && e->d[0]; j++) {
        const pair p = { .n = n, .a = a[j], .b = sum_of(j, a) + sum_of(K - j - 1, a + j + 1) };
        const double own = ppl__stride_sum(by_own, &p, 0, n + 1);
        const double others = ppl__stride_sum(by_others, &p, 0, n + 1);
        for (size_t k = 0; k < K; k++)
            e->d[0][k] -= e->g[0] * (k == j ? own : others);
    }
}

static const ppl__event_formula entropy_formula = {
    .inputs = 2, .axes = { 1, 0 }, .work = log_prob_work, .value = entropy_value,
    .gradient = entropy_gradient
};
PPL__EVENT_OP(entropy_op, "dirichlet_multinomial entropy", entropy_formula)

static ppl_tensor *entropy(const ppl_dist *d)
{
    ppl_tensor *in[] = { d->param[CONCENTRATION], d->param[TOTAL] };
    return entropy_op_apply(in, NULL, NULL, 0);
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
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .covariance = covariance,
};

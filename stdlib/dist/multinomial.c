/* SPDX-License-Identifier: MIT */
/*
 * multinomial.c - Multinomial(total_count n) on counts x [..,K] with sum n, the outcomes
 * of n trials; p = probs / sum(probs), or p = softmax(logits).
 *
 *   log p(x)   log n! - sum_k log x_k! + sum_k x_k log p_k, with 0 log 0 = 0
 *   mean n p, variance n p (1 - p), covariance n (diag p - p p^T)
 *   entropy    -log n! - n sum_k p_k log p_k + sum_k E log X_k!, X_k of Binomial(n, p_k):
 *              a sum of at most some 460 terms for each category
 *   draw       x_k of Binomial(n - x_0 .. - x_(k-1), p_k / (p_k + .. + p_(K-1)))
 *   KL(q||p)   n times that of the Categoricals; infinite where totals differ
 *
 * Factorials enter by what Stirling's formula leaves over, r, so that nothing cancels
 * however large the counts (counts.h); with D(x, m) = x log(x / m) + m - x >= 0:
 *
 *   log p(x)   r(n) - sum_k D(x_k, n p_k) + log(2 pi n) / 2
 *              - sum over x_k > 0 of (r(x_k) + log(2 pi x_k) / 2)
 *
 * The entropy is minus the mean of that, term by term. total_count has no gradient.
 * Source: Johnson, Kotz, Balakrishnan, Discrete Multivariate Distributions, 1997,
 * chapter 35.
 */
#include "counts.h"
#include "stirling.h"
#include "weights.h"

enum { TOTAL, WEIGHTS };                    /* the parameters */

typedef struct node {
    int logits;
    ppl_rng rng;
} node;

/* p, log p, and one number more for each category. */
static size_t three_rows(const ppl__event *e)
{
    return 3 * e->dim[0][0];
}

/* What log x! has beside x log x - x. */
static double rest(double x)
{
    return x == 0 ? 0 : ppl__stirling(x) + log(x) / 2 + PPL__HALF_LOG_TWO_PI;
}

/* D(x, n p) and that, for one count. */
static double share(double x, double n, double p, double log_p)
{
    return ppl__kl_share(x, n * p, log(x), log(n) + log_p) + rest(x);
}

/* ---- log_prob: weights, total, x --------------------------------------------------- */

static int fits(size_t n, const double *x, double total)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++) {
        if (!(x[k] >= 0))
            return 0;
        sum += x[k];
    }
    return sum == total;
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *x = e->in[2], total = *e->in[1], *p = e->work, *log_p = e->work + n;

    if (e->fresh & 1)
        ppl__load_weights(n, ((const node *)e->attr)->logits, e->in[0], e->work,
                          e->work + n);
    *y = fits(n, x, total) ? rest(total) : -INFINITY;
    for (size_t k = 0; k < n && *y > -INFINITY; k++)
        *y -= share(x[k], total, p[k], log_p[k]);
}

/* By a logit x_k - n p_k; by a weight that over p_k and the sum of weights. */
static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *x = e->in[2], total = *e->in[1], *p = e->work;
    const int logits = ((const node *)e->attr)->logits;

    if (!fits(n, x, total) || !e->d[0])
        return;
    const double sum = ppl__load_weights(n, logits, e->in[0], e->work, e->work + n);
    for (size_t k = 0; k < n; k++) {
        const double excess = fma(-total, p[k], x[k]);
        e->d[0][k] += e->g[0] * (logits      ? excess
                                 : x[k] == 0 ? -total / sum : excess / p[k] / sum);
    }
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 3, .axes = { 1, 0, 1 }, .work = three_rows, .value = log_prob_value,
    .gradient = log_prob_gradient
};
PPL__EVENT_OP(log_prob_op, "multinomial log_prob", log_prob_formula)

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    const node attr = { .logits = ppl__by_logits(d, WEIGHTS) };
    ppl_tensor *in[] = { d->param[WEIGHTS], d->param[TOTAL], x };
    return log_prob_op_apply(in, d, &attr, sizeof attr);
}

/* ---- Drawing: weights, total ------------------------------------------------------- */

int ppl__multinomial_draw(const ppl_rng *rng, uint64_t first, double total, size_t n,
                          const double *w, double *tail, double *y)
{
    double left = total;

    for (size_t k = n; k-- > 0;)
        tail[k] = w[k] + (k + 1 < n ? tail[k + 1] : 0);
    int good = total >= 0 && total <= 0x1p63 && tail[0] > 0;
    for (size_t k = 0; good && k < n; k++) {
        y[k] = k + 1 == n || left == 0
                   ? left : (double)ppl__binomial_draw(rng, 0, first + k, left,
                                                       w[k] / tail[k],
                                                       tail[k + 1] / tail[k]);
        good = y[k] >= 0;
        left -= y[k];
    }
    for (size_t k = 0; !good && k < n; k++)
        y[k] = -1;
    return good;
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const node *attr = e->attr;

    if (e->fresh & 1)
        ppl__load_weights(n, attr->logits, e->in[0], e->work, e->work + n);
    ppl__multinomial_draw(&attr->rng, e->index * n, *e->in[1], n, e->work,
                          e->work + 2 * n, y);
}

static const ppl__event_formula draw_formula = {
    .inputs = 2, .axes = { 1, 0 }, .event = ppl__event_like_first, .integers = 1,
    .work = three_rows, .value = draw_value
};
PPL__EVENT_OP(draw_op, "multinomial sample", draw_formula)

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const node attr = { ppl__by_logits(d, WEIGHTS), *rng };
    ppl_tensor *in[] = { d->param[WEIGHTS], d->param[TOTAL] };
    return draw_op_apply(in, d, &attr, sizeof attr);
}

/* ---- Entropy: weights, total ------------------------------------------------------- */

/* log((k + 1) / (n p)): the derivative of log k! in k, less what all categories share. */
static double growth(double k, double n, double p, double log_p)
{
    (void)p;
    return log(k + 1) - log(n) - log_p;
}

/* The mean of f(k, n, p, log p) over k of Binomial(trials, p), n being that of f. Where
 * the deviation is 16 or more, by every second, third, .. count: trapezoids of an eighth
 * of it, which for so smooth a curve are exact to the last digit. */
static double mean_of(double (*f)(double k, double n, double p, double log_p),
                      double trials, double n, double p, double q, double log_p)
{
    const double centre = trials * p, deviation = sqrt(centre * q);
    const double reach = 12 * deviation + 40, step = fmax(floor(deviation / 8), 1);
    const double low = fmax(floor(centre - reach), 0);
    const double steps = (fmin(floor(centre + reach), trials) - low) / step;
    const double log_q = q < 0.5 ? log(q) : log1p(-p);
    double sum = 0;

    if (!(steps < 1000))
        return NAN;                         /* a total or a weight that is none */
    for (double i = 0; i <= steps; i++) {
        const double k = low + i * step;
        sum += step * f(k, n, p, log_p) *
               exp(ppl__log_binomial(k, trials - k, fma(-trials, p, k), log_p, log_q));
    }
    return sum;
}

/* to[k] = the mean of f for category k; 0 where p is. The rest of a probability is a sum,
 * as 1 - p would have no digits where p is about 1. */
static void all_means(const ppl__event *e, double trials,
                      double (*f)(double k, double n, double p, double log_p), double *to)
{
    const size_t n = e->dim[0][0];
    const double *p = e->work, *log_p = e->work + n;
    double before = 0;

    for (size_t k = n; k-- > 0;)
        to[k] = k + 1 < n ? to[k + 1] + p[k + 1] : 0;
    for (size_t k = 0; k < n; k++) {
        const double q = before + to[k];
        to[k] = p[k] > 0 ? mean_of(f, trials, *e->in[1], p[k], q, log_p[k]) : 0;
        before += p[k];
    }
}

static void entropy_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double total = *e->in[1];
    double *mean = e->work + 2 * n;

    ppl__load_weights(n, ((const node *)e->attr)->logits, e->in[0], e->work, e->work + n);
    *y = -rest(total);
    if (total > 0)
        all_means(e, total, share, mean);
    for (size_t k = 0; total > 0 && k < n; k++)
        *y += mean[k];
}

/* dH/dp_k = n (E log(X + 1) - log(n p_k)) and what all share, X of n - 1 trials. */
static void entropy_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *p = e->work, total = *e->in[1];
    const int logits = ((const node *)e->attr)->logits;
    double *h = e->work + 2 * n, centre = 0;

    if (!(total > 0) || !e->d[0])
        return;
    const double sum = ppl__load_weights(n, logits, e->in[0], e->work, e->work + n);
    all_means(e, total - 1, growth, h);
    for (size_t k = 0; k < n; k++)
        centre += p[k] * h[k];
    for (size_t k = 0; k < n; k++) {
        const double slope = p[k] > 0 ? total * (h[k] - centre) : INFINITY;
        if (p[k] > 0 || !logits)
            e->d[0][k] += e->g[0] * (logits ? p[k] * slope : slope / sum);
    }
}

static const ppl__event_formula entropy_formula = {
    .inputs = 2, .axes = { 1, 0 }, .work = three_rows, .value = entropy_value,
    .gradient = entropy_gradient
};
PPL__EVENT_OP(entropy_op, "multinomial entropy", entropy_formula)

static ppl_tensor *entropy(const ppl_dist *d)
{
    const node attr = { .logits = ppl__by_logits(d, WEIGHTS) };
    ppl_tensor *in[] = { d->param[WEIGHTS], d->param[TOTAL] };
    return entropy_op_apply(in, NULL, &attr, sizeof attr);
}

/* ---- Moments, KL ------------------------------------------------------------------- */

static ppl_tensor *total(const ppl_dist *d)
{
    return ppl_to_float(d->param[TOTAL]);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_mul(ppl__one_more_axis(total(d)), ppl__probabilities(d, WEIGHTS));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_mul(ppl__one_more_axis(total(d)), ppl__category_variance(d, WEIGHTS));
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    return ppl_mul(ppl__one_more_axis(ppl__one_more_axis(total(d))),
                   ppl__category_covariance(d, WEIGHTS));
}

/* No trial tells no two Categoricals apart, and no draw has two totals. */
ppl_tensor *ppl__multinomial_kl(const ppl_dist *q, const ppl_dist *p)
{
    const ppl_dist from = ppl__categories(q, WEIGHTS), to = ppl__categories(p, WEIGHTS);
    ppl_tensor *n = total(q), *zero = ppl_scalar(q->ctx, 0);
    ppl_tensor *trials = ppl_mul(n, ppl__categorical_kl(&from, &to));

    trials = ppl_where(ppl_less(zero, n), trials, zero);
    return ppl_where(ppl_equal(n, total(p)), trials, ppl_scalar(q->ctx, INFINITY));
}

/* ---- Rows -------------------------------------------------------------------------- */

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, WEIGHTS, 1);
}

ppl_constraint ppl__counts_of_total(const double *param)
{
    return ppl_multinomial_counts(ppl__count_of(param[TOTAL]));
}

static ppl_dist *make(const ppl_family *family, ppl_tensor *total_count,
                      ppl_tensor *weights)
{
    ppl_tensor *params[] = { total_count, weights };
    return ppl__has_categories(family, WEIGHTS, weights)
               ? ppl_dist_make(family, params, NULL) : NULL;
}

ppl_dist *ppl_multinomial(ppl_tensor *total_count, ppl_tensor *probs)
{
    return make(&ppl_family_multinomial, total_count, probs);
}

ppl_dist *ppl_multinomial_logits(ppl_tensor *total_count, ppl_tensor *logits)
{
    return make(&ppl_family_multinomial_logits, total_count, logits);
}

#define ROW(text, param, constraint)                                                     \
    {                                                                                    \
        .name = text, .params = 2, .param_name = { "total_count", param },               \
        .param_constraint = { &ppl_constraint_nonnegative_integer, &constraint },        \
        .param_event_dim = { 0, 1 }, .param_dtype = { PPL_I64 },                         \
        .support = &ppl_constraint_nonnegative_integer,                                  \
        .support_at = ppl__counts_of_total, .event_dim = 1, .flags = PPL_DISCRETE,       \
        .value_dtype = PPL_I64, .event_shape = event_shape, .sample = sample,            \
        .log_prob = log_prob, .entropy = entropy, .mean = mean, .variance = variance,    \
        .covariance = covariance, .kl = ppl__multinomial_kl                              \
    }

const ppl_family ppl_family_multinomial =
    ROW("multinomial", "probs", ppl__probs_constraint);
const ppl_family ppl_family_multinomial_logits =
    ROW("multinomial_logits", "logits", ppl__logits_constraint);

/* SPDX-License-Identifier: MIT */
/*
 * categorical.c - Categorical on 0 .. K-1, from the last axis of its parameter [..,K]:
 * p = probs / sum(probs), or p = softmax(logits).
 *
 *   log p(k)   log p[k]; -inf for any other integer
 *   entropy    -sum_k p[k] log p[k], with 0 log 0 = 0; no mean, as categories are names
 *   P(X <= k)  the sum of p[0] .. p[k], in logarithms by whichever tail is the lesser
 *   draw       the first k whose cumulated p exceeds a uniform number; from a table where
 *              draws share their weights (Chen, Asau, On Generating Random Variates from an
 *              Empirical Distribution, AIIE Transactions 6, 1974)
 *   KL(q||p)   sum_k q[k] log(q[k] / p[k]); inf where p excludes what q does not
 *
 * A weight of 0, or a logit of -inf, rules a category out. Every row is worked in double.
 * Weights that several categories share, being stretched, are worked once.
 * Cost: one logarithm or exponential for each weight.
 * Source: Johnson, Kotz, Balakrishnan, Discrete Multivariate Distributions, 1997,
 * chapter 35.
 */
#include "counts.h"
#include "event.h"
#include "pointwise.h"

#include "../shape_text.h"

typedef struct row_attr {
    int logits[2];                          /* whether inputs 0 and 1 are logits */
    ppl_rng rng;
    ppl_shape shape;                        /* of a draw */
} row_attr;

/* ---- Rows of weights --------------------------------------------------------------- */

static size_t categories(const ppl_tensor *weights)
{
    return (size_t)ppl_dim(weights, -1);
}

static double element(ppl_dtype dtype, const void *data, size_t i)
{
    return dtype == PPL_F32 ? ((const float *)data)[i] : ((const double *)data)[i];
}

static void put(ppl_dtype dtype, void *data, size_t i, double value)
{
    if (dtype == PPL_F32)
        ((float *)data)[i] = (float)value;
    else
        ((double *)data)[i] = value;
}

static void add(ppl_dtype dtype, void *data, size_t i, double value)
{
    put(dtype, data, i, element(dtype, data, i) + value);
}

/* A row of each input, as load_row makes it; 0 when out of memory. */
typedef struct rows {
    double *log_p[2], *p[2];
} rows;

static int make_rows(const ppl_tensor *out, int inputs, rows *w)
{
    const ppl_tensor *weights = ppl_op_input(out, 0);
    const size_t K = categories(weights);
    double *room = ppl_alloc(ppl_tensor_ctx(weights),
                             2 * (size_t)inputs * K * sizeof *room);

    for (int i = 0; room && i < inputs; i++) {
        w->log_p[i] = room + 2 * (size_t)i * K;
        w->p[i] = w->log_p[i] + K;
    }
    return room != NULL;
}

/* log p and p of row r of input i; returns what the weights were divided by: their sum,
 * or 1 for logits. */
static double load_row(const ppl_tensor *out, int i, size_t r, const rows *w)
{
    double *log_p = w->log_p[i], *p = w->p[i];
    const row_attr *attr = ppl_op_attr(out);
    const ppl_tensor *weights = ppl_op_input(out, i);
    const size_t K = categories(weights);
    const void *data = ppl_operand(out, i);
    double top = -INFINITY, sum = 0;

    for (size_t k = 0; k < K; k++) {
        log_p[k] = p[k] = element(ppl_tensor_dtype(weights), data, r * K + k);
        top = log_p[k] > top ? log_p[k] : top;
    }
    if (attr->logits[i]) {
        for (size_t k = 0; k < K; k++)
            log_p[k] -= top;
        ppl_maths_exp(PPL_F64, K, log_p, p);
    } else {
        ppl_maths_log(PPL_F64, K, p, log_p);
    }
    for (size_t k = 0; k < K; k++)
        sum += p[k];
    const double log_sum = log(sum);
    for (size_t k = 0; k < K; k++) {
        log_p[k] -= log_sum;
        p[k] /= sum;
    }
    return attr->logits[i] ? 1 : sum;
}

/* The shape of input 0 without its last axis. */
static ppl_status row_rule(const ppl_op *op, ppl_tensor *const *inputs, int count,
                           void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op, (void)count, (void)attr;
    *dtype = ppl_tensor_dtype(inputs[0]);
    *shape = ppl_tensor_shape(inputs[0]);
    shape->dim[--shape->rank] = 0;
    return PPL_OK;
}

/* ---- Rows that stand for many ------------------------------------------------------ */

/* Which row of weights [..,K] belongs to each element of a shape they stretch to: axes from
 * the innermost, by a step of 0 where stretched. */
typedef struct stretch {
    size_t rows, n;
    int axes;
    size_t dim[PPL_MAX_RANK], step[PPL_MAX_RANK];
} stretch;

static stretch stretch_to(const ppl_tensor *weights, ppl_shape to)
{
    const ppl_shape from = ppl_tensor_shape(weights);
    stretch s = { .rows = 1, .n = 1, .axes = to.rank };

    for (int i = 1; i <= to.rank; i++) {
        const size_t dim = (size_t)to.dim[to.rank - i];
        const int kept = i < from.rank && from.dim[from.rank - 1 - i] != 1;
        s.dim[i - 1] = dim;
        s.step[i - 1] = kept ? s.rows : 0;
        s.rows *= kept ? dim : 1;
        s.n *= dim;
    }
    return s;
}

static size_t row_of(const stretch *s, size_t i)
{
    size_t row = 0;

    if (s->rows == 1 || s->rows == s->n)
        return s->rows == 1 ? 0 : i;
    for (int k = 0; k < s->axes; i /= s->dim[k++])
        row += i % s->dim[k] * s->step[k];
    return row;
}

/* w of row r: its weights, or exp of logits less their largest, *top (0 for weights). */
static void load_weights(const ppl_tensor *out, size_t r, double *w, double *top)
{
    const row_attr *attr = ppl_op_attr(out);
    const ppl_tensor *weights = ppl_op_input(out, 0);
    const size_t K = categories(weights);
    const void *data = ppl_operand(out, 0);
    double most = -INFINITY;

    for (size_t k = 0; k < K; k++)
        w[k] = element(ppl_tensor_dtype(weights), data, r * K + k);
    *top = 0;
    if (!attr->logits[0])
        return;
    for (size_t k = 0; k < K; k++)
        most = w[k] > most ? w[k] : most;
    for (size_t k = 0; k < K; k++)
        w[k] -= most;
    ppl_maths_exp(PPL_F64, K, w, w);
    *top = most;
}

static double sum_of(size_t n, const double *w)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += w[k];
    return sum;
}

/* ---- log_prob: weights [..,K], categories [..] ------------------------------------- */

static ppl_status log_prob_rule(const ppl_op *op, ppl_tensor *const *inputs, int count,
                                void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op, (void)count, (void)attr;
    *dtype = ppl_tensor_dtype(inputs[0]);
    *shape = ppl_tensor_shape(inputs[1]);
    return PPL_OK;
}

/* Element i of the values, of any type, if it is one of K categories; else K. */
static size_t category(const ppl_tensor *out, size_t i, size_t K)
{
    const double x = ppl__count_at(ppl_op_input(out, 1), ppl_operand(out, 1), i);

    return x >= 0 && x < (double)K ? (size_t)x : K;
}

static void log_prob_forward(ppl_tensor *out)
{
    const row_attr *attr = ppl_op_attr(out);
    const ppl_tensor *weights = ppl_op_input(out, 0);
    const size_t K = categories(weights);
    const stretch s = stretch_to(weights, ppl_tensor_shape(out));
    const ppl_dtype dtype = ppl_tensor_dtype(out);
    double *w = ppl_alloc(ppl_tensor_ctx(out), K * sizeof *w), top;
    double *log_sum = ppl_alloc(ppl_tensor_ctx(out), s.rows * sizeof *log_sum);

    if (!w || !log_sum)
        return;
    for (size_t r = 0; s.n > 0 && r < s.rows; r++) {
        load_weights(out, r, w, &top);
        log_sum[r] = log(sum_of(K, w)) + top;
    }
    for (size_t i = 0; i < s.n; i++) {
        const size_t r = row_of(&s, i), k = category(out, i, K);
        double y = -INFINITY;
        if (k < K) {
            y = element(dtype, ppl_operand(out, 0), r * K + k);
            y = (attr->logits[0] ? y : log(y)) - log_sum[r];
        }
        put(dtype, ppl_result(out), i, y);
    }
}

/* By the adjoints' sums s[k] of category k: d / d logit[k] = s[k] - p[k] sum(s), and
 * d / d weight[k] = s[k] / weight[k] - sum(s) / sum(weight). */
static void add_row_gradient(ppl_tensor *out, size_t r, const double *s, double *w,
                             void *grad)
{
    const int logits = ((const row_attr *)ppl_op_attr(out))->logits[0];
    const size_t K = categories(ppl_op_input(out, 0));
    double top;

    load_weights(out, r, w, &top);
    const double sum = sum_of(K, w), all = sum_of(K, s);
    for (size_t k = 0; k < K; k++)
        add(ppl_tensor_dtype(out), grad, r * K + k,
            logits ? s[k] - w[k] / sum * all : (s[k] == 0 ? 0 : s[k] / w[k]) - all / sum);
}

static void log_prob_vjp(ppl_tensor *out, int i, void *grad)
{
    const ppl_tensor *weights = ppl_op_input(out, 0);
    const size_t K = categories(weights);
    const stretch s = stretch_to(weights, ppl_tensor_shape(out));
    const size_t kept = s.rows == s.n ? 1 : s.rows;
    double *sums = ppl_alloc(ppl_tensor_ctx(out), kept * K * sizeof *sums);
    double *w = ppl_alloc(ppl_tensor_ctx(out), K * sizeof *w);

    (void)i;
    if (!sums || !w)
        return;
    memset(sums, 0, kept * K * sizeof *sums);
    for (size_t at = 0; at < s.n; at++) {
        const double g = element(ppl_tensor_dtype(out), ppl_adjoint(out), at);
        const size_t k = category(out, at, K);
        if (g == 0 || k == K)
            continue;
        double *sum = sums + (kept == s.rows ? row_of(&s, at) * K : 0) + k;
        *sum += g;
        if (kept != s.rows) {
            add_row_gradient(out, at, sums, w, grad);
            *sum = 0;
        }
    }
    for (size_t r = 0; kept == s.rows && s.n > 0 && r < s.rows; r++)
        add_row_gradient(out, r, sums + r * K, w, grad);
}

static const ppl_op log_prob_op = {
    .name = "categorical log_prob", .inputs = 2, .shape = log_prob_rule,
    .forward = log_prob_forward, .vjp = log_prob_vjp
};

/* ---- Drawing ----------------------------------------------------------------------- */

/* Of one row: the cumulated weights, and for each of `guides` equal parts of (0,1) the
 * first category that a uniform number in it can give. */
typedef struct table {
    double *above;
    uint32_t *guide;
} table;

static void cumulate(const ppl_tensor *out, size_t r, double *w)
{
    const size_t K = categories(ppl_op_input(out, 0));
    double top;

    load_weights(out, r, w, &top);
    for (size_t k = 1; k < K; k++)
        w[k] += w[k - 1];
}

/* The first of K cumulated weights, from `k` on, beyond a share u of them all. It has mass,
 * as u < 1. */
static size_t first_beyond(size_t K, const double *above, double u, size_t k)
{
    const double target = u * above[K - 1];

    while (k + 1 < K && !(above[k] > target))
        k++;
    return k;
}

static void fill_guide(size_t K, size_t guides, const table *t)
{
    size_t k = 0;
    for (size_t j = 0; j < guides; j++) {
        k = first_beyond(K, t->above, (double)j / (double)guides, k);
        t->guide[j] = (uint32_t)k;
    }
}

static ppl_status draw_rule(const ppl_op *op, ppl_tensor *const *inputs, int count,
                            void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op, (void)inputs, (void)count;
    *dtype = PPL_I64;
    *shape = ((const row_attr *)attr)->shape;
    return PPL_OK;
}

/* Every draw of weights of its own. */
static void draw_each(ppl_tensor *out, size_t n, size_t K)
{
    const row_attr *attr = ppl_op_attr(out);
    int64_t *y = ppl_result(out);
    double *above = ppl_alloc(ppl_tensor_ctx(out), K * sizeof *above);

    for (size_t r = 0; above && r < n; r++) {
        cumulate(out, r, above);
        y[r] = (int64_t)first_beyond(K, above, ppl_rng_uniform(&attr->rng, 0, r, 0), 0);
    }
}

static void draw_forward(ppl_tensor *out)
{
    const row_attr *attr = ppl_op_attr(out);
    const ppl_tensor *weights = ppl_op_input(out, 0);
    const size_t K = categories(weights);
    const stretch s = stretch_to(weights, ppl_tensor_shape(out));
    size_t guides = 1;
    double u[PPL__SPAN];
    int64_t *y = ppl_result(out);

    if (s.rows == s.n) {
        draw_each(out, s.n, K);
        return;
    }
    while (guides < 2 * K)
        guides *= 2;
    table all = { ppl_alloc(ppl_tensor_ctx(out), s.rows * K * sizeof *all.above),
                  ppl_alloc(ppl_tensor_ctx(out), s.rows * guides * sizeof *all.guide) };
    if (!all.above || !all.guide)
        return;
    for (size_t r = 0; s.n > 0 && r < s.rows; r++) {
        const table t = { all.above + r * K, all.guide + r * guides };
        cumulate(out, r, t.above);
        fill_guide(K, guides, &t);
    }
    for (size_t i = 0; i < s.n; i++) {
        if (i % PPL__SPAN == 0)
            ppl_rng_first_uniforms(&attr->rng, 0, i, s.n - i < PPL__SPAN ? s.n - i : PPL__SPAN,
                                   u);
        const double share = u[i % PPL__SPAN];
        const size_t r = row_of(&s, i), part = (size_t)(share * (double)guides);
        y[i] = (int64_t)first_beyond(K, all.above + r * K, share,
                                     all.guide[r * guides + part]);
    }
}

static const ppl_op draw_op = {
    .name = "categorical sample", .inputs = 1, .shape = draw_rule, .forward = draw_forward
};

/* ---- KL: weights of q and of p, [..,K] each ---------------------------------------- */

static double row_kl(size_t K, const rows *w)
{
    double kl = 0;
    for (size_t k = 0; k < K; k++)
        kl += ppl__kl_share(w->p[0][k], w->p[1][k], w->log_p[0][k], w->log_p[1][k]);
    return kl;
}

static void kl_forward(ppl_tensor *out)
{
    const size_t n = (size_t)ppl_numel(out), K = categories(ppl_op_input(out, 0));
    rows w;

    if (!make_rows(out, 2, &w))
        return;
    for (size_t r = 0; r < n; r++) {
        load_row(out, 0, r, &w);
        load_row(out, 1, r, &w);
        put(ppl_tensor_dtype(out), ppl_result(out), r, row_kl(K, &w));
    }
}

/* dKL/dq[k] = log(q[k]/p[k]) - KL and dKL/dp[k] = 1 - q[k]/p[k], over the sum of the
 * weights; by logits q[k] (log(q[k]/p[k]) - KL) and p[k] - q[k]. */
static void kl_vjp(ppl_tensor *out, int i, void *grad)
{
    const int *logits = ((const row_attr *)ppl_op_attr(out))->logits;
    const size_t n = (size_t)ppl_numel(out), K = categories(ppl_op_input(out, 0));
    const ppl_dtype dtype = ppl_tensor_dtype(out);
    rows w;

    if (!make_rows(out, 2, &w))
        return;
    for (size_t r = 0; r < n; r++) {
        const double g = element(dtype, ppl_adjoint(out), r);
        if (g == 0)
            continue;
        const double sum[] = { load_row(out, 0, r, &w), load_row(out, 1, r, &w) };
        const double kl = row_kl(K, &w);
        for (size_t k = 0; k < K; k++) {
            const double q = w.p[0][k], p = w.p[1][k];
            double d = w.log_p[0][k] - w.log_p[1][k] - kl;
            if (i == 1)
                d = logits[1] ? p - q : (1 - (q == 0 ? 0 : q / p)) / sum[1];
            else if (q == 0 && (logits[0] || p == 0))
                d = 0;
            else
                d *= logits[0] ? q : 1 / sum[0];
            add(dtype, grad, r * K + k, g * d);
        }
    }
}

static const ppl_op kl_op = {
    .name = "categorical kl", .inputs = 2, .shape = row_rule, .forward = kl_forward,
    .vjp = kl_vjp
};

/* ---- Distribution function: weights [..,K], a number or a probability -------------- */

/* Which function; the weights are of attr->logits. */
typedef struct tail_attr {
    int logits, upper, logarithm;
} tail_attr;

/* Weights from .. end - 1, and what their logits were lowered by. */
static double top_of(const tail_attr *a, const double *w, size_t from, size_t end)
{
    double top = -INFINITY;

    for (size_t k = from; a->logits && k < end; k++)
        top = w[k] > top ? w[k] : top;
    return top > -INFINITY ? top : 0;
}

static double weight_of(const tail_attr *a, double w, double top)
{
    return a->logits ? exp(w - top) : w;
}

static double log_weight(const tail_attr *a, const double *w, size_t from, size_t end)
{
    const double top = top_of(a, w, from, end);
    double sum = 0;

    for (size_t k = from; k < end; k++)
        sum += weight_of(a, w[k], top);
    return log(sum) + top;
}

/* log P(X < k) and log P(X >= k), and log of the sum of all weights. */
typedef struct tails {
    double log[2], log_all;
} tails;

static tails tails_at(const ppl__event *e, size_t k)
{
    const size_t K = e->dim[0][0];
    tails t = { .log_all = log_weight(e->attr, e->in[0], 0, K) };

    t.log[0] = log_weight(e->attr, e->in[0], 0, k) - t.log_all;
    t.log[1] = log_weight(e->attr, e->in[0], k, K) - t.log_all;
    for (int i = 0; i < 2; i++)
        if (t.log[i] > -PPL__LOG_TWO)
            t.log[i] = log1p(-exp(t.log[!i]));
    return t;
}

/* How many categories are at most x. */
static size_t up_to(const ppl__event *e)
{
    const double x = floor(*e->in[1]);

    return x < 0 ? 0 : x >= (double)e->dim[0][0] ? e->dim[0][0] : (size_t)x + 1;
}

static void tail_value(const ppl__event *e, double *y)
{
    const tail_attr *a = e->attr;
    const double x = *e->in[1], tail = isnan(x) ? x : tails_at(e, up_to(e)).log[a->upper];

    *y = a->logarithm ? tail : exp(tail);
}

/* A weight on its own side takes the other tail's share, and one beyond takes its own away. */
static void tail_gradient(const ppl__event *e)
{
    const tail_attr *a = e->attr;
    const size_t k = up_to(e);
    const tails t = tails_at(e, k);
    const double own = t.log[a->upper], other = t.log[!a->upper];
    const double scale = a->logarithm ? own : 0;

    if (!e->d[0] || isnan(*e->in[1]) || scale == -INFINITY)
        return;
    for (size_t i = 0; i < e->dim[0][0]; i++) {
        const int within = (i >= k) == a->upper;
        const double share = (a->logits ? e->in[0][i] : 0) - t.log_all;
        e->d[0][i] += *e->g * (within ? 1 : -1) * exp((within ? other : own) + share - scale);
    }
}

/* The least k with P(X <= k) >= p, or P(X > k) <= p. */
static void quantile_value(const ppl__event *e, double *y)
{
    const tail_attr *a = e->attr;
    const size_t K = e->dim[0][0];
    const double *w = e->in[0], p = *e->in[1], top = top_of(a, w, 0, K);
    size_t k = a->upper ? K - 1 : 0;
    double all = 0, sum = 0;

    for (size_t i = 0; i < K; i++)
        all += weight_of(a, w[i], top);
    *y = NAN;
    if (!(p >= 0 && p <= 1) || isnan(all))
        return;
    for (; a->upper ? k > 0 : k + 1 < K; k += a->upper ? -(size_t)1 : 1) {
        sum += weight_of(a, w[k], top);
        if (a->upper ? sum > p * all : sum >= p * all)
            break;
    }
    *y = (double)k;
}

static const ppl__event_formula tail_formula = {
    .inputs = 2, .axes = { 1, 0 }, .value = tail_value, .gradient = tail_gradient
};
static const ppl__event_formula quantile_formula = {
    .inputs = 2, .axes = { 1, 0 }, .value = quantile_value
};
PPL__EVENT_OP(tail_op, "categorical cdf", tail_formula)
PPL__EVENT_OP(quantile_op, "categorical icdf", quantile_formula)

/* ---- Rows -------------------------------------------------------------------------- */

static int by_logits(const ppl_dist *d)
{
    return d->family == &ppl_family_categorical_logits;
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const row_attr attr = { { by_logits(d), 0 }, *rng, d->shape };
    ppl_tensor *weights = d->param[0];
    return ppl_apply(&draw_op, &weights, 1, &attr, sizeof attr);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    const row_attr attr = { .logits = { by_logits(d), 0 } };
    ppl_tensor *in[] = { d->param[0], x };
    return ppl_apply(&log_prob_op, in, 2, &attr, sizeof attr);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    ppl_tensor *t = d->param[0], *zero = ppl_scalar(d->ctx, 0), *log_p;
    if (by_logits(d)) {
        log_p = ppl_log_softmax(t, -1);
    } else {
        ppl_shape kept = ppl_tensor_shape(t);
        kept.dim[kept.rank - 1] = 1;
        log_p = ppl_log(ppl_div(t, ppl_reshape(ppl_sum(t, -1), kept)));
    }
    ppl_tensor *p = ppl_exp(log_p);
    return ppl_neg(ppl_sum(ppl_where(ppl_less(zero, p), ppl_mul(p, log_p), zero), -1));
}

static ppl_tensor *cdf(const ppl_dist *d, ppl_tensor *x)
{
    const tail_attr a = { by_logits(d), 0, 0 };
    return tail_op_apply((ppl_tensor *[]){ d->param[0], x }, d, &a, sizeof a);
}

static ppl_tensor *log_cdf(const ppl_dist *d, ppl_tensor *x)
{
    const tail_attr a = { by_logits(d), 0, 1 };
    return tail_op_apply((ppl_tensor *[]){ d->param[0], x }, d, &a, sizeof a);
}

static ppl_tensor *log_survival(const ppl_dist *d, ppl_tensor *x)
{
    const tail_attr a = { by_logits(d), 1, 1 };
    return tail_op_apply((ppl_tensor *[]){ d->param[0], x }, d, &a, sizeof a);
}

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *p)
{
    const tail_attr a = { by_logits(d), 0, 0 };
    return quantile_op_apply((ppl_tensor *[]){ d->param[0], p }, d, &a, sizeof a);
}

static ppl_tensor *inverse_survival(const ppl_dist *d, ppl_tensor *p)
{
    const tail_attr a = { by_logits(d), 1, 0 };
    return quantile_op_apply((ppl_tensor *[]){ d->param[0], p }, d, &a, sizeof a);
}

static ppl_tensor *enumerate(const ppl_dist *d)
{
    return ppl__integers_from(d->ctx, 0, ppl_dim(d->param[0], -1) - 1);
}

ppl_tensor *ppl__categorical_kl(const ppl_dist *q, const ppl_dist *p)
{
    const row_attr attr = { .logits = { by_logits(q), by_logits(p) } };
    const int64_t K[] = { ppl_dim(q->param[0], -1), ppl_dim(p->param[0], -1) };

    if (K[0] != K[1]) {
        ppl_fail(q->ctx, PPL_ESHAPE, "kl: q has %lld categories and p has %lld; they "
                 "must have the same", (long long)K[0], (long long)K[1]);
        return NULL;
    }
    ppl_tensor *in[] = { ppl__whole_param(q, 0),
                         ppl__at_batch(p->param[0], q->shape, 1) };
    return ppl_apply(&kl_op, in, 2, &attr, sizeof attr);
}

static ppl_dist *make(const ppl_family *family, ppl_tensor *weights)
{
    if (weights && ppl_rank(weights) > 0 && ppl_dim(weights, -1) == 0) {
        ppl_fail(ppl_tensor_ctx(weights), PPL_ESHAPE, "%s: %s has shape %s, which is "
                 "no category at all; its last axis counts the categories", family->name,
                 family->param_name[0], SHAPE_OF(weights));
        return NULL;
    }
    return ppl_dist_make(family, &weights, NULL);
}

ppl_dist *ppl_categorical(ppl_tensor *probs)
{
    return make(&ppl_family_categorical, probs);
}

ppl_dist *ppl_categorical_logits(ppl_tensor *logits)
{
    return make(&ppl_family_categorical_logits, logits);
}

/* ---- The constraints of weights ---------------------------------------------------- */

static int check_probs(const ppl_constraint *self, double *value, const ppl_shape *event)
{
    double sum = 0;
    (void)self;
    for (int64_t i = 0; i < event->dim[0]; i++) {
        if (!(value[i] >= 0))
            return 0;
        sum += value[i];
    }
    return sum > 0 && sum < INFINITY;
}

static int check_logits(const ppl_constraint *self, double *value,
                        const ppl_shape *event)
{
    double top = -INFINITY;
    (void)self;
    for (int64_t i = 0; i < event->dim[0]; i++) {
        if (!(value[i] < INFINITY))
            return 0;
        top = value[i] > top ? value[i] : top;
    }
    return top > -INFINITY;
}

static const ppl_constraint_type probs_type = {
    .name = "weights", .must = "nonnegative, finite and not all 0", .event_dim = 1,
    .check = check_probs
};
static const ppl_constraint_type logits_type = {
    .name = "logits", .must = "numbers below infinity, and not all -inf", .event_dim = 1,
    .check = check_logits
};
const ppl_constraint ppl__probs_constraint = { .type = &probs_type, .upper = INFINITY };
const ppl_constraint ppl__logits_constraint = { .type = &logits_type };

const ppl_family ppl_family_categorical = {
    .name = "categorical",
    .params = 1,
    .param_name = { "probs" },
    .param_constraint = { &ppl__probs_constraint },
    .param_event_dim = { 1 },
    .support = &ppl_constraint_nonnegative_integer,
    .flags = PPL_DISCRETE | PPL_ENUMERABLE,
    .value_dtype = PPL_I64,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .enumerate = enumerate,
    .cdf = cdf,
    .icdf = icdf,
    .log_cdf = log_cdf,
    .log_survival = log_survival,
    .inverse_survival = inverse_survival,
    .kl = ppl__categorical_kl,
};

const ppl_family ppl_family_categorical_logits = {
    .name = "categorical_logits",
    .params = 1,
    .param_name = { "logits" },
    .param_constraint = { &ppl__logits_constraint },
    .param_event_dim = { 1 },
    .support = &ppl_constraint_nonnegative_integer,
    .flags = PPL_DISCRETE | PPL_ENUMERABLE,
    .value_dtype = PPL_I64,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .enumerate = enumerate,
    .cdf = cdf,
    .icdf = icdf,
    .log_cdf = log_cdf,
    .log_survival = log_survival,
    .inverse_survival = inverse_survival,
    .kl = ppl__categorical_kl,
};

/* SPDX-License-Identifier: MIT */
/*
 * empirical.c - Empirical(samples x_1 .. x_S, log_weights v): one of the samples, x_i
 * with probability w_i, w = softmax(v).
 *
 *   log p(x)   log of the sum of w_i over the samples equal to x, bit by bit of a number;
 *              -inf where there is none
 *   mean       sum_i w_i x_i, variance sum_i w_i (x_i - mean)^2, element by element
 *   entropy    -sum of W log W, W the weights of equal samples together
 *   P(X <= x)  the sum of w_i over the samples up to x, of events that are numbers; in
 *              logarithms by whichever tail is the lesser
 *   quantile   by the samples in order
 *   cut        itself, samples outside the bounds of no weight
 *   draw       the first sample whose cumulated weight exceeds a uniform number
 *
 * An event is what lies behind the axis of S; the rank of log_weights tells it from the
 * batch (pyro.distributions.Empirical). Samples may be integers. A family is made for
 * each number of axes; all are of the kind ppl_family_empirical.
 */
#include "event.h"
#include "pointwise.h"

#include "../shape_text.h"

#include <stdlib.h>

/* ---- log_prob: x [E], samples [S,E], log_weights [S] ------------------------------- */

static int matches(const ppl__event *e, size_t i)
{
    const size_t E = e->dim[0][0];
    size_t k = 0;

    while (k < E && e->in[0][k] == e->in[1][i * E + k])
        k++;
    return k == E;
}

static int any(const ppl__event *e, size_t i)
{
    (void)e, (void)i;
    return 1;
}

/* log of the sum of e^v over the samples i that `belongs` takes. */
static double log_total(const ppl__event *e, int (*belongs)(const ppl__event *e, size_t i))
{
    const double *v = e->in[2];
    double top = -INFINITY, sum = 0;

    for (size_t i = 0; i < e->dim[2][0]; i++)
        if (v[i] > top && belongs(e, i))
            top = v[i];
    for (size_t i = 0; top > -INFINITY && i < e->dim[2][0]; i++)
        if (belongs(e, i))
            sum += exp(v[i] - top);
    return top + log(sum);
}

static void log_prob_value(const ppl__event *e, double *y)
{
    *y = log_total(e, matches) - log_total(e, any);
    for (size_t k = 0; k < e->dim[0][0]; k++)
        if (isnan(e->in[0][k]))
            *y = NAN;
}

/* By v_i: its share of the matching weights, less w_i. */
static void log_prob_gradient(const ppl__event *e)
{
    const double all = log_total(e, any), same = e->y[0] + all;

    for (size_t i = 0; e->d[2] && e->y[0] > -INFINITY && i < e->dim[2][0]; i++) {
        const double v = e->in[2][i];
        e->d[2][i] += e->g[0] * ((matches(e, i) ? exp(v - same) : 0) - exp(v - all));
    }
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 3, .axes = { 1, 2, 1 }, .value = log_prob_value,
    .gradient = log_prob_gradient
};
PPL__EVENT_OP(log_prob_op, "empirical log_prob", log_prob_formula)

/* ---- Distribution function: x [], samples [S], log_weights [S] --------------------- */

/* Which function. */
typedef struct tail_attr {
    int upper, logarithm;
} tail_attr;

static int is_up_to(const ppl__event *e, size_t i)
{
    return e->in[1][i] <= *e->in[0];
}

static int is_above(const ppl__event *e, size_t i)
{
    return e->in[1][i] > *e->in[0];
}

/* log P(X <= x) and log P(X > x), and log of the sum of all weights. */
typedef struct tails {
    double log[2], log_all;
} tails;

static tails tails_of(const ppl__event *e)
{
    tails t = { .log_all = log_total(e, any) };

    t.log[0] = log_total(e, is_up_to) - t.log_all;
    t.log[1] = log_total(e, is_above) - t.log_all;
    for (int i = 0; i < 2; i++)
        if (t.log[i] > -PPL__LOG_TWO)
            t.log[i] = log1p(-exp(t.log[!i]));
    return t;
}

static void tail_value(const ppl__event *e, double *y)
{
    const tail_attr *a = e->attr;
    const double tail = isnan(*e->in[0]) ? (double)NAN : tails_of(e).log[a->upper];

    *y = a->logarithm ? tail : exp(tail);
}

/* A weight on its own side takes the other tail's share, and one beyond takes its own away. */
static void tail_gradient(const ppl__event *e)
{
    const tail_attr *a = e->attr;
    const tails t = tails_of(e);
    const double own = t.log[a->upper], other = t.log[!a->upper];
    const double scale = a->logarithm ? own : 0;

    if (!e->d[2] || isnan(*e->in[0]) || scale == -INFINITY)
        return;
    for (size_t i = 0; i < e->dim[2][0]; i++) {
        const int within = is_above(e, i) == a->upper;
        e->d[2][i] += *e->g * (within ? 1 : -1) *
                      exp((within ? other : own) + e->in[2][i] - t.log_all - scale);
    }
}

static const ppl__event_formula tail_formula = {
    .inputs = 3, .axes = { 0, 1, 1 }, .value = tail_value, .gradient = tail_gradient
};
PPL__EVENT_OP(tail_op, "empirical cdf", tail_formula)

/* ---- Samples in order: samples [S,E], log_weights [S] ------------------------------ */

/* A sample, and the sum of the weights of those that equal it, the greatest weight of one
 * being 1. */
typedef struct atom {
    const double *x;
    size_t length;
    double weight;
} atom;

static int by_numbers(const void *a, const void *b)
{
    const atom *p = a, *q = b;
    size_t k = 0;

    while (k < p->length && !(p->x[k] < q->x[k]) && !(p->x[k] > q->x[k]))
        k++;
    return k == p->length ? 0 : p->x[k] < q->x[k] ? -1 : 1;
}

static size_t atoms_work(const ppl__event *e)
{
    return e->dim[0][0] * ((sizeof(atom) + sizeof(double) - 1) / sizeof(double));
}

static double top_of(const ppl__event *e)
{
    double top = -INFINITY;
    for (size_t i = 0; i < e->dim[1][0]; i++)
        top = e->in[1][i] > top ? e->in[1][i] : top;
    return top;
}

static atom atom_of(const ppl__event *e, size_t i, double top)
{
    const size_t E = e->axes[0] == 2 ? e->dim[0][1] : 1;
    return (atom){ e->in[0] + i * E, E, exp(e->in[1][i] - top) };
}

/* The samples of any weight, in order, equal ones as one; how many there are. */
static size_t sort(const ppl__event *e, atom **atoms)
{
    const double top = top_of(e);
    size_t n = 0, count = 0;

    *atoms = (atom *)(void *)e->work;
    for (size_t i = 0; i < e->dim[1][0]; i++)
        if (e->in[1][i] > -INFINITY)
            (*atoms)[n++] = atom_of(e, i, top);
    qsort(*atoms, n, sizeof **atoms, by_numbers);
    for (size_t i = 0; i < n; i++)
        if (count > 0 && by_numbers(&(*atoms)[count - 1], &(*atoms)[i]) == 0)
            (*atoms)[count - 1].weight += (*atoms)[i].weight;
        else
            (*atoms)[count++] = (*atoms)[i];
    return count;
}

static double sum_of(size_t n, const atom *atoms)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += atoms[k].weight;
    return sum;
}

/* The least x with P(X <= x) >= p, or P(X > x) <= p; input 2 is p. */
static void quantile_value(const ppl__event *e, double *y)
{
    const int upper = ((const tail_attr *)e->attr)->upper;
    const double p = *e->in[2];
    atom *atoms;
    const size_t n = sort(e, &atoms);
    size_t k = upper ? n - 1 : 0;
    double sum = 0;

    *y = NAN;
    if (!(p >= 0 && p <= 1) || n == 0)
        return;
    const double all = sum_of(n, atoms);
    for (; upper ? k > 0 : k + 1 < n; k += upper ? -(size_t)1 : 1) {
        sum += atoms[k].weight;
        if (upper ? sum > p * all : sum >= p * all)
            break;
    }
    *y = *atoms[k].x;
}

static const ppl__event_formula quantile_formula = {
    .inputs = 3, .axes = { 1, 1, 0 }, .work = atoms_work, .value = quantile_value
};
PPL__EVENT_OP(quantile_op, "empirical icdf", quantile_formula)

/* -log of the share of an atom, by the others where it has more than half of all. */
static double surprise(size_t n, const atom *atoms, size_t k, double all)
{
    const double w = atoms[k].weight;
    return w > all / 2 ? -log1p(-(sum_of(k, atoms) + sum_of(n - k - 1, atoms + k + 1)) / all)
                       : log(all / w);
}

static void entropy_value(const ppl__event *e, double *y)
{
    atom *atoms;
    const size_t n = sort(e, &atoms);
    const double all = sum_of(n, atoms);

    *y = n > 0 ? 0 : (double)NAN;
    for (size_t k = 0; k < n; k++)
        if (atoms[k].weight > 0)
            *y += atoms[k].weight / all * surprise(n, atoms, k, all);
}

/* By v_i: w_i (-log W - H). */
static void entropy_gradient(const ppl__event *e)
{
    atom *atoms;
    const size_t n = sort(e, &atoms);
    const double all = sum_of(n, atoms), top = top_of(e);

    for (size_t i = 0; e->d[1] && i < e->dim[1][0]; i++) {
        const atom own = atom_of(e, i, top);
        const atom *of = bsearch(&own, atoms, n, sizeof own, by_numbers);
        if (own.weight > 0 && of)
            e->d[1][i] += e->g[0] * own.weight / all *
                          (surprise(n, atoms, (size_t)(of - atoms), all) - e->y[0]);
    }
}

static const ppl__event_formula entropy_formula = {
    .inputs = 2, .axes = { 2, 1 }, .work = atoms_work, .value = entropy_value,
    .gradient = entropy_gradient
};
PPL__EVENT_OP(entropy_op, "empirical entropy", entropy_formula)

/* ---- Drawing: samples [S,E], log_weights [S] --------------------------------------- */

static ppl_shape drawn_shape(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)e->dim[0][1]);
}

/* S where no sample has any weight. */
static size_t drawn(const ppl__event *e)
{
    const double *v = e->in[1], top = top_of(e);
    const size_t S = e->dim[1][0];
    double sum = 0, left;
    size_t chosen = S;

    for (size_t i = 0; i < S; i++)
        sum += exp(v[i] - top);
    left = sum * ppl_rng_uniform(e->attr, 0, e->index, 0);
    /* The last sample of any weight takes what rounding leaves over. */
    for (size_t i = 0; i < S && left >= 0; i++) {
        const double w = exp(v[i] - top);
        chosen = w > 0 ? i : chosen;
        left -= w;
    }
    return chosen;
}

static void draw(const ppl__event *e, double none, double *y)
{
    const size_t E = e->dim[0][1], chosen = drawn(e);

    for (size_t k = 0; k < E; k++)
        y[k] = chosen < e->dim[0][0] ? e->in[0][chosen * E + k] : none;
}

static void draw_value(const ppl__event *e, double *y)
{
    draw(e, NAN, y);
}

static void draw_integers_value(const ppl__event *e, double *y)
{
    draw(e, -1, y);
}

static const ppl__event_formula draw_formula = {
    .inputs = 2, .axes = { 2, 1 }, .event = drawn_shape, .value = draw_value
};
static const ppl__event_formula draw_integers_formula = {
    .inputs = 2, .axes = { 2, 1 }, .event = drawn_shape, .value = draw_integers_value,
    .integers = 1
};
PPL__EVENT_OP(draw_op, "empirical sample", draw_formula)
PPL__EVENT_OP(draw_integers_op, "empirical sample", draw_integers_formula)

/* ---- The row ----------------------------------------------------------------------- */

static int event_axes(const ppl_dist *d)
{
    return d->family->event_dim;
}

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 0, event_axes(d));
}

/* The last `axes` axes of t as one. */
static ppl_tensor *in_a_row(ppl_tensor *t, int axes)
{
    ppl_shape s = ppl_tensor_shape(t);
    int64_t n = 1;

    if (axes == 0)
        return ppl__one_more_axis(t);
    while (axes-- > 0) {
        n *= s.dim[--s.rank];
        s.dim[s.rank] = 0;
    }
    s.dim[s.rank++] = n;
    return ppl_reshape(t, s);
}

/* No gradient goes to the samples: which is drawn is the score function's. */
static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    ppl_tensor *in[] = { ppl_detach(in_a_row(d->param[0], event_axes(d))),
                         ppl_detach(d->param[1]) };
    ppl_tensor *x = d->family->value_dtype == PPL_I64
                        ? draw_integers_op_apply(in, d, rng, sizeof *rng)
                        : draw_op_apply(in, d, rng, sizeof *rng);
    return x ? ppl_reshape(x, d->shape) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    const int axes = event_axes(d);
    ppl_tensor *in[] = { in_a_row(x, axes), in_a_row(d->param[0], axes), d->param[1] };

    return in[0] && in[1] ? log_prob_op_apply(in, d, NULL, 0) : NULL;
}

/* sum_i w_i t_i of t [..,S,event]. */
static ppl_tensor *weighted(const ppl_dist *d, ppl_tensor *t)
{
    ppl_tensor *w = ppl_softmax(d->param[1], -1);

    for (int a = 0; a < event_axes(d); a++)
        w = ppl__one_more_axis(w);
    return ppl_sum(ppl_mul(w, t), -1 - event_axes(d));
}

static ppl_tensor *numbers_of(const ppl_dist *d)
{
    return d->family->value_dtype == PPL_I64 ? ppl_to_float(d->param[0]) : d->param[0];
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return weighted(d, numbers_of(d));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *m = mean(d);
    ppl_shape s = ppl_tensor_shape(m);
    const int at = s.rank - event_axes(d);

    if (!m)
        return NULL;
    for (int a = s.rank++; a > at; a--)
        s.dim[a] = s.dim[a - 1];
    s.dim[at] = 1;
    ppl_tensor *t = ppl_sub(numbers_of(d), ppl_reshape(m, s));
    return weighted(d, ppl_mul(t, t));
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    ppl_tensor *in[] = { ppl_detach(in_a_row(d->param[0], event_axes(d))), d->param[1] };
    return entropy_op_apply(in, NULL, NULL, 0);
}

/* ---- Of events that are numbers ---------------------------------------------------- */

static ppl_tensor *tail(const ppl_dist *d, ppl_tensor *x, tail_attr a)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1] };
    return tail_op_apply(in, d, &a, sizeof a);
}

static ppl_tensor *cdf(const ppl_dist *d, ppl_tensor *x)
{
    return tail(d, x, (tail_attr){ 0, 0 });
}

static ppl_tensor *log_cdf(const ppl_dist *d, ppl_tensor *x)
{
    return tail(d, x, (tail_attr){ 0, 1 });
}

static ppl_tensor *log_survival(const ppl_dist *d, ppl_tensor *x)
{
    return tail(d, x, (tail_attr){ 1, 1 });
}

static ppl_tensor *quantile(const ppl_dist *d, ppl_tensor *p, int upper)
{
    ppl_tensor *in[] = { d->param[0], d->param[1], p };
    const tail_attr a = { upper, 0 };
    return quantile_op_apply(in, d, &a, sizeof a);
}

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *probability)
{
    return quantile(d, probability, 0);
}

static ppl_tensor *inverse_survival(const ppl_dist *d, ppl_tensor *probability)
{
    return quantile(d, probability, 1);
}

/* v of a sample within the bounds. Inputs: v, the sample, low, high. */
static double cut(double v, double x, double low, double high)
{
    return x >= low && x <= high ? v : -INFINITY;
}

PPL__POINTWISE(cut, 4, "truncated empirical", cut(PPL__IN_4(0)),
               input == 0 && PPL__IN(1) >= PPL__IN(2) && PPL__IN(1) <= PPL__IN(3))

static ppl_dist *truncated(const ppl_dist *d, ppl_tensor *low, ppl_tensor *high)
{
    ppl_tensor *in[] = { ppl__whole_param(d, 1), d->param[0], ppl__one_more_axis(low),
                         ppl__one_more_axis(high) };
    ppl_tensor *params[] = { d->param[0], ppl_apply(&cut_op, in, 4, NULL, 0) };
    return ppl_dist_make(d->family, params, NULL);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Those of all samples, each once. */
static ppl_tensor *enumerate(const ppl_dist *d)
{
    const int64_t n = ppl_numel(d->param[0]);
    double *x = ppl_alloc(d->ctx, (size_t)n * sizeof *x);
    int64_t *whole = ppl_alloc(d->ctx, (size_t)n * sizeof *whole), count = 0;

    if (!x || !whole)
        return NULL;
    ppl_read(d->param[0], x, n);
    qsort(x, (size_t)n, sizeof *x, by_size);
    for (int64_t i = 0; i < n; i++)
        if (count == 0 || x[i] > x[count - 1])
            x[count++] = x[i];
    for (int64_t i = 0; i < count; i++)
        whole[i] = (int64_t)x[i];
    return d->family->value_dtype == PPL_I64
               ? ppl_from_integers(d->ctx, PPL_SHAPE(count), whole)
               : ppl_from_doubles(d->ctx, PPL_SHAPE(count), x);
}

/* ---- Making ------------------------------------------------------------------------ */

/* The row for events of so many axes, of integers or not. */
static const ppl_family *family_of(ppl_ctx *c, int axes, ppl_dtype dtype)
{
    ppl_family *f = ppl_alloc(c, sizeof *f);
    if (!f)
        return NULL;
    *f = ppl_family_empirical;
    f->kind = &ppl_family_empirical;
    f->event_dim = axes;
    f->param_event_dim[0] = axes + 1;
    if (axes > 0) {
        f->flags &= ~(unsigned)PPL_ENUMERABLE;
        f->enumerate = NULL;
        f->cdf = f->icdf = f->log_cdf = f->log_survival = f->inverse_survival = NULL;
        f->truncated = NULL;
    }
    if (dtype == PPL_I64) {
        f->flags &= ~(unsigned)PPL_ATOMS;
        f->value_dtype = f->param_dtype[0] = PPL_I64;
        f->support = f->param_constraint[0] = &ppl_constraint_integer;
    }
    return f;
}

ppl_dist *ppl_empirical(ppl_tensor *samples, ppl_tensor *log_weights)
{
    ppl_ctx *c = ppl_tensor_ctx(samples);
    const int rank = ppl_rank(log_weights), axes = ppl_rank(samples) - rank;

    if (!c || !log_weights || !ppl_ok(c))
        return NULL;
    if (rank < 1 || axes < 0 || ppl_dim(log_weights, -1) < 1 ||
        ppl_dim(samples, rank - 1) != ppl_dim(log_weights, -1)) {
        ppl_fail(c, PPL_ESHAPE, "empirical: samples %s and log_weights %s; the last axis "
                 "of log_weights counts the samples, at least one, and is that axis of "
                 "samples", SHAPE_OF(samples), SHAPE_OF(log_weights));
        return NULL;
    }
    ppl_tensor *params[] = { samples, log_weights };
    const ppl_family *family = family_of(c, axes, ppl_tensor_dtype(samples));
    return family ? ppl_dist_make(family, params, NULL) : NULL;
}

const ppl_family ppl_family_empirical = {
    .name = "empirical",
    .params = 2,
    .param_name = { "samples", "log_weights" },
    .param_constraint = { &ppl_constraint_real, &ppl__logits_constraint },
    .param_event_dim = { 1, 1 },
    .support = &ppl_constraint_real,
    .flags = PPL_DISCRETE | PPL_ENUMERABLE | PPL_ATOMS,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .enumerate = enumerate,
    .cdf = cdf,
    .icdf = icdf,
    .log_cdf = log_cdf,
    .log_survival = log_survival,
    .inverse_survival = inverse_survival,
    .truncated = truncated,
};

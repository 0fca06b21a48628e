/* SPDX-License-Identifier: MIT */
/*
 * discrete_hmm.c - hidden Markov models of S states (kiln/hmm.h).
 *
 *   log p(x)   log sum_j alpha_T(j),  alpha_0 = log initial,
 *              alpha_t(j) = log sum_i exp(alpha_(t-1)(i) + A_t(i,j)) + b_t(j),
 *              A = log transition, b_t(j) = log p(x_t | z_t = j)
 *   by b_t(j)  P(z_t = j | x), by A_t(i,j) P(z_(t-1) = i, z_t = j | x), from beta_T = 0,
 *              beta_(t-1)(i) = log sum_j exp(A_t(i,j) + b_t(j) + beta_t(j))
 *   draw       states by their cumulated probabilities, then one observation each
 *
 * The same with probabilities, which are scaled to a sum of 1 at each step, where none of
 * them is so small that a path could be lost to underflow; it has no logarithm in its
 * chain. Where one is, the sequence is worked in logarithms. Where log p(x) is -inf its
 * gradient is 0. The filter and the posterior are made of tensor operations, and so have
 * gradients themselves.
 * Source: L. R. Rabiner, A Tutorial on Hidden Markov Models, 1989 (scaling: section V.A).
 */
#include "hmm.h"

#include "../shape_text.h"

#include <string.h>

typedef struct sizes {
    size_t T, S;
} sizes;

/* ---- Logarithms of sums ------------------------------------------------------------ */

/* n logits as probabilities and their logarithms. */
static void normalise(size_t n, const double *logits, double *p, double *log_p)
{
    double top = -INFINITY, sum = 0, log_of_sum;

    for (size_t k = 0; k < n; k++)
        top = logits[k] > top ? logits[k] : top;
    for (size_t k = 0; k < n; k++)
        log_p[k] = logits[k] - top;
    ppl_maths_exp(PPL_F64, n, log_p, p);
    for (size_t k = 0; k < n; k++)
        sum += p[k];
    log_of_sum = log(sum);
    for (size_t k = 0; k < n; k++) {
        p[k] /= sum;
        log_p[k] -= log_of_sum;
    }
}

static double log_sum(size_t n, const double *x, double *room)
{
    double top = -INFINITY, sum = 0;

    for (size_t k = 0; k < n; k++)
        top = x[k] > top || isnan(x[k]) ? x[k] : top;
    if (top == -INFINITY)
        return top;
    for (size_t k = 0; k < n; k++)
        room[k] = x[k] - top;
    ppl_maths_exp(PPL_F64, n, room, room);
    for (size_t k = 0; k < n; k++)
        sum += room[k];
    return top + log(sum);
}

/* next(j) = log sum_i exp(alpha(i) + A(i,j)); room: 2 S. */
static void advance(size_t S, const double *alpha, const double *A, double *next,
                    double *room)
{
    double *top = room, *term = room + S;

    for (size_t j = 0; j < S; j++)
        top[j] = -INFINITY;
    for (size_t i = 0; i < S; i++)
        for (size_t j = 0; j < S; j++)
            top[j] = fmax(top[j], alpha[i] + A[i * S + j]);
    for (size_t j = 0; j < S; j++) {
        top[j] = top[j] == -INFINITY ? 0 : top[j];
        next[j] = 0;
    }
    for (size_t i = 0; i < S; i++) {
        for (size_t j = 0; j < S; j++)
            term[j] = alpha[i] + A[i * S + j] - top[j];
        ppl_maths_exp(PPL_F64, S, term, term);
        for (size_t j = 0; j < S; j++)
            next[j] += term[j];
    }
    ppl_maths_log(PPL_F64, S, next, next);
    for (size_t j = 0; j < S; j++)
        next[j] += top[j];
}

/* ---- log_prob: initial [S], transition [T or 1,S,S], observed [T,S] ---------------- */

/* The workspace: probabilities, their logarithms, and room; and what is kept of a value for
 * its gradient. */
typedef struct parts {
    size_t T, S, steps;                     /* steps: of the transition, T or 1 */
    double *initial, *log_initial;          /* [S] */
    double *transition, *log_transition;    /* [steps,S,S] */
    double *beta, *room;                    /* [S]; of room_size() */
    double *scaled, *log_z;                 /* whether alpha is, or its logarithms are: */
    double *alpha;                          /* [T+1,S], for all t */
    double *emission, *sum;                 /* [T,S], [T]: exp(b_t - its greatest); what
                                               alpha_t was divided by */
} parts;

static size_t room_size(size_t T, size_t S)
{
    return T > S * S + 3 * S ? T : S * S + 3 * S;
}

static size_t log_prob_work(const ppl__event *e)
{
    const size_t T = e->dim[2][0], S = e->dim[2][1];
    return 3 * S + 2 * e->dim[1][0] * S * S + room_size(T, S);
}

static size_t log_prob_keep(const ppl__event *e)
{
    const size_t T = e->dim[2][0], S = e->dim[2][1];
    return 2 + (T + 1) * S + T * S + T;
}

/* With the probabilities at hand. */
static parts lay_out(const ppl__event *e)
{
    parts w = { .T = e->dim[2][0], .S = e->dim[2][1], .steps = e->dim[1][0] };
    const size_t S = w.S;

    w.initial = e->work;
    w.log_initial = w.initial + S;
    w.transition = w.log_initial + S;
    w.log_transition = w.transition + w.steps * S * S;
    w.beta = w.log_transition + w.steps * S * S;
    w.room = w.beta + S;
    w.scaled = e->kept;
    w.log_z = w.scaled + 1;
    w.alpha = w.log_z + 1;
    w.emission = w.alpha + (w.T + 1) * S;
    w.sum = w.emission + w.T * S;
    if (e->fresh & 1)
        normalise(S, e->in[0], w.initial, w.log_initial);
    for (size_t r = 0; (e->fresh & 2) && r < w.steps * S; r++)
        normalise(S, e->in[1] + r * S, w.transition + r * S, w.log_transition + r * S);
    return w;
}

/* Where A_t stands among the transitions, t = 1 .. T. */
static size_t transition_at(const parts *w, size_t t)
{
    return (w->steps > 1 ? t - 1 : 0) * w->S * w->S;
}

/* Of softmax: d += g (p - (sum of p) softmax), p being expected numbers. */
static void add_counts(size_t n, double g, const double *p, const double *softmax,
                       double *d)
{
    double sum = 0;

    for (size_t k = 0; k < n; k++)
        sum += p[k];
    for (size_t k = 0; k < n; k++)
        d[k] += g * (p[k] - sum * softmax[k]);
}

/* ---- Scaled probabilities ---------------------------------------------------------- */

/* A product of three such numbers is a normal one still, and what is divided by one is
 * finite. */
#define LEAST 1e-100

static int are_ample(size_t n, const double *p, const double *log_p)
{
    int ample = 1;

    for (size_t k = 0; k < n; k++)
        ample &= (p[k] >= LEAST) | (log_p[k] == -INFINITY);
    return ample;
}

/* exp(b_t - its greatest); the sum of those, or NaN where they are not all finite. */
static double take_out_greatest(const parts *w, const double *b)
{
    double tops = 0;

    for (size_t t = 0; t < w->T; t++) {
        double top = -INFINITY;
        for (size_t j = t * w->S; j < (t + 1) * w->S; j++)
            top = b[j] > top ? b[j] : top;
        for (size_t j = t * w->S; j < (t + 1) * w->S; j++)
            w->emission[j] = b[j] - top;
        tops += top;
    }
    ppl_maths_exp(PPL_F64, w->T * w->S, w->emission, w->emission);
    return isfinite(tops) ? tops : NAN;
}

/* alpha_t from the one before; 0 if a number becomes too small. */
static inline int advance_scaled(size_t S, const double *alpha, const double *A,
                                 const double *emission, double *next, double *sum_at)
{
    double sum = 0, scale;
    int ample = 1;

    for (size_t j = 0; j < S; j++)
        next[j] = alpha[0] * A[j];
    for (size_t i = 1; i < S; i++)
        for (size_t j = 0; j < S; j++)
            next[j] += alpha[i] * A[i * S + j];
    for (size_t j = 0; j < S; j++) {
        next[j] *= emission[j];
        sum += next[j];
    }
    scale = 1 / sum;
    for (size_t j = 0; j < S; j++) {
        next[j] *= scale;
        ample &= (next[j] >= LEAST) | (next[j] == 0);
    }
    *sum_at = sum;
    return ample;
}

static inline int filter_of(const parts *w, size_t S)
{
    int ample = 1;

    memcpy(w->alpha, w->initial, S * sizeof *w->alpha);
    for (size_t t = 1; t <= w->T && ample; t++)
        ample = advance_scaled(S, w->alpha + (t - 1) * S,
                               w->transition + transition_at(w, t),
                               w->emission + (t - 1) * S, w->alpha + t * S,
                               w->sum + t - 1);
    return ample;
}

/* The loop with a number of states that the compiler knows, where they are few. */
#define WITH_FEW(S, function, ...)                                                       \
    ((S) == 2   ? function(__VA_ARGS__, 2)                                               \
     : (S) == 3 ? function(__VA_ARGS__, 3)                                               \
     : (S) == 4 ? function(__VA_ARGS__, 4)                                               \
                : function(__VA_ARGS__, S))

/* log p(x), or NaN where it takes logarithms. */
static double scaled_value(const ppl__event *e, const parts *w)
{
    const size_t S = w->S, T = w->T;
    double log_z = take_out_greatest(w, e->in[2]);

    if (isnan(log_z) || !are_ample(T * S, w->emission, e->in[2]) ||
        !are_ample(S, w->initial, w->log_initial) ||
        !are_ample(w->steps * S * S, w->transition, w->log_transition) ||
        !WITH_FEW(S, filter_of, w))
        return NAN;
    ppl_maths_log(PPL_F64, T, w->sum, w->room);
    return log_z + ppl_maths_sum(PPL_F64, T, w->room);
}

/* To the transitions that `counts` [S,S] are of, but for the factor A_t(i,j). */
static void add_transitions(const ppl__event *e, const parts *w, size_t at, double *counts)
{
    const size_t S = w->S;

    for (size_t i = 0; i < S; i++) {
        const double *A = w->transition + at + i * S;
        for (size_t j = 0; j < S; j++)
            counts[i * S + j] *= A[j];
        add_counts(S, e->g[0], counts + i * S, A, e->d[1] + at + i * S);
    }
    memset(counts, 0, S * S * sizeof *counts);
}

/* beta_(t-1) from beta_t. What lies behind a state that cannot be reached does not count,
 * and may be beyond all bounds. */
static inline void step_back_scaled(const ppl__event *e, const parts *w, size_t t,
                                    double *counts, size_t S)
{
    const double *before = w->alpha + (t - 1) * S, *alpha = before + S;
    const double *A = w->transition + transition_at(w, t);
    const double *emission = w->emission + (t - 1) * S;
    const double scale = 1 / w->sum[t - 1];
    double *beta = w->beta, *weight = counts + S * S;

    for (size_t j = 0; j < S; j++)
        beta[j] = alpha[j] > 0 ? beta[j] : 0;
    for (size_t j = 0; e->d[2] && j < S; j++)
        e->d[2][(t - 1) * S + j] += e->g[0] * (alpha[j] * beta[j]);
    for (size_t j = 0; j < S; j++)
        weight[j] = emission[j] * beta[j] * scale;
    for (size_t i = 0; i < S; i++) {
        double sum = 0;
        for (size_t j = 0; j < S; j++)
            sum += A[i * S + j] * weight[j];
        for (size_t j = 0; j < S; j++)
            counts[i * S + j] += before[i] * weight[j];
        beta[i] = sum;
    }
}

static inline int smooth_of(const ppl__event *e, const parts *w, size_t S)
{
    double *counts = w->room;

    memset(counts, 0, S * S * sizeof *counts);
    for (size_t j = 0; j < S; j++)
        w->beta[j] = 1;
    for (size_t t = w->T; t > 0; t--) {
        step_back_scaled(e, w, t, counts, S);
        if (e->d[1] && (w->steps > 1 || t == 1))
            add_transitions(e, w, transition_at(w, t), counts);
    }
    for (size_t i = 0; i < S; i++)
        w->beta[i] *= w->initial[i];
    if (e->d[0])
        add_counts(S, e->g[0], w->beta, w->initial, e->d[0]);
    return 1;
}

/* ---- Logarithms -------------------------------------------------------------------- */

static double log_value(const ppl__event *e, const parts *w)
{
    memcpy(w->alpha, w->log_initial, w->S * sizeof *w->alpha);
    for (size_t t = 1; t <= w->T; t++) {
        double *alpha = w->alpha + t * w->S;
        advance(w->S, alpha - w->S, w->log_transition + transition_at(w, t), alpha,
                w->room);
        for (size_t j = 0; j < w->S; j++)
            alpha[j] += e->in[2][(t - 1) * w->S + j];
    }
    return log_sum(w->S, w->alpha + w->T * w->S, w->room);
}

/* One step back from t: gradients of A_t and b_t, and beta for t - 1. */
static void log_step_back(const ppl__event *e, const parts *w, size_t t)
{
    const size_t S = w->S, at = transition_at(w, t);
    const double *A = w->log_transition + at, *alpha = w->alpha + (t - 1) * S;
    double *later = w->room, *pair = w->room + S, *beta = w->beta;

    for (size_t j = 0; j < S; j++) {
        if (e->d[2])
            e->d[2][(t - 1) * S + j] += e->g[0] * exp(alpha[S + j] + beta[j] - *w->log_z);
        later[j] = e->in[2][(t - 1) * S + j] + beta[j];
    }
    for (size_t i = 0; i < S; i++) {
        for (size_t j = 0; j < S; j++)
            pair[j] = A[i * S + j] + later[j];
        beta[i] = log_sum(S, pair, w->room + 2 * S);
        if (!e->d[1])
            continue;
        for (size_t j = 0; j < S; j++)
            pair[j] += alpha[i] - *w->log_z;
        ppl_maths_exp(PPL_F64, S, pair, pair);
        add_counts(S, e->g[0], pair, w->transition + at + i * S, e->d[1] + at + i * S);
    }
}

static void log_gradient(const ppl__event *e, const parts *w)
{
    memset(w->beta, 0, w->S * sizeof *w->beta);
    for (size_t t = w->T; t > 0; t--)
        log_step_back(e, w, t);
    for (size_t i = 0; i < w->S; i++)
        w->room[i] = exp(w->log_initial[i] + w->beta[i] - *w->log_z);
    if (e->d[0])
        add_counts(w->S, e->g[0], w->room, w->initial, e->d[0]);
}

/* ---- Either ------------------------------------------------------------------------ */

static void log_prob_value(const ppl__event *e, double *y)
{
    const parts w = lay_out(e);

    *w.log_z = scaled_value(e, &w);
    *w.scaled = !isnan(*w.log_z);
    if (isnan(*w.log_z))
        *w.log_z = log_value(e, &w);
    *y = *w.log_z;
}

static void log_prob_gradient(const ppl__event *e)
{
    const parts w = lay_out(e);

    if (*w.log_z == -INFINITY)
        return;
    if (*w.scaled != 0)
        WITH_FEW(w.S, smooth_of, e, &w);
    else
        log_gradient(e, &w);
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 3, .axes = { 1, 3, 2 }, .work = log_prob_work, .keep = log_prob_keep,
    .value = log_prob_value, .gradient = log_prob_gradient
};
PPL__EVENT_OP(log_prob_op, "discrete_hmm log_prob", log_prob_formula)

/* ---- Drawing: states, then the observation of each --------------------------------- */

typedef struct path_attr {
    ppl_rng rng;
    sizes size;
} path_attr;

static ppl_shape path_event(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)((const path_attr *)e->attr)->size.T);
}

static size_t choose(size_t S, const double *logits, double uniform, double *p)
{
    size_t chosen = 0;

    normalise(S, logits, p, p + S);
    /* The last state with any mass takes what rounding leaves over. */
    for (size_t k = 0; k < S && uniform >= 0; k++) {
        chosen = p[k] > 0 ? k : chosen;
        uniform -= p[k];
    }
    return chosen;
}

static void path_value(const ppl__event *e, double *y)
{
    const path_attr *attr = e->attr;
    const size_t T = attr->size.T, S = attr->size.S, first = e->index * (T + 1);
    size_t z = choose(S, e->in[0], ppl_rng_uniform(&attr->rng, 0, first, 0), e->work);

    for (size_t t = 0; t < T; t++) {
        const double *A = e->in[1] + (e->dim[1][0] > 1 ? t : 0) * S * S;
        z = choose(S, A + z * S, ppl_rng_uniform(&attr->rng, 0, first + t + 1, 0),
                   e->work);
        y[t] = (double)z;
    }
}

static size_t path_work(const ppl__event *e)
{
    return 2 * e->dim[0][0];
}

static const ppl__event_formula path_formula = {
    .inputs = 2, .axes = { 1, 3 }, .event = path_event, .integers = 1, .work = path_work,
    .value = path_value
};
PPL__EVENT_OP(path_op, "discrete_hmm states", path_formula)

/* Of draws [T,S,E] those of the states [T]. */
static ppl_shape chosen_event(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)e->dim[0][0], (int64_t)e->dim[0][2]);
}

static const double *chosen(const ppl__event *e, size_t t)
{
    return e->in[0] + (t * e->dim[0][1] + (size_t)e->in[1][t]) * e->dim[0][2];
}

static void chosen_value(const ppl__event *e, double *y)
{
    for (size_t t = 0; t < e->dim[0][0]; t++)
        memcpy(y + t * e->dim[0][2], chosen(e, t), e->dim[0][2] * sizeof *y);
}

static void chosen_gradient(const ppl__event *e)
{
    const size_t E = e->dim[0][2];

    for (size_t i = 0; e->d[0] && i < e->dim[0][0] * E; i++)
        e->d[0][chosen(e, i / E) - e->in[0] + (ptrdiff_t)(i % E)] += e->g[i];
}

static const ppl__event_formula chosen_formula = {
    .inputs = 2, .axes = { 3, 1 }, .event = chosen_event, .value = chosen_value,
    .gradient = chosen_gradient
};
static const ppl__event_formula chosen_integers_formula = {
    .inputs = 2, .axes = { 3, 1 }, .event = chosen_event, .integers = 1,
    .value = chosen_value
};
PPL__EVENT_OP(chosen_op, "discrete_hmm sample", chosen_formula)
PPL__EVENT_OP(chosen_integers_op, "discrete_hmm sample", chosen_integers_formula)

/* ---- The family -------------------------------------------------------------------- */

static ppl_dist *observation_of(const ppl_dist *d)
{
    ppl_dist *copy = ppl_alloc(d->ctx, sizeof *copy);
    if (copy)
        *copy = *d->parts->dist[0];
    return copy;
}

static ppl_shape event_shape(const ppl_dist *d)
{
    const ppl_dist *observation = d->parts->dist[0];
    ppl_shape s = PPL_SHAPE((int64_t)((const sizes *)d->attr)->T);

    for (int a = observation->event_dim; a > 0; a--)
        s.dim[s.rank++] = observation->shape.dim[observation->shape.rank - a];
    return s;
}

/* b [..,T,S]: the log_prob of each step in each state. */
static ppl_tensor *observed(const ppl_dist *d, ppl_tensor *x)
{
    const sizes *size = d->attr;
    const int own = d->parts->dist[0]->event_dim;
    ppl_shape shape = ppl_tensor_shape(x);

    if (shape.rank == PPL_MAX_RANK) {
        ppl_fail(d->ctx, PPL_ESHAPE, "discrete_hmm: a value of shape %s leaves no axis "
                 "for the states", SHAPE_TEXT(shape));
        return NULL;
    }
    x = ppl_reshape(x, ppl__insert_axis(shape, own, 1));
    x = ppl_expand(x, ppl__insert_axis(shape, own, (int64_t)size->S));
    return ppl_log_prob(observation_of(d), x);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { d->param[0], d->param[1], observed(d, x) };
    return log_prob_op_apply(in, NULL, NULL, 0);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const sizes *size = d->attr;
    const path_attr attr = { ppl_rng_part(rng, 0), *size };
    const ppl_rng noise = ppl_rng_part(rng, 1);
    ppl_shape batch = d->shape;
    int64_t elements = 1;

    for (int a = d->family->event_dim; a > 1; a--)
        elements *= batch.dim[--batch.rank];
    batch.dim[batch.rank++] = (int64_t)size->S;
    ppl_tensor *each = ppl_dist_sample(ppl_expand_dist(observation_of(d), batch), &noise);
    batch.dim[batch.rank++] = elements;
    ppl_tensor *in[] = { ppl_reshape(each, batch),
                         path_op_apply(d->param, d, &attr, sizeof attr) };
    ppl_tensor *x = d->family->value_dtype == PPL_I64
                        ? chosen_integers_op_apply(in, NULL, NULL, 0)
                        : chosen_op_apply(in, NULL, NULL, 0);
    return ppl_reshape(x, d->shape);
}

static int check_states(ppl_tensor *initial, ppl_tensor *transition,
                        const ppl_shape *batch, int64_t S)
{
    if (S > 0 && ppl_rank(transition) >= 2 && ppl_dim(transition, -1) == S &&
        ppl_dim(transition, -2) == S && batch->rank >= 1 &&
        batch->dim[batch->rank - 1] == S)
        return 1;
    ppl_fail(ppl_tensor_ctx(initial), PPL_ESHAPE, "discrete_hmm: initial_logits has "
             "shape %s, transition_logits %s, and the observation the batch %s; states "
             "are the last axis, in transition_logits the last two, and must be equally "
             "many",
             SHAPE_OF(initial), SHAPE_OF(transition), SHAPE_TEXT(*batch));
    return 0;
}

/* The row of models whose observation is of this family. */
static const ppl_family *family_of(const ppl_dist *observation)
{
    ppl_family *f = ppl_alloc(observation->ctx, sizeof *f);

    if (f) {
        *f = ppl_family_discrete_hmm;
        f->kind = &ppl_family_discrete_hmm;
        f->event_dim = observation->event_dim + 1;
        f->value_dtype = observation->family->value_dtype;
        f->support = observation->family->support;
        f->flags = observation->family->flags & PPL_DISCRETE;
    }
    return f;
}

ppl_dist *ppl_discrete_hmm(ppl_tensor *initial_logits, ppl_tensor *transition_logits,
                           ppl_dist *observation, int64_t duration)
{
    ppl_tensor *params[] = { initial_logits, transition_logits };
    ppl_shape batch = ppl_dist_batch_shape(observation);
    const int64_t S = ppl_dim(initial_logits, -1);
    int64_t T = duration > 0 ? duration : 1;

    if (!initial_logits || !transition_logits || !observation ||
        !check_states(initial_logits, transition_logits, &batch, S))
        return NULL;
    params[1] = ppl__with_time(transition_logits, 2);
    if (!ppl__join_time(observation->ctx, "discrete_hmm", "transition_logits",
                        ppl_dim(params[1], -3), duration, &T) ||
        !ppl__join_time(observation->ctx, "discrete_hmm", "the observation",
                        batch.rank > 1 ? batch.dim[batch.rank - 2] : 1, duration, &T))
        return NULL;
    for (int axes = 0; axes < 2 && batch.rank > 0; axes++)
        batch.dim[--batch.rank] = 0;
    sizes *size = ppl_alloc(observation->ctx, sizeof *size);
    const ppl_family *family = family_of(observation);
    if (!size || !family)
        return NULL;
    *size = (sizes){ (size_t)T, (size_t)S };
    const ppl_dist *const dist[] = { observation };
    return ppl_dist_make_of(family, params,
                            &(ppl_dist_parts){ .dist = dist, .dists = 1, .batch = batch },
                            size);
}

const ppl_family ppl_family_discrete_hmm = {
    .name = "discrete_hmm",
    .params = 2,
    .param_name = { "initial_logits", "transition_logits" },
    .param_constraint = { &ppl__logits_constraint, &ppl__logits_constraint },
    .param_event_dim = { 1, 3 },
    .event_dim = 1,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
};

/* ---- What is known of the states --------------------------------------------------- */

typedef struct chain {
    ppl_tensor *transition, *observed;      /* log probabilities */
    int64_t T;
} chain;

/* alpha[t], t = 0 .. T, unless NULL; returns the last. */
static ppl_tensor *run_forward(const ppl_dist *d, const chain *k, ppl_tensor **alpha)
{
    ppl_tensor *a = ppl_log_softmax(d->param[0], -1);

    for (int64_t t = 0; t < k->T && a; t++) {
        ppl_tensor *pair = ppl_add(ppl__one_more_axis(a),
                                   ppl__at_step(k->transition, t, 2));
        a = ppl_add(ppl_logsumexp(pair, -2), ppl__at_step(k->observed, t, 1));
        if (alpha)
            alpha[t] = a;
    }
    return a;
}

/* 0 where d is no such model, or the value does not fit. */
static int make_chain(const char *what, const ppl_dist *d, ppl_tensor *value, chain *k)
{
    if (!ppl__is_hmm(what, d, &ppl_family_discrete_hmm) || !ppl__is_sequence(d, value))
        return 0;
    *k = (chain){ ppl_log_softmax(d->param[1], -1), observed(d, value),
                  (int64_t)((const sizes *)d->attr)->T };
    return k->transition && k->observed;
}

ppl_dist *ppl_discrete_hmm_filter(ppl_dist *hmm, ppl_tensor *value)
{
    chain k;

    return make_chain("discrete_hmm_filter", hmm, value, &k)
               ? ppl_categorical_logits(run_forward(hmm, &k, NULL)) : NULL;
}

ppl_dist *ppl_discrete_hmm_posterior(ppl_dist *hmm, ppl_tensor *value)
{
    chain k;

    if (!make_chain("discrete_hmm_posterior", hmm, value, &k))
        return NULL;
    ppl_tensor **logits = ppl_alloc(hmm->ctx, (size_t)k.T * sizeof *logits);
    if (!logits || !run_forward(hmm, &k, logits))
        return NULL;
    ppl_tensor *beta = NULL;
    for (int64_t t = k.T - 1; t >= 0; t--) {
        ppl_tensor *b = ppl__at_step(k.observed, t, 1);
        if (beta)
            logits[t] = ppl_add(logits[t], beta);
        b = beta ? ppl_add(b, beta) : b;
        ppl_shape row = ppl_tensor_shape(b);
        if (!b)
            return NULL;
        ppl_tensor *pair = ppl_add(ppl__at_step(k.transition, t, 2),
                                   ppl_reshape(b, ppl__insert_axis(row, 1, 1)));
        beta = ppl_logsumexp(pair, -1);
    }
    return ppl_categorical_logits(ppl_stack(logits, (int)k.T, -2));
}

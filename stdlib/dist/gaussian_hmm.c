/* SPDX-License-Identifier: MIT */
/*
 * gaussian_hmm.c - hidden Markov models of Gaussian states (kiln/hmm.h): linear dynamical
 * systems, with a Kalman filter of square roots.
 *
 *   z_0 = m_0 + L_0 e,  z_t = F^T z_(t-1) + b + L_Q e,  x_t = H^T z_t + d + L_R e
 *
 * A filtered state is m, L, its covariance being L L^T. One step is one factor: the array
 *
 *   A = [ H^T F^T L   H^T L_Q   L_R ]        B B^T = A A^T,  B = [ L_S  0  ]
 *       [     F^T L       L_Q     0 ]                            [  G   L' ]
 *
 * is turned into the lower triangular B by reflections, so that no covariance is formed
 * and nothing is subtracted. Then with m- = F^T m + b and s = L_S^-1 (x - H^T m- - d):
 *
 *   m' = m- + G s,  log p(x_t | before) = -|s|^2 / 2 - sum log L_S,ii - n log(2 pi) / 2
 *
 * The entropy has s = 0 and n (1 + log(2 pi)) / 2. Gradients go the same way back: from
 * g, the adjoint of B, that of A = B Q is B^-T S Q, Q's rows being orthonormal and S the
 * lower triangle of B^T g mirrored. The posterior (Rauch, Tung and Striebel) is
 * made of tensor operations. Cost of a step: of order (n + k)^2 (2 n + k), k observed.
 * Source: Kailath, Sayed, Hassibi, Linear Estimation, 2000, chapter 12; the adjoint of a
 * Cholesky factor by I. Murray, 2016.
 */
#include "hmm.h"
#include "matrix.h"
#include "multivariate_normal.h"

#include "../shape_text.h"

#include <kiln/matrix.h>

#include <string.h>

#define HALF_LOG_TWO_PI 0.91893853320467274178

/* ---- The filter: x, m_0, L_0, F, b, L_Q, H, d, L_R --------------------------------- */

enum { X, M_0, L_0, F, OFFSET, L_Q, H, D, L_R, INPUTS };

/* What is asked of it. */
typedef enum question {
    LOG_PROB,
    ENTROPY,
    STATES                                  /* m and L of each step: [T, n + n n] */
} question;

/* The workspace. */
typedef struct filter {
    size_t T, n, k;                         /* steps, states, observed */
    size_t p, q;                            /* the array's shape: n + k, 2 n + k */
    double *state;                          /* [T+1, n + n n]: m, then L */
    double *B, *s;                          /* [T,p,p], [T,k] */
    double *A, *Q, *dA, *S, *dB;            /* [p,q] three times, [p,p] twice */
    double *before;                         /* m-, and its adjoint */
    double *dm, *dL, *v;                    /* adjoints of a state; of the innovation */
} filter;

static filter lay_out(const ppl__event *e)
{
    filter w = { .T = e->dim[X][0], .n = e->dim[M_0][0], .k = e->dim[X][1] };
    const size_t n = w.n, k = w.k;

    w.p = n + k;
    w.q = 2 * n + k;
    w.state = e->work;
    w.B = w.state + (w.T + 1) * (n + n * n);
    w.s = w.B + w.T * w.p * w.p;
    w.A = w.s + w.T * k;
    w.Q = w.A + w.p * w.q;
    w.dA = w.Q + w.p * w.q;
    w.S = w.dA + w.p * w.q;
    w.dB = w.S + w.p * w.p;
    w.before = w.dB + w.p * w.p;
    w.dm = w.before + n;
    w.dL = w.dm + n;
    w.v = w.dL + n * n;
    return w;
}

static size_t filter_work(const ppl__event *e)
{
    const size_t T = e->dim[X][0], n = e->dim[M_0][0], k = e->dim[X][1], p = n + k;
    return (T + 1) * (n + n * n) + T * (p * p + k) + 3 * p * (2 * n + k) + 2 * p * p +
           2 * n + n * n + k;
}

/* Where input i's part of step t begins, t from 0. */
static size_t offset(const ppl__event *e, int i, size_t t)
{
    size_t size = 1;

    for (int a = 1; a < e->axes[i]; a++)
        size *= e->dim[i][a];
    return e->dim[i][0] > 1 ? t * size : 0;
}

static const double *at(const ppl__event *e, int i, size_t t)
{
    return e->in[i] + offset(e, i, t);
}

/* The array A of step t, from the state before it. */
static void fill_array(const ppl__event *e, const filter *w, size_t t)
{
    const size_t n = w->n, k = w->k, q = w->q;
    const double *L = w->state + t * (n + n * n) + n, *noise = at(e, L_R, t);
    double *states = w->A + k * q;          /* its lower rows */

    memset(w->A, 0, w->p * q * sizeof *w->A);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < n; r++) {
            const double f = at(e, F, t)[r * n + i];
            for (size_t j = 0; j <= r; j++)
                states[i * q + j] += f * L[r * n + j];
            if (r <= i)
                states[i * q + n + r] = at(e, L_Q, t)[i * n + r];
        }
    for (size_t a = 0; a < k; a++) {
        for (size_t i = 0; i < n; i++) {
            const double h = at(e, H, t)[i * k + a];
            for (size_t j = 0; j < 2 * n; j++)
                w->A[a * q + j] += h * states[i * q + j];
        }
        memcpy(w->A + a * q + 2 * n, noise + a * k, (a + 1) * sizeof *noise);
    }
}

/* m- = F^T m + b. */
static void predict(const ppl__event *e, const filter *w, size_t t)
{
    const size_t n = w->n;
    const double *m = w->state + t * (n + n * n);

    memcpy(w->before, at(e, OFFSET, t), n * sizeof *w->before);
    ppl__add_product(1, 'T', 'N', n, 1, n, at(e, F, t), m, w->before);
}

/* From the state before step t to that after it; returns the sum of log L_S,ii. */
static double step(const ppl__event *e, const filter *w, size_t t, question what)
{
    const size_t n = w->n, k = w->k, p = w->p;
    double *B = w->B + t * p * p, *s = w->s + t * k, log_diagonal = 0;
    double *m = w->state + (t + 1) * (n + n * n), *L = m + n;

    fill_array(e, w, t);
    ppl__triangularise(p, w->q, w->A, B);
    for (size_t i = 0; i < n; i++)
        memcpy(L + i * n, B + (k + i) * p + k, n * sizeof *L);
    predict(e, w, t);
    for (size_t a = 0; a < k; a++) {
        double left = at(e, X, t)[a] - at(e, D, t)[a];
        for (size_t i = 0; i < n; i++)
            left -= at(e, H, t)[i * k + a] * w->before[i];
        s[a] = what == ENTROPY ? 0 : (left - ppl__dot(a, B + a * p, s)) / B[a * p + a];
        log_diagonal += log(B[a * p + a]);
    }
    for (size_t i = 0; i < n; i++)
        m[i] = w->before[i] + ppl__dot(k, B + (k + i) * p, s);
    return log_diagonal;
}

/* All steps; returns the log_prob, or the entropy. */
static double run(const ppl__event *e, const filter *w, question what)
{
    const size_t n = w->n;
    double sum = 0;

    memcpy(w->state, e->in[M_0], n * sizeof *w->state);
    ppl__copy_lower(n, e->in[L_0], w->state + n);
    for (size_t t = 0; t < w->T; t++) {
        const double log_diagonal = step(e, w, t, what), *s = w->s + t * w->k;
        sum += what == ENTROPY
                   ? log_diagonal + (double)w->k * (0.5 + HALF_LOG_TWO_PI)
                   : -ppl__dot(w->k, s, s) / 2 - log_diagonal -
                         (double)w->k * HALF_LOG_TWO_PI;
    }
    return sum;
}

static question question_of(const ppl__event *e)
{
    return *(const question *)e->attr;
}

static ppl_shape states_event(const ppl__event *e)
{
    const int64_t n = (int64_t)e->dim[M_0][0];
    return question_of(e) == STATES ? PPL_SHAPE((int64_t)e->dim[X][0], n + n * n)
                                    : PPL_SCALAR;
}

static void filter_value(const ppl__event *e, double *y)
{
    const filter w = lay_out(e);
    const double sum = run(e, &w, question_of(e));
    const size_t size = w.n + w.n * w.n;

    if (question_of(e) == STATES)
        memcpy(y, w.state + size, w.T * size * sizeof *y);
    else
        *y = sum;
}

/* ---- Its gradient ------------------------------------------------------------------ */

/* d of input i at step t += scale a b^T, [m,1] by [1,n]. */
static void add_outer(const ppl__event *e, int i, size_t t, double scale, size_t m,
                      size_t n, const double *a, const double *b)
{
    if (e->d[i])
        ppl__add_product(scale, 'N', 'N', m, n, 1, a, b, e->d[i] + offset(e, i, t));
}

/* Through the means of step t: dB is set, w->dm goes from the state after the step to m-;
 * what reaches L_S and G. */
static void means_back(const ppl__event *e, const filter *w, size_t t, question what)
{
    const size_t n = w->n, k = w->k, p = w->p;
    const double *B = w->B + t * p * p, *s = w->s + t * k;
    const double g = what == STATES ? 0 : e->g[0], sign = what == ENTROPY ? 1 : -1;
    double *dB = w->dB, *v = w->v;

    memset(dB, 0, p * p * sizeof *dB);
    for (size_t i = 0; i < n; i++) {
        for (size_t a = 0; a < k; a++)
            dB[(k + i) * p + a] = w->dm[i] * s[a];
        memcpy(dB + (k + i) * p + k, w->dL + i * n, n * sizeof *dB);
    }
    for (size_t a = 0; a < k; a++) {
        v[a] = -g * s[a];
        for (size_t i = 0; i < n; i++)
            v[a] += B[(k + i) * p + a] * w->dm[i];
    }
    for (size_t a = k; a-- > 0;) {                      /* v = L_S^-T v */
        for (size_t c = a + 1; c < k; c++)
            v[a] -= B[c * p + a] * v[c];
        v[a] /= B[a * p + a];
    }
    for (size_t a = 0; a < k; a++) {
        for (size_t c = 0; c <= a; c++)
            dB[a * p + c] -= v[a] * s[c];
        dB[a * p + a] += sign * g / B[a * p + a];
    }
    predict(e, w, t);
    for (size_t a = 0; a < k; a++) {
        if (e->d[X])
            e->d[X][offset(e, X, t) + a] += v[a];
        if (e->d[D])
            e->d[D][offset(e, D, t) + a] -= v[a];
    }
    add_outer(e, H, t, -1, n, k, w->before, v);
    ppl__add_product(-1, 'N', 'N', n, 1, k, at(e, H, t), v, w->dm);
}

/* dA from dB: B^-T S Q. Q is made of the reflections, not as B^-1 A, which would lose
 * what the condition of B takes. */
static void array_back(const ppl__event *e, const filter *w, size_t t)
{
    const size_t p = w->p;
    double *B = w->B + t * p * p;

    memset(w->S, 0, p * p * sizeof *w->S);
    for (size_t r = 0; r < p; r++)
        for (size_t i = 0; i <= r; i++)
            for (size_t j = 0; j <= i; j++)
                w->S[i * p + j] += B[r * p + i] * w->dB[r * p + j];
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < i; j++)
            w->S[j * p + i] = w->S[i * p + j];
    fill_array(e, w, t);
    ppl__triangularise(p, w->q, w->A, B);
    ppl__orthonormal_rows(p, w->q, w->A, w->Q);
    memset(w->dA, 0, p * w->q * sizeof *w->dA);
    ppl__add_product(1, 'N', 'N', p, w->q, p, w->S, w->Q, w->dA);
    ppl__solve_lower_transposed(p, w->q, B, w->dA);
}

/* From dA to the parameters of step t, and to w->dL, now of the state before it. */
static void parameters_back(const ppl__event *e, const filter *w, size_t t)
{
    const size_t n = w->n, k = w->k, q = w->q;
    const double *L = w->state + t * (n + n * n) + n, *f = at(e, F, t);
    double *states = w->A + k * q, *d = w->dA + k * q;

    fill_array(e, w, t);
    for (size_t a = 0; a < k; a++) {
        for (size_t i = 0; i < n; i++) {
            const double h = at(e, H, t)[i * k + a];
            if (e->d[H])
                e->d[H][offset(e, H, t) + i * k + a] +=
                    ppl__dot(2 * n, states + i * q, w->dA + a * q);
            for (size_t j = 0; j < 2 * n; j++)
                d[i * q + j] += h * w->dA[a * q + j];
        }
        for (size_t c = 0; e->d[L_R] && c <= a; c++)
            e->d[L_R][offset(e, L_R, t) + a * k + c] += w->dA[a * q + 2 * n + c];
    }
    memset(w->dL, 0, n * n * sizeof *w->dL);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < n; r++) {
            if (e->d[F])
                e->d[F][offset(e, F, t) + r * n + i] +=
                    ppl__dot(r + 1, L + r * n, d + i * q);
            if (e->d[L_Q] && r <= i)
                e->d[L_Q][offset(e, L_Q, t) + i * n + r] += d[i * q + n + r];
            for (size_t j = 0; j <= r; j++)
                w->dL[r * n + j] += f[r * n + i] * d[i * q + j];
        }
}

static void filter_gradient(const ppl__event *e)
{
    const filter w = lay_out(e);
    const question what = question_of(e);
    const size_t n = w.n, size = n + n * n;
    double *moved = w.before;

    run(e, &w, what);
    memset(w.dm, 0, n * sizeof *w.dm);
    memset(w.dL, 0, n * n * sizeof *w.dL);
    for (size_t t = w.T; t-- > 0;) {
        for (size_t i = 0; what == STATES && i < n; i++) {
            w.dm[i] += e->g[t * size + i];
            for (size_t j = 0; j <= i; j++)
                w.dL[i * n + j] += e->g[t * size + n + i * n + j];
        }
        means_back(e, &w, t, what);
        array_back(e, &w, t);
        parameters_back(e, &w, t);
        add_outer(e, F, t, 1, n, n, w.state + t * size, w.dm);
        for (size_t i = 0; e->d[OFFSET] && i < n; i++)
            e->d[OFFSET][offset(e, OFFSET, t) + i] += w.dm[i];
        memset(moved, 0, n * sizeof *moved);
        ppl__add_product(1, 'N', 'N', n, 1, n, at(e, F, t), w.dm, moved);
        memcpy(w.dm, moved, n * sizeof *moved);
    }
    for (size_t i = 0; e->d[M_0] && i < n; i++)
        e->d[M_0][i] += w.dm[i];
    for (size_t i = 0; e->d[L_0] && i < n; i++)
        for (size_t j = 0; j <= i; j++)
            e->d[L_0][i * n + j] += w.dL[i * n + j];
}

static const ppl__event_formula filter_formula = {
    .inputs = INPUTS, .axes = { 2, 1, 2, 3, 2, 3, 3, 2, 3 }, .event = states_event,
    .work = filter_work, .value = filter_value, .gradient = filter_gradient
};
PPL__EVENT_OP(filter_op, "gaussian_hmm", filter_formula)

/* ---- The family -------------------------------------------------------------------- */

enum { INITIAL, TRANSITION, OBSERVATION, PARTS };

/* Of a part: loc, and a lower triangular factor of its covariance. */
static ppl_tensor *loc_of(const ppl_dist *part)
{
    return part->family == &ppl_family_normal ? ppl__whole_param(part, 0)
                                              : part->param[0];
}

static ppl_tensor *scale_tril_of(const ppl_dist *part)
{
    return part->family == &ppl_family_normal
               ? ppl_matrix_embed(ppl__whole_param(part, 1), PPL_DIAGONAL)
               : part->param[1];
}

static int64_t steps_of(const ppl_dist *d)
{
    return *(const int64_t *)d->attr;
}

/* All inputs but the value. */
static void fill_inputs(const ppl_dist *d, ppl_tensor **in)
{
    const ppl_dist *const *part = d->parts->dist;

    in[M_0] = loc_of(part[INITIAL]);
    in[L_0] = scale_tril_of(part[INITIAL]);
    in[F] = d->param[0];
    in[OFFSET] = ppl__with_time(loc_of(part[TRANSITION]), 1);
    in[L_Q] = ppl__with_time(scale_tril_of(part[TRANSITION]), 2);
    in[H] = d->param[1];
    in[D] = ppl__with_time(loc_of(part[OBSERVATION]), 1);
    in[L_R] = ppl__with_time(scale_tril_of(part[OBSERVATION]), 2);
}

static ppl_tensor *ask(const ppl_dist *d, ppl_tensor *x, question what)
{
    ppl_tensor *in[INPUTS] = { x };

    fill_inputs(d, in);
    return filter_op_apply(in, what == LOG_PROB ? d : NULL, &what, sizeof what);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    return ask(d, x, LOG_PROB);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    const int rank = d->shape.rank;
    const ppl_shape event = PPL_SHAPE(d->shape.dim[rank - 2], d->shape.dim[rank - 1]);
    return ask(d, ppl_full(d->ctx, event, 0), ENTROPY);
}

static ppl_shape event_shape(const ppl_dist *d)
{
    return PPL_SHAPE(steps_of(d), ppl_dim(d->param[1], -1));
}

/* Row vectors times a matrix: [..,n] and [..,n,m]. */
static ppl_tensor *row_times(ppl_tensor *row, ppl_tensor *matrix)
{
    ppl_tensor *t = row && matrix
                        ? ppl_matmul(ppl_reshape(row, ppl__insert_axis(
                                         ppl_tensor_shape(row), 1, 1)), matrix) : NULL;
    return ppl__at_step(t, 0, 1);
}

/* What is observed of states that start from z [..,n] and are moved by `noise` [..,T,n],
 * and the observation's own `rest` added: [..,T,m]. */
static ppl_tensor *observe(const ppl_dist *d, ppl_tensor *z, ppl_tensor *noise,
                           ppl_tensor *rest)
{
    const int64_t T = steps_of(d);
    ppl_tensor **all = ppl_alloc(d->ctx, (size_t)T * sizeof *all);

    for (int64_t t = 0; all && t < T; t++)
        z = all[t] = ppl_add(row_times(z, ppl__at_step(d->param[0], t, 2)),
                             ppl__at_step(noise, t, 1));
    return all && z ? ppl_add(row_times(ppl_stack(all, (int)T, -2), d->param[1]), rest)
                    : NULL;
}

/* Draws of part i, for each step but for the initial state. */
static ppl_tensor *sample_part(const ppl_dist *d, const ppl_rng *rng, int i)
{
    const ppl_rng key = ppl_rng_part(rng, (uint64_t)i);
    ppl_shape batch = d->shape;
    ppl_dist *part = ppl_alloc(d->ctx, sizeof *part);

    if (!part)
        return NULL;
    *part = *d->parts->dist[i];
    for (int axes = i == INITIAL ? 2 : 1; axes > 0; axes--)
        batch.dim[--batch.rank] = 0;
    return ppl_dist_sample(ppl_expand_dist(part, batch), &key);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    return observe(d, sample_part(d, rng, INITIAL), sample_part(d, rng, TRANSITION),
                   sample_part(d, rng, OBSERVATION));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    ppl_tensor *in[INPUTS];

    fill_inputs(d, in);
    return observe(d, in[M_0], in[OFFSET], in[D]);
}

/* A^T P A. */
static ppl_tensor *congruence(ppl_tensor *A, ppl_tensor *P)
{
    return ppl_matmul(ppl_matmul(ppl_transpose(A, -1, -2), P), A);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    const int64_t T = steps_of(d);
    ppl_tensor *in[INPUTS], **all = ppl_alloc(d->ctx, (size_t)T * sizeof *all);

    fill_inputs(d, in);
    ppl_tensor *P = ppl__times_own_transpose(in[L_0]);
    ppl_tensor *Q = ppl__times_own_transpose(in[L_Q]);
    for (int64_t t = 0; all && t < T; t++)
        P = all[t] = ppl_add(congruence(ppl__at_step(in[F], t, 2), P),
                             ppl__at_step(Q, t, 2));
    if (!all || !P)
        return NULL;
    ppl_tensor *PH = ppl_matmul(ppl_stack(all, (int)T, -3), in[H]);
    return ppl_add(ppl_sum(ppl_mul(PH, in[H]), -2), ppl__row_squares(in[L_R]));
}

/* ---- Making ------------------------------------------------------------------------ */

static int check_part(const char *what, const ppl_dist *part)
{
    const ppl_family *f = part->family;

    if (part->mask)
        ppl_fail(part->ctx, PPL_EUNSUPPORTED, "gaussian_hmm: the %s distribution has a "
                 "mask, and cannot; leave steps out by making their noise wide", what);
    else if (part->event_dim != 1 || (f != &ppl_family_normal &&
                                      f != &ppl_family_multivariate_normal))
        ppl_fail(part->ctx, PPL_EUNSUPPORTED, "gaussian_hmm: the %s distribution is a %s "
                 "with event_dim %d; it must be a multivariate_normal, or a normal with "
                 "event_dim 1", what, f->name, part->event_dim);
    return ppl_ok(part->ctx);
}

static int64_t length_of(const ppl_dist *part)
{
    return part->shape.dim[part->shape.rank - 1];
}

static int check_sizes(ppl_tensor *transition, ppl_tensor *observation,
                       const ppl_dist *const *part)
{
    const int64_t n = length_of(part[INITIAL]), k = length_of(part[OBSERVATION]);

    if (n > 0 && k > 0 && ppl_rank(transition) >= 2 && ppl_dim(transition, -1) == n &&
        ppl_dim(transition, -2) == n && length_of(part[TRANSITION]) == n &&
        ppl_rank(observation) >= 2 && ppl_dim(observation, -2) == n &&
        ppl_dim(observation, -1) == k)
        return 1;
    ppl_fail(ppl_tensor_ctx(transition), PPL_ESHAPE, "gaussian_hmm: the initial state "
             "has %lld numbers, the transition's noise %lld, and an observation's %lld; "
             "transition_matrix %s must be [..,%lld,%lld] and observation_matrix %s "
             "[..,%lld,%lld]", (long long)n, (long long)length_of(part[TRANSITION]),
             (long long)k, SHAPE_OF(transition), (long long)n, (long long)n,
             SHAPE_OF(observation), (long long)n, (long long)k);
    return 0;
}

/* Joins the batch of a part into that of all, and its time axis into *T. */
static int join_part(const char *what, const ppl_dist *part, int timed, int64_t duration,
                     ppl_shape *batch, int64_t *T)
{
    ppl_shape own = ppl_dist_batch_shape(part);
    const int64_t steps = timed && own.rank > 0 ? own.dim[own.rank - 1] : 1;

    if (timed && own.rank > 0)
        own.dim[--own.rank] = 0;
    if (!ppl__join_time(part->ctx, "gaussian_hmm", what, steps, duration, T))
        return 0;
    if (ppl__widen(batch, &own, own.rank))
        return 1;
    ppl_fail(part->ctx, PPL_ESHAPE, "gaussian_hmm: the batch %s of the %s distribution "
             "does not broadcast to that of the others, %s (time axes apart)",
             SHAPE_TEXT(own), what, SHAPE_TEXT(*batch));
    return 0;
}

ppl_dist *ppl_gaussian_hmm(ppl_dist *initial, ppl_tensor *transition_matrix,
                           ppl_dist *transition, ppl_tensor *observation_matrix,
                           ppl_dist *observation, int64_t duration)
{
    const ppl_dist *const part[] = { initial, transition, observation };
    ppl_tensor *params[] = { ppl__with_time(transition_matrix, 2),
                             ppl__with_time(observation_matrix, 2) };
    ppl_dist_parts parts = { .dist = part, .dists = PARTS, .batch = PPL_SCALAR };
    int64_t T = duration > 0 ? duration : 1;

    if (!initial || !transition || !observation || !params[0] || !params[1] ||
        !check_part("initial", initial) || !check_part("transition", transition) ||
        !check_part("observation", observation) ||
        !check_sizes(transition_matrix, observation_matrix, part))
        return NULL;
    ppl_ctx *c = initial->ctx;
    if (!ppl__join_time(c, "gaussian_hmm", "transition_matrix", ppl_dim(params[0], -3),
                        duration, &T) ||
        !ppl__join_time(c, "gaussian_hmm", "observation_matrix", ppl_dim(params[1], -3),
                        duration, &T) ||
        !join_part("initial", initial, 0, duration, &parts.batch, &T) ||
        !join_part("transition", transition, 1, duration, &parts.batch, &T) ||
        !join_part("observation", observation, 1, duration, &parts.batch, &T))
        return NULL;
    int64_t *steps = ppl_alloc(c, sizeof *steps);
    if (!steps)
        return NULL;
    *steps = T;
    return ppl_dist_make_of(&ppl_family_gaussian_hmm, params, &parts, steps);
}

const ppl_family ppl_family_gaussian_hmm = {
    .name = "gaussian_hmm",
    .params = 2,
    .param_name = { "transition_matrix", "observation_matrix" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_real },
    .param_event_dim = { 3, 3 },
    .support = &ppl_constraint_real,
    .event_dim = 2,
    .flags = PPL_REPARAM,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .mode = mean,
};

/* ---- What is known of the states --------------------------------------------------- */

/* m [..,T,n] and L [..,T,n,n] of the states given what was observed up to them. */
static int filtered(const char *what, const ppl_dist *d, ppl_tensor *value,
                    ppl_tensor **m, ppl_tensor **L)
{
    if (!ppl__is_hmm(what, d, &ppl_family_gaussian_hmm) || !ppl__is_sequence(d, value))
        return 0;
    const int64_t n = ppl_dim(d->param[0], -1);
    ppl_tensor *both = ask(d, value, STATES);
    *m = ppl_slice(both, -1, 0, n);
    *L = ppl_slice(both, -1, n, n + n * n);
    if (!*L)
        return 0;
    ppl_shape shape = ppl_tensor_shape(*L);
    shape.dim[shape.rank - 1] = n;
    *L = ppl_reshape(*L, ppl__insert_axis(shape, 0, n));
    return *m && *L;
}

ppl_dist *ppl_gaussian_hmm_filter(ppl_dist *hmm, ppl_tensor *value)
{
    ppl_tensor *m, *L;

    if (!filtered("gaussian_hmm_filter", hmm, value, &m, &L))
        return NULL;
    const int64_t last = steps_of(hmm) - 1;
    return ppl_multivariate_normal_cholesky(ppl__at_step(m, last, 1),
                                            ppl__at_step(L, last, 2));
}

/* Of the states a step apart, both given what was observed up to the first:
 * z_t = m + J (z_(t+1) - F^T m - b) + noise, of covariance C. */
typedef struct regression {
    ppl_tensor *J, *C;
} regression;

static regression regress(ppl_tensor *L, ppl_tensor *A, ppl_tensor *L_noise)
{
    ppl_tensor *FL = ppl_matmul(ppl_transpose(A, -1, -2), L);
    ppl_tensor *square = ppl_matmul(FL, ppl_transpose(FL, -1, -2));
    ppl_tensor *B = ppl_cholesky(ppl_add(square, ppl__times_own_transpose(L_noise)), 0);
    ppl_tensor *t = ppl_matmul(FL, ppl_transpose(L, -1, -2));     /* F^T P */
    t = ppl_triangular_solve(B, ppl_triangular_solve(B, t, 0), PPL_TRANSPOSED);
    ppl_tensor *J = ppl_transpose(t, -1, -2);
    ppl_tensor *left = ppl_sub(L, ppl_matmul(J, FL)), *noise = ppl_matmul(J, L_noise);
    return (regression){
        J, ppl_add(ppl_matmul(left, ppl_transpose(left, -1, -2)),
                   ppl_matmul(noise, ppl_transpose(noise, -1, -2)))
    };
}

ppl_dist *ppl_gaussian_hmm_posterior(ppl_dist *hmm, ppl_tensor *value)
{
    ppl_tensor *m, *L, *in[INPUTS];

    if (!filtered("gaussian_hmm_posterior", hmm, value, &m, &L))
        return NULL;
    const int64_t T = steps_of(hmm);
    ppl_tensor **loc = ppl_alloc(hmm->ctx, 2 * (size_t)T * sizeof *loc), **P = loc + T;
    if (!loc)
        return NULL;
    fill_inputs(hmm, in);
    loc[T - 1] = ppl__at_step(m, T - 1, 1);
    P[T - 1] = ppl__times_own_transpose(ppl__at_step(L, T - 1, 2));
    for (int64_t t = T - 2; t >= 0; t--) {
        ppl_tensor *A = ppl__at_step(in[F], t + 1, 2), *now = ppl__at_step(m, t, 1);
        const regression r = regress(ppl__at_step(L, t, 2), A,
                                     ppl__at_step(in[L_Q], t + 1, 2));
        ppl_tensor *next = ppl_add(row_times(now, A), ppl__at_step(in[OFFSET], t + 1, 1));
        ppl_tensor *turned = ppl_transpose(r.J, -1, -2);
        loc[t] = ppl_add(now, row_times(ppl_sub(loc[t + 1], next), turned));
        P[t] = ppl_add(r.C, congruence(turned, P[t + 1]));
    }
    return ppl_multivariate_normal(ppl_stack(loc, (int)T, -2), ppl_stack(P, (int)T, -3));
}

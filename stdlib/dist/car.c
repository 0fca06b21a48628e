/* SPDX-License-Identifier: MIT */
/*
 * car.c - CAR(loc m, correlation r, conditional_precision t, adjacency W): the
 * conditional autoregressive normal of n sites, whose precision is t (D - r W), D the row
 * sums of W: given the others, a site's mean is m plus r times the weighted mean of its
 * neighbours' deviations. W is symmetric and nonnegative, each site has a neighbour, and
 * |r| < 1.
 *
 *   P = t (D - r W); from dP, symmetric: by t the sum of dP P/t, by r that of -t dP W,
 *   by W_ij t (dP_ii/2 + dP_jj/2 - r dP_ij)
 *
 * Everything else is MultivariateNormal's, by the factor of P (matrix.h): W is dense, and
 * the cost n^3 for a distribution, n^2 for each value.
 * Source: Besag, Spatial Interaction and the Statistical Analysis of Lattice Systems,
 * 1974; NumPyro's parameterisation.
 */
#include "multivariate_normal.h"

#include <kiln/matrix.h>

/* ---- P of r, t, W ------------------------------------------------------------------ */

static ppl_shape square(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)e->dim[2][0], (int64_t)e->dim[2][0]);
}

/* W is read as the mean of itself and its transpose. */
static double weight(const ppl__event *e, size_t i, size_t j)
{
    const size_t n = e->dim[2][0];
    return (e->in[2][i * n + j] + e->in[2][j * n + i]) / 2;
}

static void precision_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[2][0];
    const double r = e->in[0][0], t = e->in[1][0];

    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) {
            sum += weight(e, i, j);
            y[i * n + j] = -t * r * weight(e, i, j);
        }
        y[i * n + i] += t * sum;
    }
}

static void precision_gradient(const ppl__event *e)
{
    const size_t n = e->dim[2][0];
    const double r = e->in[0][0], t = e->in[1][0], *g = e->g;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double w = weight(e, i, j);
            const double both = (g[i * n + i] + g[j * n + j]) / 2;
            const double across = (g[i * n + j] + g[j * n + i]) / 2;
            if (e->d[0])
                e->d[0][0] -= t * w * g[i * n + j];
            if (e->d[1])
                e->d[1][0] += w * (g[i * n + i] - r * g[i * n + j]);
            if (e->d[2])
                e->d[2][i * n + j] += t * (both - r * across);
        }
}

static const ppl__event_formula precision_formula = {
    .inputs = 3, .axes = { 0, 0, 2 }, .event = square, .value = precision_value,
    .gradient = precision_gradient
};
PPL__EVENT_OP(precision_op, "car precision", precision_formula)

/* ---- Rows -------------------------------------------------------------------------- */

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 0, 1);
}

static ppl_tensor *scale_tril(const ppl_dist *d)
{
    return d->parts->tensor[0];
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    return ppl__normal_draw(d, rng, d->param[0], scale_tril(d));
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    return ppl__normal_log_prob(d, x, d->param[0], scale_tril(d));
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl__normal_entropy(scale_tril(d));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return d->param[0];
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl__row_squares(scale_tril(d));
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    return ppl__times_own_transpose(scale_tril(d));
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    return ppl__normal_kl(q->param[0], scale_tril(q), p->param[0], scale_tril(p));
}

ppl_dist *ppl_car(ppl_tensor *loc, ppl_tensor *correlation,
                  ppl_tensor *conditional_precision, ppl_tensor *adjacency)
{
    ppl_tensor *params[] = { loc, correlation, conditional_precision, adjacency };
    if (!correlation || !conditional_precision ||
        !ppl__matrix_of("car", "loc", loc, "adjacency", adjacency))
        return NULL;
    /* Checks the parameters first: an adjacency that is none makes no precision. */
    ppl_dist *d = ppl_dist_make(&ppl_family_car, params, NULL);
    ppl_tensor *precision = d ? precision_op_apply(params + 1, NULL, NULL, 0) : NULL;
    ppl_tensor *factor = ppl__scale_tril("car", "precision", precision, 1);
    ppl_tensor *const tensor[] = { factor };
    return factor ? ppl_dist_make_of(&ppl_family_car, params,
                                     &(ppl_dist_parts){ .tensor = tensor, .tensors = 1 },
                                     NULL) : NULL;
}

/* ---- The constraint of adjacency --------------------------------------------------- */

static int check_adjacency(const ppl_constraint *self, double *value,
                           const ppl_shape *event)
{
    const int64_t n = event->dim[0];
    (void)self;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < n; j++) {
            const double w = value[i * n + j];
            if (!(w >= 0) || w != value[j * n + i])
                return 0;
            sum += w;
        }
        if (!(sum > 0 && sum < INFINITY))
            return 0;
    }
    return 1;
}

static const ppl_constraint_type adjacency_type = {
    .name = "adjacency",
    .must = "symmetric and nonnegative, with a neighbour in each row",
    .event_dim = 2, .check = check_adjacency
};
static const ppl_constraint adjacency_constraint = { .type = &adjacency_type };

static int check_correlation(const ppl_constraint *self, double *value,
                             const ppl_shape *event)
{
    (void)self, (void)event;
    return value[0] > -1 && value[0] < 1;
}

static const ppl_constraint_type correlation_type = {
    .name = "correlation", .must = "above -1 and below 1", .check = check_correlation
};
static const ppl_constraint correlation_constraint = { .type = &correlation_type };

const ppl_family ppl_family_car = {
    .name = "car",
    .params = 4,
    .param_name = { "loc", "correlation", "conditional_precision", "adjacency" },
    .param_constraint = { &ppl_constraint_real, &correlation_constraint,
                          &ppl_constraint_positive, &adjacency_constraint },
    .param_event_dim = { 1, 0, 0, 2 },
    .support = &ppl_constraint_real_vector,
    .event_dim = 1,
    .flags = PPL_REPARAM,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .covariance = covariance,
    .mode = mean,
    .kl = kl,
};

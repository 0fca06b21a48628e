/* SPDX-License-Identifier: MIT */
/*
 * wishart_parts.c - what Wishart and InverseWishart share (wishart.h).
 */
#include "wishart.h"

#include "multivariate_normal.h"
#include "stirling.h"

#include <kiln/matrix.h>

#include <string.h>

/* ---- Bartlett's factor ------------------------------------------------------------- */

ppl__bartlett ppl__bartlett_of(const ppl_dist *d, const ppl_rng *rng)
{
    const size_t n = (size_t)d->shape.dim[d->shape.rank - 1], all = ppl__dist_numel(d);
    double *eps = ppl_alloc(d->ctx, all * sizeof *eps);
    ppl__bartlett b = { *rng, NULL, ppl_alloc(d->ctx, all / n * sizeof(double)) };

    if (eps && b.log_g) {
        ppl_rng_normals(rng, 3, all, eps);  /* 0 to 2 are those of the Gammas */
        b.eps = eps;
    }
    return b;
}

void ppl__bartlett_fill(const ppl__bartlett *b, size_t index, size_t n, double df,
                        double *A)
{
    memset(A, 0, n * n * sizeof *A);
    for (size_t i = 0; i < n; i++) {
        double *log_g = &b->log_g[index * n + i];
        memcpy(A + i * n, b->eps + (index * n + i) * n, i * sizeof *A);
        ppl_rng_gamma(&b->rng, 0, index * n + i, (df - (double)i) / 2, log_g);
        A[i * n + i] = exp((log(2) + *log_g) / 2);
    }
}

double ppl__bartlett_slope(const ppl__bartlett *b, size_t index, size_t n, double df,
                           size_t i)
{
    const double log_g = b->log_g[index * n + i];

    return exp((log(2) + log_g) / 2) / 4 *
           ppl_maths_gamma_slope((df - (double)i) / 2, exp(log_g), log_g);
}

double ppl__pivots_log_prob(size_t n, double df, const double *diagonal, ptrdiff_t stride,
                            double *slope)
{
    double sum = -(double)(n * (n - 1)) / 2 * PPL__HALF_LOG_TWO_PI, d = 0;

    for (size_t i = 0; i < n; i++) {
        const double M = diagonal[(ptrdiff_t)i * stride], a = (df - (double)i) / 2;
        const double ratio = M * M / 2 / a, log_ratio = log(ratio);
        sum += -a * ppl__excess_f64(ratio - 1, log_ratio) + log(a) / 2 -
               PPL__HALF_LOG_TWO_PI - ppl__stirling(a) + (double)i * log(M);
        d += (log_ratio + 0.5 / a - ppl__stirling_slope(a)) / 2;
    }
    if (slope)
        *slope = d;
    return sum;
}

/* ---- Entropy: v, L ----------------------------------------------------------------- */

static void entropy_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[1][0];
    const double df = e->in[0][0], sign = *(const int *)e->attr;

    *y = (double)(n + 1) * ppl__log_diagonal(n, e->in[1]) +
         (double)(n * (n - 1)) / 4 * (1 + 2 * PPL__HALF_LOG_TWO_PI);
    for (size_t i = 0; i < n; i++) {
        const double a = (df - (double)i) / 2, rest = ppl__stirling_slope(a);
        const double psi = log(a) - 0.5 / a + rest;
        *y -= -0.5 + a * rest + log(a) / 2 - PPL__HALF_LOG_TWO_PI - ppl__stirling(a) +
              ((double)i - sign * (double)(n + 1)) / 2 * (log(2) + psi);
    }
}

static void entropy_gradient(const ppl__event *e)
{
    const size_t n = e->dim[1][0];
    const double df = e->in[0][0], sign = *(const int *)e->attr, g = e->g[0];

    for (size_t i = 0; i < n; i++) {
        const double a = (df - (double)i) / 2;
        const double weight = a + ((double)i - sign * (double)(n + 1)) / 2;
        if (e->d[0])
            e->d[0][0] -= g / 2 * (weight * ppl_maths_trigamma_at(a) - 1);
        if (e->d[1])
            e->d[1][i * n + i] += g * (double)(n + 1) / e->in[1][i * n + i];
    }
}

static const ppl__event_formula entropy_formula = {
    .inputs = 2, .axes = { 0, 2 }, .value = entropy_value, .gradient = entropy_gradient
};
PPL__EVENT_OP(entropy_op, "wishart entropy", entropy_formula)

ppl_tensor *ppl__wishart_entropy(ppl_tensor *df, ppl_tensor *scale_tril, int sign)
{
    ppl_tensor *in[] = { df, scale_tril };
    return entropy_op_apply(in, NULL, &sign, sizeof sign);
}

/* ---- KL ---------------------------------------------------------------------------- */

/* sum_i D((v_q - i)/2, (v_p - i)/2), of v_q, v_p. */
static void degrees_value(const ppl__event *e, double *y)
{
    const size_t n = *(const size_t *)e->attr;

    *y = 0;
    for (size_t i = 0; i < n; i++)
        *y += ppl__gamma_divergence((e->in[0][0] - (double)i) / 2,
                                    (e->in[1][0] - (double)i) / 2);
}

static void degrees_gradient(const ppl__event *e)
{
    const size_t n = *(const size_t *)e->attr;

    for (size_t i = 0; i < n; i++) {
        const double a = (e->in[0][0] - (double)i) / 2, b = (e->in[1][0] - (double)i) / 2;
        if (e->d[0])
            e->d[0][0] += e->g[0] / 2 * (a - b) * ppl_maths_trigamma_at(a);
        if (e->d[1])
            e->d[1][0] += e->g[0] / 2 * (ppl_maths_digamma_at(b) -
                                         ppl_maths_digamma_at(a));
    }
}

static const ppl__event_formula degrees_formula = {
    .inputs = 2, .axes = { 0, 0 }, .value = degrees_value, .gradient = degrees_gradient
};
PPL__EVENT_OP(degrees_op, "wishart kl", degrees_formula)

/* v_q times the KL of normals of these covariances, the divergence of the degrees, and
 * (v_q - v_p) log(|L_q| / |L_p|). Of the inverses the normals change places. */
ppl_tensor *ppl__wishart_kl(ppl_tensor *df_q, ppl_tensor *scale_tril_q, ppl_tensor *df_p,
                            ppl_tensor *scale_tril_p, int sign)
{
    ppl_tensor *const L[] = { scale_tril_q, scale_tril_p };
    const int first = sign > 0 ? 0 : 1;
    const int64_t n = ppl_dim(scale_tril_q, -1);
    ppl_tensor *in[] = { df_q, df_p };
    ppl_tensor *degrees = degrees_op_apply(in, NULL, &(size_t){ (size_t)n },
                                           sizeof(size_t));
    ppl_tensor *zero = ppl_full(ppl_tensor_ctx(df_q), PPL_SHAPE(n), 0);
    ppl_tensor *normal = ppl__normal_kl(zero, L[first], zero, L[1 - first]);
    ppl_tensor *ratio = ppl_sub(ppl_triangular_log_det(L[first]),
                                ppl_triangular_log_det(L[1 - first]));
    return ppl_add(ppl_add(ppl_mul(df_q, normal), degrees),
                   ppl_mul(ppl_sub(df_q, df_p), ratio));
}

/* ---- For the families -------------------------------------------------------------- */

const ppl_family *ppl__wishart_family(const ppl_family *family, ppl_ctx *c, int64_t n)
{
    struct {
        ppl_family family;
        ppl_constraint df;
    } *own = ppl_alloc(c, sizeof *own);

    if (!own)
        return NULL;
    own->family = *family;
    own->family.kind = family;
    own->df = ppl_greater_than((double)n - 1);
    own->family.param_constraint[0] = &own->df;
    return &own->family;
}

ppl_tensor *ppl__beside_matrices(ppl_tensor *df)
{
    return ppl__one_more_axis(ppl__one_more_axis(df));
}

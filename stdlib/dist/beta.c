/* SPDX-License-Identifier: MIT */
/*
 * beta.c - Beta(concentration1 a, concentration0 b) on [0,1], a > 0, b > 0.
 *
 *   log p(x)   (a - 1) log x + (b - 1) log(1 - x) - log B(a,b),
 *              log B(a,b) = log Gamma(a) + log Gamma(b) - log Gamma(a + b)
 *   P(X <= x)  I_x(a,b), the incomplete beta function
 *   mean a/(a+b), variance a b / ((a+b)^2 (a+b+1))
 *   entropy    log B - (a-1) psi(a) - (b-1) psi(b) + (a+b-2) psi(a+b)
 *   draw       g1 / (g1 + g0), g1 of Gamma(a,1), g0 of Gamma(b,1); dx/da = x (1-x) times
 *              d log g1 / da, dx/db = -x (1-x) times d log g0 / db (ppl_rng_gamma)
 *   KL(q||p)   log B_p - log B_q + (a_q - a_p) psi(a_q) + (b_q - b_p) psi(b_q)
 *              - (a_q + b_q - a_p - b_p) psi(a_q + b_q)
 *
 * Worked in double, for a + b above 1000 without the terms that cancel (gamma_terms.h), and
 * draws by logarithms, as for small a and b both Gammas underflow.
 * A draw that would round to 0 or 1 is the number next to it.
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 2, 1995,
 * chapter 25.
 */
#include "gamma_terms.h"

#include <float.h>

/* psi of a, of b, of a + b. */
typedef struct digammas {
    double a[PPL__SPAN], b[PPL__SPAN], sum[PPL__SPAN];
} digammas;

static void fill_digammas(size_t n, const double *a, const double *b, digammas *psi)
{
    for (size_t i = 0; i < n; i++)
        psi->sum[i] = a[i] + b[i];
    ppl_maths_digamma(PPL_F64, n, psi->sum, psi->sum);
    ppl_maths_digamma(PPL_F64, n, a, psi->a);
    ppl_maths_digamma(PPL_F64, n, b, psi->b);
}

/* log B(a,b) of n <= PPL__SPAN elements. */
static void log_beta(size_t n, const double *a, const double *b, double *y)
{
    double part[PPL__SPAN];

    ppl_maths_lgamma(PPL_F64, n, a, y);
    ppl_maths_lgamma(PPL_F64, n, b, part);
    for (size_t i = 0; i < n; i++) {
        y[i] += part[i];
        part[i] = a[i] + b[i];
    }
    ppl_maths_lgamma(PPL_F64, n, part, part);
    for (size_t i = 0; i < n; i++)
        y[i] -= part[i];
}

/* log x and log(1 - x) of a block. */
static void fill_logs(size_t n, const double *x, double *log_x, double *log_rest)
{
    ppl_maths_log(PPL_F64, n, x, log_x);
    for (size_t i = 0; i < n; i++)
        log_rest[i] = -x[i];
    ppl_maths_log1p(PPL_F64, n, log_rest, log_rest);
}

/* Where terms of the concentrations' size would cancel. */
static int is_narrow(double x, double a, double b)
{
    return a + b > 1000 && x > 0 && x < 1;
}

static void log_prob_value(const ppl__span *s, void *out)
{
    const double *x = s->in[0], *a = s->in[1], *b = s->in[2];
    double *y = out, log_x[PPL__SPAN], log_rest[PPL__SPAN];

    fill_logs(s->n, x, log_x, log_rest);
    log_beta(s->n, a, b, y);
    for (size_t i = 0; i < s->n; i++) {
        const double low = a[i] == 1 ? 0 : (a[i] - 1) * log_x[i];
        const double high = b[i] == 1 ? 0 : (b[i] - 1) * log_rest[i];
        y[i] = x[i] < 0 || x[i] > 1 ? -INFINITY : low + high - y[i];
        if (is_narrow(x[i], a[i], b[i])) {
            const ppl__beta_point p = ppl__beta_point_of(x[i], 1 - x[i], a[i], b[i]);
            y[i] = ppl__beta_kernel(a[i], b[i], &p) - log_x[i] - log_rest[i];
        }
    }
}

/* The derivative in a concentration c of the two that sum to s, of its point t, r. */
static double narrow_slope(double t, double r, double c, double s)
{
    return (fabs(t) < 0.5 ? log1p(t) : log(r)) + ppl__lambda(c) - ppl__lambda(s);
}

static void log_prob_slope(const ppl__span *s, int input, void *slope)
{
    const double *x = s->in[0], *a = s->in[1], *b = s->in[2];
    double *d = slope, log_x[PPL__SPAN], log_rest[PPL__SPAN];
    digammas psi;

    if (input > 0) {
        fill_logs(s->n, x, log_x, log_rest);
        fill_digammas(s->n, a, b, &psi);
    }
    for (size_t i = 0; i < s->n; i++) {
        if (x[i] < 0 || x[i] > 1)
            d[i] = 0;
        else if (is_narrow(x[i], a[i], b[i])) {
            const ppl__beta_point p = ppl__beta_point_of(x[i], 1 - x[i], a[i], b[i]);
            d[i] = input == 0   ? (2 * x[i] - 1 - a[i] * p.t_w) / (x[i] * (1 - x[i]))
                   : input == 1 ? narrow_slope(p.t_w, p.r_w, a[i], a[i] + b[i])
                                : narrow_slope(p.t_v, p.r_v, b[i], a[i] + b[i]);
        } else if (input == 0)
            d[i] = (a[i] == 1 ? 0 : (a[i] - 1) / x[i]) -
                   (b[i] == 1 ? 0 : (b[i] - 1) / (1 - x[i]));
        else
            d[i] = psi.sum[i] +
                   (input == 1 ? log_x[i] - psi.a[i] : log_rest[i] - psi.b[i]);
    }
}

/* The logarithms of a draw's Gammas are kept for its derivatives. */
typedef struct draw_attr {
    ppl_rng rng;
    double *log_g[2];                       /* of concentration1, of concentration0 */
} draw_attr;

static void draw_value(const ppl__span *s, void *out)
{
    const draw_attr *attr = s->attr;
    const int narrow = s->dtype == PPL_F32;
    const double least = narrow ? (double)FLT_MIN : DBL_MIN;
    const double most = 1 - (narrow ? (double)FLT_EPSILON : DBL_EPSILON) / 2;
    double *y = out;

    for (int k = 0; k < 2; k++)
        ppl_rng_gammas(&attr->rng, (uint32_t)(3 * k), s->start, s->n, s->in[k],
                       s->single >> k & 1, y, attr->log_g[k] + s->start);
    for (size_t i = 0; i < s->n; i++)
        y[i] = attr->log_g[0][s->start + i] - attr->log_g[1][s->start + i];
    ppl_maths_sigmoid(PPL_F64, s->n, y, y);
    for (size_t i = 0; i < s->n; i++)
        y[i] = y[i] < least ? least : y[i] > most ? most : y[i];
}

static void draw_slope(const ppl__span *s, int input, void *slope)
{
    const draw_attr *attr = s->attr;
    const double *log_g[2] = { attr->log_g[0] + s->start, attr->log_g[1] + s->start };
    const double *a = s->in[input];
    double *d = slope;

    for (size_t i = 0; i < s->n; i++) {
        const double e = exp(-fabs(log_g[0][i] - log_g[1][i])), g = log_g[input][i];
        d[i] = (input == 0 ? e : -e) / ((1 + e) * (1 + e)) *
               ppl_maths_gamma_slope(a[i], exp(g), g);
    }
}

static double entropy(double a, double b)
{
    return ppl__beta_entropy(a, b);
}

static double entropy_slope(int input, double a, double b)
{
    return ppl__beta_entropy_slope(input == 0 ? a : b, a + b);
}

static double kl(double a_q, double b_q, double a_p, double b_p)
{
    return ppl__beta_kl(a_q, b_q, a_p, b_p);
}

static double kl_slope(int input, double a_q, double b_q, double a_p, double b_p)
{
    const int of_p = input >= 2, of_a = input % 2 == 0;
    return ppl__dirichlet_kl_slope(of_p, of_a ? a_q : b_q, a_q + b_q, of_a ? a_p : b_p,
                                   a_p + b_p);
}

static const ppl__formula log_prob_formula =
    PPL__IN_DOUBLE(3, log_prob_value, log_prob_slope);
static const ppl__formula draw_formula = PPL__IN_DOUBLE(2, draw_value, draw_slope);
PPL__FORMULA_OP(log_prob_op, "beta log_prob", log_prob_formula)
PPL__FORMULA_OP(draw_op, "beta sample", draw_formula)

static double log_tail(int upper, double x, double a, double b)
{
    if (x <= 0 || x >= 1)
        return (x <= 0) == upper ? 0 : -INFINITY;
    return ppl__beta_log_tail(upper, x, 1 - x, a, b, NULL);
}

static double log_tail_slope(int input, int upper, double x, double a, double b)
{
    double slope[3];
    if (!(x > 0 && x < 1))
        return 0;
    ppl__beta_log_tail(upper, x, 1 - x, a, b, slope);
    return input == 0 ? slope[0] / (x * (1 - x)) : slope[input];
}

static double quantile(int upper, double p, double a, double b)
{
    return ppl__beta_quantile(upper, p, a, b);
}

PPL__TAILS(2, "beta")
PPL__QUANTILES(2, "beta")
PPL__MOMENT(2, "beta", entropy)
PPL__KL(2, "beta")

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const size_t n = ppl__dist_numel(d);
    double *log_g = ppl_alloc(d->ctx, 2 * n * sizeof *log_g);
    if (!log_g)
        return NULL;
    const draw_attr attr = { *rng, { log_g, log_g + n } };
    ppl_tensor *in[] = { ppl__whole_param(d, 0), d->param[1] };
    return ppl_apply(&draw_op, in, 2, &attr, sizeof attr);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1] };
    return ppl_apply(&log_prob_op, in, 3, NULL, 0);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_div(d->param[0], ppl_add(d->param[0], d->param[1]));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *sum = ppl_add(d->param[0], d->param[1]);
    ppl_tensor *product = ppl_mul(mean(d), ppl_div(d->param[1], sum));
    return ppl_div(product, ppl_affine(sum, 1, 1));
}

ppl_dist *ppl_beta(ppl_tensor *concentration1, ppl_tensor *concentration0)
{
    ppl_tensor *params[] = { concentration1, concentration0 };
    return ppl_dist_make(&ppl_family_beta, params, NULL);
}

const ppl_family ppl_family_beta = {
    .name = "beta",
    .params = 2,
    .param_name = { "concentration1", "concentration0" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive },
    .support = &ppl_constraint_unit_interval,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy_of,
    .mean = mean,
    .variance = variance,
    .kl = kl_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

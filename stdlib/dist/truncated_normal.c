/* SPDX-License-Identifier: MIT */
/*
 * truncated_normal.c - TruncatedNormal(loc, scale, low, high): a Normal(loc, scale) given that it
 * lies between low and high, scale > 0, low < high; either may be infinite.
 *
 *   log p(x)   -(z - r)(z + r) / 2 - log scale - log R0,  z = (x - loc) / scale
 *   P(X <= x), mean, variance, entropy, and all derivatives: from moments
 *              Rk = integral of |t - r|^k exp(-(t - r)(t + r) / 2) dt
 *   draw       the quantile of a uniform number
 *   KL(q||p)   from moments of q, log q - log p being a polynomial of degree 2; inf where
 *              p's interval does not cover q's
 *
 * r is the number nearest to 0 between a = (low - loc) / scale and b = (high - loc) / scale.
 * Written by what lies between r and z or t, nothing cancels or underflows, however far into a
 * tail or narrow the interval is. The integrals are taken by quadrature.h.
 *
 * Derivatives are covariances: the family is exponential in loc and scale, and a bound at t
 * takes density p(t) away; so d log p / d loc = (z - E t) / scale, and likewise for tails, whose
 * densities are truncated normals too.
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 13.10.
 */
#include "normal_tails.h"
#include "quadrature.h"

#include <string.h>

/* ---- The standard normal between a and b ------------------------------------------- */

enum { MOMENTS = 5 };

typedef struct between {
    double a, b, width;
    double r;                               /* the nearest to 0 of a..b */
    double mass;                            /* R0 */
    double e[MOMENTS];                      /* E[(t - r)^k] */
} between;

/* Adds the integrals of (sign y)^k exp(-y^2 / 2 - r y) over y from 0 to width to sum[k]. */
static void add_side(double r, double width, double sign, double sum[MOMENTS])
{
    const double top = fmin(width, 80 / (r + hypot(r, sqrt(80))));    /* e^-40 is left */
    for (int i = 0; i < PPL__NODES; i++) {
        const double y = ppl__node(i, 0, top);
        double term = ppl__weight(i, 0, top) * exp(-y * (y / 2 + r));
        for (int k = 0; k < MOMENTS; k++) {
            sum[k] += term;
            term *= sign * y;
        }
    }
}

/* width = b - a, which the differences of far ends do not tell. */
static between make_between(double a, double b, double width)
{
    between t = { .a = a, .b = b, .width = width, .r = a > 0 ? a : b < 0 ? b : 0 };
    double sum[MOMENTS] = { 0 };

    if (a < 0 && b > 0) {
        add_side(0, b, 1, sum);
        add_side(0, -a, -1, sum);
    } else {
        add_side(fabs(t.r), width, a >= 0 ? 1 : -1, sum);
    }
    t.mass = sum[0];
    for (int k = 0; k < MOMENTS; k++)
        t.e[k] = sum[k] / sum[0];
    return t;
}

static between standardize(double loc, double scale, double low, double high)
{
    return make_between((low - loc) / scale, (high - loc) / scale, (high - low) / scale);
}

/* The density at t, which is `away` from r; 0 at an infinite bound. */
static double density(const between *n, double t, double away)
{
    return isinf(t) ? 0 : exp(-away * (t + n->r) / 2) / n->mass;
}

static double density_at_a(const between *n)
{
    return density(n, n->a, n->a > 0 ? 0 : n->b < 0 ? -n->width : n->a);
}

static double density_at_b(const between *n)
{
    return density(n, n->b, n->b < 0 ? 0 : n->a > 0 ? n->width : n->b);
}

/* z - r from x. */
static double away(const between *n, double x, double loc, double scale, double low,
                   double high)
{
    return (x - (n->a > 0 ? low : n->b < 0 ? high : loc)) / scale;
}

static double central_2(const between *n)
{
    return n->e[2] - n->e[1] * n->e[1];
}

static double central_3(const between *n)
{
    return n->e[3] - n->e[1] * (3 * n->e[2] - 2 * n->e[1] * n->e[1]);
}

static double central_4(const between *n)
{
    const double m = n->e[1];
    return n->e[4] - m * (4 * n->e[3] - m * (6 * n->e[2] - 3 * m * m));
}

/* The covariances of t and t^2, and of t^2 and t^2. */
static double covariance_12(const between *n)
{
    return n->e[3] - n->e[1] * n->e[2] + 2 * n->r * central_2(n);
}

static double covariance_22(const between *n)
{
    return n->e[4] - n->e[2] * n->e[2] + 4 * n->r * (n->e[3] - n->e[1] * n->e[2]) +
           4 * n->r * n->r * central_2(n);
}

/* ---- The density ------------------------------------------------------------------- */

/* Most often all x have the same parameters: n is made anew only where they differ. */
static const between *renew(between *n, const ppl__span *s, int first, size_t i)
{
    int same = i > 0;
    for (int k = first; same && k < first + 4; k++)
        same = ((const double *)s->in[k])[i] == ((const double *)s->in[k])[i - 1];
    if (!same)
        *n = standardize(PPL__IN_4(first));
    return n;
}

static double log_prob(const between *n, double x, double loc, double scale, double low,
                       double high)
{
    const double d = away(n, x, loc, scale, low, high), z = (x - loc) / scale;
    return x >= low && x <= high ? -d * (z + n->r) / 2 - log(scale) - log(n->mass)
                                 : ppl__outside(x);
}

static double log_prob_slope(int input, const between *n, double x, double loc, double scale,
                             double low, double high)
{
    const double d = away(n, x, loc, scale, low, high);
    if (!(x >= low && x <= high))
        return 0;
    switch (input) {
    case 0:
        return -(x - loc) / scale / scale;
    case 1:
        return (d - n->e[1]) / scale;
    case 2:
        return (d * d - n->e[2] + 2 * n->r * (d - n->e[1])) / scale;
    case 3:
        return density_at_a(n) / scale;
    }
    return -density_at_b(n) / scale;
}

static void log_prob_values(const ppl__span *s, void *out)
{
    double *y = out;
    between n;
    for (size_t i = 0; i < s->n; i++)
        y[i] = log_prob(renew(&n, s, 1, i), PPL__IN(0), PPL__IN_4(1));
}

static void log_prob_slopes(const ppl__span *s, int input, void *out)
{
    double *d = out;
    between n;
    for (size_t i = 0; i < s->n; i++)
        d[i] = log_prob_slope(input, renew(&n, s, 1, i), PPL__IN(0), PPL__IN_4(1));
}

static const ppl__formula log_prob_formula =
    PPL__IN_DOUBLE(5, log_prob_values, log_prob_slopes);
PPL__FORMULA_OP(log_prob_op, "truncated_normal log_prob", log_prob_formula)

static ppl_tensor *log_prob_at(const ppl_dist *d, ppl_tensor *x)
{
    return ppl__apply_at(&log_prob_op, d, x);
}

/* ---- Tails and quantiles ----------------------------------------------------------- */

/* The part of n that lies below x, or above it. */
static between part_of(int upper, const between *n, double x, double loc, double scale,
                       double low, double high)
{
    const double z = (x - loc) / scale;
    return upper ? make_between(z, n->b, (high - x) / scale)
                 : make_between(n->a, z, (x - low) / scale);
}

/* part's r less n's, from x: they differ only where x is the nearest to 0. */
static double shift(int upper, const between *n, double x, double loc, double scale,
                    double low, double high)
{
    const double z = (x - loc) / scale;
    return upper == (z > 0) && z != 0 ? away(n, x, loc, scale, low, high) : 0;
}

static double log_mass_of(int upper, const between *n, double x, double loc, double scale,
                          double low, double high)
{
    const between part = part_of(upper, n, x, loc, scale, low, high);
    const double by = shift(upper, n, x, loc, scale, low, high);
    return log(part.mass / n->mass) - by * (part.r + n->r) / 2;
}

static double log_tail(int upper, double x, double loc, double scale, double low, double high)
{
    if (x <= low || x >= high)
        return (x <= low) == upper ? 0 : -INFINITY;
    if (isnan(x))
        return x;
    const between n = standardize(loc, scale, low, high);
    const double own = log_mass_of(upper, &n, x, loc, scale, low, high);
    return own < -PPL__LOG_TWO
               ? own : log1p(-exp(log_mass_of(!upper, &n, x, loc, scale, low, high)));
}

/* How log T moves with an end: by the whole's density there, less, if the end is the tail's
 * own, the tail's. */
static double at_far_end(double whole, double part, double log_odds, int other)
{
    return other ? whole : log_odds < 0 ? -whole * exp(log_odds) : whole - part;
}

/* A tail T of density p / T: d log T / d loc is the difference of the means, and so on. */
static double log_tail_slope(int input, int upper, double x, double loc, double scale,
                             double low, double high)
{
    if (!(x >= low && x <= high))
        return 0;
    const between n = standardize(loc, scale, low, high);
    const between part = part_of(upper, &n, x, loc, scale, low, high);
    const double by = shift(upper, &n, x, loc, scale, low, high);
    const double mean = by + part.e[1] - n.e[1];
    const double log_own = log_tail(upper, x, loc, scale, low, high);
    const double log_odds = log_tail(!upper, x, loc, scale, low, high) - log_own;

    switch (input) {
    case 0:
        return (upper ? -density_at_a(&part) : density_at_b(&part)) / scale;
    case 1:
        return mean / scale;
    case 2:
        return (by * by + 2 * by * part.e[1] + part.e[2] - n.e[2] + 2 * n.r * mean) / scale;
    case 3:
        return at_far_end(density_at_a(&n), density_at_a(&part), log_odds, upper) / scale;
    }
    return -at_far_end(density_at_b(&n), density_at_b(&part), log_odds, !upper) / scale;
}

/* The distance y from r, on the side that has the whole interval, beyond which lies the part
 * `beyond` of the mass, `within` before it: Newton's method on the logarithm of the lesser
 * part. */
static double distance(const between *n, double beyond, double within)
{
    const double width = n->width, r = fabs(n->r);
    const double size = fmin(width, 80 / (r + hypot(r, sqrt(80))));
    double y = -log1p(-within * -expm1(-r * width)) / r, sum[MOMENTS], total[MOMENTS] = { 0 };

    if (r * size < 2)
        y = within * size;
    add_side(r, width, 1, total);
    y = fmin(fmax(y, 0), width);
    for (int k = 0; k < 60; k++) {
        const double fall = exp(-y * (y / 2 + r)), left = width - y;
        double step, rest[MOMENTS] = { 0 };

        memset(sum, 0, sizeof sum);
        add_side(r, y, 1, sum);
        add_side(r + y, left, 1, rest);
        if (within < 0.5)
            step = (log(sum[0]) - log(within * total[0])) * sum[0] / fall;
        else
            step = -(log(fall * rest[0]) - log(beyond * total[0])) * rest[0];
        const double next = y - step;
        const double kept = !(next > 0) ? y / 4 : next > width ? y + left / 2 : next;
        if (fabs(kept - y) <= 1e-15 * y)
            return kept;
        y = kept;
    }
    return y;
}

static double quantile(int upper, double p, double loc, double scale, double low, double high)
{
    const double below = upper ? 1 - p : p, above = upper ? p : 1 - p;
    const between n = standardize(loc, scale, low, high);
    double x;

    if (below == 0 || above == 0)
        return below == 0 ? low : high;
    if (n.a > 0) {
        x = low + scale * distance(&n, above, below);
    } else if (n.b < 0) {
        x = high - scale * distance(&n, below, above);
    } else {
        const double mass = n.mass * exp(-PPL__HALF_LOG_TWO_PI);
        const double left = ppl_maths_ndtr_at(n.a) + below * mass;
        const double right = ppl_maths_ndtr_at(-n.b) + above * mass;
        x = loc + scale * (left < right ? ppl_maths_ndtri_at(left)
                                        : -ppl_maths_ndtri_at(right));
    }
    return fmin(fmax(x, low), high);
}

/* ---- Moments ----------------------------------------------------------------------- */

static double mean(double loc, double scale, double low, double high)
{
    const between n = standardize(loc, scale, low, high);
    const double from = n.a > 0 ? low : n.b < 0 ? high : loc;
    return from + scale * n.e[1];
}

static double mean_slope(int input, double loc, double scale, double low, double high)
{
    const between n = standardize(loc, scale, low, high);
    const double p_a = density_at_a(&n), p_b = density_at_b(&n), m = n.r + n.e[1];

    switch (input) {
    case 0:
        return central_2(&n);
    case 1:
        return covariance_12(&n);
    case 2:
        return p_a > 0 ? p_a * (m - n.a) : 0;
    }
    return p_b > 0 ? p_b * (n.b - m) : 0;
}

static double variance(double loc, double scale, double low, double high)
{
    const between n = standardize(loc, scale, low, high);
    return scale * scale * central_2(&n);
}

static double variance_slope(int input, double loc, double scale, double low, double high)
{
    const between n = standardize(loc, scale, low, high);
    const double p_a = density_at_a(&n), p_b = density_at_b(&n), m = n.r + n.e[1];
    const double v = central_2(&n), c = central_3(&n);

    switch (input) {
    case 0:
        return scale * c;
    case 1:
        return scale * (central_4(&n) - v * v + 2 * m * c);
    case 2:
        return p_a > 0 ? scale * p_a * (v - (n.a - m) * (n.a - m)) : 0;
    }
    return p_b > 0 ? scale * p_b * ((n.b - m) * (n.b - m) - v) : 0;
}

static double entropy(double loc, double scale, double low, double high)
{
    const between n = standardize(loc, scale, low, high);
    return log(scale) + log(n.mass) + n.e[2] / 2 + n.r * n.e[1];
}

static double entropy_slope(int input, double loc, double scale, double low, double high)
{
    const between n = standardize(loc, scale, low, high);
    const double p_a = density_at_a(&n), p_b = density_at_b(&n);
    const double h = entropy(loc, scale, low, high) - log(scale);

    switch (input) {
    case 0:
        return covariance_12(&n) / 2 / scale;
    case 1:
        return covariance_22(&n) / 2 / scale;
    case 2:
        return p_a > 0 ? p_a * (h - 1 + log(p_a)) / scale : 0;
    }
    return p_b > 0 ? -p_b * (h - 1 + log(p_b)) / scale : 0;
}

/* ---- KL ---------------------------------------------------------------------------- */

/* With t = (x - from) / scale and y the same of p, log q - log p is linear t + square t^2 +
 * constant, its expectation the KL; y = shift + ratio t. */
typedef struct divergence {
    between q, p;
    double shift, ratio, linear, square, kl;
} divergence;

static double from(const between *n, double loc, double low, double high)
{
    return n->a > 0 ? low : n->b < 0 ? high : loc;
}

static divergence diverge(double loc_q, double scale_q, double low_q, double high_q,
                          double loc_p, double scale_p, double low_p, double high_p)
{
    divergence d = { .q = standardize(loc_q, scale_q, low_q, high_q),
                     .p = standardize(loc_p, scale_p, low_p, high_p) };
    const double from_q = from(&d.q, loc_q, low_q, high_q);

    d.shift = (from_q - from(&d.p, loc_p, low_p, high_p)) / scale_p;
    d.ratio = scale_q / scale_p;
    d.square = (scale_q - scale_p) / scale_p * (d.ratio + 1) / 2;
    d.linear = d.ratio * (d.shift + d.p.r) - d.q.r;
    d.kl = d.linear * d.q.e[1] + d.square * d.q.e[2] + d.shift * (d.shift / 2 + d.p.r) -
           ppl__log_ratio(scale_q, scale_p) + ppl__log_ratio(d.p.mass, d.q.mass);
    return d;
}

static double kl(double loc_q, double scale_q, double low_q, double high_q, double loc_p,
                 double scale_p, double low_p, double high_p)
{
    if (low_q < low_p || high_q > high_p)
        return INFINITY;
    return diverge(loc_q, scale_q, low_q, high_q, loc_p, scale_p, low_p, high_p).kl;
}

/* KL - (log q - log p) at the end of q that is t away from where it is measured. */
static double above_end(const divergence *d, double t)
{
    return d->linear * (d->q.e[1] - t) + d->square * (d->q.e[2] - t * t);
}

/* By q's: covariances of log q - log p with d log q, and at a bound what it takes away; by
 * p's, -E_q of d log p. */
static double kl_slope(int input, double loc_q, double scale_q, double low_q,
                       double high_q, double loc_p, double scale_p, double low_p,
                       double high_p)
{
    if (low_q < low_p || high_q > high_p)
        return 0;
    const divergence d = diverge(loc_q, scale_q, low_q, high_q, loc_p, scale_p, low_p,
                                 high_p);
    const between *q = &d.q, *p = &d.p;
    const double c11 = central_2(q), c12 = q->e[3] - q->e[1] * q->e[2];
    const double c22 = q->e[4] - q->e[2] * q->e[2];
    const double mean = d.shift + d.ratio * q->e[1];
    const double square = d.shift * (mean + d.ratio * q->e[1]) + d.ratio * d.ratio * q->e[2];
    const double at_a = density_at_a(q), at_b = density_at_b(q);

    switch (input) {
    case 0:
        return (d.linear * c11 + d.square * c12) / scale_q;
    case 1:
        return (d.linear * (c12 + 2 * q->r * c11) + d.square * (c22 + 2 * q->r * c12)) /
               scale_q;
    case 2:
        return at_a > 0 ? at_a * (1 + above_end(&d, q->a > 0 ? 0 : q->b < 0 ? -q->width
                                                                            : q->a)) /
                              scale_q : 0;
    case 3:
        return at_b > 0 ? -at_b * (1 + above_end(&d, q->b < 0 ? 0 : q->a > 0 ? q->width
                                                                             : q->b)) /
                              scale_q : 0;
    case 4:
        return (p->e[1] - mean) / scale_p;
    case 5:
        return (p->e[2] - square + 2 * p->r * (p->e[1] - mean)) / scale_p;
    case 6:
        return -density_at_a(p) / scale_p;
    }
    return density_at_b(p) / scale_p;
}

PPL__KL(4, "truncated_normal")
PPL__TAILS(4, "truncated_normal")
PPL__QUANTILES(4, "truncated_normal")
PPL__DRAWS_OF_QUANTILES(4, "truncated_normal")
PPL__MOMENT(4, "truncated_normal", mean)
PPL__MOMENT(4, "truncated_normal", variance)
PPL__MOMENT(4, "truncated_normal", entropy)

static void bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    *lower = d->param[2];
    *upper = d->param[3];
}

ppl_dist *ppl__truncate_normal(const ppl_dist *d, ppl_tensor *low, ppl_tensor *high)
{
    return ppl_truncated_normal(ppl__whole_param(d, 0), d->param[1], low, high);
}

/* Between the nearer ones of both pairs of bounds. */
static ppl_dist *truncate_again(const ppl_dist *d, ppl_tensor *low, ppl_tensor *high)
{
    low = ppl_where(ppl_less(low, d->param[2]), d->param[2], low);
    high = ppl_where(ppl_less(d->param[3], high), d->param[3], high);
    return ppl__truncate_normal(d, low, high);
}

ppl_dist *ppl_truncated_normal(ppl_tensor *loc, ppl_tensor *scale, ppl_tensor *low,
                               ppl_tensor *high)
{
    ppl_ctx *c = ppl_tensor_ctx(loc);
    ppl_tensor *params[] = { loc, scale, low ? low : ppl_scalar(c, -INFINITY),
                             high ? high : ppl_scalar(c, INFINITY) };
    return c ? ppl_dist_make(&ppl_family_truncated_normal, params, NULL) : NULL;
}

const ppl_family ppl_family_truncated_normal = {
    .name = "truncated_normal",
    .params = 4,
    .param_name = { "loc", "scale", "low", "high" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_positive },
    .ascending = 1u << 2,
    .support = &ppl_constraint_real,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy_of,
    .mean = mean_of,
    .variance = variance_of,
    .kl = kl_of,
    .bounds = bounds,
    .truncated = truncate_again,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

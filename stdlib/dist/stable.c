/* SPDX-License-Identifier: MIT */
/*
 * stable.c - Stable(stability a, skew b, scale c, loc m), 0 < a <= 2, |b| <= 1, c > 0, in
 * Nolan's parameterisation S0, in which all moves smoothly with a, at 1 too.
 *
 *   E e^(itX)  exp(i m t - |c t|^a (1 + i b sign(t) tan(pi a / 2) (|c t|^(1-a) - 1)));
 *              at a = 1 the limit, 1 + i b sign(t) (2 / pi) log |c t|
 *   log p(x)   by integrals (stable_contour.c); a = 2: Normal of variance 2 c^2; a = 1,
 *              b = 0: Cauchy; a = 1/2, b = 1: Levy, at m - c on
 *   P(X <= x)  by the same; quantiles by search with them
 *   mean       m - b c tan(pi a / 2) if a > 1, else NaN; variance infinite but for a = 2
 *   entropy    log c + that of scale 1, an integral (stable_entropy.c)
 *   draw       Chambers, Mallows and Stuck: with V uniform between -pi/2 and pi/2, W
 *              exponential, e = a - 1, B = -b e / tan(pi e / 2),
 *              Q = log((cos e V - B sin(e V) / e) / (W cos V)), M = e^(-e Q / a),
 *              k = (cos e V - 1 - tan V sin e V) / e (so 1 + e k = cos a V / cos V),
 *              x = sin(a V) / cos V M + B ((1 + e k) (M - 1) / e + k):
 *              no difference of large numbers near a = 1; with its gradient
 *
 * Sources: Nolan, Numerical calculation of stable densities and distribution functions,
 * 1997; Chambers, Mallows, Stuck, A method for simulating stable random variables, 1976;
 * Weron, On the Chambers-Mallows-Stuck method, 1996.
 */
#include "pointwise.h"
#include "stable_contour.h"

#include <float.h>

/* ---- Density and tails: x, a, b, c, m ---------------------------------------------- */

enum { INPUTS = 5, DENSITY = -1 };          /* else a tail: 0 lower, 1 upper */

static void at_element(const ppl__span *s, size_t i, ppl__stable_point *p)
{
    ppl__stable_at((PPL__IN(0) - PPL__IN(4)) / PPL__IN(3), PPL__IN(1), PPL__IN(2), p);
}

static double logarithm(const ppl__span *s, size_t i, int what)
{
    ppl__stable_point p;

    at_element(s, i, &p);
    return what == DENSITY ? p.log_density - log(PPL__IN(3)) : p.log_tail[what];
}

/* By all inputs, of a logarithm or of the probability itself. */
static void slopes(const ppl__span *s, int what, int probability, void *const *d)
{
    for (size_t i = 0; i < s->n; i++) {
        const double scale = PPL__IN(3), z = (PPL__IN(0) - PPL__IN(4)) / scale;
        ppl__stable_point p;
        at_element(s, i, &p);
        const double *by = what == DENSITY ? p.by_density : p.by_tail[what];
        const double factor = probability ? exp(p.log_tail[what]) : 1;
        const double by_x = isinf(z) ? 0 : factor * by[0] / scale;
        const double of[INPUTS] = {
            by_x, factor * by[1], factor * by[2],
            (isinf(z) ? 0 : -z * by_x) - (what == DENSITY) / scale, -by_x
        };
        for (int k = 0; k < INPUTS; k++)
            if (s->due & 1u << k)
                ((double *)d[k])[i] = of[k];
    }
}

#define QUANTITY(name, text, what, probability)                                          \
    static void name##_values(const ppl__span *s, void *out)                             \
    {                                                                                    \
        double *y = out;                                                                 \
        for (size_t i = 0; i < s->n; i++)                                                \
            y[i] = probability ? exp(logarithm(s, i, what)) : logarithm(s, i, what);     \
    }                                                                                    \
    static void name##_slopes(const ppl__span *s, void *const *d)                        \
    {                                                                                    \
        slopes(s, what, probability, d);                                                 \
    }                                                                                    \
    static const ppl__formula name##_formula =                                           \
        PPL__FUSED_IN_DOUBLE(INPUTS, name##_values, name##_slopes);                      \
    PPL__FORMULA_OP(name##_op, "stable " text, name##_formula)                           \
    static ppl_tensor *name(const ppl_dist *d, ppl_tensor *x)                            \
    {                                                                                    \
        return ppl__apply_at(&name##_op, d, x);                                          \
    }
QUANTITY(log_prob, "log_prob", DENSITY, 0)
QUANTITY(cdf, "cdf", 0, 1)
QUANTITY(log_cdf, "log_cdf", 0, 0)
QUANTITY(log_survival, "log_survival", 1, 0)

/* ---- Quantiles: p, a, b, c, m, of the lower tail or the upper ---------------------- */

/* tan(pi a / 2), from a - 1, as it has a pole there. */
static double slant(double a)
{
    double cot[2];

    ppl__stable_cot(a - 1, cot);
    return -cot[0] / (a - 1);
}

/* A search between lo and hi for the x whose tail has the logarithm `goal`. */
typedef struct search {
    double lo, hi, x, goal, off;            /* off: by how much x misses it */
    int tail;
    ppl__stable_point at;
} search;

/* Looks at x, and narrows the search. */
static void look(search *s, double x, double a, double b)
{
    s->x = x;
    ppl__stable_at(x, a, b, &s->at);
    s->off = s->at.log_tail[s->tail] - s->goal;
    *((s->off < 0) == (s->tail == 0) ? &s->lo : &s->hi) = x;
}

/* Newton's step on the logarithm, in log x where x is large, since far out a tail is a
 * power or lighter. NaN where there is none. */
static double step_from(const search *s)
{
    const double slope = s->at.by_tail[s->tail][0], t = s->off / (slope * s->x);
    if (!isfinite(s->off) || slope == 0)
        return NAN;
    return fabs(s->x) > 2 && fabs(t) < 600 ? s->x * exp(-t) : s->x - s->off / slope;
}

/* Half way, by the orders of magnitude where they are far from 0. */
static double half_way(double lo, double hi)
{
    const double low = asinh(fmax(lo, -DBL_MAX)), high = asinh(fmin(hi, DBL_MAX));
    return sinh(low / 2 + high / 2);
}

/* Of scale 1 and loc 0, by whichever tail is less. A step that leads out of what is left,
 * or did not halve what was missing, gives way to half of what is left. Steps square the
 * error, so that a small one is the last. */
static double standard_quantile(int upper, double p, double a, double b)
{
    const int tail = p > 0.5 ? !upper : upper;
    const double rest = p > 0.5 ? 1 - p : p;
    const double end = a < 1 && fabs(b) == 1 ? -b * slant(a) : (double)NAN;
    search s = { .lo = b == 1 && a < 1 ? end : -INFINITY, .tail = tail, .goal = log(rest),
                 .hi = b == -1 && a < 1 ? end : INFINITY };
    if (!(a > 0 && a <= 2 && fabs(b) <= 1))
        return NAN;
    if (rest == 0)
        return tail ? s.hi : s.lo;
    look(&s, fmax(s.lo, fmin(s.hi, 0)), a, b);
    for (int k = 0; k < 200 && s.off != 0 && s.lo < s.hi; k++) {
        const double missed = fabs(s.off), from = s.x;
        const double newton = step_from(&s);
        if (fabs(newton - from) <= 1e-10 * fabs(from))
            return newton;
        if (newton > s.lo && newton < s.hi) {
            look(&s, newton, a, b);
            if (fabs(s.off) < missed / 2)
                continue;
        }
        const double half = half_way(s.lo, s.hi);
        if (!(half > s.lo && half < s.hi))
            return isinf(s.hi) ? s.hi : isinf(s.lo) ? s.lo : s.x;
        look(&s, half, a, b);
    }
    return s.x;
}

static double quantile_element(const ppl__span *s, size_t i, int upper)
{
    const double p = PPL__IN(0);
    return p >= 0 && p <= 1
               ? PPL__IN(4) +
                     PPL__IN(3) * standard_quantile(upper, p, PPL__IN(1), PPL__IN(2))
               : (double)NAN;
}

/* log T(x; a) = log p holds whatever the parameters are (pointwise.h). */
static void quantile_slopes(const ppl__span *s, int upper, void *const *d)
{
    for (size_t i = 0; i < s->n; i++) {
        const double scale = PPL__IN(3), x = quantile_element(s, i, upper);
        const double z = (x - PPL__IN(4)) / scale;
        ppl__stable_point p;
        ppl__stable_at(z, PPL__IN(1), PPL__IN(2), &p);
        const double *by = p.by_tail[upper];
        const double of[INPUTS] = { scale / (PPL__IN(0) * by[0]), -scale * by[1] / by[0],
                                    -scale * by[2] / by[0], z, 1 };
        for (int k = 0; k < INPUTS; k++)
            if (s->due & 1u << k)
                ((double *)d[k])[i] = of[k];
    }
}

#define QUANTILE(name, upper)                                                            \
    static void name##_values(const ppl__span *s, void *out)                             \
    {                                                                                    \
        double *y = out;                                                                 \
        for (size_t i = 0; i < s->n; i++)                                                \
            y[i] = quantile_element(s, i, upper);                                        \
    }                                                                                    \
    static void name##_slopes(const ppl__span *s, void *const *d)                        \
    {                                                                                    \
        quantile_slopes(s, upper, d);                                                    \
    }                                                                                    \
    static const ppl__formula name##_formula =                                           \
        PPL__FUSED_IN_DOUBLE(INPUTS, name##_values, name##_slopes);                      \
    PPL__FORMULA_OP(name##_op, "stable " #name, name##_formula)                          \
    static ppl_tensor *name(const ppl_dist *d, ppl_tensor *p)                            \
    {                                                                                    \
        return ppl__apply_at(&name##_op, d, p);                                          \
    }
QUANTILE(icdf, 0)
QUANTILE(inverse_survival, 1)

/* ---- Draws ------------------------------------------------------------------------- */

/* f(z) / z of sin, 1 - cos and e^z - 1, and its derivative. */
typedef struct quotient {
    double value, slope;
} quotient;

static quotient sine_over(double z)
{
    const double w = z * z;
    if (fabs(z) < 0.1)
        return (quotient){ 1 - w / 6 * (1 - w / 20 * (1 - w / 42 * (1 - w / 72))),
                           -z / 3 * (1 - w / 10 * (1 - w / 28 * (1 - w / 54))) };
    return (quotient){ sin(z) / z, (cos(z) - sin(z) / z) / z };
}

static quotient versine_over(double z)
{
    const double w = z * z, half = sin(z / 2), versine = 2 * half * half;
    if (fabs(z) < 0.1)
        return (quotient){ z / 2 * (1 - w / 12 * (1 - w / 30 * (1 - w / 56))),
                           0.5 - w / 8 * (1 - w / 18 * (1 - w / 40 * (1 - w / 70))) };
    return (quotient){ versine / z, (sin(z) - versine / z) / z };
}

static quotient expm1_over(double z)
{
    if (fabs(z) < 0.1) {
        double value = 0, slope = 0;
        for (int n = 10; n >= 1; n--) {
            slope = slope * z / (n + 1) + value / (n + 1);
            value = value * z / (n + 1) + 1;
        }
        return (quotient){ value, slope };
    }
    return (quotient){ expm1(z) / z, (exp(z) - expm1(z) / z) / z };
}

/* A draw of scale 1 and loc 0, and its derivatives by a and b. */
typedef struct drawn {
    double x, by_a, by_b;
} drawn;

static drawn draw_standard(const ppl_rng *rng, uint64_t element, double a, double b)
{
    double u[2], cot[2];

    ppl_rng_uniform_pair(rng, 0, element, 0, u);
    ppl__stable_cot(a - 1, cot);
    const double V = PPL__PI * (u[0] - 0.5), W = -log(u[1]), e = a - 1, B = -b * cot[0];
    const double cosine = sin(PPL__PI * fmin(u[0], 1 - u[0])), tangent = sin(V) / cosine;
    const quotient s = sine_over(e * V), c = versine_over(e * V);
    /* sin(e V) / e, (cos e V - 1) / e, and their derivatives */
    const double S = V * s.value, S_a = V * V * s.slope, C = -V * c.value,
                 C_a = -V * V * c.slope;
    const double up = 1 + e * C - B * S, Q = log(up / (W * cosine));
    const double up_a = C + e * C_a + b * cot[1] * S - B * S_a, Q_a = up_a / up;
    const double Q_b = cot[0] * S / up;
    const quotient m = expm1_over(-e * Q / a);
    /* M, and N = (M - 1) / e = -Q / a times m */
    const double M = exp(-e * Q / a), power_a = -Q / (a * a) - e * Q_a / a,
                 power_b = -e * Q_b / a;
    const double N = -Q / a * m.value;
    const double N_a = (Q / (a * a) - Q_a / a) * m.value - Q / a * m.slope * power_a;
    const double N_b = -Q_b / a * m.value - Q / a * m.slope * power_b;
    const double k = C - tangent * S, k_a = C_a - tangent * S_a;
    const double R = sin(a * V) / cosine, R_a = V * cos(a * V) / cosine;
    const double tilt = (1 + e * k) * N + k;
    const double tilt_a = (k + e * k_a) * N + (1 + e * k) * N_a + k_a;

    return (drawn){ R * M + B * tilt,
                    R_a * M + R * M * power_a - b * cot[1] * tilt + B * tilt_a,
                    R * M * power_b - cot[0] * tilt + B * (1 + e * k) * N_b };
}

static double draw(const ppl_rng *rng, uint64_t element, double a, double b, double scale,
                   double loc)
{
    return loc + scale * draw_standard(rng, element, a, b).x;
}

static double draw_slope(int input, double x, const ppl_rng *rng, uint64_t element,
                         double a, double b, double scale, double loc)
{
    (void)x, (void)loc;
    if (input == 3)
        return 1;
    const drawn z = draw_standard(rng, element, a, b);
    return input == 0 ? scale * z.by_a : input == 1 ? scale * z.by_b : z.x;
}

PPL__DRAWS_OF_RNG(4, "stable")

/* ---- Moments: a, b, c, m ----------------------------------------------------------- */

static double mean(double a, double b, double scale, double loc)
{
    return a > 1 ? loc - b * scale * slant(a) : (double)NAN;
}

static double mean_slope(int input, double a, double b, double scale, double loc)
{
    const double t = slant(a);

    (void)loc;
    if (!(a > 1))
        return NAN;
    return input == 0   ? -b * scale * PPL__PI / 2 * (1 + t * t)
           : input == 1 ? -scale * t
           : input == 2 ? -b * t
                        : 1;
}

static double variance(double a, double b, double scale, double loc)
{
    (void)b, (void)loc;
    return a == 2 ? 2 * scale * scale : INFINITY;
}

static double variance_slope(int input, double a, double b, double scale, double loc)
{
    (void)b, (void)loc;
    return a == 2 && input == 2 ? 4 * scale : 0;
}

PPL__MOMENT(4, "stable", mean)
PPL__MOMENT(4, "stable", variance)

/* ---- Entropy: a, b ----------------------------------------------------------------- */

static void entropy_values(const ppl__span *s, void *out)
{
    double *y = out;

    for (size_t i = 0; i < s->n; i++) {
        double of[3];
        ppl__stable_entropy(PPL__IN(0), PPL__IN(1), of);
        y[i] = of[0];
    }
}

static void entropy_slopes(const ppl__span *s, void *const *d)
{
    for (size_t i = 0; i < s->n; i++) {
        double of[3];
        ppl__stable_entropy(PPL__IN(0), PPL__IN(1), of);
        for (int k = 0; k < 2; k++)
            if (s->due & 1u << k)
                ((double *)d[k])[i] = of[1 + k];
    }
}

static const ppl__formula entropy_formula =
    PPL__FUSED_IN_DOUBLE(2, entropy_values, entropy_slopes);
PPL__FORMULA_OP(entropy_op, "stable entropy", entropy_formula)

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_add(ppl_apply(&entropy_op, d->param, 2, NULL, 0), ppl_log(d->param[2]));
}

/* ---- The row ----------------------------------------------------------------------- */

static int check_stability(const ppl_constraint *self, double *value,
                           const ppl_shape *event)
{
    (void)event;
    return *value > self->lower && *value <= self->upper;
}

static int check_skew(const ppl_constraint *self, double *value, const ppl_shape *event)
{
    (void)event;
    return *value >= self->lower && *value <= self->upper;
}

static const ppl_constraint_type stability_type = {
    .name = "stability", .must = "greater than {lower} and at most {upper}",
    .check = check_stability
};
static const ppl_constraint_type skew_type = {
    .name = "skew", .must = "between {lower} and {upper}", .check = check_skew
};
static const ppl_constraint stabilities = { .type = &stability_type, .upper = 2 };
static const ppl_constraint skews = { .type = &skew_type, .lower = -1, .upper = 1 };

ppl_dist *ppl_stable(ppl_tensor *stability, ppl_tensor *skew, ppl_tensor *scale,
                     ppl_tensor *loc)
{
    ppl_tensor *params[] = { stability, skew, scale, loc };
    return ppl_dist_make(&ppl_family_stable, params, NULL);
}

const ppl_family ppl_family_stable = {
    .name = "stable",
    .params = 4,
    .param_name = { "stability", "skew", "scale", "loc" },
    .param_constraint = { &stabilities, &skews, &ppl_constraint_positive,
                          &ppl_constraint_real },
    .support = &ppl_constraint_real,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean_of,
    .variance = variance_of,
    .cdf = cdf,
    .log_cdf = log_cdf,
    .log_survival = log_survival,
    .icdf = icdf,
    .inverse_survival = inverse_survival,
};

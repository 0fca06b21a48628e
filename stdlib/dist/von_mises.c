/* SPDX-License-Identifier: MIT */
/*
 * von_mises.c - VonMises(loc, concentration k) on the circle, k > 0: angles x in radians.
 *
 *   log p(x)   k (cos t - 1) - log(2 pi) - l(k),  t = x - loc, l(k) = log(e^-k I0(k)); at any
 *              x, of period 2 pi
 *   P(X <= x)  of angles from -pi to pi
 *   mean loc, variance b(k) = 1 - I1(k) / I0(k): of directions, not of numbers
 *   entropy    log(2 pi) + l + k b
 *   draw       Best and Fisher's rejection, in [-pi, pi)
 *   KL(q||p)   l(k_p) - l(k_q) + (k_p - k_q) b(k_q) + 2 k_p (1 - b(k_q)) sin^2((loc_q - loc_p) / 2)
 *
 * Masses are integrals of e^(-2 k sin^2(t/2)) by quadrature.h; with 2 sin^2(t/2) as another factor
 * they tell how masses, and by them draws, move with k (Figurnov et al. 2018).
 * Sources: Mardia, Jupp, Directional Statistics, 2000, chapter 3; Best, Fisher, Efficient
 * simulation of the von Mises distribution, 1979.
 */
#include "pointwise.h"
#include "quadrature.h"

#include <float.h>

#define TWO_PI (2 * PPL__PI)

/* ---- Bessel functions, scaled: for large k their expansions in 1 / k --------------- */

/* l(k). */
static double log_i0e(double k)
{
    const double w = 1 / k;
    if (k < 100)
        return ppl_maths_log_bessel_i0_at(k) - k;
    return -PPL__HALF_LOG_TWO_PI - log(k) / 2 +
           w * (1.0 / 8 + w * (1.0 / 16 + w * (25.0 / 384 + w * (13.0 / 128 + w *
           (1073.0 / 5120 + w * (103.0 / 192 + w * (375733.0 / 229376)))))));
}

/* b(k) = -l'(k). */
static double spread(double k)
{
    const double w = 1 / k;
    if (k < 100)
        return 1 - ppl_maths_bessel_ratio_at(k);
    return w * (1.0 / 2 + w * (1.0 / 8 + w * (1.0 / 8 + w * (25.0 / 128 + w * (13.0 / 32 + w *
           (1073.0 / 1024 + w * (103.0 / 32 + w * (375733.0 / 32768))))))));
}

static double spread_slope(double k)
{
    const double w = 1 / k, ratio = ppl_maths_bessel_ratio_at(k);
    if (k < 100)
        return ratio / k + ratio * ratio - 1;
    return -w * w * (1.0 / 2 + w * (1.0 / 4 + w * (3.0 / 8 + w * (25.0 / 32 + w *
           (65.0 / 32 + w * (3219.0 / 512 + w * (721.0 / 32 + w * (375733.0 / 4096))))))));
}

/* ---- The density ------------------------------------------------------------------- */

static double log_prob(double x, double loc, double k)
{
    const double s = sin((x - loc) / 2);
    return -2 * k * s * s - 2 * PPL__HALF_LOG_TWO_PI - log_i0e(k);
}

static double log_prob_slope(int input, double x, double loc, double k)
{
    const double s = sin((x - loc) / 2);
    if (input == 2)
        return spread(k) - 2 * s * s;
    return (input == 0 ? -k : k) * sin(x - loc);
}

/* ---- Masses ------------------------------------------------------------------------ */

/* A mass, and its derivative in k. */
typedef struct mass {
    double value, by_k;
} mass;

/* Of distances u to v from loc, 0 <= u <= v <= pi, as far as it does not fall below e^-40 of
 * what it is at u. */
static mass mass_of_side(double u, double v, double k)
{
    const double s = sin(u / 2), end = s * s + 20 / k;
    const double top = end < 1 ? fmin(v, 2 * asin(sqrt(end))) : v, b = spread(k);
    mass m = { 0, 0 };

    for (int i = 0; i < PPL__NODES; i++) {
        const double h = sin(ppl__node(i, u, top) / 2);
        const double term = ppl__weight(i, u, top) * exp(-2 * k * (h * h - s * s));
        m.value += term;
        m.by_k += term * (b - 2 * h * h);
    }
    const double scale = exp(log_prob(u, 0, k));
    return (mass){ scale * m.value, scale * m.by_k };
}

/* Of t from u to v, split where the density turns: at multiples of pi. */
static mass mass_between(double u, double v, double k)
{
    mass m = { 0, 0 };
    for (int n = -4; n < 4; n++) {
        const double low = fmax(u, n * PPL__PI), high = fmin(v, (n + 1) * PPL__PI);
        const double peak = (n % 2 ? n + 1 : n) * PPL__PI;
        if (!(low < high))
            continue;
        const mass side = mass_of_side(fabs((n % 2 ? high : low) - peak),
                                       fabs((n % 2 ? low : high) - peak), k);
        m.value += side.value;
        m.by_k += side.by_k;
    }
    return m;
}

/* Into [-pi, pi). */
static double wrap(double x)
{
    const double r = x - TWO_PI * floor((x + PPL__PI) / TWO_PI);
    return r < PPL__PI ? fmax(r, -PPL__PI) : -PPL__PI;
}

/* Of the angles from -pi to x, or from x to pi. */
static mass tail_of(int upper, double x, double loc, double k)
{
    const double from = wrap(loc);
    return upper ? mass_between(x - from, PPL__PI - from, k)
                 : mass_between(-PPL__PI - from, x - from, k);
}

static double log_tail(int upper, double x, double loc, double k)
{
    if (x <= -PPL__PI || x >= PPL__PI)
        return (x < 0) == upper ? 0 : -INFINITY;
    if (isnan(x))
        return x;
    const double own = tail_of(upper, x, loc, k).value;
    return own < 0.5 ? log(own) : log1p(-tail_of(!upper, x, loc, k).value);
}

static double log_tail_slope(int input, int upper, double x, double loc, double k)
{
    const double sign = upper ? -1 : 1;
    if (!(x >= -PPL__PI && x <= PPL__PI))
        return 0;
    const mass tail = tail_of(upper, x, loc, k);
    const double density = exp(log_prob(x, loc, k)), at_cut = exp(log_prob(PPL__PI, loc, k));
    return (input == 2 ? tail.by_k : sign * (input == 0 ? density : at_cut - density)) /
           tail.value;
}

/* The distance from loc beyond which `tail` lies, of 1/2: Newton's method on the logarithm
 * of the lesser of what is beyond and what is not, between bounds. */
static double distance(double tail, double k)
{
    const double core = 0.5 - tail, wide = -ppl_maths_ndtri_at(tail) / (2 * sqrt(k));
    double low = 0, high = PPL__PI;
    double t = k < 1 || wide > 0.9 ? TWO_PI * core : 2 * asin(wide);

    for (int n = 0; n < 100 && tail > 0 && core > 0; n++) {
        const mass m = tail < 0.25 ? mass_of_side(t, PPL__PI, k) : mass_of_side(0, t, k);
        const double slope = exp(log_prob(t, 0, k)) / m.value;
        const double error = tail < 0.25 ? log(tail / m.value) : log(m.value / core);
        double next = t - error / slope;

        if (error > 0)
            high = t;
        else
            low = t;
        if (!(next > low && next < high))
            next = (low + high) / 2;
        if (fabs(next - t) <= 4e-16 * t)
            return next;
        t = next;
    }
    return tail > 0 ? core > 0 ? t : 0 : PPL__PI;
}

static double quantile(int upper, double p, double loc, double k)
{
    /* Of angles from loc - pi on: where -pi is, and from there on. */
    const double from = wrap(loc), low = -PPL__PI - from;
    const double cut = low < -PPL__PI ? 1 - mass_between(low, -PPL__PI, k).value
                                      : mass_between(-PPL__PI, low, k).value;
    double c = cut + (upper ? 1 - p : p);

    if (p == 0 || p == 1)
        return (p == 0) == upper ? PPL__PI : -PPL__PI;
    c -= floor(c);
    const double t = c < 0.5 ? -distance(c, k) : distance(1 - c, k);
    return wrap(from + t);
}

/* ---- Draws ------------------------------------------------------------------------- */

/* An angle from loc. The proposal is a wrapped Cauchy whose cos is (1 + r z) / (r + z), z = cos
 * of a uniform angle; worked by r - 1, 1 - cos and rest = 1 - rho, small where k is large. */
static double draw_angle(const ppl_rng *rng, uint64_t element, double k)
{
    k = k < INFINITY ? fmin(k, DBL_MAX / 4) : k;        /* 2 k is a number */
    const double root = hypot(1, 2 * k), tau = 1 + root;
    const double rho_by_k = sqrt(tau) / (sqrt(tau) + sqrt(2)) * (2 / (root + 1));
    const double rest = k < 1 ? 1 - rho_by_k * k
                              : (sqrt(2 * tau) - 1 - 1 / (root + 2 * k)) / (2 * k);
    /* k r_1, which goes to 1 with k where r_1 overflows. */
    const double k_r_1 = rest * (rest / (2 * rho_by_k)), r_1 = k_r_1 / k;

    if (!(k > 0 && k < INFINITY))
        return NAN;
    for (uint32_t attempt = 0;; attempt++) {
        const double half = sin(PPL__PI / 2 * ppl_rng_uniform(rng, 0, element, attempt));
        const double z_1 = 2 * half * half;                                     /* 1 - z */
        const double f_1 = r_1 < 1 ? r_1 * z_1 / (r_1 + 2 - z_1)                /* 1 - cos */
                                   : z_1 / (1 + (2 - z_1) / r_1);
        const double c = k_r_1 + k * f_1, u = ppl_rng_uniform(rng, 1, element, attempt);
        if (c * (2 - c) > u || log(c / u) + 1 - c >= 0) {
            const double t = 2 * asin(sqrt(fmin(f_1 / 2, 1)));
            return ppl_rng_uniform(rng, 2, element, attempt) < 0.5 ? -t : t;
        }
    }
}
static double draw(const ppl_rng *rng, uint64_t element, double loc, double k)
{
    return wrap(wrap(loc) + draw_angle(rng, element, k));
}

/* At a fixed mass between loc and the angle, that is beyond it. */
static double draw_slope(int input, double x, const ppl_rng *rng, uint64_t element, double loc,
                         double k)
{
    (void)x, (void)loc;
    if (input == 0)
        return 1;
    const double t = draw_angle(rng, element, k), a = fabs(t);
    const double by_k = k * a * a > 1 ? -mass_of_side(a, PPL__PI, k).by_k
                                      : mass_of_side(0, a, k).by_k;
    return (t < 0 ? 1 : -1) * by_k / exp(log_prob(a, 0, k));
}

/* ---- Moments ----------------------------------------------------------------------- */

static double variance(double loc, double k)
{
    (void)loc;
    return spread(k);
}

static double variance_slope(int input, double loc, double k)
{
    (void)loc;
    return input == 0 ? 0 : spread_slope(k);
}

static double entropy(double loc, double k)
{
    (void)loc;
    return 2 * PPL__HALF_LOG_TWO_PI + log_i0e(k) + k * spread(k);
}

static double entropy_slope(int input, double loc, double k)
{
    (void)loc;
    return input == 0 ? 0 : k * spread_slope(k);
}

static double kl(double loc_q, double k_q, double loc_p, double k_p)
{
    const double s = sin((loc_q - loc_p) / 2), b = spread(k_q);
    return log_i0e(k_p) - log_i0e(k_q) + (k_p - k_q) * b + 2 * k_p * (1 - b) * s * s;
}

static double kl_slope(int input, double loc_q, double k_q, double loc_p, double k_p)
{
    const double s = sin((loc_q - loc_p) / 2), b = spread(k_q);
    switch (input) {
    case 0:
        return k_p * (1 - b) * sin(loc_q - loc_p);
    case 1:
        return (k_p - k_q - 2 * k_p * s * s) * spread_slope(k_q);
    case 2:
        return -k_p * (1 - b) * sin(loc_q - loc_p);
    }
    return b - spread(k_p) + 2 * (1 - b) * s * s;
}

PPL__LOG_PROB(2, "von_mises")
PPL__TAILS(2, "von_mises")
PPL__QUANTILES(2, "von_mises")
PPL__DRAWS_OF_RNG(2, "von_mises")
PPL__MOMENT(2, "von_mises", variance)
PPL__MOMENT(2, "von_mises", entropy)
PPL__KL(2, "von_mises")

static ppl_tensor *mean(const ppl_dist *d)
{
    return d->param[0];
}

ppl_dist *ppl_von_mises(ppl_tensor *loc, ppl_tensor *concentration)
{
    ppl_tensor *params[] = { loc, concentration };
    return ppl_dist_make(&ppl_family_von_mises, params, NULL);
}

const ppl_family ppl_family_von_mises = {
    .name = "von_mises",
    .params = 2,
    .param_name = { "loc", "concentration" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_positive },
    .support = &ppl_constraint_real,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy_of,
    .mean = mean,
    .variance = variance_of,
    .kl = kl_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

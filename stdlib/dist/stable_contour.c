/* SPDX-License-Identifier: MIT */
/*
 * stable_contour.c - density and tails of stable laws (Nolan's S0), with derivatives, by
 * integrals along the contour on which the phase of the inversion integral is constant.
 *
 * With e = a - 1, B = -b e / tan(pi e / 2), the characteristic function is, at t = e^v,
 *
 *   exp(-t (e^(e v) - i B m(v))),   m(v) = (e^(e v) - 1) / e
 *
 * smooth in a at 1, where m = v and B = -2 b / pi. Let t = -i e^q, v = q - i pi / 2. Then
 * the exponent of the integral of e^(-i x t) times it is -A,
 *
 *   A = e^q H(q),   H = x - i e^(e v) - B m(v),   H' = -(B + i e) e^(e v)
 *
 * On the contour A is real, from 0 to infinity, and by parts
 *
 *   density   1/pi times the integral of e^-A Re t(A) over A > 0,   Re t = |t| sin Im q
 *   P(X > x)  1/pi times that of e^-A Im q(A)
 *
 * which are Zolotarev's and Nolan's integrals with A in the angle's place; the integrands
 * are positive, so that tails are right relative to themselves. A parameter p moves q at a
 * given A by dq/dp = -(dH/dp) / (H + H'). By the trapezoid rule over w = log A, the node's q
 * from its neighbour's by Newton's method.
 *
 * Where H + H' = 0 lies a branch point, at w_s + i phi. If it is near, w - w_s = u is taken
 * by s = asinh(u / phi) + u; with d = q - q_s and A_s there, A / A_s - 1 = M(d) depends on e
 * alone, M = (a (e^d - 1) - (e^(a d) - 1)) / e, near 0 a series: nothing cancels. phi = 0
 * where nothing lies beyond x but a light tail: then Im q = 0 below A_s, and e^-A_s is a
 * factor. Laws are mirrored so that x >= 0. Where x^a exceeds 1e40 the tail's first term is
 * all there is.
 * Sources: Zolotarev, One-dimensional Stable Distributions, 1986; Nolan, Numerical
 * calculation of stable densities and distribution functions, 1997.
 */
#include "stable_contour.h"

#include "density.h"

#include <complex.h>

typedef double complex number;

static const double PI = 3.14159265358979323846;
static const double STEP = 0.25;            /* of the trapezoid rule: 1e-14 */
static const double LOWEST = -34, HIGHEST = 3.75;       /* log A */

/* ---- Functions that are smooth at 0 ------------------------------------------------ */

/* (e^z - 1) / z. */
static number slope_of_exp(number z)
{
    number sum = 0;

    if (cabs(z) > 0.5)
        return (cexp(z) - 1) / z;
    for (int n = 15; n >= 1; n--)
        sum = sum * z / (n + 1) + 1;
    return sum;
}

/* Its derivative. */
static number slope_of_slope(number z)
{
    number sum = 0, term = 0.5;

    if (cabs(z) > 0.5)
        return (cexp(z) * (z - 1) + 1) / (z * z);
    for (int n = 1; n < 17; n++) {          /* n z^(n-1) / (n+1)! */
        sum += term * n;
        term *= z / (n + 2);
    }
    return sum;
}

void ppl__stable_cot(double e, double out[2])
{
    const double z = PI / 2 * e, w = z * z, sine = sin(z);

    out[0] = fabs(z) < 1e-4 ? 2 / PI * (1 - w / 3) : e / tan(z);
    out[1] = fabs(z) < 0.05
                 ? -z * (2.0 / 3 + w * (4.0 / 45 + w * (4.0 / 315 + w * (8.0 / 4725))))
                 : (sin(2 * z) / 2 - z) / (sine * sine);
}

/* ---- Nodes ------------------------------------------------------------------------- */

/* A law at x >= 0. */
typedef struct law {
    double x, a, e, B, T, B_by_a;
    double log_size;                        /* of 1/t: the density's unit is e^-log_size */
} law;

/* pi times the density and the tail, and their derivatives. */
typedef struct sums {
    double value[2], by[2][PPL__STABLE_INPUTS];
} sums;

static number height(const law *k, number q, number *slope)
{
    const number v = q - I * PI / 2, power = cexp(k->e * v);
    const number m = cabs(k->e * v) > 0.5 ? (power - 1) / k->e
                                          : v * slope_of_exp(k->e * v);

    *slope = -(k->B + I * k->e) * power;
    return k->x - I * power - k->B * m;
}

/* slope: H + H'. */
static void add_node(const law *k, number q, number slope, double weight, sums *to)
{
    const number v = q - I * PI / 2, power = cexp(k->e * v), t = cexp(q + k->log_size);
    const number m = v * slope_of_exp(k->e * v);
    const number by[] = {
        1, -I * v * power - k->B_by_a * m - k->B * v * v * slope_of_slope(k->e * v),
        k->T * m
    };

    to->value[0] += weight * cimag(t);
    to->value[1] += weight * cimag(q);
    for (int i = 0; i < PPL__STABLE_INPUTS; i++) {
        const number q_by = -by[i] / slope;
        to->by[0][i] += weight * cimag(t * q_by);
        to->by[1][i] += weight * cimag(q_by);
    }
}

/* The q at which log A = w, from one near it; *slope is H + H' there. */
static number settle(const law *k, number q, double w, number *slope)
{
    double size = INFINITY;

    for (int n = 0; n < 40; n++) {
        const number H = height(k, q, slope), all = H + *slope;
        if (size < 1e-9) {
            *slope = all;
            return q;
        }
        number step = (q + clog(H) - w) * H / all;
        size = cabs(step);
        q -= size > 2 ? step * (2 / size) : step;
    }
    *slope += height(k, q, slope);
    return q;
}

/* At log A = w, from nothing: x counts alone, or the power does, or a is near 1. */
static number begin_at(const law *k, double w)
{
    const double y = k->x + k->B / k->e;
    const number power = -(I + k->B / k->e);
    const number guess[] = {
        w - log(fabs(y)) + (y < 0 ? I * PI : 0),
        (w - clog(power) + I * k->e * PI / 2) / k->a,
        w - clog(k->x - I - k->B * (w - I * PI / 2)),
    };
    number best = guess[0], slope;
    double least = INFINITY;

    for (int i = 0; i < 3; i++) {
        const double miss = cabs(guess[i] + clog(height(k, guess[i], &slope)) - w);
        if (miss < least) {
            least = miss;
            best = guess[i];
        }
    }
    return settle(k, best, w, &slope);
}

/* For small a, where t is a high power of A: lower there is nothing but underflow. */
static double lowest(const law *k)
{
    return fmax(LOWEST, -600 * k->a);
}

/* Of the first node, that of all those below it, where Im q hardly changes. */
static double tail_of_rule(void)
{
    return 1 / -expm1(-STEP);
}

static void integrate(const law *k, sums *to)
{
    number q = begin_at(k, lowest(k)), slope;
    double w = lowest(k), weight = STEP * tail_of_rule();

    for (; w < HIGHEST; w += STEP) {
        q = settle(k, q, w, &slope);
        add_node(k, q, slope, weight * exp(w - exp(w)), to);
        q += STEP * height(k, q, &(number){ 0 }) / slope;
        weight = STEP;
    }
}

/* ---- Beside a branch point --------------------------------------------------------- */

typedef struct branch {
    number q, A;
    double w, phi;                          /* log A = w + i phi */
} branch;

/* M(d) and its derivative. */
static number image(const law *k, number d, number *slope)
{
    const number m = d * slope_of_exp(k->e * d);
    number sum = 0, term = d;
    double powers = 0, power = 1;

    *slope = -k->a * cexp(d) * m;
    if (cabs(d) > 0.4)
        return cexp(d) * (1 - m) - 1;
    for (int n = 2; n < 22; n++) {
        term *= d / n;
        powers += power;                    /* 1 + a + .. + a^(n-2) */
        power *= k->a;
        sum -= term * powers;
    }
    return k->a * sum;
}

/* The q at which log A = w_s + u, from one near it, as settle gives it. */
static number settle_beside(const law *k, const branch *p, number q, double u,
                            number *slope)
{
    const number z = (u - I * p->phi) * slope_of_exp(u - I * p->phi);
    number d = q - p->q, by_d;

    if (cabs(z) > 0.5)
        return settle(k, q, p->w + u, slope);
    for (int n = 0; n < 60; n++) {
        const number M = image(k, d, &by_d), step = (M - z) / by_d;
        const double size = cabs(step);
        d -= size > 1 ? step / size : step;
        if (size < 1e-10 * cabs(d))
            break;
    }
    image(k, d, &by_d);
    *slope = cexp(-p->q - d) * p->A * by_d;
    return p->q + d;
}

/* u at s = asinh(u / phi) + u, from one near it. */
static double inverse_map(double phi, double u, double s)
{
    for (int n = 0; n < 60; n++) {
        const double root = hypot(phi, u);
        const double step = (asinh(u / phi) + u - s) * root / (1 + root);
        u -= step;
        if (fabs(step) <= 1e-14 * (fabs(u) + phi))
            break;
    }
    return u;
}

static void integrate_beside(const law *k, const branch *p, sums *to)
{
    const double phi = fmax(fabs(p->phi), 1e-12);
    const double last = asinh((HIGHEST - p->w) / phi) + HIGHEST - p->w;
    double u = lowest(k) - p->w, weight = STEP * tail_of_rule();
    number q = begin_at(k, lowest(k)), slope;

    for (double s = asinh(u / phi) + u; s < last; s += STEP) {
        u = inverse_map(phi, u, s);
        const double root = hypot(phi, u), w = p->w + u;
        q = settle_beside(k, p, q, u, &slope);
        add_node(k, q, slope, weight * root / (1 + root) * exp(w - exp(w)), to);
        weight = STEP;
    }
}

/* phi = 0: beyond the branch point, and before it, where a law a little less skew (if
 * a = 2, of a little smaller a) has what moves with that parameter alone. All without the factor e^-A_s; u is to either side
 * log(1 + exp(s - e^-s)), the exponential in units of what A takes to fall. */
static void integrate_light(const law *k, const branch *p, sums *to)
{
    const double rho = creal(p->A), h = STEP / 3;

    for (int side = 1; side >= -1 && (side > 0 || rho < 700); side -= 2) {
        const double unit = side > 0 ? 1 / fmax(1, rho) : 1;
        const double far = side > 0 ? log1p(45 / rho) : p->w - lowest(k);
        const double first = log(fmax(expm1(far) / unit, 1)) + 0.1;
        sums part = { .value = { 0 } };
        number q = 0, slope;

        for (double s = first; s > -4.1; s -= h) {
            const double size = unit * exp(s - exp(-s)), u = side * log1p(size);
            if (s >= first)
                q = fabs(u) < 0.4 ? p->q + csqrt(-2 * u / k->a) : begin_at(k, p->w + u);
            if (side > 0 && cimag(q) == 0)  /* from where no step leads off the line */
                q += I;
            q = settle_beside(k, p, q, u, &slope);
            if (cimag(q) < 0) {             /* of the two, which are each other's mirror */
                q = conj(q);
                slope = conj(slope);
            }
            add_node(k, q, slope, h * size / (1 + size) * (1 + exp(-s)) *
                     exp(p->w + u - rho * expm1(u)), &part);
        }
        for (int n = 0; n < 2; n++) {
            to->value[n] += side > 0 ? part.value[n] : 0;
            for (int i = 0; i < PPL__STABLE_INPUTS; i++)
                to->by[n][i] += side > 0 || i == (k->a == 2 ? 1 : 2) ? part.by[n][i] : 0;
        }
    }
}

/* ---- One law, x >= 0 --------------------------------------------------------------- */

/* log(1 + z) / e at z = (B + e x) / ((B + i e) a) - 1 = e X. */
static branch branch_of(const law *k)
{
    const number to = (k->B + I * k->e) * k->a, X = (k->x - k->B - I * k->a) / to;
    const number z = k->e * X;
    number v = clog((k->B + k->e * k->x) / to) / k->e;

    if (cabs(z) < 1e-17)
        v = X;
    else if (cabs(z) < 0.5)
        v = (log1p(creal(z) * (2 + creal(z)) + cimag(z) * cimag(z)) / 2 +
             I * atan2(cimag(z), 1 + creal(z))) / k->e;
    const number q = v + I * PI / 2, log_A = q + clog(k->B + I * k->e) + k->e * v;
    const double phi = remainder(cimag(log_A), 2 * PI);
    return (branch){ q, cexp(creal(log_A)) * cexp(I * phi), creal(log_A), phi };
}

/* What the tail's first term says, C (1 + b) x^-a with C = sin(pi a / 2) Gamma(a) / pi. */
static void far_out(const law *k, double b, ppl__stable_point *out)
{
    const double a = k->a, log_x = log(k->x);
    const double log_S = log(sin(PI / 2 * a) / PI) + lgamma(a) + log1p(b) - a * log_x;
    const double by_a = ppl_maths_digamma_at(a) + PI / 2 / tan(PI / 2 * a) - log_x;

    *out = (ppl__stable_point){
        .log_density = log_S + log(a) - log_x,
        .by_density = { -(1 + a) / k->x, by_a + 1 / a, 1 / (1 + b) },
        .log_tail = { 0, log_S },
        .by_tail = { { 0 }, { -a / k->x, by_a, 1 / (1 + b) } }
    };
}

/* Of a < 0.9, far out: with T = tan(pi a / 2), y = x + b T and z = sqrt(1 + b^2 T^2) y^-a,
 * the tail is the sum over n of (-1)^(n+1) Gamma(n a) sin(n (pi a / 2 + atan(b T))) z^n /
 * (pi n!). The contour's error is to 3e-5 of a tail of a = 0.3, 6e-10 at 0.6. */
static double log_z(const law *k, double b)
{
    const double T = -k->T / k->e;
    return log1p(b * b * T * T) / 2 - k->a * log(k->x + b * T);
}

static void series(const law *k, double b, ppl__stable_point *out)
{
    const double a = k->a, T = -k->T / k->e, T_a = PI / 2 * (1 + T * T), y = k->x + b * T;
    const double size = 1 + b * b * T * T, angle = PI / 2 * a + atan(b * T), L = log_z(k, b);
    const double y_by[] = { 1, b * T_a, T };
    const double angle_by[] = { 0, PI / 2 + b * T_a / size, T / size };
    const double L_by[] = { -a / y, b * b * T * T_a / size - log(y) - a * b * T_a / y,
                            b * T * T / size - a * T / y };
    double tail = 0, density = 0, by[2][PPL__STABLE_INPUTS] = { { 0 } };

    for (int n = 1; n < 12; n++) {
        const double c = (n % 2 ? 1 : -1) * exp(lgamma(n * a) - lgamma(n + 1) + (n - 1) * L);
        const double term = c * sin(n * angle) / PI, turned = c * n * cos(n * angle) / PI;
        tail += term;
        density += term * n;
        for (int i = 0; i < PPL__STABLE_INPUTS; i++) {
            const double own = n * L_by[i] + (i == 1 ? n * ppl_maths_digamma_at(n * a) : 0);
            const double term_by = term * own + turned * angle_by[i];
            by[1][i] += term_by;
            by[0][i] += n * term_by;
        }
    }
    out->log_density = log(density) + L + log(a / y);
    out->log_tail[1] = log(tail) + L;
    for (int i = 0; i < PPL__STABLE_INPUTS; i++) {
        out->by_density[i] = by[0][i] / density - y_by[i] / y + (i == 1 ? 1 / a : 0);
        out->by_tail[1][i] = by[1][i] / tail;
    }
}

/* Nothing lies beyond x but a light tail, on this side or the other. */
static int is_light(const law *k, const branch *p, double b)
{
    return fabs(p->phi) < 1e-7 && p->w > -34 && (b == -1 || b == 1 || k->a == 2);
}

static void inside(const law *k, double b, ppl__stable_point *out)
{
    const branch p = branch_of(k);
    const int near = fabs(p.phi) < 1.3 && p.w > -34 && p.w < 3.9;
    double shift = 0;
    sums sum = { .value = { 0 } };

    if (is_light(k, &p, b)) {
        const branch exact = { creal(p.q), exp(p.w), p.w, 0 };
        shift = exp(p.w);
        if (p.w < 700)
            integrate_light(k, &exact, &sum);
    } else if (near) {
        integrate_beside(k, &p, &sum);
    } else {
        integrate(k, &sum);
    }
    out->log_density = log(sum.value[0] / PI) - shift - k->log_size;
    out->log_tail[1] = log(sum.value[1] / PI) - shift;
    for (int i = 0; i < PPL__STABLE_INPUTS; i++) {
        out->by_density[i] = sum.value[0] > 0 ? sum.by[0][i] / sum.value[0] : 0;
        out->by_tail[1][i] = sum.value[1] > 0 ? sum.by[1][i] / sum.value[1] : 0;
    }
}

/* A law of a < 1 and skew -1 ends at -b tan(pi a / 2). */
static int beyond_the_end(const law *k, double b)
{
    return b == -1 && k->e < 0 && k->x + k->B / k->e >= 0;
}

/* As seen from the mirror. */
static void mirror(ppl__stable_point *p)
{
    const ppl__stable_point other = *p;

    for (int i = 0; i < PPL__STABLE_INPUTS; i++) {
        const double sign = i == 1 ? 1 : -1;
        p->by_density[i] = sign * other.by_density[i];
        p->by_tail[0][i] = sign * other.by_tail[1][i];
        p->by_tail[1][i] = sign * other.by_tail[0][i];
    }
    p->log_tail[0] = other.log_tail[1];
    p->log_tail[1] = other.log_tail[0];
}

static law law_of(double x, double a, double b)
{
    double cot[2];

    ppl__stable_cot(a - 1, cot);
    return (law){ .x = x, .a = a, .e = a == 1 ? 1e-300 : a - 1, .B = -b * cot[0],
                  .T = cot[0], .B_by_a = -b * cot[1], .log_size = log(fmax(fabs(x), 1)) };
}

/* The lower tail from the upper. */
static void complement(ppl__stable_point *p)
{
    const double upper = exp(p->log_tail[1]), odds = upper / (1 - upper);

    p->log_tail[0] = log1p(-upper);
    for (int i = 0; i < PPL__STABLE_INPUTS; i++)
        p->by_tail[0][i] = upper > 0 ? -odds * p->by_tail[1][i] : 0;
}

void ppl__stable_at(double x, double a, double b, ppl__stable_point *out)
{
    int mirrored = x < 0;

    *out = (ppl__stable_point){ .log_density = NAN, .log_tail = { NAN, NAN } };
    if (!(a > 0 && a <= 2 && b >= -1 && b <= 1) || isnan(x))
        return;
    b = mirrored ? -b : b;
    x = fabs(x);
    law k = law_of(x, a, b);
    if (isinf(x) || beyond_the_end(&k, b)) {
        out->log_density = out->log_tail[1] = -INFINITY;
    } else if (a * k.log_size > 92 && b > -1 && a < 2) {
        far_out(&k, b, out);
    } else if (a < 0.9 && b + 1 > 1e-9 && log_z(&k, b) < -6) {
        series(&k, b, out);
    } else {
        const branch p = branch_of(&k);
        if (is_light(&k, &p, b) && cimag(p.q) > PI / 2) {       /* on the other side */
            mirrored = !mirrored;
            b = -b;
            k = law_of(-x, a, b);
        }
        inside(&k, b, out);
    }
    complement(out);
    if (mirrored)
        mirror(out);
}

/* SPDX-License-Identifier: MIT */
/*
 * special_gamma.c - the incomplete gamma functions, their inverses, and how they move
 * with the shape.
 *
 * With D = x^a e^-x / Gamma(a + 1), by where x stands to a:
 *   both large and near   Temme's uniform expansion, as a backward recurrence (Gil,
 *                         Segura, Temme, SIAM J. Sci. Comput. 34, 2012; DLMF 8.12)
 *   x < a + 1 or x < 3/2  P = D (1 + x / (a+1) + x^2 / ((a+1)(a+2)) + ..) (8.11.4), and
 *                         for small a  Q by what 1 - P would cancel (8.7.3)
 *   else                  Q by its continued fraction (8.9.2)
 * Whichever of P and Q is less is found so, and the other from it.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "special.h"

typedef struct tails {
    real p, q;
} tails;

/* log D, D = x^a e^-x / Gamma(a + 1): -a gap(x/a - 1) - log sqrt(2 pi a) - the error of
 * Stirling's formula. */
static real log_front(real a, real x)
{
    return -a * ppl__log_gap((x - a) / a, x / a) - 0.5L * (PPL__LOG_TWO_PI + logl(a)) -
           ppl__stirling_error(a);
}

/* Q = erfc(eta sqrt(a/2)) / 2 + exp(-a eta^2 / 2) T / sqrt(2 pi a), eta^2 / 2 =
 * gap(x/a - 1), eta of the sign of x - a. T = sum t_n eta^n solves eta T - T' / a =
 * eta / (x/a - 1) / Gamma*(a) - 1 with Gamma* = exp(Stirling's error): by powers
 * u_(n-1) = f_n + (n + 1) u_(n+1) / a for u = Gamma* t. f_n: of eta / (x/a - 1), rational
 * (from mu mu' = eta (1 + mu), mu = x/a - 1). */
static tails near_large(real a, real x)
{
    static const double f[] = {
        1.0, -0.3333333333333333, 0.08333333333333333, -0.014814814814814815,
        0.0011574074074074073, 0.0003527336860670194, -0.0001787551440329218,
        3.919263178522438e-05, -2.185448510679992e-06, -1.85406221071516e-06,
        8.296711340953087e-07, -1.7665952736826078e-07, 6.707853543401498e-09,
        1.0261809784240309e-08, -4.382036018453353e-09, 9.14769958223679e-10,
        -2.5514193994946248e-11, -5.830772132550426e-11, 2.4361948020667415e-11,
        -5.0276692801141755e-12, 1.1004392031956135e-13, 3.371763262400985e-13,
        -1.392388722418162e-13, 2.8534893807047445e-14, -5.139111834242572e-16,
        -1.9752288294349442e-15, 8.099521156704561e-16, -1.6522531216398162e-16,
        2.5305430097478883e-18, 1.1686939738559576e-17, -4.770037049820485e-18,
        9.699126059056237e-19, -1.2932565538038175e-20, -6.969230253185693e-20
    };
    enum { LAST = sizeof f / sizeof *f - 1 };
    const real gap = ppl__log_gap((x - a) / a, x / a), power = a * gap;
    const real eta = (x < a ? -1 : 1) * sqrtl(2 * gap), y = sqrtl(power);
    real above = 0, here = f[LAST], sum = here;     /* u_n, u_(n-1) */
    for (int n = LAST - 1; n > 0; n--) {
        const real next = f[n] + (real)(n + 1) * above / a;
        above = here;
        here = next;
        sum = sum * eta + here;
    }
    const real t = sum / expl(ppl__stirling_error(a)) * expl(-power) /
                   sqrtl(2 * PPL__PI * a);
    const real normal = expl(-power) * ppl__erfcx(y) / 2;
    const real least = eta < 0 ? normal - t : normal + t;
    return eta < 0 ? (tails){ least, 1 - least } : (tails){ 1 - least, least };
}

static tails by_series(real a, real x)
{
    real term = 1, sum = 1;
    for (real n = 1; n < 10000; n++) {
        term *= x / (a + n);
        sum += term;
        if (term < 1e-20L * sum)
            break;
    }
    const real p = expl(log_front(a, x)) * sum;
    if (p < 0.75L || a >= 1)
        return (tails){ p, 1 - p };
    /* Q = 1 - x^a / Gamma(a+1) (1 + a sum_n (-x)^n / ((a + n) n!)). */
    const real log_power = a * logl(x) - ppl__log_gamma_1p(a);
    term = 1;
    sum = 0;
    for (real n = 1; n < 100; n++) {
        term *= -x / n;
        sum += term / (a + n);
        if (fabsl(term) < 1e-21L)
            break;
    }
    return (tails){ p, -expm1l(log_power) - expl(log_power) * a * sum };
}

static tails by_fraction(real a, real x)
{
    /* Lentz's method, as Thompson and Barnett (1986) modified it. */
    const real tiny = 1e-300L;
    real b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
    for (real n = 1; n < 10000; n++) {
        const real numerator = -n * (n - a);
        b += 2;
        d = numerator * d + b;
        d = 1 / (d == 0 ? tiny : d);
        c = b + numerator / c;
        c = c == 0 ? tiny : c;
        h *= c * d;
        if (fabsl(c * d - 1) < 1e-19L)
            break;
    }
    const real q = expl(log_front(a, x)) * a * h;
    return (tails){ 1 - q, q };
}

static tails gamma_tails(real a, real x)
{
    if (!(a > 0) || !(x >= 0) || (isinf(a) && isinf(x)))
        return (tails){ NAN, NAN };
    if (x == 0 || isinf(a))
        return (tails){ 0, 1 };
    if (isinf(x))
        return (tails){ 1, 0 };
    if (a >= 12 && x > 0.4L * a && x < 2.2L * a)
        return near_large(a, x);
    return x < 1.5L || x < a + 1 ? by_series(a, x) : by_fraction(a, x);
}

double ppl_maths_gamma_p(double a, double x)
{
    return (double)gamma_tails(a, x).p;
}

double ppl_maths_gamma_q(double a, double x)
{
    return (double)gamma_tails(a, x).q;
}

/* x with P = p = 1 - q, by Newton's method on the logarithm of the lesser one over log x,
 * where it is concave: after one step every iterate is on one side. */
static double gamma_inverse(double a, double p, double q)
{
    if (!(a > 0 && a < INFINITY) || !(p >= 0 && q >= 0))
        return NAN;
    if (p == 0 || q == 0)
        return p == 0 ? 0 : INFINITY;
    const int lower = p <= q;
    const real target = logl(lower ? p : q);
    real x = expl((logl(p) + ppl__log_gamma_1p(a)) / a);
    if (a > 0.5 && x > 0.2L * a) {
        /* Wilson and Hilferty (1931). */
        const real z = (lower ? 1 : -1) * ppl_maths_ndtri_at(lower ? p : q);
        const real root = 1 - 1 / (9 * (real)a) + z / (3 * sqrtl(a));
        x = fmaxl(root, 0.1L);
        x = a * x * x * x;
    } else if (!lower && x > 1) {
        x = 1;
    }
    if (x < 1e-320L)
        return (double)x;
    for (int k = 0; k < 60; k++) {
        const tails t = gamma_tails(a, x);
        const real part = lower ? t.p : t.q;
        const real slope = expl(log_front(a, x)) * a / part;    /* of log P by log x */
        real step = (logl(part) - target) / slope;
        step = fmaxl(fminl(lower ? -step : step, 2), -2);
        x *= expl(step);
        if (!(fabsl(step) > 1e-18L))
            break;
    }
    return (double)x;
}

double ppl_maths_gamma_p_inverse(double a, double p)
{
    return gamma_inverse(a, p, 1 - p);
}

double ppl_maths_gamma_q_inverse(double a, double q)
{
    return gamma_inverse(a, 1 - q, q);
}

/* ---- The derivative in the shape --------------------------------------------------- */

/*
 * P(a, x) has dP/da = integral from 0 to x of the density times log t - digamma(a). As
 * that integrates to 0 over all t, it is minus the integral from x on; of the two sides
 * one is of one sign. Over x times the density at x, with t = x (1 + s),
 *
 *   -dP/da / (x p(x)) = int_0^inf w(s) ds = -int_-1^0 w(s) ds
 *   w(s) = (1 + s)^(a - 1) e^(-x s) (log(x (1 + s)) - digamma(a))
 *
 * Expanded in powers of x the lower side is sum_n x^n / (a (a+1) .. (a+n)) times
 * (digamma(a + n + 1) - log x), of positive terms where x < a + 1/2: few of them for
 * small a. Elsewhere it is integrated.
 */
static real slope_by_series(real a, real x, real log_x)
{
    real psi = ppl__digamma(a + 1), term = 1 / a, sum = term * (psi - log_x);

    for (int n = 1; n < 10000; n++) {
        term *= x / (a + (real)n);
        psi += 1 / (a + (real)n);
        sum += term * (psi - log_x);
        if (term * fabsl(psi - log_x) <= 1e-20L * fabsl(sum))
            break;
    }
    return sum;
}

/* log(1 + t) - t, from l = log(1 + t): with y = t / (2 + t), log(1 + t) = 2 artanh y. */
static double log1p_rest(double t, double l)
{
    const double y = t / (2 + t), w = y * y;

    if (fabs(t) > 0.1)
        return l - t;
    return 2 * y * w * (1.0 / 3 + w * (1.0 / 5 + w * (1.0 / 7 + w * (1.0 / 9 + w *
           (1.0 / 11 + w * (1.0 / 13)))))) - t * y;
}

/* By the trapezoidal rule after s = scale exp(u - exp(-u)), which makes both ends doubly
 * exponential (Takahasi, Mori 1974), u from -3.7 to 4. In double: the sum is of one sign. */
static double slope_by_integral(double a, double x)
{
    enum { NODES = 78 };
    const double step = 0.1, sign = x > a ? 1 : -1;
    /* log x - digamma(a); for large a by its difference from log a. */
    const double inverse = 1 / a, square = inverse * inverse;
    const double offset = a < 20 ? (double)(logl(x) - ppl__digamma(a))
        : log1p((x - a) / a) + inverse * (0.5 + inverse * (1.0 / 12 - square *
          (1.0 / 120 - square * (1.0 / 252 - square * (1.0 / 240 - square / 132)))));
    const double rate = x - (a - 1), scale = 1 / (fmax(sign * rate, 0) + sqrt(a));
    double t[NODES], e[NODES], l[NODES], s[NODES], weight[NODES], sum = 0;

    for (int k = 0; k < NODES; k++)
        t[k] = 3.7 - step * k;              /* -u */
    ppl_maths_exp(PPL_F64, NODES, t, e);
    for (int k = 0; k < NODES; k++) {
        weight[k] = 1 + e[k];
        t[k] = -t[k] - e[k];
    }
    ppl_maths_exp(PPL_F64, NODES, t, t);
    for (int k = 0; k < NODES; k++)
        s[k] = fmax(sign * scale * t[k], -1);
    ppl_maths_log1p(PPL_F64, NODES, s, l);
    for (int k = 0; k < NODES; k++)
        e[k] = (a - 1) * log1p_rest(s[k], l[k]) - rate * s[k];
    ppl_maths_exp(PPL_F64, NODES, e, e);
    for (int k = 0; k < NODES; k++)
        sum += s[k] > -1 ? weight[k] * t[k] * e[k] * sign * (offset + l[k]) : 0;
    return step * scale * sum;
}

/* Far below a the series is short too, and the integral would not see x beside a. */
static real slope_at(double a, double x, real log_x)
{
    const double least = a < 200 ? fmax(1.5, a + 0.5) : a / 16;

    return x <= least ? slope_by_series(a, x, log_x) : (real)slope_by_integral(a, x);
}

double ppl_maths_gamma_slope(double a, double x, double log_x)
{
    if (!(a > 0 && a < INFINITY) || !(x >= 0 && x < INFINITY))
        return NAN;
    return (double)slope_at(a, x, log_x);
}

double ppl_maths_gamma_p_slope(double a, double x)
{
    if (!(a > 0 && a < INFINITY) || !(x >= 0))
        return NAN;
    if (x == 0 || isinf(x))
        return 0;
    return (double)(-a * expl(log_front(a, x)) * slope_at(a, x, logl(x)));
}

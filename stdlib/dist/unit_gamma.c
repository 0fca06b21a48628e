/* SPDX-License-Identifier: MIT */
/*
 * unit_gamma.c - draws of Gamma(a, 1) and their implicit derivatives (unit_gamma.h).
 *
 * Draws: Marsaglia and Tsang, A Simple Method for Generating Gamma Variables (2000); for
 * a < 1 a draw of a + 1 times u^(1/a).
 *
 * Derivatives: x(a) at a fixed quantile has dx/da = -(dP/da) / p, P the distribution
 * function and p the density (Figurnov, Mohamed, Mnih, Implicit Reparameterization
 * Gradients, 2018). As the score integrates to 0 over all t, that is an integral of one
 * sign on either side of x, with t = x (1 + s):
 *
 *   d log x / da = int_0^inf w(s) ds = -int_-1^0 w(s) ds
 *   w(s) = (1 + s)^(a - 1) e^(-x s) (log(x (1 + s)) - digamma(a))
 *
 * Expanded in powers of x the lower side is sum_n x^n / (a (a+1) .. (a+n)) times
 * (digamma(a + n + 1) - log x), of positive terms where x < a + 1/2: few of them for
 * small a. Elsewhere the integral is taken by the trapezoidal rule after the substitution
 * s = scale e^(u - e^-u), which makes its ends doubly exponential (Takahasi, Mori 1974).
 */
#include "unit_gamma.h"

#include <kiln/maths.h>

#include "density.h"

/* log(1 + t) - t. */
static double log1p_minus(double t)
{
    return fabs(t) <= 0.1 ? ppl__log1p_minus_f64(t) : log1p(t) - t;
}

static double digamma(double x)
{
    ppl_maths_digamma(PPL_F64, 1, &x, &x);
    return x;
}

/* A draw for a >= 1. With v = (1 + t)^3 the acceptance ratio's logarithm is
 * z^2 / 2 + d (1 - v + log v), and 1 - v + log v = 3 (log(1 + t) - t) - 3 t^2 - t^3. */
static double marsaglia_tsang(const ppl_rng *rng, uint32_t stream, uint64_t element,
                              double a)
{
    const double d = a - 1.0 / 3, c = 1 / sqrt(9 * d);

    for (uint32_t attempt = 0;; attempt++) {
        double z[2];
        ppl_rng_normal_pair(rng, stream, element, attempt, z);
        const double t = c * z[0], u = ppl_rng_uniform(rng, stream + 1, element, attempt);
        if (t > -1 &&
            log(u) < z[0] * z[0] / 2 + d * (3 * log1p_minus(t) - t * t * (3 + t)))
            return d * (1 + t) * (1 + t) * (1 + t);
    }
}

double ppl__unit_gamma(const ppl_rng *rng, uint32_t stream, uint64_t element, double a,
                       double *log_x)
{
    if (!(a > 0 && a < INFINITY))
        return *log_x = NAN;
    const double x = marsaglia_tsang(rng, stream, element, a < 1 ? a + 1 : a);
    *log_x = log(x);
    if (a >= 1)
        return x;
    *log_x += log(ppl_rng_uniform(rng, stream + 2, element, 0)) / a;
    return exp(*log_x);
}

static double slope_by_series(double a, double x, double log_x)
{
    double psi = digamma(a + 1), term = 1 / a, sum = term * (psi - log_x);

    for (int n = 1; n < 10000; n++) {
        term *= x / (a + n);
        psi += 1 / (a + n);
        sum += term * (psi - log_x);
        if (term * fabs(psi - log_x) <= 1e-17 * fabs(sum))
            break;
    }
    return sum;
}

enum { NODES = 78 };                        /* u from -3.7 to 4 in steps of 0.1 */

static double slope_by_integral(double a, double x)
{
    const double step = 0.1, sign = x > a ? 1 : -1;
    /* log x - digamma(a); for large a by its difference from log a. */
    const double inverse = 1 / a, square = inverse * inverse;
    const double offset = a < 20 ? log(x) - digamma(a)
        : log1p((x - a) / a) + inverse * (0.5 + inverse * (1.0 / 12 - square *
          (1.0 / 120 - square * (1.0 / 252 - square / 240))));
    const double rate = x - (a - 1), scale = 1 / (fmax(sign * rate, 0) + sqrt(a));
    double t[NODES], e[NODES], weight[NODES], sum = 0;

    for (int k = 0; k < NODES; k++) {
        t[k] = 3.7 - step * k;              /* -u */
        weight[k] = 1;
    }
    ppl_maths_exp(PPL_F64, NODES, t, e);
    for (int k = 0; k < NODES; k++) {
        weight[k] += e[k];
        t[k] = -t[k] - e[k];
    }
    ppl_maths_exp(PPL_F64, NODES, t, t);
    for (int k = 0; k < NODES; k++) {
        const double s = fmax(sign * scale * t[k], -1);
        e[k] = (a - 1) * log1p_minus(s) - rate * s;
    }
    ppl_maths_exp(PPL_F64, NODES, e, e);
    for (int k = 0; k < NODES; k++) {
        const double s = sign * scale * t[k];
        if (s > -1)
            sum += weight[k] * t[k] * e[k] * sign * (offset + log1p(s));
    }
    return step * scale * sum;
}

double ppl__unit_gamma_slope(double a, double x, double log_x)
{
    if (a < 200 && (x <= 1.5 || x <= a + 0.5))
        return slope_by_series(a, x, log_x);
    return slope_by_integral(a, x);
}

/* SPDX-License-Identifier: MIT */
/*
 * gamma_terms.h - what densities made of Gammas and Betas have in common, written so that
 * nothing cancels as the concentrations grow (stirling.h).
 *
 *   lambda(a) = log a - psi(a) = 1/(2 a) - r'(a)
 *   log(y^a e^-y / Gamma(a)) = -a e(t) + log(a) / 2 - log(2 pi) / 2 - r(a),  y = a (1 + t)
 *   log(w^a v^b / B(a, b)) = -a e(t_w) - b e(t_v) + log(a b / s) / 2 - log(2 pi) / 2 - R,
 *       v = 1 - w, s = a + b, w = a / s (1 + t_w), v = b / s (1 + t_v), R = r(a) + r(b) - r(s)
 *
 * with e(t) = t - log(1 + t) >= 0.
 */
#ifndef KILN_GAMMA_TERMS_H
#define KILN_GAMMA_TERMS_H

#include "pointwise.h"
#include "stirling.h"

/* t - log(1 + t), from t and r = 1 + t: near 0 one is known better, at -1 the other. */
static inline double ppl__excess_of(double t, double r)
{
    return ppl__excess_f64(t, t < -0.5 ? log(r) : log1p(t));
}

/* log(y^a e^-y / Gamma(a)). */
double ppl__gamma_kernel(double a, double y);

/* log B(a, b) without its terms in log a, log b and log(a + b). */
double ppl__beta_rest(double a, double b);

/* A point w of a Beta(a, b), relative to its mean m = a / (a + b): t_w = w / m - 1, r_w =
 * w / m; the same of v = 1 - w. */
typedef struct ppl__beta_point {
    double t_w, r_w, t_v, r_v;
} ppl__beta_point;

/* Of w and v themselves. */
static inline ppl__beta_point ppl__beta_point_of(double w, double v, double a, double b)
{
    const double s = a + b, off = w * b - v * a;
    return (ppl__beta_point){ off / a, w / a * s, -off / b, v / b * s };
}

/* log(w^a v^b / B(a, b)). */
double ppl__beta_kernel(double a, double b, const ppl__beta_point *p);

/* The entropy of a Beta(a, b), and its derivative in the one of a and b that is `own`. */
double ppl__beta_entropy(double a, double b);

static inline double ppl__beta_entropy_slope(double own, double s)
{
    return ppl__trigamma_excess(s, 2) - ppl__trigamma_excess(own, 1);
}

/* KL of Beta(a_q, b_q) from Beta(a_p, b_p): of the means as often as p counts, and the rest. */
double ppl__beta_kl(double a_q, double b_q, double a_p, double b_p);

/* A tail below this is not taken from the tail itself: it, or its slopes, may underflow. */
#define PPL__FAR_TAIL 1e-290

/* log P(X > x) if `upper`, else log P(X <= x), of Gamma(a, 1), also where that is below the
 * range of a double; slope[0] = d / d log x, slope[1] = d / da, or NULL. */
double ppl__gamma_log_tail(int upper, double x, double a, double slope[2]);

/* The same of a Beta(a, b), rest = 1 - x; slope[0] = d / d logit x, slope[1] = d / da, slope[2]
 * = d / db, or NULL. */
double ppl__beta_log_tail(int upper, double x, double rest, double a, double b,
                          double slope[3]);

/* The quantile of a Beta(a, b), from the end that is nearer. */
double ppl__beta_quantile(int upper, double p, double a, double b);

#endif

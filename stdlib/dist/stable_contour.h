/* SPDX-License-Identifier: MIT */
/* stable_contour.h - density and tails of a stable law of location 0 and scale 1. */
#ifndef KILN_STABLE_CONTOUR_H
#define KILN_STABLE_CONTOUR_H

/* Derivatives are by x, stability, skew. */
enum { PPL__STABLE_INPUTS = 3 };

typedef struct ppl__stable_point {
    double log_density, by_density[PPL__STABLE_INPUTS];
    double log_tail[2];                     /* log P(X <= x), log P(X > x) */
    double by_tail[2][PPL__STABLE_INPUTS];
} ppl__stable_point;

/* Nolan's S0 law of stability a, 0 < a <= 2, and skew b, |b| <= 1, at x; NaN of others. */
void ppl__stable_at(double x, double a, double b, ppl__stable_point *out);

/* The entropy of that law and its derivatives by stability and skew (stable_entropy.c); NaN where
 * a < 0.25, as doubles next to the peak are then too far apart, and of others. */
void ppl__stable_entropy(double a, double b, double out[3]);

/* T(e) = e / tan(pi e / 2), and its derivative: b tan(pi a / 2) = -b T(a - 1) / (a - 1). */
void ppl__stable_cot(double e, double out[2]);

#endif

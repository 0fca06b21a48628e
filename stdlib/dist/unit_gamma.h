/* SPDX-License-Identifier: MIT */
/*
 * unit_gamma.h - draws of Gamma(a, rate 1), and how a draw moves with a: what Gamma and
 * Beta are sampled by. In double, and in logarithms, since for small a draws are beyond
 * the range of any floating type (a = 0.001: below 1e-300 every other time).
 */
#ifndef KILN_UNIT_GAMMA_H
#define KILN_UNIT_GAMMA_H

#include <kiln/effects.h>

/* A draw of Gamma(a, 1), and its logarithm; both NaN unless 0 < a < inf. Uses the streams
 * `stream`, stream + 1 and stream + 2 of an element. Cost: about 1.05 attempts of a
 * normal and a uniform number, and one uniform more where a < 1. */
double ppl__unit_gamma(const ppl_rng *rng, uint32_t stream, uint64_t element, double a,
                       double *log_x);

/* d log x / d a at a fixed quantile of Gamma(a, 1): -(dP(a,x)/da) / (x p(x; a)) with
 * x = exp(log_x), which may have underflowed to 0. Relative error below 1e-10. */
double ppl__unit_gamma_slope(double a, double x, double log_x);

#endif

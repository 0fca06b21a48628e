/* SPDX-License-Identifier: MIT */
/*
 * special.h - what the special functions of several arguments (special_*.c) share.
 *
 * They work in long double: an exponent of 700 must be known to 1e-17 of it for the
 * result to be right to 1e-14. Where long double is no wider than double, they lose that
 * much in the far tails.
 */
#ifndef KILN_SPECIAL_H
#define KILN_SPECIAL_H

#include <kiln/maths.h>

#include <math.h>

typedef long double real;

#define PPL__PI 3.14159265358979323846264338327950288L
#define PPL__LOG_TWO_PI 1.83787706640934548356065947281123527L

/* t - log(1 + t) >= 0, relatively accurate; t > -1, and r = 1 + t, which may be known
 * better than the sum. */
real ppl__log_gap(real t, real r);
/* log Gamma(1 + a), relatively accurate also near a = 0 and a = 1; a >= 0. */
real ppl__log_gamma_1p(real a);
/* log Gamma(a) - ((a - 1/2) log a - a + log(2 pi) / 2), a > 0: Stirling's error. */
real ppl__stirling_error(real a);
/* log Gamma(a + b) - log Gamma(a), relatively accurate; a > 0, 0 <= b <= 1. */
real ppl__log_gamma_rise(real a, real b);
/* digamma(a), a > 0. */
real ppl__digamma(real a);
/* digamma(a + b) - digamma(a), relatively accurate; a > 0, b > -1, a + b > 0. */
real ppl__digamma_rise(real a, real b);
/* exp(y^2) erfc(y), y >= 0. */
real ppl__erfcx(real y);

/* A tail's integral: of exp(exponent(s)) weight(s) ds from 0 to infinity, for a smooth
 * exponent that starts from 0 and falls at scales of about `scale`, by the trapezoidal
 * rule after s = scale exp(u - exp(-u)), which makes both ends doubly exponential
 * (Takahasi, Mori 1974). `term` is their product; p its parameters. */
real ppl__tail_integral(real (*term)(const void *p, real s), const void *p, real scale);

#endif

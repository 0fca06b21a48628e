/* SPDX-License-Identifier: MIT */
/*
 * power_rest.h - what KLs to and from a Kumaraswamy ask of a Beta: for Y of Beta(a, b) and c > 0
 *
 *   R(a, b, c) = E log((1 - Y^c) / (1 - Y)),   E log(1 - Y^c) = psi(b) - psi(a + b) + R
 *
 * X of Kumaraswamy(a', b') is Y^(1/a') of Beta(1, b').
 */
#ifndef KILN_POWER_REST_H
#define KILN_POWER_REST_H

#include "pointwise.h"

/* R, and its derivatives in a, b and c. */
typedef struct ppl__power_rest {
    double value, slope[3];
} ppl__power_rest;

ppl__power_rest ppl__power_rest_of(double a, double b, double c);
/* E log(1 - Y^c). */
ppl_tensor *ppl__mean_log_rest(ppl_tensor *a, ppl_tensor *b, ppl_tensor *c);

#endif

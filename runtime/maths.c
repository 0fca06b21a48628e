/* SPDX-License-Identifier: MIT */
/*
 * maths.c - the public functions over arrays (kiln/maths.h), on the tables of kernels.h.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <kiln/maths.h>

#include "kernels.h"

#define DEFINE(name)                                                                     \
    void ppl_maths_##name(ppl_dtype dtype, size_t n, const void *x, void *y)             \
    {                                                                                    \
        ppl__kernels_for(dtype)->unary[PPL__UNARY_##name](n, x, y);                      \
    }
PPL_MATHS_MAP(DEFINE)
#undef DEFINE

void ppl_maths_sincos(size_t n, const double *x, double *sine, double *cosine)
{
    ppl__kernels_for(PPL_F64)->sincos(n, x, sine, cosine);
}

double ppl_maths_trigamma(double x)
{
    const double digamma = 0, one = 1;      /* the derivative does not read digamma(x) */
    const ppl__kernels *k = ppl__kernels_for(PPL_F64);
    double slope = 0;

    k->unary_vjp[PPL__UNARY_digamma](1, &x, &digamma, &one, &slope);
    return slope;
}

double ppl_maths_sum(ppl_dtype dtype, size_t n, const void *x)
{
    return ppl__kernels_for(dtype)->sum(n, x);
}

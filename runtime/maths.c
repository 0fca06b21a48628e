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
    }                                                                                    \
                                                                                         \
    double ppl_maths_##name##_at(double x)                                               \
    {                                                                                    \
        ppl__kernels_for(PPL_F64)->unary[PPL__UNARY_##name](1, &x, &x);                  \
        return x;                                                                        \
    }
PPL_MATHS_MAP(DEFINE)
#undef DEFINE

void ppl_maths_sincos(size_t n, const double *x, double *sine, double *cosine)
{
    ppl__kernels_for(PPL_F64)->sincos(n, x, sine, cosine);
}

double ppl_maths_sum(ppl_dtype dtype, size_t n, const void *x)
{
    return ppl__kernels_for(dtype)->sum(n, x);
}

double ppl_maths_squares(ppl_dtype dtype, size_t n, double limit, double scale,
                         const void *x)
{
    return ppl__kernels_for(dtype)->squares(n, limit, scale, x);
}

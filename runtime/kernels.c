/* SPDX-License-Identifier: MIT */
/*
 * kernels.c - which of the tables of kernels.h this processor runs.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "kernels.h"

#ifdef PPL__X86
static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

const ppl__kernels *ppl__kernels_at(ppl_dtype dtype, int index)
{
    int wide = dtype == PPL_F64;
#ifdef PPL__X86
    if (has_avx512() && index-- == 0)
        return wide ? &ppl__kernels_avx512_double : &ppl__kernels_avx512_float;
    if (has_avx2() && index-- == 0)
        return wide ? &ppl__kernels_avx2_double : &ppl__kernels_avx2_float;
#endif
    if (index != 0)
        return NULL;
    return wide ? &ppl__kernels_generic_double : &ppl__kernels_generic_float;
}

const ppl__kernels *ppl__kernels_for(ppl_dtype dtype)
{
    return ppl__kernels_at(dtype, 0);
}

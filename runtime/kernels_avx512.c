/* SPDX-License-Identifier: MIT */
/*
 * kernels_avx512.c - the loops for x86-64 processors with AVX-512 (F, DQ, BW, VL).
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "kernels.h"

#define ISA "avx512"
#define TABLE ppl__kernels_avx512
#define VECTOR_BYTES 64
#define SLEEF_double(name, accuracy) Sleef_##name##d8_##accuracy##avx512f
#define SLEEF_float(name, accuracy) Sleef_##name##f16_##accuracy##avx512f

#define ROOT_double(x) _mm512_sqrt_pd(x)
#define ROOT_float(x) _mm512_sqrt_ps(x)
#define WIDEN_float(x) (vector_double)_mm512_cvtps_pd((__m256)(x))
#define MULTIPLY_WORDS(a, b) (v_words)_mm512_mul_epu32((__m512i)(a), (__m512i)(b))

#define FIRST(count) ((1u << (count)) - 1)
#define GET_FIRST_double(p, count, pad)                                                  \
    _mm512_mask_loadu_pd(pad, (__mmask8)FIRST(count), p)
#define GET_FIRST_float(p, count, pad)                                                   \
    _mm512_mask_loadu_ps(pad, (__mmask16)FIRST(count), p)
#define PUT_FIRST_double(p, count, v) _mm512_mask_storeu_pd(p, (__mmask8)FIRST(count), v)
#define PUT_FIRST_float(p, count, v) _mm512_mask_storeu_ps(p, (__mmask16)FIRST(count), v)

#define REAL double
#include "kernels.inc"
#undef REAL
#define REAL float
#include "kernels.inc"

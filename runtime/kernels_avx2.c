/* SPDX-License-Identifier: MIT */
/*
 * kernels_avx2.c - the loops for x86-64 processors with AVX2 with FMA.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "kernels.h"

#define ISA "avx2"
#define TABLE ppl__kernels_avx2
#define VECTOR_BYTES 32
#define SLEEF_double(name, accuracy) Sleef_##name##d4_##accuracy##avx2
#define SLEEF_float(name, accuracy) Sleef_##name##f8_##accuracy##avx2

#define ROOT_double(x) _mm256_sqrt_pd(x)
#define ROOT_float(x) _mm256_sqrt_ps(x)
#define MULTIPLY_WORDS(a, b) (v_words)_mm256_mul_epu32((__m256i)(a), (__m256i)(b))

/* Lanes below `count` have their sign bit set, which is what the instructions look at. */
#define FIRST_double(count)                                                              \
    _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)(count)),                           \
                       _mm256_setr_epi64x(0, 1, 2, 3))
#define FIRST_float(count)                                                               \
    _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(count)),                                  \
                       _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define GET_FIRST_double(p, count, pad)                                                  \
    _mm256_blendv_pd(pad, _mm256_maskload_pd(p, FIRST_double(count)),                    \
                     _mm256_castsi256_pd(FIRST_double(count)))
#define GET_FIRST_float(p, count, pad)                                                   \
    _mm256_blendv_ps(pad, _mm256_maskload_ps(p, FIRST_float(count)),                     \
                     _mm256_castsi256_ps(FIRST_float(count)))
#define PUT_FIRST_double(p, count, v) _mm256_maskstore_pd(p, FIRST_double(count), v)
#define PUT_FIRST_float(p, count, v) _mm256_maskstore_ps(p, FIRST_float(count), v)

#define REAL double
#include "kernels.inc"
#undef REAL
#define REAL float
#include "kernels.inc"

/* SPDX-License-Identifier: MIT */
/*
 * kernels_generic.c - the loops for any processor of the machine's family: vectors of 16
 * bytes, which are SSE2 on x86-64 and Advanced SIMD on aarch64, and scalar functions on
 * the others.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "kernels.h"

#define ISA "generic"
#define TABLE ppl__kernels_generic
#define VECTOR_BYTES 16
#if defined(__x86_64__) || defined(__aarch64__)
#define SLEEF_double(name, accuracy) Sleef_##name##d2_##accuracy
#define SLEEF_float(name, accuracy) Sleef_##name##f4_##accuracy
#endif

#ifdef __SSE2__
#define ROOT_double(x) _mm_sqrt_pd(x)
#define ROOT_float(x) _mm_sqrt_ps(x)
#define MULTIPLY_WORDS(a, b) (v_words)_mm_mul_epu32((__m128i)(a), (__m128i)(b))
#endif

#define REAL double
#include "kernels.inc"
#undef REAL
#define REAL float
#include "kernels.inc"

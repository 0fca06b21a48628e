/* SPDX-License-Identifier: MIT */
/*
 * loops.h - loops written once for float and double: includes the file that LOOPS names
 * with REAL, DTYPE, LOOP(name), EXCESS, MAPPED (density.h), MATHS(function, n, x, y),
 * STIRLING (stirling.h), LOGS (logs.h), LOOP(log) (logs.inc) and LESS(a, b, c) in the one type
 * and in the other, and on x86-64 again for AVX2 and for AVX-512. A file may so include itself.
 * PPL__LOOPS(count, value, slope) and PPL__FUSED_LOOPS(count, value, slopes) are the formula
 * of such loops. Products and sums are not contracted, so that results do not depend on the
 * instruction set; LESS is a b - c, in float without rounding a b (by double without fma:
 * rounded twice, another last bit at most once in 2^28).
 */
#ifndef PPL__PASS

#ifndef PPL__LOOPS
#include "logs.h"

#include <float.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define PPL__LOOPS_X86
#endif

#define PPL__BOTH(name) { name##_f32, name##_f64 }
#define PPL__LOOPS(count, value_loop, slope_loop)                                        \
    { count, PPL__BOTH(value_loop), .slope = PPL__BOTH(slope_loop),                      \
      PPL__WIDER(count, value_loop, slope, slope_loop) }
#define PPL__FUSED_LOOPS(count, value_loop, slopes_loop)                                 \
    { count, PPL__BOTH(value_loop), .slopes = PPL__BOTH(slopes_loop),                    \
      PPL__WIDER(count, value_loop, slopes, slopes_loop) }
#ifdef PPL__LOOPS_X86
#define PPL__WIDER(count, value_loop, member, loop)                                      \
    .avx2 = PPL__FOR(avx2, count, value_loop, member, loop),                             \
    .avx512 = PPL__FOR(avx512, count, value_loop, member, loop)
#define PPL__FOR(isa, count, value_loop, member, loop)                                   \
    &(const ppl__formula){ count, { value_loop##_f32_##isa, value_loop##_f64_##isa },    \
                           .member = { loop##_f32_##isa, loop##_f64_##isa } }
#else
#define PPL__WIDER(count, value_loop, member, loop) .avx2 = NULL
#endif
#define MATHS(function, n, x, y) ppl_maths_##function(DTYPE, n, x, y)
#define MAPPED(function, s, k, y) ppl__mapped(LOOP(function), DTYPE, s, k, y)
#define PPL__NAME(name, dtype, isa) PPL__NAME_(name, dtype, isa)
#define PPL__NAME_(name, dtype, isa) name##dtype##isa
#endif

#define PPL__PASS
#include "loops.h"
#undef PPL__PASS

#ifdef PPL__LOOPS_X86
/* Loops that a file uses in its generic form only are no mistake. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define PPL__PASS _avx2
#include "loops.h"
#undef PPL__PASS
#ifdef __clang__
#pragma clang attribute pop
#pragma clang attribute push(                                                            \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512")
#endif
#define PPL__PASS _avx512
#include "loops.h"
#undef PPL__PASS
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#pragma GCC diagnostic pop
#endif

#else

#define REAL float
#define DTYPE PPL_F32
#define LOOP(name) PPL__NAME(name, _f32, PPL__PASS)
#define EXCESS ppl__excess_f32
#define STIRLING(name, w) ppl__stirling_##name##_f32(w)
#define LOGS(name, ...) ppl__##name##_f32(__VA_ARGS__)
#if (defined(__FMA__) || defined(__AVX512F__)) && defined(__GNUC__)
#define LESS(a, b, c) __builtin_fmaf(a, b, -(c))
#else
#define LESS(a, b, c) (float)((double)(a) * (b) - (c))
#endif
#include "logs.inc"
#include LOOPS
#undef REAL
#undef DTYPE
#undef LOOP
#undef EXCESS
#undef STIRLING
#undef LOGS
#undef LESS

#define REAL double
#define DTYPE PPL_F64
#define LOOP(name) PPL__NAME(name, _f64, PPL__PASS)
#define EXCESS ppl__excess_f64
#define STIRLING(name, w) ppl__stirling_##name##_f64(w)
#define LOGS(name, ...) ppl__##name##_f64(__VA_ARGS__)
#define LESS(a, b, c) ((a) * (b) - (c))
#include "logs.inc"
#include LOOPS
#undef REAL
#undef DTYPE
#undef LOOP
#undef EXCESS
#undef STIRLING
#undef LOGS
#undef LESS

#endif

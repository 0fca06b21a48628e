/* SPDX-License-Identifier: MIT */
/*
 * loops.h - loops written once for float and double: includes the file that LOOPS names
 * twice, with REAL, LOOP(name), EXCESS (density.h) and MATHS(function, n, x, y) in the
 * one type and in the other. A file may so include itself; PPL__BOTH(name) is the pair.
 */
#define PPL__BOTH(name) { name##_f32, name##_f64 }

#define REAL float
#define LOOP(name) name##_f32
#define EXCESS ppl__excess_f32
#define MATHS(function, n, x, y) ppl_maths_##function(PPL_F32, n, x, y)
#include LOOPS
#undef REAL
#undef LOOP
#undef EXCESS
#undef MATHS

#define REAL double
#define LOOP(name) name##_f64
#define EXCESS ppl__excess_f64
#define MATHS(function, n, x, y) ppl_maths_##function(PPL_F64, n, x, y)
#include LOOPS
#undef REAL
#undef LOOP
#undef EXCESS
#undef MATHS

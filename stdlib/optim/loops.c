/* SPDX-License-Identifier: MIT */
/*
 * loops.c - the loops of the optimisers (loops.inc), for float and for double.
 */
#include "rules.h"

#include <kiln/maths.h>

#define REAL float
#define DTYPE PPL_F32
#define NAME(name) name##_f32
#include "loops.inc"
#undef REAL
#undef DTYPE
#undef NAME
#define REAL double
#define DTYPE PPL_F64
#define NAME(name) name##_f64
#include "loops.inc"

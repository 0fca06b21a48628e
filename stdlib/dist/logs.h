/* SPDX-License-Identifier: MIT */
/*
 * logs.h - logarithms within the loops of densities (loops.h), so that a loop is not cut in
 * pieces by calls over arrays: ppl__log_f64 and its parts, and the same in float.
 */
#ifndef KILN_LOGS_H
#define KILN_LOGS_H

#include <stdint.h>
#include <string.h>

#define PPL__BITS_OF(name, to, from)                                                     \
    static inline to name(from x)                                                        \
    {                                                                                    \
        to y;                                                                            \
        memcpy(&y, &x, sizeof y);                                                        \
        return y;                                                                        \
    }
PPL__BITS_OF(ppl__bits_f64, uint64_t, double)
PPL__BITS_OF(ppl__number_f64, double, uint64_t)
PPL__BITS_OF(ppl__bits_f32, uint32_t, float)
PPL__BITS_OF(ppl__number_f32, float, uint32_t)

#define MASK int
#define SELECT(m, a, b) ((m) ? (a) : (b))

#define N double
#define WORDS uint64_t
#define BITS(x) ppl__bits_f64(x)
#define NUMBER(x) ppl__number_f64(x)
#define PORTABLE(name) ppl__##name##_f64
#include "../../runtime/logarithm.inc"
#undef N
#undef WORDS
#undef BITS
#undef NUMBER
#undef PORTABLE

#define NARROW
#define N float
#define WORDS uint32_t
#define BITS(x) ppl__bits_f32(x)
#define NUMBER(x) ppl__number_f32(x)
#define PORTABLE(name) ppl__##name##_f32
#include "../../runtime/logarithm.inc"
#undef NARROW
#undef N
#undef WORDS
#undef BITS
#undef NUMBER
#undef PORTABLE

#undef MASK
#undef SELECT

#endif

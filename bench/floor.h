/* SPDX-License-Identifier: MIT */
/*
 * floor.h - what a step cannot be faster than: the matrix products that a context asked
 * for while it was recorded, run back to back through the fastest GEMM at hand.
 */
#ifndef KILN_FLOOR_H
#define KILN_FLOOR_H

#include <kiln/runtime.h>

#include <stdio.h>

typedef struct gemm_floor gemm_floor;

/* Records the products of `c` from now on. NULL when out of memory. */
gemm_floor *floor_record(ppl_ctx *c);
/* Ends the recording, makes operands, and picks the faster GEMM for every shape; 0, or -1
 * when out of memory. */
int floor_finish(gemm_floor *f);
/* Runs all products once, in order; returns the seconds. */
double floor_run(gemm_floor *f);
/* Floating-point operations of the list, in 10^9. */
double floor_gflop(const gemm_floor *f);
/* A line for every shape: how many, GF/s by LIBXSMM and by the BLAS, its share. */
void floor_print(const gemm_floor *f, FILE *out);
void floor_free(gemm_floor *f);

#endif

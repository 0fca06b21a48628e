/* SPDX-License-Identifier: MIT */
/*
 * maths_gemm.c - the matrix functions of kiln/maths.h: the runtime's own products and
 * transposition, for operations written on the public headers.
 */
#include "impl.h"

void ppl_maths_gemm(ppl_ctx *c, ppl_dtype dtype, int transposed_a, int transposed_b,
                    size_t m, size_t n, size_t k, const void *a, size_t lda,
                    const void *b, size_t ldb, void *out, size_t ldc, int accumulate)
{
    ppl__gemm_run(c->gemm, &(ppl__product){ dtype, transposed_a != 0, transposed_b != 0,
                                            accumulate != 0, m, n, k, a, b, out, lda, ldb,
                                            ldc });
}

void ppl_maths_transpose(ppl_dtype dtype, size_t rows, size_t columns, const void *x,
                         void *y)
{
    ppl__kernels_for(dtype)->transpose(rows, columns, x, y);
}

/* SPDX-License-Identifier: MIT */
/*
 * maths_gemm.c - the matrix functions of kiln/maths.h: the runtime's own products,
 * transposition and activations, for operations written on the public headers.
 */
#include "impl.h"

void ppl_maths_gemm(ppl_ctx *c, ppl_dtype dtype, int transposed_a, int transposed_b,
                    size_t m, size_t n, size_t k, const void *a, size_t lda,
                    const void *b, size_t ldb, void *out, size_t ldc, int accumulate)
{
    ppl__gemm_run(c->gemm, &(ppl__product){ dtype, transposed_a != 0, transposed_b != 0,
                                            accumulate != 0, 0, m, n, k, a, b, out, lda,
                                            ldb, ldc });
}

typedef struct preparation {
    const ppl_ctx *ctx;
    ppl_dtype dtype;
    size_t n, k;
    const void *b;
    void *prepared;
} preparation;

static void prepare_rows(void *arg, size_t from, size_t to)
{
    const preparation *p = arg;

    enum { AT_ONCE = 64 };
    const size_t row = p->n * ppl__dtype_size(p->dtype);
    const void *b[AT_ONCE];

    for (size_t first = from, n; first < to; first += n) {
        n = to - first < AT_ONCE ? to - first : AT_ONCE;
        for (size_t i = 0; i < n; i++)
            b[i] = (const char *)p->b + (first + i) * row;
        ppl__gemm_pack(p->ctx->gemm, p->dtype, PPL__PANEL_B, n, p->n, b, p->k, first,
                       p->prepared);
    }
}

void ppl_maths_gemm_prepare(ppl_ctx *c, ppl_dtype dtype, int transposed_b, size_t n,
                            size_t k, const void *b, void *prepared)
{
    if (transposed_b)
        ppl__gemm_turn(c->gemm, dtype, n, k, b, prepared);
    else
        ppl_maths_split(c, k, 4000 / (n + 1) + 1, prepare_rows,
                        &(preparation){ c, dtype, n, k, b, prepared });
}

void ppl_maths_gemm_prepared(ppl_ctx *c, ppl_dtype dtype, size_t m, size_t n, size_t k,
                             const void *a, size_t lda, const void *prepared, void *out,
                             size_t ldc, int accumulate)
{
    ppl__gemm_run(c->gemm, &(ppl__product){ dtype, 0, 0, accumulate != 0, 1, m, n, k, a,
                                            prepared, out, lda, k, ldc });
}

void ppl_maths_transpose(ppl_dtype dtype, size_t rows, size_t columns, const void *x,
                         void *y)
{
    ppl__kernels_for(dtype)->transpose(rows, columns, x, y);
}

void ppl_maths_activate(ppl_dtype dtype, size_t rows, size_t columns, const void *bias,
                        const void *more, ppl_activation activation, void *y)
{
    ppl__kernels_for(dtype)->bias_activation(rows, columns, bias, more, (int)activation, y);
}

void ppl_maths_activate_vjp(ppl_dtype dtype, size_t n, ppl_activation activation,
                            const void *y, const void *g, const void *more, void *d)
{
    ppl__kernels_for(dtype)->activation_vjp(n, (int)activation, y, g, more, d);
}

void ppl_maths_add_rows(ppl_dtype dtype, size_t rows, size_t columns, const void *x,
                        size_t ldx, void *y)
{
    ppl__kernels_for(dtype)->add_rows(rows, columns, x, ldx, y);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_kernels_products.c - matrix products of every way to store the operands.
 */
#include "kernel_tests.h"

/* ---- Matrix products --------------------------------------------------------------- */

typedef struct matrix {
    int i, transposed;
    size_t ld;
    void *data;
} matrix;

static double entry(const matrix *a, size_t row, size_t column)
{
    size_t at = a->transposed ? column * a->ld + row : row * a->ld + column;
    return a->i == 0 ? (double)((float *)a->data)[at] : ((double *)a->data)[at];
}

/* [rows, columns], or transposed, with `gap` elements of NaN at the end of each row. */
static matrix matrix_make(int i, int transposed, size_t rows, size_t columns, size_t gap,
                          uint64_t seed)
{
    size_t lines = transposed ? columns : rows, length = transposed ? rows : columns;
    matrix a = { i, transposed, length + gap, NULL };
    a.data = malloc((lines * a.ld + 1) * (i == 0 ? sizeof(float) : sizeof(double)));
    ck_assert_ptr_nonnull(a.data);
    for (size_t n = 0; n < lines * a.ld; n++) {
        double value = n % a.ld < length ? uniform(&seed, -1, 1) : NAN;
        if (i == 0)
            ((float *)a.data)[n] = (float)value;
        else
            ((double *)a.data)[n] = value;
    }
    return a;
}

/* The matrix in panels with room for some more rows, which hold NaN; B turned if it is
 * transposed. */
static void *in_panels(int i, const ppl__gemm *gemm, int side, const matrix *x, size_t rows,
                       size_t columns, size_t room)
{
    size_t size = i == 0 ? sizeof(float) : sizeof(double);
    char *panels = malloc(room * columns * size + 1);
    ck_assert_ptr_nonnull(panels);
    memset(panels, -1, room * columns * size);
    if (x->transposed && side == PPL__PANEL_B) {
        ppl__gemm_turn(gemm, dtype_of(i), columns, rows, x->data, panels);
        return panels;
    }
    ppl__gemm_pack_zeros(gemm, dtype_of(i), side, rows, columns, room, 0, panels);
    for (size_t r = 0, count; r < rows; r += count) {
        const void *row[11];
        count = rows - r < 11 ? rows - r : 11;
        for (size_t k = 0; k < count; k++)
            row[k] = (char *)x->data + (r + k) * x->ld * size;
        ppl__gemm_pack(gemm, dtype_of(i), side, count, columns, row, room, r, panels);
    }
    return panels;
}

/* The product p, of operands in panels. */
static void run_in_panels(int i, ppl__gemm *gemm, ppl__product p, const matrix *a,
                          const matrix *b)
{
    int turned = b->transposed;
    size_t room = turned ? p.k : p.k + 3;
    p.b = in_panels(i, gemm, PPL__PANEL_B, b, p.k, p.n, room);
    p.ldb = room;
    if (p.transposed_a) {
        p.lda = p.k + 3;
        p.a = in_panels(i, gemm, PPL__PANEL_A, a, p.k, p.m, p.lda);
    }
    p.transposed_b = 0;
    p.panels = 1;
    ppl__gemm_run(gemm, &p);
    free((void *)(uintptr_t)p.b);
    if (p.transposed_a)
        free((void *)(uintptr_t)p.a);
}

/* A product of the shape by every way to store it; of large ones only some entries are
 * computed again. With PANELS, of operands in panels. */
enum { PANELS = 16 };
static void check_product(int i, ppl__gemm *gemm, size_t m, size_t n, size_t k, int way)
{
    size_t gap = way & 8 ? 3 : 0, step = m * n * k > 1000000 ? m * n / 50 : 1;
    int accumulate = (way & 4) != 0;
    matrix a = matrix_make(i, (way & 1) != 0, m, k, gap, 17);
    matrix b = matrix_make(i, (way & 2) != 0, k, n, way & PANELS && way & 2 ? 0 : gap, 18);
    matrix before = matrix_make(i, 0, m, n, gap, 19);
    matrix c = matrix_make(i, 0, m, n, gap, 19), again = matrix_make(i, 0, m, n, gap, 19);
    size_t size = m * c.ld * (i == 0 ? sizeof(float) : sizeof(double));

    if (!accumulate)
        memset(c.data, -1, size), memset(again.data, -1, size);     /* NaN */
    ppl__product p = { dtype_of(i), a.transposed, b.transposed, accumulate, 0, m, n, k,
                       a.data, b.data, c.data, a.ld, b.ld, c.ld };
    for (int run = 0; run < 2; run++, p.c = again.data)
        if (way & PANELS)
            run_in_panels(i, gemm, p, &a, &b);
        else
            ppl__gemm_run(gemm, &p);
    ck_assert_msg(memcmp(c.data, again.data, size) == 0, "%zux%zux%zu varies", m, n, k);
    for (size_t e = 0; e < m * n; e += step) {
        size_t row = e / n, column = e % n;
        double want = accumulate ? entry(&before, row, column) : 0, sum = fabs(want);
        for (size_t l = 0; l < k; l++) {
            want += entry(&a, row, l) * entry(&b, l, column);
            sum += fabs(entry(&a, row, l) * entry(&b, l, column));
        }
        ck_assert_msg(fabs(entry(&c, row, column) - want) <=
                          epsilon(i) * (1 + sqrt((double)k)) * sum,
                      "%zux%zux%zu way %d: [%zu,%zu] is %.17g, not %.17g", m, n, k, way,
                      row, column, entry(&c, row, column), want);
    }
    for (size_t row = 0; row < m; row++)
        for (size_t column = n; column < c.ld; column++)
            ck_assert_msg(isnan(entry(&c, row, column)), "written beyond a row's end");
    free(a.data), free(b.data), free(c.data), free(before.data), free(again.data);
}

START_TEST(products)
{
    static const size_t shapes[][3] = {
        { 1, 1, 1 },     { 2, 3, 4 },     { 3, 5, 7 },      { 4, 4, 4 },
        { 1, 17, 33 },   { 2, 16, 20 },   { 3, 100, 9 },    { 5, 64, 13 },
        { 7, 48, 300 },  { 9, 33, 16 },   { 10, 88, 100 },  { 13, 47, 260 },
        { 20, 88, 100 }, { 20, 100, 200 }, { 45, 50, 60 },  { 46, 31, 513 },
        { 90, 65, 193 }, { 97, 200, 209 }, { 100, 1, 50 },  { 1, 100, 1 },
        { 60, 1, 1 },    { 0, 3, 4 },     { 3, 0, 4 },      { 3, 4, 0 },
        { 150, 600, 384 }, { 600, 88, 400 }, { 300, 300, 300 },
    };
    ppl_ctx *c = context(_i);
    for (int s = 0; s < COUNT_OF(shapes); s++)
        for (int way = 0; way < 2 * PANELS; way++)
            check_product(_i, c->gemm, shapes[s][0], shapes[s][1], shapes[s][2], way);
    check_product(_i, c->gemm, 1000, 1001, 1002, 1);        /* left to the BLAS */
    ppl_ctx_free(c);
}
END_TEST

/* More shapes than are remembered at a time. */
START_TEST(many_shapes)
{
    ppl_ctx *c = context(_i);
    for (size_t m = 1; m <= 40; m++)
        for (size_t n = 1; n <= 40; n += 3)
            check_product(_i, c->gemm, m, n, 20, (int)((m + n) % (2 * PANELS)));
    ppl_ctx_free(c);
}
END_TEST

RUN_KERNELS("kernels_products", products, many_shapes)

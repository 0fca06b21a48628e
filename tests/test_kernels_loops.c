/* SPDX-License-Identifier: MIT */
/*
 * test_kernels_loops.c - the loops over elements that are no function of the table, those of
 * layers, and matrices by vectors, of every instruction set, against plain loops.
 */
#include "kernel_tests.h"

/* ---- The other loops over elements ------------------------------------------------- */

/* Runs `call` (of which y is the output, 0.25 before) for every table, and holds each
 * element against `want`, an expression in n. */
#define CHECK_LOOP(call, want)                                                           \
    do {                                                                                 \
        EACH_TABLE(k) {                                                                  \
            array *y = make(_i, 0.25);                                                   \
            k->call;                                                                     \
            for (size_t n = 0; n < MOST; n++) {                                          \
                double expected = want;                                                  \
                check_near(_i, #call, n, get(y, n), expected,                            \
                           isfinite(expected) ? 8 + fabs(expected) : 0);                 \
            }                                                                            \
            release(y);                                                                     \
        }                                                                                \
    } while (0)
#define X get(x, n)
#define A get(a, n)
#define B get(b, n)
#define G get(g, n)

START_TEST(simple_loops)
{
    array *a = scattered(_i, 8, -3, 3), *b = scattered(_i, 9, -3, 3), *g = adjoints(_i);
    array *w = scattered(_i, 10, 0, 1), *x = assorted(_i, 7);
    unsigned char mask[MOST];
    for (size_t n = 0; n < MOST; n++)
        mask[n] = (unsigned char)(n * 7 % 3 == 0 ? 0 : n % 2 ? 1 : 255);
    CHECK_LOOP(affine(MOST, 1.5, -0.5, from(a, 0), from(y, 0)), 1.5 * A - 0.5);
    CHECK_LOOP(axpy(MOST, -2, from(x, 0), from(y, 0)), 0.25 - 2 * X);
    CHECK_LOOP(add(MOST, from(x, 0), from(y, 0)), 0.25 + X);
    CHECK_LOOP(fill(MOST, 3.5, from(y, 0)), 3.5);
    CHECK_LOOP(clamp(MOST, -1, 2, from(x, 0), from(y, 0)), X < -1 ? -1 : X > 2 ? 2 : X);
    CHECK_LOOP(clamp_vjp(MOST, -1, 2, from(x, 0), from(g, 0), from(y, 0)),
               0.25 + (X >= -1 && X <= 2 ? G : 0));
    CHECK_LOOP(where(MOST, mask, from(x, 0), from(b, 0), from(y, 0)), mask[n] ? X : B);
    CHECK_LOOP(where_vjp(MOST, mask, 1, from(x, 0), from(y, 0)),
               0.25 + (mask[n] ? X : 0));
    CHECK_LOOP(where_vjp(MOST, mask, 0, from(x, 0), from(y, 0)),
               0.25 + (mask[n] ? 0 : X));
    CHECK_LOOP(lerp(MOST, from(a, 0), from(b, 0), from(w, 0), from(y, 0)),
               A + get(w, n) * (B - A));
    CHECK_LOOP(lerp_vjp(MOST, 0, from(a, 0), from(b, 0), from(x, 0), from(g, 0),
                        from(y, 0)),
               0.25 + (G == 0 ? 0 : G * (1 - X)));
    CHECK_LOOP(lerp_vjp(MOST, 1, from(a, 0), from(b, 0), from(x, 0), from(g, 0),
                        from(y, 0)),
               0.25 + (G == 0 ? 0 : G * X));
    CHECK_LOOP(lerp_vjp(MOST, 2, from(x, 0), from(b, 0), from(w, 0), from(g, 0),
                        from(y, 0)),
               0.25 + (G == 0 ? 0 : G * (B - X)));
    CHECK_LOOP(sincos(MOST, from(a, 0), from(y, 0), from(w, 0)), sin(A));
    CHECK_LOOP(sincos(MOST, from(a, 0), from(w, 0), from(y, 0)), cos(A));
}
END_TEST

START_TEST(sums_and_finiteness)
{
    array *x = scattered(_i, 11, -1, 3), *bad = scattered(_i, 11, -1, 3);
    EACH_TABLE(k) {
        double want = 0, squares = 0;
        for (size_t n = 0; n < 300; n++) {
            double sum = k->sum(n, from(x, 1));
            ck_assert_msg(fabs(sum - want) <= 1e-13 * (double)(n + 1),
                          "%s sum of %zu is %.17g, not %.17g", k->isa, n, sum, want);
            ck_assert(sum == k->sum(n, from(x, 1)));
            ck_assert(k->all_finite(n, from(x, 1)));
            double least = fmin(fmax(get(x, n), -0.5), 0.5);
            squares += 4 * least * least;
            ck_assert_msg(fabs(k->squares(n + 1, 0.5, 2, from(x, 0)) - squares) <=
                          1e-13 * (double)(n + 1), "%s squares of %zu", k->isa, n + 1);
            want += get(x, n + 1);
        }
        set(bad, 1, INFINITY);
        ck_assert(k->squares(2, INFINITY, 1, from(bad, 0)) == INFINITY);
        ck_assert(k->squares(1, 2, 1, from(bad, 1)) == 4);
        set(bad, 1, NAN);
        ck_assert(isnan(k->squares(2, 2, 1, from(bad, 0))));
        set(bad, 1, -1e30);
        for (size_t n = 0; n < 70; n++) {
            set(bad, n, n % 3 == 0 ? NAN : n % 3 == 1 ? INFINITY : -INFINITY);
            ck_assert(k->all_finite(n, from(bad, 0)));
            ck_assert(!k->all_finite(n + 1, from(bad, 0)));
            set(bad, n, -1e30);
        }
    }
}
END_TEST

/* All elements but one lie inside: whole pieces are found good up to that one. */
START_TEST(elements_within_bounds)
{
    static const struct { int kind; double low, high, inside, outside[3]; } row[] = {
        { PPL__OPEN, 0, INFINITY, 1e-40, { 0, INFINITY, NAN } },
        { PPL__OPEN, -INFINITY, INFINITY, -1e30, { -INFINITY, INFINITY, NAN } },
        { PPL__CLOSED, 0, 1, 1, { -1e-30, 1.5, NAN } },
        { PPL__EITHER, 0, 1, 0, { 0.5, -1, NAN } },
    };
    EACH_TABLE(k)
        for (int r = 0; r < COUNT_OF(row); r++) {
            array *x = make(_i, row[r].inside);
            for (size_t n = 0; n < 300; n += 1 + n / 9) {
                ck_assert(k->within(n, row[r].kind, row[r].low, row[r].high, from(x, 1)) ==
                          n);
                for (size_t at = 0; at < n; at += 1 + n / 11) {
                    set(x, at + 1, row[r].outside[at % 3]);
                    size_t found = k->within(n, row[r].kind, row[r].low, row[r].high,
                                             from(x, 1));
                    ck_assert_msg(found <= at && found + 128 > at, "%s %d: %zu of %zu",
                                  k->isa, r, found, at);
                    set(x, at + 1, row[r].inside);
                }
            }
            release(x);
        }
}
END_TEST

/* ---- Layers ------------------------------------------------------------------------ */

START_TEST(bias_and_activation)
{
    real (*const value[])(real) = { [PPL_RELU] = twin_relu, [PPL_TANH] = tanhl,
                                    [PPL_SIGMOID] = twin_sigmoid,
                                    [PPL_SOFTPLUS] = twin_softplus };
    real (*const slope[])(real) = { [PPL_RELU] = slope_relu, [PPL_TANH] = slope_tanh,
                                    [PPL_SIGMOID] = slope_sigmoid,
                                    [PPL_SOFTPLUS] = twin_sigmoid };
    array *x = scattered(_i, 14, -6, 6), *bias = scattered(_i, 15, -1, 1);
    array *g = adjoints(_i), *more = scattered(_i, 16, -1, 1);
    EACH_TABLE(k)
        for (int which = 0; which <= 4 * PPL_SOFTPLUS + 3; which++) {
            int activation = which / 4, biased = which % 2, added = which & 2;
            size_t rows = (size_t)which + 1, columns = 70 - 3 * (size_t)which;
            array *y = copy(x), *d = make(_i, 7);
            k->bias_activation(rows, columns, biased ? from(bias, 0) : NULL,
                               added ? from(more, 0) : NULL, activation, from(y, 0));
            k->activation_vjp(rows * columns, activation, from(y, 0), from(g, 0),
                              added ? from(more, 0) : NULL, from(d, 0));
            for (size_t n = 0; n < rows * columns; n++) {
                double m = added ? get(more, n) : 0;
                double z = get(x, n) + m + (biased ? get(bias, n % columns) : 0);
                double want = activation ? (double)value[activation]((real)z) : z;
                check_near(_i, "bias_activation", n, get(y, n), want, 8);
                want = get(g, n) + m;
                want *= activation ? (double)slope[activation]((real)z) : 1;
                check_near(_i, "activation_vjp", n, get(d, n), want, 8);
            }
            ck_assert(same_bits(y, rows * columns, x, rows * columns));
            ck_assert(get(d, rows * columns) == 7);
        }
}
END_TEST

START_TEST(transposition_and_row_sums)
{
    array *x = scattered(_i, 16, -1, 1);
    EACH_TABLE(k)
        for (size_t rows = 0; rows <= 45; rows += 1 + rows / 10)
            for (size_t columns = 0; columns <= 80; columns += 1 + columns / 7) {
                array *y = make(_i, 0), *z = make(_i, 0), *sum = make(_i, 2);
                size_t ldx = columns + 5 < MOST / 46 ? columns + 5 : columns;
                k->transpose(rows, columns, from(x, 0), from(y, 0));
                k->transpose_from(rows, columns, from(x, 0), ldx, from(z, 0));
                k->add_rows(rows, columns, from(x, 0), columns, from(sum, 0));
                for (size_t c = 0; c < columns; c++) {
                    double want = 2;
                    for (size_t r = 0; r < rows; r++) {
                        want += get(x, r * columns + c);
                        ck_assert(same_bits(y, c * rows + r, x, r * columns + c));
                        ck_assert(same_bits(z, c * rows + r, x, r * ldx + c));
                    }
                    check_near(_i, "add_rows", c, get(sum, c), want, 2 + fabs(want));
                }
                ck_assert(get(y, rows * columns) == 0 && get(z, rows * columns) == 0);
                ck_assert(get(sum, columns) == 2);
                release(y), release(z), release(sum);
            }
}
END_TEST

/* Rows of no numbers do not count where the vector is 0. */
START_TEST(matrices_by_vectors)
{
    array *a = scattered(_i, 17, -1, 1), *x = scattered(_i, 18, -1, 1);
    array *g = scattered(_i, 19, -1, 1);
    EACH_TABLE(k)
        for (size_t rows = 0; rows <= 45; rows += 1 + rows / 10)
            for (size_t columns = 0; columns <= 80; columns += 1 + columns / 7) {
                array *y = make(_i, 7), *sum = make(_i, 2), *hole = copy(a);
                for (size_t r = 0; r < rows; r += 3) {
                    set(g, r, 0);
                    set(hole, r * columns, columns > 0 ? (double)NAN : 1);
                }
                k->times_vector(rows, columns, from(a, 0), from(x, 0), from(y, 0));
                k->add_turned_times_vector(rows, columns, from(hole, 0), from(g, 0),
                                           from(sum, 0));
                for (size_t r = 0; r < rows; r++) {
                    double want = 0;
                    for (size_t c = 0; c < columns; c++)
                        want += get(a, r * columns + c) * get(x, c);
                    check_near(_i, "times_vector", r, get(y, r), want, 8);
                }
                for (size_t c = 0; c < columns; c++) {
                    double want = 2;
                    for (size_t r = 0; r < rows; r++)
                        want += r % 3 ? get(a, r * columns + c) * get(g, r) : 0;
                    check_near(_i, "add_turned_times_vector", c, get(sum, c), want, 8);
                }
                ck_assert(get(y, rows) == 7 && get(sum, columns) == 2);
                release(y), release(sum), release(hole);
            }
}
END_TEST

RUN_KERNELS("kernels_loops", simple_loops, sums_and_finiteness, elements_within_bounds,
            bias_and_activation, transposition_and_row_sums, matrices_by_vectors)

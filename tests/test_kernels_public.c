/* SPDX-License-Identifier: MIT */
/*
 * test_kernels_public.c - the public functions against golden numbers, at their edges, and
 * as those of the best table.
 */
#include "kernel_tests.h"
#include "golden_json.h"

/* ---- Public functions -------------------------------------------------------------- */

/* The golden [x, f(x)] at doubles that the dtype has; `of` may be NULL for trigamma. */
static void check_golden(int i, const char *name,
                         void (*of)(ppl_dtype, size_t, const void *, void *))
{
    json_t *root = golden_load("distributions.json");
    const json_t *pairs = json_object_get(root, name);
    size_t count = json_array_size(pairs);
    array *x = make(i, 1), *y = make(i, 0);
    ck_assert_uint_gt(count, 50);
    for (size_t n = 0; n < count; n++)
        set(x, n, golden_number(json_array_get(json_array_get(pairs, n), 0)));
    for (size_t n = 0; n < count && !of; n++)
        set(y, n, ppl_maths_trigamma_at(get(x, n)));
    if (of)
        of(dtype_of(i), count, from(x, 0), from(y, 0));
    for (size_t n = 0; n < count; n++) {
        double at = golden_number(json_array_get(json_array_get(pairs, n), 0));
        double want = golden_number(json_array_get(json_array_get(pairs, n), 1));
        if (get(x, n) != at)
            continue;
        double slack = epsilon(i) * (4 * fabs(want) + 4 * (at < 0));
        ck_assert_msg(fabs(get(y, n) - want) <= slack,
                      "%s(%.17g) = %.17g, not %.17g", name, at, get(y, n), want);
    }
    json_decref(root);
}

START_TEST(golden_numbers_of_gamma_functions)
{
    check_golden(_i, "lgamma", ppl_maths_lgamma);
    check_golden(_i, "digamma", ppl_maths_digamma);
    if (_i == 1)
        check_golden(_i, "trigamma", NULL);
}
END_TEST

START_TEST(edges)
{
    const struct { double x, digamma, trigamma, lgamma; } edge[] = {
        { 0.0, NAN, INFINITY, INFINITY },   { -0.0, NAN, INFINITY, INFINITY },
        { -3, NAN, INFINITY, INFINITY },    { -1e300, NAN, INFINITY, INFINITY },
        { INFINITY, INFINITY, 0, INFINITY }, { -INFINITY, NAN, NAN, INFINITY },
        { NAN, NAN, NAN, NAN },
    };
    for (int n = 0; n < COUNT_OF(edge); n++) {
        array *x = make(_i, edge[n].x), *y = make(_i, 0);
        ppl_maths_digamma(dtype_of(_i), 1, from(x, 0), from(y, 0));
        check_near(_i, "digamma", (size_t)n, get(y, 0), edge[n].digamma, 0);
        check_near(_i, "trigamma", (size_t)n, ppl_maths_trigamma_at(edge[n].x),
                   edge[n].trigamma, 0);
        ppl_maths_lgamma(dtype_of(_i), 1, from(x, 0), from(y, 0));
        check_near(_i, "lgamma", (size_t)n, get(y, 0), edge[n].lgamma, 0);
    }
}
END_TEST

START_TEST(public_functions_are_the_best_table)
{
    const ppl__kernels *k = ppl__kernels_at(dtype_of(_i), 0);
    array *x = assorted(_i, 20), *y = make(_i, 0), *z = make(_i, 0);
    ck_assert_ptr_eq(k, ppl__kernels_for(dtype_of(_i)));
#define CHECK_PUBLIC(name)                                                               \
    ppl_maths_##name(dtype_of(_i), MOST, from(x, 0), from(y, 0));                        \
    k->unary[PPL__UNARY_##name](MOST, from(x, 0), from(z, 0));                           \
    ck_assert_msg(memcmp(from(y, 0), from(z, 0), bytes(y)) == 0, #name);
    PPL_MATHS_MAP(CHECK_PUBLIC)
    x = scattered(_i, 21, -100, 100);
    ck_assert(ppl_maths_sum(dtype_of(_i), MOST, from(x, 0)) == k->sum(MOST, from(x, 0)));
    if (_i == 1) {
        ppl_maths_sincos(MOST, from(x, 0), from(y, 0), from(z, 0));
        for (size_t n = 0; n < MOST; n++) {
            ck_assert(ulps(_i, get(y, n), sinl((real)get(x, n))) <= 1);
            ck_assert(ulps(_i, get(z, n), cosl((real)get(x, n))) <= 1);
        }
    }
}
END_TEST

RUN_KERNELS("kernels_public", golden_numbers_of_gamma_functions, edges,
            public_functions_are_the_best_table)

/* SPDX-License-Identifier: MIT */
/*
 * test_special.c - the functions of kiln/maths.h against tests/golden/special.json: those
 * of one argument over arrays by every instruction set that this processor runs, in float
 * and double, and their derivatives where these are special functions too; those of
 * several arguments in double.
 *
 * A double may be off by 1e-13 of the value, a float by 4 ULP, or by what one ULP of the
 * arguments does to the function, which the table says, if that is more. With
 * KILN_ACCURACY=1 in the environment the largest errors found are printed, of results
 * that are not the golden number itself.
 */
#include "tensors.h"

#include "golden_json.h"
#include "runtime/impl.h"

#include <float.h>

/* One row of the table. */
enum { MOST_ARGUMENTS = 4, MOST_ROWS = 511 };
typedef struct point {
    double at[MOST_ARGUMENTS], value, effect;
} point;

typedef struct table {
    const char *name;
    int count;
    point row[MOST_ROWS];
} table;

static int has_table(const json_t *root, const char *name)
{
    return json_object_get(root, name) != NULL;
}

static void table_read(table *t, const json_t *root, const char *name, int arguments)
{
    const json_t *rows = json_object_get(root, name);
    t->name = name;
    t->count = (int)json_array_size(rows);
    ck_assert_msg(t->count >= 20, "%s has %d golden rows", name, t->count);
    ck_assert_int_le(t->count, MOST_ROWS);
    for (int n = 0; n < t->count; n++) {
        const json_t *row = json_array_get(rows, (size_t)n);
        const json_t *at = json_array_get(row, 0);
        ck_assert_int_eq((int)json_array_size(at), arguments);
        for (int k = 0; k < arguments; k++)
            t->row[n].at[k] = golden_number(json_array_get(at, (size_t)k));
        t->row[n].value = golden_number(json_array_get(row, 1));
        t->row[n].effect = golden_number(json_array_get(row, 2));
    }
}

/* Only the rows whose argument is a float. */
static void keep_floats(table *t)
{
    int kept = 0;
    for (int n = 0; n < t->count; n++)
        if ((double)(float)t->row[n].at[0] == t->row[n].at[0] || isnan(t->row[n].at[0]))
            t->row[kept++] = t->row[n];
    t->count = kept;
    ck_assert_int_ge(kept, 20);
}

/* ---- Errors ------------------------------------------------------------------------ */

/* The distance to the next float or double away from 0. */
static double spacing(int i, double value)
{
    const double size = fmin(fabs(value), i == 0 ? FLT_MAX / 2 : DBL_MAX / 2);
    return i == 0 ? (double)(nextafterf((float)size, INFINITY) - (float)size)
                  : nextafter(size, INFINITY) - size;
}

/* The largest errors of one function: where one ULP of the arguments does less than the
 * bound, in ULP or of the value; and elsewhere, in units of that effect. */
typedef struct worst {
    double error, of_effect;
    point where, where_of_effect;
} worst;

/* The bound of an error, in the same units. */
static double bound(int i)
{
    return i == 0 ? 4 : 1e-13;
}

static double error_of(int i, double got, double value)
{
    const double unit = i == 0 ? spacing(i, value) : fmax(fabs(value), DBL_MIN);
    return fabs(got - value) / unit;
}

static void check_point(int i, const char *what, const char *name, int arguments,
                        const point *p, double got, worst *w)
{
    const double value = i == 0 ? (double)(float)p->value : p->value;
    if (got == value || (isnan(got) && isnan(value)))
        return;
    char at[200] = "";
    for (int k = 0, used = 0; k < arguments; k++)
        used += snprintf(at + used, sizeof at - (size_t)used, "%s%.17g", k ? ", " : "",
                         p->at[k]);
    ck_assert_msg(isfinite(got) && isfinite(value), "%s: %s(%s) = %.17g, not %.17g", what,
                  name, at, got, value);
    /* In the units of error_of. A float's ULP is 2^29 of a double's. */
    const double effect = i == 0 ? p->effect * 0x1p29 * fabs(value) / spacing(i, value)
                                 : value == 0 ? p->effect / DBL_MIN : p->effect;
    const double error = error_of(i, got, p->value);
    if (effect <= bound(i) && error > w->error) {
        w->error = error;
        w->where = *p;
    } else if (effect > bound(i) && error / effect > w->of_effect) {
        w->of_effect = error / effect;
        w->where_of_effect = *p;
    }
    /* Two denormals have no digits that could be wrong. */
    const int tiny = fabs(got - value) <= 2 * spacing(i, 0);
    ck_assert_msg(tiny || error <= fmax(bound(i), effect),
                  "%s: %s(%s) = %.17g, not %.17g: off by %.3g, one ULP does %.3g", what,
                  name, at, got, value, error, effect);
}

static void report(int i, const char *what, const char *name, int arguments,
                   const worst *w)
{
    if (!getenv("KILN_ACCURACY"))
        return;
    printf("%-8s %-20s %9.2g %s at %.6g", what, name, w->error, i == 0 ? "ULP" : "",
           w->where.at[0]);
    for (int k = 1; k < arguments; k++)
        printf(", %.6g", w->where.at[k]);
    if (w->of_effect > 0) {
        printf("; %.2g of an ULP's effect at %.6g", w->of_effect,
               w->where_of_effect.at[0]);
        for (int k = 1; k < arguments; k++)
            printf(", %.6g", w->where_of_effect.at[k]);
    }
    printf("\n");
}

/* ---- One argument ------------------------------------------------------------------ */

static const struct unary {
    const char *name;
    int row;
    void (*over)(ppl_dtype, size_t, const void *, void *);
    double (*at)(double);
} unary[] = {
#define UNARY(name) { #name, PPL__UNARY_##name, ppl_maths_##name, ppl_maths_##name##_at },
    PPL_MATHS_MAP(UNARY)
#undef UNARY
};

typedef union array {
    float f32[MOST_ROWS];
    double f64[MOST_ROWS];
} array;

static double get(int i, const array *a, int n)
{
    return i == 0 ? (double)a->f32[n] : a->f64[n];
}

static void *from(int i, array *a, int n)
{
    return i == 0 ? (void *)&a->f32[n] : (void *)&a->f64[n];
}

static void set(int i, array *a, int n, double value)
{
    if (i == 0)
        a->f32[n] = (float)value;
    else
        a->f64[n] = value;
}

static table t;                     /* of the function under test */

static void arguments_of(int i, array *x)
{
    for (int n = 0; n < t.count; n++)
        set(i, x, n, t.row[n].at[0]);
}

#define EACH_TABLE(k)                                                                    \
    const ppl__kernels *k;                                                               \
    for (int isa = 0; (k = ppl__kernels_at(_i == 0 ? PPL_F32 : PPL_F64, isa)) != NULL;   \
         isa++)

START_TEST(values)
{
    json_t *root = golden_load("special.json");
    for (int f = 0; f < COUNT_OF(unary); f++) {
        array x, y;
        table_read(&t, root, unary[f].name, 1);
        if (_i == 0)
            keep_floats(&t);
        arguments_of(_i, &x);
        EACH_TABLE(k) {
            worst w = { 0 };
            k->unary[unary[f].row]((size_t)t.count, &x, &y);
            for (int n = 0; n < t.count; n++)
                check_point(_i, k->isa, t.name, 1, &t.row[n], get(_i, &y, n), &w);
            report(_i, k->isa, t.name, 1, &w);
        }
    }
    json_decref(root);
}
END_TEST

/* The derivatives that the table has, as a backward loop makes them. */
START_TEST(derivatives)
{
    json_t *root = golden_load("special.json");
    int found = 0;
    for (int f = 0; f < COUNT_OF(unary); f++) {
        char name[100];
        array x, y, one, slope;
        snprintf(name, sizeof name, "%s_slope", unary[f].name);
        if (!has_table(root, name))
            continue;
        found++;
        table_read(&t, root, name, 1);
        if (_i == 0)
            keep_floats(&t);
        arguments_of(_i, &x);
        EACH_TABLE(k) {
            worst w = { 0 };
            for (int n = 0; n < t.count; n++) {
                set(_i, &one, n, 1);
                set(_i, &slope, n, 0);
            }
            k->unary[unary[f].row]((size_t)t.count, &x, &y);
            k->unary_vjp[unary[f].row]((size_t)t.count, &x, &y, &one, &slope);
            for (int n = 0; n < t.count; n++)
                check_point(_i, k->isa, name, 1, &t.row[n], get(_i, &slope, n), &w);
            report(_i, k->isa, name, 1, &w);
        }
    }
    ck_assert_int_eq(found, 9);
    json_decref(root);
}
END_TEST

/* Pieces of every odd length from any place give the same bits as the whole, and so do
 * the functions of one double. */
START_TEST(pieces_and_single_points)
{
    const size_t size = _i == 0 ? sizeof(float) : sizeof(double);
    const ppl_dtype dtype = _i == 0 ? PPL_F32 : PPL_F64;
    json_t *root = golden_load("special.json");
    for (int f = 0; f < COUNT_OF(unary); f++) {
        array x, whole, piece;
        table_read(&t, root, unary[f].name, 1);
        arguments_of(_i, &x);
        unary[f].over(dtype, (size_t)t.count, &x, &whole);
        for (int start = 0, n = 1; start + n <= t.count; start += n, n = n % 37 + 2) {
            unary[f].over(dtype, (size_t)n, from(_i, &x, start), &piece);
            ck_assert_msg(memcmp(&piece, from(_i, &whole, start), (size_t)n * size) == 0,
                          "%s of %d elements from %d", t.name, n, start);
        }
        for (int n = 0; n < t.count && _i == 1; n++) {
            const double y = unary[f].at(x.f64[n]);
            ck_assert_msg(memcmp(&y, &whole.f64[n], sizeof y) == 0, "%s_at(%.17g)",
                          t.name, x.f64[n]);
        }
    }
    json_decref(root);
}
END_TEST

/* ---- Several arguments ------------------------------------------------------------- */

static double gamma_p(const double *x) { return ppl_maths_gamma_p(x[0], x[1]); }
static double gamma_q(const double *x) { return ppl_maths_gamma_q(x[0], x[1]); }
static double gamma_p_inverse(const double *x)
{
    return ppl_maths_gamma_p_inverse(x[0], x[1]);
}
static double gamma_q_inverse(const double *x)
{
    return ppl_maths_gamma_q_inverse(x[0], x[1]);
}
static double gamma_p_slope(const double *x)
{
    return ppl_maths_gamma_p_slope(x[0], x[1]);
}
static double gamma_slope(const double *x)
{
    return ppl_maths_gamma_slope(x[0], x[1], log(x[1]));
}
static double beta_i(const double *x) { return ppl_maths_beta_i(x[0], x[1], x[2]); }
static double beta_i_inverse(const double *x)
{
    return ppl_maths_beta_i_inverse(x[0], x[1], x[2]);
}
static double beta_i_split(const double *x)
{
    return ppl_maths_beta_i_split(x[0], x[1], x[2], x[3]);
}
static double beta_i_slope_a(const double *x)
{
    double slope[2];
    ppl_maths_beta_i_slopes(x[0], x[1], x[2], slope);
    return slope[0];
}
static double beta_i_slope_b(const double *x)
{
    double slope[2];
    ppl_maths_beta_i_slopes(x[0], x[1], x[2], slope);
    return slope[1];
}
static double beta_i_split_slope_a(const double *x)
{
    double slope[2];
    ppl_maths_beta_i_split_slopes(x[0], x[1], x[2], x[3], slope);
    return slope[0];
}
static double beta_i_split_slope_b(const double *x)
{
    double slope[2];
    ppl_maths_beta_i_split_slopes(x[0], x[1], x[2], x[3], slope);
    return slope[1];
}
static double polygamma(const double *x)
{
    return ppl_maths_polygamma((int)x[0], x[1]);
}
static double digamma_rise(const double *x) { return ppl_maths_digamma_rise(x[0], x[1]); }
static double log_beta(const double *x) { return ppl_maths_log_beta(x[0], x[1]); }
static double log_bessel_i(const double *x)
{
    return ppl_maths_log_bessel_i(x[0], x[1]);
}
static double owens_t(const double *x) { return ppl_maths_owens_t(x[0], x[1]); }

static const struct several {
    const char *name;
    int arguments;
    double (*of)(const double *x);
} several[] = {
    { "gamma_p", 2, gamma_p },
    { "gamma_q", 2, gamma_q },
    { "gamma_p_inverse", 2, gamma_p_inverse },
    { "gamma_q_inverse", 2, gamma_q_inverse },
    { "gamma_p_slope", 2, gamma_p_slope },
    { "gamma_slope", 2, gamma_slope },
    { "beta_i", 3, beta_i },
    { "beta_i_split", 4, beta_i_split },
    { "beta_i_inverse", 3, beta_i_inverse },
    { "beta_i_slope_a", 3, beta_i_slope_a },
    { "beta_i_slope_b", 3, beta_i_slope_b },
    { "beta_i_split_slope_a", 4, beta_i_split_slope_a },
    { "beta_i_split_slope_b", 4, beta_i_split_slope_b },
    { "polygamma", 2, polygamma },
    { "digamma_rise", 2, digamma_rise },
    { "log_beta", 2, log_beta },
    { "log_bessel_i", 2, log_bessel_i },
    { "owens_t", 2, owens_t },
};

START_TEST(of_several_arguments)
{
    json_t *root = golden_load("special.json");
    for (int f = 0; f < COUNT_OF(several) && _i == 1; f++) {
        worst w = { 0 };
        table_read(&t, root, several[f].name, several[f].arguments);
        for (int n = 0; n < t.count; n++)
            check_point(_i, "double", t.name, several[f].arguments, &t.row[n],
                        several[f].of(t.row[n].at), &w);
        report(_i, "double", t.name, several[f].arguments, &w);
    }
    json_decref(root);
}
END_TEST

int main(void)
{
    return run_tests("special", (const TTest *const[]){
        values, derivatives, pieces_and_single_points, of_several_arguments, NULL });
}

/* SPDX-License-Identifier: MIT */
/*
 * test_fn_args.c - arguments and results of C functions called by their natural
 * signatures: every type, structs by value, how prototypes are read, what does not fit and
 * what is said of it.
 */
#include "inference.h"

#include <kiln/functions.h>

#include <float.h>
#include <stdbool.h>
#include <stdio.h>

#define NOWHERE PPL_ARG(NULL)

/* The made function, or the test fails with the reason. */
static ppl_fn *made(ppl_fn *f)
{
    ck_assert_msg(f != NULL, "%s", ppl_error_text(c));
    return f;
}

/* ---- Every type -------------------------------------------------------------------- */

/* One function a type: it returns its argument, so what goes in must come out. */
#define IDENTITY(name, member, type)                                                       \
    static type same_##name(type x)                                                        \
    {                                                                                      \
        return x;                                                                          \
    }
PPL_TYPE_MAP(IDENTITY)

#define CHECK_VALUE(name, type, x)                                                         \
    do {                                                                                   \
        type in = (x), out = 0;                                                            \
        ppl_fn *f = made(ppl_fn_make(c, (ppl_code)same_##name, #type " same(" #type ")")); \
                                                                                           \
        OK(ppl_fn_call(c, f, PPL_ARGS(in), PPL_ARG(&out)));                                \
        ck_assert_msg(memcmp(&in, &out, sizeof in) == 0, #type " " #x " comes out "        \
                      "otherwise");                                                        \
    } while (0)

START_TEST(numbers_of_every_type)
{
    begin(_i);
    CHECK_VALUE(BOOL, _Bool, 0);
    CHECK_VALUE(BOOL, _Bool, 1);
    CHECK_VALUE(CHAR, char, CHAR_MIN);
    CHECK_VALUE(CHAR, char, CHAR_MAX);
    CHECK_VALUE(SCHAR, signed char, SCHAR_MIN);
    CHECK_VALUE(UCHAR, unsigned char, UCHAR_MAX);
    CHECK_VALUE(SHORT, short, SHRT_MIN);
    CHECK_VALUE(USHORT, unsigned short, USHRT_MAX);
    CHECK_VALUE(INT, int, INT_MIN);
    CHECK_VALUE(INT, int, INT_MAX);
    CHECK_VALUE(UINT, unsigned int, UINT_MAX);
    CHECK_VALUE(LONG, long, LONG_MIN);
    CHECK_VALUE(ULONG, unsigned long, ULONG_MAX);
    CHECK_VALUE(LLONG, long long, LLONG_MIN);
    CHECK_VALUE(ULLONG, unsigned long long, ULLONG_MAX);
    CHECK_VALUE(FLOAT, float, FLT_MIN);
    CHECK_VALUE(FLOAT, float, -INFINITY);
    CHECK_VALUE(DOUBLE, double, DBL_MAX);
    CHECK_VALUE(DOUBLE, double, -1e-300);
    end();
}
END_TEST

/* An integer of any type goes where it fits; a double goes into a float rounded. */
START_TEST(numbers_that_fit)
{
    signed char small = 0;
    uint64_t large = 0;
    float f = 0;

    begin(_i);
    OK(ppl_fn_call(c, PPL_FN(c, signed char, same_SCHAR, (signed char x)), PPL_ARGS(-128LL),
                   PPL_ARG(&small)));
    ck_assert_int_eq(small, -128);
    OK(ppl_fn_call(c, ppl_fn_make(c, (ppl_code)same_ULONG, "size_t f(size_t n)"),
                   PPL_ARGS((short)7), PPL_ARG(&large)));
    ck_assert_uint_eq(large, 7);
    OK(ppl_fn_call(c, ppl_fn_make(c, (ppl_code)same_ULONG, "uint64_t f(uint64_t)"),
                   PPL_ARGS(true), PPL_ARG(&large)));
    ck_assert_uint_eq(large, 1);
    OK(ppl_fn_call(c, PPL_FN(c, float, same_FLOAT, (float x)), PPL_ARGS(0.1), PPL_ARG(&f)));
    ck_assert_float_eq(f, 0.1f);
    end();
}
END_TEST

/* Sixteen arguments of mixed types and the context in their midst. */
static double weigh(bool a, signed char b, uint8_t d, short e, unsigned short g, int h,
                    unsigned i, ppl_ctx *ctx, long j, uint64_t k, float l, double m,
                    const double *n, ppl_tensor *o, char p, long long q, float r)
{
    return ctx != NULL ? a + 2.0 * b + 3.0 * d + 4.0 * e + 5.0 * g + 6.0 * h + 7.0 * i +
                             8.0 * (double)j + 9.0 * (double)k + 10.0 * (double)l + 11.0 * m +
                             12 * *n + 13 * ppl_item(o) + 14.0 * p + 15.0 * (double)q +
                             16.0 * (double)r
                       : 0;
}

START_TEST(sixteen_arguments)
{
    double sum = 0, n = 0.125;

    begin(_i);
    ppl_fn *f = PPL_FN(c, double, weigh,
                       (bool a, signed char b, uint8_t d, short e, unsigned short g, int h,
                        unsigned i, ppl_ctx *ctx, long j, uint64_t k, float l, double m,
                        const double *n, ppl_tensor *o, char p, long long q, float r));
    OK(ppl_fn_call(c, made(f),
                   PPL_ARGS(1, -2, 3, -4, 5, -6, 7, -8, 9, 0.5, -0.25, &n, number(2), 'a',
                            -15, 0.75f),
                   PPL_ARG(&sum)));
    ck_assert_double_eq(sum, 1 - 4 + 9 - 16 + 25 - 36 + 49 - 64 + 81 + 5 - 2.75 + 1.5 + 26 +
                                 14 * 'a' - 225 + 12);
    end();
}
END_TEST

typedef struct pair { double x; int32_t n; } pair;
typedef struct tiny { unsigned char r, g, b; } tiny;
typedef struct wide { pair p[2]; float *where; tiny t; short s; } wide;

static pair turn(pair p, tiny t)
{
    return (pair){ (double)p.n + t.b, (int32_t)p.x + t.r };
}

static wide widen(wide w, ppl_ctx *ctx, float by)
{
    (void)ctx;
    w.p[1].x += (double)by;
    *w.where = by;
    w.t.g++;
    w.s = (short)(w.s * 2);
    return w;
}

START_TEST(structs_by_value)
{
    pair p = { 2.0, 3 };
    tiny t = { 10, 20, 30 };
    float f = 0;
    wide w = { { { 1, 2 }, { 3, 4 } }, &f, { 5, 6, 7 }, -8 };

    begin(_i);
    OK(PPL_STRUCT(c, pair, "double x; int32_t n;"));
    OK(PPL_STRUCT(c, struct tiny, "unsigned char r, g, b;"));
    OK(PPL_STRUCT(c, wide, "pair p[2]; float *where; struct tiny t; short s;"));
    OK(ppl_fn_call(c, made(PPL_FN(c, pair, turn, (pair p, tiny t))),
                   PPL_ARGS(PPL_BY_VALUE(pair, p), PPL_BY_VALUE(tiny, t)),
                   PPL_BY_VALUE(pair, p)));
    ck_assert_double_eq(p.x, 33);
    ck_assert_int_eq(p.n, 12);
    OK(ppl_fn_call(c, made(PPL_FN(c, struct wide, widen, (wide w, ppl_ctx *x, float by))),
                   PPL_ARGS(PPL_BY_VALUE(struct wide, w), 0.5), PPL_BY_VALUE(wide, w)));
    ck_assert_double_eq(w.p[1].x, 3.5);
    ck_assert_int_eq(w.p[1].n, 4);
    ck_assert_int_eq(w.t.g, 7);
    ck_assert_int_eq(w.s, -16);
    ck_assert_float_eq(f, 0.5f);
    OK(ppl_fn_call(c, PPL_FN(c, pair, turn, (pair p, tiny t)),
                   PPL_ARGS(PPL_BY_VALUE(pair, p), PPL_BY_VALUE(tiny, t)), NOWHERE));
    end();
}
END_TEST

/* ---- What does not fit ------------------------------------------------------------- */

typedef struct batch { int n; } batch;

static int calls;

static void declared(ppl_ctx *ctx, const batch *b, double beta, signed char n,
                     const int *index, ppl_tensor *z)
{
    (void)ctx, (void)b, (void)beta, (void)n, (void)index, (void)z;
    calls++;
}
#define DECLARED                                                                           \
    PPL_FN(c, void, declared, (ppl_ctx *ctx, const batch *b, double beta, signed char n,   \
                               const int *index, ppl_tensor *z))
#define TEXT                                                                               \
    "void declared(ppl_ctx *ctx, const batch *b, double beta, signed char n, const int "   \
    "*index, ppl_tensor *z)"

#define REFUSED(f, args, text) FAILS(ppl_fn_call(c, f, args, NOWHERE), PPL_EINVAL, text)

START_TEST(arguments_that_do_not_fit)
{
    batch b = { 1 };
    int index = 0;
    double x = 0;
    unsigned u = 0;
    ppl_tensor *z;
    ppl_fn *f;

    begin(_i);
    z = number(1);
    f = made(DECLARED);
    calls = 0;
    OK(ppl_fn_call(c, f, PPL_ARGS(&b, 0.5, 3, &index, z), NOWHERE));
    OK(ppl_fn_call(c, f, PPL_ARGS(PPL_POINTER(batch, &b), 0.5f, 3u, NULL, NULL), NOWHERE));
    OK(ppl_fn_call(c, f, PPL_ARGS(PPL_POINTER(struct batch, &b), 0.5, true, (void *)&index,
                                  z), NOWHERE));
    ck_assert_int_eq(calls, 3);
    REFUSED(f, PPL_ARGS(&b, 3, 3, &index, z), "declared: argument 2 is declared \"double "
            "beta\" and given int 3; give a floating number, as in 3.0");
    REFUSED(f, PPL_ARGS(&b, 0.5, 128, &index, z), "declared: argument 3 is declared "
            "\"signed char n\" and given int 128; give an integer that signed char can hold");
    REFUSED(f, PPL_ARGS(&b, 0.5, ULLONG_MAX, &index, z), "declared: argument 3 is "
            "declared \"signed char n\" and given unsigned long long "
            "18446744073709551615; give an integer that signed char can hold");
    REFUSED(f, PPL_ARGS(&b, 0.5, 1.0, &index, z), "declared: argument 3 is declared "
            "\"signed char n\" and given double 1; give an integer that signed char can "
            "hold");
    REFUSED(f, PPL_ARGS(&x, 0.5, 1, &index, z), "declared: argument 1 is declared "
            "\"const batch *b\" and given double *; give a pointer to batch");
    REFUSED(f, PPL_ARGS(PPL_POINTER(pair, (pair *)NULL), 0.5, 1, &index, z), "declared: "
            "argument 1 is declared \"const batch *b\" and given pair *; give a pointer "
            "to batch");
    REFUSED(f, PPL_ARGS(b.n, 0.5, 1, &index, z), "declared: argument 1 is declared "
            "\"const batch *b\" and given int 1; give a pointer to batch");
    REFUSED(f, PPL_ARGS(&b, 0.5, 1, &u, z), "declared: argument 4 is declared \"const "
            "int *index\" and given unsigned int *; give a pointer to int");
    REFUSED(f, PPL_ARGS(&b, 0.5, 1, &b, z), "declared: argument 4 is declared \"const "
            "int *index\" and given a pointer; give a pointer to int");
    REFUSED(f, PPL_ARGS(&b, 0.5, 1, z, z), "declared: argument 4 is declared \"const int "
            "*index\" and given ppl_tensor *; give a pointer to int");
    REFUSED(f, PPL_ARGS(&b, 0.5, 1, &index, &b), "declared: argument 5 is declared "
            "\"ppl_tensor *z\" and given a pointer; give a tensor (ppl_tensor *)");
    REFUSED(f, PPL_ARGS(&b, 0.5, 1, &index, (void *)&b), "declared: argument 5 is "
            "declared \"ppl_tensor *z\" and given void *; give a tensor (ppl_tensor *)");
    REFUSED(f, PPL_ARGS(PPL_BY_VALUE(batch, b), 0.5, 1, &index, z), "declared: argument "
            "1 is declared \"const batch *b\" and given struct batch; give a pointer to "
            "batch");
    ck_assert_int_eq(calls, 3);
    end();
}
END_TEST

START_TEST(lists_that_do_not_fit)
{
    batch b = { 1 };
    ppl_fn *f;

    begin(_i);
    f = made(DECLARED);
    calls = 0;
    REFUSED(f, PPL_ARGS(&b, 0.5, 3), "declared: 3 arguments given and 5 declared; pass "
            "what \"" TEXT "\" takes, without contexts");
    REFUSED(f, PPL_ARGS(&b), "declared: 1 argument given and 5 declared; pass what "
            "\"" TEXT "\" takes, without contexts");
    REFUSED(f, NULL, "declared: 0 arguments given and 5 declared; pass what \"" TEXT "\" "
            "takes, without contexts");
    /* As a model: its arg must be a list. */
    FAILS(ppl_run(c, ppl_fn_model(f), &(ppl_arg){ 0 }, NULL), PPL_EINVAL,
          "declared: what was passed as its arguments is no list of arguments; pass "
          "PPL_ARGS(..), for \"" TEXT "\"");
    ck_assert_int_eq(calls, 0);
    FAILS(ppl_fn_call(c, NULL, NULL, NOWHERE), PPL_EINVAL, "the function is NULL; its "
          "making may have failed, and ppl_error_text told why");
    end();
}
END_TEST

START_TEST(results_that_do_not_fit)
{
    float f = 1;
    double d = 1;
    pair p = { 1, 1 };
    tiny t = { 1, 1, 1 };
    ppl_fn *g, *h;

    begin(_i);
    OK(PPL_STRUCT(c, pair, "double x; int32_t n;"));
    OK(PPL_STRUCT(c, tiny, "unsigned char r, g, b;"));
    g = PPL_FN(c, double, same_DOUBLE, (double x));
    h = PPL_FN(c, pair, turn, (pair p, tiny t));
    FAILS(ppl_fn_call(c, g, PPL_ARGS(1.0), PPL_ARG(&f)), PPL_EINVAL, "same_DOUBLE: its "
          "result is \"double same_DOUBLE\" and is to go into float *; give PPL_ARG(&x) "
          "with x of that type (PPL_BY_VALUE for a struct), or PPL_ARG(NULL)");
    FAILS(ppl_fn_call(c, g, PPL_ARGS(1.0), PPL_ARG(d)), PPL_EINVAL, "same_DOUBLE: its "
          "result is \"double same_DOUBLE\" and is to go into double 1; give PPL_ARG(&x) "
          "with x of that type (PPL_BY_VALUE for a struct), or PPL_ARG(NULL)");
    FAILS(ppl_fn_call(c, h, PPL_ARGS(PPL_BY_VALUE(pair, p), PPL_BY_VALUE(tiny, t)),
                      PPL_BY_VALUE(tiny, t)), PPL_EINVAL, "turn: its result is \"pair "
          "turn\" and is to go into struct tiny; give PPL_ARG(&x) with x of that type "
          "(PPL_BY_VALUE for a struct), or PPL_ARG(NULL)");
    FAILS(ppl_fn_call(c, h, PPL_ARGS(PPL_BY_VALUE(tiny, t), PPL_BY_VALUE(tiny, t)),
                      PPL_BY_VALUE(pair, p)), PPL_EINVAL, "turn: argument 1 is declared "
          "\"pair p\" and given struct tiny; give PPL_BY_VALUE(pair, variable)");
    ck_assert(f == 1 && t.r == 1);
    ck_assert_double_eq(p.x, 0);            /* nothing came of it */
    FAILS(ppl_fn_call(c, made(DECLARED), NULL, PPL_ARG(&d)), PPL_EINVAL, "declared: its "
          "result is \"void declared\" and is to go into double *; give PPL_ARG(&x) with "
          "x of that type (PPL_BY_VALUE for a struct), or PPL_ARG(NULL)");
    end();
}
END_TEST

/* ---- Prototypes -------------------------------------------------------------------- */

/* What is read: the type of each parameter, by its class and size. */
START_TEST(prototypes_are_read)
{
    static const char *const same[] = {
        "long same(long)", "long int same (long int x);", "  signed long int\tsame(long x)",
        "int64_t same(const int64_t x)", "extern long same(register long)",
        "ptrdiff_t same(intptr_t x)", "long same(ppl_ctx *, long)", NULL };
    static double *const none;
    long out;

    begin(_i);
    for (int i = 0; same[i] != NULL; i++) {
        ppl_fn *f;

        if (strstr(same[i], "ppl_ctx") != NULL || sizeof(long) != 8)
            continue;
        f = made(ppl_fn_make(c, (ppl_code)same_LONG, same[i]));
        OK(ppl_fn_call(c, f, PPL_ARGS(5), PPL_ARG(&out)));
        ck_assert_int_eq(out, 5);
    }
    /* Pointers of all sorts; each takes a NULL and none of them a number. */
    for (int i = 0; i < 9; i++) {
        static const char *const param[] = {
            "double *", "const double x[3]", "void *", "char **argv", "const batch *b",
            "void (*callback)(int, double *)", "double (*grid)[3]", "struct batch const *b",
            "long double *x" };
        char text[128], error[256];
        ppl_fn *f;

        snprintf(text, sizeof text, "unsigned long same(%s)", param[i]);
        f = made(ppl_fn_make(c, (ppl_code)same_ULONG, text));
        OK(ppl_fn_call(c, f, PPL_ARGS(NULL), NOWHERE));
        ck_assert_int_eq(ppl_fn_call(c, f, PPL_ARGS(1), NOWHERE), PPL_EINVAL);
        snprintf(error, sizeof error, "same: argument 1 is declared \"%s\" and given int 1",
                 param[i]);
        ck_assert_msg(strncmp(ppl_error_text(c), error, strlen(error)) == 0, "%s",
                      ppl_error_text(c));
    }
    OK(ppl_fn_call(c, ppl_fn_make(c, (ppl_code)same_ULONG, "enum colour same(enum colour x)"),
                   PPL_ARGS(2), NOWHERE));
    OK(ppl_fn_call(c, ppl_fn_make(c, (ppl_code)same_ULONG, "double *same(double *x)"),
                   PPL_ARGS(none), NOWHERE));
    end();
}
END_TEST

START_TEST(prototypes_are_refused)
{
    static const struct {
        const char *prototype, *text;
    } row[] = {
        { "", "a name is empty; give it at least one character" },
        { "model", "the prototype: it must read as in C: result name(parameters); it "
          "reads \"model\"" },
        { "model(int x)", "the prototype: it must read as in C: result name(parameters); "
          "it reads \"model(int x)\"" },
        { "void f(", "the prototype: a type is missing; it reads \"void f(\"" },
        { "void f(int x", "the prototype: the list of parameters is not closed; it reads "
          "\"void f(int x\"" },
        { "void f(int x) x", "the prototype: something follows the parameters; it reads "
          "\"void f(int x) x\"" },
        { "void f(int, ...)", "the prototype: a function of any number of arguments "
          "cannot be called; wrap it in one of a fixed number; it reads \"void f(int, ...)\"" },
        { "void f(point p)", "the prototype: point is no type that is known; describe it "
          "before by ppl_declare_struct, or pass a pointer; it reads \"void f(point p)\"" },
        { "void f(long double x)", "the prototype: long double cannot be passed; pass a "
          "double or a pointer; it reads \"void f(long double x)\"" },
        { "void f(double _Complex x)", "the prototype: unions, complex and atomic "
          "numbers cannot be passed; pass a pointer; it reads \"void f(double _Complex x)\"" },
        { "void f(int x, void)", "the prototype: a parameter is void; it reads \"void "
          "f(int x, void)\"" },
        { "void f(int x y)", "the prototype: two names stand side by side; it reads "
          "\"void f(int x y)\"" },
        { "ppl_ctx *f(void)", "the prototype: a context cannot be a result; it reads "
          "\"ppl_ctx *f(void)\"" },
        { "void f(double x[3)", "the prototype: a bracket is not closed; it reads \"void "
          "f(double x[3)\"" },
        { "void f(int,int,int,int,int,int,int,int,int,int,int,int,int,int,int,int,int)",
          "the prototype: it has more than 16 parameters; pass a struct by pointer; it "
          "reads \"void f(int,int,int,int,int,int,int,int,int,int,int,int,int,int,int,int,int)\"" },
    };

    begin(_i);
    for (int i = 0; i < COUNT_OF(row); i++)
        assert_fails(c, ppl_fn_make(c, (ppl_code)declared, row[i].prototype), PPL_EINVAL,
                     row[i].text);
    assert_fails(c, ppl_fn_make(c, NULL, "void f(void)"), PPL_EINVAL, "ppl_fn_make: the "
                 "code of void f(void) is NULL");
    assert_fails(c, ppl_fn_make(c, (ppl_code)declared, NULL), PPL_EINVAL, "ppl_fn_make: "
                 "the prototype of a function is NULL");
    end();
}
END_TEST

START_TEST(structs_are_refused)
{
    static const struct {
        const char *members, *text;
    } row[] = {
        { "double x;", "struct pair: its members take 8 bytes and its sizeof is 16; list "
          "all of them, in order, with their types" },
        { "double x", "struct pair: members end with \";\", and bit-fields cannot be "
          "passed; it reads \"double x\"" },
        { "int x : 3;", "struct pair: members end with \";\", and bit-fields cannot be "
          "passed; it reads \"int x : 3;\"" },
        { "void x;", "struct pair: a member is void; it reads \"void x;\"" },
        { "double;", "struct pair: a member has no name; it reads \"double;\"" },
        { "double x[n];", "struct pair: the length of an array must be a number, 32 at "
          "most; it reads \"double x[n];\"" },
        { "double x[33];", "struct pair: the length of an array must be a number, 32 at "
          "most; it reads \"double x[33];\"" },
        { "double x[20], y[20];", "struct pair: it has more than 32 members; pass a "
          "pointer to it; it reads \"double x[20], y[20];\"" },
        { "point p;", "struct pair: point is no type that is known; describe it before "
          "by ppl_declare_struct, or pass a pointer; it reads \"point p;\"" },
        { "union u x;", "struct pair: unions, complex and atomic numbers cannot be "
          "passed; pass a pointer; it reads \"union u x;\"" },
        { "", "struct pair: a member has no name; it reads \"\"" },
    };

    begin(_i);
    for (int i = 0; i < COUNT_OF(row); i++) {
        ck_assert_int_eq(PPL_STRUCT(c, pair, row[i].members), PPL_EINVAL);
        ck_assert_str_eq(ppl_error_text(c), row[i].text);
        ppl_clear_error(c);
    }
    ck_assert_int_eq(PPL_STRUCT(c, pair, NULL), PPL_EINVAL);
    ck_assert_str_eq(ppl_error_text(c), "struct pair: its members are NULL; give them as "
                     "in C, \"double x, y;\"");
    ppl_clear_error(c);
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        numbers_of_every_type, numbers_that_fit, sixteen_arguments, structs_by_value,
        arguments_that_do_not_fit, lists_that_do_not_fit, results_that_do_not_fit,
        prototypes_are_read, prototypes_are_refused, structs_are_refused, NULL };

    return run_tests("arguments of functions", tests);
}

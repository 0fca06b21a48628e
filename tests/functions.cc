/* SPDX-License-Identifier: MIT */
/*
 * functions.cc - functions and models in C++: prototypes checked by the compiler,
 * arguments typed by overloading, and a model whose std::vector is destroyed although the
 * model fails. Built and run by cxx.sh.
 */
#include <kiln.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#define CHECK(condition)                                                                   \
    do                                                                                     \
        if (!(condition)) {                                                                \
            std::printf("%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition,        \
                        ppl_error_text(c));                                                \
            failures++;                                                                    \
        }                                                                                  \
    while (0)

static int failures, alive, reached;
static ppl_ctx *c;

namespace {

struct batch {
    std::vector<double> x;
};

struct pair {
    double x;
    int n;
};

/* Counts those that live. */
struct counted {
    std::vector<double> numbers;
    counted() : numbers(100, 1.5) { alive++; }
    counted(const counted &other) : numbers(other.numbers) { alive++; }
    ~counted() { alive--; }
};

/* Fails in its middle with a live vector of vectors, and goes on to its end. */
void model(ppl_ctx *ctx, const batch *b, double scale, int fails)
{
    std::vector<counted> live(3);
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(ppl_scalar(ctx, 0), ppl_scalar(ctx, 1)));
    std::string text(1000, 'x');

    if (fails)
        z = ppl_add(z, ppl_sample(ctx, "z", ppl_normal(z, z)));
    live.push_back(counted());
    for (std::size_t i = 0; i < b->x.size(); i++)
        ppl_observe_at(ctx, "x", (int64_t)i, ppl_normal(z, ppl_scalar(ctx, scale)),
                       ppl_scalar(ctx, b->x[i]));
    reached += alive == 4 && text.size() == 1000 ? 1 : 0;
}

double area(pair p, const double *by, ppl_tensor *t)
{
    return p.x * p.n + *by + ppl_item(t);
}

void plain(ppl_ctx *ctx, const void *arg)
{
    model(ctx, static_cast<const batch *>(arg), 1, 0);
}

void vector_survives_an_error()
{
    batch b = { std::vector<double>(5, 0.5) };
    ppl_fn *f = PPL_FN(c, void, model,
                       (ppl_ctx * ctx, const batch *b, double scale, int fails));
    ppl_trace *t;

    CHECK(f != NULL);
    CHECK(ppl_run(c, ppl_fn_model(f), PPL_ARGS(&b, 0.5, 0), NULL) == PPL_OK);
    CHECK(reached == 1 && alive == 0);
    CHECK(ppl_run(c, ppl_fn_model(f), PPL_ARGS(&b, 0.5, 1), NULL) == PPL_EDUPLICATE);
    CHECK(reached == 2 && alive == 0);
    CHECK(ppl_run(c, ppl_fn_model(f), PPL_ARGS(&b, 1, 0), NULL) == PPL_EINVAL);
    CHECK(std::strstr(ppl_error_text(c), "argument 2 is declared \"double scale\" and given "
                                         "int 1") != NULL);
    CHECK(ppl_run(c, plain, &b, NULL) == PPL_OK);
    CHECK(reached == 3 && alive == 0);
    t = ppl_get_trace(c, ppl_fn_model(ppl_scale_fn(f, 2)),
                      PPL_ARGS(PPL_POINTER(batch, &b), 0.5f, short(0)), NULL);
    CHECK(ppl_trace_count(t) == 6 && ppl_trace_at(t, 1)->scale == 2);
}

void arguments_have_types()
{
    pair p = { 1.5, 4 };
    const double by = 0.25;
    double by_pointer = 0.25, out = 0;
    ppl_fn *f;

    CHECK(PPL_STRUCT(c, pair, "double x; int n;") == PPL_OK);
    f = PPL_FN(c, double, area, (pair p, const double *by, ppl_tensor *t));
    CHECK(ppl_fn_call(c, f, PPL_ARGS(PPL_BY_VALUE(pair, p), &by, ppl_scalar(c, 2)),
                      PPL_ARG(&out)) == PPL_OK);
    CHECK(out > 8.24 && out < 8.26);
    CHECK(ppl_fn_call(c, f, PPL_ARGS(PPL_BY_VALUE(pair, p), &by_pointer, nullptr),
                      PPL_ARG(&out)) == PPL_OK);
    CHECK(std::isnan(out));
    CHECK(ppl_fn_call(c, f, PPL_ARGS(PPL_BY_VALUE(pair, p), &p, nullptr),
                      PPL_ARG(&out)) == PPL_EINVAL);
    CHECK(ppl_fn_call(c, f, NULL, PPL_ARG(nullptr)) == PPL_EINVAL);
    CHECK((reinterpret_cast<double (*)(pair, const double *, ppl_tensor *)>(
               ppl_fn_code(ppl_seed_fn(f, 1)))(p, &by, ppl_scalar(c, 2)) > 8.24));
}

} // namespace

int main()
{
    c = ppl_ctx_new(NULL);
    if (c == NULL)
        return 1;
    vector_survives_an_error();
    arguments_have_types();
    ppl_ctx_free(c);
    std::printf("%d failures\n", failures);
    return failures != 0;
}

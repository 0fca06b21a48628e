/* SPDX-License-Identifier: MIT */
/*
 * test_functions.c - C functions as models, handlers as functions of functions, code for
 * plain C callers, errors within, the life of all of them, memory and executable memory
 * running out. (Arguments: test_fn_args.c.)
 */
#include "inference.h"

#include <kiln/conjugate.h>
#include <kiln/functions.h>

#include <dlfcn.h>
#include <ffi.h>
#include <stdio.h>

#define NOWHERE PPL_ARG(NULL)

/* libffi's allocator of executable memory, which can be made to have none. */
static int no_executable_memory;

PPL_API void *ffi_closure_alloc(size_t size, void **code)
{
    static void *(*real)(size_t, void **);

    if (no_executable_memory)
        return NULL;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "ffi_closure_alloc");
    return real(size, code);
}

/* The made function, or the test fails with the reason. */
static ppl_fn *made(ppl_fn *f)
{
    ck_assert_msg(f != NULL, "%s", ppl_error_text(c));
    return f;
}

typedef struct pair { double x; int32_t n; } pair;

static double same(double x)
{
    return x;
}

/* ---- Functions as models ----------------------------------------------------------- */

/* A model and guide of their natural signatures, and the same as callbacks. */
static void natural_model(ppl_ctx *ctx, const double *data, int n, double prior)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(number(prior), number(2)));

    for (int i = 0; i < n; i++)
        ppl_observe_at(ctx, "x", i, ppl_normal(z, number(1)), number(data[i]));
}

static void natural_guide(ppl_ctx *ctx, const double *data, int n, double prior)
{
    (void)data, (void)n, (void)prior;
    ppl_sample(ctx, "z", ppl_normal(ppl_param(ctx, "loc", PPL_SCALAR, PPL_ZEROS, PPL_REAL),
                                    ppl_param(ctx, "scale", PPL_SCALAR, PPL_ONES,
                                              PPL_POSITIVE)));
}

static const double data[] = { 1.5, 2.5, 0.5 };

static void plain_model(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    natural_model(ctx, data, 3, 1);
}

static void plain_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    natural_guide(ctx, data, 3, 1);
}

#define MODEL PPL_FN(c, void, natural_model,                                               \
                     (ppl_ctx *ctx, const double *data, int n, double prior))
#define GUIDE PPL_FN(c, void, natural_guide,                                               \
                     (ppl_ctx *ctx, const double *data, int n, double prior))

static void train(int dtype, int natural, double loss[20])
{
    ppl_svi *svi;
    const void *arg = natural ? PPL_ARGS(data, 3, 1.0) : NULL;

    begin(dtype);
    svi = natural ? ppl_svi_new(c, ppl_fn_model(MODEL), ppl_fn_model(GUIDE),
                                ppl_trace_elbo(c, NULL), ppl_adam(c, NULL))
                  : ppl_svi_new(c, plain_model, plain_guide, ppl_trace_elbo(c, NULL),
                                ppl_adam(c, NULL));
    ck_assert_ptr_nonnull(svi);
    for (int i = 0; i < 20; i++)
        OK(ppl_svi_step(svi, arg, &loss[i]));
    ppl_svi_free(svi);
    end();
}

/* Training through ppl_fn is training by callbacks, bit for bit. */
START_TEST(svi_takes_functions)
{
    double plain[20], natural[20];

    train(_i, 0, plain);
    train(_i, 1, natural);
    ck_assert(memcmp(plain, natural, sizeof plain) == 0);
}
END_TEST

START_TEST(runs_and_traces_take_functions)
{
    ppl_trace *t;

    begin(_i);
    OK(ppl_run(c, ppl_fn_model(MODEL), PPL_ARGS(data, 2, 0.0), NULL));
    t = ppl_get_trace(c, ppl_fn_model(MODEL), PPL_ARGS(data, 2, 0.0), NULL);
    ck_assert_int_eq(ppl_trace_count(t), 3);
    FAILS(ppl_run(c, NULL, NULL, NULL), PPL_EINVAL,
          "ppl_run: the model is NULL; give a function");
    FAILS(ppl_run(c, ppl_fn_model(MODEL), PPL_ARGS(data, 2, 0), NULL), PPL_EINVAL,
          "natural_model: argument 3 is declared \"double prior\" and given int 0; give "
          "a floating number, as in 3.0");
    end();
}
END_TEST

/* A deterministic function that takes and gives tensors keeps their gradients; it may be
 * called within a model, also by a function. */
static ppl_tensor *squared(ppl_tensor *x, float times)
{
    return ppl_affine(ppl_mul(x, x), (double)times, 0);
}

START_TEST(tensors_flow_through)
{
    ppl_tensor *x, *y = NULL;

    begin(_i);
    x = ppl_variable(c, PPL_SCALAR, (double[]){ 3 });
    OK(ppl_fn_call(c, made(PPL_FN(c, ppl_tensor *, squared, (ppl_tensor *x, float times))),
                   PPL_ARGS(x, 2.0f), PPL_ARG(&y)));
    NEAR(ppl_item(y), 18, tight);
    OK(ppl_backward(y));
    NEAR(ppl_item(ppl_grad(x)), 12, tight);
    end();
}
END_TEST

/* ---- Errors within ----------------------------------------------------------------- */

static int calls;

static int failing(ppl_ctx *ctx, int how)
{
    calls++;
    if (how == 1)
        ppl_fail(ctx, PPL_EIO, "it fails");
    if (how == 2)
        ppl_push(ctx, ppl_scale(ctx, 2));
    if (how == 3)
        ppl_pop(ctx, 0);
    return 7;
}

/* Calls it three times in a row, with a handler of its own pushed. */
static void calls_failing(ppl_ctx *ctx, ppl_fn *f, int how)
{
    ppl_scope s = ppl_push(ctx, ppl_scale(ctx, 3));
    int got = -1;

    for (int i = 0; i < 3; i++) {
        got = -1;
        ppl_fn_call(ctx, f, PPL_ARGS(how), PPL_ARG(&got));
        ck_assert_int_eq(got, how == 0 ? 7 : 0);
    }
    ppl_pop(ctx, s);
}

START_TEST(errors_within_a_function)
{
    ppl_fn *f, *g;

    begin(_i);
    f = made(PPL_FN(c, int, failing, (ppl_ctx *ctx, int how)));
    g = made(PPL_FN(c, void, calls_failing, (ppl_ctx *ctx, ppl_fn *f, int how)));
    calls = 0;
    OK(ppl_run(c, ppl_fn_model(g), PPL_ARGS(f, 0), NULL));
    ck_assert_int_eq(calls, 3);
    FAILS(ppl_run(c, ppl_fn_model(g), PPL_ARGS(f, 1), NULL), PPL_EIO, "it fails");
    ck_assert_int_eq(calls, 4);
    FAILS(ppl_run(c, ppl_fn_model(g), PPL_ARGS(f, 2), NULL), PPL_ENEST, "failing "
          "returned with 1 handlers still pushed; match each ppl_push with a ppl_pop");
    FAILS(ppl_run(c, ppl_fn_model(g), PPL_ARGS(f, 3), NULL), PPL_ENEST, "ppl_pop: this "
          "scope was not begun here but further out; pop what you have pushed");
    /* Outside a run an error is told at once, and stands in the way of nothing. */
    FAILS(ppl_fn_call(c, f, PPL_ARGS(1), NOWHERE), PPL_EIO, "it fails");
    OK(ppl_fn_call(c, f, PPL_ARGS(0), NOWHERE));
    end();
}
END_TEST

/* ---- Handlers as functions of functions -------------------------------------------- */

/* A model that any handler may be around. */
static void simple(ppl_ctx *ctx, double prior)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(number(prior), number(2)));

    ppl_sample(ctx, "x", ppl_normal(z, ppl_param(ctx, "w", PPL_SCALAR, PPL_ONES,
                                                 PPL_POSITIVE)));
}
#define SIMPLE PPL_FN(c, void, simple, (ppl_ctx *ctx, double prior))

/* It under each handler of the table, pushed and as a form. */
typedef struct form {
    const char *text;
    ppl_handler *(*handler)(void);
    ppl_fn *(*form)(ppl_fn *f);
} form;

static ppl_trace *guide_trace, *traced;

static const ppl_value *given(void)
{
    static ppl_value list[2];

    list[0] = (ppl_value){ "z", PPL_NO_INDEX, number(0.25) };
    return list;
}

static int unused;                  /* another handler may have taken the site away */

static int never(const ppl_msg *m, void *user)
{
    (void)m, (void)user;
    return 0;
}

static void look(ppl_msg *m, void *user)
{
    (void)m, (void)user;
}

static ppl_tensor *quarter(ppl_msg *m, void *user)
{
    (void)user;
    return m->kind == PPL_SITE_PARAM ? ppl_scalar(m->ctx, 0.25) : NULL;
}

static ppl_dist *unit_rate(ppl_msg *m, void *user)
{
    (void)user;
    return ppl_exponential(ppl_scalar(m->ctx, 1));
}

static const ppl_reparam_row *decentred(void)
{
    static ppl_reparameteriser how;
    static const ppl_reparam_row rows[] = { { NULL, &how }, { NULL, NULL } };

    how = ppl_loc_scale_reparam(0.5);
    return rows;
}

#define NO_ARGS(name)                                                                \
    static ppl_handler *name##_handler(void) { return ppl_##name(c); }                     \
    static ppl_fn *name##_form(ppl_fn *f) { return ppl_##name##_fn(f); }
#define FORM(name, ...)                                                              \
    static ppl_handler *name##_handler(void) { return ppl_##name(c, __VA_ARGS__); }        \
    static ppl_fn *name##_form(ppl_fn *f) { return ppl_##name##_fn(f, __VA_ARGS__); }
FORM(block, &(ppl_block_opts){ .hide = (const char *[]){ "x", NULL } })
FORM(block_plate, "around", 0)
NO_ARGS(broadcast)
FORM(collapse, ppl_conjugate_pairs, (const char *const[]){ NULL })
FORM(condition, given(), &unused)
FORM(do, given(), &unused)
FORM(escape, never, NULL, NULL)
FORM(infer_config, look, NULL)
NO_ARGS(init_to_feasible)
NO_ARGS(init_to_mean)
FORM(init_to_median, 3)
NO_ARGS(init_to_sample)
FORM(init_to_uniform, 1)
FORM(init_to_value, given(), &unused)
FORM(lift, (ppl_prior[]){ { NULL, ppl_exponential(number(2)) }, { NULL, NULL } }, NULL)
FORM(lift_by, unit_rate, NULL)
FORM(markov, 0)
FORM(mask, ppl_from_mask(c, PPL_SCALAR, (unsigned char[]){ 0 }))
FORM(name_scope, "part", NULL)
FORM(reparam, decentred())
FORM(replay, guide_trace)
FORM(scale, 0.5)
FORM(seed, 9)
FORM(seed_key, ((ppl_rng){ { 1, 2 } }))
FORM(substitute, (ppl_value[]){ { NULL, 0, NULL } }, NULL)
FORM(substitute_by, quarter, NULL)
FORM(trace_into, &traced)
NO_ARGS(uncondition)
FORM(watch, look, look, NULL)

/* A handler of the table that has no row above fails to build here. */
#define ROW(name, params, args) { #name, name##_handler, name##_form },
static const form forms[] = { PPL_HANDLER_MAP(ROW) };

/* The traces agree: sites, flags, scales, values, log-probabilities. */
static void assert_same_trace(const char *what, ppl_trace *a, ppl_trace *b)
{
    ck_assert_msg(a != NULL && b != NULL, "%s: %s", what, ppl_error_text(c));
    ck_assert_int_eq(ppl_trace_count(a), ppl_trace_count(b));
    for (int i = 0; i < ppl_trace_count(a); i++) {
        ppl_msg *x = ppl_trace_at(a, i), *y = ppl_trace_at(b, i);

        ck_assert_msg(x->name == y->name && x->index == y->index && x->flags == y->flags &&
                      x->scale == y->scale, "%s: site %s", what, x->name);
        assert_same(what, x->value, y->value);
        if (x->kind == PPL_SITE_SAMPLE)
            assert_same(what, ppl_site_log_prob(x), ppl_site_log_prob(y));
    }
}

/* form(f) is f with the handler pushed, for each handler, and for each two of them, one
 * in the other; and f itself is as before. */
START_TEST(forms_are_handlers)
{
    const ppl_arg *args = PPL_ARGS(0.5);
    ppl_handler *around;
    ppl_scope scope;
    ppl_fn *f;

    begin(_i);
    f = made(SIMPLE);
    around = ppl_plate(c, "around", 1, &(ppl_plate_opts){ .sequential = 1 });
    scope = ppl_push(c, around);
    ck_assert_int_eq(ppl_plate_next(around), 0);
    guide_trace = ppl_get_trace(c, plain_guide, NULL, NULL);
    for (int i = 0; i < COUNT_OF(forms); i++)
        for (int j = -1; j < COUNT_OF(forms); j++) {
            ppl_fn *g = made(forms[i].form(f));
            ppl_handler *inner = forms[i].handler(), *outer = NULL;
            ppl_trace *a, *b;
            char text[128];

            if (j == i)
                continue;
            if (j >= 0) {
                g = made(forms[j].form(g));
                outer = forms[j].handler();
            }
            a = ppl_get_trace(c, ppl_fn_model(g), args, NULL);
            again();
            b = ppl_get_trace(c, ppl_fn_model(f), args,
                              j < 0 ? (ppl_handler *[]){ inner, NULL }
                                    : (ppl_handler *[]){ outer, inner, NULL });
            assert_same_trace(forms[i].text, a, b);
            ppl_fn_text(g, text, sizeof text);
            ck_assert_str_eq(strtok(text, "("), (j < 0 ? inner : outer)->ops->name);
        }
    ppl_pop(c, scope);
    end();
}
END_TEST

/* A plate is made anew at each call, in the run, as in a model. */
static void plated(ppl_ctx *ctx, const void *arg)
{
    ppl_scope s = ppl_push(ctx, ppl_plate(ctx, "rows", 6,
                                          &(ppl_plate_opts){ .subsample_size = 3 }));

    (void)arg;
    simple(ctx, 0.5);
    ppl_pop(ctx, s);
}

START_TEST(plate_draws_at_each_call)
{
    ppl_fn *f;

    begin(_i);
    f = made(ppl_plate_fn(SIMPLE, "rows", 6, &(ppl_plate_opts){ .subsample_size = 3 }));
    for (int i = 0; i < 3; i++) {
        ppl_trace *a = ppl_get_trace(c, ppl_fn_model(f), PPL_ARGS(0.5), NULL);

        again();
        assert_same_trace("plate", a, ppl_get_trace(c, plated, NULL, NULL));
    }
    assert_fails(c, ppl_plate_fn(f, "", 6, NULL), PPL_EINVAL,
                 "a name is empty; give it at least one character");
    f = made(ppl_plate_fn(SIMPLE, "rows", 0, NULL));
    ck_assert_int_eq(ppl_run(c, ppl_fn_model(f), PPL_ARGS(0.5), NULL), PPL_EINVAL);
    end();
}
END_TEST

START_TEST(forms_have_texts)
{
    char text[64], small[8];
    ppl_fn *f;

    begin(_i);
    f = ppl_scale_fn(ppl_condition_fn(MODEL, given(), NULL), 2);
    ck_assert_str_eq(ppl_fn_text(f, text, sizeof text), "scale(condition(natural_model))");
    ck_assert_str_eq(ppl_fn_text(f, small, sizeof small), "scale(c");
    ck_assert_str_eq(ppl_fn_text(NULL, text, sizeof text), "NULL");
    ck_assert_ptr_eq(ppl_fn_ctx(f), c);
    ck_assert_ptr_null(ppl_fn_ctx(NULL));
    end();
}
END_TEST

/* The handler is made once: what does not fit it is said when the form is made. */
START_TEST(forms_that_fail)
{
    ppl_fn *f;

    begin(_i);
    f = made(MODEL);
    assert_fails(c, ppl_scale_fn(f, 0), PPL_EINVAL, "ppl_scale: the factor is 0; it must "
                 "be finite and > 0 (to leave sites out, use ppl_mask)");
    ck_assert_ptr_null(ppl_scale_fn(NULL, 1));
    ck_assert_ptr_null(ppl_plate_fn(NULL, "p", 1, NULL));
    ck_assert_ptr_null(ppl_fn_model(NULL));
    ck_assert_ptr_null(ppl_fn_code(NULL));
    /* A value never reached fails each call, as it does a run. */
    f = made(ppl_condition_fn(f, values({ "y", PPL_NO_INDEX, number(1) }), NULL));
    for (int i = 0; i < 2; i++) {
        FAILS(ppl_fn_call(c, f, PPL_ARGS(data, 1, 0.0), NOWHERE), PPL_EUNUSED, "condition: "
              "no sample site y was reached; check name and index, or pass `unused` to "
              "have such values counted\n  after site x[0]; 2 sites and 0 parameters visited");
    }
    end();
}
END_TEST

static ppl_fn *to_recur;

static void recurring(ppl_ctx *ctx, int depth)
{
    if (depth > 0)
        ppl_fn_call(ctx, to_recur, PPL_ARGS(depth - 1), NOWHERE);
    else
        ppl_sample(ctx, "z", ppl_normal(number(0), number(1)));
}

/* A function may call itself; a handler around it is installed once. */
START_TEST(functions_recur)
{
    begin(_i);
    to_recur = made(PPL_FN(c, void, recurring, (ppl_ctx *ctx, int depth)));
    OK(ppl_run(c, ppl_fn_model(to_recur), PPL_ARGS(20), NULL));
    to_recur = ppl_scale_fn(to_recur, 2);
    OK(ppl_run(c, ppl_fn_model(to_recur), PPL_ARGS(0), NULL));
    ck_assert_int_eq(ppl_run(c, ppl_fn_model(to_recur), PPL_ARGS(1), NULL), PPL_ENEST);
    ck_assert_str_eq(ppl_error_text(c), "ppl_push: this scale handler is installed "
                     "already; make another one");
    end();
}
END_TEST

/* ---- Code for plain C -------------------------------------------------------------- */

/* The squared distance of two draws of z: what a plain C optimiser would call. */
static double draw(ppl_ctx *ctx, double prior, pair p)
{
    return ppl_item(ppl_sample(ctx, "z", ppl_normal(number(prior), number(1)))) + p.x;
}

typedef double draw_code(ppl_ctx *ctx, double prior, pair p);

static int32_t negated(int32_t x)
{
    return -x;
}

START_TEST(code_of_the_same_signature)
{
    const pair half = { 0.5, 0 };
    ppl_fn *f, *g;
    draw_code *code;
    ppl_ctx *other;

    begin(_i);
    OK(PPL_STRUCT(c, pair, "double x; int32_t n;"));
    f = made(PPL_FN(c, double, draw, (ppl_ctx *ctx, double prior, pair p)));
    ck_assert(isfinite(((draw_code *)ppl_fn_code(f))(c, 0, half)));
    g = ppl_condition_fn(f, values({ "z", PPL_NO_INDEX, number(2) }), NULL);
    code = (draw_code *)ppl_fn_code(made(g));
    ck_assert_msg(code != NULL, "%s", ppl_error_text(c));
    ck_assert((draw_code *)ppl_fn_code(g) == code);
    ck_assert_double_eq(code(c, 0, half), 2.5);
    ck_assert_double_eq(code(NULL, 0, half), 2.5);
    /* Of no context: the function's own. Small results come back whole. */
    f = ppl_scale_fn(PPL_FN(c, int32_t, negated, (int32_t x)), 2);
    ck_assert_int_eq(((int32_t (*)(int32_t))ppl_fn_code(f))(INT32_MAX), -INT32_MAX);
    /* Another's context is told so, and gets NaN. */
    other = start(_i);
    ck_assert(isnan(code(other, 0, half)));
    ck_assert_int_eq(ppl_error(other), PPL_EINVAL);
    ck_assert_str_eq(ppl_error_text(other),
                     "draw belongs to another context; make it in this one");
    stop(other);
    /* An error stays until somebody is told, and nothing is called meanwhile. */
    ck_assert(isnan(code(c, INFINITY, half)));
    ck_assert(isnan(code(c, 0, half)));
    ck_assert_int_eq(ppl_run(c, plain_guide, NULL, NULL), PPL_ECONSTRAINT);
    ck_assert_double_eq(code(c, 0, half), 2.5);
    end();
}
END_TEST

/* Outside a run each call is a run: it draws anew, may visit the same sites, and makes
 * parameters only if it succeeds. Within a run it is a part of it. */
static double noisy_draw(ppl_ctx *ctx, int fails)
{
    ppl_tensor *w = ppl_param(ctx, "w", PPL_SCALAR, PPL_ONES, PPL_REAL);

    if (fails)
        ppl_fail(ctx, PPL_EIO, "it fails");
    return ppl_item(ppl_sample(ctx, "z", ppl_normal(w, number(1))));
}

static void twice(ppl_ctx *ctx, ppl_fn *f)
{
    ppl_fn_call(ctx, f, PPL_ARGS(0), NOWHERE);
    ppl_fn_call(ctx, f, PPL_ARGS(0), NOWHERE);
}

START_TEST(calls_outside_a_run_are_runs)
{
    double x[3] = { 0 };
    double (*code)(ppl_ctx *, int);
    ppl_fn *f;

    begin(_i);
    f = made(ppl_scale_fn(PPL_FN(c, double, noisy_draw, (ppl_ctx *ctx, int fails)), 2));
    code = (double (*)(ppl_ctx *, int))ppl_fn_code(f);
    ck_assert(isnan(code(c, 1)));
    ck_assert_int_eq(ppl_error(c), PPL_EIO);
    ck_assert_int_eq(ppl_ok(c), 0);
    ck_assert_int_eq(ppl_param_count(c), 0);
    ppl_clear_error(c);
    x[0] = code(c, 0);
    x[1] = code(c, 0);
    OK(ppl_fn_call(c, f, PPL_ARGS(0), PPL_ARG(&x[2])));
    ck_assert(isfinite(x[0] + x[1] + x[2]) && x[0] != x[1] && x[1] != x[2]);
    ck_assert_int_eq(ppl_param_count(c), 1);
    again();
    ck_assert_double_eq(code(c, 0), x[2]);
    ck_assert_int_eq(ppl_run(c, ppl_fn_model(PPL_FN(c, void, twice, (ppl_ctx *ctx, ppl_fn *f))),
                             PPL_ARGS(f), NULL), PPL_EDUPLICATE);
    end();
}
END_TEST

/* A system that gives no executable memory. */
START_TEST(no_code_can_be_made)
{
    ppl_fn *f;

    begin(_i);
    f = made(ppl_scale_fn(MODEL, 2));
    no_executable_memory = 1;
    assert_fails(c, (void *)(uintptr_t)ppl_fn_code(f), PPL_EUNSUPPORTED, "natural_model: "
                 "no code can be made for it, as the system gives no executable memory; "
                 "write a callback that calls ppl_fn_call");
    assert_fails(c, (void *)(uintptr_t)ppl_fn_model(f), PPL_EUNSUPPORTED, "natural_model: "
                 "no code can be made for it, as the system gives no executable memory; "
                 "write a callback that calls ppl_fn_call");
    OK(ppl_fn_call(c, f, PPL_ARGS(data, 2, 0.0), NOWHERE));
    no_executable_memory = 0;
    ck_assert(ppl_fn_model(f) != NULL && ppl_fn_code(f) != NULL);
    end();
}
END_TEST

/* ---- Life -------------------------------------------------------------------------- */

START_TEST(functions_end_with_their_epoch)
{
    ppl_epoch mark;
    ppl_fn *f, *g;

    begin(_i);
    f = made(MODEL);
    mark = ppl_epoch_begin(c);
    g = made(ppl_scale_fn(f, 2));
    OK(ppl_fn_call(c, g, PPL_ARGS(data, 1, 0.0), NOWHERE));
    ppl_epoch_end(c, mark);
    OK(ppl_fn_call(c, f, PPL_ARGS(data, 1, 0.0), NOWHERE));
    FAILS(ppl_fn_call(c, g, PPL_ARGS(data, 1, 0.0), NOWHERE), PPL_ESTALE,
          "natural_model was made in an epoch that has ended; make it outside, or again");
    assert_fails(c, ppl_scale_fn(g, 2), PPL_ESTALE,
                 "natural_model was made in an epoch that has ended; make it outside, or "
                 "again");
    end();
}
END_TEST

/* Functions made at every step take memory once, their code too. */
START_TEST(functions_in_steps)
{
    long before = 0;

    begin(_i);
    for (int i = 0; i < 50; i++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        ppl_fn *f = ppl_plate_fn(ppl_scale_fn(SIMPLE, 2), "p", 2, NULL);
        ppl_fn *g = ppl_scale_fn(PPL_FN(c, double, same, (double x)), 2);

        OK(ppl_run(c, ppl_fn_model(f), PPL_ARGS(0.5), NULL));
        ck_assert_double_eq(((double (*)(double))ppl_fn_code(g))(i), i);
        ppl_epoch_end(c, mark);
        if (i == 2)
            before = memory.calls;
    }
    ck_assert_int_eq(memory.calls, before);
    end();
}
END_TEST

/* A function whose epoch has ended while it runs is not taken for another one. */
static void outliving(ppl_ctx *ctx, int epoch)
{
    ppl_fn *f;

    ppl_epoch_end(ctx, epoch);
    f = ppl_fn_make(ctx, (ppl_code)same, "double same(double x)");
    ck_assert_ptr_ne(f, to_recur);
    ck_assert_ptr_nonnull(ppl_fn_model(f));
}

START_TEST(running_functions_stay)
{
    begin(_i);
    for (int i = 0; i < 3; i++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        ppl_model model;

        to_recur = PPL_FN(c, void, outliving, (ppl_ctx *ctx, int epoch));
        model = ppl_fn_model(made(to_recur));
        OK(ppl_run(c, model, PPL_ARGS(mark), NULL));
    }
    end();
}
END_TEST

/* ---- Out of memory ----------------------------------------------------------------- */

/* All of it, with each allocation refused in turn. */
static ppl_status program(double *out)
{
    pair p = { 0.5, 0 };
    ppl_fn *f, *g;
    draw_code *code;

    *out = NAN;
    if (PPL_STRUCT(c, pair, "double x; int32_t n;") != PPL_OK)
        return ppl_error(c);
    f = PPL_FN(c, double, draw, (ppl_ctx *ctx, double prior, pair p));
    g = ppl_condition_fn(f, values({ "z", PPL_NO_INDEX, number(2) }), NULL);
    g = ppl_plate_fn(g, "plate", 3, NULL);
    g = ppl_scale_fn(ppl_trace_into_fn(g, &traced), 2);
    code = (draw_code *)ppl_fn_code(g);
    if (code == NULL)
        return ppl_error(c);
    if (ppl_run(c, ppl_fn_model(f), PPL_ARGS(0.0, PPL_BY_VALUE(pair, p)), NULL) != PPL_OK)
        return ppl_error(c);
    return ppl_fn_call(c, ppl_condition_fn(f, given(), NULL),
                       PPL_ARGS(0.0, PPL_BY_VALUE(pair, p)), PPL_ARG(out));
}

START_TEST(out_of_memory)
{
    long first = 0, n;
    double out;

    for (n = 1; n == 1 || first > 0; n++) {
        ppl_status status;

        begin(_i);
        memory.refuse_at = memory.calls + n;
        status = program(&out);
        first = memory.calls >= memory.refuse_at;
        if (first == 0) {
            OK(status);
        } else {
            ck_assert_str_eq(ppl_status_name(status), "PPL_ENOMEM");
            ppl_clear_error(c);
            OK(program(&out));
        }
        ck_assert_double_eq(out, 0.75);
        end();
    }
    ck_assert_int_gt(n, 10);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        svi_takes_functions, runs_and_traces_take_functions, tensors_flow_through,
        errors_within_a_function, forms_are_handlers, plate_draws_at_each_call,
        forms_have_texts, forms_that_fail, functions_recur, code_of_the_same_signature,
        calls_outside_a_run_are_runs, no_code_can_be_made,
        functions_end_with_their_epoch, functions_in_steps, running_functions_stay,
        out_of_memory, NULL };

    return run_tests("functions", tests);
}

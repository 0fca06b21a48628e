/* SPDX-License-Identifier: MIT */
/* Layers: names, layouts and initial values as PyTorch's; outputs and gradients of
 * PyTorch's RNN and GRU (golden/rnn.safetensors); whole sequences against their cells;
 * central differences; errors. Every case with numbers in both dtypes.
 */
#include <kiln/io.h>
#include <kiln/nn.h>

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(array) (int)(sizeof(array) / sizeof *(array))

static ppl_ctx *c;
static double tolerance;

static void start(int dtype)
{
    const ppl_ctx_opts opts = { .dtype = dtype == 0 ? PPL_F32 : PPL_F64, .seed = 3 };
    c = ppl_ctx_new(&opts);
    ck_assert_ptr_nonnull(c);
    tolerance = dtype == 0 ? 1e-5 : 1e-12;
}

static void stop(void)
{
    ppl_ctx_free(c);
    c = NULL;
}

#define OK(status) ck_assert_msg((status) == PPL_OK, "%s", ppl_error_text(c))

static void is_near(double x, double expected, const char *what, int64_t i)
{
    ck_assert_msg(fabs(x - expected) <= tolerance * (1 + fabs(expected)),
                  "%s, element %lld: %.15g is not %.15g", what, (long long)i, x,
                  expected);
}

static void are_near(const char *what, int64_t n, const double *x, const double *expected)
{
    for (int64_t i = 0; i < n; i++)
        is_near(x[i], expected[i], what, i);
}

/* Fixed numbers in (-1, 1). */
static void fill(double *out, int64_t n, double seed)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = sin(seed + 1.7 * (double)i + 0.3 * seed * (double)(i * i % 7));
}

/* Runs `model` in an epoch of its own. */
static ppl_status run(ppl_model model, const void *arg)
{
    const ppl_epoch mark = ppl_epoch_begin(c);
    const ppl_status status = ppl_run(c, model, arg, NULL);
    ppl_epoch_end(c, mark);
    return status;
}

static ppl_tensor *wavy(ppl_ctx *ctx, ppl_shape shape, double seed)
{
    double values[1000];
    int64_t n = 1;
    for (int i = 0; i < shape.rank; i++)
        n *= shape.dim[i];
    ck_assert_int_le(n, ROWS(values));
    fill(values, n, seed);
    return ppl_from_doubles(ctx, shape, values);
}

static void read_param(const char *name, double *out, int64_t n)
{
    OK(ppl_param_read(c, name, out, n));
}

/* ---- Linear, mlp ----------------------------------------------------------------- */

static void linear_model(ppl_ctx *ctx, const void *arg)
{
    double *out = *(double *const *)arg;
    ppl_tensor *y = ppl_nn_linear(ctx, "emit", wavy(ctx, PPL_SHAPE(2, 3, 4), 1), 5,
                                  PPL_IDENTITY);
    ck_assert_int_eq(ppl_rank(y), 3);
    ck_assert_int_eq(ppl_dim(y, 2), 5);
    ck_assert_int_eq(ppl_read(y, out, 30), 30);
    y = ppl_nn_linear(ctx, "emit", wavy(ctx, PPL_SHAPE(4), 1), 5, PPL_TANH);
    ck_assert_int_eq(ppl_rank(y), 1);
    ck_assert_int_eq(ppl_read(y, out + 30, 5), 5);
}

START_TEST(test_linear)
{
    double out[35], x[24], weight[20], bias[5], spread = 0;
    start(_i);
    OK(run(linear_model, &(double *){ out }));
    ck_assert_int_eq(ppl_param_count(c), 2);
    ck_assert_str_eq(ppl_param_at(c, 0)->name, "emit.weight");
    ck_assert_str_eq(ppl_param_at(c, 1)->name, "emit.bias");
    ck_assert_int_eq(ppl_param_at(c, 0)->shape.dim[0], 5);
    ck_assert_int_eq(ppl_param_at(c, 0)->shape.dim[1], 4);
    read_param("emit.weight", weight, 20);
    read_param("emit.bias", bias, 5);
    fill(x, 24, 1);
    for (int r = 0; r < 6; r++)
        for (int o = 0; o < 5; o++) {
            double sum = bias[o];
            for (int i = 0; i < 4; i++)
                sum += x[r * 4 + i] * weight[o * 4 + i];
            is_near(out[r * 5 + o], sum, "linear", r * 5 + o);
            if (r == 0)
                is_near(out[30 + o], tanh(sum), "linear with tanh", o);
        }
    for (int i = 0; i < 20; i++) {
        ck_assert_double_le(fabs(weight[i]), 0.5);       /* 1/sqrt(4) */
        spread = fmax(spread, fabs(weight[i]));
    }
    ck_assert_double_gt(spread, 0.3);
    stop();
}
END_TEST

static void mlp_model(ppl_ctx *ctx, const void *arg)
{
    static const int64_t sizes[] = { 7, 6, 2 };
    double *out = *(double *const *)arg;
    ppl_tensor *x = wavy(ctx, PPL_SHAPE(3, 4), 2);
    ppl_read(ppl_nn_mlp(ctx, "net", x, sizes, 3, PPL_RELU), out, 6);
    x = ppl_nn_linear(ctx, "net.0", x, 7, PPL_RELU);
    x = ppl_nn_linear(ctx, "net.2", x, 6, PPL_RELU);
    ppl_read(ppl_nn_linear(ctx, "net.4", x, 2, PPL_IDENTITY), out + 6, 6);
}

START_TEST(test_mlp)
{
    static const char *const names[] = { "net.0.weight", "net.0.bias", "net.2.weight",
                                         "net.2.bias", "net.4.weight", "net.4.bias" };
    double out[12];
    start(_i);
    OK(run(mlp_model, &(double *){ out }));
    ck_assert_int_eq(ppl_param_count(c), ROWS(names));
    for (int i = 0; i < ROWS(names); i++)
        ck_assert_str_eq(ppl_param_at(c, i)->name, names[i]);
    for (int i = 0; i < 6; i++)
        ck_assert_double_eq(out[i], out[6 + i]);
    stop();
}
END_TEST

/* ---- Ragged batches -------------------------------------------------------------- */

static const int few[] = { 3, 3, 2, 1, 1 };
static const ppl_ragged ragged = { ROWS(few), few };

START_TEST(test_ragged)
{
    start(1);
    ck_assert_int_eq(ppl_ragged_rows(&ragged), 10);
    ck_assert_int_eq(ppl_ragged_rows(NULL), 0);
    ck_assert_int_eq(ppl_ragged_rows(&(ppl_ragged){ 0, few }), 0);
    ck_assert_int_eq(ppl_ragged_rows(&(ppl_ragged){ 2, NULL }), 0);
    ck_assert_int_eq(ppl_ragged_rows(&(ppl_ragged){ 2, (const int[]){ 1, 2 } }), 0);
    ck_assert_int_eq(ppl_ragged_rows(&(ppl_ragged){ 2, (const int[]){ 1, 0 } }), 0);
    const ppl_epoch mark = ppl_epoch_begin(c);
    ppl_tensor *packed = wavy(c, PPL_SHAPE(10, 2), 5);
    const double *elements = ppl_data(packed);
    for (int t = 0, row = 0; t < ragged.steps; row += few[t++]) {
        ppl_tensor *step = ppl_ragged_step(packed, &ragged, t);
        ck_assert_int_eq(ppl_dim(step, 0), few[t]);
        ck_assert_ptr_eq(ppl_data(step), elements + row * 2);   /* no copy */
    }
    ck_assert_ptr_null(ppl_ragged_step(NULL, &ragged, 0));
    ck_assert_ptr_null(ppl_ragged_step(packed, &ragged, 5));
    ck_assert_str_eq(ppl_error_text(c), "ragged step: step 5 of 5; steps count from 0");
    ppl_epoch_end(c, mark);
    stop();
}
END_TEST

/* ---- PyTorch's recurrent layers -------------------------------------------------- */

typedef struct golden_case {
    const char *kind;               /* the layer's name in the file */
    int reverse;
} golden_case;

static const golden_case golden_cases[] = {
    { "rnn_relu", 0 }, { "rnn_relu", 1 }, { "rnn_tanh", 0 }, { "rnn_tanh", 1 },
    { "gru", 0 }, { "gru", 1 }
};

static void load_golden(void)
{
    const char *folder = getenv("srcdir");
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/rnn.safetensors", folder ? folder : ".");
    OK(ppl_checkpoint_load(c, path, NULL, NULL));
}

/* The inputs are parameters too: so says the file, and gradients are read as theirs. */
static void golden_model(ppl_ctx *ctx, const void *arg)
{
    const golden_case *g = arg;
    char name[64];
    double expected[40], out[40];
    ppl_tensor *x = ppl_param(ctx, "x", PPL_SHAPE(10, 3), PPL_ZEROS, PPL_REAL);
    ppl_tensor *w = ppl_param(ctx, "w", PPL_SHAPE(10, 4), PPL_ZEROS, PPL_REAL);
    const ppl_rnn_opts opts = {
        .hidden = 4, .reverse = g->reverse,
        .activation = strcmp(g->kind, "rnn_relu") == 0 ? PPL_RELU : PPL_TANH,
        .h_0 = ppl_param(ctx, "h_0", PPL_SHAPE(4), PPL_ZEROS, PPL_REAL)
    };
    ppl_tensor *h = strcmp(g->kind, "gru") == 0
                        ? ppl_nn_gru(ctx, g->kind, x, &ragged, &opts)
                        : ppl_nn_rnn(ctx, g->kind, x, &ragged, &opts);
    snprintf(name, sizeof name, "%s.%s.output", g->kind,
             g->reverse ? "reversed" : "forward");
    ck_assert_int_eq(ppl_read(h, out, 40), 40);
    ppl_read(ppl_param(ctx, name, PPL_SHAPE(10, 4), PPL_ZEROS, PPL_REAL), expected, 40);
    are_near(name, 40, out, expected);
    OK(ppl_backward(ppl_sum(ppl_mul(h, ppl_detach(w)), PPL_ALL)));
}

START_TEST(test_golden)
{
    static const char *const names[] = { "weight_ih_l0", "weight_hh_l0", "bias_ih_l0",
                                         "bias_hh_l0", "x", "h_0" };
    const golden_case *g = &golden_cases[_i / 2];
    char name[64], gradient[128];
    double expected[64], grad[64];
    start(_i % 2);
    load_golden();
    const int count = ppl_param_count(c);
    ppl_zero_grad(c);
    OK(run(golden_model, g));
    ck_assert_int_eq(ppl_param_count(c), count);        /* PyTorch's names were met */
    for (int i = 0; i < ROWS(names); i++) {
        snprintf(name, sizeof name, "%s%s%s", i < 4 ? g->kind : "", i < 4 ? "." : "",
                 names[i]);
        snprintf(gradient, sizeof gradient, "%s.%s.grad.%s", g->kind,
                 g->reverse ? "reversed" : "forward", names[i]);
        const int64_t n = ppl_param_at(c, ppl_param_find(c, name))->count;
        OK(ppl_param_grad(c, name, grad, n));
        read_param(gradient, expected, n);
        are_near(gradient, n, grad, expected);
    }
    stop();
}
END_TEST

/* ---- Whole sequences are their cells, step by step ------------------------------- */

enum { INPUT = 3, HIDDEN = 5 };

/* How a layer is asked for. */
typedef struct layer {
    int gru;
    ppl_activation activation;
    int reverse;
    int h_0;                        /* 0: none, 1: [H], 2: [active[0],H] */
    const ppl_ragged *ragged;
    int by_cells;                   /* composed instead */
    int backward;                   /* how often */
    double *loss;
} layer;

static const int single[] = { 1, 1, 1 }, steep[] = { 6, 4, 4, 1 }, one_step[] = { 4 };
static const ppl_ragged shapes[] = {
    { ROWS(few), few }, { ROWS(single), single }, { ROWS(steep), steep },
    { ROWS(one_step), one_step }
};

static ppl_tensor *initial_state(ppl_ctx *ctx, const layer *l)
{
    if (l->h_0 == 1)
        return ppl_param(ctx, "h_0", PPL_SHAPE(HIDDEN), PPL_ZEROS, PPL_REAL);
    if (l->h_0 == 2)
        return ppl_param(ctx, "h_0", PPL_SHAPE(l->ragged->active[0], HIDDEN), PPL_ZEROS,
                         PPL_REAL);
    return NULL;
}

static ppl_tensor *step_by_cell(ppl_ctx *ctx, const layer *l, ppl_tensor *x,
                                ppl_tensor *h)
{
    return l->gru ? ppl_nn_gru_cell(ctx, "layer", x, h)
                  : ppl_nn_rnn_cell(ctx, "layer", x, h, l->activation);
}

static ppl_tensor *by_cells(ppl_ctx *ctx, const layer *l, ppl_tensor *x, ppl_tensor *h_0)
{
    const ppl_ragged *r = l->ragged;
    ppl_tensor *out[8], *h = NULL;
    if (!h_0)
        h_0 = ppl_full(ctx, PPL_SHAPE(HIDDEN), 0);
    ppl_tensor *all = ppl_expand(h_0, PPL_SHAPE(r->active[0], HIDDEN));
    for (int k = 0; k < r->steps; k++) {
        const int t = l->reverse ? r->steps - 1 - k : k, n = r->active[t];
        const int have = k == 0 ? 0 : r->active[l->reverse ? t + 1 : t];
        ppl_tensor *begin = ppl_slice(all, 0, have, n);
        if (have == n)
            h = ppl_head(h, n);
        else
            h = have ? ppl_concat((ppl_tensor *[]){ h, begin }, 2, 0) : begin;
        h = out[t] = step_by_cell(ctx, l, ppl_ragged_step(x, r, t), h);
    }
    return ppl_concat(out, r->steps, 0);
}

static void layer_model(ppl_ctx *ctx, const void *arg)
{
    const layer *l = arg;
    const int64_t rows = ppl_ragged_rows(l->ragged);
    ppl_tensor *x = ppl_param(ctx, "x", PPL_SHAPE(rows, INPUT), PPL_ZEROS, PPL_REAL);
    const ppl_rnn_opts opts = { .hidden = HIDDEN, .activation = l->activation,
                                .reverse = l->reverse, .h_0 = initial_state(ctx, l) };
    ppl_tensor *h = l->by_cells ? by_cells(ctx, l, x, opts.h_0)
                    : l->gru    ? ppl_nn_gru(ctx, "layer", x, l->ragged, &opts)
                                : ppl_nn_rnn(ctx, "layer", x, l->ragged, &opts);
    ppl_tensor *weighed = ppl_mul(h, wavy(ctx, PPL_SHAPE(rows, HIDDEN), 9));
    *l->loss = ppl_total(weighed);
    ppl_tensor *loss = ppl_sum(weighed, PPL_ALL);
    for (int i = 0; i < l->backward; i++) {
        const ppl_epoch inner = ppl_epoch_begin(ctx);   /* with what backward keeps */
        (void)!ppl_backward(loss);
        ppl_epoch_end(ctx, inner);
    }
}

static void write_all(const layer *l)
{
    const char *suffix = l->by_cells ? "" : "_l0";
    const int64_t width = (l->gru ? 3 : 1) * HIDDEN, rows = ppl_ragged_rows(l->ragged);
    const struct {
        const char *name;
        ppl_shape shape;
    } params[] = {
        { "layer.weight_ih", PPL_SHAPE(width, INPUT) },
        { "layer.weight_hh", PPL_SHAPE(width, HIDDEN) },
        { "layer.bias_ih", PPL_SHAPE(width) }, { "layer.bias_hh", PPL_SHAPE(width) },
        { "x", PPL_SHAPE(rows, INPUT) },
        { "h_0", l->h_0 == 2 ? PPL_SHAPE(l->ragged->active[0], HIDDEN)
                             : PPL_SHAPE(HIDDEN) }
    };
    for (int i = 0; i < ROWS(params) - (l->h_0 == 0); i++) {
        char name[64];
        double values[512];
        snprintf(name, sizeof name, "%s%s", params[i].name, i < 4 ? suffix : "");
        fill(values, ROWS(values), 0.7 + i);
        OK(ppl_param_write(c, name, params[i].shape, values));
    }
}

/* Loss, then all gradients in order of creation; returns how many numbers. */
static int loss_and_gradients(layer *l, double *out)
{
    int n = 1;
    l->loss = out;
    write_all(l);
    ppl_zero_grad(c);
    OK(run(layer_model, l));
    for (int i = 0; i < ppl_param_count(c); i++) {
        const ppl_param_info *p = ppl_param_at(c, i);
        OK(ppl_param_grad(c, p->name, out + n, p->count));
        n += (int)p->count;
    }
    return n;
}

static const layer layers[] = {
    { .activation = PPL_RELU }, { .activation = PPL_TANH }, { .gru = 1 }
};

/* Numbers the combinations of layer, direction, initial state and shape. */
static layer combination(int i)
{
    layer l = layers[i % 3];
    l.reverse = i / 3 % 2;
    l.h_0 = i / 6 % 3;
    l.ragged = &shapes[i / 18 % ROWS(shapes)];
    l.backward = 1;
    return l;
}
enum { COMBINATIONS = 3 * 2 * 3 * 4 };

START_TEST(test_sequence_is_its_cells)
{
    static double fused[4096], composed[4096];
    layer l = combination(_i % COMBINATIONS);
    const int dtype = _i / COMBINATIONS;
    start(dtype);
    const int n = loss_and_gradients(&l, fused);
    stop();
    start(dtype);
    l.by_cells = 1;
    ck_assert_int_eq(loss_and_gradients(&l, composed), n);
    are_near("loss and gradients", n, fused, composed);
    stop();
}
END_TEST

/* Two sweeps give twice the gradient of one: the second finds nothing of the first. */
START_TEST(test_two_sweeps)
{
    static double once[4096], twice[4096];
    layer l = combination(_i % COMBINATIONS);
    const int dtype = _i / COMBINATIONS;
    start(dtype);
    const int n = loss_and_gradients(&l, once);
    l.backward = 2;
    ck_assert_int_eq(loss_and_gradients(&l, twice), n);
    ck_assert_double_eq(once[0], twice[0]);
    for (int i = 1; i < n; i++)
        is_near(twice[i], 2 * once[i], "gradient", i);
    stop();
}
END_TEST

/* A second sweep from another root, with another adjoint. */
static void two_roots(ppl_ctx *ctx, const void *arg)
{
    const layer *l = arg;
    const int64_t rows = ppl_ragged_rows(l->ragged);
    ppl_tensor *x = wavy(ctx, PPL_SHAPE(rows, INPUT), 4);
    const ppl_rnn_opts opts = { .hidden = HIDDEN, .activation = PPL_TANH };
    ppl_tensor *h = l->gru ? ppl_nn_gru(ctx, "layer", x, l->ragged, &opts)
                           : ppl_nn_rnn(ctx, "layer", x, l->ragged, &opts);
    ppl_tensor *a = ppl_sum(h, PPL_ALL), *b = ppl_sum(ppl_mul(h, h), PPL_ALL);
    if (l->backward == 2) {
        OK(ppl_backward(a));
        OK(ppl_backward(b));
    } else {
        OK(ppl_backward(ppl_add(a, b)));
    }
}

START_TEST(test_sweeps_from_two_roots)
{
    double grad[2][3 * HIDDEN * HIDDEN];
    layer l = combination(_i % 2 ? 1 : 2);
    const int64_t n = (l.gru ? 3 : 1) * HIDDEN * HIDDEN;
    for (int k = 0; k < 2; k++) {
        start(_i / 2);
        l.backward = k + 1;
        OK(run(two_roots, &l));
        OK(ppl_param_grad(c, "layer.weight_hh_l0", grad[k], n));
        stop();
    }
    are_near("gradient of weight_hh", n, grad[1], grad[0]);
}
END_TEST

/* Every gradient by central differences, in double. */
START_TEST(test_differences)
{
    static double gradients[4096];
    layer l = combination(_i);
    double plus, minus;
    start(1);
    loss_and_gradients(&l, gradients);
    for (int i = 0, at = 1; i < ppl_param_count(c); i++) {
        const ppl_param_info *p = ppl_param_at(c, i);
        const int stride = p->count > 20 ? 7 : 1;
        for (int64_t k = 0; k < p->count; k += stride) {
            double *element = (double *)ppl_param_slab(c).value + p->offset + k;
            const double here = *element, h = 1e-6;
            layer value = l;
            value.backward = 0;
            *element = here + h;
            value.loss = &plus;
            OK(run(layer_model, &value));
            *element = here - h;
            value.loss = &minus;
            OK(run(layer_model, &value));
            *element = here;
            ck_assert_msg(fabs((plus - minus) / (2 * h) - gradients[at + k]) < 1e-7,
                          "%s[%lld]: %.12g by differences, %.12g", p->name, (long long)k,
                          (plus - minus) / (2 * h), gradients[at + k]);
        }
        at += (int)p->count;
    }
    stop();
}
END_TEST

/* ---- Initial values, memory ------------------------------------------------------ */

static void big_model(ppl_ctx *ctx, const void *arg)
{
    const layer *l = arg;
    const ppl_rnn_opts opts = { .hidden = 16, .activation = PPL_TANH,
                                .reverse = l->reverse };
    ppl_tensor *x = wavy(ctx, PPL_SHAPE(10, INPUT), 4);
    ppl_tensor *h = l->gru ? ppl_nn_gru(ctx, "big", x, &ragged, &opts)
                           : ppl_nn_rnn(ctx, "big", x, &ragged, &opts);
    h = ppl_nn_mlp(ctx, "net", h, (const int64_t[]){ 7, 2 }, 2, PPL_SOFTPLUS);
    (void)!ppl_backward(ppl_sum(ppl_mul(h, h), PPL_ALL));
}

START_TEST(test_initial_values)
{
    static const char *const names[] = { "big.weight_ih_l0", "big.weight_hh_l0",
                                         "big.bias_ih_l0", "big.bias_hh_l0" };
    double values[768];
    const layer l = { .gru = _i % 2 };
    start(_i / 2);
    OK(run(big_model, &l));
    for (int i = 0; i < 4; i++) {
        const ppl_param_info *p = ppl_param_at(c, i);
        double most = 0;
        ck_assert_str_eq(p->name, names[i]);
        ck_assert_int_eq(p->shape.dim[0], l.gru ? 48 : 16);
        read_param(names[i], values, p->count);
        for (int64_t k = 0; k < p->count; k++)
            most = fmax(most, fabs(values[k]));
        ck_assert_double_le(most, 0.25);                 /* 1/sqrt(16) */
        ck_assert_double_gt(most, 0.15);
    }
    stop();
}
END_TEST

typedef struct limit {
    int left, taken;
    size_t held;
} limit;

static void *limited(void *user, void *old, size_t old_size, size_t new_size)
{
    limit *l = user;
    if (new_size > 0 && l->left-- <= 0)
        return NULL;
    l->taken += new_size > 0;
    l->held += new_size - old_size;
    if (new_size > 0)
        return realloc(old, new_size);
    free(old);
    return NULL;
}

START_TEST(test_no_memory_from_the_third_step)
{
    limit l = { 100000, 0, 0 };
    const ppl_ctx_opts opts = { .allocator = limited, .allocator_user = &l };
    const layer what = { .gru = _i % 2, .reverse = _i / 2 };
    int taken = 0;
    c = ppl_ctx_new(&opts);
    for (int i = 0; i < 6; i++) {
        if (i == 2)
            taken = l.taken;
        OK(run(big_model, &what));
    }
    ck_assert_int_eq(l.taken, taken);
    stop();
}
END_TEST

/* Each allocation in turn fails: a status, nothing leaks, and the next run succeeds. */
START_TEST(test_out_of_memory)
{
    const layer what = { .gru = _i % 2, .reverse = _i / 2 };
    for (int more = 0;; more++) {
        limit l = { 100000, 0, 0 };
        const ppl_ctx_opts opts = { .allocator = limited, .allocator_user = &l };
        c = ppl_ctx_new(&opts);
        ck_assert_ptr_nonnull(c);
        l.left = more;
        const ppl_status status = run(big_model, &what);
        ck_assert_msg(status == PPL_OK || status == PPL_ENOMEM, "%s", ppl_error_text(c));
        l.left = 100000;
        OK(run(big_model, &what));
        stop();
        ck_assert_uint_eq(l.held, 0);
        if (status == PPL_OK) {
            ck_assert_int_gt(more, 5);
            break;
        }
    }
}
END_TEST

/* ---- Errors ---------------------------------------------------------------------- */

/* Calls a layer in a way that its number says. */
static void wrong(ppl_ctx *ctx, const void *arg)
{
    const int which = *(const int *)arg;
    static const int rising[] = { 2, 3 }, none[] = { 2, 0 };
    ppl_tensor *x = wavy(ctx, PPL_SHAPE(10, 3), 1), *h = wavy(ctx, PPL_SHAPE(10, 5), 1);
    ppl_rnn_opts opts = { .hidden = 5, .activation = PPL_TANH };
    switch (which) {
    case 0: ppl_nn_linear(ctx, "emit", ppl_scalar(ctx, 1), 5, PPL_RELU); break;
    case 1: ppl_nn_linear(ctx, NULL, x, 5, PPL_RELU); break;
    case 2: ppl_nn_linear(ctx, "emit", x, 0, PPL_RELU); break;
    case 3: ppl_nn_linear(ctx, "emit", NULL, 5, PPL_RELU); break;
    case 4: ppl_nn_mlp(ctx, "net", x, NULL, 2, PPL_RELU); break;
    case 5: ppl_nn_rnn(ctx, "enc", x, &ragged, NULL); break;
    case 6: opts.hidden = 0; ppl_nn_gru(ctx, "enc", x, &ragged, &opts); break;
    case 7: ppl_nn_gru(ctx, "enc", x, &(ppl_ragged){ 2, few }, &opts); break;
    case 8: ppl_nn_gru(ctx, "enc", x, &(ppl_ragged){ 2, rising }, &opts); break;
    case 9: ppl_nn_gru(ctx, "enc", x, &(ppl_ragged){ 2, none }, &opts); break;
    case 10: ppl_nn_gru(ctx, "enc", x, NULL, &opts); break;
    case 11: ppl_nn_gru(ctx, "enc", NULL, &ragged, &opts); break;
    case 12: opts.activation = PPL_SIGMOID; ppl_nn_rnn(ctx, "enc", x, &ragged, &opts);
        break;
    case 13: opts.h_0 = h; ppl_nn_rnn(ctx, "enc", x, &ragged, &opts); break;
    case 14: opts.h_0 = ppl_row(x, 0); ppl_nn_rnn(ctx, "enc", x, &ragged, &opts); break;
    case 15: ppl_nn_rnn(ctx, "enc", ppl_reshape(x, PPL_SHAPE(10, 3, 1)), &ragged, &opts);
        break;
    case 16: ppl_nn_rnn_cell(ctx, "step", x, ppl_head(h, 4), PPL_RELU); break;
    case 17: ppl_nn_gru_cell(ctx, "step", ppl_row(x, 0), h); break;
    case 18: ppl_nn_rnn_cell(ctx, "step", x, h, PPL_IDENTITY); break;
    case 19: ppl_nn_gru_cell(ctx, NULL, x, h); break;
    }
}

static const struct {
    ppl_status status;
    const char *text;
} errors[] = {
    { PPL_ESHAPE, "linear emit: 5 outputs of x []; give a name, at least 1 output, and x "
                  "with a last axis of at least 1" },
    { PPL_EINVAL, "linear (NULL): 5 outputs of x [10,3]; give a name" },
    { PPL_ESHAPE, "linear emit: 0 outputs of x [10,3]; give a name, at least 1 output" },
    { PPL_EINVAL, "linear emit: 5 outputs of x NULL; give a name, at least 1 output" },
    { PPL_EINVAL, "mlp net: 2 sizes at NULL; give a name and at least one size" },
    { PPL_EINVAL, "rnn enc: opts is NULL; give at least opts.hidden" },
    { PPL_EINVAL, "gru enc: opts.hidden is less than 1; say how wide the state is" },
    { PPL_ESHAPE, "gru enc: packed is [10,3], but the 2 ragged steps have 6 rows; axis 0 "
                  "must be the sum of active" },
    { PPL_EINVAL, "gru enc: active[1] is 3, more than the step before; every step has at "
                  "least 1 sequence and no more than the step before (longest first)" },
    { PPL_EINVAL, "gru enc: active[1] is 0; every step has at least 1 sequence" },
    { PPL_EINVAL, "gru enc: no ragged steps; give at least one, with active" },
    { PPL_EINVAL, "gru enc: packed is NULL, but the 5 ragged steps have 10 rows" },
    { PPL_EINVAL, "rnn enc: its activation is neither PPL_RELU nor PPL_TANH" },
    { PPL_ESHAPE, "rnn enc: h_0 is [10,5]; it must be [5] or [3,5]" },
    { PPL_ESHAPE, "rnn enc: h_0 is [3]; it must be [5] or [3,5]" },
    { PPL_ESHAPE, "rnn enc: x is [10,3,1]; it must be [rows,I]" },
    { PPL_ESHAPE, "rnn_cell step: x is [10,3] and h is [4,5]; x must be [n,I] and h "
                  "[n,H] or [H]" },
    { PPL_ESHAPE, "gru_cell step: x is [3] and h is [10,5]; x must be [n,I] and h [n,H] "
                  "or [H]" },
    { PPL_EINVAL, "rnn step: its activation is neither PPL_RELU nor PPL_TANH" },
    { PPL_EINVAL, "gru_cell (NULL): x is [10,3] and h is [10,5]; x must be [n,I]" }
};

START_TEST(test_errors)
{
    const char *text = errors[_i].text;
    start(0);
    ck_assert_int_eq(run(wrong, &_i), errors[_i].status);
    ck_assert_msg(strncmp(ppl_error_text(c), text, strlen(text)) == 0, "%s",
                  ppl_error_text(c));
    ck_assert_int_eq(ppl_param_count(c), 0);
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layers");
    TCase *plain = tcase_create("linear and ragged");
    TCase *recurrent = tcase_create("recurrent");
    TCase *memory = tcase_create("memory and errors");
    TCase *all[] = { plain, recurrent, memory };
    for (int i = 0; i < ROWS(all); i++) {
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_loop_test(plain, test_linear, 0, 2);
    tcase_add_loop_test(plain, test_mlp, 0, 2);
    tcase_add_test(plain, test_ragged);
    tcase_add_loop_test(recurrent, test_golden, 0, 2 * ROWS(golden_cases));
    tcase_add_loop_test(recurrent, test_sequence_is_its_cells, 0, 2 * COMBINATIONS);
    tcase_add_loop_test(recurrent, test_two_sweeps, 0, 2 * COMBINATIONS);
    tcase_add_loop_test(recurrent, test_sweeps_from_two_roots, 0, 4);
    tcase_add_loop_test(recurrent, test_differences, 0, COMBINATIONS);
    tcase_add_loop_test(memory, test_initial_values, 0, 4);
    tcase_add_loop_test(memory, test_no_memory_from_the_third_step, 0, 4);
    tcase_add_loop_test(memory, test_out_of_memory, 0, 4);
    tcase_add_loop_test(memory, test_errors, 0, ROWS(errors));

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

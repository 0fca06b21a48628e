/* SPDX-License-Identifier: MIT */
/* Optimisers: trajectories of PyTorch and Pyro (golden/optimisers.json), numbers computed
 * by hand, which parameters move, clipping, decay, options. Every case in both dtypes.
 */
#include <kiln/optim.h>

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(array) (int)(sizeof(array) / sizeof *(array))

static ppl_ctx *c;
static double tolerance;

static void start(int dtype)
{
    const ppl_ctx_opts opts = { .dtype = dtype == 0 ? PPL_F32 : PPL_F64 };
    c = ppl_ctx_new(&opts);
    ck_assert_ptr_nonnull(c);
    tolerance = dtype == 0 ? 2e-6 : 1e-13;
}

static void stop(void)
{
    ppl_ctx_free(c);
    c = NULL;
}

static void is_near(double x, double expected)
{
    ck_assert_msg(fabs(x - expected) <= tolerance * (1 + fabs(expected)),
                  "%.15g is not %.15g", x, expected);
}

/* ---- Parameters with gradients of the test's choice ------------------------------ */

/* A list of parameters to visit; it ends with a NULL name. */
typedef struct visited {
    const char *name;
    int64_t count;
    const double *init;
} visited;

static void visit(ppl_ctx *ctx, const void *arg)
{
    for (const visited *v = arg; v->name; v++)
        ppl_param(ctx, v->name, PPL_SHAPE(v->count), ppl_init_values(v->init), PPL_REAL);
}

static void touch(const visited *list)
{
    const ppl_epoch mark = ppl_epoch_begin(c);
    ppl_zero_grad(c);
    ck_assert_msg(ppl_run(c, visit, list, NULL) == PPL_OK, "%s", ppl_error_text(c));
    ppl_epoch_end(c, mark);
}

static double slab_at(const void *array, int64_t i)
{
    return ppl_ctx_dtype(c) == PPL_F32 ? (double)((const float *)array)[i]
                                       : ((const double *)array)[i];
}

static const ppl_param_info *info(const char *name)
{
    const ppl_param_info *p = ppl_param_at(c, ppl_param_find(c, name));
    ck_assert_msg(p != NULL, "no parameter %s", name);
    return p;
}

static void set_grad(const char *name, const double *grad)
{
    const ppl_param_info *p = info(name);
    void *array = ppl_param_slab(c).grad;
    for (int64_t i = 0; i < p->count; i++)
        if (ppl_ctx_dtype(c) == PPL_F32)
            ((float *)array)[p->offset + i] = (float)grad[i];
        else
            ((double *)array)[p->offset + i] = grad[i];
}

static double value_at(const char *name, int64_t i)
{
    return slab_at(ppl_param_slab(c).value, info(name)->offset + i);
}

static double moment_at(const char *name, int which, int64_t i)
{
    return slab_at(ppl_param_slab(c).moment[which], info(name)->offset + i);
}

static void update(ppl_optim *optim)
{
    ck_assert_msg(optim != NULL, "%s", ppl_error_text(c));
    optim->update(optim, c);
}

/* ---- Trajectories of the reference implementations ------------------------------- */

static json_t *golden(void)
{
    const char *folder = getenv("srcdir");
    char path[512];
    json_error_t error;
    snprintf(path, sizeof path, "%s/tests/golden/optimisers.json", folder ? folder : ".");
    json_t *root = json_load_file(path, 0, &error);
    ck_assert_msg(root != NULL, "%s: %s", path, error.text);
    return root;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static ppl_optim *make(const char *name, const json_t *o)
{
    const json_t *betas = json_object_get(o, "betas");
    const int pyro = strcmp(name, "clipped_adam") == 0;
    ppl_optim_opts opts = {
        .lr = number(o, "lr"), .weight_decay = number(o, "weight_decay"),
        .momentum = number(o, "momentum"), .epsilon = number(o, "eps"),
        .lr_decay = number(o, "lrd"), .clip_value = pyro ? number(o, "clip_norm") : 0,
        .beta1 = json_number_value(json_array_get(betas, 0)),
        .beta2 = json_number_value(json_array_get(betas, 1))
    };
    if (strcmp(name, "sgd") == 0)
        return ppl_sgd(c, &opts);
    if (strcmp(name, "adam") == 0)
        return ppl_adam(c, &opts);
    if (strcmp(name, "adamw") == 0)     /* 0 would be the default decay */
        return opts.weight_decay > 0 ? ppl_adamw(c, &opts) : ppl_adam(c, &opts);
    ck_assert_msg(pyro, "an optimiser %s in the golden file", name);
    return ppl_clipped_adam(c, &opts);
}

static int read_row(const json_t *row, double *out)
{
    for (size_t i = 0; i < json_array_size(row); i++)
        out[i] = json_number_value(json_array_get(row, i));
    return (int)json_array_size(row);
}

static void follow(const json_t *one)
{
    const json_t *gradients = json_object_get(one, "gradients");
    double init[16], grad[16], expected[16];
    const int n = read_row(json_object_get(one, "start"), init);
    const visited list[] = { { "p", n, init }, { NULL, 0, NULL } };
    ppl_optim *optim = make(json_string_value(json_object_get(one, "optimiser")),
                            json_object_get(one, "options"));
    for (size_t t = 0; t < json_array_size(gradients); t++) {
        touch(list);
        read_row(json_array_get(gradients, t), grad);
        read_row(json_array_get(json_object_get(one, "params"), t), expected);
        set_grad("p", grad);
        update(optim);
        ck_assert_int_eq(info("p")->steps, (int64_t)t + 1);
        for (int i = 0; i < n; i++)
            is_near(value_at("p", i), expected[i]);
    }
}

START_TEST(test_golden)
{
    json_t *root = golden();
    const json_t *cases = json_object_get(root, "cases");
    ck_assert_uint_gt(json_array_size(cases), 10);
    for (size_t k = 0; k < json_array_size(cases); k++) {
        start(_i);
        follow(json_array_get(cases, k));
        stop();
    }
    json_decref(root);
}
END_TEST

/* One parameter from 1, gradients .5, 20, -.3, -40, 0, as Pyro's ClippedAdam moves it. */
START_TEST(test_clipped_adam_by_hand)
{
    static const double grads[] = { .5, 20, -.3, -40, 0 }, one = 1;
    static const struct {
        ppl_optim_opts opts;
        double expected[5];
    } rows[] = {
        { { .lr = .1, .lr_decay = .99, .weight_decay = .1 },
          { 0.901000052178, 0.824299350079, 0.766950538330, 0.772898739737,
            0.777592670810 } },
        { { .lr = 3e-4, .beta1 = .96, .lr_decay = .99996, .weight_decay = 2 },
          { 0.999700012038, 0.999445795485, 0.999219623480, 0.999145045554,
            0.999060780229 } }
    };
    const visited list[] = { { "p", 1, &one }, { NULL, 0, NULL } };
    for (int k = 0; k < ROWS(rows); k++) {
        start(_i);
        ppl_optim *optim = ppl_clipped_adam(c, &rows[k].opts);
        for (int t = 0; t < 5; t++) {
            touch(list);
            set_grad("p", &grads[t]);
            update(optim);
            ck_assert_double_le(fabs(value_at("p", 0) - rows[k].expected[t]),
                                _i == 0 ? 2e-7 : 1e-12);
        }
        stop();
    }
}
END_TEST

/* ---- Laws ------------------------------------------------------------------------ */

static ppl_optim *kind(int k, const ppl_optim_opts *opts)
{
    return k == 0 ? ppl_sgd(c, opts) : k == 1 ? ppl_adam(c, opts)
           : k == 2 ? ppl_adamw(c, opts) : ppl_clipped_adam(c, opts);
}

/* The first step with defaults, by hand: lr times the gradient, or its sign. */
START_TEST(test_defaults)
{
    static const double two = 2, g = 4;
    const visited list[] = { { "p", 1, &two }, { NULL, 0, NULL } };
    const double after[] = { 2 - 1e-3 * 4, 2 - 1e-3 * 4 / (4 + 1e-8),
                             2 * (1 - 1e-3 * 0.01) - 1e-3 * 4 / (4 + 1e-8),
                             2 - 1e-3 * 4 / (4 + 1e-8 / sqrt(1e-3)) };
    static const char *const names[] = { "sgd", "adam", "adamw", "clipped_adam" };
    for (int k = 0; k < 4; k++) {
        start(_i);
        ppl_optim *optim = kind(k, NULL);
        touch(list);
        set_grad("p", &g);
        update(optim);
        ck_assert_str_eq(optim->name, names[k]);
        is_near(value_at("p", 0), after[k]);
        stop();
    }
}
END_TEST

#define TEN_ONES 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
static const double ones[40] = { TEN_ONES, TEN_ONES, TEN_ONES, TEN_ONES };

/* Parameters that a step did not visit keep value, moments and count, bit for bit; those
 * that it did, whose counts differ by now, move as if each were alone. */
START_TEST(test_only_touched_move)
{
    static const visited all[] = { { "a", 3, ones }, { "b", 17, ones }, { "d", 16, ones },
                                   { "e", 1, ones }, { NULL, 0, NULL } };
    static const visited some[] = { { "a", 3, ones }, { "d", 16, ones }, { "e", 1, ones },
                                    { NULL, 0, NULL } };
    double alone[4];
    for (int k = 0; k < 4; k++) {
        const visited *one = (const visited[]){ { "p", 40, ones }, { NULL, 0, NULL } };
        start(_i);
        ppl_optim *optim = kind(k, NULL);
        for (int t = 0; t < 3; t++) {
            touch(one);
            set_grad("p", ones);
            update(optim);
            alone[t] = value_at("p", 7);
        }
        stop();

        start(_i);
        optim = kind(k, NULL);
        for (int t = 0; t < 3; t++) {
            const visited *list = t == 1 ? some : all;
            touch(list);
            for (const visited *v = list; v->name; v++)
                set_grad(v->name, ones);
            update(optim);
        }
        ck_assert_int_eq(info("a")->steps, 3);
        ck_assert_int_eq(info("b")->steps, 2);
        ck_assert_double_eq(value_at("a", 2), alone[2]);
        ck_assert_double_eq(value_at("b", 16), alone[1]);
        ck_assert_double_eq(value_at("d", 15), alone[2]);
        ck_assert_double_eq(value_at("e", 0), alone[2]);

        touch((const visited[]){ { "b", 17, ones }, { NULL, 0, NULL } });
        set_grad("b", ones);
        const double before = moment_at("d", 0, 3);
        update(optim);
        ck_assert_double_eq(value_at("d", 15), alone[2]);
        ck_assert_double_eq(moment_at("d", 0, 3), before);
        ck_assert_double_eq(value_at("b", 0), alone[2]);
        stop();
    }
}
END_TEST

/* The slab's padding is zeros, whatever the options. */
START_TEST(test_padding_stays_zero)
{
    static const visited list[] = { { "a", 3, ones }, { "b", 5, ones }, { "d", 1, ones },
                                    { NULL, 0, NULL } };
    const ppl_optim_opts opts = { .lr = .1, .weight_decay = .5, .clip_norm = 1 };
    for (int k = 0; k < 4; k++) {
        start(_i);
        ppl_optim *optim = kind(k, &opts);
        for (int t = 0; t < 5; t++) {
            touch(list);
            for (const visited *v = list; v->name; v++)
                set_grad(v->name, ones);
            update(optim);
        }
        const ppl_slab slab = ppl_param_slab(c);
        int padding = 0;
        for (int64_t i = 0; i < slab.size; i++) {
            int inside = 0;
            for (const visited *v = list; v->name; v++)
                inside |= (uint64_t)(i - info(v->name)->offset) < (uint64_t)v->count;
            padding += !inside;
            for (int a = 0; a < 3 && !inside; a++)
                ck_assert_double_eq(
                    slab_at(a == 0 ? slab.value : slab.moment[a - 1], i), 0);
        }
        ck_assert_int_gt(padding, 10);
        stop();
    }
}
END_TEST

/* An element that never had a gradient stays, though epsilon be tiny (0/0 otherwise). */
START_TEST(test_zero_gradient_and_tiny_epsilon)
{
    static const visited list[] = { { "p", 2, ones }, { NULL, 0, NULL } };
    const ppl_optim_opts opts = { .epsilon = 1e-300 };
    for (int k = 1; k < 4; k += 2) {
        start(_i);
        ppl_optim *optim = kind(k, &opts);
        touch(list);
        set_grad("p", (const double[]){ 0, 1 });
        update(optim);
        ck_assert_double_eq(value_at("p", 0), 1);
        is_near(value_at("p", 1), 1 - 1e-3);
        stop();
    }
}
END_TEST

START_TEST(test_clipping)
{
    static const visited list[] = { { "a", 2, ones }, { "b", 1, ones },
                                    { NULL, 0, NULL } };
    static const double a[] = { 3, -40 }, b[] = { 4 };
    static const struct {
        ppl_optim_opts opts;
        double step[3];         /* what lr = 1 takes off */
    } rows[] = {
        { { .lr = 1, .clip_value = 3.5 }, { 3, -3.5, 3.5 } },
        { { .lr = 1, .clip_norm = 1e9 }, { 3, -40, 4 } },
        { { .lr = 1, .clip_norm = 0.5 }, { 3, -40, 4 } },
        { { .lr = 1, .clip_value = 12, .clip_norm = 1.3 }, { 0.3, -1.2, 0.4 } },
        { { .lr = 1, .clip_value = INFINITY }, { 3, -40, 4 } }
    };
    const double norm = sqrt(9 + 1600 + 16);
    for (int k = 0; k < ROWS(rows); k++) {
        const double scale = k == 2 ? 0.5 / norm : 1;
        start(_i);
        ppl_optim *optim = ppl_sgd(c, &rows[k].opts);
        touch(list);
        set_grad("a", a);
        set_grad("b", b);
        is_near(ppl_grad_norm(c), norm);
        update(optim);
        is_near(ppl_grad_norm(c), norm);    /* the gradients are left as they were */
        is_near(1 - value_at("a", 0), rows[k].step[0] * scale);
        is_near(1 - value_at("a", 1), rows[k].step[1] * scale);
        is_near(1 - value_at("b", 0), rows[k].step[2] * scale);
        stop();
    }
}
END_TEST

/* Weight decay comes after clipping, in Pyro's optimiser too. */
START_TEST(test_decay_after_clipping)
{
    static const double three = 3, g = 50;
    const visited list[] = { { "p", 1, &three }, { NULL, 0, NULL } };
    start(_i);
    ppl_optim *optim = ppl_sgd(c, &(ppl_optim_opts){ .lr = .1, .clip_value = 2,
                                                     .weight_decay = 4, .lr_decay = .5 });
    touch(list);
    set_grad("p", &g);
    update(optim);
    is_near(value_at("p", 0), 3 - .05 * (2 + 4 * 3));
    stop();
}
END_TEST

START_TEST(test_grad_norm)
{
    static const visited list[] = { { "a", 19, ones }, { "b", 2, ones },
                                    { NULL, 0, NULL } };
    static const visited less[] = { { "b", 2, ones }, { NULL, 0, NULL } };
    start(_i);
    ck_assert_double_eq(ppl_grad_norm(c), 0);
    touch(list);
    set_grad("a", ones);
    set_grad("b", (const double[]){ 2, 9 });
    is_near(ppl_grad_norm(c), sqrt(19 + 4 + 81));
    touch(less);
    set_grad("a", ones);                    /* not touched: does not count */
    set_grad("b", (const double[]){ 3, 4 });
    is_near(ppl_grad_norm(c), 5);
    const double huge = _i == 0 ? 3e38 : 1e300;
    set_grad("b", (const double[]){ huge, huge });
    ck_assert_double_eq_tol(ppl_grad_norm(c) / huge, sqrt(2), 1e-6);
    stop();
}
END_TEST

/* ---- With the tape: a minimum is found ------------------------------------------- */

static void quadratic(ppl_ctx *ctx, const void *arg)
{
    static const double target[] = { 3, -2, 0.5 };
    ppl_tensor *p = ppl_param(ctx, "p", PPL_SHAPE(3), PPL_ZEROS, PPL_REAL);
    ppl_tensor *d = ppl_sub(p, ppl_from_doubles(ctx, PPL_SHAPE(3), target));
    (void)arg;
    (void)!ppl_backward(ppl_sum(ppl_mul(d, d), PPL_ALL));
}

START_TEST(test_minimum)
{
    const double lr[] = { .1, .05, .05, .05 };
    const int k = _i / 2;
    start(_i % 2);
    ppl_optim *optim = kind(k, &(ppl_optim_opts){ .lr = lr[k], .lr_decay = .999,
                                                  .weight_decay = k == 2 ? 1e-9 : 0 });
    for (int t = 0; t < 2000; t++) {
        const ppl_epoch mark = ppl_epoch_begin(c);
        ppl_zero_grad(c);
        ck_assert_msg(ppl_run(c, quadratic, NULL, NULL) == PPL_OK, "%s",
                      ppl_error_text(c));
        ppl_epoch_end(c, mark);
        update(optim);
    }
    ck_assert_double_eq_tol(value_at("p", 0), 3, 1e-4);
    ck_assert_double_eq_tol(value_at("p", 1), -2, 1e-4);
    ck_assert_double_eq_tol(value_at("p", 2), 0.5, 1e-4);
    stop();
}
END_TEST

/* ---- Options and memory ---------------------------------------------------------- */

static const struct {
    int kind;
    ppl_optim_opts opts;
    const char *text;
} bad_options[] = {
    { 1, { .lr = NAN }, "adam: lr is nan; it must be a finite number >= 0" },
    { 1, { .lr = -NAN }, "adam: lr is nan; it must be a finite number >= 0" },
    { 0, { .lr = -1e-3 }, "sgd: lr is -0.001; it must be a finite number >= 0" },
    { 3, { .lr = INFINITY }, "clipped_adam: lr is inf; it must be a finite number >= 0" },
    { 2, { .lr_decay = -0.5 },
      "adamw: lr_decay is -0.5; it must be a finite number > 0" },
    { 0, { .weight_decay = -2 },
      "sgd: weight_decay is -2; it must be a finite number >= 0" },
    { 0, { .clip_value = -1 }, "sgd: clip_value is -1; it must be a number > 0" },
    { 0, { .clip_norm = NAN }, "sgd: clip_norm is nan; it must be a number > 0" },
    { 0, { .momentum = 1 }, "sgd: momentum is 1; it must be at least 0 and less than 1" },
    { 1, { .momentum = .9 },
      "adam: momentum is 0.9, but adam has no such option; leave it 0" },
    { 0, { .beta1 = .9 }, "sgd: beta1 is 0.9, but sgd has no such option; leave it 0" },
    { 1, { .beta1 = 1.5 }, "adam: beta1 is 1.5; it must be at least 0 and less than 1" },
    { 3, { .beta2 = 1 },
      "clipped_adam: beta2 is 1; it must be at least 0 and less than 1" },
    { 2, { .epsilon = -1e-8 },
      "adamw: epsilon is -1e-08; it must be a finite number > 0" }
};

START_TEST(test_bad_options)
{
    start(0);
    ck_assert_ptr_null(kind(bad_options[_i].kind, &bad_options[_i].opts));
    ck_assert_int_eq(ppl_error(c), PPL_EINVAL);
    ck_assert_str_eq(ppl_error_text(c), bad_options[_i].text);
    stop();
}
END_TEST

typedef struct limit {
    int left;                   /* allocations that still succeed */
    size_t held;
} limit;

static void *limited(void *user, void *old, size_t old_size, size_t new_size)
{
    limit *l = user;
    if (new_size > 0 && l->left-- <= 0)
        return NULL;
    l->held += new_size - old_size;
    if (new_size > 0)
        return realloc(old, new_size);
    free(old);
    return NULL;
}

START_TEST(test_out_of_memory)
{
    for (int more = 0;; more++) {
        limit l = { 1000, 0 };
        const ppl_ctx_opts opts = { .allocator = limited, .allocator_user = &l };
        c = ppl_ctx_new(&opts);
        l.left = more;
        const ppl_optim *optim = ppl_adam(c, NULL);
        const int made = optim != NULL;
        ck_assert_int_eq(ppl_error(c), made ? PPL_OK : PPL_ENOMEM);
        stop();
        ck_assert_uint_eq(l.held, 0);
        if (made) {
            ck_assert_int_ge(more, 1);
            break;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimisers");
    TCase *laws = tcase_create("trajectories and laws");
    TCase *options = tcase_create("options");
    tcase_set_timeout(laws, 60);
    suite_add_tcase(suite, laws);
    suite_add_tcase(suite, options);
    tcase_add_loop_test(laws, test_golden, 0, 2);
    tcase_add_loop_test(laws, test_clipped_adam_by_hand, 0, 2);
    tcase_add_loop_test(laws, test_defaults, 0, 2);
    tcase_add_loop_test(laws, test_only_touched_move, 0, 2);
    tcase_add_loop_test(laws, test_padding_stays_zero, 0, 2);
    tcase_add_loop_test(laws, test_zero_gradient_and_tiny_epsilon, 0, 2);
    tcase_add_loop_test(laws, test_clipping, 0, 2);
    tcase_add_loop_test(laws, test_decay_after_clipping, 0, 2);
    tcase_add_loop_test(laws, test_grad_norm, 0, 2);
    tcase_add_loop_test(laws, test_minimum, 0, 8);
    tcase_add_loop_test(options, test_bad_options, 0, ROWS(bad_options));
    tcase_add_test(options, test_out_of_memory);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

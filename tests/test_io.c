/* SPDX-License-Identifier: MIT */
/* Checkpoints and safetensors files: what is saved comes back bit for bit, also into the
 * other dtype; a run that stops and resumes gives the losses of one that does not; files
 * of others load by name; bad files, full disks, killed writers and lack of memory leave
 * everything as it was. Files are written below $TMPDIR, else /tmp.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* mkdtemp */
#endif

#include <kiln/io.h>
#include <kiln/optim.h>

#include <check.h>
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROWS(array) (int)(sizeof(array) / sizeof *(array))

static ppl_ctx *c;
static char folder[256], path[300];

static ppl_ctx *context(int dtype, uint64_t seed)
{
    const ppl_ctx_opts opts = { .dtype = dtype == 0 ? PPL_F32 : PPL_F64, .seed = seed };
    ppl_ctx *made = ppl_ctx_new(&opts);
    ck_assert_ptr_nonnull(made);
    return made;
}

static void set_up(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/kiln-io-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_msg(mkdtemp(folder) != NULL, "%s cannot be made", folder);
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
}

/* rmdir fails where a temporary file was left behind. */
static void tear_down(void)
{
    ppl_ctx_free(c);
    c = NULL;
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

#define OK(ctx, status) ck_assert_msg((status) == PPL_OK, "%s", ppl_error_text(ctx))

static void fails(ppl_status status, ppl_status expected, const char *text)
{
    const char *found = ppl_error_text(c);
    ck_assert_msg(status == expected, "%s: %s", ppl_status_name(status), found);
    ck_assert_msg(strstr(found, text) != NULL, "\"%s\" has not \"%s\"", found, text);
}

static ppl_status save(ppl_ctx *ctx)
{
    return ppl_checkpoint_save(ctx, path, NULL);
}

static ppl_status load(ppl_ctx *ctx)
{
    return ppl_checkpoint_load(ctx, path, NULL, NULL);
}

/* ---- A model with parameters of several kinds ------------------------------------ */

/* Three probabilities from two numbers: the third is what is left to 1. */
static int rest_check(const ppl_constraint *self, double *value, const ppl_shape *event)
{
    double sum = 0;
    (void)self;
    for (int64_t i = 0; i < event->dim[0]; i++)
        sum += value[i];
    return fabs(sum - 1) < 1e-5;
}

static ppl_tensor *rest_to(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    ppl_tensor *rest = ppl_affine(ppl_sum(t, 0), -1, 1);
    return ppl_concat((ppl_tensor *[]){ t, ppl_reshape(rest, PPL_SHAPE(1)) }, 2, 0);
}

static ppl_tensor *rest_from(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_slice(t, 0, 0, ppl_dim(t, 0) - 1);
}

static const ppl_constraint_map rest_map = { .to_constrained = rest_to,
                                             .from_constrained = rest_from };
static const ppl_constraint_type rest_type = { .name = "rest", .event_dim = 1,
                                               .check = rest_check,
                                               .optimise = &rest_map };
static const ppl_constraint rest_constraint = { .type = &rest_type };
static const double third[] = { 0.2, 0.3, 0.5 };

static double loss_of_last_run;

/* A loss that depends on all parameters and on the random state. */
static void model(ppl_ctx *ctx, const void *arg)
{
    uint64_t seed, step;
    double noise[6];
    (void)arg;
    ppl_rng_state(ctx, &seed, &step);
    ppl_rng_normals(&(ppl_rng){ { (uint32_t)seed, (uint32_t)step } }, 0, 6, noise);
    ppl_tensor *w = ppl_param(ctx, "rnn.weight", PPL_SHAPE(2, 3), ppl_init_normal(0, 1),
                              PPL_REAL);
    ppl_tensor *s = ppl_param(ctx, "scale", PPL_SCALAR, ppl_init_constant(2),
                              PPL_POSITIVE);
    ppl_tensor *p = ppl_param(ctx, "thirds", PPL_SHAPE(3), ppl_init_values(third),
                              rest_constraint);
    ppl_tensor *d = ppl_sub(w, ppl_from_doubles(ctx, PPL_SHAPE(2, 3), noise));
    if (step % 3 == 1)      /* counts of steps differ */
        d = ppl_mul(d, ppl_param(ctx, "now and then", PPL_SHAPE(3), PPL_ONES, PPL_REAL));
    ppl_tensor *q = ppl_sub(p, ppl_full(ctx, PPL_SHAPE(3), 0.4));
    ppl_tensor *loss = ppl_add(ppl_sum(ppl_mul(ppl_mul(d, d), s), PPL_ALL),
                               ppl_sub(ppl_sum(ppl_mul(q, q), PPL_ALL), ppl_log(s)));
    loss_of_last_run = ppl_item(loss);
    (void)!ppl_backward(loss);
}

static double train(ppl_ctx *ctx, ppl_optim *optim)
{
    const ppl_epoch mark = ppl_epoch_begin(ctx);
    ppl_next_step(ctx);
    ppl_zero_grad(ctx);
    OK(ctx, ppl_run(ctx, model, NULL, NULL));
    optim->update(optim, ctx);
    ppl_epoch_end(ctx, mark);
    return loss_of_last_run;
}

static ppl_optim *optimiser(ppl_ctx *ctx)
{
    return ppl_clipped_adam(ctx, &(ppl_optim_opts){ .lr = 0.05, .lr_decay = 0.99 });
}

static ppl_ctx *trained(int dtype, int steps)
{
    ppl_ctx *ctx = context(dtype, UINT64_MAX - 5);
    ppl_optim *optim = optimiser(ctx);
    for (int t = 0; t < steps; t++)
        train(ctx, optim);
    return ctx;
}

static size_t element_size(const ppl_ctx *ctx)
{
    return ppl_ctx_dtype(ctx) == PPL_F32 ? sizeof(float) : sizeof(double);
}

/* The same parameters in the same order, and all numbers bit for bit. */
static void are_equal(ppl_ctx *a, ppl_ctx *b)
{
    const ppl_slab x = ppl_param_slab(a), y = ppl_param_slab(b);
    uint64_t seed[2], step[2];
    ck_assert_int_eq(ppl_param_count(a), ppl_param_count(b));
    for (int i = 0; i < ppl_param_count(a); i++) {
        const ppl_param_info *p = ppl_param_at(a, i), *q = ppl_param_at(b, i);
        ck_assert_str_eq(p->name, q->name);
        ck_assert_int_eq(p->shape.rank, q->shape.rank);
        for (int k = 0; k < p->shape.rank; k++)
            ck_assert_int_eq(p->shape.dim[k], q->shape.dim[k]);
        ck_assert_int_eq(p->offset, q->offset);
        ck_assert_int_eq(p->count, q->count);
        ck_assert_int_eq(p->steps, q->steps);
    }
    ck_assert_int_eq(x.size, y.size);
    const size_t size = (size_t)x.size * element_size(a);
    if (size > 0) {
        ck_assert_mem_eq(x.value, y.value, size);
        ck_assert_mem_eq(x.moment[0], y.moment[0], size);
        ck_assert_mem_eq(x.moment[1], y.moment[1], size);
    }
    ppl_rng_state(a, &seed[0], &step[0]);
    ppl_rng_state(b, &seed[1], &step[1]);
    ck_assert_uint_eq(seed[0], seed[1]);
    ck_assert_uint_eq(step[0], step[1]);
}

static double slab_at(ppl_ctx *ctx, const void *array, int64_t i)
{
    return ppl_ctx_dtype(ctx) == PPL_F32 ? (double)((const float *)array)[i]
                                         : ((const double *)array)[i];
}

/* ---- Round trips ----------------------------------------------------------------- */

START_TEST(test_round_trip)
{
    ppl_ctx *other = context(_i, 1);
    c = trained(_i, 8);
    ck_assert_int_ne(ppl_param_at(c, 0)->steps,
                     ppl_param_at(c, ppl_param_find(c, "now and then"))->steps);
    OK(c, save(c));
    OK(other, load(other));             /* nothing was there */
    are_equal(c, other);
    train(other, optimiser(other));     /* something else is there */
    OK(other, load(other));
    are_equal(c, other);
    ppl_ctx_free(other);
}
END_TEST

/* Saved after 7 steps and resumed elsewhere: the losses of steps 8 to 20, bit for bit. */
START_TEST(test_resume)
{
    double whole[20];
    ppl_ctx *first = context(_i, 77);
    c = context(_i, 77);
    ppl_optim *optim = optimiser(c);
    for (int t = 0; t < 20; t++)
        whole[t] = train(c, optim);
    optim = optimiser(first);
    for (int t = 0; t < 7; t++)
        ck_assert_double_eq(train(first, optim), whole[t]);
    OK(first, save(first));
    ppl_ctx_free(first);

    ppl_ctx *second = context(_i, 3);
    OK(second, load(second));
    optim = optimiser(second);
    for (int t = 7; t < 20; t++)
        ck_assert_double_eq(train(second, optim), whole[t]);
    are_equal(c, second);
    ppl_ctx_free(second);
}
END_TEST

/* From float to double and back nothing is lost; from double to float it is rounded. */
START_TEST(test_other_dtype)
{
    ppl_ctx *other = context(!_i, 1);
    c = trained(_i, 8);
    OK(c, save(c));
    OK(other, load(other));
    const ppl_slab x = ppl_param_slab(c), y = ppl_param_slab(other);
    for (int i = 0; i < ppl_param_count(c); i++) {
        const ppl_param_info *p = ppl_param_at(c, i), *q = ppl_param_at(other, i);
        ck_assert_str_eq(p->name, q->name);
        ck_assert_int_eq(p->steps, q->steps);
        for (int64_t k = 0; k < 3 * p->count; k++) {
            const void *from[] = { x.value, x.moment[0], x.moment[1] };
            const void *to[] = { y.value, y.moment[0], y.moment[1] };
            const double a = slab_at(c, from[k % 3], p->offset + k / 3);
            const double b = slab_at(other, to[k % 3], q->offset + k / 3);
            ck_assert_double_eq(b, _i == 0 ? a : (double)(float)a);
        }
    }
    ppl_ctx_free(other);
}
END_TEST

static const double edge_values[] = { -0.0, DBL_MIN, 4.9406564584124654e-324, DBL_MAX,
                                      -DBL_MAX, 0.1, 1.0 / 3, DBL_EPSILON };

START_TEST(test_doubles_are_exact)
{
    ppl_ctx *other = context(1, 0);
    double back[ROWS(edge_values)];
    c = context(1, 0);
    OK(c, ppl_param_write(c, "edge", PPL_SHAPE(ROWS(edge_values)), edge_values));
    OK(c, save(c));
    OK(other, load(other));
    OK(other, ppl_param_read(other, "edge", back, ROWS(back)));
    ck_assert_mem_eq(back, edge_values, sizeof back);
    ppl_ctx_free(other);

    other = context(0, 0);
    ck_assert_int_eq(load(other), PPL_EFORMAT);
    ck_assert_ptr_nonnull(strstr(ppl_error_text(other), "x.safetensors: tensor edge: "
                                 "element 3 is 1.79769e+308, too large for float; use a "
                                 "context of PPL_F64"));
    ck_assert_int_eq(ppl_param_count(other), 0);
    ppl_ctx_free(other);
}
END_TEST

START_TEST(test_nothing_to_save)
{
    ppl_ctx *other = context(_i, 9);
    c = context(_i, 5);
    OK(c, save(c));
    OK(other, load(other));
    are_equal(c, other);
    ppl_ctx_free(other);
}
END_TEST

START_TEST(test_names)
{
    static const char *const names[] = { "a \"quoted\" \\ name", "line\nbreak\t\x01",
                                         "\xce\xbb \xe2\x9c\x93", "module$$$sub.weight",
                                         "{\"dtype\":\"F32\"}", "kiln", "data_offsets" };
    ppl_ctx *other = context(_i, 0);
    const double x = 1.5;
    c = context(_i, 0);
    for (int i = 0; i < ROWS(names); i++)
        OK(c, ppl_param_write(c, names[i], PPL_SCALAR, &x));
    OK(c, save(c));
    OK(other, load(other));
    are_equal(c, other);
    ppl_ctx_free(other);
}
END_TEST

START_TEST(test_names_refused)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        { "kiln.w", "x.safetensors: the name of parameter kiln.w is taken by the format; "
                    "give it another" },
        { "__metadata__", "the name of parameter __metadata__ is taken by the format" },
        { "\xff", "x.safetensors: \"kiln.steps.\xff\" is not UTF-8" }
    };
    for (int i = 0; i < ROWS(rows); i++) {
        const double x = 1;
        c = context(0, 0);
        OK(c, ppl_param_write(c, rows[i].name, PPL_SCALAR, &x));
        fails(save(c), PPL_EINVAL, rows[i].text);
        ppl_ctx_free(c);
    }
    c = NULL;
}
END_TEST

/* A file's elements are unconstrained, whatever was written there before a model came. */
START_TEST(test_loaded_over_written)
{
    const double other_value = 9;
    double before, after;
    ppl_ctx *saved = trained(_i, 4);
    OK(saved, ppl_param_read(saved, "scale", &before, 1));
    OK(saved, save(saved));
    c = context(_i, 0);
    OK(c, ppl_param_write(c, "scale", PPL_SCALAR, &other_value));
    OK(c, load(c));
    OK(c, ppl_run(c, model, NULL, NULL));
    OK(c, ppl_param_read(c, "scale", &after, 1));
    ck_assert_double_eq(after, before);
    ppl_ctx_free(saved);
}
END_TEST

/* A model that then asks for another shape is told so. */
START_TEST(test_shape_of_model)
{
    static const double x[4] = { 1, 2, 3, 4 };
    ppl_ctx *other = context(0, 0);
    OK(other, ppl_param_write(other, "rnn.weight", PPL_SHAPE(4), x));
    OK(other, save(other));
    ppl_ctx_free(other);
    c = context(0, 0);
    OK(c, load(c));
    fails(ppl_run(c, model, NULL, NULL), PPL_ESHAPE, "rnn.weight");
}
END_TEST

/* ---- The file itself ------------------------------------------------------------- */

START_TEST(test_layout)
{
    static unsigned char bytes[65536];
    const size_t size = _i == 0 ? 4 : 8;
    c = trained(_i, 3);
    OK(c, save(c));
    FILE *file = fopen(path, "rb");
    const size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    size_t header = 0;
    for (int i = 8; i-- > 0;)
        header = header << 8 | bytes[i];
    ck_assert_uint_eq(header % 8, 0);
    ck_assert_int_eq(bytes[8], '{');
    json_t *root = json_loadb((char *)bytes + 8, header, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    const json_t *meta = json_object_get(root, "__metadata__");
    const json_t *shape = json_object_get(meta, "kiln.shape.thirds");
    json_t *w = json_object_get(root, "rnn.weight");
    ck_assert_str_eq(json_string_value(json_object_get(meta, "kiln.seed")),
                     "18446744073709551610");
    ck_assert_str_eq(json_string_value(json_object_get(meta, "kiln.step")), "3");
    ck_assert_str_eq(json_string_value(shape), "[3]");
    json_int_t dims[2], range[2];
    const char *dtype;
    ck_assert_int_eq(json_unpack(w, "{s:s, s:[I,I], s:[I,I]}", "dtype", &dtype, "shape",
                                 &dims[0], &dims[1], "data_offsets", &range[0],
                                 &range[1]), 0);
    ck_assert_str_eq(dtype, _i == 0 ? "F32" : "F64");
    ck_assert_int_eq(dims[0] * 10 + dims[1], 23);
    ck_assert_int_eq(range[0], 0);
    ck_assert_uint_eq((size_t)range[1], 6 * size);
    ck_assert_mem_eq(bytes + 8 + header, ppl_param_slab(c).value, 6 * size);
    ck_assert_uint_eq(length, 8 + header + 3 * (6 + 1 + 2 + 3) * size);
    json_decref(root);
}
END_TEST

/* Weights of PyTorch's, by name; moments and counts are zero, the random state stays. */
START_TEST(test_file_of_others)
{
    const char *source = getenv("srcdir");
    char golden[512];
    uint64_t seed, step;
    double h_0[4];
    snprintf(golden, sizeof golden, "%s/tests/golden/rnn.safetensors",
             source ? source : ".");
    c = context(_i, 12);
    const double zeros[4] = { 0 };
    OK(c, ppl_param_write(c, "mine", PPL_SHAPE(4), zeros));
    OK(c, ppl_param_write(c, "h_0", PPL_SHAPE(4), zeros));
    ppl_param_set_steps(c, 1, 9);
    OK(c, ppl_checkpoint_load(c, golden, NULL, NULL));
    OK(c, ppl_param_read(c, "h_0", h_0, 4));
    ck_assert_double_ne(h_0[0], 0);
    ck_assert_int_eq(ppl_param_at(c, 1)->steps, 0);
    ck_assert_int_eq(ppl_param_find(c, "mine"), 0);
    const ppl_param_info *w = ppl_param_at(c, ppl_param_find(c, "gru.weight_hh_l0"));
    ck_assert_ptr_nonnull(w);
    ck_assert_int_eq(w->shape.dim[0], 12);
    ck_assert_int_eq(w->shape.dim[1], 4);
    for (int64_t i = 0; i < w->count; i++)
        ck_assert_double_eq(slab_at(c, ppl_param_slab(c).moment[0], w->offset + i), 0);
    ppl_rng_state(c, &seed, &step);
    ck_assert_uint_eq(seed, 12);
    ck_assert_uint_eq(step, 0);
}
END_TEST

/* ---- Metadata -------------------------------------------------------------------- */

static char pairs_seen[256];

static void see(void *user, const char *key, const char *value)
{
    char *out = user;
    const size_t used = strlen(out);
    snprintf(out + used, sizeof pairs_seen - used, "%s=%s;", key, value);
}

START_TEST(test_metadata)
{
    c = trained(0, 1);
    const char *const pairs[] = { "epoch", "17", "z", "", "\xce\xbb", "a\"b", NULL };
    OK(c, ppl_checkpoint_save(c, path, pairs));
    OK(c, ppl_checkpoint_load(c, path, see, pairs_seen));
    ck_assert_str_eq(pairs_seen, "epoch=17;z=;\xce\xbb=a\"b;");
    OK(c, load(c));
}
END_TEST

START_TEST(test_metadata_refused)
{
    static const struct {
        const char *pairs[5];
        const char *text;
    } rows[] = {
        { { "kiln.seed", "1", NULL },
          "metadata kiln.seed begins with \"kiln.\", which is the library's" },
        { { "a", NULL }, "metadata a has no value" },
        { { "a", "1", "a", "2", NULL }, "metadata a is given twice" },
        { { "a", "\xff", NULL }, "\"\xff\" is not UTF-8" },
        { { "\xff", "a", NULL }, "\"\xff\" is not UTF-8" }
    };
    c = context(0, 0);
    for (int i = 0; i < ROWS(rows); i++)
        fails(ppl_checkpoint_save(c, path, rows[i].pairs), PPL_EINVAL, rows[i].text);
    ck_assert_int_ne(access(path, F_OK), 0);
    fails(ppl_checkpoint_save(c, NULL, NULL), PPL_EINVAL, "is NULL");
    fails(ppl_checkpoint_load(c, NULL, NULL, NULL), PPL_EINVAL, "is NULL");
}
END_TEST

/* ---- Bad files ------------------------------------------------------------------- */

static void write_file(size_t says, const char *header, size_t data)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 8; i++)
        fputc((int)(says >> 8 * i & 255), file);
    fputs(header, file);
    for (size_t i = 0; i < data; i++)
        fputc(0, file);
    fclose(file);
}

#define T(dtype, shape, offsets)                                                         \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define META(version, rest)                                                              \
    "\"__metadata__\":{\"kiln.checkpoint\":\"" version "\",\"kiln.seed\":\"1\"" rest "}"
#define WHOLE ",\"kiln.step\":\"2\",\"kiln.steps.w\":\"3\""
#define MOMENTS                                                                          \
    ",\"kiln.moment1.w\":" T("F32", "[2]", "[8,16]") ",\"kiln.moment2.w\":"              \
    T("F32", "[2]", "[16,24]")

static const struct {
    const char *header;
    size_t data;
    const char *text;
} bad_files[] = {
    { "[]", 0, "the header is not a JSON object" },
    { " {}", 0, "the header is not a JSON object" },
    { "{\"w\":", 0, "the header is not JSON: " },
    { "{}x", 0, "the header is not JSON: " },
    { "{\"w\":1,\"w\":2}", 0,
      "the header has the same name twice (duplicate object key" },
    { "{\"w\":" T("F32", "[1]", "[0,4]") ",\"w\":" T("F32", "[1]", "[4,8]") "}", 8,
      "the header has the same name twice" },
    { "{\"w\":7}", 0, "tensor w: its entry is not an object with a dtype" },
    { "{\"w\":{\"shape\":[1]}}", 0, "tensor w: its entry is not an object with a dtype" },
    { "{\"w\":" T("I64", "[1]", "[0,8]") "}", 8,
      "tensor w: its dtype is I64; parameters are F32 or F64" },
    { "{\"w\":" T("F16", "[1]", "[0,2]") "}", 2, "tensor w: its dtype is F16" },
    { "{\"w\":" T("F32", "3", "[0,4]") "}", 4, "tensor w: its shape is not an array" },
    { "{\"w\":" T("F32", "[-1]", "[0,4]") "}", 4,
      "tensor w: its shape has a dimension that is not a number >= 0" },
    { "{\"w\":" T("F32", "[1.5]", "[0,4]") "}", 4,
      "tensor w: its shape has a dimension that is not a number >= 0" },
    { "{\"w\":" T("F32", "[\"1\"]", "[0,4]") "}", 4,
      "tensor w: its shape has a dimension that is not a number >= 0" },
    { "{\"w\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4,
      "tensor w: its shape has more than 8 dimensions" },
    { "{\"w\":" T("F32", "[4294967296,4294967296]", "[0,4]") "}", 4,
      "tensor w: its shape has more elements than memory has" },
    { "{\"w\":" T("F32", "[99999999999999999999]", "[0,4]") "}", 4,
      "the header is not JSON: too big integer" },
    { "{\"w\":" T("F32", "[1]", "4") "}", 4,
      "tensor w: its data_offsets are not [begin, end] in bytes" },
    { "{\"w\":" T("F32", "[1]", "[0,4,8]") "}", 8, "tensor w: its data_offsets are not" },
    { "{\"w\":" T("F32", "[1]", "[-4,0]") "}", 4, "tensor w: its data_offsets are not" },
    { "{\"w\":" T("F32", "[1]", "[4,0]") "}", 4, "tensor w: its data_offsets are not" },
    { "{\"w\":" T("F32", "[1]", "[0,4.0]") "}", 4, "tensor w: its data_offsets are not" },
    { "{\"w\":" T("F32", "[2]", "[0,8]") "}", 7, "tensor w: its data_offsets [0,8] go "
      "beyond the 7 bytes of data; the file is truncated or damaged" },
    { "{\"w\":" T("F64", "[3,4]", "[0,80]") "}", 80,
      "tensor w: its data_offsets [0,80] hold 80 bytes but [3,4] of F64 needs 96" },
    { "{\"w\":" T("F32", "[]", "[0,8]") "}", 8, "hold 8 bytes but [] of F32 needs 4" },
    { "{\"v\":" T("F32", "[2]", "[0,8]") ",\"w\":" T("F32", "[2]", "[4,12]") "}", 12,
      "tensors v and w overlap" },
    { "{\"v\":" T("F32", "[2]", "[0,8]") ",\"w\":" T("F32", "[2]", "[0,8]") "}", 8,
      "tensors v and w overlap" },
    { "{\"v\":" T("F32", "[1]", "[0,4]") ",\"w\":" T("F32", "[1]", "[6,10]") "}", 10,
      "byte 4 of the data belongs to no tensor" },
    { "{\"w\":" T("F32", "[1]", "[0,4]") "}", 9,
      "byte 4 of the data belongs to no tensor" },
    { "{}", 3, "byte 0 of the data belongs to no tensor" },
    { "{\"__metadata__\":[]}", 0, "__metadata__ is not an object" },
    { "{\"__metadata__\":{\"epoch\":3}}", 0, "__metadata__: epoch is not a string" },
    { "{\"kiln.moment1.w\":" T("F32", "[1]", "[0,4]") "}", 4,
      "tensor kiln.moment1.w is of a checkpoint, but the file lacks the metadata "
      "kiln.checkpoint" },
    { "{" META("2", "") "}", 0,
      "the checkpoint has version 2; this library reads version 1" },
    { "{" META("1", "") "}", 0, "kiln.step is missing; the checkpoint is damaged" },
    { "{" META("1", ",\"kiln.step\":\"-1\"") "}", 0,
      "kiln.step is not a number in range" },
    { "{" META("1", ",\"kiln.step\":\"18446744073709551616\"") "}", 0,
      "kiln.step is not a number in range" },
    { "{" META("1", WHOLE) ",\"w\":" T("F32", "[2]", "[0,8]") "}", 8,
      "kiln.moment1.w is missing" },
    { "{" META("1", ",\"kiln.step\":\"2\"") ",\"w\":" T("F32", "[2]", "[0,8]")
      MOMENTS "}", 24, "kiln.steps.w is missing" },
    { "{" META("1", ",\"kiln.step\":\"2\",\"kiln.steps.w\":\"9223372036854775808\"")
      ",\"w\":" T("F32", "[2]", "[0,8]") MOMENTS "}", 24,
      "kiln.steps.w is not a number in range" },
    { "{" META("1", WHOLE ",\"kiln.shape.w\":\"{}\"") ",\"w\":" T("F32", "[2]", "[0,8]")
      MOMENTS "}", 24, "kiln.shape.w is not an array" },
    { "{" META("1", WHOLE ",\"kiln.shape.w\":\"[\"") ",\"w\":" T("F32", "[2]", "[0,8]")
      MOMENTS "}", 24, "kiln.shape.w is not JSON: " },
    { "{" META("1", WHOLE) ",\"w\":" T("F32", "[2,1]", "[0,8]") MOMENTS "}", 24,
      "kiln.moment1.w has not the shape of its parameter" },
    { "{" META("1", WHOLE) ",\"w\":" T("F32", "[2]", "[0,8]") MOMENTS
      ",\"kiln.moment1.v\":" T("F32", "[]", "[24,28]") "}", 28,
      "kiln. tensors do not belong to the parameters" }
};

START_TEST(test_bad_file)
{
    ppl_ctx *before = trained(0, 2);
    c = trained(0, 2);
    write_file(strlen(bad_files[_i].header), bad_files[_i].header, bad_files[_i].data);
    fails(load(c), PPL_EFORMAT, bad_files[_i].text);
    ck_assert_ptr_nonnull(strstr(ppl_error_text(c), "x.safetensors: "));
    are_equal(c, before);
    ppl_ctx_free(before);
}
END_TEST

START_TEST(test_bad_length)
{
    c = context(0, 0);
    write_file(123, "{\"w\":0}", 25);
    fails(load(c), PPL_EFORMAT, "x.safetensors: the header says 123 bytes but the file "
          "has 32 after the length; the file is truncated or not safetensors");
    write_file(SIZE_MAX, "", 0);
    fails(load(c), PPL_EFORMAT, "the header says 18446744073709551615 bytes but the file "
          "has 0 after the length");
    write_file(0, "", 0);
    fails(load(c), PPL_EFORMAT, "the header is not a JSON object");
    ck_assert_int_eq(truncate(path, 5), 0);
    fails(load(c), PPL_EFORMAT, "x.safetensors: the file has 5 bytes, too few for the "
          "length of a header; the file is truncated or not safetensors");
    ck_assert_int_eq(truncate(path, 0), 0);
    fails(load(c), PPL_EFORMAT,
          "x.safetensors: the file is empty; it is not safetensors");
    write_file(100000001, "{", 0);
    ck_assert_int_eq(truncate(path, 100000009), 0);     /* a hole: no space on the disk */
    fails(load(c), PPL_EFORMAT,
          "the header says 100000001 bytes; 100000000 are the limit");
}
END_TEST

/* A checkpoint cut at any place is refused, and nothing changes. */
START_TEST(test_truncated)
{
    struct stat st;
    ppl_ctx *other = trained(1, 3), *before = trained(0, 2);
    c = trained(0, 2);
    OK(other, save(other));
    ck_assert_int_eq(stat(path, &st), 0);
    for (off_t size = st.st_size - 1; size >= 0; size -= size > 40 ? 13 : 1) {
        ck_assert_int_eq(truncate(path, size), 0);
        ck_assert_int_eq(load(c), PPL_EFORMAT);
    }
    are_equal(c, before);
    ppl_ctx_free(other);
    ppl_ctx_free(before);
}
END_TEST

START_TEST(test_unreadable)
{
    char name[400];
    c = context(0, 0);
    fails(load(c), PPL_EIO, "x.safetensors: No such file or directory");
    fails(ppl_checkpoint_load(c, folder, NULL, NULL), PPL_EIO, ": it is a directory");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    fails(load(c), PPL_EIO, "x.safetensors: it is not a regular file");
    unlink(path);
    write_file(2, "{}", 0);
    snprintf(name, sizeof name, "%s/more", path);
    fails(ppl_checkpoint_load(c, name, NULL, NULL), PPL_EIO, "Not a directory");
    ck_assert_int_eq(chmod(path, 0), 0);
    if (geteuid() != 0)
        fails(load(c), PPL_EIO, "x.safetensors: Permission denied");
}
END_TEST

/* The last parameter of the file is the one that does not fit. */
START_TEST(test_other_dimensions)
{
    static const double x[6] = { 1, 2, 3, 4, 5, 6 };
    const struct {
        ppl_shape shape;
        const char *text;
    } rows[] = {
        { PPL_SHAPE(3, 2), "x.safetensors: parameter rnn.weight is [3,2] in the file and "
                           "[2,3] in the model; load a file of the model's dimensions" },
        { PPL_SHAPE(6), "parameter rnn.weight is [6] in the file and [2,3] in the model" }
    };
    for (int i = 0; i < ROWS(rows); i++) {
        ppl_ctx *other = context(0, 4), *before = trained(0, 2);
        OK(other, ppl_param_write(other, "new", PPL_SHAPE(6), x));
        OK(other, ppl_param_write(other, "rnn.weight", rows[i].shape, x));
        OK(other, save(other));
        c = trained(0, 2);
        fails(load(c), PPL_ESHAPE, rows[i].text);
        are_equal(c, before);
        ppl_ctx_free(other);
        ppl_ctx_free(before);
        if (i + 1 < ROWS(rows))
            ppl_ctx_free(c);
    }
}
END_TEST

/* Two numbers behind three: the constrained shape is compared as well. */
START_TEST(test_other_constrained_shape)
{
    static const double x[2] = { 0.1, 0.2 };
    ppl_ctx *other = context(0, 4);
    OK(other, ppl_param_write(other, "thirds", PPL_SHAPE(2), x));
    OK(other, save(other));
    ppl_ctx_free(other);
    c = trained(0, 1);
    fails(load(c), PPL_ESHAPE,
          "parameter thirds is [2] in the file and [3] in the model");
}
END_TEST

/* ---- Writers that fail ----------------------------------------------------------- */

START_TEST(test_unwritable)
{
    char name[400];
    c = trained(0, 1);
    if (access("/dev/full", F_OK) == 0)
        fails(ppl_checkpoint_save(c, "/dev/full", NULL), PPL_EIO,
              "cannot write /dev/full: No space left on device");
    fails(ppl_checkpoint_save(c, folder, NULL), PPL_EIO, ": Is a directory");
    snprintf(name, sizeof name, "%s/none/x", folder);
    fails(ppl_checkpoint_save(c, name, NULL), PPL_EIO,
          "/none/x: No such file or directory");
    OK(c, ppl_checkpoint_save(c, "/dev/null", NULL));
}
END_TEST

/* The disk fills up in the middle: the old file stays, nothing is left beside it. */
START_TEST(test_full_disk)
{
    ppl_ctx *old = trained(_i, 3), *back = context(_i, 0);
    struct rlimit limit, small;
    OK(old, save(old));
    c = trained(_i, 5);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t size = 0; size < 1000; size += 250) {
        small = limit;
        small.rlim_cur = size;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        const ppl_status status = save(c);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        fails(status, PPL_EIO, "x.safetensors: File too large");
        OK(back, load(back));
        are_equal(old, back);
    }
    OK(c, save(c));
    OK(back, load(back));
    are_equal(c, back);
    ppl_ctx_free(old);
    ppl_ctx_free(back);
}
END_TEST

/* Saves for ever, counting up: all elements and the count of steps are one number. */
static void save_for_ever(void)
{
    static double values[20000];
    for (int64_t k = 1;; k++) {
        for (int i = 0; i < ROWS(values); i++)
            values[i] = (double)k;
        if (ppl_param_write(c, "w", PPL_SHAPE(ROWS(values)), values) != PPL_OK)
            _exit(1);
        ppl_param_set_steps(c, 0, k);
        if (save(c) != PPL_OK)
            _exit(1);
    }
}

static void remove_leftovers(pid_t pid)
{
    char name[400];
    snprintf(name, sizeof name, "%s.%ld.0.tmp", path, (long)pid);
    unlink(name);
}

START_TEST(test_killed_writer)
{
    static double values[20000];
    int64_t last = 0, moved = 0;
    c = context(1, 0);
    for (int round = 0; round < 30; round++) {
        const pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
            save_for_ever();
        while (access(path, F_OK) != 0)
            nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
        const long pause = 1000000 + round * 1700000 % 9000000;
        nanosleep(&(struct timespec){ .tv_nsec = pause }, NULL);
        kill(pid, SIGKILL);
        int how = 0;
        ck_assert_int_eq(waitpid(pid, &how, 0), pid);
        ck_assert(WIFSIGNALED(how));
        ppl_ctx *back = context(1, 0);
        OK(back, load(back));
        OK(back, ppl_param_read(back, "w", values, ROWS(values)));
        const int64_t steps = ppl_param_at(back, 0)->steps;
        for (int i = 0; i < ROWS(values); i++)
            ck_assert_double_eq(values[i], (double)steps);
        moved += steps != last;
        last = steps;
        ppl_ctx_free(back);
        remove_leftovers(pid);
    }
    ck_assert_int_gt(moved, 0);
}
END_TEST

/* ---- Out of memory --------------------------------------------------------------- */

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

static int json_left;

static void *json_limited(size_t size)
{
    return json_left-- > 0 ? malloc(size) : NULL;
}

/* Saving (_i even) and loading, each allocation failing in turn: the library's (_i < 2),
 * and Jansson's. */
START_TEST(test_out_of_memory)
{
    ppl_ctx *old = trained(0, 3), *back = context(0, 0);
    for (int more = 0;; more++) {
        limit l = { INT32_MAX, 0 };
        const ppl_ctx_opts opts = { .allocator = limited, .allocator_user = &l };
        c = ppl_ctx_new(&opts);
        train(c, optimiser(c));
        OK(old, save(old));
        *(_i < 2 ? &l.left : &json_left) = more;
        if (_i >= 2)
            json_set_alloc_funcs(json_limited, free);
        const int count = ppl_param_count(c);
        const ppl_status status = _i % 2 == 0 ? save(c) : load(c);
        json_set_alloc_funcs(malloc, free);
        l.left = INT32_MAX;
        ck_assert_msg(status == PPL_OK || status == PPL_ENOMEM, "%s", ppl_error_text(c));
        OK(back, load(back));           /* the file is whole: the old one, or the new */
        if (status == PPL_ENOMEM) {
            are_equal(old, back);
            ck_assert_int_eq(ppl_param_count(c), count);
            ck_assert_int_eq(ppl_param_at(c, 0)->steps, 1);
        }
        OK(c, load(c));                 /* nothing stands in the way of the next */
        ppl_ctx_free(c);
        ck_assert_uint_eq(l.held, 0);
        if (status == PPL_OK) {
            ck_assert_int_gt(more, 3);
            break;
        }
    }
    c = NULL;
    ppl_ctx_free(old);
    ppl_ctx_free(back);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *trips = tcase_create("round trips");
    TCase *bad = tcase_create("bad files");
    TCase *writers = tcase_create("writers");
    TCase *all[] = { trips, bad, writers };
    for (int i = 0; i < ROWS(all); i++) {
        tcase_add_checked_fixture(all[i], set_up, tear_down);
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_loop_test(trips, test_round_trip, 0, 2);
    tcase_add_loop_test(trips, test_resume, 0, 2);
    tcase_add_loop_test(trips, test_other_dtype, 0, 2);
    tcase_add_test(trips, test_doubles_are_exact);
    tcase_add_loop_test(trips, test_nothing_to_save, 0, 2);
    tcase_add_loop_test(trips, test_names, 0, 2);
    tcase_add_test(trips, test_names_refused);
    tcase_add_loop_test(trips, test_loaded_over_written, 0, 2);
    tcase_add_test(trips, test_shape_of_model);
    tcase_add_loop_test(trips, test_layout, 0, 2);
    tcase_add_loop_test(trips, test_file_of_others, 0, 2);
    tcase_add_test(trips, test_metadata);
    tcase_add_test(trips, test_metadata_refused);
    tcase_add_loop_test(bad, test_bad_file, 0, ROWS(bad_files));
    tcase_add_test(bad, test_bad_length);
    tcase_add_test(bad, test_truncated);
    tcase_add_test(bad, test_unreadable);
    tcase_add_test(bad, test_other_dimensions);
    tcase_add_test(bad, test_other_constrained_shape);
    tcase_add_test(writers, test_unwritable);
    tcase_add_loop_test(writers, test_full_disk, 0, 2);
    tcase_add_test(writers, test_killed_writer);
    tcase_add_loop_test(writers, test_out_of_memory, 0, 4);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

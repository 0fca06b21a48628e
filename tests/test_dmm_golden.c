/* SPDX-License-Identifier: MIT */
/* The Deep Markov Model of examples/dmm against Pyro 1.9.1 (golden/dmm.*): with Pyro's
 * weights, data and noise, the draws, every site's log_prob and KL, both losses and the
 * gradient of every parameter; the same with flows in the guide (golden/dmm_iaf.*). To
 * 1e-9 in f64 and 1e-4 in f32.
 */
#include "golden_json.h"
#include "inference.h"

#include <examples/dmm/dmm.h>
#include <kiln/io.h>

#include <stdio.h>

enum { MOST_STEPS = 16 };

typedef struct golden {
    json_t *json;
    double tolerance;
    int steps, sequences;
    int active[MOST_STEPS], offset[MOST_STEPS];
    double *eps, *z;            /* [steps,sequences,z_dim] */
    void *x;                    /* [rows,x_dim], in the context's dtype */
    dmm_batch batch;
} golden;

static golden g;

static int integer(const json_t *record, const char *key)
{
    return (int)golden_number(json_object_get(record, key));
}

/* The elements of a tensor of the file, which was loaded as parameters. */
static double *tensor_of(const char *name, int64_t count)
{
    double *out = malloc((size_t)count * sizeof *out);

    ck_assert_ptr_nonnull(out);
    OK(ppl_param_read(c, name, out, count));
    return out;
}

/* [sequences,steps,x_dim] as the rows of step 0, those of step 1, ... */
static void pack(void)
{
    const int wide = g.batch.dims.x_dim;
    double *x = tensor_of("data.x", g.sequences * g.steps * wide);
    float *floats = malloc((size_t)(g.batch.rows * wide) * sizeof *floats);
    double *doubles = malloc((size_t)(g.batch.rows * wide) * sizeof *doubles);

    ck_assert(floats != NULL && doubles != NULL);
    for (int t = 0; t < g.steps; t++)
        for (int i = 0; i < g.active[t]; i++)
            for (int k = 0; k < wide; k++) {
                const int at = (g.offset[t] + i) * wide + k;

                doubles[at] = x[(i * g.steps + t) * wide + k];
                floats[at] = (float)doubles[at];
            }
    g.x = ppl_ctx_dtype(c) == PPL_F32 ? (void *)floats : (void *)doubles;
    free(ppl_ctx_dtype(c) == PPL_F32 ? (void *)doubles : (void *)floats);
    free(x);
    g.batch.x = g.x;
}

static void load(int dtype, const char *name)
{
    const char *dir = getenv("srcdir");
    const json_t *dims;
    char path[4096], file[64];
    double active[MOST_STEPS];

    begin(dtype);
    snprintf(file, sizeof file, "%s.json", name);
    g = (golden){ .json = golden_load(file) };
    g.tolerance = dtype == 0 ? 1e-4 : 1e-9;
    dims = json_object_get(g.json, "dims");
    g.batch.dims = (dmm_dims){ integer(dims, "x"), integer(dims, "z"),
                               integer(dims, "emission"), integer(dims, "transition"),
                               integer(dims, "rnn"), 0, 0 };
    if (json_object_get(dims, "iafs") != NULL) {
        g.batch.dims.iafs = integer(dims, "iafs");
        g.batch.dims.iaf_dim = integer(dims, "iaf");
    }
    g.batch.steps = g.steps = golden_numbers(g.json, "active", active, MOST_STEPS);
    ck_assert_int_gt(g.steps, 1);
    for (int t = 0; t < g.steps; t++) {
        g.active[t] = (int)active[t];
        g.offset[t] = g.batch.rows;
        g.batch.rows += g.active[t];
    }
    g.sequences = g.active[0];
    g.batch.active = g.active;
    g.batch.offset = g.offset;
    g.batch.kl_weight = golden_number(json_object_get(g.json, "annealing"));
    snprintf(path, sizeof path, "%s/tests/golden/%s.safetensors", dir ? dir : ".", name);
    OK(ppl_checkpoint_load(c, path, NULL, NULL));
    pack();
    g.eps = tensor_of("data.eps", g.steps * g.sequences * g.batch.dims.z_dim);
    g.z = tensor_of("data.z", g.steps * g.sequences * g.batch.dims.z_dim);
}

static void unload(void)
{
    json_decref(g.json);
    free(g.eps);
    free(g.z);
    free(g.x);
    end();
}

/* ---- Pyro's noise ------------------------------------------------------------------ */

static ppl_tensor *noise_of(const ppl_msg *m)
{
    const int wide = g.batch.dims.z_dim, t = (int)m->index;
    const double *eps = g.eps + t * g.sequences * wide;

    ck_assert_str_eq(m->name, "z");
    return ppl_from_doubles(c, PPL_SHAPE(g.active[t], wide), eps);
}

static void guide(ppl_ctx *ctx, const void *arg)
{
    ppl_scope s = ppl_push(ctx, with_noise(noise_of));

    dmm_guide(ctx, arg);
    ppl_pop(ctx, s);
}

/* ---- Comparing --------------------------------------------------------------------- */

/* Relative to the largest of the expected numbers. */
static void close_to(const char *what, const char *part, const double *x,
                     const double *expected, int64_t n)
{
    double largest = 0;

    for (int64_t i = 0; i < n; i++)
        largest = fabs(expected[i]) > largest ? fabs(expected[i]) : largest;
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs(x[i] - expected[i]) <= g.tolerance * largest,
                      "%s%s, element %d: %.15g, Pyro has %.15g", what, part, (int)i, x[i],
                      expected[i]);
}

static void close_tensor(const char *site, const char *key, ppl_tensor *t)
{
    double x[MOST_STEPS], expected[MOST_STEPS];
    const json_t *record = json_object_get(json_object_get(g.json, "sites"), site);
    const int n = golden_numbers(record, key, expected, MOST_STEPS);

    ck_assert_msg(n > 0 && ppl_rank(t) == 1 && ppl_numel(t) == n, "%s %s: %d against %d",
                  site, key, (int)ppl_numel(t), n);
    ppl_read(t, x, n);
    close_to(site, key, x, expected, n);
}

static void close_draw(int t, ppl_tensor *z)
{
    const int wide = g.batch.dims.z_dim;
    double x[256];

    ck_assert_int_eq(ppl_numel(z), g.active[t] * wide);
    ppl_read(z, x, COUNT_OF(x));
    close_to("the draw", "", x, g.z + t * g.sequences * wide, ppl_numel(z));
}

static void check_sites(void)
{
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_trace *q = trace_of(c, guide, &g.batch, NULL);
    ppl_trace *p = trace_of(c, dmm_model, &g.batch, handlers(ppl_replay(c, q)));
    for (int t = 0; t < g.steps; t++) {
        ppl_msg *x = site_of(p, "x", t), *prior = site_of(p, "z", t);
        ppl_msg *z = site_of(q, "z", t);
        char name[16];

        snprintf(name, sizeof name, "z[%d]", t);
        close_draw(t, z->value);
        close_tensor(name, "guide_log_prob", ppl_site_log_prob(z));
        close_tensor(name, "model_log_prob", ppl_site_log_prob(prior));
        if (g.batch.dims.iafs == 0)
            close_tensor(name, "kl", ppl_kl(z->dist, prior->dist));
        ck_assert_double_eq(z->scale, g.batch.kl_weight);
        ck_assert_double_eq(prior->scale, g.batch.kl_weight);
        snprintf(name, sizeof name, "x[%d]", t);
        close_tensor(name, "model_log_prob", ppl_site_log_prob(x));
        ck_assert_double_eq(x->scale, 1);
    }
    OK(ppl_error(c));
    ppl_epoch_end(c, mark);
}

START_TEST(sites)
{
    for (int flows = 0; flows < 2; flows++) {
        load(_i, flows ? "dmm_iaf" : "dmm");
        check_sites();
        unload();
    }
}
END_TEST

/* Every tensor grad.ELBO.NAME of the file is the gradient of NAME; every parameter that
 * the run visited has one. */
static int close_gradients(const char *elbo)
{
    char prefix[32];
    int compared = 0, touched = 0;

    snprintf(prefix, sizeof prefix, "grad.%s.", elbo);
    for (int i = 0; i < ppl_param_count(c); i++) {
        const ppl_param_info *info = ppl_param_at(c, i);
        const char *name = info->name + strlen(prefix);
        double *x, *expected;

        touched += info->touched;
        if (strncmp(info->name, prefix, strlen(prefix)) != 0)
            continue;
        expected = tensor_of(info->name, info->count);
        x = malloc((size_t)info->count * sizeof *x);
        ck_assert_ptr_nonnull(x);
        OK(ppl_param_grad(c, name, x, info->count));
        close_to("gradient of ", name, x, expected, info->count);
        free(x);
        free(expected);
        compared++;
    }
    ck_assert_int_eq(touched, compared);
    return compared;
}

static void check_elbo(const char *name, ppl_elbo *elbo, ppl_estimator estimator)
{
    const int parameters = 31 + 4 * g.batch.dims.iafs;
    double loss = estimate(elbo, dmm_model, guide, &g.batch, 1);
    const json_t *losses = json_object_get(g.json, "loss");
    double expected = golden_number(json_object_get(losses, name));

    close_to("loss ", name, &loss, &expected, 1);
    ck_assert_int_eq(close_gradients(name), parameters);
    for (int t = 0; t < g.steps; t++)
        ck_assert_int_eq(ppl_ledger_find(elbo, "z", t)->estimator, estimator);
    /* A loss without its gradient is the same one. */
    ck_assert_double_eq(estimate(elbo, dmm_model, guide, &g.batch, 0), loss);
}

/* There is no closed form: both bounds are sampled, and the ledger says why. */
START_TEST(flows_in_the_guide)
{
    ppl_elbo *elbo;

    load(_i, "dmm_iaf");
    check_elbo("trace", ppl_trace_elbo(c, NULL), PPL_SAMPLED_RATIO);
    elbo = ppl_trace_mean_field_elbo(c, NULL);
    check_elbo("trace", elbo, PPL_SAMPLED_RATIO);
    ck_assert_str_eq(ppl_ledger_find(elbo, "z", 0)->reason,
                     "no closed form for KL(transformed(normal) || normal)");
    unload();
}
END_TEST

START_TEST(losses_and_gradients)
{
    load(_i, "dmm");
    check_elbo("trace", ppl_trace_elbo(c, NULL), PPL_SAMPLED_RATIO);
    check_elbo("meanfield", ppl_trace_mean_field_elbo(c, NULL), PPL_ANALYTIC_KL);
    check_elbo("trace", ppl_trace_elbo(c, &(ppl_elbo_opts){ .particles = 3 }),
               PPL_SAMPLED_RATIO);
    unload();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        sites, losses_and_gradients, flows_in_the_guide, NULL
    };

    return run_tests("dmm golden", tests);
}

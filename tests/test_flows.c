/* SPDX-License-Identifier: MIT */
/*
 * test_flows.c - normalizing flows against Pyro (golden/flows.safetensors: the same
 * weights; y, log |det J|, gradients), to 1e-10 in f64 and 1e-4 in f32; their inverses;
 * gradients of the inverses against differences; densities; what is said of bad options.
 */
#include "gradients.h"

#include <kiln/distributions.h>
#include <kiln/flows.h>
#include <kiln/infer.h>
#include <kiln/io.h>
#include <kiln/optim.h>

#include <stdio.h>

enum { D = 4, C = 3, N = 5 };

static const int64_t order[D] = { 2, 0, 3, 1 };
static const int64_t nine[] = { 9 }, eight[] = { 8 }, seven_six[] = { 7, 6 },
                     six_five[] = { 6, 5 };

typedef struct flow_case {
    const char *name;
    ppl_transform *(*make)(ppl_ctx *c, const char *name, int64_t dim,
                           const ppl_flow_opts *opts);
    ppl_flow_opts opts;
    int conditional;
    double slack;                   /* Pyro adds 1e-8 to a gate in logarithms */
} flow_case;

static const flow_case table[] = {
    { "iaf", ppl_flow_affine_autoregressive,
      { .hidden = nine, .layers = 1, .permutation = order }, 0, 0 },
    { "clipped", ppl_flow_affine_autoregressive,
      { .hidden = nine, .layers = 1, .permutation = order, .log_scale_min = -0.1,
        .log_scale_max = 0.2 }, 0, 0 },
    { "stable", ppl_flow_affine_autoregressive,
      { .hidden = seven_six, .layers = 2, .permutation = order, .skip = 1, .stable = 1 },
      0, 0 },
    { "coupling", ppl_flow_affine_coupling, { .hidden = eight, .layers = 1, .split = 1 },
      0, 0 },
    { "planar", ppl_flow_planar, { .count = 0 }, 0, 0 },
    { "radial", ppl_flow_radial, { .count = 0 }, 0, 0 },
    { "householder", ppl_flow_householder, { .count = 3 }, 0, 0 },
    { "sylvester", ppl_flow_sylvester, { .count = 2 }, 0, 0 },
    { "block", ppl_flow_block_autoregressive,
      { .hidden = (int64_t[]){ 3, 2 }, .layers = 2 }, 0, 0 },
    { "block_residual", ppl_flow_block_autoregressive,
      { .hidden = (int64_t[]){ 3 }, .layers = 1, .activation = PPL_SIGMOID,
        .residual = PPL_RESIDUAL }, 0, 0 },
    { "block_gated", ppl_flow_block_autoregressive,
      { .hidden = (int64_t[]){ 3, 2 }, .layers = 2, .residual = PPL_GATED_RESIDUAL }, 0,
      1e-6 },
    { "batch_norm", ppl_flow_batch_norm, { .epsilon = 1e-3 }, 0, 0 },
    { "spline", ppl_flow_spline, { .bins = 5, .bound = 2 }, 0, 0 },
    { "quadratic", ppl_flow_spline, { .bins = 5, .bound = 2, .quadratic = 1 }, 0, 0 },
    { "spline_autoregressive", ppl_flow_spline_autoregressive,
      { .hidden = nine, .layers = 1, .permutation = order, .bins = 4 }, 0, 0 },
    { "spline_coupling", ppl_flow_spline_coupling,
      { .hidden = eight, .layers = 1, .split = 1, .bins = 4 }, 0, 0 },
    { "quadratic_coupling", ppl_flow_spline_coupling,
      { .hidden = eight, .layers = 1, .bins = 4, .quadratic = 1, .identity = 1 }, 0, 0 },
    { "conditional_spline", ppl_flow_spline,
      { .hidden = six_five, .layers = 1, .bins = 4 }, 1, 0 },
    { "conditional_iaf", ppl_flow_affine_autoregressive,
      { .hidden = nine, .layers = 1, .permutation = order }, 1, 0 },
    { "conditional_coupling", ppl_flow_affine_coupling,
      { .hidden = eight, .layers = 1 }, 1, 0 },
    { "conditional_planar", ppl_flow_planar, { .hidden = six_five, .layers = 2 }, 1, 0 },
    { "conditional_radial", ppl_flow_radial, { .hidden = six_five, .layers = 2 }, 1, 0 },
    { "conditional_householder", ppl_flow_householder,
      { .hidden = six_five, .layers = 2, .count = 2 }, 1, 0 },
};

static ppl_ctx *loaded(int dtype)
{
    const char *dir = getenv("srcdir");
    char path[4096];
    ppl_ctx *c = context(dtype);
    snprintf(path, sizeof path, "%s/tests/golden/flows.safetensors", dir ? dir : ".");
    ck_assert_msg(ppl_checkpoint_load(c, path, NULL, NULL) == PPL_OK, "%s",
                  ppl_error_text(c));
    return c;
}

/* "prefix.name" of the file, as a tensor that is no parameter. */
static ppl_tensor *constant(ppl_ctx *c, const char *prefix, const char *name,
                            ppl_shape shape)
{
    char key[256];
    double value[256];
    snprintf(key, sizeof key, "%s.%s", prefix, name);
    ck_assert_msg(ppl_param_read(c, key, value, elements(shape)) == PPL_OK, "%s",
                  ppl_error_text(c));
    return ppl_from_doubles(c, shape, value);
}

static void close_to(const char *flow, const char *what, const ppl_tensor *t, ppl_ctx *c,
                     const char *prefix, const char *name, double tolerance)
{
    char text[128];
    double expected[256];
    const int64_t n = ppl_numel(t);
    ck_assert_msg(t != NULL, "%s: %s", flow, ppl_error_text(c));
    ck_assert_int_le(n, 256);
    ppl_shape flat = PPL_SHAPE(n);
    ppl_read(constant(c, prefix, name, flat), expected, n);
    snprintf(text, sizeof text, "%s, %s", flow, what);
    assert_elements(text, t, n, expected, tolerance);
}

static ppl_transform *make(ppl_ctx *c, const flow_case *f)
{
    ppl_flow_opts opts = f->opts;
    if (f->conditional)
        opts.context = constant(c, "data", "context", PPL_SHAPE(N, C));
    ppl_transform *t = f->make(c, f->name, D, &opts);
    ck_assert_msg(t != NULL, "%s: %s", f->name, ppl_error_text(c));
    return t;
}

/* 0.5, 0.75, .. 1.5 and again. */
static ppl_tensor *weights(ppl_ctx *c, const ppl_tensor *t)
{
    double w[64];
    for (int i = 0; i < 64; i++)
        w[i] = 0.5 + 0.25 * (i % 5);
    return ppl_from_doubles(c, ppl_tensor_shape(t), w);
}

static void check_parameters(ppl_ctx *c, const flow_case *f, double tolerance)
{
    const size_t length = strlen(f->name);
    int checked = 0;
    for (int i = 0; i < ppl_param_count(c); i++) {
        const ppl_param_info *info = ppl_param_at(c, i);
        const char *name = info->name;
        double grad[1024], expected[1024];
        if (strncmp(name, f->name, length) != 0 || name[length] != '.')
            continue;
        char key[256];
        snprintf(key, sizeof key, "grad.%s", name);
        if (ppl_param_find(c, key) < 0)
            continue;                       /* a moving average */
        ck_assert_int_le(info->count, 1024);
        ck_assert_int_eq(ppl_param_grad(c, name, grad, info->count), PPL_OK);
        ck_assert_int_eq(ppl_param_read(c, key, expected, info->count), PPL_OK);
        for (int k = 0; k < info->count; k++)
            ck_assert_msg(is_near(grad[k], expected[k], tolerance),
                          "%s: gradient %d is %.15g, not %.15g", name, k, grad[k],
                          expected[k]);
        ck_assert_msg(info->touched, "%s was not looked up", name);
        checked++;
    }
    ck_assert_int_gt(checked, 0);
}

START_TEST(as_in_pyro)
{
    for (int i = 0; i < COUNT_OF(table); i++) {
        const flow_case *f = &table[i];
        const double tolerance = fmax(_i ? 1e-10 : 1e-4, f->slack);
        ppl_ctx *c = loaded(_i);
        double value[N * D];
        ppl_read(constant(c, "data", "x", PPL_SHAPE(N, D)), value, N * D);
        ppl_tensor *x = ppl_variable(c, PPL_SHAPE(N, D), value), *det = NULL;
        ppl_tensor *y = ppl_transform_forward(make(c, f), x, &det);
        close_to(f->name, "y", y, c, "y", f->name, tolerance);
        close_to(f->name, "log |det J|", det, c, "det", f->name, tolerance);
        ppl_tensor *roots[] = { y, det }, *seeds[] = { weights(c, y), weights(c, det) };
        ck_assert_int_eq(ppl_backward_from(roots, seeds, 2), PPL_OK);
        close_to(f->name, "gradient", ppl_grad(x), c, "grad", f->name, 10 * tolerance);
        check_parameters(c, f, 10 * tolerance);
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        ppl_ctx_free(c);
    }
}
END_TEST

START_TEST(both_ways)
{
    for (int i = 0; i < COUNT_OF(table); i++) {
        const flow_case *f = &table[i];
        ppl_ctx *c = loaded(_i);
        const double tolerance = _i ? 1e-11 : 2e-4;
        const ppl_transform *t = make(c, f);
        ppl_tensor *x = constant(c, "data", "x", PPL_SHAPE(N, D)), *det, *again;
        double in[N * D], out[N * D];
        ppl_tensor *y = ppl_transform_forward(t, x, &det);
        ppl_tensor *back = ppl_transform_inverse(t, y, &again);
        ck_assert_msg(back != NULL, "%s: %s", f->name, ppl_error_text(c));
        ppl_read(x, in, N * D);
        const int64_t dets = ppl_read(det, out, N * D);
        assert_elements(f->name, back, N * D, in, tolerance);
        assert_elements(f->name, again, dets, out, tolerance);
        ck_assert(ppl_transform_equal(t, make(c, f)));
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        ppl_ctx_free(c);
    }
}
END_TEST

/* x and log |det J| from y, with weights that are parameters as they start. */
static const flow_case *row_of(const grad_case *g)
{
    return g->row;
}

static ppl_tensor *back(ppl_tensor *y, const flow_case *f, int det)
{
    ppl_tensor *log_abs_det = NULL;
    ppl_flow_opts opts = f->opts;
    opts.activation = PPL_TANH;             /* differences want no kinks, no clipping */
    opts.log_scale_min = opts.log_scale_max = 0;
    ppl_transform *t = f->make(ppl_tensor_ctx(y), f->name, D, &opts);
    ppl_tensor *x = ppl_transform_inverse(t, y, &log_abs_det);
    return det ? log_abs_det : x;
}

BUILD(back, back(in[0], row_of(g), g->number))

START_TEST(gradients_of_inverses)
{
    for (int i = 0; i < COUNT_OF(table); i++)
        for (int det = 0; det < 2 && strcmp(table[i].name, "block") != 0; det++) {
            grad_case g = CASE(back, -1, 1, det, 1, S(2, D));
            g.row = &table[i];
            g.name = table[i].name;
            check_gradient(_i, &g);
        }
}
END_TEST

/* ---- At their ends ----------------------------------------------------------------- */

/* Parameters of flow "f", in order, that leave next to no room to where it is no bijection;
 * x, log |det J| there (mpmath, 60 digits). */
typedef struct end_case {
    const char *name;
    ppl_transform *(*make)(ppl_ctx *c, const char *name, int64_t dim,
                           const ppl_flow_opts *opts);
    int dim;
    const char *param[6];
    double value[6][3], x[3], det;
} end_case;

#define PLANAR(u, x, det)                                                                \
    { "planar", ppl_flow_planar, 2, { "f.u", "f.w", "f.bias" },                          \
      { { u, 0.5 }, { 8, 0 }, { 0.25 } }, { x, 0.75 }, det }
#define RADIAL(alpha, beta, at, det)                                                     \
    { "radial", ppl_flow_radial, 3, { "f.x0", "f.alpha_prime", "f.beta_prime" },         \
      { { 0.5, -1, 0.25 }, { alpha }, { beta } },                                        \
      { 0.5 + (at), -1 - 2 * (at), 0.25 + 2 * (at) }, det }
#define SYLVESTER(r, s, x, det)                                                          \
    { "sylvester", ppl_flow_sylvester, 1,                                                \
      { "f.u_unnormed", "f.R_dense", "f.S_dense", "f.R_diag", "f.S_diag", "f.b" },       \
      { { 1 }, { 0 }, { 0 }, { r }, { s }, { 0 } }, { -(x) }, det }

static const end_case ends[] = {
    PLANAR(-8, -0.03125, -64), PLANAR(-1.5, -0.03125, -12.000003072098312),
    PLANAR(-8, -0.03124237060546875, -19.408121058161996),
    PLANAR(-1.5, -0.03124237060546875, -11.99939694884678),
    PLANAR(-8, 0.125, -0.32908043606917561), PLANAR(-1.5, 0.125, -0.32907804174354512),
    RADIAL(0, -40, 0, -118.90046123825501), RADIAL(-5, 200, 0, 30.905030759363835),
    RADIAL(2, -12, 0, -38.264045287325401),
    RADIAL(0, -40, 0.0009765625, -15.720652469402692),
    RADIAL(-5, 200, 0.0009765625, 29.456905134961368),
    RADIAL(2, -12, 0.0009765625, -19.069047498181153),
    RADIAL(0, -40, 2, -0.22943219914791502), RADIAL(-5, 200, 2, 7.106543026314823),
    SYLVESTER(12, -12, 0, -22.613705638955612), SYLVESTER(30, -28, 0, -55.288702891522245),
    SYLVESTER(12, -12, 0.000244140625, -16.633002127243291),
    SYLVESTER(30, -28, 0.000244140625, -16.635532373175117),
    SYLVESTER(12, -12, 1, -0.54468293779759648),
};

static ppl_transform *at_its_end(ppl_ctx *c, const end_case *e)
{
    ck_assert_ptr_nonnull(e->make(c, "f", e->dim, NULL));
    for (int i = 0; i < 6 && e->param[i]; i++) {
        const ppl_param_info *info = ppl_param_at(c, ppl_param_find(c, e->param[i]));
        ck_assert_int_eq(ppl_param_write(c, e->param[i], info->shape, e->value[i]), PPL_OK);
    }
    return e->make(c, "f", e->dim, NULL);
}

START_TEST(next_to_no_bijection)
{
    for (int i = 0; i < COUNT_OF(ends); i++) {
        const end_case *e = &ends[i];
        ppl_ctx *c = context(_i);
        const ppl_transform *t = at_its_end(c, e);
        ppl_tensor *x = ppl_variable(c, PPL_SHAPE(e->dim), e->x), *det, *again;
        ppl_tensor *y = ppl_transform_forward(t, x, &det);
        assert_elements(e->name, det, 1, &e->det, _i ? 1e-13 : 3e-6);
        ppl_tensor *roots[] = { ppl_sum(y, 0), det };
        ppl_tensor *seeds[] = { ppl_scalar(c, 1), ppl_scalar(c, 1) };
        ck_assert_int_eq(ppl_backward_from(roots, seeds, 2), PPL_OK);
        ck_assert_msg(isfinite(ppl_total(ppl_grad(x))), "%s %d: no gradient", e->name, i);
        /* Where it stretches, the inverse has digits to give. */
        ppl_tensor *back = ppl_transform_inverse(t, ppl_detach(y), &again);
        if (e->det > 0) {
            assert_elements(e->name, back, e->dim, e->x, _i ? 1e-14 : 1e-6);
            assert_elements(e->name, again, 1, &e->det, _i ? 1e-12 : 1e-5);
        }
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        ppl_ctx_free(c);
    }
}
END_TEST

/* Directions that are 0, as of a network whose last layer starts at 0: a planar flow is a
 * shift, a reflection moves nothing, and both have gradients. */
START_TEST(directions_of_length_0)
{
    ppl_ctx *c = context(_i);
    ck_assert_ptr_nonnull(ppl_flow_planar(c, "p", 2, NULL));
    ck_assert_ptr_nonnull(ppl_flow_householder(c, "h", 2, NULL));
    ck_assert_int_eq(ppl_param_write(c, "p.w", PPL_SHAPE(2), LIST(0, 0)), PPL_OK);
    ck_assert_int_eq(ppl_param_write(c, "p.u", PPL_SHAPE(2), LIST(1, -2)), PPL_OK);
    ck_assert_int_eq(ppl_param_write(c, "p.bias", PPL_SHAPE(1), LIST(0.5)), PPL_OK);
    ck_assert_int_eq(ppl_param_write(c, "h.u_unnormed", PPL_SHAPE(1, 2), LIST(0, 0)), PPL_OK);
    ppl_transform *flow[] = { ppl_flow_planar(c, "p", 2, NULL),
                              ppl_flow_householder(c, "h", 2, NULL) };
    for (int i = 0; i < 2; i++) {
        const double shift = i == 0 ? tanh(0.5) : 0;
        ppl_tensor *x = variable(c, 0.25, 3), *det;
        ppl_tensor *y = ppl_transform_forward(flow[i], x, &det);
        assert_values(y, rounding(_i), 0.25 + shift, 3 - 2 * shift);
        assert_values(det, 0, 0);
        assert_values(ppl_transform_inverse(flow[i], y, &det), rounding(_i), 0.25, 3);
        ck_assert_int_eq(ppl_backward(ppl_add(ppl_sum(y, 0), det)), PPL_OK);
        assert_values(ppl_grad(x), 0, 1, 1);
        double grad[2];
        ck_assert_int_eq(ppl_param_grad(c, i ? "h.u_unnormed" : "p.w", grad, 2), PPL_OK);
        ck_assert(isfinite(grad[0]) && isfinite(grad[1]));
    }
    ppl_ctx_free(c);
}
END_TEST

/* A quadratic spline whose second piece of three is flat but for its end, where it is
 * steep: y is next to a knot over half of it. Both ways, and for bounds so near 0 that any
 * fixed distance would be many pieces. */
START_TEST(splines_at_their_ends)
{
    const double heights[] = { 10, -10, 10 }, widths[] = { 0, 0, 0 }, slopes[] = { -20, 100 };
    const ppl_shape three = PPL_SHAPE(1, 3), two = PPL_SHAPE(1, 2);
    for (double bound = 4; bound > 1e-9; bound /= 1000)
        for (int k = 0; k < 24; k++) {
            const ppl_flow_opts opts = { .bins = 3, .bound = bound, .quadratic = 1 };
            const double x = bound * (k / 12.0 - 0.98);
            ppl_ctx *c = context(_i);
            ck_assert_ptr_nonnull(ppl_flow_spline(c, "f", 1, &opts));
            ck_assert_int_eq(PPL_OK, ppl_param_write(c, "f.unnormalized_widths", three, widths));
            ck_assert_int_eq(PPL_OK, ppl_param_write(c, "f.unnormalized_heights", three, heights));
            ck_assert_int_eq(PPL_OK, ppl_param_write(c, "f.unnormalized_derivatives", two, slopes));
            const ppl_transform *t = ppl_flow_spline(c, "f", 1, &opts);
            ppl_tensor *y = ppl_transform_forward(t, numbers(c, x), NULL);
            ppl_tensor *back = ppl_transform_inverse(t, y, NULL);
            ppl_tensor *again = ppl_transform_forward(t, back, NULL);
            ck_assert_msg(is_near(ppl_total(back) / bound, x / bound, _i ? 1e-7 : 10) &&
                          is_near(ppl_total(again) / bound, ppl_total(y) / bound,
                                  rounding(_i)), "%g of %g comes back as %.12g", x, bound,
                          ppl_total(back));
            ppl_ctx_free(c);
        }
}
END_TEST

/* Far out splines are the identity, and have its gradients. */
START_TEST(splines_far_out)
{
    for (int i = 0; i < COUNT_OF(table); i++)
        for (int inverse = 0; inverse < 2 && table[i].make == ppl_flow_spline; inverse++) {
            ppl_ctx *c = loaded(_i);
            const double far = _i ? 1e160 : 1e15;
            ppl_flow_opts opts = table[i].opts;
            opts.context = table[i].conditional ? numbers(c, 1, 2, 3) : NULL;
            const ppl_transform *t = table[i].make(c, table[i].name, D, &opts);
            ppl_tensor *x = variable(c, -far, 0.5, -0.25, far), *det, *y;
            y = (inverse ? ppl_transform_inverse : ppl_transform_forward)(t, x, &det);
            ck_assert_int_eq(ppl_backward(ppl_sum(ppl_add(y, det), 0)), PPL_OK);
            double slope[D];
            ppl_read(ppl_grad(x), slope, D);
            ck_assert_msg(is_near(slope[0], 1, 0) && is_near(slope[3], 1, 0) &&
                          isfinite(slope[1]) && isfinite(slope[2]), "%s: %g %g %g %g",
                          table[i].name, slope[0], slope[1], slope[2], slope[3]);
            for (int k = 0; k < ppl_param_count(c); k++) {
                const ppl_param_info *info = ppl_param_at(c, k);
                double grad[1024];
                if (ppl_param_grad(c, info->name, grad, info->count) == PPL_OK)
                    for (int n = 0; n < info->count; n++)
                        ck_assert_msg(isfinite(grad[n]), "%s: gradient %d is %g",
                                      info->name, n, grad[n]);
            }
            ppl_ctx_free(c);
        }
}
END_TEST

/* log |det J| is that of the map where weights are smaller than what is added to them. */
START_TEST(blocks_of_small_weights)
{
    static const char *const names[] = { "f.layers.0._weight", "f.layers.1._weight" };
    for (double raw = -4; raw > -30; raw -= 4) {
        const ppl_flow_opts opts = { .hidden = (int64_t[]){ 2 }, .layers = 1 };
        const double pair[] = { raw, raw - 1 };
        ppl_ctx *c = context(_i);
        ck_assert_ptr_nonnull(ppl_flow_block_autoregressive(c, "f", 1, &opts));
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(ppl_param_write(c, names[i], i ? PPL_SHAPE(1, 2)
                                                            : PPL_SHAPE(2, 1), pair),
                             PPL_OK);
        ppl_tensor *x = variable(c, 0.3), *det;
        ppl_tensor *y = ppl_transform_forward(
            ppl_flow_block_autoregressive(c, "f", 1, &opts), x, &det);
        ck_assert_int_eq(ppl_backward(ppl_sum(y, 0)), PPL_OK);
        ck_assert_msg(is_near(ppl_total(det), log(ppl_total(ppl_grad(x))),
                              _i ? 1e-12 : 1e-5), "raw %g: %.12g is not %.12g", raw,
                      ppl_total(det), log(ppl_total(ppl_grad(x))));
        ppl_ctx_free(c);
    }
}
END_TEST

/* Where it has all but levelled off, a block flow's inverse is an x that has this y. */
START_TEST(blocks_that_level_off)
{
    const ppl_flow_opts opts = { .hidden = (int64_t[]){ 2 }, .layers = 1 };
    for (double x = 0.25; x < 400; x *= 1.5) {
        ppl_ctx *c = context(_i);
        ck_assert_ptr_nonnull(ppl_flow_block_autoregressive(c, "f", 1, &opts));
        ck_assert_int_eq(ppl_param_write(c, "f.layers.0._diag_weight", PPL_SHAPE(2, 1),
                                         LIST(1, 0.5)), PPL_OK);
        const ppl_transform *t = ppl_flow_block_autoregressive(c, "f", 1, &opts);
        ppl_tensor *y = ppl_transform_forward(t, numbers(c, x), NULL);
        ppl_tensor *found = ppl_transform_inverse(t, y, NULL);
        ppl_tensor *again = ppl_transform_forward(t, found, NULL);
        ck_assert_msg(fabs(ppl_total(found)) <= 1000 &&
                      is_near(ppl_total(again), ppl_total(y), rounding(_i)),
                      "%g comes back as %g", x, ppl_total(found));
        ppl_ctx_free(c);
    }
}
END_TEST

/* Without a residual a block flow reaches but an interval. */
START_TEST(values_out_of_reach)
{
    ppl_ctx *c = loaded(_i);
    for (int i = 0; i < COUNT_OF(table); i++)
        if (strcmp(table[i].name, "block") == 0) {
            double x[D];
            ppl_read(ppl_transform_inverse(make(c, &table[i]), numbers(c, 1e4, 0, 0, 0),
                                           NULL), x, D);
            ck_assert(isnan(x[0]));
        }
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* The element of an autoregressive flow depends on those before it in the order alone. */
START_TEST(autoregression)
{
    ppl_ctx *c = context(_i);
    ppl_transform *t = ppl_flow_affine_autoregressive(c, "f", 5, NULL);
    double kept[5];
    ck_assert_int_eq(ppl_param_read(c, "f.arn.permutation", kept, 5), PPL_OK);
    for (int k = 0; k < 5; k++) {
        double one[5] = { 0 }, grad[5];
        const int at = (int)kept[k];
        ppl_tensor *x = variable(c, 0.5, -1, 0.25, 2, -0.75);
        ppl_tensor *y = ppl_transform_forward(t, x, NULL);
        one[at] = 1;
        ppl_tensor *seed = vector(c, 5, one);
        ck_assert_int_eq(ppl_backward_from(&y, &seed, 1), PPL_OK);
        ppl_read(ppl_grad(x), grad, 5);
        for (int j = k + 1; j < 5; j++)
            ck_assert(is_near(grad[(int)kept[j]], 0, 0));
        ck_assert(grad[at] > 0);
    }
    /* The order is kept, whatever the step, and differs from name to name. */
    ppl_next_step(c);
    double again[5], other[5], third[5];
    ppl_flow_affine_autoregressive(c, "f", 5, NULL);
    ck_assert_int_eq(ppl_param_read(c, "f.arn.permutation", again, 5), PPL_OK);
    ck_assert_mem_eq(kept, again, sizeof kept);
    ck_assert_ptr_nonnull(ppl_flow_affine_autoregressive(c, "g", 5, NULL));
    ck_assert_ptr_nonnull(ppl_flow_affine_autoregressive(c, "h", 5, NULL));
    ck_assert_int_eq(ppl_param_read(c, "g.arn.permutation", other, 5), PPL_OK);
    ck_assert_int_eq(ppl_param_read(c, "h.arn.permutation", third, 5), PPL_OK);
    ck_assert(memcmp(kept, other, sizeof kept) != 0 ||
              memcmp(kept, third, sizeof kept) != 0);
    ppl_ctx_free(c);
}
END_TEST

/* A density of a draw, and of the same numbers by way of the inverse. */
START_TEST(densities)
{
    for (int i = 0; i < COUNT_OF(table); i++) {
        if (table[i].conditional)
            continue;
        ppl_ctx *c = loaded(_i);
        ppl_transform *t = make(c, &table[i]);
        ppl_dist *d = ppl_transformed(ppl_normal(ppl_full(c, PPL_SHAPE(3, D), 0),
                                                 ppl_scalar(c, 1)), &t, 1);
        ppl_tensor *y = ppl_dist_sample(d, &(ppl_rng){ { 1, 2 } });
        double direct[12];
        const int64_t n = ppl_read(ppl_log_prob(d, y), direct, 12);
        assert_elements(table[i].name, ppl_log_prob(d, ppl_detach(y)), n, direct,
                        _i ? 1e-10 : 1e-3);
        ppl_ctx_free(c);
    }
}
END_TEST

/* ---- Batch normalization in training ----------------------------------------------- */

static void averages(ppl_ctx *c, const char *name, double *mean, double *variance)
{
    char key[64];
    snprintf(key, sizeof key, "%s.moving_mean", name);
    ck_assert_int_eq(ppl_param_read(c, key, mean, D), PPL_OK);
    snprintf(key, sizeof key, "%s.moving_variance", name);
    ck_assert_int_eq(ppl_param_read(c, key, variance, D), PPL_OK);
}

/* The inverse of data, its gradients through the batch's moments, and the averages that
 * it leaves: outside any step, at once. */
START_TEST(batch_norm_in_training_is_as_in_pyro)
{
    static const flow_case f = { "batch_norm_training", ppl_flow_batch_norm,
                                 { .training = 1, .momentum = 0.25 }, 0, 0 };
    const double tolerance = _i ? 1e-10 : 1e-4;
    ppl_ctx *c = loaded(_i);
    double value[N * D], mean[D], variance[D], expected[D];
    ppl_read(constant(c, "data", "x", PPL_SHAPE(N, D)), value, N * D);
    ppl_tensor *y = ppl_variable(c, PPL_SHAPE(N, D), value), *det = NULL;
    ppl_tensor *x = ppl_transform_inverse(make(c, &f), y, &det);
    close_to(f.name, "x", x, c, "y", f.name, tolerance);
    close_to(f.name, "log |det J|", det, c, "det", f.name, tolerance);
    ppl_tensor *roots[] = { x, det }, *seeds[] = { weights(c, x), weights(c, det) };
    ck_assert_int_eq(ppl_backward_from(roots, seeds, 2), PPL_OK);
    close_to(f.name, "gradient", ppl_grad(y), c, "grad", f.name, 10 * tolerance);
    check_parameters(c, &f, 10 * tolerance);
    averages(c, f.name, mean, variance);
    ck_assert_int_eq(ppl_param_read(c, "after.batch_norm_training.mean", expected, D),
                     PPL_OK);
    assert_elements("mean", numbers(c, mean[0], mean[1], mean[2], mean[3]), D, expected,
                    tolerance);
    ck_assert_int_eq(ppl_param_read(c, "after.batch_norm_training.variance", expected, D),
                     PPL_OK);
    assert_elements("variance",
                    numbers(c, variance[0], variance[1], variance[2], variance[3]), D,
                    expected, tolerance);
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

static const double batch[2 * D] = { 1, -2, 0.5, 4, 3, 2, -0.5, 8 };

/* Data through a flow in training, when its density is asked for: by the ELBO, or here;
 * then an error, if arg says so. */
static void normalized(ppl_ctx *c, const void *arg)
{
    const int *fails = arg;
    ppl_transform *t = ppl_flow_batch_norm(c, "n", D, &(ppl_flow_opts){ .training = 1 });
    ppl_dist *base = ppl_normal(ppl_full(c, PPL_SHAPE(2, D), 0), ppl_scalar(c, 1));
    ppl_dist *d = ppl_transformed(base, &t, 1);
    ppl_tensor *y = ppl_from_doubles(c, PPL_SHAPE(2, D), batch);
    ppl_observe(c, "y", d, y);
    if (*fails >= 3)
        ppl_log_prob(d, y);
    if (*fails == 1 || *fails == 4)
        ppl_fail(c, PPL_EINVAL, "after all");
    if (*fails == 2)
        ppl_factor(c, "f", ppl_log(ppl_scalar(c, 0)));
}

static void nothing(ppl_ctx *c, const void *arg)
{
    (void)c, (void)arg;
}

static void assert_averages(ppl_ctx *c, double mean, double variance)
{
    double m[D], v[D];
    averages(c, "n", m, v);
    ck_assert_msg(is_near(m[0], mean, 1e-6) && is_near(v[0], variance, 1e-6),
                  "%.9g, %.9g are not %.9g, %.9g", m[0], v[0], mean, variance);
}

/* Mean 2 and variance 2 of the batch's first element. */
START_TEST(averages_move_with_steps_that_succeed)
{
    ppl_ctx *c = context(_i);
    int fails = 0;
    ppl_optim *sgd = ppl_sgd(c, &(ppl_optim_opts){ .lr = 1e-3 });
    ppl_svi *svi = ppl_svi_new(c, normalized, nothing, ppl_trace_elbo(c, NULL), sgd);
    ck_assert_msg(svi != NULL, "%s", ppl_error_text(c));
    ck_assert_int_eq(ppl_svi_step(svi, &fails, NULL), PPL_OK);
    assert_averages(c, 0.2, 1.1);
    for (fails = 1; fails < 3; fails++) {
        ck_assert_int_ne(ppl_svi_step(svi, &fails, NULL), PPL_OK);
        ppl_clear_error(c);
        assert_averages(c, 0.2, 1.1);
    }
    fails = 0;
    ck_assert_int_eq(ppl_svi_evaluate(svi, &fails, NULL), PPL_OK);
    ck_assert_int_eq(ppl_svi_gradient(svi, &fails, NULL), PPL_OK);
    assert_averages(c, 0.2, 1.1);
    ck_assert_int_eq(ppl_svi_step(svi, &fails, NULL), PPL_OK);
    assert_averages(c, 0.38, 1.19);
    /* A run outside a step is one of its own. */
    fails = 3;
    ck_assert_int_eq(ppl_run(c, normalized, &fails, NULL), PPL_OK);
    assert_averages(c, 0.542, 1.271);
    fails = 4;
    ck_assert_int_ne(ppl_run(c, normalized, &fails, NULL), PPL_OK);
    ppl_clear_error(c);
    assert_averages(c, 0.542, 1.271);
    ppl_svi_free(svi);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(averages_refuse_what_is_no_state)
{
    ppl_ctx *c = context(_i);
    const double x[2] = { 1, 2 };
#define REFUSES(status, text, ...)                                                       \
    do {                                                                                 \
        ck_assert_int_eq(ppl_param_average(c, __VA_ARGS__), status);                     \
        ck_assert_str_eq(ppl_error_text(c), text);                                       \
        ppl_clear_error(c);                                                              \
    } while (0)
    REFUSES(PPL_EINVAL, "ppl_param_average: a is not there; make it with ppl_param_write",
            "a", 0.5, x, 2);
    ck_assert_int_eq(ppl_param_write(c, "a", PPL_SHAPE(2), x), PPL_OK);
    REFUSES(PPL_EINVAL, "ppl_param_average: a is given no values", "a", 0.5, NULL, 2);
    REFUSES(PPL_ESHAPE, "ppl_param_average: a has 2 elements, not 1", "a", 0.5, x, 1);
    REFUSES(PPL_EINVAL, "ppl_param_average: a is to move by weight 1.5; it must be from 0 "
            "to 1", "a", 1.5, x, 2);
    ck_assert_ptr_nonnull(ppl_param(c, "w", PPL_SHAPE(2), PPL_ZEROS, PPL_REAL));
    REFUSES(PPL_EINVAL, "ppl_param_average: w is a parameter that a model asks for; an "
            "average is state beside them, under a name of its own", "w", 0.5, x, 2);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(bad_options)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = numbers(c, 1, 2, 3);
#define REFUSED(flow, dim, status, text, ...)                                            \
    assert_fails(c, flow(c, "f", dim, &(ppl_flow_opts){ __VA_ARGS__ }), status, text)
    REFUSED(ppl_flow_planar, 0, PPL_EINVAL,
            "planar f: vectors of 0 elements; give 1 at least", .count = 1);
    REFUSED(ppl_flow_householder, 2, PPL_EINVAL,
            "householder f: count is -1; give 1 at least", .count = -1);
    REFUSED(ppl_flow_affine_autoregressive, 4, PPL_EINVAL,
            "affine_autoregressive f: hidden layer 0 has 3 units; it must have the "
            "vectors' 4 at least", .hidden = (int64_t[]){ 3 }, .layers = 1);
    REFUSED(ppl_flow_affine_autoregressive, 4, PPL_EINVAL,
            "affine_autoregressive f: hidden layer 0 has 0 units; give 1 at least",
            .hidden = (int64_t[]){ 0 }, .layers = 1);
    REFUSED(ppl_flow_affine_autoregressive, 2, PPL_EINVAL,
            "affine_autoregressive f: element 1 of its permutation is 2; each of 0 to 1 "
            "must be there once", .permutation = (int64_t[]){ 0, 2 });
    REFUSED(ppl_flow_affine_coupling, 3, PPL_EINVAL,
            "affine_coupling f: split is 3; of 3 elements 1 to 2 can stay", .split = 3);
    REFUSED(ppl_flow_spline_coupling, 1, PPL_EINVAL, "spline_coupling f: vectors of 1 element "
            "cannot be split; give 2 at least", .count = 1);
    REFUSED(ppl_flow_block_autoregressive, 3, PPL_EINVAL, "block_autoregressive f: -1 hidden "
            "layers; give 1 at least and their sizes, or 0 for the usual ones", .layers = -1,
            .hidden = nine);
    REFUSED(ppl_flow_planar, 3, PPL_EINVAL, "planar f: 2 hidden layers without sizes; give 1 "
            "at least and their sizes, or 0 for the usual ones", .layers = 2);
    REFUSED(ppl_flow_affine_coupling, 3, PPL_EINVAL, "affine_coupling f: log_scale_min nan "
            "must be below log_scale_max 3", .log_scale_min = NAN);
    REFUSED(ppl_flow_radial, 3, PPL_EDTYPE, "radial f: the context is not floating "
            "(ppl_to_float converts integers and masks)", .context = integers(c, 1, 2));
    REFUSED(ppl_flow_spline, 3, PPL_ESHAPE, "spline f: a context of shape [0]; give it a last "
            "axis of 1 element at least", .context = ppl_full(c, PPL_SHAPE(0), 1));
    ck_assert_ptr_nonnull(ppl_flow_batch_norm(c, "n", 3, NULL));
    ck_assert_ptr_null(ppl_flow_batch_norm(c, "n", 4, NULL));
    ck_assert_int_eq(ppl_error(c), PPL_ESHAPE);
    ck_assert_ptr_nonnull(strstr(ppl_error_text(c), "n.gamma has shape [3] and the model asks "
                                                    "for [4]"));
    ppl_clear_error(c);
    ck_assert_ptr_nonnull(ppl_flow_affine_autoregressive(c, "n", 3, NULL));
    assert_fails(c, ppl_flow_affine_autoregressive(c, "n", 4, NULL), PPL_ESHAPE,
                 "affine_autoregressive n: n.arn.permutation has 3 elements, and vectors 4; use "
                 "another name, or a file of these dimensions");
    ppl_tensor *deep = ppl_full(c, PPL_SHAPE(1, 1, 1, 1, 1, 1, 1, 3), 0.5);
    assert_fails(c, ppl_transform_forward(ppl_flow_spline(c, "s", 3, NULL), deep, NULL),
                 PPL_ESHAPE, "spline s: a value of shape [1,1,1,1,1,1,1,3]; it takes 7 axes at "
                 "most");
    assert_fails(c, ppl_transform_inverse(ppl_flow_block_autoregressive(c, "b", 3, NULL), deep,
                                          NULL), PPL_ESHAPE, "block_autoregressive b: a value "
                 "of shape [1,1,1,1,1,1,1,3]; it takes 6 axes at most");
    REFUSED(ppl_flow_affine_coupling, 3, PPL_EINVAL,
            "affine_coupling f: log_scale_min 4 must be below log_scale_max 3",
            .log_scale_min = 4);
    REFUSED(ppl_flow_radial, 3, PPL_ESHAPE,
            "radial f: a context of shape []; give it a last axis of 1 element at least",
            .context = ppl_scalar(c, 1));
    REFUSED(ppl_flow_sylvester, 3, PPL_EUNSUPPORTED, "sylvester f: it takes no context; "
            "a conditional planar or affine flow does", .context = x);
    REFUSED(ppl_flow_batch_norm, 3, PPL_EUNSUPPORTED, "batch_norm f: it takes no context; "
            "a conditional affine or spline flow does", .context = x);
    REFUSED(ppl_flow_batch_norm, 3, PPL_EINVAL, "batch_norm f: momentum is 2, epsilon "
            "1e-05; they must be above 0, and momentum at most 1", .momentum = 2);
    assert_fails(c, ppl_transform_inverse(
                     ppl_flow_batch_norm(c, "f", 3, &(ppl_flow_opts){ .training = 1 }), x,
                     NULL), PPL_ESHAPE,
                 "batch_norm f: a value of shape [3] is a batch of 1; in training it takes "
                 "2 at least, whose variance is known");
    REFUSED(ppl_flow_spline, 3, PPL_EINVAL, "spline f: 8 bins from -inf to inf; give 2 to "
            "999, and a finite bound above 0", .bound = INFINITY);
    for (int i = 0; i < COUNT_OF(table); i++) {
        ppl_transform *t = table[i].make(c, table[i].name, 4, NULL);
        ppl_transform_forward(t, x, NULL);
        ck_assert_int_eq(ppl_error(c), PPL_ESHAPE);
        ppl_clear_error(c);
        ppl_transform_inverse(t, x, NULL);
        ck_assert_int_eq(ppl_error(c), PPL_ESHAPE);
        ck_assert_ptr_nonnull(strstr(ppl_error_text(c), "a value of shape [3]; its last "
                                     "axis must have 4 elements"));
        ppl_clear_error(c);
        ck_assert_ptr_null(ppl_transformed(ppl_normal(x, x), &t, 1));
        ck_assert_int_eq(ppl_error(c), PPL_ESHAPE);
        ppl_clear_error(c);
        ck_assert_ptr_null(table[i].make(NULL, "f", 4, NULL));
    }
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        as_in_pyro, both_ways, gradients_of_inverses, next_to_no_bijection,
        directions_of_length_0, splines_at_their_ends, splines_far_out, blocks_of_small_weights,
        blocks_that_level_off, values_out_of_reach,
        autoregression, densities, batch_norm_in_training_is_as_in_pyro,
        averages_move_with_steps_that_succeed, averages_refuse_what_is_no_state,
        bad_options, NULL
    };
    return run_tests("flows", tests);
}

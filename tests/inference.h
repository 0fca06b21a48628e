/* SPDX-License-Identifier: MIT */
/*
 * inference.h - what the tests of inference share: a context per test, one estimate in an
 * epoch of its own, means with their standard errors, draws with noise from outside.
 * Each test is run for dtype 0 (f32) and 1 (f64), which Check hands to it as _i.
 */
#ifndef KILN_TESTS_INFERENCE_H
#define KILN_TESTS_INFERENCE_H

#include "fixture.h"

#include <kiln/infer.h>

/* reals(1, 2, 3) is the constant [1,2,3]; masks and scalars likewise. */
#define reals(...) ppl_from_doubles(c, PPL_SHAPE(LENGTH(__VA_ARGS__)), LIST(__VA_ARGS__))
#define bits(...)                                                                          \
    ppl_from_mask(c, PPL_SHAPE(LENGTH(__VA_ARGS__)), (unsigned char[]){ __VA_ARGS__ })
#define number(x) ppl_scalar(c, x)

static ppl_ctx *c;
static double tight;                /* a few roundings, relative to 1 or the number */

static inline void begin_seeded(int dtype, uint64_t seed)
{
    c = start(dtype);
    ppl_set_rng_state(c, seed, 0);
    tight = dtype == 0 ? 2e-5 : 1e-9;
}

static inline void begin(int dtype)
{
    begin_seeded(dtype, 11);
}

static inline void end(void)
{
    stop(c);
    c = NULL;
}

#define OK(status)                                                                         \
    do {                                                                                   \
        const ppl_status ok_status = (status);                                             \
        ck_assert_msg(ok_status == PPL_OK, "%s: %s", ppl_status_name(ok_status),           \
                      ppl_error_text(c));                                                  \
    } while (0)

/* The text of the error, without the table of sites that errors of shapes have at its
 * end. */
static inline const char *error_text(void)
{
    static char text[PPL_ERROR_TEXT + 1];
    char *table;

    strcpy(text, ppl_error_text(c));
    table = strstr(text, " of the sites until then (ppl_write_shapes");
    while (table != NULL && *table != '\n')
        table--;
    if (table != NULL)
        *table = '\0';
    return text;
}

/* The call gives this status and this text. */
#define FAILS(call, status, text)                                                          \
    do {                                                                                   \
        ck_assert_str_eq(ppl_status_name(call), ppl_status_name(status));                  \
        ck_assert_str_eq(error_text(), text);                                              \
    } while (0)

#define NEAR(x, expected, tolerance)                                                       \
    do {                                                                                   \
        const double near_x = (x), near_y = (expected);                                    \
        ck_assert_msg(is_near(near_x, near_y, tolerance), "%s is %.15g, not %.15g", #x,    \
                      near_x, near_y);                                                     \
    } while (0)

/* ---- Estimates --------------------------------------------------------------------- */

/* One draw of the loss in an epoch of its own; with gradient, left in the slab. */
static inline double estimate(ppl_elbo *elbo, ppl_model model, ppl_model guide,
                              const void *arg, int gradient)
{
    const ppl_epoch mark = ppl_epoch_begin(c);
    double loss;

    ppl_next_step(c);
    ppl_zero_grad(c);
    OK(ppl_elbo_estimate(elbo, model, guide, arg, gradient, &loss));
    ppl_epoch_end(c, mark);
    return loss;
}

static inline ppl_elbo *elbo_of(int analytic)
{
    return analytic ? ppl_trace_mean_field_elbo(c, NULL) : ppl_trace_elbo(c, NULL);
}

/* Goes back to before the latest step, so that the next one draws the same. */
static inline void again(void)
{
    uint64_t seed, step;

    ppl_rng_state(c, &seed, &step);
    ppl_set_rng_state(c, seed, step - 1);
}

static inline double gradient_of(const char *name)
{
    double g = 0;

    OK(ppl_param_grad(c, name, &g, 1));
    return g;
}

/* What the guide draws at `name` in the step that comes next. */
static inline void peek(ppl_model guide, const void *arg, const char *name, int64_t index,
                        double *out, int64_t count)
{
    const ppl_epoch mark = ppl_epoch_begin(c);
    const ppl_trace *trace;

    ppl_next_step(c);
    trace = ppl_get_trace(c, guide, arg, NULL);
    ck_assert_msg(trace != NULL, "%s", ppl_error_text(c));
    ck_assert_ptr_nonnull(ppl_trace_find(trace, name, index));
    ppl_read(ppl_trace_find(trace, name, index)->value, out, count);
    ppl_epoch_end(c, mark);
    again();
}

/* ---- Means ------------------------------------------------------------------------- */

typedef struct moments {
    int n;
    double mean, squares;
} moments;

static inline void add_to(moments *m, double x)
{
    const double off = x - m->mean;

    m->n++;
    m->mean += off / m->n;
    m->squares += off * (x - m->mean);
}

static inline double variance_of(const moments *m)
{
    return m->squares / (m->n - 1);
}

/* The mean is the number, within 4 standard errors (and roundings). */
#define IN_MEAN(m, expected)                                                               \
    do {                                                                                   \
        const double mean_y = (expected), mean_e = sqrt(variance_of(m) / (m)->n);          \
        ck_assert_msg(fabs((m)->mean - mean_y) <= 4 * mean_e + tight * (1 + fabs(mean_y)), \
                      "%s: the mean of %d is %.9g +- %.3g, not %.9g", #m, (m)->n,          \
                      (m)->mean, mean_e, mean_y);                                          \
    } while (0)

/* ---- Noise from outside ------------------------------------------------------------ */

/* The noise of a site, of its distribution's shape. */
typedef ppl_tensor *noise_source(const ppl_msg *m);

/* Latents of normal distributions become loc + scale * noise, with their gradients; those
 * of images of normal distributions, the image of that. */
typedef struct noisy {
    ppl_handler base;
    noise_source *noise;
} noisy;

static inline void noisy_process(ppl_handler *h, ppl_msg *m)
{
    if (m->kind != PPL_SITE_SAMPLE || (m->flags & PPL_DONE) != 0)
        return;
    const ppl_dist *d = m->dist->family->image ? m->dist->parts->dist[0] : m->dist;
    m->value = ppl_add(d->param[0], ppl_mul(d->param[1], ((const noisy *)h)->noise(m)));
    if (d != m->dist)
        m->value = m->dist->family->image(m->dist, m->value);
    m->flags |= PPL_DONE;
}

static inline ppl_handler *with_noise(noise_source *noise)
{
    static const ppl_handler_ops ops = { .name = "noise", .process = noisy_process };
    noisy *self = ppl_alloc(c, sizeof *self);

    ck_assert_ptr_nonnull(self);
    self->base.ops = &ops;
    self->noise = noise;
    return &self->base;
}

#endif

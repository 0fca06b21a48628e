/* SPDX-License-Identifier: MIT */
/*
 * handlers.h - the models that the tests of handlers share, and a way to say what a trace
 * holds.
 */
#ifndef KILN_TESTS_HANDLERS_H
#define KILN_TESTS_HANDLERS_H

#include "fixture.h"

#define NO PPL_NO_INDEX

/* latent1 ~ N(0,1), latent2 ~ N(latent1,5), obs ~ N(latent2,1) = [1,1]. */
static inline void chain(ppl_ctx *c, const void *arg)
{
    ppl_tensor *one = ppl_scalar(c, 1);
    (void)arg;
    ppl_tensor *z = ppl_sample(c, "latent1", standard(c, PPL_SHAPE(2)));
    z = ppl_sample(c, "latent2", ppl_normal(z, ppl_scalar(c, 5)));
    ppl_observe(c, "obs", ppl_normal(z, one), ppl_full(c, PPL_SHAPE(2), 1));
}

/* The guide of chain: parameters and both latents. */
static inline void chain_guide(ppl_ctx *c, const void *arg)
{
    (void)arg;
    for (int i = 1; i <= 2; i++) {
        ppl_tensor *loc = ppl_param(c, i == 1 ? "loc1" : "loc2", PPL_SHAPE(2),
                                    ppl_init_normal(0, 1), PPL_REAL);
        ppl_tensor *scale = ppl_param(c, i == 1 ? "scale1" : "scale2", PPL_SHAPE(2),
                                      PPL_ONES, PPL_POSITIVE);
        ppl_sample(c, i == 1 ? "latent1" : "latent2", ppl_normal(loc, scale));
    }
}

/* The names of a trace's messages, in order: "a b[3] c". */
static inline const char *names_of(const ppl_trace *t)
{
    static char text[2000];
    text[0] = '\0';
    for (int i = 0; i < ppl_trace_count(t); i++) {
        size_t used = strlen(text);
        if (i > 0)
            text[used++] = ' ';
        ppl_site_text(ppl_trace_at(t, i), text + used, sizeof text - used);
    }
    return text;
}

static inline double log_normal(double x, double loc, double scale)
{
    double z = (x - loc) / scale;
    return -0.5 * z * z - log(scale) - 0.9189385332046727418;
}

/* A bit of everything, among it a parameter visited twice. */
static inline void everything(ppl_ctx *c, const void *arg)
{
    (void)arg;
    for (int t = 0; t < 2; t++) {
        ppl_tensor *w = ppl_param(c, "w", PPL_SHAPE(2, 3), PPL_ONES, PPL_REAL);
        ppl_sample_at(c, "z", t, ppl_event(ppl_normal(w, ppl_scalar(c, 1)), 1));
    }
    ppl_tensor *n = ppl_sample(c, "n", ppl_bernoulli(ppl_scalar(c, 0.5)));
    ppl_deterministic(c, "d", ppl_affine(n, 2, 1));
    ppl_observe(c, "x", standard(c, PPL_SHAPE(2)), numbers(c, 1, 2));
    ppl_factor(c, "f", numbers(c, -3, -4));
    ppl_sample_auxiliary(c, "aux", 4, standard(c, PPL_SCALAR));
}

static inline void many(ppl_ctx *c, const void *arg)
{
    (void)arg;
    for (int t = 0; t < 1000; t++)
        ppl_sample_at(c, t % 2 ? "odd" : "even", t / 2, standard(c, PPL_SCALAR));
}

/* One site s, of the kind that *arg says. */
static inline void one_of_a_kind(ppl_ctx *c, const void *arg)
{
    switch (*(const int *)arg) {
    case 0: ppl_sample(c, "s", standard(c, PPL_SHAPE(2))); break;
    case 1: ppl_observe(c, "s", standard(c, PPL_SHAPE(2)), numbers(c, 1, 2)); break;
    case 2: ppl_param(c, "s", PPL_SHAPE(2), PPL_ZEROS, PPL_REAL); break;
    case 3: ppl_deterministic(c, "s", numbers(c, 1, 2)); break;
    case 4: ppl_plate(c, "s", 2, NULL); break;
    }
}

static inline ppl_tensor *mask_of(ppl_ctx *c, unsigned char a, unsigned char b)
{
    return ppl_from_mask(c, PPL_SHAPE(2), (unsigned char[]){ a, b });
}

#endif

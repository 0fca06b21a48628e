/* SPDX-License-Identifier: MIT */
/*
 * adam.c - Adam (Kingma and Ba 2015) as torch.optim.Adam, AdamW (Loshchilov and Hutter
 * 2019) as torch.optim.AdamW, and ClippedAdam as pyro.optim.ClippedAdam.
 *
 * With c1 = 1 - beta1^t and c2 = 1 - beta2^t all three are, for other constants,
 *
 *     p = shrink p - rate m / (sqrt(v) + epsilon),    rate = lr sqrt(c2) / c1,
 *
 * since PyTorch's lr / c1 * m / (sqrt(v / c2) + epsilon) is that with epsilon sqrt(c2).
 * m is moment[0], v is moment[1].
 */
#include "rules.h"

#include <math.h>

static void prepare_clipped(const ppl_optim_opts *o, double t, ppl__step *s)
{
    /* 1 - beta^t without cancellation where beta is near 1 */
    const double c1 = -expm1(t * log(o->beta1)), c2 = -expm1(t * log(o->beta2));
    s->beta1 = o->beta1;
    s->beta2 = o->beta2;
    s->rate *= sqrt(c2) / c1;
    s->epsilon = o->epsilon;
}

static void prepare_adam(const ppl_optim_opts *o, double t, ppl__step *s)
{
    prepare_clipped(o, t, s);
    s->epsilon *= sqrt(-expm1(t * log(o->beta2)));
}

static void prepare_adamw(const ppl_optim_opts *o, double t, ppl__step *s)
{
    s->shrink = 1 - s->rate * o->weight_decay;
    s->decay = 0;
    prepare_adam(o, t, s);
}

#define ADAM_DEFAULTS                                                                    \
    .lr = 1e-3, .lr_decay = 1, .clip_norm = INFINITY, .momentum = NAN, .beta1 = 0.9,     \
    .beta2 = 0.999, .epsilon = 1e-8

static const ppl__rule adam = { "adam",
                                { ADAM_DEFAULTS, .clip_value = INFINITY },
                                prepare_adam,
                                { ppl__adam_f32, ppl__adam_f64 } };
static const ppl__rule adamw = { "adamw",
                                 { ADAM_DEFAULTS, .clip_value = INFINITY,
                                   .weight_decay = 0.01 },
                                 prepare_adamw,
                                 { ppl__adam_f32, ppl__adam_f64 } };
static const ppl__rule clipped_adam = { "clipped_adam",
                                        { ADAM_DEFAULTS, .clip_value = 10 },
                                        prepare_clipped,
                                        { ppl__adam_f32, ppl__adam_f64 } };

ppl_optim *ppl_adam(ppl_ctx *c, const ppl_optim_opts *opts)
{
    return ppl__optim_new(c, &adam, opts);
}

ppl_optim *ppl_adamw(ppl_ctx *c, const ppl_optim_opts *opts)
{
    return ppl__optim_new(c, &adamw, opts);
}

ppl_optim *ppl_clipped_adam(ppl_ctx *c, const ppl_optim_opts *opts)
{
    return ppl__optim_new(c, &clipped_adam, opts);
}

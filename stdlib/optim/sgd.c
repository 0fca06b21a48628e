/* SPDX-License-Identifier: MIT */
/*
 * sgd.c - gradient descent with momentum, as torch.optim.SGD without dampening. The
 * velocity is moment[0]; as it starts from zeros, v = g at the first step.
 */
#include "rules.h"

#include <math.h>

static void prepare(const ppl_optim_opts *o, double t, ppl__step *s)
{
    (void)t;
    s->beta1 = o->momentum;
}

ppl_optim *ppl_sgd(ppl_ctx *c, const ppl_optim_opts *opts)
{
    static const ppl__rule rule = {
        "sgd",
        { .lr = 1e-3, .lr_decay = 1, .weight_decay = 0, .clip_value = INFINITY,
          .clip_norm = INFINITY, .momentum = 0, .beta1 = NAN, .beta2 = NAN,
          .epsilon = NAN },
        prepare, { ppl__sgd_f32, ppl__sgd_f64 }
    };
    return ppl__optim_new(c, &rule, opts);
}

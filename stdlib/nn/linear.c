/* SPDX-License-Identifier: MIT */
/*
 * linear.c - linear layers and stacks of them.
 *
 * Initial values are torch.nn.Linear's: weight and bias uniform within 1/sqrt(inputs).
 */
#include <kiln/nn.h>

#include "../shape_text.h"

#include <math.h>
#include <stdio.h>

ppl_tensor *ppl_nn_linear(ppl_ctx *c, const char *name, ppl_tensor *x, int64_t out,
                          ppl_activation activation)
{
    const int64_t in = ppl_dim(x, -1);
    if (!name || in < 1 || out < 1) {
        ppl_fail(c, x && name ? PPL_ESHAPE : PPL_EINVAL,
                 "linear %s: %lld outputs of x %s; give a name, at least 1 output, and x "
                 "with a last axis of at least 1",
                 name ? name : "(NULL)", (long long)out, SHAPE_OF(x));
        return NULL;
    }
    const double bound = 1 / sqrt((double)in);
    const ppl_init init = ppl_init_uniform(-bound, bound);
    ppl_tensor *weight = ppl_param(c, ppl_intern_join(c, name, ".weight"),
                                   PPL_SHAPE(out, in), init, PPL_REAL);
    ppl_tensor *bias = ppl_param(c, ppl_intern_join(c, name, ".bias"), PPL_SHAPE(out),
                                 init, PPL_REAL);
    return weight && bias ? ppl_linear(x, weight, bias, activation) : NULL;
}

ppl_tensor *ppl_nn_mlp(ppl_ctx *c, const char *name, ppl_tensor *x, const int64_t *sizes,
                       int count, ppl_activation activation)
{
    if (!name || !sizes || count < 1) {
        ppl_fail(c, PPL_EINVAL, "mlp %s: %d sizes%s; give a name and at least one size",
                 name ? name : "(NULL)", count, sizes ? "" : " at NULL");
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        char suffix[16];        /* activations take the odd numbers of nn.Sequential */
        snprintf(suffix, sizeof suffix, ".%lld", 2LL * i);
        /* Interned, the suffix has one address, by which the join is remembered. */
        x = ppl_nn_linear(c, ppl_intern_join(c, name, ppl_intern(c, suffix)), x, sizes[i],
                          i + 1 < count ? activation : PPL_IDENTITY);
    }
    return x;
}

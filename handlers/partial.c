/* SPDX-License-Identifier: MIT */
/*
 * partial.c - partially observed sites: two sites, each masked to its elements, and the
 * whole as a deterministic value. After Pyro's obs_mask.
 */
#include <kiln/handlers_values.h>
#include <kiln/handlers_weight.h>

/* The mask with an axis of 1 for each axis of an event, to choose among values. */
static ppl_tensor *of_values(ppl_tensor *mask, int event_dim)
{
    ppl_shape shape = ppl_tensor_shape(mask);

    while (event_dim-- > 0 && shape.rank < PPL_MAX_RANK)
        shape.dim[shape.rank++] = 1;
    return ppl_reshape(mask, shape);
}

/* One of the two sites; `value` NULL: the latent one. */
static ppl_tensor *half(ppl_ctx *c, const char *name, const char *suffix, int64_t index,
                        ppl_dist *d, ppl_tensor *value, ppl_tensor *mask)
{
    ppl_msg m = { .ctx = c, .kind = PPL_SITE_SAMPLE, .index = index, .scale = 1,
                  .dist = d, .value = value, .mask = mask };

    m.name = ppl_intern_join(c, name, suffix);
    m.flags = value != NULL ? PPL_OBSERVED | PPL_DONE : 0;
    if (ppl_ok(c))
        ppl_send(&m);
    return m.value;
}

ppl_tensor *ppl_observe_masked(ppl_ctx *c, const char *name, int64_t index, ppl_dist *d,
                               ppl_tensor *value, ppl_tensor *mask)
{
    ppl_tensor *seen, *unseen;

    if (!ppl_ok(c))
        return NULL;
    if (index < 0)
        index = PPL_NO_INDEX;
    if (value == NULL || mask == NULL || ppl_tensor_dtype(mask) != PPL_MASK) {
        ppl_fail(c, value != NULL && mask != NULL ? PPL_EDTYPE : PPL_EINVAL,
                 "ppl_observe_masked: %s", value == NULL ? "the value is NULL"
                 : mask == NULL ? "the mask is NULL"
                 : "expected a mask (PPL_MASK); make one with ppl_from_mask or ppl_less");
        return NULL;
    }
    seen = half(c, name, "_observed", index, d, value, mask);
    unseen = half(c, name, "_unobserved", index, d, NULL, ppl_not(mask));
    if (!ppl_ok(c))
        return NULL;
    value = ppl_where(of_values(mask, d->event_dim), seen, unseen);
    return index >= 0 ? ppl_deterministic_at(c, name, index, value)
                      : ppl_deterministic(c, name, value);
}

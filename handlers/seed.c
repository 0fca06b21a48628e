/* SPDX-License-Identifier: MIT */
/*
 * seed.c - key the draws inside by a seed or key of their own. The message keeps the first
 * seed it meets on its way out, which is the innermost. And keys: splitting one, asking
 * for one.
 */
#include <kiln/handlers_weight.h>

#include <string.h>

/* A stream that no sampler uses: of keys under a key. */
#define KEYS UINT32_MAX

typedef struct seed {
    ppl_handler base;
    uint64_t seed;
} seed;

static void seed_process(ppl_handler *h, ppl_msg *m)
{
    if (m->seed == NULL)
        m->seed = &((const seed *)h)->seed;
}

static const ppl_handler_ops seed_ops = { .name = "seed", .process = seed_process };

ppl_handler *ppl_seed(ppl_ctx *c, uint64_t value)
{
    seed *self = ppl_alloc(c, sizeof *self);

    if (self == NULL)
        return NULL;
    self->base.ops = &seed_ops;
    self->seed = value;
    return &self->base;
}

ppl_handler *ppl_seed_key(ppl_ctx *c, ppl_rng key)
{
    return ppl_seed(c, (uint64_t)key.key[1] << 32 | key.key[0]);
}

ppl_rng ppl_rng_split(const ppl_rng *key, uint64_t n)
{
    uint32_t words[4];
    ppl_rng child;

    ppl_rng_block(key, KEYS, n, 0, words);
    memcpy(child.key, words, sizeof child.key);
    return child;
}

ppl_rng ppl_rng_at(ppl_ctx *c, const char *name, int64_t index)
{
    const ppl_msg m = { .ctx = c, .name = ppl_intern(c, name),
                        .index = index < 0 ? PPL_NO_INDEX : index };

    return ppl_site_rng(&m);
}

/* SPDX-License-Identifier: MIT */
/*
 * rng.c - random numbers keyed by site: Philox4x32-10 (Salmon et al. 2011, by Random123).
 *
 * The context's key is Philox of (step, particle) under the seed; a site's key is Philox
 * of its address (stable hash of the name, index) under the context's key; the counter of
 * a draw is then (element, attempt, stream) under the site's key. So a draw depends on
 * which site, element and attempt it is, and on nothing else.
 */
#include "impl.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

#define BLOCK 128                   /* of words, handled at a time */
#define TWO_PI 6.283185307179586

static philox4x32_ctr_t philox(const uint32_t key[2], uint64_t low, uint64_t high)
{
    philox4x32_ctr_t counter = { { (uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high,
                                   (uint32_t)(high >> 32) } };
    philox4x32_key_t k = { { key[0], key[1] } };

    return philox4x32(counter, k);
}

/* The key of one step and particle, kept for the sites that follow. */
static const uint32_t *step_key(ppl_ctx *c, uint64_t seed, uint64_t step)
{
    ppl__step_key *k = &c->step_key;

    if (!k->valid || k->seed != seed || k->step != step || k->particle != c->particle) {
        uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
        philox4x32_ctr_t word = philox(key, step, c->particle);

        *k = (ppl__step_key){ 1, seed, step, c->particle, { word.v[0], word.v[1] } };
    }
    return k->key;
}

/* The key of a site's draws: seed NULL for that of the context. */
ppl_rng ppl__site_rng(ppl_ctx *c, const uint64_t *seed, ppl_name name, int64_t index)
{
    const uint32_t *key =
        seed != NULL ? step_key(c, *seed, 0) : step_key(c, c->seed, c->step);
    philox4x32_ctr_t word = philox(key, ppl__name_hash(name), (uint64_t)index);

    return (ppl_rng){ { word.v[0], word.v[1] } };
}

void ppl_rng_block(const ppl_rng *rng, uint32_t stream, uint64_t element, uint32_t attempt,
                   uint32_t words[4])
{
    philox4x32_ctr_t word =
        philox(rng->key, element, (uint64_t)attempt << 32 | (uint64_t)stream);

    memcpy(words, word.v, sizeof word.v);
}

/* The last stream and attempt, which no sampler comes to. */
ppl_rng ppl_rng_part(const ppl_rng *rng, uint64_t part)
{
    uint32_t words[4];

    ppl_rng_block(rng, UINT32_MAX, part, UINT32_MAX, words);
    return (ppl_rng){ { words[0], words[1] } };
}

/* The middle of one of 2^52 intervals of (0,1), by two words: an odd multiple of 2^-53,
 * which a double holds exactly, so that rounding makes neither 0 nor 1 of it. */
static double unit(uint32_t high, uint32_t low)
{
    uint64_t bits = ((uint64_t)high << 32 | low) >> 11 | 1;

    return (double)bits * 0x1p-53;
}

void ppl_rng_uniform_pair(const ppl_rng *rng, uint32_t stream, uint64_t element,
                          uint32_t attempt, double pair[2])
{
    uint32_t w[4];

    ppl_rng_block(rng, stream, element, attempt, w);
    pair[0] = unit(w[0], w[1]);
    pair[1] = unit(w[2], w[3]);
}

double ppl_rng_uniform(const ppl_rng *rng, uint32_t stream, uint64_t element,
                       uint32_t attempt)
{
    double pair[2];

    ppl_rng_uniform_pair(rng, stream, element, attempt, pair);
    return pair[0];
}

/* Normals from `n` blocks (1 to BLOCK) from `block` on, two of each: radius cosine and
 * radius sine (Box and Muller 1958), in batches for the vector maths. */
static void normal_pairs(const ppl_rng *rng, uint32_t stream, uint64_t block,
                         uint32_t attempt, size_t n, double *cosine, double *sine)
{
    double radius[BLOCK], angle[BLOCK];

    for (size_t i = 0; i < n; i++) {
        uint32_t w[4];

        ppl_rng_block(rng, stream, block + i, attempt, w);
        cosine[i] = unit(w[0], w[1]);
        angle[i] = TWO_PI * unit(w[2], w[3]);
    }
    ppl_maths_log(PPL_F64, n, cosine, cosine);
    for (size_t i = 0; i < n; i++)
        radius[i] = sqrt(-2 * cosine[i]);
    ppl_maths_sincos(n, angle, sine, cosine);
    for (size_t i = 0; i < n; i++) {
        cosine[i] *= radius[i];
        sine[i] *= radius[i];
    }
}

void ppl_rng_normal_pair(const ppl_rng *rng, uint32_t stream, uint64_t element,
                         uint32_t attempt, double pair[2])
{
    normal_pairs(rng, stream, element, attempt, 1, &pair[0], &pair[1]);
}

void ppl_rng_uniforms(const ppl_rng *rng, uint32_t stream, size_t n, double *out)
{
    for (size_t i = 0; i < n; i += 2) {
        uint32_t w[4];

        ppl_rng_block(rng, stream, i / 2, 0, w);
        out[i] = unit(w[0], w[1]);
        if (i + 1 < n)
            out[i + 1] = unit(w[2], w[3]);
    }
}

void ppl_rng_normals(const ppl_rng *rng, uint32_t stream, size_t n, double *out)
{
    double cosine[BLOCK], sine[BLOCK];

    for (size_t start = 0; start < n; start += 2 * BLOCK) {
        size_t count = n - start < 2 * BLOCK ? n - start : 2 * BLOCK;

        normal_pairs(rng, stream, start / 2, 0, (count + 1) / 2, cosine, sine);
        for (size_t i = 0; i < count; i++)
            out[start + i] = i % 2 == 0 ? cosine[i / 2] : sine[i / 2];
    }
}

void ppl_rng_state(const ppl_ctx *c, uint64_t *seed, uint64_t *step)
{
    *seed = c->seed;
    *step = c->step;
}

void ppl_set_rng_state(ppl_ctx *c, uint64_t seed, uint64_t step)
{
    c->seed = seed;
    c->step = step;
}

void ppl_set_particle(ppl_ctx *c, uint64_t particle)
{
    c->particle = particle;
}

void ppl_next_step(ppl_ctx *c)
{
    c->step++;
    if (c->epoch_depth > 0)
        c->epoch[c->epoch_depth].stepped = 1;
}

/* SPDX-License-Identifier: MIT */
/*
 * rng.c - random numbers keyed by site: Philox4x32-10 (Salmon et al. 2011, by Random123).
 *
 * The context's key is Philox of (step, particle) under the seed; a site's key is Philox
 * of its address (stable hash of the name, index) under the context's key; the counter of
 * a draw is then (element, attempt, stream) under the site's key. So a draw depends on
 * which site, element and attempt it is, and on nothing else. Many at a time, and what is
 * made of the words, are kernels (random.inc).
 */
#include "impl.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

#define FEW 4                       /* Gammas, which are as quick one by one */

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

/* The last particle, which no step comes to. */
uint64_t ppl__shard_seed(const ppl_ctx *c, uint64_t shard)
{
    const uint32_t key[2] = { (uint32_t)c->seed, (uint32_t)(c->seed >> 32) };
    const philox4x32_ctr_t word = philox(key, shard, UINT64_MAX);

    return (uint64_t)word.v[1] << 32 | word.v[0];
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

/* ---- Single numbers: the vectors' formulas, without their latency ------------------ */

#define N double
#define WORDS uint64_t
#define MASK int
#define BITS(x) bits_of(x)
#define NUMBER(x) number_of(x)
#define SELECT(m, a, b) ((m) ? (a) : (b))
#define ROOT(x) sqrt(x)
#define PORTABLE(name) portable_##name
#define FORM(name) random_##name

static inline uint64_t bits_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double number_of(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

#include "portable.inc"
#include "random_maths.inc"

static inline void words_of(const ppl_rng *rng, uint32_t stream, uint64_t element,
                            uint32_t attempt, uint64_t w[4])
{
    const philox4x32_ctr_t word =
        philox(rng->key, element, (uint64_t)attempt << 32 | (uint64_t)stream);

    for (int i = 0; i < 4; i++)
        w[i] = word.v[i];
}

void ppl_rng_uniform_pair(const ppl_rng *rng, uint32_t stream, uint64_t element,
                          uint32_t attempt, double pair[2])
{
    uint64_t w[4];

    words_of(rng, stream, element, attempt, w);
    pair[0] = random_unit(w[0], w[1]);
    pair[1] = random_unit(w[2], w[3]);
}

double ppl_rng_uniform(const ppl_rng *rng, uint32_t stream, uint64_t element,
                       uint32_t attempt)
{
    double pair[2];

    ppl_rng_uniform_pair(rng, stream, element, attempt, pair);
    return pair[0];
}

void ppl_rng_normal_pair(const ppl_rng *rng, uint32_t stream, uint64_t element,
                         uint32_t attempt, double pair[2])
{
    uint64_t w[4];

    words_of(rng, stream, element, attempt, w);
    pair[0] = random_normal(w, &pair[1]);
}

double ppl_rng_gamma(const ppl_rng *rng, uint32_t stream, uint64_t element, double a,
                     double *log_x)
{
    const double d = (a < 1 ? a + 1 : a) - 1.0 / 3, c = random_gamma_spread(d);
    const uint64_t pair = element / 2;
    const int which = element % 2;
    double z[2], u[2], t;

    if (!(a > 0 && a < INFINITY))
        return *log_x = NAN;
    for (uint32_t attempt = 0;; attempt++) {
        ppl_rng_normal_pair(rng, stream, pair, attempt, z);
        ppl_rng_uniform_pair(rng, stream + 1, pair, attempt, u);
        t = z[which] * c;
        if (random_gamma_fits_at_once(d, t, u[which]) ||
            random_gamma_fits(d, z[which], t, u[which]))
            break;
    }
    const double x = random_gamma(d, t);
    *log_x = portable_log(x);
    if (a >= 1)
        return x;
    ppl_rng_uniform_pair(rng, stream + 2, pair, 0, u);
    const double more = portable_log(u[which]) * (1 / a);
    *log_x += more;
    return x * portable_exp(more);
}

/* ---- Many -------------------------------------------------------------------------- */

static ppl__draws draws_from(const ppl_rng *rng, uint32_t stream, uint64_t element,
                             uint32_t attempt)
{
    return (ppl__draws){ { rng->key[0], rng->key[1] }, stream, attempt, element };
}

void ppl_rng_uniforms(const ppl_rng *rng, uint32_t stream, size_t n, double *out)
{
    const ppl__draws from = draws_from(rng, stream, 0, 0);

    ppl__kernels_for(PPL_F64)->uniforms(&from, n, 1, out);
}

void ppl_rng_normals_from(const ppl_rng *rng, uint32_t stream, uint64_t pair, size_t n,
                          double *out)
{
    const ppl__draws from = draws_from(rng, stream, pair, 0);
    uint64_t w[4];
    double unused;

    if (n == 1) {                       /* the other one of the pair need not be made */
        words_of(rng, stream, pair, 0, w);
        out[0] = random_normal(w, &unused);
        return;
    }
    ppl__kernels_for(PPL_F64)->normals(&from, n, 1, out);
}

void ppl_rng_normals(const ppl_rng *rng, uint32_t stream, size_t n, double *out)
{
    ppl_rng_normals_from(rng, stream, 0, n, out);
}

void ppl_rng_first_uniforms(const ppl_rng *rng, uint32_t stream, uint64_t first, size_t n,
                            double *out)
{
    const ppl__draws from = draws_from(rng, stream, first, 0);

    ppl__kernels_for(PPL_F64)->uniforms(&from, n, 0, out);
}

void ppl_rng_gammas(const ppl_rng *rng, uint32_t stream, uint64_t first, size_t n,
                    const double *a, int single, double *x, double *log_x)
{
    const ppl__draws from = draws_from(rng, stream, first, 0);
    double unused;

    if (n < FEW) {
        for (size_t i = 0; i < n; i++)
            x[i] = ppl_rng_gamma(rng, stream, first + i, a[single ? 0 : i],
                                 log_x ? &log_x[i] : &unused);
        return;
    }
    ppl__kernels_for(PPL_F64)->gammas(&from, n, a, single, x, log_x);
}

/* ---- State ------------------------------------------------------------------------- */

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

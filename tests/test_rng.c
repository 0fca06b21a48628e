/* SPDX-License-Identifier: MIT */
/*
 * test_rng.c - random numbers: Philox's known answers, uniforms and normals, and that a
 * draw depends on which site it is and on nothing else.
 */
#include "fixture.h"

#define COUNT 20000
#define KS_AT_1_PERCENT 1.63        /* of sqrt(n) times the largest distance */

/* ---- Philox4x32-10, written once more from the paper (Salmon et al. 2011, section
 * 4.1) */

static void philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    memcpy(out, counter, 4 * sizeof *out);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)out[0] * 0xD2511F53u, b = (uint64_t)out[2] * 0xCD9E8D57u;
        const uint32_t next[] = { (uint32_t)(b >> 32) ^ out[1] ^ k0, (uint32_t)b,
                                  (uint32_t)(a >> 32) ^ out[3] ^ k1, (uint32_t)a };
        memcpy(out, next, sizeof next);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* Known answers of Random123 (kat_vectors, "philox4x32 10"): counter, key, words. */
START_TEST(philox_gives_its_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], words[4];
    } known[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (int i = 0; i < COUNT_OF(known); i++) {
        const uint32_t *counter = known[i].counter;
        ppl_rng rng = { { known[i].key[0], known[i].key[1] } };
        uint32_t words[4];
        ppl_rng_block(&rng, counter[2], (uint64_t)counter[1] << 32 | counter[0],
                      counter[3], words);
        ck_assert_mem_eq(words, known[i].words, sizeof words);
        philox(known[i].key, counter, words);
        ck_assert_mem_eq(words, known[i].words, sizeof words);
    }
}
END_TEST

/* ---- Uniforms and normals ---------------------------------------------------------- */

static const ppl_rng seeds[] = { { { 0, 0 } }, { { 1, 2 } }, { { 0xdeadbeef, 77 } } };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double same(double x)
{
    return x;
}

static double normal_cdf(double x)
{
    return 0.5 * erfc(-x / sqrt(2));
}

/* Sorts x and returns sqrt(n) times Kolmogorov's and Smirnov's distance from a cdf. */
static double kolmogorov_smirnov(double *x, int n, double (*cdf)(double x))
{
    double most = 0;
    qsort(x, (size_t)n, sizeof *x, ascending);
    for (int i = 0; i < n; i++) {
        most = fmax(most, cdf(x[i]) - (double)i / n);
        most = fmax(most, (double)(i + 1) / n - cdf(x[i]));
    }
    return sqrt(n) * most;
}

/* E x^power, which has the given standard error over COUNT draws: within four of them. */
static void assert_moment(const double *x, int power, double expected, double variance)
{
    double sum = 0;
    for (int i = 0; i < COUNT; i++)
        sum += pow(x[i], power);
    double error = sum / COUNT - expected, limit = 4 * sqrt(variance / COUNT);
    ck_assert_msg(fabs(error) < limit, "moment %d is off by %g of "
                  "%g", power, error, limit);
}

static void assert_neighbours_apart(const double *x, double mean, double variance)
{
    double sum = 0;
    for (int i = 1; i < COUNT; i++)
        sum += (x[i] - mean) * (x[i - 1] - mean);
    ck_assert_double_lt(fabs(sum / COUNT / variance), 4 / sqrt(COUNT));
}

/* Uniforms lie strictly within (0,1) and have its moments and distribution. */
START_TEST(uniforms_are_uniform)
{
    static double x[COUNT];
    for (int s = 0; s < COUNT_OF(seeds); s++) {
        ppl_rng_uniforms(&seeds[s], 3, COUNT, x);
        for (int i = 0; i < COUNT; i++)
            ck_assert(x[i] > 0 && x[i] < 1);
        for (int power = 1; power <= 4; power++)
            assert_moment(x, power, 1.0 / (power + 1),
                          1.0 / (2 * power + 1) - 1.0 / ((power + 1) * (power + 1)));
        assert_neighbours_apart(x, 0.5, 1.0 / 12);
        ck_assert_double_lt(kolmogorov_smirnov(x, COUNT, same), KS_AT_1_PERCENT);
    }
}
END_TEST

/* Normals have the moments and the distribution of the standard normal. */
START_TEST(normals_are_normal)
{
    static double x[COUNT];
    for (int s = 0; s < COUNT_OF(seeds); s++) {
        ppl_rng_normals(&seeds[s], 0, COUNT, x);
        assert_moment(x, 1, 0, 1);
        assert_moment(x, 2, 1, 2);
        assert_moment(x, 3, 0, 15);
        assert_moment(x, 4, 3, 96);
        assert_neighbours_apart(x, 0, 1);
        ck_assert_double_lt(kolmogorov_smirnov(x, COUNT, normal_cdf), KS_AT_1_PERCENT);
    }
}
END_TEST

/* Element i is the same number whatever n is, and however it is asked for. */
START_TEST(elements_do_not_depend_on_their_number)
{
    static double all[1000], some[1000];
    const ppl_rng *rng = &seeds[1];
    void (*const fill[])(const ppl_rng *, uint32_t, size_t, double *) = {
        ppl_rng_uniforms, ppl_rng_normals
    };
    for (int f = 0; f < COUNT_OF(fill); f++) {
        fill[f](rng, 5, COUNT_OF(all), all);
        for (size_t n = 0; n < COUNT_OF(all); n += n < 20 ? 1 : 137) {
            some[n] = -77;
            fill[f](rng, 5, n, some);
            ck_assert_mem_eq(some, all, n * sizeof *some);
            ck_assert_double_eq(some[n], -77);
        }
    }
    for (size_t i = 0; i + 1 < COUNT_OF(all); i += 2) {
        double pair[2];
        ppl_rng_normal_pair(rng, 5, i / 2, 0, pair);
        ck_assert_mem_eq(pair, all + i, sizeof pair);
    }
}
END_TEST

/* Streams, elements, attempts and keys give numbers of their own; the same ones again. */
START_TEST(every_coordinate_counts)
{
    double seen[64];
    int count = 0;
    for (int s = 0; s < 2; s++)
        for (uint32_t stream = 0; stream < 3; stream++)
            for (uint64_t element = 0; element < 3; element++)
                for (uint32_t attempt = 0; attempt < 3; attempt++) {
                    double x = ppl_rng_uniform(&seeds[s], stream, element << 31, attempt);
                    for (int i = 0; i < count; i++)
                        ck_assert_double_ne(x, seen[i]);
                    seen[count++] = x;
                    ck_assert_double_eq(
                        x, ppl_rng_uniform(&seeds[s], stream, element << 31, attempt));
                }
}
END_TEST

/* ---- The key of a site ------------------------------------------------------------- */

/* FNV-1a (Fowler, Noll, Vo) of a text. */
static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

static void philox64(uint32_t key[2], uint64_t low, uint64_t high)
{
    const uint32_t counter[] = { (uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high,
                                 (uint32_t)(high >> 32) };
    uint32_t words[4];
    philox(key, counter, words);
    memcpy(key, words, 2 * sizeof *key);
}

static void one_site(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_sample_at(c, "z", 17, standard(c, PPL_SHAPE(3)));
}

/* The draws of a site, from the words of the paper's generator: keyed by the seed, then
 * (step, particle), then (hash of the name, index). Checkpoints rely on it for ever. */
START_TEST(draws_are_keyed_as_documented)
{
    const uint64_t seed = 0x123456789abcdef0u, step = 41, particle = 5;
    ppl_ctx *c = start(_i);
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    double expected[3], drawn[3];
    philox64(key, step + 1, particle);
    philox64(key, hash("z"), 17);
    ppl_rng_normals(&(ppl_rng){ { key[0], key[1] } }, 0, 3, expected);
    ppl_set_rng_state(c, seed, step);
    ppl_set_particle(c, particle);
    ppl_read(site_of(trace_of(c, one_site, NULL, NULL), "z", 17)->value, drawn, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq(drawn[i], _i == 0 ? (double)(float)expected[i] : expected[i]);
    stop(c);
}
END_TEST

/* ---- Draws depend on the site ------------------------------------------------------ */

enum { BEFORE = 1, REVERSED = 2, SCOPED = 4, NUMBERED = 8 };

/* z [3], z[0] [3] and w [2], among other things that depend on *arg. */
static void some_sites(ppl_ctx *c, const void *arg)
{
    int what = *(const int *)arg;
    if (what & BEFORE) {
        ppl_param(c, "p", PPL_SHAPE(2), ppl_init_normal(0, 1), PPL_REAL);
        ppl_sample(c, "another", standard(c, PPL_SHAPE(4)));
        ppl_observe(c, "x", standard(c, PPL_SHAPE(1)), ppl_full(c, PPL_SHAPE(1), 0));
    }
    for (int i = 0; i < 3; i++) {
        int which = what & REVERSED ? 2 - i : i;
        ppl_scope s = ppl_push(c, what & SCOPED ? ppl_scale(c, 2) : NULL);
        if (which == 0)
            ppl_sample(c, "z", standard(c, PPL_SHAPE(3)));
        else if (which == 1)
            ppl_sample_at(c, "z", what & NUMBERED ? 7 : 0, standard(c, PPL_SHAPE(3)));
        else
            ppl_sample(c, "w", ppl_exponential(ppl_full(c, PPL_SHAPE(2), 1)));
        ppl_pop(c, s);
    }
}

static ppl_trace *drawn_at(ppl_ctx *c, uint64_t step, int what, ppl_handler *const *list)
{
    ppl_set_rng_state(c, 3, step);
    return trace_of(c, some_sites, &what, list);
}

/* Sites before it, the order, handlers around it change no draw of another site. */
START_TEST(draws_depend_on_the_site_alone)
{
    ppl_ctx *c = start(_i);
    ppl_trace *plain = drawn_at(c, 8, 0, NULL), *inner;
    ppl_tensor *mask = ppl_from_mask(c, PPL_SCALAR, (unsigned char[]){ 1 });
    for (int what = 0; what < NUMBERED; what++) {
        ppl_trace *t = drawn_at(c, 8, what, handlers(ppl_scale(c, 3), ppl_mask(c, mask),
                                                     ppl_trace_into(c, &inner)));
        assert_same("z", value_of(t, "z"), value_of(plain, "z"));
        assert_same("z[0]", site_of(t, "z", 0)->value, site_of(plain, "z", 0)->value);
        assert_same("w", value_of(t, "w"), value_of(plain, "w"));
    }
    stop(c);
}
END_TEST

static void assert_apart(const char *what, const ppl_tensor *a, const ppl_tensor *b)
{
    double x[3], y[3];
    ppl_read(a, x, 3);
    ppl_read(b, y, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_msg(fabs(x[i] - y[i]) > 1e-9, "%s: element %d is %g "
                      "twice", what, i, x[i]);
}

/* Name, index, step, particle and seed make other draws; the same state the same ones. */
START_TEST(draws_differ_between_sites)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = drawn_at(c, 8, 0, NULL);
    ppl_tensor *z = value_of(t, "z"), *z_0 = site_of(t, "z", 0)->value;
    assert_apart("index", z, z_0);
    t = drawn_at(c, 8, NUMBERED, NULL);
    assert_apart("another index", site_of(t, "z", 7)->value, z_0);
    assert_same("z", value_of(t, "z"), z);
    t = drawn_at(c, 9, 0, NULL);
    assert_apart("step", value_of(t, "z"), z);
    t = trace_of(c, some_sites, &(int){ 0 }, NULL);
    assert_apart("the next step", value_of(t, "z"), z);
    ppl_set_particle(c, 1);
    t = drawn_at(c, 8, 0, NULL);
    assert_apart("particle", value_of(t, "z"), z);
    ppl_set_particle(c, 0);
    assert_same("particle 0", value_of(drawn_at(c, 8, 0, NULL), "z"), z);
    ppl_set_rng_state(c, 4, 8);
    assert_apart("seed", value_of(trace_of(c, some_sites, &(int){ 0 }, NULL), "z"), z);
    stop(c);
}
END_TEST

/* Two contexts of one seed draw alike, and in f32 what f64 draws, rounded. */
/* Parts of a value have keys of their own, each a fit of its own. */
START_TEST(parts_are_unrelated)
{
    double x[64], y[64], sum = 0;
    (void)_i;
    for (uint64_t part = 0; part < 50; part++) {
        const ppl_rng key = ppl_rng_part(&seeds[1], part);
        const ppl_rng next = ppl_rng_part(&seeds[1], part + 1);
        const ppl_rng again = ppl_rng_part(&seeds[1], part);
        ck_assert_mem_eq(&key, &again, sizeof key);
        ppl_rng_normals(&key, 0, 64, x);
        ppl_rng_normals(&next, 0, 64, y);
        for (int i = 0; i < 64; i++)
            sum += x[i] * y[i];
    }
    ck_assert(fabs(sum) <= 4 * sqrt(50 * 64));
}
END_TEST

START_TEST(dtypes_draw_alike)
{
    ppl_ctx *single = start(0), *twice = start(0), *wide = start(1);
    double a[3], b[3], expected[3];
    const char *const name[] = { "z", "w" };
    for (int i = 0; i < COUNT_OF(name); i++) {
        ppl_read(value_of(drawn_at(single, 2, 0, NULL), name[i]), a, 3 - i);
        ppl_read(value_of(drawn_at(twice, 2, 0, NULL), name[i]), b, 3 - i);
        ppl_read(value_of(drawn_at(wide, 2, 0, NULL), name[i]), expected, 3 - i);
        for (int k = 0; k < 3 - i; k++) {
            ck_assert_double_eq(a[k], b[k]);
            ck_assert_double_eq_tol(a[k], expected[k], 1e-6 * fmax(1, fabs(expected[k])));
        }
    }
    stop(single);
    stop(twice);
    stop(wide);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        philox_gives_its_known_answers, uniforms_are_uniform, normals_are_normal,
        elements_do_not_depend_on_their_number, every_coordinate_counts,
        draws_are_keyed_as_documented, draws_depend_on_the_site_alone,
        draws_differ_between_sites, parts_are_unrelated, dtypes_draw_alike, NULL
    };
    return run_tests("rng", tests);
}

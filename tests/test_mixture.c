/* SPDX-License-Identifier: MIT */
/*
 * test_mixture.c - mixtures: densities, distribution functions and moments against sums by
 * hand, quantiles and entropies against golden numbers, draws against them, gradients against
 * differences, dependence, the bound of a KL, and what is refused.
 */
#include "tensors.h"

#include <kiln/distributions.h>
#include <kiln/handlers.h>

#include "golden_json.h"
#include "statistics.h"

static const ppl_rng rng = { { 21, 43 } };

static double bell(double x, double loc, double scale)
{
    double z = (x - loc) / scale;

    return exp(-z * z / 2) / scale / sqrt(2 * acos(-1));
}

static const double weight[] = { 0.2, 0.5, 0.3 }, loc[] = { -2, 0.5, 3 },
                    scale[] = { 0.5, 1, 2 };

static ppl_dist *weights(ppl_ctx *c, int logits)
{
    ppl_tensor *w = numbers(c, 2, 5, 3);

    return logits ? ppl_categorical_logits(ppl_log(w)) : ppl_categorical(w);
}

/* The same mixture in both ways, its weights in both. */
static ppl_dist *normals(ppl_ctx *c, int same, int logits)
{
    ppl_dist *d[3];

    if (same)
        return ppl_mixture_same_family(weights(c, logits),
                                       ppl_normal(vector(c, 3, loc), vector(c, 3, scale)));
    for (int k = 0; k < 3; k++)
        d[k] = ppl_normal(ppl_scalar(c, loc[k]), ppl_scalar(c, scale[k]));
    return ppl_mixture(weights(c, logits), d, 3);
}

static double density(double x)
{
    double sum = 0;

    for (int k = 0; k < 3; k++)
        sum += weight[k] * bell(x, loc[k], scale[k]);
    return sum;
}

static double distribution(double x)
{
    double sum = 0;

    for (int k = 0; k < 3; k++)
        sum += weight[k] * erfc((loc[k] - x) / scale[k] / sqrt(2)) / 2;
    return sum;
}

static double mean_by_hand(void)
{
    return 0.2 * -2 + 0.5 * 0.5 + 0.3 * 3;
}

static double variance_by_hand(void)
{
    double sum = 0;

    for (int k = 0; k < 3; k++)
        sum += weight[k] * (scale[k] * scale[k] + pow(loc[k] - mean_by_hand(), 2));
    return sum;
}

START_TEST(density_distribution_and_moments)
{
    static const double at[] = { -40, -2.5, 0, 0.75, 4 };
    ppl_ctx *c = context(_i);

    for (int way = 0; way < 4; way++) {
        ppl_dist *d = normals(c, way % 2, way / 2);
        ck_assert_msg(d != NULL, "%s", ppl_error_text(c));
        ck_assert_int_eq(d->shape.rank, 0);
        for (int i = 1; i < COUNT_OF(at); i++) {
            assert_values(ppl_log_prob(d, ppl_scalar(c, at[i])), 4 * rounding(_i),
                          log(density(at[i])));
        }
        /* Far out no component underflows. */
        assert_values(ppl_log_prob(d, ppl_scalar(c, at[0])), 4 * rounding(_i),
                      log(0.3) - pow(43.0 / 2, 2) / 2 - log(2) - log(2 * acos(-1)) / 2);
        assert_values(ppl_dist_mean(d), 4 * rounding(_i), mean_by_hand());
        assert_values(ppl_dist_variance(d), 8 * rounding(_i), variance_by_hand());
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(draws_fit)
{
    enum { N = 200000 };
    static double x[N];

    for (int way = 0; way < 2; way++) {
        ppl_ctx *c = context(_i);
        ppl_dist *d = ppl_expand_dist(normals(c, way, 0), PPL_SHAPE(N));
        ck_assert_int_eq(ppl_read(ppl_dist_sample(d, &rng), x, N), N);
        double few[5];
        ppl_read(ppl_dist_sample(ppl_expand_dist(normals(c, way, 0), PPL_SHAPE(5)), &rng),
                 few, 5);
        ck_assert(memcmp(few, x, sizeof few) == 0);     /* each by its element alone */
        for (int i = 0; i < N; i++)
            x[i] = distribution(x[i]);
        double p = ks_probability(x, N);
        ck_assert_msg(p > 1e-4, "fits with probability %g", p);
        ppl_ctx_free(c);
    }
}
END_TEST

/* d log p / d (x, weights, loc, scale) by differences in double. */
START_TEST(gradients)
{
    ppl_ctx *c = context(_i), *exact = context(1);
    double at[10] = { 0.8, 2, 5, 3, -2, 0.5, 3, 0.5, 1, 2 }, found[10];
    ppl_tensor *in[4], *log_prob;

    in[0] = ppl_variable(c, PPL_SCALAR, at);
    for (int i = 0; i < 3; i++)
        in[i + 1] = ppl_variable(c, PPL_SHAPE(3), at + 1 + 3 * i);
    log_prob = ppl_log_prob(ppl_mixture_same_family(ppl_categorical(in[1]),
                                                    ppl_normal(in[2], in[3])), in[0]);
    ck_assert_int_eq(ppl_backward(log_prob), PPL_OK);
    ppl_read(ppl_grad(in[0]), found, 1);
    for (int i = 0; i < 3; i++)
        ppl_read(ppl_grad(in[i + 1]), found + 1 + 3 * i, 3);
    for (int i = 0; i < 10; i++) {
        double f[2], x = at[i], h = 1e-5;

        for (int up = 0; up < 2; up++) {
            at[i] = up ? x + h : x - h;
            f[up] = ppl_item(ppl_log_prob(
                ppl_mixture_same_family(ppl_categorical(vector(exact, 3, at + 1)),
                                        ppl_normal(vector(exact, 3, at + 4),
                                                   vector(exact, 3, at + 7))),
                ppl_scalar(exact, at[0])));
        }
        at[i] = x;
        ck_assert_msg(is_near(found[i], (f[1] - f[0]) / (2 * h), _i ? 1e-8 : 1e-4),
                      "%d: %g, not %g", i, found[i], (f[1] - f[0]) / (2 * h));
    }
    ppl_ctx_free(c);
    ppl_ctx_free(exact);
}
END_TEST

/* Batches [2] of events [3] in a mixture of 2, in both ways. */
START_TEST(batches_and_events)
{
    double numbers_of[12], log_w[2] = { log(0.25), log(0.75) };
    ppl_ctx *c = context(_i);
    ppl_tensor *w = numbers(c, 1, 3), *x, *log_prob;

    for (int i = 0; i < 12; i++)
        numbers_of[i] = 0.3 * i - 1;
    ppl_dist *same = ppl_mixture_same_family(
        ppl_categorical(w),
        ppl_event(ppl_normal(ppl_from_doubles(c, PPL_SHAPE(2, 2, 3), numbers_of),
                             ppl_scalar(c, 1)), 1));
    ck_assert_msg(same != NULL, "%s", ppl_error_text(c));
    ck_assert(same->event_dim == 1 && same->shape.rank == 2 && same->shape.dim[0] == 2 &&
              same->shape.dim[1] == 3);
    x = ppl_dist_sample(same, &rng);
    assert_shape(x, 2, 3);
    assert_shape(ppl_dist_mean(same), 2, 3);
    log_prob = ppl_log_prob(same, x);
    assert_shape(log_prob, 2);
    double value[6], found[2], moment[6];
    ppl_read(x, value, 6);
    ppl_read(log_prob, found, 2);
    ppl_read(ppl_dist_mean(same), moment, 6);
    for (int b = 0; b < 2; b++) {
        double sum = 0;

        for (int k = 0; k < 2; k++) {
            double p = exp(log_w[k]);

            for (int e = 0; e < 3; e++)
                p *= bell(value[3 * b + e], numbers_of[6 * b + 3 * k + e], 1);
            sum += p;
        }
        ck_assert(is_near(found[b], log(sum), 8 * rounding(_i)));
        for (int e = 0; e < 3; e++)
            ck_assert(is_near(moment[3 * b + e], 0.25 * numbers_of[6 * b + e] +
                                                     0.75 * numbers_of[6 * b + 3 + e],
                              4 * rounding(_i)));
    }
    /* Of several distributions, whose batches broadcast. */
    ppl_dist *part[2] = {
        ppl_event(ppl_normal(ppl_from_doubles(c, PPL_SHAPE(2, 3), numbers_of),
                             ppl_scalar(c, 1)), 1),
        ppl_event(ppl_laplace(numbers(c, 1, 2, 3), ppl_scalar(c, 2)), 1) };
    ppl_dist *d = ppl_mixture(ppl_categorical(w), part, 2);
    ck_assert_msg(d != NULL, "%s", ppl_error_text(c));
    assert_shape(ppl_dist_sample(d, &rng), 2, 3);
    assert_shape(ppl_dist_variance(d), 2, 3);
    ppl_tensor *first = ppl_log_prob(part[0], x), *second = ppl_log_prob(part[1], x);
    log_prob = ppl_log_prob(d, x);
    ppl_read(log_prob, found, 2);
    ppl_read(first, value, 2);
    ppl_read(second, moment, 2);
    for (int b = 0; b < 2; b++)
        ck_assert(is_near(found[b], log(0.25 * exp(value[b]) + 0.75 * exp(moment[b])),
                          8 * rounding(_i)));
    ppl_ctx_free(c);
}
END_TEST

/* ---- Golden quantiles and entropies ------------------------------------------------ */

enum { PARTS = 3, MOST_SLOPES = 10 };

static ppl_dist *by_name(const char *name, ppl_tensor *a, ppl_tensor *b)
{
    return strcmp(name, "normal") == 0        ? ppl_normal(a, b)
           : strcmp(name, "logistic") == 0    ? ppl_logistic(a, b)
           : strcmp(name, "laplace") == 0     ? ppl_laplace(a, b)
           : strcmp(name, "cauchy") == 0      ? ppl_cauchy(a, b)
           : strcmp(name, "exponential") == 0 ? ppl_exponential(a)
           : strcmp(name, "gamma") == 0       ? ppl_gamma(a, b)
           : strcmp(name, "log_normal") == 0  ? ppl_log_normal(a, b)
           : strcmp(name, "beta") == 0        ? ppl_beta(a, b)
           : strcmp(name, "poisson") == 0     ? ppl_poisson(a)
           : strcmp(name, "geometric") == 0   ? ppl_geometric(a) : ppl_binomial(a, b);
}

/* The mixture of a record; its weights and parameters as leaves, in the file's order. */
typedef struct golden_mixture {
    const char *name[PARTS];
    double weight[PARTS], param[PARTS][2];
    int parts, params[PARTS];
    ppl_tensor *w, *leaf[PARTS][2];
} golden_mixture;

static golden_mixture read_mixture(const json_t *golden)
{
    const json_t *names = json_object_get(golden, "components");
    const json_t *params = json_object_get(golden, "params");
    golden_mixture m = { .parts = golden_numbers(golden, "weights", m.weight, PARTS) };
    for (int k = 0; k < m.parts; k++) {
        const json_t *p = json_array_get(params, (size_t)k);
        m.name[k] = json_string_value(json_array_get(names, (size_t)k));
        m.params[k] = (int)json_array_size(p);
        for (int i = 0; i < m.params[k]; i++)
            m.param[k][i] = golden_number(json_array_get(p, (size_t)i));
    }
    return m;
}

static ppl_dist *make_mixture(ppl_ctx *c, golden_mixture *m)
{
    ppl_dist *part[PARTS];
    m->w = ppl_variable(c, PPL_SHAPE(m->parts), m->weight);
    for (int k = 0; k < m->parts; k++) {
        const int trials = strcmp(m->name[k], "binomial") == 0;
        for (int i = 0; i < m->params[k]; i++)
            m->leaf[k][i] = trials && i == 0
                                ? ppl_from_integers(c, PPL_SCALAR,
                                                    (int64_t[]){ (int64_t)m->param[k][i] })
                                : ppl_variable(c, PPL_SCALAR, &m->param[k][i]);
        part[k] = by_name(m->name[k], m->leaf[k][0], m->leaf[k][1]);
    }
    return ppl_mixture(ppl_categorical(m->w), part, m->parts);
}

static void assert_close(int record, const char *what, int k, double x, double expected,
                         double relative, double absolute)
{
    ck_assert_msg(x == expected || isnan(expected) ||
                      fabs(x - expected) <= relative * fabs(expected) + absolute,
                  "record %d: %s %d is %.17g, not %.17g", record, what, k, x, expected);
}

/* The derivatives of `root` in the leaves of m, against golden[key]. */
static void check_slopes(int record, const char *key, const json_t *golden,
                         const golden_mixture *m, ppl_tensor *root, double relative,
                         double absolute)
{
    double expected[MOST_SLOPES], found[MOST_SLOPES];
    const int n = golden_numbers(golden, key, expected, MOST_SLOPES);
    int at = m->parts;
    if (n == 0)
        return;
    ck_assert_int_eq(ppl_backward(root), PPL_OK);
    ppl_read(ppl_grad(m->w), found, m->parts);
    for (int k = 0; k < m->parts; k++)
        for (int i = 0; i < m->params[k]; i++)
            found[at++] = ppl_requires_grad(m->leaf[k][i]) ? ppl_item(ppl_grad(m->leaf[k][i]))
                                                           : (double)NAN;
    ck_assert_int_eq(at, n);
    for (int k = 0; k < n; k++)
        assert_close(record, key, k, found[k], expected[k], relative, absolute);
}

/* Of float, all against doubles: a quantile is as sharp as the density there lets it. */
static void check_mixture(ppl_ctx *c, int exact, int record, const json_t *golden)
{
    const json_t *quantiles = json_object_get(golden, "quantiles");
    const double relative = exact ? 1e-10 : 1e-5;
    golden_mixture m = read_mixture(golden);
    double p = NAN, expected = NAN;
    if (!exact && json_object_get(golden, "f64_only"))
        return;
    for (size_t k = 0; k < json_array_size(quantiles); k++) {
        const json_t *q = json_array_get(quantiles, k);
        const int upper = golden_numbers(q, "survival", &p, 1);
        golden_numbers(q, "probability", &p, 1);
        golden_numbers(q, "value", &expected, 1);
        ppl_dist *d = make_mixture(c, &m);
        ppl_tensor *at = ppl_scalar(c, p);
        ppl_tensor *x = upper ? ppl_inverse_survival(d, at) : ppl_icdf(d, at);
        assert_close(record, upper ? "inverse_survival" : "icdf", (int)k, ppl_item(x), expected,
                     relative, exact ? 1e-13 : 1e-5);
        check_slopes(record, "d_value", q, &m, x, exact ? 1e-9 : 1e-3, exact ? 1e-13 : 1e-4);
    }
    ppl_dist *d = make_mixture(c, &m);
    ppl_tensor *entropy = ppl_entropy(d);
    golden_numbers(golden, "entropy", &expected, 1);
    assert_close(record, "entropy", 0, ppl_item(entropy), expected, relative, relative);
    /* Where a density has a kink its slope, which the quadrature does not see, has a jump. */
    int kinks = 0;
    for (int k = 0; k < m.parts; k++)
        kinks |= strcmp(m.name[k], "laplace") == 0;
    check_slopes(record, "d_entropy", golden, &m, entropy, exact ? 1e-8 : 1e-3,
                 exact ? (kinks ? 1e-7 : 1e-10) : 1e-3);
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
}

START_TEST(golden_quantiles_and_entropies_are_met)
{
    ppl_ctx *c = context(_i);
    json_t *root = golden_load("mixture.json");
    const json_t *records = json_object_get(root, "records");
    ck_assert_int_ge((int)json_array_size(records), 17);
    for (size_t k = 0; k < json_array_size(records); k++) {
        ppl_epoch epoch = ppl_epoch_begin(c);
        check_mixture(c, _i, (int)k, json_array_get(records, k));
        ppl_epoch_end(c, epoch);
    }
    json_decref(root);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(distribution_functions)
{
    ppl_ctx *c = context(_i);
    ppl_dist *d = ppl_mixture_same_family(
        ppl_categorical(numbers(c, 1, 3)),
        ppl_logistic(numbers(c, -1, 2), numbers(c, 0.5, 1)));

    for (int i = -3; i <= 4; i++)
        assert_values(ppl_cdf(d, ppl_scalar(c, i)), 4 * rounding(_i),
                      0.25 / (1 + exp(-(i + 1) / 0.5)) + 0.75 / (1 + exp(-(i - 2.0))));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(quantiles_and_entropies_of_others)
{
    ppl_ctx *c = context(_i);
    const double near = _i ? 1e-10 : 1e-5;
    ppl_tensor *w = numbers(c, 1, 3), *low = numbers(c, 0, 5.5), *high = numbers(c, 1, 6);
    ppl_dist *d = ppl_mixture_same_family(ppl_categorical(w), ppl_uniform(low, high));
    assert_values(ppl_entropy(d), near, 0.5 * log(2) - 0.75 * log(1.5));
    assert_values(ppl_icdf(d, numbers(c, 0, 0.125, 0.625, 1)), near, 0, 0.5, 5.75, 6);
    assert_values(ppl_icdf(d, numbers(c, -0.1, 1.1)), 0, NAN, NAN);
    ppl_tensor *moving = variable(c, 1, 6);
    d = ppl_mixture_same_family(ppl_categorical(w), ppl_uniform(low, moving));
    assert_fails(c, ppl_entropy(d), PPL_EUNSUPPORTED,
                 "mixture(uniform): its entropy has no gradient, as a component (uniform) has "
                 "ends, where the density jumps, that depend on parameters; detach these "
                 "(ppl_detach) or turn gradients off (ppl_set_grad_enabled)");
    /* Of one component, and of a mixture of mixtures; of a batch. */
    ppl_tensor *at = numbers(c, 0, 3), *one = ppl_scalar(c, 1);
    ppl_dist *normal = ppl_normal(at, one), *parts[2] = { normal, normal };
    d = ppl_mixture(ppl_categorical(w), parts, 2);
    const double z = 1.2815515655446004;
    assert_values(ppl_icdf(d, ppl_scalar(c, 0.9)), near, z, 3 + z);
    assert_values(ppl_icdf(d, ppl_from_doubles(c, PPL_SHAPE(2, 1), LIST(0.1, 0.9))), near, -z,
                  3 - z, z, 3 + z);
    assert_values(ppl_entropy(d), near, 1.4189385332046727, 1.4189385332046727);
    ppl_dist *inner = ppl_mixture_same_family(ppl_categorical(w), normal);
    parts[0] = inner;
    parts[1] = ppl_normal(ppl_scalar(c, 3), one);
    d = ppl_mixture(ppl_categorical(numbers(c, 2, 2)), parts, 2);
    double plain = ppl_item(ppl_entropy(ppl_mixture_same_family(
        ppl_categorical(numbers(c, 1, 7)), normal)));
    assert_values(ppl_entropy(d), near, plain);
    /* Narrow and far apart: x itself has few digits there. */
    if (_i) {
        d = ppl_mixture_same_family(ppl_categorical(numbers(c, 1, 1, 1e-3)),
                                    ppl_normal(numbers(c, 199, 353, -3),
                                               numbers(c, 0.014, 0.022, 0.5)));
        const double share = 1 / 2.001, rest = 1e-3 * share;
        assert_values(ppl_entropy(d), near, 1.4189385332046727 + share * log(0.014 * 0.022) +
                                                rest * log(0.5) - 2 * share * log(share) -
                                                rest * log(rest));
    }
    /* Counts far apart; outcomes; a component of no weight. */
    ppl_tensor *rate = numbers(c, 3, 1e6);
    d = ppl_mixture_same_family(ppl_categorical(w), ppl_poisson(rate));
    double h[2];
    ppl_read(ppl_entropy(ppl_poisson(rate)), h, 2);
    assert_values(ppl_entropy(d), 10 * near, 0.25 * h[0] + 0.75 * h[1] + 2 * log(2) -
                                                 0.75 * log(3));
    assert_values(ppl_icdf(d, numbers(c, 0, 0.2, 0.625)), 0, 0, 4, 1e6);
    ck_assert(!ppl_requires_grad(ppl_icdf(d, ppl_variable(c, PPL_SCALAR, &z))));
    d = ppl_mixture_same_family(ppl_categorical(w), ppl_bernoulli(numbers(c, 0.5, 0.25)));
    assert_values(ppl_icdf(d, numbers(c, 0.6, 0.7)), 0, 0, 1);
    assert_values(ppl_entropy(d), near, -0.6875 * log(0.6875) - 0.3125 * log(0.3125));
    d = ppl_mixture_same_family(ppl_categorical(numbers(c, 1, 0)), ppl_exponential(rate));
    assert_values(ppl_icdf(d, ppl_scalar(c, 0.5)), near, log(2) / 3);
    /* What has both densities and probabilities of numbers has neither. */
    parts[0] = ppl_delta(one, NULL, 0);
    d = ppl_mixture(ppl_categorical(w), parts, 2);
    assert_fails(c, ppl_icdf(d, one), PPL_EUNSUPPORTED,
                 "mixture(delta, ..): it has no icdf in closed form");
    assert_fails(c, ppl_entropy(d), PPL_EUNSUPPORTED, "mixture(delta, ..): it has no entropy in "
                 "closed form; estimate it from samples");
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

/* Integers mix as well, and outside a component's support it has no share. */
START_TEST(supports)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *half = numbers(c, 1, 1);
    ppl_dist *part[2] = { ppl_uniform(ppl_scalar(c, 0), ppl_scalar(c, 1)),
                          ppl_exponential(ppl_scalar(c, 2)) };
    ppl_dist *d = ppl_mixture(ppl_categorical(half), part, 2);

    assert_values(ppl_log_prob(d, numbers(c, 0.5, 3)), 4 * rounding(_i),
                  log(0.5 + exp(-1)), log(exp(-6)));
    ppl_tensor *probs = ppl_from_doubles(c, PPL_SHAPE(2, 3),
                                         (double[]){ 1, 0, 0, 0.5, 0.25, 0.25 });
    d = ppl_mixture_same_family(ppl_categorical(half), ppl_categorical(probs));
    ck_assert_int_eq(ppl_tensor_dtype(ppl_dist_sample(d, &rng)), PPL_I64);
    ck_assert_msg(d != NULL && ppl_ok(c), "%s", ppl_error_text(c));
    assert_values(ppl_log_prob(d, integers(c, 0, 1)), 4 * rounding(_i), log(0.75),
                  log(0.125));
    ppl_ctx_free(c);
}
END_TEST

static void layered(ppl_ctx *c, const void *arg)
{
    ppl_tensor *one = ppl_scalar(c, 1), *zero = ppl_scalar(c, 0);
    ppl_tensor *a = ppl_sample(c, "a", ppl_normal(zero, one));
    ppl_tensor *b = ppl_sample(c, "b", ppl_normal(zero, one));
    ppl_tensor *both[] = { a, zero };

    (void)arg;
    ppl_sample(c, "x", ppl_mixture_same_family(
        ppl_categorical_logits(ppl_stack((ppl_tensor *[]){ b, zero }, 2, 0)),
        ppl_normal(ppl_stack(both, 2, 0), one)));
}

START_TEST(provenance_sees_weights_and_components)
{
    ppl_ctx *c = context(_i);
    ppl_epoch epoch = ppl_epoch_begin(c);
    ppl_trace *t = ppl_get_trace(c, layered, NULL, NULL);

    ck_assert_msg(t != NULL, "%s", ppl_error_text(c));
    const ppl_sites *parents = ppl_trace_find(t, "x", PPL_NO_INDEX)->parents;
    ck_assert(ppl_sites_has(parents, ppl_trace_find(t, "a", PPL_NO_INDEX)->site));
    ck_assert(ppl_sites_has(parents, ppl_trace_find(t, "b", PPL_NO_INDEX)->site));
    ppl_epoch_end(c, epoch);
    ppl_ctx_free(c);
}
END_TEST

/* Above the KL itself, by quadrature, and equal to it for one component. */
START_TEST(the_bound_is_above_the_kl)
{
    ppl_ctx *c = context(_i);

    for (int same = 0; same < 2; same++) {
        ppl_dist *q = normals(c, same, 0), *part[3];
        double bound, kl = 0;

        for (int k = 0; k < 3; k++)
            part[k] = ppl_normal(ppl_scalar(c, k), ppl_scalar(c, 2));
        ppl_dist *w = ppl_categorical(numbers(c, 1, 1, 2));
        ppl_dist *p = same ? ppl_mixture_same_family(
                                 w, ppl_normal(numbers(c, 0, 1, 2), ppl_scalar(c, 2)))
                           : ppl_mixture(w, part, 3);
        bound = ppl_item(ppl_kl_mixture_upper_bound(q, p));
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        for (int i = -3000; i <= 3000; i++) {
            double x = i / 100.0, f = density(x);
            double g = 0.25 * bell(x, 0, 2) + 0.25 * bell(x, 1, 2) + 0.5 * bell(x, 2, 2);

            kl += f > 0 && g > 0 ? f * log(f / g) / 100 : 0;
        }
        ck_assert_msg(bound > kl && kl > 0, "%g, not above %g", bound, kl);
        ck_assert_ptr_null(ppl_kl_find(c, q->family, p->family));
    }
    ppl_tensor *one = ppl_scalar(c, 1), *two = ppl_scalar(c, 2);
    ppl_dist *q = ppl_normal(one, one), *p = ppl_normal(two, two);
    ppl_dist *w = ppl_categorical(numbers(c, 1));
    assert_values(ppl_kl_mixture_upper_bound(ppl_mixture(w, &q, 1), ppl_mixture(w, &p, 1)),
                  rounding(_i), ppl_item(ppl_kl(q, p)));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *one = ppl_scalar(c, 1), *no = ppl_from_mask(c, PPL_SCALAR,
                                                            (unsigned char[]){ 0 });
    ppl_dist *normal = ppl_normal(numbers(c, 1, 2), one), *w = ppl_categorical(numbers(c, 1, 1));
    ppl_dist *mixed[2] = { ppl_normal(one, one), ppl_event(normal, 1) };
    ppl_dist *masked[2] = { ppl_normal(one, one), ppl_masked(ppl_normal(one, one), no) };

    assert_fails(c, ppl_mixture_same_family(normal, normal), PPL_EINVAL,
                 "mixture: the weights are normal; they must be a categorical over the "
                 "components");
    assert_fails(c, ppl_mixture_same_family(ppl_categorical(numbers(c, 1, 1, 1)), normal),
                 PPL_ESHAPE, "mixture: the weights have 3 categories and there are 2 "
                             "components; make them as many");
    assert_fails(c, ppl_mixture_same_family(w, ppl_normal(one, one)), PPL_ESHAPE,
                 "mixture: normal has no batch axis; the components lie along the last one");
    assert_fails(c, ppl_mixture(w, mixed, 2), PPL_ESHAPE,
                 "mixture: component 1, normal of shape [2], and component 0, normal of "
                 "shape [], differ in event or element type; make them equal with ppl_event");
    assert_fails(c, ppl_mixture(w, masked, 2), PPL_EUNSUPPORTED,
                 "mixture: component 1 (normal) is masked; mask the mixture (ppl_masked)");
    assert_fails(c, ppl_mixture(w, NULL, 0), PPL_EINVAL,
                 "mixture: 0 components; it needs one at least");
    assert_fails(c, ppl_kl_mixture_upper_bound(normal, normal), PPL_EINVAL,
                 "kl_mixture_upper_bound: it is between two mixtures of as many components, "
                 "made in one way; got normal and normal");
    ppl_ctx_free(c);
}
END_TEST

/* Where the cdf itself is 0 or 1; outside all supports nothing moves. */
START_TEST(tails_keep_their_digits)
{
    ppl_ctx *c = context(_i);
    const double rates[] = { 1, 2 }, near = 8 * rounding(_i);
    ppl_tensor *rate = ppl_variable(c, PPL_SHAPE(2), rates);
    ppl_dist *d = ppl_mixture_same_family(ppl_categorical(numbers(c, 1, 3)),
                                          ppl_exponential(rate));
    ppl_tensor *x = numbers(c, 900, 1e-30, -1);
    ppl_tensor *above = ppl_log_survival(d, x), *below = ppl_log_cdf(d, x);
    assert_values(above, near, -900 - log(4), 0, 0);
    ck_assert(is_near(ppl_item(ppl_log_survival(d, ppl_scalar(c, 1e-30))) * 1e30, -1.75, near));
    assert_values(below, near, 0, log(1.75) - 30 * log(10), -INFINITY);
    ck_assert_int_eq(ppl_backward(ppl_sum(ppl_slice(above, 0, 0, 2), PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(rate), near, -900, 0);
    d = ppl_left_censored(d, ppl_scalar(c, 1));
    assert_values(ppl_log_prob(d, numbers(c, 900, 1e-30)), near, 0,
                  log(1.75) - 30 * log(10));
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        density_distribution_and_moments, draws_fit, gradients, batches_and_events,
        golden_quantiles_and_entropies_are_met, quantiles_and_entropies_of_others,
        distribution_functions, tails_keep_their_digits, supports,
        provenance_sees_weights_and_components, the_bound_is_above_the_kl,
        what_does_not_fit_is_refused, NULL
    };
    return run_tests("mixture", tests);
}

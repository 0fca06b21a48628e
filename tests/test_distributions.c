/* SPDX-License-Identifier: MIT */
/*
 * test_distributions.c - every family against golden numbers, central differences and its
 * own samples, at its edges and beyond them. What all families share: test_dist.c.
 *
 * Samplers are tested at fixed keys: fits at probability 1e-4 or more (Kolmogorov-Smirnov
 * or chi-square of 1e5 draws), moments and pathwise gradients (of 2e4) within 4 standard
 * errors.
 */
#include "tensors.h"

#include "families.h"
#include "golden_json.h"

#include "stdlib/dist/unit_gamma.h"

#include <float.h>

static const ppl_rng rng = { { 0x12345678, 0x9abcdef0 } };

enum { DRAWS = 100000, PATHS = 20000 };

/* ---- The table is complete --------------------------------------------------------- */

static int rows_in_header(const char *header)
{
    const char *dir = getenv("srcdir");
    char path[4096], line[256], name[64];
    int found = 0;
    snprintf(path, sizeof path, "%s/include/kiln/%s.h", dir ? dir : ".", header);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s cannot be read", path);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "PPL_API extern const ppl_family ppl_family_%63[a-z0-9_];",
                   name) != 1)
            continue;
        int has = 0;
        for (int i = 0; i < FAMILIES; i++)
            has |= strcmp(families[i].family->name, name) == 0;
        ck_assert_msg(has, "family %s has no row in tests/families/%s.inc", name, header);
        found++;
    }
    fclose(file);
    return found;
}

START_TEST(every_family_has_a_row)
{
    int found = rows_in_header("constructed");
    found += rows_in_header("continuous");
    found += rows_in_header("discrete");
    ck_assert_int_eq(found, FAMILIES);
}
END_TEST

/* ---- Golden numbers ---------------------------------------------------------------- */

typedef struct answers {
    double log_prob, d_value, d_params[MOST_PARAMS], entropy, mean, variance, cdf;
} answers;

static answers unknown(void)
{
    answers a;
    double *x = (double *)&a;
    for (size_t i = 0; i < sizeof a / sizeof *x; i++)
        x[i] = NAN;
    return a;
}

static int differentiable(const family_row *row)
{
    return !(row->family->flags & PPL_DISCRETE);
}

static answers ask(ppl_ctx *c, const family_row *row, const double *params, int count,
                   double at)
{
    answers a = unknown();
    ppl_tensor *leaf[PPL_MAX_PARAMS], *value;
    ppl_epoch epoch = ppl_epoch_begin(c);
    make_params(c, row, params, count, 1, leaf);
    value = differentiable(row) ? ppl_variable(c, PPL_SCALAR, &at)
                                : make_values(c, row, PPL_SCALAR, &at);
    ppl_dist *d = row->make(leaf);
    ppl_tensor *log_prob = ppl_log_prob(d, value);
    ck_assert_msg(ppl_backward(log_prob) == PPL_OK, "%s", ppl_error_text(c));
    a.log_prob = ppl_item(log_prob);
    if (differentiable(row))
        a.d_value = ppl_item(ppl_grad(value));
    if (row->weights)
        ppl_read(ppl_grad(leaf[0]), a.d_params, count);
    for (int i = 0; i < count && !row->weights; i++)
        a.d_params[i] = ppl_item(ppl_grad(leaf[i]));
    if (d->family->entropy)
        a.entropy = ppl_item(ppl_entropy(d));
    if (d->family->mean)
        a.mean = ppl_item(ppl_dist_mean(d));
    if (d->family->variance)
        a.variance = ppl_item(ppl_dist_variance(d));
    if (d->family->cdf)
        a.cdf = ppl_item(ppl_cdf(d, value));
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_epoch_end(c, epoch);
    return a;
}

static void assert_near(const char *family, int record, const char *what, double x,
                        double expected, double relative, double absolute)
{
    int same = x == expected || isnan(expected) ||
               fabs(x - expected) <= relative * fabs(expected) + absolute;
    ck_assert_msg(same, "%s, record %d: %s is %.17g, not %.17g", family, record, what, x,
                  expected);
}

static void assert_answers(const char *family, int record, const answers *a,
                           const answers *b, int count, double relative, double absolute)
{
#define SAME(field)                                                                      \
    assert_near(family, record, #field, a->field, b->field, relative, absolute)
    SAME(log_prob);
    SAME(d_value);
    for (int i = 0; i < count; i++)
        SAME(d_params[i]);
    SAME(entropy);
    SAME(mean);
    SAME(variance);
    SAME(cdf);
#undef SAME
}

/* Rounds to float; 0 if that makes another kind of number of it. */
static int round_to_float(double *x, int count)
{
    for (int i = 0; i < count; i++) {
        double rounded = (double)(float)x[i];
        if ((rounded == 0) != (x[i] == 0) || isinf(rounded) != isinf(x[i]))
            return 0;
        x[i] = rounded;
    }
    return 1;
}

/* What a float result can be of a double: nothing beyond its range. */
static void clip_to_float(answers *a)
{
    double *x = (double *)a;
    for (size_t i = 0; i < sizeof *a / sizeof *x; i++)
        x[i] = (double)(float)x[i];
}

static void check_record(ppl_ctx *const c[2], int dtype, const family_row *row,
                         int record, const json_t *golden)
{
    double params[MOST_PARAMS] = { 0 }, at = NAN;
    int count = golden_numbers(golden, "params", params, MOST_PARAMS);
    answers expected = unknown(), found;
    golden_numbers(golden, "value", &at, 1);
    if (dtype == 0) {
        if (!round_to_float(params, count) || !round_to_float(&at, 1))
            return;
        expected = ask(c[1], row, params, count, at);
        clip_to_float(&expected);
        found = ask(c[0], row, params, count, at);
        assert_answers(row->golden, record, &found, &expected, count, 1e-5, 1e-6);
        return;
    }
    golden_numbers(golden, "log_prob", &expected.log_prob, 1);
    golden_numbers(golden, "d_value", &expected.d_value, 1);
    golden_numbers(golden, "d_params", expected.d_params, MOST_PARAMS);
    golden_numbers(golden, "entropy", &expected.entropy, 1);
    golden_numbers(golden, "mean", &expected.mean, 1);
    golden_numbers(golden, "variance", &expected.variance, 1);
    golden_numbers(golden, "cdf", &expected.cdf, 1);
    found = ask(c[1], row, params, count, at);
    assert_answers(row->golden, record, &found, &expected, count, 1e-10, 1e-13);
}

/* icdf at the probabilities of the file, in f64. */
static void check_quantile(ppl_ctx *c, const family_row *row, int record,
                           const json_t *golden)
{
    double params[MOST_PARAMS] = { 0 }, probability = NAN, expected = NAN;
    ppl_epoch epoch = ppl_epoch_begin(c);
    golden_numbers(golden, "params", params, MOST_PARAMS);
    golden_numbers(golden, "probability", &probability, 1);
    golden_numbers(golden, "value", &expected, 1);
    ppl_dist *d = make_member(c, row, params);
    double x = ppl_item(ppl_icdf(d, ppl_scalar(c, probability)));
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    assert_near(row->golden, record, "icdf", x, expected, 1e-10, 1e-13);
    ppl_epoch_end(c, epoch);
}

/* f64 against the file; f32 against f64 at the parameters that float can hold. */
START_TEST(golden_numbers_are_met)
{
    ppl_ctx *c[2] = { context(0), context(1) };
    for (int i = 0; i < FAMILIES; i++) {
        char file[128];
        snprintf(file, sizeof file, "distributions/%s.json", families[i].golden);
        json_t *root = golden_load(file);
        const json_t *records = json_object_get(root, "records");
        const json_t *quantiles = json_object_get(root, "quantiles");
        ck_assert_msg(json_array_size(records) >= 20, "no golden numbers of %s",
                      families[i].golden);
        for (size_t k = 0; k < json_array_size(records); k++)
            check_record(c, _i, &families[i], (int)k, json_array_get(records, k));
        ck_assert_msg(!families[i].family->icdf || json_array_size(quantiles) > 0,
                      "no golden quantiles of %s", families[i].golden);
        for (size_t k = 0; _i == 1 && k < json_array_size(quantiles); k++)
            check_quantile(c[1], &families[i], (int)k, json_array_get(quantiles, k));
        json_decref(root);
    }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

static const family_row *row_of(const char *golden)
{
    for (int i = 0; i < FAMILIES; i++)
        if (strcmp(families[i].golden, golden) == 0)
            return &families[i];
    ck_abort_msg("no row of %s", golden);
}

/* The ten-digit numbers of Pyro's test fixtures. */
START_TEST(pyro_fixtures_are_met)
{
    static const struct {
        const char *golden;
        double params[4], value, log_prob;
    } fixture[] = {
        { "exponential", { 2.4 }, 5.5, -12.3245312626 },
        { "exponential", { 5.5 }, 3.2, -15.8952519078 },
        { "exponential", { 2.4 }, 3.2, -6.8045312626 },
        { "gamma", { 2.4, 3.2 }, 5.5, -12.6386500498 },
        { "gamma", { 2.4, 2.4 }, 5.5, -8.9290870237 },
        { "gamma", { 3.2, 3.2 }, 4.4, -7.9837922457 },
        { "gamma", { 2.4, 3.2 }, 4.4, -9.4310510216 },
        { "beta", { 2.4, 3.6 }, 0.4, 0.6467554653 },
        { "beta", { 3.7, 2.5 }, 0.6, 0.6658783087 },
        { "beta", { 2.4, 2.5 }, 0.5, 0.5168878838 },
        { "beta", { 3.6, 2.5 }, 0.4, 0.2128041906 },
        { "normal", { 2, 4 }, 2, -2.3052328943 },
        { "normal", { 50, 100 }, 50, -5.5241087192 },
        { "bernoulli_probs", { 0.25 }, 1, -1.3862943611 },
        { "bernoulli_probs", { 0.25 }, 0, -0.2876820724 },
        { "categorical_probs", { 0.1, 0.6, 0.3, 0 }, 2, -1.2039728043 },
    };
    ppl_ctx *c = context(_i);
    for (int i = 0; i < COUNT_OF(fixture); i++) {
        const family_row *row = row_of(fixture[i].golden);
        ppl_dist *d = make_member(c, row, fixture[i].params);
        ppl_tensor *x = make_values(c, row, PPL_SCALAR, &fixture[i].value);
        assert_near(row->golden, i, "log_prob", ppl_item(ppl_log_prob(d, x)),
                    fixture[i].log_prob, _i ? 1e-10 : 2e-6, 1e-10);
    }
    ppl_ctx_free(c);
}
END_TEST

/* d log x / d a of unit Gamma draws, and what two of them make of a Beta draw: the mean
 * of dx/da over g1 + g0 = s, given x, is the implicit derivative of the Beta. */
START_TEST(implicit_derivatives_are_met)
{
    json_t *root = golden_load("distributions.json");
    const json_t *gammas = json_object_get(root, "gamma_implicit");
    const json_t *betas = json_object_get(root, "beta_implicit");
    for (size_t i = 0; i < json_array_size(gammas); i++) {
        double a = NAN, x = NAN, slope = NAN;
        golden_numbers(json_array_get(gammas, i), "params", &a, 1);
        golden_numbers(json_array_get(gammas, i), "value", &x, 1);
        golden_numbers(json_array_get(gammas, i), "d_params", &slope, 1);
        assert_near("gamma_implicit", (int)i, "slope",
                    x * ppl__unit_gamma_slope(a, x, log(x)), slope, 1e-11, 0);
    }
    for (size_t i = 0; i < json_array_size(betas); i++) {
        double a[2] = { NAN, NAN }, x = NAN, slope[2] = { NAN, NAN }, sum[2] = { 0 },
               mass = 0;
        golden_numbers(json_array_get(betas, i), "params", a, 2);
        golden_numbers(json_array_get(betas, i), "value", &x, 1);
        golden_numbers(json_array_get(betas, i), "d_params", slope, 2);
        double both = a[0] + a[1], width = 12 / sqrt(both), steps = 1000;
        double low = log(both) - width - 45 / both, high = log(both) + fmin(width, 4);
        for (int k = 0; k <= (int)steps; k++) {
            double u = low + (high - low) * k / steps, s = exp(u);
            double weight = exp(both * u - s - lgamma(both));
            mass += weight;
            sum[0] += weight * ppl__unit_gamma_slope(a[0], x * s, log(x) + u);
            sum[1] += weight * ppl__unit_gamma_slope(a[1], (1 - x) * s, log1p(-x) + u);
        }
        for (int k = 0; k < 2; k++)
            assert_near("beta_implicit", (int)i, "slope",
                        (k ? -x : x) * (1 - x) * sum[k] / mass, slope[k], 1e-8, 0);
    }
    ck_assert_int_ge((int)json_array_size(gammas), 40);
    ck_assert_int_ge((int)json_array_size(betas), 40);
    json_decref(root);
}
END_TEST

/* Far tails, large concentrations, and where series and integral meet; by mpmath. */
START_TEST(implicit_derivatives_hold_far_out)
{
    static const double point[][3] = {
        { 1e-5, 0.5, 92292.137638846681 },
        { 1e-5, 4, 20635.043820032669 },
        { 0.3, 50, 0.14666383964695077 },
        { 5, 100, 0.032375351046891018 },
        { 20, 1.25, 0.14885352712844311 },
        { 150, 300, 0.0046260391649983617 },
        { 199, 199.75, 0.0050198827396308456 },
        { 201, 200.5, 0.0049854551205186355 },
        { 1e6, 1005000, 9.9750846845907724e-7 },
        { 1e6, 998000, 1.0010015021700889e-6 },
        { 1e10, 10000200000, 9.9999000014999783e-11 },
    };
    (void)_i;
    for (int i = 0; i < COUNT_OF(point); i++) {
        const double *p = point[i];
        assert_near("unit gamma", i, "slope",
                    ppl__unit_gamma_slope(p[0], p[1], log(p[1])), p[2], 1e-11, 0);
    }
    /* A draw of e^-2000 is 0, and moves all the same. */
    assert_near("unit gamma", 0, "slope", ppl__unit_gamma_slope(0.001, 0, -2000),
                1999424.4280681897, 1e-11, 0);
}
END_TEST

/* ---- Gradients by central differences ---------------------------------------------- */

enum { LOG_PROB, ENTROPY, MEAN, VARIANCE, QUANTITIES };

/* input[0] is parameter 0, of shape [3,1] (or [3,1,K]), input[1] parameter 1, of shape
 * [2], input[2] the value, of shape [2,3,2]. */
typedef struct problem {
    const family_row *row;
    int quantity;
    double input[3][12];
} problem;

static ppl_shape input_shape(const problem *p, int i)
{
    if (i == 0)
        return p->row->weights ? PPL_SHAPE(3, 1, p->row->weights) : PPL_SHAPE(3, 1);
    return i == 1 ? PPL_SHAPE(2) : PPL_SHAPE(2, 3, 2);
}

static int has_gradient(const problem *p, int i)
{
    return i == 2 ? p->quantity == LOG_PROB && differentiable(p->row)
                  : i < p->row->family->params;
}

static void pose(ppl_ctx *c, const family_row *row, int quantity, problem *p)
{
    const double *point = row->point[1];
    *p = (problem){ .row = row, .quantity = quantity };
    for (int k = 0; k < (row->weights ? row->weights : 1); k++)
        for (int i = 0; i < 3; i++)
            p->input[0][i * (row->weights ? row->weights : 1) + k] =
                point[k] * (0.75 - 0.25 * i) + 0.0625 * (i + 1);
    for (int i = 0; i < 2; i++)
        p->input[1][i] = point[1] * (1 + 0.5 * i);
    ppl_tensor *params[2];
    for (int i = 0; i < row->family->params; i++)
        params[i] = ppl_from_doubles(c, input_shape(p, i), p->input[i]);
    ppl_dist *d = ppl_expand_dist(row->make(params), PPL_SHAPE(2, 3, 2));
    ck_assert_int_eq(ppl_read(ppl_dist_sample(d, &rng), p->input[2], 12), 12);
}

static ppl_tensor *quantity_of(ppl_dist *d, int quantity, ppl_tensor *value)
{
    switch (quantity) {
    case LOG_PROB:
        return ppl_log_prob(d, value);
    case ENTROPY:
        return ppl_entropy(d);
    case MEAN:
        return ppl_dist_mean(d);
    }
    return ppl_dist_variance(d);
}

/* A weighted sum of the quantity. */
static ppl_tensor *objective(ppl_ctx *c, const problem *p, int variable,
                             ppl_tensor **leaf)
{
    static const double weight[] = { 1, -0.5, 2, 0.75, -1.5, 0.25,
                                     3, -2, 0.5, 1.25, -0.75, 1.5 };
    for (int i = 0; i < 3; i++) {
        ppl_shape shape = input_shape(p, i);
        if (i < 2 && i >= p->row->family->params)
            continue;
        leaf[i] = variable && has_gradient(p, i) ? ppl_variable(c, shape, p->input[i])
                  : i < 2 ? ppl_from_doubles(c, shape, p->input[i])
                          : make_values(c, p->row, shape, p->input[i]);
    }
    ppl_tensor *t = quantity_of(p->row->make(leaf), p->quantity, leaf[2]);
    ppl_tensor *w = ppl_from_doubles(c, PPL_SHAPE(2, 3, 2), weight);
    return ppl_sum(ppl_mul(t, w), PPL_ALL);
}

static double difference(ppl_ctx *c, const problem *p, int i, int k)
{
    ppl_tensor *leaf[3];
    double f[2], x = fabs(p->input[i][k]), h = 1e-5 * (x > 0 ? x : 1);
    for (int side = 0; side < 2; side++) {
        problem moved = *p;
        ppl_epoch epoch = ppl_epoch_begin(c);
        moved.input[i][k] += side ? h : -h;
        f[side] = ppl_item(objective(c, &moved, 0, leaf));
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        ppl_epoch_end(c, epoch);
    }
    return (f[1] - f[0]) / (2 * h);
}

static void check_differences(ppl_ctx *const c[2], int dtype, const problem *p)
{
    ppl_tensor *leaf[3];
    ppl_tensor *root = objective(c[dtype], p, 1, leaf);
    ck_assert_msg(ppl_backward(root) == PPL_OK, "%s", ppl_error_text(c[dtype]));
    for (int i = 0; i < 3; i++) {
        double gradient[12];
        if (!has_gradient(p, i))
            continue;
        int64_t n = ppl_read(ppl_grad(leaf[i]), gradient, 12);
        for (int k = 0; k < n; k++) {
            double expected = difference(c[1], p, i, k), tolerance = dtype ? 1e-6 : 2e-4;
            ck_assert_msg(
                is_near(gradient[k], expected, tolerance),
                "%s, quantity %d: derivative in input %d[%d] is %.12g, not %.12g",
                p->row->family->name, p->quantity, i, k, gradient[k], expected);
        }
    }
}

START_TEST(gradients_agree_with_differences)
{
    ppl_ctx *c[2] = { context(0), context(1) };
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        for (int quantity = 0; quantity < QUANTITIES; quantity++) {
            problem p;
            if ((quantity >= MEAN && !row->family->mean) ||
                (quantity == LOG_PROB && row->family == &ppl_family_delta))
                continue;
            pose(c[1], row, quantity, &p);
            check_differences(c, _i, &p);
        }
    }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

/* ---- Samples ----------------------------------------------------------------------- */

/* n draws as doubles; the caller frees. */
static double *draw(ppl_ctx *c, const family_row *row, const double *params, int n)
{
    double *x = malloc((size_t)n * sizeof *x);
    ppl_dist *d = ppl_expand_dist(make_member(c, row, params), PPL_SHAPE(n));
    ck_assert_int_eq(ppl_read(ppl_dist_sample(d, &rng), x, n), n);
    return x;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double same(double x, const double *unused)
{
    (void)unused;
    return x;
}

/* By the family's own cdf, which golden numbers check. */
static double own_fit(ppl_ctx *c, const family_row *row, const double *params, double *x)
{
    static double u[DRAWS];
    qsort(x, DRAWS, sizeof *x, ascending);
    ppl_tensor *at = ppl_from_doubles(c, PPL_SHAPE(DRAWS), x);
    ppl_read(ppl_cdf(make_member(c, row, params), at), u, DRAWS);
    return ks_probability(u, DRAWS, same, NULL);
}

static double discrete_fit(ppl_ctx *c, const family_row *row, const double *params,
                           const double *x)
{
    double outcome[16], mass[16], count[16] = { 0 };
    ppl_dist *d = make_member(c, row, params);
    ppl_tensor *values = row->family->enumerate(d);
    int K = (int)ppl_read(values, outcome, 16);
    ppl_read(ppl_exp(ppl_log_prob(d, values)), mass, K);
    for (int k = 0; k < K; k++) {
        mass[k] *= DRAWS;
        for (int i = 0; i < DRAWS; i++)
            count[k] += x[i] == outcome[k];
    }
    return chi_square_probability(count, mass, K);
}

/* Mean and variance within 4 standard errors. */
static void check_moments(ppl_ctx *c, const family_row *row, const double *params,
                          double *x)
{
    ppl_dist *d = make_member(c, row, params);
    double mean = ppl_item(ppl_dist_mean(d)), variance = ppl_item(ppl_dist_variance(d));
    mean_error m = mean_of(x, DRAWS), v;
    for (int i = 0; i < DRAWS; i++)
        x[i] = (x[i] - mean) * (x[i] - mean);
    v = mean_of(x, DRAWS);
    ck_assert_msg(fabs(m.mean - mean) <= 4 * m.error + 1e-6 * fabs(mean),
                  "%s(%g, %g): mean %g, not %g +- %g", row->golden, params[0], params[1],
                  m.mean, mean, m.error);
    ck_assert_msg(fabs(v.mean - variance) <= 4 * v.error + 1e-5 * variance,
                  "%s(%g, %g): variance %g, not %g +- %g", row->golden, params[0],
                  params[1], v.mean, variance, v.error);
}

/* _i counts families and, within each, dtypes: each in a process of its own. */
START_TEST(samples_fit)
{
    ppl_ctx *c = context(_i % DTYPES);
    const family_row *row = &families[_i / DTYPES];
    for (int k = 0; has_point(row, k); k++) {
        ppl_epoch epoch = ppl_epoch_begin(c);
        double *x = draw(c, row, row->point[k], DRAWS), p = 1;
        if (row->cdf)
            p = ks_probability(x, DRAWS, row->cdf, row->point[k]);
        else if (row->family->cdf && !(row->family->flags & PPL_DISCRETE))
            p = own_fit(c, row, row->point[k], x);
        else if (row->family->flags & PPL_DISCRETE)
            p = discrete_fit(c, row, row->point[k], x);
        ck_assert_msg(p > 1e-4, "%s, point %d: fits with probability %g", row->golden, k,
                      p);
        if (row->family->mean)
            check_moments(c, row, row->point[k], x);
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        free(x);
        ppl_epoch_end(c, epoch);
    }
    ppl_ctx_free(c);
}
END_TEST

/* Of one parameter: the means of dx and d(x^2) against derivatives of E[x] and E[x^2]. */
static void check_slopes(const family_row *row, const double *point, int param,
                         const double *value, double *slope, const double exact[2])
{
    for (int power = 0; power < 2; power++) {
        mean_error m = mean_of(slope, PATHS);
        double allowed = 4 * m.error + 1e-5 * fabs(exact[power]) + 1e-9;
        ck_assert_msg(fabs(m.mean - exact[power]) <= allowed,
                      "%s(%g, %g): dE[x^%d] by parameter %d is %g, not %g +- %g",
                      row->golden, point[0], point[1], power + 1, param, m.mean,
                      exact[power], m.error);
        for (int j = 0; j < PATHS; j++)
            slope[j] *= 2 * value[j];
    }
}

/* E[x] and E[x^2] move with the parameters as mean and mean^2 + variance do. */
static void check_pathwise(ppl_ctx *c, const family_row *row, const double *point)
{
    static double same[PATHS], value[PATHS], slope[PATHS];
    ppl_tensor *leaf[PPL_MAX_PARAMS] = { NULL }, *one[PPL_MAX_PARAMS] = { NULL };
    double exact[PPL_MAX_PARAMS][2];
    int count = row->family->params;
    for (int k = 0; k < count; k++) {
        for (int j = 0; j < PATHS; j++)
            same[j] = point[k];
        leaf[k] = ppl_variable(c, PPL_SHAPE(PATHS), same);
        one[k] = ppl_variable(c, PPL_SCALAR, &point[k]);
    }
    ppl_dist *d = row->make(one);
    ppl_tensor *mean = ppl_dist_mean(d);
    ppl_tensor *square = ppl_add(ppl_mul(mean, mean), ppl_dist_variance(d));
    ck_assert_int_eq(ppl_backward(mean), PPL_OK);
    for (int k = 0; k < count; k++)
        exact[k][0] = ppl_item(ppl_grad(one[k]));
    ck_assert_int_eq(ppl_backward(square), PPL_OK);
    for (int k = 0; k < count; k++)
        exact[k][1] = ppl_item(ppl_grad(one[k])) - exact[k][0];
    ppl_tensor *x = ppl_dist_sample(row->make(leaf), &rng);
    ck_assert_int_eq(ppl_backward(ppl_sum(x, PPL_ALL)), PPL_OK);
    ppl_read(x, value, PATHS);
    for (int k = 0; k < count; k++) {
        ppl_read(ppl_grad(leaf[k]), slope, PATHS);
        check_slopes(row, point, k, value, slope, exact[k]);
    }
}

START_TEST(pathwise_gradients_are_unbiased)
{
    ppl_ctx *c = context(_i % DTYPES);
    const family_row *row = &families[_i / DTYPES];
    for (int k = 0; (row->family->flags & PPL_REPARAM) && has_point(row, k); k++) {
        ppl_epoch epoch = ppl_epoch_begin(c);
        check_pathwise(c, row, row->point[k]);
        ppl_epoch_end(c, epoch);
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(a_draw_depends_on_its_element_alone)
{
    ppl_ctx *c = context(_i);
    for (int i = 0; i < FAMILIES; i++) {
        double *few = draw(c, &families[i], families[i].point[0], 7);
        double *many = draw(c, &families[i], families[i].point[0], 1000);
        ck_assert_msg(memcmp(few, many, 7 * sizeof *few) == 0, "%s", families[i].golden);
        free(few);
        free(many);
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(an_expanded_distribution_draws_independent_copies)
{
    ppl_ctx *c = context(_i);
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        double *x = draw(c, row, row->point[0], 64);
        int others = 0;
        for (int k = 1; k < 64; k++)
            others += x[k] != x[0];
        ck_assert_msg((others > 0) == (row->family != &ppl_family_delta), "%s",
                      row->golden);
        free(x);
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(both_dtypes_draw_the_same)
{
    ppl_ctx *c[2] = { context(0), context(1) };
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        double *x = draw(c[0], row, row->point[0], 1000);
        double *y = draw(c[1], row, row->point[0], 1000);
        for (int k = 0; k < 1000; k++)
            assert_near(row->golden, k, "draw", x[k], (double)(float)y[k], 2e-7,
                        (double)FLT_MIN);
        free(x);
        free(y);
    }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

/* Concentrations so small that draws underflow: the log_prob stays finite. */
START_TEST(tiny_concentrations_draw_within_the_support)
{
    ppl_ctx *c = context(_i);
    double tiny = 1e-3, x[1000];
    ppl_tensor *a = ppl_variable(c, PPL_SCALAR, &tiny), *one = ppl_scalar(c, 1);
    ppl_dist *d[] = { ppl_gamma(a, one), ppl_beta(a, a) };
    for (int i = 0; i < 2; i++) {
        d[i] = ppl_expand_dist(d[i], PPL_SHAPE(1000));
        ppl_tensor *draws = ppl_dist_sample(d[i], &rng),
                   *log_prob = ppl_log_prob(d[i], draws);
        int extreme = 0;
        ppl_read(draws, x, 1000);
        for (int k = 0; k < 1000; k++) {
            ck_assert(x[k] > 0 && (i == 0 || x[k] < 1));
            extreme += x[k] < 1e-30;
        }
        ck_assert_int_gt(extreme, 300);
        ck_assert(isfinite(ppl_total(log_prob)));
        ck_assert_int_eq(ppl_backward(ppl_sum(log_prob, PPL_ALL)), PPL_OK);
    }
    ck_assert(isfinite(ppl_item(ppl_grad(a))));
    ppl_ctx_free(c);
}
END_TEST

/* ---- Edges ------------------------------------------------------------------------- */

static ppl_ctx *lenient(int i)
{
    return ppl_ctx_new(&(ppl_ctx_opts){ .dtype = i == 0 ? PPL_F32 : PPL_F64,
                                        .no_validation = 1 });
}

START_TEST(outside_the_support_log_prob_is_minus_infinity)
{
    ppl_ctx *c = lenient(_i);
    double nan = NAN;
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        for (int k = 0; k < 2; k++) {
            ppl_tensor *leaf[PPL_MAX_PARAMS];
            if (isnan(row->beyond[k]))
                continue;
            make_params(c, row, row->point[0], row->weights, 1, leaf);
            ppl_tensor *x = make_values(c, row, PPL_SCALAR, &row->beyond[k]);
            ppl_tensor *log_prob = ppl_log_prob(row->make(leaf), x);
            ck_assert_msg(ppl_item(log_prob) == -INFINITY, "%s at %g is %g", row->golden,
                          row->beyond[k], ppl_item(log_prob));
            ck_assert_int_eq(ppl_backward(log_prob), PPL_OK);
            ck_assert_msg(isfinite(ppl_total(ppl_grad(leaf[0]))), "%s", row->golden);
        }
        if (row->family->value_dtype != PPL_I64)
            ck_assert_msg(isnan(ppl_item(ppl_log_prob(make_member(c, row, row->point[0]),
                                                      ppl_scalar(c, nan)))),
                          "%s", row->golden);
    }
    /* A Bernoulli has its formula between 0 and 1. */
    ppl_tensor *half = ppl_scalar(c, 0.5), *quarter = ppl_scalar(c, 0.25);
    ck_assert(is_near(ppl_item(ppl_log_prob(ppl_bernoulli(quarter), half)),
                      0.5 * log(0.25) + 0.5 * log(0.75), rounding(_i)));
    ck_assert(is_near(ppl_item(ppl_log_prob(ppl_bernoulli_logits(quarter), half)),
                      0.125 - log1p(exp(0.25)), rounding(_i)));
    ppl_ctx_free(c);
}
END_TEST

/* Parameters beyond all sense give NaN or anything else, but come back. */
START_TEST(unchecked_parameters_do_no_harm)
{
    static const double wild[] = { NAN, -1, 0, INFINITY, -INFINITY, 1e300 };
    ppl_ctx *c = lenient(_i);
    for (int i = 0; i < FAMILIES; i++)
        for (int k = 0; k < COUNT_OF(wild); k++)
            for (int j = 0; j < COUNT_OF(wild); j++) {
                double params[MOST_PARAMS];
                for (int n = 0; n < MOST_PARAMS; n++)
                    params[n] = n % 2 ? wild[j] : wild[k];
                ppl_tensor *leaf[PPL_MAX_PARAMS];
                make_params(c, &families[i], params, families[i].weights, 1, leaf);
                ppl_tensor *x = ppl_dist_sample(families[i].make(leaf), &rng);
                ck_assert_ptr_nonnull(x);
                if (families[i].family->flags & PPL_REPARAM)
                    ck_assert_int_eq(ppl_backward(x), PPL_OK);
                ck_assert_ptr_nonnull(ppl_log_prob(families[i].make(leaf), x));
            }
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_family_has_a_row, golden_numbers_are_met, pyro_fixtures_are_met,
        implicit_derivatives_are_met, implicit_derivatives_hold_far_out,
        gradients_agree_with_differences,
        a_draw_depends_on_its_element_alone, both_dtypes_draw_the_same,
        an_expanded_distribution_draws_independent_copies,
        tiny_concentrations_draw_within_the_support,
        outside_the_support_log_prob_is_minus_infinity, unchecked_parameters_do_no_harm,
        NULL
    };
    const TTest *const heavy[] = { samples_fit, pathwise_gradients_are_unbiased, NULL };
    Suite *suite = suite_create("distributions");
    TCase *quick = tcase_create("quick"), *slow = tcase_create("samples");
    for (const TTest *const *t = tests; *t; t++)
        tcase_add_loop_test(quick, *t, 0, DTYPES);
    for (const TTest *const *t = heavy; *t; t++)
        tcase_add_loop_test(slow, *t, 0, DTYPES * FAMILIES);
    tcase_set_timeout(quick, 60);
    tcase_set_timeout(slow, 60);
    suite_add_tcase(suite, quick);
    suite_add_tcase(suite, slow);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

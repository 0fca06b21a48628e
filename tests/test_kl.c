/* SPDX-License-Identifier: MIT */
/*
 * test_kl.c - KL divergences: golden numbers, central differences, laws that any KL
 * obeys, pairs of families, events and masks, a context's own rules, what is refused.
 */
#include "tensors.h"

#include "families.h"
#include "golden_json.h"

static const ppl_rng rng = { { 77, 1234567 } };

/* ---- Golden numbers ---------------------------------------------------------------- */

typedef struct answers {
    double kl, d_q[MOST_PARAMS], d_p[MOST_PARAMS];
} answers;

static answers ask(ppl_ctx *c, const family_row *row, const double *q, const double *p,
                   int count)
{
    ppl_tensor *leaf_q[PPL_MAX_PARAMS], *leaf_p[PPL_MAX_PARAMS];
    answers a = { .kl = NAN };
    ppl_epoch epoch = ppl_epoch_begin(c);
    make_params(c, row, q, count, 1, leaf_q);
    make_params(c, row, p, count, 1, leaf_p);
    ppl_tensor *kl = ppl_kl(row->make(leaf_q), row->make(leaf_p));
    ck_assert_msg(ppl_backward(kl) == PPL_OK, "%s: %s", row->golden, ppl_error_text(c));
    a.kl = ppl_item(kl);
    read_gradients(row, leaf_q, count, a.d_q);
    read_gradients(row, leaf_p, count, a.d_p);
    ppl_epoch_end(c, epoch);
    return a;
}

static void check_record(ppl_ctx *const c[2], int dtype, const family_row *row,
                         int record, const json_t *golden)
{
    double q[MOST_PARAMS] = { 0 }, p[MOST_PARAMS] = { 0 };
    double relative = dtype ? 1e-10 : 1e-5, absolute = dtype ? 1e-14 : 1e-6;
    answers expected = { .kl = NAN };
    int count = golden_numbers(golden, "q", q, MOST_PARAMS);
    golden_numbers(golden, "p", p, MOST_PARAMS);
    golden_numbers(golden, "kl", &expected.kl, 1);
    golden_numbers(golden, "d_q", expected.d_q, MOST_PARAMS);
    golden_numbers(golden, "d_p", expected.d_p, MOST_PARAMS);
    if (dtype == 0) {
        answers undefined = expected;
        if (!round_member(row, q, count, NULL) || !round_member(row, p, count, NULL))
            return;
        expected = ask(c[1], row, q, p, count);
        for (int i = 0; i < count; i++) {
            expected.d_q[i] = isnan(undefined.d_q[i]) ? (double)NAN : expected.d_q[i];
            expected.d_p[i] = isnan(undefined.d_p[i]) ? (double)NAN : expected.d_p[i];
        }
    }
    answers found = ask(c[dtype], row, q, p, count);
    assert_near(row->golden, record, "kl", found.kl, expected.kl, relative, absolute);
    for (int i = 0; i < count; i++) {
        assert_near(row->golden, record, "d_q", found.d_q[i], expected.d_q[i], relative,
                    absolute);
        assert_near(row->golden, record, "d_p", found.d_p[i], expected.d_p[i], relative,
                    absolute);
    }
}

/* f64 against the file; f32 against f64 at the parameters that float can hold. */
START_TEST(golden_numbers_are_met)
{
    ppl_ctx *c[2] = { context(0), context(1) };
    for (int i = 0; i < FAMILIES; i++) {
        char file[128];
        if (!families[i].family->kl && families[i].family != &ppl_family_delta)
            continue;
        snprintf(file, sizeof file, "kl/%s.json", families[i].golden);
        json_t *root = golden_load(file);
        const json_t *records = json_object_get(root, "records");
        ck_assert_msg(json_array_size(records) >= 8, "no golden KL of %s",
                      families[i].golden);
        for (size_t k = 0; k < json_array_size(records); k++)
            check_record(c, _i, &families[i], (int)k, json_array_get(records, k));
        json_decref(root);
    }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

/* KL(q || p) of what differs by the small part t: sum over n >= 2 of c_n t^n. */
static double series(double t, double (*coefficient)(int n))
{
    double sum = 0;
    for (int n = 8; n >= 2; n--)
        sum = sum * t + coefficient(n);
    return sum * t * t;
}

/* t + t^2 / 2 - log(1 + t), t = scale_q / scale_p - 1. */
static double normal_coefficient(int n)
{
    return (n == 2 ? 0.5 : 0) + (n % 2 ? -1.0 : 1.0) / n;
}

/* t - log(1 + t), t = rate_p / rate_q - 1. */
static double exponential_coefficient(int n)
{
    return (n % 2 ? -1.0 : 1.0) / n;
}

/* -q log(1 + t / q) - (1 - q) log(1 - t / (1 - q)), q = 3/8, t = p - q. */
static double bernoulli_coefficient(int n)
{
    return ((n % 2 ? -1 : 1) / pow(0.375, n - 1) + 1 / pow(0.625, n - 1)) / n;
}

/* log G(3 + t) - log G(3) - t psi(3): psi'(3) / 2 and psi''(3) / 6, of NIST DLMF 5.15.2; what
 * follows does not count. */
static double gamma_coefficient(int n)
{
    return n == 2 ? 0.19746703342411321824 : n == 3 ? -0.025685634386531428467 : 0;
}

/* Less log G(6 + t) - log G(6) - t psi(6). */
static double beta_coefficient(int n)
{
    const double both = n == 2 ? 0.090661477868557662681 : n == 3 ? -0.0054649553741857494542 : 0;
    return gamma_coefficient(n) - both;
}

/* Gamma(2 + t) - 1 + EULER t - log(1 + t), t = scale_q / scale_p - 1, by mpmath. */
static double gumbel_coefficient(int n)
{
    static const double known[] = { 0.91184033042643969479, -0.25175641408624706695 };
    return n < 4 ? known[n - 2] : 0;
}

/* A difference of h in the parameters is a KL of about h^2: nothing may cancel. */
START_TEST(nearby_members_keep_their_precision)
{
    ppl_ctx *c = context(_i);
    double tolerance = _i ? 1e-10 : 1e-3, h = ldexp(1, _i ? -26 : -11), kl;
    ppl_tensor *zero = ppl_scalar(c, 0), *three = ppl_scalar(c, 3);
    ppl_tensor *near = ppl_scalar(c, 3 + h);
    kl = ppl_item(ppl_kl(ppl_normal(zero, near), ppl_normal(zero, three)));
    ck_assert(is_near(kl / series(h / 3, normal_coefficient), 1, tolerance));
    kl = ppl_item(ppl_kl(ppl_exponential(three), ppl_exponential(near)));
    ck_assert(is_near(kl / series(h / 3, exponential_coefficient), 1, tolerance));
    kl = ppl_item(ppl_kl(ppl_bernoulli(ppl_scalar(c, 0.375)),
                         ppl_bernoulli(ppl_scalar(c, 0.375 + h))));
    ck_assert(is_near(kl / series(h, bernoulli_coefficient), 1, tolerance));
    kl = ppl_item(ppl_kl(ppl_categorical(numbers(c, 0.375, 0.625)),
                         ppl_categorical(numbers(c, 0.375 + h, 0.625 - h))));
    ck_assert(is_near(kl / series(h, bernoulli_coefficient), 1, tolerance));
    kl = ppl_item(ppl_kl(ppl_gamma(three, three), ppl_gamma(near, three)));
    ck_assert(is_near(kl / series(h, gamma_coefficient), 1, tolerance));
    kl = ppl_item(ppl_kl(ppl_beta(three, three), ppl_beta(near, three)));
    ck_assert(is_near(kl / series(h, beta_coefficient), 1, _i ? 1e-6 : tolerance));
    kl = ppl_item(ppl_kl(ppl_gumbel(zero, near), ppl_gumbel(zero, three)));
    ck_assert(is_near(kl / series(h / 3, gumbel_coefficient), 1, _i ? 1e-6 : tolerance));
    ppl_ctx_free(c);
}
END_TEST

/* Where both exclude the same outcome nothing is NaN. */
START_TEST(shared_zeros_do_no_harm)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *q = variable(c, 0, 1), *p = variable(c, 0, 1);
    ppl_tensor *kl = ppl_kl(ppl_bernoulli(q), ppl_bernoulli(p));
    assert_values(kl, 0, 0, 0);
    ck_assert_int_eq(ppl_backward(ppl_sum(kl, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(q), 0, 0, 0);
    ck_assert(isfinite(ppl_total(ppl_grad(p))));
    ppl_tensor *w = variable(c, 0, 1, 1), *v = variable(c, 0, 2, 2);
    kl = ppl_kl(ppl_categorical(w), ppl_categorical(v));
    assert_values(kl, rounding(_i), 0);
    ck_assert_int_eq(ppl_backward(kl), PPL_OK);
    ck_assert(isfinite(ppl_total(ppl_grad(w))) && isfinite(ppl_total(ppl_grad(v))));
    ppl_ctx_free(c);
}
END_TEST

/* ---- Laws -------------------------------------------------------------------------- */

static ppl_tensor *kl_of_points(ppl_ctx *c, const family_row *row, int i, int j)
{
    return ppl_kl(make_member(c, row, row->point[i]), make_member(c, row, row->point[j]));
}

START_TEST(a_kl_is_0_at_home_and_positive_elsewhere)
{
    ppl_ctx *c = context(_i);
    for (int k = 0; k < FAMILIES; k++) {
        const family_row *row = &families[k];
        if (!row->family->kl)
            continue;
        for (int i = 0; has_point(row, i); i++)
            for (int j = 0; has_point(row, j); j++) {
                double kl = ppl_item(kl_of_points(c, row, i, j));
                ck_assert_msg(i == j ? kl == 0 : kl > 0, "%s: KL(%d || %d) is %g",
                              row->golden, i, j, kl);
            }
    }
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(arguments_are_q_then_p)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *zero = ppl_scalar(c, 0), *one = ppl_scalar(c, 1), *two = ppl_scalar(c, 2);
    ppl_dist *q = ppl_normal(zero, one), *p = ppl_normal(one, two);
    assert_values(ppl_kl(q, p), _i ? 1e-10 : 1e-6, 0.4431471806);
    assert_values(ppl_kl(p, q), _i ? 1e-10 : 1e-6, 1.3068528194);
    ppl_ctx_free(c);
}
END_TEST

/* The mean of log q - log p over draws of q, within 4 standard errors. */
START_TEST(samples_estimate_it)
{
    enum { DRAWS = 20000 };
    static double ratio[DRAWS];
    ppl_ctx *c = context(_i);
    for (int k = 0; k < FAMILIES; k++) {
        const family_row *row = &families[k];
        if (!row->family->kl && row->family != &ppl_family_delta)
            continue;
        ppl_epoch epoch = ppl_epoch_begin(c);
        ppl_dist *q = make_member(c, row, row->point[1]),
                 *p = make_member(c, row, row->point[0]);
        if (row->family == &ppl_family_delta)
            p = q;
        ppl_tensor *x = ppl_dist_sample(ppl_expand_dist(q, PPL_SHAPE(DRAWS)), &rng);
        ppl_read(ppl_sub(ppl_log_prob(q, x), ppl_log_prob(p, x)), ratio, DRAWS);
        mean_error m = mean_of(ratio, DRAWS);
        double kl = ppl_item(ppl_kl(q, p));
        ck_assert_msg(fabs(m.mean - kl) <= 4 * m.error + 1e-5, "%s: %g, not %g +- %g",
                      row->golden, m.mean, kl, m.error);
        ppl_epoch_end(c, epoch);
    }
    ppl_ctx_free(c);
}
END_TEST

/* ---- Gradients by central differences ---------------------------------------------- */

static double kl_at(ppl_ctx *c, const family_row *row, double point[2][MOST_PARAMS])
{
    ppl_epoch epoch = ppl_epoch_begin(c);
    double kl = ppl_item(
        ppl_kl(make_member(c, row, point[0]), make_member(c, row, point[1])));
    ppl_epoch_end(c, epoch);
    return kl;
}

START_TEST(gradients_agree_with_differences)
{
    ppl_ctx *c[2] = { context(0), context(1) };
    for (int k = 0; k < FAMILIES; k++) {
        const family_row *row = &families[k];
        double point[2][MOST_PARAMS];
        int count = row->weights ? row->weights : param_count(row);
        if (!row->family->kl)
            continue;
        for (int n = 0; n < count; n++) {
            int whole = is_integer(row, n);
            point[0][n] = whole ? row->point[0][n] : 0.75 * row->point[0][n] + 0.0625;
            point[1][n] = whole ? row->point[0][n] : 0.5 * row->point[1][n] + 0.125;
        }
        answers a = ask(c[_i], row, point[0], point[1], count);
        for (int side = 0; side < 2; side++)
            for (int n = 0; n < count; n++) {
                double x = point[side][n], h = 1e-5 * fabs(x), f[2];
                if (is_integer(row, n))
                    continue;
                point[side][n] = x - h;
                f[0] = kl_at(c[1], row, point);
                point[side][n] = x + h;
                f[1] = kl_at(c[1], row, point);
                point[side][n] = x;
                double slope = (f[1] - f[0]) / (2 * h),
                       found = side ? a.d_p[n] : a.d_q[n];
                /* Where p does not cover q there is none. */
                ck_assert_msg(isnan(slope) || is_near(found, slope, _i ? 1e-6 : 1e-4),
                              "%s, %s[%d]: %g, not %g", row->golden, side ? "p" : "q", n,
                              found, slope);
            }
    }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

/* ---- Pairs of families ------------------------------------------------------------- */

static const family_row *row_of(const char *golden)
{
    for (int i = 0; i < FAMILIES; i++)
        if (strcmp(families[i].golden, golden) == 0)
            return &families[i];
    ck_abort_msg("no row of %s", golden);
}

/* Of one record: the value, and the gradients against central differences of it. */
static void check_cross(ppl_ctx *const c[2], int dtype, const json_t *golden)
{
    const family_row *q = row_of(json_string_value(json_object_get(golden, "from")));
    const family_row *p = row_of(json_string_value(json_object_get(golden, "to")));
    double at[2][MOST_PARAMS] = { { 0 } }, expected = NAN, found;
    ppl_tensor *leaf[2][PPL_MAX_PARAMS];
    ppl_epoch epoch[2] = { ppl_epoch_begin(c[0]), ppl_epoch_begin(c[1]) };

    golden_numbers(golden, "q", at[0], MOST_PARAMS);
    golden_numbers(golden, "p", at[1], MOST_PARAMS);
    golden_numbers(golden, "kl", &expected, 1);
    make_params(c[dtype], q, at[0], q->family->params, 1, leaf[0]);
    make_params(c[dtype], p, at[1], p->family->params, 1, leaf[1]);
    ppl_tensor *kl = ppl_kl(q->make(leaf[0]), p->make(leaf[1]));
    ck_assert_msg(kl != NULL, "%s", ppl_error_text(c[dtype]));
    found = ppl_item(kl);
    ck_assert_msg(is_near(found, expected, dtype ? 1e-10 : 1e-5),
                  "KL(%s(%g, %g) || %s(%g, %g)) is %.12g, not %.12g", q->golden, at[0][0],
                  at[0][1], p->golden, at[1][0], at[1][1], found, expected);
    ck_assert_int_eq(ppl_backward(kl), PPL_OK);
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < (side ? p : q)->family->params; i++) {
            double x = at[side][i], h = 1e-5 * (fabs(x) > 0 ? fabs(x) : 1), f[2], slope;

            if (is_integer(side ? p : q, i) || isinf(x) ||
                json_integer_value(json_object_get(golden, "edge")))
                continue;
            for (int up = 0; up < 2; up++) {
                at[side][i] = up ? x + h : x - h;
                f[up] = ppl_item(ppl_kl(make_member(c[1], q, at[0]),
                                        make_member(c[1], p, at[1])));
            }
            at[side][i] = x;
            slope = isinf(expected) ? 0 : (f[1] - f[0]) / (2 * h);
            if (isinf(f[0]) != isinf(expected) || isinf(f[1]) != isinf(expected))
                continue;                       /* at the edge of a support */
            found = ppl_item(ppl_grad(leaf[side][i]));
            ck_assert_msg(is_near(found, slope, dtype ? 1e-6 : 2e-4),
                          "KL(%s || %s), %s[%d]: %g, not %g", q->golden, p->golden,
                          side ? "p" : "q", i, found, slope);
        }
    ppl_epoch_end(c[0], epoch[0]);
    ppl_epoch_end(c[1], epoch[1]);
}

/* By quadrature (tests/golden/kl_cross.py) (kl_moments.py) or summation (kl_counts.py); inf where
 * q's support is not within p's, or the integral diverges. */
static void check_pairs(int dtype, const char *file, int least)
{
    json_t *root = golden_load(file);
    const json_t *records = json_object_get(root, "records");
    ppl_ctx *c[2] = { context(0), context(1) };

    ck_assert_int_ge((int)json_array_size(records), least);
    for (size_t k = 0; k < json_array_size(records); k++)
        check_cross(c, dtype, json_array_get(records, k));
    json_decref(root);
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}

START_TEST(pairs_of_families_meet_quadrature)
{
    check_pairs(_i, "kl_cross.json", 300);
    check_pairs(_i, "kl_moments.json", 700);
}
END_TEST

/* Where a power, an exponential or a difference of large numbers is beyond a double, and where
 * an expectation is infinite: values and slopes of closed forms (tests/golden/far.py). */
START_TEST(pairs_far_out_have_values_and_slopes)
{
    json_t *root = golden_load("far.json");
    const json_t *records = json_object_get(root, "pairs");
    ppl_ctx *c = context(1);

    ck_assert_int_ge((int)json_array_size(records), 10);
    for (size_t k = 0; k < json_array_size(records); k++) {
        const json_t *golden = json_array_get(records, k);
        const family_row *q = row_of(json_string_value(json_object_get(golden, "from")));
        const family_row *p = row_of(json_string_value(json_object_get(golden, "to")));
        const int own = q->family->params, count = own + p->family->params;
        double params[2 * MOST_PARAMS], slopes[2 * MOST_PARAMS], expected;
        ppl_tensor *leaf[2 * PPL_MAX_PARAMS];
        ck_assert_int_eq(golden_numbers(golden, "params", params, count), count);
        ck_assert_int_eq(golden_numbers(golden, "slopes", slopes, count), count);
        golden_numbers(golden, "kl", &expected, 1);
        make_params(c, q, params, own, 1, leaf);
        make_params(c, p, params + own, count - own, 1, leaf + own);
        ppl_tensor *kl = ppl_kl(q->make(leaf), p->make(leaf + own));
        ck_assert_msg(ppl_backward(kl) == PPL_OK, "%s", ppl_error_text(c));
        assert_near(q->golden, (int)k, "kl", ppl_item(kl), expected, 1e-10, 1e-13);
        for (int i = 0; i < count; i++)
            assert_near(q->golden, (int)k, "slope", ppl_item(ppl_grad(leaf[i])), slopes[i],
                        1e-10, 1e-13);
    }
    json_decref(root);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(pairs_of_counts_meet_sums)
{
    check_pairs(_i, "kl_counts.json", 500);
}
END_TEST

/* Probs against logits are what probs against probs are. */
START_TEST(parameterisations_mix)
{
    static const double p[] = { 0.25, 0.75 };
    ppl_ctx *c = context(_i);
    ppl_tensor *probs[2], *logits[2];
    for (int i = 0; i < 2; i++) {
        probs[i] = ppl_variable(c, PPL_SCALAR, &p[i]);
        logits[i] = ppl_variable(c, PPL_SCALAR, (double[]){ log(p[i] / (1 - p[i])) });
    }
    double kl = 0.25 * log(0.25 / 0.75) + 0.75 * log(0.75 / 0.25);
    ppl_tensor *mixed = ppl_kl(ppl_bernoulli(probs[0]), ppl_bernoulli_logits(logits[1]));
    assert_values(mixed, rounding(_i), kl);
    ck_assert_int_eq(ppl_backward(mixed), PPL_OK);
    assert_values(ppl_grad(probs[0]), rounding(_i), log(0.25 / 0.75) - log(0.75 / 0.25));
    assert_values(ppl_grad(logits[1]), rounding(_i), 0.5);
    mixed = ppl_kl(ppl_bernoulli_logits(logits[0]), ppl_bernoulli(probs[1]));
    assert_values(mixed, rounding(_i), kl);
    ck_assert_int_eq(ppl_backward(mixed), PPL_OK);
    assert_values(ppl_grad(logits[0]), 4 * rounding(_i),
                  0.25 * 0.75 * 2 * log(0.25 / 0.75));
    assert_values(ppl_grad(probs[1]), 4 * rounding(_i), 0.75 / 0.25 - 0.25 / 0.75);

    ppl_tensor *w = variable(c, 1, 6, 3), *l = variable(c, log(0.2), log(0.4), log(0.4));
    mixed = ppl_kl(ppl_categorical(w), ppl_categorical_logits(l));
    assert_values(mixed, _i ? 1e-10 : 1e-6, 0.0876597251);
    ck_assert_int_eq(ppl_backward(mixed), PPL_OK);
    assert_values(ppl_grad(l), rounding(_i), 0.1, -0.2, 0.1);
    mixed = ppl_kl(ppl_categorical_logits(l), ppl_categorical(w));
    ck_assert(is_near(ppl_item(mixed), 0.09151622184943567, rounding(_i)));
    ppl_ctx_free(c);
}
END_TEST

/* log_density - log p(value): Pyro leaves the first out. */
START_TEST(a_delta_has_a_kl_to_anything)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *value = ppl_variable(c, PPL_SCALAR, (double[]){ 2 });
    ppl_tensor *density = ppl_variable(c, PPL_SCALAR, (double[]){ 0.75 });
    ppl_dist *p = ppl_gamma(ppl_scalar(c, 2), ppl_scalar(c, 3));
    ppl_tensor *kl = ppl_kl(ppl_delta(value, density, 0), p);
    ppl_tensor *log_p = ppl_log_prob(p, value);
    assert_values(kl, rounding(_i), 0.75 - ppl_item(log_p));
    ck_assert_int_eq(ppl_backward(kl), PPL_OK);
    assert_values(ppl_grad(density), 0, 1);
    assert_values(ppl_grad(value), rounding(_i), -(1 / 2.0 - 3));
    assert_values(ppl_kl(ppl_delta(ppl_scalar(c, -1), NULL, 0), p), 0, INFINITY);

    /* The density once for each event; p broadcasts to q's batch. */
    ppl_tensor *rows = ppl_reshape(numbers(c, 1, 2, 3, 4), PPL_SHAPE(2, 2));
    ppl_tensor *densities = numbers(c, 0.5, -1), *each[2];
    ppl_dist *unit = ppl_normal(ppl_full(c, PPL_SHAPE(2), 0), ppl_scalar(c, 1));
    each[0] = ppl_log_prob(ppl_event(unit, 1), ppl_row(rows, 0));
    each[1] = ppl_log_prob(ppl_event(unit, 1), ppl_row(rows, 1));
    assert_values(ppl_kl(ppl_delta(rows, densities, 1), ppl_event(unit, 1)), rounding(_i),
                  0.5 - ppl_item(each[0]), -1 - ppl_item(each[1]));
    ppl_tensor *weights = numbers(c, 1, 1);
    assert_fails(
        c, ppl_kl(ppl_delta(value, NULL, 0), ppl_categorical(weights)), PPL_EDTYPE,
        "kl: a delta is a floating number and categorical is of integers; there is no "
        "KL between them");
    ppl_ctx_free(c);
}
END_TEST

/* ---- Events, masks, shapes --------------------------------------------------------- */

START_TEST(events_are_summed_and_p_broadcasts)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *loc = ppl_reshape(numbers(c, 0, 1, 2, 3, 4, 5), PPL_SHAPE(2, 3));
    ppl_tensor *one = ppl_scalar(c, 1);
    ppl_dist *q = ppl_normal(loc, one);
    ppl_dist *p = ppl_normal(numbers(c, 0, 0, 0), one);
    assert_shape(ppl_kl(q, p), 2, 3);
    assert_values(ppl_kl(ppl_event(q, 1), ppl_event(p, 1)), rounding(_i), 2.5, 25);
    ppl_dist *whole = ppl_event(ppl_expand_dist(p, PPL_SHAPE(2, 3)), 2);
    assert_values(ppl_kl(ppl_event(q, 2), whole), rounding(_i), 27.5);
    assert_values(ppl_kl(ppl_expand_dist(ppl_normal(one, one), PPL_SHAPE(2)),
                         ppl_normal(ppl_scalar(c, 0), one)), rounding(_i), 0.5, 0.5);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(masks_are_joined)
{
    const unsigned char bits[2][3] = { { 1, 0, 1 }, { 1, 1, 0 } };
    ppl_ctx *c = context(_i);
    ppl_tensor *loc = variable(c, 1, 2, 3), *zero = numbers(c, 0, 0, 0),
               *one = ppl_scalar(c, 1);
    ppl_tensor *scale = ppl_from_doubles(c, PPL_SHAPE(3), (double[]){ 1, 1e-30, 1 });
    ppl_tensor *mask[2];
    for (int i = 0; i < 2; i++)
        mask[i] = ppl_from_mask(c, PPL_SHAPE(3), bits[i]);
    ppl_dist *q = ppl_normal(loc, one), *p = ppl_normal(zero, scale);
    ppl_tensor *kl = ppl_kl(ppl_masked(q, mask[0]), p);
    assert_values(kl, rounding(_i), 0.5, 0, 4.5);
    ck_assert_int_eq(ppl_backward(ppl_sum(kl, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(loc), rounding(_i), 1, 0, 3);
    assert_values(ppl_kl(ppl_masked(q, mask[0]), ppl_masked(p, mask[1])), rounding(_i),
                  0.5, 0, 0);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(masked_infinities_move_nothing)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *q = ppl_reshape(variable(c, 1, 1, 1, 3), PPL_SHAPE(2, 2));
    ppl_tensor *w = variable(c, 0, 1, 1, 1), *p = ppl_reshape(w, PPL_SHAPE(2, 2));
    ppl_tensor *mask = ppl_from_mask(c, PPL_SHAPE(2), (unsigned char[]){ 0, 1 });
    ppl_tensor *kl = ppl_kl(ppl_masked(ppl_categorical(q), mask), ppl_categorical(p));
    assert_values(kl, rounding(_i), 0, 0.25 * log(0.5) + 0.75 * log(1.5));
    ck_assert_int_eq(ppl_backward(ppl_sum(kl, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(w), rounding(_i), 0, 0, 0.25, -0.25);
    ppl_ctx_free(c);
}
END_TEST

/* ---- Rules of one's own ------------------------------------------------------------ */

static ppl_tensor *rule_one(const ppl_dist *q, const ppl_dist *p)
{
    (void)p;
    return ppl_scalar(q->ctx, 1);
}

static ppl_tensor *rule_two(const ppl_dist *q, const ppl_dist *p)
{
    (void)p;
    return ppl_scalar(q->ctx, 2);
}

static ppl_tensor *rule_failing(const ppl_dist *q, const ppl_dist *p)
{
    (void)p;
    ppl_fail(q->ctx, PPL_EINVAL, "no luck");
    return NULL;
}

START_TEST(a_context_has_rules_of_its_own)
{
    const ppl_family *normal = &ppl_family_normal, *cauchy = &ppl_family_cauchy;
    ppl_ctx *c = context(_i), *other = context(_i);
    ppl_tensor *one = ppl_scalar(c, 1);
    ppl_dist *q = ppl_expand_dist(ppl_normal(one, one), PPL_SHAPE(3)),
             *p = ppl_cauchy(one, one);
    ck_assert(ppl_kl_find(c, normal, cauchy) == NULL);
    assert_fails(
        c, ppl_kl(q, p), PPL_EUNSUPPORTED,
        "kl: there is no rule for KL(normal || cauchy); add one with ppl_kl_register, "
        "or estimate it from samples");
    ck_assert_int_eq(ppl_kl_register(c, normal, cauchy, rule_one), PPL_OK);
    assert_values(ppl_kl(q, p), 0, 1, 1, 1);
    ck_assert(ppl_kl_find(c, cauchy, normal) != rule_one);
    ck_assert(ppl_kl_find(other, normal, cauchy) == NULL);

    /* The newest first, before the built-in ones; a rule may fail for itself. */
    ck_assert_int_eq(ppl_kl_register(c, normal, cauchy, rule_two), PPL_OK);
    ck_assert_int_eq(ppl_kl_register(c, normal, normal, rule_one), PPL_OK);
    assert_values(ppl_kl(q, p), 0, 2, 2, 2);
    assert_values(ppl_kl(q, q), 0, 1, 1, 1);
    ck_assert_int_eq(ppl_kl_register(c, normal, cauchy, rule_failing), PPL_OK);
    assert_fails(c, ppl_kl(q, p), PPL_EINVAL, "no luck");
    ck_assert_int_eq(ppl_kl_register(c, normal, cauchy, NULL), PPL_EINVAL);
    ck_assert_str_eq(ppl_error_text(c), "kl_register: the rule is NULL");
    ppl_ctx_free(c);
    ppl_ctx_free(other);
}
END_TEST

START_TEST(pairs_that_do_not_fit_are_refused)
{
    ppl_ctx *c = context(_i), *other = context(_i);
    ppl_tensor *one = ppl_scalar(c, 1), *three = ppl_full(c, PPL_SHAPE(3), 1);
    ppl_dist *q = ppl_normal(three, one), *p = ppl_normal(one, one);
    assert_fails(
        c, ppl_kl(ppl_event(q, 1), q), PPL_ESHAPE,
        "kl: normal has event_dim 1 and normal has event_dim 0; make them equal with "
        "ppl_event");
    assert_fails(
        c, ppl_kl(p, q), PPL_ESHAPE,
        "kl: p, normal of shape [3], does not broadcast to q, normal of shape []; a "
        "draw of q must be a value of p");
    assert_fails(
        c, ppl_kl(q, ppl_normal(ppl_full(c, PPL_SHAPE(2), 1), one)), PPL_ESHAPE,
        "kl: p, normal of shape [2], does not broadcast to q, normal of shape [3]; a "
        "draw of q must be a value of p");
    assert_fails(
        c, ppl_kl(ppl_categorical(three), ppl_categorical(ppl_full(c, PPL_SHAPE(4), 1))),
        PPL_ESHAPE, "kl: q has 3 categories and p has 4; they must have the same");
    assert_fails(c, ppl_kl(p, ppl_normal(ppl_scalar(other, 0), ppl_scalar(other, 1))),
                 PPL_EINVAL, "kl: normal and normal belong to two contexts");
    ck_assert_ptr_null(ppl_kl(NULL, q));
    ck_assert_ptr_null(ppl_kl(q, NULL));
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
    ppl_ctx_free(other);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        golden_numbers_are_met, nearby_members_keep_their_precision,
        shared_zeros_do_no_harm, a_kl_is_0_at_home_and_positive_elsewhere,
        arguments_are_q_then_p, samples_estimate_it, gradients_agree_with_differences,
        pairs_of_families_meet_quadrature, pairs_far_out_have_values_and_slopes,
        pairs_of_counts_meet_sums, parameterisations_mix, a_delta_has_a_kl_to_anything,
        events_are_summed_and_p_broadcasts, masks_are_joined,
        masked_infinities_move_nothing, a_context_has_rules_of_its_own,
        pairs_that_do_not_fit_are_refused, NULL
    };
    return run_tests("kl", tests);
}

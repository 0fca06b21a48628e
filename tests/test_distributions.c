/* SPDX-License-Identifier: MIT */
/*
 * test_distributions.c - every family against golden numbers and central differences, at
 * its edges and beyond them. Their samples: test_samplers.c. What all families share:
 * test_dist.c.
 */
#include "tensors.h"

#include "events.h"
#include "families.h"
#include "golden_json.h"

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
        found += has;
        ck_assert_msg(has || has_event_row(name),
                      "family %s has no row in tests/families/%s.inc", name, header);
    }
    fclose(file);
    return found;
}

/* Rows of one family stand together. */
static int families_with_rows(void)
{
    int count = 0;
    for (int i = 0; i < FAMILIES; i++)
        count += i == 0 || families[i].family != families[i - 1].family;
    return count;
}

START_TEST(every_family_has_a_row)
{
    int found = rows_in_header("constructed");
    found += rows_in_header("continuous");
    found += rows_in_header("discrete");
    found += rows_in_header("relaxed");
    ck_assert_int_eq(found, families_with_rows());
}
END_TEST

/* ---- Golden numbers ---------------------------------------------------------------- */

typedef struct answers {
    double log_prob, d_value, d_params[MOST_PARAMS], entropy, mean, variance;
    double cdf, d_cdf[MOST_PARAMS + 1], log_cdf, log_survival;
} answers;

static answers unknown(void)
{
    answers a;
    double *x = (double *)&a;
    for (size_t i = 0; i < sizeof a / sizeof *x; i++)
        x[i] = NAN;
    return a;
}

/* cdf, its gradient and its logarithms. */
static void ask_cdf(ppl_ctx *c, const family_row *row, const double *params, int count,
                    double at, answers *a)
{
    ppl_tensor *leaf[PPL_MAX_PARAMS], *value = make_values(c, row, PPL_SCALAR, &at);
    make_params(c, row, params, count, 1, leaf);
    if (differentiable(row))
        value = ppl_variable(c, PPL_SCALAR, &at);
    ppl_dist *d = row->make(leaf);
    ppl_tensor *cdf = ppl_cdf(d, value);
    a->cdf = ppl_item(cdf);
    a->log_cdf = ppl_item(ppl_log_cdf(d, value));
    a->log_survival = ppl_item(ppl_log_survival(d, value));
    ck_assert_msg(ppl_backward(cdf) == PPL_OK, "%s", ppl_error_text(c));
    if (differentiable(row))
        a->d_cdf[0] = ppl_item(ppl_grad(value));
    read_gradients(row, leaf, count, a->d_cdf + 1);
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
    read_gradients(row, leaf, count, a.d_params);
    if (d->family->entropy)
        a.entropy = ppl_item(ppl_entropy(d));
    if (d->family->mean)
        a.mean = ppl_item(ppl_dist_mean(d));
    if (d->family->variance)
        a.variance = ppl_item(ppl_dist_variance(d));
    if (d->family->cdf)
        ask_cdf(c, row, params, count, at, &a);
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_epoch_end(c, epoch);
    return a;
}

/* The tails of a cdf are to be right relative to themselves. Masses of counts cut far out are
 * differences of larger logarithms, and their derivatives of still larger ones (`slopes`). */
static void assert_answers(const char *family, int record, const answers *a,
                           const answers *b, int count, double relative, double absolute,
                           double slopes)
{
#define SAME(field, absolute)                                                            \
    assert_near(family, record, #field, a->field, b->field, relative, absolute)
    SAME(log_prob, absolute);
    SAME(d_value, absolute);
    for (int i = 0; i < count; i++)
        SAME(d_params[i], slopes);
    SAME(entropy, absolute);
    SAME(mean, absolute);
    SAME(variance, absolute);
    SAME(cdf, 1e-300);
    for (int i = 0; i <= count; i++)
        SAME(d_cdf[i], slopes);
    SAME(log_cdf, 1e-300);
    SAME(log_survival, 1e-300);
#undef SAME
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
        if (!round_member(row, params, count, &at))
            return;
        expected = ask(c[1], row, params, count, at);
        clip_to_float(&expected);
        found = ask(c[0], row, params, count, at);
        assert_answers(row->golden, record, &found, &expected, count, 1e-5,
                       row->counts ? 2e-5 : 1e-6, row->counts ? 1e-3 : 1e-6);
        return;
    }
    golden_numbers(golden, "log_prob", &expected.log_prob, 1);
    golden_numbers(golden, "d_value", &expected.d_value, 1);
    golden_numbers(golden, "d_params", expected.d_params, MOST_PARAMS);
    golden_numbers(golden, "entropy", &expected.entropy, 1);
    golden_numbers(golden, "mean", &expected.mean, 1);
    golden_numbers(golden, "variance", &expected.variance, 1);
    golden_numbers(golden, "cdf", &expected.cdf, 1);
    golden_numbers(golden, "d_cdf", expected.d_cdf, MOST_PARAMS + 1);
    golden_numbers(golden, "log_cdf", &expected.log_cdf, 1);
    golden_numbers(golden, "log_survival", &expected.log_survival, 1);
    found = ask(c[1], row, params, count, at);
    assert_answers(row->golden, record, &found, &expected, count, 1e-10, 1e-13, 1e-13);
}

/* The quantile at a probability of the file, or at that of the upper tail, in f64. */
static void check_quantile(ppl_ctx *c, const family_row *row, int record,
                           const json_t *golden)
{
    double params[MOST_PARAMS] = { 0 }, probability = NAN, expected = NAN;
    ppl_epoch epoch = ppl_epoch_begin(c);
    ppl_tensor *leaf[PPL_MAX_PARAMS];
    make_params(c, row, params, golden_numbers(golden, "params", params, MOST_PARAMS), 0, leaf);
    golden_numbers(golden, "value", &expected, 1);
    ppl_dist *d = row->make(leaf);
    if (golden_numbers(golden, "survival", &probability, 1))
        assert_near(row->golden, record, "inverse_survival",
                    ppl_item(ppl_inverse_survival(d, ppl_scalar(c, probability))),
                    expected, 1e-10, 1e-13);
    if (golden_numbers(golden, "probability", &probability, 1))
        assert_near(row->golden, record, "icdf",
                    ppl_item(ppl_icdf(d, ppl_scalar(c, probability))), expected, 1e-10,
                    1e-13);
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
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
        ck_assert_msg(!families[i].family->icdf || families[i].counts ||
                          json_array_size(quantiles) > 0,
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

/* ---- Far out ----------------------------------------------------------------------- */

/* The value of a record and its slopes in `leaf`, by a backward sweep. */
static void check_far(ppl_ctx *c, const char *family, int record, const json_t *golden,
                      const char *what, double absolute, ppl_tensor *y,
                      ppl_tensor *const *leaf, int count)
{
    double expected[1 + 2 * MOST_PARAMS];
    ck_assert_int_eq(golden_numbers(golden, what, expected, 1), 1);
    ck_assert_msg(ppl_backward(y) == PPL_OK, "%s: %s", family, ppl_error_text(c));
    assert_near(family, record, what, ppl_item(y), expected[0], 1e-10, absolute);
    ck_assert_int_eq(golden_numbers(golden, "slopes", expected, 1 + 2 * MOST_PARAMS), count);
    for (int i = 0; i < count; i++)
        assert_near(family, record, what, ppl_item(ppl_grad(leaf[i])), expected[i], 1e-10,
                    absolute);
}

static const char *far_family(const json_t *golden)
{
    return json_string_value(json_object_get(golden, "family"));
}

static ppl_tensor *far_answer(ppl_dist *d, ppl_tensor *x, const json_t *golden)
{
    double upper = 0;
    if (json_object_get(golden, "quantile")) {
        golden_numbers(golden, "upper", &upper, 1);
        return upper != 0 ? ppl_inverse_survival(d, x) : ppl_icdf(d, x);
    }
    if (!golden_numbers(golden, "upper", &upper, 1))
        return ppl_log_prob(d, x);
    return upper != 0 ? ppl_log_survival(d, x) : ppl_log_cdf(d, x);
}

/* Tails that underflow have their logarithms and all slopes of those; densities of large
 * concentrations have theirs, and so have quantiles that round to an end of the support. */
START_TEST(what_lies_far_out_has_slopes)
{
    ppl_ctx *c = context(1);
    json_t *root = golden_load("far.json");
    static const struct {
        const char *records, *what;
    } part[] = {
        { "densities", "log_prob" }, { "tails", "log_tail" }, { "quantiles", "quantile" }
    };
    for (int n = 0; n < COUNT_OF(part); n++) {
        const json_t *records = json_object_get(root, part[n].records);
        for (int k = 0; k < (int)json_array_size(records); k++) {
            const json_t *golden = json_array_get(records, (size_t)k);
            const family_row *row = row_of(far_family(golden));
            double params[MOST_PARAMS], x = NAN;
            int count = golden_numbers(golden, "params", params, MOST_PARAMS);
            ppl_tensor *leaf[1 + PPL_MAX_PARAMS];
            golden_numbers(golden, "value", &x, 1);
            make_params(c, row, params, count, 1, leaf + 1);
            leaf[0] = ppl_variable(c, PPL_SCALAR, &x);
            check_far(c, row->golden, k, golden, part[n].what, 1e-13,
                      far_answer(row->make(leaf + 1), leaf[0], golden), leaf, 1 + count);
        }
    }
    json_decref(root);
    ppl_ctx_free(c);
}
END_TEST

enum { OF_ENTROPY, OF_KL, OF_MEAN, OF_VARIANCE, OF_ALL };

static ppl_tensor *number_of(int which, ppl_dist *d, ppl_dist *other)
{
    return which == OF_ENTROPY ? ppl_entropy(d) : which == OF_KL ? ppl_kl(d, other)
           : which == OF_MEAN ? ppl_dist_mean(d) : ppl_dist_variance(d);
}

/* What grows as a log a in a Gamma's or a Beta's entropy and KL cancels, and is left out; what
 * is nearly certain has a variance. */
START_TEST(extreme_parameters_leave_all_digits)
{
    static const char *const list[] = { "entropies", "kls", "means", "variances" };
    static const char *const name[] = { "entropy", "kl", "mean", "variance" };
    ppl_ctx *c = context(1);
    json_t *root = golden_load("far.json");
    for (int which = 0; which < OF_ALL; which++) {
        const json_t *records = json_object_get(root, list[which]);
        for (int k = 0; k < (int)json_array_size(records); k++) {
            const json_t *golden = json_array_get(records, (size_t)k);
            const family_row *row = row_of(far_family(golden));
            double params[2 * MOST_PARAMS];
            int count = golden_numbers(golden, "params", params, 2 * MOST_PARAMS);
            int own = which == OF_KL ? count / 2 : count;
            ppl_tensor *leaf[2 * PPL_MAX_PARAMS];
            for (int from = 0; from < count; from += own)
                make_params(c, row, params + from, own, 1, leaf + from);
            check_far(c, row->golden, k, golden, name[which],
                      which == OF_MEAN || which == OF_VARIANCE ? 0 : 1e-13,
                      number_of(which, row->make(leaf),
                                which == OF_KL ? row->make(leaf + own) : NULL), leaf, count);
        }
    }
    json_decref(root);
    ppl_ctx_free(c);
}
END_TEST

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

/* ---- Gradients by central differences ---------------------------------------------- */

enum { LOG_PROB, CDF, ICDF, LOG_CDF, LOG_SURVIVAL, ENTROPY, MEAN, VARIANCE, QUANTITIES };
enum { VALUE = PPL_MAX_PARAMS, INPUTS };

/* input[0] is parameter 0, of shape [3,1] (or [3,1,K]), input[1] parameter 1, of shape
 * [2], later ones of [2,1,1]; input[VALUE] the value, of shape [2,3,2]. */
typedef struct problem {
    const family_row *row;
    int quantity;
    double input[INPUTS][12];
} problem;

static ppl_shape input_shape(const problem *p, int i)
{
    if (i == 0)
        return p->row->weights ? PPL_SHAPE(3, 1, p->row->weights) : PPL_SHAPE(3, 1);
    return i == 1 ? PPL_SHAPE(2) : i == VALUE ? PPL_SHAPE(2, 3, 2) : PPL_SHAPE(2, 1, 1);
}

static int exists(const problem *p, int i)
{
    return i == VALUE || i < param_count(p->row);
}

static int has_gradient(const problem *p, int i)
{
    return i == VALUE ? p->quantity < ENTROPY && differentiable(p->row)
                      : exists(p, i) && !is_integer(p->row, i);
}

/* A family made of others may lack what its row has. */
static int has_quantity(ppl_ctx *c, const family_row *row, int quantity)
{
    const ppl_family *f = make_member(c, row, row->point[0])->family;
    const int discrete = (f->flags & PPL_DISCRETE) != 0;
    switch (quantity) {
    case LOG_PROB:
        return f != &ppl_family_delta;
    case CDF:
        return f->cdf && !has_atoms(row);
    case ICDF:
        return f->icdf && !discrete;
    case ENTROPY:
        return f->entropy != NULL && !row->slow;
    case MEAN:
        return f->mean != NULL;
    case VARIANCE:
        return f->variance != NULL;
    }
    return f->cdf && !discrete && !has_atoms(row);
}

/* The parameters of point 1, moved; values as drawn, or probabilities. */
static void pose(ppl_ctx *c, const family_row *row, int quantity, problem *p)
{
    const double *point = row->point[1];
    const int stride = row->weights ? row->weights : 1;
    *p = (problem){ .row = row, .quantity = quantity };
    for (int k = 0; k < stride; k++)
        for (int i = 0; i < 3; i++)
            p->input[0][i * stride + k] =
                is_integer(row, 0) ? point[k] + i
                                   : point[k] * (0.75 - 0.25 * i) + 0.0625 * (i + 1);
    for (int k = 1; k < param_count(row); k++)
        for (int i = 0; i < 2; i++)
            p->input[k][i] = is_integer(row, k) ? point[k] + i
                                                : point[k] * (1 + (k == 1 ? 0.5 : 0.25) * i);
    ppl_tensor *params[PPL_MAX_PARAMS];
    for (int i = 0; i < param_count(row); i++)
        params[i] = make_param(c, row, i, input_shape(p, i), p->input[i], 0);
    ppl_dist *d = ppl_expand_dist(row->make(params), PPL_SHAPE(2, 3, 2));
    double *value = p->input[VALUE];
    ck_assert_msg(ppl_read(ppl_dist_sample(d, &test_rng), value, 12) == 12, "%s: %s",
                  row->golden, ppl_error_text(c));
    for (int i = 0; quantity == ICDF && i < 12; i++)
        value[i] = (i + 0.5) / 12;
}

static ppl_tensor *quantity_of(ppl_dist *d, int quantity, ppl_tensor *value)
{
    switch (quantity) {
    case LOG_PROB:
        return ppl_log_prob(d, value);
    case CDF:
        return ppl_cdf(d, value);
    case ICDF:
        return ppl_icdf(d, value);
    case LOG_CDF:
        return ppl_log_cdf(d, value);
    case LOG_SURVIVAL:
        return ppl_log_survival(d, value);
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
    for (int i = 0; i < INPUTS; i++) {
        ppl_shape shape = input_shape(p, i);
        int wanted = variable && has_gradient(p, i);
        if (!exists(p, i))
            continue;
        if (i < VALUE)
            leaf[i] = make_param(c, p->row, i, shape, p->input[i], wanted);
        else if (wanted)
            leaf[i] = ppl_variable(c, shape, p->input[i]);
        else
            leaf[i] = make_values(c, p->row, shape, p->input[i]);
    }
    ppl_tensor *t = quantity_of(p->row->make(leaf), p->quantity, leaf[VALUE]);
    ppl_tensor *w = ppl_from_doubles(c, PPL_SHAPE(2, 3, 2), weight);
    return ppl_sum(ppl_mul(t, w), PPL_ALL);
}

/* By two steps, one twice the other, so that only the fifth derivative is left over. */
static double difference(ppl_ctx *c, const problem *p, int i, int k)
{
    static const double side[] = { -2, -1, 1, 2 };
    ppl_tensor *leaf[INPUTS];
    double f[4], x = fabs(p->input[i][k]), h = 1e-5 * (x > 0 ? x : 1);
    for (int n = 0; n < 4; n++) {
        problem moved = *p;
        ppl_epoch epoch = ppl_epoch_begin(c);
        moved.input[i][k] += side[n] * h;
        f[n] = ppl_item(objective(c, &moved, 0, leaf));
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        ppl_epoch_end(c, epoch);
    }
    return (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h);
}

static void check_differences(ppl_ctx *const c[2], int dtype, const problem *p)
{
    ppl_tensor *leaf[INPUTS];
    ppl_tensor *root = objective(c[dtype], p, 1, leaf);
    ck_assert_msg(ppl_backward(root) == PPL_OK, "%s", ppl_error_text(c[dtype]));
    for (int i = 0; i < INPUTS; i++) {
        double gradient[12];
        if (!exists(p, i) || !has_gradient(p, i))
            continue;
        int64_t n = ppl_read(ppl_grad(leaf[i]), gradient, 12);
        for (int k = 0; k < n; k++) {
            double expected = difference(c[1], p, i, k), tolerance = dtype ? 1e-6 : 2e-4;
            /* By quadrature in float a kink is less sharp. */
            if (p->row->composed && p->quantity == ENTROPY && !dtype)
                tolerance = 2e-3;
            /* A mean that is not finite does not differ. */
            ck_assert_msg(
                isnan(expected) || is_near(gradient[k], expected, tolerance),
                "%s, quantity %d: derivative in input %d[%d] is %.12g, not %.12g",
                p->row->golden, p->quantity, i, k, gradient[k], expected);
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
            if (!has_quantity(c[1], row, quantity))
                continue;
            pose(c[1], row, quantity, &p);
            check_differences(c, _i, &p);
        }
    }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

/* ---- Distribution functions -------------------------------------------------------- */

static int has_cdf(const family_row *row)
{
    return row->family->cdf && differentiable(row) && !has_atoms(row);
}

START_TEST(cdfs_run_from_0_to_1)
{
    ppl_ctx *c = context(_i);
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        if (!has_cdf(row))
            continue;
        ppl_dist *d = make_member(c, row, row->point[0]);
        ppl_tensor *ends = numbers(c, -INFINITY, INFINITY, NAN);
        assert_elements(row->golden, ppl_cdf(d, ends), 3, LIST(0, 1, NAN), 0);
        assert_elements(row->golden, ppl_log_cdf(d, ends), 3, LIST(-INFINITY, 0, NAN), 0);
        assert_elements(row->golden, ppl_log_survival(d, ends), 3,
                        LIST(0, -INFINITY, NAN), 0);
        if (row->family->icdf) {
            ppl_tensor *none = numbers(c, -0.5, 1.5, NAN);
            assert_elements(row->golden, ppl_icdf(d, none), 3, LIST(NAN, NAN, NAN), 0);
            assert_elements(row->golden, ppl_inverse_survival(d, none), 3,
                            LIST(NAN, NAN, NAN), 0);
        }
    }
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

/* cdf and icdf undo each other, and the tails are those of one distribution. */
START_TEST(quantiles_undo_cdfs)
{
    static const double p[] = { 1e-6, 1e-3, 0.02, 0.25, 0.5, 0.625, 0.875, 0.99, 0.9999 };
    ppl_ctx *c = context(_i);
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        for (int k = 0; has_cdf(row) && row->family->icdf && has_point(row, k); k++) {
            ppl_dist *d = make_member(c, row, row->point[k]);
            ppl_tensor *at = vector(c, COUNT_OF(p), p), *x = ppl_icdf(d, at);
            ppl_tensor *rest = ppl_affine(at, -1, 1);
            double tolerance = (_i ? 1e-10 : 2e-4);
            ppl_tensor *again = ppl_cdf(d, x);
            assert_elements(row->golden, again, COUNT_OF(p), p, tolerance);
            assert_elements(row->golden, ppl_exp(ppl_log_cdf(d, x)), COUNT_OF(p), p,
                            tolerance);
            assert_elements(row->golden, ppl_affine(ppl_exp(ppl_log_survival(d, x)), -1, 1),
                            COUNT_OF(p), p, tolerance);
            again = ppl_cdf(d, ppl_inverse_survival(d, rest));
            assert_elements(row->golden, again, COUNT_OF(p), p, tolerance);
        }
    }
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
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
            for (int n = 0; n < (row->weights ? 1 : param_count(row)); n++)
                ck_assert_msg(is_integer(row, n) || isfinite(ppl_total(ppl_grad(leaf[n]))),
                              "%s: parameter %d", row->golden, n);
        }
        if (!has_whole_values(row))
            ck_assert_msg(isnan(ppl_item(ppl_log_prob(make_member(c, row, row->point[0]),
                                                      ppl_scalar(c, nan)))),
                          "%s", row->golden);
        for (int k = 0; k < 2 && !has_whole_values(row) && !row->counts &&
                        row->family != &ppl_family_von_mises; k++) {
            ppl_tensor *end = ppl_scalar(c, k ? INFINITY : -INFINITY);
            const double at_end = ppl_item(ppl_log_prob(make_member(c, row, row->point[0]),
                                                        end));
            ck_assert_msg(at_end == -INFINITY || (row->family->flags & PPL_DISCRETE),
                          "%s at %g is %g", row->golden, ppl_item(end), at_end);
        }
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

/* What a distribution can be asked, so that a crash or a hang would show. */
static void ask_everything(ppl_dist *d, ppl_tensor *x)
{
    const ppl_family *f = d->family;
    ck_assert_ptr_nonnull(ppl_log_prob(d, x));
    if (f->cdf && !(f->flags & PPL_DISCRETE)) {
        ck_assert_ptr_nonnull(ppl_log_cdf(d, x));
        ck_assert_ptr_nonnull(ppl_log_survival(d, x));
    }
    if (f->cdf)
        ck_assert_ptr_nonnull(ppl_cdf(d, x));
    if (f->icdf)
        ck_assert_ptr_nonnull(ppl_icdf(d, ppl_scalar(d->ctx, 0.25)));
    if (f->entropy)
        ck_assert_ptr_nonnull(ppl_entropy(d));
    if (f->mean)
        ck_assert_ptr_nonnull(ppl_dist_mean(d));
    if (f->variance)
        ck_assert_ptr_nonnull(ppl_dist_variance(d));
}

/* Parameters beyond all sense give NaN or anything else, but come back. */
START_TEST(unchecked_parameters_do_no_harm)
{
    static const double wild[] = { NAN, -1, 0, INFINITY, -INFINITY, 1e300, 1e-300 };
    ppl_ctx *c = lenient(_i);
    for (int i = 0; i < FAMILIES; i++)
        for (int k = 0; k < COUNT_OF(wild); k++)
            for (int j = 0; j < COUNT_OF(wild); j++) {
                double params[MOST_PARAMS];
                ppl_epoch epoch = ppl_epoch_begin(c);
                for (int n = 0; n < MOST_PARAMS; n++)
                    params[n] = n % 2 ? wild[j] : wild[k];
                ppl_tensor *leaf[PPL_MAX_PARAMS];
                make_params(c, &families[i], params, families[i].weights, 1, leaf);
                ppl_dist *d = families[i].make(leaf);
                ppl_tensor *x = ppl_dist_sample(d, &test_rng);
                ck_assert_ptr_nonnull(x);
                if (d->family->flags & PPL_REPARAM)
                    ck_assert_int_eq(ppl_backward(x), PPL_OK);
                ask_everything(families[i].make(leaf), x);
                ppl_epoch_end(c, epoch);
            }
    ppl_ctx_free(c);
}
END_TEST

/* A batch of nothing is a batch. */
START_TEST(empty_batches_are_valid)
{
    ppl_ctx *c = context(_i);
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        ppl_dist *d = ppl_expand_dist(make_member(c, row, row->point[0]),
                                      PPL_SHAPE(0, 3));
        ppl_tensor *x = ppl_dist_sample(d, &test_rng);
        ck_assert_msg(x != NULL, "%s: %s", row->golden, ppl_error_text(c));
        assert_shape(x, 0, 3);
        assert_shape(ppl_log_prob(d, x), 0, 3);
        ask_everything(d, x);
    }
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_family_has_a_row, golden_numbers_are_met, what_lies_far_out_has_slopes,
        extreme_parameters_leave_all_digits, pyro_fixtures_are_met,
        gradients_agree_with_differences, cdfs_run_from_0_to_1, quantiles_undo_cdfs,
        outside_the_support_log_prob_is_minus_infinity, unchecked_parameters_do_no_harm,
        empty_batches_are_valid, NULL
    };
    return run_tests("distributions", tests);
}

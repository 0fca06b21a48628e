/* SPDX-License-Identifier: MIT */
/*
 * test_multivariate.c - every family of vectors and matrices against golden numbers,
 * central differences and its own samples, and KL divergences within it.
 *
 * Samplers are tested at fixed keys: fits of 1e6 draws at probability 1e-4 or more
 * (Kolmogorov-Smirnov, or chi-square of each element where they are integers; 1e5 in
 * float, whose draws are those of double, rounded), moments (of 1e5) and pathwise
 * gradients (of 2e4) within 4 standard errors.
 */
#include "tensors.h"

#include "counts_fit.h"
#include "events.h"

#include <float.h>

static const ppl_rng rng = { { 1, 0x9abcdef0 } };

enum { DRAWS = 100000, PATHS = 20000, FITS = 1000000 };

static ppl_ctx *lenient(int i)
{
    return ppl_ctx_new(&(ppl_ctx_opts){ .dtype = i == 0 ? PPL_F32 : PPL_F64,
                                        .no_validation = 1 });
}

static int differentiable(const event_row *row)
{
    return !(row->family->flags & PPL_DISCRETE);
}

/* ---- The table is complete --------------------------------------------------------- */

static void check_header(const char *header)
{
    const char *dir = getenv("srcdir");
    char path[4096], line[256], name[64];
    snprintf(path, sizeof path, "%s/include/kiln/%s.h", dir ? dir : ".", header);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s cannot be read", path);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "PPL_API extern const ppl_family ppl_family_%63[a-z0-9_];",
                   name) == 1)
            ck_assert_msg(has_event_row(name), "family %s has no row in "
                          "tests/families/multivariate.inc", name);
    fclose(file);
}

START_TEST(every_family_has_a_row)
{
    (void)_i;
    check_header("hmm");
    check_header("multivariate");
}
END_TEST

/* ---- Golden numbers ---------------------------------------------------------------- */

enum { LOG_PROB, ENTROPY, MEAN, VARIANCE, COVARIANCE, MODE, QUANTITIES };

static const char *const quantity_name[QUANTITIES] = {
    "log_prob", "entropy", "mean", "variance", "covariance", "mode"
};

static int available(const event_row *row, int quantity)
{
    const ppl_family *f = row->family;
    return quantity == LOG_PROB || (quantity == ENTROPY && f->entropy) ||
           (quantity == MEAN && f->mean) || (quantity == VARIANCE && f->variance) ||
           (quantity == COVARIANCE && f->covariance) || (quantity == MODE && f->mode);
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
    case VARIANCE:
        return ppl_dist_variance(d);
    case COVARIANCE:
        return ppl_dist_covariance(d);
    }
    return ppl_dist_mode(d);
}

typedef struct answers {
    event of[QUANTITIES], d_value, d_param[EVENT_PARAMS];
} answers;

static event read_event(const ppl_tensor *t)
{
    event e = { .shape = ppl_tensor_shape(t), .n = (int)ppl_numel(t) };
    ck_assert_int_le(e.n, MOST_ELEMENTS);
    ppl_read(t, e.x, e.n);
    return e;
}

static void ask(ppl_ctx *c, const event_row *row, const member *m, const event *at,
                answers *a)
{
    ppl_tensor *leaf[EVENT_PARAMS];
    ppl_epoch epoch = ppl_epoch_begin(c);
    ppl_dist *d = make_event_member(c, row, m, 0, 1, leaf);
    ppl_tensor *value = differentiable(row) ? event_tensor(c, at, 0, 1)
                                            : make_event_values(c, row, at->shape, at->x);
    *a = (answers){ .d_value = { .n = 0 } };
    for (int q = 0; q < QUANTITIES; q++)
        if (available(row, q))
            a->of[q] = read_event(quantity_of(d, q, value));
    ck_assert_msg(ppl_backward(ppl_log_prob(d, value)) == PPL_OK, "%s: %s", row->golden,
                  ppl_error_text(c));
    if (differentiable(row))
        a->d_value = read_event(ppl_grad(value));
    for (int i = 0; i < m->params; i++)
        a->d_param[i] = read_event(ppl_grad(leaf[i]));
    ck_assert_msg(ppl_ok(c), "%s: %s", row->golden, ppl_error_text(c));
    ppl_epoch_end(c, epoch);
}

/* NaN is "not defined" in a file, and not compared. */
static void assert_event(const char *family, int record, const char *what, const event *x,
                         const event *expected, double relative, double absolute)
{
    double largest = 1;
    if (expected->n == 0)
        return;
    ck_assert_msg(x->n == expected->n, "%s, record %d: %s has %d elements, not %d",
                  family, record, what, x->n, expected->n);
    for (int k = 0; k < x->n; k++)
        if (isfinite(expected->x[k]))
            largest = fmax(largest, fabs(expected->x[k]));
    for (int k = 0; k < x->n; k++) {
        const double e = expected->x[k];
        ck_assert_msg(isnan(e) || x->x[k] == e ||
                          fabs(x->x[k] - e) <= relative * fabs(e) + absolute * largest,
                      "%s, record %d: %s[%d] is %.17g, not %.17g", family, record, what,
                      k, x->x[k], e);
    }
}

static void assert_answers(const event_row *row, int record, const answers *a,
                           const answers *b, double relative, double absolute)
{
    for (int q = 0; q < QUANTITIES; q++)
        assert_event(row->golden, record, quantity_name[q], &a->of[q], &b->of[q],
                     relative, absolute);
    assert_event(row->golden, record, "d_value", &a->d_value, &b->d_value, relative,
                 absolute);
    for (int i = 0; i < EVENT_PARAMS; i++)
        assert_event(row->golden, record, "d_params", &a->d_param[i], &b->d_param[i],
                     relative, absolute);
}

/* Rounds to float; 0 if that makes another kind of number of it. */
static int round_to_float(event *e)
{
    for (int k = 0; k < e->n; k++) {
        double rounded = (double)(float)e->x[k];
        if ((rounded == 0) != (e->x[k] == 0) || isinf(rounded) != isinf(e->x[k]))
            return 0;
        e->x[k] = rounded;
    }
    return 1;
}

static int round_member(member *m)
{
    int good = 1;
    for (int i = 0; i < m->params; i++)
        good &= round_to_float(&m->param[i]);
    return good;
}

/* What a float result can be of a double: nothing beyond its range. */
static void clip_to_float(event *e)
{
    for (int k = 0; k < e->n; k++)
        e->x[k] = (double)(float)e->x[k];
}

static void check_record(ppl_ctx *const c[2], int dtype, const event_row *row, int record,
                         const json_t *golden)
{
    static answers expected, found;
    member m = golden_member(golden, "params");
    event at = golden_event(golden, "value");
    ck_assert_ptr_nonnull(json_object_get(golden, "value"));
    if (dtype == 0) {
        if (json_object_get(golden, "f64_only") || !round_member(&m) ||
            !round_to_float(&at))
            return;
        ask(c[1], row, &m, &at, &expected);
        for (int q = 0; q < QUANTITIES; q++)
            clip_to_float(&expected.of[q]);
        clip_to_float(&expected.d_value);
        for (int i = 0; i < EVENT_PARAMS; i++)
            clip_to_float(&expected.d_param[i]);
        ask(c[0], row, &m, &at, &found);
        assert_answers(row, record, &found, &expected, 1e-5, 1e-6);
        return;
    }
    expected = (answers){ .d_value = golden_event(golden, "d_value") };
    for (int q = 0; q < QUANTITIES; q++)
        expected.of[q] = golden_event(golden, quantity_name[q]);
    const member d = golden_member(golden, "d_params");
    for (int i = 0; i < d.params; i++)
        expected.d_param[i] = d.param[i];
    ask(c[1], row, &m, &at, &found);
    assert_answers(row, record, &found, &expected, 1e-10, 1e-13);
}

static json_t *load(const char *folder, const event_row *row)
{
    char file[128];
    snprintf(file, sizeof file, "%s/%s.json", folder, row->golden);
    return golden_load(file);
}

/* f64 against the file; f32 against f64 at the parameters that float can hold. */
START_TEST(golden_numbers_are_met)
{
    ppl_ctx *c[2] = { context(0), context(1) };
    for (int i = 0; i < EVENT_ROWS; i++) {
        json_t *root = load("distributions", &event_rows[i]);
        const json_t *records = json_object_get(root, "records");
        ck_assert_msg(json_array_size(records) >= 20, "no golden numbers of %s",
                      event_rows[i].golden);
        for (size_t k = 0; k < json_array_size(records); k++)
            check_record(c, _i, &event_rows[i], (int)k, json_array_get(records, k));
        json_decref(root);
    }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

/* ---- KL ---------------------------------------------------------------------------- */

typedef struct kl_answers {
    event kl, d[2][EVENT_PARAMS];
} kl_answers;

static void ask_kl(ppl_ctx *c, const event_row *row, const member *q, const member *p,
                   kl_answers *a)
{
    ppl_tensor *leaf[2][EVENT_PARAMS];
    ppl_epoch epoch = ppl_epoch_begin(c);
    ppl_dist *from = make_event_member(c, row, q, 0, 1, leaf[0]);
    ppl_tensor *kl = ppl_kl(from, make_event_member(c, row, p, 0, 1, leaf[1]));
    ck_assert_msg(ppl_backward(kl) == PPL_OK, "%s: %s", row->golden, ppl_error_text(c));
    *a = (kl_answers){ .kl = read_event(kl) };
    for (int i = 0; i < q->params; i++) {
        a->d[0][i] = read_event(ppl_grad(leaf[0][i]));
        a->d[1][i] = read_event(ppl_grad(leaf[1][i]));
    }
    ppl_epoch_end(c, epoch);
}

static void check_kl_record(ppl_ctx *const c[2], int dtype, const event_row *row,
                            int record, const json_t *golden)
{
    static kl_answers expected, found;
    const double relative = dtype ? 1e-10 : 1e-5, absolute = dtype ? 1e-13 : 1e-6;
    member q = golden_member(golden, "q"), p = golden_member(golden, "p");
    if (dtype == 0) {
        if (json_object_get(golden, "f64_only") || !round_member(&q) ||
            !round_member(&p))
            return;
        ask_kl(c[1], row, &q, &p, &expected);
    } else {
        const member d_q = golden_member(golden, "d_q"), d_p = golden_member(golden,
                                                                             "d_p");
        expected = (kl_answers){ .kl = golden_event(golden, "kl") };
        for (int i = 0; i < q.params; i++) {
            expected.d[0][i] = d_q.param[i];
            expected.d[1][i] = d_p.param[i];
        }
    }
    ask_kl(c[dtype], row, &q, &p, &found);
    assert_event(row->golden, record, "kl", &found.kl, &expected.kl, relative, absolute);
    for (int i = 0; i < q.params; i++) {
        assert_event(row->golden, record, "d_q", &found.d[0][i], &expected.d[0][i],
                     relative, absolute);
        assert_event(row->golden, record, "d_p", &found.d[1][i], &expected.d[1][i],
                     relative, absolute);
    }
}

START_TEST(golden_kls_are_met)
{
    ppl_ctx *c[2] = { context(0), context(1) };
    for (int i = 0; i < EVENT_ROWS; i++) {
        if (!event_rows[i].family->kl)
            continue;
        json_t *root = load("kl", &event_rows[i]);
        const json_t *records = json_object_get(root, "records");
        ck_assert_msg(json_array_size(records) >= 8, "no golden KL of %s",
                      event_rows[i].golden);
        for (size_t k = 0; k < json_array_size(records); k++)
            check_kl_record(c, _i, &event_rows[i], (int)k, json_array_get(records, k));
        json_decref(root);
    }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

/* ---- Gradients by central differences ---------------------------------------------- */

/* Inputs are the parameters, in batches of [3,1], [2], [1], [1], .. made of the points in
 * turn, and last the value, [2,3,2] draws. */
typedef struct problem {
    const event_row *row;
    int quantity, params;
    double attr[EVENT_ATTRS];
    ppl_shape shape[EVENT_PARAMS + 1];
    int n[EVENT_PARAMS + 1], event[EVENT_PARAMS + 1];   /* elements, of one event */
    double x[EVENT_PARAMS + 1][12 * MOST_ELEMENTS];
} problem;

static ppl_shape joined(ppl_shape batch, const ppl_shape *own)
{
    for (int a = 0; a < own->rank; a++)
        batch.dim[batch.rank++] = own->dim[a];
    return batch;
}

static int read_points(const event_row *row, member *points)
{
    json_t *root = load("distributions", row);
    const json_t *list = json_object_get(root, "points");
    const int count = (int)json_array_size(list);
    ck_assert_msg(count >= 2 && count <= EVENT_POINTS, "%s has %d points", row->golden,
                  count);
    for (int k = 0; k < count; k++)
        points[k] = golden_member(json_array_get(list, (size_t)k), "params");
    json_decref(root);
    return count;
}

static void pose(ppl_ctx *c, const event_row *row, int quantity, problem *p)
{
    static member points[EVENT_POINTS];
    const int count = read_points(row, points);
    ppl_tensor *params[EVENT_PARAMS];
    *p = (problem){ .row = row, .quantity = quantity, .params = points[0].params };
    memcpy(p->attr, points[0].attr, sizeof p->attr);
    for (int i = 0; i < p->params; i++) {
        const event *e = &points[0].param[i];
        const int copies = i == 0 ? 3 : i == 1 ? 2 : 1;
        p->shape[i] = joined(i == 0 ? PPL_SHAPE(3, 1) : i == 1 ? PPL_SHAPE(2)
                             : PPL_SHAPE(1), &e->shape);
        p->event[i] = e->n;
        p->n[i] = copies * e->n;
        for (int k = 0; k < copies; k++)
            memcpy(p->x[i] + k * e->n, points[(i + k) % count].param[i].x,
                   (size_t)e->n * sizeof(double));
        params[i] = ppl_from_doubles(c, p->shape[i], p->x[i]);
    }
    ppl_dist *d = ppl_expand_dist(row->make(params, p->attr), PPL_SHAPE(2, 3, 2));
    ppl_tensor *x = ppl_dist_sample(d, &rng);
    ck_assert_msg(x != NULL, "%s: %s", row->golden, ppl_error_text(c));
    p->shape[p->params] = ppl_tensor_shape(x);
    p->n[p->params] = (int)ppl_numel(x);
    p->event[p->params] = (int)ppl_numel(x) / 12;
    ppl_read(x, p->x[p->params], p->n[p->params]);
}

static int has_gradient(const problem *p, int i)
{
    return p->row->moves[i] != 'n' &&
           (i < p->params || (p->quantity == LOG_PROB && differentiable(p->row)));
}

/* A weighted sum of the quantity's elements that are finite. */
static ppl_tensor *objective(ppl_ctx *c, const problem *p, int variable,
                             ppl_tensor **leaf)
{
    static double weight[12 * MOST_ELEMENTS * 4], value[12 * MOST_ELEMENTS * 4];
    static unsigned char finite[12 * MOST_ELEMENTS * 4];
    for (int i = 0; i <= p->params; i++)
        leaf[i] = variable && has_gradient(p, i) ? ppl_variable(c, p->shape[i], p->x[i])
                  : i < p->params ? ppl_from_doubles(c, p->shape[i], p->x[i])
                                  : make_event_values(c, p->row, p->shape[i], p->x[i]);
    ppl_tensor *t = quantity_of(p->row->make(leaf, p->attr), p->quantity,
                                leaf[p->params]);
    ck_assert_msg(t != NULL, "%s: %s", p->row->golden, ppl_error_text(c));
    ck_assert_int_le(ppl_numel(t), COUNT_OF(weight));
    ppl_read(t, value, COUNT_OF(value));
    for (int k = 0; k < ppl_numel(t); k++) {
        weight[k] = (k * 7 % 11 - 4.5) / 4;
        finite[k] = isfinite(value[k]);
    }
    ppl_tensor *w = ppl_from_doubles(c, ppl_tensor_shape(t), weight);
    ppl_tensor *mask = ppl_from_mask(c, ppl_tensor_shape(t), finite);
    return ppl_sum(ppl_where(mask, ppl_mul(t, w), ppl_scalar(c, 0)), PPL_ALL);
}

/* Where element k of a square matrix is mirrored. */
static int mirrored(const problem *p, int i, int k)
{
    const ppl_shape *s = &p->shape[i];
    const int n = (int)s->dim[s->rank - 1], start = k - k % (n * n), at = k - start;
    return start + at % n * n + at / n;
}

/* The derivative in element k of input i, as gradients give it (events.h: moves). */
static double difference(ppl_ctx *c, const problem *p, int i, int k, double h)
{
    static problem moved;
    ppl_tensor *leaf[EVENT_PARAMS + 1];
    const char move = p->row->moves[i];
    const int twin = move == 'f' ? k : mirrored(p, i, k);
    double f[2];
    if ((move == 'l' && twin > k) || (move == '-' && p->quantity == LOG_PROB))
        return 0;
    for (int side = 0; side < 2; side++) {
        ppl_epoch epoch = ppl_epoch_begin(c);
        moved = *p;
        moved.x[i][k] += side ? h : -h;
        if (move == 's' && twin != k)
            moved.x[i][twin] += side ? h : -h;
        f[side] = ppl_item(objective(c, &moved, 0, leaf));
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        ppl_epoch_end(c, epoch);
    }
    return (f[1] - f[0]) / (2 * h) / (move == 's' && twin != k ? 2 : 1);
}

static void check_differences(ppl_ctx *const c[2], int dtype, const problem *p)
{
    static double gradient[12 * MOST_ELEMENTS];
    ppl_tensor *leaf[EVENT_PARAMS + 1];
    ppl_tensor *root = objective(c[dtype], p, 1, leaf);
    ck_assert_msg(ppl_backward(root) == PPL_OK, "%s: %s", p->row->golden,
                  ppl_error_text(c[dtype]));
    for (int i = 0; i <= p->params; i++) {
        if (!has_gradient(p, i))
            continue;
        ppl_read(ppl_grad(leaf[i]), gradient, p->n[i]);
        for (int k = 0; k < p->n[i]; k++) {
            const double x = fabs(p->x[i][k]), tolerance = dtype ? 1e-6 : 5e-4;
            double expected = difference(c[1], p, i, k, 1e-5 * fmax(x, 0.0625));
            if (!is_near(gradient[k], expected, tolerance) && x > 0)
                expected = difference(c[1], p, i, k, (x < 0.0625 ? 1e-5 : 1e-6) * x);
            ck_assert_msg(is_near(gradient[k], expected, tolerance),
                          "%s, %s: derivative in input %d[%d] is %.12g, not %.12g",
                          p->row->golden, quantity_name[p->quantity], i, k, gradient[k],
                          expected);
        }
    }
}

/* Unchecked, as a difference leaves a simplex, and what is not open. */
START_TEST(gradients_agree_with_differences)
{
    static problem p;
    ppl_ctx *c[2] = { lenient(0), lenient(1) };
    for (int i = 0; i < EVENT_ROWS; i++)
        for (int quantity = 0; quantity < QUANTITIES; quantity++) {
            if (!available(&event_rows[i], quantity))
                continue;
            pose(c[1], &event_rows[i], quantity, &p);
            check_differences(c, _i, &p);
        }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

/* ---- Samples ----------------------------------------------------------------------- */

/* n draws as doubles; the caller frees. *size is the number of elements of each. */
static double *draw(ppl_ctx *c, const event_row *row, const member *m, int n, int *size)
{
    ppl_tensor *leaf[EVENT_PARAMS];
    ppl_dist *d = ppl_expand_dist(make_event_member(c, row, m, 0, 0, leaf), PPL_SHAPE(n));
    ppl_tensor *t = ppl_dist_sample(d, &rng);
    ck_assert_msg(t != NULL, "%s: %s", row->golden, ppl_error_text(c));
    double *x = malloc((size_t)ppl_numel(t) * sizeof *x);
    ppl_read(t, x, ppl_numel(t));
    *size = (int)(ppl_numel(t) / n);
    return x;
}

static void assert_mean(const event_row *row, int point, const char *what, int k,
                        const double *value, double expected)
{
    const mean_error m = mean_of(value, DRAWS);
    ck_assert_msg(fabs(m.mean - expected) <= 4 * m.error + 1e-5 * fabs(expected) + 1e-7,
                  "%s, point %d: %s %d is %g, not %g +- %g", row->golden, point, what, k,
                  m.mean, expected, m.error);
}

/* Means, variances and covariances of all elements, within 4 standard errors. */
static void check_moments(ppl_ctx *c, const event_row *row, int point, const member *m,
                          const double *x, int n)
{
    static double value[DRAWS];
    ppl_tensor *leaf[EVENT_PARAMS];
    ppl_dist *d = make_event_member(c, row, m, 0, 0, leaf);
    event mean = read_event(ppl_dist_mean(d)), known;
    for (int k = 0; k < n; k++) {
        for (int i = 0; i < DRAWS; i++)
            value[i] = x[i * n + k];
        assert_mean(row, point, "mean", k, value, mean.x[k]);
    }
    if (row->family->variance) {
        known = read_event(ppl_dist_variance(d));
        for (int k = 0; k < n; k++) {
            for (int i = 0; i < DRAWS; i++)
                value[i] = pow(x[i * n + k] - mean.x[k], 2);
            assert_mean(row, point, "variance", k, value, known.x[k]);
        }
    }
    if (row->family->covariance) {
        known = read_event(ppl_dist_covariance(d));
        for (int k = 0; k < n * n; k++) {
            for (int i = 0; i < DRAWS; i++)
                value[i] = (x[i * n + k / n] - mean.x[k / n]) *
                           (x[i * n + k % n] - mean.x[k % n]);
            assert_mean(row, point, "covariance", k, value, known.x[k]);
        }
    }
}

static void assert_fit(const event_row *row, int point, int element, double p)
{
    ck_assert_msg(p > 1e-4, "%s, point %d: element %d fits with probability %g",
                  row->golden, point, element, p);
}

static void check_statistic(const event_row *row, int point, const member *m,
                            const double *x, int n, int draws)
{
    static double u[FITS];
    for (int i = 0; i < draws; i++)
        u[i] = row->cdf(row->statistic(x + (size_t)i * (size_t)n, m), m);
    assert_fit(row, point, -1, ks_probability(u, draws));
}

/* The first and the last element, brought to mean 0 and variance 1 by the family's own. */
static void check_ends(ppl_ctx *c, const event_row *row, int point, const member *m,
                       const double *x, int n, int draws)
{
    static double u[FITS];
    ppl_tensor *leaf[EVENT_PARAMS];
    ppl_dist *d = make_event_member(c, row, m, 0, 0, leaf);
    event mean = read_event(ppl_dist_mean(d)), variance = read_event(ppl_dist_variance(d));
    for (int k = 0; k < n; k += n > 1 ? n - 1 : 1) {
        for (int i = 0; i < draws; i++)
            u[i] = row->cdf((x[(size_t)i * (size_t)n + (size_t)k] - mean.x[k]) /
                            sqrt(variance.x[k]), m);
        assert_fit(row, point, k, ks_probability(u, draws));
    }
}

static void check_marginals(ppl_ctx *c, const event_row *row, int point, const member *m,
                            const double *x, int n, int draws)
{
    static double value[FITS];
    for (int k = 0; k < n; k++) {
        double low = x[k], high = x[k];
        for (int i = 0; i < draws; i++) {
            value[i] = x[(size_t)i * (size_t)n + (size_t)k];
            low = fmin(low, value[i]);
            high = fmax(high, value[i]);
        }
        assert_fit(row, point, k,
                   counts_fit(row->marginal(c, m, k), draws, value, low, high));
    }
}

/* _i counts families and, within each, dtypes: each in a process of its own. Integers are
 * the same in both. */
START_TEST(samples_fit)
{
    static member points[EVENT_POINTS];
    ppl_ctx *c = context(_i % DTYPES);
    const event_row *row = &event_rows[_i / DTYPES];
    const int count = read_points(row, points), draws = _i % DTYPES == 1 ? FITS : DRAWS;
    for (int k = 0; k < count; k++) {
        ppl_epoch epoch = ppl_epoch_begin(c);
        int n;
        double *x = draw(c, row, &points[k], draws, &n);
        if (row->statistic)
            check_statistic(row, k, &points[k], x, n, draws);
        else if (row->cdf)
            check_ends(c, row, k, &points[k], x, n, draws);
        if (row->marginal && _i % DTYPES == 1)
            check_marginals(c, row, k, &points[k], x, n, draws);
        if (row->family->mean)
            check_moments(c, row, k, &points[k], x, n);
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        free(x);
        ppl_epoch_end(c, epoch);
    }
    ppl_ctx_free(c);
}
END_TEST

/* ---- Pathwise gradients ------------------------------------------------------------ */

/* Weights of a sum over a draw's elements. */
static ppl_tensor *weights_like(ppl_ctx *c, const ppl_tensor *like)
{
    double w[MOST_ELEMENTS];
    for (int k = 0; k < ppl_numel(like); k++)
        w[k] = (k * 5 % 7 - 2.25) / 4;
    return ppl_from_doubles(c, ppl_tensor_shape(like), w);
}

/* sum w x and sum w x^2 of draws [..,event]: one number for each. */
static ppl_tensor *function_of(ppl_tensor *x, ppl_tensor *w, int power, int axes)
{
    return ppl_sum_last(ppl_mul(w, power == 1 ? x : ppl_mul(x, x)), axes);
}

/* Of parameter i, one copy for each draw: the mean slopes against the exact ones. */
static void check_slopes(const event_row *row, int point, int power, int i,
                         const double *slope, const event *exact)
{
    static double value[PATHS];
    for (int k = 0; k < exact->n; k++) {
        for (int j = 0; j < PATHS; j++)
            value[j] = slope[j * exact->n + k];
        const mean_error m = mean_of(value, PATHS);
        ck_assert_msg(fabs(m.mean - exact->x[k]) <=
                          4 * m.error + 1e-5 * fabs(exact->x[k]) + 1e-7,
                      "%s, point %d: dE[x^%d] by parameter %d[%d] is %g, not %g +- %g",
                      row->golden, point, power, i, k, m.mean, exact->x[k], m.error);
    }
}

/* E[sum w x] and E[sum w x^2] move with the parameters as the moments do. */
static void check_pathwise(ppl_ctx *c, const event_row *row, int point, const member *m,
                           int power)
{
    static double slope[PATHS * MOST_ELEMENTS];
    ppl_tensor *one[EVENT_PARAMS], *leaf[EVENT_PARAMS];
    ppl_dist *d = make_event_member(c, row, m, 0, 1, one);
    ppl_tensor *exact = ppl_dist_mean(d), *w = weights_like(c, exact);
    const int axes = row->family->event_dim;
    if (power == 2)
        exact = ppl_add(ppl_mul(exact, exact), ppl_dist_variance(d));
    ck_assert_int_eq(ppl_backward(ppl_sum(ppl_mul(w, exact), PPL_ALL)), PPL_OK);
    d = make_event_member(c, row, m, PATHS, 1, leaf);
    ppl_tensor *f = function_of(ppl_dist_sample(d, &rng), w, power, axes);
    ck_assert_msg(ppl_backward(ppl_sum(f, PPL_ALL)) == PPL_OK, "%s: %s", row->golden,
                  ppl_error_text(c));
    for (int i = 0; i < m->params; i++) {
        const event expected = read_event(ppl_grad(one[i]));
        ppl_read(ppl_grad(leaf[i]), slope, PATHS * expected.n);
        check_slopes(row, point, power, i, slope, &expected);
    }
}

START_TEST(pathwise_gradients_are_unbiased)
{
    static member points[EVENT_POINTS];
    ppl_ctx *c = context(_i % DTYPES);
    const event_row *row = &event_rows[_i / DTYPES];
    const int count = read_points(row, points);
    for (int k = 0; (row->family->flags & PPL_REPARAM) && row->family->mean && k < count;
         k++)
        for (int power = 1; power <= (row->family->variance ? 2 : 1); power++) {
            ppl_epoch epoch = ppl_epoch_begin(c);
            check_pathwise(c, row, k, &points[k], power);
            ppl_epoch_end(c, epoch);
        }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(a_draw_depends_on_its_element_alone)
{
    static member points[EVENT_POINTS];
    ppl_ctx *c = context(_i);
    for (int i = 0; i < EVENT_ROWS; i++) {
        const event_row *row = &event_rows[i];
        int n, others = 0;
        read_points(row, points);
        double *few = draw(c, row, &points[0], 7, &n);
        double *many = draw(c, row, &points[0], 100, &n);
        ck_assert_msg(memcmp(few, many, (size_t)(7 * n) * sizeof *few) == 0, "%s",
                      row->golden);
        for (int k = n; k < 100 * n; k++)
            others += many[k] != many[k % n];
        ck_assert_msg(others > 0 || n == 0, "%s", row->golden);
        free(few);
        free(many);
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(both_dtypes_draw_the_same)
{
    static member points[EVENT_POINTS];
    ppl_ctx *c[2] = { context(0), context(1) };
    for (int i = 0; i < EVENT_ROWS; i++) {
        const event_row *row = &event_rows[i];
        int n;
        read_points(row, points);
        round_member(&points[0]);
        double *x = draw(c[0], row, &points[0], 200, &n);
        double *y = draw(c[1], row, &points[0], 200, &n);
        for (int k = 0; k < 200 * n; k++)
            ck_assert_msg(fabs(x[k] - y[k]) <= 1e-6 * fabs(y[k]) + 2e-7,
                          "%s: element %d is %.9g and %.17g", row->golden, k, x[k], y[k]);
        free(x);
        free(y);
    }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
}
END_TEST

/* ---- Edges ------------------------------------------------------------------------- */

START_TEST(an_empty_batch_gives_empty_results)
{
    static member points[EVENT_POINTS];
    ppl_ctx *c = context(_i);
    for (int i = 0; i < EVENT_ROWS; i++) {
        const event_row *row = &event_rows[i];
        ppl_tensor *leaf[EVENT_PARAMS];
        read_points(row, points);
        for (int k = 0; k < points[0].params; k++) {
            const ppl_shape shape = joined(PPL_SHAPE(0), &points[0].param[k].shape);
            leaf[k] = ppl_variable(c, shape, points[0].param[k].x);
        }
        ppl_dist *d = row->make(leaf, points[0].attr);
        ppl_tensor *x = ppl_dist_sample(d, &rng);
        for (int q = 0; q < QUANTITIES; q++) {
            ppl_tensor *t = available(row, q) ? quantity_of(d, q, x) : NULL;
            ck_assert_msg(ppl_ok(c), "%s: %s", row->golden, ppl_error_text(c));
            ck_assert_int_eq(ppl_numel(t), 0);
        }
        ck_assert_int_eq(ppl_backward(ppl_sum(ppl_log_prob(d, x), PPL_ALL)), PPL_OK);
    }
    ppl_ctx_free(c);
}
END_TEST

/* Parameters beyond all sense give NaN or anything else, or an error of singular
 * matrices; but come back. */
START_TEST(unchecked_parameters_do_no_harm)
{
    static const double wild[] = { NAN, -1, 0, INFINITY, -INFINITY, 1e300 };
    static member points[EVENT_POINTS];
    ppl_ctx *c = lenient(_i);
    for (int i = 0; i < EVENT_ROWS; i++)
        for (int k = 0; k < COUNT_OF(wild) * COUNT_OF(wild); k++) {
            const event_row *row = &event_rows[i];
            ppl_tensor *leaf[EVENT_PARAMS];
            read_points(row, points);
            member *m = &points[0];
            for (int n = 0; n < m->params; n++)
                for (int j = 0; j < m->param[n].n; j++)
                    m->param[n].x[j] = (n + j) % 2 ? wild[k % COUNT_OF(wild)]
                                                   : wild[k / COUNT_OF(wild)];
            ppl_dist *d = make_event_member(c, row, m, 0, 1, leaf);
            ppl_tensor *x = ppl_dist_sample(d, &rng);
            ppl_tensor *y = ppl_log_prob(d, x);
            if (x && (row->family->flags & PPL_REPARAM))
                ck_assert_int_eq(ppl_backward(ppl_sum(x, PPL_ALL)), PPL_OK);
            if (y)
                ck_assert_int_eq(ppl_backward(y), PPL_OK);
            ck_assert_msg(ppl_ok(c) || ppl_error(c) == PPL_ESINGULAR, "%s: %s",
                          row->golden, ppl_error_text(c));
            ppl_clear_error(c);
        }
    ppl_ctx_free(c);
}
END_TEST

/* A masked element's value may be anything: nothing of it reaches a gradient. */
START_TEST(nan_behind_a_mask_reaches_no_gradient)
{
    static member points[EVENT_POINTS];
    static const unsigned char first[] = { 1, 0 };
    ppl_ctx *c = lenient(_i);
    for (int i = 0; i < EVENT_ROWS; i++) {
        const event_row *row = &event_rows[i];
        ppl_tensor *leaf[EVENT_PARAMS];
        int n;
        if (!differentiable(row))
            continue;
        read_points(row, points);
        double *x = draw(c, row, &points[0], 2, &n);
        ppl_dist *d = make_event_member(c, row, &points[0], 0, 1, leaf);
        for (int k = n; k < 2 * n; k++)
            x[k] = NAN;
        ppl_shape shape = joined(PPL_SHAPE(2), &d->shape);
        d = ppl_masked(ppl_expand_dist(d, PPL_SHAPE(2)),
                       ppl_from_mask(c, PPL_SHAPE(2), first));
        ppl_tensor *at = ppl_variable(c, shape, x);
        ppl_tensor *root = ppl_sum(ppl_log_prob(d, at), PPL_ALL);
        ck_assert_msg(ppl_backward(root) == PPL_OK, "%s: %s", row->golden,
                      ppl_error_text(c));
        ck_assert_msg(isfinite(ppl_item(root)) && isfinite(ppl_total(ppl_grad(at))), "%s",
                      row->golden);
        for (int k = 0; k < points[0].params; k++)
            ck_assert_msg(isfinite(ppl_total(ppl_grad(leaf[k]))), "%s", row->golden);
        free(x);
    }
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_family_has_a_row, golden_numbers_are_met, golden_kls_are_met,
        gradients_agree_with_differences, a_draw_depends_on_its_element_alone,
        both_dtypes_draw_the_same, an_empty_batch_gives_empty_results,
        unchecked_parameters_do_no_harm, nan_behind_a_mask_reaches_no_gradient, NULL
    };
    const TTest *const heavy[] = { samples_fit, pathwise_gradients_are_unbiased, NULL };
    Suite *suite = suite_create("multivariate");
    TCase *quick = tcase_create("quick"), *slow = tcase_create("samples");
    for (const TTest *const *t = tests; *t; t++)
        tcase_add_loop_test(quick, *t, 0, DTYPES);
    for (const TTest *const *t = heavy; *t; t++)
        tcase_add_loop_test(slow, *t, 0, DTYPES * EVENT_ROWS);
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

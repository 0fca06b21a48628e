/* SPDX-License-Identifier: MIT */
/*
 * test_hmm.c - hidden Markov models beyond what test_multivariate asks of every family:
 * filters and posteriors, time axes, observations of other kinds, and what is refused.
 */
#include "fixture.h"

#include "events.h"

static const ppl_rng rng = { { 0x12345678, 0x9abcdef0 } };

static void assert_all(const char *what, int record, const ppl_tensor *t,
                       const event *expected, double tolerance)
{
    event found = { .n = (int)ppl_numel(t) };
    ck_assert_msg(found.n == expected->n, "%s, case %d: %d elements, not %d", what,
                  record, found.n, expected->n);
    ppl_read(t, found.x, found.n);
    for (int k = 0; k < found.n; k++)
        ck_assert_msg(is_near(found.x[k], expected->x[k], tolerance),
                      "%s, case %d: element %d is %.17g, not %.17g", what, record, k,
                      found.x[k], expected->x[k]);
}

/* ---- Discrete states --------------------------------------------------------------- */

static ppl_dist *normal_hmm(ppl_ctx *c, const member *m, int64_t duration)
{
    ppl_tensor *p[4];
    for (int i = 0; i < 4; i++)
        p[i] = event_tensor(c, &m->param[i], 0, 0);
    return ppl_discrete_hmm(p[0], p[1], ppl_normal(p[2], p[3]), duration);
}

/* The probabilities of a categorical by logits. */
static ppl_tensor *probabilities(ppl_dist *d)
{
    ck_assert_ptr_nonnull(d);
    return ppl_softmax(d->param[0], -1);
}

START_TEST(discrete_states_are_known)
{
    ppl_ctx *c = start(_i);
    json_t *root = golden_load("hmm.json");
    const json_t *cases = json_object_get(root, "discrete");
    ck_assert_int_ge((int)json_array_size(cases), 20);
    for (size_t k = 0; k < json_array_size(cases); k++) {
        const json_t *record = json_array_get(cases, k);
        const member m = golden_member(record, "params");
        const event value = golden_event(record, "value");
        const event filter = golden_event(record, "filter");
        const event posterior = golden_event(record, "posterior");
        const double tolerance = _i ? 1e-12 : 5e-4;
        ppl_dist *d = normal_hmm(c, &m, value.n);
        ppl_tensor *x = event_tensor(c, &value, 0, 0);
        assert_all("filter", (int)k, probabilities(ppl_discrete_hmm_filter(d, x)),
                   &filter, tolerance);
        assert_all("posterior", (int)k, probabilities(ppl_discrete_hmm_posterior(d, x)),
                   &posterior, tolerance);
    }
    json_decref(root);
    stop(c);
}
END_TEST

START_TEST(observations_may_be_categories)
{
    ppl_ctx *c = start(_i);
    json_t *root = golden_load("hmm.json");
    const json_t *cases = json_object_get(root, "categorical");
    for (size_t k = 0; k < json_array_size(cases); k++) {
        const json_t *record = json_array_get(cases, k);
        const member m = golden_member(record, "params");
        const event value = golden_event(record, "value");
        const event log_prob = golden_event(record, "log_prob");
        const event posterior = golden_event(record, "posterior");
        const double tolerance = _i ? 1e-12 : 1e-5;
        int64_t x[8], draws[8];
        for (int i = 0; i < value.n; i++)
            x[i] = (int64_t)value.x[i];
        ppl_dist *each = ppl_categorical(event_tensor(c, &m.param[2], 0, 0));
        ppl_dist *d = ppl_discrete_hmm(event_tensor(c, &m.param[0], 0, 0),
                                       event_tensor(c, &m.param[1], 0, 0), each, value.n);
        ppl_tensor *at = ppl_from_integers(c, PPL_SHAPE(value.n), x);
        assert_all("log_prob", (int)k, ppl_log_prob(d, at), &log_prob, tolerance);
        assert_all("posterior", (int)k, probabilities(ppl_discrete_hmm_posterior(d, at)),
                   &posterior, tolerance);
        ppl_tensor *draw = ppl_dist_sample(d, &rng);
        ck_assert_int_eq(ppl_tensor_dtype(draw), PPL_I64);
        memcpy(draws, ppl_data(draw), (size_t)value.n * sizeof *draws);
        for (int i = 0; i < value.n; i++)
            ck_assert(draws[i] >= 0 && draws[i] < m.param[2].shape.dim[2]);
    }
    json_decref(root);
    stop(c);
}
END_TEST

/* Vectors observed, batches of chains and of steps: as the chains one by one. */
START_TEST(batches_are_chains_one_by_one)
{
    ppl_ctx *c = start(_i);
    static const double loc[] = { 0, 1, 2, -1, 0.5, 3 }, logits[] = { 0, 1, -1, 0.5 };
    double x[24], one[3], all[3];
    for (int i = 0; i < 24; i++)
        x[i] = (i * 5 % 7 - 3) / 2.0;
    ppl_tensor *A = ppl_from_doubles(c, PPL_SHAPE(2, 2), logits);
    ppl_tensor *value = ppl_from_doubles(c, PPL_SHAPE(3, 4, 2), x);
    ppl_tensor *first = ppl_from_doubles(c, PPL_SHAPE(3, 2), loc);
    ppl_dist *each = ppl_event(ppl_normal(ppl_from_doubles(c, PPL_SHAPE(2, 2), loc),
                                          ppl_scalar(c, 1)), 1);
    ppl_dist *d = ppl_discrete_hmm(first, A, each, 4);
    assert_shaped("a draw", ppl_dist_sample(d, &rng), PPL_SHAPE(3, 4, 2));
    assert_shaped("log_prob", ppl_log_prob(d, value), PPL_SHAPE(3));
    ppl_read(ppl_log_prob(d, value), all, 3);
    assert_shaped("filter", ppl_discrete_hmm_filter(d, value)->param[0], PPL_SHAPE(3, 2));
    assert_shaped("posterior", ppl_discrete_hmm_posterior(d, value)->param[0],
                  PPL_SHAPE(3, 4, 2));
    for (int i = 0; i < 3; i++) {
        ppl_dist *single = ppl_discrete_hmm(ppl_row(first, i), A, each, 4);
        ppl_read(ppl_log_prob(single, ppl_row(value, i)), one, 1);
        ck_assert(is_near(one[0], all[i], rounding(_i)));
    }
    stop(c);
}
END_TEST

/* ---- Scaled probabilities and logarithms agree ------------------------------------- */

enum { LENGTH = 6, MOST = 6 };

/* A chain of S states; `steps` transitions; a step's category in a state has the odds
 * exp(odds). */
typedef struct numbers {
    int S, steps;
    double initial[MOST], transition[LENGTH * MOST * MOST], odds[LENGTH * MOST];
} numbers;

/* The log_prob, and its gradients into g. */
static double chain(ppl_ctx *c, const numbers *x, numbers *g)
{
    static const int64_t seen[LENGTH];
    ppl_tensor *initial = ppl_variable(c, PPL_SHAPE(x->S), x->initial);
    ppl_tensor *odds = ppl_variable(c, PPL_SHAPE(LENGTH, x->S), x->odds);
    ppl_tensor *zeros = ppl_full(c, PPL_SHAPE(LENGTH, x->S), 0);
    ppl_tensor *transition = ppl_variable(c, PPL_SHAPE(x->steps, x->S, x->S), x->transition);
    ppl_dist *each = ppl_categorical_logits(ppl_stack((ppl_tensor *[]){ odds, zeros }, 2,
                                                      -1));
    ppl_dist *d = ppl_discrete_hmm(initial, transition, each, LENGTH);
    ppl_tensor *log_prob = ppl_log_prob(d, ppl_from_integers(c, PPL_SHAPE(LENGTH), seen));
    double value = ppl_item(log_prob);

    assert_ok(c, ppl_backward(log_prob));
    *g = *x;
    ppl_read(ppl_grad(initial), g->initial, MOST);
    ppl_read(ppl_grad(transition), g->transition, LENGTH * MOST * MOST);
    ppl_read(ppl_grad(odds), g->odds, LENGTH * MOST);
    return value;
}

static void assert_gradient(const char *what, int k, double found, double expected,
                            double tolerance)
{
    ck_assert_msg(fabs(found - expected) <= tolerance, "%s %d is %.17g, not %.17g", what, k,
                  found, expected);
}

/* The same chain with one more state, of a probability that does not matter but is too
 * small for the scaled form, so that it is worked in logarithms. */
static void assert_as_in_logarithms(ppl_ctx *c, const numbers *x, double tolerance)
{
    const int S = x->S, L = S + 1;
    numbers longer = { .S = L, .steps = x->steps }, g, expected;
    double value, exact;

    for (int i = 0; i < L; i++)
        longer.initial[i] = i < S ? x->initial[i] : -300;
    for (int r = 0; r < x->steps * L; r++)
        for (int j = 0; j < L; j++)
            longer.transition[r * L + j] =
                j == S ? (r % L == S ? 0 : -300)
                       : r % L == S ? 0 : x->transition[(r / L * S + r % L) * S + j];
    for (int t = 0; t < LENGTH; t++)
        for (int j = 0; j < L; j++)
            longer.odds[t * L + j] = j < S ? x->odds[t * S + j] : 0;
    value = chain(c, x, &g);
    exact = chain(c, &longer, &expected);
    ck_assert_msg(is_near(value, exact, tolerance), "%.17g, not %.17g", value, exact);
    for (int i = 0; i < S; i++)
        assert_gradient("initial", i, g.initial[i], expected.initial[i], tolerance);
    for (int i = 0; i < x->steps * S * S; i++)
        assert_gradient("transition", i, g.transition[i],
                        expected.transition[i / S / S * L * L + i / S % S * L + i % S],
                        tolerance);
    for (int i = 0; i < LENGTH * S; i++)
        assert_gradient("odds", i, g.odds[i], expected.odds[i / S * L + i % S], tolerance);
}

/* Few states and more, transitions that change, states that cannot be, and observations
 * that all but exclude one. */
START_TEST(probabilities_and_logarithms_agree)
{
    ppl_ctx *c = start(_i);
    const double tolerance = _i ? 1e-12 : 1e-4;

    for (int S = 1; S < MOST; S++)
        for (int steps = 1; steps <= LENGTH; steps += LENGTH - 1)
            for (int with = 0; with < 5; with++) {
                numbers x = { .S = S, .steps = steps };

                for (int i = 0; i < S; i++)
                    x.initial[i] = sin(1 + i);
                for (int i = 0; i < steps * S * S; i++)
                    x.transition[i] = 2 * sin(2 + 3 * i);
                for (int i = 0; i < LENGTH * S; i++)
                    x.odds[i] = 3 * cos(5 * i);
                if (with == 1 && S > 1)
                    x.initial[0] = x.transition[1] = -INFINITY;
                if (with == 2 && S > 1)
                    x.odds[S] = -INFINITY;
                if (with == 3 && S > 1)
                    x.odds[2 * S] = -600;
                if (with == 4 && S > 1)
                    x.transition[0] = -200;
                assert_as_in_logarithms(c, &x, tolerance);
            }
    stop(c);
}
END_TEST

/* What cannot be has no gradient; what is no number stays none. */
START_TEST(what_cannot_be_has_no_gradient)
{
    ppl_ctx *c = start(_i);
    numbers x = { .S = 2, .steps = 1, .odds = { 1, 1, -INFINITY, -INFINITY }, }, g;

    ck_assert(chain(c, &x, &g) == -INFINITY);
    for (int i = 0; i < 4; i++)
        ck_assert(g.transition[i] == 0 && g.odds[i] == 0 && g.initial[i % 2] == 0);
    /* From state 0, the only one to begin in, there is no way to 1, the only one seen. */
    x = (numbers){ .S = 2, .steps = 1, .initial = { 0, -INFINITY },
                   .transition = { 0, -INFINITY }, .odds = { -INFINITY } };
    ck_assert(chain(c, &x, &g) == -INFINITY);
    /* Or a way that is all but impossible. */
    x.transition[1] = -700;
    ck_assert(is_near(chain(c, &x, &g), -700 + LENGTH * log(0.5), _i ? 1e-12 : 1e-5));
    stop(c);
}
END_TEST

/* A step behind the observation's mask is not observed: its state is summed out. */
START_TEST(a_masked_step_is_not_observed)
{
    ppl_ctx *c = start(_i);
    static const double logits[] = { 0, 1, -1, 0.5 };
    static const unsigned char seen[] = { 1, 0 };
    ppl_tensor *first = numbers(c, 0.5, 0), *loc = numbers(c, -1, 1);
    ppl_tensor *A = ppl_from_doubles(c, PPL_SHAPE(2, 2), logits);
    ppl_dist *each = ppl_normal(loc, ppl_scalar(c, 1));
    ppl_dist *masked = ppl_masked(ppl_expand_dist(each, PPL_SHAPE(2, 2)),
                                  ppl_from_mask(c, PPL_SHAPE(2, 1), seen));
    double both = ppl_item(ppl_log_prob(ppl_discrete_hmm(first, A, masked, 2),
                                        numbers(c, 0.25, 7)));
    double one = ppl_item(ppl_log_prob(ppl_discrete_hmm(first, A, each, 1),
                                       numbers(c, 0.25)));
    ck_assert(is_near(both, one, rounding(_i)));
    stop(c);
}
END_TEST

START_TEST(posteriors_have_gradients)
{
    ppl_ctx *c = start(1);
    double f[2], logits[] = { 0, 1, -1, 0.5 };
    (void)_i;
    for (int k = 0; k < 4; k++) {
        double gradient = NAN;
        for (int side = 0; side < 3; side++) {
            double moved[4];
            memcpy(moved, logits, sizeof moved);
            moved[k] += side < 2 ? (side ? 1e-5 : -1e-5) : 0;
            ppl_tensor *A = ppl_variable(c, PPL_SHAPE(2, 2), moved);
            ppl_dist *d = ppl_discrete_hmm(numbers(c, 0.5, 0), A,
                                           ppl_normal(numbers(c, -1, 1),
                                                      ppl_scalar(c, 1)), 3);
            ppl_tensor *p = probabilities(ppl_discrete_hmm_posterior(
                d, numbers(c, 0.25, 1, -0.5)));
            ppl_tensor *root = ppl_sum(ppl_mul(p, counted(c, PPL_SHAPE(3, 2))), PPL_ALL);
            if (side < 2) {
                f[side] = ppl_item(root);
                continue;
            }
            assert_ok(c, ppl_backward(root));
            double g[4];
            ppl_read(ppl_grad(A), g, 4);
            gradient = g[k];
        }
        ck_assert(is_near(gradient, (f[1] - f[0]) / 2e-5, 1e-8));
    }
    stop(c);
}
END_TEST

/* ---- Gaussian states --------------------------------------------------------------- */

static ppl_dist *gaussian_hmm(ppl_ctx *c, const member *m, int64_t duration)
{
    ppl_tensor *p[8];
    for (int i = 0; i < 8; i++)
        p[i] = event_tensor(c, &m->param[i], 0, 0);
    return ppl_gaussian_hmm(ppl_multivariate_normal_cholesky(p[0], p[1]), p[2],
                            ppl_multivariate_normal_cholesky(p[3], p[4]), p[5],
                            ppl_multivariate_normal_cholesky(p[6], p[7]), duration);
}

/* Against the joint normal of all that is and is not observed. */
START_TEST(gaussian_states_are_known)
{
    ppl_ctx *c = start(1);
    json_t *root = golden_load("hmm.json");
    const json_t *cases = json_object_get(root, "gaussian");
    (void)_i;
    ck_assert_int_ge((int)json_array_size(cases), 20);
    for (size_t k = 0; k < json_array_size(cases); k++) {
        const json_t *record = json_array_get(cases, k);
        const member m = golden_member(record, "params");
        const event value = golden_event(record, "value");
        const event loc = golden_event(record, "loc");
        const event P = golden_event(record, "covariance");
        const int n = m.param[0].n, T = (int)value.shape.dim[0];
        ppl_dist *d = gaussian_hmm(c, &m, T);
        ppl_dist *all = ppl_gaussian_hmm_posterior(d, event_tensor(c, &value, 0, 0));
        ck_assert_msg(all != NULL, "case %d: %s", (int)k, ppl_error_text(c));
        assert_all("loc", (int)k, ppl_dist_mean(all), &loc, 1e-9);
        assert_all("covariance", (int)k, ppl_dist_covariance(all), &P, 1e-9);
        ppl_dist *last = ppl_gaussian_hmm_filter(d, event_tensor(c, &value, 0, 0));
        event end = { .n = n };
        memcpy(end.x, loc.x + (T - 1) * n, (size_t)n * sizeof(double));
        assert_all("filter's loc", (int)k, ppl_dist_mean(last), &end, 1e-11);
        end.n = n * n;
        memcpy(end.x, P.x + (T - 1) * n * n, (size_t)(n * n) * sizeof(double));
        assert_all("filter's covariance", (int)k, ppl_dist_covariance(last), &end, 1e-11);
    }
    json_decref(root);
    stop(c);
}
END_TEST

/* The filter's and the posterior's gradients, by central differences. */
START_TEST(known_states_have_gradients)
{
    ppl_ctx *c = start(1);
    const double start_at[] = { 0.75, 0.25, -0.25, 0.5 };
    ppl_tensor *zero = ppl_full(c, PPL_SHAPE(2), 0);
    ppl_tensor *one = ppl_full(c, PPL_SHAPE(2), 1);
    ppl_dist *two = ppl_event(ppl_normal(zero, one), 1);
    ppl_dist *noise = ppl_event(ppl_normal(ppl_full(c, PPL_SHAPE(1), 0),
                                           ppl_full(c, PPL_SHAPE(1), 0.5)), 1);
    ppl_tensor *H = ppl_from_doubles(c, PPL_SHAPE(2, 1), LIST(1, 0.5));
    ppl_tensor *x = ppl_from_doubles(c, PPL_SHAPE(3, 1), LIST(1, 0, 2));
    for (int k = 0; k < 8; k++) {
        double f[2] = { 0 }, g[4] = { 0 };
        for (int side = 0; side < 3; side++) {
            double moved[4];
            memcpy(moved, start_at, sizeof moved);
            moved[k / 2] += side < 2 ? (side ? 1e-5 : -1e-5) : 0;
            ppl_tensor *F = ppl_variable(c, PPL_SHAPE(2, 2), moved);
            ppl_dist *d = ppl_gaussian_hmm(two, F, two, H, noise, 3);
            ppl_dist *known = k % 2 ? ppl_gaussian_hmm_posterior(d, x)
                                    : ppl_gaussian_hmm_filter(d, x);
            ppl_tensor *P = ppl_dist_covariance(known), *m = ppl_dist_mean(known);
            ppl_tensor *root =
                ppl_add(ppl_sum(ppl_mul(P, counted(c, ppl_tensor_shape(P))), PPL_ALL),
                        ppl_sum(ppl_mul(m, counted(c, ppl_tensor_shape(m))), PPL_ALL));
            if (side < 2)
                f[side] = ppl_item(root);
            else
                assert_ok(c, ppl_backward(root));
            ppl_read(ppl_grad(F), g, 4);
        }
        const double expected = (f[1] - f[0]) / 2e-5;
        ck_assert_msg(is_near(g[k / 2], expected, 1e-7), "%d: %.12g not %.12g", k,
                      g[k / 2], expected);
    }
    stop(c);
}
END_TEST

START_TEST(gaussian_batches_are_chains_one_by_one)
{
    ppl_ctx *c = start(_i);
    double x[12], one, all[3];
    for (int i = 0; i < 12; i++)
        x[i] = (i * 5 % 7 - 3) / 2.0;
    ppl_tensor *value = ppl_from_doubles(c, PPL_SHAPE(3, 4, 1), x);
    ppl_tensor *first = ppl_from_doubles(c, PPL_SHAPE(3, 2), LIST(0, 1, 2, -1, 0.5, 3));
    ppl_tensor *unit = ppl_scalar(c, 1), *H = ppl_full(c, PPL_SHAPE(2, 1), 0.5);
    ppl_tensor *F = ppl_from_doubles(c, PPL_SHAPE(2, 2), LIST(0.75, 0.25, -0.25, 0.5));
    ppl_dist *moves = ppl_event(ppl_normal(ppl_full(c, PPL_SHAPE(4, 2), 0.25), unit), 1);
    ppl_dist *noise = ppl_event(ppl_normal(ppl_full(c, PPL_SHAPE(1), 0), unit), 1);
    ppl_dist *d = ppl_gaussian_hmm(ppl_event(ppl_normal(first, unit), 1), F, moves, H,
                                   noise, 0);
    assert_shaped("a draw", ppl_dist_sample(d, &rng), PPL_SHAPE(3, 4, 1));
    assert_shaped("mean", ppl_dist_mean(d), PPL_SHAPE(3, 4, 1));
    assert_shaped("entropy", ppl_entropy(d), PPL_SHAPE(3));
    assert_shaped("filter", ppl_gaussian_hmm_filter(d, value)->param[0], PPL_SHAPE(3, 2));
    assert_shaped("posterior", ppl_gaussian_hmm_posterior(d, value)->param[1],
                  PPL_SHAPE(3, 4, 2, 2));
    ppl_read(ppl_log_prob(d, value), all, 3);
    for (int i = 0; i < 3; i++) {
        ppl_dist *single = ppl_gaussian_hmm(ppl_event(ppl_normal(ppl_row(first, i), unit),
                                                      1), F, moves, H, noise, 4);
        ppl_read(ppl_log_prob(single, ppl_row(value, i)), &one, 1);
        ck_assert(is_near(one, all[i], rounding(_i)));
    }
    stop(c);
}
END_TEST

/* ---- What is refused --------------------------------------------------------------- */

START_TEST(what_does_not_fit_is_refused)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *two = numbers(c, 0, 1), *three = numbers(c, 0, 1, 2);
    ppl_tensor *A = ppl_full(c, PPL_SHAPE(2, 2), 0);
    ppl_tensor *steps = ppl_full(c, PPL_SHAPE(3, 2, 2), 0);
    ppl_dist *each = ppl_normal(two, ppl_scalar(c, 1));
    assert_null(c, ppl_discrete_hmm(three, A, each, 0), PPL_ESHAPE,
                "discrete_hmm: initial_logits has shape [3], transition_logits [2,2], "
                "and the observation the batch [2]; states are the last axis, in "
                "transition_logits the last two, and must be equally many");
    assert_null(c, ppl_discrete_hmm(two, steps, each, 2), PPL_ESHAPE,
                "discrete_hmm: the time axis of transition_logits has 3 steps, where "
                "others, or the duration, have 2; make them equal or 1");
    assert_null(c, ppl_discrete_hmm(two, steps,
                                    ppl_expand_dist(each, PPL_SHAPE(2, 2)), 0),
                PPL_ESHAPE,
                "discrete_hmm: the time axis of the observation has 2 steps, where "
                "others, or the duration, have 3; make them equal or 1");
    ppl_dist *d = ppl_discrete_hmm(two, steps, each, 0);
    assert_null(c, ppl_discrete_hmm_filter(d, two), PPL_ESHAPE,
                "discrete_hmm: a value of shape [2] does not fit the distribution's "
                "shape [3]");
    assert_null(c, ppl_discrete_hmm_posterior(each, two), PPL_EINVAL,
                "discrete_hmm_posterior: the distribution is a normal; it must be a "
                "discrete_hmm");
    assert_null(c, ppl_log_prob(d, two), PPL_ESHAPE,
                "discrete_hmm: a value of shape [2] does not fit the distribution's "
                "shape [3]; reshape the value or the parameters");
    assert_null(c, ppl_discrete_hmm(numbers(c, -INFINITY, -INFINITY), A, each, 3),
                PPL_ECONSTRAINT,
                "discrete_hmm: initial_logits is (-inf, -inf); it must be numbers below "
                "infinity, and not all -inf");
    ck_assert_ptr_null(ppl_discrete_hmm(two, A, NULL, 3));
    stop(c);
}
END_TEST

START_TEST(what_does_not_fit_a_gaussian_is_refused)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *zero = ppl_full(c, PPL_SHAPE(2), 0), *unit = ppl_scalar(c, 1);
    ppl_tensor *F = ppl_full(c, PPL_SHAPE(2, 2), 0), *H = ppl_full(c, PPL_SHAPE(2, 1), 0);
    ppl_dist *two = ppl_event(ppl_normal(zero, unit), 1);
    ppl_dist *one = ppl_event(ppl_normal(ppl_full(c, PPL_SHAPE(1), 0), unit), 1);
    assert_null(c, ppl_gaussian_hmm(two, F, one, H, one, 3), PPL_ESHAPE,
                "gaussian_hmm: the initial state has 2 numbers, the transition's noise "
                "1, and an observation's 1; transition_matrix [2,2] must be [..,2,2] and "
                "observation_matrix [2,1] [..,2,1]");
    assert_null(c, ppl_gaussian_hmm(two, F, ppl_normal(zero, unit), H, one, 3),
                PPL_EUNSUPPORTED,
                "gaussian_hmm: the transition distribution is a normal with event_dim 0; "
                "it must be a multivariate_normal, or a normal with event_dim 1");
    assert_null(c, ppl_gaussian_hmm(two, F, two, H,
                                    ppl_masked(one, ppl_equal(unit, unit)), 3),
                PPL_EUNSUPPORTED,
                "gaussian_hmm: the observation distribution has a mask, and cannot; "
                "leave steps out by making their noise wide");
    assert_null(c, ppl_gaussian_hmm(two, ppl_full(c, PPL_SHAPE(3, 2, 2), 0), two, H, one,
                                    4), PPL_ESHAPE,
                "gaussian_hmm: the time axis of transition_matrix has 3 steps, where "
                "others, or the duration, have 4; make them equal or 1");
    assert_null(c, ppl_gaussian_hmm_filter(two, zero), PPL_EINVAL,
                "gaussian_hmm_filter: the distribution is a normal; it must be a "
                "gaussian_hmm");
    ck_assert_ptr_null(ppl_gaussian_hmm(NULL, F, two, H, one, 3));
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        discrete_states_are_known, observations_may_be_categories,
        batches_are_chains_one_by_one, probabilities_and_logarithms_agree,
        what_cannot_be_has_no_gradient, a_masked_step_is_not_observed,
        posteriors_have_gradients, gaussian_states_are_known,
        known_states_have_gradients, gaussian_batches_are_chains_one_by_one,
        what_does_not_fit_is_refused, what_does_not_fit_a_gaussian_is_refused, NULL
    };
    return run_tests("hmm", tests);
}

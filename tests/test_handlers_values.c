/* SPDX-License-Identifier: MIT */
/*
 * test_handlers_values.c - values from outside: uncondition, do, substitute by a function,
 * starting points, partially observed sites, keys. After test_poutines.py and
 * test_counterfactual.py of Pyro.
 */
#include "handlers.h"

/* ---- uncondition ------------------------------------------------------------------- */

/* What was observed is drawn, as a latent; its data go on as an option; factors stay. */
START_TEST(uncondition_draws)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, everything, NULL, handlers(ppl_uncondition(c)));
    const ppl_msg *x = site_of(t, "x", NO), *f = site_of(t, "f", NO);
    ck_assert_uint_eq(x->flags, PPL_DONE);
    assert_values(ppl_msg_option(x, &ppl_option_data), 0, 1, 2);
    ck_assert_double_ne(ppl_total(x->value), 3);
    ck_assert_int_eq(ppl_sites_next(ppl_tensor_sites(x->value), 0), x->site);
    ck_assert_uint_eq(f->flags, PPL_OBSERVED | PPL_DONE);
    ck_assert_ptr_null(ppl_msg_option(site_of(t, "z", 0), &ppl_option_data));
    stop(c);
}
END_TEST

/* uncondition(condition(m)) draws; condition(uncondition(m)) observes again; twice is
 * once. */
START_TEST(uncondition_and_condition)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *two = ppl_full(c, PPL_SHAPE(2), 2);
    const ppl_value *list = values({ "obs", NO, two }, { "latent1", NO, two });
    ppl_trace *plain = trace_of(c, chain, NULL, NULL);
    ppl_trace *t = trace_of(c, chain, NULL, handlers(
        ppl_uncondition(c), ppl_condition(c, list, NULL), ppl_replay(c, plain)));
    ck_assert_uint_eq(site_of(t, "latent1", NO)->flags, PPL_DONE);
    ck_assert_ptr_eq(ppl_msg_option(site_of(t, "latent1", NO), &ppl_option_data), two);
    t = trace_of(c, chain, NULL, handlers(ppl_condition(c, list, NULL),
                                          ppl_uncondition(c)));
    ck_assert_uint_eq(site_of(t, "obs", NO)->flags, PPL_OBSERVED | PPL_DONE);
    ck_assert_ptr_eq(value_of(t, "obs"), two);
    stop(c);
}
END_TEST

/* ---- do ---------------------------------------------------------------------------- */

/* x -> y -> z -> w, unit normals; *arg gets what the model returns: w. */
static void path(ppl_ctx *c, const void *arg)
{
    static const char *const name[] = { "x", "y", "z", "w" };
    ppl_tensor *v = ppl_scalar(c, 0), **out = *(ppl_tensor ***)(uintptr_t)arg;
    for (int i = 0; i < 4; i++) {
        v = ppl_sample(c, name[i], ppl_normal(v, ppl_scalar(c, 1)));
        out[i] = v;
    }
}

/* Without an intervention, with observations alone, with interventions alone, with both
 * in either order: what the model sees is the intervention, what handlers around see is
 * the factual site, drawn or observed. */
START_TEST(do_splits_the_node)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *seen[4], **out = seen, *two = ppl_scalar(c, 2), *one = ppl_scalar(c, 1);
    const ppl_value *act = values({ "y", NO, ppl_scalar(c, 0) }, { "z", NO, two },
                                  { "w", NO, one });
    const ppl_value *data = values({ "x", NO, one }, { "z", NO, one });
    for (int order = 0; order < 4; order++) {
        ppl_handler *see = order ? ppl_condition(c, data, NULL) : NULL;
        ppl_handler *acts = order != 1 ? ppl_do(c, act, NULL) : NULL;
        ppl_trace *t = trace_of(c, path, &out, order == 2 ? handlers(see, acts)
                                               : order == 3 ? handlers(acts, see)
                                               : handlers(see ? see : acts));
        const ppl_msg *z = site_of(t, "z", NO);
        ck_assert_uint_eq(z->flags & PPL_OBSERVED, order ? PPL_OBSERVED : 0);
        ck_assert_int_eq(z->kind, PPL_SITE_SAMPLE);
        if (order) {
            assert_values(z->value, 0, 1);
            assert_values(value_of(t, "x"), 0, 1);
        }
        if (order == 1)
            continue;
        assert_values(seen[1], 0, 0);
        assert_values(seen[2], 0, 2);
        assert_values(seen[3], 0, 1);
        ck_assert_double_ne(ppl_item(z->value), 2);
        ck_assert_str_eq(names_of(t), "x y y__CF z z__CF w w__CF");
        ck_assert_int_eq(site_of(t, "z__CF", NO)->kind, PPL_SITE_DETERMINISTIC);
        assert_values(value_of(t, "z__CF"), 0, 2);
        /* Nothing that follows depends on the factual site. */
        ck_assert_ptr_null(site_of(t, "w", NO)->parents);
        assert_values(site_of(t, "w", NO)->dist->param[0], 0, 2);
    }
    stop(c);
}
END_TEST

/* The density is that of the factual sites: an intervention adds none. Draws that it does
 * not reach are those of the run without it: the counterfactual shares the noise. */
START_TEST(do_keeps_the_noise)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *fact[4], *counter[4], **out = fact;
    ppl_set_rng_state(c, 1, 1);
    ppl_trace *t = trace_of(c, path, &out, NULL);
    out = counter;
    ppl_set_rng_state(c, 1, 1);
    ppl_trace *twin = trace_of(c, path, &out, handlers(ppl_do(
        c, values({ "y", NO, ppl_scalar(c, 10) }), NULL)));
    assert_same("x", value_of(t, "x"), value_of(twin, "x"));
    assert_same("y", value_of(t, "y"), value_of(twin, "y"));
    double shift = 10 - ppl_item(fact[1]);
    for (int i = 2; i < 4; i++)
        ck_assert(is_near(ppl_item(counter[i]), ppl_item(fact[i]) + shift,
                          20 * rounding(_i)));
    ck_assert(is_near(ppl_trace_log_prob(twin), ppl_trace_log_prob(t), 20 * rounding(_i)));
    stop(c);
}
END_TEST

static void in_plate(ppl_ctx *c, const void *arg)
{
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 3, NULL));
    ppl_tensor *z = ppl_sample_at(c, "z", 2, standard(c, PPL_SCALAR));
    ppl_sample(c, "k", ppl_categorical(ppl_full(c, PPL_SHAPE(4), 1)));
    (void)arg;
    ppl_observe(c, "x", ppl_normal(z, ppl_scalar(c, 1)), numbers(c, 1, 2, 3));
    ppl_pop(c, s);
}

/* In a plate a value is for all copies, or one for each; what cannot be a value is
 * refused. */
START_TEST(do_in_a_plate)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, in_plate, NULL, handlers(ppl_do(
        c, values({ "z", 2, ppl_scalar(c, 4) }, { "k", NO, integers(c, 1, 2, 3) }), NULL)));
    assert_values(site_of(t, "z__CF", 2)->value, 0, 4, 4, 4);
    assert_shape(site_of(t, "z", 2)->value, 3);
    assert_values(value_of(t, "k__CF"), 0, 1, 2, 3);
    assert_error(c, ppl_run(c, in_plate, NULL, handlers(ppl_do(
        c, values({ "z", 2, numbers(c, 1, 2) }), NULL))), PPL_ESHAPE, "do: the value for "
        "site z[2] has shape [2], which does not broadcast to [3]; reshape it");
    assert_error(c, ppl_run(c, in_plate, NULL, handlers(ppl_do(
        c, values({ "k", NO, numbers(c, 1) }), NULL))), PPL_EDTYPE, "do: the value for "
        "site k (categorical) must be integers");
    assert_error(c, ppl_run(c, in_plate, NULL, handlers(ppl_do(
        c, values({ "z", 2, integers(c, 1) }), NULL))), PPL_EDTYPE, "do: the value for "
        "site z[2] (normal) must be floating");
    stop(c);
}
END_TEST

START_TEST(do_refuses)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *seen[4], **out = seen, *one = ppl_scalar(c, 1);
    const ppl_value *y = values({ "y", NO, one }), *typo = values({ "v", NO, one });
    int unused = 0;
    assert_error(c, ppl_run(c, path, &out, handlers(ppl_do(c, y, NULL),
                                                    ppl_do(c, y, NULL))), PPL_EDUPLICATE,
                 "do: site y is intervened on twice; the inner value is the one the model "
                 "sees: leave out the other");
    assert_error(c, ppl_run(c, path, &out, handlers(ppl_do(c, typo, NULL))), PPL_EUNUSED,
                 "do: no sample site v was reached; check name and index, or pass "
                 "`unused` to have such values counted");
    assert_ok(c, ppl_run(c, path, &out, handlers(ppl_do(c, typo, &unused))));
    ck_assert_int_eq(unused, 1);
    assert_null(c, ppl_do(c, values({ "y", NO, one }, { "y", -7, one }), NULL),
                PPL_EDUPLICATE, "do: site y is given two values; give it one");
    assert_null(c, ppl_do(c, values({ "y", 3, NULL }), NULL), PPL_EINVAL,
                "do: the value for site y[3] is NULL");
    stop(c);
}
END_TEST

/* ---- substitute by a function ------------------------------------------------------ */

static ppl_tensor *threes(ppl_msg *m, void *user)
{
    *(int *)user += 1;
    if (m->kind == PPL_SITE_PARAM)
        return ppl_full(m->ctx, m->shape, 3);
    return m->index == 1 ? ppl_full(m->ctx, m->dist->shape, 3) : NULL;
}

/* Parameters and latents take what the function returns, if anything; latents stay
 * latent. */
START_TEST(substitute_by_a_function)
{
    ppl_ctx *c = start(_i);
    int asked = 0;
    ppl_trace *t = trace_of(c, everything, NULL, handlers(ppl_substitute_by(
        c, threes, &asked)));
    ck_assert_int_eq(asked, 6);         /* w twice, z[0], z[1], n, aux[4] */
    assert_values(value_of(t, "w"), 0, 3, 3, 3, 3, 3, 3);
    ck_assert_int_eq(ppl_param_count(c), 0);
    assert_values(site_of(t, "z", 1)->value, 0, 3, 3, 3, 3, 3, 3);
    ck_assert_uint_eq(site_of(t, "z", 1)->flags, PPL_DONE);
    ck_assert_double_ne(ppl_total(site_of(t, "z", 0)->value), 18);
    assert_values(value_of(t, "x"), 0, 1, 2);
    assert_null(c, ppl_substitute_by(c, NULL, NULL), PPL_EINVAL,
                "ppl_substitute_by: the function is NULL");
    stop(c);
}
END_TEST

/* ---- Starting points --------------------------------------------------------------- */

/* Latents of several supports, one of them in a plate, and a child of one. */
static void latents(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_tensor *one = ppl_scalar(c, 1), *three = ppl_scalar(c, 3);
    ppl_tensor *z = ppl_sample(c, "z", ppl_normal(three, ppl_scalar(c, 0.1)));
    ppl_sample(c, "g", ppl_gamma(three, one));
    ppl_sample(c, "p", ppl_beta(three, one));
    ppl_sample(c, "k", ppl_bernoulli(ppl_scalar(c, 0.9)));
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 2, NULL));
    ppl_sample(c, "child", ppl_normal(z, one));
    ppl_pop(c, s);
    ppl_observe(c, "x", ppl_normal(z, one), one);
}

START_TEST(init_strategies)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, latents, NULL, handlers(ppl_init_to_mean(c)));
    assert_values(value_of(t, "z"), rounding(_i), 3);
    assert_values(value_of(t, "g"), rounding(_i), 3);
    assert_values(value_of(t, "p"), rounding(_i), 0.75);
    assert_values(value_of(t, "k"), 0, 1);              /* discrete: the median */
    assert_values(value_of(t, "child"), rounding(_i), 3, 3);
    ck_assert_uint_eq(site_of(t, "z", NO)->flags, PPL_DONE);
    ck_assert(ppl_sites_has(site_of(t, "child", NO)->parents, site_of(t, "z", NO)->site));

    t = trace_of(c, latents, NULL, handlers(ppl_init_to_feasible(c)));
    assert_values(value_of(t, "z"), rounding(_i), 0);
    assert_values(value_of(t, "g"), rounding(_i), 1);
    assert_values(value_of(t, "p"), rounding(_i), 0.5);
    assert_values(value_of(t, "child"), rounding(_i), 0, 0);

    t = trace_of(c, latents, NULL, handlers(ppl_init_to_uniform(c, 0.5)));
    ck_assert_double_le(fabs(log(ppl_item(value_of(t, "g")))), 0.5);
    double p = ppl_item(value_of(t, "p")), two[2];
    ck_assert_double_le(fabs(log(p / (1 - p))), 0.5);
    ppl_read(value_of(t, "child"), two, 2);
    ck_assert(fabs(two[0]) <= 0.5 && two[0] != two[1]);
    stop(c);
}
END_TEST

/* One draw is what would have been drawn, but a point: it has no gradient. The median of
 * an odd number of draws is close to the median, in the support, and a value drawn. */
START_TEST(init_draws)
{
    ppl_ctx *c = start(_i);
    ppl_set_rng_state(c, 8, 8);
    ppl_trace *plain = trace_of(c, latents, NULL, NULL);
    ppl_set_rng_state(c, 8, 8);
    ppl_trace *t = trace_of(c, latents, NULL, handlers(ppl_init_to_sample(c)));
    for (int i = 0; i < ppl_trace_count(t); i++)
        assert_same("draw", ppl_trace_at(t, i)->value, ppl_trace_at(plain, i)->value);
    t = trace_of(c, latents, NULL, handlers(ppl_init_to_median(c, 255)));
    double g = ppl_item(value_of(t, "g")), p = ppl_item(value_of(t, "p"));
    /* Medians of Gamma(3,1) and Beta(3,1); the median of 255 has a standard error of
     * 1/(2 f sqrt 255), f the density there. */
    ck_assert_double_lt(fabs(g - 2.674060), 4 / (2 * 0.24657 * sqrt(255)));
    ck_assert_double_lt(fabs(p - 0.793701), 4 / (2 * 1.88988 * sqrt(255)));
    assert_values(value_of(t, "k"), 0, 1);
    ck_assert(!ppl_requires_grad(value_of(t, "z")));
    stop(c);
}
END_TEST

/* Values that were given; the rest is an outer handler's, or drawn. Within nests, the
 * inner counts. */
START_TEST(init_to_values)
{
    ppl_ctx *c = start(_i);
    int unused = -1;
    ppl_trace *t = trace_of(c, latents, NULL, handlers(
        ppl_init_to_feasible(c), ppl_init_to_value(c, values({ "g", NO, ppl_scalar(c, 7) },
                                                             { "x", NO, ppl_scalar(c, 7) }),
                                                   &unused)));
    assert_values(value_of(t, "g"), 0, 7);
    assert_values(value_of(t, "z"), 0, 0);
    ck_assert_int_eq(unused, 1);                        /* x is observed */
    t = trace_of(c, latents, NULL, handlers(ppl_init_to_feasible(c), ppl_init_to_mean(c)));
    assert_values(value_of(t, "z"), rounding(_i), 3);
    assert_error(c, ppl_run(c, latents, NULL, handlers(ppl_init_to_value(
        c, values({ "x", NO, ppl_scalar(c, 7) }), NULL))), PPL_EUNUSED, "init_to_value: no "
        "latent site x was reached; check name and index, or pass `unused` to have such "
        "values counted");
    stop(c);
}
END_TEST

/* A family on [low, high], made here, with bounds that depend on parameters, and one whose
 * mean is not finite everywhere. */
static ppl_tensor *middle(const ppl_dist *d, const ppl_rng *rng)
{
    (void)rng;
    return ppl_affine(ppl_add(ppl_expand(d->param[0], d->shape), d->param[1]), 0.5, 0);
}
static ppl_tensor *no_density(const ppl_dist *d, ppl_tensor *x)
{
    (void)d;
    return ppl_affine(x, 0, 0);
}
static void low_and_high(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    *lower = d->param[0];
    *upper = d->param[1];
}
static void low_alone(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    (void)upper;
    *lower = d->param[0];
}
static void high_alone(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    (void)lower;
    *upper = d->param[1];
}
static ppl_tensor *odd_mean(const ppl_dist *d)
{
    ppl_tensor *zero = ppl_affine(d->param[1], 0, 0);
    return ppl_div(d->param[0], zero);                  /* infinite, or NaN at 0 */
}
static const ppl_family bounded[] = {
    { .name = "between", .params = 2, .param_name = { "low", "high" }, .sample = middle,
      .log_prob = no_density, .bounds = low_and_high },
    { .name = "above", .params = 2, .param_name = { "low", "high" }, .sample = middle,
      .log_prob = no_density, .bounds = low_alone },
    { .name = "below", .params = 2, .param_name = { "low", "high" }, .sample = middle,
      .log_prob = no_density, .bounds = high_alone },
    { .name = "no_support", .params = 2, .param_name = { "low", "high" },
      .sample = middle, .log_prob = no_density, .mean = odd_mean },
};

static void of_family(ppl_ctx *c, const void *arg)
{
    ppl_tensor *params[] = { numbers(c, 2, 0), numbers(c, 6, 8) };
    ppl_sample(c, "s", ppl_dist_make(arg, params, NULL));
}

START_TEST(init_within_bounds)
{
    static const double feasible[][2] = { { 4, 4 }, { 3, 1 }, { 5, 7 }, { 4, 4 } };
    ppl_ctx *c = start(_i);
    for (int f = 0; f < COUNT_OF(bounded); f++) {
        ppl_trace *t = trace_of(c, of_family, &bounded[f],
                                handlers(ppl_init_to_feasible(c)));
        assert_elements(bounded[f].name, value_of(t, "s"), 2, feasible[f], rounding(_i));
    }
    ppl_trace *t = trace_of(c, of_family, &bounded[3], handlers(ppl_init_to_mean(c)));
    assert_values(value_of(t, "s"), rounding(_i), 4, 4);
    stop(c);
}
END_TEST

/* A handler within a plate knows of the copies. */
static void init_inside(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 3, NULL));
    ppl_push(c, ppl_init_to_mean(c));
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_sample(c, "k", ppl_categorical(ppl_full(c, PPL_SHAPE(2), 1)));
    ppl_pop(c, s);
}

START_TEST(init_in_a_plate)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, init_inside, NULL, NULL);
    assert_values(value_of(t, "z"), 0, 0, 0, 0);
    assert_shape(value_of(t, "k"), 3);
    stop(c);
}
END_TEST

START_TEST(init_refuses)
{
    ppl_ctx *c = start(_i);
    assert_null(c, ppl_init_to_median(c, 4), PPL_EINVAL, "ppl_init_to_median: 4 draws; "
                "their number must be odd, at most 255 (0: 15)");
    assert_null(c, ppl_init_to_median(c, 257), PPL_EINVAL, "ppl_init_to_median: 257 draws; "
                "their number must be odd, at most 255 (0: 15)");
    assert_null(c, ppl_init_to_uniform(c, -1), PPL_EINVAL, "ppl_init_to_uniform: the "
                "radius is -1; it must be from 0 (which means 2) to 1000");
    assert_null(c, ppl_init_to_uniform(c, NAN), PPL_EINVAL, "ppl_init_to_uniform: the "
                "radius is nan; it must be from 0 (which means 2) to 1000");
    stop(c);
}
END_TEST

/* ---- Partially observed sites ------------------------------------------------------ */

/* loc [2,1], data of [3] normals of 2 in an event, the second of them not known. */
static void gaps(ppl_ctx *c, const void *arg)
{
    const double x[] = { 1, 2, NAN, NAN, 5, 6 };
    ppl_tensor *data = ppl_from_doubles(c, PPL_SHAPE(3, 2), x);
    ppl_tensor *known = ppl_from_mask(c, PPL_SHAPE(3), (unsigned char[]){ 1, 0, 1 });
    ppl_scope s = ppl_push(c, ppl_plate(c, "rows", 3, NULL));
    ppl_tensor *whole = ppl_observe_masked(c, "x", *(const int64_t *)arg, ppl_event(
        standard(c, PPL_SHAPE(2)), 1), data, known);
    ppl_sample(c, "y", ppl_event(ppl_normal(whole, ppl_scalar(c, 1)), 1));
    ppl_pop(c, s);
}

START_TEST(observe_masked_joins)
{
    ppl_ctx *c = start(_i);
    for (int64_t index = NO; index < 1; index++) {
        ppl_trace *t = trace_of(c, gaps, &index, NULL);
        const ppl_msg *seen = site_of(t, "x_observed", index);
        const ppl_msg *unseen = site_of(t, "x_unobserved", index);
        const ppl_msg *whole = site_of(t, "x", index);
        ck_assert_uint_eq(seen->flags, PPL_OBSERVED | PPL_DONE);
        ck_assert_uint_eq(unseen->flags, PPL_DONE);
        ck_assert_int_eq(whole->kind, PPL_SITE_DETERMINISTIC);
        double x[6], u[6];
        ppl_read(whole->value, x, 6);
        ppl_read(unseen->value, u, 6);
        ck_assert(x[0] == 1 && x[1] == 2 && x[4] == 5 && x[5] == 6);
        ck_assert(x[2] == u[2] && x[3] == u[3]);
        const double a = log_normal(1, 0, 1) + log_normal(2, 0, 1);
        const double b = log_normal(5, 0, 1) + log_normal(6, 0, 1);
        assert_values(ppl_site_log_prob(site_of(t, "x_observed", index)), 10 * rounding(_i),
                      a, 0, b);
        const double e = log_normal(u[2], 0, 1) + log_normal(u[3], 0, 1);
        assert_values(ppl_site_log_prob(site_of(t, "x_unobserved", index)),
                      10 * rounding(_i), 0, e, 0);
        ck_assert(ppl_sites_has(site_of(t, "y", NO)->parents, unseen->site));
    }
    stop(c);
}
END_TEST

/* Of integers too; nothing known and everything known are no special cases. */
static void integer_gaps(ppl_ctx *c, const void *arg)
{
    ppl_dist *die = ppl_expand_dist(ppl_categorical(numbers(c, 1, 1, 1, 1)), PPL_SHAPE(3));
    ppl_observe_masked(c, "k", NO, die, integers(c, 0, 1, 2),
                       ppl_from_mask(c, PPL_SHAPE(3), arg));
}

START_TEST(observe_masked_integers)
{
    static const unsigned char masks[][3] = { { 1, 1, 1 }, { 0, 0, 0 }, { 0, 1, 0 } };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(masks); i++) {
        ppl_trace *t = trace_of(c, integer_gaps, masks[i], NULL);
        double k[3], u[3];
        ppl_read(value_of(t, "k"), k, 3);
        ppl_read(value_of(t, "k_unobserved"), u, 3);
        for (int e = 0; e < 3; e++)
            ck_assert_double_eq(k[e], masks[i][e] ? e : u[e]);
        ck_assert(is_near(ppl_trace_log_prob(t), 3 * log(0.25), rounding(_i)));
    }
    stop(c);
}
END_TEST

START_TEST(observe_masked_refuses)
{
    ppl_ctx *c = start(_i);
    ppl_dist *d = standard(c, PPL_SHAPE(3));
    ppl_tensor *x = numbers(c, 1, 2, 3), *two = mask_of(c, 1, 0);
    assert_null(c, ppl_observe_masked(c, "x", NO, d, NULL, two), PPL_EINVAL,
                "ppl_observe_masked: the value is NULL");
    assert_null(c, ppl_observe_masked(c, "x", NO, d, x, NULL), PPL_EINVAL,
                "ppl_observe_masked: the mask is NULL");
    assert_null(c, ppl_observe_masked(c, "x", NO, d, x, x), PPL_EDTYPE, "ppl_observe_masked: "
                "expected a mask (PPL_MASK); make one with ppl_from_mask or ppl_less");
    assert_null(c, ppl_observe_masked(c, "x", NO, d, x, two), PPL_ESHAPE, "masked: a mask "
                "of shape [2] does not broadcast to the batch [3] of normal; it counts "
                "batch axes only, not those of an event");
    assert_null(c, ppl_observe_masked(c, "x", NO, NULL, x, two), PPL_EINVAL,
                "the distribution of site x_observed is NULL");
    assert_null(c, ppl_observe_masked(c, NULL, NO, d, x, two), PPL_EINVAL,
                "a name is NULL; give it at least one character");
    stop(c);
}
END_TEST

/* ---- Keys -------------------------------------------------------------------------- */

/* A key fixes the draws as a seed does; keys of one key differ, and are the same when made
 * again. */
START_TEST(keys_fix_draws)
{
    ppl_ctx *c = start(_i);
    const ppl_rng root = ppl_rng_at(c, "root", NO);
    double first[5];
    for (int k = 0; k < 5; k++) {
        ppl_rng key = ppl_rng_split(&root, (uint64_t)k), same = ppl_rng_split(&root,
                                                                            (uint64_t)k);
        ck_assert(memcmp(&key, &same, sizeof key) == 0);
        ppl_trace *t = trace_of(c, chain, NULL, handlers(ppl_seed_key(c, key)));
        ppl_trace *again = trace_of(c, chain, NULL, handlers(ppl_seed_key(c, same)));
        assert_same("latent1", value_of(t, "latent1"), value_of(again, "latent1"));
        first[k] = ppl_total(value_of(t, "latent1"));
        for (int j = 0; j < k; j++)
            ck_assert_double_ne(first[j], first[k]);
    }
    const ppl_rng seven = { { 7, 0 } };
    assert_same("seed", value_of(trace_of(c, chain, NULL, handlers(ppl_seed(c, 7))),
                                 "latent1"),
                value_of(trace_of(c, chain, NULL, handlers(ppl_seed_key(c, seven))),
                         "latent1"));
    stop(c);
}
END_TEST

static void asks_for_keys(ppl_ctx *c, const void *arg)
{
    ppl_rng *out = *(ppl_rng *const *)arg;
    out[0] = ppl_rng_at(c, "dropout", 0);
    out[1] = ppl_rng_at(c, "dropout", 1);
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    out[2] = ppl_rng_at(c, "dropout", 0);
}

/* Random numbers of a model's own: by name and index, new in each run, under a seed the
 * same; no site. */
START_TEST(keys_of_a_model)
{
    ppl_ctx *c = start(_i);
    ppl_rng key[3], other[3], *out = key;
    ppl_trace *t = trace_of(c, asks_for_keys, &out, NULL);
    ck_assert_str_eq(names_of(t), "z");
    ck_assert(memcmp(&key[0], &key[2], sizeof *key) == 0);
    ck_assert(memcmp(&key[0], &key[1], sizeof *key) != 0);
    out = other;
    trace_of(c, asks_for_keys, &out, NULL);
    ck_assert(memcmp(&key[0], &other[0], sizeof *key) != 0);
    trace_of(c, asks_for_keys, &out, handlers(ppl_seed(c, 1)));
    key[0] = other[0];
    trace_of(c, asks_for_keys, &out, handlers(ppl_seed(c, 1)));
    ck_assert(memcmp(&key[0], &other[0], sizeof *key) == 0);
    ppl_rng_at(c, NULL, 0);
    assert_error_is(c, PPL_EINVAL, "a name is NULL; give it at least one character");
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        uncondition_draws, uncondition_and_condition, do_splits_the_node,
        do_keeps_the_noise, do_in_a_plate, do_refuses, substitute_by_a_function,
        init_strategies, init_draws, init_to_values, init_within_bounds, init_in_a_plate,
        init_refuses, observe_masked_joins, observe_masked_integers,
        observe_masked_refuses, keys_fix_draws, keys_of_a_model, NULL
    };
    return run_tests("handlers_values", tests);
}

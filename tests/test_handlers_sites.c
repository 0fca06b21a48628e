/* SPDX-License-Identifier: MIT */
/*
 * test_handlers_sites.c - what a site is and what it is called: name_scope, infer_config,
 * watch, inspect, lift, reparam. After tests/poutine and tests/infer/reparam of Pyro and
 * test/test_handlers.py of NumPyro.
 */
#include "handlers.h"

#include <kiln/transforms.h>

/* ---- name_scope -------------------------------------------------------------------- */

/* One function twice in a model, its plates and parameters included. */
static void part(ppl_ctx *c)
{
    ppl_tensor *w = ppl_param(c, "w", PPL_SCALAR, ppl_init_normal(0, 1), PPL_REAL);
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 3, NULL));
    ppl_tensor *z = ppl_sample_at(c, "z", 1, ppl_normal(w, ppl_scalar(c, 1)));
    ppl_pop(c, s);
    ppl_deterministic(c, "d", z);
    ppl_observe(c, "x", standard(c, PPL_SCALAR), ppl_scalar(c, 1));
}

static void two_parts(ppl_ctx *c, const void *arg)
{
    const ppl_name_scope_opts *opts = arg;
    ppl_scope s = ppl_push(c, ppl_name_scope(c, "a", opts));
    part(c);
    ppl_pop(c, s);
    s = ppl_push(c, ppl_name_scope(c, "b", opts));
    ppl_push(c, ppl_name_scope(c, "in", NULL));
    part(c);
    ppl_pop(c, s);
}

/* Names get their prefixes, outermost first, and frames theirs; draws, parameters are
 * those of the new names. */
START_TEST(names_get_prefixes)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, two_parts, NULL, NULL);
    ck_assert_str_eq(names_of(t), "a/w a/n a/z[1] a/d a/x b/in/w b/in/n b/in/z[1] b/in/d "
                     "b/in/x");
    ck_assert_str_eq(site_of(t, "a/z", 1)->plates->name, "a/n");
    ck_assert_str_eq(site_of(t, "b/in/z", 1)->plates->name, "b/in/n");
    ck_assert_double_ne(ppl_item(value_of(t, "a/w")), ppl_item(value_of(t, "b/in/w")));
    ck_assert_int_eq(ppl_param_find(c, "w"), -1);
    ck_assert_int_eq(ppl_param_find(c, "b/in/w"), 1);
    stop(c);
}
END_TEST

/* Kinds may keep their names, so that parts share parameters; any divider will do. */
START_TEST(names_that_stay)
{
    ppl_ctx *c = start(_i);
    const ppl_name_scope_opts shared = { .divider = ".", .keep = PPL_HIDE_PARAM };
    const ppl_name_scope_opts bare = { .divider = "",
                                       .keep = PPL_HIDE_PLATE | PPL_HIDE_OBSERVED };
    ppl_trace *t = trace_of(c, two_parts, &shared, NULL);
    ck_assert_str_eq(names_of(t), "w a.n a.z[1] a.d a.x in/w b.in/n b.in/z[1] b.in/d "
                     "b.in/x");
    ppl_scope s = ppl_push(c, ppl_name_scope(c, "a", &bare));
    ppl_trace *inner;
    ppl_scope traced = ppl_push(c, ppl_trace_into(c, &inner));
    part(c);
    ck_assert_str_eq(names_of(inner), "aw n az[1] ad x");
    ppl_pop(c, traced);
    ppl_pop(c, s);
    assert_null(c, ppl_name_scope(c, "", NULL), PPL_EINVAL,
                "a name is empty; give it at least one character");
    assert_null(c, ppl_name_scope(c, NULL, NULL), PPL_EINVAL,
                "a name is NULL; give it at least one character");
    stop(c);
}
END_TEST

/* Handlers further out go by the whole name, those further in by the short one. */
static void part_in_a(ppl_ctx *c, const void *arg)
{
    ppl_scope s = ppl_push(c, ppl_name_scope(c, "a", NULL));
    ppl_push(c, arg != NULL ? *(ppl_handler *const *)arg : NULL);
    part(c);
    ppl_pop(c, s);
}

START_TEST(names_inside_and_outside)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *x = numbers(c, 1, 2, 3);
    ppl_trace *t = trace_of(c, part_in_a, NULL, handlers(ppl_condition(
        c, values({ "a/z", 1, x }), NULL)));
    ck_assert_ptr_eq(site_of(t, "a/z", 1)->value, x);
    ppl_handler *inside = ppl_condition(c, values({ "z", 1, x }), NULL);
    t = trace_of(c, part_in_a, &inside, NULL);
    ck_assert_ptr_eq(site_of(t, "a/z", 1)->value, x);
    ppl_trace *drawn = trace_of(c, part_in_a, NULL, NULL);
    t = trace_of(c, part_in_a, NULL, handlers(ppl_replay(c, drawn)));
    assert_same("a/z", site_of(t, "a/z", 1)->value, site_of(drawn, "a/z", 1)->value);
    stop(c);
}
END_TEST

/* ---- Options, watching, inspecting ------------------------------------------------- */

static const ppl_option_key colour = { "colour" };

static void paint_latents(ppl_msg *m, void *user)
{
    if (m->kind == PPL_SITE_SAMPLE && strncmp(m->name, "latent", 6) == 0)
        ppl_msg_set_option(m, &colour, user);
}

static void paint_all(ppl_msg *m, void *user)
{
    ppl_msg_set_option(m, &colour, user);
}

/* Options go to the sites that the function gives them to, of samples and parameters; the
 * outer one counts. */
START_TEST(infer_config_gives_options)
{
    ppl_ctx *c = start(_i);
    char red[] = "red", blue[] = "blue";
    ppl_trace *t = trace_of(c, chain, NULL, handlers(
        ppl_infer_config(c, paint_latents, red), ppl_infer_config(c, paint_all, blue)));
    ck_assert_ptr_eq(ppl_msg_option(site_of(t, "latent1", NO), &colour), red);
    ck_assert_ptr_eq(ppl_msg_option(site_of(t, "obs", NO), &colour), blue);
    t = trace_of(c, everything, NULL, handlers(ppl_infer_config(c, paint_all, blue)));
    ck_assert_ptr_eq(ppl_msg_option(site_of(t, "w", NO), &colour), blue);
    ck_assert_ptr_null(ppl_msg_option(site_of(t, "d", NO), &colour));
    assert_null(c, ppl_infer_config(c, NULL, NULL), PPL_EINVAL,
                "ppl_infer_config: the function is NULL");
    stop(c);
}
END_TEST

static void count_open(ppl_msg *m, void *user)
{
    ((int *)user)[(m->flags & PPL_DONE) != 0]++;
}

/* Each message is shown on its way out and on its way back, but for inspections. */
START_TEST(watch_shows_messages)
{
    ppl_ctx *c = start(_i);
    int before[2] = { 0 }, after[2] = { 0 };
    trace_of(c, chain, NULL, handlers(ppl_watch(c, count_open, NULL, before),
                                      ppl_watch(c, NULL, count_open, after),
                                      ppl_watch(c, NULL, NULL, NULL)));
    ck_assert(before[0] == 2 && before[1] == 1 && after[0] == 0 && after[1] == 3);
    ppl_scope s = ppl_push(c, ppl_watch(c, count_open, count_open, before));
    ppl_inspect(c);
    ppl_pop(c, s);
    ck_assert_int_eq(before[0], 2);
    stop(c);
}
END_TEST

/* Scale, masks, plates, seed and options of the place. */
START_TEST(inspect_tells_of_the_place)
{
    ppl_ctx *c = start(_i);
    ppl_msg m = ppl_inspect(c);
    ck_assert(m.scale == 1 && m.mask == NULL && m.plates == NULL && m.seed == NULL);
    ppl_scope s = ppl_push(c, ppl_scale(c, 2));
    ppl_push(c, ppl_seed(c, 5));
    ppl_push(c, ppl_mask(c, mask_of(c, 1, 0)));
    ppl_push(c, ppl_plate(c, "outer", 4, &(ppl_plate_opts){ .subsample_size = 2 }));
    ppl_push(c, ppl_mask(c, mask_of(c, 0, 0)));
    ppl_push(c, ppl_plate(c, "inner", 3, NULL));
    m = ppl_inspect(c);
    ck_assert_double_eq(m.scale, 4);
    assert_values(m.mask, 0, 0, 0);
    ck_assert_str_eq(m.plates->name, "outer");
    ck_assert_str_eq(m.plates->inner->name, "inner");
    ck_assert_ptr_null(m.plates->inner->inner);
    ck_assert_uint_eq(*m.seed, 5);
    ppl_pop(c, s);
    stop(c);
}
END_TEST

/* ---- lift -------------------------------------------------------------------------- */

/* A network whose parameters are asked for twice, in a plate and under a scale. */
static void network(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 4, &(ppl_plate_opts){ .subsample_size = 2 }));
    for (int k = 0; k < 2; k++) {
        ppl_push(c, ppl_scale(c, 3));
        ppl_tensor *w = ppl_param(c, "w", PPL_SHAPE(2, 3), PPL_ONES, PPL_REAL);
        ppl_tensor *b = ppl_param(c, "b", PPL_SHAPE(2), PPL_ZEROS, PPL_REAL);
        ppl_tensor *v = ppl_param(c, "s", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);
        ppl_tensor *loc = ppl_linear(ppl_full(c, PPL_SHAPE(2, 3), 1), w, b, PPL_TANH);
        ppl_sample_at(c, "y", k, ppl_event(ppl_normal(loc, v), 1));
    }
    ppl_pop(c, s);
}

static ppl_dist *small(ppl_msg *m, void *user)
{
    (void)user;
    if (m->constraint.type != PPL_REAL.type)
        return NULL;
    return ppl_normal(ppl_scalar(m->ctx, 0), ppl_scalar(m->ctx, 0.1));
}

/* Parameters become latents, one event of their shape, drawn once and where lift stands;
 * others stay parameters; conditions and replays hold. */
START_TEST(lift_makes_latents)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, network, NULL, handlers(ppl_scale(c, 2),
                                                       ppl_lift_by(c, small, NULL)));
    ck_assert_str_eq(names_of(t), "n w b s y[0] y[1]");
    const ppl_msg *w = site_of(t, "w", NO);
    ck_assert_int_eq(w->kind, PPL_SITE_SAMPLE);
    ck_assert_int_eq(w->dist->event_dim, 2);
    ck_assert_double_eq(w->scale, 2);
    ck_assert_ptr_null(w->plates);
    assert_shape(w->value, 2, 3);
    ck_assert(ppl_sites_has(site_of(t, "y", 0)->parents, w->site));
    ck_assert(ppl_sites_has(site_of(t, "y", 1)->parents, w->site));
    ck_assert_int_eq(site_of(t, "s", NO)->kind, PPL_SITE_PARAM);
    ck_assert_int_eq(ppl_param_count(c), 1);
    ck_assert_int_eq(ppl_rank(ppl_site_log_prob(site_of(t, "w", NO))), 0);

    ppl_trace *again = trace_of(c, network, NULL, handlers(ppl_replay(c, t),
                                                           ppl_lift_by(c, small, NULL)));
    assert_same("w", value_of(again, "w"), w->value);
    ppl_tensor *seven = ppl_full(c, PPL_SHAPE(2), 7);
    t = trace_of(c, network, NULL, handlers(ppl_condition(
        c, values({ "b", NO, seven }), NULL), ppl_lift_by(c, small, NULL)));
    ck_assert_uint_eq(site_of(t, "b", NO)->flags, PPL_OBSERVED | PPL_DONE);
    /* Further in it is a parameter still. */
    t = trace_of(c, network, NULL, handlers(ppl_lift_by(c, small, NULL), ppl_substitute(
        c, values({ "b", NO, seven }), NULL)));
    ck_assert_int_eq(site_of(t, "b", NO)->kind, PPL_SITE_PARAM);
    stop(c);
}
END_TEST

/* Rows by name, and one for the rest; a handler that is pushed again draws again. */
START_TEST(lift_by_rows)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *one = ppl_scalar(c, 1);
    int unused = -1;
    const ppl_prior rows[] = { { "s", ppl_gamma(one, one) },
                               { NULL, ppl_normal(ppl_scalar(c, 0), one) }, { 0 } };
    ppl_handler *lift = ppl_lift(c, rows, NULL);
    ppl_trace *t = trace_of(c, network, NULL, handlers(lift));
    ck_assert_str_eq(site_of(t, "s", NO)->dist->family->name, "gamma");
    ck_assert_int_eq(site_of(t, "b", NO)->kind, PPL_SITE_SAMPLE);
    ck_assert_int_eq(ppl_param_count(c), 0);
    ppl_trace *again = trace_of(c, network, NULL, handlers(lift));
    ck_assert_double_ne(ppl_total(value_of(again, "w")), ppl_total(value_of(t, "w")));
    /* A prior of the parameter's own shape, with an event of its own. */
    const ppl_prior own[] = { { "w", ppl_event(standard(c, PPL_SHAPE(2, 3)), 1) },
                              { "typo", ppl_normal(one, one) }, { 0 } };
    t = trace_of(c, network, NULL, handlers(ppl_lift(c, own, &unused)));
    ck_assert_int_eq(unused, 1);
    ck_assert_int_eq(site_of(t, "w", NO)->dist->event_dim, 2);
    ck_assert_int_eq(site_of(t, "b", NO)->kind, PPL_SITE_PARAM);
    t = trace_of(c, network, NULL, handlers(ppl_lift(c, NULL, NULL)));
    ck_assert_int_eq(site_of(t, "w", NO)->kind, PPL_SITE_PARAM);
    stop(c);
}
END_TEST

/* A lift in the model, within a plate: copies of a parameter are none. */
static void lift_in_plate(ppl_ctx *c, const void *arg)
{
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 4, NULL));
    ppl_push(c, ppl_lift_by(c, small, NULL));
    ppl_param(c, "w", PPL_SHAPE(2), PPL_ONES, PPL_REAL);
    ppl_pop(c, s);
    (void)arg;
}

START_TEST(lift_refuses)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *one = ppl_scalar(c, 1);
    ppl_dist *normal = ppl_normal(one, one);
    const struct {
        ppl_prior rows[3];
        ppl_status status;
        const char *text;
    } bad[] = {
        { { { "s", normal } }, PPL_ECONSTRAINT, "lift: parameter s must be positive, "
          "and its prior (normal) reaches beyond that; give a prior within it" },
        { { { "w", standard(c, PPL_SHAPE(2)) } }, PPL_ESHAPE, "lift: the prior of "
          "parameter w has shape [2] and the parameter [2,3]; give a prior that "
          "broadcasts to it" },
        { { { "b", ppl_event(standard(c, PPL_SHAPE(1)), 1) } }, PPL_ESHAPE, "lift: the "
          "prior of parameter b has shape [1] and the parameter [2]; give a prior that "
          "broadcasts to it" },
        { { { "s", standard(c, PPL_SHAPE(1)) } }, PPL_ECONSTRAINT, "lift: parameter s "
          "must be positive, and its prior (normal) reaches beyond that; give a prior "
          "within it" },
        { { { "typo", normal } }, PPL_EUNUSED, "lift: no parameter typo was reached; check "
          "name and index, or pass `unused` to have such values counted" },
    };
    for (int i = 0; i < COUNT_OF(bad); i++)
        assert_error(c, ppl_run(c, network, NULL, handlers(ppl_lift(c, bad[i].rows, NULL))),
                     bad[i].status, bad[i].text);
    assert_error(c, ppl_run(c, lift_in_plate, NULL, NULL), PPL_ENEST, "lift: parameter w "
                 "is lifted inside plate n, which makes copies of it; push lift around "
                 "the plate");
    const ppl_prior twice[] = { { "w", normal }, { "w", normal }, { 0 } };
    assert_null(c, ppl_lift(c, twice, NULL), PPL_EDUPLICATE, "ppl_lift: parameter w is "
                "given two priors; give it one");
    const ppl_prior rest[] = { { NULL, normal }, { NULL, normal }, { 0 } };
    assert_null(c, ppl_lift(c, rest, NULL), PPL_EDUPLICATE, "ppl_lift: two rows have no "
                "name; the rest of the parameters has one prior");
    assert_null(c, ppl_lift_by(c, NULL, NULL), PPL_EINVAL,
                "ppl_lift_by: the function is NULL");
    stop(c);
}
END_TEST

/* ---- reparam ----------------------------------------------------------------------- */

/* mu ~ N(0,3), in a plate of 3: z ~ N(mu, 2), a vector of 2, x ~ N(z,1) observed; and a
 * latent of another family. */
static void hierarchy(ppl_ctx *c, const void *arg)
{
    ppl_tensor *one = ppl_scalar(c, 1), *two = ppl_scalar(c, 2);
    (void)arg;
    ppl_tensor *mu = ppl_sample(c, "mu", ppl_normal(one, ppl_scalar(c, 3)));
    ppl_tensor *g = ppl_sample(c, "g", ppl_gamma(two, two));
    ppl_scope s = ppl_push(c, ppl_scale(c, 2));
    ppl_push(c, ppl_plate(c, "n", 3, NULL));
    ppl_tensor *z = ppl_sample_at(c, "z", 5, ppl_event(ppl_normal(ppl_expand(
        mu, PPL_SHAPE(2)), ppl_affine(g, 1, 1)), 1));
    ppl_observe(c, "x", ppl_event(ppl_normal(z, one), 1), ppl_full(c, PPL_SHAPE(3, 2), 1));
    ppl_pop(c, s);
}

/* For any k the joint density at the same z differs by the Jacobian, scale^(1-k) for each
 * element; the new site keeps scale, plates and event; z is a deterministic value. */
START_TEST(loc_scale_moves_the_density)
{
    static const double k[] = { 0, 0.25, 1 };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(k); i++) {
        const ppl_reparameteriser how = ppl_loc_scale_reparam(k[i]);
        const ppl_reparam_row rows[] = { { "z", &how }, { 0 } };
        ppl_trace *t = trace_of(c, hierarchy, NULL, handlers(ppl_reparam(c, rows)));
        ck_assert_str_eq(names_of(t), "mu g n z_decentered[5] z[5] x");
        const ppl_msg *base = site_of(t, "z_decentered", 5);
        ck_assert_double_eq(base->scale, 2);
        ck_assert_str_eq(base->plates->name, "n");
        ck_assert_int_eq(base->dist->event_dim, 1);
        assert_shape(base->value, 3, 2);
        ck_assert_int_eq(site_of(t, "z", 5)->kind, PPL_SITE_DETERMINISTIC);
        ck_assert(ppl_sites_has(site_of(t, "x", NO)->parents, base->site));
        ppl_trace *plain = trace_of(c, hierarchy, NULL, handlers(ppl_condition(
            c, values({ "z", 5, site_of(t, "z", 5)->value },
                      { "mu", NO, value_of(t, "mu") }, { "g", NO, value_of(t, "g") }),
            NULL)));
        double scale = 1 + ppl_item(value_of(t, "g"));
        ck_assert(is_near(ppl_trace_log_prob(t),
                          ppl_trace_log_prob(plain) + 2 * 6 * (1 - k[i]) * log(scale),
                          100 * rounding(_i)));
        if (k[i] == 0)
            ck_assert_ptr_null(base->parents);
        else
            ck_assert(ppl_sites_has(base->parents, site_of(t, "mu", NO)->site));
    }
    stop(c);
}
END_TEST

/* The moments of z are what they were; the learned k starts at 1/2, for each element of an
 * event. */
START_TEST(loc_scale_keeps_the_distribution)
{
    enum { RUNS = 4000 };
    ppl_ctx *c = start(_i);
    const ppl_reparam_row rows[] = { { NULL, &ppl_loc_scale_reparam_learned }, { 0 } };
    double sum = 0, squares = 0;
    for (int run = 0; run < RUNS; run++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        ppl_trace *t = trace_of(c, hierarchy, NULL, handlers(ppl_reparam(c, rows)));
        double mu = ppl_item(value_of(t, "mu")), g = ppl_item(value_of(t, "g")), z[6];
        ppl_read(site_of(t, "z", 5)->value, z, 6);
        sum += (z[3] - mu) / (1 + g);
        squares += (z[3] - mu) / (1 + g) * (z[3] - mu) / (1 + g);
        if (run == 0) {
            ck_assert_str_eq(names_of(t), "mu_centered mu_decentered mu g n z_centered "
                             "z_decentered[5] z[5] x");
            assert_values(value_of(t, "z_centered"), 0, 0.5, 0.5);
            ck_assert_int_eq(ppl_rank(value_of(t, "mu_centered")), 0);
        }
        ppl_epoch_end(c, mark);
    }
    ck_assert_double_lt(fabs(sum / RUNS), 4 / sqrt(RUNS));
    ck_assert_double_lt(fabs(squares / RUNS - 1), 4 * sqrt(2.0 / RUNS));
    stop(c);
}
END_TEST

/* A mask of the distribution's own goes along. */
static void masked_z(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_sample(c, "z", ppl_masked(standard(c, PPL_SHAPE(2)), mask_of(c, 1, 0)));
}

START_TEST(reparam_keeps_masks)
{
    ppl_ctx *c = start(_i);
    const ppl_reparameteriser how = ppl_loc_scale_reparam(0);
    const ppl_reparam_row rows[] = { { "z", &how }, { 0 } };
    ppl_trace *t = trace_of(c, masked_z, NULL, handlers(ppl_reparam(c, rows)));
    double z[2];
    ppl_read(value_of(t, "z"), z, 2);
    ck_assert(is_near(ppl_trace_log_prob(t), log_normal(z[0], 0, 1), rounding(_i)));
    stop(c);
}
END_TEST

/* exp of a normal, made here as an image of its part. */
static ppl_tensor *exp_sample(const ppl_dist *d, const ppl_rng *rng)
{
    ppl_shape batch = d->shape;
    return ppl_exp(ppl_dist_sample(ppl_expand_dist((ppl_dist *)(uintptr_t)d->parts->dist[0],
                                                   batch), rng));
}
static ppl_tensor *exp_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *u = ppl_log(x);
    return ppl_sub(d->parts->dist[0]->family->log_prob(d->parts->dist[0], u), u);
}
static ppl_tensor *exp_image(const ppl_dist *d, ppl_tensor *u)
{
    (void)d;
    return ppl_exp(u);
}
static const ppl_family exp_family = {
    .name = "exp_normal", .flags = PPL_REPARAM, .support = &PPL_POSITIVE,
    .sample = exp_sample, .log_prob = exp_log_prob, .image = exp_image,
};

static ppl_dist *exp_normal(ppl_tensor *loc, ppl_tensor *scale)
{
    const ppl_dist *base = ppl_normal(loc, scale);
    const ppl_dist_parts parts = { .dist = &base, .dists = 1,
                                   .batch = ppl_dist_batch_shape(base) };
    return ppl_dist_make_of(&exp_family, NULL, &parts, NULL);
}

static void skewed(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 2, NULL));
    ppl_sample(c, "y", ppl_event(exp_normal(ppl_full(c, PPL_SHAPE(2, 3), 0.5),
                                            ppl_scalar(c, 0.3)), 1));
    ppl_pop(c, s);
}

/* An image becomes the map of its base; densities differ by the Jacobian. */
START_TEST(transform_takes_the_base)
{
    ppl_ctx *c = start(_i);
    const ppl_reparam_row rows[] = { { "y", &ppl_transform_reparam }, { 0 } };
    ppl_trace *t = trace_of(c, skewed, NULL, handlers(ppl_reparam(c, rows)));
    ck_assert_str_eq(names_of(t), "n y_base y");
    const ppl_msg *base = site_of(t, "y_base", NO);
    ck_assert_ptr_eq(base->dist->family, &ppl_family_normal);
    ck_assert_int_eq(base->dist->event_dim, 1);
    assert_shape(base->value, 2, 3);
    ppl_trace *plain = trace_of(c, skewed, NULL, handlers(ppl_condition(
        c, values({ "y", NO, value_of(t, "y") }), NULL)));
    ck_assert(is_near(ppl_trace_log_prob(t),
                      ppl_trace_log_prob(plain) + ppl_total(base->value),
                      100 * rounding(_i)));
    stop(c);
}
END_TEST

/* The library's own: loc and scale of other families, and transformed distributions. */
static void families(ppl_ctx *c, const void *arg)
{
    ppl_tensor *loc = numbers(c, 1, -2), *scale = ppl_scalar(c, 3);
    ppl_transform *exp = ppl_transform_exp(c), *simplex = ppl_transform_stick_breaking(c);
    (void)arg;
    ppl_sample(c, "cauchy", ppl_cauchy(loc, scale));
    ppl_sample(c, "laplace", ppl_laplace(loc, scale));
    ppl_sample(c, "logistic", ppl_logistic(loc, scale));
    ppl_sample(c, "gumbel", ppl_gumbel(loc, scale));
    ppl_sample(c, "skewed", ppl_asymmetric_laplace(loc, scale, ppl_scalar(c, 2)));
    ppl_sample(c, "log_normal", ppl_log_normal(loc, scale));
    ppl_sample(c, "exp", ppl_transformed(ppl_normal(loc, scale), &exp, 1));
    ppl_sample(c, "simplex", ppl_transformed(ppl_normal(loc, scale), &simplex, 1));
}

/* At the same values the densities differ by the Jacobian: log 3 for each element of those
 * with loc and scale, log |dy/dx| of a map. */
START_TEST(reparam_of_the_librarys_families)
{
    ppl_ctx *c = start(_i);
    const ppl_reparameteriser how = ppl_loc_scale_reparam(0);
    const ppl_reparam_row rows[] = { { NULL, &how }, { "exp", &ppl_transform_reparam },
                                     { "simplex", &ppl_transform_reparam }, { 0 } };
    ppl_trace *t = trace_of(c, families, NULL, handlers(ppl_reparam(c, rows)));
    ppl_value list[10] = { { NULL, 0, NULL } };
    int count = 0, latents = 0;
    for (int i = 0; i < ppl_trace_count(t); i++) {
        const ppl_msg *m = ppl_trace_at(t, i);
        if (m->kind == PPL_SITE_DETERMINISTIC || strcmp(m->name, "log_normal") == 0)
            list[count++] = (ppl_value){ m->name, NO, m->value };
        latents += m->kind == PPL_SITE_SAMPLE;
    }
    ck_assert_int_eq(count, 8);
    ck_assert_int_eq(latents, 8);
    assert_shape(value_of(t, "simplex"), 3);
    ppl_trace *plain = trace_of(c, families, NULL, handlers(ppl_condition(c, list, NULL)));
    double jacobian = 5 * 2 * log(3), e[2], s[3];
    ppl_read(value_of(t, "exp_base"), e, 2);
    jacobian += e[0] + e[1];                        /* log dy/dx of exp is x */
    ppl_read(value_of(t, "simplex"), s, 3);
    jacobian += log(s[0]) + log(s[1]) + log(s[2]);  /* of stick-breaking: the product */
    ck_assert(is_near(ppl_trace_log_prob(t), ppl_trace_log_prob(plain) + jacobian,
                      _i == 0 ? 1e-3 : 1e-9));
    stop(c);
}
END_TEST

/* A row of one's own: Gamma(a, b) = Gamma(a, 1) / b. */
static ppl_tensor *unit_rate(const ppl_reparameteriser *self, ppl_msg *m)
{
    if (m->dist->family != &ppl_family_gamma)
        return NULL;
    ck_assert_str_eq(self->attr, "mine");
    return ppl_div(ppl_sample_beside(m, "_unit", ppl_gamma(m->dist->param[0],
                                                           ppl_scalar(m->ctx, 1))),
                   m->dist->param[1]);
}

START_TEST(reparam_by_a_row_of_ones_own)
{
    static const ppl_reparameteriser mine = { .name = "unit_rate", .needs = "a gamma",
                                              .rewrite = unit_rate, .attr = "mine" };
    ppl_ctx *c = start(_i);
    const ppl_reparam_row rows[] = { { NULL, &mine }, { 0 } };
    ppl_trace *t = trace_of(c, hierarchy, NULL, handlers(ppl_reparam(c, rows)));
    ck_assert_str_eq(names_of(t), "mu g_unit g n z[5] x");
    ck_assert_double_eq(ppl_item(value_of(t, "g")), ppl_item(value_of(t, "g_unit")) / 2);
    stop(c);
}
END_TEST

/* By name what does not fit is refused, without a name it is left; sites with a value too;
 * further out the site is none any more. */
START_TEST(reparam_refuses)
{
    ppl_ctx *c = start(_i);
    const ppl_reparameteriser how = ppl_loc_scale_reparam(0), bad = ppl_loc_scale_reparam(2);
    const struct {
        ppl_reparam_row rows[2];
        ppl_status status;
        const char *text;
    } wrong[] = {
        { { { "g", &how } }, PPL_EUNSUPPORTED, "reparam: loc_scale does not fit site g "
          "(gamma); it needs a family with loc and scale on all real numbers" },
        { { { "mu", &ppl_transform_reparam } }, PPL_EUNSUPPORTED, "reparam: transform does "
          "not fit site mu (normal); it needs a family whose members are images of "
          "another's" },
        { { { "x", &how } }, PPL_EUNSUPPORTED, "reparam: site x is observed; only latents "
          "are rewritten: leave it out, or observe it further out" },
        { { { "typo", &how } }, PPL_EUNUSED, "reparam: no sample site typo was reached; "
          "check name and index" },
        { { { "z", &bad } }, PPL_EINVAL, "loc_scale: centered is 2; it must be from 0 (loc "
          "and scale taken out) to 1 (as it was)" },
    };
    for (int i = 0; i < COUNT_OF(wrong); i++)
        assert_error(c, ppl_run(c, hierarchy, NULL, handlers(ppl_reparam(
            c, wrong[i].rows))), wrong[i].status, wrong[i].text);
    const ppl_reparam_row rest[] = { { NULL, &ppl_transform_reparam }, { 0 } };
    ppl_trace *t = trace_of(c, hierarchy, NULL, handlers(ppl_reparam(c, rest)));
    ck_assert_str_eq(names_of(t), "mu g n z[5] x");
    const ppl_reparam_row z[] = { { "z", &how }, { 0 } };
    ppl_trace *again = trace_of(c, hierarchy, NULL, handlers(ppl_reparam(c, z),
                                                             ppl_replay(c, t)));
    ck_assert_int_eq(site_of(again, "z", 5)->kind, PPL_SITE_SAMPLE);
    assert_error(c, ppl_run(c, hierarchy, NULL, handlers(ppl_condition(
        c, values({ "z", 5, ppl_full(c, PPL_SHAPE(3, 2), 1) }), NULL), ppl_reparam(c, z))),
        PPL_EUNUSED, "condition: no sample site z[5] was reached; check name and index, or "
        "pass `unused` to have such values counted");
    const ppl_reparam_row twice[] = { { "z", &how }, { "z", &how }, { 0 } };
    assert_null(c, ppl_reparam(c, twice), PPL_EDUPLICATE,
                "ppl_reparam: z is given two rows; give it one");
    const ppl_reparam_row rests[] = { { NULL, &how }, { NULL, &how }, { 0 } };
    assert_null(c, ppl_reparam(c, rests), PPL_EDUPLICATE, "ppl_reparam: the rest of the "
                "sites is given two rows; give it one");
    trace_of(c, hierarchy, NULL, handlers(ppl_reparam(c, NULL)));
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        names_get_prefixes, names_that_stay, names_inside_and_outside,
        infer_config_gives_options, watch_shows_messages, inspect_tells_of_the_place,
        lift_makes_latents, lift_by_rows, lift_refuses, loc_scale_moves_the_density,
        loc_scale_keeps_the_distribution, reparam_keeps_masks, transform_takes_the_base,
        reparam_of_the_librarys_families, reparam_by_a_row_of_ones_own, reparam_refuses, NULL
    };
    return run_tests("handlers_sites", tests);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_user_handler.c - handlers and statements of one's own, on the public headers
 * alone: an example.
 *
 * A handler is a struct that begins with a ppl_handler, and a const table of functions
 * (kiln/effects.h). Three are written here, from the plain to the powerful: one that only
 * looks, one that changes what a statement is, and one that makes statements itself; then
 * a statement that sends its own message. They compose with the library's handlers.
 */
#include "fixture.h"

#define NO PPL_NO_INDEX

/* ---- tally: how many sites of each kind a run has, and how it ended ---------------- */

typedef struct tally {
    ppl_handler base;
    int seen[PPL_SITE_INSPECT], runs;
    ppl_status ended;
} tally;

static void tally_enter(ppl_handler *h, ppl_ctx *c)
{
    (void)c;
    ((tally *)h)->runs++;
}

static void tally_postprocess(ppl_handler *h, ppl_msg *m)
{
    if (m->kind != PPL_SITE_INSPECT)
        ((tally *)h)->seen[m->kind]++;
}

static void tally_leave(ppl_handler *h, ppl_ctx *c, ppl_status why)
{
    (void)c;
    ((tally *)h)->ended = why;
}

static const ppl_handler_ops tally_ops = { .name = "tally",
                                           .postprocess = tally_postprocess,
                                           .enter = tally_enter,
                                           .leave = tally_leave };

/* ---- lift: a parameter becomes a latent with a prior ------------------------------- */

typedef struct lift {
    ppl_handler base;
    ppl_name name;
    double scale;                   /* the prior is Normal(0, scale) */
} lift;

/* What was a question to the store goes on outward as a sample. */
static void lift_process(ppl_handler *h, ppl_msg *m)
{
    const lift *self = (const lift *)h;
    if (m->kind != PPL_SITE_PARAM || m->name != self->name || (m->flags & PPL_DONE) != 0)
        return;
    m->kind = PPL_SITE_SAMPLE;
    m->dist = ppl_event(ppl_normal(ppl_full(m->ctx, m->shape, 0),
                                   ppl_scalar(m->ctx, self->scale)), m->shape.rank);
}

static const ppl_handler_ops lift_ops = { .name = "lift", .process = lift_process };

static ppl_handler *make_lift(ppl_ctx *c, const char *name, double scale)
{
    lift *self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    *self = (lift){ { .ops = &lift_ops }, ppl_intern(c, name), scale };
    return &self->base;
}

/* ---- noncentred: a Normal site z becomes loc + scale z_base, z_base standard Normal  */

/* The message of z_base is that of z but for name, distribution and value: it keeps what
 * handlers further in have said (scale, mask, plates), and goes outward. */
static void noncentred_process(ppl_handler *h, ppl_msg *m)
{
    ppl_msg inner = *m;
    (void)h;
    if (m->kind != PPL_SITE_SAMPLE || (m->flags & PPL_DONE) != 0 ||
        m->dist->family != &ppl_family_normal)
        return;
    inner.name = ppl_intern_join(m->ctx, m->name, "_base");
    inner.dist = ppl_event(ppl_normal(ppl_full(m->ctx, m->dist->shape, 0),
                                      ppl_scalar(m->ctx, 1)), m->dist->event_dim);
    ppl_send(&inner);
    m->kind = PPL_SITE_DETERMINISTIC;
    m->value = ppl_add(m->dist->param[0], ppl_mul(m->dist->param[1], inner.value));
    m->flags |= PPL_DONE;
}

static const ppl_handler_ops noncentred_ops = { .name = "noncentred",
                                                .process = noncentred_process };

/* ---- A statement: an observation that counts `weight` times ------------------------ */

static void observe_weighted(ppl_ctx *c, const char *name, ppl_dist *d, ppl_tensor *data,
                             double weight)
{
    ppl_msg m = { .ctx = c, .kind = PPL_SITE_SAMPLE, .name = ppl_intern(c, name),
                  .index = NO, .flags = PPL_OBSERVED | PPL_DONE, .dist = d,
                  .value = data, .scale = weight };
    ppl_send(&m);
}

/* ---- The model --------------------------------------------------------------------- */

/* w a parameter, z_i ~ N(w, 2) in a plate, x_i ~ N(z_i, 1) observed and counted 3
 * times. */
static void model(ppl_ctx *c, const void *arg)
{
    ppl_tensor *w = ppl_param(c, "w", PPL_SCALAR, ppl_init_constant(0.5), PPL_REAL);
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 3, NULL));
    ppl_tensor *z = ppl_sample(c, "z", ppl_normal(w, ppl_scalar(c, 2)));
    observe_weighted(c, "x", ppl_normal(z, ppl_scalar(c, 1)), numbers(c, 1, 2, 3),
                     *(const double *)arg);
    ppl_pop(c, s);
}

static const double three = 3;

/* ---- What holds -------------------------------------------------------------------- */

/* A handler sees every message, in every run that it is pushed around, and how they
 * end. */
START_TEST(tally_counts)
{
    ppl_ctx *c = start(_i);
    tally t = { .base.ops = &tally_ops };
    assert_ok(c, ppl_run(c, model, &three, handlers(&t.base)));
    ck_assert_int_eq(t.seen[PPL_SITE_SAMPLE], 2);
    ck_assert_int_eq(t.seen[PPL_SITE_PARAM], 1);
    ck_assert_int_eq(t.seen[PPL_SITE_SUBSAMPLE], 1);
    ck_assert_int_eq(t.ended, PPL_OK);
    ppl_handler *misfit = ppl_condition(c, values({ "z", NO, numbers(c, 1, 2) }), NULL);
    ck_assert_int_eq(ppl_run(c, model, &three, handlers(&t.base, misfit)), PPL_ESHAPE);
    ck_assert_int_eq(t.ended, PPL_ESHAPE);
    ck_assert_int_eq(t.runs, 2);
    ck_assert_int_eq(t.seen[PPL_SITE_SAMPLE], 2);
    stop(c);
}
END_TEST

/* A lifted parameter is a latent for all outer handlers; the store never hears of it. */
START_TEST(lift_makes_latents)
{
    ppl_ctx *c = start(_i);
    ppl_handler *prior = make_lift(c, "w", 10);
    ppl_trace *t = trace_of(c, model, &three, handlers(prior));
    const ppl_msg *w = site_of(t, "w", NO);
    ck_assert_int_eq(w->kind, PPL_SITE_SAMPLE);
    ck_assert_int_eq(ppl_param_count(c), 0);
    ck_assert(ppl_sites_has(site_of(t, "z", NO)->parents, w->site));
    ppl_trace *again = trace_of(c, model, &three, handlers(ppl_replay(c, t), prior));
    assert_same("w", value_of(again, "w"), w->value);
    t = trace_of(c, model, &three, handlers(ppl_condition(
        c, values({ "w", NO, ppl_scalar(c, 7) }), NULL), prior));
    assert_values(value_of(t, "w"), 0, 7);
    /* Further in nothing is lifted yet: what is given there stays a parameter. */
    t = trace_of(c, model, &three, handlers(prior, ppl_substitute(
        c, values({ "w", NO, ppl_scalar(c, 8) }), NULL)));
    assert_values(value_of(t, "w"), 0, 8);
    ck_assert_int_eq(site_of(t, "w", NO)->kind, PPL_SITE_PARAM);
    stop(c);
}
END_TEST

/* The density at the same point differs by the Jacobian, log scale for each element. */
START_TEST(noncentred_moves_the_density)
{
    ppl_ctx *c = start(_i);
    ppl_handler noncentred = { .ops = &noncentred_ops };
    ppl_trace *moved = trace_of(c, model, &three, handlers(ppl_scale(c, 5), &noncentred));
    ck_assert_int_eq(site_of(moved, "z", NO)->kind, PPL_SITE_DETERMINISTIC);
    const ppl_msg *base = site_of(moved, "z_base", NO);
    ck_assert_double_eq(base->scale, 5);
    ck_assert_str_eq(base->plates->name, "n");
    assert_shape(base->value, 3);
    ck_assert(ppl_sites_has(ppl_tensor_sites(value_of(moved, "z")), base->site));
    ppl_trace *plain = trace_of(c, model, &three, handlers(ppl_scale(c, 5), ppl_condition(
        c, values({ "z", NO, value_of(moved, "z") }), NULL)));
    ck_assert(is_near(ppl_trace_log_prob(moved),
                      ppl_trace_log_prob(plain) + 5 * 3 * log(2), 20 * rounding(_i)));
    stop(c);
}
END_TEST

/* A message of one's own travels as any other: its weight is multiplied on the way. */
START_TEST(weighted_observations_count)
{
    ppl_ctx *c = start(_i);
    ppl_trace *once = trace_of(c, model, &(double){ 1 }, NULL);
    ppl_trace *t = trace_of(c, model, &three,
                            handlers(ppl_scale(c, 2), ppl_replay(c, once)));
    ck_assert_double_eq(site_of(t, "x", NO)->scale, 6);
    ck_assert_double_eq(site_of(t, "z", NO)->scale, 2);
    double z = ppl_total(ppl_site_log_prob(site_of(once, "z", NO)));
    double x = ppl_total(ppl_site_log_prob(site_of(once, "x", NO)));
    ck_assert(is_near(ppl_trace_log_prob(t), 2 * z + 6 * x, 20 * rounding(_i)));
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        tally_counts, lift_makes_latents, noncentred_moves_the_density,
        weighted_observations_count, NULL
    };
    return run_tests("user_handler", tests);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_handlers_collapse.c - latents integrated out of conjugate pairs: the joint density
 * is kept, marginals and posteriors are those of closed forms, gradients too; what cannot
 * be collapsed is refused.
 */
#include "handlers.h"

#include <kiln/conjugate.h>
#include <kiln/infer.h>

/* ---- Models: one for each row of the table, in several shapes ---------------------- */

/* z of a prior, x of a likelihood, `latent` or observed at draws of a fixed seed. */
typedef struct pair {
    const char *name;
    ppl_shape z, x;                     /* batches; x's is [.., z's] */
    int event;                          /* axes of z's batch made part of its event */
    int latent;                         /* x is not observed */
    int masked;                         /* half of x does not count */
    int again;                          /* a second child, y */
} pair;

static ppl_dist *prior_of(ppl_ctx *c, const pair *p)
{
    ppl_tensor *two = ppl_full(c, p->z, 2), *three = ppl_full(c, p->z, 3);
    ppl_shape dirichlet = p->z;
    if (strncmp(p->name, "normal", 6) == 0)
        return ppl_normal(two, three);
    if (strncmp(p->name, "beta", 4) == 0)
        return ppl_beta(two, three);
    if (strncmp(p->name, "gamma", 5) == 0)
        return ppl_gamma(two, three);
    dirichlet.dim[dirichlet.rank++] = 4;
    return ppl_dirichlet(ppl_full(c, dirichlet, 1.5));
}

static ppl_dist *likelihood_of(ppl_ctx *c, const pair *p, ppl_tensor *z)
{
    ppl_tensor *half = ppl_scalar(c, 0.5);
    ppl_dist *d;
    if (strcmp(p->name, "normal-normal") == 0)
        d = ppl_normal(z, half);
    else if (strcmp(p->name, "normal-log_normal") == 0)
        d = ppl_log_normal(z, half);
    else if (strcmp(p->name, "beta-bernoulli") == 0)
        d = ppl_bernoulli(z);
    else if (strcmp(p->name, "beta-binomial") == 0)
        d = ppl_binomial(ppl_scalar(c, 5), z);
    else if (strcmp(p->name, "gamma-poisson") == 0)
        d = ppl_poisson(z);
    else if (strcmp(p->name, "gamma-exponential") == 0)
        d = ppl_exponential(z);
    else if (strcmp(p->name, "gamma-gamma") == 0)
        d = ppl_gamma(half, z);
    else if (strcmp(p->name, "dirichlet-multinomial") == 0)
        d = ppl_multinomial(ppl_scalar(c, 6), z);
    else if (strcmp(p->name, "dirichlet-one_hot_categorical") == 0)
        d = ppl_one_hot_categorical(z);
    else
        d = ppl_categorical(z);
    return ppl_event(ppl_expand_dist(d, p->x), p->event);
}

/* Of vectors of categories: counts with sum 6, or unit vectors. */
static ppl_tensor *vectors_of(ppl_ctx *c, const pair *p, int n, int one_hot)
{
    int64_t k[64 * 4];
    double x[64 * 4];
    ppl_shape shape = p->x;
    shape.dim[shape.rank++] = 4;
    for (int i = 0; i < 4 * n; i++) {
        x[i] = i % 4 == i / 4 * 3 % 4;
        k[i] = (i % 4 == i / 4 % 4) * 3 + i % 4 % 2 + (i % 4 == i / 4 * 3 % 4);
    }
    return one_hot ? ppl_from_doubles(c, shape, x) : ppl_from_integers(c, shape, k);
}

/* Data of the right kind. */
static ppl_tensor *data_of(ppl_ctx *c, const pair *p, double shift)
{
    int n = 1;
    double x[64];
    int64_t k[64];
    for (int a = 0; a < p->x.rank; a++)
        n *= (int)p->x.dim[a];
    for (int i = 0; i < n; i++) {
        x[i] = strcmp(p->name, "beta-bernoulli") == 0 ? (i * i / 2) % 2
                                                      : 0.5 + 0.25 * i + shift;
        k[i] = (i * i + i / 2) % 4;
    }
    if (strcmp(p->name, "dirichlet-multinomial") == 0 ||
        strcmp(p->name, "dirichlet-one_hot_categorical") == 0)
        return vectors_of(c, p, n, strcmp(p->name, "dirichlet-multinomial") != 0);
    return strcmp(p->name, "dirichlet-categorical") == 0 ||
                   strcmp(p->name, "beta-binomial") == 0 ||
                   strcmp(p->name, "gamma-poisson") == 0
               ? ppl_from_integers(c, p->x, k) : ppl_from_doubles(c, p->x, x);
}

static void model(ppl_ctx *c, const void *arg)
{
    const pair *p = arg;
    static const unsigned char bits[64] = { 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1 };
    ppl_tensor *z = ppl_sample_at(c, "z", 2, ppl_event(prior_of(c, p), p->event));
    ppl_dist *d = likelihood_of(c, p, z);
    ppl_scope s = ppl_push(c, p->masked ? ppl_mask(c, ppl_from_mask(
        c, ppl_dist_batch_shape(d), bits)) : NULL);
    if (p->latent)
        ppl_sample(c, "x", d);
    else
        ppl_observe(c, "x", d, data_of(c, p, 0));
    ppl_pop(c, s);
    if (p->again)
        ppl_observe(c, "y", likelihood_of(c, p, z), data_of(c, p, 0.125));
}

#define S(...) { sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), { __VA_ARGS__ } }
#define SCALAR { 0, { 0 } }

static const char *const names[] = { "normal-normal", "normal-log_normal",
                                     "beta-bernoulli", "beta-binomial",
                                     "gamma-exponential", "gamma-gamma", "gamma-poisson",
                                     "dirichlet-categorical", "dirichlet-multinomial",
                                     "dirichlet-one_hot_categorical" };

static const pair shapes[] = {
    { NULL, SCALAR, SCALAR, 0, 0, 0, 0 },
    { NULL, SCALAR, S(6), 0, 0, 0, 0 },
    { NULL, SCALAR, S(6), 0, 0, 1, 0 },
    { NULL, SCALAR, S(6), 0, 0, 0, 1 },
    { NULL, SCALAR, S(3, 2), 0, 1, 0, 1 },
    { NULL, S(3), S(3), 0, 0, 0, 1 },
    { NULL, S(3), S(2, 3), 0, 0, 1, 1 },
    { NULL, S(3, 1), S(4, 3, 2), 0, 0, 0, 0 },
    { NULL, S(2, 3), S(4, 2, 3), 1, 0, 1, 0 },
    { NULL, S(3), S(3), 1, 1, 0, 1 },
};

/* 1 if the test's table has all rows of the library's. */
static int is_complete(void)
{
    int count = 0;
    while (ppl_conjugate_pairs[count].prior != NULL)
        count++;
    return count == COUNT_OF(names);
}

static ppl_handler *all(ppl_ctx *c)
{
    return ppl_collapse(c, ppl_conjugate_pairs, NULL);
}

/* p(x) p(z | x) is p(z) p(x | z) at any values: for every pair, in every shape. */
START_TEST(the_joint_density_is_kept)
{
    ppl_ctx *c = start(_i);
    ck_assert_msg(is_complete(), "give the new pair a name here and a row in prior_of");
    for (int n = 0; n < COUNT_OF(names); n++)
        for (int i = 0; i < COUNT_OF(shapes); i++) {
            pair p = shapes[i];
            char text[64];
            p.name = names[n];
            ppl_trace *t = trace_of(c, model, &p, handlers(ppl_scale(c, 2), all(c)));
            ck_assert_str_eq(names_of(t), p.again ? "x y z[2]" : "x z[2]");
            ck_assert_str_eq(site_of(t, "x", NO)->dist->family->name, p.name);
            ck_assert_uint_eq(site_of(t, "z", 2)->flags, PPL_DONE);
            ck_assert_ptr_null(site_of(t, "x", NO)->parents);
            ck_assert_int_eq(ppl_sites_next(site_of(t, "z", 2)->parents, 0),
                             p.latent ? site_of(t, "x", NO)->site : -1);
            int unused;
            ppl_trace *plain = trace_of(c, model, &p, handlers(ppl_scale(c, 2), ppl_condition(
                c, values({ "z", 2, site_of(t, "z", 2)->value },
                          { "x", NO, value_of(t, "x") }), &unused)));
            double a = ppl_trace_log_prob(t), b = ppl_trace_log_prob(plain);
            snprintf(text, sizeof text, "%s, shape %d", p.name, i);
            ck_assert_msg(is_near(a, b, 200 * rounding(_i)), "%s: %.12g is not %.12g", text,
                          a, b);
        }
    stop(c);
}
END_TEST

/* A loop of children does the same as an axis of them: p(x) is a product of what each is
 * given those before. */
static void loop(ppl_ctx *c, const void *arg)
{
    const double toss[] = { 1, 0, 1, 1, 1 };
    ppl_tensor *z = ppl_sample(c, "z", ppl_beta(ppl_scalar(c, 2), ppl_scalar(c, 3)));
    (void)arg;
    for (int i = 0; i < 5; i++)
        ppl_observe_at(c, "toss", i, ppl_bernoulli(z), ppl_scalar(c, toss[i]));
}

static double log_beta(double a, double b)
{
    return lgamma(a) + lgamma(b) - lgamma(a + b);
}

/* Polya's urn: P(next is 1) = (a + heads) / (a + b + n). */
START_TEST(children_in_a_loop)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, loop, NULL, handlers(all(c)));
    const double urn[] = { 2.0 / 5, 3.0 / 6, 3.0 / 7, 4.0 / 8, 5.0 / 9 };
    double sum = 0;
    for (int i = 0; i < 5; i++) {
        double p = ppl_total(ppl_site_log_prob(site_of(t, "toss", i)));
        ck_assert(is_near(p, log(urn[i]), 20 * rounding(_i)));
        sum += p;
    }
    ck_assert(is_near(sum, log_beta(2 + 4, 3 + 1) - log_beta(2, 3), 50 * rounding(_i)));
    const ppl_dist *posterior = site_of(t, "z", NO)->dist;
    assert_values(posterior->param[0], rounding(_i), 6);
    assert_values(posterior->param[1], rounding(_i), 4);
    stop(c);
}
END_TEST

/* ---- Draws ------------------------------------------------------------------------- */

/* Nothing observed: x and z are drawn from their joint distribution. */
START_TEST(draws_are_of_the_joint)
{
    enum { RUNS = 4000 };
    ppl_ctx *c = start(_i);
    pair p = { .name = "normal-normal", .x = S(2), .latent = 1 };
    double sum[3] = { 0 }, squares[3] = { 0 }, cross = 0;
    for (int run = 0; run < RUNS; run++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        ppl_trace *t = trace_of(c, model, &p, handlers(all(c)));
        double v[3];
        ppl_read(value_of(t, "x"), v, 2);
        v[2] = ppl_item(site_of(t, "z", 2)->value);
        for (int i = 0; i < 3; i++) {
            sum[i] += v[i];
            squares[i] += (v[i] - 2) * (v[i] - 2);
        }
        cross += (v[0] - 2) * (v[2] - 2);
        ppl_epoch_end(c, mark);
    }
    for (int i = 0; i < 3; i++) {
        double variance = 9 + (i < 2) * 0.25;
        ck_assert_double_lt(fabs(sum[i] / RUNS - 2), 4 * sqrt(variance / RUNS));
        ck_assert_double_lt(fabs(squares[i] / RUNS - variance),
                            4 * variance * sqrt(2.0 / RUNS));
    }
    /* Var of (x - 2)(z - 2) is 9.25 * 9 + 9^2. */
    ck_assert_double_lt(fabs(cross / RUNS - 9), 4 * sqrt((9.25 * 9 + 81) / RUNS));
    stop(c);
}
END_TEST

/* ---- The marginal model ------------------------------------------------------------ */

/* Hyperparameters to learn: x_i ~ N(z, 1/2), z ~ N(m, s). */
static const double seen[] = { 1, 2, 4 };

static void learned(ppl_ctx *c, const void *arg)
{
    ppl_tensor *m = ppl_param(c, "m", PPL_SCALAR, ppl_init_constant(0.3), PPL_REAL);
    ppl_tensor *s = ppl_param(c, "s", PPL_SCALAR, ppl_init_constant(2), PPL_POSITIVE);
    (void)arg;
    const char *const z_alone[] = { "z", NULL };
    ppl_scope scope = ppl_push(c, ppl_block(c, &(ppl_block_opts){ .hide = z_alone }));
    ppl_push(c, ppl_collapse(c, ppl_conjugate_pairs, z_alone));
    ppl_tensor *z = ppl_sample(c, "z", ppl_normal(m, s));
    ppl_push(c, ppl_plate(c, "n", 3, NULL));
    ppl_observe(c, "x", ppl_normal(z, ppl_scalar(c, 0.5)),
                ppl_from_doubles(c, PPL_SHAPE(3), seen));
    ppl_pop(c, scope);
}

static void empty(ppl_ctx *c, const void *arg)
{
    (void)c, (void)arg;
}

/* log N(x; m 1, 1/4 I + s^2 1 1^T). */
static double evidence(double m, double s)
{
    double t = 0.25, sum = 0, squares = 0, log_p = 0;
    for (int i = 0; i < 3; i++) {
        sum += seen[i] - m;
        squares += (seen[i] - m) * (seen[i] - m);
    }
    log_p = -1.5 * log(2 * 3.14159265358979323846) - log(t) - 0.5 * log(t + 3 * s * s);
    return log_p - 0.5 * (squares - s * s / (t + 3 * s * s) * sum * sum) / t;
}

/* With z hidden the model is the marginal one: an ELBO without a guide is the evidence,
 * its gradient that of the evidence, and x, no more independent, is in no plate. */
START_TEST(what_remains_is_the_marginal)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, learned, NULL, NULL);
    ck_assert_str_eq(names_of(t), "m s n x");
    ck_assert_ptr_null(site_of(t, "x", NO)->plates);
    ppl_elbo *elbo = ppl_trace_elbo(c, NULL);
    ppl_svi *svi = ppl_svi_new(c, learned, empty, elbo, ppl_adam(c, NULL));
    double loss, g, h = 1e-5;
    ppl_zero_grad(c);
    assert_ok(c, ppl_svi_gradient(svi, NULL, &loss));
    ck_assert(is_near(loss, -evidence(0.3, 2), 50 * rounding(_i)));
    assert_ok(c, ppl_param_grad(c, "m", &g, 1));
    ck_assert(is_near(g, -(evidence(0.3 + h, 2) - evidence(0.3 - h, 2)) / (2 * h), 1e-4));
    assert_ok(c, ppl_param_grad(c, "s", &g, 1));
    ck_assert(is_near(g, -(evidence(0.3, 2 * exp(h)) - evidence(0.3, 2 * exp(-h))) / (2 * h),
                      1e-4));
    ppl_svi_free(svi);
    stop(c);
}
END_TEST

/* ---- In company -------------------------------------------------------------------- */

/* In a plate of 2 of 4, and of its scale: each copy has its own z. A NaN is masked out. */
static void in_plate(ppl_ctx *c, const void *arg)
{
    const double x[] = { 1, 2, NAN, 4, 5, 6 };
    ppl_scope s = ppl_push(c, ppl_plate(c, "copies", 4, &(ppl_plate_opts){
        .subsample_size = 2 }));
    ppl_push(c, *(const int *)arg ? all(c) : NULL);
    ppl_tensor *z = ppl_sample(c, "z", ppl_normal(ppl_scalar(c, 1), ppl_scalar(c, 2)));
    ppl_push(c, ppl_plate(c, "rows", 3, NULL));
    ppl_push(c, ppl_mask(c, ppl_from_mask(c, PPL_SHAPE(3, 2),
                                          (unsigned char[]){ 1, 1, 0, 1, 1, 1 })));
    ppl_observe(c, "x", ppl_normal(z, ppl_scalar(c, 1)),
                ppl_from_doubles(c, PPL_SHAPE(3, 2), x));
    ppl_pop(c, s);
}

START_TEST(collapse_in_a_plate)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, in_plate, &(int){ 1 }, NULL);
    const ppl_msg *x = site_of(t, "x", NO), *z = site_of(t, "z", NO);
    assert_shape(z->value, 2);
    ck_assert(x->scale == 2 && z->scale == 2);
    ck_assert_str_eq(x->plates->name, "copies");
    ck_assert_ptr_null(x->plates->inner);
    /* Given 1 and 5; given 2, 4 and 6: precisions 1/4 + n. */
    assert_values(z->dist->param[0], rounding(_i), 6.25 / 2.25, 12.25 / 3.25);
    ppl_trace *plain = trace_of(c, in_plate, &(int){ 0 }, handlers(
        ppl_condition(c, values({ "z", NO, z->value }), NULL), ppl_replay(c, t)));
    ck_assert(is_near(ppl_trace_log_prob(t), ppl_trace_log_prob(plain), 50 * rounding(_i)));
    stop(c);
}
END_TEST

/* Two latents, one a parameter of the other: the inner is a child, and integrated out; the
 * outer stays a latent. */
static void chain_of_two(ppl_ctx *c, const void *arg)
{
    ppl_tensor *one = ppl_scalar(c, 1);
    (void)arg;
    ppl_tensor *a = ppl_sample(c, "a", ppl_normal(one, one));
    ppl_tensor *b = ppl_sample(c, "b", ppl_normal(a, one));
    ppl_observe(c, "x", ppl_normal(b, one), ppl_scalar(c, 3));
}

START_TEST(collapse_of_a_chain)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, chain_of_two, NULL, handlers(all(c)));
    ck_assert_str_eq(names_of(t), "b x a");
    ppl_trace *plain = trace_of(c, chain_of_two, NULL, handlers(ppl_condition(
        c, values({ "a", NO, value_of(t, "a") }, { "b", NO, value_of(t, "b") }), NULL)));
    ck_assert(is_near(ppl_trace_log_prob(t), ppl_trace_log_prob(plain), 50 * rounding(_i)));
    stop(c);
}
END_TEST

/* A handler further in sees the placeholder; further out values may be given to z and x:
 * by replay, by condition. */
START_TEST(collapse_among_handlers)
{
    ppl_ctx *c = start(_i);
    pair p = { .name = "beta-bernoulli", .x = S(3) };
    ppl_trace *inner;
    ppl_handler *inside = ppl_trace_into(c, &inner);
    ppl_trace *t = trace_of(c, model, &p, handlers(all(c), inside));
    ck_assert_str_eq(names_of(inner), "z__prior[2] x");
    ppl_trace *again = trace_of(c, model, &p, handlers(ppl_replay(c, t), all(c)));
    assert_same("z", site_of(again, "z", 2)->value, site_of(t, "z", 2)->value);
    p.latent = 1;
    ppl_tensor *x = numbers(c, 1, 1, 0);
    t = trace_of(c, model, &p, handlers(ppl_condition(
        c, values({ "x", NO, x }, { "z", 2, ppl_scalar(c, 0.25) }), NULL), all(c)));
    ck_assert_ptr_eq(value_of(t, "x"), x);
    assert_values(site_of(t, "z", 2)->dist->param[0], rounding(_i), 4);
    ck_assert(is_near(ppl_trace_log_prob(t),
                      log(12 * 0.25 * 0.75 * 0.75 * 0.25 * 0.25 * 0.75), 50 * rounding(_i)));
    /* The seed of a handler around fixes it all. */
    ppl_trace *a = trace_of(c, model, &p, handlers(ppl_seed(c, 4), all(c), inside));
    ppl_tensor *first = site_of(inner, "z__prior", 2)->value;
    trace_of(c, model, &p, handlers(ppl_seed(c, 4), all(c), inside));
    assert_same("placeholder", first, site_of(inner, "z__prior", 2)->value);
    ck_assert_ptr_nonnull(a);
    stop(c);
}
END_TEST

/* arg: what to do wrong. */
static void misuse(ppl_ctx *c, const void *arg)
{
    const int kind = *(const int *)arg;
    ppl_tensor *one = ppl_scalar(c, 1);
    ppl_scope s = ppl_push(c, kind == 0 ? ppl_scale(c, 2) : NULL);
    ppl_push(c, kind == 1 ? ppl_mask(c, ppl_from_mask(c, PPL_SCALAR, (unsigned char[]){ 1 }))
                          : NULL);
    ppl_tensor *z = ppl_sample(c, "z", kind == 2 ? ppl_exponential(one)
                                                 : ppl_normal(one, one));
    ppl_pop(c, s);
    switch (kind) {
    case 3: ppl_observe(c, "x", ppl_normal(ppl_affine(z, 2, 0), one), one); break;
    case 4: ppl_deterministic(c, "d", ppl_exp(z)); break;
    case 5: ppl_observe(c, "x", ppl_normal(z, ppl_exp(z)), one); break;
    case 6:
        ppl_item(z);
        ppl_sample(c, "y", ppl_normal(one, one));
        break;
    case 7: ppl_factor(c, "f", z); break;
    case 8:
        s = ppl_push(c, ppl_plate(c, "n", 4, &(ppl_plate_opts){ .subsample_size = 2 }));
        ppl_observe(c, "x", ppl_normal(z, one), numbers(c, 1, 2));
        ppl_pop(c, s);
        break;
    }
}

START_TEST(collapse_refuses)
{
    static const struct {
        int kind;
        ppl_status status;
        const char *text;
    } rows[] = {
        { 0, PPL_EUNSUPPORTED, "collapse: site z is scaled by 2 further in, as by a plate's "
          "subsample; a marginal density has no such scale: push collapse inside of it, or "
          "take the latent out of the names" },
        { 1, PPL_EUNSUPPORTED, "collapse: site z (normal) is masked further in; take it out "
          "of the names" },
        { 2, PPL_EUNSUPPORTED, "collapse: site z (exponential) is no prior in the table; "
          "take it out of the names" },
        { 3, PPL_EUNSUPPORTED, "collapse: site x depends on z other than as the parameter of "
          "a conjugate pair; take z out of the names" },
        { 4, PPL_EUNSUPPORTED, "collapse: site d depends on z other than as the parameter of "
          "a conjugate pair; take z out of the names" },
        { 5, PPL_EUNSUPPORTED, "collapse: site x depends on z other than as the parameter of "
          "a conjugate pair; take z out of the names" },
        { 6, PPL_EUNSUPPORTED, "collapse: site y depends on z other than as the parameter of "
          "a conjugate pair; take z out of the names" },
        { 7, PPL_EUNSUPPORTED, "collapse: site f depends on z other than as the parameter of "
          "a conjugate pair; take z out of the names" },
        { 8, PPL_EUNSUPPORTED, "collapse: site x is scaled by 2 further in, as by a plate's "
          "subsample; a marginal density has no such scale: push collapse inside of it, or "
          "take the latent out of the names" },
    };
    static const char *const z[] = { "z", NULL }, *const typo[] = { "v", NULL };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(rows); i++)
        assert_error(c, ppl_run(c, misuse, &rows[i].kind, handlers(ppl_collapse(
            c, ppl_conjugate_pairs, z))), rows[i].status, rows[i].text);
    assert_error(c, ppl_run(c, misuse, &(int){ 9 }, handlers(ppl_collapse(
        c, ppl_conjugate_pairs, typo))), PPL_EUNUSED, "collapse: no latent site v was "
        "reached; check name and index");
    trace_of(c, misuse, &(int){ 3 }, handlers(ppl_collapse(
        c, ppl_conjugate_pairs, (const char *const[]){ NULL })));
    assert_null(c, ppl_collapse(c, NULL, NULL), PPL_EINVAL, "ppl_collapse: the table is "
                "NULL; pass ppl_conjugate_pairs, or one of your own");
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_joint_density_is_kept, children_in_a_loop, draws_are_of_the_joint,
        what_remains_is_the_marginal, collapse_in_a_plate, collapse_of_a_chain,
        collapse_among_handlers, collapse_refuses, NULL
    };
    return run_tests("handlers_collapse", tests);
}

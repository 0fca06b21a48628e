/* SPDX-License-Identifier: MIT */
/* The two ELBOs against closed forms: values, gradients, and which estimator each site
 * gets. Gaussian chains as in Pyro's test_conjugate_gradients.py, gradients as in
 * test_gradient.py; both ELBOs estimate one number, so that they must agree in mean.
 */
#include "inference.h"

#include <stdio.h>

#define LOG_TWO_PI 1.8378770664093454836

static const ppl_ledger_row *row_of(const ppl_elbo *elbo, const char *name, int64_t index)
{
    const ppl_ledger_row *row = ppl_ledger_find(elbo, name, index);

    ck_assert_msg(row != NULL, "no row %s[%d]", name, (int)index);
    return row;
}

/* The site has this estimator for this reason. */
#define ROW_IS(elbo, name, index, how, why)                                                \
    do {                                                                                   \
        const ppl_ledger_row *row_is = row_of(elbo, name, index);                          \
        ck_assert_str_eq(ppl_estimator_name(row_is->estimator), ppl_estimator_name(how));  \
        ck_assert_str_eq(row_is->reason, why);                                             \
    } while (0)

static double normal_log_prob(double x, double loc, double scale)
{
    const double z = (x - loc) / scale;

    return -z * z / 2 - log(scale) - LOG_TWO_PI / 2;
}

static double normal_kl(double loc, double scale, double p_loc, double p_scale)
{
    const double r = scale / p_scale, z = (loc - p_loc) / p_scale;

    return (r * r + z * z - 1) / 2 - log(r);
}

static ppl_tensor *real(const char *name, double value)
{
    return ppl_param(c, name, PPL_SCALAR, ppl_init_constant(value), PPL_REAL);
}

static ppl_tensor *positive(const char *name, double value)
{
    return ppl_param(c, name, PPL_SCALAR, ppl_init_constant(value), PPL_POSITIVE);
}

/* ---- The Gaussian chain ------------------------------------------------------------ */

/* z[1] -> ... -> z[n], the end read four times; lambda[k] is the precision of step k + 1,
 * lambda[n] of a reading. */
typedef struct chain {
    int n, forward;
    double lambda[9];
} chain;

static const double chain_start = 0.2, chain_x[4] = { -0.1, 0.03, 0.2, 0.1 };

static chain chain_of(int n, int forward)
{
    chain d = { n, forward, { 0 } };

    for (int k = 0; k <= n; k++)
        d.lambda[k] = 1.5 * (k + 1) / n;
    return d;
}

static void chain_model(ppl_ctx *ctx, const void *arg)
{
    const chain *d = arg;
    ppl_tensor *z = number(chain_start);

    for (int k = 1; k <= d->n; k++)
        z = ppl_sample_at(ctx, "z", k, ppl_normal(z, number(1 / sqrt(d->lambda[k - 1]))));
    ppl_observe(ctx, "x", ppl_normal(z, number(1 / sqrt(d->lambda[d->n]))),
                reals(chain_x[0], chain_x[1], chain_x[2], chain_x[3]));
}

/* q(z[k] | other) = N(a[k] other + m[k], s[k]), its parameters at the exact posterior. */
static ppl_tensor *chain_site(int k, ppl_tensor *other, double a, double m, double s)
{
    char name[3][16];

    for (int i = 0; i < 3; i++)
        snprintf(name[i], sizeof name[i], "%c%d", "ams"[i], k);
    ppl_tensor *loc = real(name[1], m);
    if (other != NULL)
        loc = ppl_add(loc, ppl_mul(real(name[0], a), other));
    return ppl_sample_at(c, "z", k, ppl_normal(loc, positive(name[2], s)));
}

/* pyro.md 4.2: from the end to the start. */
static void backward_guide(ppl_ctx *ctx, const void *arg)
{
    const chain *d = arg;
    double lt[9], sum = 0;
    ppl_tensor *z = NULL;

    (void)ctx;
    lt[0] = d->lambda[0];
    for (int k = 1; k < d->n; k++)
        lt[k] = d->lambda[k] * lt[k - 1] / (d->lambda[k] + lt[k - 1]);
    for (int i = 0; i < 4; i++)
        sum += chain_x[i];
    for (int k = d->n; k >= 1; k--) {
        double own = d->lambda[k] * (k == d->n ? 4 : 1), post = own + lt[k - 1];
        double mean = chain_start * lt[k - 1] + (k == d->n ? sum * d->lambda[k] : 0);

        z = chain_site(k, z, own / post, mean / post, 1 / sqrt(post));
    }
}

/* The same posterior from the start to the end, as the model goes. */
static void forward_guide(ppl_ctx *ctx, const void *arg)
{
    const chain *d = arg;
    ppl_tensor *z = NULL;
    double mean = 0;

    (void)ctx;
    for (int i = 0; i < 4; i++)
        mean += chain_x[i] / 4;
    for (int k = 1; k <= d->n; k++) {
        double far = 1 / (4 * d->lambda[d->n]), before = d->lambda[k - 1], ahead, post;

        for (int j = k; j < d->n; j++)
            far += 1 / d->lambda[j];
        ahead = 1 / far;
        post = before + ahead;
        z = chain_site(k, z, before / post,
                       (mean * ahead + (k == 1 ? before * chain_start : 0)) / post,
                       1 / sqrt(post));
    }
}

static const struct {
    int n;
    double evidence;
} chains[] = { { 1, -2.6621918442 }, { 2, -3.5845569400 }, { 3, -4.0459361279 },
               { 8, -4.9669426294 } };

START_TEST(trace_elbo_is_the_evidence_for_every_sample)
{
    for (int forward = 0; forward < 2; forward++)
        for (int k = 0; k < COUNT_OF(chains); k++)
            for (uint64_t seed = 0; seed < 4; seed++) {
                begin_seeded(_i, seed);
                chain d = chain_of(chains[k].n, forward);
                ppl_model guide = forward ? forward_guide : backward_guide;
                ppl_elbo *elbo = ppl_trace_elbo(c, NULL);

                for (int n = 0; n < 3; n++) {
                    double loss = estimate(elbo, chain_model, guide, &d, 0);

                    ck_assert_msg(fabs(loss + chains[k].evidence) < tight,
                                  "n %d: %.12f", d.n, -loss);
                }
                ROW_IS(elbo, "z", 1, PPL_SAMPLED_RATIO, "trace ELBO");
                ROW_IS(elbo, "x", -1, PPL_LIKELIHOOD, "observed");
                end();
            }
}
END_TEST

START_TEST(gradients_of_the_chain_vanish_in_mean)
{
    static const char *const name[] = { "a1", "m1", "s1", "a2", "m2", "s2", "m3", "s3" };

    for (int analytic = 0; analytic < 2; analytic++) {
        begin(_i);
        chain d = chain_of(3, 0);
        ppl_elbo *elbo = elbo_of(analytic);
        moments m[COUNT_OF(name)] = { { 0 } };

        for (int n = 0; n < 4000; n++) {
            estimate(elbo, chain_model, backward_guide, &d, 1);
            for (int i = 0; i < COUNT_OF(name); i++)
                add_to(&m[i], gradient_of(name[i]));
        }
        for (int i = 0; i < COUNT_OF(name); i++)
            IN_MEAN(&m[i], 0);
        end();
    }
}
END_TEST

/* The backward guide draws z[k-1], on which p(z[k]) depends, from z[k]: only z[1], whose
 * p depends on nothing, may be swapped. The estimate varies, its mean is the evidence. */
START_TEST(mean_field_falls_back_in_a_backward_chain)
{
    for (int k = 0; k < COUNT_OF(chains); k++) {
        begin(_i);
        chain d = chain_of(chains[k].n, 0);
        ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
        moments m = { 0 };

        for (int n = 0; n < 3000; n++)
            add_to(&m, -estimate(elbo, chain_model, backward_guide, &d, 0));
        IN_MEAN(&m, chains[k].evidence);
        ck_assert_double_gt(variance_of(&m), 1e-3);
        ROW_IS(elbo, "z", 1, PPL_ANALYTIC_KL, "p depends on no later draw of the guide");
        for (int j = 2; j <= d.n; j++) {
            char reason[100];

            snprintf(reason, sizeof reason, "p depends on z[%d], which the guide draws "
                     "from this site", j - 1);
            ROW_IS(elbo, "z", j, PPL_SAMPLED_RATIO, reason);
        }
        end();
    }
}
END_TEST

START_TEST(mean_field_is_analytic_throughout_a_forward_chain)
{
    for (int k = 0; k < COUNT_OF(chains); k++) {
        begin(_i);
        chain d = chain_of(chains[k].n, 1);
        ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
        moments m = { 0 };

        for (int n = 0; n < 3000; n++)
            add_to(&m, -estimate(elbo, chain_model, forward_guide, &d, 0));
        IN_MEAN(&m, chains[k].evidence);
        for (int j = 1; j <= d.n; j++)
            ROW_IS(elbo, "z", j, PPL_ANALYTIC_KL,
                   "p depends on no later draw of the guide");
        end();
    }
}
END_TEST

/* ---- Random graphs ----------------------------------------------------------------- */

/* A linear Gaussian pair over SITES latents: z[i] ~ N(sum of weight[i][j] z[j], scale);
 * the guide in order 0, 1, 2, ..., the model in order `order`. A reading at the end. */
enum { SITES = 6 };

typedef struct graph {
    int order[SITES];
    double q[SITES][SITES], p[SITES][SITES];        /* weights; 0: no edge */
} graph;

static double uniform(const ppl_rng *rng, uint64_t i)
{
    return ppl_rng_uniform(rng, 0, i, 0);
}

static graph random_graph(uint32_t seed)
{
    const ppl_rng rng = { { seed, 7 } };
    graph g = { { 0 }, { { 0 } }, { { 0 } } };
    uint64_t at = 0;

    for (int i = 0; i < SITES; i++) {
        int j = (int)(uniform(&rng, at++) * (i + 1));

        g.order[i] = g.order[j];
        g.order[j] = i;
    }
    for (int i = 0; i < SITES; i++)
        for (int j = 0; j < i; j++) {
            g.q[i][j] = uniform(&rng, at) < 0.35 ? uniform(&rng, at + 1) - 0.5 : 0;
            g.p[g.order[i]][g.order[j]] =
                uniform(&rng, at + 2) < 0.35 ? uniform(&rng, at + 3) - 0.5 : 0;
            at += 4;
        }
    return g;
}

static ppl_tensor *weighted(const double *weight, ppl_tensor *const *z, double start_at)
{
    ppl_tensor *sum = number(start_at);

    for (int j = 0; j < SITES; j++)
        if (weight[j] != 0)
            sum = ppl_add(sum, ppl_affine(z[j], weight[j], 0));
    return sum;
}

static void graph_model(ppl_ctx *ctx, const void *arg)
{
    const graph *g = arg;
    ppl_tensor *z[SITES] = { NULL };

    for (int i = 0; i < SITES; i++) {
        int at = g->order[i];

        z[at] = ppl_sample_at(ctx, "z", at,
                              ppl_normal(weighted(g->p[at], z, 0.1), number(1.3)));
    }
    ppl_observe(ctx, "x", ppl_normal(ppl_add(z[0], z[SITES - 1]), number(1)),
                number(0.4));
}

static void graph_guide(ppl_ctx *ctx, const void *arg)
{
    const graph *g = arg;
    ppl_tensor *z[SITES] = { NULL };

    for (int i = 0; i < SITES; i++)
        z[i] = ppl_sample_at(ctx, "z", i,
                             ppl_normal(weighted(g->q[i], z, -0.2), number(0.8)));
}

/* By transitive closure over matrices: nothing of the library's search. */
static void decide(const graph *g, int swap[SITES])
{
    int below[SITES][SITES] = { { 0 } };            /* [i][j]: j is i or a descendant */

    for (int i = 0; i < SITES; i++)
        below[i][i] = 1;
    for (int round = 0; round < SITES; round++)
        for (int i = 0; i < SITES; i++)
            for (int j = 0; j < SITES; j++)
                for (int k = 0; k < SITES; k++)
                    below[i][j] |= below[i][k] && g->q[j][k] != 0;
    for (int i = 0; i < SITES; i++) {
        swap[i] = 1;
        for (int j = 0; j < SITES; j++)
            swap[i] &= !(g->p[i][j] != 0 && below[i][j]);
    }
}

START_TEST(swaps_are_decided_by_dependence)
{
    int swaps = 0, others = 0;

    begin(_i);
    for (uint32_t seed = 0; seed < 200; seed++) {
        graph g = random_graph(seed);
        ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
        int swap[SITES];

        decide(&g, swap);
        estimate(elbo, graph_model, graph_guide, &g, 0);
        for (int i = 0; i < SITES; i++) {
            ck_assert_msg(row_of(elbo, "z", i)->estimator ==
                          (swap[i] ? PPL_ANALYTIC_KL : PPL_SAMPLED_RATIO),
                          "graph %u, site %d: %s (%s)", seed, i,
                          ppl_estimator_name(row_of(elbo, "z", i)->estimator),
                          row_of(elbo, "z", i)->reason);
            swaps += swap[i];
            others += !swap[i];
        }
    }
    ck_assert_int_gt(swaps, 100);
    ck_assert_int_gt(others, 100);
    end();
}
END_TEST

/* Both ELBOs estimate one number; the variance of the difference is that of two means. */
START_TEST(both_elbos_have_one_mean)
{
    begin(_i);
    for (uint32_t seed = 0; seed < 12; seed++) {
        graph g = random_graph(1000 + seed);
        ppl_elbo *trace = ppl_trace_elbo(c, NULL);
        ppl_elbo *mean_field = ppl_trace_mean_field_elbo(c, NULL);
        moments m = { 0 };

        for (int n = 0; n < 1000; n++) {
            double a = estimate(trace, graph_model, graph_guide, &g, 0);

            again();
            add_to(&m, a - estimate(mean_field, graph_model, graph_guide, &g, 0));
        }
        IN_MEAN(&m, 0);
    }
    end();
}
END_TEST

/* ---- Conjugate pairs --------------------------------------------------------------- */

/* Pyro's NormalNormal: a mean [2] of known precisions, four readings of it. */
static void normal_normal_model(ppl_ctx *ctx, const void *arg)
{
    static const double data[] = { -0.1, 0.3, 0, 0.4, 0.2, 0.5, 0.1, 0.7 };
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_event(ppl_normal(reals(0, 0.5),
                                                              number(sqrt(10))), 1));

    (void)arg;
    ppl_observe(ctx, "x", ppl_event(ppl_normal(z, reals(1 / sqrt(6), 0.5)), 1),
                ppl_from_doubles(ctx, PPL_SHAPE(4, 2), data));
}

static void normal_normal_guide(ppl_ctx *ctx, const void *arg)
{
    const double *off = arg;            /* from the exact posterior: loc, log scale */
    ppl_tensor *loc = reals(1.2 / 24.1 + off[0], 7.65 / 16.1 + off[0]);
    ppl_tensor *scale = reals(exp(off[1]) / sqrt(24.1), exp(off[1]) / sqrt(16.1));

    ppl_sample(ctx, "z", ppl_event(ppl_normal(loc, scale), 1));
}

START_TEST(normal_normal)
{
    const double evidence = -6.6036567914, at[2] = { 0, 0 }, away[2] = { 0.134, -0.14 };
    double gap = normal_kl(0.134, exp(-0.14) / sqrt(24.1), 0, 1 / sqrt(24.1)) +
                 normal_kl(0.134, exp(-0.14) / sqrt(16.1), 0, 1 / sqrt(16.1));

    begin(_i);
    ppl_elbo *elbo[2] = { ppl_trace_elbo(c, NULL), ppl_trace_mean_field_elbo(c, NULL) };
    moments optimum = { 0 }, off[2] = { { 0 } };
    for (int n = 0; n < 2000; n++) {
        NEAR(estimate(elbo[0], normal_normal_model, normal_normal_guide, at, 0),
             -evidence, tight);
        add_to(&optimum,
               -estimate(elbo[1], normal_normal_model, normal_normal_guide, at, 0));
        for (int k = 0; k < 2; k++)
            add_to(&off[k], -estimate(elbo[k], normal_normal_model, normal_normal_guide,
                                      away, 0));
    }
    IN_MEAN(&optimum, evidence);
    IN_MEAN(&off[0], evidence - gap);
    IN_MEAN(&off[1], evidence - gap);
    end();
}
END_TEST

/* Gamma(1,1), data 3, 2 from Exponential(z): Gamma(3,6), evidence 2 / 6^3. */
static void exponential_gamma_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_gamma(number(1), number(1)));

    (void)arg;
    ppl_observe(ctx, "x", ppl_exponential(z), reals(3, 2));
}

static void gamma_guide(ppl_ctx *ctx, const void *arg)
{
    const double *at = arg;

    ppl_sample(ctx, "z", ppl_gamma(positive("a", at[0]), positive("b", at[1])));
}

/* Beta(1,1), data 0, 1, 1, 1: Beta(4,2), evidence B(4,2) = 1 / 20. */
static void bernoulli_beta_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_beta(number(1), number(1)));

    (void)arg;
    ppl_observe(ctx, "x", ppl_bernoulli(z), reals(0, 1, 1, 1));
}

static void beta_guide(ppl_ctx *ctx, const void *arg)
{
    const double *at = arg;

    ppl_sample(ctx, "z", ppl_beta(positive("a", at[0]), positive("b", at[1])));
}

static double log_beta(double a, double b)
{
    return lgamma(a) + lgamma(b) - lgamma(a + b);
}

/* -ELBO of the two pairs in closed form, from E log z and E z of the guide. */
static double gamma_loss(double a, double b)
{
    const double step = 1e-5;
    double digamma = (lgamma(a + step) - lgamma(a - step)) / (2 * step);
    double entropy = a - log(b) + lgamma(a) + (1 - a) * digamma;

    return -(2 * (digamma - log(b)) - 6 * a / b + entropy);
}

static double beta_loss(double a, double b)
{
    const double step = 1e-5;
    double from_a = (log_beta(a + step, b) - log_beta(a - step, b)) / (2 * step);
    double from_b = (log_beta(a, b + step) - log_beta(a, b - step)) / (2 * step);

    return -(3 * from_a + from_b + log_beta(a, b) - (a - 1) * from_a - (b - 1) * from_b);
}

/* Values and gradients away from the optimum; at it every sample gives the evidence. */
static void check_conjugate(int dtype, ppl_model model, ppl_model guide, const double *at,
                            double evidence, double (*loss)(double a, double b))
{
    const double away[2] = { at[0] * 0.7, at[1] * 1.4 }, step = 1e-3;

    for (int k = 0; k < 2; k++) {
        moments value = { 0 }, grad[2] = { { 0 } };

        begin(dtype);
        ppl_elbo *elbo = elbo_of(k);
        for (int n = 0; n < 20 && k == 0; n++)
            NEAR(estimate(elbo, model, guide, at, 0), -evidence, 5 * tight);
        end();
        begin(dtype);
        elbo = elbo_of(k);
        for (int n = 0; n < 5000; n++) {
            add_to(&value, estimate(elbo, model, guide, away, 1));
            add_to(&grad[0], gradient_of("a"));
            add_to(&grad[1], gradient_of("b"));
        }
        IN_MEAN(&value, loss(away[0], away[1]));
        /* By the logarithm, which is what the slab holds. */
        IN_MEAN(&grad[0], (loss(away[0] * exp(step), away[1]) -
                           loss(away[0] * exp(-step), away[1])) / (2 * step));
        IN_MEAN(&grad[1], (loss(away[0], away[1] * exp(step)) -
                           loss(away[0], away[1] * exp(-step))) / (2 * step));
        end();
    }
}

START_TEST(exponential_gamma)
{
    check_conjugate(_i, exponential_gamma_model, gamma_guide, LIST(3, 6), log(2.0 / 216),
                    gamma_loss);
}
END_TEST

START_TEST(bernoulli_beta)
{
    check_conjugate(_i, bernoulli_beta_model, beta_guide, LIST(4, 2), log(1.0 / 20),
                    beta_loss);
}
END_TEST

/* ---- Gradients (test_gradient.py) -------------------------------------------------- */

typedef struct gradient_case {
    double scale;               /* a handler around both; 0: none */
    int subsample;              /* of the two data; 0: all */
    int score;                  /* the guide's family is not reparameterised */
} gradient_case;

static ppl_tensor *plain_sample(const ppl_dist *d, const ppl_rng *rng)
{
    return ppl_detach(ppl_family_normal.sample(d, rng));
}

/* A normal distribution without a pathwise gradient: a user's family. */
static ppl_dist *plain_normal(ppl_tensor *loc, ppl_tensor *scale)
{
    static ppl_family plain;

    plain = ppl_family_normal;
    plain.name = "plain normal";
    plain.flags = 0;
    plain.sample = plain_sample;
    return ppl_dist_make(&plain, (ppl_tensor *[]){ loc, scale }, NULL);
}

static const double gradient_data[2] = { -0.5, 2 };

static ppl_handler *data_plate(const gradient_case *d)
{
    return ppl_plate(c, "data", 2, &(ppl_plate_opts){ .subsample_size = d->subsample });
}

static void gradient_model(ppl_ctx *ctx, const void *arg)
{
    const gradient_case *d = arg;
    ppl_scope s = ppl_push(ctx, d->scale > 0 ? ppl_scale(ctx, d->scale) : NULL);
    ppl_handler *plate = data_plate(d);
    ppl_tensor *x = ppl_index_select(reals(gradient_data[0], gradient_data[1]), 0,
                                     ppl_plate_indices(plate)), *z;

    ppl_push(ctx, plate);
    z = ppl_sample(ctx, "z", ppl_normal(number(0), number(1)));
    ppl_observe(ctx, "x", ppl_normal(z, number(1)), x);
    ppl_pop(ctx, s);
}

static void gradient_guide(ppl_ctx *ctx, const void *arg)
{
    const gradient_case *d = arg;
    ppl_tensor *loc = ppl_param(ctx, "loc", PPL_SHAPE(2), PPL_ZEROS, PPL_REAL);
    ppl_tensor *scale = ppl_param(ctx, "scale", PPL_SCALAR, PPL_ONES, PPL_REAL);
    ppl_scope s = ppl_push(ctx, d->scale > 0 ? ppl_scale(ctx, d->scale) : NULL);
    ppl_handler *plate = data_plate(d);

    ppl_push(ctx, plate);
    loc = ppl_index_select(loc, 0, ppl_plate_indices(plate));
    ppl_sample(ctx, "z", d->score ? plain_normal(loc, scale) : ppl_normal(loc, scale));
    ppl_pop(ctx, s);
}

/* One particle, given the draw: loc 0, scale 1. */
START_TEST(single_sample_identities)
{
    for (int score = 0; score < 2; score++) {
        const gradient_case d = { .score = score };

        begin(_i);
        ppl_elbo *elbo = ppl_trace_elbo(c, NULL);
        for (int n = 0; n < 20; n++) {
            double z[2], loc[2], by_loc[2], by_scale = 0, loss = 0;

            peek(gradient_guide, &d, "z", -1, z, 2);
            double got = estimate(elbo, gradient_model, gradient_guide, &d, 1);
            for (int i = 0; i < 2; i++) {
                double x = gradient_data[i];
                double term = normal_log_prob(z[i], 0, 1) + normal_log_prob(x, z[i], 1) -
                              normal_log_prob(z[i], 0, 1);

                loss -= term;
                by_loc[i] = score ? -z[i] * term : -(-z[i] + (x - z[i]));
                by_scale += score ? -(z[i] * z[i] - 1) * term
                                  : -(-z[i] * z[i] + (x - z[i]) * z[i] + 1);
            }
            NEAR(got, loss, tight);
            OK(ppl_param_grad(c, "loc", loc, 2));
            for (int i = 0; i < 2; i++)
                NEAR(loc[i], by_loc[i], tight);
            NEAR(gradient_of("scale"), by_scale, tight);
        }
        ROW_IS(elbo, "z", -1, score ? PPL_SCORE_FUNCTION : PPL_SAMPLED_RATIO,
               score ? "plain normal is not reparameterised" : "trace ELBO");
        end();
    }
}
END_TEST

static void check_mean_gradient(int dtype, int analytic, gradient_case d)
{
    const double factor = d.scale > 0 ? d.scale : 1;
    moments by_loc[2] = { { 0 } }, by_scale = { 0 }, value = { 0 };

    begin(dtype);
    ppl_elbo *elbo = elbo_of(analytic);
    for (int n = 0; n < 4000; n++) {
        double loc[2];

        add_to(&value, estimate(elbo, gradient_model, gradient_guide, &d, 1));
        OK(ppl_param_grad(c, "loc", loc, 2));
        for (int i = 0; i < 2; i++)
            add_to(&by_loc[i], loc[i]);
        add_to(&by_scale, gradient_of("scale"));
    }
    IN_MEAN(&value, factor * 4.9628770664);
    IN_MEAN(&by_loc[0], factor * 0.5);
    IN_MEAN(&by_loc[1], factor * -2);
    IN_MEAN(&by_scale, factor * 2);
    end();
}

START_TEST(mean_gradients)
{
    static const gradient_case cases[] = { { 0, 0, 0 }, { 2, 0, 0 }, { 0.37, 0, 0 },
                                           { 0, 1, 0 }, { 2, 1, 0 }, { 0, 0, 1 },
                                           { 2, 0, 1 }, { 0, 1, 1 } };

    for (int i = 0; i < COUNT_OF(cases); i++)
        for (int analytic = 0; analytic < 2 - cases[i].score; analytic++)
            check_mean_gradient(_i, analytic, cases[i]);
}
END_TEST

/* With the KL in closed form, given the draw. */
START_TEST(single_sample_identities_with_the_analytic_kl)
{
    const gradient_case d = { .scale = 0.37 };

    begin(_i);
    ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
    for (int n = 0; n < 20; n++) {
        double z[2], loc[2], by_scale = 0, loss = 0;

        peek(gradient_guide, &d, "z", -1, z, 2);
        double got = estimate(elbo, gradient_model, gradient_guide, &d, 1);
        OK(ppl_param_grad(c, "loc", loc, 2));
        for (int i = 0; i < 2; i++) {
            double x = gradient_data[i];

            loss -= 0.37 * normal_log_prob(x, z[i], 1);
            by_scale -= 0.37 * (x - z[i]) * z[i];
            NEAR(loc[i], -0.37 * (x - z[i]), tight);
        }
        NEAR(got, loss, tight);
        NEAR(gradient_of("scale"), by_scale, tight);
    }
    ROW_IS(elbo, "z", -1, PPL_ANALYTIC_KL, "p depends on no later draw of the guide");
    NEAR(row_of(elbo, "z", -1)->mean, 0, tight);
    NEAR(row_of(elbo, "z", -1)->variance, 0, tight);
    end();
}
END_TEST

/* ---- KL and sampled ratio are one number in mean ----------------------------------- */

typedef struct kl_case {
    ppl_dist *(*q)(void), *(*p)(void);
} kl_case;

#define DISTRIBUTION(name, expression)                                                     \
    static ppl_dist *name(void)                                                            \
    {                                                                                      \
        return expression;                                                                 \
    }
DISTRIBUTION(normal_q, ppl_normal(reals(0.3, -1), reals(0.7, 1.2)))
DISTRIBUTION(normal_p, ppl_normal(number(-0.2), number(1.1)))
DISTRIBUTION(event_q, ppl_event(normal_q(), 1))
DISTRIBUTION(event_p, ppl_event(ppl_expand_dist(normal_p(), PPL_SHAPE(2)), 1))
DISTRIBUTION(gamma_q, ppl_gamma(reals(2, 3.5), number(1.5)))
DISTRIBUTION(gamma_p, ppl_gamma(number(1.2), number(0.8)))
DISTRIBUTION(beta_q, ppl_beta(number(2.5), number(3)))
DISTRIBUTION(beta_p, ppl_beta(number(1), number(0.9)))
DISTRIBUTION(exponential_q, ppl_exponential(number(2)))
DISTRIBUTION(exponential_p, ppl_exponential(number(0.6)))

static void kl_model(ppl_ctx *ctx, const void *arg)
{
    ppl_sample(ctx, "z", ((const kl_case *)arg)->p());
}

static void kl_guide(ppl_ctx *ctx, const void *arg)
{
    ppl_sample(ctx, "z", ((const kl_case *)arg)->q());
}

START_TEST(kl_is_the_mean_of_the_ratio)
{
    static const kl_case cases[] = { { normal_q, normal_p },  { event_q, event_p },
                                     { gamma_q, gamma_p },    { beta_q, beta_p },
                                     { exponential_q, exponential_p } };

    for (int i = 0; i < COUNT_OF(cases); i++) {
        begin(_i);
        ppl_elbo *trace = ppl_trace_elbo(c, NULL);
        ppl_elbo *mean_field = ppl_trace_mean_field_elbo(c, NULL);
        double kl = estimate(mean_field, kl_model, kl_guide, &cases[i], 0);
        moments m = { 0 };

        for (int n = 0; n < 4000; n++)
            add_to(&m, estimate(trace, kl_model, kl_guide, &cases[i], 0));
        ROW_IS(mean_field, "z", -1, PPL_ANALYTIC_KL,
               "p depends on no later draw of the guide");
        ck_assert_double_gt(kl, 0.01);
        IN_MEAN(&m, kl);
        end();
    }
}
END_TEST

DISTRIBUTION(lacking_p, ppl_half_cauchy(number(3)))

/* A pair without a rule: gamma against a half-Cauchy prior. */
START_TEST(no_rule_falls_back)
{
    const kl_case d = { gamma_q, lacking_p };

    begin(_i);
    ppl_elbo *trace = ppl_trace_elbo(c, NULL);
    ppl_elbo *mean_field = ppl_trace_mean_field_elbo(c, NULL);
    for (int n = 0; n < 10; n++) {
        double loss = estimate(mean_field, kl_model, kl_guide, &d, 0);

        again();
        NEAR(loss, estimate(trace, kl_model, kl_guide, &d, 0), tight);
    }
    ROW_IS(mean_field, "z", -1, PPL_SAMPLED_RATIO,
           "no closed form for KL(gamma || half_cauchy)");
    end();
}
END_TEST

/* ---- Scales and masks -------------------------------------------------------------- */

/* How a site [3] is weighted in one program: masks 1, 0, 1 (or another) by handler or
 * distribution, and a scale. */
typedef struct weights {
    double scale;
    int handler, dist;          /* masks: 0 none, 1 the mask, 2 the other */
} weights;

typedef struct weighted_pair {
    weights p, q;
    double x[3];
} weighted_pair;

static ppl_tensor *mask_of(int which)
{
    return which == 0 ? NULL : which == 1 ? bits(1, 0, 1) : bits(1, 1, 0);
}

static ppl_tensor *weighted_sample(const weights *w, ppl_dist *d)
{
    ppl_scope s = ppl_push(c, w->scale > 0 ? ppl_scale(c, w->scale) : NULL);
    ppl_tensor *z;

    if (w->handler != 0)
        ppl_push(c, ppl_mask(c, mask_of(w->handler)));
    z = ppl_sample(c, "z", ppl_masked(d, mask_of(w->dist)));
    ppl_pop(c, s);
    return z;
}

static void weighted_model(ppl_ctx *ctx, const void *arg)
{
    const weighted_pair *d = arg;
    ppl_tensor *z = weighted_sample(&d->p, ppl_normal(reals(0.1, -0.4, 0.3),
                                                      number(1.5)));

    ppl_observe(ctx, "x", ppl_normal(z, number(1)), reals(0.2, 1, -0.3));
}

static void weighted_guide(ppl_ctx *ctx, const void *arg)
{
    const weighted_pair *d = arg;
    ppl_tensor *loc = ppl_param(ctx, "loc", PPL_SHAPE(3),
                                ppl_init_values(LIST(0.5, -0.2, 0.8)), PPL_REAL);

    weighted_sample(&d->q, ppl_normal(loc, reals(0.6, 0.9, 1.1)));
}

static int counts(const weights *w, int i)
{
    static const int mask[3][3] = { { 1, 1, 1 }, { 1, 0, 1 }, { 1, 1, 0 } };

    return mask[w->handler][i] && mask[w->dist][i];
}

/* -ELBO given the draw, the KL taken if `analytic`, and its gradient by loc. */
static double weighted_loss(const weighted_pair *d, const double *z, int analytic,
                            double *by_loc)
{
    static const double loc[] = { 0.5, -0.2, 0.8 }, scale[] = { 0.6, 0.9, 1.1 };
    static const double p_loc[] = { 0.1, -0.4, 0.3 }, x[] = { 0.2, 1, -0.3 };
    const double ps = d->p.scale > 0 ? d->p.scale : 1;
    const double qs = d->q.scale > 0 ? d->q.scale : 1;
    double loss = 0;

    for (int i = 0; i < 3; i++) {
        const int p_counts = counts(&d->p, i), q_counts = counts(&d->q, i);

        loss -= normal_log_prob(x[i], z[i], 1);
        by_loc[i] = -(x[i] - z[i]);
        if (analytic && q_counts) {
            loss += qs * normal_kl(loc[i], scale[i], p_loc[i], 1.5);
            by_loc[i] += qs * (loc[i] - p_loc[i]) / 2.25;
        } else if (!analytic) {
            loss -= p_counts * ps * normal_log_prob(z[i], p_loc[i], 1.5);
            loss += q_counts * qs * normal_log_prob(z[i], loc[i], scale[i]);
            by_loc[i] += p_counts * ps * (z[i] - p_loc[i]) / 2.25;
        }
    }
    return loss;
}

static void check_weighted(int dtype, const weighted_pair *d, const char *reason)
{
    for (int k = 0; k < 2; k++) {
        begin(dtype);
        ppl_elbo *elbo = elbo_of(k);
        for (int n = 0; n < 5; n++) {
            double z[3], by_loc[3], grad[3];

            peek(weighted_guide, d, "z", -1, z, 3);
            double got = estimate(elbo, weighted_model, weighted_guide, d, 1);
            NEAR(got, weighted_loss(d, z, k == 1 && reason == NULL, by_loc), tight);
            OK(ppl_param_grad(c, "loc", grad, 3));
            for (int i = 0; i < 3; i++)
                NEAR(grad[i], by_loc[i], tight);
        }
        if (k == 1 && reason != NULL)
            ROW_IS(elbo, "z", -1, PPL_SAMPLED_RATIO, reason);
        else if (k == 1)
            ROW_IS(elbo, "z", -1, PPL_ANALYTIC_KL,
                   "p depends on no later draw of the guide");
        end();
    }
}

START_TEST(scales)
{
    check_weighted(_i, &(weighted_pair){ .p = { .scale = 0.37 }, .q = { .scale = 0.37 } },
                   NULL);
    check_weighted(_i, &(weighted_pair){ .p = { .scale = 0.37 }, .q = { .scale = 2 } },
                   "scale 2 in the guide, 0.37 in the model");
    check_weighted(_i, &(weighted_pair){ .p = { .scale = 0.37 } },
                   "scale 1 in the guide, 0.37 in the model");
    check_weighted(_i, &(weighted_pair){ .q = { .scale = 3 } },
                   "scale 3 in the guide, 1 in the model");
}
END_TEST

START_TEST(masks)
{
    static const char differ[] = "masks differ in guide and model";

    for (int p = 0; p < 9; p++)
        for (int q = 0; q < 9; q++) {
            const weighted_pair d = { .p = { 0, p / 3, p % 3 },
                                      .q = { 0, q / 3, q % 3 } };
            int same = 1;

            for (int i = 0; i < 3; i++)
                same &= counts(&d.p, i) == counts(&d.q, i);
            check_weighted(_i, &d, same ? NULL : differ);
        }
}
END_TEST

/* A NaN datum that a mask leaves out: by handler and by distribution. */
static void nan_model(ppl_ctx *ctx, const void *arg)
{
    const int by_handler = *(const int *)arg;
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(number(0), number(1)));
    ppl_dist *d = ppl_normal(ppl_expand(z, PPL_SHAPE(3)), number(1));
    ppl_scope s = ppl_push(ctx, by_handler ? ppl_mask(ctx, bits(1, 0, 1)) : NULL);

    ppl_observe(ctx, "x", by_handler ? d : ppl_masked(d, bits(1, 0, 1)),
                reals(0.2, NAN, -0.3));
    ppl_pop(ctx, s);
}

static void loc_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", ppl_normal(real("loc", 0.4), number(0.5)));
}

START_TEST(missing_data)
{
    for (int by_handler = 0; by_handler < 2; by_handler++)
        for (int k = 0; k < 2; k++) {
            double z;

            begin(_i);
            ppl_elbo *elbo = elbo_of(k);
            peek(loc_guide, NULL, "z", -1, &z, 1);
            double got = estimate(elbo, nan_model, loc_guide, &by_handler, 1);
            double read = normal_log_prob(0.2, z, 1) + normal_log_prob(-0.3, z, 1);
            double kl = k == 1 ? normal_kl(0.4, 0.5, 0, 1)
                               : normal_log_prob(z, 0.4, 0.5) - normal_log_prob(z, 0, 1);

            NEAR(got, kl - read, tight);
            NEAR(gradient_of("loc"), (k == 1 ? 0.4 : z) - (0.2 - z) - (-0.3 - z), tight);
            end();
        }
}
END_TEST

/* ---- Plates around latents --------------------------------------------------------- */

/* The parameters of guide and model are scalars that the plate expands: the KL counts
 * once for each copy. */
static void plate_model(ppl_ctx *ctx, const void *arg)
{
    ppl_scope s = ppl_push(ctx, ppl_plate(ctx, "copies", 4, arg));

    ppl_sample(ctx, "z", ppl_normal(number(0), number(2)));
    ppl_pop(ctx, s);
}

static void plate_guide(ppl_ctx *ctx, const void *arg)
{
    ppl_scope s = ppl_push(ctx, ppl_plate(ctx, "copies", 4, arg));

    ppl_sample(ctx, "z", ppl_normal(number(0.5), number(0.7)));
    ppl_pop(ctx, s);
}

static void bare_guide(ppl_ctx *ctx, const void *arg)
{
    const ppl_plate_opts *opts = arg;

    ppl_plate(ctx, "copies", 4, opts);
    ppl_sample(ctx, "z", ppl_normal(ppl_full(ctx, PPL_SHAPE(opts->subsample_size), 0.5),
                                    number(0.7)));
}

START_TEST(plates_multiply_the_kl)
{
    const ppl_plate_opts all = { .subsample_size = 4 }, half = { .subsample_size = 2 };
    const double kl = 4 * normal_kl(0.5, 0.7, 0, 2);

    begin(_i);
    ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
    NEAR(estimate(elbo, plate_model, plate_guide, NULL, 0), kl, tight);
    NEAR(estimate(elbo, plate_model, plate_guide, &half, 0), kl, tight);
    NEAR(estimate(elbo, plate_model, bare_guide, &all, 0), kl, tight);
    ROW_IS(elbo, "z", -1, PPL_ANALYTIC_KL, "p depends on no later draw of the guide");
    /* Without the plate the guide lacks its factor 2. */
    estimate(elbo, plate_model, bare_guide, &half, 0);
    ROW_IS(elbo, "z", -1, PPL_SAMPLED_RATIO, "scale 1 in the guide, 2 in the model");
    end();
}
END_TEST

/* ---- Other guides ------------------------------------------------------------------ */

static void delta_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", ppl_delta(real("loc", 0.4), NULL, 0));
}

static void one_reading_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(number(-0.1), number(1.5)));

    (void)arg;
    ppl_observe(ctx, "x", ppl_normal(z, number(0.8)), number(1));
}

/* A Delta guide finds the maximum of the joint density: nothing is random. */
START_TEST(delta_is_maximum_a_posteriori)
{
    for (int k = 0; k < 2; k++) {
        begin(_i);
        ppl_elbo *elbo = elbo_of(k);

        NEAR(estimate(elbo, one_reading_model, delta_guide, NULL, 1),
             -normal_log_prob(0.4, -0.1, 1.5) - normal_log_prob(1, 0.4, 0.8), tight);
        NEAR(gradient_of("loc"), (0.4 + 0.1) / 2.25 - (1 - 0.4) / 0.64, tight);
        ROW_IS(elbo, "z", -1, k == 0 ? PPL_SAMPLED_RATIO : PPL_ANALYTIC_KL,
               k == 0 ? "trace ELBO" : "p depends on no later draw of the guide");
        end();
    }
}
END_TEST

/* z is drawn about an auxiliary a that the model does not know of. */
static void auxiliary_guide(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *a = ppl_sample_auxiliary(ctx, "a", 2,
                                         ppl_normal(real("m", 0.3), number(0.9)));

    (void)arg;
    ppl_sample(ctx, "z", ppl_normal(ppl_affine(a, 0.5, 0), number(0.6)));
}

START_TEST(auxiliary_sites)
{
    for (int k = 0; k < 2; k++) {
        begin(_i);
        ppl_elbo *elbo = elbo_of(k);

        for (int n = 0; n < 5; n++) {
            double a, z, ratio, by_m;

            peek(auxiliary_guide, NULL, "a", 2, &a, 1);
            peek(auxiliary_guide, NULL, "z", -1, &z, 1);
            double got = estimate(elbo, one_reading_model, auxiliary_guide, NULL, 1);
            ratio = normal_log_prob(z, 0.5 * a, 0.6) - normal_log_prob(z, -0.1, 1.5);
            if (k == 1)
                ratio = normal_kl(0.5 * a, 0.6, -0.1, 1.5);
            by_m = 0.5 * ((k == 1 ? 0.5 * a + 0.1 : z + 0.1) / 2.25 - (1 - z) / 0.64);
            NEAR(got, ratio + normal_log_prob(a, 0.3, 0.9) - normal_log_prob(1, z, 0.8),
                 tight);
            NEAR(gradient_of("m"), by_m, tight);
        }
        ROW_IS(elbo, "a", 2, PPL_SAMPLED_RATIO, "auxiliary: the guide's own");
        end();
    }
}
END_TEST

static void factor_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(number(0), number(1)));

    (void)arg;
    ppl_factor(ctx, "bonus", ppl_affine(ppl_mul(z, z), -0.25, 0.1));
}

static void factor_guide(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(real("m", 0.3), number(1)));

    (void)arg;
    ppl_factor(ctx, "malus", ppl_affine(z, 0.7, 0));
    ppl_factor(ctx, "bonus", ppl_affine(z, 0.2, 0));      /* of the model's name */
}

START_TEST(factors_in_both)
{
    for (int k = 0; k < 2; k++) {
        begin(_i);
        ppl_elbo *elbo = elbo_of(k);

        for (int n = 0; n < 5; n++) {
            double z, kl;

            peek(factor_guide, NULL, "z", -1, &z, 1);
            double got = estimate(elbo, factor_model, factor_guide, NULL, 1);
            kl = k == 1 ? 0.045 : normal_log_prob(z, 0.3, 1) - normal_log_prob(z, 0, 1);
            NEAR(got, kl - (0.1 - 0.25 * z * z) + 0.9 * z, tight);
            NEAR(gradient_of("m"), (k == 1 ? 0.3 : z) + 0.5 * z + 0.9, tight);
        }
        ROW_IS(elbo, "malus", -1, PPL_LIKELIHOOD, "observed in the guide");
        ck_assert_int_eq(row_of(elbo, "bonus", -1)->steps, 5);
        end();
    }
}
END_TEST

static void copies_model(ppl_ctx *ctx, const void *arg)
{
    ppl_scope s = ppl_push(ctx, ppl_plate(ctx, "copies", 3, NULL));

    (void)arg;
    ppl_factor(ctx, "f", number(0.5));
    ppl_pop(ctx, s);
}

static void nothing(ppl_ctx *ctx, const void *arg)
{
    (void)ctx;
    (void)arg;
}

static void readings_only(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_observe(ctx, "x", ppl_normal(real("loc", 0.5), number(1)), reals(0, 1));
}

/* Empty programs, a model without latents, and a factor that a plate repeats. */
START_TEST(no_latents)
{
    for (int k = 0; k < 2; k++) {
        begin(_i);
        ppl_elbo *elbo = elbo_of(k);

        NEAR(estimate(elbo, nothing, nothing, NULL, 1), 0, 0);
        NEAR(estimate(elbo, readings_only, nothing, NULL, 1), LOG_TWO_PI + 0.25, tight);
        NEAR(gradient_of("loc"), 0, tight);
        NEAR(estimate(elbo, copies_model, nothing, NULL, 1), -1.5, tight);
        end();
    }
}
END_TEST

/* ---- Particles --------------------------------------------------------------------- */

/* The loss of one particle and its gradient, by hand: no ELBO object has a part in it. */
static double by_hand(uint64_t particle, double *by_loc)
{
    const gradient_case d = { 0 };
    const ppl_epoch mark = ppl_epoch_begin(c);
    double loss, loc[2];
    ppl_trace *q, *p;

    ppl_next_step(c);
    ppl_zero_grad(c);
    ppl_set_particle(c, particle);
    q = ppl_get_trace(c, gradient_guide, &d, NULL);
    p = ppl_get_trace(c, gradient_model, &d,
                      (ppl_handler *[]){ ppl_replay(c, q), NULL });
    ppl_set_particle(c, 0);
    loss = ppl_trace_log_prob(q) - ppl_trace_log_prob(p);
    OK(ppl_backward_from((ppl_tensor *[]){ ppl_trace_find(q, "z", -1)->log_prob,
                                           ppl_trace_find(p, "z", -1)->log_prob,
                                           ppl_trace_find(p, "x", -1)->log_prob },
                         (ppl_tensor *[]){ number(1), number(-1), number(-1) }, 3));
    OK(ppl_param_grad(c, "loc", loc, 2));
    ppl_epoch_end(c, mark);
    again();
    for (int i = 0; i < 2; i++)
        by_loc[i] += loc[i];
    return loss;
}

START_TEST(particles_are_averaged)
{
    const gradient_case d = { 0 };
    double loss = 0, by_loc[2] = { 0, 0 }, grad[2];

    begin(_i);
    for (uint64_t k = 0; k < 5; k++)
        loss += by_hand(k, by_loc) / 5;
    ppl_elbo *elbo = ppl_trace_elbo(c, &(ppl_elbo_opts){ .particles = 5 });
    NEAR(estimate(elbo, gradient_model, gradient_guide, &d, 1), loss, tight);
    OK(ppl_param_grad(c, "loc", grad, 2));
    for (int i = 0; i < 2; i++)
        NEAR(grad[i], by_loc[i] / 5, tight);
    /* One estimate, whatever the particles. */
    ck_assert_int_eq(row_of(elbo, "z", -1)->steps, 1);
    NEAR(row_of(elbo, "z", -1)->mean + row_of(elbo, "x", -1)->mean, -loss, tight);
    ck_assert_ptr_null(ppl_trace_elbo(c, &(ppl_elbo_opts){ .particles = -3 }));
    ck_assert_str_eq(ppl_error_text(c),
                     "ppl_trace_elbo: particles is -3; it must be 1 or more");
    ppl_clear_error(c);
    end();
}
END_TEST

/* ---- What an estimate leaves alone ------------------------------------------------- */

/* Gradients are added; without `gradient` they stay. */
START_TEST(gradients_add_up)
{
    double loss;

    begin(_i);
    ppl_elbo *elbo = ppl_trace_elbo(c, NULL);
    estimate(elbo, one_reading_model, loc_guide, NULL, 1);
    double once = gradient_of("loc");
    for (int n = 0; n < 2; n++) {
        ppl_epoch mark = ppl_epoch_begin(c);

        again();
        ppl_next_step(c);
        OK(ppl_elbo_estimate(elbo, one_reading_model, loc_guide, NULL, 1 - n, &loss));
        ppl_epoch_end(c, mark);
    }
    NEAR(gradient_of("loc"), 2 * once, tight);
    /* Whether operations are recorded is as it was, too. */
    ck_assert_int_eq(ppl_set_grad_enabled(c, 0), 1);
    estimate(elbo, one_reading_model, loc_guide, NULL, 1);
    ck_assert_double_ne(gradient_of("loc"), 0);
    ck_assert_int_eq(ppl_set_grad_enabled(c, 1), 0);
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        trace_elbo_is_the_evidence_for_every_sample,
        gradients_of_the_chain_vanish_in_mean,
        mean_field_falls_back_in_a_backward_chain,
        mean_field_is_analytic_throughout_a_forward_chain,
        swaps_are_decided_by_dependence,
        both_elbos_have_one_mean,
        normal_normal,
        exponential_gamma,
        bernoulli_beta,
        single_sample_identities,
        mean_gradients,
        single_sample_identities_with_the_analytic_kl,
        kl_is_the_mean_of_the_ratio,
        no_rule_falls_back,
        scales,
        masks,
        missing_data,
        plates_multiply_the_kl,
        delta_is_maximum_a_posteriori,
        auxiliary_sites,
        factors_in_both,
        no_latents,
        particles_are_averaged,
        gradients_add_up,
        NULL
    };

    return run_tests("elbo", tests);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_program.c - programs: a recorded computation gives, on other numbers, the value and
 * the gradients that recording it anew gives; what cannot be recorded says so.
 */
#include "fixture.h"

#include <kiln/distributions.h>
#include <kiln/handlers.h>

enum { N = 12, MOST_ROOTS = 4, RUNS = 4 };

/* A computation of a leaf [12]: its roots. */
typedef int computation(ppl_ctx *c, ppl_tensor *leaf, ppl_tensor **roots);

/* Broadcasting both ways, a slice, a view of a view, a reduction. */
static int broadcasts(ppl_ctx *c, ppl_tensor *leaf, ppl_tensor **roots)
{
    ppl_tensor *m = ppl_reshape(ppl_slice(leaf, 0, 0, 6), PPL_SHAPE(2, 3));
    ppl_tensor *row = ppl_slice(leaf, 0, 6, 9), *one = ppl_row(leaf, 9);

    (void)c;
    roots[0] = ppl_mul(ppl_add(m, row), ppl_exp(one));
    roots[1] = ppl_sum(ppl_tanh(ppl_div(roots[0], ppl_softplus(row))), 0);
    return 2;
}

/* A mask that depends on the leaf has no gradient, and moves with it. */
static int masks(ppl_ctx *c, ppl_tensor *leaf, ppl_tensor **roots)
{
    ppl_tensor *mask = ppl_less(leaf, ppl_scalar(c, 0.2));

    roots[0] = ppl_where(mask, ppl_mul(leaf, leaf), ppl_affine(leaf, 3, 1));
    roots[1] = ppl_detach(ppl_exp(leaf));
    return 2;
}

/* A weight that moves, used at every step (its gradients go together), and a fixed one
 * (which is turned once). */
static int layers(ppl_ctx *c, ppl_tensor *leaf, ppl_tensor **roots)
{
    ppl_tensor *weight = ppl_expand(ppl_reshape(ppl_slice(leaf, 0, 0, 9), PPL_SHAPE(3, 3)),
                                    PPL_SHAPE(3, 3));
    ppl_tensor *fixed = counted(c, PPL_SHAPE(3, 3)), *bias = ppl_slice(leaf, 0, 9, 12);
    ppl_tensor *h = ppl_affine(counted(c, PPL_SHAPE(2, 3)), 0.1, 0);

    weight = ppl_affine(weight, 0.5, 0);
    for (int t = 0; t < 5; t++)
        h = ppl_linear(h, weight, t % 2 ? bias : NULL, t % 2 ? PPL_TANH : PPL_RELU);
    h = ppl_linear(h, ppl_affine(fixed, 0.05, 0), NULL, PPL_SIGMOID);
    roots[0] = ppl_matmul(h, weight);
    return 1;
}

/* Distributions, a root that is a view of the leaf, one used twice, one of no gradient. */
static int densities(ppl_ctx *c, ppl_tensor *leaf, ppl_tensor **roots)
{
    ppl_tensor *scale = ppl_exp(ppl_row(leaf, 1)), *rest = ppl_slice(leaf, 0, 2, 12);

    ppl_dist *d = ppl_expand_dist(ppl_normal(ppl_row(leaf, 0), scale), PPL_SHAPE(10));

    roots[0] = ppl_log_prob(ppl_event(d, 1), rest);
    roots[1] = ppl_row(leaf, 1);
    roots[2] = ppl_log_prob(ppl_gamma(scale, ppl_scalar(c, 2)), ppl_exp(rest));
    roots[3] = ppl_scalar(c, 0.5);
    return 4;
}

/* Formulas of whole events, whose gradients are made together. */
static int events(ppl_ctx *c, ppl_tensor *leaf, ppl_tensor **roots)
{
    ppl_tensor *logits = ppl_reshape(ppl_slice(leaf, 0, 0, 4), PPL_SHAPE(2, 2));
    ppl_tensor *loc = ppl_slice(leaf, 0, 4, 6), *initial = ppl_slice(leaf, 0, 6, 8);
    static const double factor[] = { 1, 0, 0.3, 0.8 };
    ppl_tensor *x = ppl_slice(leaf, 0, 8, 12);

    roots[0] = ppl_log_prob(
        ppl_multivariate_normal_cholesky(loc, ppl_from_doubles(c, PPL_SHAPE(2, 2), factor)),
        ppl_reshape(x, PPL_SHAPE(2, 2)));
    roots[1] = ppl_log_prob(ppl_discrete_hmm(initial, logits,
                                             ppl_normal(loc, ppl_scalar(c, 1)), 4), x);
    roots[2] = ppl_log_prob(ppl_dirichlet(ppl_exp(loc)),
                            ppl_softmax(ppl_reshape(x, PPL_SHAPE(2, 2)), -1));
    return 3;
}

/* Formulas over several blocks, stretched both ways, in either type's loops and in double. */
static int blocks(ppl_ctx *c, ppl_tensor *leaf, ppl_tensor **roots)
{
    double data[540];
    for (int i = 0; i < 540; i++)
        data[i] = sin(1 + i);
    ppl_tensor *x = ppl_from_doubles(c, PPL_SHAPE(90, 3, 2), data);
    ppl_tensor *loc = ppl_reshape(ppl_slice(leaf, 0, 0, 3), PPL_SHAPE(3, 1));
    ppl_tensor *scale = ppl_exp(ppl_slice(leaf, 0, 3, 5)), *one = ppl_row(leaf, 5);
    ppl_tensor *rest = ppl_reshape(ppl_slice(leaf, 0, 6, 12), PPL_SHAPE(3, 2));

    roots[0] = ppl_log_prob(ppl_normal(loc, scale), x);
    roots[1] = ppl_log_prob(ppl_gamma(scale, ppl_exp(rest)), ppl_exp(ppl_mul(x, one)));
    roots[2] = ppl_log_prob(ppl_cauchy(one, scale), ppl_add(x, loc));
    return 3;
}

/* Parameters without a gradient: fixed ones, over several blocks too, of which what was
 * made is kept, and some that move all the same. */
static int kept(ppl_ctx *c, ppl_tensor *leaf, ppl_tensor **roots)
{
    double data[100 * N];
    for (int i = 0; i < 100 * N; i++)
        data[i] = 1.5 + sin(1 + i);
    ppl_tensor *scale = ppl_from_doubles(c, PPL_SHAPE(100, N), data);
    ppl_tensor *moving = ppl_detach(ppl_exp(ppl_slice(leaf, 0, 0, 3)));

    roots[0] = ppl_log_prob(ppl_normal(leaf, scale), ppl_affine(scale, -1, 0.5));
    roots[1] = ppl_log_prob(ppl_normal(ppl_scalar(c, 0), moving), ppl_slice(leaf, 0, 3, 6));
    roots[2] = ppl_log_prob(ppl_normal(ppl_scalar(c, 0), ppl_row(moving, 1)), leaf);
    roots[3] = ppl_log_prob(ppl_normal(ppl_row(leaf, 7), ppl_scalar(c, 3)),
                            ppl_row(moving, 2));
    return 4;
}

static computation *const computations[] = { broadcasts, masks, layers, densities, events,
                                             blocks, kept };

static void fill(double *u, int k)
{
    for (int i = 0; i < N; i++)
        u[i] = 0.9 * sin(1 + 2.7 * i + 1.3 * k);
}

/* By recording anew: the value, and the gradient into g. */
static double anew(ppl_ctx *c, computation *f, const double *weights, const double *u,
                   double *g)
{
    ppl_epoch epoch = ppl_epoch_begin(c);
    ppl_tensor *leaf = ppl_variable(c, PPL_SHAPE(N), u), *root[MOST_ROOTS];
    ppl_tensor *seed[MOST_ROOTS];
    int count = f(c, leaf, root);
    double value = 0;

    for (int i = 0; i < count; i++) {
        value += weights[i] * ppl_total(root[i]);
        seed[i] = ppl_scalar(c, weights[i]);
    }
    assert_ok(c, ppl_backward_from(root, seed, count));
    ck_assert_int_eq(ppl_read(ppl_grad(leaf), g, N), N);
    ppl_epoch_end(c, epoch);
    return value;
}

START_TEST(a_program_computes_what_its_recording_would)
{
    static const double weights[MOST_ROOTS] = { 1, -0.5, 2, 0.25 };
    ppl_ctx *c = start(_i);
    const double tolerance = _i == 0 ? 2e-5 : 1e-13;

    for (int k = 0; k < COUNT_OF(computations); k++) {
        ppl_epoch epoch = ppl_epoch_begin(c);
        double u[N], g[N], expected[RUNS][N], exact[RUNS], value;
        ppl_tensor *root[MOST_ROOTS];

        for (int n = 0; n < RUNS; n++) {
            fill(u, n);
            exact[n] = anew(c, computations[k], weights, u, expected[n]);
        }
        fill(u, 0);
        ppl_program *p = ppl_program_begin(c);
        ppl_tensor *leaf = ppl_variable(c, PPL_SHAPE(N), u);
        int count = computations[k](c, leaf, root);
        assert_ok(c, ppl_program_end(p, root, weights, count));
        for (int n = 0; n < RUNS; n++) {
            fill(u, n);
            ppl_leaf_write(leaf, u);
            assert_ok(c, ppl_program_run(p, n != 2, &value));
            ck_assert_msg(is_near(value, exact[n], tolerance), "%d, %d: %.17g, not %.17g",
                          k, n, value, exact[n]);
            ppl_leaf_grad(leaf, g);
            for (int i = 0; i < N && n != 2; i++)
                ck_assert_msg(is_near(g[i], expected[n][i], tolerance),
                              "%d, %d: gradient %d is %.17g, not %.17g", k, n, i, g[i],
                              expected[n][i]);
        }
        ppl_epoch_end(c, epoch);
    }
    stop(c);
}
END_TEST

/* What is recorded is no longer the tape's: backward does not see it. */
START_TEST(the_tape_is_as_before)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *x = variable(c, 2, 3), *root;
    ppl_program *p = ppl_program_begin(c);

    root = ppl_exp(x);
    assert_ok(c, ppl_program_end(p, &root, NULL, 1));
    assert_ok(c, ppl_backward(ppl_sum(ppl_mul(x, x), PPL_ALL)));
    assert_values(ppl_grad(x), rounding(_i), 4, 6);
    stop(c);
}
END_TEST

/* Runs allocate nothing. */
START_TEST(a_run_takes_no_memory)
{
    ppl_ctx *c = start(_i);
    double u[N], value;
    ppl_tensor *root[MOST_ROOTS];
    long calls;

    fill(u, 0);
    ppl_program *p = ppl_program_begin(c);
    ppl_tensor *leaf = ppl_variable(c, PPL_SHAPE(N), u);
    assert_ok(c, ppl_program_end(p, root, NULL, layers(c, leaf, root)));
    for (int n = 0; n < 2; n++)
        assert_ok(c, ppl_program_run(p, 1, &value));
    calls = (long)memory.calls;
    for (int n = 0; n < 100; n++)
        assert_ok(c, ppl_program_run(p, 1, &value));
    ck_assert_int_eq((long)memory.calls, calls);
    stop(c);
}
END_TEST

/* The gradient of a parameter is added to the slab's, as backward does. */
START_TEST(parameters_add_to_the_slab)
{
    ppl_ctx *c = start(_i);
    double value, grad = 0;
    ppl_program *p = ppl_program_begin(c);
    ppl_tensor *w = ppl_param(c, "w", PPL_SCALAR, ppl_init_constant(3), PPL_REAL), *root;

    root = ppl_mul(w, w);
    assert_ok(c, ppl_program_end(p, &root, NULL, 1));
    ppl_zero_grad(c);
    for (int n = 0; n < 2; n++)
        assert_ok(c, ppl_program_run(p, 1, &value));
    assert_ok(c, ppl_param_grad(c, "w", &grad, 1));
    ck_assert(is_near(grad, 12, rounding(_i)));
    stop(c);
}
END_TEST

/* ---- What cannot be recorded ------------------------------------------------------- */

START_TEST(reading_a_number_ends_the_recording)
{
    static const char text[] =
        "program_end: the computation read a value that depends on a leaf or a latent "
        "(ppl_item, ppl_read, ppl_data, ppl_total), so it may take another way with other "
        "numbers; run it anew each time";
    ppl_ctx *c = start(_i);

    for (int k = 0; k < 2; k++) {
        ppl_program *p = ppl_program_begin(c);
        ppl_tensor *x = variable(c, 2, 3), *root = ppl_exp(x);

        if (k == 0)
            ck_assert(ppl_item(ppl_sum(x, PPL_ALL)) > 4);
        else
            ck_assert(isfinite(ppl_total(root)));
        assert_error(c, ppl_program_end(p, &root, NULL, 1), PPL_EUNSUPPORTED, text);
    }
    /* A number that stays may be read. */
    ppl_program *p = ppl_program_begin(c);
    ppl_tensor *x = variable(c, 2, 3), *y = ppl_scalar(c, 2), *root;
    root = ppl_affine(x, ppl_item(y), 0);
    assert_ok(c, ppl_program_end(p, &root, NULL, 1));
    stop(c);
}
END_TEST

START_TEST(one_program_at_a_time)
{
    ppl_ctx *c = start(_i);
    ppl_epoch epoch = ppl_epoch_begin(c);
    ppl_tensor *root = NULL;
    ppl_program *p = ppl_program_begin(c);

    assert_null(c, ppl_program_begin(c), PPL_EINVAL,
                "program_begin: a program is being recorded already; end it first");
    assert_error(c, ppl_program_end(p, &root, NULL, 1), PPL_EINVAL,
                 "program_end: root 0 is NULL");
    p = ppl_program_begin(c);
    ck_assert_ptr_nonnull(p);
    /* An epoch that ends takes it along. */
    ppl_epoch_end(c, epoch);
    ck_assert_ptr_nonnull(ppl_program_begin(c));
    ck_assert_int_eq(ppl_program_end(NULL, NULL, NULL, 0), PPL_EINVAL);
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_program_computes_what_its_recording_would, the_tape_is_as_before,
        a_run_takes_no_memory, parameters_add_to_the_slab,
        reading_a_number_ends_the_recording, one_program_at_a_time, NULL
    };
    return run_tests("program", tests);
}

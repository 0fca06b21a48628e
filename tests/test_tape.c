/* SPDX-License-Identifier: MIT */
/*
 * test_tape.c - gradients through the tape: sums over paths, views, seeds, deferral,
 * several sweeps, epochs, and memory.
 */
#include "fixture.h"

START_TEST(paths_add_up)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = variable(c, 2, 3), *y = ppl_mul(x, x);
    ppl_tensor *root = ppl_sum(ppl_add(ppl_mul(y, x), y), PPL_ALL);     /* x^3 + x^2 */
    ck_assert(ppl_requires_grad(root));
    assert_values(ppl_grad(x), 0, 0, 0);
    ck_assert_int_eq(ppl_backward(root), PPL_OK);
    assert_values(ppl_grad(x), 0, 16, 33);
    ck_assert_ptr_null(ppl_grad(y));
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(sweeps_add_up_in_leaves_only)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = variable(c, 2, 3), *y = ppl_mul(x, x), *root = ppl_sum(y, PPL_ALL);
    for (int times = 1; times <= 3; times++) {
        ck_assert_int_eq(ppl_backward(root), PPL_OK);
        assert_values(ppl_grad(x), 0, 4 * times, 6 * times);
    }
    /* What ppl_grad gave stays as it was then. */
    ppl_tensor *before = ppl_grad(x);
    ck_assert_int_eq(ppl_backward(ppl_sum(ppl_neg(y), PPL_ALL)), PPL_OK);
    assert_values(before, 0, 12, 18);
    assert_values(ppl_grad(x), 0, 8, 12);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(seeds_weight_roots)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = variable(c, 2, 3), *constant = numbers(c, 1, 1);
    ppl_tensor *roots[] = { ppl_mul(x, x), x, constant, ppl_sum(x, 0), ppl_row(x, 1) };
    ppl_tensor *seeds[] = { numbers(c, 1, 10), ppl_scalar(c, 100), NULL, NULL,
                            ppl_scalar(c, 1000) };
    ck_assert_int_eq(ppl_backward_from(roots, seeds, 5), PPL_OK);
    assert_values(ppl_grad(x), 0, 4 + 100 + 1, 60 + 100 + 1 + 1000);
    ck_assert_int_eq(ppl_backward_from(roots, NULL, 1), PPL_OK);
    assert_values(ppl_grad(x), 0, 105 + 4, 1161 + 6);
    ck_assert_int_eq(ppl_backward_from(NULL, NULL, 0), PPL_OK);

    ck_assert_int_eq(ppl_backward(x), PPL_ESHAPE);
    assert_fails(c, NULL, PPL_ESHAPE,
                 "backward: the root has shape [2]; it must have one element (ppl_sum "
                 "makes it so)");
    ck_assert_int_eq(ppl_backward_from((ppl_tensor *[]){ x, NULL }, NULL, 2), PPL_EINVAL);
    assert_fails(c, NULL, PPL_EINVAL, "backward: root 1 is NULL");
    seeds[0] = numbers(c, 1, 2, 3);
    ck_assert_int_eq(ppl_backward_from(roots, seeds, 1), PPL_ESHAPE);
    assert_fails(c, NULL, PPL_ESHAPE,
                 "backward: seed 0 has shape [3], its root [2]; a seed has the root's "
                 "shape or one element");
    seeds[0] = integers(c, 1);
    ck_assert_int_eq(ppl_backward_from(roots, seeds, 1), PPL_EDTYPE);
    assert_fails(c, NULL, PPL_EDTYPE,
                 "backward: seed 0 is not floating; ppl_to_float converts");
    /* A refused call leaves no adjoint behind. */
    ck_assert_int_eq(ppl_backward_from(roots, NULL, 1), PPL_OK);
    assert_values(ppl_grad(x), 0, 109 + 4, 1167 + 6);
    ppl_ctx_free(c);
}
END_TEST

/* Views are not on the tape: their adjoint is a part of their base's. */
START_TEST(views_share_adjoints)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = ppl_variable(c, PPL_SHAPE(3, 2), (double[]){ 1, 2, 3, 4, 5, 6 });
    ppl_tensor *y = ppl_mul(x, x);
    ppl_tensor *both[] = { x, y };
    for (int k = 0; k < 2; k++) {
        ppl_tensor *t = both[k], *flat = ppl_reshape(t, PPL_SHAPE(6));
        ck_assert(ppl_requires_grad(flat));
        ck_assert_ptr_null(ppl_grad(flat));
        ppl_tensor *parts[] = {
            ppl_sum(ppl_slice(flat, 0, 1, 3), 0), ppl_sum(ppl_head(t, 2), PPL_ALL),
            ppl_row(ppl_row(t, 2), 0), ppl_mul(ppl_row(flat, 5), ppl_row(flat, 5))
        };
        ck_assert_int_eq(ppl_backward_from(parts, NULL, 4), PPL_OK);
    }
    /* By the parts of x: 1, 2, 2, 1, 1, 2 x_5; of y = x^2, the same by y times 2 x. */
    assert_values(ppl_grad(x), 0, 1 + 2, 2 + 8, 2 + 12, 1 + 8, 1 + 10, 12 + 72 * 12);
    ppl_ctx_free(c);
}
END_TEST

/* Parts of y in any order, which the sweep meets from the last on: side by side from either
 * end, apart, over each other, one within another, all of it, none of it. */
START_TEST(parts_add_up)
{
    enum { N = 12, MOST = 4 };
    static const int orders[][MOST][2] = {
        { { 0, 3 }, { 3, 6 }, { 6, 12 } },
        { { 6, 12 }, { 3, 6 }, { 0, 3 } },
        { { 4, 6 }, { 2, 4 }, { 6, 7 } },
        { { 0, 2 }, { 9, 12 }, { 5, 7 }, { 2, 5 } },
        { { 0, 7 }, { 4, 12 } },
        { { 3, 5 }, { 2, 8 }, { 3, 5 }, { 8, 9 } },
        { { 3, 5 }, { 0, 12 }, { 5, 6 } },
        { { 0, 12 }, { 3, 5 } },
        { { 0, 4 }, { 7, 7 }, { 4, 12 } },
    };

    for (int k = 0; k < COUNT_OF(orders); k++) {
        ppl_ctx *c = context(_i);
        ppl_tensor *x = ppl_variable(c, PPL_SHAPE(N), (double[N]){ 1, 2, 3, 4, 5, 6, 7, 8 });
        ppl_tensor *y = ppl_affine(x, 3, 0), *part[MOST];
        double expected[N] = { 0 }, found[N];
        int count = 0;

        for (; count < MOST && orders[k][count][1] > 0; count++) {
            const int from = orders[k][count][0], to = orders[k][count][1];

            part[count] = ppl_affine(ppl_sum(ppl_slice(y, 0, from, to), PPL_ALL), count + 2,
                                     0);
            for (int i = from; i < to; i++)
                expected[i] += 3 * (count + 2);
        }
        ck_assert_int_eq(ppl_backward_from(part, NULL, count), PPL_OK);
        ppl_read(ppl_grad(x), found, N);
        for (int i = 0; i < N; i++)
            ck_assert_msg(found[i] == expected[i], "order %d, element %d: %g is not %g", k, i,
                          found[i], expected[i]);
        ppl_ctx_free(c);
    }
}
END_TEST

START_TEST(gradients_can_be_off)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = variable(c, 2, 3);
    ck_assert_int_eq(ppl_set_grad_enabled(c, 0), 1);
    ppl_tensor *y = ppl_mul(x, x), *view = ppl_head(x, 1);
    ck_assert(!ppl_requires_grad(y) && !ppl_requires_grad(view));
    ck_assert_int_eq(ppl_set_grad_enabled(c, 1), 0);
    ck_assert(!ppl_requires_grad(ppl_neg(y)));
    ppl_tensor *z = ppl_mul(ppl_detach(x), x);
    ck_assert(!ppl_requires_grad(ppl_detach(z)));
    ck_assert_int_eq(ppl_backward(ppl_sum(ppl_add(ppl_add(y, z), ppl_sum(view, 0)), 0)),
                     PPL_OK);
    assert_values(ppl_grad(x), 0, 2, 3);
    ck_assert_int_eq(ppl_backward(ppl_sum(y, 0)), PPL_OK);
    assert_values(ppl_grad(x), 0, 2, 3);
    ppl_ctx_free(c);
}
END_TEST

/* ---- Deferred gradients ------------------------------------------------------------ */

/* linear out of operations that defer nothing: its twin. */
static ppl_tensor *composed(ppl_tensor *x, ppl_tensor *weight, ppl_tensor *bias,
                            ppl_activation activation)
{
    ppl_tensor *y = ppl_add(ppl_matmul(x, ppl_transpose(weight, 0, 1)), bias);
    switch (activation) {
    case PPL_RELU:
        return ppl_relu(y);
    case PPL_TANH:
        return ppl_tanh(y);
    case PPL_SIGMOID:
        return ppl_sigmoid(y);
    case PPL_SOFTPLUS:
        return ppl_softplus(y);
    case PPL_IDENTITY:
        break;
    }
    return y;
}

typedef ppl_tensor *(*layer)(ppl_tensor *, ppl_tensor *, ppl_tensor *, ppl_activation);

enum { STEPS = 4, WIDTH = 3 };

/* A recurrent net over fewer and fewer rows, whose weight is also used as a plain factor,
 * whose second weight is computed, and whose hidden state goes into two layers. Writes
 * the loss, then the gradients of x, weight and bias. */
static void run_network(int dtype, layer apply, double *out)
{
    ppl_ctx *c = context(dtype);
    double value[20];
    for (int k = 0; k < 20; k++)
        value[k] = sin(3 * k + 1);
    ppl_tensor *x = ppl_variable(c, PPL_SHAPE(5, WIDTH), value);
    ppl_tensor *weight = ppl_variable(c, PPL_SHAPE(WIDTH, WIDTH), value + 5);
    ppl_tensor *bias = ppl_variable(c, PPL_SHAPE(WIDTH), value + 2);
    ppl_tensor *made = ppl_tanh(ppl_mul(weight, weight));
    ppl_tensor *h = x, *loss = ppl_sum(weight, PPL_ALL);
    for (int t = 0; t < STEPS; t++) {
        h = apply(ppl_head(h, 5 - t), weight, bias, (ppl_activation)(t + 1));
        loss = ppl_add(loss, ppl_sum(apply(h, made, bias, PPL_IDENTITY), PPL_ALL));
        loss = ppl_add(loss, ppl_sum(apply(weight, made, bias, PPL_TANH), PPL_ALL));
    }
    ck_assert_int_eq(ppl_backward(loss), PPL_OK);
    out[0] = ppl_item(loss);
    ck_assert_int_eq(ppl_read(ppl_grad(x), out + 1, 15), 15);
    ck_assert_int_eq(ppl_read(ppl_grad(weight), out + 16, 9), 9);
    ck_assert_int_eq(ppl_read(ppl_grad(bias), out + 25, 3), 3);
    ppl_ctx_free(c);
}

START_TEST(deferred_is_immediate)
{
    enum { N = 28 };
    double deferred[N], immediate[N], again[N];
    run_network(_i, ppl_linear, deferred);
    run_network(_i, composed, immediate);
    run_network(_i, ppl_linear, again);
    for (int k = 0; k < N; k++) {
        ck_assert_msg(is_near(deferred[k], immediate[k], 4 * rounding(_i)),
                      "%d: %.17g is not %.17g", k, deferred[k], immediate[k]);
        ck_assert_double_eq(deferred[k], again[k]);
    }
}
END_TEST

START_TEST(deferred_twice)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = ppl_variable(c, PPL_SHAPE(2, 2), (double[]){ 1, 2, 3, 4 });
    ppl_tensor *w = ppl_variable(c, PPL_SHAPE(1, 2), (double[]){ 5, 6 });
    ppl_tensor *y = ppl_sum(ppl_linear(x, w, NULL, PPL_SOFTPLUS), PPL_ALL);
    double first[2], second[2];
    ck_assert_int_eq(ppl_backward(y), PPL_OK);
    ppl_read(ppl_grad(w), first, 2);
    ck_assert_int_eq(ppl_backward(y), PPL_OK);
    ppl_read(ppl_grad(w), second, 2);
    ck_assert_double_eq(second[0], 2 * first[0]);
    ck_assert_double_eq(second[1], 2 * first[1]);
    /* A view of a weight, which is not deferred, and its own turned copy. */
    ppl_tensor *view = ppl_reshape(w, PPL_SHAPE(2, 1));
    ppl_tensor *z = ppl_linear(ppl_sum_last(x, 1), NULL, NULL, PPL_RELU);
    ck_assert_ptr_null(z);
    assert_fails(c, NULL, PPL_EINVAL, "linear: input 1 is NULL");
    z = ppl_linear(ppl_reshape(x, PPL_SHAPE(4, 1)), view, NULL, PPL_IDENTITY);
    assert_values(z, 0, 5, 6, 10, 12, 15, 18, 20, 24);
    ck_assert_int_eq(ppl_backward(ppl_sum(z, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(w), 0, second[0] + 10, second[1] + 10);
    ppl_ctx_free(c);
}
END_TEST

/* ---- Data of mostly zeros ---------------------------------------------------------- */

enum { ROWS = 83, IN = 70, OUT = 67 };

/* A layer over data of which one in 11 is not zero, whose last row, with infinities, the
 * loss does not see. Writes the loss, then the gradients of weight and bias. */
static void run_sparse(int dtype, layer apply, double *out)
{
    ppl_ctx *c = context(dtype);
    static double x[ROWS * IN], value[OUT * IN];
    for (int k = 0; k < ROWS * IN; k++)
        x[k] = k % 11 > 0 ? 0 : k / IN == ROWS - 1 ? INFINITY : cos(k);
    for (int k = 0; k < OUT * IN; k++)
        value[k] = sin(3 * k + 1) / 4;
    ppl_tensor *weight = ppl_variable(c, PPL_SHAPE(OUT, IN), value);
    ppl_tensor *bias = ppl_variable(c, PPL_SHAPE(OUT), value);
    ppl_tensor *y = apply(ppl_from_doubles(c, PPL_SHAPE(ROWS, IN), x), weight, bias, PPL_TANH);
    ppl_tensor *seen = ppl_head(y, ROWS - 1), *loss = ppl_mean(ppl_mul(seen, seen), PPL_ALL);
    ck_assert_int_eq(ppl_backward(loss), PPL_OK);
    *out++ = ppl_item(loss);
    ck_assert_int_eq(ppl_read(ppl_grad(weight), out, OUT * IN), OUT * IN);
    ck_assert_int_eq(ppl_read(ppl_grad(bias), out + OUT * IN, OUT), OUT);
    ppl_ctx_free(c);
}

START_TEST(sparse_is_dense)
{
    enum { N = 1 + OUT * IN + OUT };
    static double sparse[N], dense[N];
    run_sparse(_i, ppl_linear, sparse);
    run_sparse(_i, composed, dense);
    for (int k = 0; k < N; k++)
        ck_assert_msg(is_near(sparse[k], dense[k], 4 * rounding(_i)),
                      "%d: %.17g is not %.17g", k, sparse[k], dense[k]);
}
END_TEST

/* A zero times a weight that is no number is none. */
START_TEST(sparse_shows_broken_weights)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = ppl_full(c, PPL_SHAPE(ROWS, IN), 0), *w = ppl_full(c, PPL_SHAPE(OUT, IN), 1);
    ck_assert_double_eq(ppl_item(ppl_sum(ppl_linear(x, w, NULL, PPL_IDENTITY), PPL_ALL)), 0);
    w = ppl_full(c, PPL_SHAPE(OUT, IN), NAN);
    ck_assert(isnan(ppl_item(ppl_sum(ppl_linear(x, w, NULL, PPL_IDENTITY), PPL_ALL))));
    ppl_ctx_free(c);
}
END_TEST

/* ---- Epochs and memory ------------------------------------------------------------- */

/* The sweep goes through every open epoch; what an inner one cached ends with it. */
START_TEST(inner_epochs)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = variable(c, 2, 3);
    ppl_epoch outer = ppl_epoch_begin(c);
    ppl_tensor *w = ppl_reshape(ppl_mul(x, x), PPL_SHAPE(1, 2));
    for (int times = 1; times <= 3; times++) {
        ppl_epoch inner = ppl_epoch_begin(c);
        ppl_tensor *y = ppl_linear(numbers(c, 1, times), w, NULL, PPL_IDENTITY);
        assert_values(y, 0, 4 + 9 * times);
        ck_assert_int_eq(ppl_backward(ppl_row(y, 0)), PPL_OK);
        ppl_epoch_end(c, inner);
        for (int junk = 0; junk < 9; junk++)
            ppl_full(c, PPL_SHAPE(50), (double)NAN);
    }
    assert_values(ppl_grad(x), 0, 3 * 4, 6 * (1 + 2 + 3));
    ppl_epoch_end(c, outer);
    ppl_ctx_free(c);
}
END_TEST

/* Some of everything that takes memory: enough for several blocks of an arena. */
static ppl_status busy_epoch(ppl_ctx *c, double *gradient)
{
    ppl_epoch epoch = ppl_epoch_begin(c);
    ppl_tensor *x = ppl_variable(c, PPL_SHAPE(1), (double[]){ 0.5 });
    ppl_tensor *t = ppl_expand(x, PPL_SHAPE(40, 30));
    ppl_tensor *w = ppl_expand(x, PPL_SHAPE(30, 30));
    for (int k = 0; k < 40; k++) {
        t = ppl_linear(t, w, NULL, PPL_TANH);
        t = ppl_add(ppl_softmax(t, 1), x);
        t = ppl_concat(
            (ppl_tensor *[]){ ppl_slice(t, 1, 10, 30), ppl_slice(t, 1, 0, 10) }, 2, 1);
        for (int n = 0; n < 40; n++)
            x = ppl_affine(x, 1, 0);
    }
    t = ppl_matmul(ppl_transpose(t, 0, 1), t);
    ppl_status status = ppl_ok(c) ? ppl_backward(ppl_mean(t, PPL_ALL)) : ppl_error(c);
    if (status == PPL_OK)
        *gradient = ppl_total(ppl_detach(ppl_mean(t, PPL_ALL)));
    ppl_epoch_end(c, epoch);
    return status;
}

START_TEST(third_epoch_takes_no_memory)
{
    ppl_ctx *c = start(_i);
    double gradient;
    for (int k = 0; k < 2; k++)
        ck_assert_int_eq(busy_epoch(c, &gradient), PPL_OK);
    long before = memory.calls;
    for (int k = 0; k < 3; k++)
        ck_assert_int_eq(busy_epoch(c, &gradient), PPL_OK);
    ck_assert_int_eq(memory.calls, before);
    stop(c);
}
END_TEST

/* Every allocation refused in turn: an error, nothing lost, the next epoch succeeds. */
START_TEST(memory_runs_out_anywhere)
{
    double expected, gradient;
    ppl_ctx *c = start(_i);
    ck_assert_int_eq(busy_epoch(c, &expected), PPL_OK);
    stop(c);
    int failures = 0;
    for (ppl_status status = PPL_ENOMEM; status != PPL_OK; failures++) {
        c = start(_i);
        memory.refuse_at = memory.calls + failures + 1;
        status = busy_epoch(c, &gradient);
        if (status != PPL_OK) {
            ck_assert_int_eq(status, PPL_ENOMEM);
            ck_assert_int_eq(strncmp(ppl_error_text(c), "out of memory", 13), 0);
            ppl_clear_error(c);
            ck_assert_int_eq(busy_epoch(c, &gradient), PPL_OK);
        }
        ck_assert_double_eq(gradient, expected);
        stop(c);
    }
    ck_assert_int_gt(failures, 5);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        paths_add_up, sweeps_add_up_in_leaves_only, seeds_weight_roots,
        views_share_adjoints, parts_add_up, gradients_can_be_off, deferred_is_immediate,
        deferred_twice, sparse_is_dense, sparse_shows_broken_weights,
        inner_epochs, third_epoch_takes_no_memory, memory_runs_out_anywhere, NULL
    };
    return run_tests("tape", tests);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_user_distribution.c - a distribution and KL rules of one's own, on the public
 * headers alone: an example. It serves both as the example to copy and as its test.
 *
 * The Laplace distribution (location m, scale b > 0):
 *
 *   log p(x)   -|x - m| / b - log(2 b)
 *   mean m, variance 2 b^2, entropy 1 + log(2 b)
 *   draw       m - b sign(u) log(1 - 2 |u|), u uniform in (-1/2, 1/2)
 *   KL(q||p)   of two of them: e^(-d / b_q) b_q / b_p + d / b_p - log(b_q / b_p) - 1,
 *              d = |m_q - m_p|; to a Normal(l, s): log(s sqrt(2 pi) / (2 b)) - 1
 *              + (2 b^2 + (m - l)^2) / (2 s^2)
 *
 * A family is a const row of functions. They may be written from the operations of
 * tensor.h, which bring their gradients along; the log_prob here is an operation of its
 * own (ppl_op), in one pass with its gradients by hand, as the library's families are.
 */
#include "tensors.h"

#include <kiln/distributions.h>

#define TWO_PI 6.283185307179586

/* ---- log_prob as one operation ----------------------------------------------------- */

static double get(const ppl_tensor *out, const void *elements, int64_t i)
{
    return ppl_tensor_dtype(out) == PPL_F32 ? (double)((const float *)elements)[i]
                                            : ((const double *)elements)[i];
}

/* The three inputs are value, location, scale: broadcast by the tape. */
static void log_prob_forward(ppl_tensor *out)
{
    for (int64_t i = 0; i < ppl_numel(out); i++) {
        double x = get(out, ppl_operand(out, 0), i), m = get(out, ppl_operand(out, 1), i);
        double b = get(out, ppl_operand(out, 2), i);
        double y = -fabs(x - m) / b - log(2 * b);
        if (ppl_tensor_dtype(out) == PPL_F32)
            ((float *)ppl_result(out))[i] = (float)y;
        else
            ((double *)ppl_result(out))[i] = y;
    }
}

/* Adds adjoint times derivative in input `input`; a zero adjoint adds exactly zero, so
 * that what a mask leaves out stays out. */
static void log_prob_vjp(ppl_tensor *out, int input, void *grad)
{
    for (int64_t i = 0; i < ppl_numel(out); i++) {
        double x = get(out, ppl_operand(out, 0), i), m = get(out, ppl_operand(out, 1), i);
        double b = get(out, ppl_operand(out, 2), i), g = get(out, ppl_adjoint(out), i);
        double sign = (x > m) - (x < m);
        double slope = (input == 0 ? -sign : input == 1 ? sign : fabs(x - m) / b - 1) / b;
        if (g == 0)
            continue;
        if (ppl_tensor_dtype(out) == PPL_F32)
            ((float *)grad)[i] += (float)(g * slope);
        else
            ((double *)grad)[i] += g * slope;
    }
}

static const ppl_op log_prob_op = {
    .name = "laplace log_prob", .inputs = 3, .flags = PPL_OP_BROADCAST,
    .forward = log_prob_forward, .vjp = log_prob_vjp
};

static ppl_tensor *laplace_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1] };
    return ppl_apply(&log_prob_op, in, 3, NULL, 0);
}

/* ---- The rest from operations that there are --------------------------------------- */

/* Noise of d->shape that depends on no parameter, then a path through the parameters: the
 * draw is differentiable (PPL_REPARAM). */
static ppl_tensor *laplace_sample(const ppl_dist *d, const ppl_rng *rng)
{
    int64_t n = 1;
    for (int i = 0; i < d->shape.rank; i++)
        n *= d->shape.dim[i];
    double *noise = ppl_alloc(d->ctx, (size_t)n * sizeof *noise);
    if (!noise)
        return NULL;
    ppl_rng_uniforms(rng, 0, (size_t)n, noise);
    for (int64_t i = 0; i < n; i++) {
        double u = noise[i] - 0.5;
        noise[i] = (u < 0 ? 1 : -1) * log1p(-2 * fabs(u));
    }
    ppl_tensor *standard = ppl_from_doubles(d->ctx, d->shape, noise);
    return ppl_add(d->param[0], ppl_mul(d->param[1], standard));
}

static ppl_tensor *laplace_mean(const ppl_dist *d)
{
    return d->param[0];
}

static ppl_tensor *laplace_variance(const ppl_dist *d)
{
    return ppl_affine(ppl_mul(d->param[1], d->param[1]), 2, 0);
}

static ppl_tensor *laplace_entropy(const ppl_dist *d)
{
    return ppl_affine(ppl_log(d->param[1]), 1, 1 + log(2));
}

static ppl_tensor *laplace_kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *distance = ppl_abs(ppl_sub(q->param[0], p->param[0]));
    ppl_tensor *ratio = ppl_div(q->param[1], p->param[1]);
    ppl_tensor *overlap = ppl_mul(ratio,
                                  ppl_exp(ppl_neg(ppl_div(distance, q->param[1]))));
    ppl_tensor *apart = ppl_div(distance, p->param[1]);
    return ppl_affine(ppl_sub(ppl_add(overlap, apart), ppl_log(ratio)), 1, -1);
}

/* From a Laplace to a Normal: a rule for two families, registered with a context. */
static ppl_tensor *laplace_normal_kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *shift = ppl_sub(q->param[0], p->param[0]), *b = q->param[1],
               *s = p->param[1];
    ppl_tensor *square = ppl_add(ppl_affine(ppl_mul(b, b), 2, 0), ppl_mul(shift, shift));
    ppl_tensor *spread = ppl_affine(ppl_div(square, ppl_mul(s, s)), 0.5, 0);
    return ppl_affine(ppl_add(ppl_log(ppl_div(s, b)), spread), 1,
                      log(TWO_PI) / 2 - log(2) - 1);
}

static const ppl_family laplace_family = {
    .name = "laplace",
    .params = 2,
    .param_name = { "location", "scale" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_positive },
    .support = &ppl_constraint_real,
    .flags = PPL_REPARAM,
    .sample = laplace_sample,
    .log_prob = laplace_log_prob,
    .entropy = laplace_entropy,
    .mean = laplace_mean,
    .variance = laplace_variance,
    .kl = laplace_kl,
};

static ppl_dist *laplace(ppl_tensor *location, ppl_tensor *scale)
{
    return ppl_dist_make(&laplace_family, (ppl_tensor *[]){ location, scale }, NULL);
}

/* ---- Tests ------------------------------------------------------------------------- */

static ppl_dist *member(ppl_ctx *c, double location, double scale)
{
    return laplace(ppl_scalar(c, location), ppl_scalar(c, scale));
}

START_TEST(log_prob_and_its_gradients)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *m = ppl_variable(c, PPL_SCALAR, LIST(1)),
               *b = ppl_variable(c, PPL_SCALAR, LIST(2));
    ppl_tensor *x = variable(c, 0, 4), *log_prob = ppl_log_prob(laplace(m, b), x);
    assert_values(log_prob, rounding(_i), -0.5 - log(4), -1.5 - log(4));
    ck_assert_int_eq(ppl_backward(ppl_sum(log_prob, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(x), rounding(_i), 0.5, -0.5);
    assert_values(ppl_grad(m), rounding(_i), 0);
    assert_values(ppl_grad(b), rounding(_i), -0.25 + 0.25);
    assert_values(ppl_entropy(laplace(m, b)), rounding(_i), 1 + log(4));
    assert_values(ppl_dist_mean(laplace(m, b)), 0, 1);
    assert_values(ppl_dist_variance(laplace(m, b)), 0, 8);
    ppl_ctx_free(c);
}
END_TEST

/* Events, masks, expansion and validation come with ppl_dist_make. */
START_TEST(what_comes_for_free)
{
    const double nan = NAN;
    ppl_ctx *c = context(_i);
    ppl_dist *d = ppl_expand_dist(member(c, 0, 1), PPL_SHAPE(2, 3));
    ppl_tensor *mask = ppl_from_mask(c, PPL_SHAPE(2), (unsigned char[]){ 1, 0 });
    ppl_tensor *x = ppl_reshape(numbers(c, 1, -2, 3, nan, 0, 0), PPL_SHAPE(2, 3));
    ppl_tensor *log_prob = ppl_log_prob(ppl_masked(ppl_event(d, 1), mask), x);
    assert_values(log_prob, rounding(_i), -6 - 3 * log(2), 0);
    assert_fails(c, ppl_log_prob(d, x), PPL_ECONSTRAINT,
                 "laplace: value[1,0] is nan; it must be a finite number");
    assert_fails(c, member(c, 0, -1), PPL_ECONSTRAINT,
                 "laplace: scale is -1; it must be positive");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(samples_have_the_moments_and_the_path)
{
    enum { DRAWS = 50000 };
    static double value[DRAWS];
    const ppl_rng rng = { { 3, 4 } };
    ppl_ctx *c = context(_i);
    ppl_tensor *m = ppl_variable(c, PPL_SCALAR, LIST(0.5)),
               *b = ppl_variable(c, PPL_SCALAR, LIST(2));
    ppl_dist *d = ppl_expand_dist(laplace(m, b), PPL_SHAPE(DRAWS));
    ppl_tensor *x = ppl_dist_sample(d, &rng);
    double sum = 0, square = 0;
    ppl_read(x, value, DRAWS);
    for (int i = 0; i < DRAWS; i++) {
        sum += value[i];
        square += (value[i] - 0.5) * (value[i] - 0.5);
    }
    /* Standard errors: sqrt(8 / n) of the mean, sqrt((24 - 4) 16 / n) of the variance. */
    ck_assert(fabs(sum / DRAWS - 0.5) < 4 * sqrt(8.0 / DRAWS));
    ck_assert(fabs(square / DRAWS - 8) < 4 * sqrt(320.0 / DRAWS));
    ck_assert_int_eq(ppl_backward(ppl_mean(ppl_mul(x, x), PPL_ALL)), PPL_OK);
    /* d E[x^2] / dm = 2 m, / db = 4 b */
    ck_assert(fabs(ppl_item(ppl_grad(m)) - 1) < 8 * sqrt(8.0 / DRAWS));
    ck_assert(fabs(ppl_item(ppl_grad(b)) - 8) < 4 * sqrt(328.0 / DRAWS));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(kl_rules_are_found)
{
    ppl_ctx *c = context(_i);
    ppl_dist *q = member(c, 0.4, 0.9), *p = member(c, 0.7, 1.3);
    ppl_dist *normal = ppl_normal(ppl_scalar(c, 0.7), ppl_scalar(c, 1.3));
    double tolerance = _i ? 1e-6 : 4e-6;
    assert_values(ppl_kl(q, p), tolerance, 0.094554);
    assert_values(ppl_kl(member(c, 0, 1), member(c, 1, 2)), _i ? 1e-10 : 1e-6,
                  0.3770869011);
    assert_values(ppl_kl(q, q), rounding(_i), 0);
    assert_fails(
        c, ppl_kl(q, normal), PPL_EUNSUPPORTED,
        "kl: there is no rule for KL(laplace || normal); add one with ppl_kl_register, "
        "or estimate it from samples");
    ck_assert_int_eq(
        ppl_kl_register(c, &laplace_family, &ppl_family_normal, laplace_normal_kl),
        PPL_OK);
    assert_values(ppl_kl(q, normal), tolerance, 0.099433);
    ppl_ctx_free(c);
}
END_TEST

static void model(ppl_ctx *c, const void *arg)
{
    ppl_tensor *z = ppl_sample(c, "z", member(c, 0, 1));
    (void)arg;
    ppl_observe(c, "x", laplace(z, ppl_scalar(c, 0.5)), ppl_scalar(c, 1.5));
}

START_TEST(a_model_takes_it_as_any_other)
{
    ppl_ctx *c = context(_i);
    ppl_status status = ppl_run(c, model, NULL, NULL);
    ck_assert_msg(status == PPL_OK, "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        log_prob_and_its_gradients, what_comes_for_free,
        samples_have_the_moments_and_the_path, kl_rules_are_found,
        a_model_takes_it_as_any_other, NULL
    };
    return run_tests("user distribution", tests);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_transformed.c - distributions transformed by maps: densities, distribution
 * functions, moments and KL against closed forms; the draw that is remembered with its x;
 * dependence; in an ELBO.
 */
#include "tensors.h"

#include <kiln/distributions.h>
#include <kiln/infer.h>
#include <kiln/optim.h>
#include <kiln/transforms.h>

static const ppl_rng rng = { { 12, 34 } };

static ppl_transform *affine(ppl_ctx *c)
{
    return ppl_transform_affine(numbers(c, 1, -2, 0.5), numbers(c, 2, -0.5, 3));
}

static ppl_transform *scaled(ppl_ctx *c)
{
    return ppl_transform_affine(ppl_scalar(c, 0.25), ppl_scalar(c, -2));
}

static ppl_dist *image(ppl_dist *base, ppl_transform *t)
{
    return ppl_transformed(base, &t, 1);
}

static ppl_dist *standard(ppl_ctx *c, ppl_shape shape)
{
    return ppl_normal(ppl_full(c, shape, 0), ppl_scalar(c, 1));
}

static double normal_log_prob(double x)
{
    return -x * x / 2 - log(2 * acos(-1)) / 2;
}

START_TEST(densities)
{
    ppl_ctx *c = context(_i);
    const double near = 4 * rounding(_i);
    ppl_dist *d = image(standard(c, PPL_SCALAR), ppl_transform_exp(c));
    ck_assert_str_eq(d->family->name, "transformed(normal)");
    ck_assert_ptr_eq(d->family->kind, &ppl_family_transformed);
    ck_assert(d->family->flags == PPL_REPARAM);
    assert_values(ppl_log_prob(d, numbers(c, 0.5, 1, 3)), near,
                  normal_log_prob(log(0.5)) - log(0.5), normal_log_prob(0),
                  normal_log_prob(log(3)) - log(3));
    /* Several, the last decreasing: y = 1 - 2 sigmoid x. */
    ppl_transform *const two[] = {
        ppl_transform_sigmoid(c),
        ppl_transform_affine(ppl_scalar(c, 1), ppl_scalar(c, -2))
    };
    d = ppl_transformed(standard(c, PPL_SCALAR), two, 2);
    double x = log(0.25 / 0.75);                /* sigmoid x = 0.25, y = 0.5 */
    assert_values(ppl_log_prob(d, ppl_scalar(c, 0.5)), near,
                  normal_log_prob(x) - log(2 * 0.25 * 0.75));
    /* A map of vectors makes events of a batch; a base of more axes keeps them. */
    d = image(standard(c, PPL_SHAPE(5, 3)), ppl_transform_stick_breaking(c));
    ck_assert_int_eq(d->event_dim, 1);
    assert_shaped("simplexes", ppl_dist_sample(d, &rng), PPL_SHAPE(5, 4));
    assert_shape(ppl_log_prob(d, ppl_dist_sample(d, &rng)), 5);
    d = image(ppl_event(standard(c, PPL_SHAPE(5, 3)), 2), ppl_transform_exp(c));
    ck_assert_int_eq(d->event_dim, 2);
    ppl_tensor *y = ppl_full(c, PPL_SHAPE(5, 3), 3);
    assert_values(ppl_log_prob(d, y), 20 * near,
                  15 * (normal_log_prob(log(3)) - log(3)));
    d = image(ppl_event(standard(c, PPL_SHAPE(5, 3)), 2),
              ppl_transform_stick_breaking(c));
    ck_assert_int_eq(d->event_dim, 2);
    ck_assert_int_eq(ppl_rank(ppl_log_prob(d, ppl_dist_sample(d, &rng))), 0);
    d = image(standard(c, PPL_SHAPE(2, 6)), ppl_transform_lower_cholesky(c));
    ck_assert_int_eq(d->event_dim, 2);
    assert_shaped("factors", ppl_dist_sample(d, &rng), PPL_SHAPE(2, 3, 3));
    assert_shape(ppl_log_prob(d, ppl_dist_sample(d, &rng)), 2);
    /* Parameters of the map widen the batch. */
    d = image(standard(c, PPL_SCALAR), affine(c));
    y = ppl_dist_sample(d, &rng);
    assert_shaped("wide", y, PPL_SHAPE(3));
    assert_values(ppl_log_prob(d, numbers(c, 1, -2, 0.5)), near,
                  normal_log_prob(0) - log(2), normal_log_prob(0) - log(0.5),
                  normal_log_prob(0) - log(3));
    double draw[3];
    ppl_read(y, draw, 3);
    ck_assert(fabs((draw[0] - 1) / 2 - (draw[2] - 0.5) / 3) > 1e-3);    /* three x */
    ck_assert_ptr_eq(ppl_transformed(d, NULL, 0), d);
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

/* ppl_event, ppl_masked and ppl_expand_dist of the result, and of the base. */
START_TEST(fields_of_the_result)
{
    ppl_ctx *c = context(_i);
    ppl_dist *d = image(standard(c, PPL_SHAPE(2)), ppl_transform_exp(c));
    const unsigned char keep[] = { 1, 0 };
    ppl_tensor *mask = ppl_from_mask(c, PPL_SHAPE(2), keep);
    ppl_tensor *y = numbers(c, 1, 1), *bad = numbers(c, 1, -1);
    double at_1 = normal_log_prob(0);
    assert_values(ppl_log_prob(ppl_event(d, 1), y), rounding(_i), 2 * at_1);
    assert_values(ppl_log_prob(ppl_masked(d, mask), bad), rounding(_i), at_1, 0);
    ppl_dist *masked = image(ppl_masked(standard(c, PPL_SHAPE(2)), mask),
                             ppl_transform_exp(c));
    assert_values(ppl_log_prob(masked, bad), rounding(_i), at_1, 0);
    ppl_dist *wide = ppl_expand_dist(d, PPL_SHAPE(3, 2));
    ppl_tensor *draws = ppl_dist_sample(wide, &rng);
    assert_shaped("draws", draws, PPL_SHAPE(3, 2));
    double drawn[6];
    ppl_read(draws, drawn, 6);
    ck_assert(fabs(drawn[0] - drawn[2]) > 1e-6);
    assert_shape(ppl_log_prob(wide, draws), 3, 2);
    ppl_dist *rows = image(ppl_masked(standard(c, PPL_SHAPE(2, 3)),
                                      ppl_reshape(mask, PPL_SHAPE(2, 1))),
                           ppl_transform_ordered(c));
    ppl_tensor *log_p = ppl_log_prob(rows, ppl_full(c, PPL_SHAPE(2, 3), 1));
    ck_assert(isfinite(ppl_item(ppl_slice(log_p, 0, 1, 2))));
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* The standard logistic distribution: its cdf is the sigmoid. */
static ppl_tensor *logistic_cdf(const ppl_dist *d, ppl_tensor *x)
{
    (void)d;
    return ppl_sigmoid(x);
}

static ppl_tensor *logistic_icdf(const ppl_dist *d, ppl_tensor *p)
{
    (void)d;
    return ppl_sub(ppl_log(p), ppl_log1p(ppl_neg(p)));
}

static ppl_tensor *no_sample(const ppl_dist *d, const ppl_rng *r)
{
    (void)r;
    return d->param[0];
}

static ppl_tensor *no_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    (void)x;
    return d->param[0];
}

static ppl_dist *logistic(ppl_ctx *c)
{
    static const ppl_family family = {
        .name = "standard_logistic", .params = 1, .param_name = { "zero" },
        .support = &ppl_constraint_real, .sample = no_sample, .log_prob = no_log_prob,
        .cdf = logistic_cdf, .icdf = logistic_icdf
    };
    ppl_tensor *zero = ppl_scalar(c, 0);
    return ppl_dist_make(&family, &zero, NULL);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

START_TEST(distribution_functions)
{
    ppl_ctx *c = context(_i);
    const double near = 4 * rounding(_i), inf = INFINITY;
    ppl_dist *d = image(logistic(c), ppl_transform_exp(c));
    assert_values(ppl_cdf(d, numbers(c, -1, 0, 0.5, 3, inf)), near, 0, 0,
                  sigmoid(log(0.5)), sigmoid(log(3)), 1);
    assert_values(ppl_icdf(d, numbers(c, 0, 0.5, 1)), near, 0, 1, inf);
    /* y = 1 - 2 sigmoid x decreases, from 1 to -1. */
    ppl_transform *const two[] = {
        ppl_transform_sigmoid(c),
        ppl_transform_affine(ppl_scalar(c, 1), ppl_scalar(c, -2))
    };
    d = ppl_transformed(logistic(c), two, 2);
    double x = log(0.25 / 0.75);
    assert_values(ppl_cdf(d, numbers(c, -1.5, -1, 0, 0.5, 1, 2)), near, 0, 0, 0.5,
                  sigmoid(-x), 1, 1);
    assert_values(ppl_log_survival(d, ppl_scalar(c, 0.5)), near, log(sigmoid(x)));
    assert_values(ppl_log_cdf(d, ppl_scalar(c, 0.5)), near, log(sigmoid(-x)));
    ppl_tensor *p = numbers(c, 0.125, 0.5, 0.75);
    assert_values(ppl_cdf(d, ppl_icdf(d, p)), near, 0.125, 0.5, 0.75);
    assert_values(ppl_cdf(d, ppl_inverse_survival(d, p)), near, 0.875, 0.5, 0.25);
    /* A bound that swallows what is next to it: y falls all the same. */
    ppl_transform *below = ppl_biject_to(c, ppl_less_than(1e17));
    d = ppl_transformed(ppl_normal(ppl_scalar(c, 50), ppl_scalar(c, 1)), &below, 1);
    assert_values(ppl_cdf(d, ppl_scalar(c, -exp(50.5))), 1e-4, 0.308537538725987);
    /* One scale of each sign. */
    d = image(logistic(c), affine(c));
    assert_values(ppl_cdf(d, numbers(c, 3, -1.5, 0.5)), near, sigmoid(1),
                  sigmoid(1), 0.5);
    assert_values(ppl_cdf(d, ppl_icdf(d, p)), near, 0.125, 0.5, 0.75);
    ck_assert_ptr_null(image(standard(c, PPL_SHAPE(2)), ppl_transform_ordered(c))
                           ->family->cdf);
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(supports)
{
    ppl_ctx *c = context(_i);
    ppl_dist *d = image(ppl_exponential(ppl_scalar(c, 1)),
                        ppl_transform_affine(ppl_scalar(c, 2), ppl_scalar(c, 0.5)));
    assert_values(ppl_log_prob(d, numbers(c, 2, 3)), rounding(_i), log(2), log(2) - 2);
    assert_fails(c, ppl_log_prob(d, numbers(c, 3, 1.5)), PPL_ECONSTRAINT,
                 "transformed(exponential): value[1] is 1.5; it must be at least 2");
    d = image(ppl_exponential(ppl_scalar(c, 1)), scaled(c));
    assert_fails(c, ppl_log_prob(d, numbers(c, 1)), PPL_ECONSTRAINT,
                 "transformed(exponential): value[0] is 1; it must be at most 0.25");
    d = image(standard(c, PPL_SCALAR), ppl_transform_exp(c));
    assert_fails(c, ppl_log_prob(d, numbers(c, 1, -1)), PPL_ECONSTRAINT,
                 "transformed(normal): value[1] is -1; it must be positive");
    d = image(standard(c, PPL_SHAPE(2)), ppl_transform_stick_breaking(c));
    assert_fails(c, ppl_log_prob(d, numbers(c, 0.5, 0.5, 0.5)), PPL_ECONSTRAINT,
                 "transformed(normal): value is (0.5, 0.5, 0.5); it must be nonnegative, "
                 "with sum 1");
    assert_fails(c, image(ppl_bernoulli(ppl_scalar(c, 0.5)), ppl_transform_exp(c)),
                 PPL_EUNSUPPORTED, "transformed: bernoulli is discrete; a change of "
                 "variables is of densities");
    assert_fails(c, image(standard(c, PPL_SCALAR), ppl_transform_abs(c)),
                 PPL_EUNSUPPORTED, "transformed: several values have one image under abs; "
                 "take a bijection");
    assert_fails(c, image(ppl_event(standard(c, PPL_SHAPE(1)), 1), affine(c)), PPL_ESHAPE,
                 "transformed: affine stretches the events of normal, of shape [1]; give "
                 "the base that shape with ppl_expand_dist before ppl_event");
    assert_fails(c, image(standard(c, PPL_SCALAR), ppl_transform_ordered(c)), PPL_ESHAPE,
                 "event: normal has batch [], which has not 1 axes to become part of the "
                 "event; 0 to 0 can");
    ck_assert_ptr_null(image(NULL, affine(c)));
    ck_assert_ptr_null(image(standard(c, PPL_SCALAR), NULL));
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(moments_of_linear_ones)
{
    ppl_ctx *c = context(_i);
    ppl_dist *base = ppl_gamma(numbers(c, 4, 1, 9), ppl_scalar(c, 2));
    ppl_dist *d = image(base, affine(c));
    const double near = 4 * rounding(_i);
    assert_values(ppl_dist_mean(d), near, 5, -2.25, 14);
    assert_values(ppl_dist_variance(d), near, 4, 0.0625, 20.25);
    double h[3];
    ppl_read(ppl_entropy(base), h, 3);
    assert_values(ppl_entropy(d), near, h[0] + log(2), h[1] + log(0.5), h[2] + log(3));
    ppl_transform *const both[] = { ppl_transform_independent(affine(c), 1),
        ppl_transform_permute(c, (int64_t[]){ 2, 0, 1 }, 3) };
    d = ppl_transformed(ppl_event(base, 1), both, 2);
    assert_values(ppl_dist_mean(d), near, 14, 5, -2.25);
    assert_values(ppl_dist_variance(d), near, 20.25, 4, 0.0625);
    assert_values(ppl_entropy(d), near, h[0] + h[1] + h[2] + log(3));
    ck_assert_ptr_null(image(base, ppl_transform_exp(c))->family->mean);
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* ---- The remembered draw ----------------------------------------------------------- */

static int inverses;

static ppl_tensor *counted_forward(const ppl_transform *self, ppl_tensor *x,
                                   ppl_tensor **log_abs_det)
{
    if (log_abs_det)
        *log_abs_det = ppl_expand(ppl_log(self->tensor[0]), ppl_tensor_shape(x));
    return ppl_mul(x, self->tensor[0]);
}

static ppl_tensor *counted_inverse(const ppl_transform *self, ppl_tensor *y,
                                   ppl_tensor **log_abs_det)
{
    inverses++;
    if (log_abs_det)
        *log_abs_det = ppl_expand(ppl_log(self->tensor[0]), ppl_tensor_shape(y));
    return ppl_div(y, self->tensor[0]);
}

static const ppl_transform_type counted_type = {
    .name = "counted", .flags = PPL_ELEMENTWISE, .forward = counted_forward,
    .inverse = counted_inverse
};

static ppl_transform *counting(ppl_tensor *scale)
{
    return ppl_transform_make(&(ppl_transform){
        .ctx = ppl_tensor_ctx(scale), .type = &counted_type, .domain = PPL_REAL,
        .codomain = PPL_REAL, .tensor = &scale, .tensors = 1 });
}

/* The gradient of log p(y(theta)) by theta = (scale of the map, of the base), y drawn. */
static void gradient_at_draw(int dtype, int detour, double out[3])
{
    ppl_ctx *c = context(dtype);
    ppl_tensor *map = variable(c, 1.5), *base = variable(c, 0.75);
    ppl_dist *d = image(ppl_normal(ppl_full(c, PPL_SHAPE(1), 0.5), base), counting(map));
    ppl_tensor *y = ppl_dist_sample(d, &rng);
    if (detour)
        y = ppl_affine(y, 1, 0);            /* another tensor: x is computed anew */
    ppl_tensor *t = ppl_log_prob(d, y);
    out[2] = ppl_item(t);
    ck_assert_int_eq(ppl_backward(t), PPL_OK);
    out[0] = ppl_item(ppl_grad(map));
    out[1] = ppl_item(ppl_grad(base));
    ppl_ctx_free(c);
}

START_TEST(a_draw_needs_no_inverse)
{
    double known[3], anew[3];
    inverses = 0;
    gradient_at_draw(_i, 0, known);
    ck_assert_int_eq(inverses, 0);
    gradient_at_draw(_i, 1, anew);
    ck_assert_int_eq(inverses, 1);
    for (int i = 0; i < 3; i++)
        ck_assert_msg(is_near(known[i], anew[i], 10 * rounding(_i)), "%d: %g, %g", i,
                      known[i], anew[i]);
}
END_TEST

/* Each of these asks for a density that the draw's own x would get wrong, or not have. */
START_TEST(other_values_are_inverted)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *scale = variable(c, 1.5);
    ppl_dist *d = image(standard(c, PPL_SHAPE(1)), counting(scale));
    inverses = 0;
    ppl_tensor *first = ppl_dist_sample(d, &rng);
    ppl_tensor *second = ppl_dist_sample(d, &(ppl_rng){ { 5, 6 } });
    double expected = normal_log_prob(ppl_item(first) / 1.5) - log(1.5);
    assert_values(ppl_log_prob(d, first), 4 * rounding(_i), expected);
    ck_assert_int_eq(inverses, 1);              /* the last draw alone is remembered */
    ppl_log_prob(d, second);
    ck_assert_int_eq(inverses, 1);
    ppl_log_prob(ppl_event(d, 1), second);      /* and by copies of d */
    ck_assert_int_eq(inverses, 1);
    ppl_log_prob(d, ppl_detach(second));
    ck_assert_int_eq(inverses, 2);
    /* Drawn unrecorded, asked for with gradients: y is a constant, x is not. */
    ppl_set_grad_enabled(c, 0);
    ppl_tensor *constant = ppl_dist_sample(d, &rng);
    ppl_log_prob(d, constant);
    ck_assert_int_eq(inverses, 2);
    ppl_set_grad_enabled(c, 1);
    ck_assert_int_eq(ppl_backward(ppl_log_prob(d, constant)), PPL_OK);
    ck_assert_int_eq(inverses, 3);
    double x = ppl_item(constant) / 1.5;
    assert_values(ppl_grad(scale), 4 * rounding(_i), (x * x - 1) / 1.5);
    /* Of an epoch that has ended: another tensor may stand at its address. */
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_dist_sample(d, &rng);
    ppl_epoch_end(c, mark);
    mark = ppl_epoch_begin(c);
    for (int i = 0; i < 40; i++)
        ppl_log_prob(d, numbers(c, 1));
    ck_assert_int_eq(inverses, 43);
    ppl_epoch_end(c, mark);
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* A base without a pathwise gradient gives the map none either. */
static ppl_tensor *fixed_sample(const ppl_dist *d, const ppl_rng *r)
{
    (void)r;
    return ppl_full(d->ctx, d->shape, 0.5);
}

static ppl_tensor *fixed_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    return ppl_mul(d->param[0], x);
}

START_TEST(without_a_pathwise_gradient)
{
    const ppl_family family = {
        .name = "fixed", .params = 1, .param_name = { "a" }, .sample = fixed_sample,
        .log_prob = fixed_log_prob
    };
    ppl_ctx *c = context(_i);
    ppl_tensor *a = variable(c, 3), *scale = variable(c, 2);
    ppl_dist *d = image(ppl_dist_make(&family, &a, NULL), counting(scale));
    ck_assert_int_eq(d->family->flags & PPL_REPARAM, 0);
    ppl_tensor *y = ppl_dist_sample(d, &rng);
    ck_assert(!ppl_requires_grad(y));
    assert_values(y, 0, 1);
    inverses = 0;
    ppl_tensor *t = ppl_log_prob(d, y);
    ck_assert_int_eq(inverses, 1);
    assert_values(t, rounding(_i), 3 * 0.5 - log(2));
    ck_assert_int_eq(ppl_backward(t), PPL_OK);
    assert_values(ppl_grad(scale), rounding(_i), -3 * 0.25 - 0.5);
    ppl_ctx_free(c);
}
END_TEST

/* ---- In models --------------------------------------------------------------------- */

static const ppl_sites *seen_parents, *seen_density;
static int z_site;

static void dependent(ppl_ctx *c, const void *arg)
{
    ppl_tensor *w = ppl_sample(c, "w", standard(c, PPL_SCALAR));
    ppl_dist *d = image(standard(c, PPL_SHAPE(1)),
                        ppl_transform_affine(w, ppl_scalar(c, 2)));
    ppl_tensor *z = ppl_sample(c, "z", d);
    (void)arg;
    seen_parents = ppl_dist_sites(d);
    seen_density = ppl_tensor_sites(ppl_log_prob(d, z));
    z_site = ppl_sites_next(ppl_tensor_sites(z), 0);
}

/* The density depends on what the map does, and on the value also where x was known. */
START_TEST(dependence_is_seen)
{
    ppl_ctx *c = context(_i);
    ppl_epoch mark = ppl_epoch_begin(c);
    ck_assert_int_eq(ppl_run(c, dependent, NULL, NULL), PPL_OK);
    ck_assert(ppl_sites_has(seen_parents, 0));
    ck_assert(ppl_sites_has(seen_density, 0) && ppl_sites_has(seen_density, z_site));
    ppl_epoch_end(c, mark);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(divergences)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *two = ppl_scalar(c, 2);
    ppl_dist *a = ppl_normal(ppl_full(c, PPL_SHAPE(3), 1), two);
    ppl_dist *b = standard(c, PPL_SHAPE(3));
    double expected = 0.5 * (4 + 1 - 1) - log(2);
    ppl_dist *q = image(a, affine(c)), *p = image(b, affine(c));
    ck_assert_ptr_nonnull(ppl_kl_rule_of(q, p));
    assert_values(ppl_kl(q, p), 4 * rounding(_i), expected, expected, expected);
    q = image(a, ppl_transform_ordered(c));
    p = image(b, ppl_transform_ordered(c));
    assert_values(ppl_kl(q, p), 10 * rounding(_i), 3 * expected);
    p = image(standard(c, PPL_SHAPE(5, 3)), ppl_transform_ordered(c));
    assert_shape(ppl_kl(ppl_expand_dist(q, PPL_SHAPE(5)), p), 5);
    /* Other maps, other parameters though equal, other bases, and no image: no rule. */
    p = image(b, ppl_transform_exp(c));
    ck_assert_ptr_null(ppl_kl_rule_of(image(a, ppl_transform_softplus(c)), p));
    ck_assert_ptr_null(ppl_kl_rule_of(
        image(a, ppl_transform_affine(variable(c, 1), two)),
        image(b, ppl_transform_affine(variable(c, 1), two))));
    const ppl_family odd = { .name = "odd", .params = 1, .param_name = { "a" },
                             .sample = fixed_sample, .log_prob = fixed_log_prob };
    ck_assert_ptr_null(ppl_kl_rule_of(image(ppl_dist_make(&odd, &two, NULL), scaled(c)),
                                      image(ppl_exponential(two), scaled(c))));
    ck_assert_ptr_null(ppl_kl_rule_of(p, a));
    assert_fails(c, ppl_kl(p, b), PPL_EUNSUPPORTED, "kl: there is no rule for "
                 "KL(transformed(normal) || normal); add one with ppl_kl_register, or "
                 "estimate it from samples");
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* An ELBO with a lognormal guide of a gamma: sampled, and the ledger says why. */
static void gamma_model(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_sample(c, "z", ppl_gamma(ppl_scalar(c, 3), ppl_scalar(c, 2)));
}

static void lognormal_guide(ppl_ctx *c, const void *arg)
{
    ppl_tensor *loc = ppl_param(c, "loc", PPL_SCALAR, PPL_ZEROS, PPL_REAL);
    ppl_tensor *scale = ppl_param(c, "scale", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);
    (void)arg;
    inverses = 0;
    ppl_sample(c, "z", image(ppl_normal(loc, scale), ppl_transform_exp(c)));
}

START_TEST(in_an_elbo)
{
    ppl_ctx *c = context(_i);
    ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
    ppl_svi *svi = ppl_svi_new(c, gamma_model, lognormal_guide, elbo,
                               ppl_adam(c, &(ppl_optim_opts){ .lr = 0.01 }));
    double loss, late = 0;
    for (int i = 0; i < 2500; i++) {
        ck_assert_msg(ppl_svi_step(svi, NULL, &loss) == PPL_OK, "%s", ppl_error_text(c));
        late += i >= 1500 ? loss / 1000 : 0;
    }
    /* KL(LogNormal(m, s) || Gamma(3, 2)) at its minimum, s^2 = 1/3, e^(m + s^2/2) = 3/2:
     * -log s - log(2 pi)/2 - 1/2 - m - (3 log 2 - log 2 + 2 m - 3); 4 standard errors of
     * a mean of 1000 are about 0.01. */
    double m = log(1.5) - 1. / 6, s = sqrt(1. / 3);
    double kl = -log(s) - log(2 * acos(-1)) / 2 - 0.5 - m - (2 * log(2) + 2 * m - 3);
    ck_assert_msg(fabs(late - kl) < 0.02, "%g, not %g", late, kl);
    const ppl_ledger_row *row = ppl_ledger_find(elbo, "z", -1);
    ck_assert_int_eq(row->estimator, PPL_SAMPLED_RATIO);
    ck_assert_str_eq(row->reason,
                     "no closed form for KL(transformed(normal) || gamma)");
    ppl_svi_free(svi);
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        densities, fields_of_the_result, distribution_functions, supports,
        moments_of_linear_ones, a_draw_needs_no_inverse, other_values_are_inverted,
        without_a_pathwise_gradient, dependence_is_seen, divergences, in_an_elbo, NULL
    };
    return run_tests("transformed", tests);
}

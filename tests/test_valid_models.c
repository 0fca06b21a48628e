/* SPDX-License-Identifier: MIT */
/*
 * test_valid_models.c - models and guides that an ELBO takes, and those that it refuses,
 * with what it says: plates as axes and loops, in every order, with and without
 * subsamples; partially observed sites; weights. The cases of tests/infer/
 * test_valid_models.py of Pyro that concern what is built (tests/README.md has the list).
 */
#include "inference.h"

#define NO PPL_NO_INDEX

/* A coin of parameter p in the guide, of 1/2 in the model. */
static int in_guide;

static ppl_dist *coin(ppl_ctx *ctx)
{
    return ppl_bernoulli(in_guide ? ppl_param(ctx, "p", PPL_SCALAR, ppl_init_constant(0.3),
                                              PPL_UNIT_INTERVAL)
                                  : ppl_scalar(ctx, 0.5));
}

typedef void (*body)(ppl_ctx *ctx);

/* Model and guide of a case. */
typedef struct valid {
    const char *name;
    body model, guide;
    ppl_status status;
    const char *text;                   /* NULL: any */
} valid;

static void run_model(ppl_ctx *ctx, const void *arg)
{
    in_guide = 0;
    ((const valid *)arg)->model(ctx);
}

static void run_guide(ppl_ctx *ctx, const void *arg)
{
    in_guide = 1;
    ((const valid *)arg)->guide(ctx);
}

/* ---- Bodies ------------------------------------------------------------------------ */

static void nothing(ppl_ctx *ctx) { (void)ctx; }
static void x(ppl_ctx *ctx) { ppl_sample(ctx, "x", coin(ctx)); }
static void xy(ppl_ctx *ctx) { x(ctx); ppl_sample(ctx, "y", coin(ctx)); }
static void xx(ppl_ctx *ctx) { x(ctx); x(ctx); }
static void x_observed(ppl_ctx *ctx) { ppl_observe(ctx, "x", coin(ctx), number(1)); }
static void x_pair(ppl_ctx *ctx)
{
    ppl_sample(ctx, "x", ppl_expand_dist(coin(ctx), PPL_SHAPE(2)));
}
static void x_event(ppl_ctx *ctx)
{
    ppl_sample(ctx, "x", ppl_event(ppl_expand_dist(coin(ctx), PPL_SHAPE(2)), 1));
}
static void factor(ppl_ctx *ctx) { x(ctx); ppl_factor(ctx, "f", number(-1)); }

/* A plate n of 4, or of 2 of them, around x. */
static void in_plate(ppl_ctx *ctx, int64_t subsample, int dim, body inside)
{
    ppl_scope s = ppl_push(ctx, ppl_plate(ctx, "n", 4, &(ppl_plate_opts){
        .subsample_size = subsample, .dim = dim }));
    inside(ctx);
    ppl_pop(ctx, s);
}
static void plate(ppl_ctx *ctx) { in_plate(ctx, 0, 0, x); }
static void plate_some(ppl_ctx *ctx) { in_plate(ctx, 2, 0, x); }
static void plate_alone(ppl_ctx *ctx) { in_plate(ctx, 0, 0, nothing); x(ctx); }
static void plate_batch_4(ppl_ctx *ctx)
{
    ppl_sample(ctx, "x", ppl_expand_dist(coin(ctx), PPL_SHAPE(4)));
}
static void plate_wrong_size(ppl_ctx *ctx) { in_plate(ctx, 2, 0, plate_batch_4); }

/* A loop of 3 copies (or 2 of them): x[i], or x over and over. */
static void in_loop(ppl_ctx *ctx, int64_t subsample, void (*inside)(ppl_ctx *, int64_t))
{
    ppl_handler *n = ppl_plate(ctx, "n", 3, &(ppl_plate_opts){
        .subsample_size = subsample, .sequential = 1 });
    ppl_scope s = ppl_push(ctx, n);
    for (int64_t i; (i = ppl_plate_next(n)) >= 0;)
        inside(ctx, i);
    ppl_pop(ctx, s);
}
static void xi(ppl_ctx *ctx, int64_t i) { ppl_sample_at(ctx, "x", i, coin(ctx)); }
static void x_again(ppl_ctx *ctx, int64_t i) { (void)i; x(ctx); }
static void loop(ppl_ctx *ctx) { in_loop(ctx, 0, xi); }
static void loop_some(ppl_ctx *ctx) { in_loop(ctx, 2, xi); }
static void loop_clash(ppl_ctx *ctx) { in_loop(ctx, 0, x_again); }
static void no_loop(ppl_ctx *ctx)
{
    for (int i = 0; i < 3; i++)
        xi(ctx, i);
}

/* Two plates, of any forms: x in the outer one, y in both. */
static void two(ppl_ctx *ctx, int outer_loop, int inner_loop, int64_t subsample)
{
    ppl_handler *a = ppl_plate(ctx, "a", 4, &(ppl_plate_opts){
        .subsample_size = subsample, .sequential = outer_loop });
    ppl_handler *b = ppl_plate(ctx, "b", 5, &(ppl_plate_opts){
        .subsample_size = subsample, .sequential = inner_loop });
    ppl_scope s = ppl_push(ctx, a), in;
    for (int64_t i = 0; i >= 0 && ppl_ok(ctx); i = outer_loop ? i : -1) {
        if (outer_loop && (i = ppl_plate_next(a)) < 0)
            break;
        ppl_sample_at(ctx, "x", i, coin(ctx));
        in = ppl_push(ctx, b);
        for (int64_t k = 0; k >= 0 && ppl_ok(ctx); k = inner_loop ? k : -1) {
            if (inner_loop && (k = ppl_plate_next(b)) < 0)
                break;
            ppl_sample_at(ctx, "y", 10 * i + k, coin(ctx));
        }
        ppl_pop(ctx, in);
    }
    ppl_pop(ctx, s);
}
static void axis_axis(ppl_ctx *ctx) { two(ctx, 0, 0, 0); }
static void axis_axis_some(ppl_ctx *ctx) { two(ctx, 0, 0, 2); }
static void axis_loop(ppl_ctx *ctx) { two(ctx, 0, 1, 2); }
static void loop_axis(ppl_ctx *ctx) { two(ctx, 1, 0, 2); }
static void loop_loop(ppl_ctx *ctx) { two(ctx, 1, 1, 2); }

/* One plate at several depths: within a loop in a loop, and within a loop. */
static void depths(ppl_ctx *ctx)
{
    ppl_handler *axis = ppl_plate(ctx, "axis", 10, &(ppl_plate_opts){ .subsample_size = 5 });
    ppl_handler *in = ppl_plate(ctx, "in", 2, &(ppl_plate_opts){ .sequential = 1 });
    ppl_handler *out = ppl_plate(ctx, "out", 2, &(ppl_plate_opts){ .sequential = 1 });
    ppl_scope s = ppl_push(ctx, out), deep;
    for (int64_t i; (i = ppl_plate_next(out)) >= 0;) {
        ppl_sample_at(ctx, "x", i, coin(ctx));
        deep = ppl_push(ctx, i == 0 ? in : NULL);
        for (int64_t k = 0; i != 0 ? k < 1 : (k = ppl_plate_next(in)) >= 0; k++) {
            ppl_scope a = ppl_push(ctx, axis);
            ppl_sample_at(ctx, i == 0 ? "y" : "z", k, coin(ctx));
            ppl_pop(ctx, a);
        }
        ppl_pop(ctx, deep);
    }
    ppl_pop(ctx, s);
}

/* Plates beside each other, one in another after it was used alone, in both orders. */
static void reused(ppl_ctx *ctx)
{
    ppl_handler *a = ppl_plate(ctx, "a", 3, NULL), *b = ppl_plate(ctx, "b", 4, NULL);
    for (int k = 0; k < 4; k++) {
        ppl_scope s = ppl_push(ctx, k % 2 ? a : b);
        ppl_push(ctx, k < 2 ? NULL : k == 2 ? a : b);
        ppl_sample_at(ctx, "x", k, coin(ctx));
        ppl_pop(ctx, s);
    }
}
static void stack(ppl_ctx *ctx)
{
    ppl_scope s = ppl_plate_stack(ctx, "s", PPL_SHAPE(4, 3), -2);
    ppl_push(ctx, ppl_plate(ctx, "n", 2, NULL));
    x(ctx);
    ppl_pop(ctx, s);
}

/* Axes chosen around those that are named. */
static void named_axes(ppl_ctx *ctx, int outer, int second)
{
    static const char *const name[] = { "x", "y", "z", "q" };
    static const int64_t size[][2] = { { 10, 5 }, { 11, 6 }, { 12, 7 }, { 13, 8 } };
    ppl_scope s = ppl_push(ctx, NULL);
    for (int i = 0; i < 4; i++) {
        char plate_name[] = { "abcd"[i], '\0' };
        ppl_push(ctx, ppl_plate(ctx, plate_name, size[i][0], &(ppl_plate_opts){
            .subsample_size = size[i][1], .dim = i == 0 ? outer : i == 2 ? second : 0 }));
        ppl_sample(ctx, name[i], coin(ctx));
    }
    ppl_pop(ctx, s);
}
static void axes_fit(ppl_ctx *ctx)
{
    ppl_msg *m;
    ppl_trace *t;
    ppl_scope s = ppl_push(ctx, ppl_trace_into(ctx, &t));
    named_axes(ctx, -3, 0);
    ppl_pop(ctx, s);
    m = ppl_trace_find(t, "q", NO);
    if (m != NULL)
        assert_shape(m->value, 8, 5, 7, 6);
}
static void axes_collide(ppl_ctx *ctx) { named_axes(ctx, -2, -1); }

static void blocked(ppl_ctx *ctx)
{
    ppl_scope s = ppl_push(ctx, ppl_plate(ctx, "n", 4, NULL));
    x(ctx);
    ppl_push(ctx, ppl_block_plate(ctx, "n", 0));
    ppl_sample(ctx, "y", coin(ctx));
    ppl_pop(ctx, s);
}
static void blocked_missing(ppl_ctx *ctx)
{
    ppl_scope s = ppl_push(ctx, ppl_block_plate(ctx, "n", 0));
    x(ctx);
    ppl_pop(ctx, s);
}

/* Local parameters, of which a subsample's are in use. */
static void local_params(ppl_ctx *ctx, int64_t size)
{
    ppl_handler *n = ppl_plate(ctx, "n", 10, &(ppl_plate_opts){ .subsample_size = 5 });
    ppl_scope s = ppl_push(ctx, n);
    ppl_tensor *p = in_guide ? ppl_plate_take(n, ppl_param(ctx, "each", PPL_SHAPE(size),
                                                           ppl_init_constant(0.4),
                                                           PPL_UNIT_INTERVAL), 0)
                             : ppl_scalar(ctx, 0.5);
    ppl_sample(ctx, "x", ppl_bernoulli(p));
    ppl_pop(ctx, s);
}
static void local_10(ppl_ctx *ctx) { local_params(ctx, 10); }
static void local_9(ppl_ctx *ctx) { local_params(ctx, 9); }

/* Normals, reparameterised, with data; under weights of every kind. */
static void normals(ppl_ctx *ctx)
{
    ppl_tensor *loc = in_guide ? ppl_param(ctx, "loc", PPL_SCALAR, PPL_ZEROS, PPL_REAL)
                               : ppl_scalar(ctx, 0);
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(loc, number(1)));
    if (!in_guide)
        ppl_observe(ctx, "data", ppl_normal(z, number(1)), number(0.5));
}
static void under(ppl_ctx *ctx, ppl_handler *h)
{
    ppl_scope s = ppl_push(ctx, h);
    normals(ctx);
    ppl_pop(ctx, s);
}
static void scaled(ppl_ctx *ctx) { under(ctx, ppl_scale(ctx, 0.5)); }
static void masked_out(ppl_ctx *ctx)
{
    under(ctx, ppl_mask(ctx, ppl_from_mask(ctx, PPL_SCALAR, (unsigned char[]){ 0 })));
}
static void masked_in_plate(ppl_ctx *ctx)
{
    ppl_scope s = ppl_push(ctx, ppl_plate(ctx, "n", 2, NULL));
    ppl_tensor *loc = in_guide ? ppl_param(ctx, "loc", PPL_SCALAR, PPL_ZEROS, PPL_REAL)
                               : ppl_scalar(ctx, 0);
    ppl_push(ctx, ppl_mask(ctx, bits(1, 0)));
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(loc, number(1)));
    if (!in_guide)
        ppl_observe(ctx, "data", ppl_normal(z, number(1)), reals(0.5, NAN));
    ppl_pop(ctx, s);
}

/* Known in part: a batch [3] of vectors [2]; the guide has the rest. */
static void known(ppl_ctx *ctx, ppl_tensor *mask)
{
    ppl_scope s = ppl_push(ctx, ppl_plate(ctx, "n", 3, NULL));
    ppl_tensor *loc = ppl_param(ctx, in_guide ? "loc" : "prior", PPL_SHAPE(2), PPL_ZEROS,
                                PPL_REAL);
    ppl_dist *d = ppl_event(ppl_normal(loc, number(1)), 1);
    if (in_guide)
        ppl_sample(ctx, "v_unobserved", ppl_masked(ppl_expand_dist(d, PPL_SHAPE(3)),
                                                   ppl_not(mask)));
    else
        ppl_observe_masked(ctx, "v", NO, d, ppl_from_doubles(
            ctx, PPL_SHAPE(3, 2), (double[]){ 1, 2, NAN, NAN, 5, 6 }), mask);
    ppl_pop(ctx, s);
}
static void known_some(ppl_ctx *ctx) { known(ctx, bits(1, 0, 1)); }
static void known_none(ppl_ctx *ctx)
{
    known(ctx, ppl_from_mask(ctx, PPL_SCALAR, (unsigned char[]){ 0 }));
}
static void known_misfit(ppl_ctx *ctx) { known(ctx, bits(1, 0)); }

/* ---- The cases --------------------------------------------------------------------- */

static const valid cases[] = {
    { "empty", nothing, nothing, PPL_OK, NULL },
    { "observed, empty guide", x_observed, nothing, PPL_OK, NULL },
    { "latent, empty guide", x, nothing, PPL_EMISMATCH, "model site x is latent and the "
      "guide does not sample it; sample it in the guide, or observe it" },
    { "latent of the guide alone", x, xy, PPL_EMISMATCH, "guide site y is not in the model; "
      "give it the name of a latent of the model, or sample it with ppl_sample_auxiliary" },
    { "clash in the model", xx, x, PPL_EDUPLICATE, "site x is visited twice in one run; give "
      "each visit its own index (ppl_sample_at, ppl_observe_at) or name" },
    { "clash in the guide", x, xx, PPL_EDUPLICATE, "site x is visited twice in one run; give "
      "each visit its own index (ppl_sample_at, ppl_observe_at) or name" },
    { "event dims", x_pair, x_event, PPL_EMISMATCH, "event dims disagree at site x: 0 in the "
      "model, 1 in the guide; make them equal with ppl_event" },
    { "factor in the model", factor, x, PPL_OK, NULL },
    { "factor in the guide", x, factor, PPL_OK, NULL },
    { "loop", loop, loop, PPL_OK, NULL },
    { "loop, some", loop_some, loop_some, PPL_OK, NULL },
    { "loop with a clash", loop_clash, loop_clash, PPL_EDUPLICATE, "site x is visited twice "
      "in one run; give each visit its own index (ppl_sample_at, ppl_observe_at) or name" },
    { "loop in the model alone", loop, no_loop, PPL_OK, NULL },
    { "loop in the guide alone", no_loop, loop, PPL_OK, NULL },
    { "plate", plate, plate, PPL_OK, NULL },
    { "plate, some", plate_some, plate_some, PPL_OK, NULL },
    { "plate, no size in the model", plate, plate_some, PPL_OK, NULL },
    { "plate, no size in the guide", plate_some, plate, PPL_ESHAPE, NULL },
    { "plate without sites", plate_alone, plate_alone, PPL_OK, NULL },
    { "plate of another size", plate_wrong_size, plate_some, PPL_ESHAPE, "site x does not fit "
      "plate n: its batch has 4 at dim -1 and the plate 2; reshape the parameters, or make "
      "the axis part of the event (ppl_event)" },
    { "axis in axis", axis_axis, axis_axis, PPL_OK, NULL },
    { "axis in axis, some", axis_axis_some, axis_axis_some, PPL_OK, NULL },
    { "loop in axis", axis_loop, axis_loop, PPL_OK, NULL },
    { "axis in loop", loop_axis, loop_axis, PPL_OK, NULL },
    { "loop in loop", loop_loop, loop_loop, PPL_OK, NULL },
    { "plates at several depths", depths, depths, PPL_OK, NULL },
    { "plates reused", reused, reused, PPL_OK, NULL },
    { "stack and plate", stack, stack, PPL_OK, NULL },
    { "axes around named ones", axes_fit, axes_fit, PPL_OK, NULL },
    { "axes collide", axes_collide, axes_collide, PPL_ESHAPE, "plates b and c collide at dim "
      "-1; try moving one to the left, e.g. dim -2" },
    { "plate blocked", blocked, blocked, PPL_OK, NULL },
    { "plate blocked that is none", blocked_missing, x, PPL_ENEST, "block_plate: there is no "
      "plate n around; check the name, or push it inside the plate" },
    { "local parameters", local_10, local_10, PPL_OK, NULL },
    { "local parameters of another size", local_10, local_9, PPL_ESHAPE, "ppl_plate_take: "
      "[9], with 0 event axes, has 9 at dim -1, where plate n has 10 copies; give all of "
      "them, or 1" },
    { "normals", normals, normals, PPL_OK, NULL },
    { "scaled", scaled, scaled, PPL_OK, NULL },
    { "scaled in the model alone", scaled, normals, PPL_OK, NULL },
    { "masked out", masked_out, masked_out, PPL_OK, NULL },
    { "masked in a plate", masked_in_plate, masked_in_plate, PPL_OK, NULL },
    { "known in part", known_some, known_some, PPL_OK, NULL },
    { "known not at all", known_none, known_none, PPL_OK, NULL },
    { "known by a mask of another shape", known_misfit, known_some, PPL_ESHAPE, "masked: a "
      "mask of shape [2] does not broadcast to the batch [3] of normal; it counts batch axes "
      "only, not those of an event" },
};

/* Both ELBOs take or refuse the pair, with a gradient and in the same words. */
START_TEST(pairs)
{
    const valid *v = &cases[_i / DTYPES];

    begin(_i % DTYPES);
    for (int analytic = 0; analytic < 2; analytic++) {
        double loss = 0;
        const ppl_epoch mark = ppl_epoch_begin(c);
        ppl_status status;
        ppl_zero_grad(c);
        status = ppl_elbo_estimate(elbo_of(analytic), run_model, run_guide, v, 1, &loss);
        ck_assert_msg(status == v->status, "%s: %s: %s", v->name, ppl_status_name(status),
                      ppl_error_text(c));
        if (v->text != NULL)
            assert_error_is(c, v->status, v->text);
        ck_assert_msg(status != PPL_OK || isfinite(loss), "%s: the loss is %g", v->name, loss);
        ppl_epoch_end(c, mark);
    }
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { pairs, NULL };

    return run_loop_tests("valid_models", tests, DTYPES * COUNT_OF(cases));
}

/* SPDX-License-Identifier: MIT */
/* SVI: a step is all or nothing, whatever goes wrong in it; known posteriors are found;
 * misuse is told of.
 */
#include "inference.h"

#include <stdio.h>

#define LOG_TWO_PI 1.8378770664093454836

/* ---- All or nothing ---------------------------------------------------------------- */

/* What goes wrong in a step; every program makes a parameter of its own first. */
typedef enum fault {
    NONE,
    NAN_DATUM,
    DUPLICATE_IN_MODEL,
    DUPLICATE_IN_GUIDE,
    ONLY_IN_GUIDE,
    ONLY_IN_MODEL,
    OBSERVED_IN_MODEL,
    PARAMETER_IN_MODEL,
    AUXILIARY_IN_BOTH,
    SHAPE,
    EVENT_DIMS,
    DTYPE,
    ADDED_SHAPES,
    PARAMETER_SHAPE,
    PARAMETER_CONSTRAINT,
    OTHER_CONSTRAINT,
    NEVER_POPS,
    NEVER_POPS_IN_GUIDE,
    INFINITE_TERM,
    INFINITE_GRADIENT,
    ESCAPE_IN_MODEL,
    ESCAPE_IN_GUIDE,
    HANDLER_FAILS,
    FAULTS
} fault;

typedef struct task {
    fault fault;
    double datum;
} task;

static ppl_tensor *weight(void)
{
    return ppl_param(c, "w", PPL_SHAPE(3), ppl_init_values(LIST(0.5, -1, 2)), PPL_REAL);
}

static void failing_postprocess(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    if (m->kind == PPL_SITE_SAMPLE)
        ppl_fail(m->ctx, PPL_EINVAL, "a handler of the test says no to %s", m->name);
}

static ppl_handler *failing_handler(void)
{
    static const ppl_handler_ops ops = { .name = "failing",
                                         .postprocess = failing_postprocess };
    ppl_handler *h = ppl_alloc(c, sizeof *h);

    ck_assert_ptr_nonnull(h);
    h->ops = &ops;
    return h;
}

static ppl_dist *standard_normal(int64_t n)
{
    return ppl_normal(ppl_full(c, PPL_SHAPE(n), 0), number(1));
}

/* The faults that are a statement of the guide, after z. */
static void go_wrong_in_guide(ppl_ctx *ctx, fault f)
{
    if (f == DUPLICATE_IN_GUIDE)
        ppl_sample(ctx, "z", standard_normal(3));
    else if (f == ONLY_IN_GUIDE || f == OBSERVED_IN_MODEL || f == PARAMETER_IN_MODEL)
        ppl_sample(ctx, f == ONLY_IN_GUIDE ? "u" : f == OBSERVED_IN_MODEL ? "x" : "w",
                   standard_normal(1));
    else if (f == AUXILIARY_IN_BOTH)
        ppl_sample_auxiliary(ctx, "u", -1, standard_normal(1));
    else if (f == NEVER_POPS_IN_GUIDE)
        ppl_push(ctx, ppl_scale(ctx, 2));
    else if (f == ESCAPE_IN_GUIDE)
        ppl_fail(ctx, PPL_ESCAPE, "enough");
}

/* And of the model, after x. */
static void go_wrong(ppl_ctx *ctx, fault f)
{
    ppl_tensor *zero = number(0);

    switch (f) {
    case DUPLICATE_IN_MODEL:
        ppl_observe(ctx, "x", standard_normal(1), reals(0));
        break;
    case ONLY_IN_MODEL:
        ppl_sample_at(ctx, "u", 7, standard_normal(1));
        break;
    case AUXILIARY_IN_BOTH:
        ppl_sample(ctx, "u", standard_normal(1));
        break;
    case ADDED_SHAPES:
        ppl_add(reals(1, 2), reals(1, 2, 3));
        break;
    case PARAMETER_SHAPE:
        ppl_param(ctx, "w", PPL_SHAPE(4), PPL_ZEROS, PPL_REAL);
        break;
    case PARAMETER_CONSTRAINT:
        ppl_param(ctx, "v", PPL_SHAPE(2), ppl_init_values(LIST(1, -3)), PPL_POSITIVE);
        break;
    case OTHER_CONSTRAINT:
        ppl_param(ctx, "w", PPL_SHAPE(3), PPL_ZEROS, PPL_POSITIVE);
        break;
    case NEVER_POPS:
        ppl_push(ctx, ppl_scale(ctx, 2));
        ppl_push(ctx, ppl_scale(ctx, 3));
        break;
    case INFINITE_TERM:
        ppl_factor(ctx, "f", ppl_log(ppl_mul(ppl_sum(weight(), 0), zero)));
        break;
    case INFINITE_GRADIENT:
        ppl_factor(ctx, "f", ppl_sqrt(ppl_param(ctx, "v", PPL_SHAPE(2),
                                                ppl_init_values(LIST(4, 0)), PPL_REAL)));
        break;
    case ESCAPE_IN_MODEL:
        ppl_fail(ctx, PPL_ESCAPE, "enough");
        break;
    case HANDLER_FAILS:
        ppl_push(ctx, failing_handler());
        ppl_observe(ctx, "last", standard_normal(1), reals(0));
        break;
    default:
        break;
    }
}

static void task_guide(ppl_ctx *ctx, const void *arg)
{
    const task *t = arg;
    ppl_tensor *scale = ppl_param(ctx, "scale", PPL_SHAPE(3), PPL_ONES, PPL_POSITIVE);
    ppl_tensor *loc = weight();

    if (t->fault != NONE)
        ppl_param(ctx, "of a faulty guide", PPL_SHAPE(2000), PPL_ONES, PPL_POSITIVE);
    ppl_sample(ctx, "z", ppl_normal(loc, scale));
    go_wrong_in_guide(ctx, t->fault);
}

static void task_model(ppl_ctx *ctx, const void *arg)
{
    const task *t = arg;
    ppl_dist *prior = t->fault == SHAPE        ? standard_normal(2)
                      : t->fault == EVENT_DIMS ? ppl_event(standard_normal(3), 1)
                      : t->fault == DTYPE
                          ? ppl_categorical(ppl_full(ctx, PPL_SHAPE(3, 2), 1))
                          : standard_normal(3);
    ppl_tensor *z, *spread = ppl_param(ctx, "spread", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);

    z = ppl_sample(ctx, "z", prior);
    if (t->fault != NONE)
        ppl_param(ctx, "of a faulty model", PPL_SHAPE(20), PPL_ONES, PPL_POSITIVE);
    ppl_observe(ctx, "x", ppl_normal(z, spread), reals(0.2, t->datum, -0.3));
    go_wrong(ctx, t->fault);
}

static const struct {
    ppl_status status;
    const char *text;
} errors[FAULTS] = {
    [NAN_DATUM] = { PPL_ECONSTRAINT,
        "normal: value[1] is nan; it must be a finite number\n"
        "  at site x; 2 sites and 2 parameters visited" },
    [DUPLICATE_IN_MODEL] = { PPL_EDUPLICATE,
        "site x is visited twice in one run; give each "
        "visit its own index (ppl_sample_at, ppl_observe_at) or name\n"
        "  at site x; 2 sites and 2 parameters visited" },
    [DUPLICATE_IN_GUIDE] = { PPL_EDUPLICATE,
        "site z is visited twice in one run; give each "
        "visit its own index (ppl_sample_at, ppl_observe_at) or name\n"
        "  at site z; 1 site and 3 parameters visited" },
    [ONLY_IN_GUIDE] = { PPL_EMISMATCH,
        "guide site u is not in the model; give it the name "
        "of a latent of the model, or sample it with "
        "ppl_sample_auxiliary" },
    [ONLY_IN_MODEL] = { PPL_EMISMATCH,
        "model site u[7] is latent and the guide does not "
        "sample it; sample it in the guide, or observe it" },
    [OBSERVED_IN_MODEL] = { PPL_EMISMATCH,
        "guide site x is observed in the model; the guide "
        "samples the model's latents only" },
    [PARAMETER_IN_MODEL] = { PPL_EDUPLICATE,
        "site w is a sample here and was a parameter "
        "before in this run; rename one of them\n"
        "  at site w; 1 site and 3 parameters visited" },
    [AUXILIARY_IN_BOTH] = { PPL_EMISMATCH,
        "guide site u is auxiliary and the model has it "
        "too; sample it with ppl_sample, or rename it" },
    [SHAPE] = { PPL_ESHAPE,
        "normal: a value of shape [3] does not fit the distribution's "
        "shape [2]; reshape the value or the parameters\n"
        "  at site z; 1 site and 1 parameter visited" },
    [EVENT_DIMS] = { PPL_EMISMATCH,
        "event dims disagree at site z: 1 in the model, 0 in the "
        "guide; make them equal with ppl_event" },
    [DTYPE] = { PPL_EDTYPE,
        "categorical: the value is not integers (ppl_from_integers makes "
        "them)\n  at site z; 1 site and 1 parameter visited" },
    [ADDED_SHAPES] = { PPL_ESHAPE,
        "add: shapes [2] and [3] do not broadcast: axis 0 is 2 "
        "against 3; make them equal or 1\n"
        "  after site x; 2 sites and 2 parameters visited" },
    [PARAMETER_SHAPE] = { PPL_ESHAPE,
        "parameter w has shape [3] and the model asks for [4]; "
        "use one shape, or another name, or a file of these dimensions\n"
        "  at site w; 2 sites and 3 parameters visited" },
    [PARAMETER_CONSTRAINT] = { PPL_ECONSTRAINT,
        "parameter v: value[1] is -3; it must be positive\n"
        "  at site v; 2 sites and 3 parameters visited" },
    [OTHER_CONSTRAINT] = { PPL_EINVAL,
        "parameter w was real at first and is asked for as "
        "positive; use one constraint\n"
        "  at site w; 2 sites and 3 parameters visited" },
    [NEVER_POPS] = { PPL_ENEST,
        "the model returned with 2 handlers still pushed; match each "
        "ppl_push with a ppl_pop\n"
        "  after site x; 2 sites and 2 parameters visited" },
    [NEVER_POPS_IN_GUIDE] = { PPL_ENEST,
        "the model returned with 1 handlers still pushed; "
        "match each ppl_push with a ppl_pop\n"
        "  after site z; 1 site and 3 parameters visited" },
    [INFINITE_TERM] = { PPL_ENONFINITE,
        "ppl_trace_elbo: the term of site f (unit, "
        "likelihood) is -inf; check its parameters and its value" },
    [INFINITE_GRADIENT] = { PPL_ENONFINITE,
        "ppl_trace_elbo: the gradient of parameter v is "
        "not finite at element 1; nothing was updated. Check scales near "
        "0 and the learning rate" },
    [ESCAPE_IN_MODEL] = { PPL_ESCAPE,
        "enough\n"
        "  after site x; 2 sites and 2 parameters visited" },
    [ESCAPE_IN_GUIDE] = { PPL_ESCAPE,
        "enough\n"
        "  after site z; 1 site and 3 parameters visited" },
    [HANDLER_FAILS] = { PPL_EINVAL,
        "a handler of the test says no to last\n"
        "  after site last; 3 sites and 2 parameters visited" },
};

/* All that a step may change, as bytes. */
typedef struct state {
    int params;
    uint64_t seed, step;
    int64_t size, steps[8];
    char *slab[3];
    char *ledger;
    size_t ledger_size;
} state;

static char *copied(const void *bytes, size_t size)
{
    char *copy = malloc(size + 1);

    ck_assert_ptr_nonnull(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

static state state_of(ppl_elbo *elbo)
{
    const ppl_slab slab = ppl_param_slab(c);
    const size_t bytes = (size_t)slab.size * (slab.dtype == PPL_F32 ? 4 : 8);
    state s = { .params = ppl_param_count(c), .size = slab.size };
    FILE *out = open_memstream(&s.ledger, &s.ledger_size);

    ppl_rng_state(c, &s.seed, &s.step);
    for (int i = 0; i < s.params; i++)
        s.steps[i] = ppl_param_at(c, i)->steps;
    s.slab[0] = copied(slab.value, bytes);
    s.slab[1] = copied(slab.moment[0], bytes);
    s.slab[2] = copied(slab.moment[1], bytes);
    for (int i = 0; i < ppl_ledger_count(elbo); i++) {
        const ppl_ledger_row *row = ppl_ledger_at(elbo, i);

        fprintf(out, "%s %d %d %.17g %.17g\n", row->name, (int)row->estimator,
                (int)row->steps, row->mean, row->variance);
    }
    fclose(out);
    return s;
}

static void free_state(state *s)
{
    for (int i = 0; i < 3; i++)
        free(s->slab[i]);
    free(s->ledger);
}

static void same_state(const char *what, const state *a, const state *b)
{
    const size_t bytes = (size_t)a->size * (ppl_ctx_dtype(c) == PPL_F32 ? 4 : 8);

    ck_assert_msg(a->params == b->params, "%s: parameters", what);
    ck_assert_msg(a->seed == b->seed && a->step == b->step, "%s: random state", what);
    ck_assert_msg(a->size == b->size, "%s: size", what);
    ck_assert_msg(memcmp(a->steps, b->steps, sizeof a->steps) == 0, "%s: steps", what);
    for (int i = 0; i < 3; i++)
        ck_assert_msg(memcmp(a->slab[i], b->slab[i], bytes) == 0, "%s: slab %d", what, i);
    ck_assert_msg(strcmp(a->ledger, b->ledger) == 0, "%s: ledger\n%s\n%s", what,
                  a->ledger, b->ledger);
}

static ppl_svi *task_svi(ppl_elbo **elbo)
{
    ppl_svi *svi;

    *elbo = ppl_trace_elbo(c, NULL);
    svi = ppl_svi_new(c, task_model, task_guide, *elbo,
                      ppl_adam(c, &(ppl_optim_opts){ .lr = 0.05 }));
    ck_assert_msg(svi != NULL, "%s", ppl_error_text(c));
    return svi;
}

/* Every call fails and changes nothing. */
static void fail_thrice(ppl_svi *svi, ppl_elbo *elbo, fault f)
{
    const task bad = { f, f == NAN_DATUM ? (double)NAN : 0.7 };
    state before = state_of(elbo), after;
    double loss = 0;

    FAILS(ppl_svi_step(svi, &bad, &loss), errors[f].status, errors[f].text);
    ck_assert(isnan(loss));
    FAILS(ppl_svi_gradient(svi, &bad, &loss), errors[f].status, errors[f].text);
    FAILS(ppl_svi_step(svi, &bad, NULL), errors[f].status, errors[f].text);
    after = state_of(elbo);
    same_state(errors[f].text, &before, &after);
    free_state(&before);
    free_state(&after);
}

/* `before` good steps, the fault if there is one, a good step: its loss and state. */
static state run_task(int dtype, fault f, int before, double *loss)
{
    const task good = { NONE, 0.7 };
    ppl_elbo *elbo;
    state result;

    begin(dtype);
    ppl_svi *svi = task_svi(&elbo);
    for (int n = 0; n < before; n++)
        OK(ppl_svi_step(svi, &good, NULL));
    if (f != NONE)
        fail_thrice(svi, elbo, f);
    OK(ppl_svi_step(svi, &good, loss));
    ck_assert_str_eq(ppl_error_text(c), "");
    result = state_of(elbo);
    ppl_svi_free(svi);
    return result;
}

/* A fault at the very first step and after others: all goes on as if nothing had been. */
START_TEST(a_step_is_all_or_nothing)
{
    for (int before = 0; before < 4; before += 3) {
        double loss, other;
        state calm = run_task(_i, NONE, before, &loss);

        end();
        for (fault f = NONE + 1; f < FAULTS; f++) {
            state troubled = run_task(_i, f, before, &other);

            same_state(errors[f].text, &calm, &troubled);
            ck_assert_msg(memcmp(&loss, &other, sizeof loss) == 0, "%.17g is not %.17g",
                          other, loss);
            free_state(&troubled);
            end();
        }
        free_state(&calm);
    }
}
END_TEST

/* Without validation a NaN goes as far as the ELBO. */
START_TEST(nan_without_validation)
{
    const task bad = { NONE, NAN };
    ppl_elbo *elbo;

    c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = _i == 0 ? PPL_F32 : PPL_F64,
                                     .no_validation = 1 });
    ppl_svi *svi = task_svi(&elbo);
    FAILS(ppl_svi_step(svi, &bad, NULL), PPL_ENONFINITE,
          "ppl_trace_elbo: the term of site x (normal, likelihood) is nan; check its "
          "parameters and its value");
    ck_assert_int_eq(ppl_param_count(c), 0);
    ck_assert_int_eq(ppl_ledger_count(elbo), 0);
    ppl_svi_free(svi);
    ppl_ctx_free(c);
}
END_TEST

/* A value outside its constraint is refused from outside as well. */
START_TEST(parameters_stay_inside)
{
    const task good = { NONE, 0.7 };
    ppl_elbo *elbo;

    begin(_i);
    ppl_svi *svi = task_svi(&elbo);
    OK(ppl_svi_step(svi, &good, NULL));
    state before = state_of(elbo);
    FAILS(ppl_param_write(c, "scale", PPL_SHAPE(3), LIST(1, 2, -0.5)), PPL_ECONSTRAINT,
          "parameter scale: value[2] is -0.5; it must be positive");
    state after = state_of(elbo);
    same_state("a refused value", &before, &after);
    free_state(&before);
    free_state(&after);
    OK(ppl_svi_step(svi, &good, NULL));
    ppl_svi_free(svi);
    end();
}
END_TEST

/* ---- Steps, gradients, evaluations ------------------------------------------------- */

START_TEST(evaluating_changes_no_parameter)
{
    const task good = { NONE, 0.7 };
    ppl_elbo *elbo;
    double first, second, gradient[3];

    begin(_i);
    ppl_svi *svi = task_svi(&elbo);
    OK(ppl_svi_step(svi, &good, NULL));
    state before = state_of(elbo);
    OK(ppl_svi_evaluate(svi, &good, &first));
    OK(ppl_svi_evaluate(svi, &good, &second));
    ck_assert_double_ne(first, second);             /* fresh draws */
    OK(ppl_svi_gradient(svi, &good, &first));
    OK(ppl_param_grad(c, "w", gradient, 3));
    for (int i = 0; i < 3; i++)
        ck_assert_double_ne(gradient[i], 0);
    ck_assert_double_gt(ppl_grad_norm(c), 0);
    state after = state_of(elbo);
    ck_assert_int_eq((int)(after.step - before.step), 3);
    after.step = before.step;
    free(after.ledger);
    after.ledger = copied(before.ledger, before.ledger_size);
    after.ledger[before.ledger_size] = '\0';
    same_state("evaluations", &before, &after);
    /* The draw of the gradient, drawn again by a step. */
    again();
    OK(ppl_svi_step(svi, &good, &second));
    ck_assert_double_eq(first, second);
    free_state(&before);
    free_state(&after);
    ppl_svi_free(svi);
    end();
}
END_TEST

static void two_guides(ppl_ctx *ctx, const void *arg)
{
    const char *name = *(const int *)arg == 0 ? "even" : "odd";

    ppl_sample(ctx, "z", ppl_normal(ppl_param(ctx, name, PPL_SCALAR, PPL_ZEROS, PPL_REAL),
                                    number(1)));
}

static void one_latent(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", ppl_normal(number(1), number(0.5)));
}

/* A parameter that a step does not visit keeps its value, moments and count. */
START_TEST(only_visited_parameters_move)
{
    begin(_i);
    ppl_svi *svi = ppl_svi_new(c, one_latent, two_guides, ppl_trace_elbo(c, NULL),
                               ppl_adam(c, &(ppl_optim_opts){ .lr = 0.1 }));
    for (int n = 0; n < 7; n++) {
        double even = 0, odd = 0, even_after, odd_after;
        const int which = n % 3 == 2;

        if (ppl_param_count(c) == 2) {
            OK(ppl_param_read(c, "even", &even, 1));
            OK(ppl_param_read(c, "odd", &odd, 1));
        }
        OK(ppl_svi_step(svi, &which, NULL));
        if (ppl_param_count(c) < 2)
            continue;
        OK(ppl_param_read(c, "even", &even_after, 1));
        OK(ppl_param_read(c, "odd", &odd_after, 1));
        if (n > 2) {
            ck_assert_int_eq(even != even_after, which == 0);
            ck_assert_int_eq(odd != odd_after, which == 1);
        }
    }
    ck_assert_int_eq(ppl_param_at(c, ppl_param_find(c, "even"))->steps, 5);
    ck_assert_int_eq(ppl_param_at(c, ppl_param_find(c, "odd"))->steps, 2);
    ppl_svi_free(svi);
    end();
}
END_TEST

/* ---- Known posteriors -------------------------------------------------------------- */

static ppl_tensor *parameter(const char *name, double start_at, int positive)
{
    return ppl_param(c, name, PPL_SCALAR, ppl_init_constant(start_at),
                     positive ? PPL_POSITIVE : PPL_REAL);
}

static void normal_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(number(0.5), number(sqrt(10))));

    (void)arg;
    ppl_observe(ctx, "x", ppl_normal(z, number(0.5)), reals(0.3, 0.4, 0.5, 0.7));
}

static void normal_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", ppl_normal(parameter("a", 0, 0), parameter("b", 1, 1)));
}

static void gamma_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_gamma(number(1), number(1)));

    (void)arg;
    ppl_observe(ctx, "x", ppl_exponential(z), reals(3, 2));
}

static void gamma_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", ppl_gamma(parameter("a", 1.5, 1), parameter("b", 4, 1)));
}

static void beta_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_beta(number(1), number(1)));

    (void)arg;
    ppl_observe(ctx, "x", ppl_bernoulli(z), reals(0, 1, 1, 1));
}

static void beta_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", ppl_beta(parameter("a", 2, 1), parameter("b", 3, 1)));
}

/* A discrete posterior, found by scores: P(z = 1 | x = 1) = 0.3 0.8 / 0.45. */
static void coin_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_bernoulli(number(0.3)));

    (void)arg;
    ppl_observe(ctx, "x", ppl_bernoulli(ppl_affine(z, 0.5, 0.3)), number(1));
}

static void coin_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", ppl_bernoulli(ppl_param(ctx, "a", PPL_SCALAR,
                                                 ppl_init_constant(0.8),
                                                 PPL_UNIT_INTERVAL)));
}

/* The rate falls to a fiftieth over the steps, so that the last ones average. */
static void check_posterior(int dtype, ppl_model model, ppl_model guide, int analytic,
                            double a, double b)
{
    enum { STEPS = 2000 };
    double found;

    begin(dtype);
    ppl_elbo *elbo = analytic ? ppl_trace_mean_field_elbo(c, &(ppl_elbo_opts){ 2 })
                              : ppl_trace_elbo(c, &(ppl_elbo_opts){ 2 });
    ppl_optim_opts opts = { .lr = 0.03, .lr_decay = pow(0.02, 1.0 / STEPS) };
    ppl_svi *svi = ppl_svi_new(c, model, guide, elbo, ppl_clipped_adam(c, &opts));
    for (int n = 0; n < STEPS; n++)
        OK(ppl_svi_step(svi, NULL, NULL));
    OK(ppl_param_read(c, "a", &found, 1));
    ck_assert_msg(fabs(found - a) < 0.08 * a, "a is %g, not %g", found, a);
    if (b > 0) {
        OK(ppl_param_read(c, "b", &found, 1));
        ck_assert_msg(fabs(found - b) < 0.08 * b, "b is %g, not %g", found, b);
    }
    ppl_svi_free(svi);
    end();
}

START_TEST(known_posteriors)
{
    for (int analytic = 0; analytic < 2; analytic++) {
        check_posterior(_i, normal_model, normal_guide, analytic, 7.65 / 16.1,
                        1 / sqrt(16.1));
        check_posterior(_i, gamma_model, gamma_guide, analytic, 3, 6);
        check_posterior(_i, beta_model, beta_guide, analytic, 4, 2);
    }
    check_posterior(_i, coin_model, coin_guide, 0, 0.24 / 0.45, 0);
}
END_TEST

/* ---- Handlers of the user's inside ------------------------------------------------- */

/* Doubles the scale of what is inside and counts it, on the way out and back. */
typedef struct doubling {
    ppl_handler base;
    int out, back, left;
} doubling;

static doubling *latest;

static void doubling_process(ppl_handler *h, ppl_msg *m)
{
    ((doubling *)h)->out++;
    m->scale *= 2;
}

static void doubling_postprocess(ppl_handler *h, ppl_msg *m)
{
    ck_assert_ptr_nonnull(m->value);
    ((doubling *)h)->back++;
}

static void doubling_leave(ppl_handler *h, ppl_ctx *ctx, ppl_status why)
{
    (void)ctx;
    ck_assert_int_eq(why, PPL_OK);
    ((doubling *)h)->left++;
}

static void doubled_model(ppl_ctx *ctx, const void *arg)
{
    static const ppl_handler_ops ops = { "doubling", doubling_process,
                                         doubling_postprocess, NULL, doubling_leave };
    doubling *h = ppl_alloc(ctx, sizeof *h);
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(number(0), number(1)));
    ppl_scope s;

    (void)arg;
    h->base.ops = &ops;
    latest = h;
    s = ppl_push(ctx, &h->base);
    ppl_observe(ctx, "x", ppl_normal(z, number(1)), number(0.5));
    ppl_pop(ctx, s);
    ck_assert_int_eq(h->out, 1);
    ck_assert_int_eq(h->back, 1);
    ck_assert_int_eq(h->left, 1);
}

static void half_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", ppl_normal(parameter("a", 0.3, 0), number(0.5)));
}

START_TEST(a_handler_inside)
{
    double z, loss;

    begin(_i);
    ppl_svi *svi = ppl_svi_new(c, doubled_model, half_guide,
                               ppl_trace_mean_field_elbo(c, NULL), ppl_sgd(c, NULL));
    peek(half_guide, NULL, "z", -1, &z, 1);
    OK(ppl_svi_step(svi, NULL, &loss));
    NEAR(loss, (0.25 + 0.09 - 1) / 2 - log(0.5) + (0.5 - z) * (0.5 - z) + LOG_TWO_PI,
         tight);
    NEAR(gradient_of("a"), 0.3 - 2 * (0.5 - z), tight);
    ck_assert_ptr_nonnull(latest);
    ppl_svi_free(svi);
    end();
}
END_TEST

/* ---- Misuse ------------------------------------------------------------------------ */

static void nested(ppl_ctx *ctx, const void *arg)
{
    (void)ctx;
    ck_assert_int_eq(ppl_svi_step((ppl_svi *)(uintptr_t)arg, arg, NULL), PPL_ENEST);
}

/* The constructor returns NULL; the error is there to be read, once. */
#define REFUSED(call, status, text)                                                        \
    do {                                                                                   \
        ck_assert_ptr_null(call);                                                          \
        ck_assert_str_eq(ppl_status_name(ppl_error(c)), ppl_status_name(status));          \
        ck_assert_str_eq(ppl_error_text(c), text);                                         \
        ppl_clear_error(c);                                                                \
    } while (0)

START_TEST(misuse)
{
    double loss = 0;

    begin(_i);
    ppl_elbo *elbo = ppl_trace_elbo(c, NULL);
    ppl_optim *optim = ppl_sgd(c, NULL);
    REFUSED(ppl_svi_new(c, NULL, half_guide, elbo, optim), PPL_EINVAL,
            "ppl_svi_new: the model is NULL; give all four");
    REFUSED(ppl_svi_new(c, normal_model, NULL, elbo, optim), PPL_EINVAL,
            "ppl_svi_new: the guide is NULL; give all four");
    REFUSED(ppl_svi_new(c, normal_model, half_guide, NULL, optim), PPL_EINVAL,
            "ppl_svi_new: the ELBO is NULL; give all four");
    REFUSED(ppl_svi_new(c, normal_model, half_guide, elbo, NULL), PPL_EINVAL,
            "ppl_svi_new: the optimiser is NULL; give all four");
    /* What is wrong with an argument is what is told. */
    REFUSED(ppl_svi_new(c, normal_model, half_guide,
                        ppl_trace_mean_field_elbo(c, &(ppl_elbo_opts){ -1 }), optim),
            PPL_EINVAL,
            "ppl_trace_mean_field_elbo: particles is -1; it must be 1 or more");
    REFUSED(ppl_svi_new(c, normal_model, half_guide, elbo,
                        ppl_adam(c, &(ppl_optim_opts){ .lr = NAN })),
            PPL_EINVAL, "adam: lr is nan; it must be a finite number >= 0");
    ppl_ctx *mine = c;
    c = start(_i);
    REFUSED(ppl_svi_new(c, normal_model, half_guide, elbo, optim), PPL_EINVAL,
            "ppl_svi_new: the ELBO belongs to another context; make it in this one");
    end();
    c = mine;
    /* Handles that are NULL do nothing. */
    ck_assert_int_eq(ppl_svi_step(NULL, NULL, &loss), PPL_EINVAL);
    ck_assert(isnan(loss));
    ck_assert_int_eq(ppl_svi_evaluate(NULL, NULL, NULL), PPL_EINVAL);
    ck_assert_int_eq(ppl_elbo_estimate(NULL, normal_model, half_guide, NULL, 0, &loss),
                     PPL_EINVAL);
    ppl_svi_free(NULL);
    /* A step within a model. */
    ppl_svi *svi = ppl_svi_new(c, normal_model, half_guide, elbo, optim);
    FAILS(ppl_run(c, nested, svi, NULL), PPL_ENEST,
          "ppl_run inside a run; use another context for inference within a model");
    OK(ppl_svi_step(svi, NULL, &loss));
    /* An argument that could not be made: the step does nothing but tell. */
    ck_assert_ptr_null(ppl_from_doubles(c, PPL_SHAPE(2), NULL));
    state before = state_of(elbo), after;
    FAILS(ppl_svi_step(svi, NULL, &loss), PPL_EINVAL,
          "from_doubles: the elements are NULL");
    ck_assert(isnan(loss));
    after = state_of(elbo);
    same_state("a step not taken", &before, &after);
    free_state(&before);
    free_state(&after);
    OK(ppl_svi_step(svi, NULL, &loss));
    ppl_svi_free(svi);
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_step_is_all_or_nothing,
        nan_without_validation,
        parameters_stay_inside,
        evaluating_changes_no_parameter,
        only_visited_parameters_move,
        known_posteriors,
        a_handler_inside,
        misuse,
        NULL
    };

    return run_tests("svi", tests);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_store.c - parameters: constraints, initialisers, the slab and its growth under
 * living leaves, what a failed run leaves behind, reading, writing and loading.
 */
#include "fixture.h"

/* A parameter to ask for; a list ends with a NULL name. */
typedef struct ask {
    const char *name;
    ppl_shape shape;
    ppl_init init;
    ppl_constraint constraint;
} ask;
#define asks(...) ((ask[]){ __VA_ARGS__, { 0 } })

static void ask_for(ppl_ctx *c, const void *arg)
{
    for (const ask *a = arg; a->name; a++)
        ppl_param(c, a->name, a->shape, a->init, a->constraint);
}

static double slab_at(const ppl_ctx *c, const void *array, int64_t i)
{
    return ppl_ctx_dtype(c) == PPL_F32 ? (double)((const float *)array)[i]
                                       : ((const double *)array)[i];
}

static void set_slab(const ppl_ctx *c, void *array, int64_t i, double x)
{
    if (ppl_ctx_dtype(c) == PPL_F32)
        ((float *)array)[i] = (float)x;
    else
        ((double *)array)[i] = x;
}

/* The unconstrained element i of a parameter. */
static double stored(ppl_ctx *c, const char *name, int64_t i)
{
    const ppl_param_info *info = ppl_param_at(c, ppl_param_find(c, name));
    return slab_at(c, ppl_param_slab(c).value, info->offset + i);
}

static double read_one(ppl_ctx *c, const char *name)
{
    double x;
    assert_ok(c, ppl_param_read(c, name, &x, 1));
    return x;
}

/* ---- Constraints ------------------------------------------------------------------- */

static double identity(double x) { return x; }
static double log_expm1(double x) { return log(expm1(x)); }
static double logit(double x) { return log(x / (1 - x)); }
static double logit_of_minus_2_to_3(double x) { return logit((x + 2) / 5); }
static double log_above_4(double x) { return log(x - 4); }
static double log_below_minus_1(double x) { return log(-1 - x); }

/* What can be a parameter, with values inside, and how they are stored (1.7 of the facts
 * on Pyro: transform_to). */
static const struct {
    const ppl_constraint *constraint;
    double lower, upper;            /* of an interval made at run time */
    double inside[3];
    double (*inverse)(double x);
} kinds[] = {
    { &PPL_REAL, 0, 0, { -1.5, 0, 70 }, identity },
    { &PPL_POSITIVE, 0, 0, { 0.01, 1, 30 }, log },
    { &PPL_SOFTPLUS_POSITIVE, 0, 0, { 0.01, 1, 30 }, log_expm1 },
    { &PPL_NONNEGATIVE, 0, 0, { 0.01, 1, 30 }, log },
    { &PPL_UNIT_INTERVAL, 0, 0, { 0.01, 0.5, 0.9 }, logit },
    { &PPL_SIMPLEX, 0, 0, { 0.2, 0.5, 0.3 }, log },
    { NULL, -2, 3, { -1.9, 0, 2 }, logit_of_minus_2_to_3 },
    { NULL, 4, INFINITY, { 4.5, 5, 9 }, log_above_4 },
    { NULL, -INFINITY, -1, { -1.5, -2, -9 }, log_below_minus_1 },
};

static ppl_constraint constraint_of(int i)
{
    if (kinds[i].constraint)
        return *kinds[i].constraint;
    if (isinf(kinds[i].upper))
        return ppl_greater_than(kinds[i].lower);
    return isinf(kinds[i].lower) ? ppl_less_than(kinds[i].upper)
                                 : ppl_interval(kinds[i].lower, kinds[i].upper);
}

/* A model sees the value in its constraint; stored is its image among all real numbers;
 * reading and writing are in the constraint. */
START_TEST(values_lie_in_their_constraint)
{
    double tolerance = _i == 0 ? 1e-5 : 1e-13, out[3];
    for (int i = 0; i < COUNT_OF(kinds); i++) {
        ppl_ctx *c = start(_i);
        const double *inside = kinds[i].inside;
        const double turned[] = { inside[2], inside[0], inside[1] };
        const ask *list = asks({ "p", PPL_SHAPE(3), ppl_init_values(inside),
                                 constraint_of(i) });
        ppl_trace *t = trace_of(c, ask_for, list, NULL);
        assert_elements("value", value_of(t, "p"), 3, inside, tolerance);
        ck_assert_ptr_nonnull(site_of(t, "p", PPL_NO_INDEX)->leaf);
        assert_ok(c, ppl_param_read(c, "p", out, 3));
        for (int k = 0; k < 3; k++) {
            ck_assert(is_near(out[k], inside[k], tolerance));
            ck_assert(is_near(stored(c, "p", k), kinds[i].inverse(inside[k]), tolerance));
        }
        assert_ok(c, ppl_param_write(c, "p", PPL_SHAPE(3), turned));
        assert_ok(c, ppl_param_read(c, "p", out, 3));
        for (int k = 0; k < 3; k++)
            ck_assert(is_near(out[k], turned[k], tolerance));
        stop(c);
    }
}
END_TEST

/* Values outside are refused, as initial ones and as written ones; nothing changes. */
START_TEST(values_outside_are_refused)
{
    static const struct {
        const ppl_constraint *constraint;
        double outside[2];
        const char *text;
    } bad[] = {
        { &PPL_REAL, { 1, INFINITY }, "parameter p: value[1] is inf; it must be a finite "
          "number" },
        { &PPL_REAL, { NAN, 1 }, "parameter p: value[0] is nan; it must be a finite "
          "number" },
        { &PPL_POSITIVE, { 1, 0 }, "parameter p: value[1] is 0; it must be positive" },
        { &PPL_SOFTPLUS_POSITIVE, { -2, 1 },
          "parameter p: value[0] is -2; it must be positive" },
        { &PPL_UNIT_INTERVAL, { 1, 1.5 },
          "parameter p: value[1] is 1.5; it must be between 0 and 1" },
        { &PPL_SIMPLEX, { 0.5, 0.4 },
          "parameter p: value is (0.5, 0.4); it must be nonnegative, with sum 1" },
    };
    for (int i = 0; i < COUNT_OF(bad); i++) {
        ppl_ctx *c = start(_i);
        ask list[] = { { "p", PPL_SHAPE(2), ppl_init_values(bad[i].outside),
                         *bad[i].constraint }, { 0 } };
        assert_error(c, ppl_run(c, ask_for, list, NULL), PPL_ECONSTRAINT, bad[i].text);
        ck_assert_int_eq(ppl_param_count(c), 0);
        list[0].init = ppl_init_constant(0.5);
        assert_ok(c, ppl_run(c, ask_for, list, NULL));
        double before = stored(c, "p", 0);
        assert_error(c, ppl_param_write(c, "p", PPL_SHAPE(2), bad[i].outside),
                     PPL_ECONSTRAINT, bad[i].text);
        ck_assert_double_eq(stored(c, "p", 0), before);
        stop(c);
    }
}
END_TEST

/* A constraint of one's own: [3] numbers with sum 0, made of two free ones. */
static int check_sum_zero(const ppl_constraint *self, double *x, const ppl_shape *event)
{
    double sum = 0;
    (void)self;
    for (int64_t i = 0; i < event->dim[0]; i++)
        sum += x[i];
    return fabs(sum) < 1e-6;
}

static ppl_tensor *to_sum_zero(const ppl_constraint *self, ppl_tensor *t)
{
    ppl_tensor *last = ppl_reshape(ppl_neg(ppl_sum(t, 0)), PPL_SHAPE(1));
    (void)self;
    return ppl_concat((ppl_tensor *[]){ t, last }, 2, 0);
}

static ppl_tensor *from_sum_zero(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_head(t, 2);
}

/* A constraint may store fewer elements than its values have. */
START_TEST(constraints_of_ones_own)
{
    static const ppl_constraint_map map = { .to_constrained = to_sum_zero,
                                            .from_constrained = from_sum_zero };
    static const ppl_constraint_type type = { .name = "sum_zero", .event_dim = 1,
                                              .check = check_sum_zero, .optimise = &map };
    const ppl_constraint sum_zero = { .type = &type };
    const double first[] = { 1, 2, -3 }, second[] = { 4, -9, 5 };
    ask list[] = { { "p", PPL_SHAPE(3), ppl_init_values(first), sum_zero }, { 0 } };
    double out[3];
    ppl_ctx *c = start(_i);
    for (int written = 0; written < 2; written++) {
        list[0].name = written ? "written" : "made";
        if (written)
            assert_ok(c, ppl_param_write(c, "written", PPL_SHAPE(3), first));
        ppl_trace *t = trace_of(c, ask_for, list, NULL);
        assert_values(value_of(t, list[0].name), 0, 1, 2, -3);
        ck_assert_int_eq(ppl_param_at(c, written)->count, 2);
        assert_ok(c, ppl_param_write(c, list[0].name, PPL_SHAPE(3), second));
        assert_ok(c, ppl_param_read(c, list[0].name, out, 3));
        ck_assert_double_eq(out[2], 5);
    }
    ck_assert_int_eq(ppl_param_declare(c, "loaded", PPL_SHAPE(3), 5), 2);
    list[0].name = "loaded";
    assert_error(c, ppl_run(c, ask_for, list, NULL), PPL_ESHAPE, "the value given for "
                 "parameter loaded has shape [6] and the model asks for [3]; give one of "
                 "that shape");
    stop(c);
}
END_TEST

/* Matrices are stored by what is free in them, made, written first or loaded. */
START_TEST(matrices_are_stored_by_their_free_elements)
{
    const double l[] = { 1, 0, 3, 2, 4, 0, -1, 0.5 };
    ask list[] = { { "made", PPL_SHAPE(2, 2, 2), ppl_init_values(l), PPL_LOWER_CHOLESKY },
                   { "written", PPL_SHAPE(2, 2, 2), PPL_ONES, PPL_LOWER_CHOLESKY },
                   { "loaded", PPL_SHAPE(2, 2, 2), PPL_ONES, PPL_LOWER_CHOLESKY }, { 0 } };
    const double free_elements[] = { 3, 0, log(2), -1, log(4), log(0.5) };
    double out[8];
    ppl_ctx *c = start(_i);
    assert_ok(c, ppl_param_write(c, "written", PPL_SHAPE(2, 2, 2), l));
    int loaded = ppl_param_declare(c, "loaded", PPL_SHAPE(2, 2, 2), 6);
    ppl_slab slab = ppl_param_slab(c);
    for (int i = 0; i < 6; i++)
        if (_i == 0)
            ((float *)slab.value + ppl_param_at(c, loaded)->offset)[i] =
                (float)free_elements[i];
        else
            ((double *)slab.value + ppl_param_at(c, loaded)->offset)[i] =
                free_elements[i];
    ppl_trace *t = trace_of(c, ask_for, list, NULL);
    for (int i = 0; i < 3; i++) {
        assert_elements(list[i].name, value_of(t, list[i].name), 8, l, rounding(_i));
        assert_ok(c, ppl_param_read(c, list[i].name, out, 8));
        ck_assert(is_near(out[7], 0.5, rounding(_i)));
        for (int k = 0; k < 6; k++)
            ck_assert(is_near(stored(c, list[i].name, k), free_elements[k],
                              rounding(_i)));
    }
    ck_assert_int_eq(ppl_param_at(c, ppl_param_find(c, "made"))->count, 6);
    ck_assert_int_eq(ppl_param_declare(c, "short", PPL_SHAPE(2, 2), 4),
                     ppl_param_count(c) - 1);
    assert_error(c, ppl_run(c, ask_for, asks({ "short", PPL_SHAPE(2, 2), PPL_ONES,
                                               PPL_LOWER_CHOLESKY }), NULL), PPL_ESHAPE,
                 "parameter short: 4 unconstrained elements were loaded, and a "
                 "lower_cholesky value of shape [2,2] has 3");
    ck_assert_int_eq(ppl_param_declare(c, "flat", PPL_SHAPE(2, 3), 6),
                     ppl_param_count(c) - 1);
    assert_error(c, ppl_run(c, ask_for, asks({ "flat", PPL_SHAPE(2, 3), PPL_ONES,
                                               PPL_CORR_CHOLESKY }), NULL), PPL_ESHAPE,
                 "parameter flat: no corr_cholesky value has shape [2,3]; it must be a "
                 "square matrix, lower triangular with a positive diagonal and rows of "
                 "length 1");
    stop(c);
}
END_TEST

/* ---- Initialisers ------------------------------------------------------------------ */

START_TEST(initial_values)
{
    static const double given[] = { 1, -2, 3, 4 };
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, ask_for, asks(
        { "zeros", PPL_SHAPE(2), PPL_ZEROS, PPL_REAL },
        { "ones", PPL_SHAPE(2), PPL_ONES, PPL_REAL },
        { "constant", PPL_SCALAR, ppl_init_constant(-3.5), PPL_REAL },
        { "given", PPL_SHAPE(2, 2), ppl_init_values(given), PPL_REAL },
        { "identity", PPL_SHAPE(2, 3), ppl_init_identity(4), PPL_REAL },
        { "tall", PPL_SHAPE(3, 2), ppl_init_identity(1), PPL_REAL },
        { "two", PPL_SHAPE(2, 2, 2), ppl_init_identity(1), PPL_REAL },
        { "none", PPL_SHAPE(0, 3), PPL_ONES, PPL_REAL }), NULL);
    assert_values(value_of(t, "zeros"), 0, 0, 0);
    assert_values(value_of(t, "ones"), 0, 1, 1);
    assert_values(value_of(t, "constant"), 0, -3.5);
    assert_values(value_of(t, "given"), 0, 1, -2, 3, 4);
    assert_shape(value_of(t, "given"), 2, 2);
    assert_values(value_of(t, "identity"), 0, 4, 0, 0, 0, 4, 0);
    assert_values(value_of(t, "tall"), 0, 1, 0, 0, 1, 0, 0);
    assert_values(value_of(t, "two"), 0, 1, 0, 0, 1, 1, 0, 0, 1);
    assert_shape(value_of(t, "none"), 0, 3);
    stop(c);
}
END_TEST

/* Random starts have the range and moments asked for. */
START_TEST(random_initial_values)
{
    static double x[4000];
    const double n = COUNT_OF(x);
    double sum = 0, squares = 0;
    ppl_ctx *c = start(_i);
    assert_ok(c, ppl_run(c, ask_for, asks(
        { "uniform", PPL_SHAPE(COUNT_OF(x)), ppl_init_uniform(-1, 3), PPL_REAL },
        { "normal", PPL_SHAPE(COUNT_OF(x)), ppl_init_normal(5, 0.1), PPL_REAL }), NULL));
    assert_ok(c, ppl_param_read(c, "uniform", x, COUNT_OF(x)));
    for (int i = 0; i < COUNT_OF(x); i++) {
        ck_assert(x[i] > -1 && x[i] < 3);
        sum += x[i];
    }
    ck_assert_double_lt(fabs(sum / n - 1), 4 * sqrt(16.0 / 12 / n));
    assert_ok(c, ppl_param_read(c, "normal", x, COUNT_OF(x)));
    sum = 0;
    for (int i = 0; i < COUNT_OF(x); i++) {
        sum += x[i] - 5;
        squares += (x[i] - 5) * (x[i] - 5);
    }
    ck_assert_double_lt(fabs(sum / n), 4 * 0.1 / sqrt(n));
    ck_assert_double_lt(fabs(squares / n - 0.01), 4 * 0.01 * sqrt(2 / n));
    stop(c);
}
END_TEST

/* A random start depends on the seed and the name, not on order, step or particle. */
START_TEST(random_starts_depend_on_the_name)
{
    ask a = { "a", PPL_SHAPE(2), ppl_init_normal(0, 1), PPL_REAL }, b = a;
    b.name = "b";
    ppl_ctx *c = start(_i), *other = start(_i);
    double x[2], y[2];
    assert_ok(c, ppl_run(c, ask_for, asks(a, b), NULL));
    ppl_set_rng_state(other, 0, 77);
    ppl_set_particle(other, 5);
    assert_ok(other, ppl_run(other, ask_for, asks(b), handlers(ppl_seed(other, 8))));
    assert_ok(other, ppl_run(other, ask_for, asks(a, b), NULL));
    for (int i = 0; i < 2; i++) {
        ck_assert_double_eq(stored(c, "a", i), stored(other, "a", i));
        ck_assert_double_eq(stored(c, "b", i), stored(other, "b", i));
        ck_assert_double_ne(stored(c, "a", i), stored(c, "b", i));
    }
    assert_ok(c, ppl_param_read(c, "a", x, 2));
    stop(other);
    other = start(1 - _i);
    assert_ok(other, ppl_run(other, ask_for, asks(a), NULL));
    assert_ok(other, ppl_param_read(other, "a", y, 2));
    for (int i = 0; i < 2; i++)
        ck_assert_double_eq((float)x[i], (float)y[i]);
    stop(other);
    stop(c);
}
END_TEST

/* ---- Visits ------------------------------------------------------------------------ */

/* The first visit makes a parameter, every later one finds it; in one epoch they get one
 * tensor. */
START_TEST(later_visits_find_it)
{
    ppl_ctx *c = start(_i);
    ask list[] = { { "p", PPL_SHAPE(2), PPL_ONES, PPL_POSITIVE }, { 0 } };
    ppl_trace *t = trace_of(c, ask_for, list, NULL);
    list[0].init = ppl_init_constant(7);
    ppl_trace *again = trace_of(c, ask_for, list, NULL);
    ck_assert_ptr_eq(value_of(t, "p"), value_of(again, "p"));
    ck_assert_ptr_eq(site_of(t, "p", -1)->leaf, site_of(again, "p", -1)->leaf);
    assert_values(value_of(again, "p"), rounding(_i), 1, 1);
    ck_assert_int_eq(ppl_param_count(c), 1);
    const ppl_param_info *info = ppl_param_at(c, 0);
    ck_assert_str_eq(info->name, "p");
    ck_assert_int_eq(info->count, 2);
    ck_assert_str_eq(info->constraint.type->name, "positive");
    ck_assert_ptr_null(ppl_param_at(c, 1));
    ck_assert_ptr_null(ppl_param_at(c, -1));
    ck_assert_int_eq(ppl_param_find(c, "p"), 0);
    ck_assert_int_eq(ppl_param_find(c, "q"), -1);
    stop(c);
}
END_TEST

static ppl_tensor *param_3(ppl_ctx *c)
{
    return ppl_param(c, "p", PPL_SHAPE(3), ppl_init_values(LIST(1, 2, 3)), PPL_REAL);
}

/* Each epoch has a leaf of its own, whatever other tensor lies where the last one's
 * was. */
START_TEST(leaves_belong_to_their_epoch)
{
    ppl_ctx *c = start(_i);
    for (int others = 0; others < 5; others++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        for (int i = 0; i < others; i++)
            ppl_scalar(c, 9);
        ppl_tensor *p = param_3(c);
        assert_shape(p, 3);
        assert_values(p, 0, 1, 2, 3);
        ck_assert(ppl_requires_grad(p));
        ppl_epoch inner = ppl_epoch_begin(c);
        ck_assert_ptr_eq(param_3(c), p);
        ppl_epoch_end(c, inner);
        ppl_epoch_end(c, mark);
    }
    stop(c);
}
END_TEST

/* A value is computed again when the slab may have changed, or when it now needs a
 * gradient that it was computed without. */
START_TEST(values_follow_the_slab)
{
    ppl_ctx *c = start(_i);
    ask list[] = { { "p", PPL_SCALAR, PPL_ONES, PPL_POSITIVE }, { 0 } };
    int enabled = ppl_set_grad_enabled(c, 0);
    ck_assert(!ppl_requires_grad(value_of(trace_of(c, ask_for, list, NULL), "p")));
    ppl_set_grad_enabled(c, enabled);
    ck_assert(ppl_requires_grad(value_of(trace_of(c, ask_for, list, NULL), "p")));
    set_slab(c, ppl_param_slab(c).value, 0, log(2));
    assert_values(value_of(trace_of(c, ask_for, list, NULL), "p"), rounding(_i), 2);
    assert_ok(c, ppl_param_write(c, "p", PPL_SCALAR, LIST(3)));
    assert_values(value_of(trace_of(c, ask_for, list, NULL), "p"), 4 * rounding(_i), 3);
    stop(c);
}
END_TEST

/* What a linear layer keeps of a weight for the epoch (its transpose) follows too. */
START_TEST(layers_follow_the_slab)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *x = ppl_full(c, PPL_SHAPE(1, 3), 1);
    ask list[] = { { "w", PPL_SHAPE(1, 3), PPL_ONES, PPL_REAL }, { 0 } };
    ppl_tensor *w = value_of(trace_of(c, ask_for, list, NULL), "w");
    assert_values(ppl_linear(x, w, NULL, PPL_IDENTITY), 0, 3);
    set_slab(c, ppl_param_slab(c).value, 0, 5);
    w = value_of(trace_of(c, ask_for, list, NULL), "w");
    assert_values(ppl_linear(x, w, NULL, PPL_IDENTITY), 0, 7);
    stop(c);
}
END_TEST

/* Gradients gather in the slab, of the unconstrained elements, until they are zeroed;
 * which parameters a run has visited is told likewise. */
START_TEST(gradients_gather)
{
    ppl_ctx *c = start(_i);
    double grad[2];
    for (int k = 1; k <= 3; k++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        ppl_tensor *p = ppl_param(c, "p", PPL_SHAPE(2), ppl_init_constant(3),
                                  PPL_POSITIVE);
        ppl_tensor *q = ppl_param(c, "q", PPL_SCALAR, PPL_ONES, PPL_REAL);
        assert_ok(c, ppl_backward(ppl_mul(ppl_sum(ppl_mul(p, p), 0), q)));
        ppl_epoch_end(c, mark);
        assert_ok(c, ppl_param_grad(c, "p", grad, 2));
        ck_assert(is_near(grad[1], k * 2 * 3 * 3, 4 * rounding(_i)));
        assert_ok(c, ppl_param_grad(c, "q", grad, 1));
        ck_assert(is_near(grad[0], k * 18, 4 * rounding(_i)));
    }
    ck_assert_int_eq(ppl_param_at(c, 0)->touched, 1);
    ppl_zero_grad(c);
    ck_assert_int_eq(ppl_param_at(c, 0)->touched, 0);
    assert_ok(c, ppl_param_grad(c, "p", grad, 2));
    ck_assert_double_eq(grad[0], 0);
    assert_ok(c, ppl_run(c, ask_for, asks({ "q", PPL_SCALAR, PPL_ONES, PPL_REAL }),
                         NULL));
    ck_assert_int_eq(ppl_param_at(c, 0)->touched, 0);
    ck_assert_int_eq(ppl_param_at(c, 1)->touched, 1);
    ppl_param_set_steps(c, 1, 12);
    ppl_param_set_steps(c, 2, 12);
    ck_assert_int_eq(ppl_param_at(c, 0)->steps, 0);
    ck_assert_int_eq(ppl_param_at(c, 1)->steps, 12);
    stop(c);
}
END_TEST

/* ---- The slab ---------------------------------------------------------------------- */

/* Parameters begin at multiples of 64 bytes, in order of creation; the padding between
 * them is zero, in four arrays of one size. */
START_TEST(the_slab_is_aligned)
{
    ppl_ctx *c = start(_i);
    const int64_t count[] = { 1, 16, 17, 3, 0, 40 };
    const int64_t unit = _i == 0 ? 16 : 8;
    char name[] = "a";
    int64_t offset = 0;
    ck_assert_ptr_null(ppl_param_slab(c).value);
    for (int i = 0; i < COUNT_OF(count); i++, name[0]++) {
        assert_ok(c, ppl_run(c, ask_for, asks({ name, PPL_SHAPE(count[i]), PPL_ONES,
                                                PPL_REAL }), NULL));
        ck_assert_int_eq(ppl_param_at(c, i)->offset, offset);
        offset += (count[i] + unit - 1) / unit * unit;
    }
    ppl_slab slab = ppl_param_slab(c);
    ck_assert_int_eq(slab.dtype, ppl_ctx_dtype(c));
    ck_assert_int_eq(slab.size, offset);
    void *const arrays[] = { slab.value, slab.grad, slab.moment[0], slab.moment[1] };
    double sum = 0;
    for (int a = 0; a < COUNT_OF(arrays); a++) {
        ck_assert_uint_eq((uintptr_t)arrays[a] % 64, 0);
        for (int64_t i = 0; i < slab.size; i++)
            sum += slab_at(c, arrays[a], i);
    }
    ck_assert_double_eq(sum, 1 + 16 + 17 + 3 + 40);
    stop(c);
}
END_TEST

/* The slab grows twice: for a parameter that nothing looks at, and, maybe in an epoch of
 * its own, for one that is used afterwards. p_1^2 + p_2^2 + v p_1 + bigger_0, through views
 * made before, between and after. */
static ppl_tensor *grow_under(ppl_ctx *c, int in_epoch)
{
    const ppl_shape large = PPL_SHAPE(9000);
    ppl_tensor *before = ppl_slice(param_3(c), 0, 1, 3);
    ppl_tensor *v = ppl_param(c, "v", PPL_SCALAR, ppl_init_constant(3), PPL_POSITIVE);
    ck_assert_int_eq(ppl_param_declare(c, "big", PPL_SHAPE(3000), 3000), 2);
    ppl_tensor *between = ppl_slice(param_3(c), 0, 1, 3);
    ppl_epoch mark = in_epoch ? ppl_epoch_begin(c) : 0;
    ppl_param(c, "small", PPL_SHAPE(3), PPL_ONES, PPL_REAL);
    ppl_param(c, "bigger", large, PPL_ONES, PPL_REAL);
    if (in_epoch)
        ppl_epoch_end(c, mark);
    ppl_full(c, PPL_SHAPE(5000), 77);
    ppl_tensor *after = ppl_row(param_3(c), 1);
    ppl_tensor *bigger = ppl_row(ppl_param(c, "bigger", large, PPL_ONES, PPL_REAL), 0);
    assert_values(between, 0, 2, 3);
    return ppl_add(ppl_add(ppl_sum(ppl_mul(before, between), 0), ppl_mul(v, after)), bigger);
}

/* When the slab grows, leaves, views of them and values live on, and gradients arrive. */
START_TEST(the_slab_grows_under_living_leaves)
{
    for (int in_epoch = 0; in_epoch < 2; in_epoch++)
        for (int outer = 0; outer < 2; outer++) {
            ppl_ctx *c = start(_i);
            double grad[3];
            ppl_epoch mark = outer ? ppl_epoch_begin(c) : 0;
            ppl_tensor *loss = grow_under(c, in_epoch);
            assert_values(loss, 4 * rounding(_i), 4 + 9 + 3 * 2 + 1);
            assert_ok(c, ppl_backward(loss));
            assert_ok(c, ppl_param_grad(c, "p", grad, 3));
            ck_assert(is_near(grad[0], 0, 0));
            ck_assert(is_near(grad[1], 4 + 3, 4 * rounding(_i)));
            ck_assert(is_near(grad[2], 6, 0));
            assert_ok(c, ppl_param_grad(c, "v", grad, 1));
            ck_assert(is_near(grad[0], 3 * 2, 4 * rounding(_i)));
            ck_assert_double_eq(stored(c, "p", 2), 3);
            ck_assert_double_eq(stored(c, "bigger", 8999), 1);
            if (outer)
                ppl_epoch_end(c, mark);
            stop(c);
        }
}
END_TEST

/* ---- What a failed run leaves behind ----------------------------------------------- */

static void make_then_fail(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_param(c, "b", PPL_SHAPE(20), PPL_ONES, PPL_REAL);
    ppl_param(c, "c", PPL_SHAPE(5000), PPL_ONES, PPL_REAL);
    ppl_observe(c, "x", standard(c, PPL_SCALAR), NULL);
}

/* Parameters that a failed run made are forgotten; the rest is bit for bit as before. */
START_TEST(failed_runs_make_nothing)
{
    ppl_ctx *c = start(_i);
    assert_ok(c, ppl_run(c, ask_for, asks({ "a", PPL_SHAPE(3), ppl_init_normal(0, 1),
                                            PPL_REAL }), NULL));
    ppl_slab slab = ppl_param_slab(c);
    size_t bytes = (size_t)slab.size * (_i == 0 ? sizeof(float) : sizeof(double));
    char before[64];
    ck_assert_uint_eq(bytes, sizeof before);
    memcpy(before, slab.value, bytes);
    for (int k = 0; k < 3; k++) {
        assert_error(c, ppl_run(c, make_then_fail, NULL, NULL), PPL_EINVAL,
                     "the value of the site is NULL");
        ck_assert_int_eq(ppl_param_count(c), 1);
        ck_assert_int_eq(ppl_param_find(c, "b"), -1);
        slab = ppl_param_slab(c);
        ck_assert_uint_eq((size_t)slab.size * (_i == 0 ? 4 : 8), bytes);
        ck_assert_mem_eq(slab.value, before, bytes);
    }
    ck_assert_int_eq(ppl_param_declare(c, "b", PPL_SHAPE(20), 20), 1);
    ck_assert_int_eq(ppl_param_at(c, 1)->offset, slab.size);
    for (int i = 0; i < 20; i++)
        ck_assert_double_eq(stored(c, "b", i), 0);
    ppl_param_rollback(c, 5);
    ck_assert_int_eq(ppl_param_count(c), 2);
    ppl_param_rollback(c, 0);
    ck_assert_int_eq(ppl_param_count(c), 0);
    ck_assert_int_eq(ppl_param_slab(c).size, 0);
    stop(c);
}
END_TEST

/* Whichever allocation is refused, the store is as before, and the next run succeeds. */
START_TEST(memory_may_run_out_anywhere)
{
    const ask *list = asks(
        { "a", PPL_SHAPE(2, 2), ppl_init_uniform(1, 2), PPL_POSITIVE },
        { "b", PPL_SHAPE(3000), ppl_init_constant(1.0 / 3000), PPL_SIMPLEX },
        { "c", PPL_SHAPE(40000), PPL_ONES, PPL_REAL });
    int refusals = 0;
    for (ppl_status status = PPL_ENOMEM; status != PPL_OK; refusals++) {
        ppl_ctx *c = start(_i);
        assert_ok(c, ppl_run(c, ask_for, asks({ "z", PPL_SCALAR, PPL_ONES, PPL_REAL }),
                             NULL));
        memory.refuse_at = memory.calls + refusals + 1;
        status = ppl_run(c, ask_for, list, NULL);
        if (status != PPL_OK) {
            ck_assert_int_eq(status, PPL_ENOMEM);
            ck_assert_int_eq(ppl_param_count(c), 1);
            ck_assert_double_eq(read_one(c, "z"), 1);
            assert_ok(c, ppl_run(c, ask_for, list, NULL));
        }
        ck_assert_int_eq(ppl_param_count(c), 4);
        ck_assert_double_eq(stored(c, "c", 39999), 1);
        stop(c);
    }
    ck_assert_int_gt(refusals, 6);
}
END_TEST

/* ---- Values from outside ----------------------------------------------------------- */

/* Values may be written before a model asks: it gets them in place of its initial ones,
 * if they have its shape and lie in its constraint. */
START_TEST(values_may_come_first)
{
    ppl_ctx *c = start(_i);
    ask list[] = { { "p", PPL_SHAPE(2), PPL_ONES, PPL_POSITIVE }, { 0 } };
    assert_ok(c, ppl_param_write(c, "p", PPL_SHAPE(2), LIST(-2, 5)));
    ck_assert_ptr_null(ppl_param_at(c, 0)->constraint.type);
    double out[2];
    assert_ok(c, ppl_param_read(c, "p", out, 2));
    ck_assert_double_eq(out[0], -2);
    assert_error(c, ppl_run(c, ask_for, list, NULL), PPL_ECONSTRAINT, "parameter p: "
                 "value[0] is -2; it must be positive");
    list[0].shape = PPL_SHAPE(2, 1);
    assert_error(c, ppl_run(c, ask_for, list, NULL), PPL_ESHAPE, "parameter p has shape "
                 "[2] and the model asks for [2,1]; use one shape, or another name, or a "
                 "file of these dimensions");
    list[0].shape = PPL_SHAPE(2);
    ck_assert_int_eq(ppl_param_count(c), 1);
    assert_ok(c, ppl_param_write(c, "p", PPL_SHAPE(2), LIST(2, 5)));
    ppl_trace *t = trace_of(c, ask_for, list, NULL);
    assert_values(value_of(t, "p"), 4 * rounding(_i), 2, 5);
    ck_assert_str_eq(ppl_param_at(c, 0)->constraint.type->name, "positive");
    ck_assert(is_near(stored(c, "p", 1), log(5), rounding(_i)));
    stop(c);
}
END_TEST

/* A loader declares parameters and fills in what is stored: unconstrained elements. */
START_TEST(loaders_declare)
{
    ppl_ctx *c = start(_i);
    const ask *list = asks({ "p", PPL_SHAPE(2), PPL_ONES, PPL_POSITIVE });
    ck_assert_int_eq(ppl_param_declare(c, "p", PPL_SHAPE(2), 2), 0);
    ck_assert_int_eq(ppl_param_declare(c, "q", PPL_SCALAR, 1), 1);
    ck_assert_int_eq(ppl_param_declare(c, "p", PPL_SHAPE(2), 2), 0);
    ck_assert_double_eq(stored(c, "p", 1), 0);
    set_slab(c, ppl_param_slab(c).value, 1, log(7));
    ppl_trace *t = trace_of(c, ask_for, list, NULL);
    assert_values(value_of(t, "p"), 4 * rounding(_i), 1, 7);
    /* Also over values that were written and that no model has asked for. */
    assert_ok(c, ppl_param_write(c, "r", PPL_SCALAR, LIST(-5)));
    ck_assert_int_eq(ppl_param_declare(c, "r", PPL_SCALAR, 1), 2);
    set_slab(c, ppl_param_slab(c).value, ppl_param_at(c, 2)->offset, -1);
    t = trace_of(c, ask_for, asks({ "r", PPL_SCALAR, PPL_ONES, PPL_POSITIVE }),
                            NULL);
    assert_values(value_of(t, "r"), rounding(_i), exp(-1));
    ck_assert_int_eq(ppl_param_declare(c, "p", PPL_SHAPE(3), 3), -1);
    assert_error_is(c, PPL_ESHAPE, "parameter p has shape [2] and is given with shape "
                    "[3]");
    ppl_clear_error(c);
    ck_assert_int_eq(ppl_param_declare(c, "p", PPL_SHAPE(2), 3), -1);
    assert_error_is(c, PPL_ESHAPE,
                    "parameter p has 2 unconstrained elements and is given with 3");
    stop(c);
}
END_TEST

static void write_within(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_param(c, "p", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);
    assert_ok(c, ppl_param_write(c, "p", PPL_SCALAR, LIST(4)));
    assert_values(ppl_param(c, "p", PPL_SCALAR, PPL_ONES, PPL_POSITIVE), 1e-6, 4);
    ck_assert(is_near(read_one(c, "p"), 4, 1e-6));
}

START_TEST(a_model_may_read_and_write)
{
    ppl_ctx *c = start(_i);
    assert_ok(c, ppl_run(c, write_within, NULL, NULL));
    ck_assert(is_near(read_one(c, "p"), 4, 1e-6));
    stop(c);
}
END_TEST

/* ---- Errors ------------------------------------------------------------------------ */

/* A parameter that cannot be, or not beside the one that there is. */
START_TEST(refuses_parameters)
{
    static const double one[] = { 1 };
    const struct {
        ask a;
        ppl_status status;
        const char *text;
    } bad[] = {
        { { "p", PPL_SHAPE(3), PPL_ONES, PPL_POSITIVE }, PPL_ESHAPE, "parameter p has "
          "shape [2] and the model asks for [3]; use one shape, or another name, or a "
          "file of these dimensions" },
        { { "p", PPL_SHAPE(2), PPL_ONES, PPL_REAL }, PPL_EINVAL, "parameter p was "
          "positive at first and is asked for as real; use one constraint" },
        { { "p", PPL_SHAPE(2), PPL_ONES, ppl_greater_than(0) }, PPL_EINVAL, "parameter p "
          "was positive at first and is asked for as greater_than; use one constraint" },
        { { "q", PPL_SHAPE(2), PPL_ONES, ppl_constraint_boolean }, PPL_EUNSUPPORTED,
          "parameter q: a boolean value cannot be optimised; give a constraint of real "
          "numbers" },
        { { "q", PPL_SHAPE(2), PPL_ONES, { .type = NULL } }, PPL_EUNSUPPORTED, "parameter "
          "q: a (none) value cannot be optimised; give a constraint of real numbers" },
        { { "q", PPL_SHAPE(2, -1), PPL_ONES, PPL_REAL }, PPL_ESHAPE,
          "parameter q: shape [2,-1]: dimensions are 0 or more" },
        { { "q", { 9, { 0 } }, PPL_ONES, PPL_REAL }, PPL_ESHAPE,
          "parameter q: a shape of rank 9; ranks are 0 to 8" },
        { { "q", PPL_SHAPE(INT64_MAX / 2, 8), PPL_ONES, PPL_REAL }, PPL_ESHAPE,
          "parameter q: shape [4611686018427387903,8] has more elements than memory "
          "has" },
        { { "q", PPL_SCALAR, PPL_ONES, PPL_SIMPLEX }, PPL_ESHAPE,
          "parameter q: a simplex value has 1 or more axes" },
        { { "q", PPL_SHAPE(2, 3), PPL_ONES, PPL_LOWER_CHOLESKY }, PPL_ESHAPE,
          "parameter q: no lower_cholesky value has shape [2,3]; it must be a square "
          "matrix, lower triangular with a positive diagonal" },
        { { "q", PPL_SHAPE(2, 2), PPL_ONES, PPL_LOWER_CHOLESKY }, PPL_ECONSTRAINT,
          "parameter q: value is (1, 1, 1, 1); it must be a square matrix, lower "
          "triangular with a positive diagonal" },
        { { "q", PPL_SCALAR, ppl_init_values(NULL), PPL_REAL }, PPL_EINVAL,
          "parameter q: its initial values are NULL" },
        { { "q", PPL_SCALAR, ppl_init_values(one), ppl_interval(3, 2) }, PPL_ECONSTRAINT,
          "parameter q: value is 1; it must be between 3 and 2, and nothing is" },
        { { "", PPL_SCALAR, PPL_ONES, PPL_REAL }, PPL_EINVAL,
          "a name is empty; give it at least one character" },
    };
    ppl_ctx *c = start(_i);
    assert_ok(c, ppl_run(c, ask_for, asks({ "p", PPL_SHAPE(2), PPL_ONES, PPL_POSITIVE }),
                         NULL));
    for (int i = 0; i < COUNT_OF(bad); i++) {
        ask list[] = { bad[i].a, { 0 } };
        if (list[0].name[0] != '\0')
            assert_error(c, ppl_run(c, ask_for, list, NULL), bad[i].status, bad[i].text);
        else
            assert_null(c, ppl_param(c, "", PPL_SCALAR, PPL_ONES, PPL_REAL),
                        bad[i].status, bad[i].text);
        ck_assert_int_eq(ppl_param_count(c), 1);
    }
    stop(c);
}
END_TEST

START_TEST(refuses_to_read_and_write)
{
    ppl_ctx *c = start(_i);
    double x[3] = { 1, 1, 1 };
    assert_ok(c, ppl_run(c, ask_for, asks({ "p", PPL_SHAPE(2), PPL_ONES, PPL_REAL }),
                         NULL));
    assert_error(c, ppl_param_read(c, "q", x, 1), PPL_EINVAL, "ppl_param_read: there is "
                 "no parameter q among the 1 there are; a parameter is made when a model "
                 "first asks for it");
    assert_error(c, ppl_param_read(c, NULL, x, 1), PPL_EINVAL, "ppl_param_read: there is "
                 "no parameter (NULL) among the 1 there are; a parameter is made when a "
                 "model first asks for it");
    assert_error(c, ppl_param_read(c, "p", x, 3), PPL_ESHAPE,
                 "ppl_param_read: parameter p has 2 elements, not 3");
    assert_error(c, ppl_param_grad(c, "p", x, 1), PPL_ESHAPE,
                 "ppl_param_grad: parameter p has 2 elements, not 1");
    assert_error(c, ppl_param_write(c, "p", PPL_SHAPE(3), x), PPL_ESHAPE,
                 "parameter p has shape [2] and is given with shape [3]");
    assert_error(c, ppl_param_write(c, "p", PPL_SHAPE(2), NULL), PPL_EINVAL,
                 "ppl_param_write: the values of parameter p are NULL");
    assert_error(c, ppl_param_write(c, "q", PPL_SHAPE(-2), x), PPL_ESHAPE,
                 "parameter q: shape [-2]: dimensions are 0 or more");
    assert_error(c, ppl_param_write(c, NULL, PPL_SHAPE(2), x), PPL_EINVAL,
                 "a name is NULL; give it at least one character");
    ck_assert_int_eq(ppl_param_count(c), 1);
    ck_assert_double_eq(stored(c, "p", 0), 1);
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        values_lie_in_their_constraint, values_outside_are_refused,
        constraints_of_ones_own, matrices_are_stored_by_their_free_elements,
        initial_values, random_initial_values,
        random_starts_depend_on_the_name,
        later_visits_find_it, leaves_belong_to_their_epoch, values_follow_the_slab,
        layers_follow_the_slab,
        gradients_gather, the_slab_is_aligned, the_slab_grows_under_living_leaves,
        failed_runs_make_nothing, memory_may_run_out_anywhere, values_may_come_first,
        loaders_declare, a_model_may_read_and_write, refuses_parameters,
        refuses_to_read_and_write, NULL
    };
    return run_tests("store", tests);
}

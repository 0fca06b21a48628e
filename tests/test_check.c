/* SPDX-License-Identifier: MIT */
/*
 * test_check.c - what ppl_check finds in a model and guide that do not fit: a table of
 * pairs, each with all that is said of it; and that a check changes nothing.
 */
#include "inference.h"

#include <kiln/structure.h>

/* ---- Pairs ------------------------------------------------------------------------- */

typedef struct sides {
    ppl_dist *(*model)(void), *(*guide)(void);
} sides;

static void one_model(ppl_ctx *ctx, const void *arg)
{
    ppl_sample(ctx, "z", ((const sides *)arg)->model());
}

static void one_guide(ppl_ctx *ctx, const void *arg)
{
    ppl_sample(ctx, "z", ((const sides *)arg)->guide());
}

/* The only finding, or "" if there is none. */
static const char *finding_of(ppl_model model, ppl_model guide, const void *arg)
{
    static char text[600];
    const ppl_findings *f = ppl_check(c, model, guide, arg);

    ck_assert_msg(f != NULL, "%s", ppl_error_text(c));
    text[0] = '\0';
    for (int i = 0; i < f->count; i++) {
        size_t used = strlen(text);

        snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? "\n" : "",
                 f->finding[i].text);
    }
    return text;
}

/* A distribution of each family at hand. */
#define DIST(name, expression) static ppl_dist *name(void) { return expression; }
DIST(normal, ppl_normal(number(0.3), number(0.5)))
DIST(far_normal, ppl_normal(number(1000), number(1)))
DIST(normal_event, ppl_event(ppl_normal(reals(1, 2, 3), number(1)), 1))
DIST(dirichlet, ppl_dirichlet(reals(1, 2, 3)))
DIST(gamma_, ppl_gamma(number(2), number(1)))
DIST(exponential, ppl_exponential(number(2)))
DIST(beta, ppl_beta(number(2), number(3)))
DIST(coin, ppl_bernoulli(number(0.3)))
DIST(die, ppl_categorical(reals(1, 1, 1, 1, 1, 1)))
DIST(half_die, ppl_categorical(reals(1, 1, 1)))
DIST(at_half, ppl_delta(number(0.5), NULL, 0))
DIST(at_minus, ppl_delta(number(-0.5), NULL, 0))


/* Numbers from `low` to `high`; vectors that do not descend. */
static ppl_tensor *first_sample(const ppl_dist *d, const ppl_rng *rng)
{
    (void)rng;
    return ppl_expand(d->param[0], d->shape);
}

static ppl_tensor *no_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    (void)x;
    return ppl_full(d->ctx, ppl_dist_batch_shape(d), 0);
}

static void box_bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    *lower = d->param[0];
    *upper = d->param[1];
}

static const ppl_family box = {
    .name = "box", .params = 2, .param_name = { "low", "high" },
    .support = &ppl_constraint_real, .sample = first_sample, .log_prob = no_log_prob,
    .bounds = box_bounds,
};
static const ppl_family stairs = {
    .name = "stairs", .params = 1, .param_name = { "steps" }, .param_event_dim = { 1 },
    .support = &ppl_constraint_ordered_vector, .event_dim = 1, .sample = first_sample,
    .log_prob = no_log_prob,
};

static ppl_dist *box_of(ppl_tensor *low, ppl_tensor *high)
{
    return ppl_dist_make(&box, (ppl_tensor *[]){ low, high }, NULL);
}

static ppl_shape three(const ppl_dist *d)
{
    (void)d;
    return PPL_SHAPE(3);
}

/* Of shape [3], far apart, so that draws ascend. */
static ppl_dist *ascending(void)
{
    static ppl_family family;
    ppl_tensor *steps = reals(0, 100, 200);

    family = stairs;
    family.event_shape = three;
    return ppl_dist_make(&family, &steps, NULL);
}
DIST(boxes, box_of(reals(0, 0, 0), reals(1, 2, 3)))
DIST(wider_boxes, box_of(reals(0, 0, 0), reals(1, 2.5, 3)))
DIST(ascending_normals, ppl_event(ppl_normal(reals(0, 100, 200), number(1)), 1))

/* What is found of the supports of two distributions at one site; the words that all have
 * in common left out. */
START_TEST(supports)
{
    const struct {
        const char *name;
        sides sides;
        const char *outside, *unreached;
    } row[] = {
        { "the same", { normal, far_normal }, NULL, NULL },
        { "of one support", { gamma_, exponential }, NULL, NULL },
        { "a point within", { beta, at_half }, NULL, NULL },
        { "a point of the model", { at_half, normal }, NULL, NULL },
        { "vectors", { dirichlet, dirichlet }, NULL, NULL },
        { "bounds", { boxes, boxes }, NULL, NULL },
        { "too wide", { gamma_, normal },
          "gamma: value is -0.75; it must be nonnegative", NULL },
        { "all draws inside", { gamma_, far_normal },
          "gamma: value is -0.75; it must be nonnegative", NULL },
        { "too narrow", { normal, gamma_ }, NULL,
          "gamma: value is -0.75; it must be nonnegative" },
        { "on one side", { gamma_, beta }, NULL,
          "beta: value is 1.7; it must be between 0 and 1" },
        { "a point outside", { beta, at_minus },
          "beta: value is -0.5; it must be between 0 and 1", NULL },
        { "more values", { half_die, die },
          "categorical: value is 3; it must be an integer from 0 to 2", NULL },
        { "fewer values", { die, half_die }, NULL,
          "categorical: value is 3; it must be an integer from 0 to 2" },
        { "vectors, one of them", { dirichlet, normal_event },
          "dirichlet: value is (-0.75, -0.75, -0.75); it must be nonnegative, with sum 1",
          NULL },
        { "vectors, the other", { normal_event, dirichlet }, NULL,
          "dirichlet: value is (-0.75, -0.75, -0.75); it must be nonnegative, with sum 1" },
        { "one element wider", { boxes, wider_boxes },
          "box: value[1] is 2.125; it must be between 0 and 2", NULL },
        { "one element narrower", { wider_boxes, boxes }, NULL,
          "box: value[1] is 2.125; it must be between 0 and 2" },
        { "all draws ascend", { ascending, ascending_normals }, "", NULL },
        { "vectors that ascend", { ascending_normals, ascending }, NULL, "" },
        { "the same vectors", { ascending, ascending }, NULL, NULL },
    };

    begin(_i);
    for (int i = 0; i < COUNT_OF(row); i++) {
        const sides *s = &row[i].sides;
        char text[600] = "";

        if (row[i].outside != NULL)
            snprintf(text, sizeof text, "the guide's %s can propose what the model does "
                     "not have: %s; give the guide a family with the support of the model's %s",
                     s->guide()->family->name, row[i].outside, s->model()->family->name);
        if (row[i].unreached != NULL)
            snprintf(text, sizeof text, "the guide cannot propose all that the model's "
                     "%s has: %s; give the guide a family with the support of the model's",
                     s->model()->family->name, row[i].unreached);
        if (strstr(text, ": ; ") != NULL)   /* the value is of no interest */
            *strstr(text, ": ; ") = '\0';
        ck_assert_msg(strncmp(finding_of(one_model, one_guide, s), text, strlen(text)) == 0 &&
                          (text[0] == '\0') == (finding_of(one_model, one_guide, s)[0] == '\0'),
                      "%s: \"%s\", not \"%s\"", row[i].name,
                      finding_of(one_model, one_guide, s), text);
    }
    ck_assert_str_eq(finding_of(one_model, one_guide, &(sides){ beta, coin }),
                     "the guide's bernoulli is discrete and the model's beta is "
                     "continuous; give the guide a family of the model's kind");
    end();
}
END_TEST

/* ---- Sites, shapes, plates --------------------------------------------------------- */

typedef enum fault {
    NONE, GUIDE_ONLY, MODEL_ONLY, OBSERVED, PARAMETER, DETERMINISTIC, AUXILIARY,
    GUIDE_OBSERVES, EVENT_DIM, SHAPE, PLATE_OF_GUIDE, PLATE_OF_MODEL, OUT_OF_PLATE, SIZE,
    SUBSAMPLE, AXIS, LOOP, FAULTS
} fault;

static ppl_dist *standard_of(ppl_ctx *ctx, int64_t n)
{
    return n > 0 ? standard(ctx, PPL_SHAPE(n)) : standard(ctx, PPL_SCALAR);
}

static void faulty_model(ppl_ctx *ctx, const void *arg)
{
    const fault f = *(const fault *)arg;
    ppl_handler *rows = ppl_plate(ctx, "rows", 4, &(ppl_plate_opts){ .dim = f == AXIS ? -2
                                                                                      : 0 });
    ppl_scope s;

    if (f != GUIDE_ONLY)
        for (int t = 0; t < 3; t++)
            ppl_sample_at(ctx, "z", t, standard_of(ctx, 0));
    if (f == OBSERVED)
        ppl_observe(ctx, "a", standard_of(ctx, 0), number(0));
    if (f == PARAMETER)
        ppl_param(ctx, "a", PPL_SCALAR, PPL_ZEROS, PPL_REAL);
    if (f == DETERMINISTIC)
        ppl_deterministic(ctx, "a", number(1));
    if (f == AUXILIARY || f == GUIDE_OBSERVES)
        ppl_sample(ctx, "a", standard_of(ctx, 0));
    ppl_sample(ctx, "b", ppl_event(standard_of(ctx, 3), f != EVENT_DIM));
    s = f != PLATE_OF_GUIDE ? ppl_push(ctx, rows) : ppl_push(ctx, NULL);
    ppl_sample(ctx, "w", standard_of(ctx, f == AXIS || f != PLATE_OF_GUIDE ? 0 : 4));
    ppl_pop(ctx, s);
}

static void faulty_guide(ppl_ctx *ctx, const void *arg)
{
    const fault f = *(const fault *)arg;
    ppl_handler *rows;
    ppl_scope s;

    if (f != MODEL_ONLY)
        for (int t = 0; t < 3; t++)
            ppl_sample_at(ctx, "z", t, standard_of(ctx, 0));
    if (f == OBSERVED || f == PARAMETER || f == DETERMINISTIC)
        ppl_sample(ctx, "a", standard_of(ctx, 0));
    if (f == AUXILIARY)
        ppl_sample_auxiliary(ctx, "a", PPL_NO_INDEX, standard_of(ctx, 0));
    if (f == GUIDE_OBSERVES)
        ppl_observe(ctx, "a", standard_of(ctx, 0), number(0));
    ppl_sample_auxiliary(ctx, "u", PPL_NO_INDEX, standard_of(ctx, 0));
    ppl_sample(ctx, "b", ppl_event(standard_of(ctx, f == SHAPE ? 2 : 3), 1));
    if (f == PLATE_OF_MODEL || f == OUT_OF_PLATE) {
        ppl_sample(ctx, "w", standard_of(ctx, 4));
        if (f == OUT_OF_PLATE)
            ppl_plate(ctx, "rows", 4, NULL);
        return;
    }
    rows = ppl_plate(ctx, f == PLATE_OF_GUIDE ? "others" : "rows", f == SIZE ? 5 : 4,
                     &(ppl_plate_opts){ .subsample_size = f == SUBSAMPLE ? 2 : 0,
                                        .dim = f == AXIS ? -1 : 0 });
    s = ppl_push(ctx, rows);
    ppl_sample(ctx, "w", standard_of(ctx, 0));
    ppl_pop(ctx, s);
}

static const struct {
    ppl_finding_kind kind;
    const char *name;
    int64_t first, last;
    const char *text;
} faults[FAULTS][3] = {
    [GUIDE_ONLY] = { { PPL_FOUND_GUIDE_ONLY, "z", 0, 2, "the model has no such site; "
        "give it the name of a latent of the model, or sample it with ppl_sample_auxiliary" } },
    [MODEL_ONLY] = { { PPL_FOUND_MODEL_ONLY, "z", 0, 2, "latent in the model, and the "
        "guide has no such site; sample it in the guide, or observe it" } },
    [OBSERVED] = { { PPL_FOUND_ROLES, "a", -1, -1, "latent in the guide and observed in "
        "the model; the guide samples the model's latents only" } },
    [PARAMETER] = { { PPL_FOUND_ROLES, "a", -1, -1, "latent in the guide and a parameter "
        "in the model; the guide samples the model's latents only" } },
    [DETERMINISTIC] = { { PPL_FOUND_ROLES, "a", -1, -1, "latent in the guide and a "
        "deterministic value in the model; the guide samples the model's latents only" } },
    [AUXILIARY] = { { PPL_FOUND_ROLES, "a", -1, -1, "auxiliary in the guide and latent "
        "in the model; sample it in the guide with ppl_sample, or rename it" } },
    [GUIDE_OBSERVES] = { { PPL_FOUND_ROLES, "a", -1, -1, "observed in the guide and "
        "latent in the model; sample it in the guide, or rename one of them" } },
    [EVENT_DIM] = { { PPL_FOUND_EVENT_DIM, "b", -1, -1, "event dims 1 in the guide and 0 "
        "in the model; make them equal with ppl_event" } },
    [SHAPE] = { { PPL_FOUND_SHAPE, "b", -1, -1, "shape [2] in the guide and [3] in the "
        "model; give the guide's parameters the model's shape, or expand it (ppl_expand_dist)" } },
    [PLATE_OF_GUIDE] = {
        { PPL_FOUND_PLATES, "others", -1, -1, "a plate of the guide that the model does "
          "not have; make it in the model too, or give the guide's sites an event axis "
          "(ppl_event)" },
        { PPL_FOUND_PLATES, "w", -1, -1, "it is in plate others in the guide and not in "
          "the model; push the plate around it in both or in neither" } },
    [PLATE_OF_MODEL] = { { PPL_FOUND_PLATES, "w", -1, -1, "it is in plate rows in the "
        "model and not in the guide; push the plate around it in both or in neither" } },
    [OUT_OF_PLATE] = { { PPL_FOUND_PLATES, "w", -1, -1, "it is in plate rows in the "
        "model and not in the guide; push the plate around it in both or in neither" } },
    [SIZE] = {
        { PPL_FOUND_PLATES, "w", -1, -1, "plate rows has size 5 of 5 in the guide and 4 "
          "of 4 in the model; give it one size and subsample_size in both" },
        { PPL_FOUND_SHAPE, "w", -1, -1, "shape [5] in the guide and [4] in the model; "
          "give the guide's parameters the model's shape, or expand it (ppl_expand_dist)" } },
    [SUBSAMPLE] = {
        { PPL_FOUND_PLATES, "w", -1, -1, "plate rows has size 2 of 4 in the guide and 4 "
          "of 4 in the model; give it one size and subsample_size in both" },
        { PPL_FOUND_SHAPE, "w", -1, -1, "shape [2] in the guide and [4] in the model; "
          "give the guide's parameters the model's shape, or expand it (ppl_expand_dist)" } },
    [AXIS] = {
        { PPL_FOUND_PLATES, "w", -1, -1, "plate rows has axis -1 in the guide and -2 in "
          "the model (0: a loop); set `dim` in both" },
        { PPL_FOUND_SHAPE, "w", -1, -1, "shape [4] in the guide and [4,1] in the model; "
          "give the guide's parameters the model's shape, or expand it (ppl_expand_dist)" } },
};

START_TEST(sites_shapes_and_plates)
{
    begin(_i);
    for (fault f = NONE; f < FAULTS; f++) {
        const ppl_findings *found = ppl_check(c, faulty_model, faulty_guide, &f);
        int expected = 0;

        ck_assert_msg(found != NULL, "%d: %s", f, ppl_error_text(c));
        while (expected < 3 && faults[f][expected].text != NULL)
            expected++;
        ck_assert_msg(found->count == expected, "%d: %d findings, the last %s", f,
                      found->count, found->count > 0 ? found->finding[found->count - 1].text
                                                     : "");
        for (int i = 0; i < expected; i++) {
            const ppl_finding *a = &found->finding[i];

            ck_assert_str_eq(a->text, faults[f][i].text);
            ck_assert_str_eq(a->name, faults[f][i].name);
            ck_assert_int_eq(a->kind, faults[f][i].kind);
            ck_assert_int_eq(a->first, faults[f][i].first);
            ck_assert_int_eq(a->last, faults[f][i].last);
        }
    }
    end();
}
END_TEST

/* ---- What a check leaves ----------------------------------------------------------- */

static void fit_model(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", standard(ctx, PPL_SCALAR));
}

static void fit_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", ppl_normal(ppl_param(ctx, "loc", PPL_SCALAR, PPL_ZEROS, PPL_REAL),
                                    number(1)));
    if (arg != NULL)
        ppl_fail(ctx, PPL_EIO, "the guide fails");
}

static void fails_hook(void *user, ppl_status status, const char *text)
{
    (void)status, (void)text;
    ++*(int *)user;
}

/* No parameter, no step, no error, no hook, no memory but the findings. */
START_TEST(nothing_is_changed)
{
    const fault f = GUIDE_ONLY;
    uint64_t before[2], after[2];
    int errors = 0;

    begin(_i);
    ppl_set_error_hook(c, fails_hook, &errors);
    ppl_rng_state(c, &before[0], &before[1]);
    ck_assert_int_eq(ppl_check(c, fit_model, fit_guide, NULL)->count, 0);
    ck_assert_int_eq(ppl_check(c, one_model, one_guide, &(sides){ beta, normal })->count, 1);
    ck_assert_int_eq(ppl_check(c, faulty_model, faulty_guide, &f)->count, 1);
    ppl_rng_state(c, &after[0], &after[1]);
    ck_assert(before[0] == after[0] && before[1] == after[1]);
    ck_assert_int_eq(ppl_param_count(c), 0);
    ck_assert_int_eq(ppl_error(c), PPL_OK);
    ck_assert_str_eq(ppl_error_text(c), "");
    ck_assert_int_eq(errors, 0);
    ck_assert_ptr_null(ppl_check(c, fit_model, fit_guide, ""));
    ck_assert_str_eq(error_text(), "the guide fails\n  after site z; 1 site and 1 "
                                   "parameter visited");
    ck_assert_ptr_null(ppl_check(c, NULL, fit_guide, NULL));
    ck_assert_int_eq(ppl_error(c), PPL_EINVAL);
    ck_assert_int_eq(ppl_param_count(c), 0);
    end();
}
END_TEST

START_TEST(findings_are_written)
{
    const fault f = GUIDE_ONLY, g = SIZE, h = NONE;
    char text[2000];
    FILE *out = tmpfile(), *full = fopen("/dev/full", "w");

    begin(_i);
    OK(ppl_findings_write(ppl_check(c, faulty_model, faulty_guide, &f), out));
    OK(ppl_findings_write(ppl_check(c, faulty_model, faulty_guide, &g), out));
    OK(ppl_findings_write(ppl_check(c, faulty_model, faulty_guide, &h), out));
    rewind(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    fclose(out);
    ck_assert_str_eq(text,
        "z[0..2]: the model has no such site; give it the name of a latent of the model, "
        "or sample it with ppl_sample_auxiliary\n"
        "w: plate rows has size 5 of 5 in the guide and 4 of 4 in the model; give it one "
        "size and subsample_size in both\n"
        "w: shape [5] in the guide and [4] in the model; give the guide's parameters the "
        "model's shape, or expand it (ppl_expand_dist)\n"
        "model and guide fit\n");
    ck_assert_int_eq(ppl_findings_write(NULL, stderr), PPL_EINVAL);
    if (full != NULL) {
        FAILS(ppl_findings_write(ppl_check(c, faulty_model, faulty_guide, &f), full), PPL_EIO,
              "ppl_findings_write: the file could not be written");
        fclose(full);
    }
    end();
}
END_TEST

/* Also from SVI, which has the model and the guide. */
START_TEST(svi_checks)
{
    ppl_svi *svi;

    begin(_i);
    svi = ppl_svi_new(c, fit_model, fit_guide, ppl_trace_elbo(c, NULL), ppl_adam(c, NULL));
    ck_assert_int_eq(ppl_svi_check(svi, NULL)->count, 0);
    ck_assert_ptr_null(ppl_svi_check(NULL, NULL));
    ppl_svi_free(svi);
    end();
}
END_TEST

START_TEST(out_of_memory)
{
    const fault f = SIZE;
    long n = 0, refused = 1;

    while (refused) {
        const ppl_findings *found;

        begin(_i);
        memory.refuse_at = memory.calls + ++n;
        found = ppl_check(c, faulty_model, faulty_guide, &f);
        refused = memory.calls >= memory.refuse_at;
        memory.refuse_at = 0;
        ck_assert((found == NULL) == refused);
        ck_assert_int_eq(ppl_error(c), refused ? PPL_ENOMEM : PPL_OK);
        found = ppl_check(c, faulty_model, faulty_guide, &f);
        ck_assert_msg(found != NULL, "%ld: %s", n, ppl_error_text(c));
        ck_assert_int_eq(found->count, 2);
        end();
    }
    ck_assert_int_gt(n, 5);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { supports, sites_shapes_and_plates,
                                   nothing_is_changed, findings_are_written, svi_checks,
                                   out_of_memory, NULL };

    return run_tests("check", tests);
}

/* SPDX-License-Identifier: MIT */
/*
 * check.c - in which ways a guide does not fit its model, all of them, before any step.
 *
 * The guide is run, then the model with the guide's values wherever they are possible
 * values there (a site where they are not takes a draw of its own), and the two traces are
 * compared. One support holds another if no value of the other is found that it refuses:
 * see the candidates below.
 */
#include <kiln/distributions.h>
#include <kiln/structure.h>

#include <math.h>
#include <string.h>

typedef struct check {
    ppl_ctx *ctx;
    ppl_trace *model, *guide;
    ppl_finding *finding;           /* beyond the epoch of the check */
    int count, capacity;
} check;

/* ---- Findings ---------------------------------------------------------------------- */

static int make_room(check *k)
{
    int capacity = k->capacity > 0 ? 2 * k->capacity : 8;
    size_t size = (size_t)k->capacity * sizeof *k->finding;
    ppl_finding *larger;

    if (k->count < k->capacity)
        return 1;
    larger = ppl_persistent_alloc(k->ctx, (size_t)capacity * sizeof *larger);
    if (larger == NULL)
        return 0;
    if (size > 0)
        memcpy(larger, k->finding, size);
    ppl_persistent_free(k->ctx, k->finding, size);
    k->finding = larger;
    k->capacity = capacity;
    return 1;
}

/* Adds what is true of a site, or lengthens the finding that is true of the one before. */
static void add(check *k, ppl_finding_kind kind, const ppl_msg *m, const char *text)
{
    for (int i = k->count - 1; i >= 0; i--) {
        ppl_finding *f = &k->finding[i];

        if (f->kind == kind && f->name == m->name && m->index >= 0 &&
            f->last == m->index - 1 && strcmp(f->text, text) == 0) {
            f->last = m->index;
            return;
        }
    }
    if (!make_room(k))
        return;
    k->finding[k->count] = (ppl_finding){ kind, m->name, m->index, m->index, "" };
    snprintf(k->finding[k->count].text, sizeof k->finding->text, "%s", text);
    k->count++;
}

#define ADD(k, kind, m, ...)                                                               \
    do {                                                                                   \
        char add_text[sizeof((ppl_finding *)0)->text];                                     \
                                                                                           \
        snprintf(add_text, sizeof add_text, __VA_ARGS__);                                  \
        add(k, kind, m, add_text);                                                         \
    } while (0)

/* ---- The runs ---------------------------------------------------------------------- */

/* Like replay, but of a value that a site does not admit: that site draws. */
typedef struct follow {
    ppl_handler base;
    const ppl_trace *guide;
} follow;

static int is_latent(const ppl_msg *m)
{
    return m->kind == PPL_SITE_SAMPLE && (m->flags & PPL_OBSERVED) == 0;
}

static void follow_process(ppl_handler *h, ppl_msg *m)
{
    const ppl_msg *q;
    char why[8];

    if (!is_latent(m))
        return;
    q = ppl_trace_find(((const follow *)h)->guide, m->name, m->index);
    if (q == NULL || !is_latent(q) || !ppl_dist_admits(m->dist, q->value, why, sizeof why))
        return;
    m->value = q->value;
    m->flags |= PPL_DONE;
}

static const ppl_handler_ops follow_ops = { .name = "follow", .process = follow_process };

static int run_both(check *k, ppl_model model, ppl_model guide, const void *arg)
{
    follow *f = ppl_alloc(k->ctx, sizeof *f);

    k->guide = f != NULL ? ppl_get_trace(k->ctx, guide, arg, NULL) : NULL;
    if (k->guide == NULL)
        return 0;
    f->base.ops = &follow_ops;
    f->guide = k->guide;
    k->model = ppl_get_trace(k->ctx, model, arg, (ppl_handler *[]){ &f->base, NULL });
    return k->model != NULL;
}

/* ---- Supports ---------------------------------------------------------------------- */

/*
 * Candidates: values of `from` that `into` may refuse. Numbers on both sides of the usual
 * bounds (not on them: where supports differ in a point, nothing is ever drawn there);
 * numbers beyond the bounds of `into`; images of random numbers under the map onto the
 * support; draws.
 */
static const double numbers[] = { -0.75, 0.3, 0.7, 1.7, -2.5, 3.2, -1000.5, 1000.5 };
static const double integers[] = { 0, 1, 2, 3, 4, 5, 10, 1000, -1, -2, -1000 };
enum { NUMBERS = sizeof numbers / sizeof *numbers, IMAGES = 3, DRAWS = 4 };
enum { INTEGERS = sizeof integers / sizeof *integers };

typedef struct search {
    ppl_dist *from, *into;
    char *why;                      /* what `into` says of the value that was found */
    size_t size;
} search;

/* Whether it is a value of `from` that `into` refuses. */
static int parts(const search *s, ppl_tensor *value)
{
    char unused[8];

    return ppl_dist_admits(s->from, value, unused, sizeof unused) &&
           !ppl_dist_admits(s->into, value, s->why, s->size) && ppl_ok(s->from->ctx);
}

static int is_discrete(const ppl_dist *d)
{
    return (d->family->flags & PPL_DISCRETE) != 0;
}

/* x at every element, in the type of d's values. */
static ppl_tensor *filled(const ppl_dist *d, double x)
{
    const int64_t whole = (int64_t)x;

    if (d->family->value_dtype != PPL_I64)
        return ppl_full(d->ctx, d->shape, x);
    return ppl_expand(ppl_from_integers(d->ctx, PPL_SCALAR, &whole), d->shape);
}

static int number_parts(const search *s)
{
    const double *x = is_discrete(s->from) ? integers : numbers;
    int count = is_discrete(s->from) ? INTEGERS : NUMBERS;

    for (int i = 0; i < count; i++)
        if (parts(s, filled(s->from, x[i])))
            return 1;
    return 0;
}

/* The bounds of a distribution's values, element by element; 0 when out of memory. */
static int bounds_of(const ppl_dist *d, double **lower, double **upper)
{
    ppl_tensor *bound[2] = { NULL, NULL };
    double **out[2] = { lower, upper };
    const ppl_constraint *k = d->family->support;
    ppl_tensor *all = ppl_full(d->ctx, d->shape, 0);
    int64_t n = ppl_numel(all);

    if (d->family->bounds != NULL)
        d->family->bounds(d, &bound[0], &bound[1]);
    for (int side = 0; side < 2; side++) {
        double *x = *out[side] = ppl_alloc(d->ctx, (size_t)n * sizeof *x);
        int bounded = k != NULL && k->lower < k->upper;
        double constant = side == 0 ? (bounded ? k->lower : -INFINITY)
                                    : (bounded ? k->upper : INFINITY);

        if (x == NULL)
            return 0;
        for (int64_t i = 0; i < n; i++)
            x[i] = constant;
        if (bound[side] != NULL)
            ppl_read(ppl_expand(bound[side], d->shape), x, n);
    }
    return ppl_ok(d->ctx);
}

/* A little beyond each bound of `into`, as far as `from` goes. */
static int bound_parts(const search *s)
{
    int64_t n = ppl_numel(ppl_full(s->from->ctx, s->from->shape, 0));
    double *low[2], *high[2], step = is_discrete(s->from) ? 1 : 0.125;
    double *x = ppl_alloc(s->from->ctx, (size_t)n * sizeof *x);
    int64_t *whole = ppl_alloc(s->from->ctx, (size_t)n * sizeof *whole);

    if (x == NULL || whole == NULL || !bounds_of(s->from, &low[0], &high[0]) ||
        !bounds_of(s->into, &low[1], &high[1]))
        return 0;
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < n; i++) {
            x[i] = side == 0 ? low[1][i] - step : high[1][i] + step;
            x[i] = isfinite(x[i]) ? x[i] : isfinite(low[0][i]) ? low[0][i] + step
                                   : isfinite(high[0][i]) ? high[0][i] - step : 0;
            x[i] = fmin(fmax(x[i], low[0][i]), high[0][i]);
            whole[i] = (int64_t)x[i];
        }
        if (parts(s, s->from->family->value_dtype == PPL_I64
                         ? ppl_from_integers(s->from->ctx, s->from->shape, whole)
                         : ppl_from_doubles(s->from->ctx, s->from->shape, x)))
            return 1;
    }
    return 0;
}

static int image_parts(const search *s)
{
    const ppl_constraint *k = s->from->family->support;
    const ppl_constraint_map *map = k != NULL ? ppl_constraint_bijection(k) : NULL;
    ppl_shape shape = s->from->shape;
    ppl_rng rng = { { 1, 2 } };
    double *noise;
    size_t n;

    if (map == NULL || is_discrete(s->from) ||
        (map->shape != NULL && !map->shape(k, &shape)))
        return 0;
    n = (size_t)ppl_numel(ppl_full(s->from->ctx, shape, 0));
    noise = ppl_alloc(s->from->ctx, n * sizeof *noise);
    for (uint32_t i = 0; i < IMAGES && noise != NULL; i++) {
        ppl_rng_normals(&rng, i, n, noise);
        if (parts(s, map->to_constrained(k, ppl_from_doubles(s->from->ctx, shape, noise))))
            return 1;
    }
    return 0;
}

static int draw_parts(const search *s)
{
    for (uint32_t i = 0; i < DRAWS; i++)
        if (parts(s, ppl_dist_sample(s->from, &(ppl_rng){ { 3, i } })))
            return 1;
    return 0;
}

/* Whether a value of `from` is found that `into` refuses. A point has but one value. */
static int differs(ppl_dist *from, ppl_dist *into, char *why, size_t size)
{
    const search s = { from, into, why, size };

    if (from->family == &ppl_family_delta)
        return draw_parts(&s);
    return (from->family->event_dim == 0 && (number_parts(&s) || bound_parts(&s))) ||
           image_parts(&s) || draw_parts(&s);
}

/* A guide at a point reaches but that, and is meant to (MAP). */
static void compare_supports(check *k, const ppl_msg *q, const ppl_msg *p)
{
    const char *of_q = q->dist->family->name, *of_p = p->dist->family->name;
    int is_point = q->dist->family == &ppl_family_delta;
    char why[192];

    if (p->dist->family == &ppl_family_delta)
        return;
    if (is_discrete(q->dist) != is_discrete(p->dist) && !is_point)
        ADD(k, PPL_FOUND_OUTSIDE, q, "the guide's %s is %s and the model's %s is %s; "
            "give the guide a family of the model's kind", of_q,
            is_discrete(q->dist) ? "discrete" : "continuous", of_p,
            is_discrete(p->dist) ? "discrete" : "continuous");
    else if (differs(q->dist, p->dist, why, sizeof why))
        ADD(k, PPL_FOUND_OUTSIDE, q, "the guide's %s can propose what the model does not "
            "have: %s; give the guide a family with the support of the model's %s", of_q,
            why, of_p);
    else if (!is_point && differs(p->dist, q->dist, why, sizeof why))
        ADD(k, PPL_FOUND_UNREACHED, q, "the guide cannot propose all that the model's %s "
            "has: %s; give the guide a family with the support of the model's", of_p, why);
}

/* ---- Shapes and plates ------------------------------------------------------------- */

static int same_shape(const ppl_shape *a, const ppl_shape *b)
{
    return a->rank == b->rank &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0;
}

static void compare_shapes(check *k, const ppl_msg *q, const ppl_msg *p)
{
    char of_q[PPL_SHAPE_TEXT], of_p[PPL_SHAPE_TEXT];

    if (q->dist->event_dim != p->dist->event_dim)
        ADD(k, PPL_FOUND_EVENT_DIM, q, "event dims %d in the guide and %d in the model; "
            "make them equal with ppl_event", q->dist->event_dim, p->dist->event_dim);
    if (!same_shape(&q->dist->shape, &p->dist->shape))
        ADD(k, PPL_FOUND_SHAPE, q, "shape %s in the guide and %s in the model; give the "
            "guide's parameters the model's shape, or expand it (ppl_expand_dist)",
            ppl_shape_text(&q->dist->shape, of_q), ppl_shape_text(&p->dist->shape, of_p));
    else
        compare_supports(k, q, p);
}

static const ppl_frame *frame_of(const ppl_msg *m, ppl_name plate)
{
    const ppl_frame *f = m->plates;

    while (f != NULL && f->name != plate)
        f = f->inner;
    return f;
}

static void compare_frames(check *k, const ppl_msg *q, const ppl_frame *f,
                           const ppl_frame *g)
{
    if (f->size != g->size || f->full_size != g->full_size)
        ADD(k, PPL_FOUND_PLATES, q, "plate %s has size %lld of %lld in the guide and "
            "%lld of %lld in the model; give it one size and subsample_size in both", f->name,
            (long long)f->size, (long long)f->full_size, (long long)g->size,
            (long long)g->full_size);
    else if (f->dim != g->dim)
        ADD(k, PPL_FOUND_PLATES, q, "plate %s has axis %d in the guide and %d in the "
            "model (0: a loop); set `dim` in both", f->name, f->dim, g->dim);
}

static void compare_plates(check *k, const ppl_msg *q, const ppl_msg *p)
{
    for (const ppl_frame *f = q->plates; f != NULL; f = f->inner) {
        const ppl_frame *g = frame_of(p, f->name);

        if (g != NULL)
            compare_frames(k, q, f, g);
        else
            ADD(k, PPL_FOUND_PLATES, q, "it is in plate %s in the guide and not in the "
                "model; push the plate around it in both or in neither", f->name);
    }
    for (const ppl_frame *g = p->plates; g != NULL; g = g->inner)
        if (frame_of(q, g->name) == NULL)
            ADD(k, PPL_FOUND_PLATES, q, "it is in plate %s in the model and not in the "
                "guide; push the plate around it in both or in neither", g->name);
}

/* ---- Sites ------------------------------------------------------------------------- */

static const char *role(const ppl_msg *m)
{
    switch (m->kind) {
    case PPL_SITE_SAMPLE:
        return (m->flags & PPL_OBSERVED) != 0 ? "observed" : "latent";
    case PPL_SITE_PARAM:
        return "a parameter";
    case PPL_SITE_DETERMINISTIC:
        return "a deterministic value";
    default:
        return "a plate";
    }
}

/* A site of the guide, with the model's of that address. */
static void compare_site(check *k, const ppl_msg *q)
{
    const ppl_msg *p = ppl_trace_find(k->model, q->name, q->index);

    if (q->kind == PPL_SITE_SUBSAMPLE && p == NULL) {
        ADD(k, PPL_FOUND_PLATES, q, "a plate of the guide that the model does not have; "
            "make it in the model too, or give the guide's sites an event axis (ppl_event)");
    } else if (!is_latent(q)) {
        if (p != NULL && is_latent(p))
            ADD(k, PPL_FOUND_ROLES, q, "%s in the guide and latent in the model; sample "
                "it in the guide, or rename one of them", role(q));
    } else if ((q->flags & PPL_AUXILIARY) != 0) {
        if (p != NULL)
            ADD(k, PPL_FOUND_ROLES, q, "auxiliary in the guide and %s in the model; "
                "sample it in the guide with ppl_sample, or rename it", role(p));
    } else if (p == NULL) {
        ADD(k, PPL_FOUND_GUIDE_ONLY, q, "the model has no such site; give it the name of "
            "a latent of the model, or sample it with ppl_sample_auxiliary");
    } else if (!is_latent(p)) {
        ADD(k, PPL_FOUND_ROLES, q, "latent in the guide and %s in the model; the guide "
            "samples the model's latents only", role(p));
    } else {
        compare_plates(k, q, p);
        compare_shapes(k, q, p);
    }
}

static void compare(check *k)
{
    for (int i = 0; i < ppl_trace_count(k->guide) && ppl_ok(k->ctx); i++)
        compare_site(k, ppl_trace_at(k->guide, i));
    for (int i = 0; i < ppl_trace_count(k->model) && ppl_ok(k->ctx); i++) {
        const ppl_msg *p = ppl_trace_at(k->model, i);

        if (is_latent(p) && ppl_trace_find(k->guide, p->name, p->index) == NULL)
            ADD(k, PPL_FOUND_MODEL_ONLY, p, "latent in the model, and the guide has no "
                "such site; sample it in the guide, or observe it");
    }
}

/* ---- The check --------------------------------------------------------------------- */

/* The findings in the memory of the current epoch. */
static ppl_findings *keep(const check *k)
{
    ppl_findings *f = ppl_alloc(k->ctx, sizeof *f);
    ppl_finding *copy = ppl_alloc(k->ctx, (size_t)k->count * sizeof *copy);

    if (f == NULL || copy == NULL)
        return NULL;
    if (k->count > 0)
        memcpy(copy, k->finding, (size_t)k->count * sizeof *copy);
    *f = (ppl_findings){ k->ctx, k->count, copy };
    return f;
}

const ppl_findings *ppl_check(ppl_ctx *c, ppl_model model, ppl_model guide,
                              const void *arg)
{
    check k = { .ctx = c };
    ppl_findings *found = NULL;
    uint64_t seed, step;
    ppl_epoch mark;
    int params;

    if (ppl_boundary_enter(c) != PPL_OK)
        return NULL;
    params = ppl_param_count(c);
    ppl_rng_state(c, &seed, &step);
    mark = ppl_epoch_begin(c);
    if (ppl_ok(c) && run_both(&k, model, guide, arg))
        compare(&k);
    ppl_epoch_end(c, mark);
    ppl_param_rollback(c, params);
    ppl_set_rng_state(c, seed, step);
    if (ppl_ok(c))
        found = keep(&k);
    ppl_persistent_free(c, k.finding, (size_t)k.capacity * sizeof *k.finding);
    return ppl_boundary_leave(c) == PPL_OK ? found : NULL;
}

static void write_finding(const ppl_finding *f, FILE *out)
{
    fputs(f->name, out);
    if (f->first >= 0 && f->last > f->first)
        fprintf(out, "[%lld..%lld]", (long long)f->first, (long long)f->last);
    else if (f->first >= 0)
        fprintf(out, "[%lld]", (long long)f->first);
    fprintf(out, ": %s\n", f->text);
}

ppl_status ppl_findings_write(const ppl_findings *f, FILE *out)
{
    if (f == NULL)
        return PPL_EINVAL;
    if (ppl_boundary_enter(f->ctx) != PPL_OK)
        return ppl_error(f->ctx);
    for (int i = 0; i < f->count; i++)
        write_finding(&f->finding[i], out);
    if (f->count == 0)
        fputs("model and guide fit\n", out);
    if (fflush(out) != 0 || ferror(out))
        ppl_fail(f->ctx, PPL_EIO, "ppl_findings_write: the file could not be written");
    return ppl_boundary_leave(f->ctx);
}

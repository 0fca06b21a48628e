/* SPDX-License-Identifier: MIT */
/*
 * log_density.c - a model's joint log density as a function of unconstrained numbers.
 *
 * A handler outside the user's supplies the latents: the part of the leaf u that is theirs,
 * through the bijection of their support. Where the support's bounds depend on parameters
 * they are tensors, and the bijection is made of them here. Parameters lose their gradient.
 * What is added up: log p of each sample site, scaled, and log |det dz/du| of each latent.
 */
#include <kiln/log_density.h>

#include <kiln/constraint.h>
#include <kiln/distributions.h>

#include <math.h>
#include <string.h>

struct ppl_log_density {
    ppl_handler base;               /* supplies the latents */
    ppl_ctx *ctx;
    ppl_model model;
    const void *arg;
    ppl_handler **handlers;         /* itself, then the user's */
    ppl_latent *latent;
    ppl_tensor **value;             /* of each latent, in the latest run */
    int latents, visited;
    int64_t size;
    ppl_tensor *u;                  /* the leaf */
    const double *given;            /* constrained values to be unconstrained, or NULL */
    int64_t at;                     /* which of them is next */
    double *free;                   /* where their unconstrained numbers go */
    ppl_tensor **root;              /* of the latest run */
    double *weight;
    int roots, capacity;
    ppl_program *program;           /* NULL: the model is run each time */
};

/* ---- Bijections -------------------------------------------------------------------- */

/* The bounds of a support that depend on parameters, or NULL. */
typedef struct bounds {
    ppl_tensor *lower, *upper;
} bounds;

static bounds bounds_of(const ppl_dist *d)
{
    bounds b = { NULL, NULL };

    if (d->family->bounds != NULL)
        d->family->bounds(d, &b.lower, &b.upper);
    return b;
}

static ppl_tensor *to_bounded(const bounds *b, ppl_tensor *t)
{
    if (b->lower != NULL && b->upper != NULL)
        return ppl_lerp(b->lower, b->upper, ppl_sigmoid(t));
    return b->lower != NULL ? ppl_add(b->lower, ppl_exp(t)) : ppl_sub(b->upper, ppl_exp(t));
}

static ppl_tensor *from_bounded(const bounds *b, ppl_tensor *x)
{
    ppl_tensor *above = b->lower != NULL ? ppl_sub(x, b->lower) : NULL;
    ppl_tensor *below = b->upper != NULL ? ppl_sub(b->upper, x) : NULL;

    if (above == NULL || below == NULL)
        return ppl_log(above != NULL ? above : below);
    return ppl_sub(ppl_log(above), ppl_log(below));
}

/* log width + log s(t) + log s(-t), where it is a sigmoid; else t. */
static ppl_tensor *bounded_log_det(const bounds *b, ppl_tensor *t)
{
    if (b->lower == NULL || b->upper == NULL)
        return t;
    return ppl_sub(ppl_log(ppl_sub(b->upper, b->lower)),
                   ppl_add(ppl_softplus(t), ppl_softplus(ppl_neg(t))));
}

/* ---- One run ----------------------------------------------------------------------- */

static int note_root(ppl_log_density *d, ppl_tensor *root, double weight)
{
    if (d->roots == d->capacity) {
        int larger = 2 * d->capacity + 16;
        ppl_tensor **root_array = ppl_alloc(d->ctx, (size_t)larger * sizeof *root_array);
        double *weights = ppl_alloc(d->ctx, (size_t)larger * sizeof *weights);

        if (root_array == NULL || weights == NULL)
            return 0;
        if (d->roots > 0) {
            memcpy(root_array, d->root, (size_t)d->roots * sizeof *root_array);
            memcpy(weights, d->weight, (size_t)d->roots * sizeof *weights);
        }
        d->root = root_array;
        d->weight = weights;
        d->capacity = larger;
    }
    d->root[d->roots] = root;
    d->weight[d->roots++] = weight;
    return root != NULL;
}

/* The row of the latent that is visited now; NULL with the error recorded if the model has
 * taken another way than when it was first run. */
static const ppl_latent *expected(ppl_log_density *d, const ppl_msg *m)
{
    const ppl_latent *l = d->visited < d->latents ? &d->latent[d->visited] : NULL;
    char site[128];
    int same = l != NULL && l->name == m->name && l->index == m->index &&
               l->shape.rank == m->dist->shape.rank;

    for (int i = 0; same && i < l->shape.rank; i++)
        same = l->shape.dim[i] == m->dist->shape.dim[i];
    if (same)
        return l;
    ppl_fail(d->ctx, PPL_EMISMATCH, "log_density: site %s is not the latent that was there "
             "when the model was first run, or has another shape; a log density needs the "
             "same latents whatever their values", ppl_site_text(m, site, sizeof site));
    return NULL;
}

/* The numbers of l in the shape that the bijection takes. */
static ppl_tensor *own_numbers(const ppl_log_density *d, const ppl_latent *l,
                               ppl_shape unconstrained)
{
    return ppl_reshape(ppl_slice(d->u, 0, l->offset, l->offset + l->count), unconstrained);
}

static ppl_shape unconstrained_shape(const ppl_constraint_map *map, const ppl_constraint *k,
                                     ppl_shape shape)
{
    if (map != NULL && map->shape != NULL)
        map->shape(k, &shape);
    return shape;
}

/* z(u), and the log-determinant as a root. */
static ppl_tensor *constrained(ppl_log_density *d, const ppl_latent *l, const ppl_dist *dist)
{
    const ppl_constraint *k = dist->family->support;
    const ppl_constraint_map *map = ppl_constraint_bijection(k);
    const bounds b = bounds_of(dist);
    ppl_tensor *t = own_numbers(d, l, unconstrained_shape(map, k, l->shape)), *z;

    if (b.lower != NULL || b.upper != NULL) {
        z = to_bounded(&b, t);
        note_root(d, bounded_log_det(&b, t), 1);
        return z;
    }
    z = map->to_constrained(k, t);
    if (z != t)                     /* else the identity, whose determinant is 1 */
        note_root(d, map->log_abs_det(k, t), 1);
    return z;
}

/* The value that is given, and its unconstrained numbers. */
static ppl_tensor *unconstrained(ppl_log_density *d, const ppl_latent *l,
                                 const ppl_dist *dist)
{
    const ppl_constraint *k = dist->family->support;
    const ppl_constraint_map *map = ppl_constraint_bijection(k);
    const bounds b = bounds_of(dist);
    ppl_tensor *z = ppl_from_doubles(d->ctx, l->shape, d->given + d->at), *t;

    t = b.lower != NULL || b.upper != NULL ? from_bounded(&b, z)
                                           : map->from_constrained(k, z);
    d->at += ppl_numel(z);
    ppl_read(t, d->free + l->offset, l->count);
    return z;
}

static void supply(ppl_handler *h, ppl_msg *m)
{
    ppl_log_density *d = (ppl_log_density *)h;
    const ppl_latent *l;

    if (m->kind != PPL_SITE_SAMPLE || (m->flags & (PPL_OBSERVED | PPL_DONE)) != 0)
        return;
    l = expected(d, m);
    if (l == NULL)
        return;
    m->value = d->given != NULL ? unconstrained(d, l, m->dist) : constrained(d, l, m->dist);
    m->flags |= PPL_DONE;
    d->value[d->visited++] = m->value;
}

static void hold_parameters(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    if (m->kind == PPL_SITE_PARAM)
        m->value = ppl_detach(m->value);
}

static const ppl_handler_ops ops = { .name = "log_density", .process = supply,
                                     .postprocess = hold_parameters };

/* Runs the model at the leaf's numbers and gathers the roots. */
static int run(ppl_log_density *d)
{
    ppl_trace *trace;

    d->visited = d->roots = 0;
    d->at = 0;
    trace = ppl_get_trace(d->ctx, d->model, d->arg, d->handlers);
    for (int i = 0; trace != NULL && i < ppl_trace_count(trace); i++) {
        ppl_msg *m = ppl_trace_at(trace, i);

        if (m->kind == PPL_SITE_SAMPLE && !note_root(d, ppl_site_log_prob(m), m->scale))
            return 0;
    }
    if (trace != NULL && d->visited < d->latents)
        ppl_fail(d->ctx, PPL_EMISMATCH, "log_density: the model has not reached latent %s, "
                 "which was there when it was first run; a log density needs the same "
                 "latents whatever their values", d->latent[d->visited].name);
    return ppl_ok(d->ctx);
}

/* ---- Making ------------------------------------------------------------------------ */

static int is_latent(const ppl_msg *m)
{
    return m->kind == PPL_SITE_SAMPLE && (m->flags & PPL_OBSERVED) == 0;
}

/* A plate that draws which copies are in use makes another density in each run. */
static int check_plates(const ppl_trace *trace, const ppl_msg *m)
{
    for (const ppl_frame *f = m->plates; f != NULL; f = f->inner) {
        const ppl_msg *drawn = ppl_trace_find(trace, f->name, PPL_NO_INDEX);

        if (f->size < f->full_size && drawn != NULL && (drawn->flags & PPL_OBSERVED) == 0)
            ppl_fail(m->ctx, PPL_EUNSUPPORTED, "log_density: plate %s draws a subsample, so "
                     "the density is another in each run; use the whole plate, or give it "
                     "indices", f->name);
    }
    return ppl_ok(m->ctx);
}

static int check_latent(const ppl_msg *m)
{
    const ppl_family *f = m->dist->family;
    char site[128];

    ppl_site_text(m, site, sizeof site);
    if ((f->flags & PPL_DISCRETE) != 0 || f->value_dtype == PPL_I64)
        ppl_fail(m->ctx, PPL_EUNSUPPORTED, "log_density: latent site %s (%s) is discrete and "
                 "has no gradient; condition on it, or sum over it in the model", site,
                 f->name);
    else if (f->bounds == NULL && ppl_constraint_bijection(f->support) == NULL)
        ppl_fail(m->ctx, PPL_EUNSUPPORTED, "log_density: there is no bijection onto the "
                 "support of latent site %s (%s); condition on it", site, f->name);
    return ppl_ok(m->ctx);
}

static int64_t numel(ppl_shape shape)
{
    int64_t n = 1;

    for (int i = 0; i < shape.rank; i++)
        n *= shape.dim[i];
    return n;
}

/* The latents of a run of the model as it stands, where those of a prior that cannot be
 * drawn from have a value too. */
static int find_latents(ppl_log_density *d)
{
    ppl_trace *trace;
    int count;

    d->handlers[0] = ppl_init_to_feasible(d->ctx);
    trace = ppl_get_trace(d->ctx, d->model, d->arg, d->handlers);
    d->handlers[0] = &d->base;
    count = trace != NULL ? ppl_trace_count(trace) : 0;
    d->latent = ppl_alloc(d->ctx, (size_t)(count + 1) * sizeof *d->latent);
    d->value = ppl_alloc(d->ctx, (size_t)(count + 1) * sizeof *d->value);
    if (d->latent == NULL || d->value == NULL)
        return 0;
    for (int i = 0; i < count; i++) {
        const ppl_msg *m = ppl_trace_at(trace, i);
        const ppl_constraint *k;
        ppl_latent *l;

        if (m->kind != PPL_SITE_SAMPLE || !check_plates(trace, m) || !is_latent(m))
            continue;
        if (!check_latent(m))
            return 0;
        k = m->dist->family->support;
        l = &d->latent[d->latents++];
        *l = (ppl_latent){ m->name, m->index, m->dist->shape, d->size, 0 };
        l->count = numel(unconstrained_shape(ppl_constraint_bijection(k), k, l->shape));
        d->size += l->count;
    }
    return ppl_ok(d->ctx);
}

static int keep_handlers(ppl_log_density *d, ppl_handler *const *handlers)
{
    size_t count = 0;

    while (handlers != NULL && handlers[count] != NULL)
        count++;
    d->handlers = ppl_alloc(d->ctx, (count + 2) * sizeof *d->handlers);
    if (d->handlers == NULL)
        return 0;
    d->handlers[0] = &d->base;
    for (size_t i = 0; i < count; i++)
        d->handlers[i + 1] = handlers[i];
    return 1;
}

/* Records the model's arithmetic; without a program if it cannot be. */
static int record(ppl_log_density *d)
{
    ppl_program *p = ppl_program_begin(d->ctx);

    if (p == NULL)
        return 0;
    if (!run(d) && ppl_program_end(p, NULL, NULL, 0) != PPL_OK)
        return 0;
    if (ppl_program_end(p, d->root, d->weight, d->roots) == PPL_OK)
        d->program = p;
    else if (ppl_error(d->ctx) != PPL_EUNSUPPORTED)
        return 0;
    else
        ppl_clear_error(d->ctx);
    return 1;
}

static ppl_log_density *make(ppl_ctx *c, ppl_model model, const void *arg,
                             ppl_handler *const *handlers)
{
    ppl_log_density *d = ppl_alloc(c, sizeof *d);
    double *zeros;

    if (d == NULL)
        return NULL;
    d->base.ops = &ops;
    d->ctx = c;
    d->model = model;
    d->arg = arg;
    if (!keep_handlers(d, handlers) || !find_latents(d))
        return NULL;
    zeros = ppl_alloc(c, (size_t)(d->size + 1) * sizeof *zeros);
    d->u = zeros != NULL ? ppl_variable(c, PPL_SHAPE(d->size), zeros) : NULL;
    return d->u != NULL && record(d) ? d : NULL;
}

ppl_log_density *ppl_log_density_of(ppl_ctx *c, ppl_model model, const void *arg,
                                    ppl_handler *const *handlers)
{
    ppl_log_density *d;

    if (ppl_boundary_enter(c) != PPL_OK)
        return NULL;
    d = make(c, model, arg, handlers);
    return ppl_boundary_leave(c) == PPL_OK ? d : NULL;
}

int64_t ppl_log_density_size(const ppl_log_density *d)
{
    return d != NULL ? d->size : 0;
}

int ppl_log_density_latents(const ppl_log_density *d)
{
    return d != NULL ? d->latents : 0;
}

const ppl_latent *ppl_log_density_latent(const ppl_log_density *d, int i)
{
    return d != NULL && i >= 0 && i < d->latents ? &d->latent[i] : NULL;
}

int ppl_log_density_is_recorded(const ppl_log_density *d)
{
    return d != NULL && d->program != NULL;
}

/* ---- Asking ------------------------------------------------------------------------ */

/* The model anew at u, in the epoch that the caller has opened. */
static int run_at(ppl_log_density *d, const double *u)
{
    d->u = ppl_variable(d->ctx, PPL_SHAPE(d->size), u);
    d->capacity = 0;                /* the arrays belong to an epoch that has ended */
    return d->u != NULL && run(d);
}

static void run_anew(ppl_log_density *d, const double *u, double *value, double *gradient)
{
    ppl_ctx *c = d->ctx;
    ppl_tensor **seed;

    if (!run_at(d, u))
        return;
    *value = 0;
    seed = ppl_alloc(c, (size_t)(d->roots + 1) * sizeof *seed);
    for (int i = 0; i < d->roots && seed != NULL; i++) {
        *value += d->weight[i] * ppl_total(d->root[i]);
        seed[i] = ppl_scalar(c, d->weight[i]);
    }
    if (gradient != NULL && seed != NULL &&
        ppl_backward_from(d->root, seed, d->roots) == PPL_OK)
        ppl_leaf_grad(d->u, gradient);
}

ppl_status ppl_log_density_at(ppl_log_density *d, const double *u, double *value,
                              double *gradient)
{
    ppl_ctx *c;
    ppl_epoch mark;

    *value = NAN;
    if (d == NULL)
        return PPL_EINVAL;
    c = d->ctx;
    if (d->program != NULL) {
        ppl_status status;

        ppl_leaf_write(d->u, u);
        status = ppl_program_run(d->program, gradient != NULL, value);

        if (status == PPL_OK && gradient != NULL)
            ppl_leaf_grad(d->u, gradient);
        return status;
    }
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    mark = ppl_epoch_begin(c);
    run_anew(d, u, value, gradient);
    ppl_epoch_end(c, mark);
    return ppl_boundary_leave(c);
}

ppl_status ppl_log_density_constrain(ppl_log_density *d, const double *u, double *z)
{
    ppl_ctx *c;
    ppl_epoch mark;
    double unused;

    if (d == NULL)
        return PPL_EINVAL;
    c = d->ctx;
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    mark = ppl_epoch_begin(c);
    if (d->program != NULL) {
        ppl_leaf_write(d->u, u);
        if (ppl_program_run(d->program, 0, &unused) != PPL_OK)
            z = NULL;
    } else {
        run_at(d, u);
    }
    for (int i = 0; i < d->latents && z != NULL && ppl_ok(c); i++)
        z += ppl_read(d->value[i], z, ppl_numel(d->value[i]));
    ppl_epoch_end(c, mark);
    return ppl_boundary_leave(c);
}

ppl_status ppl_log_density_unconstrain(ppl_log_density *d, const double *z, double *u)
{
    ppl_ctx *c;
    ppl_epoch mark;
    ppl_log_density other;

    if (d == NULL)
        return PPL_EINVAL;
    c = d->ctx;
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    mark = ppl_epoch_begin(c);
    other = *d;                     /* what the recording holds stays as it is */
    other.base = (ppl_handler){ .ops = &ops };
    other.given = z;
    other.free = u;
    other.capacity = 0;
    other.value = ppl_alloc(c, (size_t)(d->latents + 1) * sizeof *other.value);
    if (other.value != NULL && keep_handlers(&other, d->handlers + 1))
        run(&other);
    ppl_epoch_end(c, mark);
    return ppl_boundary_leave(c);
}

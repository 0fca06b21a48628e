/* SPDX-License-Identifier: MIT */
/*
 * init.c - starting points of an inference: latents without a value take one, by a
 * strategy. Strategies are those of Pyro's and NumPyro's init_to_*; where one is not
 * defined for a family the next in its chain is asked. Values are read nowhere, so a
 * starting point makes no site depend on another.
 */
#include "kind.h"
#include "plate.h"
#include "supply.h"

#include <kiln/handlers_weight.h>

#include <math.h>

#define MOST_DRAWS 255

typedef struct init {
    ppl_handler base;
    /* Of a latent's distribution (at the plates' shape) and its random numbers. */
    ppl_tensor *(*strategy)(const struct init *self, ppl_dist *d, const ppl_rng *rng);
    double radius;
    int draws;
} init;

/* ---- Strategies -------------------------------------------------------------------- */

static ppl_tensor *one_draw(const init *self, ppl_dist *d, const ppl_rng *rng)
{
    (void)self;
    return ppl_dist_sample(d, rng);
}

/* `t` in unconstrained space moved into the bounds that the parameters set. */
static ppl_tensor *within_bounds(ppl_tensor *t, ppl_tensor *lower, ppl_tensor *upper)
{
    if (lower != NULL && upper != NULL)
        return ppl_lerp(lower, upper, ppl_sigmoid(t));
    if (lower != NULL)
        return ppl_add(lower, ppl_exp(t));
    return ppl_sub(upper, ppl_exp(t));
}

/* A point of unconstrained space at a shape: uniform in a cube. */
static ppl_tensor *in_cube(const init *self, ppl_ctx *c, ppl_shape shape, const ppl_rng *rng)
{
    size_t n = 1;
    double *u;

    for (int a = 0; a < shape.rank; a++)
        n *= (size_t)shape.dim[a];
    u = ppl_alloc(c, n * sizeof *u);
    if (u == NULL)
        return NULL;
    ppl_rng_uniforms(rng, 0, n, u);
    for (size_t i = 0; i < n; i++)
        u[i] = self->radius * (2 * u[i] - 1);
    return ppl_from_doubles(c, shape, u);
}

/* Uniform in unconstrained space; a radius of 0 is what is feasible without a draw. */
static ppl_tensor *uniform(const init *self, ppl_dist *d, const ppl_rng *rng)
{
    const ppl_family *f = d->family;
    const ppl_constraint_map *map =
        f->support != NULL ? ppl_constraint_optimise(f->support) : NULL;
    ppl_tensor *lower = NULL, *upper = NULL;
    ppl_shape shape = d->shape;

    if (f->bounds != NULL)
        f->bounds(d, &lower, &upper);
    if ((f->flags & PPL_DISCRETE) != 0 ||
        (lower == NULL && upper == NULL && map == NULL))
        return one_draw(self, d, rng);
    if (lower != NULL || upper != NULL)
        return within_bounds(in_cube(self, d->ctx, shape, rng), lower, upper);
    if (map->shape != NULL && !map->shape(f->support, &shape))
        return one_draw(self, d, rng);
    return map->to_constrained(f->support, in_cube(self, d->ctx, shape, rng));
}

static double element(const ppl_tensor *t, const void *data, size_t i)
{
    switch (ppl_tensor_dtype(t)) {
    case PPL_F32:
        return ((const float *)data)[i];
    case PPL_F64:
        return ((const double *)data)[i];
    default:
        return (double)((const int64_t *)data)[i];
    }
}

static void set_element(ppl_tensor *t, size_t i, double x)
{
    void *data = ppl_result(t);

    if (ppl_tensor_dtype(t) == PPL_F32)
        ((float *)data)[i] = (float)x;
    else if (ppl_tensor_dtype(t) == PPL_F64)
        ((double *)data)[i] = x;
    else
        ((int64_t *)data)[i] = (int64_t)x;
}

static ppl_status median_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                               void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op;
    (void)count;
    (void)attr;
    *dtype = ppl_tensor_dtype(inputs[0]);
    *shape = ppl_tensor_shape(inputs[0]);
    return PPL_OK;
}

/* Of an odd number of tensors of one shape, by insertion. */
static void median_forward(ppl_tensor *out)
{
    const int n = *(const int *)ppl_op_attr(out);

    for (size_t i = 0; i < (size_t)ppl_numel(out); i++) {
        double sorted[MOST_DRAWS];

        for (int k = 0; k < n; k++) {
            double x = element(out, ppl_operand(out, k), i);
            int at = k;

            for (; at > 0 && sorted[at - 1] > x; at--)
                sorted[at] = sorted[at - 1];
            sorted[at] = x;
        }
        set_element(out, i, sorted[n / 2]);
    }
}

static const ppl_op median_row = { .name = "median", .inputs = -1, .shape = median_shape,
                                   .forward = median_forward };

static ppl_tensor *median(const init *self, ppl_dist *d, const ppl_rng *rng)
{
    const ppl_family *f = d->family;
    ppl_tensor *draw[MOST_DRAWS];

    if (f->event_dim > 0 || (f->flags & PPL_IMPROPER) != 0)
        return uniform(&(init){ .radius = 0 }, d, rng);
    if (f->icdf != NULL && (f->flags & PPL_DISCRETE) == 0)
        return ppl_icdf(d, ppl_scalar(d->ctx, 0.5));
    for (int k = 0; k < self->draws; k++) {
        ppl_rng key = ppl_rng_split(rng, (uint64_t)k);

        draw[k] = ppl_detach(ppl_dist_sample(d, &key));
    }
    return ppl_apply(&median_row, draw, self->draws, &self->draws, sizeof self->draws);
}

/* Element by element, the median where there is no finite mean. */
static ppl_tensor *mean(const init *self, ppl_dist *d, const ppl_rng *rng)
{
    const ppl_family *f = d->family;
    /* Of a sphere the mean lies inside. */
    const int bent = f->support != NULL && ppl_constraint_bijection(f->support) == NULL;
    ppl_tensor *finite, *t;

    if ((bent ? f->mode : f->mean) == NULL || (f->flags & PPL_DISCRETE) != 0)
        return median(self, d, rng);
    t = ppl_detach(bent ? ppl_dist_mode(d) : ppl_dist_mean(d));
    finite = ppl_less(ppl_abs(t), ppl_scalar(d->ctx, INFINITY));
    return ppl_where(finite, t, ppl_detach(median(self, d, rng)));
}

/* ---- The handler ------------------------------------------------------------------- */

static void init_process(ppl_handler *h, ppl_msg *m)
{
    const init *self = (const init *)h;
    ppl_dist *d;
    ppl_rng rng;

    if (!ppl__is_open_latent(m))
        return;
    d = ppl__dist_in_plates(m);
    rng = ppl_site_rng(m);
    m->value = d != NULL ? ppl_detach(self->strategy(self, d, &rng)) : NULL;
    m->flags |= PPL_DONE;
}

static ppl_handler *make(ppl_ctx *c, const ppl_handler_ops *ops, const init *how)
{
    init *self = ppl_alloc(c, sizeof *self);

    if (self == NULL)
        return NULL;
    *self = *how;
    self->base.ops = ops;
    return &self->base;
}

static const ppl_handler_ops sample_ops = { .name = "init_to_sample",
                                            .process = init_process };
static const ppl_handler_ops mean_ops = { .name = "init_to_mean", .process = init_process };
static const ppl_handler_ops median_ops = { .name = "init_to_median",
                                            .process = init_process };
static const ppl_handler_ops uniform_ops = { .name = "init_to_uniform",
                                             .process = init_process };
static const ppl_handler_ops feasible_ops = { .name = "init_to_feasible",
                                              .process = init_process };

#define DRAWS 15                    /* of a median; Pyro's number */

ppl_handler *ppl_init_to_sample(ppl_ctx *c)
{
    return make(c, &sample_ops, &(init){ .strategy = one_draw });
}

ppl_handler *ppl_init_to_mean(ppl_ctx *c)
{
    return make(c, &mean_ops, &(init){ .strategy = mean, .draws = DRAWS });
}

ppl_handler *ppl_init_to_median(ppl_ctx *c, int draws)
{
    if (draws < 0 || draws > MOST_DRAWS || (draws % 2 == 0 && draws != 0)) {
        ppl_fail(c, PPL_EINVAL, "ppl_init_to_median: %d draws; their number must be odd, "
                 "at most %d (0: %d)", draws, MOST_DRAWS, DRAWS);
        return NULL;
    }
    return make(c, &median_ops,
                &(init){ .strategy = median, .draws = draws != 0 ? draws : DRAWS });
}

ppl_handler *ppl_init_to_uniform(ppl_ctx *c, double radius)
{
    if (!(radius >= 0 && radius < 1e3)) {
        ppl_fail(c, PPL_EINVAL, "ppl_init_to_uniform: the radius is %g; it must be from 0 "
                 "(which means 2) to 1000", radius);
        return NULL;
    }
    return make(c, &uniform_ops,
                &(init){ .strategy = uniform, .radius = radius > 0 ? radius : 2 });
}

ppl_handler *ppl_init_to_feasible(ppl_ctx *c)
{
    return make(c, &feasible_ops, &(init){ .strategy = uniform, .radius = 0 });
}

/* ---- By values --------------------------------------------------------------------- */

static void value_process(ppl_handler *h, ppl_msg *m)
{
    ppl_tensor *value = ppl__is_open_latent(m) ? ppl__supply_take(h, m) : NULL;

    if (value == NULL)
        return;
    m->value = ppl_detach(value);
    m->flags |= PPL_DONE;
}

static const ppl_handler_ops value_ops = { .name = "init_to_value",
                                           .process = value_process,
                                           .enter = ppl__supply_enter,
                                           .leave = ppl__supply_leave };

ppl_handler *ppl_init_to_value(ppl_ctx *c, const ppl_value *values, int *unused)
{
    return ppl__supply_make(c, &value_ops, "latent site", values, unused);
}

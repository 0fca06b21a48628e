/* SPDX-License-Identifier: MIT */
/*
 * plate.c - independence along one batch axis or in a loop, with subsampling and its
 * scale.
 *
 * The indices are drawn when the plate is made, by a message of kind subsample that every
 * handler sees; the axis is chosen when it is pushed, the first from the right that no
 * plate around it has. Semantics: Pyro's IndepMessenger, SubsampleMessenger and
 * BroadcastMessenger in one.
 */
#include "plate.h"

#include <stdio.h>

const ppl_option_key ppl__option_block_plate = { "block_plate" };

typedef struct plate {
    ppl_handler base;
    ppl_ctx *ctx;
    ppl_name name;
    int64_t size, full_size;        /* in use, and before subsampling */
    int wanted_dim, sequential;
    int whole;                      /* the indices are 0, 1, .. full_size - 1 */
    ppl_tensor *indices;
    ppl_frame *frame;               /* since it was pushed, with no plate inside it; NULL
                                       between the copies of a loop */
    ppl_name frame_name;            /* with the prefixes of the scopes around */
    int64_t copies;                 /* of a loop: how many have begun */
} plate;

/* ---- The indices: a family of their own, without density --------------------------- */

typedef struct subsample {
    int64_t size, count;
} subsample;

/* `count` of 0 .. size-1 without replacement (Fisher and Yates), all of them in order. */
static ppl_tensor *subsample_sample(const ppl_dist *d, const ppl_rng *rng)
{
    const subsample *s = d->attr;
    int64_t *index = ppl_alloc(d->ctx, (size_t)s->size * sizeof *index);

    if (index == NULL)
        return NULL;
    for (int64_t i = 0; i < s->size; i++)
        index[i] = i;
    for (int64_t i = 0; i < s->count && s->count < s->size; i++) {
        double u = ppl_rng_uniform(rng, 0, (uint64_t)i, 0);
        int64_t other = i + (int64_t)(u * (double)(s->size - i)), taken = index[i];

        index[i] = index[other];
        index[other] = taken;
    }
    return ppl_from_integers(d->ctx, PPL_SHAPE(s->count), index);
}

static ppl_tensor *subsample_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    (void)x;
    return ppl_scalar(d->ctx, 0);
}

static ppl_shape subsample_event(const ppl_dist *d)
{
    return PPL_SHAPE(((const subsample *)d->attr)->count);
}

static const ppl_family subsample_family = {
    .name = "subsample",
    .event_dim = 1,
    .flags = PPL_DISCRETE,
    .value_dtype = PPL_I64,
    .sample = subsample_sample,
    .log_prob = subsample_log_prob,
    .event_shape = subsample_event,
};

static ppl_dist *subsample_dist(ppl_ctx *c, int64_t size, int64_t count)
{
    subsample *s = ppl_alloc(c, sizeof *s);
    ppl_dist *d = ppl_alloc(c, sizeof *d);

    if (s == NULL || d == NULL)
        return NULL;
    s->size = size;
    s->count = count;
    d->ctx = c;
    d->family = &subsample_family;
    d->attr = s;
    d->shape = PPL_SHAPE(count);
    d->event_dim = 1;
    return d;
}

/* ---- The handler ------------------------------------------------------------------- */

/* The axis of the plate among those that the plates around it have taken; 0 for a loop. */
static int choose_dim(const plate *self, const ppl_frame *around)
{
    ppl_ctx *c = self->ctx;
    unsigned taken = 0;
    int dim = -1;

    for (const ppl_frame *f = around; f != NULL; f = f->inner) {
        if (f->name == self->frame_name)
            ppl_fail(c, PPL_ENEST, "plate %s is nested in itself; give the plates names "
                     "of their own", f->name);
        if (f->dim == self->wanted_dim && f->dim != 0)
            ppl_fail(c, PPL_ESHAPE, "plates %s and %s collide at dim %d; try moving one "
                     "to the left, e.g. dim %d", f->name, self->name, f->dim, f->dim - 1);
        taken |= 1u << -f->dim;
    }
    if (self->wanted_dim != 0 || self->sequential)
        return self->wanted_dim;
    while ((taken >> -dim & 1) != 0)
        dim--;
    if (dim < -PPL_MAX_RANK)
        ppl_fail(c, PPL_ESHAPE, "plate %s needs axis %d; tensors have %d axes at most",
                 self->name, dim, PPL_MAX_RANK);
    return dim;
}

/* A new frame, since traces keep those they have seen. */
static ppl_frame *make_frame(const plate *self, int dim, int64_t copy)
{
    ppl_frame *f = ppl_alloc(self->ctx, sizeof *f);

    if (f != NULL)
        *f = (ppl_frame){ NULL, self->frame_name, dim, self->size, self->full_size, copy };
    return f;
}

static void plate_enter(ppl_handler *h, ppl_ctx *c)
{
    plate *self = (plate *)h;
    ppl_msg m = { .ctx = c, .kind = PPL_SITE_INSPECT, .inspected = PPL_SITE_SUBSAMPLE,
                  .name = self->name, .index = PPL_NO_INDEX, .scale = 1 };
    int dim;

    ppl_send(&m);
    self->frame_name = m.name;
    dim = choose_dim(self, m.plates);
    self->copies = 0;
    self->frame = self->sequential ? NULL : make_frame(self, dim, -1);
}

static const ppl_frame *frame_around(const plate *self, const ppl_frame *inner)
{
    ppl_frame *f;

    if (inner == NULL)
        return self->frame;
    f = ppl_alloc(self->ctx, sizeof *f);
    if (f != NULL) {
        *f = *self->frame;
        f->inner = inner;
    }
    return f;
}

ppl_dist *ppl__dist_in_plate(ppl_msg *m, const ppl_frame *f)
{
    ppl_shape batch = ppl_dist_batch_shape(m->dist), wide = batch;
    int need = -f->dim, shift = need - batch.rank;
    char site[128];

    if (m->dist == NULL || need == 0)
        return m->dist;
    if (shift > 0) {
        for (int a = 0; a < need; a++)
            wide.dim[a] = a < shift ? 1 : batch.dim[a - shift];
        wide.rank = need;
    }
    if (shift <= 0 && batch.dim[batch.rank - need] == f->size)
        return m->dist;
    if (wide.dim[wide.rank - need] != 1) {
        ppl_fail(m->ctx, PPL_ESHAPE, "site %s does not fit plate %s: its batch has %lld "
                 "at dim %d and the plate %lld; reshape the parameters, or make the axis "
                 "part of the event (ppl_event)", ppl_site_text(m, site, sizeof site),
                 f->name, (long long)wide.dim[wide.rank - need], f->dim,
                 (long long)f->size);
        return NULL;
    }
    wide.dim[wide.rank - need] = f->size;
    return ppl_expand_dist(m->dist, wide);
}

ppl_dist *ppl__dist_in_plates(const ppl_msg *m)
{
    ppl_msg inner = *m, probe = { .ctx = m->ctx, .kind = PPL_SITE_INSPECT, .name = m->name,
                                  .index = m->index, .scale = 1, .options = m->options };

    ppl_send(&probe);
    for (const ppl_frame *f = probe.plates; f != NULL && inner.dist != NULL; f = f->inner)
        inner.dist = ppl__dist_in_plate(&inner, f);
    return inner.dist;
}

/* Whether block_plate, further in, has taken the message out of this plate. */
static int is_blocked(const plate *self, const ppl_msg *m)
{
    for (const ppl_option *o = m->options; o != NULL; o = o->older) {
        ppl__blocked_plate *b;

        if (o->key != &ppl__option_block_plate)
            continue;
        b = (ppl__blocked_plate *)(uintptr_t)o->value;
        if (b->name != NULL ? b->name == self->name
                            : self->frame != NULL && self->frame->dim == b->dim) {
            b->met = 1;
            return 1;
        }
    }
    return 0;
}

static void plate_process(ppl_handler *h, ppl_msg *m)
{
    const plate *self = (const plate *)h;

    if (m->options != NULL && is_blocked(self, m))
        return;
    if (self->frame == NULL) {
        ppl_fail(m->ctx, PPL_ENEST, "plate %s is a loop, and this is in none of its "
                 "copies; make statements after ppl_plate_next has given an index, and "
                 "before it gives -1", self->name);
        return;
    }
    m->plates = frame_around(self, m->plates);
    m->scale *= (double)self->full_size / (double)self->size;
    if (m->kind == PPL_SITE_SAMPLE)
        m->dist = ppl__dist_in_plate(m, self->frame);
}

static const ppl_handler_ops plate_ops = { .name = "plate",
                                           .process = plate_process,
                                           .enter = plate_enter };

/* ---- Making ------------------------------------------------------------------------ */

/* Indices that were given, or replayed from another trace, must be some of this
 * plate's. */
static int check_indices(plate *self, int64_t wanted)
{
    const int64_t *index = ppl_data(self->indices);
    int64_t n = ppl_numel(self->indices);

    if (index == NULL)
        return 0;                   /* of an epoch that has ended */
    if (ppl_tensor_dtype(self->indices) != PPL_I64 || ppl_rank(self->indices) != 1 ||
        n < 1) {
        ppl_fail(self->ctx, PPL_ESHAPE, "plate %s: the indices must be integers of rank "
                 "1, one at least (ppl_from_integers)", self->name);
        return 0;
    }
    if (wanted > 0 && n != wanted) {
        ppl_fail(self->ctx, PPL_ESHAPE, "plate %s: subsample_size %lld here and %lld "
                 "indices given; use one subsample_size in model and guide", self->name,
                 (long long)wanted, (long long)n);
        return 0;
    }
    self->whole = n == self->full_size;
    for (int64_t i = 0; i < n; i++) {
        self->whole &= index[i] == i;
        if (index[i] < 0 || index[i] >= self->full_size) {
            ppl_fail(self->ctx, PPL_EINVAL, "plate %s: index %lld is %lld; they are 0 to "
                     "%lld in a plate of size %lld", self->name, (long long)i,
                     (long long)index[i], (long long)self->full_size - 1,
                     (long long)self->full_size);
            return 0;
        }
    }
    return 1;
}

/* Draws the indices, or takes those that were given or that a handler gives. */
static int find_indices(plate *self, const ppl_plate_opts *opts)
{
    int64_t count = opts->subsample_size > 0 ? opts->subsample_size : self->full_size;
    ppl_msg m = { .ctx = self->ctx, .kind = PPL_SITE_SUBSAMPLE, .name = self->name,
                  .index = -1, .scale = 1 };

    if (opts->indices != NULL) {
        m.value = opts->indices;
        m.flags = PPL_OBSERVED | PPL_DONE;
        count = ppl_numel(opts->indices);
    }
    m.dist = subsample_dist(self->ctx, self->full_size, count);
    ppl_send(&m);
    if (!ppl_ok(self->ctx))
        return 0;
    self->indices = m.value;
    self->size = ppl_numel(m.value);
    return check_indices(self, opts->subsample_size);
}

static int options_fit(ppl_ctx *c, const char *name, int64_t size,
                       const ppl_plate_opts *opts)
{
    if (size < 1 || opts->subsample_size < 0 || opts->subsample_size > size)
        ppl_fail(c, PPL_EINVAL, "plate %s: size %lld, subsample_size %lld; size must be "
                 "1 or more and subsample_size between 1 and size (0: all)", name,
                 (long long)size, (long long)opts->subsample_size);
    else if (opts->dim > 0 || opts->dim < -PPL_MAX_RANK)
        ppl_fail(c, PPL_EINVAL, "plate %s: dim %d; axes count from the right, -1 to -%d",
                 name, opts->dim, PPL_MAX_RANK);
    else if (opts->sequential && opts->dim != 0)
        ppl_fail(c, PPL_EINVAL, "plate %s: a loop has no axis, and dim is %d; leave it 0",
                 name, opts->dim);
    return ppl_ok(c);
}

ppl_handler *ppl_plate(ppl_ctx *c, const char *name, int64_t size,
                       const ppl_plate_opts *opts)
{
    static const ppl_plate_opts none;
    const ppl_name interned = ppl_intern(c, name);
    plate *self;

    if (!ppl_ok(c) || interned == NULL)
        return NULL;
    opts = opts != NULL ? opts : &none;
    if (!options_fit(c, name, size, opts))
        return NULL;
    self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    self->base.ops = &plate_ops;
    self->ctx = c;
    self->name = interned;
    self->wanted_dim = opts->dim;
    self->sequential = opts->sequential;
    self->full_size = size;
    return find_indices(self, opts) ? &self->base : NULL;
}

/* ---- Asking ------------------------------------------------------------------------ */

ppl_tensor *ppl_plate_indices(ppl_handler *h)
{
    return h != NULL && h->ops == &plate_ops ? ((plate *)h)->indices : NULL;
}

int64_t ppl_plate_next(ppl_handler *h)
{
    plate *self = (plate *)h;
    int64_t i;

    if (h == NULL || h->ops != &plate_ops || !ppl_ok(self->ctx))
        return -1;
    if (!self->sequential || !h->installed) {
        ppl_fail(self->ctx, PPL_ENEST, "ppl_plate_next: plate %s is %s", self->name,
                 self->sequential ? "not pushed; push it around the loop"
                                  : "no loop; make it with .sequential = 1");
        return -1;
    }
    self->frame = NULL;
    if (self->copies == self->size) {
        self->copies = 0;
        return -1;
    }
    i = ((const int64_t *)ppl_data(self->indices))[self->copies++];
    self->frame = make_frame(self, 0, i);
    return self->frame != NULL ? i : -1;
}

ppl_tensor *ppl_plate_take(ppl_handler *h, ppl_tensor *data, int event_dim)
{
    plate *self = (plate *)h;
    ppl_shape shape = ppl_tensor_shape(data);
    char text[PPL_SHAPE_TEXT];
    int axis;

    if (h == NULL || h->ops != &plate_ops || data == NULL)
        return NULL;
    if (self->sequential || !h->installed || self->frame == NULL) {
        ppl_fail(self->ctx, PPL_ENEST, "ppl_plate_take: plate %s %s", self->name,
                 self->sequential ? "is a loop; take the copy by its index (ppl_row)"
                                  : "is not pushed; its axis is not known before");
        return NULL;
    }
    axis = shape.rank - event_dim + self->frame->dim;
    if (event_dim < 0 || axis < 0 || axis >= shape.rank || shape.dim[axis] == 1)
        return data;
    if (shape.dim[axis] != self->full_size) {
        ppl_fail(self->ctx, PPL_ESHAPE, "ppl_plate_take: %s, with %d event axes, has %lld "
                 "at dim %d, where plate %s has %lld copies; give all of them, or 1",
                 ppl_shape_text(&shape, text), event_dim, (long long)shape.dim[axis],
                 self->frame->dim, self->name, (long long)self->full_size);
        return NULL;
    }
    return self->whole ? data : ppl_index_select(data, axis, self->indices);
}

ppl_scope ppl_plate_stack(ppl_ctx *c, const char *prefix, ppl_shape sizes,
                          int rightmost_dim)
{
    ppl_scope mark = ppl_push(c, NULL);
    int dim = rightmost_dim != 0 ? rightmost_dim : -1;
    char number[16];

    for (int i = 0; i < sizes.rank && ppl_ok(c); i++) {
        snprintf(number, sizeof number, "_%d", i);
        ppl_push(c, ppl_plate(c, ppl_intern_join(c, prefix, number),
                              sizes.dim[sizes.rank - 1 - i],
                              &(ppl_plate_opts){ .dim = dim - i }));
    }
    return mark;
}

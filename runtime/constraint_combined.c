/* SPDX-License-Identifier: MIT */
/*
 * constraint_combined.c - constraints made of others: more axes to one value, and values
 * that are joined along an axis.
 *
 * The parts live in a record of the context. Equal parts give the same record, so two
 * such constraints are equal if their pointers are, and making one at every step of a
 * model takes no memory. The joined axis is the first of an event: what belongs to a part
 * stands together in memory, and its axes lie behind.
 */
#include "constraint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct ppl_constraint_parts {
    struct ppl_constraint_parts *older;
    const ppl_constraint_type *kind;    /* independent_type, ... */
    size_t size;                    /* of the whole, for the allocator */
    int count, event_dim;
    int lost;                       /* axes fewer that unconstrained events have */
    const ppl_constraint *part;     /* behind the record; then, of cat, the lengths */
    const int64_t *length;
    char must[PPL_CONSTRAINT_TEXT];
};

const char *ppl__parts_text(const struct ppl_constraint_parts *parts)
{
    return parts->must;
}

/* ---- Asking any constraint --------------------------------------------------------- */

int ppl_constraint_event_dim(const ppl_constraint *k)
{
    return k->parts ? k->parts->event_dim : k->type ? k->type->event_dim : 0;
}

/* Axes fewer that unconstrained events of k have than its values. */
static int lost_axes(const ppl_constraint *k)
{
    const ppl_constraint_map *map = ppl_constraint_optimise(k);
    ppl_shape one = { ppl_constraint_event_dim(k), { 0 } };
    if (k->parts || !map || !map->shape)
        return k->parts ? k->parts->lost : 0;
    for (int a = 0; a < one.rank; a++)
        one.dim[a] = 1;
    return map->shape(k, &one) ? ppl_constraint_event_dim(k) - one.rank : 0;
}

int ppl_constraint_unconstrained_dim(const ppl_constraint *k)
{
    return ppl_constraint_event_dim(k) - lost_axes(k);
}

const ppl_constraint_map *ppl_constraint_optimise(const ppl_constraint *k)
{
    for (int i = 0; k->parts && i < k->parts->count; i++)
        if (!ppl_constraint_optimise(&k->parts->part[i]))
            return NULL;
    return k->type ? k->type->optimise : NULL;
}

const ppl_constraint_map *ppl_constraint_bijection(const ppl_constraint *k)
{
    const ppl_constraint_map *map = k->type ? k->type->bijection : NULL;
    for (int i = 0; k->parts && i < k->parts->count; i++)
        if (!ppl_constraint_bijection(&k->parts->part[i]))
            return NULL;
    return map && map->log_abs_det ? map : NULL;
}

typedef const ppl_constraint_map *choice(const ppl_constraint *k);

/* ---- Checks ------------------------------------------------------------------------ */

/* 1 if every event of `part` in a block of that shape satisfies it. */
static int check_block(const ppl_constraint *part, double *value, const ppl_shape *block)
{
    ppl_shape event = { ppl_constraint_event_dim(part), { 0 } };
    const int64_t all = ppl__shape_numel(block);
    for (int a = 0; a < event.rank; a++)
        event.dim[a] = block->dim[block->rank - event.rank + a];
    const int64_t own = ppl__shape_numel(&event);
    for (int64_t i = 0; own > 0 && i < all; i += own)
        if (!part->type->check(part, value + i, &event))
            return 0;
    return 1;
}

static int check_independent(const ppl_constraint *self, double *value,
                             const ppl_shape *event)
{
    return check_block(self->parts->part, value, event);
}

static ppl_shape without_axis(ppl_shape shape, int axis)
{
    for (int a = axis; a + 1 < shape.rank; a++)
        shape.dim[a] = shape.dim[a + 1];
    shape.dim[--shape.rank] = 0;
    return shape;
}

/* Part i's elements along the joined axis. */
static int64_t length_of(const struct ppl_constraint_parts *p, int i)
{
    return p->length ? p->length[i] : 1;
}

static int check_joined(const ppl_constraint *self, double *value, const ppl_shape *event)
{
    const struct ppl_constraint_parts *p = self->parts;
    const ppl_shape rest = without_axis(*event, 0);
    int64_t row = ppl__shape_numel(&rest), rows = 0;
    for (int i = 0; i < p->count; i++)
        rows += length_of(p, i);
    if (rows != event->dim[0])
        return 0;
    for (int i = 0; i < p->count; i++) {
        ppl_shape block = *event;
        block.dim[0] = length_of(p, i);
        if (!p->length)
            block = without_axis(block, 0);
        if (!check_block(&p->part[i], value, &block))
            return 0;
        value += row * length_of(p, i);
    }
    return 1;
}

/* ---- Shapes ------------------------------------------------------------------------ */

static int unconstrained(const ppl_constraint *k, choice *map, ppl_shape *shape)
{
    const ppl_constraint_map *m = map(k);
    if (!m || shape->rank < ppl_constraint_event_dim(k))
        return 0;
    return !m->shape || m->shape(k, shape);
}

static int independent_shape(const ppl_constraint *self, choice *map, ppl_shape *shape)
{
    return unconstrained(self->parts->part, map, shape);
}

/* Part i's unconstrained shape, with `length` constrained elements along the joined axis;
 * of stack, without the axis. */
static int part_shape(const struct ppl_constraint_parts *p, int i, choice *map,
                      ppl_shape *shape)
{
    const int axis = shape->rank - p->event_dim;
    if (axis < 0)
        return 0;
    if (p->length)
        shape->dim[axis] = p->length[i];
    else
        *shape = without_axis(*shape, axis);
    return unconstrained(&p->part[i], map, shape);
}

static int joined_shape(const ppl_constraint *self, choice *map, ppl_shape *shape)
{
    const struct ppl_constraint_parts *p = self->parts;
    const int axis = shape->rank - p->event_dim;
    ppl_shape first = PPL_SCALAR;
    int64_t total = 0;
    for (int i = 0; i < p->count; i++) {
        ppl_shape own = *shape;
        if (!part_shape(p, i, map, &own))
            return 0;
        if (p->length) {
            total += own.dim[axis];
            own.dim[axis] = 0;
        }
        if (i > 0 && !ppl__same_shape(&own, &first))
            return 0;
        first = own;
    }
    if (!p->length) {
        first.rank++;
        for (int a = first.rank; --a > axis;)
            first.dim[a] = first.dim[a - 1];
        total = p->count;
    }
    first.dim[axis] = total;
    *shape = first;
    return 1;
}

/* ---- Maps -------------------------------------------------------------------------- */

static ppl_tensor *independent_to(const ppl_constraint *self, choice *map, ppl_tensor *t)
{
    return map(self->parts->part)->to_constrained(self->parts->part, t);
}

static ppl_tensor *independent_from(const ppl_constraint *self, choice *map,
                                    ppl_tensor *t)
{
    return map(self->parts->part)->from_constrained(self->parts->part, t);
}

static ppl_tensor *independent_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    const ppl_constraint *part = self->parts->part;
    const int axes = self->parts->event_dim - ppl_constraint_event_dim(part);
    return ppl_sum_last(ppl_constraint_bijection(part)->log_abs_det(part, t), axes);
}

/* The joined axis from the end: of constrained or of unconstrained values. */
static int joined_axis(const struct ppl_constraint_parts *p, int free)
{
    return -(p->event_dim - (free ? p->lost : 0));
}

/* Part i of t, which stands at *start along the joined axis; moves *start behind it. */
static ppl_tensor *piece(const struct ppl_constraint_parts *p, int i, choice *map,
                         int free, ppl_tensor *t, int64_t *start)
{
    const int axis = joined_axis(p, free), from = ppl_rank(t) + axis;
    int64_t length = length_of(p, i);
    ppl_shape own = PPL_SHAPE(length);
    if (free && p->event_dim == 1 && p->length &&
        ppl_constraint_event_dim(&p->part[i]) == 1)
        length = unconstrained(&p->part[i], map, &own) ? own.dim[0] : length;
    t = ppl_slice(t, axis, *start, *start + length);
    *start += length;
    return t && !p->length ? ppl_reshape(t, without_axis(t->shape, from)) : t;
}

/* All parts mapped, and joined again. */
static ppl_tensor *joined_map(const ppl_constraint *self, choice *map, ppl_tensor *t,
                              int to)
{
    const struct ppl_constraint_parts *p = self->parts;
    ppl_tensor **mapped = t ? ppl_alloc(t->ctx, (size_t)p->count * sizeof *mapped) : NULL;
    int64_t start = 0;
    for (int i = 0; mapped && i < p->count; i++) {
        const ppl_constraint_map *m = map(&p->part[i]);
        ppl_tensor *own = piece(p, i, map, to, t, &start);
        mapped[i] = to ? m->to_constrained(&p->part[i], own)
                       : m->from_constrained(&p->part[i], own);
    }
    if (!mapped)
        return NULL;
    return (p->length ? ppl_concat : ppl_stack)(mapped, p->count, joined_axis(p, !to));
}

static ppl_tensor *joined_to(const ppl_constraint *self, choice *map, ppl_tensor *t)
{
    return joined_map(self, map, t, 1);
}

static ppl_tensor *joined_from(const ppl_constraint *self, choice *map, ppl_tensor *t)
{
    return joined_map(self, map, t, 0);
}

static ppl_tensor *joined_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    const struct ppl_constraint_parts *p = self->parts;
    ppl_tensor *sum = NULL;
    int64_t start = 0;
    for (int i = 0; i < p->count; i++) {
        const ppl_constraint *part = &p->part[i];
        const int axes = p->event_dim - !p->length - ppl_constraint_event_dim(part);
        ppl_tensor *own = piece(p, i, ppl_constraint_bijection, 1, t, &start);
        own = ppl_constraint_bijection(part)->log_abs_det(part, own);
        own = axes > 0 ? ppl_sum_last(own, axes) : own;
        sum = i > 0 ? ppl_add(sum, own) : own;
    }
    return sum;
}

/* ---- The kinds --------------------------------------------------------------------- */

#define MAP(kind, choose)                                                                \
    static ppl_tensor *kind##_to_##choose(const ppl_constraint *self, ppl_tensor *t)     \
    {                                                                                    \
        return kind##_to(self, ppl_constraint_##choose, t);                              \
    }                                                                                    \
    static ppl_tensor *kind##_from_##choose(const ppl_constraint *self, ppl_tensor *t)   \
    {                                                                                    \
        return kind##_from(self, ppl_constraint_##choose, t);                            \
    }                                                                                    \
    static int kind##_shape_##choose(const ppl_constraint *self, ppl_shape *shape)       \
    {                                                                                    \
        return kind##_shape(self, ppl_constraint_##choose, shape);                       \
    }                                                                                    \
    static const ppl_constraint_map kind##_##choose##_map = {                            \
        kind##_to_##choose, kind##_from_##choose, kind##_log_abs_det,                    \
        kind##_shape_##choose                                                            \
    };
MAP(independent, optimise)
MAP(independent, bijection)
MAP(joined, optimise)
MAP(joined, bijection)

#define KIND(id, rule, kind)                                                             \
    static const ppl_constraint_type id##_type = {                                       \
        .name = #id, .check = rule, .optimise = &kind##_optimise_map,                    \
        .bijection = &kind##_bijection_map                                               \
    };
KIND(independent, check_independent, independent)
KIND(cat, check_joined, joined)
KIND(stack, check_joined, joined)

/* ---- Records ----------------------------------------------------------------------- */

static const char key;

static void release(ppl_ctx *c, void *object)
{
    struct ppl_constraint_parts *p = object;
    ppl_persistent_free(c, p, p->size);
}

static int same_constraint(const ppl_constraint *a, const ppl_constraint *b)
{
    return a->type == b->type && a->parts == b->parts &&
           memcmp(&a->lower, &b->lower, sizeof a->lower) == 0 &&
           memcmp(&a->upper, &b->upper, sizeof a->upper) == 0;
}

static int same_parts(const struct ppl_constraint_parts *p,
                      const struct ppl_constraint_parts *like)
{
    if (p->kind != like->kind || p->count != like->count ||
        p->event_dim != like->event_dim)
        return 0;
    for (int i = 0; i < p->count; i++)
        if (!same_constraint(&p->part[i], &like->part[i]) ||
            length_of(p, i) != length_of(like, i))
            return 0;
    return 1;
}

/* "0 or 1 (2 of them), positive (1)": what the values along the joined axis must be. */
static void describe(struct ppl_constraint_parts *p)
{
    char own[PPL_CONSTRAINT_TEXT];
    int used = 0;
    for (int i = 0; i < p->count && used < PPL_CONSTRAINT_TEXT; i++) {
        used += snprintf(p->must + used, PPL_CONSTRAINT_TEXT - (size_t)used, "%s%s",
                         i > 0 ? "; " : "", ppl_constraint_text(&p->part[i], own));
        if (p->kind != &independent_type && used < PPL_CONSTRAINT_TEXT)
            used += snprintf(p->must + used, PPL_CONSTRAINT_TEXT - (size_t)used,
                             " (%" PRId64 " along axis %d)", length_of(p, i),
                             -p->event_dim);
    }
}

/* The context's own copy of such parts: an old one, or a new. */
static const struct ppl_constraint_parts *keep(ppl_ctx *c,
                                               const struct ppl_constraint_parts *like)
{
    const size_t parts = (size_t)like->count * sizeof *like->part;
    const size_t lengths = like->length ? (size_t)like->count * sizeof *like->length : 0;
    struct ppl_constraint_parts *newest = ppl_owned(c, &key), *p = newest;
    for (; p; p = p->older)
        if (same_parts(p, like))
            return p;
    p = ppl_persistent_alloc(c, sizeof *p + parts + lengths);
    if (!p)
        return NULL;
    *p = *like;
    p->older = newest;
    p->size = sizeof *p + parts + lengths;
    p->part = memcpy(p + 1, like->part, parts);
    p->length = lengths ? memcpy((char *)(p + 1) + parts, like->length, lengths) : NULL;
    describe(p);
    return ppl_own(c, &key, p, release) == PPL_OK ? p : NULL;
}

static ppl_constraint made_of(ppl_ctx *c, const struct ppl_constraint_parts *like)
{
    ppl_constraint k = { .type = NULL };
    const struct ppl_constraint_parts *p = ppl_ok(c) ? keep(c, like) : NULL;
    if (p)
        k = (ppl_constraint){ .type = p->kind, .parts = p };
    return k;
}

/* 1 if there are parts, and all are made. */
static int parts_ok(ppl_ctx *c, const char *what, const ppl_constraint *part, int count)
{
    if (count < 1)
        ppl_fail(c, PPL_EINVAL, "%s: made of %d constraints; one at least must be", what,
                 count);
    for (int i = 0; i < count && ppl_ok(c); i++)
        if (!part[i].type)
            ppl_fail(c, PPL_EINVAL, "%s: part %d is no constraint", what, i);
    return ppl_ok(c);
}

ppl_constraint ppl_constraint_independent(ppl_ctx *c, ppl_constraint part, int axes)
{
    const int event_dim = ppl_constraint_event_dim(&part) + axes;
    if (parts_ok(c, "independent", &part, 1) && (axes < 0 || event_dim > PPL_MAX_RANK))
        ppl_fail(c, PPL_EINVAL, "independent: %d more axes to one value of %s; 0 to %d "
                 "can be", axes, part.type->name,
                 PPL_MAX_RANK - ppl_constraint_event_dim(&part));
    if (axes == 0 && ppl_ok(c))
        return part;
    return made_of(c, &(struct ppl_constraint_parts){
        .kind = &independent_type, .count = 1, .event_dim = event_dim,
        .lost = lost_axes(&part), .part = &part });
}

ppl_constraint ppl_constraint_cat(ppl_ctx *c, const ppl_constraint *part,
                                  const int64_t *length, int count, int axis)
{
    if (parts_ok(c, "cat", part, count) && (axis >= 0 || axis < -PPL_MAX_RANK))
        ppl_fail(c, PPL_EINVAL, "cat: axis %d; it must be counted from the end, -1 to %d",
                 axis, -PPL_MAX_RANK);
    for (int i = 0; i < count && ppl_ok(c); i++) {
        const int own = ppl_constraint_event_dim(&part[i]);
        if (own > -axis || (own == -axis && own > 1))
            ppl_fail(c, PPL_ESHAPE, "cat: values of part %d (%s) have %d axes and cannot "
                     "be joined along axis %d; the axis must lie before them", i,
                     part[i].type->name, own, axis);
        else if (lost_axes(&part[i]) != lost_axes(&part[0]))
            ppl_fail(c, PPL_ESHAPE, "cat: parts 0 (%s) and %d (%s) are mapped to other "
                     "numbers of axes", part[0].type->name, i, part[i].type->name);
        else if (length[i] < 0)
            ppl_fail(c, PPL_EINVAL, "cat: part %d has length %" PRId64, i, length[i]);
    }
    if (!ppl_ok(c))
        return (ppl_constraint){ .type = NULL };
    return made_of(c, &(struct ppl_constraint_parts){
        .kind = &cat_type, .count = count, .event_dim = -axis,
        .lost = lost_axes(&part[0]), .part = part, .length = length });
}

ppl_constraint ppl_constraint_stack(ppl_ctx *c, const ppl_constraint *part, int count)
{
    const int own = count > 0 ? ppl_constraint_event_dim(&part[0]) : 0;
    if (parts_ok(c, "stack", part, count) && own >= PPL_MAX_RANK)
        ppl_fail(c, PPL_ESHAPE, "stack: values of %d axes; %d are the most", own,
                 PPL_MAX_RANK - 1);
    for (int i = 1; i < count && ppl_ok(c); i++)
        if (ppl_constraint_event_dim(&part[i]) != own ||
            lost_axes(&part[i]) != lost_axes(&part[0]))
            ppl_fail(c, PPL_ESHAPE, "stack: values of part 0 (%s) have %d axes, those of "
                     "part %d (%s) %d, or they are mapped to other numbers of axes; "
                     "ppl_constraint_independent gives axes to one value",
                     part[0].type->name, own, i, part[i].type->name,
                     ppl_constraint_event_dim(&part[i]));
    if (!ppl_ok(c))
        return (ppl_constraint){ .type = NULL };
    return made_of(c, &(struct ppl_constraint_parts){
        .kind = &stack_type, .count = count, .event_dim = own + 1,
        .lost = lost_axes(&part[0]), .part = part });
}

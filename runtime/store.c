/* SPDX-License-Identifier: MIT */
/*
 * store.c - the parameters of a context: names, constraints, and one flat slab.
 *
 * The slab is one block of four arrays in parallel (values, gradients, two moments); a
 * parameter is a range of it that starts at a multiple of 64 bytes. When it must grow in
 * the middle of a run, the block is replaced, leaves are pointed to the new one, and the
 * old one stays readable until the epochs of its leaves end, since views may read it.
 */
#include "constraint.h"
#include "store.h"

#include <stdio.h>
#include <string.h>

/* ---- The slab ---------------------------------------------------------------------- */

/* The elements of a parameter in one of the arrays. */
static char *elements(const ppl_ctx *c, const struct param *p, int array)
{
    return array_at(c->store->slab, c->dtype, array) +
           (size_t)p->info.offset * ppl__dtype_size(c->dtype);
}

static struct held hold(const ppl_ctx *c, ppl_tensor *t)
{
    return (struct held){ t, c->epoch_depth, c->epoch[c->epoch_depth].serial };
}

static int usable(const ppl_ctx *c, const struct held *h)
{
    return h->tensor != NULL && ppl__epoch_open(c, h->depth, h->epoch);
}

static void point_leaf(const ppl_ctx *c, const struct param *p)
{
    p->leaf.tensor->data = elements(c, p, 0);
    p->leaf.tensor->grad = elements(c, p, 1);
}

static struct block *new_block(ppl_ctx *c, int64_t capacity)
{
    size_t bytes = ARRAYS * (size_t)capacity * ppl__dtype_size(c->dtype);
    size_t size = sizeof(struct block) + ALIGNMENT + bytes;
    struct block *b = ppl_persistent_alloc(c, size);

    if (b == NULL)
        return NULL;
    b->bytes = (char *)(((uintptr_t)(b + 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    b->capacity = capacity;
    b->size = size;
    b->depth = PPL__MAX_EPOCHS;
    return b;
}

int ppl__store_grow(ppl_ctx *c, int64_t need)
{
    ppl__store *s = c->store;
    struct block *old = s->slab, *b;
    int64_t capacity = old != NULL ? old->capacity : 1024;

    if (old != NULL && need <= old->capacity)
        return 1;
    while (capacity < need)
        capacity *= 2;
    b = new_block(c, capacity);
    if (b == NULL)
        return 0;
    s->slab = b;
    if (old == NULL)
        return 1;
    for (int a = 0; a < ARRAYS; a++)
        memcpy(array_at(b, c->dtype, a), array_at(old, c->dtype, a),
               (size_t)s->used * ppl__dtype_size(c->dtype));
    for (int i = 0; i < s->count; i++)
        if (usable(c, &s->param[i]->leaf))
            point_leaf(c, s->param[i]);
    b->depth = old->depth;
    old->next = s->outgrown;
    s->outgrown = old;
    return 1;
}

void ppl__store_epoch_end(ppl_ctx *c, int depth)
{
    struct block **at;

    if (c->store == NULL)
        return;
    at = &c->store->outgrown;
    while (*at != NULL) {
        struct block *b = *at;

        if (b->depth >= depth) {
            *at = b->next;
            ppl__free(c, b, b->size);
        } else {
            at = &b->next;
        }
    }
}

/* ---- Elements as doubles ----------------------------------------------------------- */

static double element(const ppl_ctx *c, const char *array, int64_t i)
{
    return c->dtype == PPL_F32 ? (double)((const float *)(const void *)array)[i]
                               : ((const double *)(const void *)array)[i];
}

static void set_element(const ppl_ctx *c, char *array, int64_t i, double x)
{
    if (c->dtype == PPL_F32)
        ((float *)(void *)array)[i] = (float)x;
    else
        ((double *)(void *)array)[i] = x;
}

/* ---- Making and removing ----------------------------------------------------------- */

int ppl__store_make(ppl_ctx *c)
{
    if (c->store == NULL)
        c->store = ppl_persistent_alloc(c, sizeof *c->store);
    return c->store != NULL;
}

static int room_for_row(ppl_ctx *c)
{
    void *rows = c->store->param;

    if (ppl__grow(c, &rows, &c->store->capacity, (size_t)c->store->count + 1,
                  sizeof *c->store->param) != PPL_OK)
        return 0;
    c->store->param = rows;
    return 1;
}

static struct param *find(const ppl_ctx *c, ppl_name name)
{
    struct param *p = NULL;

    if (c->store != NULL)
        HASH_FIND_PTR(c->store->table, &name, p);
    return p;
}

static void drop_last(ppl_ctx *c)
{
    ppl__store *s = c->store;
    struct param *p = s->param[--s->count];

    for (int a = 0; a < ARRAYS; a++)
        memset(elements(c, p, a), 0,
               (size_t)(s->used - p->info.offset) * ppl__dtype_size(c->dtype));
    s->used = p->info.offset;
    HASH_DELETE(hh, s->table, p);
    ppl__free(c, p, sizeof *p);
}

struct param *ppl__store_add(ppl_ctx *c, ppl_name name, ppl_shape shape, ppl_shape leaf_shape)
{
    int64_t count = ppl__shape_numel(&leaf_shape);
    int64_t unit = ALIGNMENT / (int64_t)ppl__dtype_size(c->dtype);
    int64_t padded = (count + unit - 1) / unit * unit;
    ppl__store *s;
    struct param *p;

    if (!ppl__store_make(c) || !room_for_row(c) || !ppl__store_grow(c, c->store->used + padded))
        return NULL;
    p = ppl_persistent_alloc(c, sizeof *p);
    if (p == NULL)
        return NULL;
    s = c->store;
    p->info.name = name;
    p->info.shape = shape;
    p->info.offset = s->used;
    p->info.count = count;
    p->leaf_shape = leaf_shape;
    HASH_ADD_PTR(s->table, info.name, p);
    if (p->hh.tbl == NULL) {
        ppl__free(c, p, sizeof *p);
        return NULL;
    }
    s->param[s->count++] = p;
    s->used += padded;
    return p;
}

void ppl_param_rollback(ppl_ctx *c, int count)
{
    while (c->store != NULL && c->store->count > count)
        drop_last(c);
}

void ppl__store_free(ppl_ctx *c)
{
    ppl__store *s = c->store;

    if (s == NULL)
        return;
    ppl_param_rollback(c, 0);
    ppl__store_epoch_end(c, 0);
    if (s->slab != NULL)
        ppl__free(c, s->slab, s->slab->size);
    ppl__free(c, s->param, s->capacity * sizeof *s->param);
    ppl_persistent_free(c, s, sizeof *s);
    c->store = NULL;
}

/* ---- Constrained values ------------------------------------------------------------ */

/* 1 if values of that shape can be under the constraint. */
static int check_axes(ppl_ctx *c, ppl_name name, const ppl_constraint *constraint,
                      ppl_shape shape)
{
    const ppl_constraint_map *map = ppl_constraint_optimise(constraint);
    const int dims = ppl_constraint_event_dim(constraint);
    char text[PPL_SHAPE_TEXT], must[PPL_CONSTRAINT_TEXT];
    ppl_shape free = shape;

    if (dims > shape.rank)
        ppl_fail(c, PPL_ESHAPE, "parameter %s: a %s value has %d or more axes", name,
                 constraint->type->name, dims);
    else if (map != NULL && map->shape != NULL && !map->shape(constraint, &free))
        ppl_fail(c, PPL_ESHAPE, "parameter %s: no %s value has shape %s; it must be %s",
                 name, constraint->type->name, ppl_shape_text(&shape, text),
                 ppl_constraint_text(constraint, must));
    return ppl_ok(c);
}

/* Refuses values outside the constraint, naming the first. */
static int check_values(ppl_ctx *c, ppl_name name, const ppl_constraint *constraint,
                        ppl_shape shape, const double *values)
{
    char text[PPL__VIOLATION_TEXT];
    const ppl_tensor *t;
    size_t i;

    if (!check_axes(c, name, constraint, shape))
        return 0;
    t = ppl__tensor_make(c, PPL_F64, shape, (void *)(uintptr_t)values);
    if (t == NULL)
        return 0;
    i = ppl__first_violation(constraint, t, 0);
    if (i < (size_t)t->numel)
        ppl_fail(c, PPL_ECONSTRAINT, "parameter %s: value%s", name,
                 ppl__violation_text(constraint, t, i, text));
    return ppl_ok(c);
}

/* The unconstrained tensor behind constrained `values`; NULL on error. */
static ppl_tensor *unconstrain(ppl_ctx *c, const ppl_constraint *constraint,
                               ppl_shape shape, const double *values)
{
    ppl_tensor *t;
    int enabled = ppl_set_grad_enabled(c, 0);

    t = ppl_from_doubles(c, shape, values);
    if (t != NULL)
        t = ppl_constraint_optimise(constraint)->from_constrained(constraint, t);
    ppl_set_grad_enabled(c, enabled);
    return t;
}

/* Gives `p` the unconstrained elements of t; 0 if there are more than it has room for. */
static int put_elements(ppl_ctx *c, struct param *p, const ppl_tensor *t)
{
    size_t size = ppl__dtype_size(c->dtype);

    if (t->numel > p->info.count) {
        ppl_fail(c, PPL_EUNSUPPORTED, "parameter %s: its constraint makes %lld "
                 "unconstrained elements of its value, and it has room for %lld",
                 p->info.name, (long long)t->numel, (long long)p->info.count);
        return 0;
    }
    memset(elements(c, p, 0), 0, (size_t)p->info.count * size);
    memcpy(elements(c, p, 0), t->data, (size_t)t->numel * size);
    p->info.count = t->numel;
    p->leaf_shape = t->shape;
    return 1;
}

/* Gives `p` constrained `values`; 0 with the error recorded. */
static int put_values(ppl_ctx *c, struct param *p, const ppl_constraint *constraint,
                      const double *values)
{
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_tensor *t = NULL;
    int done;

    if (check_values(c, p->info.name, constraint, p->info.shape, values))
        t = unconstrain(c, constraint, p->info.shape, values);
    done = t != NULL && put_elements(c, p, t);
    ppl_epoch_end(c, mark);
    return done;
}

static void initial_identity(ppl_shape shape, double diagonal, double *out)
{
    int64_t columns = shape.rank >= 1 ? shape.dim[shape.rank - 1] : 1;
    int64_t rows = shape.rank >= 2 ? shape.dim[shape.rank - 2] : 1;
    int64_t n = ppl__shape_numel(&shape);

    for (int64_t i = 0; i < n; i++)
        out[i] = i % (rows * columns) / columns == i % columns ? diagonal : 0;
}

/* The values that `init` asks for, in constrained space, as doubles. */
static double *initial_values(ppl_ctx *c, const ppl_msg *m)
{
    int64_t n = ppl__shape_numel(&m->shape);
    double *out = ppl__arena_alloc(&c->data, (size_t)n * sizeof *out);
    ppl_rng rng;
    uint64_t seed = c->seed, particle = c->particle;

    if (out == NULL)
        return NULL;
    c->particle = 0;                /* one start, whoever comes first */
    rng = ppl__site_rng(c, &seed, m->name, -1);
    c->particle = particle;
    switch (m->init.kind) {
    case PPL_INIT_CONSTANT:
        for (int64_t i = 0; i < n; i++)
            out[i] = m->init.a;
        break;
    case PPL_INIT_UNIFORM:
        ppl_rng_uniforms(&rng, 0, (size_t)n, out);
        for (int64_t i = 0; i < n; i++)
            out[i] = m->init.a + (m->init.b - m->init.a) * out[i];
        break;
    case PPL_INIT_NORMAL:
        ppl_rng_normals(&rng, 0, (size_t)n, out);
        for (int64_t i = 0; i < n; i++)
            out[i] = m->init.a + m->init.b * out[i];
        break;
    case PPL_INIT_IDENTITY:
        initial_identity(m->shape, m->init.a, out);
        break;
    case PPL_INIT_VALUES:
        if (m->init.values == NULL) {
            ppl_fail(c, PPL_EINVAL, "parameter %s: its initial values are NULL", m->name);
            return NULL;
        }
        memcpy(out, m->init.values, (size_t)n * sizeof *out);
        break;
    }
    return out;
}

/* ---- The default of a parameter message -------------------------------------------- */

static int shape_ok(ppl_ctx *c, ppl_name name, const ppl_shape *shape)
{
    char what[128];

    snprintf(what, sizeof what, "parameter %s", name);
    return ppl__shape_check(c, what, shape) == PPL_OK;
}

static int constraint_ok(ppl_ctx *c, const ppl_msg *m)
{
    if (ppl_constraint_optimise(&m->constraint) == NULL)
        ppl_fail(c, PPL_EUNSUPPORTED, "parameter %s: a %s value cannot be optimised; "
                 "give a constraint of real numbers", m->name,
                 m->constraint.type != NULL ? m->constraint.type->name : "(none)");
    return ppl_ok(c);
}

static struct param *create(ppl_ctx *c, const ppl_msg *m)
{
    double *values;
    ppl_tensor *t;
    struct param *p;

    if (!shape_ok(c, m->name, &m->shape) || !constraint_ok(c, m))
        return NULL;
    values = initial_values(c, m);
    if (values == NULL || !check_values(c, m->name, &m->constraint, m->shape, values))
        return NULL;
    t = unconstrain(c, &m->constraint, m->shape, values);
    if (t == NULL)
        return NULL;
    p = ppl__store_add(c, m->name, m->shape, t->shape);
    if (p == NULL || !put_elements(c, p, t))
        return NULL;
    p->info.constraint = m->constraint;
    return p;
}

/* The shape of elements that came without a constraint, now that there is one. */
static int shape_leaf(ppl_ctx *c, struct param *p, const ppl_constraint *constraint)
{
    const ppl_constraint_map *map = ppl_constraint_optimise(constraint);
    char text[PPL_SHAPE_TEXT];
    ppl_shape free = p->info.shape;

    if (!check_axes(c, p->info.name, constraint, p->info.shape))
        return 0;
    if (map->shape == NULL)
        return 1;
    map->shape(constraint, &free);
    if (ppl__shape_numel(&free) == p->info.count) {
        p->leaf_shape = free;
        return 1;
    }
    ppl_fail(c, PPL_ESHAPE, "parameter %s: %lld unconstrained elements were loaded, and a "
             "%s value of shape %s has %lld", p->info.name, (long long)p->info.count,
             constraint->type->name, ppl_shape_text(&p->info.shape, text),
             (long long)ppl__shape_numel(&free));
    return 0;
}

/* A model names the constraint of a parameter that was loaded or written before. */
static int adopt(ppl_ctx *c, struct param *p, const ppl_msg *m)
{
    double *values;

    if (!constraint_ok(c, m) || (!p->constrained && !shape_leaf(c, p, &m->constraint)))
        return 0;
    if (p->constrained) {
        values = ppl__arena_alloc(&c->data, (size_t)p->info.count * sizeof *values);
        if (values == NULL)
            return 0;
        for (int64_t i = 0; i < p->info.count; i++)
            values[i] = element(c, elements(c, p, 0), i);
        if (!put_values(c, p, &m->constraint, values))
            return 0;
        p->constrained = 0;
    }
    p->info.constraint = m->constraint;
    return 1;
}

static int same_as_before(ppl_ctx *c, const struct param *p, const ppl_msg *m)
{
    const ppl_constraint *a = &p->info.constraint, *b = &m->constraint;
    char have[PPL_SHAPE_TEXT], want[PPL_SHAPE_TEXT];

    if (!ppl__same_shape(&p->info.shape, &m->shape)) {
        ppl_fail(c, PPL_ESHAPE, "parameter %s has shape %s and the model asks for %s; "
                 "use one shape, or another name, or a file of these dimensions", m->name,
                 ppl_shape_text(&p->info.shape, have), ppl_shape_text(&m->shape, want));
        return 0;
    }
    if (a->type != NULL && b->type != NULL &&
        (!same_constraint(a, b) || a->parts != b->parts)) {
        ppl_fail(c, PPL_EINVAL, "parameter %s was %s at first and is asked for as %s; "
                 "use one constraint", m->name, a->type->name, b->type->name);
        return 0;
    }
    return 1;
}

/* A value from a handler, or made of a file's elements, is of the shape asked for. */
static int check_shape(ppl_ctx *c, const ppl_tensor *value, ppl_name name,
                       const ppl_shape *shape)
{
    char have[PPL_SHAPE_TEXT], want[PPL_SHAPE_TEXT];

    if (ppl__same_shape(&value->shape, shape))
        return 1;
    ppl_fail(c, PPL_ESHAPE, "the value given for parameter %s has shape %s and the model "
             "asks for %s; give one of that shape", name,
             ppl_shape_text(&value->shape, have), ppl_shape_text(shape, want));
    return 0;
}

void ppl__store_keep(ppl_ctx *c)
{
    if (c->store->slab->depth > c->epoch_depth)
        c->store->slab->depth = c->epoch_depth;
}

static int have_leaf(ppl_ctx *c, struct param *p)
{
    ppl_tensor *t;

    if (usable(c, &p->leaf))
        return 1;
    t = ppl__tensor_make(c, c->dtype, p->leaf_shape, elements(c, p, 0));
    if (t == NULL)
        return 0;
    t->flags |= PPL__LEAF | PPL__REQUIRES_GRAD;
    p->leaf = hold(c, t);
    p->value.tensor = NULL;
    point_leaf(c, p);
    ppl__store_keep(c);
    return 1;
}

/* The constrained value, computed again where it is of another epoch or out of date. */
static int have_value(ppl_ctx *c, struct param *p)
{
    const ppl_constraint *constraint = &p->info.constraint;

    if (usable(c, &p->value) && p->version == c->store->version &&
        (!c->grad_enabled || ppl_requires_grad(p->value.tensor)))
        return 1;
    /* Copies of what may have changed. */
    p->leaf.tensor->prepared_epoch[0] = p->leaf.tensor->prepared_epoch[1] = 0;
    p->value = hold(c, ppl_constraint_optimise(constraint)->to_constrained(
                           constraint, p->leaf.tensor));
    p->version = c->store->version;
    return p->value.tensor != NULL && check_shape(c, p->value.tensor, p->info.name,
                                                  &p->info.shape);
}

void ppl__store_default(ppl_msg *m)
{
    ppl_ctx *c = m->ctx;
    struct param *p;

    if ((m->flags & PPL_DONE) != 0) {       /* a handler's value in its place */
        if (ppl__check(c, m->value, "the value given for the parameter") == PPL_OK)
            check_shape(c, m->value, m->name, &m->shape);
        return;
    }
    p = find(c, m->name);
    if (p == NULL)
        p = create(c, m);
    else if (!same_as_before(c, p, m) ||
             (p->info.constraint.type == NULL && !adopt(c, p, m)))
        p = NULL;
    if (p == NULL || !have_leaf(c, p) || !have_value(c, p))
        return;
    p->info.touched = 1;
    m->leaf = p->leaf.tensor;
    m->value = p->value.tensor;
    m->flags |= PPL_DONE;
}

/* ---- Reading and writing from outside ---------------------------------------------- */

int ppl_param_count(const ppl_ctx *c)
{
    return c->store != NULL ? c->store->count : 0;
}

const ppl_param_info *ppl_param_at(const ppl_ctx *c, int i)
{
    return i >= 0 && i < ppl_param_count(c) ? &c->store->param[i]->info : NULL;
}

int ppl_param_find(const ppl_ctx *c, const char *name)
{
    for (int i = 0; i < ppl_param_count(c); i++)
        if (strcmp(c->store->param[i]->info.name, name) == 0)
            return i;
    return -1;
}

ppl_slab ppl_param_slab(ppl_ctx *c)
{
    ppl_slab s = { c->dtype, 0, NULL, NULL, { NULL, NULL } };

    if (c->store != NULL && c->store->slab != NULL) {
        c->store->version++;
        s.size = c->store->used;
        s.value = array_at(c->store->slab, c->dtype, 0);
        s.grad = array_at(c->store->slab, c->dtype, 1);
        s.moment[0] = array_at(c->store->slab, c->dtype, 2);
        s.moment[1] = array_at(c->store->slab, c->dtype, 3);
    }
    return s;
}

/* The parameter, or NULL with an error that says what there is. */
static struct param *named(ppl_ctx *c, const char *operation, const char *name)
{
    int i = name != NULL ? ppl_param_find(c, name) : -1;

    if (i < 0)
        ppl_fail(c, PPL_EINVAL, "%s: there is no parameter %s among the %d there are; a "
                 "parameter is made when a model first asks for it", operation,
                 name != NULL ? name : "(NULL)", ppl_param_count(c));
    return i < 0 ? NULL : c->store->param[i];
}

static int count_ok(ppl_ctx *c, const char *operation, const char *name, int64_t count,
                    int64_t right)
{
    if (count != right)
        ppl_fail(c, PPL_ESHAPE, "%s: parameter %s has %lld elements, not %lld", operation,
                 name, (long long)right, (long long)count);
    return count == right;
}

static void read_constrained(ppl_ctx *c, struct param *p, double *out, int64_t count)
{
    const ppl_constraint *constraint = &p->info.constraint;
    int enabled = ppl_set_grad_enabled(c, 0);
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_tensor *t =
        ppl__tensor_make(c, c->dtype, p->leaf_shape, elements(c, p, 0));

    if (t != NULL && constraint->type != NULL)
        t = ppl_constraint_optimise(constraint)->to_constrained(constraint, t);
    ppl_read(t, out, count);
    ppl_epoch_end(c, mark);
    ppl_set_grad_enabled(c, enabled);
}

ppl_status ppl_param_read(ppl_ctx *c, const char *name, double *out, int64_t count)
{
    struct param *p;

    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    p = named(c, "ppl_param_read", name);
    if (p != NULL && count_ok(c, "ppl_param_read", name, count,
                              ppl__shape_numel(&p->info.shape)))
        read_constrained(c, p, out, count);
    return ppl_boundary_leave(c);
}

/* Without a constraint yet they are kept as they come, until a model names one. */
static void write_values(ppl_ctx *c, struct param *p, const double *values)
{
    if (p->info.constraint.type != NULL) {
        put_values(c, p, &p->info.constraint, values);
        p->value.tensor = NULL;
        return;
    }
    for (int64_t i = 0; i < p->info.count; i++)
        set_element(c, elements(c, p, 0), i, values[i]);
    p->constrained = 1;
}

ppl_status ppl_param_write(ppl_ctx *c, const char *name, ppl_shape shape,
                           const double *values)
{
    const struct param *p;
    ppl_name interned;
    int i = -1;

    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    interned = ppl_intern(c, name);
    if (interned != NULL && values == NULL)
        ppl_fail(c, PPL_EINVAL, "ppl_param_write: the values of parameter %s are NULL",
                 name);
    if (ppl_ok(c) && shape_ok(c, interned, &shape)) {
        p = find(c, interned);
        i = ppl_param_declare(c, name, shape, p != NULL && p->info.constraint.type != NULL
                              ? p->info.count : ppl__shape_numel(&shape));
    }
    if (i >= 0) {
        write_values(c, c->store->param[i], values);
        c->store->followed = -1;
    }
    return ppl_boundary_leave(c);
}

ppl_status ppl_param_grad(ppl_ctx *c, const char *name, double *out, int64_t count)
{
    struct param *p;

    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    p = named(c, "ppl_param_grad", name);
    if (p != NULL && count_ok(c, "ppl_param_grad", name, count, p->info.count))
        for (int64_t i = 0; i < count; i++)
            out[i] = element(c, elements(c, p, 1), i);
    return ppl_boundary_leave(c);
}

static void zero_lines(void *grad, size_t from, size_t to)
{
    memset((char *)grad + from * LINE, 0, (to - from) * LINE);
}

/* The slab is whole lines. */
void ppl_zero_grad(ppl_ctx *c)
{
    ppl_slab s = ppl_param_slab(c);

    if (s.grad != NULL)
        ppl_maths_split(c, (size_t)s.size * ppl__dtype_size(c->dtype) / LINE, 1000,
                        zero_lines, s.grad);
    for (int i = 0; i < ppl_param_count(c); i++)
        c->store->param[i]->info.touched = 0;
}

void ppl_param_set_steps(ppl_ctx *c, int i, int64_t steps)
{
    if (i >= 0 && i < ppl_param_count(c))
        c->store->param[i]->info.steps = steps;
}

/* What is there under a name is what shall be. */
static int same_size(ppl_ctx *c, const struct param *p, const ppl_shape *shape,
                     int64_t count)
{
    char have[PPL_SHAPE_TEXT], given[PPL_SHAPE_TEXT];

    if (!ppl__same_shape(&p->info.shape, shape))
        ppl_fail(c, PPL_ESHAPE, "parameter %s has shape %s and is given with shape %s",
                 p->info.name, ppl_shape_text(&p->info.shape, have),
                 ppl_shape_text(shape, given));
    else if (p->info.count != count)
        ppl_fail(c, PPL_ESHAPE, "parameter %s has %lld unconstrained elements and is "
                 "given with "
                 "%lld", p->info.name, (long long)p->info.count, (long long)count);
    return ppl_ok(c);
}

int ppl_param_declare(ppl_ctx *c, const char *name, ppl_shape shape, int64_t count)
{
    ppl_shape flat = PPL_SHAPE(count);
    ppl_name interned = ppl_intern(c, name);
    struct param *p;

    if (interned == NULL || !shape_ok(c, interned, &shape) ||
        !shape_ok(c, interned, &flat))
        return -1;
    p = find(c, interned);
    if (p == NULL) {
        p = ppl__store_add(c, interned, shape, ppl__shape_numel(&shape) == count ? shape : flat);
        return p != NULL ? c->store->count - 1 : -1;
    }
    if (!same_size(c, p, &shape, count))
        return -1;
    p->constrained = 0;
    return ppl_param_find(c, name);
}

/* ---- Initialisers ------------------------------------------------------------------ */

ppl_init ppl_init_constant(double value)
{
    return (ppl_init){ PPL_INIT_CONSTANT, value, 0, NULL };
}

ppl_init ppl_init_uniform(double low, double high)
{
    return (ppl_init){ PPL_INIT_UNIFORM, low, high, NULL };
}

ppl_init ppl_init_normal(double mean, double scale)
{
    return (ppl_init){ PPL_INIT_NORMAL, mean, scale, NULL };
}

ppl_init ppl_init_identity(double diagonal)
{
    return (ppl_init){ PPL_INIT_IDENTITY, diagonal, 0, NULL };
}

ppl_init ppl_init_values(const double *values)
{
    return (ppl_init){ PPL_INIT_VALUES, 0, 0, values };
}

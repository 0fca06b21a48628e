/* SPDX-License-Identifier: MIT */
/*
 * program.c - programs: a computation recorded once and run again on other numbers.
 *
 * Between begin and end every operation on what depends on a leaf or a latent is noted in
 * order. At the end the reverse sweep over the notes is laid out once as a list of calls
 * with their buffers, in the order that the tape's sweep would have taken, so that a run
 * is two loops over function pointers: nothing is looked up, checked or allocated.
 *
 * A C program may branch on a number it has read; what it would do with another number is
 * not in the notes. So a read of what depends on a leaf or a latent makes the recording
 * end with PPL_EUNSUPPORTED, and the caller runs its function anew each time instead.
 */
#include "ops.h"

#include <string.h>

/* One call of the reverse sweep. */
typedef struct call {
    enum { ONE, REDUCED, TOGETHER, ALL } how;   /* vjp; vjp by way of the scratch, at the
                                       output's shape; vjp_together; vjp_all */
    ppl_tensor **outs;              /* one node, or `count` of a row that go together */
    int count, i;
    void *grad;                     /* where input i's adjoint is */
    void **grads;                   /* where those of all inputs are, NULL: none is due */
    void *plan;                     /* of the node, or NULL */
    unsigned fresh;                 /* bit i: nothing stands there yet */
} call;

/* What a run does for a node. */
typedef struct step {
    void (*forward)(ppl_tensor *out, void *plan);
    ppl_tensor *out;
    void *plan;                     /* NULL: its row has none */
} step;

typedef struct root {
    ppl_tensor *tensor;
    double weight;
} root;

/* A piece of the adjoints that a sweep starts from. */
typedef struct piece {
    size_t from, size;
} piece;

struct ppl_program {
    ppl_ctx *ctx;
    ppl_epoch epoch;                /* that it was begun in */
    int read;                       /* a number that moves was read into C meanwhile */
    size_t tape;                    /* when it was begun */
    ppl_tensor **node;
    size_t count, capacity;
    step *step;                     /* of each node */
    call *calls;
    size_t call_count;
    root *root;
    int roots;
    char *adjoint, *seeded;         /* all adjoints in one block; the block to start from, and
                                       before that what becomes of each byte (see is_fresh) */
    size_t adjoint_bytes;
    piece *piece;                   /* of the block: what a sweep adds to first */
    size_t pieces;
    void *scratch;
    ppl_tensor **prepared;          /* inputs with a copy (for ppl_linear) of what moves */
    size_t prepared_count;
};

/* ---- Recording --------------------------------------------------------------------- */

/* Appends to an array in the epoch; 0 when out of memory. */
static int append(ppl_program *p, ppl_tensor ***array, size_t *count, size_t *capacity,
                  ppl_tensor *t)
{
    if (*count == *capacity) {
        size_t larger = *capacity ? 2 * *capacity : 64;
        ppl_tensor **block = ppl__arena_alloc(&p->ctx->data, larger * sizeof *block);
        if (!block)
            return 0;
        if (*count > 0)
            memcpy(block, *array, *count * sizeof *block);
        *array = block;
        *capacity = larger;
    }
    (*array)[(*count)++] = t;
    return 1;
}

int ppl__program_note(ppl_program *p, ppl_tensor *out)
{
    return append(p, &p->node, &p->count, &p->capacity, out);
}

ppl_program *ppl_program_begin(ppl_ctx *c)
{
    if (!ppl_ok(c))
        return NULL;
    if (c->program) {
        ppl_fail(c, PPL_EINVAL, "program_begin: a program is being recorded already; end "
                 "it first");
        return NULL;
    }
    ppl_program *p = ppl_alloc(c, sizeof *p);
    if (!p)
        return NULL;
    p->ctx = c;
    p->epoch = c->epoch_depth;
    p->tape = c->tape_count;
    c->program = p;
    return p;
}

void ppl__program_read(ppl_program *p)
{
    p->read = 1;
}

void ppl__program_epoch_end(ppl_ctx *c, ppl_epoch mark)
{
    if (c->program && c->program->epoch >= mark)
        c->program = NULL;
}

/* ---- Laying out the reverse sweep -------------------------------------------------- */

static ppl_tensor *owner_of(ppl_tensor *t)
{
    return t->flags & PPL__VIEW ? t->base : t;
}

static size_t bytes_of(const ppl_tensor *t)
{
    return (size_t)t->numel * ppl__dtype_size((ppl_dtype)t->dtype);
}

/* 1 if an adjoint is a parameter's, to which a sweep adds. */
static int in_slab(ppl_ctx *c, const void *grad)
{
    ppl_slab s = ppl_param_slab(c);
    const char *from = s.grad, *at = grad;
    return from && at >= from && at < from + (size_t)s.size * ppl__dtype_size(s.dtype);
}

/* Room in the block for the adjoint of t's owner; the offset, plus one, marks it. A leaf of
 * ppl_variable has its gradient there too: that of the latest run. */
static void give_adjoint(ppl_program *p, ppl_tensor *t)
{
    ppl_tensor *owner = owner_of(t);
    if (owner->grad && !(owner->flags & PPL__LEAF && !in_slab(p->ctx, owner->grad)))
        return;
    if (owner->grad && (uintptr_t)owner->grad <= p->adjoint_bytes)
        return;
    owner->grad = (void *)(uintptr_t)(p->adjoint_bytes + 1);
    owner->flags &= (unsigned char)~PPL__ZEROS;
    p->adjoint_bytes += (bytes_of(owner) + 63) & ~(size_t)63;
}

/* Walks back from the roots: who has an adjoint. Returns the number of calls at most. */
static size_t reach(ppl_program *p)
{
    size_t calls = 0;
    for (int i = 0; i < p->roots; i++)
        if (p->root[i].tensor->flags & PPL__REQUIRES_GRAD)
            give_adjoint(p, p->root[i].tensor);
    for (size_t k = p->count; k-- > 0;) {
        ppl_tensor *out = p->node[k];
        if (!out->grad || !(out->flags & PPL__REQUIRES_GRAD))
            continue;
        for (int i = 0; i < out->inputs; i++)
            if (out->input[i]->flags & PPL__REQUIRES_GRAD) {
                give_adjoint(p, out->input[i]);
                calls++;
            }
    }
    return calls;
}

/* From the marks of give_adjoint to addresses. */
static void *place(const ppl_program *p, ppl_tensor *owner)
{
    uintptr_t mark = (uintptr_t)owner->grad;
    if (mark > 0 && mark <= p->adjoint_bytes)
        owner->grad = p->adjoint + (mark - 1);
    return owner->grad;
}

static void *adjoint_of(const ppl_program *p, ppl_tensor *t)
{
    void *grad = place(p, owner_of(t));
    return t->flags & PPL__VIEW ? ppl__at(t, grad, (size_t)t->offset) : grad;
}

/* What is known of a byte of the block while calls are listed: a root's weight stands there;
 * a call has come to it; which adds, so that a sweep has to start from what is there. */
enum { OF_ROOT = 1, REACHED = 2, STARTS = 4 };

/* Where that of t's adjoint stands; NULL: it is not in the block. */
static char *known_of(const ppl_program *p, ppl_tensor *t)
{
    const uintptr_t block = (uintptr_t)p->adjoint, at = (uintptr_t)adjoint_of(p, t);
    return at >= block && at < block + p->adjoint_bytes ? p->seeded + (at - block) : NULL;
}

static void know_roots(const ppl_program *p)
{
    memset(p->seeded, 0, p->adjoint_bytes);
    for (int i = 0; i < p->roots; i++) {
        ppl_tensor *t = p->root[i].tensor;
        char *known = t->flags & PPL__REQUIRES_GRAD ? known_of(p, t) : NULL;
        if (known)
            memset(known, OF_ROOT, bytes_of(t));
    }
}

/* Whether a call that adds to t's adjoint, the next one in the sweep, finds nothing there
 * and can write it whole. */
static unsigned is_fresh(const ppl_program *p, ppl_tensor *t, int writes)
{
    char *known = known_of(p, t);
    const size_t bytes = bytes_of(t);
    int fresh = known && writes;
    for (size_t i = 0; fresh && i < bytes; i++)
        fresh = known[i] == 0;
    for (size_t i = 0; known && i < bytes; i++)
        if (!(known[i] & REACHED))
            known[i] = (char)(known[i] | (fresh ? REACHED : REACHED | STARTS));
    return (unsigned)fresh;
}

/* Contributions put off: to one input of one row, which go together when it is due. */
typedef struct later {
    struct later *next;
    ppl_tensor *input, **outs;
    const ppl_op *op;
    int i, count, capacity;
} later;

static int put_off(ppl_program *p, later **list, ppl_tensor *out, int i)
{
    later *l = *list;
    ppl_ctx *c = p->ctx;
    while (l && (l->input != out->input[i] || l->op != out->op || l->i != i))
        l = l->next;
    if (!l) {
        if (!(l = ppl__arena_alloc(&c->data, sizeof *l)))
            return 0;
        *l = (later){ *list, out->input[i], NULL, out->op, i, 0, 0 };
        *list = l;
    }
    if (l->count == l->capacity) {
        int larger = l->capacity ? 2 * l->capacity : 8;
        ppl_tensor **outs = ppl__arena_alloc(&c->data, (size_t)larger * sizeof *outs);
        if (!outs)
            return 0;
        if (l->count > 0)
            memcpy(outs, l->outs, (size_t)l->count * sizeof *outs);
        l->outs = outs;
        l->capacity = larger;
    }
    l->outs[l->count++] = out;
    return 1;
}

/* Appends the calls put off to `input` (NULL: all that are left). */
static void take_due(ppl_program *p, later **list, const ppl_tensor *input)
{
    for (later **at = list; *at;) {
        later *l = *at;
        if (input && l->input != input) {
            at = &l->next;
            continue;
        }
        is_fresh(p, l->input, 0);
        p->calls[p->call_count++] =
            (call){ .how = TOGETHER, .outs = l->outs, .count = l->count, .i = l->i,
                    .grad = adjoint_of(p, l->input) };
        *at = l->next;
    }
}

static int call_for_all(ppl_program *p, ppl_tensor **out, void *plan)
{
    const int inputs = (*out)->inputs;
    call *k = &p->calls[p->call_count++];
    *k = (call){ .how = ALL, .outs = out, .plan = plan };
    k->grads = ppl__arena_alloc(&p->ctx->data, (size_t)inputs * sizeof *k->grads);
    for (int i = 0; i < inputs && k->grads; i++) {
        ppl_tensor *input = (*out)->input[i];
        const int due = input->flags & PPL__REQUIRES_GRAD;
        k->grads[i] = due ? adjoint_of(p, input) : NULL;
        k->fresh |= due ? is_fresh(p, input, !ppl__overlaps_another(*out, i)) << i : 0;
    }
    return k->grads != NULL;
}

static int call_for_one(ppl_program *p, later **list, ppl_tensor **at, int i, size_t *scratch)
{
    ppl_tensor *out = *at, *input = out->input[i];
    const int reduced = ppl__is_stretched(out, i);
    if (!(input->flags & PPL__REQUIRES_GRAD))
        return 1;
    if (out->op->vjp_together && !(input->flags & PPL__VIEW))
        return put_off(p, list, out, i);
    if (reduced && bytes_of(out) > *scratch)
        *scratch = bytes_of(out);
    p->calls[p->call_count++] =
        (call){ .how = reduced ? REDUCED : ONE, .outs = at, .i = i,
                .grad = adjoint_of(p, input),
                .fresh = is_fresh(p, input, !reduced && out->op->flags & PPL_OP_WRITES) };
    return 1;
}

static int list_calls(ppl_program *p, size_t *scratch)
{
    later *list = NULL;
    know_roots(p);
    for (size_t k = p->count; k-- > 0;) {
        ppl_tensor *out = p->node[k];
        if (!out->grad || !(out->flags & PPL__REQUIRES_GRAD))
            continue;
        place(p, out);
        take_due(p, &list, out);
        if (out->op->vjp_all && out->inputs <= PPL__ALL_INPUTS) {
            if (!call_for_all(p, &p->node[k], p->step[k].plan))
                return 0;
            continue;
        }
        for (int i = 0; i < out->inputs; i++)
            if (!call_for_one(p, &list, &p->node[k], i, scratch))
                return 0;
    }
    take_due(p, &list, NULL);
    return 1;
}

/* The piece of the block to start from that comes after *next; 0: there is none. One goes on
 * over what is less than a line of the cache. */
static int find_piece(const ppl_program *p, piece *next)
{
    enum { LINE = 64 };
    size_t from = next->from + next->size, end;
    while (from < p->adjoint_bytes && !(p->seeded[from] & STARTS))
        from++;
    end = from;
    for (size_t at = from; at < p->adjoint_bytes && at < end + LINE; at++)
        if (p->seeded[at] & STARTS)
            end = at + 1;
    *next = (piece){ from, end - from };
    return end > from;
}

static int list_pieces(ppl_program *p)
{
    piece next = { 0, 0 };
    while (find_piece(p, &next))
        p->pieces++;
    p->piece = ppl__arena_alloc(&p->ctx->data, (p->pieces + 1) * sizeof *p->piece);
    if (!p->piece)
        return 0;
    next = (piece){ 0, 0 };
    for (size_t k = 0; find_piece(p, &next); k++)
        p->piece[k] = next;
    return 1;
}

/* The inputs of another shape than the output's, stretched anew. */
static void restretch(ppl_tensor *out)
{
    for (int i = 0; i < out->inputs; i++) {
        const ppl_tensor *t = out->input[i];
        if (out->operand[i] != t->data && ppl__moves(t))
            ppl__expand_into((ppl_dtype)t->dtype, out->shape,
                             (void *)(uintptr_t)out->operand[i], t->shape, t->data);
    }
}

static void forward_without_plan(ppl_tensor *out, void *plan)
{
    (void)plan;
    if (out->operand)
        restretch(out);
    out->flags &= (unsigned char)~PPL__FOLDED;
    out->op->forward(out);
}

/* A row whose inputs were stretched goes without a plan. */
static int make_steps(ppl_program *p)
{
    p->step = ppl__arena_alloc(&p->ctx->data, (p->count + 1) * sizeof *p->step);
    for (size_t k = 0; p->step && k < p->count; k++) {
        ppl_tensor *out = p->node[k];
        const ppl_op_plan *planned = out->operand ? NULL : out->op->planned;
        p->step[k] = (step){ planned ? planned->forward : forward_without_plan, out, NULL };
        if (planned && !(p->step[k].plan = planned->make(out)))
            return 0;
    }
    return p->step != NULL;
}

static int lay_out(ppl_program *p)
{
    ppl_ctx *c = p->ctx;
    size_t scratch = 0;
    p->calls = ppl__arena_alloc(&c->data, (reach(p) + 1) * sizeof *p->calls);
    p->adjoint = ppl__arena_alloc(&c->data, p->adjoint_bytes);
    p->seeded = ppl__arena_alloc(&c->data, p->adjoint_bytes);
    if (!p->calls || !p->adjoint || !p->seeded || !make_steps(p) ||
        !list_calls(p, &scratch) || !list_pieces(p))
        return 0;
    return scratch == 0 || (p->scratch = ppl__arena_alloc(&c->data, scratch)) != NULL;
}

/* The adjoints that a sweep starts from: each root's weight, and zeros. */
static void seed(ppl_program *p)
{
    memset(p->adjoint, 0, p->adjoint_bytes);
    for (int i = 0; i < p->roots; i++) {
        ppl_tensor *t = p->root[i].tensor;
        if (!(t->flags & PPL__REQUIRES_GRAD))
            continue;
        void *grad = adjoint_of(p, t);
        for (int64_t k = 0; k < t->numel; k++)
            ppl__add_number(p->ctx, ppl__at(t, grad, (size_t)k), p->root[i].weight);
    }
    memcpy(p->seeded, p->adjoint, p->adjoint_bytes);
}

/* Which inputs have to be prepared anew in each run. */
static int list_prepared(ppl_program *p)
{
    for (int fill = 0; fill < 2; fill++) {
        size_t count = 0;
        for (size_t k = 0; k < p->count; k++)
            for (int i = 0; i < p->node[k]->inputs; i++) {
                ppl_tensor *t = p->node[k]->input[i];
                if (!t->prepared_epoch[1] || !ppl__moves(t))
                    continue;
                if (fill)
                    p->prepared[count] = t;
                count++;
            }
        p->prepared_count = count;
        if (!fill && !(p->prepared = ppl__arena_alloc(&p->ctx->data, (count + 1) *
                                                                     sizeof *p->prepared)))
            return 0;
    }
    return 1;
}

static void forget_prepared(ppl_program *p)
{
    for (size_t k = 0; k < p->prepared_count; k++)
        p->prepared[k]->prepared_epoch[0] = p->prepared[k]->prepared_epoch[1] = 0;
}

static int keep_roots(ppl_program *p, ppl_tensor *const *roots, const double *weights,
                      int count)
{
    ppl_ctx *c = p->ctx;
    p->root = ppl__arena_alloc(&c->data, (size_t)(count + 1) * sizeof *p->root);
    if (!p->root)
        return 0;
    for (int i = 0; i < count; i++) {
        if (ppl__check_numbered(c, "program_end: root", roots[i], i) != PPL_OK ||
            ppl__need_dtype("program_end", roots[i], i, c->dtype) != PPL_OK)
            return 0;
        p->root[i] = (root){ roots[i], weights ? weights[i] : 1 };
    }
    p->roots = count;
    return 1;
}

ppl_status ppl_program_end(ppl_program *p, ppl_tensor *const *roots,
                           const double *weights, int count)
{
    ppl_ctx *c = p ? p->ctx : NULL;
    if (!p)
        return PPL_EINVAL;
    if (c->program == p)
        c->program = NULL;
    if (!ppl_ok(c))
        return ppl_error(c);        /* of what was recorded; it stands */
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    c->tape_count = p->tape;        /* the notes take the place of the tape's */
    if (p->read)
        ppl_fail(c, PPL_EUNSUPPORTED, "program_end: the computation read a value that "
                 "depends on a leaf or a latent (ppl_item, ppl_read, ppl_data, "
                 "ppl_total), so it may take another way with other numbers; run it anew "
                 "each time");
    else if (keep_roots(p, roots, weights, count) && lay_out(p) && list_prepared(p))
        seed(p);
    return ppl_boundary_leave(c);
}

/* ---- Running ----------------------------------------------------------------------- */

static void forward(const ppl_program *p)
{
    for (const step *s = p->step, *end = s + p->count; s < end; s++)
        s->forward(s->out, s->plan);
}

/* Node by node, where the row does not take them together. */
static void call_together(const call *k)
{
    const ppl_op *op = k->outs[0]->op;
    if (k->count > 1 && op->vjp_together(k->outs, k->count, k->i, k->grad))
        return;
    for (int n = 0; n < k->count; n++)
        op->vjp(k->outs[n], k->i, k->grad);
}

static void call_reduced(const ppl_program *p, const call *k)
{
    ppl_tensor *out = k->outs[0];
    memset(p->scratch, 0, bytes_of(out));
    out->op->vjp(out, k->i, p->scratch);
    ppl__reduce_into(p->ctx, out->input[k->i]->shape, k->grad, out->shape, p->scratch);
}

static void backward(ppl_program *p)
{
    for (size_t k = 0; k < p->pieces; k++)
        memcpy(p->adjoint + p->piece[k].from, p->seeded + p->piece[k].from,
               p->piece[k].size);
    for (size_t k = 0; k < p->call_count; k++) {
        const call *due = &p->calls[k];
        ppl_tensor *out = due->outs[0];
        if (due->how == ALL && due->plan) {
            out->op->planned->vjp_all(out, due->plan, due->grads, due->fresh);
        } else if (due->how == ALL) {
            out->op->vjp_all(out, due->grads, due->fresh);
        } else if (due->how == ONE) {
            out->flags |= due->fresh ? PPL__FIRST : 0;
            out->op->vjp(out, due->i, due->grad);
            out->flags &= (unsigned char)~PPL__FIRST;
        } else if (due->how == TOGETHER) {
            call_together(due);
        } else {
            call_reduced(p, due);
        }
    }
}

static double total_of(const ppl_ctx *c, const ppl_tensor *t)
{
    if (t->numel != 1)
        return c->kernels->sum((size_t)t->numel, t->data);
    return t->dtype == PPL_F32 ? (double)*(const float *)t->data : *(const double *)t->data;
}

ppl_status ppl_program_run(ppl_program *p, int gradient, double *value)
{
    ppl_ctx *c = p ? p->ctx : NULL;
    double sum = 0;
    *value = 0;
    if (!p || ppl_boundary_enter(c) != PPL_OK)
        return p ? ppl_error(c) : PPL_EINVAL;
    ppl__arena_mark mark = ppl__arena_here(&c->data);
    forget_prepared(p);
    forward(p);
    for (const root *r = p->root, *end = r + p->roots; r < end; r++)
        sum += r->weight * total_of(c, r->tensor);
    if (gradient && c->status == PPL_OK)
        backward(p);
    forget_prepared(p);
    ppl__arena_release(&c->data, mark);
    *value = sum;
    return ppl_boundary_leave(c);
}

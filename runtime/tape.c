/* SPDX-License-Identifier: MIT */
/*
 * tape.c - gradients: the tape, and the sweep back over it.
 *
 * The tape is the array of the outputs that require a gradient, in order of recording,
 * which is an order of dependence; the sweep is a loop over it from the end, through
 * every epoch that is open. Its cost is one vjp for each input that requires a gradient,
 * or one vjp_all for all of a node's.
 *
 * Adjoints are made when something first reaches a tensor, and their memory goes to the
 * next one once the sweep has passed it, so that a sweep stays within the caches; those of
 * leaves stay and add up. What reaches a view of a part is written there, and while such
 * parts lie side by side (the time steps of a sequence) nothing else is zeroed. That of what is
 * summed whole is one number, kept once if its row can do with it, and written out where
 * something else adds to it. What vjp_together takes is put off: the nodes of one row are
 * collected at the input and go together, a product over many rows for a weight used at T
 * steps instead of T products of few: as many nodes as make
 * PPL__TOGETHER rows, and the rest when the sweep comes to that input, or after it for leaves.
 * Everything is visited in an order that the tape alone decides. With threads, the products
 * for leaves are jobs (impl.h): the sweep goes on meanwhile, and waits for one where something
 * else adds to its leaf.
 */
#include "ops.h"

#include <string.h>

/* Nodes of row `op` whose contributions to `input`, their i-th, are put off. */
typedef struct ppl__deferred {
    struct ppl__deferred *next;     /* of another row, or another i, to the same tensor */
    struct ppl__deferred *leaf;     /* of the first to a leaf: that of the leaf met before */
    const ppl_op *op;
    ppl_tensor *input, **outs;
    int i, count, capacity;
    int64_t rows;                   /* of all outs */
} deferred;

/* A piece of memory whose adjoint is done with. */
typedef struct unused {
    struct unused *next;
} unused;

/* Elements `from` to `to` - 1 of the owner's adjoint are there, the others are not. */
typedef struct partial {
    struct partial *next;
    ppl_tensor *owner;
    size_t from, to;
} partial;

enum { CLASSES = 4 * 64 };

typedef struct sweep {
    ppl_ctx *ctx;
    deferred *leaves;               /* the first one of each leaf met so far */
    partial *partials;              /* few at a time */
    unused *unused[CLASSES];        /* by class of size */
    void *scratch;                  /* an adjoint at the output's shape, to be reduced */
    size_t scratch_size;
} sweep;

int ppl__tape_push(ppl_tensor *t)
{
    ppl_ctx *c = t->ctx;
    if (c->tape_count == c->tape_capacity) {
        void *tape = c->tape;
        size_t need = c->tape_count + 1;
        if (ppl__grow(c, &tape, &c->tape_capacity, need, sizeof *c->tape) != PPL_OK)
            return 0;
        c->tape = tape;
    }
    c->tape[c->tape_count++] = t;
    return 1;
}

/* ---- Memory of adjoints ------------------------------------------------------------- */

static size_t bytes_of(const ppl_tensor *t)
{
    return (size_t)t->numel * ppl__dtype_size((ppl_dtype)t->dtype);
}

/* The class of a size, four to each doubling; *size becomes what all of the class have. */
static int class_of(size_t *size)
{
    size_t units = (*size + 63) / 64;
    int doublings = 0;
    while (units > 8) {
        units = (units + 1) / 2;
        doublings++;
    }
    *size = (units << doublings) * 64;
    return 4 * doublings + (int)units;
}

static void *take(sweep *s, const ppl_tensor *t)
{
    size_t size = bytes_of(t);
    int class = class_of(&size);
    unused *u = s->unused[class];
    if (!u)
        return ppl__arena_alloc(&s->ctx->data, size);
    s->unused[class] = u->next;
    return u;
}

/* One of those who need out's adjoint has done with it. */
static void let_go(sweep *s, ppl_tensor *out)
{
    size_t size = bytes_of(out);
    unused *u = out->grad;
    if (--out->holds > 0)
        return;
    out->flags &= (unsigned char)~(PPL__FOLDED | PPL__EVEN);
    out->grad = NULL;
    if (!u || out->numel <= 1)
        return;                     /* in the record itself */
    int class = class_of(&size);
    u->next = s->unused[class];
    s->unused[class] = u;
}

/* Writes out an adjoint of which only the first is there. */
static void spell_out(ppl_tensor *t)
{
    const ppl__kernels *k = t->ctx->kernels;

    k->fill((size_t)t->numel, k->sum(1, t->grad), t->grad);
    t->flags &= (unsigned char)~PPL__EVEN;
}

static partial **find_partial(sweep *s, const ppl_tensor *owner)
{
    partial **at = &s->partials;

    while ((*at)->owner != owner)
        at = &(*at)->next;
    return at;
}

/* Zeroes what is not there of an adjoint. */
static void complete(sweep *s, ppl_tensor *owner)
{
    partial **at = find_partial(s, owner), *p = *at;
    const size_t all = (size_t)owner->numel;

    memset(owner->grad, 0, p->from * ppl__dtype_size((ppl_dtype)owner->dtype));
    memset(ppl__at(owner, owner->grad, p->to), 0,
           (all - p->to) * ppl__dtype_size((ppl_dtype)owner->dtype));
    owner->partly = 0;
    *at = p->next;
}

/* The first view to reach the owner's adjoint is t; 0 without memory. */
static int begin_partial(sweep *s, ppl_tensor *owner, const ppl_tensor *t)
{
    partial *p = ppl__arena_alloc(&s->ctx->data, sizeof *p);

    if (!p)
        return 0;
    p->next = s->partials;
    p->owner = owner;
    p->from = (size_t)t->offset;
    p->to = (size_t)(t->offset + t->numel);
    s->partials = p;
    owner->partly = 1;
    return 1;
}

/* 1 if t lies beside what is there of its owner's adjoint, and is counted in from now on.
 * What lies neither there nor within has the rest zeroed. */
static int extend_partial(sweep *s, ppl_tensor *owner, const ppl_tensor *t)
{
    partial **at = find_partial(s, owner), *p = *at;
    const size_t from = (size_t)(t == owner ? 0 : t->offset), to = from + (size_t)t->numel;

    if (from >= p->from && to <= p->to)
        return 0;
    if (to != p->from && from != p->to) {
        complete(s, owner);
        return 0;
    }
    p->from = from < p->from ? from : p->from;
    p->to = to > p->to ? to : p->to;
    if (p->from == 0 && p->to == (size_t)owner->numel) {
        owner->partly = 0;
        *at = p->next;
    }
    return 1;
}

/* The adjoint of t. Where nothing was there yet of what is t's, it is not zeroed, and *first
 * tells so. */
static void *adjoint(sweep *s, ppl_tensor *t, int *first)
{
    ppl_tensor *owner = t->flags & PPL__VIEW ? t->base : t;
    if ((owner->flags & PPL__LEAF) && owner->grad)
        ppl__jobs_finish(s->ctx, owner->grad);
    if (owner->flags & PPL__EVEN)
        spell_out(owner);
    if (!owner->grad) {
        owner->grad = owner->numel <= 1 ? &owner->element[1] : take(s, owner);
        if (!owner->grad || (t->numel != owner->numel && !begin_partial(s, owner, t)))
            return NULL;
        *first = 1;
    } else if (owner->partly) {
        *first = extend_partial(s, owner, t);
    } else if (owner->flags & PPL__ZEROS) {
        *first = t->numel == owner->numel;
    }
    owner->flags &= (unsigned char)~PPL__ZEROS;
    return t == owner ? owner->grad : ppl__at(t, owner->grad, (size_t)t->offset);
}

/* ---- One node ---------------------------------------------------------------------- */

/* The vjp of a stretched input: at the output's shape, then summed back to its own. */
static void contribute_reduced(sweep *s, ppl_tensor *out, int i, void *grad)
{
    const ppl_tensor *input = out->input[i];
    if (s->scratch_size < bytes_of(out)) {
        s->scratch = ppl__arena_alloc(&s->ctx->data, bytes_of(out));
        s->scratch_size = s->scratch ? bytes_of(out) : 0;
    }
    if (!s->scratch)
        return;
    memset(s->scratch, 0, bytes_of(out));
    out->op->vjp(out, i, s->scratch);
    ppl__reduce_into(s->ctx, input->shape, grad, out->shape, s->scratch);
}

static void contribute(sweep *s, ppl_tensor *out, int i)
{
    ppl_tensor *input = out->input[i];
    int first = 0, stretched = ppl__is_stretched(out, i);
    int writes = (out->op->flags & PPL_OP_WRITES) && !stretched;
    void *grad = adjoint(s, input, &first);
    if (!grad)
        return;
    if (first && !writes)
        memset(grad, 0, bytes_of(input));
    if (stretched) {
        contribute_reduced(s, out, i, grad);
        return;
    }
    if (first && writes)
        out->flags |= PPL__FIRST;
    out->op->vjp(out, i, grad);
    out->flags &= (unsigned char)~PPL__FIRST;
}

/* 1 if the row of t, which is no leaf, takes an adjoint that is one number for all. */
static int takes_even(const ppl_tensor *t)
{
    return t->op && t->op->flags & PPL_OP_EVEN && t->op->vjp_all &&
           t->inputs <= PPL__ALL_INPUTS && t->numel > 1;
}

/* All inputs at once. What was first is zeroed where it overlaps another, and where an error
 * keeps it from being written. */
static void contribute_all(sweep *s, ppl_tensor *out)
{
    void *grads[PPL__ALL_INPUTS];
    unsigned fresh = 0;
    for (int i = 0; i < out->inputs && s->ctx->status == PPL_OK; i++) {
        int first = 0;
        grads[i] = out->input[i]->flags & PPL__REQUIRES_GRAD
                       ? adjoint(s, out->input[i], &first) : NULL;
        if (first && grads[i] && ppl__overlaps_another(out, i)) {
            memset(grads[i], 0, bytes_of(out->input[i]));
            first = 0;
        }
        fresh |= (unsigned)first << i;
    }
    if (fresh && out->op->flags & PPL__SPREADS && out->numel == 1 &&
        takes_even(out->input[0]))
        out->input[0]->flags |= PPL__EVEN;
    if (s->ctx->status == PPL_OK)
        out->op->vjp_all(out, grads, fresh);
    for (int i = 0; i < out->inputs && s->ctx->status != PPL_OK; i++)
        if (fresh & 1u << i)
            memset(grads[i], 0, bytes_of(out->input[i]));
}

/* ---- Together ---------------------------------------------------------------------- */

/* All nodes collected so far. */
static void flush(sweep *s, deferred *d)
{
    int first = 0, writes = d->op->flags & PPL__TOGETHER_WRITES, done = 0;
    void *grad = d->count > 0 ? adjoint(s, d->input, &first) : NULL;
    if (grad && first && !writes)
        memset(grad, 0, bytes_of(d->input));
    if (grad && first && writes)
        d->outs[0]->flags |= PPL__FIRST;
    if (grad)
        done = d->op->vjp_together(d->outs, d->count, d->i, grad);
    if (grad && first && writes) {
        d->outs[0]->flags &= (unsigned char)~PPL__FIRST;
        if (!done)
            memset(grad, 0, bytes_of(d->input));
    }
    for (int k = 0; k < d->count && grad && !done && s->ctx->status == PPL_OK; k++)
        contribute(s, d->outs[k], d->i);
    for (int k = 0; k < d->count; k++)
        let_go(s, d->outs[k]);
    d->count = 0;
    d->rows = 0;
}

/* What was put off for a tensor. */
static void flush_all(sweep *s, ppl_tensor *t)
{
    for (deferred *d = t->deferred; d && s->ctx->status == PPL_OK; d = d->next)
        flush(s, d);
    t->deferred = NULL;
}

/* Where the nodes of out's row are collected for its input i; NULL if there is no memory. */
static deferred *collection(sweep *s, const ppl_tensor *out, int i)
{
    ppl_tensor *input = out->input[i];
    deferred **at = &input->deferred;
    while (*at && ((*at)->op != out->op || (*at)->i != i))
        at = &(*at)->next;
    if (*at)
        return *at;
    deferred *d = ppl__arena_alloc(&s->ctx->data, sizeof *d);
    if (!d)
        return NULL;
    *d = (deferred){ .op = out->op, .input = input, .i = i };
    if ((input->flags & PPL__LEAF) && !input->deferred) {
        d->leaf = s->leaves;
        s->leaves = d;
    }
    return *at = d;
}

static int make_room(ppl_ctx *c, deferred *d)
{
    if (d->count < d->capacity)
        return 1;
    int larger = d->capacity ? 2 * d->capacity : 16;
    ppl_tensor **outs = ppl__arena_alloc(&c->data, (size_t)larger * sizeof *outs);
    if (!outs)
        return 0;
    if (d->count > 0)
        memcpy(outs, d->outs, (size_t)d->count * sizeof *outs);
    d->outs = outs;
    d->capacity = larger;
    return 1;
}

static int64_t rows_of(const ppl_tensor *t)
{
    int64_t last = t->shape.rank > 0 ? t->shape.dim[t->shape.rank - 1] : 1;
    return last > 0 ? t->numel / last : 0;
}

static void defer(sweep *s, ppl_tensor *out, int i)
{
    deferred *d = collection(s, out, i);
    if (!d)
        return;
    if (d->rows + rows_of(out) > PPL__TOGETHER)
        flush(s, d);
    if (!make_room(s->ctx, d))
        return;
    d->outs[d->count++] = out;
    d->rows += rows_of(out);
    out->holds++;
}

/* ---- The sweep --------------------------------------------------------------------- */

static void visit(sweep *s, ppl_tensor *out)
{
    if (out->deferred)
        flush_all(s, out);
    if (!out->grad)
        return;
    if (out->partly)
        complete(s, out);
    out->holds++;
    if (out->op->vjp_all && out->inputs <= PPL__ALL_INPUTS) {
        contribute_all(s, out);
        let_go(s, out);
        return;
    }
    for (int i = 0; i < out->inputs && s->ctx->status == PPL_OK; i++) {
        const ppl_tensor *input = out->input[i];
        if (!(input->flags & PPL__REQUIRES_GRAD))
            continue;
        if (out->op->vjp_together && !(input->flags & PPL__VIEW))
            defer(s, out, i);
        else
            contribute(s, out, i);
    }
    let_go(s, out);
}

static ppl_status run_sweep(sweep *s)
{
    ppl_ctx *c = s->ctx;
    ppl__jobs_open(c);
    for (size_t k = c->tape_count; k-- > 0 && c->status == PPL_OK;)
        visit(s, c->tape[k]);
    for (deferred *d = s->leaves; d; d = d->leaf)
        flush_all(s, d->input);
    ppl__jobs_finish(c, NULL);
    return c->status;
}

/* Adjoints belong to one sweep, which forgets them as it passes; one that has ended early
 * forgets the rest here, so that the next starts from none. */
static void forget_adjoints(ppl_ctx *c)
{
    for (size_t k = 0; k < c->tape_count; k++) {
        c->tape[k]->grad = NULL;
        c->tape[k]->deferred = NULL;
        c->tape[k]->holds = 0;
        c->tape[k]->partly = 0;
        c->tape[k]->flags &= (unsigned char)~(PPL__FOLDED | PPL__EVEN);
    }
}

/* PPL_OK if the root may be differentiated with this seed (NULL for 1). */
static ppl_status check_root(ppl_ctx *c, const ppl_tensor *root, const ppl_tensor *seed,
                             int number)
{
    char text[2][PPL_SHAPE_TEXT];
    if (ppl__check_numbered(c, "backward: root", root, number) != PPL_OK || !seed)
        return c->status;
    if (ppl__check_numbered(c, "backward: seed", seed, number) != PPL_OK)
        return c->status;
    if (seed->dtype != c->dtype)
        return ppl_fail(c, PPL_EDTYPE, "backward: seed %d is not floating; ppl_to_float "
                        "converts", number);
    if (seed->numel != 1 && !ppl__same_shape(&seed->shape, &root->shape))
        return ppl_fail(c, PPL_ESHAPE,
                        "backward: seed %d has shape %s, its root %s; a seed has the "
                        "root's shape or one element",
                        number, ppl_shape_text(&seed->shape, text[0]),
                        ppl_shape_text(&root->shape, text[1]));
    return PPL_OK;
}

/* Adds the seed, or 1, to the root's adjoint. */
static void seed_root(sweep *s, ppl_tensor *root, const ppl_tensor *seed)
{
    const ppl_ctx *c = root->ctx;
    const int whole = seed && seed->numel == root->numel;
    const double weight = seed && !whole ? c->kernels->sum(1, seed->data) : 1;
    int first = 0;
    void *grad = root->flags & PPL__REQUIRES_GRAD ? adjoint(s, root, &first) : NULL;
    if (!grad)
        return;
    if (first && whole)
        memcpy(grad, seed->data, bytes_of(root));
    else if (first)
        c->kernels->fill((size_t)root->numel, weight, grad);
    else if (whole)
        c->kernels->add((size_t)root->numel, seed->data, grad);
    if (first || whole)
        return;
    for (int64_t i = 0; i < root->numel; i++)
        ppl__add_number(c, ppl__at(root, grad, (size_t)i), weight);
}

ppl_status ppl_backward_from(ppl_tensor *const *roots, ppl_tensor *const *seeds,
                             int count)
{
    ppl_ctx *c = NULL;
    for (int i = 0; i < count && !c; i++)
        c = ppl_tensor_ctx(roots[i]);
    if (!c)
        return count > 0 ? PPL_EINVAL : PPL_OK;
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    for (int i = 0; i < count && c->status == PPL_OK; i++)
        check_root(c, roots[i], seeds ? seeds[i] : NULL, i);
    if (c->status == PPL_OK) {
        sweep s;
        ppl__clear(&s, sizeof s);
        s.ctx = c;
        for (int i = 0; i < count; i++)
            seed_root(&s, roots[i], seeds ? seeds[i] : NULL);
        if (run_sweep(&s) != PPL_OK)
            forget_adjoints(c);
    }
    return ppl_boundary_leave(c);
}

ppl_status ppl_backward(ppl_tensor *root)
{
    char text[PPL_SHAPE_TEXT];
    if (!root || !ppl__usable(root->ctx, root) || root->numel == 1)
        return ppl_backward_from(&root, NULL, 1);
    if (ppl_boundary_enter(root->ctx) != PPL_OK)
        return ppl_error(root->ctx);
    ppl_fail(root->ctx, PPL_ESHAPE, "backward: the root has shape %s; it must have one "
             "element (ppl_sum makes it so)", ppl_shape_text(&root->shape, text));
    return ppl_boundary_leave(root->ctx);
}

ppl_tensor *ppl_grad(ppl_tensor *leaf)
{
    if (!leaf || leaf->ctx->status != PPL_OK ||
        ppl__check(leaf->ctx, leaf, "grad: the leaf") != PPL_OK ||
        !(leaf->flags & PPL__LEAF))
        return NULL;
    ppl_tensor *t = ppl__tensor_make(leaf->ctx, leaf->ctx->dtype, leaf->shape, NULL);
    if (t)
        memcpy(t->data, leaf->grad, bytes_of(t));
    return t;
}

void ppl_leaf_write(ppl_tensor *leaf, const double *data)
{
    if (!leaf || ppl__check(leaf->ctx, leaf, "leaf_write: the leaf") != PPL_OK)
        return;
    if (leaf->dtype == PPL_F64 && leaf->numel > 0)
        memcpy(leaf->data, data, (size_t)leaf->numel * sizeof *data);
    for (int64_t i = 0; leaf->dtype == PPL_F32 && i < leaf->numel; i++)
        ((float *)leaf->data)[i] = (float)data[i];
}

void ppl_leaf_grad(const ppl_tensor *leaf, double *out)
{
    if (leaf && leaf->grad && leaf->dtype == PPL_F64 && leaf->numel > 0) {
        memcpy(out, leaf->grad, (size_t)leaf->numel * sizeof *out);
        return;
    }
    for (int64_t i = 0; leaf && i < leaf->numel; i++)
        out[i] = leaf->grad ? (double)((const float *)leaf->grad)[i] : 0;
}

int ppl_set_grad_enabled(ppl_ctx *c, int enabled)
{
    int before = c->grad_enabled;
    c->grad_enabled = enabled != 0;
    return before;
}

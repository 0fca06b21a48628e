/* SPDX-License-Identifier: MIT */
/*
 * tape.c - gradients: the tape, and the sweep back over it.
 *
 * The tape is the array of the outputs that require a gradient, in order of recording,
 * which is an order of dependence; the sweep is a loop over it from the end, through
 * every epoch that is open. Its cost is one vjp for each input that requires a gradient.
 *
 * Adjoints are made (zeroed) when something first reaches a tensor and forgotten after
 * the sweep; those of leaves stay and add up. What vjp_together takes is put off: the
 * node is remembered at the input, and when the sweep comes to that input, or after it
 * for leaves, all nodes of one row go together: one product for a weight used at T steps
 * instead of T. Everything is visited in an order that the tape alone decides.
 */
#include "ops.h"

#include <string.h>

/* A contribution to a tensor that is put off: of node `out` through its input `i`. */
typedef struct ppl__deferred {
    struct ppl__deferred *next;     /* to the same tensor; recorded earlier on the tape */
    struct ppl__deferred *last;     /* of the first in a list: its end */
    struct ppl__deferred *leaf;     /* of the first: the list of the leaf met before */
    ppl_tensor *out;
    int i;
} deferred;

typedef struct sweep {
    ppl_ctx *ctx;
    deferred *leaves;               /* lists of the leaves met so far, newest first */
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

static size_t bytes_of(const ppl_tensor *t)
{
    return (size_t)t->numel * ppl__dtype_size((ppl_dtype)t->dtype);
}

void *ppl__grad_buffer(ppl_tensor *t)
{
    ppl_tensor *owner = t->flags & PPL__VIEW ? t->base : t;
    if (!owner->grad) {
        owner->grad = owner->numel <= 1 ? &owner->element[1]
                      : ppl__arena_alloc(&owner->ctx->data, bytes_of(owner));
        if (!owner->grad)
            return NULL;
        memset(owner->grad, 0, bytes_of(owner));
    }
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
    void *grad = ppl__grad_buffer(input);
    if (!grad)
        return;
    if ((out->op->flags & PPL_OP_BROADCAST) &&
        !ppl__same_shape(&input->shape, &out->shape))
        contribute_reduced(s, out, i, grad);
    else
        out->op->vjp(out, i, grad);
}

static void defer(sweep *s, ppl_tensor *out, int i)
{
    ppl_tensor *input = out->input[i];
    deferred *d = ppl__arena_alloc(&s->ctx->data, sizeof *d);
    if (!d)
        return;
    *d = (deferred){ .last = d, .out = out, .i = i };
    if (input->deferred) {
        input->deferred->last->next = d;
        input->deferred->last = d;
        return;
    }
    input->deferred = d;
    if (input->flags & PPL__LEAF) {
        d->leaf = s->leaves;
        s->leaves = d;
    }
}

/* Takes the nodes of the first one's row and input off `list`, into `outs`. */
static int take_group(deferred **list, ppl_tensor **outs)
{
    const ppl_op *op = (*list)->out->op;
    int i = (*list)->i, count = 0;
    for (deferred **at = list; *at;) {
        deferred *d = *at;
        if (d->out->op == op && d->i == i) {
            outs[count++] = d->out;
            *at = d->next;
        } else {
            at = &d->next;
        }
    }
    return count;
}

/* All that was put off for tensor t. */
static void flush(sweep *s, ppl_tensor *t)
{
    deferred *list = t->deferred;
    size_t count = 0;
    t->deferred = NULL;
    for (const deferred *d = list; d; d = d->next)
        count++;
    ppl_tensor **outs = ppl__arena_alloc(&s->ctx->data, count * sizeof *outs);
    void *grad = ppl__grad_buffer(t);
    while (outs && grad && list && s->ctx->status == PPL_OK) {
        const ppl_op *op = list->out->op;
        int i = list->i, n = take_group(&list, outs);
        if (!op->vjp_together(outs, n, i, grad))
            for (int k = 0; k < n; k++)
                contribute(s, outs[k], i);
    }
}

static void visit(sweep *s, ppl_tensor *out)
{
    if (out->deferred)
        flush(s, out);
    if (!out->grad)
        return;
    for (int i = 0; i < out->inputs && s->ctx->status == PPL_OK; i++) {
        const ppl_tensor *input = out->input[i];
        if (!(input->flags & PPL__REQUIRES_GRAD))
            continue;
        if (out->op->vjp_together && !(input->flags & PPL__VIEW))
            defer(s, out, i);
        else
            contribute(s, out, i);
    }
}

/* ---- The sweep --------------------------------------------------------------------- */

static ppl_status run_sweep(ppl_ctx *c)
{
    sweep s = { .ctx = c };
    for (size_t k = c->tape_count; k-- > 0 && c->status == PPL_OK;)
        visit(&s, c->tape[k]);
    for (deferred *d = s.leaves, *next; d; d = next) {
        ppl_tensor *leaf = d->out->input[d->i];
        next = d->leaf;
        if (c->status == PPL_OK)
            flush(&s, leaf);
        leaf->deferred = NULL;
    }
    return c->status;
}

/* Adjoints belong to one sweep; so that the next starts from none. */
static void forget_adjoints(ppl_ctx *c)
{
    for (size_t k = 0; k < c->tape_count; k++) {
        c->tape[k]->grad = NULL;
        c->tape[k]->deferred = NULL;
        c->tape[k]->flags &= (unsigned char)~PPL__FOLDED;
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
static void seed_root(ppl_tensor *root, const ppl_tensor *seed)
{
    const ppl_ctx *c = root->ctx;
    void *grad = root->flags & PPL__REQUIRES_GRAD ? ppl__grad_buffer(root) : NULL;
    if (!grad)
        return;
    if (seed && seed->numel == root->numel) {
        c->kernels->add((size_t)root->numel, seed->data, grad);
        return;
    }
    double weight = 1;
    if (seed)
        weight = c->kernels->sum(1, seed->data);
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
        for (int i = 0; i < count; i++)
            seed_root(roots[i], seeds ? seeds[i] : NULL);
        run_sweep(c);
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
    const void *grad = ppl__grad_buffer(leaf);
    ppl_tensor *t = ppl__tensor_make(leaf->ctx, leaf->ctx->dtype, leaf->shape, NULL);
    if (grad && t)
        memcpy(t->data, grad, bytes_of(t));
    return grad ? t : NULL;
}

void ppl_leaf_write(ppl_tensor *leaf, const double *data)
{
    if (!leaf || ppl__check(leaf->ctx, leaf, "leaf_write: the leaf") != PPL_OK)
        return;
    for (int64_t i = 0; i < leaf->numel; i++)
        if (leaf->dtype == PPL_F32)
            ((float *)leaf->data)[i] = (float)data[i];
        else
            ((double *)leaf->data)[i] = data[i];
}

void ppl_leaf_grad(const ppl_tensor *leaf, double *out)
{
    for (int64_t i = 0; leaf && i < leaf->numel; i++)
        out[i] = !leaf->grad ? 0
                 : leaf->dtype == PPL_F32 ? (double)((const float *)leaf->grad)[i]
                                          : ((const double *)leaf->grad)[i];
}

int ppl_set_grad_enabled(ppl_ctx *c, int enabled)
{
    int before = c->grad_enabled;
    c->grad_enabled = enabled != 0;
    return before;
}

/* SPDX-License-Identifier: MIT */
/*
 * ops.c - applying a row: check the inputs, set up the record, run `forward`, record it.
 *
 * One way for the library's rows and a user's. An operation on scalars of one shape makes
 * one record in the arena and two indirect calls (the row's forward, the loop), and
 * touches nothing else.
 */
#include "ops.h"

#include <stdio.h>
#include <string.h>

/* Attr, then the array of inputs: in the record if they fit there, else in the arena. */
static int furnish(ppl_tensor *out, ppl_tensor *const *inputs, int count,
                   const void *attr, size_t attr_size)
{
    size_t before = (attr_size + 7) & ~(size_t)7;
    size_t size = before + (size_t)count * sizeof *inputs;
    char *room = size <= PPL__ROOM ? out->room : ppl__arena_alloc(&out->ctx->data, size);
    if (!room)
        return 0;
    if (attr_size > 0) {
        out->attr = room;
        memcpy(room, attr, attr_size);
    }
    out->inputs = count;
    out->input = (ppl_tensor **)(void *)(room + before);
    for (int i = 0; i < count; i++)
        out->input[i] = inputs[i];
    return 1;
}

/* One by one: as an assignment gcc makes a `rep movs` of it, which a scalar waits for. */
static void copy_shape(ppl_shape *to, const ppl_shape *from)
{
    _Static_assert(PPL_MAX_RANK == 8, "as many as here");
    to->rank = from->rank;
    to->dim[0] = from->dim[0];
    to->dim[1] = from->dim[1];
    to->dim[2] = from->dim[2];
    to->dim[3] = from->dim[3];
    to->dim[4] = from->dim[4];
    to->dim[5] = from->dim[5];
    to->dim[6] = from->dim[6];
    to->dim[7] = from->dim[7];
}

/* The rule of PPL_OP_BROADCAST: floating inputs (or, where the row takes them, integers),
 * and the shape they broadcast to. */
static ppl_status broadcast_rule(const ppl_op *op, ppl_tensor *out)
{
    ppl_tensor *const *inputs = out->input;
    int count = out->inputs, same = 1;
    out->dtype = (unsigned char)out->ctx->dtype;
    for (int i = 0; i < count; i++) {
        int taken = (op->flags & PPL_OP_INTEGERS) && inputs[i]->dtype == PPL_I64;
        if (!taken &&
            ppl__need_dtype(op->name, inputs[i], i, out->ctx->dtype) != PPL_OK)
            return PPL_EDTYPE;
        same &= ppl__same_shape(&inputs[i]->shape, &inputs[0]->shape);
    }
    if (!same) {
        if (ppl__broadcast_shape(op->name, inputs, count, 0, &out->shape) != PPL_OK)
            return PPL_ESHAPE;
        out->numel = ppl__shape_numel(&out->shape);
        return PPL_OK;
    }
    copy_shape(&out->shape, &inputs[0]->shape);
    out->numel = inputs[0]->numel;
    return PPL_OK;
}

/* The row's own rule, and whether what it set can be. */
static ppl_status own_rule(const ppl_op *op, ppl_tensor *out)
{
    static const ppl_shape scalar;
    ppl_dtype dtype = out->ctx->dtype;
    ppl_shape *shape = &out->shape;     /* in place: a copy would wait for what was written */
    copy_shape(shape, &scalar);
    ppl_status status = op->shape(op, out->input, out->inputs, out->attr, &dtype, shape);
    if (status != PPL_OK || ppl__shape_check(out->ctx, op->name, shape) != PPL_OK)
        return ppl_fail(out->ctx, status != PPL_OK ? status : PPL_ESHAPE,
                        "%s: its inputs do not fit", op->name);
    out->dtype = (unsigned char)dtype;
    out->numel = ppl__shape_numel(shape);
    return PPL_OK;
}

int ppl__is_stretched(const ppl_tensor *out, int i)
{
    unsigned how = out->op->flags & (PPL_OP_BROADCAST | PPL_OP_UNSTRETCHED);
    return how == PPL_OP_BROADCAST &&
           !ppl__same_shape(&out->input[i]->shape, &out->shape);
}

int ppl__overlaps_another(const ppl_tensor *out, int i)
{
    const ppl_tensor *t = out->input[i], *owner = t->base ? t->base : t;
    for (int k = 0; k < out->inputs; k++) {
        const ppl_tensor *other = out->input[k];
        const int64_t apart = other->offset - t->offset;
        if ((other->base ? other->base : other) == owner && apart < t->numel &&
            -apart < other->numel && (apart != 0 || other->numel != t->numel))
            return 1;
    }
    return 0;
}

/* Stretches, once, the inputs that are of another shape than the output. */
static int stretch(ppl_tensor *out)
{
    ppl_ctx *c = out->ctx;
    for (int i = 0; i < out->inputs; i++) {
        ppl_tensor *t = out->input[i];
        if (!ppl__is_stretched(out, i))
            continue;
        if (!out->operand) {
            size_t size = (size_t)out->inputs * sizeof *out->operand;
            out->operand = ppl__arena_alloc(&c->data, size);
            for (int k = 0; out->operand && k < out->inputs; k++)
                out->operand[k] = out->input[k]->data;
        }
        size_t size = (size_t)out->numel * ppl__dtype_size((ppl_dtype)t->dtype);
        void *stretched = out->operand ? ppl__arena_alloc(&c->data, size) : NULL;
        if (!stretched)
            return 0;
        ppl__expand_into((ppl_dtype)t->dtype, out->shape, stretched, t->shape, t->data);
        out->operand[i] = stretched;
    }
    return 1;
}

/* The context of the first input there is; NULL when there is none. */
static ppl_ctx *context_of(ppl_tensor *const *inputs, int count)
{
    for (int i = 0; i < count; i++)
        if (inputs[i])
            return inputs[i]->ctx;
    return NULL;
}

static int row_fits(ppl_ctx *c, const ppl_op *op, int count)
{
    if (op->inputs >= 0 && count != op->inputs)
        ppl_fail(c, PPL_EINVAL, "%s: takes %d inputs, not %d", op->name, op->inputs,
                 count);
    else if (!op->forward || (!op->shape && !(op->flags & PPL_OP_BROADCAST)))
        ppl_fail(c, PPL_EINVAL, "%s: its row has no forward, or neither a shape rule nor "
                 "PPL_OP_BROADCAST", op->name);
    else
        return 1;
    return 0;
}

ppl_tensor *ppl_apply(const ppl_op *op, ppl_tensor *const *inputs, int count,
                      const void *attr, size_t attr_size)
{
    ppl_ctx *c = context_of(inputs, count);
    if (!c || c->status != PPL_OK || !row_fits(c, op, count))
        return NULL;
    const ppl_sites *sites = NULL;
    unsigned flags = 0;
    for (int i = 0; i < count; i++) {
        const ppl_tensor *t = inputs[i];
        if (!ppl__usable(c, t)) {
            char what[96];
            snprintf(what, sizeof what, "%s: input", op->name);
            ppl__check_numbered(c, what, t, i);
            return NULL;
        }
        flags |= t->flags;
        if (t->sites != sites && t->sites)
            sites = sites ? ppl_sites_union(c, sites, t->sites) : t->sites;
    }
    ppl_tensor *out = ppl__record(c);
    if (!out || !furnish(out, inputs, count, attr, attr_size))
        return NULL;
    out->op = op;
    out->sites = sites;
    out->flags = flags & (PPL__REQUIRES_GRAD | PPL__MOVES) ? PPL__MOVES : 0;
    if ((op->shape ? own_rule(op, out) : broadcast_rule(op, out)) != PPL_OK)
        return NULL;
    if (!ppl__make_elements(out) || !stretch(out))
        return NULL;
    op->forward(out);
    if (c->status != PPL_OK)
        return NULL;
    if ((flags & PPL__REQUIRES_GRAD) && c->grad_enabled && op->vjp &&
        out->dtype == c->dtype) {
        out->flags |= PPL__REQUIRES_GRAD;
        if (!ppl__tape_push(out))
            return NULL;
    }
    if (c->program && ppl__moves(out) && !ppl__program_note(c->program, out))
        return NULL;
    return out;
}

/* ---- What a row's functions ask their node ----------------------------------------- */

ppl_tensor *ppl_op_input(const ppl_tensor *out, int i) { return out->input[i]; }
int ppl_op_inputs(const ppl_tensor *out) { return out->inputs; }
void *ppl_op_attr(const ppl_tensor *out) { return out->attr; }
void *ppl_result(ppl_tensor *out) { return out->data; }
const void *ppl_adjoint(const ppl_tensor *out) { return out->grad; }
int ppl_adjoint_even(const ppl_tensor *out) { return (out->flags & PPL__EVEN) != 0; }
int ppl_op_first(const ppl_tensor *out) { return (out->flags & PPL__FIRST) != 0; }

const void *ppl_operand(const ppl_tensor *out, int i)
{
    return ppl__operand(out, i);
}

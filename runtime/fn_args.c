/* SPDX-License-Identifier: MIT */
/*
 * fn_args.c - whether arguments fit a signature, and their values in its types.
 */
#include "fn.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Texts ------------------------------------------------------------------------- */

/* What was given: "int 3", "double *", "batch *", "struct point". */
static const char *given_text(const ppl_arg *a, char *out, size_t size)
{
    switch (ppl__type_class(a->type)) {
    case 'i':
        snprintf(out, size, "%s %lld", ppl__type_name(a->type),
                 (long long)a->value.integer);
        return out;
    case 'b':
    case 'u':
        snprintf(out, size, "%s %llu", ppl__type_name(a->type),
                 (unsigned long long)a->value.natural);
        return out;
    case 'f':
        snprintf(out, size, "%s %g", ppl__type_name(a->type), a->value.real);
        return out;
    default:
        break;
    }
    if (a->type == PPL_TYPE_STRUCT)
        snprintf(out, size, "struct %s", a->name);
    else if (a->type != PPL_TYPE_POINTER)
        snprintf(out, size, "%s", ppl__type_name(a->type));
    else if (a->name != NULL)
        snprintf(out, size, "%s *", a->name);
    else if (a->pointee == PPL_TYPE_STRUCT)
        snprintf(out, size, "a pointer");
    else
        snprintf(out, size, "%s *", ppl__type_name(a->pointee));
    return out;
}

/* How to give what is declared. */
static void mend_text(const ppl__type *declared, char *out, size_t size)
{
    switch (declared->class) {
    case 'f':
        snprintf(out, size, "give a floating number, as in 3.0");
        return;
    case 'i':
    case 'u':
    case 'b':
        snprintf(out, size, "give an integer that %s can hold",
                 ppl__type_name(declared->type));
        return;
    default:
        break;
    }
    if (declared->type == PPL_TYPE_TENSOR)
        snprintf(out, size, "give a tensor (ppl_tensor *)");
    else if (declared->type == PPL_TYPE_STRUCT)
        snprintf(out, size, "give PPL_BY_VALUE(%s, variable)", declared->name);
    else if (declared->name != NULL)
        snprintf(out, size, "give a pointer to %s", declared->name);
    else if (ppl__type_class(declared->pointee) != 0)
        snprintf(out, size, "give a pointer to %s", ppl__type_name(declared->pointee));
    else
        snprintf(out, size, "give a pointer");
}

/* 0, with the error recorded. */
static int misfit(ppl_ctx *c, const ppl__signature *s, int i, const ppl_arg *a)
{
    char given[128], mend[128];
    int place = 1;

    for (int k = 0; k < i; k++)
        place += s->param[k].type != PPL_TYPE_CONTEXT;
    mend_text(&s->param[i], mend, sizeof mend);
    ppl_fail(c, PPL_EINVAL, "%s: argument %d is declared \"%s\" and given %s; %s", s->name,
             place, s->param[i].text, given_text(a, given, sizeof given), mend);
    return 0;
}

/* ---- Numbers ----------------------------------------------------------------------- */

/* Whether an integer is among those of `size` bytes. */
static int holds(char class, size_t size, const ppl_arg *a)
{
    int negative = ppl__type_class(a->type) == 'i' && a->value.integer < 0;
    uint64_t most = UINT64_MAX >> (64 - 8 * size);

    if (class == 'b')
        return !negative && a->value.natural <= 1;
    if (class == 'u')
        return !negative && a->value.natural <= most;
    if (negative)
        return a->value.integer >= -(int64_t)(most / 2) - 1;
    return a->value.natural <= most / 2;
}

/* An integer's low bytes; its type is known to hold it. */
static void store_integer(size_t size, uint64_t x, ppl__slot *slot)
{
    switch (size) {
    case 1:
        slot->i8 = (int8_t)x;
        break;
    case 2:
        slot->i16 = (int16_t)x;
        break;
    case 4:
        slot->i32 = (int32_t)x;
        break;
    default:
        slot->i64 = (int64_t)x;
    }
}

static int bind_integer(const ppl__type *type, const ppl_arg *a, ppl__slot *slot)
{
    char given;

    if (a->type != type->type) {
        given = ppl__type_class(a->type);
        if (given == 0 || given == 'f' || !holds(type->class, type->size, a))
            return 0;
    }
    store_integer(type->size, a->value.natural, slot);
    return 1;
}

static int bind_floating(const ppl__type *type, const ppl_arg *a, ppl__slot *slot)
{
    if (a->type != PPL_TYPE_DOUBLE && a->type != PPL_TYPE_FLOAT)
        return 0;
    if (type->type == PPL_TYPE_DOUBLE) {
        slot->d = a->value.real;
        return 1;
    }
    slot->f = (float)a->value.real;
    return isfinite(slot->f) || !isfinite(a->value.real);
}

/* ---- Pointers and structs ---------------------------------------------------------- */

/* Whether a pointer to one number type may serve as one to the other. */
static int same_number(ppl_type a, ppl_type b)
{
    char one, other;

    if (a == b)
        return 1;
    one = ppl__type_class(a);
    other = ppl__type_class(b);
    return ppl__type_size(a) == ppl__type_size(b) &&
           (one == other || (ppl__type_size(a) == 1 && one != 'b' && other != 'b'));
}

/* "struct point" and "point" are one name. */
static const char *bare(const char *name)
{
    return name != NULL && strncmp(name, "struct ", 7) == 0 ? name + 7 : name;
}

static int pointer_fits(const ppl__type *type, const ppl_arg *a)
{
    if (a->type == PPL_TYPE_TENSOR)
        return type->pointee == PPL_TYPE_VOID;
    if (a->type != PPL_TYPE_POINTER)
        return 0;
    if (type->pointee == PPL_TYPE_VOID || a->pointee == PPL_TYPE_VOID)
        return 1;
    if (type->pointee != PPL_TYPE_STRUCT)
        return a->pointee != PPL_TYPE_STRUCT && same_number(type->pointee, a->pointee);
    return a->pointee == PPL_TYPE_STRUCT &&
           (a->name == NULL || type->name == NULL ||
            strcmp(bare(a->name), type->name) == 0);
}

static int struct_fits(const ppl__type *type, const ppl_arg *a)
{
    return a->type == PPL_TYPE_STRUCT && a->size == type->layout->size &&
           a->name != NULL && strcmp(bare(a->name), type->name) == 0;
}

/* ---- The list ---------------------------------------------------------------------- */

/* Points *value at the argument as the parameter's type has it. */
static int bind(const ppl__type *type, const ppl_arg *a, ppl__slot *slot, void **value)
{
    *value = slot;
    if (type->class != 0)
        return type->class == 'f' ? bind_floating(type, a, slot)
                                  : bind_integer(type, a, slot);
    slot->p = a->value.pointer;
    if (type->type == PPL_TYPE_TENSOR)
        return a->type == PPL_TYPE_TENSOR ||
               (a->type == PPL_TYPE_POINTER && a->pointee == PPL_TYPE_VOID &&
                a->value.pointer == NULL);
    if (type->type == PPL_TYPE_POINTER)
        return pointer_fits(type, a);
    *value = (void *)(uintptr_t)a->value.pointer;
    return struct_fits(type, a);
}

static int is_list(const ppl_arg *args)
{
    return args->type == PPL_TYPE_LIST && args->value.natural == PPL_LIST_MARK;
}

int ppl__bind_args(ppl_ctx *c, const ppl__signature *s, const ppl_arg *args,
                   ppl__slot slot[PPL__MAX_PARAMS], void *value[PPL__MAX_PARAMS])
{
    size_t count = args != NULL && is_list(args) ? args->size : 0;

    if (args != NULL && !is_list(args)) {
        ppl_fail(c, PPL_EINVAL, "%s: what was passed as its arguments is no list of "
                 "arguments; pass PPL_ARGS(..), for \"%s\"", s->name, s->text);
        return 0;
    }
    if (count != (size_t)s->args) {
        ppl_fail(c, PPL_EINVAL, "%s: %zu argument%s given and %d declared; pass what "
                 "\"%s\" takes, without contexts", s->name, count, count == 1 ? "" : "s",
                 s->args, s->text);
        return 0;
    }
    for (int i = 0; i < s->params; i++) {
        if (s->param[i].type == PPL_TYPE_CONTEXT) {
            slot[i].p = c;
            value[i] = &slot[i];
        } else if (!bind(&s->param[i], ++args, &slot[i], &value[i])) {
            return misfit(c, s, i, args);
        }
    }
    return 1;
}

int ppl__check_into(ppl_ctx *c, const ppl__signature *s, const ppl_arg *into)
{
    const ppl__type *r = &s->result;
    int fits, numbers = r->class != 0;
    char given[128];

    if ((into->type == PPL_TYPE_POINTER || into->type == PPL_TYPE_TENSOR) &&
        into->value.pointer == NULL)
        return 1;
    if (r->type == PPL_TYPE_STRUCT)
        fits = struct_fits(r, into);
    else
        fits = into->type == PPL_TYPE_POINTER && r->type != PPL_TYPE_VOID &&
               (into->pointee == PPL_TYPE_VOID ||
                (numbers ? ppl__type_class(into->pointee) != 0 &&
                               same_number(r->type, into->pointee)
                         : into->pointee == PPL_TYPE_STRUCT));
    if (!fits)
        ppl_fail(c, PPL_EINVAL, "%s: its result is \"%s\" and is to go into %s; give "
                 "PPL_ARG(&x) with x of that type (PPL_BY_VALUE for a struct), or "
                 "PPL_ARG(NULL)", s->name, r->text, given_text(into, given, sizeof given));
    return fits;
}

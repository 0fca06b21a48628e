/* SPDX-License-Identifier: MIT */
/*
 * fn.c - functions called by their natural signatures, through libffi: the one file that
 * knows it.
 *
 * A function is code with a signature, or a handler around another function; calling it
 * pushes the handlers from the outermost to the innermost and then calls the code. Code
 * that is made for a function (a closure) leads back to the same call.
 *
 * Functions are never freed before their context, so no closure is freed while it runs.
 * One whose epoch has ended is taken for the next function that is made, unless it runs.
 */
#include "fn.h"

#include <ffi.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A signature as libffi sees it. */
typedef struct callee {
    ppl__signature signature;
    ppl_code code;
    ffi_cif cif;
    ffi_type *type[PPL__MAX_PARAMS];
} callee;

typedef struct closure {
    ffi_closure *memory;            /* writable; NULL: not made yet */
    void *code;                     /* the same, executable */
    int ready;                      /* made for the function as it is now */
} closure;

struct ppl_fn {
    ppl_ctx *ctx;
    ppl_fn *next;                   /* of the context's */
    uint32_t epoch;                 /* that it was made in */
    int epoch_depth, running;
    callee *own;                    /* kept when the function is made anew */
    const callee *callee;           /* what is called at last */
    ppl_fn *inner;                  /* a handler around this; NULL: code */
    ppl_handler *handler;           /* NULL: make it at each call */
    ppl_handler *(*make)(ppl_ctx *c, const void *arg);
    const void *arg;
    const char *handler_name;
    closure same, model;
};

/* What a context has of functions. */
typedef struct functions {
    ppl_fn *first;
    ppl__struct *structs;
    ffi_cif model_cif;
    ffi_type *model_type[2];
} functions;

/* Room for any result that is no struct. */
typedef union result {
    ffi_arg word;
    ppl__slot slot;
} result;

/* ---- Types ------------------------------------------------------------------------- */

/* A struct's layout; its elements end with NULL. */
typedef struct layout {
    ffi_type type;
    ffi_type *element[PPL__MAX_MEMBERS + 1];
} layout;

static ffi_type *ffi_type_of(const ppl__type *t)
{
    size_t size = t->size;
    int is_signed = t->class == 'i';

    if (t->type == PPL_TYPE_STRUCT)
        return &((layout *)t->layout->layout)->type;
    if (t->type == PPL_TYPE_VOID)
        return &ffi_type_void;
    if (t->class == 0)
        return &ffi_type_pointer;
    if (t->class == 'f')
        return t->type == PPL_TYPE_FLOAT ? &ffi_type_float : &ffi_type_double;
    if (size == 1)
        return is_signed ? &ffi_type_sint8 : &ffi_type_uint8;
    if (size == 2)
        return is_signed ? &ffi_type_sint16 : &ffi_type_uint16;
    if (size == 4)
        return is_signed ? &ffi_type_sint32 : &ffi_type_uint32;
    return is_signed ? &ffi_type_sint64 : &ffi_type_uint64;
}

/* libffi lays a struct out when a signature with it is prepared. */
static int lay_out(ppl_ctx *c, ppl__struct *s)
{
    layout *l = ppl_persistent_alloc(c, sizeof *l);
    ffi_cif cif;

    if (l == NULL)
        return 0;
    s->layout = l;
    for (int i = 0; i < s->members; i++)
        l->element[i] = ffi_type_of(&s->member[i]);
    l->type.type = FFI_TYPE_STRUCT;
    l->type.elements = l->element;
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 0, &l->type, NULL) != FFI_OK)
        ppl_fail(c, PPL_EUNSUPPORTED, "struct %s: libffi cannot lay it out", s->name);
    else if (l->type.size != s->size)
        ppl_fail(c, PPL_EINVAL, "struct %s: its members take %zu bytes and its sizeof is "
                 "%zu; list all of them, in order, with their types", s->name,
                 l->type.size, s->size);
    return ppl_ok(c);
}

/* ---- What a context has ------------------------------------------------------------ */

static const char functions_key;

static void free_closure(closure *k)
{
    if (k->memory != NULL)
        ffi_closure_free(k->memory);
}

static void free_struct(ppl_ctx *c, ppl__struct *s)
{
    ppl_persistent_free(c, s->layout, sizeof(layout));
    ppl_persistent_free(c, s, sizeof *s);
}

static void release_functions(ppl_ctx *c, void *object)
{
    functions *all = object;

    while (all->first != NULL) {
        ppl_fn *f = all->first;

        all->first = f->next;
        free_closure(&f->same);
        free_closure(&f->model);
        ppl_persistent_free(c, f->own, sizeof *f->own);
        ppl_persistent_free(c, f, sizeof *f);
    }
    while (all->structs != NULL) {
        ppl__struct *s = all->structs;

        all->structs = s->next;
        free_struct(c, s);
    }
    ppl_persistent_free(c, all, sizeof *all);
}

/* Made at first use; NULL with the error recorded. */
static functions *functions_of(ppl_ctx *c)
{
    functions *all = ppl_owned(c, &functions_key);

    if (all != NULL)
        return all;
    all = ppl_persistent_alloc(c, sizeof *all);
    if (all == NULL)
        return NULL;
    all->model_type[0] = all->model_type[1] = &ffi_type_pointer;
    if (ffi_prep_cif(&all->model_cif, FFI_DEFAULT_ABI, 2, &ffi_type_void,
                     all->model_type) != FFI_OK) {
        ppl_persistent_free(c, all, sizeof *all);
        ppl_fail(c, PPL_EUNSUPPORTED, "libffi cannot call functions on this system");
        return NULL;
    }
    return ppl_own(c, &functions_key, all, release_functions) == PPL_OK ? all : NULL;
}

ppl_status ppl_declare_struct(ppl_ctx *c, const char *name, size_t size,
                              const char *members)
{
    functions *all;
    ppl__struct *s;
    ppl_name interned;

    if (!ppl_ok(c))
        return ppl_error(c);
    if (name != NULL && strncmp(name, "struct ", 7) == 0)
        name += 7;
    interned = ppl_intern(c, name);
    all = functions_of(c);
    if (interned == NULL || all == NULL)
        return ppl_error(c);
    if (members == NULL)
        return ppl_fail(c, PPL_EINVAL, "struct %s: its members are NULL; give them as in "
                        "C, \"double x, y;\"", interned);
    s = ppl_persistent_alloc(c, sizeof *s);
    if (s == NULL)
        return ppl_error(c);
    s->name = interned;
    s->size = size;
    if (!ppl__parse_members(c, members, all->structs, s) || !lay_out(c, s)) {
        free_struct(c, s);
        return ppl_error(c);
    }
    s->next = all->structs;
    all->structs = s;
    return PPL_OK;
}

/* ---- Functions --------------------------------------------------------------------- */

static int is_stale(const ppl_fn *f)
{
    const ppl_ctx *c = f->ctx;

    return f->epoch_depth > c->epoch_depth || c->epoch[f->epoch_depth].serial != f->epoch;
}

/* Room for a function: one whose epoch has ended, or a new one. It counts as ended until
 * `begin` says that it is made. */
static ppl_fn *new_fn(ppl_ctx *c)
{
    functions *all = functions_of(c);
    ppl_fn *f = all != NULL ? all->first : NULL;

    while (f != NULL && (f->running > 0 || !is_stale(f)))
        f = f->next;
    if (f == NULL && all != NULL) {
        f = ppl_persistent_alloc(c, sizeof *f);
        if (f == NULL)
            return NULL;
        f->ctx = c;
        f->next = all->first;
        all->first = f;
    }
    if (f == NULL)
        return NULL;
    f->epoch_depth = 0;
    f->epoch = UINT32_MAX;
    f->callee = NULL;
    f->inner = NULL;
    f->handler = NULL;
    f->make = NULL;
    f->same.ready = f->model.ready = 0;
    return f;
}

static ppl_fn *begin(ppl_fn *f, const callee *e)
{
    f->callee = e;
    f->epoch_depth = f->ctx->epoch_depth;
    f->epoch = f->ctx->epoch[f->epoch_depth].serial;
    return f;
}

/* PPL_OK if it may be used; else records why not. */
static ppl_status check_fn(ppl_ctx *c, const ppl_fn *f)
{
    const char *name = f != NULL && f->callee != NULL ? f->callee->signature.name
                                                      : "a function";

    if (f == NULL)
        return ppl_fail(c, PPL_EINVAL, "the function is NULL; its making may have "
                        "failed, and ppl_error_text told why");
    if (f->ctx != c)
        return ppl_fail(c, PPL_EINVAL, "%s belongs to another context; make it in this "
                        "one", name);
    if (is_stale(f) || f->callee == NULL)
        return ppl_fail(c, PPL_ESTALE, "%s was made in an epoch that has ended; make it "
                        "outside, or again",
                        name);
    return ppl_ok(c) ? PPL_OK : ppl_error(c);
}

/* The signature as libffi wants it; 0 with the error recorded. */
static int prepare(ppl_ctx *c, callee *e)
{
    ffi_status status;

    for (int i = 0; i < e->signature.params; i++)
        e->type[i] = ffi_type_of(&e->signature.param[i]);
    status = ffi_prep_cif(&e->cif, FFI_DEFAULT_ABI, (unsigned)e->signature.params,
                          ffi_type_of(&e->signature.result), e->type);
    if (status != FFI_OK)
        ppl_fail(c, PPL_EUNSUPPORTED, "%s: libffi cannot call \"%s\" on this system",
                 e->signature.name, e->signature.text);
    return status == FFI_OK;
}

ppl_fn *ppl_fn_make(ppl_ctx *c, ppl_code code, const char *prototype)
{
    functions *all;
    ppl_fn *f;

    if (!ppl_ok(c))
        return NULL;
    if (prototype == NULL || code == NULL) {
        ppl_fail(c, PPL_EINVAL, "ppl_fn_make: the %s of %s is NULL",
                 prototype == NULL ? "prototype" : "code",
                 prototype == NULL ? "a function" : prototype);
        return NULL;
    }
    all = functions_of(c);
    f = all != NULL ? new_fn(c) : NULL;
    if (f != NULL && f->own == NULL)
        f->own = ppl_persistent_alloc(c, sizeof *f->own);
    if (f == NULL || f->own == NULL ||
        !ppl__parse_prototype(c, prototype, all->structs, &f->own->signature) ||
        !prepare(c, f->own))
        return NULL;
    f->own->code = code;
    return begin(f, f->own);
}

ppl_ctx *ppl_fn_ctx(const ppl_fn *f)
{
    return f != NULL ? f->ctx : NULL;
}

/* A function that pushes something before it calls `f`. */
static ppl_fn *around(ppl_fn *f, const char *name)
{
    ppl_fn *g;

    if (check_fn(f->ctx, f) != PPL_OK)
        return NULL;
    g = new_fn(f->ctx);
    if (g == NULL)
        return NULL;
    g->inner = f;
    g->handler_name = name;
    return begin(g, f->callee);
}

ppl_fn *ppl_handled_fn(ppl_fn *f, ppl_handler *h)
{
    ppl_fn *g;

    if (f == NULL || h == NULL)
        return NULL;
    g = around(f, h->ops->name);
    if (g != NULL)
        g->handler = h;
    return g;
}

ppl_fn *ppl_handled_fn_by(ppl_fn *f, const char *name,
                          ppl_handler *(*make)(ppl_ctx *c, const void *arg),
                          const void *arg, size_t size)
{
    void *copy;
    ppl_fn *g;

    if (f == NULL || make == NULL)
        return NULL;
    copy = ppl_alloc(f->ctx, size);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, arg, size);
    g = around(f, name);
    if (g != NULL) {
        g->make = make;
        g->arg = copy;
    }
    return g;
}

const char *ppl_fn_text(const ppl_fn *f, char *buffer, size_t size)
{
    size_t used = 0;
    int depth = 0;

    snprintf(buffer, size, "%s", f == NULL ? "NULL" : "");
    for (const ppl_fn *g = f; g != NULL && used < size; g = g->inner) {
        const char *name = g->inner != NULL ? g->handler_name : g->callee->signature.name;

        snprintf(buffer + used, size - used, "%s%s", name, g->inner != NULL ? "(" : "");
        used += strlen(buffer + used);
        depth += g->inner != NULL;
    }
    while (depth-- > 0 && used + 1 < size) {
        buffer[used++] = ')';
        buffer[used] = '\0';
    }
    return buffer;
}

/* ---- Calling ----------------------------------------------------------------------- */

/* What a result is while there is none. */
static void clear_result(const callee *e, void *out)
{
    const ppl__type *r = &e->signature.result;

    if (r->type == PPL_TYPE_STRUCT)
        memset(out, 0, r->layout->size);
    else if (r->type == PPL_TYPE_FLOAT)
        *(float *)out = NAN;
    else if (r->type == PPL_TYPE_DOUBLE)
        *(double *)out = NAN;
    else if (r->type != PPL_TYPE_VOID)
        memset(out, 0, r->size > sizeof(ffi_arg) ? r->size : sizeof(ffi_arg));
}

/* Pushes the handlers around the code, the outermost first. */
static void push_handlers(ppl_ctx *c, ppl_fn *f)
{
    for (; f != NULL; f = f->inner) {
        f->running++;
        if (f->inner != NULL)
            ppl_push(c, f->make != NULL ? f->make(c, f->arg) : f->handler);
    }
}

/* The call that all others come to. `out` has room for the result, struct or slot. */
static void call(ppl_fn *f, void **value, void *out)
{
    const callee *e = f->callee;
    ppl_ctx *c = f->ctx;
    int depth = c->depth, floor = c->floor;

    push_handlers(c, f);
    c->floor = c->depth;
    if (ppl_ok(c))
        ffi_call((ffi_cif *)(uintptr_t)&e->cif, e->code, out, value);
    if (c->depth > c->floor)
        ppl_fail(c, PPL_ENEST, "%s returned with %d handlers still pushed; match each "
                 "ppl_push with a ppl_pop", e->signature.name, c->depth - c->floor);
    c->floor = floor;
    ppl__unwind(c, depth);
    for (; f != NULL; f = f->inner)
        f->running--;
    if (!ppl_ok(c))
        clear_result(e, out);
}

/* A call on its way into a run. */
typedef struct pending {
    ppl_fn *f;
    void **value, *out;
} pending;

static void run_pending(ppl_ctx *c, const void *arg)
{
    const pending *p = arg;

    (void)c;
    call(p->f, p->value, p->out);
}

/* Within a run, a part of it; outside, a run of its own, with draws of its own. */
static ppl_status call_or_run(ppl_fn *f, void **value, void *out)
{
    const pending p = { f, value, out };

    if (!f->ctx->running)
        return ppl_run(f->ctx, run_pending, &p, NULL);
    call(f, value, out);
    return f->ctx->status;
}

/* Integers come back widened. */
static void store_result(const callee *e, const result *r, void *to)
{
    const ppl__type *type = &e->signature.result;

    switch (type->class != 'f' ? type->size : 0) {
    case 1:
        *(uint8_t *)to = (uint8_t)r->word;
        return;
    case 2:
        *(uint16_t *)to = (uint16_t)r->word;
        return;
    case 4:
        *(uint32_t *)to = (uint32_t)r->word;
        return;
    default:
        memcpy(to, r, type->size);
    }
}

/* Zeros where the result is to go. */
static void clear_into(const callee *e, void *to)
{
    result room;

    if (e->signature.result.type == PPL_TYPE_STRUCT) {
        clear_result(e, to);
    } else {
        clear_result(e, &room);
        store_result(e, &room, to);
    }
}

/* The call of ppl_fn_call once all is known to fit. The result is stored at last: an
 * argument may lie where it goes. */
static void call_into(ppl_fn *f, void **value, void *to)
{
    const ppl__type *r = &f->callee->signature.result;
    int is_struct = r->type == PPL_TYPE_STRUCT;
    result room;
    void *out = is_struct ? ppl_alloc(f->ctx, r->layout->size) : &room;

    if (out != NULL) {
        clear_result(f->callee, out);
        call_or_run(f, value, out);
    }
    if (to != NULL && out != NULL && is_struct)
        memcpy(to, out, r->layout->size);
    else if (to != NULL && out != NULL)
        store_result(f->callee, &room, to);
    else if (to != NULL)
        clear_into(f->callee, to);
}

ppl_status ppl_fn_call(ppl_ctx *c, ppl_fn *f, const ppl_arg *args, ppl_arg into)
{
    ppl__slot slot[PPL__MAX_PARAMS];
    void *value[PPL__MAX_PARAMS], *to = (void *)(uintptr_t)into.value.pointer;
    int entered = ppl_boundary_enter(c) == PPL_OK, fits;

    fits = (!entered || check_fn(c, f) == PPL_OK) && f != NULL && f->callee != NULL &&
           ppl__check_into(c, &f->callee->signature, &into);
    if (fits && entered && ppl__bind_args(c, &f->callee->signature, args, slot, value))
        call_into(f, value, to);
    else if (fits && to != NULL)
        clear_into(f->callee, to);
    return entered ? ppl_boundary_leave(c) : ppl_error(c);
}

/* ---- Code -------------------------------------------------------------------------- */

/* The body of ppl_fn_model's code: void (ppl_ctx *c, const void *args). */
static void run_model(ffi_cif *cif, void *out, void **value, void *user)
{
    ppl_ctx *c = *(ppl_ctx **)value[0];
    const ppl_arg *args = *(const ppl_arg **)value[1];
    ppl__slot slot[PPL__MAX_PARAMS];
    void *bound[PPL__MAX_PARAMS];
    ppl_fn *f = user;

    (void)cif;
    (void)out;
    if (check_fn(c, f) == PPL_OK &&
        ppl__bind_args(c, &f->callee->signature, args, slot, bound))
        call_into(f, bound, NULL);
}

/* The body of ppl_fn_code's code: the function's own signature. */
static void run_same(ffi_cif *cif, void *out, void **value, void *user)
{
    ppl_fn *f = user;
    const callee *e = f->callee;

    (void)cif;
    clear_result(e, out);
    for (int i = 0; i < e->signature.params; i++) {
        ppl_ctx *c;

        if (e->signature.param[i].type != PPL_TYPE_CONTEXT)
            continue;
        c = *(ppl_ctx **)value[i];
        if (c == NULL)
            value[i] = &f->ctx;
        else if (check_fn(c, f) != PPL_OK)
            return;
    }
    if (check_fn(f->ctx, f) == PPL_OK) {
        ppl_status status = call_or_run(f, value, out);

        f->ctx->status = status;    /* nobody has been told of it */
    }
}

/* The code of a closure, made at first use. */
static void *code_of(ppl_fn *f, closure *k, const ffi_cif *cif,
                     void (*body)(ffi_cif *, void *, void **, void *))
{
    if (k->ready)
        return k->code;
    if (k->memory == NULL)
        k->memory = ffi_closure_alloc(sizeof *k->memory, &k->code);
    if (k->memory == NULL ||
        ffi_prep_closure_loc(k->memory, (ffi_cif *)(uintptr_t)cif, body, f, k->code) !=
            FFI_OK) {
        ppl_fail(f->ctx, PPL_EUNSUPPORTED, "%s: no code can be made for it, as the "
                 "system gives no executable memory; write a callback that calls ppl_fn_call",
                 f->callee->signature.name);
        return NULL;
    }
    k->ready = 1;
    return k->code;
}

ppl_model ppl_fn_model(ppl_fn *f)
{
    const functions *all;
    ppl_model model;
    void *code;

    if (f == NULL || check_fn(f->ctx, f) != PPL_OK)
        return NULL;
    all = functions_of(f->ctx);
    code = code_of(f, &f->model, &all->model_cif, run_model);
    memcpy(&model, &code, sizeof model);
    return model;
}

ppl_code ppl_fn_code(ppl_fn *f)
{
    ppl_code made;
    void *code;

    if (f == NULL || check_fn(f->ctx, f) != PPL_OK)
        return NULL;
    code = code_of(f, &f->same, &f->callee->cif, run_same);
    memcpy(&made, &code, sizeof made);
    return made;
}

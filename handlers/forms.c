/* SPDX-License-Identifier: MIT */
/*
 * forms.c - the handlers as functions of functions, from the table in
 * handlers_forms.h.
 */
#include <kiln/handlers_forms.h>

#define FORM(name, params, args)                                                           \
    ppl_fn *ppl_##name##_fn params                                                         \
    {                                                                                      \
        ppl_ctx *c = ppl_fn_ctx(f);                                                        \
                                                                                           \
        return c != NULL ? ppl_handled_fn(f, ppl_##name args) : NULL;                      \
    }
PPL_HANDLER_MAP(FORM)

/* ---- plate: made anew at each call, since it draws its indices --------------------- */

typedef struct plate_args {
    ppl_name name;
    int64_t size;
    ppl_plate_opts opts;
} plate_args;

static ppl_handler *make_plate(ppl_ctx *c, const void *arg)
{
    const plate_args *p = arg;

    return ppl_plate(c, p->name, p->size, &p->opts);
}

ppl_fn *ppl_plate_fn(ppl_fn *f, const char *name, int64_t size, const ppl_plate_opts *opts)
{
    plate_args p = { .size = size };

    if (f == NULL)
        return NULL;
    p.name = ppl_intern(ppl_fn_ctx(f), name);
    if (opts != NULL)
        p.opts = *opts;
    return p.name != NULL ? ppl_handled_fn_by(f, "plate", make_plate, &p, sizeof p) : NULL;
}

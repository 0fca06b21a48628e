/* SPDX-License-Identifier: MIT */
/*
 * do.c - Pearl's intervention, by splitting the node: the site itself goes on outward, to
 * be drawn or observed as ever (the factual twin), and the model gets the value given.
 *
 * Draws are keyed by their sites, so a run under do at the random state of a run without
 * it has the same noise wherever the intervention does not reach: the counterfactual.
 */
#include "supply.h"

static const ppl_option_key intervened = { "intervened" };

/* The value at the site's shape; NULL with the error recorded. */
static ppl_tensor *fit(const ppl_msg *m, ppl_tensor *value)
{
    ppl_shape is = ppl_tensor_shape(value), wanted = m->dist->shape;
    ppl_dtype dtype = m->dist->family->value_dtype == PPL_I64 ? PPL_I64
                                                              : ppl_ctx_dtype(m->ctx);
    char site[128], text[2][PPL_SHAPE_TEXT];
    int fits = is.rank <= wanted.rank;

    for (int a = 1; fits && a <= is.rank; a++)
        fits = is.dim[is.rank - a] == 1 ||
               is.dim[is.rank - a] == wanted.dim[wanted.rank - a];
    ppl_site_text(m, site, sizeof site);
    if (ppl_tensor_dtype(value) != dtype)
        ppl_fail(m->ctx, PPL_EDTYPE, "do: the value for site %s (%s) must be %s", site,
                 m->dist->family->name, dtype == PPL_I64 ? "integers" : "floating");
    else if (!fits)
        ppl_fail(m->ctx, PPL_ESHAPE, "do: the value for site %s has shape %s, which does "
                 "not broadcast to %s; reshape it", site, ppl_shape_text(&is, text[0]),
                 ppl_shape_text(&wanted, text[1]));
    return ppl_ok(m->ctx) ? ppl_expand(value, wanted) : NULL;
}

static void do_process(ppl_handler *h, ppl_msg *m)
{
    ppl_tensor *value = m->kind == PPL_SITE_SAMPLE ? ppl__supply_take(h, m) : NULL;
    ppl_msg factual = *m;
    char site[128];

    if (value == NULL)
        return;
    if (ppl_msg_option(m, &intervened) != NULL) {
        ppl_fail(m->ctx, PPL_EDUPLICATE, "do: site %s is intervened on twice; the inner "
                 "value is the one the model sees: leave out the other",
                 ppl_site_text(m, site, sizeof site));
        return;
    }
    value = fit(m, value);
    ppl_msg_set_option(&factual, &intervened, h);
    ppl_send(&factual);
    m->kind = PPL_SITE_DETERMINISTIC;
    m->name = ppl_intern_join(m->ctx, m->name, "__CF");
    m->dist = NULL;
    m->value = value;
    m->flags = PPL_DONE;
}

static const ppl_handler_ops do_ops = { .name = "do",
                                        .process = do_process,
                                        .enter = ppl__supply_enter,
                                        .leave = ppl__supply_leave };

ppl_handler *ppl_do(ppl_ctx *c, const ppl_value *values, int *unused)
{
    return ppl__supply_make(c, &do_ops, "sample site", values, unused);
}

/* SPDX-License-Identifier: MIT */
/*
 * handler.c - a handler of one's own: `temper` draws every Normal with its scale multiplied
 * by a temperature, and counts the sites it changed. It uses what kiln's own handlers use:
 * a struct whose first member is ppl_handler, and a table of functions.
 */
#include <kiln.h>

#include <stdio.h>

typedef struct temper {
    ppl_handler base;               /* must be first */
    double temperature;
    int changed;
} temper;

/* On a message's way out, before its value exists: give it another distribution. */
static void temper_process(ppl_handler *h, ppl_msg *m)
{
    temper *self = (temper *)h;
    ppl_dist *d = m->dist;

    if (m->kind != PPL_SITE_SAMPLE || (m->flags & PPL_OBSERVED) != 0 ||
        d->family != &ppl_family_normal)
        return;
    m->dist = ppl_event(
        ppl_normal(d->param[0], ppl_affine(d->param[1], self->temperature, 0)), d->event_dim);
    self->changed++;
}

static const ppl_handler_ops temper_ops = { .name = "temper", .process = temper_process };

static temper *temper_make(ppl_ctx *c, double temperature)
{
    temper *self = ppl_alloc(c, sizeof *self);

    if (self == NULL)
        return NULL;
    self->base.ops = &temper_ops;
    self->temperature = temperature;
    return self;
}

/* A random walk of ten steps. */
static void walk(ppl_ctx *c, const void *arg)
{
    ppl_tensor *z = ppl_scalar(c, 0);

    (void)arg;
    for (int t = 0; t < 10; t++)
        z = ppl_sample_at(c, "z", t, ppl_normal(z, ppl_scalar(c, 1)));
}

/* The walk's end at one temperature, always with the same noise. */
static int end_of_walk(ppl_ctx *c, double temperature, double *end)
{
    temper *t = temper_make(c, temperature);
    ppl_handler *inside = t != NULL ? &t->base : NULL;
    ppl_trace *trace =
        ppl_get_trace(c, walk, NULL, (ppl_handler *[]){ ppl_seed(c, 7), inside, NULL });

    if (trace == NULL)
        return -1;
    *end = ppl_item(ppl_trace_find(trace, "z", 9)->value);
    return t->changed;
}

int main(void)
{
    ppl_ctx *c = ppl_ctx_new(NULL);
    double plain = 0, hot = 0;
    int changed;

    if (c == NULL)
        return 1;
    end_of_walk(c, 1, &plain);
    changed = end_of_walk(c, 2, &hot);
    if (ppl_error(c) != PPL_OK)
        fprintf(stderr, "handler: %s\n", ppl_error_text(c));
    else
        printf("%d sites changed; the walk ends at %.4f, and twice as far when hot: %.4f\n",
               changed, plain, hot);
    ppl_ctx_free(c);
    return changed != 10;
}

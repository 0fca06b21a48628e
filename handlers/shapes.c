/* SPDX-License-Identifier: MIT */
/*
 * shapes.c - the table of shapes of a trace: written to a file, or, its last rows, into
 * the text of an error.
 */
#include <kiln/handlers.h>

#include <string.h>

enum { SITE, DISTRIBUTION, ROLE, BATCH, EVENT, VALUE, LOG_PROB, PLATES, COLUMNS };

enum { CELL = 96 };                 /* characters, with the end; longer ones are cut off */

typedef struct row {
    char cell[COLUMNS][CELL];
} row;

static const row head = {
    { "site", "distribution", "role", "batch |", "event", "value", "log_prob", "plates" }
};

/* Axes first .. last - 1 of a shape: "20 5". Returns the length. */
static size_t put_axes(const ppl_shape *shape, int first, int last, char out[CELL])
{
    size_t at = 0;

    for (int a = first; a < last && at < CELL; a++)
        at += (size_t)snprintf(out + at, CELL - at, "%s%lld", a > first ? " " : "",
                               (long long)shape->dim[a]);
    return at;
}

static void put_tensor(const ppl_tensor *t, char out[CELL])
{
    const ppl_shape shape = ppl_tensor_shape(t);

    if (t != NULL && put_axes(&shape, 0, shape.rank, out) == 0)
        strcpy(out, "scalar");
}

static void put_dist(const ppl_dist *d, row *r)
{
    int batch = d->shape.rank - d->event_dim;
    size_t at = put_axes(&d->shape, 0, batch, r->cell[BATCH]);

    if (at < CELL)
        snprintf(r->cell[BATCH] + at, CELL - at, "%s|", at > 0 ? " " : "");
    put_axes(&d->shape, batch, d->shape.rank, r->cell[EVENT]);
}

/* "rows -1: 20 of 100, tracks 3: ..": axis and size; a loop's copy for an axis. */
static void put_plates(const ppl_frame *f, char out[CELL])
{
    size_t at = 0;

    for (const ppl_frame *first = f; f != NULL && at < CELL; f = f->inner) {
        at += (size_t)snprintf(out + at, CELL - at, "%s%s", f != first ? ", " : "",
                               f->name);
        if (at < CELL && f->dim == 0)
            at += (size_t)snprintf(out + at, CELL - at, " copy %lld", (long long)f->copy);
        else if (at < CELL)
            at += (size_t)snprintf(out + at, CELL - at, " %d", f->dim);
        if (at < CELL)
            at += (size_t)snprintf(out + at, CELL - at, ": %lld", (long long)f->size);
        if (at < CELL && f->size != f->full_size)
            at += (size_t)snprintf(out + at, CELL - at, " of %lld",
                                   (long long)f->full_size);
    }
}

static const char *role(const ppl_msg *m)
{
    if (m->kind != PPL_SITE_SAMPLE)
        return "";
    if ((m->flags & PPL_OBSERVED) != 0)
        return "observed";
    return (m->flags & PPL_AUXILIARY) != 0 ? "auxiliary" : "latent";
}

static void fill(const ppl_msg *m, row *r)
{
    memset(r, 0, sizeof *r);
    ppl_site_text(m, r->cell[SITE], CELL);
    snprintf(r->cell[DISTRIBUTION], CELL, "%s",
             m->dist != NULL              ? m->dist->family->name
             : m->kind == PPL_SITE_PARAM ? "parameter"
                                         : "deterministic");
    snprintf(r->cell[ROLE], CELL, "%s", role(m));
    if (m->kind == PPL_SITE_SAMPLE)
        put_dist(m->dist, r);
    put_tensor(m->value, r->cell[VALUE]);
    put_tensor(m->log_prob, r->cell[LOG_PROB]);
    put_plates(m->plates, r->cell[PLATES]);
}

/* How wide each column is over rows first, .. of the trace; 0: nothing is in it. */
static void measure(const ppl_trace *t, int first, int width[COLUMNS])
{
    row r;

    memset(width, 0, COLUMNS * sizeof *width);
    for (int i = first; i < ppl_trace_count(t); i++) {
        fill(ppl_trace_at(t, i), &r);
        for (int k = 0; k < COLUMNS; k++)
            if ((int)strlen(r.cell[k]) > width[k])
                width[k] = (int)strlen(r.cell[k]);
    }
    width[EVENT] += width[BATCH] > 0 && width[EVENT] == 0;
    for (int k = 0; k < COLUMNS; k++)
        if (width[k] > 0 && (int)strlen(head.cell[k]) > width[k])
            width[k] = (int)strlen(head.cell[k]);
}

enum { LINE = COLUMNS * (CELL + 2) };

/* A row as a line, without spaces at its end. Shapes stand to the right. */
static const char *line_of(const row *r, const int width[COLUMNS], char out[LINE])
{
    size_t at = 0;

    out[0] = '\0';
    for (int k = 0; k < COLUMNS; k++)
        if (width[k] > 0)
            at += (size_t)snprintf(out + at, LINE - at, "%s%*s",
                                   at == 0 ? "" : k == EVENT ? " " : "  ",
                                   k == BATCH || k == VALUE || k == LOG_PROB ? width[k]
                                                                             : -width[k],
                                   r->cell[k]);
    while (at > 0 && out[at - 1] == ' ')
        out[--at] = '\0';
    return out;
}

/* ---- Into a file ------------------------------------------------------------------- */

static void write_table(const ppl_trace *t, FILE *out)
{
    int width[COLUMNS];
    char line[LINE];
    row r;

    measure(t, 0, width);
    fprintf(out, "%s\n", line_of(&head, width, line));
    for (int i = 0; i < ppl_trace_count(t); i++) {
        fill(ppl_trace_at(t, i), &r);
        fprintf(out, "%s\n", line_of(&r, width, line));
    }
}

static int is_written(FILE *out)
{
    return fflush(out) == 0 && !ferror(out);
}

ppl_status ppl_trace_write(const ppl_trace *t, FILE *out)
{
    ppl_ctx *c;

    if (t == NULL)
        return PPL_EINVAL;
    c = ppl_trace_ctx(t);
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    write_table(t, out);
    if (!is_written(out))
        ppl_fail(c, PPL_EIO, "ppl_trace_write: the file could not be written");
    return ppl_boundary_leave(c);
}

ppl_status ppl_write_shapes(ppl_ctx *c, ppl_model model, const void *arg,
                            ppl_handler *const *handlers, FILE *out)
{
    ppl_trace *t;
    ppl_epoch mark;
    ppl_scope s;

    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    mark = ppl_epoch_begin(c);
    s = ppl_push(c, ppl_trace_into(c, &t));
    if (ppl_run(c, model, arg, handlers) == PPL_OK)
        for (int i = 0; i < ppl_trace_count(t); i++)
            if (ppl_trace_at(t, i)->kind == PPL_SITE_SAMPLE)
                ppl_site_log_prob(ppl_trace_at(t, i));
    ppl_pop(c, s);
    write_table(t, out);
    if (!is_written(out))
        ppl_fail(c, PPL_EIO, "ppl_write_shapes: the file could not be written");
    ppl_epoch_end(c, mark);
    return ppl_boundary_leave(c);
}

/* ---- Into the text of an error ----------------------------------------------------- */

/* The first of the last rows that fit into `room` characters; their count if none does. */
static int first_that_fits(const ppl_trace *t, size_t room)
{
    int width[COLUMNS], first = ppl_trace_count(t);
    char line[LINE];
    row r;

    while (first > 0) {
        size_t length = 0;

        measure(t, first - 1, width);
        for (int i = first - 1; i < ppl_trace_count(t) && length <= room; i++) {
            fill(ppl_trace_at(t, i), &r);
            length += strlen(line_of(&r, width, line)) + 3;
        }
        if (length > room)
            break;
        first--;
    }
    return first;
}

void ppl_trace_annotate_error(const ppl_trace *t)
{
    enum { HEAD = 192 };            /* what stands above the rows */
    int count = ppl_trace_count(t), width[COLUMNS], first;
    size_t used;
    char line[LINE];
    ppl_ctx *c;
    row r;

    if (count == 0)
        return;
    c = ppl_trace_ctx(t);
    used = strlen(ppl_error_text(c));
    first = used + HEAD < PPL_ERROR_TEXT ? first_that_fits(t, PPL_ERROR_TEXT - used - HEAD)
                                         : count;
    if (first == count || used == 0)
        return;
    measure(t, first, width);
    ppl_error_append(c, "\n  %s of the sites until then (ppl_write_shapes writes them):\n"
                     "  %s", first > 0 ? "the last" : "all", line_of(&head, width, line));
    for (int i = first; i < count; i++) {
        fill(ppl_trace_at(t, i), &r);
        ppl_error_append(c, "\n  %s", line_of(&r, width, line));
    }
}

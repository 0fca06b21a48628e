/* SPDX-License-Identifier: MIT */
/*
 * render.c - a graph of sites in the DOT language.
 *
 * Nodes are drawn as spots: a node, or all those of one name beyond the first few indices.
 * A plate is a box (a cluster) in the box of the plate around it; two sites are in one box
 * when they are in the same plates. Where plates cross, one of them has two boxes: the one
 * of more sites is the outer.
 */
#include <kiln/structure.h>

#include <string.h>

/* A spot of the picture. */
typedef struct spot {
    const ppl_node *node;           /* the first of its nodes */
    int64_t last;                   /* index of the last one */
    int box;                        /* number of its box, 0 for none */
    int chain;                      /* it depends on another of its name */
    int next;                       /* 1 + the next of its row; 0: none */
    int first;                      /* of a row */
} spot;

/* A plate, in the box of number `around`. */
typedef struct box {
    const ppl_frame *frame;
    int around;
} box;

/* Small numbers by a name and a number. */
typedef struct entry {
    ppl_name name;
    int key, value;
} entry;

typedef struct table {
    entry *entry;
    size_t size;                    /* a power of two, at least twice the entries */
} table;

typedef struct picture {
    const ppl_graph *graph;
    int *spot_of;                   /* by node */
    spot *spot;
    box *box;                       /* from 1 on */
    int spots, boxes;
    FILE *out;
} picture;

static int make_table(ppl_ctx *c, table *t, size_t entries)
{
    for (t->size = 16; t->size < 2 * entries;)
        t->size *= 2;
    t->entry = ppl_alloc(c, t->size * sizeof *t->entry);
    return t->entry != NULL;
}

/* The number there, 0 at first. */
static int *at(table *t, ppl_name name, int key)
{
    size_t i = ppl_address_hash(name, key) & (t->size - 1);

    while (t->entry[i].name != NULL &&
           (t->entry[i].name != name || t->entry[i].key != key))
        i = (i + 1) & (t->size - 1);
    t->entry[i].name = name;
    t->entry[i].key = key;
    return &t->entry[i].value;
}

/* ---- Spots ------------------------------------------------------------------------- */

static int same_plates(const ppl_frame *a, const ppl_frame *b)
{
    for (; a != NULL && b != NULL; a = a->inner, b = b->inner)
        if (a->name != b->name)
            return 0;
    return a == b;
}

/* Gives each node its spot. */
static int make_spots(picture *p, int most)
{
    enum { SEEN, REST };
    ppl_ctx *c = p->graph->ctx;
    size_t count = (size_t)p->graph->count;
    table names;

    p->spot = ppl_alloc(c, count * sizeof *p->spot);
    p->spot_of = ppl_alloc(c, count * sizeof *p->spot_of);
    if (p->spot == NULL || p->spot_of == NULL || !make_table(c, &names, 2 * count))
        return 0;
    for (int i = 0; i < p->graph->count; i++) {
        const ppl_node *node = &p->graph->node[i];
        int seen = ++*at(&names, node->name, SEEN), *rest = at(&names, node->name, REST);

        if (node->index >= 0 && most > 0 && seen > most && *rest > 0 &&
            same_plates(p->spot[*rest - 1].node->plates, node->plates)) {
            p->spot[*rest - 1].last = node->index;
            p->spot_of[i] = *rest - 1;
            continue;
        }
        if (seen > most)
            *rest = p->spots + 1;
        p->spot_of[i] = p->spots;
        p->spot[p->spots++] = (spot){ .node = node, .last = node->index };
    }
    return 1;
}

/* ---- Boxes ------------------------------------------------------------------------- */

enum { PLATES = 32 };               /* that a spot is drawn in, at most */

/* The plates of a spot, those of more spots first. */
static int sort_plates(const spot *s, table *uses, const ppl_frame *sorted[PLATES])
{
    int count = 0;

    for (const ppl_frame *f = s->node->plates; f != NULL && count < PLATES; f = f->inner) {
        int at_place = count++, many = *at(uses, f->name, 0);

        for (; at_place > 0 && *at(uses, sorted[at_place - 1]->name, 0) < many; at_place--)
            sorted[at_place] = sorted[at_place - 1];
        sorted[at_place] = f;
    }
    return count;
}

/* Gives each spot its box. */
static int make_boxes(picture *p)
{
    ppl_ctx *c = p->graph->ctx;
    size_t most = 1;
    table uses, known;

    for (int i = 0; i < p->spots; i++)
        for (const ppl_frame *f = p->spot[i].node->plates; f != NULL; f = f->inner)
            most++;
    p->box = ppl_alloc(c, most * sizeof *p->box);
    if (p->box == NULL || !make_table(c, &uses, most) || !make_table(c, &known, most))
        return 0;
    for (int i = 0; i < p->spots; i++)
        for (const ppl_frame *f = p->spot[i].node->plates; f != NULL; f = f->inner)
            ++*at(&uses, f->name, 0);
    for (int i = 0; i < p->spots; i++) {
        const ppl_frame *plate[PLATES];
        int count = sort_plates(&p->spot[i], &uses, plate);

        for (int k = 0; k < count; k++) {
            int *b = at(&known, plate[k]->name, p->spot[i].box);

            if (*b == 0) {
                *b = ++p->boxes;
                p->box[*b] = (box){ plate[k], p->spot[i].box };
            }
            p->spot[i].box = *b;
        }
    }
    return 1;
}

/* Joins the spots of one name and box that form a chain. */
static int make_rows(picture *p)
{
    table last;

    if (!make_table(p->graph->ctx, &last, (size_t)p->spots))
        return 0;
    for (int i = 0; i < p->spots; i++) {
        int *before = p->spot[i].chain ? at(&last, p->spot[i].node->name, p->spot[i].box)
                                       : NULL;

        if (before == NULL)
            continue;
        if (*before > 0)
            p->spot[*before - 1].next = i + 1;
        else
            p->spot[i].first = 1;
        *before = i + 1;
    }
    return 1;
}

/* ---- Text -------------------------------------------------------------------------- */

/* Text within a label of DOT's HTML. */
static void put_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
        }
}

static const char *style_of(const ppl_node *n)
{
    if (n->kind == PPL_SITE_PARAM)
        return "shape=box, style=rounded, color=\"#808080\"";
    if (n->kind == PPL_SITE_DETERMINISTIC)
        return "shape=ellipse, style=dashed";
    if (strcmp(n->family, "unit") == 0)
        return "shape=square, style=filled, fillcolor=black, width=0.15, height=0.15, "
               "fixedsize=true";
    if ((n->flags & PPL_OBSERVED) != 0)
        return "shape=ellipse, style=filled, fillcolor=\"#d4d4d4\"";
    return (n->flags & PPL_AUXILIARY) != 0 ? "shape=ellipse, style=dotted"
                                           : "shape=ellipse";
}

static void put_spot(const picture *p, int i, int depth)
{
    const spot *s = &p->spot[i];
    int is_factor = s->node->family != NULL && strcmp(s->node->family, "unit") == 0;

    fprintf(p->out, "%*ss%d [%s, %s=<", 2 * depth, "", i, style_of(s->node),
            is_factor ? "xlabel" : "label");
    put_text(p->out, s->node->name);
    if (s->node->index >= 0 && s->last > s->node->index)
        fprintf(p->out, "[%lld..%lld]", (long long)s->node->index, (long long)s->last);
    else if (s->node->index >= 0)
        fprintf(p->out, "[%lld]", (long long)s->node->index);
    if (s->node->family != NULL && !is_factor) {
        fputs("<br/><font point-size=\"9\" color=\"#606060\">", p->out);
        put_text(p->out, s->node->family);
        fputs("</font>", p->out);
    }
    fputs(is_factor ? ">, label=\"\"];\n" : ">];\n", p->out);
}

static void put_row(const picture *p, int i, int depth)
{
    fprintf(p->out, "%*s{ rank=same;", 2 * depth, "");
    for (; i >= 0; i = p->spot[i].next - 1)
        fprintf(p->out, " s%d;", i);
    fputs(" }\n", p->out);
}

static void put_box(const picture *p, int b, int depth)
{
    for (int i = 0; i < p->spots; i++)
        if (p->spot[i].box == b)
            put_spot(p, i, depth);
    for (int i = 0; i < p->spots; i++)
        if (p->spot[i].box == b && p->spot[i].first)
            put_row(p, i, depth);
    for (int k = 1; k <= p->boxes; k++) {
        const ppl_frame *f = p->box[k].frame;

        if (p->box[k].around != b)
            continue;
        fprintf(p->out, "%*ssubgraph cluster_%d {\n%*slabelloc=b; labeljust=r; label=<",
                2 * depth, "", k, 2 * depth + 2, "");
        put_text(p->out, f->name);
        fprintf(p->out, ": %lld", (long long)f->size);
        if (f->size != f->full_size)
            fprintf(p->out, " of %lld", (long long)f->full_size);
        fputs(">;\n", p->out);
        put_box(p, k, depth + 1);
        fprintf(p->out, "%*s}\n", 2 * depth, "");
    }
}

/* ---- Edges ------------------------------------------------------------------------- */

/* Calls `edge` once for each two spots of which one depends on the other. */
static int each_edge(picture *p, void (*edge)(picture *p, int from, int to))
{
    int *stamp = ppl_alloc(p->graph->ctx, (size_t)p->spots * sizeof *stamp);
    int *next = ppl_alloc(p->graph->ctx, (size_t)p->graph->count * sizeof *next);
    int *head = ppl_alloc(p->graph->ctx, (size_t)p->spots * sizeof *head);

    if (stamp == NULL || next == NULL || head == NULL)
        return 0;
    for (int i = p->graph->count - 1; i >= 0; i--) {    /* the nodes of each spot */
        next[i] = head[p->spot_of[i]];
        head[p->spot_of[i]] = i + 1;
    }
    for (int to = 0; to < p->spots; to++)
        for (int i = head[to]; i != 0; i = next[i - 1])
            for (int k = 0; k < p->graph->node[i - 1].parents; k++) {
                int from = p->spot_of[p->graph->node[i - 1].parent[k]];

                if (from == to || stamp[from] == to + 1)
                    continue;
                stamp[from] = to + 1;
                edge(p, from, to);
            }
    return 1;
}

static void note_chain(picture *p, int from, int to)
{
    if (p->spot[from].node->name == p->spot[to].node->name)
        p->spot[from].chain = p->spot[to].chain = 1;
}

static void put_edge(picture *p, int from, int to)
{
    fprintf(p->out, "  s%d -> s%d;\n", from, to);
}

/* ---- The whole --------------------------------------------------------------------- */

static int put_picture(picture *p, const ppl_render_opts *opts)
{
    if (!make_spots(p, opts->indices) || !make_boxes(p) || !each_edge(p, note_chain) ||
        !make_rows(p))
        return 0;
    fputs("digraph model {\n"
          "  graph [fontname=\"Helvetica\", fontsize=11, color=\"#808080\", "
          "ranksep=0.35];\n"
          "  node [fontname=\"Helvetica\", fontsize=12, margin=\"0.08,0.04\", "
          "height=0.45];\n  edge [arrowsize=0.7];\n", p->out);
    if (opts->title != NULL) {
        fputs("  labelloc=t;\n  label=<", p->out);
        put_text(p->out, opts->title);
        fputs(">;\n", p->out);
    }
    put_box(p, 0, 1);
    if (!each_edge(p, put_edge))
        return 0;
    fputs("}\n", p->out);
    return 1;
}

ppl_status ppl_render_model(ppl_ctx *c, ppl_model model, const void *arg,
                            const ppl_render_opts *opts, FILE *out)
{
    static const ppl_render_opts none;
    picture p = { .out = out };
    ppl_epoch mark;

    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    mark = ppl_epoch_begin(c);
    opts = opts != NULL ? opts : &none;
    p.graph = ppl_get_graph(c, model, arg, &opts->graph);
    if (p.graph != NULL && put_picture(&p, opts) && (fflush(out) != 0 || ferror(out)))
        ppl_fail(c, PPL_EIO, "ppl_render_model: the file could not be written");
    ppl_epoch_end(c, mark);
    return ppl_boundary_leave(c);
}

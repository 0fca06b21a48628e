/* SPDX-License-Identifier: MIT */
/*
 * test_structure.c - who depends on whom, and the pictures of it.
 */
#include "inference.h"

#include <kiln/structure.h>

#include <stdio.h>

/* ---- Dependencies ------------------------------------------------------------------ */

/* "a: ; b: a; c: a b" of a graph. */
static const char *text_of(const ppl_graph *g)
{
    static char text[4000];
    size_t used = 0;

    ck_assert_msg(g != NULL, "%s", ppl_error_text(c));
    text[0] = '\0';
    for (int i = 0; i < g->count; i++) {
        const ppl_node *n = &g->node[i];

        for (int k = -1; k < n->parents; k++) {
            const ppl_node *m = k < 0 ? n : &g->node[n->parent[k]];
            const ppl_msg address = { .name = m->name, .index = m->index };
            char site[64];

            ppl_site_text(&address, site, sizeof site);
            used += (size_t)snprintf(text + used, sizeof text - used, k < 0 ? "%s%s:" : "%s %s",
                                     k < 0 && i > 0 ? "; " : "", site);
        }
    }
    return text;
}

static ppl_dist *around(ppl_tensor *loc)
{
    return ppl_normal(loc, ppl_scalar(ppl_tensor_ctx(loc), 1));
}

/* A diamond, a chain, a deterministic value, a value read as a number, data computed from
 * a latent, a factor, a mask, two parameters, one of them visited twice. */
static void diverse(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *w = ppl_param(ctx, "w", PPL_SCALAR, PPL_ONES, PPL_REAL), *a, *b, *d, *e, *z;

    (void)arg;
    a = ppl_sample(ctx, "a", around(w));
    b = ppl_sample(ctx, "b", around(a));
    d = ppl_deterministic(ctx, "d", ppl_add(a, ppl_param(ctx, "v", PPL_SCALAR, PPL_ONES,
                                                         PPL_POSITIVE)));
    e = ppl_sample(ctx, "e", around(ppl_mul(b, d)));
    ppl_observe(ctx, "x", around(number(0)), e);
    z = number(0);
    for (int t = 0; t < 3; t++)
        z = ppl_sample_at(ctx, "z", t, around(ppl_mul(z, ppl_param(ctx, "w", PPL_SCALAR,
                                                                   PPL_ONES, PPL_REAL))));
    ppl_factor(ctx, "f", ppl_neg(z));
    ppl_sample(ctx, "m", ppl_masked(around(number(0)), ppl_less(b, e)));
    if (ppl_item(a) < 1000)
        ppl_sample_auxiliary(ctx, "k", PPL_NO_INDEX, around(number(0)));
}

START_TEST(parents)
{
    ppl_trace *plain;
    const ppl_graph *g;

    begin(_i);
    g = ppl_get_graph(c, diverse, NULL, NULL);
    ck_assert_str_eq(text_of(g), "a:; b: a; d: a; e: b d; x: e; z[0]:; z[1]: z[0]; "
                                 "z[2]: z[1]; f: z[2]; m: b e; k: a");
    g = ppl_get_graph(c, diverse, NULL, &(ppl_graph_opts){ .parameters = 1 });
    ck_assert_str_eq(text_of(g), "w:; a: w; b: a; v:; d: a v; e: b d; x: e; z[0]: w; "
                                 "z[1]: w z[0]; z[2]: w z[1]; f: z[2]; m: b e; k: a");
    ck_assert_str_eq(ppl_graph_find(g, "z", 1)->family, "normal");
    ck_assert_int_eq(ppl_graph_find(g, "x", PPL_NO_INDEX)->flags, PPL_OBSERVED);
    ck_assert_int_eq(ppl_graph_find(g, "k", -5)->flags, PPL_AUXILIARY);
    ck_assert_int_eq(ppl_graph_find(g, "w", PPL_NO_INDEX)->kind, PPL_SITE_PARAM);
    ck_assert_ptr_null(ppl_graph_find(g, "z", 3));
    ck_assert_ptr_null(ppl_graph_find(NULL, "z", 3));
    /* Looking has changed no draw and left no site behind. */
    again();
    plain = ppl_get_trace(c, diverse, NULL, NULL);
    ck_assert_int_eq(ppl_trace_count(plain), 13);
    end();
}
END_TEST

START_TEST(draws_are_the_same)
{
    ppl_trace *t, *u;
    ppl_handler *record;

    begin(_i);
    record = ppl_trace_into(c, &t);
    ck_assert_ptr_nonnull(ppl_get_graph(c, diverse, NULL,
                                        &(ppl_graph_opts){ .handlers = handlers(record),
                                                           .parameters = 1 }));
    again();
    u = ppl_get_trace(c, diverse, NULL, NULL);
    for (int i = 0; i < ppl_trace_count(u); i++) {
        const ppl_msg *m = ppl_trace_at(u, i);

        assert_same(m->name, ppl_trace_find(t, m->name, m->index)->value, m->value);
    }
    end();
}
END_TEST

/* What a handler hides is no node, and nobody's parent. */
START_TEST(of_what_is_seen)
{
    ppl_handler *hide;

    begin(_i);
    hide = ppl_block(c, &(ppl_block_opts){ .hide = (const char *[]){ "b", "z", NULL } });
    ck_assert_str_eq(text_of(ppl_get_graph(c, diverse, NULL,
                                           &(ppl_graph_opts){ .handlers = handlers(hide) })),
                     "a:; d: a; e: d; x: e; f:; m: e; k: a");
    end();
}
END_TEST

static void failing(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", around(number(0)));
    ppl_fail(ctx, PPL_EIO, "it fails");
}

START_TEST(of_a_run_that_fails)
{
    FILE *out = tmpfile();

    begin(_i);
    ck_assert_ptr_null(ppl_get_graph(c, failing, NULL, NULL));
    ck_assert_int_eq(ppl_error(c), PPL_EIO);
    ck_assert_int_eq(ppl_render_model(c, failing, NULL, NULL, out), PPL_EIO);
    ck_assert_int_eq(ftell(out), 0);
    fclose(out);
    end();
}
END_TEST

/* ---- Pictures ---------------------------------------------------------------------- */

static const char *picture_of(ppl_model model, const void *arg, const ppl_render_opts *opts)
{
    static char text[20000];
    FILE *out = tmpfile();
    char *from;

    OK(ppl_render_model(c, model, arg, opts, out));
    rewind(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    fclose(out);
    ck_assert(strncmp(text, "digraph model {\n", 16) == 0);
    from = strstr(text, "  edge [arrowsize=0.7];\n");
    ck_assert_ptr_nonnull(from);
    return from + strlen("  edge [arrowsize=0.7];\n");
}

#define FAMILY(text) "<br/><font point-size=\"9\" color=\"#606060\">" text "</font>>];\n"
#define SHADED "shape=ellipse, style=filled, fillcolor=\"#d4d4d4\", "

static void schools(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *mu = ppl_sample(ctx, "mu", around(ppl_param(ctx, "prior", PPL_SCALAR,
                                                            PPL_ZEROS, PPL_REAL))), *theta;
    ppl_scope s = ppl_push(ctx, ppl_plate(ctx, "schools", 8, &(ppl_plate_opts){
                                                                 .subsample_size = 3 }));

    (void)arg;
    theta = ppl_deterministic(ctx, "theta", ppl_add(mu, ppl_sample(ctx, "eta",
                                                                   around(number(0)))));
    ppl_observe(ctx, "y", around(theta), reals(1, 2, 3));
    ppl_pop(ctx, s);
    ppl_factor(ctx, "prior & <posterior>", mu);
}

START_TEST(a_picture)
{
    begin(_i);
    ck_assert_str_eq(
        picture_of(schools, NULL, NULL),
        "  s0 [shape=ellipse, label=<mu" FAMILY("normal")
        "  s4 [shape=square, style=filled, fillcolor=black, width=0.15, height=0.15, "
        "fixedsize=true, xlabel=<prior &amp; &lt;posterior&gt;>, label=\"\"];\n"
        "  subgraph cluster_1 {\n"
        "    labelloc=b; labeljust=r; label=<schools: 3 of 8>;\n"
        "    s1 [shape=ellipse, label=<eta" FAMILY("normal")
        "    s2 [shape=ellipse, style=dashed, label=<theta>];\n"
        "    s3 [" SHADED "label=<y" FAMILY("normal")
        "  }\n"
        "  s0 -> s2;\n"
        "  s1 -> s2;\n"
        "  s2 -> s3;\n"
        "  s0 -> s4;\n"
        "}\n");
    ck_assert_str_eq(
        picture_of(schools, NULL, &(ppl_render_opts){ .graph.parameters = 1, .title = "8 > 7",
                                                      .graph.handlers = handlers(ppl_block(
                                                          c, &(ppl_block_opts){ .hide =
                                                              (const char *[]){ "theta", "y",
                                                                                NULL } })) }),
        "  labelloc=t;\n"
        "  label=<8 &gt; 7>;\n"
        "  s0 [shape=box, style=rounded, color=\"#808080\", label=<prior>];\n"
        "  s1 [shape=ellipse, label=<mu" FAMILY("normal")
        "  s3 [shape=square, style=filled, fillcolor=black, width=0.15, height=0.15, "
        "fixedsize=true, xlabel=<prior &amp; &lt;posterior&gt;>, label=\"\"];\n"
        "  subgraph cluster_1 {\n"
        "    labelloc=b; labeljust=r; label=<schools: 3 of 8>;\n"
        "    s2 [shape=ellipse, label=<eta" FAMILY("normal")
        "  }\n"
        "  s0 -> s1;\n"
        "  s1 -> s3;\n"
        "}\n");
    end();
}
END_TEST

static void chain(ppl_ctx *ctx, const void *arg)
{
    const int steps = *(const int *)arg;
    ppl_tensor *z = number(0);

    for (int t = 0; t < steps; t++) {
        z = ppl_sample_at(ctx, "z", t, around(z));
        ppl_observe_at(ctx, "x", t, around(z), number(0));
    }
}

/* Sites of one name stand in a row where one depends on another; those beyond the first
 * few share a spot. */
START_TEST(a_chain)
{
    begin(_i);
    ck_assert_str_eq(picture_of(chain, &(int){ 2 }, NULL),
                     "  s0 [shape=ellipse, label=<z[0]" FAMILY("normal")
                     "  s1 [" SHADED "label=<x[0]" FAMILY("normal")
                     "  s2 [shape=ellipse, label=<z[1]" FAMILY("normal")
                     "  s3 [" SHADED "label=<x[1]" FAMILY("normal")
                     "  { rank=same; s0; s2; }\n"
                     "  s0 -> s1;\n"
                     "  s0 -> s2;\n"
                     "  s2 -> s3;\n"
                     "}\n");
    ck_assert_str_eq(picture_of(chain, &(int){ 30 }, &(ppl_render_opts){ .indices = 1 }),
                     "  s0 [shape=ellipse, label=<z[0]" FAMILY("normal")
                     "  s1 [" SHADED "label=<x[0]" FAMILY("normal")
                     "  s2 [shape=ellipse, label=<z[1..29]" FAMILY("normal")
                     "  s3 [" SHADED "label=<x[1..29]" FAMILY("normal")
                     "  { rank=same; s0; s2; }\n"
                     "  s0 -> s1;\n"
                     "  s0 -> s2;\n"
                     "  s2 -> s3;\n"
                     "}\n");
    ck_assert_str_eq(picture_of(chain, &(int){ 0 }, NULL), "}\n");
    end();
}
END_TEST

/* Rows and columns cross: columns, the plate of more sites, is the outer box of both. */
static void crossing(ppl_ctx *ctx, const void *arg)
{
    ppl_handler *rows = ppl_plate(ctx, "rows", 4, &(ppl_plate_opts){ .dim = -2 });
    ppl_handler *columns = ppl_plate(ctx, "columns", 3, &(ppl_plate_opts){ .dim = -1 });
    ppl_scope s = ppl_push(ctx, rows);

    (void)arg;
    ppl_sample(ctx, "r", around(number(0)));
    ppl_push(ctx, columns);
    ppl_sample(ctx, "x", around(number(0)));
    ppl_pop(ctx, s);
    s = ppl_push(ctx, columns);
    ppl_sample(ctx, "a", around(number(0)));
    ppl_sample(ctx, "b", around(number(0)));
    ppl_pop(ctx, s);
}

START_TEST(crossing_plates)
{
    begin(_i);
    ck_assert_str_eq(picture_of(crossing, NULL, NULL),
                     "  subgraph cluster_1 {\n"
                     "    labelloc=b; labeljust=r; label=<rows: 4>;\n"
                     "    s0 [shape=ellipse, label=<r" FAMILY("normal")
                     "  }\n"
                     "  subgraph cluster_2 {\n"
                     "    labelloc=b; labeljust=r; label=<columns: 3>;\n"
                     "    s2 [shape=ellipse, label=<a" FAMILY("normal")
                     "    s3 [shape=ellipse, label=<b" FAMILY("normal")
                     "    subgraph cluster_3 {\n"
                     "      labelloc=b; labeljust=r; label=<rows: 4>;\n"
                     "      s1 [shape=ellipse, label=<x" FAMILY("normal")
                     "    }\n"
                     "  }\n"
                     "}\n");
    end();
}
END_TEST

START_TEST(a_full_disk)
{
    FILE *full = fopen("/dev/full", "w");

    if (full == NULL)
        return;                         /* not on this system */
    begin(_i);
    FAILS(ppl_render_model(c, schools, NULL, NULL, full), PPL_EIO,
          "ppl_render_model: the file could not be written");
    fclose(full);
    end();
}
END_TEST

/* ---- Large models, little memory --------------------------------------------------- */

/* Of 10 times the sites it takes about 10 times the memory (and no loop is in a loop). */
START_TEST(memory_is_linear)
{
    size_t held[2];
    FILE *out = fopen("/dev/null", "w");

    ck_assert_ptr_nonnull(out);
    for (int i = 0; i < 2; i++) {
        int steps = i == 0 ? 1000 : 10000;

        begin(_i);
        OK(ppl_render_model(c, chain, &steps, NULL, out));
        OK(ppl_render_model(c, chain, &steps, &(ppl_render_opts){ .indices = 3 }, out));
        held[i] = memory.held;
        end();
    }
    ck_assert_uint_lt(held[1], 17 * held[0]);       /* blocks double */
    fclose(out);
}
END_TEST

START_TEST(out_of_memory)
{
    long n = 0, refused = 1;

    while (refused) {
        FILE *out = tmpfile();
        ppl_status status;

        begin(_i);
        memory.refuse_at = memory.calls + ++n;
        status = ppl_render_model(c, schools, NULL,
                                  &(ppl_render_opts){ .graph.parameters = 1 }, out);
        refused = memory.calls >= memory.refuse_at;
        memory.refuse_at = 0;
        ck_assert_str_eq(ppl_status_name(status), refused ? "PPL_ENOMEM" : "PPL_OK");
        OK(ppl_render_model(c, schools, NULL, NULL, out));
        fclose(out);
        end();
    }
    ck_assert_int_gt(n, 5);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { parents, draws_are_the_same, of_what_is_seen,
                                   of_a_run_that_fails, a_picture, a_chain, crossing_plates,
                                   a_full_disk, memory_is_linear, out_of_memory, NULL };

    return run_tests("structure", tests);
}

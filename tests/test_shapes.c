/* SPDX-License-Identifier: MIT */
/*
 * test_shapes.c - the table of shapes: of a trace, of a run that fails, and in the text of
 * errors of shapes.
 */
#include "inference.h"

/* A bit of everything. */
static void everything(ppl_ctx *ctx, const void *arg)
{
    ppl_handler *rows = ppl_plate(ctx, "rows", 10, &(ppl_plate_opts){ .subsample_size = 4 });
    ppl_handler *columns = ppl_plate(ctx, "columns", 3, NULL);
    ppl_tensor *w = ppl_param(ctx, "w", PPL_SHAPE(3, 2), PPL_ONES, PPL_REAL), *n, *z;
    ppl_scope s;

    z = ppl_sample(ctx, "z", ppl_event(ppl_normal(w, number(1)), 1));
    ppl_sample_at(ctx, "t", 17, ppl_event(ppl_normal(w, number(1)), 2));
    n = ppl_sample(ctx, "n", ppl_bernoulli(number(0.5)));
    ppl_deterministic(ctx, "d", ppl_affine(n, 2, 1));
    s = ppl_push(ctx, columns);
    ppl_push(ctx, rows);
    ppl_observe(ctx, "x", ppl_normal(number(0), number(1)),
                ppl_full(ctx, PPL_SHAPE(4, 3), 1));
    ppl_pop(ctx, s);
    ppl_factor(ctx, "f", reals(-3, -4));
    ppl_sample_auxiliary(ctx, "aux", 4, ppl_normal(number(0), number(1)));
    if (arg != NULL)
        ppl_add(z, reals(1, 2, 3));
}

/* What a function writes. */
static char *text_of(FILE *file)
{
    static char text[8000];
    size_t length;

    rewind(file);
    length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

#define HEAD "site     distribution   role       batch | event   value"

static const char *const some =
    HEAD "  log_prob  plates\n"
    "rows     subsample                                     4\n"
    "columns  subsample                                     3\n"
    "w        parameter                                   3 2\n"
    "z        normal         latent         3 | 2         3 2         3\n"
    "t[17]    normal         latent           | 3 2       3 2\n"
    "n        bernoulli      latent           |        scalar\n"
    "d        deterministic                            scalar\n"
    "x        normal         observed     4 3 |           4 3            columns -1: 3, "
    "rows -2: 4 of 10\n"
    "f        unit           observed       2 | 0         2 0\n"
    "aux[4]   normal         auxiliary        |        scalar\n";
static const char *const all =
    HEAD "  log_prob  plates\n"
    "rows     subsample                                     4\n"
    "columns  subsample                                     3\n"
    "w        parameter                                   3 2\n"
    "z        normal         latent         3 | 2         3 2         3\n"
    "t[17]    normal         latent           | 3 2       3 2    scalar\n"
    "n        bernoulli      latent           |        scalar    scalar\n"
    "d        deterministic                            scalar\n"
    "x        normal         observed     4 3 |           4 3       4 3  columns -1: 3, "
    "rows -2: 4 of 10\n"
    "f        unit           observed       2 | 0         2 0         2\n"
    "aux[4]   normal         auxiliary        |        scalar    scalar\n";

START_TEST(a_table)
{
    FILE *file = tmpfile();
    ppl_trace *t;

    begin(_i);
    t = ppl_get_trace(c, everything, NULL, NULL);
    ppl_site_log_prob(ppl_trace_find(t, "z", PPL_NO_INDEX));
    OK(ppl_trace_write(t, file));
    ck_assert_str_eq(text_of(file), some);
    ck_assert_int_eq(ppl_trace_write(NULL, stderr), PPL_EINVAL);
    ck_assert_ptr_eq(ppl_trace_ctx(t), c);
    ck_assert_ptr_null(ppl_trace_ctx(NULL));
    end();
}
END_TEST

static void nothing(ppl_ctx *ctx, const void *arg)
{
    (void)ctx, (void)arg;
}

START_TEST(the_table_of_a_run)
{
    FILE *file = tmpfile();

    begin(_i);
    OK(ppl_write_shapes(c, everything, NULL, NULL, file));
    ck_assert_str_eq(text_of(file), all);
    file = tmpfile();
    OK(ppl_write_shapes(c, nothing, NULL, NULL, file));
    ck_assert_str_eq(text_of(file), "\n");
    end();
}
END_TEST

#define ADDED "add: shapes [3,2] and [3] do not broadcast"

/* A run that fails: its table until there; the same, as far as it fits, in the text of the
 * error of a trace, of whatever steps make traces. */
START_TEST(a_run_that_fails)
{
    FILE *file = tmpfile();
    ppl_elbo *elbo;
    double loss;
    char *after;

    begin(_i);
    ck_assert_int_eq(ppl_write_shapes(c, everything, "fail", NULL, file), PPL_ESHAPE);
    ck_assert_ptr_null(strstr(ppl_error_text(c), HEAD));
    ck_assert_ptr_nonnull(strstr(text_of(file), HEAD "  plates\nrows "));
    ck_assert_ptr_null(ppl_get_trace(c, everything, "fail", NULL));
    after = strchr(ppl_error_text(c), '\n');
    ck_assert_str_eq(after,
        "\n  after site aux[4]; 9 sites and 1 parameter visited"
        "\n  all of the sites until then (ppl_write_shapes writes them):"
        "\n  " HEAD "  plates"
        "\n  rows     subsample                                     4"
        "\n  columns  subsample                                     3"
        "\n  w        parameter                                   3 2"
        "\n  z        normal         latent         3 | 2         3 2"
        "\n  t[17]    normal         latent           | 3 2       3 2"
        "\n  n        bernoulli      latent           |        scalar"
        "\n  d        deterministic                            scalar"
        "\n  x        normal         observed     4 3 |           4 3  columns -1: 3, "
        "rows -2: 4 of 10"
        "\n  f        unit           observed       2 | 0         2 0"
        "\n  aux[4]   normal         auxiliary        |        scalar");
    elbo = ppl_trace_elbo(c, NULL);
    ck_assert_int_eq(ppl_elbo_estimate(elbo, everything, everything, "fail", 0, &loss),
                     PPL_ESHAPE);
    ck_assert_ptr_nonnull(strstr(ppl_error_text(c), HEAD));
    end();
}
END_TEST

static void many(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        ppl_sample_at(ctx, "z", i, ppl_normal(number(0), number(1)));
    ppl_add(reals(1, 2), reals(1, 2, 3));
}

static void failing(ppl_ctx *ctx, const void *arg)
{
    ppl_sample(ctx, "z", ppl_normal(number(0), number(1)));
    ppl_fail(ctx, PPL_EIO, "%s", (const char *)arg);
}

/* Of many sites the last that fit; where there is no room, or another error, none. */
START_TEST(as_much_as_fits)
{
    char huge[2040];
    const char *text;

    begin(_i);
    ck_assert_ptr_null(ppl_get_trace(c, many, NULL, NULL));
    text = ppl_error_text(c);
    ck_assert_ptr_nonnull(strstr(text, "\n  the last of the sites until then "
                                       "(ppl_write_shapes writes them):\n  site    "
                                       "distribution  role    batch | event   value\n  z[9"));
    ck_assert_str_eq(text + strlen(text) - 51,
                     "z[999]  normal        latent        |        scalar");
    ck_assert_uint_le(strlen(text), PPL_ERROR_TEXT);
    ck_assert_uint_ge(strlen(text), PPL_ERROR_TEXT - 250);
    ck_assert_ptr_null(ppl_get_trace(c, failing, "short", NULL));
    ck_assert_str_eq(ppl_error_text(c), "short\n  after site z; 1 site and 0 parameters "
                                        "visited");
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    ck_assert_ptr_null(ppl_get_trace(c, failing, huge, NULL));
    text = ppl_error_text(c);
    ppl_trace_annotate_error(NULL);
    ppl_error_append(c, " and this");
    ck_assert_uint_eq(strlen(text), PPL_ERROR_TEXT);
    ppl_clear_error(c);
    ppl_error_append(c, "of nothing");
    ck_assert_str_eq(ppl_error_text(c), "");
    end();
}
END_TEST

START_TEST(a_full_disk)
{
    FILE *full = fopen("/dev/full", "w");
    ppl_trace *t;

    if (full == NULL)
        return;                         /* not on this system */
    begin(_i);
    t = ppl_get_trace(c, everything, NULL, NULL);
    FAILS(ppl_trace_write(t, full), PPL_EIO,
          "ppl_trace_write: the file could not be written");
    FAILS(ppl_write_shapes(c, everything, NULL, NULL, full), PPL_EIO,
          "ppl_write_shapes: the file could not be written");
    fclose(full);
    end();
}
END_TEST

/* Each allocation refused in turn: told, and the next call writes the whole table. */
START_TEST(out_of_memory)
{
    long n = 0, refused = 1;

    while (refused) {
        FILE *out = tmpfile();
        ppl_status status;

        begin(_i);
        memory.refuse_at = memory.calls + ++n;
        status = ppl_write_shapes(c, everything, NULL, NULL, out);
        refused = memory.calls >= memory.refuse_at;
        memory.refuse_at = 0;
        ck_assert_str_eq(ppl_status_name(status), refused ? "PPL_ENOMEM" : "PPL_OK");
        fclose(out);
        out = tmpfile();
        OK(ppl_write_shapes(c, everything, NULL, NULL, out));
        ck_assert_str_eq(text_of(out), all);
        end();
    }
    ck_assert_int_gt(n, 5);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { a_table, the_table_of_a_run, a_run_that_fails,
                                   as_much_as_fits, a_full_disk, out_of_memory, NULL };

    return run_tests("shapes", tests);
}

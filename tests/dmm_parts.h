/* SPDX-License-Identifier: MIT */
/* dmm_parts.h - what the tests of the parts of examples/dmm share: a folder with one file,
 * below $TMPDIR, else /tmp; the last error; and synthetic chorales. Included once a program,
 * before all else.
 */
#ifndef KILN_DMM_PARTS_H
#define KILN_DMM_PARTS_H

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* mkdtemp */
#endif

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data.h"
#include "synth.h"

#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

static char folder[256], path[300], error[ERROR_SIZE];
static synth chain;
static chorales data;

static inline void set_up(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/kiln-dmm-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_msg(mkdtemp(folder) != NULL, "%s cannot be made", folder);
    snprintf(path, sizeof path, "%s/file", folder);
    *error = '\0';
    synth_init(&chain);
    ck_assert_int_eq(synth_draw(&chain, &data, (const int[]){ 40, 8, 9 }, 1, error,
                                sizeof error), 0);
}

/* rmdir fails where a temporary file was left behind. */
static inline void tear_down(void)
{
    chorales_free(&data);
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static inline void write_text(const char *text)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* The file's bytes, to be freed. */
static inline unsigned char *read_bytes(long *count)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    *count = ftell(file);
    rewind(file);
    unsigned char *bytes = malloc((size_t)*count + 1);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)*count, file), (size_t)*count);
    bytes[*count] = 0;
    fclose(file);
    return bytes;
}

/* The error is exactly the path and this text. */
static inline void expect_error(const char *where, const char *text)
{
    char expected[2 * ERROR_SIZE];
    snprintf(expected, sizeof expected, "%s: %s", where, text);
    ck_assert_str_eq(error, expected);
}

/* A case of the suite, with the fixture. */
static inline TCase *add_case(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return tests;
}

/* The exit status. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif

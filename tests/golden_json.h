/* SPDX-License-Identifier: MIT */
/*
 * golden_json.h - reading the numbers of tests/golden/ (README.md there). Any failure to
 * read ends the test. The folder is found by the environment's srcdir, or from the
 * working directory.
 */
#ifndef KILN_TESTS_GOLDEN_JSON_H
#define KILN_TESTS_GOLDEN_JSON_H

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline json_t *golden_load(const char *name)
{
    const char *dir = getenv("srcdir");
    char path[4096];
    json_error_t error;

    snprintf(path, sizeof path, "%s/tests/golden/%s", dir ? dir : ".", name);
    json_t *root = json_load_file(path, 0, &error);
    ck_assert_msg(root != NULL, "%s: %s", path, error.text);
    return root;
}

/* "inf", "-inf" and "nan" are strings, as JSON has no such numbers. */
static inline double golden_number(const json_t *value)
{
    ck_assert_msg(json_is_number(value) || json_is_string(value), "not a number");
    return json_is_string(value) ? strtod(json_string_value(value), NULL)
                                 : json_number_value(value);
}

/* The numbers of record[key], a number or a list of at most `size`; how many there are,
 * 0 if there is no such key. */
static inline int golden_numbers(const json_t *record, const char *key, double *out,
                                 int size)
{
    const json_t *value = json_object_get(record, key);
    int count = json_is_array(value) ? (int)json_array_size(value) : value != NULL;

    ck_assert_int_le(count, size);
    for (int i = 0; i < count; i++)
        out[i] = golden_number(json_is_array(value) ? json_array_get(value, (size_t)i)
                                                    : value);
    return count;
}

#endif

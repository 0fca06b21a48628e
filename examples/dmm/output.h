/* SPDX-License-Identifier: MIT */
/* What every part of the example shares: one sentence into the caller's error buffer, and
 * a file that appears whole or not at all.
 *
 *     output out;
 *     if (output_open(&out, path, error, size) != 0)
 *         return -1;
 *     output_write(&out, bytes, count);         as often as needed; keeps the first error
 *     return output_close(&out, error, size);   says it, or else flush, fsync, rename
 *
 * Convention of these files: a function returns 0, or -1 (or NULL) with `error` filled.
 */
#ifndef DMM_OUTPUT_H
#define DMM_OUTPUT_H

#include <stddef.h>
#include <stdio.h>

/* Room for every sentence of these files with a path of usual length; longer is cut. */
enum { ERROR_SIZE = 512 };

#if defined __GNUC__
#define OUTPUT_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define OUTPUT_PRINTF(at, first)
#endif

/* Writes the sentence into `error` (may be NULL with size 0) and returns -1. */
int failure(char *error, size_t size, const char *format, ...) OUTPUT_PRINTF(3, 4);

typedef struct {
    FILE *file;
    int code;        /* errno of the first write that failed, or 0 */
    char *path;      /* the target, symbolic links resolved; owned */
    char *temporary; /* beside the target; NULL for a device or pipe; owned */
} output;

/* Opens a temporary file beside `path`. A target that exists and is no regular file
 * (/dev/stdout, a pipe) is written directly: renaming over it would destroy it. */
int output_open(output *out, const char *path, char *error, size_t size);

/* Writes `count` bytes; -1 once a write has failed: output_close then says why. */
int output_write(output *out, const void *bytes, size_t count);

/* Flushes, syncs and renames to the target. On failure the temporary file is gone and the
 * target is as it was. `out` is closed in both cases. */
int output_close(output *out, char *error, size_t size);

/* Gives up: the temporary file is removed, the target stays as it was. */
void output_abandon(output *out);

#endif

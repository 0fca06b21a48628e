/* SPDX-License-Identifier: MIT */
/*
 * safetensors.h - safetensors files of F32 and F64 tensors: read whole and checked whole,
 * written atomically. Nothing here knows of parameters.
 */
#ifndef KILN_SAFETENSORS_H
#define KILN_SAFETENSORS_H

#include <kiln/tensor.h>

#include <jansson.h>

#define PPL__METADATA "__metadata__"

/* ---- Reading ----------------------------------------------------------------------- */

typedef struct ppl__stored {
    const char *name;
    ppl_dtype dtype;                /* PPL_F32 or PPL_F64 */
    ppl_shape shape;
    int64_t count;
    size_t begin, end;              /* bytes of the data */
    size_t index;                   /* in the header */
    const unsigned char *data;      /* little-endian */
} ppl__stored;

/* A file in memory. Zero it before ppl__file_read. */
typedef struct ppl__file {
    const char *path;
    unsigned char *bytes;
    size_t size;
    json_t *header;                 /* owns the names */
    json_t *metadata;               /* of strings; NULL: none */
    size_t count;
    ppl__stored *tensor;            /* by name */
    ppl__stored **by_offset;        /* in the order in which they lie in the file */
} ppl__file;

/* Any status but PPL_OK is recorded, with a text that names the path. To be closed in any
 * case. */
ppl_status ppl__file_read(ppl_ctx *c, const char *path, ppl__file *f);
void ppl__file_close(ppl_ctx *c, ppl__file *f);
/* NULL if the file has no tensor of that name. */
const ppl__stored *ppl__file_find(const ppl__file *f, const char *name);
double ppl__stored_at(const ppl__stored *t, int64_t i);
/* `length` bytes of text as JSON; NULL with the error recorded, which calls it `what`. */
json_t *ppl__json_parse(ppl_ctx *c, const char *path, const char *what, const char *text,
                        size_t length);
/* Reads a JSON array of dimensions; NULL, or what is wrong with it. */
const char *ppl__shape_of_json(const json_t *array, ppl_shape *shape, int64_t *count);

/* ---- Writing ----------------------------------------------------------------------- */

/* A tensor to be written: `count` elements of the context's dtype, in the given shape. */
typedef struct ppl__source {
    const char *name;
    ppl_shape shape;
    int64_t count;
    const void *data;
} ppl__source;

/* Writes a file with `metadata` (of strings, borrowed). A path that exists and is not a
 * regular file (a device, a pipe) is written to directly; any other is replaced at once
 * when all is on the disk, or left as it was. */
ppl_status ppl__file_write(ppl_ctx *c, const char *path, json_t *metadata,
                           const ppl__source *tensors, size_t count);
/* object[key] = text; 1, or 0 with the error recorded, which names `path`. */
int ppl__json_set_text(ppl_ctx *c, const char *path, json_t *object, const char *key,
                       const char *text);

#endif

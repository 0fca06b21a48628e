/* SPDX-License-Identifier: MIT */
/*
 * safetensors_read.c - reading safetensors files that anybody may have written.
 *
 * Every number of the header is checked before it is used: its length against the file,
 * each range against the data and against dtype and shape, and the ranges against each
 * other: they must cover the data without a gap or an overlap, as the format demands.
 */
#include "safetensors.h"

#include "../shape_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_HEADER 100000000       /* bytes: the reference implementation's limit */

/* ---- Bytes ------------------------------------------------------------------------- */

static uint64_t little_endian(const unsigned char *bytes, int size)
{
    uint64_t x = 0;
    for (int i = size; i-- > 0;)
        x = x << 8 | bytes[i];
    return x;
}

double ppl__stored_at(const ppl__stored *t, int64_t i)
{
    float single;
    double value;
    if (t->dtype == PPL_F32) {
        const uint32_t bits = (uint32_t)little_endian(t->data + 4 * i, 4);
        memcpy(&single, &bits, sizeof single);
        return (double)single;
    }
    const uint64_t bits = little_endian(t->data + 8 * i, 8);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static ppl_status cannot_read(ppl_ctx *c, const char *path, const char *why)
{
    return ppl_fail(c, PPL_EIO, "cannot read %s: %s", path, why);
}

/* Fills f->bytes from a descriptor of a file of f->size bytes. */
static ppl_status read_bytes(ppl_ctx *c, int fd, ppl__file *f)
{
    size_t have = 0;
    f->bytes = ppl_persistent_alloc(c, f->size);
    if (!f->bytes)
        return ppl_error(c);
    while (have < f->size) {
        const ssize_t n = read(fd, f->bytes + have, f->size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return cannot_read(c, f->path, n < 0 ? strerror(errno)
                                                 : "it became shorter meanwhile");
        have += (size_t)n;
    }
    return PPL_OK;
}

static ppl_status read_whole(ppl_ctx *c, ppl__file *f)
{
    struct stat st;
    const int fd = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);  /* pipes: no wait */
    if (fd < 0)
        return cannot_read(c, f->path, strerror(errno));
    if (fstat(fd, &st) != 0)
        cannot_read(c, f->path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        cannot_read(c, f->path, S_ISDIR(st.st_mode) ? "it is a directory"
                                                    : "it is not a regular file");
    else if (st.st_size == 0)
        ppl_fail(c, PPL_EFORMAT, "%s: the file is empty; it is not safetensors", f->path);
    else if ((uintmax_t)st.st_size > SIZE_MAX / 2)
        ppl_fail(c, PPL_ENOMEM, "%s: the file is larger than memory can be", f->path);
    else {
        f->size = (size_t)st.st_size;
        read_bytes(c, fd, f);
    }
    close(fd);
    return ppl_error(c);
}

/* ---- The header -------------------------------------------------------------------- */

/* Jansson takes a lack of memory for bad syntax at times: is there room for the text? */
static int is_out_of_memory(const json_error_t *error, const char *text, size_t length)
{
    json_t *probe = json_stringn_nocheck(text, length);
    const int none = !probe || json_error_code(error) == json_error_out_of_memory;
    json_decref(probe);
    return none;
}

json_t *ppl__json_parse(ppl_ctx *c, const char *path, const char *what, const char *text,
                        size_t length)
{
    json_error_t error = { .line = 0 };
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (value)
        return value;
    if (is_out_of_memory(&error, text, length))
        ppl_fail(c, PPL_ENOMEM, "%s: out of memory while reading %s", path, what);
    else if (json_error_code(&error) == json_error_duplicate_key)
        ppl_fail(c, PPL_EFORMAT, "%s: %s has the same name twice (%s)", path, what,
                 error.text);
    else
        ppl_fail(c, PPL_EFORMAT, "%s: %s is not JSON: %s (at byte %d of it)", path, what,
                 error.text, error.position);
    return NULL;
}

static ppl_status read_header(ppl_ctx *c, ppl__file *f, size_t *length)
{
    if (f->size < 8)
        return ppl_fail(c, PPL_EFORMAT, "%s: the file has %zu bytes, too few for the "
                        "length of a header; the file is truncated or not safetensors",
                        f->path, f->size);
    const uint64_t says = little_endian(f->bytes, 8);
    if (says > f->size - 8)
        return ppl_fail(c, PPL_EFORMAT, "%s: the header says %llu bytes but the file has "
                        "%zu after the length; the file is truncated or not safetensors",
                        f->path, (unsigned long long)says, f->size - 8);
    if (says > MOST_HEADER)
        return ppl_fail(c, PPL_EFORMAT, "%s: the header says %llu bytes; %d are the "
                        "limit", f->path, (unsigned long long)says, MOST_HEADER);
    *length = (size_t)says;
    if (says == 0 || f->bytes[8] != '{')
        return ppl_fail(c, PPL_EFORMAT, "%s: the header is not a JSON object; the file "
                        "is not safetensors", f->path);
    f->header = ppl__json_parse(c, f->path, "the header", (const char *)f->bytes + 8,
                                *length);
    return ppl_error(c);
}

static ppl_status check_metadata(ppl_ctx *c, ppl__file *f)
{
    const char *key;
    json_t *value;
    f->metadata = json_object_get(f->header, PPL__METADATA);
    if (f->metadata && !json_is_object(f->metadata))
        return ppl_fail(c, PPL_EFORMAT, "%s: %s is not an object", f->path,
                        PPL__METADATA);
    json_object_foreach(f->metadata, key, value) {
        if (!json_is_string(value))
            return ppl_fail(c, PPL_EFORMAT, "%s: %s: %s is not a string", f->path,
                            PPL__METADATA, key);
    }
    return PPL_OK;
}

/* ---- Tensors ----------------------------------------------------------------------- */

const char *ppl__shape_of_json(const json_t *array, ppl_shape *shape, int64_t *count)
{
    const size_t rank = json_array_size(array);
    int64_t most = INT64_MAX / 8;
    *shape = PPL_SCALAR;
    *count = 1;
    if (!json_is_array(array))
        return "is not an array";
    if (rank > PPL_MAX_RANK)
        return "has more than 8 dimensions";
    shape->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *item = json_array_get(array, i);
        const int64_t dim = json_integer_value(item);
        if (!json_is_integer(item) || dim < 0)
            return "has a dimension that is not a number >= 0";
        most = dim > 0 ? most / dim : most;
        if (most < 1)
            return "has more elements than memory has";
        shape->dim[i] = dim;
        *count *= dim;
    }
    return NULL;
}

static ppl_status bad_tensor(ppl_ctx *c, const ppl__file *f, const char *name,
                             const char *what, const char *why)
{
    return ppl_fail(c, PPL_EFORMAT, "%s: tensor %s: its %s %s", f->path, name, what, why);
}

/* [begin, end) within the data, and as many bytes as dtype and shape need. */
static ppl_status read_offsets(ppl_ctx *c, const ppl__file *f, const json_t *array,
                               size_t data_size, ppl__stored *t)
{
    const json_t *begin = json_array_get(array, 0), *end = json_array_get(array, 1);
    const long long from = json_integer_value(begin), to = json_integer_value(end);
    const size_t need = (size_t)t->count * (t->dtype == PPL_F32 ? 4 : 8);
    if (json_array_size(array) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        from < 0 || to < from)
        return bad_tensor(c, f, t->name, "data_offsets", "are not [begin, end] in bytes");
    if ((unsigned long long)to > data_size)
        return ppl_fail(c, PPL_EFORMAT, "%s: tensor %s: its data_offsets [%lld,%lld] go "
                        "beyond the %zu bytes of data; the file is truncated or damaged",
                        f->path, t->name, from, to, data_size);
    if ((unsigned long long)(to - from) != need)
        return ppl_fail(c, PPL_EFORMAT, "%s: tensor %s: its data_offsets [%lld,%lld] "
                        "hold %lld bytes but %s of %s needs %zu", f->path, t->name, from,
                        to, to - from, SHAPE_TEXT(t->shape),
                        t->dtype == PPL_F32 ? "F32" : "F64", need);
    t->begin = (size_t)from;
    t->end = (size_t)to;
    return PPL_OK;
}

static ppl_status read_tensor(ppl_ctx *c, const ppl__file *f, const json_t *entry,
                              const unsigned char *data, size_t data_size, ppl__stored *t)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype")), *wrong;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (!dtype)
        return bad_tensor(c, f, t->name, "entry", "is not an object with a dtype");
    if (strcmp(dtype, "F32") != 0 && strcmp(dtype, "F64") != 0)
        return ppl_fail(c, PPL_EFORMAT, "%s: tensor %s: its dtype is %s; parameters are "
                        "F32 or F64, so convert or leave out this tensor", f->path,
                        t->name, dtype);
    t->dtype = strcmp(dtype, "F32") == 0 ? PPL_F32 : PPL_F64;
    wrong = ppl__shape_of_json(json_object_get(entry, "shape"), &t->shape, &t->count);
    if (wrong)
        return bad_tensor(c, f, t->name, "shape", wrong);
    if (read_offsets(c, f, offsets, data_size, t) != PPL_OK)
        return ppl_error(c);
    t->data = data + t->begin;
    return PPL_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const ppl__stored *)a)->name, ((const ppl__stored *)b)->name);
}

static int compare_offsets(const void *a, const void *b)
{
    const ppl__stored *x = *(ppl__stored *const *)a, *y = *(ppl__stored *const *)b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The ranges lie end to end and cover the data. */
static ppl_status check_cover(ppl_ctx *c, const ppl__file *f, size_t data_size)
{
    size_t covered = 0;
    for (size_t i = 0; i < f->count; i++) {
        const ppl__stored *t = f->by_offset[i];
        if (t->begin < covered)
            return ppl_fail(c, PPL_EFORMAT, "%s: tensors %s and %s overlap", f->path,
                            f->by_offset[i - 1]->name, t->name);
        if (t->begin > covered)
            break;
        covered = t->end;
    }
    if (covered < data_size)
        return ppl_fail(c, PPL_EFORMAT, "%s: byte %zu of the data belongs to no tensor",
                        f->path, covered);
    return PPL_OK;
}

static ppl_status read_tensors(ppl_ctx *c, ppl__file *f, size_t header_size)
{
    const unsigned char *data = f->bytes + 8 + header_size;
    const size_t data_size = f->size - 8 - header_size;
    const size_t count = json_object_size(f->header) - (f->metadata ? 1 : 0);
    const char *name;
    json_t *entry;
    f->tensor = ppl_persistent_alloc(c, (count + 1) * sizeof *f->tensor);
    f->by_offset = ppl_persistent_alloc(c, (count + 1) * sizeof *f->by_offset);
    f->count = count;
    if (!f->tensor || !f->by_offset)
        return ppl_error(c);
    size_t i = 0;
    json_object_foreach(f->header, name, entry) {
        if (entry == f->metadata)
            continue;
        f->tensor[i] = (ppl__stored){ .name = name, .index = i };
        if (read_tensor(c, f, entry, data, data_size, &f->tensor[i]) != PPL_OK)
            return ppl_error(c);
        i++;
    }
    qsort(f->tensor, count, sizeof *f->tensor, compare_names);
    for (i = 0; i < count; i++)
        f->by_offset[i] = &f->tensor[i];
    qsort(f->by_offset, count, sizeof *f->by_offset, compare_offsets);
    return check_cover(c, f, data_size);
}

/* ---- Files ------------------------------------------------------------------------- */

ppl_status ppl__file_read(ppl_ctx *c, const char *path, ppl__file *f)
{
    size_t header_size = 0;
    if (!path)
        return ppl_fail(c, PPL_EINVAL, "the path of the file to read is NULL");
    f->path = path;
    if (read_whole(c, f) == PPL_OK && read_header(c, f, &header_size) == PPL_OK &&
        check_metadata(c, f) == PPL_OK)
        read_tensors(c, f, header_size);
    return ppl_error(c);
}

void ppl__file_close(ppl_ctx *c, ppl__file *f)
{
    json_decref(f->header);
    ppl_persistent_free(c, f->bytes, f->size);
    ppl_persistent_free(c, f->tensor, (f->count + 1) * sizeof *f->tensor);
    ppl_persistent_free(c, f->by_offset, (f->count + 1) * sizeof *f->by_offset);
    *f = (ppl__file){ 0 };
}

const ppl__stored *ppl__file_find(const ppl__file *f, const char *name)
{
    const ppl__stored key = { .name = name };
    return bsearch(&key, f->tensor, f->count, sizeof key, compare_names);
}

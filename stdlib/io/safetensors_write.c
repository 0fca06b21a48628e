/* SPDX-License-Identifier: MIT */
/*
 * safetensors_write.c - writing safetensors files, whole or not at all.
 *
 * A regular file is written under another name in the same directory, synced, renamed
 * over the old one, and the directory synced: a reader, a killed run or a power cut meets
 * the old file or the new one.
 */
#include "safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The header -------------------------------------------------------------------- */

static json_t *json_of_shape(ppl_shape shape)
{
    json_t *array = json_array();
    for (int i = 0; i < shape.rank; i++)
        if (json_array_append_new(array, json_integer(shape.dim[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* Jansson tells bad UTF-8 and a lack of memory alike. What `any` took is free again when
 * the same is asked for with a check, so that only the check can fail. */
static int is_utf8(const char *text)
{
    json_t *any = json_string_nocheck(text), *checked;
    if (!any)
        return 1;
    json_decref(any);
    checked = json_string(text);
    json_decref(checked);
    return checked != NULL;
}

/* Steals `value`; `what` is text that may be at fault when it cannot be set. */
static int set(ppl_ctx *c, const char *path, json_t *object, const char *key,
               json_t *value, const char *what)
{
    if (json_object_set_new(object, key, value) == 0)
        return 1;
    if (!is_utf8(what))
        ppl_fail(c, PPL_EINVAL, "cannot write %s: \"%s\" is not UTF-8", path, what);
    else
        ppl_fail(c, PPL_ENOMEM, "cannot write %s: out of memory for its header", path);
    return 0;
}

int ppl__json_set_text(ppl_ctx *c, const char *path, json_t *object, const char *key,
                       const char *text)
{
    json_t *value = json_string(text);
    return set(c, path, object, key, value, value ? key : text);
}

static size_t bytes_of(ppl_ctx *c, const ppl__source *s)
{
    return (size_t)s->count * (ppl_ctx_dtype(c) == PPL_F32 ? 4 : 8);
}

static int add_entry(ppl_ctx *c, const char *path, json_t *header, const ppl__source *s,
                     size_t begin)
{
    json_t *entry = json_object(), *range = json_array();
    const char *dtype = ppl_ctx_dtype(c) == PPL_F32 ? "F32" : "F64";
    const size_t end = begin + bytes_of(c, s);
    int wrong = json_array_append_new(range, json_integer((json_int_t)begin)) |
                json_array_append_new(range, json_integer((json_int_t)end)) |
                json_object_set_new(entry, "dtype", json_string(dtype)) |
                json_object_set_new(entry, "shape", json_of_shape(s->shape)) |
                json_object_set(entry, "data_offsets", range);
    json_decref(range);
    if (wrong) {
        json_decref(entry);
        entry = NULL;
    }
    return set(c, path, header, s->name, entry, s->name);
}

static json_t *make_header(ppl_ctx *c, const char *path, json_t *metadata,
                           const ppl__source *tensors, size_t count)
{
    json_t *header = json_object();
    size_t begin = 0;
    int good = set(c, path, header, PPL__METADATA, json_incref(metadata), PPL__METADATA);
    for (size_t i = 0; i < count && good; i++) {
        good = add_entry(c, path, header, &tensors[i], begin);
        begin += bytes_of(c, &tensors[i]);
    }
    if (good)
        return header;
    json_decref(header);
    return NULL;
}

/* ---- Bytes to a descriptor --------------------------------------------------------- */

typedef struct writer {
    int fd;
    int error;                      /* errno of the first failure, or 0 */
    size_t used;
    unsigned char buffer[8192];
} writer;

static void flush(writer *w)
{
    size_t done = 0;
    while (done < w->used && !w->error) {
        const ssize_t n = write(w->fd, w->buffer + done, w->used - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            w->error = errno;
    }
    w->used = 0;
}

/* The low `size` bytes of x, least first. */
static void put(writer *w, uint64_t x, int size)
{
    if (w->used + 8 > sizeof w->buffer)
        flush(w);
    for (int i = 0; i < size; i++)
        w->buffer[w->used++] = (unsigned char)(x >> 8 * i);
}

static void put_tensor(writer *w, ppl_dtype dtype, const ppl__source *s)
{
    for (int64_t i = 0; i < s->count; i++) {
        uint32_t single;
        uint64_t bits;
        if (dtype == PPL_F32) {
            memcpy(&single, (const float *)s->data + i, sizeof single);
            put(w, single, 4);
        } else {
            memcpy(&bits, (const double *)s->data + i, sizeof bits);
            put(w, bits, 8);
        }
    }
}

/* The header's length, the header filled up with blanks to a multiple of 8, the data. */
static void put_file(writer *w, ppl_dtype dtype, const char *header, size_t length,
                     const ppl__source *tensors, size_t count)
{
    const size_t padded = (length + 7) / 8 * 8;
    put(w, padded, 8);
    for (size_t i = 0; i < padded; i++)
        put(w, i < length ? (unsigned char)header[i] : ' ', 1);
    for (size_t i = 0; i < count; i++)
        put_tensor(w, dtype, &tensors[i]);
    flush(w);
}

/* Syncs and closes. Devices and pipes need not be able to sync. */
static void finish(writer *w)
{
    if (!w->error && fsync(w->fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        w->error = errno;
    if (close(w->fd) != 0 && !w->error)
        w->error = errno;
}

/* ---- Whole or not at all ----------------------------------------------------------- */

/* Creates a file that was not there, beside `path`; its name goes to `name`. */
static int open_beside(const char *path, char *name, size_t size)
{
    for (int attempt = 0; attempt < 1000; attempt++) {
        snprintf(name, size, "%s.%ld.%d.tmp", path, (long)getpid(), attempt);
        const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Makes a rename in the directory of `name` last, if the directory may be read;
 * overwrites `name`. 0, or an errno. */
static int sync_directory(char *name)
{
    char *slash = strrchr(name, '/');
    if (slash)
        slash[slash == name ? 1 : 0] = '\0';
    writer w = { .fd = open(slash ? name : ".", O_RDONLY | O_CLOEXEC) };
    if (w.fd < 0)
        return errno == EACCES ? 0 : errno;
    finish(&w);
    return w.error;
}

static int is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* `name` has room for the temporary name. 0, or an errno. */
static int write_file(ppl_dtype dtype, const char *path, char *name, size_t size,
                      const char *header, size_t length, const ppl__source *tensors,
                      size_t count)
{
    const int special = is_special(path);
    writer w = { .fd = special ? open(path, O_WRONLY | O_CLOEXEC)
                               : open_beside(path, name, size) };
    if (w.fd < 0)
        return errno;
    put_file(&w, dtype, header, length, tensors, count);
    finish(&w);
    if (special)
        return w.error;
    if (!w.error && rename(name, path) != 0)
        w.error = errno;
    if (w.error) {
        unlink(name);
        return w.error;
    }
    return sync_directory(name);
}

ppl_status ppl__file_write(ppl_ctx *c, const char *path, json_t *metadata,
                           const ppl__source *tensors, size_t count)
{
    json_t *header = make_header(c, path, metadata, tensors, count);
    if (!header)
        return ppl_error(c);
    const size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT);
    const size_t size = strlen(path) + 64;
    char *text = length ? ppl_persistent_alloc(c, length) : NULL;
    char *name = ppl_persistent_alloc(c, size);
    if (!text || json_dumpb(header, text, length, JSON_COMPACT) != length) {
        ppl_fail(c, PPL_ENOMEM, "cannot write %s: out of memory for its header", path);
    } else if (name) {
        const int error = write_file(ppl_ctx_dtype(c), path, name, size, text, length,
                                     tensors, count);
        if (error)
            ppl_fail(c, PPL_EIO, "cannot write %s: %s", path, strerror(error));
    }
    json_decref(header);
    ppl_persistent_free(c, text, length);
    ppl_persistent_free(c, name, size);
    return ppl_error(c);
}

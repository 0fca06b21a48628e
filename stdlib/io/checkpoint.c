/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.c - the parameters of a context to and from safetensors files.
 *
 * A checkpoint holds, in order of creation, the unconstrained elements of each parameter
 * NAME, then kiln.moment1.NAME and kiln.moment2.NAME of each; in its metadata
 * kiln.checkpoint (the version of this layout), kiln.seed, kiln.step, kiln.steps.NAME,
 * and kiln.shape.NAME where the constrained value has another number of elements. Numbers
 * are decimal text, since the format has no others there.
 */
#include <kiln/io.h>

#include "safetensors.h"

#include "../shape_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define OURS "kiln."
#define VERSION "kiln.checkpoint"
#define SEED "kiln.seed"
#define STEP "kiln.step"
#define STEPS "kiln.steps."
#define SHAPE "kiln.shape."

static const char *const moment_prefix[2] = { "kiln.moment1.", "kiln.moment2." };

static int is_ours(const char *name)
{
    return strncmp(name, OURS, strlen(OURS)) == 0;
}

static int64_t numel(ppl_shape shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape.rank; i++)
        n *= shape.dim[i];
    return n;
}

static int same_shape(ppl_shape a, ppl_shape b)
{
    if (a.rank != b.rank)
        return 0;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i])
            return 0;
    return 1;
}

/* The shape in which the unconstrained elements are stored. */
static ppl_shape stored_shape(const ppl_param_info *p)
{
    return numel(p->shape) == p->count ? p->shape : PPL_SHAPE(p->count);
}

static void *element(const ppl_slab *slab, void *array, int64_t i)
{
    return slab->dtype == PPL_F32 ? (void *)((float *)array + i)
                                  : (void *)((double *)array + i);
}

/* ---- Saving ------------------------------------------------------------------------ */

static int set_number(ppl_ctx *c, const char *path, json_t *metadata, const char *key,
                      uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    return key && ppl__json_set_text(c, path, metadata, key, text);
}

static int set_user(ppl_ctx *c, const char *path, json_t *metadata,
                    const char *const *pairs)
{
    for (; pairs && pairs[0]; pairs += 2) {
        if (is_ours(pairs[0]) || !pairs[1] || json_object_get(metadata, pairs[0])) {
            ppl_fail(c, PPL_EINVAL, "cannot write %s: metadata %s %s", path, pairs[0],
                     !pairs[1] ? "has no value"
                     : is_ours(pairs[0])
                         ? "begins with \"" OURS "\", which is the library's"
                         : "is given twice");
            return 0;
        }
        if (!ppl__json_set_text(c, path, metadata, pairs[0], pairs[1]))
            return 0;
    }
    return 1;
}

/* What the metadata says of one parameter. */
static int set_param(ppl_ctx *c, const char *path, json_t *metadata,
                     const ppl_param_info *p)
{
    if (is_ours(p->name) || strcmp(p->name, PPL__METADATA) == 0) {
        ppl_fail(c, PPL_EINVAL, "cannot write %s: the name of parameter %s is taken by "
                 "the format; give it another", path, p->name);
        return 0;
    }
    if (numel(p->shape) != p->count) {
        const char *key = ppl_intern_join(c, SHAPE, p->name);
        if (!key || !ppl__json_set_text(c, path, metadata, key, SHAPE_TEXT(p->shape)))
            return 0;
    }
    return set_number(c, path, metadata, ppl_intern_join(c, STEPS, p->name),
                      (uint64_t)p->steps);
}

static json_t *make_metadata(ppl_ctx *c, const char *path, const char *const *pairs)
{
    json_t *metadata = json_object();
    uint64_t seed, step;
    ppl_rng_state(c, &seed, &step);
    int good = ppl__json_set_text(c, path, metadata, VERSION, "1") &&
               set_number(c, path, metadata, SEED, seed) &&
               set_number(c, path, metadata, STEP, step) &&
               set_user(c, path, metadata, pairs);
    for (int i = 0; i < ppl_param_count(c) && good; i++)
        good = set_param(c, path, metadata, ppl_param_at(c, i));
    if (good)
        return metadata;
    json_decref(metadata);
    return NULL;
}

/* Values, then first moments, then second ones, each in order of creation. */
static int list_sources(ppl_ctx *c, ppl__source *sources)
{
    const ppl_slab slab = ppl_param_slab(c);
    const int count = ppl_param_count(c);
    for (int i = 0; i < count; i++) {
        const ppl_param_info *p = ppl_param_at(c, i);
        sources[i] = (ppl__source){ p->name, stored_shape(p), p->count,
                                    element(&slab, slab.value, p->offset) };
        for (int k = 0; k < 2; k++) {
            ppl__source *moment = &sources[(k + 1) * count + i];
            *moment = sources[i];
            moment->name = ppl_intern_join(c, moment_prefix[k], p->name);
            moment->data = element(&slab, slab.moment[k], p->offset);
            if (!moment->name)
                return 0;
        }
    }
    return 1;
}

ppl_status ppl_checkpoint_save(ppl_ctx *c, const char *path, const char *const *metadata)
{
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    if (!path) {
        ppl_fail(c, PPL_EINVAL, "the path of the checkpoint to write is NULL");
        return ppl_boundary_leave(c);
    }
    const size_t count = 3 * (size_t)ppl_param_count(c);
    const size_t size = (count + 1) * sizeof(ppl__source);
    json_t *object = make_metadata(c, path, metadata);
    ppl__source *sources = object ? ppl_persistent_alloc(c, size) : NULL;
    if (sources && list_sources(c, sources))
        ppl__file_write(c, path, object, sources, count);
    ppl_persistent_free(c, sources, size);
    json_decref(object);
    return ppl_boundary_leave(c);
}

/* ---- Loading: what the file says, checked ------------------------------------------ */

/* A parameter to be restored. */
typedef struct row {
    const ppl__stored *value, *moment[2];       /* moments NULL: zeros */
    ppl_shape shape;                            /* of the constrained value */
    int64_t steps;
    int number;                                 /* in the store */
} row;

typedef struct plan {
    ppl_ctx *ctx;
    const ppl__file *file;
    int checkpoint;                             /* written by ppl_checkpoint_save */
    uint64_t seed, step;
    row *rows;
    size_t count, capacity;
} plan;

static const char *text_of(const plan *p, const char *key)
{
    return json_string_value(json_object_get(p->file->metadata, key));
}

static ppl_status bad(const plan *p, const char *what, const char *why)
{
    return ppl_fail(p->ctx, PPL_EFORMAT, "%s: %s %s; the checkpoint is damaged",
                    p->file->path, what, why);
}

/* Metadata `key` as a number of at most `most`. */
static ppl_status number_of(const plan *p, const char *key, uint64_t most,
                            uint64_t *number)
{
    const char *text = key ? text_of(p, key) : NULL;
    if (!text || !*text)
        return key ? bad(p, key, "is missing") : ppl_error(p->ctx);
    *number = 0;
    for (; *text; text++) {
        const uint64_t digit = (uint64_t)(*text - '0');
        if (*text < '0' || *text > '9' || *number > (most - digit) / 10)
            return bad(p, key, "is not a number in range");
        *number = *number * 10 + digit;
    }
    return PPL_OK;
}

static ppl_status read_version(plan *p)
{
    const char *version = text_of(p, VERSION);
    p->checkpoint = version != NULL;
    if (!version)
        return PPL_OK;
    if (strcmp(version, "1") != 0)
        return ppl_fail(p->ctx, PPL_EFORMAT, "%s: the checkpoint has version %s; this "
                        "library reads version 1", p->file->path, version);
    return number_of(p, SEED, UINT64_MAX, &p->seed) == PPL_OK
               ? number_of(p, STEP, UINT64_MAX, &p->step)
               : ppl_error(p->ctx);
}

/* No finite element overflows in the context's dtype. */
static ppl_status check_range(const plan *p, const ppl__stored *t)
{
    if (t->dtype == PPL_F32 || ppl_ctx_dtype(p->ctx) == PPL_F64)
        return PPL_OK;
    for (int64_t i = 0; i < t->count; i++) {
        const double x = ppl__stored_at(t, i);
        if (isfinite(x) && fabs(x) >= 0x1.ffffffp127)   /* rounds to infinity */
            return ppl_fail(p->ctx, PPL_EFORMAT, "%s: tensor %s: element %lld is %g, too "
                            "large for float; use a context of PPL_F64", p->file->path,
                            t->name, (long long)i, x);
    }
    return PPL_OK;
}

/* The constrained shape, where it is not the stored one. */
static ppl_status read_shape(const plan *p, row *r)
{
    const char *key = ppl_intern_join(p->ctx, SHAPE, r->value->name);
    const char *text = key ? text_of(p, key) : NULL;
    int64_t count;
    r->shape = r->value->shape;
    if (!text)
        return ppl_error(p->ctx);
    json_t *array = ppl__json_parse(p->ctx, p->file->path, key, text, strlen(text));
    if (!array)
        return ppl_error(p->ctx);
    const char *wrong = ppl__shape_of_json(array, &r->shape, &count);
    json_decref(array);
    return wrong ? bad(p, key, wrong) : PPL_OK;
}

/* What a checkpoint says beside the value. */
static ppl_status read_extra(const plan *p, row *r)
{
    ppl_ctx *c = p->ctx;
    const char *name = r->value->name;
    uint64_t steps;
    for (int k = 0; k < 2; k++) {
        const char *moment = ppl_intern_join(c, moment_prefix[k], name);
        r->moment[k] = moment ? ppl__file_find(p->file, moment) : NULL;
        if (!r->moment[k])
            return moment ? bad(p, moment, "is missing") : ppl_error(c);
        if (!same_shape(r->moment[k]->shape, r->value->shape))
            return bad(p, moment, "has not the shape of its parameter");
        if (check_range(p, r->moment[k]) != PPL_OK)
            return ppl_error(c);
    }
    if (number_of(p, ppl_intern_join(c, STEPS, name), INT64_MAX, &steps) != PPL_OK)
        return ppl_error(c);
    r->steps = (int64_t)steps;
    return read_shape(p, r);
}

static ppl_status check_existing(const plan *p, const row *r)
{
    const ppl_param_info *have =
        ppl_param_at(p->ctx, ppl_param_find(p->ctx, r->value->name));
    ppl_shape in_file = r->value->shape, in_context;
    if (!have)
        return PPL_OK;
    in_context = stored_shape(have);
    if (same_shape(in_file, in_context) && r->moment[0]) {
        in_file = r->shape;
        in_context = have->shape;
    }
    if (same_shape(in_file, in_context))
        return PPL_OK;
    return ppl_fail(p->ctx, PPL_ESHAPE, "%s: parameter %s is %s in the file and %s in "
                    "the model; load a file of the model's dimensions", p->file->path,
                    r->value->name, SHAPE_TEXT(in_file), SHAPE_TEXT(in_context));
}

/* One row a parameter, in the file's order; everything is checked against the store. */
static ppl_status make_plan(plan *p)
{
    ppl_ctx *c = p->ctx;
    p->capacity = p->file->count + 1;
    p->rows = ppl_persistent_alloc(c, p->capacity * sizeof *p->rows);
    if (!p->rows || read_version(p) != PPL_OK)
        return ppl_error(c);
    for (size_t i = 0; i < p->file->count; i++) {
        row *r = &p->rows[p->count];
        const ppl__stored *t = p->file->by_offset[i];
        if (p->checkpoint && is_ours(t->name))
            continue;
        if (is_ours(t->name))
            return ppl_fail(c, PPL_EFORMAT, "%s: tensor %s is of a checkpoint, but the "
                            "file lacks the metadata %s", p->file->path, t->name,
                            VERSION);
        *r = (row){ .value = t, .shape = t->shape };
        if (check_range(p, t) != PPL_OK ||
            (p->checkpoint && read_extra(p, r) != PPL_OK) ||
            check_existing(p, r) != PPL_OK)
            return ppl_error(c);
        p->count++;
    }
    if (p->checkpoint && 3 * p->count != p->file->count)
        return bad(p, OURS, "tensors do not belong to the parameters");
    return PPL_OK;
}

/* ---- Loading: the change ----------------------------------------------------------- */

static void copy_in(const ppl_slab *slab, void *array, int64_t offset, int64_t count,
                    const ppl__stored *t)
{
    for (int64_t i = 0; i < count; i++) {
        const double x = t ? ppl__stored_at(t, i) : 0;
        if (slab->dtype == PPL_F32)
            ((float *)array)[offset + i] = (float)x;
        else
            ((double *)array)[offset + i] = x;
    }
}

/* Makes what is missing, which may fail and is undone then; then nothing can fail. */
static ppl_status apply(plan *p)
{
    ppl_ctx *c = p->ctx;
    const int before = ppl_param_count(c);
    for (size_t i = 0; i < p->count; i++) {
        row *r = &p->rows[i];
        r->number = ppl_param_declare(c, r->value->name, r->shape, r->value->count);
        if (r->number < 0) {
            ppl_param_rollback(c, before);
            return ppl_error(c);
        }
    }
    const ppl_slab slab = ppl_param_slab(c);
    for (size_t i = 0; i < p->count; i++) {
        const row *r = &p->rows[i];
        const ppl_param_info *info = ppl_param_at(c, r->number);
        copy_in(&slab, slab.value, info->offset, info->count, r->value);
        for (int k = 0; k < 2; k++)
            copy_in(&slab, slab.moment[k], info->offset, info->count, r->moment[k]);
        ppl_param_set_steps(c, r->number, r->steps);
    }
    if (p->checkpoint)
        ppl_set_rng_state(c, p->seed, p->step);
    return PPL_OK;
}

static void hand_out(const ppl__file *f,
                     void (*metadata)(void *user, const char *key, const char *value),
                     void *user)
{
    const char *key;
    json_t *value;
    json_object_foreach(f->metadata, key, value) {
        if (!is_ours(key))
            metadata(user, key, json_string_value(value));
    }
}

ppl_status ppl_checkpoint_load(ppl_ctx *c, const char *path,
                               void (*metadata)(void *user, const char *key,
                                                const char *value),
                               void *user)
{
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    ppl__file file = { 0 };
    plan p = { .ctx = c, .file = &file };
    if (ppl__file_read(c, path, &file) == PPL_OK && make_plan(&p) == PPL_OK &&
        apply(&p) == PPL_OK && metadata)
        hand_out(&file, metadata, user);
    ppl_persistent_free(c, p.rows, p.capacity * sizeof *p.rows);
    ppl__file_close(c, &file);
    return ppl_boundary_leave(c);
}

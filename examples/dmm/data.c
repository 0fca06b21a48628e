/* SPDX-License-Identifier: MIT */
/* Reading chorales from JSON and packing them into ragged batches; see data.h. */
#include "data.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static const char *const split_names[CHORALES_SPLITS] = { "train", "valid", "test" };

const char *chorales_split_name(int split)
{
    return split_names[split];
}

int chorale_split_alloc(chorale_split *split, int count)
{
    split->pieces = calloc((size_t)count, sizeof *split->pieces);
    split->count = split->pieces ? count : 0;
    return split->pieces ? 0 : -1;
}

int chorale_alloc(chorale *piece, int length)
{
    piece->slices = calloc((size_t)length, sizeof *piece->slices);
    piece->length = piece->slices ? length : 0;
    return piece->slices ? 0 : -1;
}

void chorales_free(chorales *data)
{
    for (int k = 0; k < CHORALES_SPLITS; k++) {
        chorale_split *split = &data->splits[k];
        for (int i = 0; i < split->count; i++)
            free(split->pieces[i].slices);
        free(split->pieces);
    }
    *data = (chorales){ 0 };
}

chorale_summary chorale_split_summary(const chorale_split *split)
{
    chorale_summary sum = { .sequences = split->count };
    for (int i = 0; i < split->count; i++) {
        int length = split->pieces[i].length;
        sum.steps += length;
        sum.longest = length > sum.longest ? length : sum.longest;
    }
    return sum;
}

int chorale_transposition(const chorale *piece, int semitones)
{
    int lowest = KEYS - 1, highest = 0;
    for (int t = 0; t < piece->length; t++)
        for (int key = 0; key < KEYS; key++)
            if (slice_has(&piece->slices[t], key)) {
                lowest = key < lowest ? key : lowest;
                highest = key > highest ? key : highest;
            }
    if (semitones < -lowest)
        return -lowest;
    return semitones > KEYS - 1 - highest ? KEYS - 1 - highest : semitones;
}

/* Where the reader stands, for its error sentences. */
typedef struct {
    const char *path;
    const char *split; /* NULL: the file as a whole */
    int sequence;      /* -1: the split as a whole */
    int step;          /* -1: the sequence as a whole */
    char *error;
    size_t size;
} reader;

static int fail_here(const reader *at, const char *format, ...) OUTPUT_PRINTF(2, 3);

static int fail_here(const reader *at, const char *format, ...)
{
    char place[80] = "";
    if (at->split && at->sequence < 0)
        snprintf(place, sizeof place, " split %s:", at->split);
    else if (at->split && at->step < 0)
        snprintf(place, sizeof place,
                 " split %s, sequence %d (counted from 0):", at->split, at->sequence);
    else if (at->split)
        snprintf(place, sizeof place, " split %s, sequence %d, step %d (counted from 0):",
                 at->split, at->sequence, at->step);
    char what[256];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    return failure(at->error, at->size, "%s:%s %s", at->path, place, what);
}

static const char *json_kind(const json_t *value)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a whole number", [JSON_REAL] = "a number with a fraction",
        [JSON_TRUE] = "true", [JSON_FALSE] = "false", [JSON_NULL] = "null",
    };
    return kinds[json_typeof(value)];
}

static int read_slice(const reader *at, const json_t *notes, slice *out)
{
    if (!json_is_array(notes))
        return fail_here(at, "expected the list of the notes that sound, found %s",
                         json_kind(notes));
    size_t i;
    json_t *value;
    json_array_foreach(notes, i, value) {
        if (!json_is_integer(value))
            return fail_here(at,
                             "note %zu of the list is %s; give MIDI note numbers, whole "
                             "numbers in %d..%d",
                             i, json_kind(value), LOWEST_NOTE, HIGHEST_NOTE);
        json_int_t note = json_integer_value(value);
        if (note < LOWEST_NOTE || note > HIGHEST_NOTE)
            return fail_here(at,
                             "note %lld is outside %d..%d; give MIDI note numbers of the "
                             "88 piano keys",
                             (long long)note, LOWEST_NOTE, HIGHEST_NOTE);
        int key = (int)note - LOWEST_NOTE;
        if (slice_has(out, key))
            return fail_here(at, "note %lld stands twice; list each sounding note once",
                             (long long)note);
        slice_add(out, key);
    }
    return 0;
}

static int read_piece(reader *at, const json_t *steps, chorale *out)
{
    at->step = -1;
    if (!json_is_array(steps))
        return fail_here(at, "expected a list of time steps, found %s", json_kind(steps));
    size_t length = json_array_size(steps);
    if (length == 0)
        return fail_here(at, "its length is 0; remove it or give it at least one time "
                             "step");
    if (length > INT_MAX || chorale_alloc(out, (int)length) != 0)
        return fail_here(at, "out of memory for %zu time steps", length);
    for (at->step = 0; at->step < out->length; at->step++) {
        const json_t *notes = json_array_get(steps, (size_t)at->step);
        if (read_slice(at, notes, &out->slices[at->step]) != 0)
            return -1;
    }
    return 0;
}

static int read_split(reader *at, const json_t *sequences, chorale_split *out)
{
    at->sequence = at->step = -1;
    if (!sequences)
        return fail_here(at, "is missing; the file must be an object of the three lists "
                             "\"train\", \"valid\" and \"test\"");
    if (!json_is_array(sequences))
        return fail_here(at, "expected a list of sequences, found %s",
                         json_kind(sequences));
    size_t count = json_array_size(sequences);
    if (count == 0)
        return fail_here(at, "is empty; give it at least one sequence");
    if (count > INT_MAX || chorale_split_alloc(out, (int)count) != 0)
        return fail_here(at, "out of memory for %zu sequences", count);
    for (at->sequence = 0; at->sequence < out->count; at->sequence++) {
        const json_t *steps = json_array_get(sequences, (size_t)at->sequence);
        if (read_piece(at, steps, &out->pieces[at->sequence]) != 0)
            return -1;
    }
    return 0;
}

/* The file as JSON, owned by the caller; NULL with the error filled. */
static json_t *parse_file(const reader *at)
{
    FILE *file = fopen(at->path, "rb");
    if (!file) {
        fail_here(at, "cannot be opened: %s; give the path of a chorales JSON file",
                  strerror(errno));
        return NULL;
    }
    json_t *root = NULL;
    json_error_t problem;
    int first = fgetc(file);
    if (first == EOF && ferror(file)) {
        fail_here(at, "cannot be read: %s; give the path of a chorales JSON file",
                  strerror(errno));
    } else if (first == EOF) {
        fail_here(at, "is empty; give a chorales JSON file");
    } else {
        ungetc(first, file);
        root = json_loadf(file, JSON_REJECT_DUPLICATES, &problem);
        if (!root && json_error_code(&problem) == json_error_premature_end_of_input)
            fail_here(at,
                      "ends too early, at line %d, column %d: it is truncated; fetch it "
                      "again",
                      problem.line, problem.column);
        else if (!root)
            fail_here(at,
                      "is not valid JSON: line %d, column %d: %s; fetch it again or mend "
                      "it there",
                      problem.line, problem.column, problem.text);
    }
    fclose(file);
    return root;
}

int chorales_load(chorales *data, const char *path, char *error, size_t size)
{
    *data = (chorales){ 0 };
    reader at = { path, NULL, -1, -1, error, size };
    json_t *root = parse_file(&at);
    if (!root)
        return -1;
    int status = 0;
    if (!json_is_object(root))
        status = fail_here(&at,
                           "expected an object of the three lists \"train\", \"valid\" "
                           "and \"test\", found %s",
                           json_kind(root));
    for (int k = 0; k < CHORALES_SPLITS && status == 0; k++) {
        at.split = split_names[k];
        status = read_split(&at, json_object_get(root, at.split), &data->splits[k]);
    }
    json_decref(root);
    if (status != 0)
        chorales_free(data);
    return status;
}

batch *batch_new(const chorale_split *split, int capacity, size_t element, char *error,
                 size_t size)
{
    int room = chorale_split_summary(split).longest;
    if (capacity < 1 || room < 1 || capacity > INT_MAX / room
        || (element != sizeof(float) && element != sizeof(double))) {
        failure(error, size,
                "batch: capacity %d sequences of up to %d steps and elements of %zu "
                "bytes; capacity and steps must be at least 1, their product an int, an "
                "element a float or a double",
                capacity, room, element);
        return NULL;
    }
    batch *b = calloc(1, sizeof *b);
    if (b) {
        b->split = split;
        b->capacity = capacity;
        b->room = room;
        b->element = element;
        b->order = calloc((size_t)capacity, sizeof *b->order);
        b->active = calloc((size_t)room + 1, sizeof *b->active);
        b->offset = calloc((size_t)room + 1, sizeof *b->offset);
        b->next = calloc((size_t)room + 1, sizeof *b->next);
        b->x = calloc((size_t)capacity * (size_t)room, KEYS * element);
    }
    if (!b || !b->order || !b->active || !b->offset || !b->next || !b->x) {
        failure(error, size,
                "batch: out of memory for %d sequences of up to %d steps; take smaller "
                "batches",
                capacity, room);
        batch_free(b);
        return NULL;
    }
    return b;
}

void batch_free(batch *b)
{
    if (!b)
        return;
    free(b->order);
    free(b->active);
    free(b->offset);
    free(b->next);
    free(b->x);
    free(b);
}

static int length_of(const batch *b, int index)
{
    return b->split->pieces[index].length;
}

/* A counting sort: sequences of length t come after those that are longer. */
static void sort_by_length(batch *b, const int *indices)
{
    memset(b->next, 0, ((size_t)b->room + 1) * sizeof *b->next);
    for (int i = 0; i < b->count; i++)
        b->next[length_of(b, indices[i]) - 1]++;
    for (int t = b->room - 1; t >= 0; t--)
        b->next[t] += b->next[t + 1];
    for (int i = 0; i < b->count; i++)
        b->order[b->next[length_of(b, indices[i])]++] = indices[i];
}

/* The rows of the sequences, whose order stands. */
static void pack(batch *b)
{
    int running = b->count;
    b->longest = length_of(b, b->order[0]);
    b->rows = 0;
    for (int t = 0; t <= b->longest; t++) {
        while (running > 0 && length_of(b, b->order[running - 1]) <= t)
            running--;
        b->active[t] = running;
        b->offset[t] = b->rows;
        b->rows += running;
    }
    memset(b->x, 0, (size_t)b->rows * KEYS * b->element); /* all bits zero is 0.0 */
    for (int t = 0; t < b->longest; t++)
        for (int i = 0; i < b->active[t]; i++) {
            const slice *s = &b->split->pieces[b->order[i]].slices[t];
            int up = b->semitones ? b->semitones[b->order[i]] : 0;
            size_t row = ((size_t)b->offset[t] + (size_t)i) * KEYS;
            for (int key = 0; key < KEYS; key++)
                if (slice_has(s, key)) {
                    size_t at = row + (size_t)(key + up);
                    if (b->element == sizeof(float))
                        ((float *)b->x)[at] = 1;
                    else
                        ((double *)b->x)[at] = 1;
                }
        }
}

int batch_order(batch *b, const int *indices, int count, char *error, size_t size)
{
    if (count < 1 || count > b->capacity)
        return failure(error, size, "batch: %d sequences, but it has room for 1..%d",
                       count, b->capacity);
    for (int i = 0; i < count; i++)
        if (indices[i] < 0 || indices[i] >= b->split->count)
            return failure(error, size, "batch: sequence index %d is outside 0..%d",
                           indices[i], b->split->count - 1);
    b->count = count;
    sort_by_length(b, indices);
    return 0;
}

int batch_fill(batch *b, const int *indices, int count, char *error, size_t size)
{
    if (batch_order(b, indices, count, error, size) != 0)
        return -1;
    pack(b);
    return 0;
}

void batch_deal(const batch *whole, batch *const *shard, int shards)
{
    for (int k = 0; k < shards; k++)
        shard[k]->count = shard[k]->rows = 0;
    for (int i = 0; i < whole->count; i++) {
        int least = 0;
        for (int k = 1; k < shards; k++)
            if (shard[k]->rows < shard[least]->rows)
                least = k;
        shard[least]->order[shard[least]->count++] = whole->order[i];
        shard[least]->rows += length_of(whole, whole->order[i]);
    }
    for (int k = 0; k < shards; k++)
        pack(shard[k]);
}

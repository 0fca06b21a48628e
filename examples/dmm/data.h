/* SPDX-License-Identifier: MIT */
/* Chorales as piano rolls, and ragged batches of them.
 *
 *     chorales data;
 *     if (chorales_load(&data, path, error, sizeof error) != 0) ...
 *     batch *b = batch_new(&data.splits[CHORALES_TRAIN], 20, sizeof(float), error, size);
 *     batch_fill(b, indices, count, error, sizeof error);     once per step, no malloc
 *     batch_free(b);
 *     chorales_free(&data);
 *
 * The JSON file: an object of three lists "train", "valid" and "test" of sequences; a
 * sequence is a list of time steps; a step is the list of the MIDI notes that sound, 21
 * to 108, possibly none (the form in which Boulanger-Lewandowski et al., ICML 2012, split
 * the JSB chorales). In memory a step is 12 bytes.
 */
#ifndef DMM_DATA_H
#define DMM_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "output.h"

/* Key k of the piano roll is MIDI note LOWEST_NOTE + k. */
enum { KEYS = 88, LOWEST_NOTE = 21, HIGHEST_NOTE = LOWEST_NOTE + KEYS - 1 };

/* One time step: a bit per key. */
typedef struct {
    uint32_t bits[3];
} slice;

static inline bool slice_has(const slice *s, int key)
{
    return s->bits[key / 32] >> (key % 32) & 1u;
}

static inline void slice_add(slice *s, int key)
{
    s->bits[key / 32] |= (uint32_t)1 << (key % 32);
}

typedef struct {
    int length;    /* time steps, at least 1 */
    slice *slices; /* [length] */
} chorale;

typedef struct {
    int count;       /* sequences, at least 1 */
    chorale *pieces; /* [count] */
} chorale_split;

enum { CHORALES_TRAIN, CHORALES_VALID, CHORALES_TEST, CHORALES_SPLITS };

typedef struct {
    chorale_split splits[CHORALES_SPLITS];
} chorales;

/* "train", "valid", "test". */
const char *chorales_split_name(int split);

/* Reads the file. On failure `data` is empty and `error` names file, split, sequence and
 * step. Errors: missing, empty or truncated file; wrong shape; a note that is no integer,
 * outside 21..108 or twice in one step; a sequence of length 0; an empty split. */
int chorales_load(chorales *data, const char *path, char *error, size_t size);

/* Frees what load (or synth_draw) filled in; an empty `data` is fine. */
void chorales_free(chorales *data);

/* Room for `count` sequences, and for `length` silent steps in one; -1 when out of
 * memory. chorales_free frees both. For those who build a set themselves. */
int chorale_split_alloc(chorale_split *split, int count);
int chorale_alloc(chorale *piece, int length);

/* The transposition by `semitones`, up where positive; nearer to 0 where the piece would
 * leave the keyboard. */
int chorale_transposition(const chorale *piece, int semitones);

typedef struct {
    int sequences, steps, longest;
} chorale_summary;

chorale_summary chorale_split_summary(const chorale_split *split);

/* A ragged minibatch: sequences by length, longest first, equal lengths in the order
 * given. Row offset[t] + b of x is step t of the b-th sequence, b < active[t]: packed,
 * time-major, no padding. */
typedef struct {
    int count;   /* sequences, B */
    int longest; /* steps of the longest, T */
    int rows;    /* sum over t of active[t] */
    int *order;  /* [B]: index in the split of the b-th sequence */
    int *active; /* [T+1]: sequences still running at step t; active[T] = 0 */
    int *offset; /* [T+1]: first row of step t; offset[T] = rows */
    void *x;     /* [rows, KEYS]: 0 or 1, float or double */
    /* [sequences of the split]: chorale_transposition of each, for whoever wants to train
     * on more keys than the data has; NULL, as at first: as they stand. The caller's. */
    const int *semitones;
    /* Private: */
    const chorale_split *split;
    int capacity;   /* sequences */
    int room;       /* steps of the longest sequence of the split */
    size_t element; /* sizeof(float) or sizeof(double) */
    int *next;      /* [room+1]: scratch of the sort */
} batch;

/* Room for any `capacity` sequences of `split`, also repeated ones; `element` is
 * sizeof(float) or sizeof(double). The split must outlive the batch. NULL on failure. */
batch *batch_new(const chorale_split *split, int capacity, size_t element, char *error,
                 size_t size);

/* Fills in the sequences `indices[0..count-1]` of the split. Allocates nothing; O(rows).
 * Errors: count outside 1..capacity, an index outside the split; the batch is then as
 * before. */
int batch_fill(batch *b, const int *indices, int count, char *error, size_t size);

/* The same for one that is only to be dealt out: `count` and `order`, no rows. */
int batch_order(batch *b, const int *indices, int count, char *error, size_t size);

/* The sequences of `whole` dealt out, the longest first, each to the shard that has the fewest
 * rows so far. 1 <= shards <= whole->count; each of the whole's split and capacity. Allocates
 * nothing. */
void batch_deal(const batch *whole, batch *const *shard, int shards);

void batch_free(batch *b);

#endif

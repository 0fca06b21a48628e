/* SPDX-License-Identifier: MIT */
/* The parts of examples/dmm that do without the library: data, batches, synthetic
 * chorales and their entropy, MIDI, pictures, options. Real data is looked for in
 * $KILN_DATA, else $top_srcdir/../shared/data; without it one case skips with a message.
 * Files are written below $TMPDIR, else /tmp.
 */
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

#ifdef HAVE_CAIRO
#include <cairo.h>
#endif

#include "data.h"
#include "midi.h"
#include "options.h"
#include "pictures.h"
#include "synth.h"

static char folder[256], path[300], error[ERROR_SIZE];
static synth chain;
static chorales data;

static void set_up(void)
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
static void tear_down(void)
{
    chorales_free(&data);
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void write_text(const char *text)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* The file's bytes, to be freed. */
static unsigned char *read_bytes(long *count)
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
static void expect_error(const char *where, const char *text)
{
    char expected[2 * ERROR_SIZE];
    snprintf(expected, sizeof expected, "%s: %s", where, text);
    ck_assert_str_eq(error, expected);
}

/* ---- files ---- */

START_TEST(test_output_is_atomic)
{
    write_text("old");
    output out;
    long count;
    ck_assert_int_eq(output_open(&out, path, error, sizeof error), 0);
    ck_assert_int_eq(output_write(&out, "new!", 4), 0);
    unsigned char *bytes = read_bytes(&count);
    ck_assert_str_eq((char *)bytes, "old");
    free(bytes);
    output_abandon(&out);
    bytes = read_bytes(&count);
    ck_assert_str_eq((char *)bytes, "old");
    free(bytes);

    ck_assert_int_eq(output_open(&out, path, error, sizeof error), 0);
    ck_assert_int_eq(output_write(&out, "new!", 4), 0);
    ck_assert_int_eq(output_close(&out, error, sizeof error), 0);
    bytes = read_bytes(&count);
    ck_assert_str_eq((char *)bytes, "new!");
    free(bytes);

    char missing[320];
    snprintf(missing, sizeof missing, "%s/no/file", folder);
    ck_assert_int_eq(output_open(&out, missing, error, sizeof error), -1);
    expect_error(missing, "cannot be written: No such file or directory; give a path in "
                          "an existing folder that you may write to");
}
END_TEST

/* A full disk: the error says so, and the device is still the device. */
static void expect_full(int status)
{
    struct stat st;
    ck_assert_int_eq(status, -1);
    expect_error("/dev/full", "cannot be written: No space left on device; free some "
                              "space or give another path");
    ck_assert_int_eq(stat("/dev/full", &st), 0);
    ck_assert(S_ISCHR(st.st_mode));
}

/* ---- data ---- */

START_TEST(test_load)
{
    write_text("{\"train\": [[[21, 108, 60], []], [[64]]], \"valid\": [[[60]]], "
               "\"test\": [[[61]]], \"source\": \"by hand\"}");
    chorales small;
    ck_assert_msg(chorales_load(&small, path, error, sizeof error) == 0, "%s", error);
    const chorale_split *train = &small.splits[CHORALES_TRAIN];
    chorale_summary sum = chorale_split_summary(train);
    ck_assert_int_eq(sum.sequences, 2);
    ck_assert_int_eq(sum.steps, 3);
    ck_assert_int_eq(sum.longest, 2);
    for (int key = 0; key < KEYS; key++) {
        ck_assert_int_eq(slice_has(&train->pieces[0].slices[0], key),
                         key == 0 || key == 39 || key == 87);
        ck_assert_int_eq(slice_has(&train->pieces[0].slices[1], key), 0);
        ck_assert_int_eq(slice_has(&train->pieces[1].slices[0], key), key == 43);
    }
    chorales_free(&small);
    ck_assert_ptr_null(small.splits[0].pieces);
}
END_TEST

static const struct {
    const char *json, *error;
} bad_files[] = {
    { "", "is empty; give a chorales JSON file" },
    { "{\"train\": [[[60",
      "ends too early, at line 1, column 15: it is truncated; fetch it again" },
    { "{\"train\": [[[60 61]]]}",
      "is not valid JSON: line 1, column 18: ']' expected near '61'; fetch it again or "
      "mend it there" },
    { "{\"train\": [[[NaN]]]}",
      "is not valid JSON: line 1, column 16: invalid token near 'NaN'; fetch it again or "
      "mend it there" },
    { "[]",
      "expected an object of the three lists \"train\", \"valid\" and \"test\", found a "
      "list" },
    { "{\"train\": [[[60]]], \"test\": [[[60]]]}",
      "split valid: is missing; the file must be an object of the three lists \"train\", "
      "\"valid\" and \"test\"" },
    { "{\"train\": {}}", "split train: expected a list of sequences, found an object" },
    { "{\"train\": []}", "split train: is empty; give it at least one sequence" },
    { "{\"train\": [[[60]], 5]}",
      "split train, sequence 1 (counted from 0): expected a list of time steps, found a "
      "whole number" },
    { "{\"train\": [[[60]], []]}",
      "split train, sequence 1 (counted from 0): its length is 0; remove it or give it "
      "at least one time step" },
    { "{\"train\": [[[60]]], \"valid\": [[[60], 60]]}",
      "split valid, sequence 0, step 1 (counted from 0): expected the list of the notes "
      "that sound, found a whole number" },
    { "{\"train\": [[[60, \"C4\"]]]}",
      "split train, sequence 0, step 0 (counted from 0): note 1 of the list is a string; "
      "give MIDI note numbers, whole numbers in 21..108" },
    { "{\"train\": [[[60.5]]]}",
      "split train, sequence 0, step 0 (counted from 0): note 0 of the list is a number "
      "with a fraction; give MIDI note numbers, whole numbers in 21..108" },
    { "{\"train\": [[[60]], [[61], [20]]]}",
      "split train, sequence 1, step 1 (counted from 0): note 20 is outside 21..108; "
      "give MIDI note numbers of the 88 piano keys" },
    { "{\"train\": [[[109]]]}",
      "split train, sequence 0, step 0 (counted from 0): note 109 is outside 21..108; "
      "give MIDI note numbers of the 88 piano keys" },
    { "{\"train\": [[[60, 64, 60]]]}",
      "split train, sequence 0, step 0 (counted from 0): note 60 stands twice; list each "
      "sounding note once" },
};

START_TEST(test_load_bad_file)
{
    write_text(bad_files[_i].json);
    chorales none;
    ck_assert_int_eq(chorales_load(&none, path, error, sizeof error), -1);
    expect_error(path, bad_files[_i].error);
    for (int k = 0; k < CHORALES_SPLITS; k++)
        ck_assert_int_eq(none.splits[k].count, 0);
}
END_TEST

START_TEST(test_load_no_file)
{
    chorales none;
    ck_assert_int_eq(chorales_load(&none, path, error, sizeof error), -1);
    expect_error(path, "cannot be opened: No such file or directory; give the path of a "
                       "chorales JSON file");
    ck_assert_int_eq(chorales_load(&none, folder, error, sizeof error), -1);
    expect_error(folder, "cannot be read: Is a directory; give the path of a chorales "
                         "JSON file");
    char small[8];
    ck_assert_int_eq(chorales_load(&none, path, small, sizeof small), -1);
    ck_assert_uint_eq(strlen(small), sizeof small - 1); /* cut, not overrun */
}
END_TEST

START_TEST(test_load_real_data)
{
    const char *given = getenv("KILN_DATA"), *top = getenv("top_srcdir");
    char file[512];
    if (given)
        snprintf(file, sizeof file, "%s/jsb-chorales-quarter.json", given);
    else
        snprintf(file, sizeof file, "%s/../shared/data/jsb-chorales-quarter.json",
                 top ? top : ".");
    if (access(file, R_OK) != 0) {
        fprintf(stderr, "skipped: %s is not there\n", file);
        return;
    }
    chorales jsb;
    ck_assert_msg(chorales_load(&jsb, file, error, sizeof error) == 0, "%s", error);
    const int expected[CHORALES_SPLITS][3] = { { 229, 13807, 129 }, { 76, 4602, 144 },
                                               { 77, 4725, 160 } };
    for (int k = 0; k < CHORALES_SPLITS; k++) {
        chorale_summary sum = chorale_split_summary(&jsb.splits[k]);
        ck_assert_int_eq(sum.sequences, expected[k][0]);
        ck_assert_int_eq(sum.steps, expected[k][1]);
        ck_assert_int_eq(sum.longest, expected[k][2]);
    }
    chorales_free(&jsb);
}
END_TEST

/* ---- batches ---- */

static double element(const batch *b, int row, int key)
{
    size_t i = (size_t)row * KEYS + (size_t)key;
    return b->element == sizeof(float) ? (double)((float *)b->x)[i] : ((double *)b->x)[i];
}

static int length_of(const batch *b, int index)
{
    return b->split->pieces[index].length;
}

static void check_batch(const batch *b, const int *indices, int count)
{
    int place[64] = { 0 }, rows = 0, wrong = 0;
    ck_assert_int_eq(b->count, count);
    ck_assert_int_eq(b->longest, length_of(b, b->order[0]));
    for (int i = 0; i < count; i++) { /* a permutation; place: where order[i] came from */
        for (int j = 0; j < i; j++)
            place[i] += b->order[j] == b->order[i]; /* earlier copies of the same index */
        int copy = place[i], at = 0;
        while (indices[at] != b->order[i] || copy-- > 0)
            ck_assert_int_lt(++at, count);
        place[i] = at;
    }
    for (int i = 1; i < count; i++) { /* longest first, stable */
        int before = length_of(b, b->order[i - 1]), now = length_of(b, b->order[i]);
        ck_assert(before > now || (before == now && place[i - 1] < place[i]));
    }
    for (int t = 0; t < b->longest; t++) {
        int active = 0;
        for (int i = 0; i < count; i++)
            active += length_of(b, indices[i]) > t;
        ck_assert_int_eq(b->active[t], active);
        ck_assert_int_eq(b->offset[t], rows);
        rows += active;
        for (int i = 0; i < active; i++)
            for (int key = 0; key < KEYS; key++) {
                const slice *s = &b->split->pieces[b->order[i]].slices[t];
                int from = key - (b->semitones ? b->semitones[b->order[i]] : 0);
                wrong += element(b, b->offset[t] + i, key)
                         != (from >= 0 && from < KEYS && slice_has(s, from));
            }
    }
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_eq(b->active[b->longest], 0);
    ck_assert_int_eq(b->offset[b->longest], rows);
    ck_assert_int_eq(b->rows, rows);
}

START_TEST(test_batch_laws)
{
    enum { CAPACITY = 20 };
    const size_t elements[] = { sizeof(float), sizeof(double) };
    batch *b = batch_new(&data.splits[CHORALES_TRAIN], CAPACITY, elements[_i], error,
                         sizeof error);
    ck_assert_msg(b != NULL, "%s", error);
    const void *x = b->x, *order = b->order, *active = b->active, *offset = b->offset;
    unsigned random = 1;
    for (int repeat = 0; repeat < 40; repeat++) { /* repeated indices come up, too */
        int indices[CAPACITY], count = 1 + repeat % CAPACITY;
        for (int i = 0; i < count; i++) {
            random = random * 1103515245u + 12345u;
            indices[i] = (int)(random >> 16) % 40;
        }
        ck_assert_msg(batch_fill(b, indices, count, error, sizeof error) == 0, "%s",
                      error);
        check_batch(b, indices, count);
        ck_assert(b->x == x && b->order == order && b->active == active
                  && b->offset == offset);
    }
    batch_free(b);
}
END_TEST

START_TEST(test_batch_transposed)
{
    const chorale_split *valid = &data.splits[CHORALES_VALID];
    batch *b = batch_new(valid, 8, sizeof(float), error, sizeof error);
    const int all[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    int semitones[8], moved = 0;
    for (int i = 0; i < 8; i++)
        moved += (semitones[i] = chorale_transposition(&valid->pieces[i], 3 * i - 12)) != 0;
    ck_assert_int_ge(moved, 4);
    b->semitones = semitones;
    ck_assert_int_eq(batch_fill(b, all, 8, error, sizeof error), 0);
    check_batch(b, all, 8);
    batch_free(b);
}
END_TEST

/* Each note of the piece stays on the keyboard, be it ever so far. */
START_TEST(test_transposition)
{
    slice slices[3] = { { { 0 } } };
    const chorale piece = { 3, slices };
    slice_add(&slices[0], 5);
    slice_add(&slices[2], 84);
    for (int n = -20; n <= 20; n++)
        ck_assert_int_eq(chorale_transposition(&piece, n), n < -5 ? -5 : n > 3 ? 3 : n);
}
END_TEST

START_TEST(test_batch_errors)
{
    const chorale_split *valid = &data.splits[CHORALES_VALID];
    batch *b = batch_new(valid, 3, sizeof(float), error, sizeof error);
    const int good[] = { 5, 2 }, bad[] = { 0, 8 };
    ck_assert_int_eq(batch_fill(b, good, 2, error, sizeof error), 0);
    ck_assert_int_eq(batch_fill(b, good, 0, error, sizeof error), -1);
    ck_assert_str_eq(error, "batch: 0 sequences, but it has room for 1..3");
    ck_assert_int_eq(batch_fill(b, good, 4, error, sizeof error), -1);
    ck_assert_str_eq(error, "batch: 4 sequences, but it has room for 1..3");
    ck_assert_int_eq(batch_fill(b, bad, 2, error, sizeof error), -1);
    ck_assert_str_eq(error, "batch: sequence index 8 is outside 0..7");
    check_batch(b, good, 2);
    batch_free(b);
    batch_free(NULL);
    ck_assert_ptr_null(batch_new(valid, 0, sizeof(float), error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "capacity 0 sequences"));
    ck_assert_ptr_null(batch_new(valid, 1, 2, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "elements of 2 bytes"));
}
END_TEST

/* ---- synthetic chorales ---- */

START_TEST(test_synth_supports_are_disjoint)
{
    ck_assert_msg(synth_check(&chain, error, sizeof error) == 0, "%s", error);
    synth broken = chain;
    broken.states[7].notes[1] = broken.states[2].notes[0];
    ck_assert_int_eq(synth_check(&broken, error, sizeof error), -1);
    ck_assert_str_eq(error, "synth: states 2 (I, soprano 76) and 7 (I6, soprano 79) "
                            "share a set of notes, so the entropy formula does not hold");
    broken = chain;
    broken.states[3].notes[1] = broken.states[3].notes[0];
    ck_assert_int_eq(synth_check(&broken, error, sizeof error), -1);
    ck_assert_str_eq(error, "synth: states 3 (I, soprano 79) and 3 (I, soprano 79) share "
                            "a set of notes, so the entropy formula does not hold");
    broken = chain;
    broken.transition[4][0] += 1e-6;
    ck_assert_int_eq(synth_check(&broken, error, sizeof error), -1);
    ck_assert_str_eq(error, "synth: the probabilities of state 4 (I6, soprano 67) do not "
                            "add up to 1");
    broken = chain;
    broken.initial[0] = 0;
    ck_assert_int_eq(synth_check(&broken, error, sizeof error), -1);
    ck_assert_str_eq(error, "synth: the initial probabilities do not add up to 1");
}
END_TEST

/* All two-step sequences, summed up through the forward algorithm, which knows nothing of
 * disjoint supports: their probabilities add up to 1, and their entropy and key
 * frequencies give synth_measure's numbers. */
START_TEST(test_synth_entropy_by_enumeration)
{
    slice all[SYNTH_STATES_MAX * SYNTH_VOICINGS_MAX], pair[2];
    int count = 0;
    for (int s = 0; s < chain.count; s++)
        for (int v = 0; v < chain.states[s].voicings; v++)
            all[count++] = chain.states[s].notes[v];
    chorale two = { 2, pair };
    double total = 0, entropy = 0, keys[KEYS] = { 0 }, baseline = 0;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++) {
            pair[0] = all[i];
            pair[1] = all[j];
            double log_prob = synth_log_prob(&chain, &two), p = exp(log_prob);
            if (p <= 0)
                continue;
            total += p;
            entropy -= p * log_prob;
            for (int key = 0; key < KEYS; key++)
                for (int t = 0; t < 2; t++)
                    keys[key] += slice_has(&pair[t], key) * p / 2;
        }
    for (int key = 0; key < KEYS; key++)
        if (keys[key] > 0)
            baseline -= keys[key] * log(keys[key]) + (1 - keys[key]) * log1p(-keys[key]);
    synth_numbers numbers = synth_measure(&chain, &(chorale_split){ 1, &two });
    ck_assert_double_eq_tol(total, 1, 1e-10);
    ck_assert_double_eq_tol(numbers.entropy, entropy / 2, 1e-10);
    ck_assert_double_eq_tol(numbers.baseline, baseline, 1e-10);
}
END_TEST

/* The mean of -log p over draws, within four standard errors of the exact entropy;
 * lengths are given, so each sequence is held against the entropy of its own length. */
START_TEST(test_synth_entropy_by_draws)
{
    enum { DRAWS = 1500 };
    chorales many;
    ck_assert_int_eq(synth_draw(&chain, &many, (const int[]){ DRAWS, 1, 1 }, 7, error,
                                sizeof error), 0);
    const chorale_split *train = &many.splits[CHORALES_TRAIN];
    double mean = 0, square = 0;
    for (int i = 0; i < DRAWS; i++) {
        chorale_split one = { 1, &train->pieces[i] };
        double expected = train->pieces[i].length * synth_measure(&chain, &one).entropy;
        double difference = -synth_log_prob(&chain, &train->pieces[i]) - expected;
        mean += difference / DRAWS;
        square += difference * difference / DRAWS;
    }
    double standard_error = sqrt((square - mean * mean) / (DRAWS - 1));
    ck_assert_double_lt(fabs(mean), 4 * standard_error);
    ck_assert_double_lt(standard_error, 0.3); /* of about 128 nats per sequence */

    synth_numbers numbers = synth_measure(&chain, train);
    ck_assert_double_gt(numbers.baseline, 2 * numbers.entropy); /* much to learn */
    chorales_free(&many);
}
END_TEST

START_TEST(test_synth_draws)
{
    chorales again, more;
    ck_assert_int_eq(synth_draw(&chain, &again, (const int[]){ 40, 8, 9 }, 1, error,
                                sizeof error), 0);
    ck_assert_int_eq(synth_draw(&chain, &more, (const int[]){ 50, 8, 9 }, 2, error,
                                sizeof error), 0);
    int differ = 0;
    for (int k = 0; k < CHORALES_SPLITS; k++)
        for (int i = 0; i < data.splits[k].count; i++) {
            const chorale *a = &data.splits[k].pieces[i], *b = &again.splits[k].pieces[i];
            const chorale *c = &more.splits[k].pieces[i];
            ck_assert_int_ge(a->length, SYNTH_LENGTH_MIN);
            ck_assert_int_le(a->length, SYNTH_LENGTH_MAX);
            ck_assert(isfinite(synth_log_prob(&chain, a)));
            ck_assert_int_eq(a->length, b->length);
            size_t bytes = (size_t)a->length * sizeof *a->slices;
            ck_assert_mem_eq(a->slices, b->slices, bytes);
            differ += a->length != c->length || memcmp(a->slices, c->slices, bytes) != 0;
        }
    ck_assert_int_ge(differ, 56); /* of 57: another seed is another piece */
    slice_add(&again.splits[0].pieces[0].slices[3], 0);
    double impossible = synth_log_prob(&chain, &again.splits[0].pieces[0]);
    ck_assert(isinf(impossible) && impossible < 0);
    chorales_free(&again);
    chorales_free(&more);

    ck_assert_int_eq(synth_draw(&chain, &more, (const int[]){ 1, 0, 1 }, 1, error,
                                sizeof error), -1);
    ck_assert_str_eq(error, "synth: split valid: 0 sequences; ask for at least 1");
}
END_TEST

/* ---- MIDI ---- */

typedef struct {
    const unsigned char *at, *end;
    int ticks, micros, program, strikes, ended;
    long now;
    bool on[128];
} midi_reader;

static long read_quantity(midi_reader *r)
{
    long value = 0;
    do {
        ck_assert(r->at < r->end);
        value = value << 7 | (*r->at & 0x7f);
    } while (*r->at++ & 0x80);
    return value;
}

/* Reads one event, which happens at `now`, and the time up to the next one. */
static void read_event(midi_reader *r)
{
    const unsigned char *e = r->at;
    ck_assert(!r->ended && r->end - e >= 2);
    if (e[0] == 0xff) {
        r->ended = e[1] == 0x2f;
        if (e[1] == 0x51)
            r->micros = e[3] << 16 | e[4] << 8 | e[5];
        r->at += 3 + e[2];
    } else if (e[0] == 0xc0) {
        r->program = e[1];
        r->at += 2;
    } else {
        ck_assert(e[0] == 0x90 || e[0] == 0x80);
        ck_assert(e[1] < 128 && e[2] < 128);
        ck_assert_int_ne(r->on[e[1]], e[0] == 0x90); /* no double strike or release */
        r->on[e[1]] = e[0] == 0x90;
        r->strikes += e[0] == 0x90;
        r->at += 3;
    }
    ck_assert(r->at <= r->end);
    if (!r->ended)
        r->now += read_quantity(r);
}

static midi_reader open_track(const unsigned char *bytes, long count)
{
    const unsigned char head[] = "MThd\0\0\0\6\0\0\0\1"; /* format 0, one track */
    ck_assert_mem_eq(bytes, head, 12);
    ck_assert_mem_eq(bytes + 14, "MTrk", 4);
    long length = (long)bytes[18] << 24 | bytes[19] << 16 | bytes[20] << 8 | bytes[21];
    ck_assert_int_eq(length, count - 22);
    midi_reader r = { .at = bytes + 22, .end = bytes + count, .program = -1,
                      .ticks = bytes[12] << 8 | bytes[13] };
    r.now = read_quantity(&r);
    return r;
}

/* Writes the piece, plays the file back and compares; returns the notes struck. */
static int play_back(const chorale *piece)
{
    int status = midi_write(path, piece, 90, MIDI_CHURCH_ORGAN, error, sizeof error);
    ck_assert_msg(status == 0, "%s", error);
    long count;
    unsigned char *bytes = read_bytes(&count);
    midi_reader r = open_track(bytes, count);
    for (int t = 0; t < piece->length; t++) {
        while (!r.ended && r.now <= (long)t * r.ticks)
            read_event(&r);
        for (int note = 0; note < 128; note++) {
            bool expected = note >= LOWEST_NOTE && note <= HIGHEST_NOTE
                            && slice_has(&piece->slices[t], note - LOWEST_NOTE);
            ck_assert_int_eq(r.on[note], expected);
        }
    }
    while (!r.ended)
        read_event(&r);
    ck_assert(r.at == r.end);
    ck_assert_int_eq(r.now, (long)piece->length * r.ticks); /* with a silent end */
    for (int note = 0; note < 128; note++)
        ck_assert(!r.on[note]);
    ck_assert_int_eq(r.micros, 60000000 / 90);
    ck_assert_int_eq(r.program, MIDI_CHURCH_ORGAN);
    free(bytes);
    return r.strikes;
}

START_TEST(test_midi)
{
    for (int i = 0; i < data.splits[CHORALES_TEST].count; i++)
        play_back(&data.splits[CHORALES_TEST].pieces[i]);
    enum { LONG = 5000 }; /* its silence needs three bytes of delta time */
    slice slices[LONG] = { { { 0 } } };
    for (int t = 0; t < 3; t++)
        slice_add(&slices[t], 0); /* held: struck once */
    slice_add(&slices[4], 0);
    slice_add(&slices[4000], KEYS - 1);
    ck_assert_int_eq(play_back(&(chorale){ LONG, slices }), 3);
    for (int t = 0; t < 40; t++)
        for (int key = 0; key < KEYS; key++)
            if ((t + key) % 2)
                slice_add(&slices[t], key); /* as dense as can be: the room suffices */
    play_back(&(chorale){ 40, slices });
}
END_TEST

START_TEST(test_midi_errors)
{
    const chorale *piece = &data.splits[CHORALES_TEST].pieces[0];
    ck_assert_int_eq(midi_write(path, &(chorale){ 0 }, 90, 0, error, sizeof error), -1);
    expect_error(path, "0 time steps do not fit a MIDI file; give 1..559240");
    ck_assert_int_eq(midi_write(path, piece, 3, 0, error, sizeof error), -1);
    expect_error(path, "tempo 3 and program 0; a tempo is 4..1000 quarter notes per "
                       "minute, a program 0..127");
    ck_assert_int_eq(midi_write(path, piece, 90, 128, error, sizeof error), -1);
    ck_assert_int_ne(access(path, F_OK), 0);
    if (access("/dev/full", W_OK) == 0)
        expect_full(midi_write("/dev/full", piece, 90, 0, error, sizeof error));
}
END_TEST

/* ---- pictures ---- */

static int draw(int which, const char *file)
{
    static const double x[] = { 1, 50, 100 }, y[] = { 61, NAN, 8 }, flat[] = { 9, 9, 9 };
    static const double kl[] = { 1, -0.2, 2 };
    float probability[3 * KEYS] = { [40] = 0.5f, [KEYS + 41] = 1 };
    const chorale *piece = &data.splits[CHORALES_TEST].pieces[0];
    const curve curves[] = { { "train", x, y, 3, 0, false },
                             { "valid", x, flat, 3, 1, true } };
    const level levels[] = { { "exact entropy", 3.55 }, { "unknown", NAN } };
    const roll rolls[] = { { "test piece", piece->slices, NULL, piece->length },
                           { "reconstruction", NULL, probability, 3 } };
    switch (which) {
    case 0:
        return picture_bounds(file, "Bound", curves, 2, levels, 2, error, sizeof error);
    case 1:
        return picture_bounds(file,
                              "A title that is much too long for the picture, so that "
                              "its letters have to become smaller, but never too small "
                              "to read",
                              &curves[1], 1, NULL, 0, error, sizeof error);
    case 2:
        return picture_steps(file, "Steps", kl, flat, 3, error, sizeof error);
    case 3:
        return picture_ledger(file, "Ledger", curves, curves, 2, error, sizeof error);
    default:
        return picture_rolls(file, "Rolls", rolls, 2, error, sizeof error);
    }
}

#ifdef HAVE_CAIRO

/* cairo keeps fonts until exit, where fontconfig loses some: not a leak of ours. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig\n";
}

/* Most of a picture is white, some is not, and the rim is clean: nothing is cut off. */
START_TEST(test_picture)
{
    ck_assert_msg(draw(_i, path) == 0, "%s", error);
    cairo_surface_t *surface = cairo_image_surface_create_from_png(path);
    ck_assert_int_eq(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    int width = cairo_image_surface_get_width(surface);
    int height = cairo_image_surface_get_height(surface), marked = 0, edge = 0;
    const unsigned char *pixels = cairo_image_surface_get_data(surface);
    ck_assert_int_eq(width, 1840);
    ck_assert_int_ge(height, 800);
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
            const unsigned char *p = pixels + i * cairo_image_surface_get_stride(surface)
                                     + 4 * j;
            bool drawn = p[0] != 255 || p[1] != 255 || p[2] != 255;
            marked += drawn;
            edge += drawn && (i < 8 || j < 8 || i >= height - 8 || j >= width - 8);
        }
    ck_assert_int_gt(marked, 5000);
    ck_assert_int_lt(marked, width * height / 2);
    ck_assert_int_eq(edge, 0);
    cairo_surface_destroy(surface);
    if (access("/dev/full", W_OK) == 0)
        expect_full(draw(_i, "/dev/full"));
}
END_TEST

START_TEST(test_picture_of_nothing)
{
    const curve empty = { "valid", NULL, NULL, 0, 0, false };
    int status = picture_bounds(path, "x", &empty, 1, NULL, 0, error, sizeof error);
    ck_assert_int_eq(status, -1);
    expect_error(path, "no finite point to draw; evaluate at least once before drawing");
    ck_assert_int_eq(picture_rolls(path, "x", NULL, 0, error, sizeof error), -1);
    expect_error(path, "no time step to draw");
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

#else

START_TEST(test_picture)
{
    ck_assert_int_eq(draw(_i, path), -1);
    expect_error(path, "not drawn: this program was built without cairo; install cairo's "
                       "development package and configure again");
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

#endif

/* ---- options ---- */

enum { WORDS = 64 };

/* Parses words separated by blanks; "~" stands for the empty word. */
static int parse(options *o, const char *line)
{
    static char text[1024];
    char *words[WORDS + 2] = { (char[]){ "dmm" } };
    int count = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word && count < WORDS; word = strtok(NULL, " "))
        words[count++] = *word == '~' ? word + 1 : word;
    return options_parse(o, count, words, error, sizeof error);
}

START_TEST(test_options_defaults)
{
    options o;
    ck_assert_msg(parse(&o, "") == 0, "%s", error);
    ck_assert(!o.data && !o.checkpoint && !o.log && !o.pictures && !o.midi);
    ck_assert(!o.resume && !o.quiet && !o.help && o.seed == 0
              && o.elbo == ELBO_MEANFIELD);
    ck_assert(o.epochs == 5000 && o.batch == 20 && o.anneal_epochs == 1000);
    ck_assert(o.z_dim == 100 && o.emission_dim == 100 && o.transition_dim == 200);
    ck_assert(o.num_iafs == 0 && o.iaf_dim == 100);
    ck_assert(o.rnn_dim == 600 && o.eval_every == 50 && o.is_samples == 0);
    ck_assert_int_eq(o.threads, 1);
    ck_assert(o.generate == 64);
    ck_assert_double_eq(o.lr, 3e-4);
    ck_assert(o.lr_decay == 0.99996 && o.clip_value == 10 && o.weight_decay == 2);
    ck_assert_double_eq(o.min_anneal, 0.2);
    ck_assert(o.average_from == 0 && o.transpose == 0);
    for (int i = 0; i < OPTION_COUNT; i++)
        ck_assert(!o.given[i]);
}
END_TEST

START_TEST(test_options_all)
{
    options o;
    static const char line[] = "--data a.json --elbo both --epochs 0 --batch=7 --seed "
                               "18446744073709551615 --threads 9 --z-dim 1 --emission-dim 2 "
                               "--transition-dim 3 --rnn-dim 4 --num-iafs 5 "
                               "--iaf-dim 6 --lr 1E-3 --lr-decay 1 --clip-value 20 "
                               "--weight-decay 0 --anneal-epochs 0 --min-anneal 1 "
                               "--average-from 9 --transpose 4 --eval-every 5 --is-samples 6 "
                               "--checkpoint c --resume --log l.csv --pictures p --midi "
                               "m.mid --generate 8 --quiet";
    ck_assert_msg(parse(&o, line) == 0, "%s", error);
    ck_assert_str_eq(o.data, "a.json");
    ck_assert_str_eq(o.checkpoint, "c");
    ck_assert_str_eq(o.log, "l.csv");
    ck_assert_str_eq(o.pictures, "p");
    ck_assert_str_eq(o.midi, "m.mid");
    ck_assert(o.elbo == ELBO_BOTH && o.epochs == 0 && o.batch == 7);
    ck_assert(o.seed == UINT64_MAX && o.threads == 9 && o.z_dim == 1 && o.emission_dim == 2);
    ck_assert(o.transition_dim == 3 && o.rnn_dim == 4 && o.anneal_epochs == 0);
    ck_assert(o.num_iafs == 5 && o.iaf_dim == 6);
    ck_assert(o.eval_every == 5 && o.is_samples == 6 && o.generate == 8);
    ck_assert(o.resume && o.quiet && !o.help);
    ck_assert_double_eq(o.lr, 1e-3);
    ck_assert(o.lr_decay == 1 && o.clip_value == 20 && o.weight_decay == 0);
    ck_assert_double_eq(o.min_anneal, 1);
    ck_assert(o.average_from == 9 && o.transpose == 4);
    for (int i = 0; i < OPTION_COUNT; i++)
        ck_assert_int_eq(o.given[i], i != OPTION_HELP);
    ck_assert_int_eq(parse(&o, "--batch 3 --help --nonsense"), 0);
    ck_assert(o.help && o.given[OPTION_BATCH] && !o.given[OPTION_EPOCHS]);
}
END_TEST

static const struct {
    const char *line, *error;
} bad_options[] = {
    { "--epochs -1", "option --epochs: \"-1\" is not a whole number in 0..1000000" },
    { "--epochs 1000001",
      "option --epochs: \"1000001\" is not a whole number in 0..1000000" },
    { "--epochs 99999999999999999999",
      "option --epochs: \"99999999999999999999\" is not a whole number in 0..1000000" },
    { "--batch 2x", "option --batch: \"2x\" is not a whole number in 1..100000" },
    { "--batch 0", "option --batch: \"0\" is not a whole number in 1..100000" },
    { "--batch +2", "option --batch: \"+2\" is not a whole number in 1..100000" },
    { "--batch ~", "option --batch: \"\" is not a whole number in 1..100000" },
    { "--batch 2.0", "option --batch: \"2.0\" is not a whole number in 1..100000" },
    { "--epochs --batch 3",
      "option --epochs: \"--batch\" is not a whole number in 0..1000000" },
    { "--seed -1",
      "option --seed: \"-1\" is not a whole number in 0..18446744073709551615" },
    { "--seed 18446744073709551616",
      "option --seed: \"18446744073709551616\" is not a whole number in "
      "0..18446744073709551615" },
    { "--lr nan", "option --lr: \"nan\" is not a number above 0 and at most 1" },
    { "--lr inf", "option --lr: \"inf\" is not a number above 0 and at most 1" },
    { "--lr 0", "option --lr: \"0\" is not a number above 0 and at most 1" },
    { "--lr 1e-3x", "option --lr: \"1e-3x\" is not a number above 0 and at most 1" },
    { "--lr 1-3", "option --lr: \"1-3\" is not a number above 0 and at most 1" },
    { "--lr 1e-999", "option --lr: \"1e-999\" is not a number above 0 and at most 1" },
    { "--lr 0x1p-3", "option --lr: \"0x1p-3\" is not a number above 0 and at most 1" },
    { "--lr-decay 1.1",
      "option --lr-decay: \"1.1\" is not a number above 0 and at most 1" },
    { "--clip-value 0",
      "option --clip-value: \"0\" is not a number above 0 and at most 1e+30" },
    { "--weight-decay -1",
      "option --weight-decay: \"-1\" is not a number in 0..1e+06" },
    { "--min-anneal 0",
      "option --min-anneal: \"0\" is not a number above 0 and at most 1" },
    { "--min-anneal 1.01",
      "option --min-anneal: \"1.01\" is not a number above 0 and at most 1" },
    { "--elbo renyi", "option --elbo: \"renyi\" is not one of meanfield, trace, both" },
    { "--data --quiet",
      "option --data needs a value, found \"--quiet\"; write --data FILE" },
    { "--midi ~", "option --midi needs a value, found \"\"; write --midi FILE" },
    { "--epochs", "option --epochs needs a value; see --help" },
    { "--threads 0", "option --threads: \"0\" is not a whole number in 1..64" },
    { "--threads 65", "option --threads: \"65\" is not a whole number in 1..64" },
    { "--workers 2",
      "option --workers is unknown, or the beginning of several; see --help" },
    { "--e 2", "option --e is unknown, or the beginning of several; see --help" },
    { "--quiet=yes", "option --quiet=yes: --quiet takes no value" },
    { "-xyz", "option -x is unknown; options begin with --, see --help" },
    { "--quiet file.json",
      "argument \"file.json\" does not belong to an option; see --help" },
    { "--resume", "option --resume needs --checkpoint FILE, the file to go on from" },
};

START_TEST(test_options_bad)
{
    options o;
    ck_assert_int_eq(parse(&o, bad_options[_i].line), -1);
    ck_assert_str_eq(error, bad_options[_i].error);
    ck_assert_ptr_null(strchr(error, '\n'));
    ck_assert_int_eq(parse(&o, "--batch 9"), 0); /* a parse leaves nothing behind */
    ck_assert_int_eq(o.batch, 9);
}
END_TEST

START_TEST(test_options_help)
{
    FILE *file = fopen(path, "wb");
    options_print_help(file, "dmm");
    fclose(file);
    long count;
    char *text = (char *)read_bytes(&count);
    static const char *const lines[] = {
        "usage: dmm [OPTION]...\n",
        "  --data FILE            chorales as JSON (without it: synthetic ones)\n",
        "  --elbo NAME            bound to train: meanfield, trace or both; default "
        "meanfield\n",
        "  --epochs N             passes over the training split\n"
        "                         whole number in 0..1000000, default 5000\n",
        "  --lr RATE              learning rate of ClippedAdam\n"
        "                         number above 0 and at most 1, default 3e-4\n",
        "  --weight-decay W       W times each parameter is added to its gradient\n"
        "                         number in 0..1e+06, default 2\n",
        "  --resume               go on from the checkpoint\n",
        "  --log FILE.csv         bounds over epochs as CSV, in nats per time step\n",
        "  --help                 print this text\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ck_assert_msg(strstr(text, lines[i]) != NULL, "not in the help: %s", lines[i]);
    static const char *const names[] = {
        "batch",      "seed",          "threads",    "z-dim",        "emission-dim",
        "transition-dim",
        "rnn-dim",    "anneal-epochs", "min-anneal", "eval-every",   "is-samples",
        "checkpoint", "pictures",      "midi",       "generate",     "quiet",
        "num-iafs",   "iaf-dim",       "lr-decay",   "clip-value",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char start[32];
        snprintf(start, sizeof start, "\n  --%s ", names[i]);
        ck_assert_msg(strstr(text, start) != NULL, "not in the help: %s", names[i]);
    }
    free(text);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

int main(void)
{
    Suite *suite = suite_create("dmm parts");
    TCase *files = tcase_create("files and data");
    TCase *chorale_case = tcase_create("chorales");
    TCase *out = tcase_create("midi and pictures"), *line = tcase_create("options");
    TCase *all[] = { files, chorale_case, out, line };
    for (int i = 0; i < ROWS(all); i++) {
        tcase_add_checked_fixture(all[i], set_up, tear_down);
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_test(files, test_output_is_atomic);
    tcase_add_test(files, test_load);
    tcase_add_loop_test(files, test_load_bad_file, 0, ROWS(bad_files));
    tcase_add_test(files, test_load_no_file);
    tcase_add_test(files, test_load_real_data);
    tcase_add_loop_test(chorale_case, test_batch_laws, 0, 2);
    tcase_add_test(chorale_case, test_batch_transposed);
    tcase_add_test(chorale_case, test_transposition);
    tcase_add_test(chorale_case, test_batch_errors);
    tcase_add_test(chorale_case, test_synth_supports_are_disjoint);
    tcase_add_test(chorale_case, test_synth_entropy_by_enumeration);
    tcase_add_test(chorale_case, test_synth_entropy_by_draws);
    tcase_add_test(chorale_case, test_synth_draws);
    tcase_add_test(out, test_midi);
    tcase_add_test(out, test_midi_errors);
    tcase_add_loop_test(out, test_picture, 0, 5);
#ifdef HAVE_CAIRO
    tcase_add_test(out, test_picture_of_nothing);
#endif
    tcase_add_test(line, test_options_defaults);
    tcase_add_test(line, test_options_all);
    tcase_add_loop_test(line, test_options_bad, 0, ROWS(bad_options));
    tcase_add_test(line, test_options_help);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

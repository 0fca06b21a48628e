/* SPDX-License-Identifier: MIT */
/* The data of examples/dmm: reading chorales, batches of them, synthetic ones and their
 * entropy. Real data is looked for in $KILN_DATA, else $top_srcdir/../shared/data; without it
 * one case skips with a message.
 */
#include "dmm_parts.h"

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

/* Each sequence to one shard; none has as many rows more than another as its last one has. */
START_TEST(test_batch_deal)
{
    enum { SHARDS = 3, CAPACITY = 20 };
    const chorale_split *train = &data.splits[CHORALES_TRAIN];
    batch *whole = batch_new(train, CAPACITY, sizeof(float), error, sizeof error);
    batch *shard[SHARDS];
    for (int k = 0; k < SHARDS; k++)
        shard[k] = batch_new(train, CAPACITY, sizeof(float), error, sizeof error);
    for (int count = SHARDS; count <= CAPACITY; count++) {
        int indices[CAPACITY], given[64] = { 0 };
        for (int i = 0; i < count; i++)
            indices[i] = (i * 7 + count) % 40;
        ck_assert_int_eq(batch_order(whole, indices, count, error, sizeof error), 0);
        batch_deal(whole, shard, SHARDS);
        for (int k = 0; k < SHARDS; k++) {
            const batch *b = shard[k];
            int last = length_of(b, b->order[b->count - 1]);
            check_batch(b, memcpy(indices, b->order, (size_t)b->count * sizeof *indices),
                        b->count);
            for (int i = 0; i < b->count; i++)
                given[b->order[i]]++;
            for (int j = 0; j < SHARDS; j++)
                ck_assert_int_le(b->rows - last, shard[j]->rows);
        }
        for (int i = 0; i < count; i++)
            given[(i * 7 + count) % 40]--;
        for (int i = 0; i < 64; i++)
            ck_assert_int_eq(given[i], 0);
    }
    for (int k = 0; k < SHARDS; k++)
        batch_free(shard[k]);
    batch_free(whole);
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

int main(void)
{
    Suite *suite = suite_create("dmm data");
    TCase *files = add_case(suite, "files and data");
    TCase *chorale_case = add_case(suite, "chorales");

    tcase_add_test(files, test_load);
    tcase_add_loop_test(files, test_load_bad_file, 0, ROWS(bad_files));
    tcase_add_test(files, test_load_no_file);
    tcase_add_test(files, test_load_real_data);
    tcase_add_loop_test(chorale_case, test_batch_laws, 0, 2);
    tcase_add_test(chorale_case, test_batch_deal);
    tcase_add_test(chorale_case, test_batch_transposed);
    tcase_add_test(chorale_case, test_transposition);
    tcase_add_test(chorale_case, test_batch_errors);
    tcase_add_test(chorale_case, test_synth_supports_are_disjoint);
    tcase_add_test(chorale_case, test_synth_entropy_by_enumeration);
    tcase_add_test(chorale_case, test_synth_entropy_by_draws);
    tcase_add_test(chorale_case, test_synth_draws);
    return run_suite(suite);
}

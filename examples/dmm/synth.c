/* SPDX-License-Identifier: MIT */
/* The hidden Markov chain of synth.h: its tables, draws and exact entropy. */
#include "synth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHORDS = 11 };
enum { SOPRANO_LOW = 67, SOPRANO_HIGH = 79, ALTO_HIGH = 76, TENOR_HIGH = 69 }; /* MIDI */

/* A chord: the MIDI note of its bass, which no other chord has, and the pitch classes of
 * the upper voices (V7 leaves its root to the bass). Percentages of the first chord of a
 * piece and of the next chord; every row adds up to 100. */
static const struct {
    const char *name;
    int bass, classes[3], first, next[CHORDS];
} chords[CHORDS] = {
    /*                                    I  I6  ii ii6 iii  IV IV6   V  V7  V6  vi */
    { "I",   48, { 0, 4, 7 },  60,     { 25, 10,  7,  8,  3, 15,  4, 12,  3,  7,  6 } },
    { "I6",  52, { 0, 4, 7 },   5,     { 15, 15,  8, 18,  0, 25,  2, 12,  0,  5,  0 } },
    { "ii",  50, { 2, 5, 9 },   0,     {  0,  8, 15, 12,  0,  0,  0, 40, 20,  5,  0 } },
    { "ii6", 41, { 2, 5, 9 },   0,     {  0,  0,  7, 15,  0,  0,  0, 50, 25,  3,  0 } },
    { "iii", 40, { 4, 7, 11 },  0,     {  0,  0,  0,  5, 10, 40,  0,  0,  0,  0, 45 } },
    { "IV",  53, { 5, 9, 0 },  10,     { 20, 12, 10,  8,  0, 15,  8, 20,  5,  2,  0 } },
    { "IV6", 57, { 5, 9, 0 },   0,     {  0, 12,  0, 10,  0, 10, 10, 45,  5,  8,  0 } },
    { "V",   43, { 7, 11, 2 }, 15,     { 40,  5,  0,  0,  0,  2,  6, 20, 12,  3, 12 } },
    { "V7",  55, { 11, 2, 5 },  0,     { 70,  8,  0,  0,  0,  0,  0,  0, 10,  0, 12 } },
    { "V6",  47, { 7, 11, 2 },  0,     { 75,  0,  0,  0,  0,  0,  0,  5,  5, 10,  5 } },
    { "vi",  45, { 9, 0, 4 },  10,     {  0,  5, 22, 15,  6, 22,  0, 15,  0,  0, 15 } },
};

/* Weights of the nearest chord notes below, for alto and tenor, and of a tenor's rest. */
static const double alto_weights[2] = { 0.80, 0.20 };
static const double tenor_weights[3] = { 0.75, 0.20, 0.05 }; /* nearest, second, rest */

static bool in_chord(int chord, int note)
{
    const int *classes = chords[chord].classes;
    return note % 12 == classes[0] || note % 12 == classes[1] || note % 12 == classes[2];
}

/* The chord's next note below `note`, at most `highest` and above its bass, or 0. */
static int note_below(int chord, int note, int highest)
{
    for (note = note > highest ? highest : note - 1; note > chords[chord].bass; note--)
        if (in_chord(chord, note))
            return note;
    return 0;
}

static void add_voicing(synth_state *state, int alto, int tenor, double weight)
{
    slice *notes = &state->notes[state->voicings];
    slice_add(notes, chords[state->chord].bass - LOWEST_NOTE);
    slice_add(notes, state->soprano - LOWEST_NOTE);
    slice_add(notes, alto - LOWEST_NOTE);
    if (tenor)
        slice_add(notes, tenor - LOWEST_NOTE);
    state->prob[state->voicings++] = weight;
}

static void build_voicings(synth_state *state)
{
    int alto = note_below(state->chord, state->soprano, ALTO_HIGH);
    for (int a = 0; a < 2 && alto; a++) {
        int tenor = note_below(state->chord, alto, TENOR_HIGH);
        for (int i = 0; i < 2 && tenor; i++) {
            add_voicing(state, alto, tenor, alto_weights[a] * tenor_weights[i]);
            tenor = note_below(state->chord, tenor, TENOR_HIGH);
        }
        add_voicing(state, alto, 0, alto_weights[a] * tenor_weights[2]);
        alto = note_below(state->chord, alto, ALTO_HIGH);
    }
    double total = 0; /* below 1 where the bass leaves no room for some */
    for (int v = 0; v < state->voicings; v++)
        total += state->prob[v];
    for (int v = 0; v < state->voicings; v++)
        state->prob[v] /= total;
}

/* Probabilities of the next state: the chord's percentage, shared among its sopranos by
 * nearness to `soprano` (0: all alike). */
static void build_row(const synth *chain, const int percent[CHORDS], int soprano,
                      double row[SYNTH_STATES_MAX])
{
    double total[CHORDS] = { 0 };
    for (int s = 0; s < chain->count; s++) {
        double leap = soprano ? 1.0 + abs(chain->states[s].soprano - soprano) : 1.0;
        row[s] = 1 / (leap * leap);
        total[chain->states[s].chord] += row[s];
    }
    for (int s = 0; s < chain->count; s++) {
        int chord = chain->states[s].chord;
        row[s] *= percent[chord] / (100.0 * total[chord]);
    }
}

void synth_init(synth *chain)
{
    memset(chain, 0, sizeof *chain);
    for (int chord = 0; chord < CHORDS; chord++)
        for (int note = SOPRANO_LOW; note <= SOPRANO_HIGH; note++)
            if (in_chord(chord, note)) {
                synth_state *state = &chain->states[chain->count++];
                state->chord = chord;
                state->soprano = note;
                build_voicings(state);
            }
    for (int s = 0; s < chain->count; s++) {
        const synth_state *state = &chain->states[s];
        build_row(chain, chords[state->chord].next, state->soprano, chain->transition[s]);
    }
    int first[CHORDS];
    for (int chord = 0; chord < CHORDS; chord++)
        first[chord] = chords[chord].first;
    build_row(chain, first, 0, chain->initial);
}

static bool adds_to_one(const double *p, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++) {
        if (!(p[i] >= 0))
            return false;
        sum += p[i];
    }
    return fabs(sum - 1) < 1e-12;
}

static bool same_notes(const slice *a, const slice *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Is a voicing of state `a` also one of state `b`, or listed twice in one state? */
static bool share_notes(const synth_state *a, const synth_state *b)
{
    for (int v = 0; v < a->voicings; v++)
        for (int w = a == b ? v + 1 : 0; w < b->voicings; w++)
            if (same_notes(&a->notes[v], &b->notes[w]))
                return true;
    return false;
}

int synth_check(const synth *chain, char *error, size_t size)
{
    if (!adds_to_one(chain->initial, chain->count))
        return failure(error, size,
                       "synth: the initial probabilities do not add up to 1");
    for (int s = 0; s < chain->count; s++) {
        const synth_state *a = &chain->states[s];
        const char *name = chords[a->chord].name;
        if (!adds_to_one(chain->transition[s], chain->count)
            || !adds_to_one(a->prob, a->voicings))
            return failure(error, size,
                           "synth: the probabilities of state %d (%s, soprano %d) do not "
                           "add up to 1",
                           s, name, a->soprano);
        for (int v = 0; v < a->voicings; v++)
            if (a->notes[v].bits[2] >> (KEYS - 64))
                return failure(error, size,
                               "synth: state %d (%s, soprano %d) has a note above %d",
                               s, name, a->soprano, HIGHEST_NOTE);
        for (int r = s; r < chain->count; r++) {
            const synth_state *b = &chain->states[r];
            if (share_notes(a, b))
                return failure(error, size,
                               "synth: states %d (%s, soprano %d) and %d (%s, soprano "
                               "%d) share a set of notes, so the entropy formula does "
                               "not hold",
                               s, name, a->soprano, r, chords[b->chord].name, b->soprano);
        }
    }
    return 0;
}

/* splitmix64 (Steele, Lea and Flood, OOPSLA 2014). */
static uint64_t next_bits(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A stream of its own for every sequence of every split. */
static uint64_t stream(uint64_t seed, int split, int index)
{
    uint64_t random = seed;
    random = next_bits(&random) ^ (uint64_t)split;
    random = next_bits(&random) ^ (uint64_t)index;
    return next_bits(&random);
}

/* An index with probability p[index]; `count` entries that add up to 1. */
static int draw_index(uint64_t *random, const double *p, int count)
{
    double u = (double)(next_bits(random) >> 11) * 0x1p-53;
    int last = 0; /* rounding may leave u >= 0 at the end: then the last possible one */
    for (int i = 0; i < count; i++) {
        if (p[i] <= 0)
            continue;
        last = i;
        u -= p[i];
        if (u < 0)
            break;
    }
    return last;
}

static int draw_piece(const synth *chain, chorale *piece, uint64_t random)
{
    int lengths = SYNTH_LENGTH_MAX - SYNTH_LENGTH_MIN + 1;
    int length = SYNTH_LENGTH_MIN + (int)(next_bits(&random) % (uint64_t)lengths);
    if (chorale_alloc(piece, length) != 0)
        return -1;
    const double *row = chain->initial;
    for (int t = 0; t < length; t++) {
        int s = draw_index(&random, row, chain->count);
        const synth_state *state = &chain->states[s];
        piece->slices[t] =
            state->notes[draw_index(&random, state->prob, state->voicings)];
        row = chain->transition[s];
    }
    return 0;
}

int synth_draw(const synth *chain, chorales *data, const int counts[CHORALES_SPLITS],
               uint64_t seed, char *error, size_t size)
{
    *data = (chorales){ 0 };
    for (int k = 0; k < CHORALES_SPLITS; k++) {
        chorale_split *split = &data->splits[k];
        bool drawn = counts[k] > 0 && chorale_split_alloc(split, counts[k]) == 0;
        for (int i = 0; i < split->count && drawn; i++)
            drawn = draw_piece(chain, &split->pieces[i], stream(seed, k, i)) == 0;
        if (!drawn) {
            chorales_free(data);
            return failure(error, size, counts[k] < 1
                        ? "synth: split %s: %d sequences; ask for at least 1"
                        : "synth: split %s: out of memory for %d sequences",
                        chorales_split_name(k), counts[k]);
        }
    }
    return 0;
}

/* In nats, of a discrete distribution. */
static double entropy(const double *p, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    return sum;
}

/* next = m P */
static void propagate(const synth *chain, const double *m, double *next)
{
    for (int to = 0; to < chain->count; to++) {
        next[to] = 0;
        for (int from = 0; from < chain->count; from++)
            next[to] += m[from] * chain->transition[from][to];
    }
}

/* Expected visits of each state over sequences of these lengths, and expected departures
 * (visits that another step follows). */
static void count_visits(const synth *chain, const chorale_split *split,
                         double visits[SYNTH_STATES_MAX],
                         double departures[SYNTH_STATES_MAX])
{
    double m[2][SYNTH_STATES_MAX]; /* marginals of s_t and s_{t+1} */
    memcpy(m[0], chain->initial, sizeof m[0]);
    int longest = chorale_split_summary(split).longest;
    for (int t = 0; t < longest; t++) {
        int running = 0, followed = 0; /* sequences with a step t, with a step t + 1 */
        for (int i = 0; i < split->count; i++) {
            running += split->pieces[i].length > t;
            followed += split->pieces[i].length > t + 1;
        }
        const double *now = m[t % 2];
        for (int s = 0; s < chain->count; s++) {
            visits[s] += running * now[s];
            departures[s] += followed * now[s];
        }
        propagate(chain, now, m[(t + 1) % 2]);
    }
}

synth_numbers synth_measure(const synth *chain, const chorale_split *split)
{
    chorale_summary sum = chorale_split_summary(split);
    double visits[SYNTH_STATES_MAX] = { 0 }, departures[SYNTH_STATES_MAX] = { 0 };
    double keys[KEYS] = { 0 }; /* frequency of each */
    count_visits(chain, split, visits, departures);
    double total = sum.sequences * entropy(chain->initial, chain->count);
    for (int s = 0; s < chain->count; s++) {
        const synth_state *state = &chain->states[s];
        total += visits[s] * entropy(state->prob, state->voicings)
                 + departures[s] * entropy(chain->transition[s], chain->count);
        for (int v = 0; v < state->voicings; v++)
            for (int key = 0; key < KEYS; key++)
                if (slice_has(&state->notes[v], key))
                    keys[key] += visits[s] * state->prob[v] / sum.steps;
    }
    synth_numbers numbers = { .entropy = total / sum.steps };
    for (int key = 0; key < KEYS; key++)
        numbers.baseline += entropy((double[]){ keys[key], 1 - keys[key] }, 2);
    return numbers;
}

double synth_log_prob(const synth *chain, const chorale *piece)
{
    double log_prob = 0, prior[SYNTH_STATES_MAX], now[SYNTH_STATES_MAX];
    memcpy(prior, chain->initial, sizeof prior);
    for (int t = 0; t < piece->length; t++) {
        double sum = 0; /* p(x_t | x_1..x_{t-1}) */
        for (int s = 0; s < chain->count; s++) {
            const synth_state *state = &chain->states[s];
            now[s] = 0;
            for (int v = 0; v < state->voicings; v++)
                if (same_notes(&state->notes[v], &piece->slices[t]))
                    now[s] += prior[s] * state->prob[v];
            sum += now[s];
        }
        if (sum <= 0)
            return -INFINITY;
        log_prob += log(sum);
        for (int s = 0; s < chain->count; s++)
            now[s] /= sum;
        propagate(chain, now, prior);
    }
    return log_prob;
}

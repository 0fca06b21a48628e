/* SPDX-License-Identifier: MIT */
/* Four-voice chorales in C major drawn from a small hidden Markov chain whose entropy is
 * known exactly: the data of the demo, and a yardstick for the bound.
 *
 *     synth chain;
 *     synth_init(&chain);
 *     synth_draw(&chain, &data, (const int[]){ 120, 30, 30 }, seed, error, sizeof error);
 *     synth_numbers n = synth_measure(&chain, &data.splits[CHORALES_TEST]);
 *
 * Hidden state s_t = (chord, soprano note). The bass belongs to the chord; alto and tenor
 * are drawn from the chord's notes below the soprano, and the tenor may rest. Chords
 * follow the usual progressions of functional harmony in major (as charted in Kostka and
 * Payne, Tonal Harmony; the percentages are our own round numbers), the soprano prefers
 * small steps, and a chord may be held.
 *
 * Why the entropy is exact: no two states can emit the same set of notes (the lowest note
 * names the chord, the highest the soprano; synth_check proves it by enumeration). So s_t
 * is a function of x_t, and with the chain rule, for a length that is given,
 *
 *     H(x_1..x_T) = H(s_1) + sum_{t>1} H(s_t | s_{t-1}) + sum_t H(x_t | s_t),
 *
 * where the conditional entropies are averages over the marginals of s_t, which the
 * transition matrix propagates. No model's expected bound (as negative log-probability)
 * can be below it. Everything is in nats.
 */
#ifndef DMM_SYNTH_H
#define DMM_SYNTH_H

#include "data.h"

enum { SYNTH_STATES_MAX = 48, SYNTH_VOICINGS_MAX = 6 };
enum { SYNTH_LENGTH_MIN = 24, SYNTH_LENGTH_MAX = 48 };

/* One hidden state and what it emits. */
typedef struct {
    int chord;   /* index of the chord */
    int soprano; /* MIDI note */
    int voicings;
    slice notes[SYNTH_VOICINGS_MAX]; /* the different sets of notes ... */
    double prob[SYNTH_VOICINGS_MAX]; /* ... and their probabilities */
} synth_state;

typedef struct {
    int count; /* states */
    synth_state states[SYNTH_STATES_MAX];
    double initial[SYNTH_STATES_MAX];
    double transition[SYNTH_STATES_MAX][SYNTH_STATES_MAX]; /* [from][to] */
} synth;

typedef struct {
    double entropy;  /* of the process */
    double baseline; /* of independent Bernoullis with the true frequency of each key */
} synth_numbers;

/* Builds the chain: constant tables, no allocation, cannot fail. */
void synth_init(synth *chain);

/* Proves what the header claims: probabilities add up to 1, every note lies on the piano,
 * and no set of notes is emitted by two states or listed twice. -1 names the states. */
int synth_check(const synth *chain, char *error, size_t size);

/* Draws counts[k] sequences into split k (each at least 1), lengths uniform in
 * SYNTH_LENGTH_MIN..SYNTH_LENGTH_MAX. The i-th sequence of a split depends on seed, split
 * and i only. chorales_free frees. */
int synth_draw(const synth *chain, chorales *data, const int counts[CHORALES_SPLITS],
               uint64_t seed, char *error, size_t size);

/* Expected nats per time step over sequences of the lengths of `split`: O(T S^2). */
synth_numbers synth_measure(const synth *chain, const chorale_split *split);

/* Exact log-probability of one sequence in nats by the forward algorithm, -INFINITY where
 * the chain cannot give it. Summed over a split, it is the best that a model can reach on
 * that very split. O(T S^2). */
double synth_log_prob(const synth *chain, const chorale *piece);

#endif

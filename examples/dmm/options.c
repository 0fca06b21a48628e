/* SPDX-License-Identifier: MIT */
/* One table gives parsing, ranges, defaults and help; see options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "dmm.h"
#include "output.h"

typedef enum {
    KIND_TEXT, KIND_CHOICE, KIND_INT, KIND_SEED, KIND_REAL, KIND_REAL_FROM, KIND_FLAG
} kind;

/* Ranges: ints are in low..high, reals above `low` (KIND_REAL_FROM: or equal to it) and at
 * most `high`. `initial` is the default, as it would stand on the command line; NULL for
 * texts and flags (absent). */
typedef struct {
    const char *name;
    kind kind;
    size_t offset;
    const char *initial;
    double low, high;
    const char *value, *help;
} row;

#define AT(field) offsetof(options, field)

static const char *const elbos[] = {
    [ELBO_MEANFIELD] = "meanfield", [ELBO_TRACE] = "trace", [ELBO_BOTH] = "both",
};
enum { ELBOS = sizeof elbos / sizeof *elbos };

static const row table[OPTION_COUNT] = {
    [OPTION_DATA] = { "data", KIND_TEXT, AT(data), NULL, 0, 0, "FILE",
                      "chorales as JSON (without it: synthetic ones)" },
    [OPTION_ELBO] = { "elbo", KIND_CHOICE, AT(elbo), "meanfield", 0, 0, "NAME",
                      "bound to train: meanfield, trace or both" },
    [OPTION_EPOCHS] = { "epochs", KIND_INT, AT(epochs), "5000", 0, 1e6, "N",
                        "passes over the training split" },
    [OPTION_BATCH] = { "batch", KIND_INT, AT(batch), "20", 1, 1e5, "N",
                       "sequences per minibatch" },
    [OPTION_SEED] = { "seed", KIND_SEED, AT(seed), "0", 0, 0, "S",
                      "of initial weights, shuffling, draws and synthetic data" },
    [OPTION_THREADS] = { "threads", KIND_INT, AT(threads), "1", 1, PPL_MOST_THREADS, "N",
                         "threads to compute with; results do not depend on timing" },
    [OPTION_SHARDS] = { "shards", KIND_INT, AT(shards), "0", 0, MOST_SHARDS, "N",
                        "parts of a minibatch, each with its own draws; 0: one a thread" },
    [OPTION_Z_DIM] = { "z-dim", KIND_INT, AT(z_dim), "100", 1, 1e4, "N",
                       "latent dimensions per time step" },
    [OPTION_EMISSION_DIM] = { "emission-dim", KIND_INT, AT(emission_dim), "100", 1, 1e4,
                              "N", "hidden units of the emitter" },
    [OPTION_TRANSITION_DIM] = { "transition-dim", KIND_INT, AT(transition_dim), "200", 1,
                                1e4, "N", "hidden units of the gated transition" },
    [OPTION_RNN_DIM] = { "rnn-dim", KIND_INT, AT(rnn_dim), "600", 1, 1e4, "N",
                         "hidden units of the guide's RNN" },
    [OPTION_NUM_IAFS] = { "num-iafs", KIND_INT, AT(num_iafs), "0", 0, DMM_MOST_IAFS, "N",
                          "inverse autoregressive flows of the guide" },
    [OPTION_IAF_DIM] = { "iaf-dim", KIND_INT, AT(iaf_dim), "100", 1, 1e4, "N",
                         "hidden units of each flow, z-dim at least" },
    [OPTION_LR] = { "lr", KIND_REAL, AT(lr), "3e-4", 0, 1, "RATE",
                    "learning rate of ClippedAdam" },
    [OPTION_LR_DECAY] = { "lr-decay", KIND_REAL, AT(lr_decay), "0.99996", 0, 1, "FACTOR",
                          "of the learning rate, at each step" },
    [OPTION_CLIP_VALUE] = { "clip-value", KIND_REAL, AT(clip_value), "10", 0, 1e30, "G",
                            "most of a gradient's element, in nats per minibatch" },
    [OPTION_WEIGHT_DECAY] = { "weight-decay", KIND_REAL_FROM, AT(weight_decay), "2", 0, 1e6,
                              "W", "W times each parameter is added to its gradient" },
    [OPTION_ANNEAL_EPOCHS] = { "anneal-epochs", KIND_INT, AT(anneal_epochs), "1000", 0,
                               1e6, "N", "epochs until the KL weight reaches 1" },
    [OPTION_MIN_ANNEAL] = { "min-anneal", KIND_REAL, AT(min_anneal), "0.2", 0, 1,
                            "WEIGHT", "KL weight at the start" },
    [OPTION_AVERAGE_FROM] = { "average-from", KIND_INT, AT(average_from), "0", 0, 1e6, "N",
                              "epoch from which on weights are averaged, 0: never" },
    [OPTION_TRANSPOSE] = { "transpose", KIND_INT, AT(transpose), "0", 0, 12, "N",
                           "semitones up or down a training piece may move in an epoch" },
    [OPTION_DROPOUT] = { "dropout", KIND_REAL_FROM, AT(dropout), "0", 0, 0.9, "RATE",
                         "of the model's hidden units, left out at random in training" },
    [OPTION_EVAL_EVERY] = { "eval-every", KIND_INT, AT(eval_every), "50", 1, 1e6, "N",
                            "epochs between evaluations" },
    [OPTION_IS_SAMPLES] = { "is-samples", KIND_INT, AT(is_samples), "0", 0, 1e6, "S",
                            "draws of the importance-sampled NLL per sequence, 0: none" },
    [OPTION_CHECKPOINT] = { "checkpoint", KIND_TEXT, AT(checkpoint), NULL, 0, 0, "FILE",
                            "where training is saved (safetensors)" },
    [OPTION_RESUME] = { "resume", KIND_FLAG, AT(resume), NULL, 0, 0, NULL,
                        "go on from the checkpoint" },
    [OPTION_LOG] = { "log", KIND_TEXT, AT(log), NULL, 0, 0, "FILE.csv",
                     "bounds over epochs as CSV, in nats per time step" },
    [OPTION_PICTURES] = { "pictures", KIND_TEXT, AT(pictures), NULL, 0, 0, "DIR",
                          "folder for the PNG pictures" },
    [OPTION_MIDI] = { "midi", KIND_TEXT, AT(midi), NULL, 0, 0, "FILE",
                      "where the generated piece is written" },
    [OPTION_GENERATE] = { "generate", KIND_INT, AT(generate), "64", 1, 1e4, "T",
                          "length of the generated piece in time steps (quarter notes)" },
    [OPTION_QUIET] = { "quiet", KIND_FLAG, AT(quiet), NULL, 0, 0, NULL,
                       "print only the final numbers and errors" },
    [OPTION_HELP] = { "help", KIND_FLAG, AT(help), NULL, 0, 0, NULL, "print this text" },
};

/* Writes the accepted values in words, for errors and for the help. */
static const char *describe(const row *r, char *text, size_t size)
{
    switch (r->kind) {
    case KIND_INT:
        snprintf(text, size, "whole number in %.0f..%.0f", r->low, r->high);
        break;
    case KIND_SEED:
        snprintf(text, size, "whole number in 0..%llu", (unsigned long long)UINT64_MAX);
        break;
    case KIND_REAL:
        snprintf(text, size, "number above %g and at most %g", r->low, r->high);
        break;
    case KIND_REAL_FROM:
        snprintf(text, size, "number in %g..%g", r->low, r->high);
        break;
    default: /* names and texts: the help line says it */
        *text = '\0';
    }
    return text;
}

/* Strict numbers: all of the text, plain decimal notation, in range; no blanks, no sign
 * "+", no hexadecimal, no nan or inf. */
static bool plain(const char *text, const char *characters)
{
    return *text && text[strspn(text, characters)] == '\0';
}

static bool read_number(const row *r, const char *text, char *field)
{
    char *end;
    errno = 0;
    if (r->kind == KIND_REAL || r->kind == KIND_REAL_FROM) {
        double value = strtod(text, &end);
        /* An underflow (ERANGE) is no number that anyone means. */
        if (!plain(text, "0123456789.eE+-") || *text == '+' || *end || errno
            || !(value >= r->low && value <= r->high)
            || (value == r->low && r->kind == KIND_REAL))
            return false;
        memcpy(field, &value, sizeof value);
        return true;
    }
    if (!plain(text, "0123456789"))
        return false;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || (r->kind == KIND_INT
                  && !((double)value >= r->low && (double)value <= r->high)))
        return false;
    if (r->kind == KIND_INT)
        memcpy(field, &(int){ (int)value }, sizeof(int));
    else
        memcpy(field, &(uint64_t){ value }, sizeof(uint64_t));
    return true;
}

static int set_option(options *o, const row *r, const char *text, char *error,
                      size_t size)
{
    char *field = (char *)o + r->offset;
    char accepted[96];
    switch (r->kind) {
    case KIND_FLAG:
        memcpy(field, &(bool){ true }, sizeof(bool));
        return 0;
    case KIND_TEXT:
        if (!*text || strncmp(text, "--", 2) == 0)
            return failure(error, size,
                           "option --%s needs a value, found \"%s\"; write --%s %s",
                           r->name, text, r->name, r->value);
        memcpy(field, &text, sizeof text);
        return 0;
    case KIND_CHOICE:
        for (int i = 0; i < ELBOS; i++)
            if (strcmp(text, elbos[i]) == 0) {
                memcpy(field, &i, sizeof i);
                return 0;
            }
        return failure(error, size,
                       "option --%s: \"%s\" is not one of meanfield, trace, both",
                       r->name, text);
    default:
        if (read_number(r, text, field))
            return 0;
        return failure(error, size, "option --%s: \"%s\" is not a %s", r->name, text,
                    describe(r, accepted, sizeof accepted));
    }
}

static void set_defaults(options *o)
{
    memset(o, 0, sizeof *o);
    for (int i = 0; i < OPTION_COUNT; i++)
        if (table[i].initial)
            set_option(o, &table[i], table[i].initial, NULL, 0);
}

/* getopt's state is global; each parse starts afresh. */
static void restart_getopt(void)
{
    opterr = 0;
#if defined __APPLE__ || defined __FreeBSD__ || defined __OpenBSD__ || defined __NetBSD__
    optreset = 1;
    optind = 1;
#else
    optind = 0;
#endif
}

/* optopt is the character of a short option (there are none), the index of a known option
 * that was given a value and takes none, else 0. */
static int fail_unknown(const char *argument, char *error, size_t size)
{
    if (optopt >= OPTION_COUNT)
        return failure(error, size,
                       "option -%c is unknown; options begin with --, see --help",
                       optopt);
    if (optopt > 0)
        return failure(error, size, "option %s: --%s takes no value", argument,
                    table[optopt].name);
    return failure(error, size,
                   "option %s is unknown, or the beginning of several; see --help",
                   argument);
}

int options_parse(options *o, int argc, char **argv, char *error, size_t size)
{
    struct option known[OPTION_COUNT + 1] = { { 0 } };
    for (int i = 0; i < OPTION_COUNT; i++)
        known[i] = (struct option){ table[i].name, table[i].kind == KIND_FLAG
                                    ? no_argument : required_argument, NULL, i };
    set_defaults(o);
    restart_getopt();
    int index;
    while ((index = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (index == ':')
            return failure(error, size, "option %s needs a value; see --help",
                           argv[optind - 1]);
        if (index == '?')
            return fail_unknown(argv[optind - 1], error, size);
        if (set_option(o, &table[index], optarg, error, size) != 0)
            return -1;
        o->given[index] = true;
        if (o->help)
            return 0;
    }
    if (optind < argc)
        return failure(error, size,
                       "argument \"%s\" does not belong to an option; see --help",
                       argv[optind]);
    if (o->resume && !o->checkpoint)
        return failure(error, size,
                       "option --resume needs --checkpoint FILE, the file to go on from");
    return 0;
}

void options_print_help(FILE *file, const char *program)
{
    fprintf(file, "usage: %s [OPTION]...\n"
            "Trains a Deep Markov Model on four-voice chorales.\n\n", program);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const row *r = &table[i];
        char left[48], accepted[96];
        snprintf(left, sizeof left, "--%s%s%s", r->name, r->value ? " " : "",
                 r->value ? r->value : "");
        describe(r, accepted, sizeof accepted);
        fprintf(file, "  %-22s %s", left, r->help);
        if (*accepted)
            fprintf(file, "\n  %-22s %s", "", accepted);
        if (r->initial)
            fprintf(file, "%s default %s", *accepted ? "," : ";", r->initial);
        fputc('\n', file);
    }
}

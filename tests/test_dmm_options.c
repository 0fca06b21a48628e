/* SPDX-License-Identifier: MIT */
/* The command line of examples/dmm. */
#include "dmm_parts.h"

#include "options.h"

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
    ck_assert(o.threads == 1 && o.shards == 0);
    ck_assert(o.generate == 64);
    ck_assert_double_eq(o.lr, 3e-4);
    ck_assert(o.lr_decay == 0.99996 && o.clip_value == 10 && o.weight_decay == 2);
    ck_assert_double_eq(o.min_anneal, 0.2);
    ck_assert(o.average_from == 0 && o.transpose == 0 && o.dropout == 0);
    for (int i = 0; i < OPTION_COUNT; i++)
        ck_assert(!o.given[i]);
}
END_TEST

START_TEST(test_options_all)
{
    options o;
    static const char line[] = "--data a.json --elbo both --epochs 0 --batch=7 --seed "
                               "18446744073709551615 --threads 9 --shards 3 --z-dim 1 "
                               "--emission-dim 2 --transition-dim 3 --rnn-dim 4 --num-iafs 5 "
                               "--iaf-dim 6 --lr 1E-3 --lr-decay 1 --clip-value 20 "
                               "--weight-decay 0 --anneal-epochs 0 --min-anneal 1 "
                               "--average-from 9 --transpose 4 --dropout 0.25 --eval-every 5 "
                               "--is-samples 6 --checkpoint c --resume --log l.csv "
                               "--pictures p --midi m.mid --generate 8 --quiet";
    ck_assert_msg(parse(&o, line) == 0, "%s", error);
    ck_assert_str_eq(o.data, "a.json");
    ck_assert_str_eq(o.checkpoint, "c");
    ck_assert_str_eq(o.log, "l.csv");
    ck_assert_str_eq(o.pictures, "p");
    ck_assert_str_eq(o.midi, "m.mid");
    ck_assert(o.elbo == ELBO_BOTH && o.epochs == 0 && o.batch == 7);
    ck_assert(o.seed == UINT64_MAX && o.threads == 9 && o.shards == 3);
    ck_assert(o.z_dim == 1 && o.emission_dim == 2);
    ck_assert(o.transition_dim == 3 && o.rnn_dim == 4 && o.anneal_epochs == 0);
    ck_assert(o.num_iafs == 5 && o.iaf_dim == 6);
    ck_assert(o.eval_every == 5 && o.is_samples == 6 && o.generate == 8);
    ck_assert(o.resume && o.quiet && !o.help);
    ck_assert_double_eq(o.lr, 1e-3);
    ck_assert(o.lr_decay == 1 && o.clip_value == 20 && o.weight_decay == 0);
    ck_assert_double_eq(o.min_anneal, 1);
    ck_assert(o.average_from == 9 && o.transpose == 4 && o.dropout == 0.25);
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
    { "--shards 65", "option --shards: \"65\" is not a whole number in 0..64" },
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
        "num-iafs",   "iaf-dim",       "lr-decay",   "clip-value",   "average-from",
        "transpose",  "dropout",       "shards",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char start[32];
        snprintf(start, sizeof start, "\n  --%s ", names[i]);
        ck_assert_msg(strstr(text, start) != NULL, "not in the help: %s", names[i]);
    }
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dmm options");
    TCase *line = add_case(suite, "options");

    tcase_add_test(line, test_options_defaults);
    tcase_add_test(line, test_options_all);
    tcase_add_loop_test(line, test_options_bad, 0, ROWS(bad_options));
    tcase_add_test(line, test_options_help);
    return run_suite(suite);
}

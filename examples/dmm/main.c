/* SPDX-License-Identifier: MIT */
/* dmm - trains a Deep Markov Model on chorales and shows what it has learnt.
 *
 *     examples/dmm/dmm --data jsb-chorales-quarter.json --epochs 200
 *
 * Without --data it draws four-voice chorales from a hidden Markov chain whose entropy it
 * knows exactly, so the bound can be judged. --help lists the options. Exit status: 0; 1
 * for an error; 2 for a wrong command line; 130 when interrupted, after saving.
 */
#include "analyse.h"
#include "midi.h"
#include "pictures.h"
#include "synth.h"
#include "train.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* One or two trainers side by side, and what they train on. */
typedef struct {
    options o;
    chorales data;
    int synthetic;
    synth_numbers chain;        /* of the synthetic test split */
    trainer *trainer[2];
    int trainers;
    double last_save;
    char error[2 * ERROR_SIZE];
} program;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* FILE.ext, or FILE-trace.ext where two trainers write a file each. */
static const char *own_path(const program *p, const trainer *t, const char *path,
                            char *buffer, size_t size)
{
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    int stem;

    if (p->trainers == 1)
        return path;
    if (dot == NULL || (slash != NULL && dot < slash))
        dot = path + strlen(path);
    stem = (int)(dot - path);
    snprintf(buffer, size, "%.*s-%s%s", stem, path, elbo_text(t->choice), dot);
    return buffer;
}

/* ---- Data -------------------------------------------------------------------------- */

static int get_data(program *p)
{
    static const int counts[CHORALES_SPLITS] = { 120, 30, 30 };
    synth chain;

    if (p->o.data != NULL)
        return chorales_load(&p->data, p->o.data, p->error, sizeof p->error);
    synth_init(&chain);
    p->synthetic = 1;
    if (synth_draw(&chain, &p->data, counts, p->o.seed, p->error, sizeof p->error) != 0)
        return -1;
    p->chain = synth_measure(&chain, &p->data.splits[CHORALES_TEST]);
    return 0;
}

static void print_data(const program *p)
{
    printf("data: %s\n", p->synthetic ? "synthetic four-voice chorales" : p->o.data);
    for (int k = 0; k < CHORALES_SPLITS; k++) {
        chorale_summary s = chorale_split_summary(&p->data.splits[k]);

        printf("  %-5s %4d sequences, %6d time steps, longest %d\n", chorales_split_name(k),
               s.sequences, s.steps, s.longest);
    }
    if (p->synthetic)
        printf("  the chain's exact entropy: %.4f nats per step; independent notes: %.4f\n",
               p->chain.entropy, p->chain.baseline);
}

/* ---- Progress ---------------------------------------------------------------------- */

/* The newest row of a log; a trainer that was resumed ahead of the other may have none. */
static log_row latest(const trainer *t)
{
    static const log_row none = { 0, 0, 0, NAN, NAN, NAN, NAN };

    return t->rows > 0 ? t->log[t->rows - 1] : none;
}

/* The trainer that has moved in every epoch of this run. */
static const trainer *last_trainer(const program *p)
{
    return p->trainer[p->trainers - 1];
}

/* The line of one evaluation, kept. */
static void print_evaluation(const program *p)
{
    for (int i = 0; i < p->trainers; i++) {
        log_row row = latest(p->trainer[i]);

        printf("  %s train %.3f valid %.3f test %.3f", elbo_text(p->trainer[i]->choice),
               row.train_bound, row.valid_bound, row.test_bound);
    }
}

/* On a terminal a line within 80 columns that is rewritten after each epoch; elsewhere a
 * line for each evaluation. */
static void print_progress(const program *p, double started, int first_epoch)
{
    const trainer *t = last_trainer(p);
    log_row row = latest(t);
    int terminal = isatty(STDOUT_FILENO), evaluated = !isnan(row.valid_bound);
    double each = (now() - started) / (t->epoch - first_epoch);
    int left = (int)(each * (p->o.epochs - t->epoch) + 0.5);

    if (p->o.quiet || (!terminal && !evaluated))
        return;
    printf("%sepoch %d/%d  KL weight %.2f", terminal ? "\r\033[K" : "", row.epoch,
           p->o.epochs, row.kl_weight);
    if (evaluated)
        print_evaluation(p);
    for (int i = 0; i < p->trainers && !evaluated; i++)
        printf("  %.3f", latest(p->trainer[i]).train_bound);
    printf(" nats/step  %.2f s/epoch, %d:%02d left%s", each, left / 60, left % 60,
           evaluated ? "\n" : "");
    fflush(stdout);
}

/* ---- Training ---------------------------------------------------------------------- */

static int start(program *p)
{
    elbo_choice choice = (elbo_choice)p->o.elbo;
    char path[ERROR_SIZE];

    p->trainers = choice == ELBO_BOTH ? 2 : 1;
    for (int i = 0; i < p->trainers; i++) {
        trainer *t = trainer_new(&p->o, &p->data,
                                 choice != ELBO_BOTH ? choice
                                 : i == 0            ? ELBO_MEANFIELD
                                                     : ELBO_TRACE,
                                 p->error, sizeof p->error);

        p->trainer[i] = t;
        if (t == NULL)
            return -1;
        if (p->o.resume &&
            trainer_resume(t, own_path(p, t, p->o.checkpoint, path, sizeof path), p->error,
                           sizeof p->error) != 0)
            return -1;
        if (p->o.resume && p->o.log != NULL &&
            trainer_read_log(t, own_path(p, t, p->o.log, path, sizeof path), p->error,
                             sizeof p->error) != 0)
            return -1;
    }
    return 0;
}

static int save(program *p)
{
    char path[ERROR_SIZE];

    for (int i = 0; i < p->trainers; i++) {
        trainer *t = p->trainer[i];

        /* The log first: rows beyond the checkpoint are dropped on resuming, and rows that
         * are missing before it are lost. */
        if (p->o.log != NULL &&
            trainer_write_log(t, own_path(p, t, p->o.log, path, sizeof path), p->error,
                              sizeof p->error) != 0)
            return -1;
        if (p->o.checkpoint != NULL &&
            trainer_save(t, own_path(p, t, p->o.checkpoint, path, sizeof path), p->error,
                         sizeof p->error) != 0)
            return -1;
    }
    p->last_save = now();
    return 0;
}

/* Each trainer one epoch on, evaluated when due; 1 when interrupted, -1 on error. */
static int one_epoch(program *p)
{
    int target = last_trainer(p)->epoch + 1;
    int due = target % p->o.eval_every == 0 || target == p->o.epochs;

    for (int i = 0; i < p->trainers; i++) {
        trainer *t = p->trainer[i];
        int status = t->epoch < target
                         ? trainer_epoch(t, &interrupted, p->error, sizeof p->error)
                         : 0;

        if (status != 0)
            return status;
        if (due && trainer_evaluate(t, p->error, sizeof p->error) != 0)
            return -1;
    }
    return 0;
}

/* Saves after each evaluation and every ten seconds. 0 when all epochs are done, 1 when
 * interrupted, -1 on error. */
static int train(program *p)
{
    int first = last_trainer(p)->epoch, status = 0;
    double started = now();

    p->last_save = started;
    while (last_trainer(p)->epoch < p->o.epochs && status == 0) {
        status = one_epoch(p);
        if (status == 0)
            print_progress(p, started, first);
        if (status == 0 && (now() - p->last_save > 10 ||
                            !isnan(latest(last_trainer(p)).valid_bound)))
            status = save(p);
    }
    if (status >= 0 && save(p) != 0)
        return -1;
    return status;
}

/* ---- Results ----------------------------------------------------------------------- */

static int print_ledger(program *p, trainer *t)
{
    double bound;

    ppl_ledger_reset(t->evaluation_elbo);
    if (trainer_bound(t, CHORALES_TEST, &bound, p->error, sizeof p->error) != 0)
        return -1;
    printf("\nledger of %s on the test split (nats per minibatch of up to %d sequences):\n",
           elbo_text(t->choice), p->o.batch);
    if (ppl_ledger_write(t->evaluation_elbo, stdout) != PPL_OK)
        return failure(p->error, sizeof p->error, "%s", ppl_error_text(t->ctx));
    return 0;
}

static int print_numbers(program *p, trainer *t)
{
    const log_row *row = t->rows > 0 ? &t->log[t->rows - 1] : NULL;
    int64_t count = 0;
    double nll;

    for (int i = 0; i < ppl_param_count(t->ctx); i++)
        count += ppl_param_at(t->ctx, i)->count;
    if (t->averaged > 0)
        count /= 2;             /* with each its mean */
    printf("\n%s: %d epochs in %.1f s, %lld parameters\n", elbo_text(t->choice), t->epoch,
           t->seconds, (long long)count);
    if (t->averaged > 0)
        printf("  valid and test are of the mean of the weights after the last %d epochs\n",
               t->averaged);
    if (row != NULL)
        printf("  bound in nats per step: train %.4f, valid %.4f, test %.4f\n",
               row->train_bound, row->valid_bound, row->test_bound);
    if (p->o.is_samples > 0) {
        if (importance_nll(t, CHORALES_TEST, p->o.is_samples, &nll, p->error,
                           sizeof p->error) != 0)
            return -1;
        printf("  importance-sampled NLL of the test split, %d draws: %.4f nats per step\n",
               p->o.is_samples, nll);
    }
    if (p->synthetic)
        printf("  exact entropy of the chain: %.4f nats per step\n", p->chain.entropy);
    return 0;
}

static int print_comparison(program *p)
{
    const trainer *a = p->trainer[0], *b = p->trainer[1];
    group_variance groups[GROUPS_MAX];
    int count;

    if (a->rows == 0 || b->rows == 0)
        return 0;
    if (gradient_variance(p->trainer[0], groups, &count, p->error, sizeof p->error) != 0)
        return -1;
    printf("\n%-34s %12s %12s\n", "comparison", "meanfield", "trace");
    printf("%-34s %12.4f %12.4f\n", "valid bound, nats per step",
           a->log[a->rows - 1].valid_bound, b->log[b->rows - 1].valid_bound);
    printf("%-34s %12.4f %12.4f\n", "test bound, nats per step",
           a->log[a->rows - 1].test_bound, b->log[b->rows - 1].test_bound);
    printf("%-34s %12.2f %12.2f\n", "milliseconds per step",
           1e3 * a->seconds / ((double)a->epoch * a->minibatches),
           1e3 * b->seconds / ((double)b->epoch * b->minibatches));
    printf("gradient variance at meanfield's weights, one minibatch, %d draws:\n",
           VARIANCE_DRAWS);
    for (int g = 0; g < count; g++)
        printf("  %-24s %7lld %12.5g %12.5g\n", groups[g].name, (long long)groups[g].count,
               groups[g].meanfield, groups[g].trace);
    return 0;
}

/* ---- Pictures ---------------------------------------------------------------------- */

static void picture_path(const program *p, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", p->o.pictures, name);
}

/* Says where a file is once it is there; passes the status on. */
static int told(int status, const char *what, const char *path)
{
    if (status == 0)
        printf("%s: %s\n", what, path);
    return status;
}

/* What a curve shows of a row: train, valid or test. */
static double part_of(const log_row *r, int part)
{
    return part == 0 ? r->train_bound : part == 1 ? r->valid_bound : r->test_bound;
}

/* The measured points of one part into x and y; returns how many. */
static int measured_points(const trainer *t, int part, double *x, double *y)
{
    int count = 0;

    for (int r = 0; r < t->rows; r++)
        if (isfinite(part_of(&t->log[r], part))) {
            x[count] = t->log[r].epoch;
            y[count++] = part_of(&t->log[r], part);
        }
    return count;
}

static int draw_bounds(program *p)
{
    static const char *const part[] = { "train", "valid", "test" };
    size_t room = (size_t)p->o.epochs;
    double *points = calloc(12 * room + 1, sizeof *points);
    char label[6][32], path[ERROR_SIZE];
    level entropy = { "exact entropy", p->synthetic ? p->chain.entropy : NAN };
    curve curves[6];
    int count = 0, status;

    if (points == NULL)
        return failure(p->error, sizeof p->error, "out of memory");
    for (int i = 0; i < p->trainers; i++)
        for (int k = 0; k < 3; k++, count++) {
            double *x = points + 2 * room * (size_t)count, *y = x + room;
            int measured = measured_points(p->trainer[i], k, x, y);

            snprintf(label[count], sizeof label[count], "%s, %s", part[k],
                     elbo_text(p->trainer[i]->choice));
            curves[count] = (curve){ label[count], x, y, measured, k, i > 0 };
        }
    picture_path(p, "bound.png", path, sizeof path);
    status = picture_bounds(path, "Deep Markov Model: bound over epochs", curves, count,
                            &entropy, 1, p->error, sizeof p->error);
    free(points);
    return told(status, "picture", path);
}

static int draw_piece(program *p, const chorale *generated)
{
    trainer *t = p->trainer[0];
    const chorale *original = &p->data.splits[CHORALES_TEST].pieces[0];
    char path[ERROR_SIZE];
    piece_terms terms;
    roll rolls[3];
    int status;

    if (analyse_piece(t, CHORALES_TEST, 0, &terms, p->error, sizeof p->error) != 0)
        return -1;
    rolls[0] = (roll){ "test piece", original->slices, NULL, original->length };
    rolls[1] = (roll){ "reconstruction", NULL, terms.probability, terms.length };
    rolls[2] = (roll){ "generated piece", generated->slices, NULL, generated->length };
    picture_path(p, "rolls.png", path, sizeof path);
    status = picture_rolls(path, "Deep Markov Model: piano rolls", rolls, 3, p->error,
                           sizeof p->error);
    told(status, "picture", path);
    if (status == 0) {
        picture_path(p, "steps.png", path, sizeof path);
        status = picture_steps(path, "Deep Markov Model: the free energy of one test piece",
                               terms.kl, terms.reconstruction, terms.length, p->error,
                               sizeof p->error);
        told(status, "picture", path);
    }
    piece_terms_free(&terms);
    return status;
}

/* The ledgers of both ELBOs at the first trainer's weights. A variance that is 0 (of a KL of
 * what no draw comes before) has no place on a logarithmic axis. */
static int draw_ledger(program *p)
{
    curve mean[SITES_MAX], variance[SITES_MAX];
    char title[96], path[ERROR_SIZE];
    piece_ledger ledger;
    int status;

    if (analyse_ledger(p->trainer[0], CHORALES_TEST, 0, &ledger, p->error,
                       sizeof p->error) != 0)
        return -1;
    for (int i = 0; i < ledger.count; i++) {
        site_terms *s = &ledger.sites[i];

        for (int k = 0; k < ledger.length; k++)
            s->variance[k] = s->variance[k] > 0 ? s->variance[k] : NAN;
        mean[i] = (curve){ s->label, NULL, s->mean, ledger.length, i, false };
        variance[i] = (curve){ s->label, NULL, s->variance, ledger.length, i, false };
    }
    snprintf(title, sizeof title, "Deep Markov Model: the ledger of one test piece, %d draws",
             LEDGER_DRAWS);
    picture_path(p, "ledger.png", path, sizeof path);
    status = picture_ledger(path, title, mean, variance, ledger.count, p->error,
                            sizeof p->error);
    piece_ledger_free(&ledger);
    return told(status, "picture", path);
}

static int draw_pictures(program *p, const chorale *generated)
{
    if (mkdir(p->o.pictures, 0777) != 0 && errno != EEXIST)
        return failure(p->error, sizeof p->error, "--pictures %s: %s", p->o.pictures,
                       strerror(errno));
    if (p->trainer[0]->rows > 0 && draw_bounds(p) != 0)
        return -1;
    if (draw_piece(p, generated) != 0)
        return -1;
    return draw_ledger(p);
}

static int show_piece(program *p)
{
    chorale generated = { 0, NULL };
    int status = 0;

    if (p->o.pictures == NULL && p->o.midi == NULL)
        return 0;
    if (generate_piece(p->trainer[0], p->o.generate, &generated, p->error,
                       sizeof p->error) != 0)
        status = -1;
    if (status == 0 && p->o.pictures != NULL)
        status = draw_pictures(p, &generated);
    if (status == 0 && p->o.midi != NULL)
        status = told(midi_write(p->o.midi, &generated, 100, MIDI_CHURCH_ORGAN, p->error,
                                 sizeof p->error),
                      "MIDI", p->o.midi);
    free(generated.slices);
    return status;
}

static int results(program *p)
{
    for (int i = 0; i < p->trainers; i++)
        if (trainer_use_average(p->trainer[i], p->error, sizeof p->error) != 0 ||
            (!p->o.quiet && print_ledger(p, p->trainer[i]) != 0) ||
            print_numbers(p, p->trainer[i]) != 0)
            return -1;
    if (p->trainers == 2 && print_comparison(p) != 0)
        return -1;
    return show_piece(p);
}

/* ---- The program ------------------------------------------------------------------- */

static int run(program *p)
{
    int status;

    if (get_data(p) != 0)
        return -1;
    if (!p->o.quiet)
        print_data(p);
    if (start(p) != 0)
        return -1;
    status = train(p);
    if (status == 1)
        printf("\ninterrupted after %d epochs%s%s\n", p->trainer[0]->epoch,
               p->o.checkpoint != NULL ? "; --resume goes on from " : "",
               p->o.checkpoint != NULL ? p->o.checkpoint : "");
    return status == 0 ? results(p) : status;
}

int main(int argc, char **argv)
{
    struct sigaction action;
    program p;
    int status;

    memset(&p, 0, sizeof p);
    if (options_parse(&p.o, argc, argv, p.error, sizeof p.error) != 0) {
        fprintf(stderr, "dmm: %s\n", p.error);
        return 2;
    }
    if (p.o.help) {
        options_print_help(stdout, "dmm");
        return 0;
    }
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, NULL);
    status = run(&p);
    if (status < 0)
        fprintf(stderr, "dmm: %s\n", p.error);
    for (int i = 0; i < p.trainers; i++)
        trainer_free(p.trainer[i]);
    chorales_free(&p.data);
    if (fflush(stdout) != 0 && status >= 0) {
        fprintf(stderr, "dmm: standard output: %s\n", strerror(errno));
        status = -1;
    }
    return status < 0 ? 1 : status == 1 ? 130 : 0;
}

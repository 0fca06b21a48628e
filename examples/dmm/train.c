/* SPDX-License-Identifier: MIT */
/* The training loop of the DMM example, its checkpoints and its log. Protocol and
 * constants: Pyro's examples/dmm.py 1.9.1. */
#include "train.h"

#include "average.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Evaluation draws are keyed far away from those of training. */
static const uint64_t EVALUATION_STEPS = (uint64_t)1 << 48;

const char *elbo_text(elbo_choice choice)
{
    static const char *const text[] = { "meanfield", "trace", "both" };

    return text[choice];
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What the context has to say, as the caller's error. */
static int context_failure(const trainer *t, char *error, size_t size)
{
    return failure(error, size, "%s", ppl_error_text(t->ctx));
}

/* ---- Making ------------------------------------------------------------------------ */

static int make_inference(trainer *t)
{
    const options *o = t->options;
    ppl_optim *optim = ppl_clipped_adam(
        t->ctx, &(ppl_optim_opts){ .lr = o->lr, .beta1 = 0.96, .beta2 = 0.999,
                                   .clip_value = o->clip_value, .lr_decay = o->lr_decay,
                                   .weight_decay = o->weight_decay });
    ppl_elbo *(*make)(ppl_ctx *, const ppl_elbo_opts *) =
        t->choice == ELBO_TRACE ? ppl_trace_elbo : ppl_trace_mean_field_elbo;

    t->elbo = make(t->ctx, NULL);
    t->evaluation_elbo = make(t->ctx, NULL);
    t->svi = ppl_svi_new(t->ctx, dmm_model, dmm_guide, t->elbo, optim);
    if (t->svi == NULL)
        return -1;
    t->evaluation = ppl_svi_new(t->ctx, dmm_model, dmm_guide, t->evaluation_elbo, optim);
    return t->evaluation != NULL ? 0 : -1;
}

/* A minibatch of fewer sequences than shards has a shard for each. */
static int make_shards(trainer *t, char *error, size_t size)
{
    for (int i = 0; t->shards > 1 && i < t->shards; i++) {
        t->shard[i] = batch_new(t->batch->split, t->batch->capacity, sizeof(float), error,
                                size);
        if (t->shard[i] == NULL)
            return -1;
        t->shard[i]->semitones = t->semitones;
    }
    return 0;
}

trainer *trainer_new(const options *o, const chorales *data, elbo_choice choice,
                     char *error, size_t size)
{
    const chorale_split *split = &data->splits[CHORALES_TRAIN];
    trainer *t = calloc(1, sizeof *t);

    if (t == NULL) {
        failure(error, size, "out of memory");
        return NULL;
    }
    t->options = o;
    t->data = data;
    t->choice = choice;
    t->dims = (dmm_dims){ KEYS,       o->z_dim,    o->emission_dim, o->transition_dim,
                          o->rnn_dim, o->num_iafs, o->iaf_dim };
    t->minibatches = (split->count + o->batch - 1) / o->batch;
    t->shards = o->shards > 0 ? o->shards : o->threads;
    t->order = calloc((size_t)split->count, sizeof *t->order);
    t->semitones = calloc((size_t)split->count, sizeof *t->semitones);
    t->log = calloc((size_t)o->epochs + 1, sizeof *t->log);
    t->ctx = ppl_ctx_new(&(ppl_ctx_opts){ .seed = o->seed, .threads = o->threads });
    t->batch = batch_new(split, o->batch < split->count ? o->batch : split->count,
                         sizeof(float), error, size);
    if (t->batch == NULL || make_shards(t, error, size) != 0) {
        trainer_free(t);
        return NULL;
    }
    t->batch->semitones = t->semitones;
    if (t->order == NULL || t->semitones == NULL || t->log == NULL || t->ctx == NULL ||
        make_inference(t) != 0) {
        if (t->ctx == NULL || ppl_error(t->ctx) == PPL_OK)
            failure(error, size, "out of memory");
        else
            context_failure(t, error, size);
        trainer_free(t);
        return NULL;
    }
    return t;
}

void trainer_free(trainer *t)
{
    if (t == NULL)
        return;
    ppl_svi_free(t->svi);
    ppl_svi_free(t->evaluation);
    ppl_ctx_free(t->ctx);
    batch_free(t->batch);
    for (int i = 0; i < MOST_SHARDS; i++)
        batch_free(t->shard[i]);
    free(t->order);
    free(t->semitones);
    free(t->log);
    free(t);
}

/* ---- Training ---------------------------------------------------------------------- */

/* Attempts of the draws that are keyed by seed, epoch and sequence. */
enum { SHUFFLING, TRANSPOSING };

static ppl_rng epoch_rng(const trainer *t)
{
    uint64_t seed = t->options->seed;

    return (ppl_rng){ { (uint32_t)seed, (uint32_t)(seed >> 32) } };
}

/* A random order of the training sequences, a function of seed and epoch. */
static void shuffle(trainer *t)
{
    ppl_rng rng = epoch_rng(t);
    int n = t->data->splits[CHORALES_TRAIN].count;

    for (int i = 0; i < n; i++)
        t->order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        double u = ppl_rng_uniform(&rng, (uint32_t)t->epoch, (uint64_t)i, SHUFFLING);
        int other = (int)(u * (i + 1)), taken = t->order[i];

        t->order[i] = t->order[other];
        t->order[other] = taken;
    }
}

/* Each training sequence into a random key, a function of seed and epoch. */
static void transpose(trainer *t)
{
    const chorale_split *split = &t->data->splits[CHORALES_TRAIN];
    const int most = t->options->transpose;
    ppl_rng rng = epoch_rng(t);

    for (int i = 0; most > 0 && i < split->count; i++) {
        double u = ppl_rng_uniform(&rng, (uint32_t)t->epoch, (uint64_t)i, TRANSPOSING);

        t->semitones[i] = chorale_transposition(&split->pieces[i],
                                                (int)(u * (2 * most + 1)) - most);
    }
}

static double kl_weight(const trainer *t)
{
    const options *o = t->options;
    double step = (double)t->minibatch + 1 + (double)t->epoch * t->minibatches;

    if (t->epoch >= o->anneal_epochs)
        return 1;
    return o->min_anneal +
           (1 - o->min_anneal) * step / ((double)o->anneal_epochs * t->minibatches);
}

dmm_batch trainer_view(const trainer *t, const batch *b, double weight)
{
    return (dmm_batch){ .dims = t->dims, .steps = b->longest, .active = b->active,
                        .offset = b->offset, .rows = b->rows, .x = b->x,
                        .kl_weight = weight };
}

/* A step on the minibatch, whole and filled in or to be dealt out. */
static ppl_status step(trainer *t, int shards, double *loss)
{
    dmm_batch view[MOST_SHARDS];
    const void *arg[MOST_SHARDS];

    if (shards > 1)
        batch_deal(t->batch, t->shard, shards);
    for (int i = 0; i < shards; i++) {
        view[i] = trainer_view(t, shards > 1 ? t->shard[i] : t->batch, kl_weight(t));
        view[i].dropout = t->options->dropout;
        arg[i] = &view[i];
    }
    return ppl_svi_step_shards(t->svi, arg, shards, loss);
}

static int train_minibatch(trainer *t, char *error, size_t size)
{
    int n = t->data->splits[CHORALES_TRAIN].count, first = t->minibatch * t->options->batch;
    int count = n - first < t->options->batch ? n - first : t->options->batch;
    const int shards = t->shards < count ? t->shards : count;
    double loss, start = now();

    if ((shards > 1 ? batch_order : batch_fill)(t->batch, t->order + first, count, error,
                                                size) != 0)
        return -1;
    if (step(t, shards, &loss) != PPL_OK)
        return context_failure(t, error, size);
    t->loss_sum += loss;
    t->norm_sum += ppl_grad_norm(t->ctx);
    t->minibatch++;
    t->seconds += now() - start;
    return 0;
}

static void end_epoch(trainer *t)
{
    double steps = chorale_split_summary(&t->data->splits[CHORALES_TRAIN]).steps;
    log_row *row = &t->log[t->rows++];

    t->minibatch--;
    row->kl_weight = kl_weight(t);
    row->epoch = ++t->epoch;
    row->seconds = t->seconds;
    row->train_bound = t->loss_sum / steps;
    row->valid_bound = row->test_bound = NAN;
    row->grad_norm = t->norm_sum / t->minibatches;
    t->minibatch = 0;
    t->loss_sum = t->norm_sum = 0;
}

static int add_to_average(trainer *t, char *error, size_t size)
{
    const int from = t->options->average_from;

    if (from == 0 || t->epoch < from)
        return 0;
    if (average_add(t->ctx, ++t->averaged) != PPL_OK)
        return context_failure(t, error, size);
    return 0;
}

int trainer_epoch(trainer *t, const volatile sig_atomic_t *stop, char *error, size_t size)
{
    shuffle(t);
    transpose(t);
    while (t->minibatch < t->minibatches) {
        if (*stop)
            return 1;
        if (train_minibatch(t, error, size) != 0)
            return -1;
    }
    end_epoch(t);
    return add_to_average(t, error, size);
}

/* ---- Evaluation -------------------------------------------------------------------- */

/* Exchanges weights and mean, where there is one. */
static int swap_average(trainer *t, char *error, size_t size)
{
    if (t->averaged > 0 && average_swap(t->ctx) != PPL_OK)
        return context_failure(t, error, size);
    return 0;
}

int trainer_use_average(trainer *t, char *error, size_t size)
{
    t->shows_average = 1;
    return swap_average(t, error, size);
}

/* Of the weights that are in place. */
static int bound_of(trainer *t, int split, double *bound, char *error, size_t size)
{
    const chorale_split *s = &t->data->splits[split];
    int capacity = s->count < t->options->batch ? s->count : t->options->batch;
    batch *b = batch_new(s, capacity, sizeof(float), error, size);
    int *index = calloc((size_t)capacity, sizeof *index), status = -1;
    double sum = 0;
    uint64_t seed, step;

    if (b == NULL || index == NULL) {
        batch_free(b);
        free(index);
        return b == NULL ? -1 : failure(error, size, "out of memory");
    }
    ppl_rng_state(t->ctx, &seed, &step);
    ppl_set_rng_state(t->ctx, seed, EVALUATION_STEPS + ((uint64_t)t->epoch << 20) +
                                        ((uint64_t)split << 16));
    for (int first = 0; first < s->count; first += capacity) {
        int count = s->count - first < capacity ? s->count - first : capacity;
        dmm_batch view;
        double loss;

        for (int i = 0; i < count; i++)
            index[i] = first + i;
        if (batch_fill(b, index, count, error, size) != 0)
            goto done;
        view = trainer_view(t, b, 1);
        if (ppl_svi_evaluate(t->evaluation, &view, &loss) != PPL_OK) {
            context_failure(t, error, size);
            goto done;
        }
        sum += loss;
    }
    *bound = sum / chorale_split_summary(s).steps;
    status = 0;
done:
    ppl_set_rng_state(t->ctx, seed, step);
    batch_free(b);
    free(index);
    return status;
}

int trainer_bound(trainer *t, int split, double *bound, char *error, size_t size)
{
    int status;

    if (t->shows_average)
        return bound_of(t, split, bound, error, size);
    if (swap_average(t, error, size) != 0)
        return -1;
    status = bound_of(t, split, bound, error, size);
    return status == 0 ? swap_average(t, error, size) : status;
}

int trainer_evaluate(trainer *t, char *error, size_t size)
{
    log_row *row;

    if (t->rows == 0)
        return 0;
    row = &t->log[t->rows - 1];
    if (trainer_bound(t, CHORALES_VALID, &row->valid_bound, error, size) != 0)
        return -1;
    return trainer_bound(t, CHORALES_TEST, &row->test_bound, error, size);
}

/* ---- Checkpoints ------------------------------------------------------------------- */

enum { TEXTS = 26, TEXT_SIZE = 40 };

/* What a checkpoint says beside the parameters: first what must agree with the options on
 * resuming (named as them), then where training stands. */
typedef struct {
    char value[TEXTS][TEXT_SIZE];
} texts;

static const char *const text_key[TEXTS] = {
    "elbo", "batch", "seed", "z-dim", "emission-dim", "transition-dim", "rnn-dim",
    "num-iafs", "iaf-dim", "anneal-epochs", "transpose", "shards", "lr", "lr-decay",
    "clip-value", "weight-decay", "min-anneal", "dropout", "train sequences", "train steps",
    "epoch", "minibatch", "loss_sum", "norm_sum", "seconds", "averaged"
};
enum { INTEGERS = 9, REALS = 6, FIRST_INTEGER = 3, FIRST_REAL = FIRST_INTEGER + INTEGERS,
       TRAINED_ON = FIRST_REAL + REALS, POSITION = TRAINED_ON + 2 };

static void set_text(texts *all, int i, const char *format, ...) OUTPUT_PRINTF(3, 4);

static void set_text(texts *all, int i, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(all->value[i], TEXT_SIZE, format, args);
    va_end(args);
}

static texts describe(const trainer *t)
{
    const options *o = t->options;
    chorale_summary train = chorale_split_summary(&t->data->splits[CHORALES_TRAIN]);
    const int integers[INTEGERS] = { o->z_dim,   o->emission_dim, o->transition_dim,
                             o->rnn_dim, o->num_iafs,     o->iaf_dim,
                             o->anneal_epochs, o->transpose, t->shards };
    const double reals[REALS] = { o->lr, o->lr_decay, o->clip_value, o->weight_decay,
                             o->min_anneal, o->dropout };
    texts all;

    set_text(&all, 0, "%s", elbo_text(t->choice));
    set_text(&all, 1, "%d", o->batch);
    set_text(&all, 2, "%llu", (unsigned long long)o->seed);
    for (int i = 0; i < INTEGERS; i++)
        set_text(&all, FIRST_INTEGER + i, "%d", integers[i]);
    for (int i = 0; i < REALS; i++)
        set_text(&all, FIRST_REAL + i, "%.17g", reals[i]);
    set_text(&all, TRAINED_ON, "%d", train.sequences);
    set_text(&all, TRAINED_ON + 1, "%d", train.steps);
    set_text(&all, POSITION, "%d", t->epoch);
    set_text(&all, POSITION + 1, "%d", t->minibatch);
    set_text(&all, POSITION + 2, "%a", t->loss_sum);
    set_text(&all, POSITION + 3, "%a", t->norm_sum);
    set_text(&all, POSITION + 4, "%a", t->seconds);
    set_text(&all, POSITION + 5, "%d", t->averaged);
    return all;
}

int trainer_save(const trainer *t, const char *path, char *error, size_t size)
{
    texts all = describe(t);
    const char *metadata[2 * TEXTS + 1] = { NULL };

    for (int i = 0; i < TEXTS; i++) {
        metadata[2 * i] = text_key[i];
        metadata[2 * i + 1] = all.value[i];
    }
    if (ppl_checkpoint_save(t->ctx, path, metadata) != PPL_OK)
        return context_failure(t, error, size);
    return 0;
}

static void collect(void *user, const char *key, const char *value)
{
    texts *found = user;

    for (int i = 0; i < TEXTS; i++)
        if (strcmp(key, text_key[i]) == 0)
            set_text(found, i, "%s", value);
}

int trainer_resume(trainer *t, const char *path, char *error, size_t size)
{
    texts found, own = describe(t);

    memset(&found, 0, sizeof found);
    if (ppl_checkpoint_load(t->ctx, path, collect, &found) != PPL_OK)
        return context_failure(t, error, size);
    for (int i = 0; i < TEXTS; i++) {
        if (found.value[i][0] == '\0')
            return failure(error, size, "%s: no checkpoint of this program (it does not say "
                           "its %s); give a file that --checkpoint wrote", path,
                           text_key[i]);
        if (i < POSITION && strcmp(found.value[i], own.value[i]) != 0)
            return failure(error, size, "%s: the checkpoint was trained with %s %s, not %s; "
                           "resume with the same", path, text_key[i], found.value[i],
                           own.value[i]);
    }
    t->epoch = atoi(found.value[POSITION]);
    t->minibatch = atoi(found.value[POSITION + 1]);
    t->loss_sum = strtod(found.value[POSITION + 2], NULL);
    t->norm_sum = strtod(found.value[POSITION + 3], NULL);
    t->seconds = strtod(found.value[POSITION + 4], NULL);
    t->averaged = atoi(found.value[POSITION + 5]);
    if (t->epoch > t->options->epochs)
        return failure(error, size, "%s: %d epochs are done, --epochs %d asks for fewer",
                       path, t->epoch, t->options->epochs);
    return 0;
}

/* ---- The log ----------------------------------------------------------------------- */

static const char log_header[] =
    "epoch,seconds,kl_weight,train_bound,valid_bound,test_bound,grad_norm\n";

/* A number, or nothing for one that was not measured. */
static void put_number(char *line, size_t size, double x)
{
    size_t used = strlen(line);

    if (isnan(x))
        snprintf(line + used, size - used, ",");
    else
        snprintf(line + used, size - used, ",%.9g", x);
}

int trainer_write_log(const trainer *t, const char *path, char *error, size_t size)
{
    output out;

    if (output_open(&out, path, error, size) != 0)
        return -1;
    output_write(&out, log_header, sizeof log_header - 1);
    for (int i = 0; i < t->rows; i++) {
        const log_row *r = &t->log[i];
        const double number[] = { r->seconds, r->kl_weight, r->train_bound, r->valid_bound,
                                  r->test_bound, r->grad_norm };
        char line[256];

        snprintf(line, sizeof line, "%d", r->epoch);
        for (size_t k = 0; k < sizeof number / sizeof number[0]; k++)
            put_number(line, sizeof line, number[k]);
        snprintf(line + strlen(line), sizeof line - strlen(line), "\n");
        output_write(&out, line, strlen(line));
    }
    return output_close(&out, error, size);
}

/* "12,0.5,,..." into a row; 0 if it has not seven fields. */
static int parse_row(char *line, log_row *r)
{
    double number[7];
    char *at = line;

    for (int k = 0; k < 7; k++) {
        char *end;

        number[k] = strtod(at, &end);
        if (end == at)
            number[k] = NAN;
        if (*end != (k < 6 ? ',' : '\n'))
            return 0;
        at = end + 1;
    }
    *r = (log_row){ (int)number[0], number[1], number[2], number[3], number[4], number[5],
                    number[6] };
    return number[0] >= 1;
}

int trainer_read_log(trainer *t, const char *path, char *error, size_t size)
{
    FILE *file = fopen(path, "r");
    char line[256];
    int status = 0;

    if (file == NULL)
        return errno == ENOENT ? 0 : failure(error, size, "%s: %s", path, strerror(errno));
    if (fgets(line, sizeof line, file) == NULL || strcmp(line, log_header) != 0)
        status = failure(error, size, "%s: not a log of this program; give another --log",
                         path);
    while (status == 0 && t->rows < t->epoch && fgets(line, sizeof line, file) != NULL)
        if (parse_row(line, &t->log[t->rows]) && t->log[t->rows].epoch <= t->epoch)
            t->rows++;
    fclose(file);
    return status;
}

/* SPDX-License-Identifier: MIT */
/* Importance sampling, one piece in detail, generation, and gradient variance: short
 * programs over traces. */
#include "analyse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Draws of the analyses are keyed apart from training and evaluation. */
static const uint64_t ANALYSIS_STEPS = (uint64_t)1 << 49;

static int context_failure(const trainer *t, char *error, size_t size)
{
    return failure(error, size, "%s", ppl_error_text(t->ctx));
}

/* A guide's trace and the model's, replayed from it; 0 or -1. */
static int trace_pair(ppl_ctx *c, const dmm_batch *view, ppl_trace **guide,
                      ppl_trace **model)
{
    *guide = ppl_get_trace(c, dmm_guide, view, NULL);
    if (*guide == NULL)
        return -1;
    *model =
        ppl_get_trace(c, dmm_model, view, (ppl_handler *[]){ ppl_replay(c, *guide), NULL });
    return *model != NULL ? 0 : -1;
}

/* ---- Importance sampling ----------------------------------------------------------- */

/* log_weight [count] += sign * log-probability of each sequence at each site. */
static void add_sequences(ppl_trace *trace, double sign, double *row, double *log_weight)
{
    for (int i = 0; i < ppl_trace_count(trace); i++) {
        ppl_msg *m = ppl_trace_at(trace, i);
        int64_t n;

        if (m->kind != PPL_SITE_SAMPLE)
            continue;
        n = ppl_dim(m->value, 0);
        ppl_read(ppl_site_log_prob(m), row, n);
        for (int64_t b = 0; b < n; b++)
            log_weight[b] += sign * row[b];
    }
}

/* One draw for each sequence of the view: log p(x,z) - log q(z|x), [count]. */
static int draw_weights(ppl_ctx *c, const dmm_batch *view, double *row, double *log_weight)
{
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_trace *guide, *model;
    int status = trace_pair(c, view, &guide, &model);

    ppl_next_step(c);
    if (status == 0) {
        memset(log_weight, 0, (size_t)view->active[0] * sizeof *log_weight);
        add_sequences(model, 1, row, log_weight);
        add_sequences(guide, -1, row, log_weight);
    }
    ppl_epoch_end(c, mark);
    return ppl_ok(c) ? status : -1;
}

/* The sum over the view's sequences of log mean exp of `samples` log-weights. */
static int batch_log_likelihood(trainer *t, const dmm_batch *view, int samples, double *sum)
{
    int n = view->active[0];
    double *work = calloc(4 * (size_t)n, sizeof *work);
    double *row = work, *log_weight = work + n, *most = work + 2 * n, *scaled = work + 3 * n;
    int status = work == NULL ? -1 : 0;

    for (int s = 0; s < samples && status == 0; s++) {
        status = draw_weights(t->ctx, view, row, log_weight);
        for (int b = 0; b < n && status == 0; b++) {
            if (s == 0 || log_weight[b] > most[b]) {
                scaled[b] = s == 0 ? 0 : scaled[b] * exp(most[b] - log_weight[b]);
                most[b] = log_weight[b];
            }
            scaled[b] += exp(log_weight[b] - most[b]);
        }
    }
    *sum = 0;
    for (int b = 0; b < n && status == 0; b++)
        *sum += most[b] + log(scaled[b] / samples);
    free(work);
    return status;
}

int importance_nll(trainer *t, int split, int samples, double *nll, char *error, size_t size)
{
    const chorale_split *s = &t->data->splits[split];
    int capacity = s->count < 20 ? s->count : 20, index[20], status = 0;
    batch *b = batch_new(s, capacity, sizeof(float), error, size);
    double total = 0, sum;
    uint64_t seed, step;
    int enabled;

    if (b == NULL)
        return -1;
    ppl_rng_state(t->ctx, &seed, &step);
    ppl_set_rng_state(t->ctx, seed, ANALYSIS_STEPS);
    enabled = ppl_set_grad_enabled(t->ctx, 0);
    for (int first = 0; first < s->count && status == 0; first += capacity) {
        int count = s->count - first < capacity ? s->count - first : capacity;
        dmm_batch view;

        for (int i = 0; i < count; i++)
            index[i] = first + i;
        status = batch_fill(b, index, count, error, size);
        if (status != 0)
            break;
        view = trainer_view(t, b, 1);
        status = batch_log_likelihood(t, &view, samples, &sum);
        total += sum;
        if (status != 0)
            context_failure(t, error, size);
    }
    *nll = -total / chorale_split_summary(s).steps;
    ppl_set_grad_enabled(t->ctx, enabled);
    ppl_set_rng_state(t->ctx, seed, step);
    batch_free(b);
    return status;
}

/* ---- One piece --------------------------------------------------------------------- */

static void read_step(ppl_trace *guide, ppl_trace *model, int t, piece_terms *terms)
{
    ppl_msg *q = ppl_trace_find(guide, "z", t), *p = ppl_trace_find(model, "z", t);
    ppl_msg *x = ppl_trace_find(model, "x", t);
    double probability[KEYS];

    terms->kl[t] = ppl_item(ppl_kl(q->dist, p->dist));
    terms->reconstruction[t] = -ppl_item(ppl_site_log_prob(x));
    ppl_read(ppl_dist_mean(x->dist), probability, KEYS);
    for (int k = 0; k < KEYS; k++)
        terms->probability[t * KEYS + k] = (float)probability[k];
}

/* Room for the terms of `length` steps; -1 when out of memory. */
static int make_terms(piece_terms *terms, int length, char *error, size_t size)
{
    terms->length = length;
    terms->kl = calloc((size_t)length, sizeof *terms->kl);
    terms->reconstruction = calloc((size_t)length, sizeof *terms->reconstruction);
    terms->probability = calloc((size_t)length * KEYS, sizeof *terms->probability);
    if (terms->kl != NULL && terms->reconstruction != NULL && terms->probability != NULL)
        return 0;
    piece_terms_free(terms);
    return failure(error, size, "out of memory");
}

int analyse_piece(trainer *t, int split, int index, piece_terms *terms, char *error,
                  size_t size)
{
    const chorale_split *s = &t->data->splits[split];
    batch *b = batch_new(s, 1, sizeof(float), error, size);
    ppl_trace *guide, *model;
    dmm_batch view;
    ppl_epoch mark;
    int status = -1;

    memset(terms, 0, sizeof *terms);
    if (b == NULL || batch_fill(b, &index, 1, error, size) != 0 ||
        make_terms(terms, s->pieces[index].length, error, size) != 0) {
        batch_free(b);
        return -1;
    }
    view = trainer_view(t, b, 1);
    mark = ppl_epoch_begin(t->ctx);
    if (trace_pair(t->ctx, &view, &guide, &model) == 0) {
        for (int step = 0; step < terms->length; step++)
            read_step(guide, model, step, terms);
        status = ppl_ok(t->ctx) ? 0 : -1;
    }
    ppl_epoch_end(t->ctx, mark);
    batch_free(b);
    if (status != 0) {
        piece_terms_free(terms);
        context_failure(t, error, size);
    }
    return status;
}

void piece_terms_free(piece_terms *terms)
{
    free(terms->kl);
    free(terms->reconstruction);
    free(terms->probability);
    memset(terms, 0, sizeof *terms);
}

/* ---- The ledger of a piece --------------------------------------------------------- */

/* The terms with this label, made of NaN at first; NULL when out of room or memory. */
static site_terms *terms_of(piece_ledger *ledger, const char *label)
{
    site_terms *s = ledger->sites;

    for (; s < ledger->sites + ledger->count; s++)
        if (strcmp(s->label, label) == 0)
            return s;
    if (ledger->count == SITES_MAX)
        return NULL;
    ledger->count++;
    snprintf(s->label, sizeof s->label, "%s", label);
    s->mean = calloc((size_t)ledger->length, sizeof *s->mean);
    s->variance = calloc((size_t)ledger->length, sizeof *s->variance);
    if (s->mean == NULL || s->variance == NULL)
        return NULL;
    for (int t = 0; t < ledger->length; t++)
        s->mean[t] = s->variance[t] = NAN;
    return s;
}

/* Fills in what the ledger of an ELBO says; what both say alike is said once. */
static int read_ledger(const ppl_elbo *elbo, const char *name, piece_ledger *ledger)
{
    for (int i = 0; i < ppl_ledger_count(elbo); i++) {
        const ppl_ledger_row *row = ppl_ledger_at(elbo, i);
        char label[64];
        site_terms *s;

        if (row->estimator == PPL_LIKELIHOOD)
            snprintf(label, sizeof label, "%s: %s", row->name,
                     ppl_estimator_name(row->estimator));
        else
            snprintf(label, sizeof label, "%s: %s (%s)", row->name,
                     ppl_estimator_name(row->estimator), name);
        s = terms_of(ledger, label);
        if (s == NULL || row->index < 0 || row->index >= ledger->length)
            return -1;
        s->mean[row->index] = row->mean;
        s->variance[row->index] = row->variance;
    }
    return 0;
}

/* LEDGER_DRAWS estimates of one sequence under one ELBO. */
static int draw_ledger(trainer *t, ppl_elbo *elbo, const char *name, const dmm_batch *view,
                       piece_ledger *ledger)
{
    ppl_svi *svi = ppl_svi_new(t->ctx, dmm_model, dmm_guide, elbo, ppl_sgd(t->ctx, NULL));
    ppl_status status = svi != NULL ? PPL_OK : PPL_ENOMEM;

    for (int draw = 0; draw < LEDGER_DRAWS && status == PPL_OK; draw++)
        status = ppl_svi_evaluate(svi, view, NULL);
    ppl_svi_free(svi);
    return status == PPL_OK ? read_ledger(elbo, name, ledger) : -1;
}

int analyse_ledger(trainer *t, int split, int index, piece_ledger *ledger, char *error,
                   size_t size)
{
    const chorale_split *s = &t->data->splits[split];
    batch *b = batch_new(s, 1, sizeof(float), error, size);
    uint64_t seed, step;
    dmm_batch view;
    int status;

    memset(ledger, 0, sizeof *ledger);
    if (b == NULL || batch_fill(b, &index, 1, error, size) != 0) {
        batch_free(b);
        return -1;
    }
    ledger->length = s->pieces[index].length;
    view = trainer_view(t, b, 1);
    ppl_rng_state(t->ctx, &seed, &step);
    ppl_set_rng_state(t->ctx, seed, ANALYSIS_STEPS);
    status = draw_ledger(t, ppl_trace_mean_field_elbo(t->ctx, NULL), "meanfield", &view,
                         ledger);
    if (status == 0)
        status = draw_ledger(t, ppl_trace_elbo(t->ctx, NULL), "trace", &view, ledger);
    ppl_set_rng_state(t->ctx, seed, step);
    batch_free(b);
    if (status != 0) {
        piece_ledger_free(ledger);
        failure(error, size, "%s",
                ppl_error(t->ctx) != PPL_OK ? ppl_error_text(t->ctx) : "out of memory");
    }
    return status;
}

void piece_ledger_free(piece_ledger *ledger)
{
    for (int i = 0; i < ledger->count; i++) {
        free(ledger->sites[i].mean);
        free(ledger->sites[i].variance);
    }
    memset(ledger, 0, sizeof *ledger);
}

/* ---- Generation -------------------------------------------------------------------- */

int generate_piece(trainer *t, int length, chorale *piece, char *error, size_t size)
{
    int *active = calloc(2 * (size_t)length, sizeof *active), status;
    dmm_batch view = { .dims = t->dims, .steps = length, .active = active,
                       .offset = active + length, .rows = length, .kl_weight = 1 };
    ppl_trace *trace;
    ppl_epoch mark;

    if (active == NULL || chorale_alloc(piece, length) != 0) {
        free(active);
        return failure(error, size, "out of memory");
    }
    for (int i = 0; i < length; i++) {
        active[i] = 1;
        active[length + i] = i;
    }
    mark = ppl_epoch_begin(t->ctx);
    trace = ppl_get_trace(t->ctx, dmm_model, &view, NULL);
    for (int i = 0; i < length && trace != NULL; i++) {
        double note[KEYS];

        ppl_read(ppl_trace_find(trace, "x", i)->value, note, KEYS);
        for (int k = 0; k < KEYS; k++)
            if (note[k] > 0.5)
                slice_add(&piece->slices[i], k);
    }
    status = trace != NULL ? 0 : context_failure(t, error, size);
    ppl_epoch_end(t->ctx, mark);
    free(active);
    return status;
}

/* ---- Gradient variance ------------------------------------------------------------- */

/* Mean and sum of squared deviations of every element of the slab (Welford 1962). */
typedef struct {
    double *mean, *squares;
    int64_t size;
} moments;

static void add_draw(moments *m, const ppl_slab *slab, int draw)
{
    const float *grad = slab->grad;

    for (int64_t i = 0; i < m->size; i++) {
        double off = (double)grad[i] - m->mean[i];

        m->mean[i] += off / draw;
        m->squares[i] += off * ((double)grad[i] - m->mean[i]);
    }
}

/* Gradients of one minibatch under one ELBO, VARIANCE_DRAWS times. */
static int draw_gradients(trainer *t, ppl_svi *svi, const dmm_batch *view, moments *m)
{
    memset(m->mean, 0, (size_t)m->size * sizeof *m->mean);
    memset(m->squares, 0, (size_t)m->size * sizeof *m->squares);
    for (int draw = 1; draw <= VARIANCE_DRAWS; draw++) {
        ppl_slab slab;

        if (ppl_svi_gradient(svi, view, NULL) != PPL_OK)
            return -1;
        slab = ppl_param_slab(t->ctx);
        add_draw(m, &slab, draw);
    }
    return 0;
}

/* The group of a parameter: its name up to the first dot. */
static group_variance *group_of(group_variance *groups, int *count, const char *name)
{
    size_t length = strcspn(name, ".");
    group_variance *g = groups;

    for (; g < groups + *count; g++)
        if (strlen(g->name) == length && strncmp(g->name, name, length) == 0)
            return g;
    if (*count == GROUPS_MAX || length >= sizeof g->name)
        return NULL;
    memset(g, 0, sizeof *g);
    memcpy(g->name, name, length);
    ++*count;
    return g;
}

static void sum_groups(trainer *t, const moments *m, int trace, group_variance *groups,
                       int *count)
{
    for (int p = 0; p < ppl_param_count(t->ctx); p++) {
        const ppl_param_info *info = ppl_param_at(t->ctx, p);
        group_variance *g;
        double sum = 0;

        if (info->constraint.type == NULL)  /* a mean: no model asks for it */
            continue;
        g = group_of(groups, count, info->name);
        for (int64_t i = info->offset; i < info->offset + info->count; i++)
            sum += m->squares[i] / (VARIANCE_DRAWS - 1);
        if (g == NULL)
            continue;
        if (trace) {
            g->trace += sum;
        } else {
            g->meanfield += sum;
            g->count += info->count;
        }
    }
}

int gradient_variance(trainer *t, group_variance groups[GROUPS_MAX], int *count, char *error,
                      size_t size)
{
    ppl_optim *optim = ppl_sgd(t->ctx, NULL);       /* never asked to update */
    ppl_svi *trace, *meanfield;
    moments m = { .size = ppl_param_slab(t->ctx).size };
    dmm_batch view;
    int first = t->batch->count < t->options->batch ? t->batch->count : t->options->batch;
    int status = -1, *index = calloc((size_t)t->options->batch, sizeof *index);

    *count = 0;
    trace = ppl_svi_new(t->ctx, dmm_model, dmm_guide, ppl_trace_elbo(t->ctx, NULL), optim);
    meanfield = ppl_svi_new(t->ctx, dmm_model, dmm_guide,
                            ppl_trace_mean_field_elbo(t->ctx, NULL), optim);
    m.mean = calloc((size_t)m.size, sizeof *m.mean);
    m.squares = calloc((size_t)m.size, sizeof *m.squares);
    for (int i = 0; i < first && index != NULL; i++)
        index[i] = i;
    if (trace == NULL || meanfield == NULL || m.mean == NULL || m.squares == NULL ||
        index == NULL) {
        failure(error, size, "out of memory");
    } else if (batch_fill(t->batch, index, first, error, size) == 0) {
        view = trainer_view(t, t->batch, 1);
        status = draw_gradients(t, meanfield, &view, &m);
        if (status == 0)
            sum_groups(t, &m, 0, groups, count);
        if (status == 0)
            status = draw_gradients(t, trace, &view, &m);
        if (status == 0)
            sum_groups(t, &m, 1, groups, count);
        if (status != 0)
            context_failure(t, error, size);
    }
    ppl_svi_free(trace);
    ppl_svi_free(meanfield);
    free(m.mean);
    free(m.squares);
    free(index);
    return status;
}

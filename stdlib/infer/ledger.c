/* SPDX-License-Identifier: MIT */
/*
 * ledger.c - which estimator each site got, why, and the mean and variance of its term.
 */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

/* ---- Entries by address ------------------------------------------------------------ */

static size_t slot_of(const ppl__ledger *l, ppl_name name, int64_t index)
{
    size_t i = ppl_address_hash(name, index) & (l->slots - 1);

    while (l->slot[i] != 0) {
        const ppl__entry *e = &l->entry[l->slot[i] - 1];

        if (e->name == name && e->index == index)
            break;
        i = (i + 1) & (l->slots - 1);
    }
    return i;
}

/* Doubles what there is room for; 0 with PPL_ENOMEM recorded. Rows are made anew. */
static int grow(ppl__ledger *l)
{
    const size_t capacity = l->capacity != 0 ? 2 * l->capacity : 64, slots = 2 * capacity;
    ppl__ledger larger = *l;

    larger.capacity = capacity;
    larger.slots = slots;
    larger.entry = ppl_persistent_alloc(l->ctx, capacity * sizeof *l->entry);
    larger.row = ppl_persistent_alloc(l->ctx, capacity * sizeof *l->row);
    larger.slot = ppl_persistent_alloc(l->ctx, slots * sizeof *l->slot);
    if (larger.entry == NULL || larger.row == NULL || larger.slot == NULL) {
        ppl__ledger_free(&larger);
        return 0;
    }
    if (l->count > 0)
        memcpy(larger.entry, l->entry, (size_t)l->count * sizeof *l->entry);
    ppl__ledger_free(l);
    *l = larger;
    for (int i = 0; i < l->count; i++)
        l->slot[slot_of(l, l->entry[i].name, l->entry[i].index)] = i + 1;
    return 1;
}

static int is_at(const ppl__ledger *l, int i, ppl_name name, int64_t index)
{
    return i < l->count && l->entry[i].name == name && l->entry[i].index == index;
}

/* The entry of an address, made on first use; -1 when out of memory. */
static int entry_of(ppl__ledger *l, ppl_name name, int64_t index)
{
    size_t slot;
    ppl__entry *e;

    if (is_at(l, l->next, name, index))
        return l->next++;
    if ((size_t)l->count == l->capacity && !grow(l))
        return -1;
    slot = slot_of(l, name, index);
    if (l->slot[slot] == 0) {
        e = &l->entry[l->count];
        memset(e, 0, sizeof *e);
        e->name = name;
        e->index = index;
        l->slot[slot] = ++l->count;
    }
    l->next = l->slot[slot];
    return l->next - 1;
}

static int note_at(ppl__ledger *l, ppl_name name, int64_t index, const ppl__note *note)
{
    int i = entry_of(l, name, index);
    ppl__entry *e = i >= 0 ? &l->entry[i] : NULL;
    double before;

    if (e == NULL)
        return 0;
    before = e->noted ? e->note.value : 0;
    e->note = *note;
    e->note.value += before;
    if (!e->noted) {
        e->noted = 1;
        e->next = l->noted;
        l->noted = i + 1;
    }
    return 1;
}

int ppl__ledger_note(ppl__ledger *l, const ppl_msg *m, const ppl__note *note)
{
    return note_at(l, m->name, m->index, note);
}

/* Names are the shard's context's. */
int ppl__ledger_gather(ppl__ledger *l, const ppl__ledger *from)
{
    for (int i = 0; i < from->count; i++) {
        const ppl__entry *e = &from->entry[i];
        ppl__note note = e->note;

        if (!e->noted)
            continue;
        if (note.reason.why == PPL__WHY_DEPENDENCE)
            note.reason.name = ppl_intern(l->ctx, note.reason.name);
        if (!note_at(l, ppl_intern(l->ctx, e->name), e->index, &note))
            return 0;
    }
    return 1;
}

static double average_of(const ppl__average *a)
{
    return a->weight > 0 ? a->sum / a->weight : 0;
}

double ppl__ledger_average(ppl__ledger *l, const ppl_msg *m, double decay, double cost)
{
    int i = entry_of(l, m->name, m->index);
    ppl__average *a = i >= 0 ? &l->entry[i].cost : NULL;

    if (a == NULL)
        return 0;
    a->decay = decay;
    a->noted += cost;
    a->notes++;
    return average_of(a);
}

/* weight is 1 - decay^n, so that the first estimates are not drawn towards 0. */
static void commit_average(ppl__entry *e)
{
    ppl__average *a = &e->cost;

    if (a->notes == 0)
        return;
    a->sum = a->decay * a->sum + (1 - a->decay) * a->noted / a->notes;
    a->weight = a->decay * a->weight + (1 - a->decay);
    a->noted = a->notes = 0;
}

static void forget_note(ppl__entry *e)
{
    e->noted = 0;
    e->cost.noted = e->cost.notes = 0;
}

/* What an estimate says costs its own sites, however many others there have been. */
void ppl__ledger_commit(ppl__ledger *l, int particles)
{
    while (l->noted > 0) {
        ppl__entry *e = &l->entry[l->noted - 1];
        double value = e->note.value / particles, off = value - e->mean;

        l->noted = e->next;
        commit_average(e);
        e->noted = 0;
        e->estimator = e->note.estimator;
        e->reason = e->note.reason;
        e->steps++;
        e->mean += off / (double)e->steps;
        e->squares += off * (value - e->mean);
    }
    l->kept = l->count;
}

/* The newest entry is nobody's stepping stone in the table, so they can go one by one. */
void ppl__ledger_drop(ppl__ledger *l)
{
    for (; l->noted > 0; l->noted = l->entry[l->noted - 1].next)
        forget_note(&l->entry[l->noted - 1]);
    for (; l->count > l->kept; l->count--) {
        const ppl__entry *e = &l->entry[l->count - 1];

        l->slot[slot_of(l, e->name, e->index)] = 0;
    }
}

void ppl__ledger_free(ppl__ledger *l)
{
    ppl_persistent_free(l->ctx, l->entry, l->capacity * sizeof *l->entry);
    ppl_persistent_free(l->ctx, l->row, l->capacity * sizeof *l->row);
    ppl_persistent_free(l->ctx, l->slot, l->slots * sizeof *l->slot);
}

/* ---- Reading ----------------------------------------------------------------------- */

const char *ppl_estimator_name(ppl_estimator estimator)
{
    static const char *const name[] = { "likelihood", "analytic KL", "sampled ratio",
                                        "score function" };

    return (unsigned)estimator < 4 ? name[estimator] : "?";
}

const char *ppl__reason_text(const ppl__reason *r, char *out, size_t size)
{
    char at[32] = "";

    if (r->why == PPL__WHY_DEPENDENCE && r->index >= 0)
        snprintf(at, sizeof at, "[%lld]", (long long)r->index);
    switch (r->why) {
    case PPL__WHY_OBSERVED:
        snprintf(out, size, "observed");
        break;
    case PPL__WHY_GUIDE:
        snprintf(out, size, "observed in the guide");
        break;
    case PPL__WHY_VALID:
        snprintf(out, size, "p depends on no later draw of the guide");
        break;
    case PPL__WHY_SAMPLED:
        snprintf(out, size, "trace ELBO");
        break;
    case PPL__WHY_ASKED:
        snprintf(out, size, "asked for");
        break;
    case PPL__WHY_NO_RULE:
        snprintf(out, size, "no closed form for KL(%s || %s)", r->q, r->p);
        break;
    case PPL__WHY_SCALE:
        snprintf(out, size, "scale %g in the guide, %g in the model", r->q_scale,
                 r->p_scale);
        break;
    case PPL__WHY_MASK:
        snprintf(out, size, "masks differ in guide and model");
        break;
    case PPL__WHY_DEPENDENCE:
        snprintf(out, size, "p depends on %s%s, which the guide draws from this site",
                 r->name, at);
        break;
    case PPL__WHY_AUXILIARY:
        snprintf(out, size, "auxiliary: the guide's own");
        break;
    case PPL__WHY_NOT_REPARAMETERISED:
        snprintf(out, size, "%s is not reparameterised", r->q);
        break;
    }
    return out;
}

int ppl_ledger_count(const ppl_elbo *elbo)
{
    return elbo != NULL ? ppl__ledger_of(elbo)->count : 0;
}

const ppl_ledger_row *ppl_ledger_at(const ppl_elbo *elbo, int i)
{
    const ppl__entry *e;
    ppl_ledger_row *row;

    if (i < 0 || i >= ppl_ledger_count(elbo))
        return NULL;
    e = &ppl__ledger_of(elbo)->entry[i];
    row = &ppl__ledger_of(elbo)->row[i];
    row->name = e->name;
    row->index = e->index;
    row->estimator = e->estimator;
    row->steps = e->steps;
    row->mean = e->mean;
    row->variance = e->steps > 1 ? e->squares / (double)(e->steps - 1) : 0;
    row->baseline = average_of(&e->cost);
    ppl__reason_text(&e->reason, row->reason, sizeof row->reason);
    return row;
}

const ppl_ledger_row *ppl_ledger_find(const ppl_elbo *elbo, const char *name,
                                      int64_t index)
{
    for (int i = 0; i < ppl_ledger_count(elbo); i++) {
        const ppl__entry *e = &ppl__ledger_of(elbo)->entry[i];

        if (strcmp(e->name, name) == 0 && e->index == (index < 0 ? -1 : index))
            return ppl_ledger_at(elbo, i);
    }
    return NULL;
}

void ppl_ledger_reset(ppl_elbo *elbo)
{
    ppl__ledger *l;

    if (elbo == NULL)
        return;
    l = ppl__ledger_of(elbo);
    l->count = l->kept = 0;
    l->resets++;
    if (l->slot != NULL)
        memset(l->slot, 0, l->slots * sizeof *l->slot);
}

/* ---- The table --------------------------------------------------------------------- */

/* A line of the table: entries of one name with one estimator and reason. */
typedef struct line {
    int64_t first, last;            /* indices */
    const ppl_ledger_row *row;      /* of the first entry */
    double mean, variance;          /* sums over the entries */
    int entries;
} line;

static void write_line(const line *l, FILE *out)
{
    char site[160];

    if (l->first < 0)
        snprintf(site, sizeof site, "%s", l->row->name);
    else if (l->first == l->last)
        snprintf(site, sizeof site, "%s[%lld]", l->row->name, (long long)l->first);
    else
        snprintf(site, sizeof site, "%s[%lld..%lld]", l->row->name, (long long)l->first,
                 (long long)l->last);
    fprintf(out, "%-20s %-15s %12.4f %12.4f  %s\n", site,
            ppl_estimator_name(l->row->estimator), l->mean / l->entries,
            l->variance / l->entries, l->row->reason);
}

/* Whether the row continues the line: next index, same estimator and reason. */
static int continues(const line *l, const ppl_ledger_row *row)
{
    return l->entries > 0 && row->name == l->row->name && l->first >= 0 &&
           row->index == l->last + 1 && row->estimator == l->row->estimator &&
           strcmp(row->reason, l->row->reason) == 0;
}

/* An entry's place in the table: after those of the names met before its own. */
typedef struct place {
    const ppl_ledger_row *row;
    int at, first;                  /* number of the entry; of the first of its name */
} place;

static int by_name(const void *a, const void *b)
{
    const place *x = a, *y = b;
    const uintptr_t p = (uintptr_t)x->row->name, q = (uintptr_t)y->row->name;

    return p != q ? (p > q) - (p < q) : (x->at > y->at) - (x->at < y->at);
}

static int by_place(const void *a, const void *b)
{
    const place *x = a, *y = b;

    return x->first != y->first
               ? (x->first > y->first) - (x->first < y->first)
               : (x->row->index > y->row->index) - (x->row->index < y->row->index);
}

/* All entries: names as first met, then by index, whatever order they were visited in. */
static void put_in_order(const ppl_elbo *elbo, place *p, int count)
{
    for (int i = 0; i < count; i++)
        p[i] = (place){ ppl_ledger_at(elbo, i), i, i };
    qsort(p, (size_t)count, sizeof *p, by_name);
    for (int i = 1; i < count; i++)
        if (p[i].row->name == p[i - 1].row->name)
            p[i].first = p[i - 1].first;
    qsort(p, (size_t)count, sizeof *p, by_place);
}

static void write_lines(const place *p, int count, FILE *out)
{
    line l = { .entries = 0 };

    for (int i = 0; i < count; i++) {
        const ppl_ledger_row *row = p[i].row;

        if (!continues(&l, row)) {
            if (l.entries > 0)
                write_line(&l, out);
            l = (line){ .first = row->index, .row = row };
        }
        l.last = row->index;
        l.mean += row->mean;
        l.variance += row->variance;
        l.entries++;
    }
    if (l.entries > 0)
        write_line(&l, out);
}

ppl_status ppl_ledger_write(const ppl_elbo *elbo, FILE *out)
{
    ppl_ctx *c;
    place *p;
    size_t size;

    if (elbo == NULL)
        return PPL_EINVAL;
    c = ppl__ledger_of(elbo)->ctx;
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    size = (size_t)ppl_ledger_count(elbo) * sizeof *p;
    p = ppl_persistent_alloc(c, size + sizeof *p);
    if (p == NULL)
        return ppl_boundary_leave(c);
    fprintf(out, "%-20s %-15s %12s %12s  %s\n", "site", "estimator", "mean", "variance",
            "why");
    put_in_order(elbo, p, ppl_ledger_count(elbo));
    write_lines(p, ppl_ledger_count(elbo), out);
    ppl_persistent_free(c, p, size + sizeof *p);
    if (fflush(out) != 0 || ferror(out))
        ppl_fail(c, PPL_EIO, "ppl_ledger_write: the file could not be written");
    return ppl_boundary_leave(c);
}

/* ---- As comma-separated values ----------------------------------------------------- */

/* In quotes, with those within doubled (RFC 4180). */
static void write_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

ppl_status ppl_ledger_write_csv(const ppl_elbo *elbo, FILE *out)
{
    ppl_ctx *c;

    if (elbo == NULL)
        return PPL_EINVAL;
    c = ppl__ledger_of(elbo)->ctx;
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    fputs("site,index,estimator,steps,mean,variance,why\n", out);
    for (int i = 0; i < ppl_ledger_count(elbo); i++) {
        const ppl_ledger_row *row = ppl_ledger_at(elbo, i);

        write_quoted(row->name, out);
        fputc(',', out);
        if (row->index >= 0)
            fprintf(out, "%lld", (long long)row->index);
        fprintf(out, ",%s,%lld,%.17g,%.17g,", ppl_estimator_name(row->estimator),
                (long long)row->steps, row->mean, row->variance);
        write_quoted(row->reason, out);
        fputc('\n', out);
    }
    if (fflush(out) != 0 || ferror(out))
        ppl_fail(c, PPL_EIO, "ppl_ledger_write_csv: the file could not be written");
    return ppl_boundary_leave(c);
}

/* SPDX-License-Identifier: MIT */
/*
 * ledger.h - the ledger of an ELBO as the estimator writes it: the terms of one estimate
 * are gathered, and entered all together once it has succeeded.
 */
#ifndef KILN_LEDGER_H
#define KILN_LEDGER_H

#include <kiln/infer.h>

/* Why a site got its estimator; texts are made when somebody reads them. */
typedef enum ppl__why {
    PPL__WHY_OBSERVED,
    PPL__WHY_GUIDE,                 /* observed in the guide: minus its log-probability */
    PPL__WHY_VALID,                 /* the swap is valid */
    PPL__WHY_SAMPLED,               /* this ELBO samples every ratio */
    PPL__WHY_ASKED,                 /* the site asks for it (ppl_option_estimator) */
    PPL__WHY_NO_RULE,
    PPL__WHY_SCALE,
    PPL__WHY_MASK,
    PPL__WHY_DEPENDENCE,            /* p depends on this site or a descendant of it */
    PPL__WHY_AUXILIARY,
    PPL__WHY_NOT_REPARAMETERISED
} ppl__why;

typedef struct ppl__reason {
    ppl__why why;
    union {
        struct {
            const char *q, *p;      /* NO_RULE: the families; NOT_REPARAMETERISED: q */
        };
        struct {
            double q_scale, p_scale;    /* SCALE */
        };
        struct {
            ppl_name name;          /* DEPENDENCE: the latent at fault */
            int64_t index;
        };
    };
} ppl__reason;

/* In words, into a buffer; returns it. */
const char *ppl__reason_text(const ppl__reason *r, char *out, size_t size);

/* What one particle says of a site, or several together. */
typedef struct ppl__note {
    ppl_estimator estimator;
    ppl__reason reason;
    double value;                   /* summed over the particles, nats */
} ppl__note;

/* A running average, 0 at first, and what this estimate adds to it. */
typedef struct ppl__average {
    double decay, sum, weight;      /* sum / weight; weight -> 1 */
    double noted;                   /* summed over the particles */
    int notes;
} ppl__average;

/* What an estimate touches of each site, in few cache lines: the row is made when somebody
 * reads it. */
typedef struct ppl__entry {
    ppl_name name;
    int64_t index, steps;
    double mean, squares;           /* sum of squared deviations (Welford 1962) */
    ppl_estimator estimator;
    ppl__reason reason;
    int noted;                      /* `note` is of the estimate in the making */
    int next;                       /* 1 + the entry noted before it, 0 for none */
    ppl__note note;
    ppl__average cost;              /* of a score-function site */
} ppl__entry;

typedef struct ppl__ledger {
    ppl_ctx *ctx;
    ppl__entry *entry;
    ppl_ledger_row *row;            /* as read last, of each entry */
    int *slot;                      /* 1 + entry, 0 for empty; a power of two */
    size_t capacity, slots;
    int count;
    int kept;                       /* entries that an estimate has been entered for */
    int noted;                      /* 1 + the entry noted last, 0 for none */
    int next;                       /* where to look first: estimates come in one order */
    int resets;                     /* how often all was forgotten */
} ppl__ledger;

/* Notes a term of the current estimate; 0 with PPL_ENOMEM recorded when out of memory. */
int ppl__ledger_note(ppl__ledger *l, const ppl_msg *m, const ppl__note *note);
/* Notes all that `from`, the ledger of a shard, has noted, too; 0 likewise. */
int ppl__ledger_gather(ppl__ledger *l, const ppl__ledger *from);
/* Notes the mean cost of an element of a site; returns the average over the estimates
 * before this one. */
double ppl__ledger_average(ppl__ledger *l, const ppl_msg *m, double decay, double cost);
/* Enters what was noted, divided by the number of particles; or forgets it. */
void ppl__ledger_commit(ppl__ledger *l, int particles);
void ppl__ledger_drop(ppl__ledger *l);
void ppl__ledger_free(ppl__ledger *l);
/* The ledger of an ELBO. */
ppl__ledger *ppl__ledger_of(const ppl_elbo *elbo);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * threads.c - the threads of a context: ppl_maths_split, a loop run in pieces by all.
 *
 * A split is one task at a time. The caller sets down what is to be done, publishes it in
 * a word, the ticket (serial number and pieces of the task), and works on piece 0; piece k
 * is thread k's. A thread that the system keeps waiting holds up nobody: a piece has to be
 * claimed, and the caller claims what is left when it is through with its own. Who does a
 * piece never matters to the result: pieces are cut by n alone, none reads what another
 * writes, and sums are not cut.
 *
 * What belongs to a task is read only by those who have claimed a piece of it, and it stays
 * until all are done. What a thread and the caller tell each other is in a cache line of
 * their own, so a split costs two ways from core to core, a third of a microsecond. Out of
 * work, a thread looks at the ticket for a while (to sleep and be woken takes longer than
 * most operations), then waits on a condition.
 */
#include "impl.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum {
    LOOKS = 10000,                  /* at the ticket before a thread sleeps: half a ms */
    PATIENCE = 400                  /* of the caller before it offers its processor */
};

/* What a thread and the caller tell each other: serial numbers of tasks. */
typedef struct worker {
    _Alignas(64) _Atomic uint64_t claimed;  /* the latest whose piece somebody does */
    _Atomic uint64_t done;                  /* the latest whose piece the thread did */
    struct ppl__pool *pool;
    size_t piece;
    pthread_t thread;
} worker;

struct ppl__pool {
    _Alignas(64) _Atomic uint64_t ticket;   /* serial << 8 | pieces */
    ppl_maths_part *part;
    void *arg;
    size_t n, pieces;
    int busy;                       /* a split is on: those within it are not cut */
    _Alignas(64) _Atomic int asleep;        /* threads that wait, or are about to */
    _Atomic int ending;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    void *block;                    /* the memory that holds all this */
    int started;
    worker worker[PPL_MOST_THREADS];        /* the first is unused: it is the caller */
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* 1 if the worker's piece of that task is now the one's to do who asks. */
static int claim(worker *w, uint64_t serial)
{
    uint64_t before = atomic_load_explicit(&w->claimed, memory_order_relaxed);

    return before < serial &&
           atomic_compare_exchange_strong_explicit(&w->claimed, &before, serial,
                                                   memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/* The serial number of a task of which the worker has a piece to do; 0: there is none. */
static uint64_t offered(worker *w)
{
    const uint64_t ticket = atomic_load(&w->pool->ticket), serial = ticket >> 8;

    return w->piece < (ticket & 0xff) &&
                   atomic_load_explicit(&w->claimed, memory_order_relaxed) < serial
               ? serial : 0;
}

static void do_piece(const ppl__pool *p, size_t k)
{
    p->part(p->arg, p->n * k / p->pieces, p->n * (k + 1) / p->pieces);
}

/* ---- Threads ----------------------------------------------------------------------- */

static void sleep_until_work(worker *w)
{
    ppl__pool *p = w->pool;

    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->asleep, 1);
    while (offered(w) == 0 && !atomic_load(&p->ending))
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->asleep, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
    worker *w = arg;
    ppl__pool *p = w->pool;
    int looks = 0;

    while (!atomic_load_explicit(&p->ending, memory_order_relaxed)) {
        const uint64_t serial = offered(w);

        if (serial > 0 && claim(w, serial)) {
            do_piece(p, w->piece);
            atomic_store_explicit(&w->done, serial, memory_order_release);
            looks = 0;
        } else if (++looks < LOOKS) {
            relax();
        } else {
            sleep_until_work(w);
            looks = 0;
        }
    }
    return NULL;
}

static void wake_all(ppl__pool *p)
{
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

/* The application's signals are for its own threads. */
static int start_threads(ppl__pool *p, int count)
{
    sigset_t all, before;
    int failed = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (failed == 0 && p->started < count) {
        worker *w = &p->worker[p->started + 1];

        w->pool = p;
        w->piece = (size_t)p->started + 1;
        failed = pthread_create(&w->thread, NULL, work, w);
        p->started += failed == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

ppl__pool *ppl__pool_new(ppl_ctx *c, int threads)
{
    /* Aligned by hand: an allocator gives what malloc gives. */
    void *block = ppl__realloc(c, NULL, 0, sizeof(ppl__pool) + 64);
    ppl__pool *p = (ppl__pool *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
    int failed;

    if (block == NULL)
        return NULL;
    memset(p, 0, sizeof *p);
    p->block = block;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    failed = start_threads(p, threads - 1);
    if (failed != 0)
        ppl_fail(c, PPL_EUNSUPPORTED, "ctx_new: thread %d of %d does not start: %s; ask "
                 "for fewer (opts.threads)", p->started + 2, threads, strerror(failed));
    return p;
}

void ppl__pool_free(ppl_ctx *c, ppl__pool *p)
{
    if (p == NULL)
        return;
    atomic_store(&p->ending, 1);
    wake_all(p);
    for (int i = 1; i <= p->started; i++)
        pthread_join(p->worker[i].thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    ppl__free(c, p->block, sizeof(ppl__pool) + 64);
}

int ppl_ctx_threads(const ppl_ctx *c)
{
    return c->pool != NULL ? c->pool->started + 1 : 1;
}

/* ---- Splitting --------------------------------------------------------------------- */

/* Until the worker has done its piece, or, where it has not begun, the caller has. */
static void await(ppl__pool *p, size_t k, uint64_t serial)
{
    worker *w = &p->worker[k];
    int looks = 0;

    if (claim(w, serial)) {
        do_piece(p, k);
        return;
    }
    while (atomic_load_explicit(&w->done, memory_order_acquire) < serial)
        if (++looks < PATIENCE)
            relax();
        else
            sched_yield();
}

static void run_pieces(ppl__pool *p)
{
    const uint64_t serial =
        (atomic_load_explicit(&p->ticket, memory_order_relaxed) >> 8) + 1;

    atomic_store(&p->ticket, serial << 8 | p->pieces);
    if (atomic_load(&p->asleep) > 0)
        wake_all(p);
    do_piece(p, 0);
    for (size_t k = 1; k < p->pieces; k++)
        await(p, k, serial);
}

size_t ppl__split_pieces(const ppl_ctx *c, size_t n, size_t least)
{
    const ppl__pool *p = c->pool;
    size_t threads = p != NULL ? (size_t)p->started + 1 : 1, pieces;

    if (threads == 1 || p->busy || ppl__gemm_watched(c->gemm))
        return 1;
    pieces = n / (least > 0 ? least : 1);
    return pieces < 1 ? 1 : pieces < threads ? pieces : threads;
}

void ppl_maths_split(ppl_ctx *c, size_t n, size_t least, ppl_maths_part *part, void *arg)
{
    ppl__pool *p = c->pool;
    size_t pieces = ppl__split_pieces(c, n, least);

    if (pieces == 1) {
        part(arg, 0, n);
        return;
    }
    p->part = part;
    p->arg = arg;
    p->n = n;
    p->pieces = pieces;
    p->busy = 1;
    run_pieces(p);
    p->busy = 0;
}

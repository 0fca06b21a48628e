/* SPDX-License-Identifier: MIT */
/*
 * threads.c - the threads of a context: ppl_maths_split, a loop run in pieces by all.
 *
 * A split is one task at a time. The caller sets down what is to be done, publishes it in
 * a word, the ticket, and works on the first piece. Whoever is free takes the next one from
 * the ticket, the caller too: a thread that the system keeps waiting holds up nobody. Who
 * does a piece never matters to the result: the pieces are cut by n alone, none
 * reads what another writes, and sums are not cut.
 *
 *     ticket = serial number of the task | pieces | next piece that is free
 *
 * A piece is taken by a compare-and-swap of the whole word, so what belongs to a task is
 * read only by those who hold a piece of it, and it stays until all are done. Out of work,
 * a thread looks at the ticket for a while (to sleep and be woken takes longer than most
 * operations), then waits on a condition.
 */
#include "impl.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum {
    LOOKS = 10000,                  /* at the ticket before a thread sleeps: some 0.4 ms */
    PATIENCE = 400                  /* of the caller before it offers its processor */
};

struct ppl__pool {
    _Alignas(64) _Atomic uint64_t ticket;
    ppl_maths_part *part;
    void *arg;
    size_t n, pieces;
    int busy;                       /* a split is on: those within it are not cut */
    _Alignas(64) _Atomic size_t finished;   /* pieces, of those that threads have taken */
    _Alignas(64) _Atomic int asleep;        /* threads that wait, or are about to */
    _Atomic int ending;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    void *block;                    /* the memory that holds all this */
    int started;
    pthread_t thread[PPL_MOST_THREADS];
};

static uint64_t ticket_of(uint64_t serial, size_t pieces, size_t next)
{
    return serial << 16 | (uint64_t)pieces << 8 | (uint64_t)next;
}
static uint64_t serial_of(uint64_t ticket) { return ticket >> 16; }
static size_t pieces_of(uint64_t ticket) { return ticket >> 8 & 0xff; }
static size_t next_of(uint64_t ticket) { return ticket & 0xff; }

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The number of a piece that is now the caller's to do; 0 if none is free (that one is
 * never in the ticket). */
static size_t take(ppl__pool *p)
{
    uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);

    while (next_of(t) < pieces_of(t))
        if (atomic_compare_exchange_weak_explicit(&p->ticket, &t, t + 1,
                                                  memory_order_acq_rel,
                                                  memory_order_acquire))
            return next_of(t);
    return 0;
}

static void do_piece(const ppl__pool *p, size_t k)
{
    p->part(p->arg, p->n * k / p->pieces, p->n * (k + 1) / p->pieces);
}

/* ---- Threads ----------------------------------------------------------------------- */

static int has_work(ppl__pool *p)
{
    uint64_t t = atomic_load(&p->ticket);

    return next_of(t) < pieces_of(t) || atomic_load(&p->ending);
}

static void sleep_until_work(ppl__pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->asleep, 1);
    while (!has_work(p))
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->asleep, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *pool)
{
    ppl__pool *p = pool;
    int looks = 0;

    while (!atomic_load_explicit(&p->ending, memory_order_relaxed)) {
        size_t k = take(p);

        if (k > 0) {
            do_piece(p, k);
            atomic_fetch_add_explicit(&p->finished, 1, memory_order_release);
            looks = 0;
        } else if (++looks < LOOKS) {
            relax();
        } else {
            sleep_until_work(p);
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
        failed = pthread_create(&p->thread[p->started], NULL, work, p);
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
        ppl_fail(c, PPL_EUNSUPPORTED, "ctx_new: thread %d of %d does not start: %s; ask for "
                 "fewer (opts.threads)", p->started + 2, threads, strerror(failed));
    return p;
}

void ppl__pool_free(ppl_ctx *c, ppl__pool *p)
{
    if (p == NULL)
        return;
    atomic_store(&p->ending, 1);
    wake_all(p);
    for (int i = 0; i < p->started; i++)
        pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    ppl__free(c, p->block, sizeof(ppl__pool) + 64);
}

int ppl_ctx_threads(const ppl_ctx *c)
{
    return c->pool != NULL ? c->pool->started + 1 : 1;
}

/* ---- Splitting --------------------------------------------------------------------- */

/* Publishes, works along, and waits for those pieces that others have taken. */
static void run_pieces(ppl__pool *p)
{
    uint64_t serial = serial_of(atomic_load_explicit(&p->ticket, memory_order_relaxed));
    size_t others = p->pieces - 1, k;
    int looks = 0;

    atomic_store_explicit(&p->finished, 0, memory_order_relaxed);
    atomic_store(&p->ticket, ticket_of(serial + 1, p->pieces, 1));
    if (atomic_load(&p->asleep) > 0)
        wake_all(p);
    do_piece(p, 0);
    while (atomic_load_explicit(&p->finished, memory_order_acquire) < others)
        if ((k = take(p)) > 0) {
            do_piece(p, k);
            others--;
        } else if (++looks < PATIENCE) {
            relax();
        } else {
            sched_yield();
        }
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

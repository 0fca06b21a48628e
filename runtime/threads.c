/* SPDX-License-Identifier: MIT */
/*
 * threads.c - the threads of a context: ppl_maths_split, a loop run in pieces by all.
 *
 * A split is one task at a time. The caller sets down for each thread what its piece is,
 * publishes it by the task's serial number, and works on piece 0; piece k is thread k's. A
 * thread that the system keeps waiting holds up nobody: a piece has to be claimed, and the
 * caller claims what is left when it is through with its own. Who does a piece never matters
 * to the result: pieces are cut by n alone, none reads what another writes, and sums are not
 * cut.
 *
 * A piece is read only by the one who has claimed it, and it stays until it is done. What the
 * caller tells a thread and what the thread tells it are in a cache line each, so a split
 * costs two ways from core to core, 0.15 to 0.6 microseconds. Out of work, a thread looks
 * for a while (to sleep and be woken takes longer than most operations), then waits on a
 * condition. A thread that falls asleep just as it is offered a piece sleeps on, and the
 * caller does it: that is cheaper than a fence in every split.
 *
 * Jobs wait in a ring for a thread that has no piece to do; who waits for one does some
 * meanwhile. Each is the only one of its target and never cut, so that here too the result
 * does not depend on who does what when.
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

/* Tasks are told apart by serial numbers. */
typedef struct worker {
    _Alignas(64) _Atomic uint64_t offered;  /* the latest that has a piece for the thread */
    ppl_maths_part *part;                   /* which is part(arg, from, to) */
    void *arg;
    size_t from, to;
    _Alignas(64) _Atomic uint64_t claimed;  /* the latest whose piece somebody does */
    _Atomic uint64_t done;                  /* the latest whose piece the thread did */
    struct ppl__pool *pool;
    pthread_t thread;
} worker;

enum { JOBS = 16 };                 /* that are not done at most */

enum { DONE, WAITING, RUNNING };
typedef struct job {
    _Alignas(64) _Atomic int state;
    void (*run)(void *room);
    const void *target;
    void *room, *block;             /* the room is in the block, aligned */
    size_t size;
} job;

struct ppl__pool {
    uint64_t serial;                /* of the latest task */
    int busy;                       /* a split is on: those within it are not cut */
    int started;
    void *block;                    /* the memory that holds all this */
    _Alignas(64) _Atomic int asleep;        /* threads that wait, or are about to */
    _Atomic int ending;
    _Alignas(64) _Atomic int waiting;       /* jobs */
    int open;                               /* whether jobs are possible */
    unsigned next;                          /* the job to be started */
    job job[JOBS];
    pthread_mutex_t lock;
    pthread_cond_t wake;
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
    const uint64_t serial = atomic_load_explicit(&w->offered, memory_order_acquire);

    return atomic_load_explicit(&w->claimed, memory_order_relaxed) < serial ? serial : 0;
}

/* Does one of the jobs that wait, from the one started first on; 0: there is none. */
static int do_job(ppl__pool *p, unsigned first)
{
    for (unsigned i = 0; i < JOBS; i++) {
        job *j = &p->job[(first + i) % JOBS];
        int state = WAITING;

        if (atomic_load_explicit(&j->state, memory_order_relaxed) == WAITING &&
            atomic_compare_exchange_strong(&j->state, &state, RUNNING)) {
            atomic_fetch_sub(&p->waiting, 1);
            j->run(j->room);
            atomic_store_explicit(&j->state, DONE, memory_order_release);
            return 1;
        }
    }
    return 0;
}

/* ---- Threads ----------------------------------------------------------------------- */

static void sleep_until_work(worker *w)
{
    ppl__pool *p = w->pool;

    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->asleep, 1);
    while (offered(w) == 0 && atomic_load(&p->waiting) == 0 && !atomic_load(&p->ending))
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
            w->part(w->arg, w->from, w->to);
            atomic_store_explicit(&w->done, serial, memory_order_release);
            looks = 0;
        } else if (atomic_load_explicit(&p->waiting, memory_order_relaxed) > 0 &&
                   do_job(p, 0)) {
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
    for (int i = 0; i < JOBS; i++)
        ppl__free(c, p->job[i].block, p->job[i].size);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    ppl__free(c, p->block, sizeof(ppl__pool) + 64);
}

int ppl_ctx_threads(const ppl_ctx *c)
{
    return c->pool != NULL ? c->pool->started + 1 : 1;
}

/* ---- Splitting --------------------------------------------------------------------- */

static void offer(worker *w, uint64_t serial, ppl_maths_part *part, void *arg, size_t from,
                  size_t to)
{
    w->part = part;
    w->arg = arg;
    w->from = from;
    w->to = to;
    atomic_store_explicit(&w->offered, serial, memory_order_release);
}

/* Until the worker has done its piece, or, where it has not begun, the caller has. */
static void await(worker *w, uint64_t serial)
{
    int looks = 0;

    if (claim(w, serial)) {
        w->part(w->arg, w->from, w->to);
        return;
    }
    while (atomic_load_explicit(&w->done, memory_order_acquire) < serial)
        if (++looks < PATIENCE)
            relax();
        else
            sched_yield();
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
    p->busy = 1;
    p->serial++;
    for (size_t k = 1; k < pieces; k++)
        offer(&p->worker[k], p->serial, part, arg, n * k / pieces, n * (k + 1) / pieces);
    if (atomic_load_explicit(&p->asleep, memory_order_relaxed) > 0)
        wake_all(p);
    part(arg, 0, n / pieces);
    for (size_t k = 1; k < pieces; k++)
        await(&p->worker[k], p->serial);
    p->busy = 0;
}

int ppl__set_splitting(ppl_ctx *c, int splitting)
{
    const int before = c->pool != NULL && !c->pool->busy;

    if (c->pool != NULL)
        c->pool->busy = !splitting;
    return before;
}

/* ---- Jobs -------------------------------------------------------------------------- */

void ppl__jobs_open(ppl_ctx *c)
{
    if (c->pool == NULL)
        return;
    c->pool->open = 1;
    c->pool->next = 0;              /* like sweeps ask for like rooms */
}

int ppl__jobs_possible(const ppl_ctx *c)
{
    return ppl__split_pieces(c, 2, 1) > 1 && c->pool->open;
}

/* Until the job is done, doing others. */
static void finish(ppl__pool *p, const job *j)
{
    int looks = 0;

    while (atomic_load_explicit(&j->state, memory_order_acquire) != DONE)
        if (do_job(p, p->next) || ++looks < PATIENCE)
            relax();
        else
            sched_yield();
}

void *ppl__job_room(ppl_ctx *c, size_t size)
{
    job *j = &c->pool->job[c->pool->next];

    finish(c->pool, j);
    if (j->size < size + 64) {
        void *block = ppl__realloc(c, NULL, 0, size + 64);

        if (block == NULL)
            return NULL;
        ppl__free(c, j->block, j->size);
        j->block = block;
        j->size = size + 64;
        j->room = (void *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
    }
    return j->room;
}

void ppl__job_start(ppl_ctx *c, void (*run)(void *room), const void *target)
{
    ppl__pool *p = c->pool;
    job *j = &p->job[p->next];

    ppl__jobs_finish(c, target);
    j->run = run;
    j->target = target;
    p->next = (p->next + 1) % JOBS;
    atomic_store_explicit(&j->state, WAITING, memory_order_release);
    atomic_fetch_add(&p->waiting, 1);
    if (atomic_load_explicit(&p->asleep, memory_order_relaxed) > 0)
        wake_all(p);
}

void ppl__jobs_finish(ppl_ctx *c, const void *target)
{
    ppl__pool *p = c->pool;

    if (p == NULL)
        return;
    for (int i = 0; i < JOBS; i++)
        if (target == NULL || p->job[i].target == target)
            finish(p, &p->job[i]);
    if (target == NULL)
        p->open = 0;
}

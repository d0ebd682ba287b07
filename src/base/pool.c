/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* How long a worker waits awake for the next job, and a caller for the last piece: longer than the gap between two
 * steps of a plan, far shorter than anything a power meter sees.  Who waits longer sleeps: the machine may want to
 * give the core to the very thread that is waited for. */
#define SPIN_NS 20000u

typedef struct start { hn_pool *pool; unsigned index; } start;      /* what a worker is told */

/* Pieces that lie together are one thread's share, so that it walks through memory; who is done with its own goes on
 * with the others'.  Each on lines of its own, since `next` is written for every piece. */
typedef struct share { atomic_size_t next; size_t end; char apart[128 - sizeof(atomic_size_t) - sizeof(size_t)]; } share;

struct hn_pool {
    hn_ctx cx;
    unsigned threads;
    unsigned started;             /* workers running, threads - 1 unless creation failed */
    pthread_t *worker;
    start *start;                 /* beside each worker */
    share *share;                 /* one per thread */
    pthread_mutex_t busy;         /* held by the caller whose job runs */

    pthread_mutex_t lock;         /* of both conditions */
    pthread_cond_t wake;          /* workers: the epoch has moved */
    pthread_cond_t done;          /* the caller: the gate is empty */
    atomic_uint sleepers;         /* workers at the condition, or on their way there */
    atomic_bool caller_sleeps;
    atomic_bool quit;             /* set before the epoch moves for the last time */

    atomic_uint epoch;            /* counts jobs; a change is the start signal */
    atomic_uint gate;             /* workers inside the current job, and SHUT when none may enter */
    unsigned limit;               /* workers below this number take part in the current job */
    void (*work)(void *, size_t, unsigned);
    void *arg;
};

/* A worker that comes late to a job, because the machine gave its core to someone else, finds the gate
 * shut and goes back to wait: nobody waits for a worker that never began. */
#define SHUT 0x80000000u

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void claim(hn_pool *p, unsigned worker)
{
    for (unsigned i = 0; i < p->limit; i++) {
        share *s = &p->share[(worker + i) % p->limit];
        for (size_t piece; (piece = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed)) < s->end;)
            p->work(p->arg, piece, worker);
    }
}

static void share_out(hn_pool *p, size_t pieces)
{
    size_t at = 0;
    for (unsigned i = 0; i < p->limit; i++) {
        atomic_store_explicit(&p->share[i].next, at, memory_order_relaxed);
        at += pieces / p->limit + (i < pieces % p->limit);
        p->share[i].end = at;
    }
}

/* Waits until the epoch moves on from *seen and notes what it has become; false when the pool is closing.
 * What was noted, and not the epoch of a moment later, is what the next wait starts from: a change
 * that falls between the two would be lost, and with it the news that the pool closes. */
static bool wait_for_job(hn_pool *p, unsigned *seen)
{
    uint64_t until = hn_now_ns() + SPIN_NS;
    unsigned now;
    do {
        for (int i = 0; i < 64; i++) {
            now = atomic_load_explicit(&p->epoch, memory_order_acquire);
            if (now != *seen) {
                *seen = now;
                return !p->quit;
            }
            pause_cpu();
        }
    } while (hn_now_ns() < until);

    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);        /* before the epoch is looked at once more: see signal_workers */
    while ((now = atomic_load(&p->epoch)) == *seen)
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    *seen = now;
    pthread_mutex_unlock(&p->lock);
    return !p->quit;
}

static void leave(hn_pool *p)
{
    if (atomic_fetch_sub(&p->gate, 1) != SHUT + 1 || !atomic_load(&p->caller_sleeps))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    const start *s = arg;
    hn_pool *p = s->pool;
    unsigned index = s->index, seen = 0;

    while (wait_for_job(p, &seen)) {
        if (!(atomic_fetch_add_explicit(&p->gate, 1, memory_order_acquire) & SHUT) && index < p->limit)
            claim(p, index);
        leave(p);
    }
    return NULL;
}

/* The epoch moves, then sleepers are looked for; a worker says that it sleeps, then looks at the epoch.  One of the
 * two sees the other, and the lock is free while all are awake. */
static void signal_workers(hn_pool *p)
{
    atomic_fetch_add(&p->epoch, 1);
    if (atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

/* Until no worker is inside any more. */
static void wait_for_workers(hn_pool *p)
{
    uint64_t until = 0;
    while (atomic_load_explicit(&p->gate, memory_order_acquire) != SHUT) {
        for (int i = 0; i < 16 && atomic_load_explicit(&p->gate, memory_order_acquire) != SHUT; i++)
            pause_cpu();
        uint64_t now = hn_now_ns();
        if (until == 0)
            until = now + SPIN_NS;
        if (now < until)
            continue;
        pthread_mutex_lock(&p->lock);
        atomic_store(&p->caller_sleeps, true);
        while (atomic_load(&p->gate) != SHUT)
            pthread_cond_wait(&p->done, &p->lock);
        atomic_store(&p->caller_sleeps, false);
        pthread_mutex_unlock(&p->lock);
    }
}

hn_err hn_pool_new(hn_ctx *cx, unsigned threads, hn_pool **out)
{
    if (threads == 0)
        threads = hn_cpu_count();
    hn_pool *p = hn_calloc(cx, 1, sizeof *p);
    if (!p)
        return hn_nomem(cx, "a thread pool");
    p->cx.env = cx ? cx->env : NULL;
    p->threads = threads;
    atomic_init(&p->gate, SHUT);
    p->worker = hn_calloc(cx, threads, sizeof *p->worker);
    p->start = hn_calloc(cx, threads, sizeof *p->start);
    p->share = hn_calloc(cx, threads, sizeof *p->share);
    pthread_mutex_init(&p->busy, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);

    bool ok = p->worker && p->start && p->share;
    while (ok && p->started + 1 < threads) {
        start *s = &p->start[p->started];
        *s = (start){ p, p->started + 1 };
        ok = pthread_create(&p->worker[p->started], NULL, worker_main, s) == 0;
        p->started += ok;
    }
    if (!ok) {
        hn_pool_free(p);
        return hn_nomem(cx, "the threads of a pool");
    }
    *out = p;
    return HN_OK;
}

void hn_pool_free(hn_pool *p)
{
    if (!p)
        return;
    p->quit = true;
    signal_workers(p);
    for (unsigned i = 0; i < p->started; i++)
        pthread_join(p->worker[i], NULL);
    pthread_mutex_destroy(&p->busy);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    hn_ctx cx = p->cx;
    hn_free(&cx, p->worker);
    hn_free(&cx, p->start);
    hn_free(&cx, p->share);
    hn_free(&cx, p);
}

unsigned hn_pool_threads(const hn_pool *p) { return p ? p->threads : 1; }

void hn_pool_run(hn_pool *p, unsigned threads, size_t pieces, void (*work)(void *, size_t, unsigned), void *arg)
{
    if (!p || pieces < 2 || p->started == 0 || threads == 1 || pthread_mutex_trylock(&p->busy) != 0) {
        for (size_t i = 0; i < pieces; i++)
            work(arg, i, 0);
        return;
    }
    p->limit = threads && threads < p->threads ? threads : p->threads;
    p->work = work;
    p->arg = arg;
    share_out(p, pieces);
    atomic_fetch_and_explicit(&p->gate, ~SHUT, memory_order_release);
    signal_workers(p);

    claim(p, 0);
    atomic_fetch_or_explicit(&p->gate, SHUT, memory_order_acquire);
    wait_for_workers(p);
    pthread_mutex_unlock(&p->busy);
}

/* CPUs granted by the cgroup's quota, rounded up; a large number when there is none. */
static unsigned quota(void)
{
    unsigned long long max = 0, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!f)
        return ~0u;
    int n = fscanf(f, "%llu %llu", &max, &period);     /* "max 100000" reads as no number */
    fclose(f);
    if (n != 2 || period == 0 || max == 0)
        return ~0u;
    return (unsigned)((max + period - 1) / period);
}

unsigned hn_cpu_count(void)
{
    cpu_set_t set;
    unsigned n = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = (unsigned)CPU_COUNT(&set);
    unsigned limit = quota();
    return n < limit ? n : limit;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* How long a worker waits awake for the next job: longer than the gap between two
 * steps of a plan, far shorter than anything a power meter sees. */
#define SPIN_NS 20000u
#define SPINS_MAX 2000u

typedef struct start { hn_pool *pool; unsigned index; } start;      /* what a worker is told */

struct hn_pool {
    hn_ctx cx;
    unsigned threads;
    unsigned started;             /* workers running, threads - 1 unless creation failed */
    pthread_t *worker;
    start *start;                 /* beside each worker */
    pthread_mutex_t busy;         /* held by the caller whose job runs */

    pthread_mutex_t lock;         /* guards sleepers and the condition */
    pthread_cond_t wake;
    unsigned sleepers;
    atomic_bool quit;             /* set before the epoch moves for the last time */

    atomic_uint epoch;            /* counts jobs; a change is the start signal */
    atomic_uint gate;             /* workers inside the current job, and SHUT when none may enter */
    atomic_size_t next;           /* next unclaimed piece */
    size_t pieces;
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
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (i >= p->pieces)
            return;
        p->work(p->arg, i, worker);
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
    p->sleepers++;
    while ((now = atomic_load(&p->epoch)) == *seen)
        pthread_cond_wait(&p->wake, &p->lock);
    p->sleepers--;
    *seen = now;
    pthread_mutex_unlock(&p->lock);
    return !p->quit;
}

static void *worker_main(void *arg)
{
    const start *s = arg;
    hn_pool *p = s->pool;
    unsigned index = s->index, seen = 0;

    while (wait_for_job(p, &seen)) {
        if (!(atomic_fetch_add_explicit(&p->gate, 1, memory_order_acquire) & SHUT) && index < p->limit)
            claim(p, index);
        atomic_fetch_sub_explicit(&p->gate, 1, memory_order_release);
    }
    return NULL;
}

static void signal_workers(hn_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->epoch, 1);
    if (p->sleepers)
        pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
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
    pthread_mutex_init(&p->busy, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);

    bool ok = p->worker && p->start;
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
    hn_ctx cx = p->cx;
    hn_free(&cx, p->worker);
    hn_free(&cx, p->start);
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
    p->pieces = pieces;
    p->limit = threads ? threads : p->threads;
    p->work = work;
    p->arg = arg;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_fetch_and_explicit(&p->gate, ~SHUT, memory_order_release);
    signal_workers(p);

    claim(p, 0);
    atomic_fetch_or_explicit(&p->gate, SHUT, memory_order_acquire);
    for (unsigned spins = 0; (atomic_load_explicit(&p->gate, memory_order_acquire) & ~SHUT) != 0; spins++) {
        pause_cpu();
        if (spins > SPINS_MAX)
            sched_yield();            /* the worker we wait for may need this very core */
    }
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/support/test.h"

enum { PIECES = 1000 };

typedef struct job {
    hn_pool *pool;
    atomic_uint done[PIECES];
    atomic_uint worker_max;
} job;

static void mark(void *arg, size_t piece, unsigned worker)
{
    job *j = arg;
    unsigned seen = atomic_load(&j->worker_max);
    atomic_fetch_add(&j->done[piece], 1);
    while (worker > seen && !atomic_compare_exchange_weak(&j->worker_max, &seen, worker))
        ;
}

static void check_once(const job *j, size_t pieces, unsigned times)
{
    for (size_t i = 0; i < PIECES; i++)
        CHECK_INT(j->done[i], i < pieces ? times : 0);
}

TEST(every_piece_runs_exactly_once)
{
    static const unsigned threads[] = { 1, 2, 5 };
    static const size_t pieces[] = { 0, 1, 2, 7, PIECES };
    hn_ctx cx = { 0 };
    for (size_t t = 0; t < 3; t++) {
        hn_pool *p;
        CHECK_INT(hn_pool_new(&cx, threads[t], &p), HN_OK);
        CHECK_INT(hn_pool_threads(p), threads[t]);
        for (size_t n = 0; n < 5; n++)
            for (int round = 0; round < 20; round++) {
                job j = { .pool = p };
                hn_pool_run(p, 0, pieces[n], mark, &j);
                check_once(&j, pieces[n], 1);
                CHECK(j.worker_max < threads[t]);
            }
        hn_pool_free(p);
    }
}

TEST(no_pool_means_this_thread)
{
    job j = { 0 };
    hn_pool_run(NULL, 0, PIECES, mark, &j);
    check_once(&j, PIECES, 1);
    CHECK_INT(j.worker_max, 0);
    CHECK_INT(hn_pool_threads(NULL), 1);
    hn_pool_free(NULL);
}

/* A worker that the machine kept from a pool's last job must still hear that the pool closes. */
TEST(a_pool_may_close_right_after_a_job)
{
    hn_ctx cx = { 0 };
    for (int round = 0; round < 3000; round++) {
        job j = { 0 };
        CHECK_INT(hn_pool_new(&cx, 4, &j.pool), HN_OK);
        for (int i = 0; i < 3; i++)
            hn_pool_run(j.pool, 0, 2, mark, &j);
        hn_pool_free(j.pool);
    }
}

/* A plan counts scratch for as many workers as its session may use, the pool may have more. */
TEST(a_job_keeps_to_its_threads)
{
    hn_ctx cx = { 0 };
    hn_pool *p;
    CHECK_INT(hn_pool_new(&cx, 6, &p), HN_OK);
    for (unsigned limit = 1; limit <= 7; limit++)
        for (int round = 0; round < 50; round++) {
            job j = { .pool = p };
            hn_pool_run(p, limit, PIECES, mark, &j);
            check_once(&j, PIECES, 1);
            CHECK(j.worker_max < limit);
        }
    hn_pool_free(p);
}

static void nest(void *arg, size_t piece, unsigned worker)
{
    job *j = arg;
    (void)piece, (void)worker;
    hn_pool_run(j->pool, 0, PIECES, mark, j);
}

TEST(work_may_call_the_pool_again)
{
    hn_ctx cx = { 0 };
    job j = { 0 };
    CHECK_INT(hn_pool_new(&cx, 3, &j.pool), HN_OK);
    hn_pool_run(j.pool, 0, 10, nest, &j);
    check_once(&j, PIECES, 10);
    hn_pool_free(j.pool);
}

static void *caller(void *arg)
{
    job *shared = arg;
    for (int round = 0; round < 50; round++) {
        job j = { 0 };
        hn_pool_run(shared->pool, 0, PIECES, mark, &j);
        for (size_t i = 0; i < PIECES; i++)
            if (j.done[i] != 1)
                atomic_fetch_add(&shared->done[0], 1);
    }
    return NULL;
}

TEST(many_callers_share_one_pool)
{
    hn_ctx cx = { 0 };
    job j = { 0 };
    pthread_t thread[4];
    CHECK_INT(hn_pool_new(&cx, 3, &j.pool), HN_OK);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, caller, &j), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    CHECK_INT(j.done[0], 0);
    hn_pool_free(j.pool);
}

static double cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-3;
}

TEST(an_idle_pool_costs_nothing)
{
    hn_ctx cx = { 0 };
    job j = { 0 };
    CHECK_INT(hn_pool_new(&cx, 4, &j.pool), HN_OK);
    hn_pool_run(j.pool, 0, PIECES, mark, &j);
    nanosleep(&(struct timespec){ 0, 50 * 1000 * 1000 }, NULL);     /* spinning ends after microseconds */
    double before = cpu_ms();
    nanosleep(&(struct timespec){ 0, 500 * 1000 * 1000 }, NULL);
    CHECK(cpu_ms() - before < 5);
    hn_pool_free(j.pool);
}

TEST(there_is_at_least_one_cpu) { CHECK(hn_cpu_count() >= 1); }

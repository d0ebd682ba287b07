/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/crowd.h"

#include <string.h>

#include "base/clock.h"
#include "base/pool.h"

typedef struct stream {
    hn_ctx cx;
    hn_session *s;
    double *ms;
    size_t runs, cap;
    uint64_t end;
    hn_err e;
} stream;

static void run_stream(void *arg, size_t piece, unsigned worker)
{
    stream *s = (stream *)arg + piece;
    uint64_t begin, now;
    (void)worker;
    do {
        begin = hn_now_ns();
        s->e = hn_session_run(&s->cx, s->s);
        now = hn_now_ns();
        s->ms[s->runs++] = hn_ms(now - begin);
    } while (!s->e && s->runs < s->cap && now < s->end);
}

static hn_err open_streams(hn_ctx *cx, const hn_crowd *c, stream *s, double *ms, size_t cap)
{
    for (unsigned i = 0; i < c->streams; i++) {
        s[i] = (stream){ .cx = { .env = cx->env }, .ms = ms + cap / c->streams * i, .cap = cap / c->streams };
        HN_TRY(hn_session_new(cx, c->plan, NULL, &s[i].s));
        for (size_t k = 0; k < c->plan->graph->in_count; k++)
            hn_session_bind_input(s[i].s, k, c->in[k].data);
        HN_TRY(hn_session_run(cx, s[i].s));          /* what the first run allocates is there */
    }
    return HN_OK;
}

static hn_err run_streams(hn_ctx *cx, const hn_crowd *c, stream *s, hn_pool *pool, double *ms, size_t *runs, double *total_ms)
{
    uint64_t begin = hn_now_ns();
    for (unsigned i = 0; i < c->streams; i++)
        s[i].end = begin + (uint64_t)(c->seconds * 1e9);
    hn_pool_run(pool, c->streams, c->streams, run_stream, s);
    *total_ms = hn_ms(hn_now_ns() - begin);
    *runs = 0;
    for (unsigned i = 0; i < c->streams; i++) {
        if (s[i].e)
            return hn_fail(cx, s[i].e, "%s", s[i].cx.msg);
        memmove(ms + *runs, s[i].ms, s[i].runs * sizeof *ms);
        *runs += s[i].runs;
    }
    return HN_OK;
}

hn_err hn_crowd_measure(hn_ctx *cx, const hn_crowd *c, double *ms, size_t cap, size_t *runs, double *total_ms)
{
    hn_pool *pool = NULL;
    stream *s = hn_calloc(cx, c->streams, sizeof *s);
    hn_err e = s ? hn_pool_new(cx, c->streams, &pool) : hn_nomem(cx, "sessions");
    if (!e)
        e = open_streams(cx, c, s, ms, cap);
    if (!e)
        e = run_streams(cx, c, s, pool, ms, runs, total_ms);
    for (unsigned i = 0; s && i < c->streams; i++)
        hn_session_free(s[i].s);
    hn_pool_free(pool);
    hn_free(cx, s);
    return e;
}

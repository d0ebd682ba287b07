/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/plan_here.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "base/pool.h"
#include "cli/lm_opts.h"
#include "cli/runner.h"
#include "cost/machine.h"
#include "kernels/pick.h"

#define PROMPT 64
#define ANSWER 24
#define RUN_NS 300000000u        /* of a graph, after one run to warm up */

static hn_fact measured(double value, const char *source)
{
    return (hn_fact){ value > 0, value, value, "", source, "", "", 0 };
}

/* ---- The model itself ------------------------------------------------------------------------------ */

static double seconds_since(uint64_t t) { return (double)(hn_now_ns() - t) * 1e-9; }

/* The first tokens of a chunk make its plan: they are read once for nothing. */
static hn_err run_lm(hn_lm_job *j, hn_device *d)
{
    hn_ctx *cx = &j->c->cx;
    hn_stream *s;
    float *logits;
    int32_t ids[PROMPT];
    size_t prompt = hn_min(PROMPT, j->m.o.context / 2), answer = hn_min(ANSWER, j->m.o.context / 4);
    HN_TRY(hn_stream_new(cx, &j->m, j->pool, &s));
    for (size_t i = 0; i < prompt; i++)
        ids[i] = (int32_t)((i * 104729 + 7) % j->m.shape.vocab);
    hn_err e = hn_stream_read(cx, s, ids, prompt, false, &logits);
    if (!e)
        e = hn_stream_read(cx, s, ids, 1, false, &logits);
    hn_stream_trim(s, 0);
    uint64_t t = hn_now_ns();
    if (!e)
        e = hn_stream_read(cx, s, ids, prompt, false, &logits);
    d->ran_prefill = (double)prompt / seconds_since(t);
    t = hn_now_ns();
    for (size_t i = 0; !e && i < answer; i++)
        e = hn_stream_read(cx, s, &ids[i % prompt], 1, false, &logits);
    d->ran_decode = (double)answer / seconds_since(t);
    hn_stream_free(s);
    return e;
}

/* Zeros in, since only time is asked for; open dimensions are 1, as the plan took them. */
static hn_err run_graph(hn_cli *c, const char *path, hn_arena *a, hn_device *d)
{
    hn_runner_opts o = { .threads = c->threads };
    hn_runner r;
    hn_err e = hn_runner_open(&c->cx, path, &o, &r);
    const hn_graph *g = e ? NULL : r.src.graph;
    hn_tensor *in = e ? NULL : HN_NEW(a, hn_tensor, g->in_count);
    for (size_t i = 0; in && !e && i < g->in_count; i++) {
        in[i] = (hn_tensor){ g->in[i]->t.dtype, g->in[i]->t.shape, NULL };
        for (int k = 0; k < in[i].shape.rank; k++)
            if (hn_is_symbol(in[i].shape.dim[k]))
                in[i].shape.dim[k] = 1;
        in[i].data = hn_arena_get(a, hn_max(hn_bytes(&in[i]), 1), 64);
        if (!in[i].data)
            e = hn_nomem(&c->cx, "inputs");
    }
    if (!e)
        e = in ? hn_runner_run(&c->cx, &r, in) : hn_nomem(&c->cx, "inputs");
    uint64_t begin = hn_now_ns();
    double best = 0;
    while (!e && hn_now_ns() - begin < RUN_NS) {
        uint64_t t = hn_now_ns();
        e = hn_runner_run(&c->cx, &r, in);
        double ms = seconds_since(t) * 1e3;
        best = best > 0 && best < ms ? best : ms;
    }
    d->ran_ms = e ? 0 : best;
    hn_runner_close(&r);
    return e;
}

static hn_err run_file(hn_cli *c, const char *path, hn_device *d)
{
    hn_file f;
    HN_TRY(hn_file_open(&c->cx, path, &f));
    bool lm = hn_gguf_probe(f.data, f.len);
    hn_file_close(&f);
    if (lm) {
        hn_lm_job j;
        hn_err e = hn_lm_job_open(c, path, &j);
        if (!e)
            e = run_lm(&j, d);
        hn_lm_job_close(&j);
        return e;
    }
    hn_arena *a;
    HN_TRY(hn_arena_new(&c->cx, 0, &a));
    hn_err e = run_graph(c, path, a, d);
    hn_arena_free(a);
    return e;
}

/* ---- The machine ------------------------------------------------------------------------------------ */

hn_err hn_plan_here(hn_cli *c, const hn_needs *n, hn_device *out)
{
    hn_pool *pool;
    hn_peak peak;
    double ram = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) * 1e-9;
    const hn_kernels *k;
    HN_TRY(hn_kernels_choose(&c->cx, &k));
    HN_TRY(hn_pool_new(&c->cx, c->threads, &pool));
    hn_err e = hn_peak_measure(&c->cx, k, pool, true, &peak);
    hn_pool_free(pool);
    HN_TRY(e);
    if (hn_given_number(n->ram_gb))
        ram = n->ram_gb;
    hn_device d = {
        .id = "here",
        .name = "this machine",
        .kind = "here",
        .here = true,
        .roof = hn_class_find("arm-cpu-a76"),
        .tops_why = "no TOPS figure",
        .ram = measured(ram, "this machine"),
        .bandwidth = measured(peak.gbytes, "measured now"),
        .gflops = measured(peak.gflops, "measured now"),
        .usable_gb = ram - (ram > 4 ? 2 : ram / 2),
        .usable_why = "less 2 GB for the system",
    };
    if (n->file)
        HN_TRY(run_file(c, n->file, &d));
    *out = d;
    return HN_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* hone bench: how fast, how much memory, and how near to what this machine can do. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/process.h"
#include "cli/against.h"
#include "cli/bench.h"
#include "cli/crowd.h"
#include "cli/dims.h"
#include "cli/fill.h"
#include "cli/lm_opts.h"
#include "cli/runner.h"
#include "cli/table.h"
#include "cli/tuning.h"
#include "cost/machine.h"

#define RUNS_MAX 200000         /* latencies kept: enough for a microsecond model over a second */

typedef struct bench {
    hn_cli *c;
    hn_runner r;
    hn_arena *memory;
    hn_tensor *in;
    double load_ms, plan_ms, first_ms;
    size_t private_before, private_after, written_before, written_after;
    double *ms; size_t runs;    /* sorted */
    double total_ms;
    unsigned streams;           /* sessions that run at once */
    hn_peak peak;
    double *step_ms, *least_ms; /* per step: summed over profiled runs; the fastest */
    size_t profiled;
    hn_tuning tuning;
    hn_against against;         /* no peer: not asked for */
} bench;

/* ---- Measuring --------------------------------------------------------------------------------- */

/* Numbers that look like data, so that no kernel meets only zeros: zeros and denormals can be
 * faster or slower than life. */
static hn_err make_inputs(bench *b)
{
    const hn_graph *g = b->r.src.graph;
    hn_shape *shape = HN_NEW(b->memory, hn_shape, g->in_count);
    uint32_t seed = 1;
    b->in = HN_NEW(b->memory, hn_tensor, g->in_count);
    if (!shape || !b->in)
        return hn_nomem(&b->c->cx, "inputs");
    HN_TRY(hn_dims_shapes(b->c, g, shape));
    HN_TRY(hn_fills_check(b->c, "fill", g));
    for (size_t i = 0; i < g->in_count; i++) {
        hn_tensor *t = &b->in[i];
        *t = (hn_tensor){ g->in[i]->t.dtype, shape[i], NULL };
        t->data = hn_arena_get(b->memory, hn_max(hn_bytes(t), 1), 64);
        if (!t->data)
            return hn_nomem(&b->c->cx, "inputs");
        if (hn_dtype_class(t->dtype) == HN_CLASS_S)
            return hn_fail(&b->c->cx, HN_EUNSUP, "unsupported: bench of a model with text inputs");
        for (size_t k = 0; k < hn_count(t); k++) {
            seed = seed * 1664525u + 1013904223u;
            double v = (double)(seed >> 8) / (1 << 24);
            v = hn_is_float(t->dtype) ? v : floor(v * (t->dtype == HN_BOOL ? 2 : 100));
            hn_fill_of(b->c, "fill", g->in[i]->name, &v);
            hn_put_f64(t, k, 1, &v);
        }
    }
    return HN_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static hn_err measure(bench *b, double seconds)
{
    hn_ctx *cx = &b->c->cx;
    b->ms = hn_alloc(cx, RUNS_MAX * sizeof *b->ms);
    if (!b->ms)
        return hn_nomem(cx, "timings");
    uint64_t begin = hn_now_ns(), end = begin + (uint64_t)(seconds * 1e9), now = begin;
    uint64_t warm = begin + (uint64_t)(seconds * 0.1e9);
    do {                                          /* caches, branch predictors, clock speed */
        HN_TRY(hn_session_run(cx, b->r.session));
    } while (hn_now_ns() < warm);
    hn_session_touch(b->r.session);               /* a worker may have found no piece yet: luck is not memory */
    b->private_after = hn_private_bytes();        /* before timings are written down */
    b->written_after = hn_written_bytes();
    begin = hn_now_ns();
    hn_crowd crowd = { .plan = b->r.plan, .in = b->in, .streams = b->streams, .seconds = seconds };
    if (b->streams > 1)
        HN_TRY(hn_crowd_measure(cx, &crowd, b->ms, RUNS_MAX, &b->runs, &b->total_ms));
    while (b->streams <= 1 && b->runs < RUNS_MAX && (now < end || b->runs < 5)) {
        uint64_t t = hn_now_ns();
        HN_TRY(hn_session_run(cx, b->r.session));
        now = hn_now_ns();
        b->ms[b->runs++] = hn_ms(now - t);
        b->total_ms = hn_ms(now - begin);
    }
    qsort(b->ms, b->runs, sizeof *b->ms, by_size);
    return HN_OK;
}

static double mean_of(const bench *b)
{
    double sum = 0;
    for (size_t i = 0; i < b->runs; i++)
        sum += b->ms[i];
    return sum / (double)b->runs;
}

static double percentile(const bench *b, double p)
{
    return b->ms[(size_t)((double)(b->runs - 1) * p + 0.5)];
}

static hn_err start(bench *b, const char *model)
{
    hn_ctx *cx = &b->c->cx;
    bool many = strcmp(hn_arg_text(&b->c->args, "hint", "latency"), "throughput") == 0;
    b->streams = many ? b->c->threads ? b->c->threads : hn_cpu_count() : 1;
    hn_runner_opts o = { .threads = many ? 1 : b->c->threads };
    b->private_before = hn_private_bytes();
    b->written_before = hn_written_bytes();
    uint64_t t = hn_now_ns();
    HN_TRY(hn_runner_open(cx, model, &o, &b->r));
    b->load_ms = hn_ms(hn_now_ns() - t);
    HN_TRY(hn_arena_new(cx, 0, &b->memory));
    HN_TRY(make_inputs(b));
    HN_TRY(hn_tuning_begin(b->c, b->r.env.pool, &b->tuning));
    if (b->tuning.on) {
        b->r.o.choose = hn_tune_choose;
        b->r.o.choose_user = &b->tuning.t;
    }
    t = hn_now_ns();
    HN_TRY(hn_runner_prepare(cx, &b->r, b->in));
    b->plan_ms = hn_ms(hn_now_ns() - t);
    t = hn_now_ns();
    HN_TRY(hn_runner_run(cx, &b->r, b->in));
    b->first_ms = hn_ms(hn_now_ns() - t);
    return HN_OK;
}

/* ---- Step by step ------------------------------------------------------------------------------ */

typedef struct tracer { bench *b; FILE *f; uint64_t origin; bool comma; } tracer;

static const char *step_name(const hn_step *s) { return s->node ? s->node->name : "reorder"; }

static void on_step(void *user, size_t step, uint64_t begin, uint64_t end)
{
    tracer *t = user;
    const hn_step *s = &t->b->r.plan->step[step];
    double ms = hn_ms(end - begin), *least = &t->b->least_ms[step];
    t->b->step_ms[step] += ms;
    *least = *least > 0 && *least < ms ? *least : ms;
    if (!t->f)
        return;
    json_t *event = json_pack("{s:s, s:s, s:s, s:i, s:i, s:f, s:f}", "name", step_name(s), "cat", s->impl->name,
                              "ph", "X", "pid", 1, "tid", 1, "ts", (double)(begin - t->origin) * 1e-3,
                              "dur", (double)(end - begin) * 1e-3);
    if (event) {
        fputs(t->comma ? ",\n" : "", t->f);
        json_dumpf(event, t->f, JSON_COMPACT);
        t->comma = true;
    }
    json_decref(event);
}

static hn_err profile(bench *b, const char *trace, double seconds)
{
    hn_ctx *cx = &b->c->cx;
    tracer t = { .b = b, .origin = hn_now_ns() };
    b->step_ms = hn_calloc(cx, b->r.plan->step_count + 1, sizeof *b->step_ms);
    b->least_ms = hn_calloc(cx, b->r.plan->step_count + 1, sizeof *b->least_ms);
    if (!b->step_ms || !b->least_ms)
        return hn_nomem(cx, "a profile");
    hn_session_hook(b->r.session, on_step, &t);
    hn_err e = HN_OK;
    if (trace) {
        t.f = fopen(trace, "we");
        if (!t.f)
            return hn_fail(cx, HN_EIO, "%s: cannot be written", trace);
        fputs("[", t.f);
        e = hn_session_run(cx, b->r.session);
        fputs("]\n", t.f);
        if (fclose(t.f) != 0 && !e)
            e = hn_fail(cx, HN_EIO, "%s: cannot be written", trace);
        t.f = NULL;
        memset(b->step_ms, 0, b->r.plan->step_count * sizeof *b->step_ms);
    }
    uint64_t end = hn_now_ns() + (uint64_t)(seconds * 1e9);
    while (!e && (b->profiled < 3 || hn_now_ns() < end)) {
        e = hn_session_run(cx, b->r.session);
        b->profiled++;
    }
    hn_session_hook(b->r.session, NULL, NULL);
    return e;
}

/* ---- Telling ------------------------------------------------------------------------------------- */

static json_t *profile_rows(const bench *b)
{
    json_t *rows = json_array();
    double all = 0;
    for (size_t i = 0; i < b->r.plan->step_count; i++)
        all += b->step_ms[i];
    for (size_t i = 0; i < b->r.plan->step_count; i++) {
        const hn_step *s = &b->r.plan->step[i];
        double us = b->step_ms[i] * 1e3 / (double)b->profiled;
        double gflops = us > 0 ? 2 * s->macs / us * 1e-3 : 0;
        json_t *row = json_pack("{s:s, s:s, s:s, s:f, s:f, s:f}", "step", step_name(s), "operator",
                                s->node ? s->node->op->name : "-", "kernel", s->impl->name, "us", us,
                                "least_us", b->least_ms[i] * 1e3,
                                "share_percent", all > 0 ? 100 * b->step_ms[i] / all : 0);
        if (s->macs > 0) {
            json_object_set_new(row, "gflops", json_real(gflops));
            json_object_set_new(row, "peak_percent", json_real(100 * gflops / b->peak.gflops));
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *report(const bench *b)
{
    const hn_plan_stats *s = &b->r.plan->stats;
    double each = b->total_ms / (double)b->runs, mean = mean_of(b), gflops = 2 * s->macs / each * 1e-6;
    json_t *j = json_pack("{s:s, s:i, s:i, s:I}", "isa", b->r.plan->k->isa, "sessions", (int)b->streams, "threads",
                          (int)b->r.o.threads, "runs",
                          (json_int_t)b->runs);
    const struct { const char *key; double value; } reals[] = {
        { "p50_ms", percentile(b, 0.5) }, { "p90_ms", percentile(b, 0.9) }, { "p99_ms", percentile(b, 0.99) },
        { "mean_ms", mean }, { "min_ms", b->ms[0] }, { "per_second", 1e3 / each }, { "load_ms", b->load_ms },
        { "plan_ms", b->plan_ms }, { "first_run_ms", b->first_ms }, { "gflops", gflops },
        { "machine_gflops", b->peak.gflops }, { "peak_percent", 100 * gflops / b->peak.gflops },
    };
    const struct { const char *key; size_t value; } sizes[] = {
        { "arena_bytes", s->arena_bytes }, { "packed_bytes", s->packed_bytes },
        { "mapped_bytes", b->r.src.mapped_bytes },
        { "private_bytes", b->private_after > b->private_before ? b->private_after - b->private_before : 0 },
        { "written_bytes", b->written_after > b->written_before ? b->written_after - b->written_before : 0 },
        { "peak_resident_bytes", hn_peak_resident_bytes() }, { "multiply_adds", (size_t)s->macs },
    };
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        json_object_set_new(j, reals[i].key, json_real(reals[i].value));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        json_object_set_new(j, sizes[i].key, json_integer((json_int_t)sizes[i].value));
    if (b->against.peer)
        hn_against_report(&b->against, j);
    return j;
}

static void print_text(const bench *b, const json_t *j)
{
#define REAL(key) json_real_value(json_object_get(j, key))
#define MB(key) ((double)json_integer_value(json_object_get(j, key)) * 1e-6)
    printf("latency     p50 %.3f ms   p90 %.3f   p99 %.3f   mean %.3f   min %.3f   (%zu runs, %u thread%s%s, %s)\n",
           REAL("p50_ms"), REAL("p90_ms"), REAL("p99_ms"), REAL("mean_ms"), REAL("min_ms"), b->runs,
           b->r.o.threads, b->r.o.threads == 1 ? "" : "s", b->streams > 1 ? " each" : "", b->r.plan->k->isa);
    printf("throughput  %.1f per second", REAL("per_second"));
    printf(b->streams > 1 ? ", of %u sessions at once\n" : "\n", b->streams);
    printf("compute     %.2f GFLOP/s, %.0f %% of this machine's measured %.1f\n", REAL("gflops"),
           REAL("peak_percent"), b->peak.gflops);
    printf("start       load %.2f ms, plan %.2f ms, first run %.3f ms\n", b->load_ms, b->plan_ms, b->first_ms);
    printf("memory      arena %.3f MB, packed weights %.3f MB, private %.3f MB, peak resident %.1f MB\n",
           MB("arena_bytes"), MB("packed_bytes"), MB("private_bytes"), MB("peak_resident_bytes"));
    if (b->against.peer)
        hn_against_print(&b->against);
#undef REAL
#undef MB
}

static hn_err tell(bench *b, bool profiled)
{
    static const char *const columns[] = { "step", "operator", "kernel", "us", "least_us", "share_percent", "gflops",
                                           "peak_percent", NULL };
    json_t *j = report(b), *rows = profiled ? profile_rows(b) : NULL;
    hn_err e = HN_OK;
    if (b->c->json) {
        if (rows)
            json_object_set(j, "steps", rows);
        e = hn_json_print(&b->c->cx, json_incref(j));
    } else {
        print_text(b, j);
        if (rows) {
            putchar('\n');
            e = hn_table_print(&b->c->cx, rows, columns, HN_TABLE_TEXT);
        }
    }
    json_decref(j);
    json_decref(rows);
    return e;
}

static hn_err compare(bench *b, const char *text, double seconds)
{
    hn_ctx *cx = &b->c->cx;
    const hn_peer *peer;
    hn_peer_job job = { .model = b->c->args.operand[0], .graph = b->r.src.graph, .in = b->in,
                        .threads = b->r.o.threads };
    HN_TRY(hn_against_parse(cx, text, &peer, &job.lib));
    return hn_against_measure(cx, peer, &job, b->r.session, seconds, &b->against);
}

/* The bytes decide, not the name. */
static bool is_gguf(const char *path)
{
    hn_ctx quiet = { 0 };
    hn_file f;
    if (hn_file_open(&quiet, path, &f))
        return false;
    bool yes = hn_gguf_probe(f.data, f.len);
    hn_file_close(&f);
    return yes;
}

/* What all threads that ran can do together. */
static hn_err find_peak(bench *b)
{
    hn_pool *crowd = NULL;
    hn_err e = b->streams > 1 ? hn_pool_new(&b->c->cx, b->streams, &crowd) : HN_OK;
    if (!e)
        e = hn_peak_measure(&b->c->cx, b->r.plan->k, crowd ? crowd : b->r.env.pool, false, &b->peak);
    hn_pool_free(crowd);
    return e;
}

static hn_err refuse_tuning(hn_cli *c)
{
    static const char *const options[] = { "timing-cache", "hint" };
    const char *found = hn_arg_flag(&c->args, "tune") ? "tune" : NULL;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        found = hn_arg_text(&c->args, options[i], NULL) ? options[i] : found;
    return found ? hn_fail(&c->cx, HN_EUNSUP, "unsupported: --%s of a language model", found) : HN_OK;
}

static hn_err run(hn_cli *c)
{
    if (is_gguf(c->args.operand[0])) {
        HN_TRY(refuse_tuning(c));
        return hn_bench_lm(c, c->args.operand[0]);
    }
    if (hn_arg_text(&c->args, "save-calibration", NULL))
        return hn_fail(&c->cx, HN_EUNSUP, "unsupported: --save-calibration from a model that makes no tokens; "
                       "give a .gguf file");
    bench b = { .c = c };
    const char *trace = hn_arg_text(&c->args, "trace", NULL), *against = hn_arg_text(&c->args, "against", NULL);
    double seconds = hn_arg_real(&c->args, "seconds", 2);
    bool profiled = hn_arg_flag(&c->args, "profile");

    hn_err e = start(&b, c->args.operand[0]);
    if (!e)
        e = measure(&b, seconds);
    if (!e)
        e = find_peak(&b);
    if (!e && against && b.streams > 1)
        e = hn_fail(&c->cx, HN_EARG, "--against compares one session with one: leave out --hint throughput");
    if (!e && against)
        e = compare(&b, against, seconds);
    if (!e && (profiled || trace))
        e = profile(&b, trace, seconds * 0.5);
    if (!e)
        e = tell(&b, profiled);
    hn_free(&c->cx, b.ms);
    hn_free(&c->cx, b.step_ms);
    hn_free(&c->cx, b.least_ms);
    hn_arena_free(b.memory);
    hn_tuning_end(c, &b.tuning);
    hn_runner_close(&b.r);
    return e;
}

static const hn_operand operands[] = { { "MODEL", HN_OPT_FILE, 0, "the model to measure", NULL }, { 0 } };

static const hn_opt opts[] = {
    { "seconds", 's', HN_OPT_REAL, "S", "how long to measure (default 2)", NULL, 0.01, 86400 },
    HN_DIM_OPT,
    { "fill", 0, HN_OPT_TEXT, "NAME=N", "every element of that input (default: made-up numbers)", NULL, 0, 0 },
    { "against", 0, HN_OPT_TEXT, "PEER:LIB", "another engine too, turn by turn: ort: or litert: and its shared library",
      NULL, 0, 0 },
    HN_TUNE_OPTS,
    { "hint", 0, HN_OPT_CHOICE, "HINT",
      "latency: one session on all threads (default); throughput: as many sessions, one thread each", "latency throughput", 0, 0 },
    HN_LM_MODEL_OPTS,
    { "prompt-tokens", 0, HN_OPT_INT, "N",
      "language models: tokens read at once (default 512, or what the context has room for)", NULL, 1, 1000000 },
    { "answer-tokens", 0, HN_OPT_INT, "N", "language models: tokens made one by one (default 64)", NULL, 1, 1000000 },
    { "sequences", 0, HN_OPT_INT, "N", "language models: also N answers at once, a token of each in one pass", NULL, 1, 128 },
    { "save-calibration", 0, HN_OPT_FILE, "FILE", "language models: write what `hone plan --calibration` reads",
      NULL, 0, 0 },
    { "profile", 'p', HN_OPT_FLAG, NULL, "time every step as well", NULL, 0, 0 },
    { "trace", 0, HN_OPT_FILE, "FILE", "write one run as a trace for a trace viewer (JSON)", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_bench = {
    .name = "bench",
    .summary = "measure latency, memory and share of this machine's peak",
    .example = "hone bench model.onnx --threads 1 --profile",
    .help = "Runs the model on made-up inputs, one after another, for a while: percentiles of latency,\n"
            "throughput, time to load, plan and first run, bytes of memory, and arithmetic rate as a share\n"
            "of the fused multiply-add peak measured on this machine in the same minute.\n\n"
            "Language models (.gguf): tokens a second reading a prompt and making an answer, time to the first token,\n"
            "and how much of the machine's read bandwidth the weights take.\n\n"
            "--against loads another engine's library into this process and runs the same model on the same input\n"
            "with as many threads, in turns: at least nine pairs, of which it takes the medians. ratio is the\n"
            "peer's time over ours. tools/peers.sh gets the libraries, bench/peers.sh measures many models.\n\n"
            "private: bytes only this process holds.  Of them, written (in the JSON) are those that no file stands\n"
            "behind; the rest are pages of the model file and of the program, private or shared as other processes\n"
            "come and go.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};

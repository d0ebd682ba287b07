/* SPDX-License-Identifier: Apache-2.0 */
/* Tuning: whatever wins, the answer stays; what was learnt is kept, and a bad cache is as good as none. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "formats/planfile.h"
#include "runtime/session.h"
#include "runtime/tune.h"
#include "tests/support/agree.h"

#define DEMO "models/demo/pictograms.onnx"

typedef hn_err choose_fn(void *user, const hn_prep *prep, hn_choice *choice);

/* One run of the demonstration model with a plan chosen so. */
static void run(hn_ctx *cx, choose_fn *choose, void *user, unsigned threads, hn_arena *a, hn_tensor *out, size_t *other)
{
    hn_source src;
    hn_plan *plan;
    hn_session *s;
    hn_tensor *in;
    hn_pool *pool = NULL;
    CHECK_INT(hn_source_open(cx, DEMO, &src), HN_OK);
    hn_shape shape = src.graph->in[0]->t.shape;
    shape.dim[0] = 1;
    if (threads > 1)
        CHECK_INT(hn_pool_new(cx, threads, &pool), HN_OK);
    hn_plan_opts o = { .threads = threads, .in_shape = &shape, .choose = choose, .choose_user = user };
    hn_err e = hn_plan_new(cx, src.graph, &o, &plan);
    if (e)
        print_message("%s\n", cx->msg);
    CHECK_INT(e, HN_OK);
    *other = 0;
    for (size_t i = 0; i < plan->step_count; i++)
        *other += strcmp(plan->step[i].impl->name, "conv.winograd.f32") == 0;
    CHECK_INT(hn_session_new(cx, plan, pool, &s), HN_OK);
    CHECK_INT(hn_test_inputs(plan->graph, a, 3, &in), HN_OK);
    hn_session_bind_input(s, 0, in[0].data);
    CHECK_INT(hn_session_run(cx, s), HN_OK);
    CHECK_INT(hn_tensor_copy(cx, hn_session_output(s, 0), a, out), HN_OK);
    hn_session_free(s);
    hn_plan_free(cx, plan);
    hn_pool_free(pool);
    hn_source_close(cx, &src);
}

/* Every convolution and product this way, where it can. */
static hn_err always(void *user, const hn_prep *prep, hn_choice *choice)
{
    const hn_choice *want = user;
    if (prep->node->op->macs)
        *choice = *want;
    return HN_OK;
}

TEST(how_work_is_cut_changes_no_bit)
{
    static hn_choice ways[] = { { "conv.gemm.f32", 0, false }, { "conv.gemm.f32", 1, false }, { "conv.gemm.f32", 2, false },
                                { "conv.gemm.f32", 0, true } };
    hn_ctx cx = { 0 };
    hn_arena *a;
    hn_tensor first, next;
    size_t winograds;
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    run(&cx, always, &ways[0], 1, a, &first, &winograds);
    for (unsigned threads = 1; threads <= 2; threads++)
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            run(&cx, always, &ways[i], threads, a, &next, &winograds);
            CHECK_INT(winograds, 0);
            CHECK(memcmp(first.data, next.data, hn_bytes(&first)) == 0);
        }
    hn_arena_free(a);
}

TEST(another_algorithm_stays_within_the_tolerance)
{
    hn_choice winograd = { "conv.winograd.f32", 0, false }, none = { "no such thing", 0, false };
    hn_ctx cx = { 0 };
    hn_arena *a;
    hn_tensor usual, forced, ignored;
    size_t before, after, still;
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    run(&cx, NULL, NULL, 1, a, &usual, &before);
    run(&cx, always, &winograd, 1, a, &forced, &after);
    run(&cx, always, &none, 1, a, &ignored, &still);
    CHECK(after >= before);
    CHECK(hn_test_difference(&usual, &forced, 1) < 2e-5);
    CHECK(still == before && memcmp(usual.data, ignored.data, hn_bytes(&usual)) == 0);
    hn_arena_free(a);
}

TEST(what_was_measured_is_known_the_next_time)
{
    hn_ctx cx = { 0 };
    hn_arena *a;
    hn_tensor out, again, usual;
    size_t n;
    hn_tuner t = { .measure = true };
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    CHECK_INT(hn_timings_new(&cx, &t.timings), HN_OK);
    hn_cpu_name(t.cpu);
    run(&cx, hn_tune_choose, &t, 1, a, &out, &n);
    CHECK(t.measured > 0 && t.timings->count == t.measured);
    hn_tuner later = { .timings = t.timings };
    memcpy(later.cpu, t.cpu, sizeof t.cpu);
    run(&cx, hn_tune_choose, &later, 1, a, &again, &n);
    CHECK(later.known >= t.measured && later.measured == 0);
    CHECK(memcmp(out.data, again.data, hn_bytes(&out)) == 0);
    run(&cx, NULL, NULL, 1, a, &usual, &n);
    CHECK(hn_test_difference(&usual, &out, 1) < 2e-5);
    hn_timings_free(&cx, t.timings);
    hn_arena_free(a);
}

/* ---- The file ------------------------------------------------------------------------------- */

typedef struct cache { char path[64], said[512]; hn_env env; hn_ctx cx; hn_timings *t; } cache;

static void hear(void *user, int level, const char *line)
{
    cache *c = user;
    (void)level;
    snprintf(c->said, sizeof c->said, "%s", line);
}

static void begin(cache *c)
{
    *c = (cache){ .path = "/tmp/hone-test-XXXXXX", .env = { .log = hear, .log_user = c } };
    c->cx.env = &c->env;
    int fd = mkstemp(c->path);
    CHECK(fd >= 0);
    close(fd);
    CHECK_INT(hn_timings_new(&c->cx, &c->t), HN_OK);
}

static void end(cache *c)
{
    hn_timings_free(&c->cx, c->t);
    unlink(c->path);
}

static void read_text(cache *c, const char *lines)
{
    char text[1024];
    snprintf(text, sizeof text, "hone timings 1 %s\n%s", hn_engine_id(), lines);
    CHECK_INT(hn_file_write(&c->cx, c->path, text, strlen(text)), HN_OK);
    c->said[0] = '\0';
    CHECK_INT(hn_timings_read(&c->cx, c->path, c->t), HN_OK);
}

TEST(timings_come_back_as_they_were_written)
{
    cache c, d;
    begin(&c);
    begin(&d);
    hn_timing one = { .key = "x86_64 avx2 threads=2 Conv f32:1x3x8x8", .choice = { "conv.gemm.f32", 2, true }, .us = 12.5,
                      .usual_us = 14 };
    CHECK_INT(hn_timings_add(&c.cx, c.t, &one), HN_OK);
    CHECK_INT(c.t->added, 1);
    CHECK_INT(hn_timings_write(&c.cx, c.path, c.t), HN_OK);
    CHECK_INT(hn_timings_read(&d.cx, c.path, d.t), HN_OK);
    const hn_timing *got = hn_timings_find(d.t, one.key);
    CHECK(got && got->choice.variant == 2 && got->choice.alone);
    CHECK_TEXT(got->choice.impl, "conv.gemm.f32");
    CHECK(hn_timings_find(d.t, "another") == NULL);
    CHECK_INT(d.t->added, 0);
    end(&c);
    end(&d);
}

TEST(a_damaged_cache_is_ignored_line_by_line_and_told)
{
    static const char *const bad[] = {
        "conv.gemm.f32\t0\t0\t1.0\t2.0\n", "a\tx\t0\t1\t2\tk\n", "a\t0\t7\t1\t2\tk\n", "a\t0\t0\tnan\t2\tk\n",
        "a\t0\t0\t1\t2\tk", "\n", "a\t0\t0\t1\t2\tk\tmore\n", "a\t99999999\t0\t1\t2\tk\n",
    };
    cache c;
    begin(&c);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        read_text(&c, bad[i]);
        CHECK_INT(c.t->count, 0);
        CHECK(strstr(c.said, "1 damaged line ignored"));
    }
    read_text(&c, "junk\nconv.gemm.f32\t1\t0\t1.0\t2.0\tkey\n");
    CHECK(hn_timings_find(c.t, "key") && c.t->count == 1);
    static const char other[] = "hone timings 1 other\na\t0\t0\t1\t2\tk\n";
    CHECK_INT(hn_file_write(&c.cx, c.path, other, sizeof other - 1), HN_OK);
    CHECK_INT(hn_timings_read(&c.cx, c.path, c.t), HN_OK);
    CHECK(strstr(c.said, "not timings of this engine") && c.t->count == 1);
    CHECK_INT(hn_timings_read(&c.cx, "/tmp/hone-test-none/at/all", c.t), HN_OK);
    end(&c);
}

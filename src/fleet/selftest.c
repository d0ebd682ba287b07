/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "fleet/probe.h"

enum { RUNS_MAX = 10000, DEADLINE_MS_MAX = 90000 };
#define RAM_BASE ((uint64_t)96 << 20)         /* what the process itself has mapped writable before it loads a model */

/* ---- In the child -------------------------------------------------------------------------------------- */

typedef struct testing {
    hn_ctx cx;
    const hn_manifest *m;
    const hn_selftest_opts *o;
    hn_arena *a;
    hn_probe *p;
    hn_tensors *in, *want;            /* one per recording */
    hn_selftest_result r;
} testing;

static hn_err verdict(testing *t, hn_reason why, const char *words)
{
    t->r.why = why;
    snprintf(t->r.words, sizeof t->r.words, "%.190s", words);
    return HN_ENO;
}

/* Out of memory is the manifest's limit at work; anything else is said as what it is for. */
static hn_err failed(testing *t, hn_err e, hn_reason otherwise)
{
    return verdict(t, e == HN_ENOMEM ? HN_WHY_TEST_MEMORY : otherwise, t->cx.msg);
}

static hn_err read_recording(testing *t, const char *name, hn_tensors *out)
{
    hn_path path;
    hn_file f;
    HN_TRY(hn_path_make(&t->cx, &path, "%s/%s", t->o->dir, name));
    HN_TRY(hn_file_open(&t->cx, path.text, &f));      /* stays open: tensors may lie in it */
    return hn_tensors_read(&t->cx, f.data, f.len, t->a, out);
}

static hn_err load(testing *t)
{
    const hn_mfile *model = hn_manifest_role(t->m, "model");
    size_t n = t->m->health.vector_count;
    hn_path path;
    HN_TRY(hn_arena_new(&t->cx, 0, &t->a));
    t->in = HN_NEW(t->a, hn_tensors, n + 1);
    t->want = HN_NEW(t->a, hn_tensors, n + 1);
    if (!t->in || !t->want)
        return hn_nomem(&t->cx, "recordings");
    for (size_t i = 0; i < n; i++) {
        HN_TRY(read_recording(t, t->m->health.vector[i].input, &t->in[i]));
        HN_TRY(read_recording(t, t->m->health.vector[i].output, &t->want[i]));
    }
    HN_TRY(hn_path_make(&t->cx, &path, "%s/%s", t->o->dir, model->path));
    uint64_t begin = hn_now_ns();
    HN_TRY(hn_probe_open(&t->cx, path.text, &t->p));
    t->r.load_ms = hn_ms(hn_now_ns() - begin);
    return HN_OK;
}

static hn_err run_one(testing *t, size_t i, double *ms)
{
    const hn_mvector *v = &t->m->health.vector[i];
    hn_tensors got;
    bool nan;
    char words[160];
    uint64_t begin = hn_now_ns();
    hn_err e = hn_probe_run(&t->cx, t->p, &t->in[i], &got);
    *ms = hn_ms(hn_now_ns() - begin);
    if (e)
        return failed(t, e, HN_WHY_TEST_LOAD);
    if (hn_tensors_agree(&got, &t->want[i], v->atol, v->rtol, &nan))
        return HN_OK;
    snprintf(words, sizeof words, "recording %zu (%.100s): %s", i, v->output,
             nan ? "a result is no number" : "a result differs");
    return verdict(t, nan ? HN_WHY_TEST_NAN : HN_WHY_TEST_OUTPUT, words);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static hn_err run_all(testing *t)
{
    size_t vectors = t->m->health.vector_count, n = hn_max(t->o->runs, vectors);
    double *ms = hn_calloc(&t->cx, RUNS_MAX, sizeof *ms);
    if (!ms)
        return failed(t, hn_nomem(&t->cx, "times"), HN_WHY_TEST_MEMORY);
    n = vectors ? hn_min(n, RUNS_MAX) : 0;
    for (size_t i = 0; i < n; i++, t->r.runs++)
        HN_TRY(run_one(t, i % vectors, &ms[i]));
    if (n == 0)
        return HN_OK;
    qsort(ms, n, sizeof *ms, by_size);
    t->r.p95_ms = ms[hn_min(n - 1, n * 95 / 100)];
    return HN_OK;
}

static hn_err judge_times(testing *t)
{
    char words[120];
    if (t->m->health.load_ms_max > 0 && t->r.load_ms > t->m->health.load_ms_max) {
        snprintf(words, sizeof words, "loads in %.1f ms, allowed are %.1f", t->r.load_ms, t->m->health.load_ms_max);
        return verdict(t, HN_WHY_TEST_TIME, words);
    }
    if (t->m->health.p95_ms_max > 0 && t->r.p95_ms > t->m->health.p95_ms_max) {
        snprintf(words, sizeof words, "p95 is %.3f ms, allowed are %.3f", t->r.p95_ms, t->m->health.p95_ms_max);
        return verdict(t, HN_WHY_TEST_TIME, words);
    }
    return HN_OK;
}

static void child(const hn_manifest *m, const hn_selftest_opts *o, uint32_t deadline_ms, int to)
{
    static const hn_env env = { .tensor_bytes_max = (size_t)1 << 30 };
    testing t = { .cx.env = &env, .m = m, .o = o };
    uint64_t ram = m->health.ram_bytes_max ? m->health.ram_bytes_max + RAM_BASE : 0;
    static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM, SIGINT, SIGXCPU };
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);                    /* the parent's handlers are no business of the child's */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    t.r.guards = hn_sandbox_enter(o->dir, ram, deadline_ms / 1000 + 2);
    if (o->sabotage)
        o->sabotage(o->user);
    hn_err e = load(&t);
    if (e)
        failed(&t, e, HN_WHY_TEST_LOAD);
    else if (run_all(&t) == HN_OK)
        judge_times(&t);
    ssize_t n = write(to, &t.r, sizeof t.r);
    _exit(n == (ssize_t)sizeof t.r ? 0 : 1);
}

/* ---- In the parent -------------------------------------------------------------------------------------- */

static uint32_t deadline_of(const hn_manifest *m, const hn_selftest_opts *o)
{
    if (o->deadline_ms)
        return o->deadline_ms;
    double ms = DEADLINE_MS_MAX;
    /* ten times as long as it may take: machines stall */
    if (m->health.load_ms_max > 0 && m->health.p95_ms_max > 0)
        ms = 5000 + 10 * (m->health.load_ms_max + (o->runs + (double)m->health.vector_count) * m->health.p95_ms_max);
    return ms < DEADLINE_MS_MAX ? (uint32_t)ms : DEADLINE_MS_MAX;
}

static void wait_for(pid_t pid, int from, uint32_t deadline_ms, hn_selftest_result *r)
{
    uint64_t end = hn_now_ns() + (uint64_t)deadline_ms * 1000000;
    bool told = false, late = false;
    int status = 0;
    for (;;) {
        uint64_t now = hn_now_ns();
        struct pollfd p = { .fd = from, .events = POLLIN };
        int n = now < end ? poll(&p, 1, (int)((end - now) / 1000000) + 1) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        late = n == 0;
        told = n > 0 && read(from, r, sizeof *r) == (ssize_t)sizeof *r;
        break;
    }
    if (late)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (late) {
        r->why = HN_WHY_TEST_TIME;
        snprintf(r->words, sizeof r->words, "not done after %u ms", (unsigned)deadline_ms);
    } else if (!told) {
        r->why = WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU ? HN_WHY_TEST_TIME : HN_WHY_TEST_CRASH;
        if (WIFSIGNALED(status))
            snprintf(r->words, sizeof r->words, "the test process ended by signal %d (%s)", WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
        else
            snprintf(r->words, sizeof r->words, "the test process ended with code %d", WEXITSTATUS(status));
    }
}

hn_err hn_selftest(hn_ctx *cx, const hn_manifest *m, const hn_selftest_opts *o, hn_selftest_result *out)
{
    int pipe_fd[2];
    uint32_t deadline_ms = deadline_of(m, o);
    if (pipe2(pipe_fd, O_CLOEXEC) != 0)
        return hn_fail(cx, HN_EIO, "the self-test cannot be started: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        close(pipe_fd[0]);
        child(m, o, deadline_ms, pipe_fd[1]);
    }
    close(pipe_fd[1]);
    if (pid < 0) {
        close(pipe_fd[0]);
        return hn_fail(cx, HN_EIO, "the self-test cannot be started: %s", strerror(errno));
    }
    hn_selftest_result r = { 0 };
    wait_for(pid, pipe_fd[0], deadline_ms, &r);
    close(pipe_fd[0]);
    r.words[sizeof r.words - 1] = 0;
    *out = r;
    return HN_OK;
}

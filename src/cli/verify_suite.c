/* SPDX-License-Identifier: Apache-2.0 */
/* verify_suite.c: a tree of conformance tests.
 *
 * Each test runs in a child process with a time limit: a crash or a hang costs one test and is
 * reported as what it is. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/progress.h"
#include "cli/table.h"
#include "cli/verify.h"
#include "runtime/impl.h"

#define SECONDS_MAX 120
#define DEPTH_MAX 8

enum { PASSED, FAILED, UNSUPPORTED, CRASHED, VERDICTS };
static const char *const verdict_name[VERDICTS] = { "passed", "failed", "unsupported", "crashed" };

typedef struct test { char *model; bool light; int verdict; char why[256]; } test;

/* What tests that passed have shown of an operator, a bit each: element types of its first input and first
 * output, and which of hn_impls ran it in a plan. */
typedef struct shown { uint64_t from, to, impls; } shown;

typedef struct suite {
    test *list;
    size_t count, cap;
    size_t sum[VERDICTS];
    shown *op;              /* in the order of hn_ops; in memory that tests share with us */
    size_t ops;
} suite;

/* ---- Finding the tests ------------------------------------------------------------------------ */

static hn_err add_test(hn_cli *c, suite *s, const char *model, bool light)
{
    char *copy = strdup(model);
    if (!copy || !hn_grow(&c->cx, &s->list, s->count, &s->cap, sizeof *s->list)) {
        free(copy);
        return hn_nomem(&c->cx, "the list of tests");
    }
    s->list[s->count++] = (test){ .model = copy, .light = light };
    return HN_OK;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static hn_err walk(hn_cli *c, suite *s, const char *dir, int depth)
{
    struct dirent **entry;
    char path[4096];
    hn_err e = HN_OK;
    int n = depth < DEPTH_MAX ? scandir(dir, &entry, NULL, alphasort) : 0;

    if (n < 0)
        return hn_fail(&c->cx, HN_EIO, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        const char *name = entry[i]->d_name;
        bool fits = snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path;
        if (name[0] != '.' && fits && !e) {
            char output[4096];
            snprintf(output, sizeof output, "%.*s_output_0.pb", (int)strlen(path) - 5, path);
            if (strcmp(name, "model.onnx") == 0)
                e = add_test(c, s, path, false);
            else if (ends_with(name, ".onnx") && access(output, F_OK) == 0)
                e = add_test(c, s, path, true);
            else if (entry[i]->d_type == DT_DIR && strncmp(name, "test_data_set", 13) != 0)
                e = walk(c, s, path, depth + 1);
        }
        free(entry[i]);
    }
    if (n > 0)
        free(entry);
    return e;
}

/* ---- Running one ------------------------------------------------------------------------------ */

/* Random operators: the standard fixes no generator, so what was recorded is one answer of many. */
static bool is_random(const hn_graph *g)
{
    for (size_t i = 0; i < g->node_count; i++)
        if (g->node[i]->op->flags & HN_OP_RANDOM)
            return true;
    return false;
}

static bool same_kind(const hn_tensor *a, const hn_tensor *b)
{
    return a->dtype == b->dtype && hn_shape_equal(&a->shape, &b->shape);
}

/* Some references are transforms computed in f32: where the true value is 0 they hold their own rounding, about
 * eight units in the last place of the largest value, which an element-by-element tolerance calls wrong. */
static bool within_rounding(const hn_runner *r, const hn_testset *set)
{
    static const hn_tolerance tol = { HN_CMP_RANGE, 0, 8 * 0x1p-24 };
    for (size_t o = 0; o < set->want_count; o++) {
        hn_diff d;
        if (set->want[o].dtype != HN_F32)
            return false;
        hn_compare(&r->out[o], &set->want[o], tol, &d);
        if (!d.agree)
            return false;
    }
    return true;
}

static hn_err run_sets(hn_ctx *cx, hn_runner *r, const test *t, hn_arena *a, bool *agree, char *why, size_t why_size)
{
    static const hn_tolerance tol = { HN_CMP_CLOSE, 1e-3, 1e-7 };
    char dir[4096];
    hn_testset *set, light;
    size_t count = 1;

    snprintf(dir, sizeof dir, "%.*s", (int)hn_path_dir_len(t->model) - 1, t->model);
    if (t->light) {
        HN_TRY(hn_testset_light(cx, r->src.graph, t->model, a, &light));
        set = &light;
    } else {
        HN_TRY(hn_testsets_read(cx, r->src.graph, dir, a, &set, &count));
    }
    hn_diff *diff = HN_NEW(a, hn_diff, r->src.graph->out_count);
    if (!diff)
        return hn_nomem(cx, "the report");
    *agree = true;
    for (size_t i = 0; i < count && *agree; i++) {
        HN_TRY(hn_testset_run(cx, r, &set[i], tol, diff, agree));
        if (!*agree && is_random(r->src.graph)) {
            *agree = true;
            for (size_t o = 0; o < set[i].want_count; o++)
                *agree = *agree && same_kind(&r->out[o], &set[i].want[o]);
            snprintf(why, why_size, "random: only type and shape were compared");
        }
        if (!*agree && within_rounding(r, &set[i])) {
            *agree = true;
            snprintf(why, why_size, "agrees to 5e-7 of the output's range, not of each element");
        }
        for (size_t o = 0; o < set[i].want_count && !*agree; o++)
            if (!diff[o].agree) {
                snprintf(why, why_size, "output '%s': %s", r->src.graph->out[o]->name, diff[o].why);
                break;
            }
    }
    return HN_OK;
}

static void note_type(uint64_t *set, hn_value *const *list, int count)
{
    if (count > 0 && list[0])
        *set |= (uint64_t)1 << ((unsigned)list[0]->t.dtype & (HN_SEQ - 1));       /* of a list: what it holds */
}

/* What is on no list gets the entry behind its end. */
static shown *shown_of(const suite *s, const hn_op *op)
{
    size_t i = 0;
    while (hn_ops[i] && hn_ops[i] != op)
        i++;
    return &s->op[i];
}

static void note_shown(const hn_runner *r, const suite *s)
{
    _Static_assert((int)HN_DTYPE_COUNT <= 64, "element types are bits of a word");
    const hn_graph *g = r->src.graph;
    for (size_t i = 0; i < g->node_count; i++) {
        shown *to = shown_of(s, g->node[i]->op);
        note_type(&to->from, g->node[i]->in, g->node[i]->in_count);
        note_type(&to->to, g->node[i]->out, g->node[i]->out_count);
    }
    for (size_t i = 0; r->plan && i < r->plan->step_count; i++) {
        const hn_step *step = &r->plan->step[i];
        for (size_t j = 0; step->node && hn_impls[j] && j < 64; j++)
            if (step->impl == hn_impls[j])
                shown_of(s, step->node->op)->impls |= (uint64_t)1 << j;
    }
}

static int judge(hn_cli *c, const suite *s, const test *t, const hn_runner_opts *o, char *why, size_t why_size)
{
    hn_runner r = { 0 };
    hn_arena *a = NULL;
    bool agree = false;
    hn_err e = hn_runner_open(&c->cx, t->model, o, &r);
    if (!e)
        e = hn_arena_new(&c->cx, 0, &a);
    if (!e)
        e = run_sets(&c->cx, &r, t, a, &agree, why, why_size);
    if (e)
        snprintf(why, why_size, "%.250s", c->cx.msg);
    else if (agree)
        note_shown(&r, s);
    hn_arena_free(a);
    hn_runner_close(&r);
    return e == HN_EUNSUP ? UNSUPPORTED : e || !agree ? FAILED : PASSED;
}

static hn_err run_test(hn_cli *c, const suite *s, test *t, const hn_runner_opts *o)
{
    int ends[2], status = 0;
    if (pipe(ends) != 0)
        return hn_fail(&c->cx, HN_ELIMIT, "no pipe to a test: %s", strerror(errno));
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        close(ends[0]);
        close(ends[1]);
        return hn_fail(&c->cx, HN_ELIMIT, "no process for a test: %s", strerror(errno));
    }
    if (child == 0) {
        char why[sizeof t->why] = "";
        close(ends[0]);
        alarm(SECONDS_MAX);
        int verdict = judge(c, s, t, o, why, sizeof why);
        ssize_t n = write(ends[1], why, strlen(why));
        _exit(n < 0 ? CRASHED : verdict);
    }
    close(ends[1]);
    size_t have = 0;
    for (ssize_t n; have + 1 < sizeof t->why && (n = read(ends[0], t->why + have, sizeof t->why - 1 - have)) > 0;)
        have += (size_t)n;
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) < VERDICTS) {
        t->verdict = WEXITSTATUS(status);
    } else {
        t->verdict = CRASHED;
        snprintf(t->why, sizeof t->why, WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
                     ? "still running after %d s" : "ended by signal %d",
                 WIFSIGNALED(status) && WTERMSIG(status) != SIGALRM ? WTERMSIG(status) : SECONDS_MAX);
    }
    return HN_OK;
}

/* ---- Telling ----------------------------------------------------------------------------------- */

/* What is counted by name: "unsupported: operator Foo (...)" is Foo; an operator's own refusal names the
 * operator in brackets; anything else is what a file asked for. */
static void unsupported_name(const test *t, char *out, size_t size)
{
    const char *at = strstr(t->why, "unsupported: operator ");
    if (at)
        at += strlen("unsupported: operator ");
    else if (strncmp(t->why, "node '", 6) == 0 && (at = strchr(t->why, '(')) != NULL)
        at++;
    else if ((at = strstr(t->why, "unsupported: ")) != NULL)
        at += strlen("unsupported: ");
    else
        at = t->why;
    snprintf(out, size, "%.*s", (int)strcspn(at, ",;:()"), at);
    for (size_t n = strlen(out); n > 0 && out[n - 1] == ' ';)
        out[--n] = 0;
}

static json_t *count_unsupported(const suite *s)
{
    json_t *by_name = json_object();
    for (size_t i = 0; i < s->count; i++) {
        char name[128];
        if (s->list[i].verdict != UNSUPPORTED)
            continue;
        unsupported_name(&s->list[i], name, sizeof name);
        json_object_set_new(by_name, name, json_integer(json_integer_value(json_object_get(by_name, name)) + 1));
    }
    return by_name;
}

static void write_types(hn_buf *b, uint64_t set)
{
    for (int t = HN_NONE + 1; t < HN_DTYPE_COUNT; t++)
        if (set >> t & 1)
            hn_buf_printf(b, " %s", hn_dtype_name((hn_dtype)t));
    hn_buf_text(b, " |");
}

static void write_operators(hn_buf *b, const suite *s)
{
    hn_buf_text(b, "\n## Operators supported\n\n"
                   "From and to: the element types of the first input and first output in tests that passed.\n"
                   "Kernels: the fast implementations that took the operator there; where none is named it\n"
                   "ran through its own plain code, was computed ahead, or became part of another. Operators\n"
                   "of domain `hone` are what others are lowered to.\n\n"
                   "| operator | domain | opset | inputs | outputs | attributes | from | to | kernels |\n"
                   "|---|---|---:|---|---|---|---|---|---|\n");
    for (size_t o = 0; o < s->ops; o++) {
        const hn_op *op = hn_ops[o];
        hn_buf_printf(b, "| %s | %s | %d | %d..%d | %d..%d |", op->name, op->domain ? op->domain : "ai.onnx",
                      op->since, op->min_in, op->max_in, op->min_out, op->max_out);
        for (const hn_attr_spec *a = op->attr; a && a->name; a++)
            hn_buf_printf(b, " %s", a->name);
        hn_buf_text(b, " |");
        write_types(b, s->op[o].from);
        write_types(b, s->op[o].to);
        for (size_t j = 0; hn_impls[j] && j < 64; j++)
            if (s->op[o].impls >> j & 1)
                hn_buf_printf(b, " %s", hn_impls[j]->name);
        hn_buf_text(b, " |\n");
    }
}

static hn_err write_report(hn_cli *c, const suite *s, const char *path)
{
    hn_buf b = { .cx = &c->cx };
    json_t *by_name = count_unsupported(s);
    const char *name;
    json_t *n;

    hn_buf_text(&b, "# Operators\n\nWritten by `hone verify --suite DIR --report FILE` over the ONNX backend tests.\n\n");
    hn_buf_printf(&b, "%zu tests: %zu passed, %zu failed, %zu unsupported, %zu crashed.\n\n", s->count,
                  s->sum[PASSED], s->sum[FAILED], s->sum[UNSUPPORTED], s->sum[CRASHED]);
    hn_buf_text(&b, "## Tests that need what is not supported\n\n| what | tests |\n|---|---:|\n");
    json_object_foreach(by_name, name, n)
        hn_buf_printf(&b, "| %s | %lld |\n", name, (long long)json_integer_value(n));
    json_decref(by_name);
    write_operators(&b, s);
    hn_err e = hn_buf_ok(&b, "the report");
    if (!e)
        e = hn_file_write(&c->cx, path, b.data, b.len);
    hn_buf_free(&b);
    return e;
}

static hn_err tell(hn_cli *c, const suite *s)
{
    json_t *by_name = count_unsupported(s);
    const char *name;
    json_t *n;

    if (c->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < s->count; i++)
            json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "test", s->list[i].model, "verdict",
                                                  verdict_name[s->list[i].verdict], "why", s->list[i].why));
        return hn_json_print(&c->cx, json_pack("{s:o, s:o, s:I, s:I, s:I, s:I}", "tests", list, "unsupported_by_name",
                                               by_name, "passed", (json_int_t)s->sum[PASSED], "failed",
                                               (json_int_t)s->sum[FAILED], "unsupported",
                                               (json_int_t)s->sum[UNSUPPORTED], "crashed", (json_int_t)s->sum[CRASHED]));
    }
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].verdict == FAILED || s->list[i].verdict == CRASHED)
            printf("%s %s: %s\n", verdict_name[s->list[i].verdict], s->list[i].model, s->list[i].why);
    json_object_foreach(by_name, name, n)
        printf("unsupported: %s (%lld)\n", name, (long long)json_integer_value(n));
    json_decref(by_name);
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].verdict == PASSED && s->list[i].why[0])
            printf("passed %s: %s\n", s->list[i].model, s->list[i].why);
    if (s->sum[CRASHED])
        printf("%zu crashed\n", s->sum[CRASHED]);
    printf("%zu passed, %zu failed, %zu unsupported\n", s->sum[PASSED], s->sum[FAILED] + s->sum[CRASHED],
           s->sum[UNSUPPORTED]);
    return HN_OK;
}

static hn_err share_shown(hn_cli *c, suite *s)
{
    while (hn_ops[s->ops])
        s->ops++;
    void *m = mmap(NULL, (s->ops + 1) * sizeof *s->op, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return hn_nomem(&c->cx, "the report");
    s->op = m;
    return HN_OK;
}

hn_err hn_verify_suite(hn_cli *c, const char *dir, const hn_runner_opts *o, const char *report)
{
    suite s = { 0 };
    hn_runner_opts one = *o;
    hn_progress bar;

    if (!one.threads)
        one.threads = 1;            /* tests are tiny: threads would only be started and stopped */
    HN_TRY(share_shown(c, &s));
    hn_err e = walk(c, &s, dir, 0);
    if (!e && s.count == 0)
        e = hn_fail(&c->cx, HN_EIO, "%s: no folder with model.onnx below it", dir);
    hn_progress_start(&bar, "verifying", s.count, c->quiet);
    for (size_t i = 0; i < s.count && !e; i++) {
        e = run_test(c, &s, &s.list[i], &one);
        s.sum[s.list[i].verdict]++;
        hn_progress_step(&bar, i + 1);
    }
    hn_progress_end(&bar);
    if (!e)
        e = tell(c, &s);
    if (!e && report)
        e = write_report(c, &s, report);
    for (size_t i = 0; i < s.count; i++)
        free(s.list[i].model);
    hn_free(&c->cx, s.list);
    munmap(s.op, (s.ops + 1) * sizeof *s.op);
    return e ? e : hn_verdict(c, s.sum[FAILED] + s.sum[CRASHED]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The agent on a device: builds that are good, and builds that crash, hang, lie or are slow. */
#include "fleet/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "hone.h"
#include "tests/support/pb.h"
#include "tests/support/test.h"

#define MODEL "models/demo/pictograms.onnx"

static char folder[64];
static const hn_env env;

static const char *at(const char *name)
{
    static char path[8][160];
    static unsigned next;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s/hone-agent-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(folder) != NULL);
    }
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void clear(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
    folder[0] = 0;
}

static void package(const char *out, uint64_t build, double p95_ms_max)
{
    hn_ctx cx = { .env = &env };
    hn_package_report r;
    const hn_package_opts o = { .model = MODEL, .out = out, .name = "pictograms", .version = "1.0.0", .build = build,
                                .atol = -1,
                                .p95_ms_max = p95_ms_max, .trial_runs = 5, .drift_max = 4 };
    if (hn_package_make(&cx, &o, &r))
        fail_msg("%s", cx.msg);
}

static hn_agent_report install(const char *package_path, void (*sabotage)(void *))
{
    hn_ctx cx = { .env = &env };
    hn_agent_report r;
    const hn_agent_opts o = { .store = at("state"), .name = "pictograms", .sabotage = sabotage };
    hn_err e = hn_agent_install(&cx, &o, package_path, &r);
    if (e)
        fail_msg("%s", cx.msg);
    return r;
}

static uint64_t current(void)
{
    hn_ctx cx = { 0 };
    hn_picked p;
    return hn_store_pick(&cx, at("state"), "pictograms", HN_PICK_CURRENT, &p) ? 0 : p.build;
}

TEST(a_good_build_is_committed)
{
    package(at("1.tar"), 1, 0);
    hn_agent_report r = install(at("1.tar"), NULL);
    CHECK_INT(r.state, HN_AGENT_COMMITTED);
    CHECK(r.after == 1 && r.tries == 1 && r.test.runs == 5 && current() == 1);
    CHECK(r.test.guards & HN_GUARD_LIMITS);
    print_message("guards: limits%s%s\n", r.test.guards & HN_GUARD_SECCOMP ? ", seccomp" : "; no seccomp here",
                  r.test.guards & HN_GUARD_LANDLOCK ? ", Landlock" : "; no Landlock here");
    r = install(at("1.tar"), NULL);
    CHECK(r.state == HN_AGENT_IDLE && r.why == HN_WHY_UP_TO_DATE);
    clear();
}

static void crash(void *user) { (void)user; raise(SIGSEGV); }
static void leave(void *user) { (void)user; _exit(3); }
static void spin(void *user) { (void)user; for (volatile int i = 0;; i++) { } }

/* A build that fails before its trial: it is never switched to, and not offered again. */
TEST(a_build_that_crashes_its_test_is_refused)
{
    package(at("1.tar"), 1, 0);
    package(at("2.tar"), 2, 0);
    install(at("1.tar"), NULL);
    hn_agent_report r = install(at("2.tar"), crash);
    CHECK(r.state == HN_AGENT_REFUSED && r.why == HN_WHY_TEST_CRASH && current() == 1);
    CHECK(strstr(r.words, "signal 11") != NULL);
    r = install(at("2.tar"), NULL);
    CHECK(r.state == HN_AGENT_REFUSED && r.why == HN_WHY_KNOWN_BAD && current() == 1);
    package(at("3.tar"), 3, 0);
    r = install(at("3.tar"), leave);
    CHECK(r.why == HN_WHY_TEST_CRASH && current() == 1);
    clear();
}

/* When each slot file was durably replaced, and when each try began: its own process says so, through a pipe. */
enum { TIMES_MAX = 16 };
static uint64_t replaced[TIMES_MAX], tried[TIMES_MAX];
static size_t replaced_count;
static int tries_pipe[2];

static void note_slots(void *user, const hn_fs_call *c, int error)
{
    static bool renamed;
    (void)user;
    if (c->op == HN_FS_RENAME)
        renamed = error == 0 && strstr(c->to, "/slots") != NULL && strstr(c->to, "prev") == NULL;
    if (c->op == HN_FS_SYNC_DIR && renamed && replaced_count < TIMES_MAX) {
        replaced[replaced_count++] = hn_now_ns();
        renamed = false;
    }
}

/* Staged and on trial already, as after a cut. */
static hn_agent_report trial_of(const char *path, void (*sabotage)(void *))
{
    hn_ctx cx = { .env = &env };
    hn_agent_report r;
    hn_store s;
    hn_slots slots;
    hn_reason why = HN_WHY_NONE;
    hn_agent_opts o = { .store = at("state"), .name = "pictograms" };
    hn_package p;
    CHECK_INT(hn_package_open(&cx, path, &p), HN_OK);
    CHECK_INT(hn_store_open(&cx, o.store, NULL, &s, &why), HN_OK);
    for (size_t i = 0; i < p.m.file_count; i++) {
        hn_file f;
        CHECK_INT(hn_package_blob(&cx, &p, hn_package_layer(&p, &p.m.file[i].sha256), &f), HN_OK);
        CHECK_INT(hn_store_put(&cx, &s, f.data, f.len, &p.m.file[i].sha256, &why), HN_OK);
        hn_package_done(&p, &f);
    }
    CHECK_INT(hn_store_stage(&cx, &s, &p.m, p.manifest_bytes, p.manifest_len, &why), HN_OK);
    CHECK_INT(hn_store_trial(&cx, &s, &p.m, 3, &why), HN_OK);
    hn_store_close(&s);
    hn_package_close(&p);
    o.sabotage = sabotage;
    o.fs = &(hn_fs){ .before = NULL, .after = note_slots };
    replaced_count = 0;
    CHECK_INT(hn_agent_once(&cx, &o, &r), HN_OK);            /* no repository at all: going back needs no network */
    CHECK_INT(hn_store_open(&cx, o.store, NULL, &s, &why), HN_OK);
    CHECK_INT(hn_store_slots(&cx, &s, "pictograms", &slots), HN_OK);
    CHECK_INT(hn_store_check(&cx, &s, NULL), HN_OK);
    CHECK(slots.trial == 0 && slots.tries_left == 0);
    hn_store_close(&s);
    return r;
}

static void tell_and_crash(void *user)
{
    uint64_t now = hn_now_ns();
    (void)user;
    if (write(tries_pipe[1], &now, sizeof now) == (ssize_t)sizeof now)
        raise(SIGSEGV);
}

/* A try is counted before it begins, and nothing but the way back follows the last. */
TEST(a_build_that_crashes_on_trial_is_taken_back)
{
    package(at("1.tar"), 1, 0);
    package(at("2.tar"), 2, 0);
    install(at("1.tar"), NULL);
    CHECK_INT(pipe(tries_pipe), 0);
    hn_agent_report r = trial_of(at("2.tar"), tell_and_crash);
    close(tries_pipe[1]);
    ssize_t got = read(tries_pipe[0], tried, sizeof tried);
    close(tries_pipe[0]);
    CHECK(r.state == HN_AGENT_ROLLED_BACK && r.why == HN_WHY_TEST_CRASH && r.tries == 3 && current() == 1);
    CHECK(got == 3 * (ssize_t)sizeof tried[0] && replaced_count == 4);
    for (int i = 0; i < 3; i++)
        CHECK(replaced[i] < tried[i] && tried[i] < replaced[i + 1]);
    print_message("back %.1f ms after the last try began\n", hn_ms(replaced[3] - tried[2]));
    r = install(at("2.tar"), NULL);
    CHECK_INT(r.why, HN_WHY_KNOWN_BAD);
    clear();
}

TEST(a_trial_goes_on_after_a_cut)
{
    package(at("1.tar"), 1, 0);
    package(at("2.tar"), 2, 0);
    install(at("1.tar"), NULL);
    hn_agent_report r = trial_of(at("2.tar"), NULL);
    CHECK(r.state == HN_AGENT_COMMITTED && r.before == 1 && r.after == 2 && current() == 2);
    clear();
}

static hn_selftest_result test_build(const char *path, void (*sabotage)(void *), uint32_t deadline_ms)
{
    hn_ctx cx = { .env = &env };
    hn_selftest_result r;
    hn_package p;
    char dir[160], command[700];
    CHECK_INT(hn_package_open(&cx, path, &p), HN_OK);
    snprintf(dir, sizeof dir, "%s", at("build"));
    snprintf(command, sizeof command, "rm -rf %s && mkdir -p %s/golden", dir, dir);
    CHECK_INT(system(command), 0);
    for (size_t i = 0; i < p.m.file_count; i++) {
        hn_file f;
        char to[400];
        CHECK_INT(hn_package_blob(&cx, &p, hn_package_layer(&p, &p.m.file[i].sha256), &f), HN_OK);
        snprintf(to, sizeof to, "%s/%s", dir, p.m.file[i].path);
        CHECK_INT(hn_file_write(&cx, to, f.data, f.len), HN_OK);
        hn_package_done(&p, &f);
    }
    const hn_selftest_opts o = { .dir = dir, .runs = 5, .deadline_ms = deadline_ms, .sabotage = sabotage };
    CHECK_INT(hn_selftest(&cx, &p.m, &o, &r), HN_OK);
    hn_package_close(&p);
    return r;
}

TEST(a_build_that_hangs_is_stopped)
{
    package(at("1.tar"), 1, 0);
    uint64_t begin = hn_now_ns();
    hn_selftest_result r = test_build(at("1.tar"), spin, 300);
    CHECK_INT(r.why, HN_WHY_TEST_TIME);
    CHECK(hn_ms(hn_now_ns() - begin) < 20000);
    clear();
}

TEST(a_build_that_is_too_slow_is_refused)
{
    package(at("1.tar"), 1, 0.000001);
    CHECK_INT(test_build(at("1.tar"), NULL, 0).why, HN_WHY_TEST_TIME);
    clear();
}

/* Swaps one recorded number for another, or for none. */
static void spoil(const char *path, float value, hn_reason want)
{
    hn_ctx cx = { .env = &env };
    hn_package p;
    hn_file f;
    hn_selftest_result r;
    char file[400];
    CHECK_INT(test_build(path, NULL, 0).why, HN_WHY_NONE);
    CHECK_INT(hn_package_open(&cx, path, &p), HN_OK);
    snprintf(file, sizeof file, "%s/build/golden/1.out", folder);
    CHECK_INT(hn_file_open(&cx, file, &f), HN_OK);
    char *bytes = malloc(f.len);
    size_t len = f.len;
    memcpy(bytes, f.data, len);
    hn_file_close(&f);
    memcpy(bytes + len - sizeof value, &value, sizeof value);
    CHECK_INT(hn_file_write(&cx, file, bytes, len), HN_OK);
    free(bytes);
    const char *dir = at("build");
    const hn_selftest_opts o = { .dir = dir, .runs = 5 };
    CHECK_INT(hn_selftest(&cx, &p.m, &o, &r), HN_OK);
    CHECK_INT(r.why, want);
    hn_package_close(&p);
}

TEST(a_build_whose_results_differ_is_refused)
{
    package(at("1.tar"), 1, 0);
    spoil(at("1.tar"), 7.0f, HN_WHY_TEST_OUTPUT);
    clear();
}

/* What a hostile model could want: the network, other files, other processes, more memory. */
static void misbehave(void *user)
{
    (void)user;
    bool net = socket(AF_INET, SOCK_STREAM, 0) >= 0, file = open("/etc/passwd", O_RDONLY) >= 0;
    bool written = open(at("written"), O_WRONLY | O_CREAT, 0644) >= 0, child = fork() >= 0;
    _exit(40 + net + 2 * file + 4 * written + 8 * child);
}

TEST(a_test_process_can_harm_nothing)
{
    package(at("1.tar"), 1, 0);
    hn_selftest_result good = test_build(at("1.tar"), NULL, 0), bad = test_build(at("1.tar"), misbehave, 0);
    CHECK_INT(good.why, HN_WHY_NONE);
    CHECK_INT(bad.why, HN_WHY_TEST_CRASH);
    if (good.guards & HN_GUARD_SECCOMP)
        CHECK(strstr(bad.words, good.guards & HN_GUARD_LANDLOCK ? "code 40" : "code 42") != NULL);
    else
        print_message("skipped: this kernel has no seccomp\n");
    CHECK(access(at("written"), F_OK) != 0);
    clear();
}

enum { BESIDE = 4096 };

/* y = x + w, where w lies in a file of its own. */
static void model_with_weights_beside(float last)
{
    static float w[BESIDE];
    const char *const entry[][2] = { { "location", "parts/w.bin" }, { "length", "16384" } };
    test_model m = { .opset = 13 };
    hn_ctx cx = { 0 };
    hn_tensor shape = { HN_F32, hn_shape_of(1, (int64_t[]){ BESIDE }), NULL };
    hn_buf t = test_tensor("w", &shape);
    for (unsigned i = 0; i < BESIDE; i++)
        w[i] = (float)(i * 2654435761u >> 8);
    w[BESIDE - 1] = last;
    for (int i = 0; i < 2; i++) {
        hn_buf e = { 0 };
        pb_text(&e, 1, entry[i][0]);
        pb_text(&e, 2, entry[i][1]);
        pb_message(&t, 13, &e);
    }
    pb_varint(&t, 14, 1);
    pb_message(&m.graph, 5, &t);
    test_input(&m, "x", HN_F32, hn_shape_of(1, (int64_t[]){ BESIDE }));
    test_node(&m, "Add", "x w", "y", NULL);
    test_output(&m, "y");
    hn_buf b = test_model_bytes(&m);
    CHECK(mkdir(at("parts"), 0755) == 0 || errno == EEXIST);
    CHECK_INT(hn_file_write(&cx, at("parts/w.bin"), w, sizeof w), HN_OK);
    CHECK_INT(hn_file_write(&cx, at("sum.onnx"), b.data, b.len), HN_OK);
    hn_buf_free(&b);
}

/* The last result of the model in service for an input of ones. */
static float last_result(uint64_t build)
{
    static float ones[BESIDE];
    hn_ctx cx = { .env = &env };
    hn_tensor x = { HN_F32, hn_shape_of(1, (int64_t[]){ BESIDE }), ones };
    hn_tensors out, in = { &x, 1 };
    hn_picked p;
    hn_probe *probe;
    for (int i = 0; i < BESIDE; i++)
        ones[i] = 1;
    CHECK_INT(hn_store_pick(&cx, at("state"), "sum", HN_PICK_CURRENT, &p), HN_OK);
    CHECK_INT(p.build, build);
    CHECK_INT(hn_probe_open(&cx, p.model.text, &probe), HN_OK);
    CHECK_INT(hn_probe_run(&cx, probe, &in, &out), HN_OK);
    float y = ((const float *)out.t[0].data)[BESIDE - 1];
    hn_probe_close(probe);
    return y;
}

TEST(weights_in_a_file_of_their_own_go_along)
{
    hn_ctx cx = { .env = &env };
    hn_package_report made;
    hn_agent_report r;
    char model[160], store[160], out[2][160];                /* at() reuses its places */
    const char *first = out[0];
    snprintf(model, sizeof model, "%s", at("sum.onnx"));
    snprintf(store, sizeof store, "%s", at("state"));
    snprintf(out[0], sizeof out[0], "%s", at("1.tar"));
    snprintf(out[1], sizeof out[1], "%s", at("2.tar"));
    const hn_agent_opts device = { .store = store, .name = "sum" };
    hn_package_opts o = { .model = model, .name = "sum", .version = "1.0.0", .atol = -1, .trial_runs = 5,
                          .from = &first };
    for (o.build = 1; o.build <= 2; o.build++, o.from_count = 1) {
        model_with_weights_beside((float)o.build);
        o.out = out[o.build - 1];
        if (hn_package_make(&cx, &o, &made))
            fail_msg("%s", cx.msg);
        CHECK_INT(unlink(at("parts/w.bin")), 0);             /* the device has its own */
        CHECK_INT(hn_agent_install(&cx, &device, o.out, &r), HN_OK);
        if (r.state != HN_AGENT_COMMITTED)
            fail_msg("%s", r.words);
        CHECK(last_result(o.build) == (float)o.build + 1);
    }
    CHECK(made.deltas >= 1 && made.delta_bytes < BESIDE);    /* the weights' too: 16 KiB, one number changed */
    CHECK(hn_package_make(&cx, &o, &made) != HN_OK && strstr(cx.msg, "w.bin") != NULL);
    clear();
}

/* Attack A9: a valid package, but of something else. */
TEST(A9_software_for_others_is_refused)
{
    hn_ctx cx = { .env = &env };
    hn_agent_report r;
    package(at("1.tar"), 1, 0);
    hn_agent_opts o = { .store = at("state"), .name = "kws" };
    CHECK_INT(hn_agent_install(&cx, &o, at("1.tar"), &r), HN_OK);
    CHECK(r.state == HN_AGENT_REFUSED && r.why == HN_WHY_WRONG_TARGET);
    o = (hn_agent_opts){ .store = at("state"), .name = "pictograms", .device = hn_device_here("/") };
    o.device.cpu = "riscv64";
    CHECK_INT(hn_agent_install(&cx, &o, at("1.tar"), &r), HN_OK);
    CHECK(r.state == HN_AGENT_REFUSED && r.why == HN_WHY_CPU);
    o.device = hn_device_here("/");
    o.device.ram_bytes = 1 << 20;
    CHECK_INT(hn_agent_install(&cx, &o, at("1.tar"), &r), HN_OK);
    CHECK(r.state == HN_AGENT_REFUSED && r.why == HN_WHY_RAM && current() == 0);
    clear();
}

TEST(a_full_or_busy_store_is_a_reason)
{
    hn_ctx cx = { .env = &env };
    hn_agent_report r;
    hn_store s;
    hn_reason why = HN_WHY_NONE;
    package(at("1.tar"), 1, 0);
    hn_agent_opts o = { .store = at("state"), .name = "pictograms" };
    CHECK_INT(hn_store_open(&cx, o.store, NULL, &s, &why), HN_OK);
    CHECK_INT(hn_agent_once(&cx, &o, &r), HN_OK);
    CHECK(r.state == HN_AGENT_REFUSED && r.why == HN_WHY_STORE_BUSY);
    hn_store_close(&s);
    clear();
}

/* ---- Applications ------------------------------------------------------------------------------------------- */

TEST(an_application_is_told_and_reopens)
{
    hone_ctx *ctx;
    hone_model *old, *fresh;
    hone_watch *watch;
    hone_current now;
    hone_error err;
    hone_ctx_opts o = { .size = sizeof o, .threads = 1 };
    package(at("1.tar"), 1, 0);
    package(at("2.tar"), 2, 0);
    CHECK_INT(hone_ctx_new(&o, &ctx, &err), HONE_OK);
    CHECK_INT(hone_watch_new(ctx, at("state"), "pictograms", &watch, &err), HONE_NO);
    CHECK_INT(hone_model_open_current(ctx, at("state"), "pictograms", NULL, &old, &now, &err), HONE_NO);
    install(at("1.tar"), NULL);
    CHECK_INT(hone_model_open_current(ctx, at("state"), "pictograms", NULL, &old, &now, &err), HONE_OK);
    CHECK_INT(now.build, 1);
    CHECK_INT(hone_watch_new(ctx, at("state"), "pictograms", &watch, &err), HONE_OK);
    CHECK(!hone_watch_changed(watch));
    install(at("2.tar"), NULL);
    CHECK(hone_watch_changed(watch));
    CHECK(!hone_watch_changed(watch));
    CHECK_INT(hone_model_open_current(ctx, at("state"), "pictograms", NULL, &fresh, &now, &err), HONE_OK);
    CHECK_INT(now.build, 2);
    CHECK_INT(hone_model_inputs(old), hone_model_inputs(fresh));       /* what was open is open still */
    hone_model_close(old);
    hone_model_close(fresh);
    hone_watch_free(watch);
    hone_ctx_free(ctx);
    clear();
}

static hn_agent_report watched_with(hone_event event, unsigned count, double ms, const char *port, double mean)
{
    hn_ctx cx = { .env = &env };
    hone_ctx *ctx;
    hone_error err;
    hn_agent_report r;
    hone_ctx_opts co = { .size = sizeof co, .threads = 1 };
    package(at("1.tar"), 1, 0);
    package(at("2.tar"), 2, 100);
    install(at("1.tar"), NULL);
    CHECK_INT(hone_ctx_new(&co, &ctx, &err), HONE_OK);
    if (mean != 0)
        CHECK_INT(hone_report_mean(ctx, at("state"), "pictograms", 2, port, mean, &err), HONE_OK);
    for (unsigned i = 0; i < count; i++)
        CHECK_INT(hone_report(ctx, at("state"), "pictograms", 2, event, ms, &err), HONE_OK);
    hone_ctx_free(ctx);
    const hn_agent_opts o = { .store = at("state"), .name = "pictograms", .watch_s = 1 };
    CHECK_INT(hn_agent_install(&cx, &o, at("2.tar"), &r), HN_OK);
    clear();
    return r;
}

static hn_agent_report watched(hone_event event, unsigned count, double ms)
{
    return watched_with(event, count, ms, NULL, 0);
}

static const char *first_input(void)
{
    static char name[64];
    hn_ctx cx = { .env = &env };
    hn_package p;
    package(at("1.tar"), 1, 0);
    CHECK_INT(hn_package_open(&cx, at("1.tar"), &p), HN_OK);
    CHECK(p.m.health.stat_count >= 2);
    snprintf(name, sizeof name, "%s", p.m.health.stat[0].name);
    hn_package_close(&p);
    clear();
    return name;
}

TEST(what_applications_report_decides)
{
    CHECK_INT(watched(HONE_EVENT_GOOD, 9, 1).state, HN_AGENT_COMMITTED);
    CHECK_INT(watched(HONE_EVENT_GOOD, 0, 1).state, HN_AGENT_COMMITTED);       /* nobody reports: its own runs count */
    CHECK_INT(watched(HONE_EVENT_NAN, 1, 1).why, HN_WHY_HEALTH_NAN);
    CHECK_INT(watched(HONE_EVENT_ERROR, 3, 1).why, HN_WHY_HEALTH_ERRORS);
    CHECK_INT(watched(HONE_EVENT_GOOD, 9, 500).why, HN_WHY_HEALTH_SLOW);
    const char *input = first_input();                       /* made-up inputs: from 0 to 1, around a half */
    CHECK_INT(watched_with(HONE_EVENT_GOOD, 9, 1, input, 0.6).state, HN_AGENT_COMMITTED);
    CHECK_INT(watched_with(HONE_EVENT_GOOD, 9, 1, input, 5.5).why, HN_WHY_HEALTH_DRIFT);
}

/* ---- Policy and pauses ------------------------------------------------------------------------------------------ */

static void put(const char *name, const char *text)
{
    hn_ctx cx = { 0 };
    char command[300];
    snprintf(command, sizeof command, "mkdir -p $(dirname %s)", at(name));
    CHECK_INT(system(command), 0);
    CHECK_INT(hn_file_write(&cx, at(name), text, strlen(text)), HN_OK);
}

static hn_reason policy(const hn_policy *p)
{
    hn_ctx cx = { 0 };
    hn_reason why = HN_WHY_NONE;
    hn_err e = hn_policy_check(&cx, p, folder, &why);
    CHECK_INT(e, why == HN_WHY_NONE ? HN_OK : HN_ENO);
    return why;
}

TEST(policy_says_when)
{
    hn_ctx cx = { 0 };
    time_t t = time(NULL);
    struct tm tm;
    localtime_r(&t, &tm);
    put("class/power_supply/BAT0/type", "Battery\n");
    put("class/power_supply/BAT0/capacity", "30\n");
    put("class/power_supply/BAT0/status", "Discharging\n");
    put("class/thermal/thermal_zone0/temp", "71000\n");
    put("loadavg", "8.00 1 1 1/1 1\n");
    CHECK_INT(policy(&(hn_policy){ 0 }), HN_WHY_NONE);
    CHECK_INT(policy(&(hn_policy){ .metered = true }), HN_WHY_POLICY_METERED);
    CHECK_INT(policy(&(hn_policy){ .metered = true, .on_metered = true }), HN_WHY_NONE);
    CHECK_INT(policy(&(hn_policy){ .battery_min = 50, .sys = folder }), HN_WHY_POLICY_BATTERY);
    CHECK_INT(policy(&(hn_policy){ .battery_min = 30, .sys = folder }), HN_WHY_NONE);
    put("class/power_supply/BAT0/status", "Charging\n");
    CHECK_INT(policy(&(hn_policy){ .battery_min = 50, .sys = folder }), HN_WHY_NONE);
    CHECK_INT(policy(&(hn_policy){ .celsius_max = 70, .sys = folder }), HN_WHY_POLICY_THERMAL);
    CHECK_INT(policy(&(hn_policy){ .celsius_max = 80, .sys = folder }), HN_WHY_NONE);
    CHECK_INT(policy(&(hn_policy){ .load_max = 0.01, .proc = folder }), HN_WHY_POLICY_IDLE);
    CHECK_INT(policy(&(hn_policy){ .hour_from = (tm.tm_hour + 2) % 24, .hour_to = (tm.tm_hour + 4) % 24 }),
              HN_WHY_POLICY_HOURS);
    CHECK_INT(policy(&(hn_policy){ .hour_from = (tm.tm_hour + 23) % 24, .hour_to = (tm.tm_hour + 2) % 24 }),
              HN_WHY_NONE);
    const hn_policy budget = { .bytes_per_day = 1000 };
    CHECK_INT(hn_policy_left(&budget, folder), 1000);
    CHECK_INT(hn_policy_spend(&cx, folder, 600), HN_OK);
    CHECK_INT(hn_policy_left(&budget, folder), 400);
    CHECK_INT(hn_policy_spend(&cx, folder, 600), HN_OK);
    CHECK_INT(policy(&budget), HN_WHY_POLICY_BUDGET);
    clear();
}

TEST(pauses_jitter_and_grow)
{
    CHECK_INT(hn_agent_pause_ms(100, 0, 0), 80000);
    CHECK(hn_agent_pause_ms(100, 0, 0.999) < 120000);
    CHECK_INT(hn_agent_pause_ms(100, 3, 0), 0);
    CHECK(hn_agent_pause_ms(100, 3, 0.999) > 790000 && hn_agent_pause_ms(100, 3, 0.999) < 800000);
    CHECK(hn_agent_pause_ms(100, 60, 0.999) <= 3600000);
}

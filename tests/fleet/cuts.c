/* SPDX-License-Identifier: Apache-2.0 */
/* A cut of power at every call that changes a file: while metadata is refreshed, while it is published, and while
 * an agent does all of its round, from metadata to a committed build.
 *
 * The calls below stand before the C library's.  In a child that is armed, the k-th ends the process on the
 * spot; the one that writes leaves half of its bytes. */
#include "tests/support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/agent.h"
#include "tests/support/system/repository.h"

enum { CUT = 9, CALLS_MAX = 500 };

static int calls_left = -1;        /* before the cut; -1: not armed */

static bool cut_now(void)
{
    if (calls_left < 0)
        return false;
    return calls_left-- == 0;
}

/* The C library declares some of these otherwise from version to version; the calls are the same. */
ssize_t write(int fd, const void *data, size_t len)
{
    if (cut_now()) {
        syscall(SYS_write, fd, data, len / 2);
        _exit(CUT);
    }
    return syscall(SYS_write, fd, data, len);
}

int fsync(int fd)
{
    if (cut_now())
        _exit(CUT);
    (void)fd;                      /* what is counted is the order; the disk may rest */
    return 0;
}

int rename(const char *from, const char *to)
{
    if (cut_now())
        _exit(CUT);
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
    if (cut_now())
        _exit(CUT);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int link(const char *from, const char *to)
{
    if (cut_now())
        _exit(CUT);
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdir(const char *path, mode_t mode)
{
    if (cut_now())
        _exit(CUT);
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

/* Runs `work` in a child that is cut at its k-th call: false when it ended before that. */
static bool cut_at(int k, hn_err (*work)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        calls_left = k;
        _exit(work() ? 1 : 0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == CUT || WEXITSTATUS(status) == 0);
    return WEXITSTATUS(status) == CUT;
}

/* ---- A device refreshes ----------------------------------------------------------------------------- */

static repository r;

static hn_err refresh(void) { return repo_refresh_at(&r, REPO_NOW, "team/model"); }

/* From version 1 to 2 with a root that changes the online keys, so that files are removed as well. */
static void device_with_news(void)
{
    repo_open(&r);
    repo_publish(&r, 1);
    repo_trust_root(&r);
    CHECK(refresh() == HN_OK);
    hn_key *old = r.timestamp;
    r.timestamp = r.stranger;
    r.stranger = old;
    repo_put(&r, "2.root.json", repo_root(&r, 2), r.root[0], r.root[1], NULL);
    repo_publish(&r, 2);
}

TEST(a_refresh_cut_anywhere_is_finished_by_the_next)
{
    static const char *const files[] = { "root.json", "timestamp.json", "snapshot.json", "targets.json", "team.json" };
    int k = 0;
    for (bool cut = true; cut; k++) {
        device_with_news();
        cut = cut_at(k, refresh);
        CHECK(repo_trusted(&r, "root.json") >= 1 && repo_trusted(&r, "targets.json") >= 1);
        CHECK(refresh() == HN_OK);
        for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
            CHECK_INT(repo_trusted(&r, files[i]), 2);
        repo_close(&r);
        CHECK(k < CALLS_MAX);
    }
    print_message("cut at each of %d calls\n", k - 1);
    CHECK(k > 10);
}

/* Cut again while the first cut is being mended. */
TEST(a_refresh_cut_twice_is_finished_by_the_third)
{
    for (int k = 0; k < 24; k++) {
        device_with_news();
        cut_at(k, refresh);
        cut_at((k * 7 + 3) % 17, refresh);
        CHECK(refresh() == HN_OK);
        CHECK_INT(repo_trusted(&r, "timestamp.json"), 2);
        repo_close(&r);
    }
}

/* ---- A publisher publishes -------------------------------------------------------------------------- */

typedef struct shop {
    char dir[32], repo[48], trusted[48], device[48], model[48], metadata[64];
    hn_key *root, *targets, *online;
} shop;

static shop s;
static hn_ctx cx;

static void ok(hn_err e)
{
    if (e)
        fail_msg("%s", cx.msg);
}

static hn_err publish(void)
{
    json_t *done;
    hn_key *keys[] = { s.online };
    HN_TRY(hn_tuf_repo_publish(&cx, s.repo, keys, 1, NULL, REPO_NOW, &done));
    json_decref(done);
    return HN_OK;
}

static void stage_and_sign(const char *path)
{
    char file[96];
    json_t *what;
    ok(hn_tuf_repo_set_target(&cx, s.repo, "targets", path, s.model, NULL, REPO_NOW + 8640000));
    snprintf(file, sizeof file, "%s/staged/targets.json", s.repo);
    ok(hn_tuf_repo_sign(&cx, file, s.targets, &what));
    json_decref(what);
}

static void open_shop(void)
{
    char path[96];
    hn_file f;
    json_t *what;
    s = (shop){ .dir = "/tmp/hone-cuts-XXXXXX" };
    CHECK(mkdtemp(s.dir));
    snprintf(s.repo, sizeof s.repo, "%s/repo", s.dir);
    snprintf(s.trusted, sizeof s.trusted, "%s/trusted", s.dir);
    snprintf(s.device, sizeof s.device, "%s/device", s.dir);
    snprintf(s.model, sizeof s.model, "%s/model.bin", s.dir);
    snprintf(s.metadata, sizeof s.metadata, "file://%s/metadata", s.repo);
    CHECK(mkdir(s.trusted, 0755) == 0);
    ok(hn_file_write(&cx, s.model, "a model", 7));
    ok(hn_key_generate(&cx, HN_KEY_ED25519, &s.root));
    ok(hn_key_generate(&cx, HN_KEY_ED25519, &s.targets));
    ok(hn_key_generate(&cx, HN_KEY_ED25519, &s.online));
    hn_tuf_change c[] = { { .role = HN_TUF_ROOT, .add = s.root }, { .role = HN_TUF_TARGETS, .add = s.targets },
                          { .role = HN_TUF_SNAPSHOT, .add = s.online }, { .role = HN_TUF_TIMESTAMP, .add = s.online } };
    ok(hn_tuf_repo_change_root(&cx, s.repo, c, 4, REPO_NOW + 31536000));
    snprintf(path, sizeof path, "%s/staged/root.json", s.repo);
    ok(hn_tuf_repo_sign(&cx, path, s.root, &what));
    json_decref(what);
    stage_and_sign("models/kws/1");
    ok(publish());
    snprintf(path, sizeof path, "%s/metadata/1.root.json", s.repo);
    ok(hn_file_open(&cx, path, &f));
    ok(hn_tuf_init(&cx, s.trusted, f.data, f.len));
    hn_file_close(&f);
    stage_and_sign("models/kws/2");
}

static void close_shop(void)
{
    char command[64];
    hn_key_free(s.root);
    hn_key_free(s.targets);
    hn_key_free(s.online);
    snprintf(command, sizeof command, "rm -rf '%s'", s.dir);
    CHECK(system(command) == 0);
}

static hn_err device_finds(const char *path)
{
    const char *base = s.metadata;
    hn_tuf_mirrors m = { NULL, &base, 1 };
    hn_tuf_target target;
    hn_tuf *t;
    HN_TRY(hn_http_new(&cx, NULL, &m.http));
    hn_tuf_opts o = { .dir = s.trusted, .now = REPO_NOW, .source = hn_tuf_http_source(&m) };
    hn_err e = hn_tuf_open(&cx, &o, &t);
    if (!e) {
        e = hn_tuf_refresh(&cx, t);
        if (!e)
            e = hn_tuf_find(&cx, t, path, &target);
        hn_tuf_close(t);
    }
    hn_http_free(m.http);
    return e;
}

TEST(a_publication_cut_anywhere_serves_the_old_or_the_new_and_is_finished_by_the_next)
{
    int k = 0;
    for (bool cut = true; cut; k++) {
        open_shop();
        cut = cut_at(k, publish);
        ok(device_finds("models/kws/1"));                    /* whatever else, what was there still is */
        hn_err e = device_finds("models/kws/2");
        CHECK(e == HN_OK || (e == HN_ENO && cut));
        ok(publish());
        ok(device_finds("models/kws/2"));
        close_shop();
        CHECK(k < CALLS_MAX);
    }
    print_message("cut at each of %d calls\n", k - 1);
    CHECK(k > 10);
}

/* ---- A device updates ------------------------------------------------------------------------------- */

#define NAME "pictograms"

static const hn_env env;

static void release(uint64_t build, bool delta)
{
    char out[64], first[64], file[96];
    const char *from = first;
    hn_package_report made;
    hn_package p;
    json_t *what;
    snprintf(out, sizeof out, "%s/%llu.tar", s.dir, (unsigned long long)build);
    snprintf(first, sizeof first, "%s/1.tar", s.dir);
    const hn_package_opts o = { .model = "models/demo/pictograms.onnx", .out = out, .name = NAME, .version = "1.0.0",
                                .build = build, .atol = -1, .trial_runs = 3, .from = &from, .from_count = delta };
    ok(hn_package_make(&cx, &o, &made));
    ok(hn_package_open(&cx, out, &p));
    ok(hn_release_package(&cx, &p, s.repo, "stable", "targets", REPO_NOW + 8640000));
    hn_package_close(&p);
    snprintf(file, sizeof file, "%s/staged/targets.json", s.repo);
    ok(hn_tuf_repo_sign(&cx, file, s.targets, &what));
    json_decref(what);
    ok(publish());
}

static void disarm(void *user)
{
    (void)user;
    calls_left = -1;               /* the self-test's process writes its verdict alone */
}

static hn_err device_round(void)
{
    const char *base = s.repo;
    hn_agent_report report;
    const hn_agent_opts o = { .store = s.device, .name = NAME, .base = &base, .base_count = 1, .now = REPO_NOW,
                              .sabotage = disarm };
    HN_TRY(hn_agent_once(&cx, &o, &report));
    bool well = report.state == HN_AGENT_COMMITTED || report.state == HN_AGENT_IDLE;
    return well ? HN_OK : hn_fail(&cx, HN_EREFUSED, "%s", report.words);
}

enum { ROLES = 4 };
typedef struct standing { hn_slots slots; int64_t version[ROLES]; } standing;

static standing device_state(void)
{
    static const char *const role[ROLES] = { "root", "timestamp", "snapshot", "targets" };
    standing now = { 0 };
    hn_store store;
    hn_reason why = HN_WHY_NONE;
    hn_picked picked;
    ok(hn_store_open(&cx, s.device, NULL, &store, &why));
    ok(hn_store_slots(&cx, &store, NAME, &now.slots));
    ok(hn_store_check(&cx, &store, NULL));                   /* every byte of every build */
    hn_store_close(&store);
    ok(hn_store_pick(&cx, s.device, NAME, HN_PICK_CURRENT, &picked));        /* I1 */
    for (int i = 0; i < ROLES; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/tuf/%s.json", s.device, role[i]);
        json_t *j = json_load_file(path, 0, NULL);
        now.version[i] = json_integer_value(json_object_get(json_object_get(j, "signed"), "version"));
        json_decref(j);
    }
    return now;
}

static void open_device(void)
{
    char command[160], root[96];
    cx.env = &env;
    open_shop();
    release(1, false);
    snprintf(root, sizeof root, "%s/metadata/1.root.json", s.repo);
    ok(hn_agent_init(&cx, s.device, root));
    ok(device_round());
    release(2, true);
    snprintf(command, sizeof command, "cp -a %s %s/saved", s.device, s.dir);
    CHECK(system(command) == 0);
}

static void reset_device(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s && cp -a %s/saved %s", s.device, s.dir, s.device);
    CHECK(system(command) == 0);
}

/* I1 a build loads, I2 the old or the new, I3 the next round finishes, I5 the floor and I7 the versions of trusted
 * metadata never fall.  Every third call, or as many as HONE_SOAK asks for. */
TEST(a_round_cut_anywhere_leaves_a_working_device_that_finishes_by_itself)
{
    int k = 0, cuts = 0, step = getenv("HONE_SOAK") ? 1 : 3;
    open_device();
    standing old = device_state();
    CHECK_INT(old.slots.current, 1);
    for (bool cut = true; cut; k += step, cuts += cut) {
        reset_device();
        cut = cut_at(k, device_round);
        standing now = device_state();
        CHECK(now.slots.current == 1 || now.slots.current == 2);
        ok(device_round());
        standing done = device_state();
        CHECK_INT(done.slots.current, 2);
        CHECK(old.slots.floor <= now.slots.floor && now.slots.floor <= done.slots.floor);
        for (int i = 0; i < ROLES; i++)
            CHECK(old.version[i] <= now.version[i] && now.version[i] <= done.version[i]);
        CHECK(done.version[3] > old.version[3]);             /* there was something to refresh */
        CHECK(k < CALLS_MAX);
    }
    print_message("cut at %d calls\n", cuts);
    CHECK(cuts > 20);
    close_shop();
}

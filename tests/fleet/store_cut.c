/* SPDX-License-Identifier: Apache-2.0 */
/* The store when it is cut: at every call that changes a file, inside writes, by errors of the disk, and at
 * random moments.  A device must keep a working model, the old one or the new one, whatever happens.
 *
 *     I1 some usable build loads         I4 no try is gained
 *     I2 it is the old or the new        I5 the floor never falls
 *     I3 a rerun finishes                I6 nothing unfinished is left behind */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "tests/fleet/store_kit.h"

/* ---- The shim ----------------------------------------------------------------------------------------- */

enum { CUT_NOTHING, CUT_BEFORE, CUT_HALF, CUT_ERROR };
enum { EXIT_CUT = 77, EXIT_FAILED = 78, EXIT_SPENT = 79 };

typedef struct cut {
    int kind, error;
    size_t at, calls;
    bool dying;
} cut;

static int cut_before(void *user, hn_fs_call *call)
{
    cut *c = user;
    if (++c->calls != c->at)
        return 0;
    if (c->kind == CUT_BEFORE)
        _exit(EXIT_CUT);
    if (c->kind == CUT_HALF) {
        if (call->op != HN_FS_WRITE)
            _exit(EXIT_CUT);
        call->size /= 2;
        c->dying = true;
    }
    return c->kind == CUT_ERROR ? c->error : 0;
}

static void cut_after(void *user, const hn_fs_call *call, int error)
{
    const cut *c = user;
    (void)call, (void)error;
    if (c->dying)
        _exit(EXIT_CUT);
}

/* ---- Operations that are cut, from the state each begins in ------------------------------------------------ */

typedef enum operation { OP_INSTALL, OP_TRY, OP_COMMIT, OP_ROLLBACK, OP_GO_BACK, OP_COLLECT, OP_UPDATE,
                         OP_COUNT } operation;

static const char *const op_name[OP_COUNT] = { "install", "try", "commit", "rollback", "go back", "collect", "update" };

/* Build 1, 2 current; 3 is what is new. */
static hn_err perform(hn_ctx *cx, const hn_store *s, operation op, const kit_build *b)
{
    hn_reason why = HN_WHY_NONE;
    uint64_t gone;
    switch (op) {
    case OP_INSTALL: return kit_install(cx, s, b, &why);
    case OP_TRY: return kit_try(cx, s, b, &why);
    case OP_COMMIT: return hn_store_commit(cx, s, KIT_NAME);
    case OP_ROLLBACK: case OP_GO_BACK: return hn_store_rollback(cx, s, KIT_NAME, &gone);
    case OP_COLLECT: return hn_store_collect(cx, s);
    default: return kit_update(cx, s, b, &why);
    }
}

static void prepare(hn_ctx *cx, const kit *k, operation op, const kit_build *b)
{
    hn_store s;
    hn_reason why = HN_WHY_NONE;
    kit_open(cx, k, NULL, &s);
    for (uint64_t build = 1; build <= 2; build++) {
        kit_build old;
        kit_build_new(cx, build, "", &old);
        CHECK_INT(kit_update(cx, &s, &old, &why), HN_OK);
        kit_build_free(&old);
    }
    if (op == OP_TRY || op == OP_COMMIT || op == OP_ROLLBACK || op == OP_COLLECT)
        CHECK_INT(kit_install(cx, &s, b, &why), HN_OK);
    if (op == OP_COMMIT || op == OP_ROLLBACK || op == OP_COLLECT)
        CHECK_INT(kit_try(cx, &s, b, &why), HN_OK);
    if (op == OP_COLLECT)
        CHECK_INT(hn_store_commit(cx, &s, KIT_NAME), HN_OK);
    hn_store_close(&s);
}

static size_t unfinished(const char *root)
{
    static const char *const dirs[] = { "tmp", "models/" KIT_NAME };
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        char path[256];
        struct dirent *entry;
        snprintf(path, sizeof path, "%s/%s", root, dirs[i]);
        DIR *d = opendir(path);
        while (d && (entry = readdir(d)))
            n += (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) &&
                 (i == 0 || entry->d_name[0] == '.' || strstr(entry->d_name, ".new"));
        if (d)
            closedir(d);
    }
    return n;
}

/* After a cut and recovery. */
static void check_state(hn_ctx *cx, const kit *k, const hn_store *s, operation op, const hn_slots *old)
{
    hn_slots now;
    uint64_t usable = kit_usable(cx, k->root);
    CHECK(usable == old->current || usable == (op == OP_GO_BACK ? old->previous : 3));       /* I1, I2 */
    CHECK_INT(hn_store_slots(cx, s, KIT_NAME, &now), HN_OK);
    if (now.trial && now.trial == old->trial)
        CHECK(now.tries_left <= old->tries_left);                                            /* I4 */
    CHECK(now.floor >= old->floor);                                                          /* I5 */
    CHECK_INT(unfinished(k->root), 0);                                                       /* I6 */
    if (hn_store_check(cx, s, NULL) != HN_OK)
        fail_msg("%s: %s", op_name[op], cx->msg);
}

/* I3: the same again, without a cut, ends where it would have ended. */
static void check_rerun(hn_ctx *cx, const kit *k, const hn_store *s, operation op, const kit_build *b)
{
    hn_slots now;
    CHECK_INT(hn_store_slots(cx, s, KIT_NAME, &now), HN_OK);
    bool done = (op == OP_COMMIT || op == OP_UPDATE) ? now.current == 3
                : op == OP_ROLLBACK ? now.trial == 0 : op == OP_GO_BACK ? now.current == 1 : false;
    hn_err e = done ? HN_OK : perform(cx, s, op, b);
    if (e)
        fail_msg("%s again: %s", op_name[op], cx->msg);
    CHECK_INT(hn_store_collect(cx, s), HN_OK);
    CHECK_INT(hn_store_check(cx, s, NULL), HN_OK);
    uint64_t want = op == OP_COMMIT || op == OP_UPDATE || op == OP_COLLECT ? 3 : op == OP_GO_BACK ? 1 : 2;
    CHECK_INT(kit_usable(cx, k->root), want);
}

typedef struct stage { kit k; char saved[96]; kit_build b; hn_slots old; } stage;

static void stage_new(hn_ctx *cx, operation op, stage *t)
{
    hn_store s;
    kit_new(&t->k);
    kit_build_new(cx, 3, "", &t->b);
    prepare(cx, &t->k, op, &t->b);
    kit_open(cx, &t->k, NULL, &s);
    CHECK_INT(hn_store_slots(cx, &s, KIT_NAME, &t->old), HN_OK);
    hn_store_close(&s);
    snprintf(t->saved, sizeof t->saved, "%s/saved", t->k.folder);
    kit_sh("cp -a %s %s", t->k.root, t->saved);
}

static void stage_reset(const stage *t)
{
    kit_sh("cd %s && rm -rf state && cp -a saved state%s", t->k.folder, "");
}

static void stage_free(stage *t)
{
    kit_build_free(&t->b);
    kit_free(&t->k);
}

/* Runs the operation (or recovery alone) in a child under the shim; true when it was cut. */
static bool run_cut(hn_ctx *cx, const stage *t, operation op, cut c, bool recovery_only)
{
    pid_t child = fork();
    if (child == 0) {
        hn_fs fs = { cut_before, cut_after, &c };
        hn_reason why = HN_WHY_NONE;
        hn_store s;
        hn_err e = hn_store_open(cx, t->k.root, &fs, &s, &why);
        if (!e && !recovery_only)
            e = perform(cx, &s, op, &t->b);
        _exit(e ? EXIT_FAILED : 0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == EXIT_CUT || WEXITSTATUS(status) == 0 ||
          (c.kind == CUT_ERROR && WEXITSTATUS(status) == EXIT_FAILED));
    return WEXITSTATUS(status) != 0;
}

static size_t cut_everywhere(operation op, int kind, bool twice)
{
    hn_ctx cx = { 0 };
    stage t;
    size_t cuts = 0;
    stage_new(&cx, op, &t);
    for (size_t k = 1;; k++) {
        stage_reset(&t);
        if (!run_cut(&cx, &t, op, (cut){ .kind = kind, .at = k }, false))
            break;
        cuts++;
        for (size_t again = 1; twice && run_cut(&cx, &t, op, (cut){ .kind = kind, .at = again }, true); again++)
            cuts++;
        hn_store s;
        kit_open(&cx, &t.k, NULL, &s);
        check_state(&cx, &t.k, &s, op, &t.old);
        check_rerun(&cx, &t.k, &s, op, &t.b);
        hn_store_close(&s);
    }
    stage_free(&t);
    CHECK(cuts > 0);
    return cuts;
}

TEST(a_cut_at_every_call_leaves_the_old_or_the_new)
{
    size_t cuts = 0;
    for (int op = 0; op < OP_COUNT; op++)
        cuts += cut_everywhere((operation)op, CUT_BEFORE, false);
    print_message("%zu cuts\n", cuts);
}

TEST(a_cut_inside_a_write_leaves_the_old_or_the_new) { cut_everywhere(OP_UPDATE, CUT_HALF, false); }
TEST(a_second_cut_during_recovery_changes_nothing) { cut_everywhere(OP_UPDATE, CUT_BEFORE, true); }

/* The process lives on and reports; the store goes on serving. */
TEST(errors_of_the_disk_at_every_call_leave_the_old_or_the_new)
{
    static const int errors[] = { ENOSPC, EIO, EDQUOT, EINTR };
    hn_ctx cx = { 0 };
    stage t;
    stage_new(&cx, OP_UPDATE, &t);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        for (size_t k = 1; k < 500; k++) {
            cut c = { .kind = CUT_ERROR, .error = errors[i], .at = k };
            hn_fs fs = { cut_before, NULL, &c };
            hn_reason why = HN_WHY_NONE;
            hn_store s;
            stage_reset(&t);
            hn_err e = hn_store_open(&cx, t.k.root, &fs, &s, &why);
            if (!e) {
                e = perform(&cx, &s, OP_UPDATE, &t.b);
                hn_store_close(&s);
            }
            if (c.calls < k)
                break;
            if (e && errors[i] == ENOSPC)
                CHECK_INT(e, HN_ELIMIT);
            CHECK(kit_usable(&cx, t.k.root) == 2 || kit_usable(&cx, t.k.root) == 3);   /* even before recovery */
            kit_open(&cx, &t.k, NULL, &s);
            check_state(&cx, &t.k, &s, OP_UPDATE, &t.old);
            check_rerun(&cx, &t.k, &s, OP_UPDATE, &t.b);
            hn_store_close(&s);
        }
    stage_free(&t);
}

/* ---- Random kills: HONE_SOAK cycles (200; the full count is 2000) ------------------------------------------ */

static void soak_child(const kit *k, uint64_t build)
{
    hn_ctx cx = { 0 };
    hn_reason why = HN_WHY_NONE;
    hn_store s;
    kit_build b;
    if (hn_store_open(&cx, k->root, NULL, &s, &why))
        _exit(EXIT_FAILED);
    kit_build_new(&cx, build, "", &b);
    hn_err e = kit_update(&cx, &s, &b, &why);
    /* Kills that fell into every try of one trial use it up: the build is given up, as a device must. */
    bool spent = e == HN_ENO || why == HN_WHY_KNOWN_BAD;
    _exit(!e || why == HN_WHY_UP_TO_DATE ? 0 : spent ? EXIT_SPENT : EXIT_FAILED);
}

TEST(random_kills_leave_no_device_without_a_model)
{
    const char *wish = getenv("HONE_SOAK");
    enum { MEASURED = 5 };                  /* not killed; the shortest tells how long one takes */
    long cycles = wish ? strtol(wish, NULL, 10) : 200, finished = 0;
    hn_ctx cx = { 0 };
    hn_store s;
    kit k;
    uint64_t build = 1, last = 0, random = 88172645463325252u, took = 0;
    kit_new(&k);
    for (long i = 0; i < cycles; i++) {
        uint64_t begin = hn_now_ns(), old = kit_usable(&cx, k.root);
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        /* Over 0 to 1.1 times the length of a whole update, so that some complete. */
        uint64_t wait = took ? random % (took + took / 10) : 0;
        pid_t child = fork();
        if (child == 0)
            soak_child(&k, build);
        int status;
        if (i >= MEASURED) {
            nanosleep(&(struct timespec){ .tv_sec = (time_t)(wait / 1000000000),
                                          .tv_nsec = (long)(wait % 1000000000) }, NULL);
            kill(child, SIGKILL);
        }
        CHECK(waitpid(child, &status, 0) == child);
        bool spent = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SPENT;
        CHECK(!WIFEXITED(status) || WEXITSTATUS(status) == 0 || (spent && i >= MEASURED));
        if (i < MEASURED && (i == 0 || hn_now_ns() - begin < took))
            took = hn_now_ns() - begin;
        uint64_t now = kit_usable(&cx, k.root);
        CHECK(now == old || now == build);                            /* never a third */
        if (now == build) {
            last = build;
            finished++;
        }
        CHECK(!spent || now == old);                                  /* given up: the old one serves on */
        build += now == build || spent;
    }
    kit_open(&cx, &k, NULL, &s);
    CHECK_INT(hn_store_check(&cx, &s, NULL), HN_OK);
    CHECK_INT(unfinished(k.root), 0);
    CHECK_INT(kit_usable(&cx, k.root), last);
    hn_store_close(&s);
    kit_free(&k);
    print_message("%ld kills, %ld updates completed, 0 devices without a model\n", cycles, finished);
}

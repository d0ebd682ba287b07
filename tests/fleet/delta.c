/* SPDX-License-Identifier: Apache-2.0 */
/* Deltas: what they save, that they give back every byte, and that damaged or hostile ones are refused. */
#include "fleet/delta.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fleet/delta_impl.h"
#include "fleet/rans.h"
#include "tests/support/test.h"
#include "tests/support/weights.h"

static char folder[64];
static const char *at(const char *name)
{
    static char path[6][128];
    static unsigned next;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s/hone-delta-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(folder) != NULL);
    }
    char *p = path[next++ % 6];
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

static void put_model(const char *name, test_size size, test_form form, test_change change)
{
    hn_ctx cx = { 0 };
    hn_buf b;
    CHECK(test_weights(size, form, change, &b));
    CHECK_INT(hn_file_write(&cx, at(name), b.data, b.len), HN_OK);
    hn_buf_free(&b);
}

static bool same_file(const char *a, const char *b)
{
    hn_ctx cx = { 0 };
    hn_file x, y;
    CHECK_INT(hn_file_open(&cx, a, &x), HN_OK);
    CHECK_INT(hn_file_open(&cx, b, &y), HN_OK);
    bool same = x.len == y.len && (x.len == 0 || memcmp(x.data, y.data, x.len) == 0);
    hn_file_close(&x);
    hn_file_close(&y);
    return same;
}

/* ---- Planes ---------------------------------------------------------------------------------------------- */

TEST(planes_come_back)
{
    static uint8_t data[70000], out[70000];
    uint64_t r = 1;
    for (int shape = 0; shape < 8; shape++)
        for (size_t n = 0; n < sizeof data; n = n * 2 + 1) {
            hn_buf b = { 0 };
            for (size_t i = 0; i < n; i++) {
                r ^= r << 13, r ^= r >> 7, r ^= r << 17;
                data[i] = shape == 0 ? 7 : shape == 1 ? (uint8_t)r : r % (1u << 2 * shape) ? 0 : (uint8_t)(r >> 40);
            }
            hn_plane_pack(&b, data, n);
            CHECK(!b.failed && b.len <= n + 2);
            CHECK_INT(hn_plane_unpack((uint8_t *)b.data, b.len, out, n), b.len);
            CHECK(memcmp(data, out, n) == 0);
            for (size_t cut = 0; cut < b.len; cut += 1 + b.len / 50)
                hn_plane_unpack((uint8_t *)b.data, cut, out, n);      /* says no, reads nothing outside */
            hn_buf_free(&b);
        }
}

TEST(forms_split_and_join)
{
    static uint8_t old[7200], fresh[7200], plane[7200], again[7200];
    uint64_t r = 3;
    for (size_t i = 0; i < sizeof old; i++) {
        r ^= r << 13, r ^= r >> 7, r ^= r << 17;
        old[i] = (uint8_t)r;
        fresh[i] = (uint8_t)(r >> 9 & 1 ? r >> 20 : r);
    }
    for (int form = 0; form < HN_FORM_COUNT; form++)
        for (int head = 0; head <= (form >= HN_FORM_BLOCK_U8 ? 4 : 0); head += 2) {
            hn_segment s = { .form = (hn_delta_form)form, .block = 18, .head = (uint8_t)head };
            size_t size[4];
            hn_form_split(&s, old, fresh, sizeof old, plane, size);
            hn_form_join(&s, old, plane, sizeof old, again);
            CHECK(memcmp(fresh, again, sizeof fresh) == 0);
        }
}

/* ---- What is saved: the table of doc/package.md ------------------------------------------------------------ */

/* Per cent of the new file, at most; 0: no goal. */
static const double goal[TEST_FORMS][TEST_CHANGES] = {
    [TEST_F32] = { [TEST_HEAD] = 2 },
    [TEST_F16] = { [TEST_HEAD] = 2, [TEST_LIGHT] = 33 },
    [TEST_Q8] = { [TEST_HEAD] = 2, [TEST_SPARSE] = 2, [TEST_LIGHT] = 6 },
    [TEST_Q8FIX] = { [TEST_HEAD] = 2, [TEST_SPARSE] = 2, [TEST_LIGHT] = 6 },
    [TEST_Q4] = { [TEST_HEAD] = 2, [TEST_SPARSE] = 2, [TEST_LIGHT] = 4 },
};

static void measure(test_size size, test_form form, test_change change, bool all_ways)
{
    hn_ctx cx = { 0 };
    hn_delta_opts o = { .typed_only = !all_ways };
    hn_delta_sizes s;
    hn_delta_info info;
    hn_buf b;
    hn_file f;
    put_model("new", size, form, change);
    CHECK_INT(hn_file_open(&cx, at("new"), &f), HN_OK);
    double full = (double)f.len;
    hn_file_close(&f);
    uint64_t t0 = hn_now_ns();
    CHECK_INT(hn_delta_make(&cx, at("old"), at("new"), &o, &b, &s), HN_OK);
    uint64_t t1 = hn_now_ns();
    CHECK_INT(hn_delta_read(&cx, b.data, b.len, &info), HN_OK);
    CHECK_INT(hn_file_write(&cx, at("delta"), b.data, b.len), HN_OK);
    hn_buf_free(&b);
    clock_t t2 = clock();                      /* of this process alone: others may keep the machine busy */
    CHECK_INT(hn_delta_apply_files(&cx, at("delta"), at("old"), at("made"), info.window_bytes), HN_OK);
    clock_t t3 = clock();
    CHECK(same_file(at("made"), at("new")));
    print_message("| %s | %s | %.2f | %.2f | %.2f | %.2f | %s | %.1f | %.0f | %.1f |\n", test_form_name[form],
                  test_change_name[change],
                  100 * (double)s.typed / full, 100 * (double)s.prefix / full, 100 * (double)s.whole / full,
                  100 * (double)s.chosen / full, s.method, (double)(t1 - t0) * 1e-9,
                      full / ((double)(t3 - t2) * 1e6 / CLOCKS_PER_SEC),
                  (double)info.ram_bytes / (1 << 20));
    if (goal[form][change] > 0)
        CHECK((double)s.chosen / full * 100 <= goal[form][change]);
}

/* HONE_DELTAS=full: the 11.7 million weights and every way, or of one kind (HONE_DELTAS=q4); otherwise a small
 * model and our way alone. */
TEST(deltas_are_as_small_as_promised)
{
    const char *wish = getenv("HONE_DELTAS");
    test_size size = wish ? (test_size){ 12, 8192 } : (test_size){ 1, 512 };
    print_message("| weights | change | typed %% | prefix %% | whole %% | chosen %% | by | make s | apply MB/s | "
                  "memory MiB |\n");
    for (int form = 0; form < TEST_FORMS; form++) {
        if (wish && strcmp(wish, "full") != 0 && strcmp(wish, test_form_name[form]) != 0)
            continue;
        put_model("old", size, (test_form)form, TEST_BASE);
        for (int change = TEST_HEAD; change < TEST_CHANGES; change++) {
            /* Without the head: a small model's is not small. */
            bool quick = change == TEST_LIGHT || (form == TEST_Q4 && change != TEST_HEAD);
            if (wish || quick)
                measure(size, (test_form)form, (test_change)change, wish != NULL);
        }
    }
    clear();
}

/* ---- Files of no kind, and the edges --------------------------------------------------------------------- */

TEST(any_two_files_have_a_delta)
{
    static const char *const pair[][2] = { { "", "" }, { "", "new" }, { "old", "" }, { "same", "same" },
                                           { "abc", "abcd" } };
    hn_ctx cx = { 0 };
    hn_delta_sizes s;
    hn_delta_info info;
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) {
        CHECK_INT(hn_file_write(&cx, at("old"), pair[i][0], strlen(pair[i][0])), HN_OK);
        CHECK_INT(hn_file_write(&cx, at("new"), pair[i][1], strlen(pair[i][1])), HN_OK);
        CHECK_INT(hn_delta_make_file(&cx, at("old"), at("new"), at("delta"), &s, &info), HN_OK);
        CHECK_INT(hn_delta_apply_files(&cx, at("delta"), at("old"), at("made"), info.window_bytes), HN_OK);
        CHECK(same_file(at("made"), at("new")));
    }
    clear();
}

static hn_err count(void *user, hn_ctx *cx, const void *data, size_t len)
{
    (void)cx, (void)data;
    *(uint64_t *)user += len;
    return HN_OK;
}

/* Attack A16: deltas that expand without end, read outside the base, or make something else. */
TEST(A16_a_hostile_delta_is_refused)
{
    hn_ctx cx = { 0 };
    hn_delta_sizes sizes;
    hn_delta_info info;
    hn_file old, other, f;
    hn_buf b;
    put_model("old", (test_size){ 1, 64 }, TEST_Q4, TEST_BASE);
    put_model("new", (test_size){ 1, 64 }, TEST_Q4, TEST_LIGHT);
    CHECK_INT(hn_delta_make(&cx, at("old"), at("new"), &(hn_delta_opts){ .typed_only = true }, &b, &sizes), HN_OK);
    CHECK_INT(hn_file_open(&cx, at("old"), &old), HN_OK);
    CHECK_INT(hn_file_open(&cx, at("new"), &other), HN_OK);
    CHECK_INT(hn_delta_read(&cx, b.data, b.len, &info), HN_OK);
    uint64_t made = 0;
    CHECK_INT(hn_delta_apply(&cx, b.data, b.len, &old, info.window_bytes, count, &made), HN_OK);
    CHECK(made == info.new_length);
    /* another base */
    CHECK_INT(hn_delta_apply(&cx, b.data, b.len, &other, info.window_bytes, count, &made), HN_EREFUSED);
    CHECK(strstr(cx.msg, "another file") != NULL);
    if (info.window_bytes)
        CHECK_INT(hn_delta_apply(&cx, b.data, b.len, &old, info.window_bytes / 2, count, &made), HN_EREFUSED);

    /* Every byte of every head, and some of the rest, made another: nothing but a refusal, never more output than
     * said. */
    uint8_t *p = (uint8_t *)b.data;
    for (size_t i = 0, step = 1; i < b.len; i += step) {
        step = i < 700 ? 1 : b.len / 400 + 1;
        for (int bit = 0; bit < 8; bit += 3) {
            p[i] ^= (uint8_t)(1u << bit);
            made = 0;
            uint64_t said = hn_le64(p + 16);
            hn_err e = hn_delta_apply(&cx, p, b.len, &old, info.window_bytes, count, &made);
            CHECK(e == HN_EREFUSED || (e == HN_OK && made == info.new_length));      /* the right bytes all the same */
            CHECK(made <= said);
            p[i] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t cut = 0; cut < b.len; cut += 1 + b.len / 100)
        CHECK_INT(hn_delta_apply(&cx, p, cut, &old, info.window_bytes, count, &made), HN_EREFUSED);
    CHECK_INT(hn_file_write(&cx, at("delta"), b.data, b.len - 1), HN_OK);
    CHECK_INT(hn_delta_apply_files(&cx, at("delta"), at("old"), at("made"), info.window_bytes), HN_EREFUSED);
    CHECK_INT(hn_file_open(&cx, at("made"), &f), HN_EIO);              /* nothing half made stays */
    hn_file_close(&old);
    hn_file_close(&other);
    hn_buf_free(&b);
    clear();
}

/* What a process of its own holds while it applies one, at the end of which it has seen every page. */
TEST(applying_takes_little_memory)
{
    hn_ctx cx = { 0 };
    hn_delta_sizes s;
    hn_delta_info info;
    put_model("old", (test_size){ 4, 2048 }, TEST_F32, TEST_BASE);
    put_model("new", (test_size){ 4, 2048 }, TEST_F32, TEST_LIGHT);
    hn_buf b;
    CHECK_INT(hn_delta_make(&cx, at("old"), at("new"), &(hn_delta_opts){ .typed_only = true }, &b, &s), HN_OK);
    CHECK_INT(hn_delta_read(&cx, b.data, b.len, &info), HN_OK);
    CHECK_INT(hn_file_write(&cx, at("delta"), b.data, b.len), HN_OK);
    hn_buf_free(&b);
    const char *delta = at("delta"), *old = at("old"), *made = at("made");
    pid_t child = fork();
    if (child == 0) {
        struct rusage u;
        getrusage(RUSAGE_SELF, &u);
        long before = u.ru_maxrss;
        hn_err e = hn_delta_apply_files(&cx, delta, old, made, info.window_bytes);
        getrusage(RUSAGE_SELF, &u);
        _exit(e ? 1 : u.ru_maxrss - before > (16 << 10) + (long)(info.window_bytes >> 10) ? 2 : 0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    CHECK(same_file(at("made"), at("new")));
    CHECK(info.window_bytes <= (uint64_t)8 << 20);
    clear();
}

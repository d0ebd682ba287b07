/* SPDX-License-Identifier: Apache-2.0 */
/* The store when nothing is cut: what it takes, what it refuses, what it keeps. */
#include "fleet/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/fleet/store_kit.h"

static void install(hn_ctx *cx, const hn_store *s, uint64_t build)
{
    kit_build b;
    hn_reason why = HN_WHY_NONE;
    kit_build_new(cx, build, "", &b);
    hn_err e = kit_update(cx, s, &b, &why);
    if (e)
        fail_msg("build %d: %s", (int)build, cx->msg);
    kit_build_free(&b);
}

static size_t count_blobs(const kit *k)
{
    char command[160];
    size_t n = 0;
    snprintf(command, sizeof command, "ls %s/blobs/sha256 | wc -l", k->root);
    FILE *p = popen(command, "r");
    CHECK(p && fscanf(p, "%zu", &n) == 1);
    pclose(p);
    return n;
}

TEST(a_build_is_installed_tried_and_committed)
{
    hn_ctx cx = { 0 };
    hn_store s;
    hn_slots slots;
    size_t files = 0;
    kit k;
    kit_new(&k);
    kit_open(&cx, &k, NULL, &s);
    CHECK_INT(kit_usable(&cx, k.root), 0);
    install(&cx, &s, 1);
    CHECK_INT(kit_usable(&cx, k.root), 1);
    install(&cx, &s, 2);
    install(&cx, &s, 5);
    CHECK_INT(kit_usable(&cx, k.root), 5);
    CHECK_INT(hn_store_slots(&cx, &s, KIT_NAME, &slots), HN_OK);
    CHECK(slots.current == 5 && slots.previous == 2 && slots.trial == 0 && slots.floor == 5);
    CHECK_INT(hn_store_check(&cx, &s, &files), HN_OK);
    CHECK_INT(files, 2 * KIT_FILES);
    CHECK_INT(count_blobs(&k), 5);            /* two files of each kept build, and the labels they share */
    hn_store_close(&s);
    kit_free(&k);
}

/* Attack A5: an older build, validly signed. */
TEST(A5_an_older_build_is_refused_unless_signed_for)
{
    hn_ctx cx = { 0 };
    hn_store s;
    hn_reason why = HN_WHY_NONE;
    kit_build b;
    kit k;
    kit_new(&k);
    kit_open(&cx, &k, NULL, &s);
    install(&cx, &s, 7);
    kit_build_new(&cx, 6, "", &b);
    CHECK_INT(kit_install(&cx, &s, &b, &why), HN_EREFUSED);
    CHECK_INT(why, HN_WHY_DOWNGRADE);
    CHECK(strstr(cx.msg, "(downgrade)") != NULL);
    kit_build_free(&b);
    kit_build_new(&cx, 6, ",\"allow_downgrade_from\":[3,7]", &b);
    CHECK_INT(kit_update(&cx, &s, &b, &why), HN_OK);
    CHECK_INT(kit_usable(&cx, k.root), 6);
    kit_build_free(&b);
    hn_slots slots;
    CHECK_INT(hn_store_slots(&cx, &s, KIT_NAME, &slots), HN_OK);
    CHECK_INT(slots.floor, 7);                /* the floor stays where it was */
    hn_store_close(&s);
    kit_free(&k);
}

TEST(the_floor_rises_with_the_commit_and_not_before)
{
    hn_ctx cx = { 0 };
    hn_store s;
    hn_slots slots;
    hn_reason why = HN_WHY_NONE;
    kit_build b;
    uint64_t gone = 0;
    kit k;
    kit_new(&k);
    kit_open(&cx, &k, NULL, &s);
    install(&cx, &s, 1);
    kit_build_new(&cx, 2, "", &b);
    CHECK_INT(kit_install(&cx, &s, &b, &why), HN_OK);
    CHECK_INT(kit_try(&cx, &s, &b, &why), HN_OK);
    CHECK_INT(hn_store_slots(&cx, &s, KIT_NAME, &slots), HN_OK);
    CHECK(slots.trial == 2 && slots.tries_left == 2 && slots.floor == 1);
    CHECK_INT(hn_store_rollback(&cx, &s, KIT_NAME, &gone), HN_OK);
    CHECK_INT(gone, 2);
    CHECK_INT(hn_store_collect(&cx, &s), HN_OK);
    CHECK_INT(kit_usable(&cx, k.root), 1);
    CHECK_INT(kit_install(&cx, &s, &b, &why), HN_EREFUSED);      /* failed here before */
    CHECK_INT(why, HN_WHY_KNOWN_BAD);
    kit_build_free(&b);
    hn_store_close(&s);
    kit_free(&k);
}

TEST(tries_run_out)
{
    hn_ctx cx = { 0 };
    hn_store s;
    hn_reason why = HN_WHY_NONE;
    kit_build b;
    unsigned left = 9;
    kit k;
    kit_new(&k);
    kit_open(&cx, &k, NULL, &s);
    install(&cx, &s, 1);
    kit_build_new(&cx, 2, "", &b);
    CHECK_INT(kit_install(&cx, &s, &b, &why), HN_OK);
    CHECK_INT(hn_store_trial(&cx, &s, &b.m, 2, &why), HN_OK);
    CHECK_INT(hn_store_count(&cx, &s, KIT_NAME, &left), HN_OK);
    CHECK_INT(left, 1);
    CHECK_INT(hn_store_trial(&cx, &s, &b.m, 2, &why), HN_OK);    /* begun again after a cut: no try is gained */
    CHECK_INT(hn_store_count(&cx, &s, KIT_NAME, &left), HN_OK);
    CHECK_INT(left, 0);
    CHECK_INT(hn_store_count(&cx, &s, KIT_NAME, &left), HN_ENO);
    kit_build_free(&b);
    hn_store_close(&s);
    kit_free(&k);
}

/* An application that takes part in a trial: its start is counted before it gets the build. */
TEST(an_application_counts_its_own_starts)
{
    hn_ctx cx = { 0 };
    hn_store s;
    hn_reason why = HN_WHY_NONE;
    hn_picked p;
    kit_build b;
    kit k;
    kit_new(&k);
    kit_open(&cx, &k, NULL, &s);
    install(&cx, &s, 1);
    kit_build_new(&cx, 2, "", &b);
    CHECK_INT(kit_install(&cx, &s, &b, &why), HN_OK);
    CHECK_INT(hn_store_trial(&cx, &s, &b.m, 2, &why), HN_OK);
    for (int start = 0; start < 4; start++) {
        CHECK_INT(hn_store_pick(&cx, k.root, KIT_NAME, HN_PICK_TRIAL, &p), HN_OK);
        CHECK_INT(p.build, start < 2 ? 2 : 1);
        CHECK_INT(p.trial, start < 2);
    }
    CHECK_INT(hn_store_pick(&cx, k.root, KIT_NAME, HN_PICK_CURRENT, &p), HN_OK);
    CHECK_INT(p.build, 1);
    CHECK_INT(hn_store_pick(&cx, k.root, KIT_NAME, HN_PICK_ARM, &p), HN_ENO);
    kit_build_free(&b);
    hn_store_close(&s);
    kit_free(&k);
}

TEST(both_builds_of_a_comparison_stay)
{
    hn_ctx cx = { 0 };
    hn_store s;
    hn_picked p;
    kit k;
    kit_new(&k);
    kit_open(&cx, &k, NULL, &s);
    install(&cx, &s, 1);
    install(&cx, &s, 2);
    CHECK_INT(hn_store_arm(&cx, &s, KIT_NAME, HN_ARM_SHADOW, 9, 0), HN_ENO);
    CHECK_INT(hn_store_arm(&cx, &s, KIT_NAME, HN_ARM_AB, 1, 250000), HN_OK);
    install(&cx, &s, 3);
    install(&cx, &s, 4);
    CHECK_INT(hn_store_pick(&cx, k.root, KIT_NAME, HN_PICK_ARM, &p), HN_OK);
    CHECK_INT(p.build, 1);
    CHECK_INT(hn_store_arm(&cx, &s, KIT_NAME, HN_ARM_NONE, 0, 0), HN_OK);
    CHECK_INT(hn_store_collect(&cx, &s), HN_OK);
    CHECK_INT(hn_store_pick(&cx, k.root, KIT_NAME, HN_PICK_ARM, &p), HN_ENO);
    CHECK_INT(hn_store_check(&cx, &s, NULL), HN_OK);
    hn_store_close(&s);
    kit_free(&k);
}

TEST(two_agents_do_not_share_a_store)
{
    hn_ctx cx = { 0 };
    hn_store a, b;
    hn_reason why = HN_WHY_NONE;
    kit k;
    kit_new(&k);
    kit_open(&cx, &k, NULL, &a);
    pid_t child = fork();
    if (child == 0)
        _exit(hn_store_open(&cx, k.root, NULL, &b, &why) == HN_ELIMIT && why == HN_WHY_STORE_BUSY ? 0 : 1);
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    hn_store_close(&a);
    kit_open(&cx, &k, NULL, &a);
    hn_store_close(&a);
    kit_free(&k);
}

TEST(files_that_are_not_what_was_signed_are_refused)
{
    hn_ctx cx = { 0 };
    hn_store s;
    hn_reason why = HN_WHY_NONE;
    hn_digest d;
    hn_path temp;
    kit k;
    kit_new(&k);
    kit_open(&cx, &k, NULL, &s);
    CHECK_INT(hn_digest_of(&cx, "right", 5, &d), HN_OK);
    CHECK_INT(hn_store_put(&cx, &s, "wrong", 5, &d, &why), HN_EREFUSED);
    CHECK_INT(why, HN_WHY_HASH);
    CHECK_INT(hn_store_put(&cx, &s, "right and more", 14, &d, &why), HN_EREFUSED);
    why = HN_WHY_NONE;
    CHECK_INT(hn_store_temp(&cx, &s, &d, &temp), HN_OK);
    CHECK_INT(hn_file_write(&cx, temp.text, "right!", 6), HN_OK);
    CHECK_INT(hn_store_take(&cx, &s, temp.text, &d, 5, &why), HN_EREFUSED);
    CHECK_INT(why, HN_WHY_LENGTH);
    CHECK(access(temp.text, F_OK) != 0);
    CHECK(!hn_store_has(&cx, &s, &d));
    why = HN_WHY_NONE;
    CHECK_INT(hn_store_room(&cx, &s, (uint64_t)1 << 60, &why), HN_ELIMIT);
    CHECK_INT(why, HN_WHY_NO_ROOM);
    hn_store_close(&s);
    kit_free(&k);
}

TEST(a_damaged_slots_file_is_answered_by_the_one_before)
{
    hn_ctx cx = { 0 };
    hn_store s;
    hn_slots slots;
    kit_build b;
    hn_reason why = HN_WHY_NONE;
    kit k;
    char path[200];
    kit_new(&k);
    kit_open(&cx, &k, NULL, &s);
    install(&cx, &s, 1);
    kit_build_new(&cx, 2, "", &b);
    CHECK_INT(kit_install(&cx, &s, &b, &why), HN_OK);
    CHECK_INT(kit_try(&cx, &s, &b, &why), HN_OK);
    snprintf(path, sizeof path, "%s/models/" KIT_NAME "/slots.json", k.root);
    CHECK_INT(hn_file_write(&cx, path, "{\"seq\":9}", 9), HN_OK);
    CHECK_INT(hn_store_slots(&cx, &s, KIT_NAME, &slots), HN_OK);
    CHECK(slots.current == 1 && slots.trial == 2 && slots.tries_left == 2 && slots.floor == 1);  /* 3 there, less one */
    CHECK_INT(hn_store_commit(&cx, &s, KIT_NAME), HN_OK);
    CHECK_INT(kit_usable(&cx, k.root), 2);
    CHECK_INT(hn_file_write(&cx, path, "", 0), HN_OK);
    CHECK_INT(hn_store_slots(&cx, &s, KIT_NAME, &slots), HN_OK);
    snprintf(path, sizeof path, "%s/models/" KIT_NAME "/slots.json.prev", k.root);
    CHECK_INT(hn_file_write(&cx, path, "x", 1), HN_OK);
    CHECK_INT(hn_store_slots(&cx, &s, KIT_NAME, &slots), HN_EFORMAT);
    kit_build_free(&b);
    hn_store_close(&s);
    kit_free(&k);
}

TEST(every_bit_of_the_slots_file_is_watched)
{
    hn_ctx cx = { 0 };
    hn_slots s = { .current = 3, .previous = 2, .floor = 3 }, got;
    hn_file f;
    kit k;
    char path[200], data[4096];
    kit_new(&k);
    CHECK_INT(mkdir(k.root, 0755), 0);
    CHECK_INT(hn_slots_write(&cx, NULL, k.root, &s), HN_OK);
    snprintf(path, sizeof path, "%s/slots.json", k.root);
    CHECK_INT(hn_file_open(&cx, path, &f), HN_OK);
    size_t len = f.len;
    memcpy(data, f.data, len);
    hn_file_close(&f);
    for (size_t bit = 0; bit < len * 8; bit++) {
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
        CHECK_INT(hn_file_write(&cx, path, data, len), HN_OK);
        CHECK_INT(hn_slots_read(&cx, k.root, &got), HN_EFORMAT);
        data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
    }
    kit_free(&k);
}

TEST(a_build_number_is_not_used_twice)
{
    hn_ctx cx = { 0 };
    hn_store s;
    hn_reason why = HN_WHY_NONE;
    kit_build b;
    kit k;
    kit_new(&k);
    kit_open(&cx, &k, NULL, &s);
    kit_build_new(&cx, 2, "", &b);
    CHECK_INT(kit_install(&cx, &s, &b, &why), HN_OK);
    kit_build_free(&b);
    kit_build_new(&cx, 2, ",\"x\":1", &b);
    CHECK_INT(kit_install(&cx, &s, &b, &why), HN_EREFUSED);
    CHECK_INT(why, HN_WHY_WRONG_TARGET);
    kit_build_free(&b);
    hn_store_close(&s);
    kit_free(&k);
}

TEST(reports_are_whole_lines_and_end)
{
    hn_ctx cx = { 0 };
    hn_store s;
    struct stat st;
    char path[200];
    kit k;
    kit_new(&k);
    kit_open(&cx, &k, NULL, &s);
    for (int i = 0; i < 40000; i++)
        CHECK_INT(hn_store_report(&cx, k.root, KIT_NAME, 4, HN_EVENT_GOOD, 12.25), HN_OK);
    snprintf(path, sizeof path, "%s/health/" KIT_NAME ".4", k.root);
    CHECK(stat(path, &st) == 0 && st.st_size <= HN_HEALTH_BYTES_MAX && st.st_size > HN_HEALTH_BYTES_MAX - 64);
    CHECK_INT(hn_store_report(&cx, k.root, "../x", 4, HN_EVENT_GOOD, 1), HN_EARG);
    hn_store_close(&s);
    kit_free(&k);
}

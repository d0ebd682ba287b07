/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas, growing buffers, checked numbers, errors. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/num.h"
#include "tests/support/test.h"

/* An allocator that counts, and fails on demand. */
typedef struct counter { long live, calls, fail_at; } counter;

static void *counted(void *user, void *old, size_t bytes)
{
    counter *c = user;
    if (bytes == 0) {
        c->live -= old != NULL;
        free(old);
        return NULL;
    }
    if (c->calls++ == c->fail_at)
        return NULL;
    void *p = realloc(old, bytes);
    c->live += !old;
    return p;
}

TEST(an_arena_gives_zeroed_aligned_bytes_that_do_not_overlap)
{
    static const size_t sizes[] = { 1, 3, 64, 100, 5000, 8, 1 << 21, 17, 4096 };
    enum { N = sizeof sizes / sizeof *sizes };
    hn_ctx cx = { 0 };
    hn_arena *a;
    unsigned char *p[N];
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++) {
            size_t align = (size_t)1 << i % 7;
            p[i] = hn_arena_get(a, sizes[i], align);
            CHECK(p[i] && (uintptr_t)p[i] % align == 0);
            for (size_t k = 0; k < sizes[i]; k++)
                if (p[i][k])
                    CHECK(!"zeroed");
            memset(p[i], (int)i + 1, sizes[i]);
        }
        for (size_t i = 0; i < N; i++)
            CHECK(p[i][0] == i + 1 && p[i][sizes[i] - 1] == i + 1);
        hn_arena_reset(a);
    }
    hn_arena_free(a);
    hn_arena_free(NULL);
}

TEST(an_arena_refuses_past_its_limit)
{
    hn_ctx cx = { 0 };
    hn_arena *a;
    CHECK_INT(hn_arena_new(&cx, 64, &a), HN_OK);
    CHECK(HN_NEW(a, double, 8) != NULL);
    CHECK(HN_NEW(a, char, 1) == NULL);
    CHECK_INT(hn_arena_used(a), 64);
    hn_arena_reset(a);
    CHECK(HN_NEW(a, char, 65) == NULL);
    CHECK(HN_NEW(a, double, SIZE_MAX / 4) == NULL);
    CHECK(HN_NEW(a, char, 64) != NULL);
    hn_arena_free(a);
}

TEST(a_reset_arena_reuses_its_blocks)
{
    counter c = { .fail_at = -1 };
    hn_env env = { .alloc = counted, .alloc_user = &c };
    hn_ctx cx = { .env = &env };
    hn_arena *a;
    long calls = 0;
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    for (int round = 0; round < 10; round++) {
        for (size_t i = 1; i < 200; i++)
            CHECK(hn_arena_get(a, i * 37 % 9000, 64) || i * 37 % 9000 == 0);
        if (round == 0)
            calls = c.calls;
        CHECK_INT(c.calls, calls);
        hn_arena_reset(a);
    }
    hn_arena_free(a);
    CHECK_INT(c.live, 0);
}

TEST(an_arena_survives_a_failed_allocation)
{
    for (long n = 0; n < 3; n++) {
        counter c = { .fail_at = n };
        hn_env env = { .alloc = counted, .alloc_user = &c };
        hn_ctx cx = { .env = &env };
        hn_arena *a = NULL;
        if (hn_arena_new(&cx, 0, &a) == HN_OK) {
            char *one = hn_arena_get(a, 5000, 1), *two = hn_arena_get(a, 9000, 1);
            CHECK((one != NULL) == (n != 1) && (two != NULL) == (n != 2));
            CHECK(hn_arena_get(a, 5000, 1) != NULL);
            hn_arena_free(a);
        } else {
            CHECK_TEXT(cx.msg, "out of memory for an arena");
        }
        CHECK_INT(c.live, 0);
    }
}

TEST(arena_text_is_copied_and_ended)
{
    hn_ctx cx = { 0 };
    hn_arena *a;
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    CHECK_TEXT(hn_arena_text(a, "abcdef", 3), "abc");
    CHECK_TEXT(hn_arena_text(a, NULL, 0), "");
    CHECK_TEXT(hn_arena_printf(a, "%s_%d", "Conv", 12), "Conv_12");
    CHECK(hn_arena_text(a, "x", SIZE_MAX) == NULL);
    hn_arena_free(a);
}

TEST(a_buffer_grows_and_stays_ended)
{
    hn_buf b = { 0 };
    for (int i = 0; i < 1000; i++)
        hn_buf_printf(&b, "%d,", i);
    hn_buf_text(&b, "end");
    hn_buf_add(&b, NULL, 0);
    CHECK_INT(hn_buf_ok(&b, "numbers"), HN_OK);
    CHECK_INT(b.len, 3893);
    CHECK_TEXT(b.data + b.len - 7, "999,end");
    hn_buf_free(&b);
    CHECK(b.data == NULL && b.len == 0);
}

TEST(a_buffer_that_could_not_grow_stays_as_it_was)
{
    counter c = { .fail_at = 1 };
    hn_env env = { .alloc = counted, .alloc_user = &c };
    hn_ctx cx = { .env = &env };
    hn_buf b = { .cx = &cx };
    char big[4096] = { 0 };
    hn_buf_text(&b, "kept");
    hn_buf_add(&b, big, sizeof big);
    hn_buf_text(&b, "not");
    CHECK_TEXT(b.data, "kept");
    CHECK_INT(hn_buf_ok(&b, "a report"), HN_ENOMEM);
    CHECK_TEXT(cx.msg, "out of memory for a report");
    hn_buf_free(&b);
    CHECK_INT(c.live, 0);
}

TEST(aligned_memory_is_aligned_and_given_back)
{
    counter c = { .fail_at = -1 };
    hn_env env = { .alloc = counted, .alloc_user = &c };
    hn_ctx cx = { .env = &env };
    for (size_t n = 0; n < 200; n += 7) {
        char *p = hn_alloc_aligned(&cx, n);
        CHECK(p && (uintptr_t)p % 64 == 0);
        memset(p, 1, n);
        hn_free_aligned(&cx, p);
    }
    CHECK(hn_alloc_aligned(&cx, SIZE_MAX) == NULL);
    CHECK(hn_calloc(&cx, SIZE_MAX / 2, 4) == NULL);
    hn_free(&cx, NULL);
    hn_free_aligned(&cx, NULL);
    CHECK_INT(c.live, 0);
}

TEST(numbers_from_outside_saturate)
{
    CHECK(hn_mul(SIZE_MAX / 2, 3) == SIZE_MAX);
    CHECK(hn_add(SIZE_MAX, 1) == SIZE_MAX);
    CHECK_INT(hn_mul(6, 7), 42);
    CHECK_INT(hn_round_up(65, 64), 128);
    CHECK_INT(hn_round_up(64, 64), 64);
    CHECK_INT(hn_ceil_div(7, 3), 3);
    CHECK(hn_ceil_div(SIZE_MAX, 2) == SIZE_MAX / 2 + 1);
    CHECK(hn_round_up(SIZE_MAX - 3, 64) > SIZE_MAX - 64);
}

TEST(every_error_has_words_a_name_and_an_exit_code)
{
    for (int e = HN_OK; e <= HN_EREFUSED; e++) {
        CHECK(strlen(hn_err_text((hn_err)e)) > 3);
        CHECK(strlen(hn_err_name((hn_err)e)) > 1);
        CHECK((hn_err_exit((hn_err)e) == 0) == (e == HN_OK));
        CHECK(hn_err_exit((hn_err)e) <= 7);
    }
}

TEST(a_failure_may_quote_the_one_before_it)
{
    hn_ctx cx = { 0 };
    char longest[2 * HN_MSG_MAX];
    CHECK_INT(hn_fail(&cx, HN_EIO, "inner %d", 1), HN_EIO);
    CHECK_INT(hn_fail(&cx, HN_EFORMAT, "outer: %s", cx.msg), HN_EFORMAT);
    CHECK_TEXT(cx.msg, "outer: inner 1");
    CHECK_INT(hn_fail(NULL, HN_EIO, "nobody listens"), HN_EIO);
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    hn_fail(&cx, HN_EIO, "%s", longest);
    CHECK_INT(strlen(cx.msg), HN_MSG_MAX - 1);
}

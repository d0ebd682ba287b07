/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "llm/stop.h"

static hn_stop *stops(const char *a, const char *b)
{
    hn_ctx cx = { 0 };
    hn_stop *s;
    hn_text list[2] = { { a, strlen(a) }, { b, strlen(b) } };
    CHECK_INT(hn_stop_new(&cx, list, 2, &s), HN_OK);
    return s;
}

static int add(hn_stop *s, const char *text, hn_buf *out)
{
    hn_ctx cx = { 0 };
    int which;
    CHECK_INT(hn_stop_add(&cx, s, (hn_text){ text, strlen(text) }, out, &which), HN_OK);
    return which;
}

TEST(holds_back_only_what_may_still_match)
{
    hn_stop *s = stops("</s>", "User:");
    hn_buf out = { 0 };
    CHECK_INT(add(s, "Hello <", &out), -1);
    CHECK_TEXT(out.data, "Hello ");
    CHECK_INT(add(s, "b> <", &out), -1);
    CHECK_TEXT(out.data, "Hello <b> ");
    CHECK_INT(add(s, "/s", &out), -1);
    CHECK_TEXT(out.data, "Hello <b> ");
    CHECK_INT(add(s, "> rest", &out), 0);
    CHECK_TEXT(out.data, "Hello <b> ");
    hn_buf_free(&out);
    hn_stop_free(s);
}

TEST(the_first_to_begin_wins_then_the_longest)
{
    hn_stop *s = stops("ab", "abc");
    hn_buf out = { 0 };
    CHECK_INT(add(s, "xabcab", &out), 1);
    CHECK_TEXT(out.data, "x");
    hn_buf_free(&out);
    hn_stop_free(s);

    s = stops("aab", "zz");
    out = (hn_buf){ 0 };
    CHECK_INT(add(s, "aa", &out), -1);
    CHECK_INT(add(s, "ab", &out), 0);                  /* the match begins inside what was held */
    CHECK_TEXT(out.data, "a");
    hn_buf_free(&out);
    hn_stop_free(s);
}

TEST(the_end_gives_back_what_was_held)
{
    hn_stop *s = stops("###", "STOP");
    hn_buf out = { 0 };
    CHECK_INT(add(s, "a ##", &out), -1);
    CHECK_TEXT(out.data, "a ");
    hn_stop_end(s, &out);
    CHECK_TEXT(out.data, "a ##");
    hn_buf_free(&out);
    hn_stop_free(s);
}

TEST(an_empty_stop_string_is_refused)
{
    hn_ctx cx = { 0 };
    hn_stop *s;
    CHECK_INT(hn_stop_new(&cx, &(hn_text){ "", 0 }, 1, &s), HN_EARG);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "graph/letter.h"
#include "graph/regex.h"
#include "tests/support/graph.h"

#define STR(shape, ...) ((hn_tensor){ HN_STR, shape, (hn_text[]){ __VA_ARGS__ } })
#define W(text) { text, sizeof(text) - 1 }

static bool is(hn_text t, const char *want) { return t.len == strlen(want) && memcmp(t.ptr, want, t.len) == 0; }

static hn_err compile(hn_arena *a, const char *pattern, hn_regex **r)
{
    const char *why;
    return hn_regex_new(a, (hn_text){ pattern, strlen(pattern) }, r, &why);
}

static bool matches(const char *pattern, const char *text)
{
    hn_arena *a;
    hn_regex *r;
    CHECK_INT(hn_arena_new(NULL, 0, &a), HN_OK);
    CHECK_INT(compile(a, pattern, &r), HN_OK);
    bool yes = hn_regex_full(r, (hn_text){ text, strlen(text) });
    hn_arena_free(a);
    return yes;
}

TEST(patterns_match_all_of_a_text_or_not)
{
    static const struct { const char *pattern, *yes, *no; } rows[] = {
        { "abc", "abc", "abcd" },             { "a|bc|", "", "c" },              { "(ab)*", "abab", "aba" },
        { "a+b?", "aa", "b" },                { "x{2,3}", "xxx", "xxxx" },       { "x{0,2}", "", "xxx" },
        { "x{3,}", "xxxxx", "xx" },           { "(x{2}){2}", "xxxx", "xxx" },    { "(a|b){2}c", "bac", "ac" },
        { ".", "\xC3\xA9", "ab" },            { "[^a-c]", "d", "b" },            { "[]a-]+", "]-a", "b" },
        { "\\d+\\.\\d*", "3.14", "a.1" },     { "[\\w.-]+", "a_.-9", "a b" },    { "[[:upper:]]\\S", "Ax", "ax" },
        { "\\bcom\\b", "com", "xcom" },       { "a\\Bb", "ab", "a" },            { "^a$", "a", "" },
        { "\\x41\\x{e9}", "A\xC3\xA9", "A" }, { "(?:a|(?P<n>b))+?", "abba", "" }, { "a{,2}", "a{,2}", "aa" },
        { "(a*)*", "aaaa", "b" },             { "[\\D]", "x", "1" },             { "(|a)+", "aaa", "b" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK(matches(rows[i].pattern, rows[i].yes));
        CHECK(!matches(rows[i].pattern, rows[i].no));
    }
}

TEST(a_pattern_that_would_backtrack_for_ever_does_not)
{
    char text[4096];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    CHECK(!matches("(a*)*(a*)*(a*)*(a|aa)*b", text));
}

TEST(patterns_that_are_none_are_refused)
{
    static const char *const bad[] = { "(", ")", "[a", "a**", "*", "\\", "x{3,2}", "[z-a]", "\\xZZ" };
    static const char *const unsupported[] = { "\\pL", "(?i)a", "(x{1000}){1000}", "x{1001}" };
    hn_arena *a;
    hn_regex *r;
    CHECK_INT(hn_arena_new(NULL, 0, &a), HN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_INT(compile(a, bad[i], &r), HN_EFORMAT);
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++)
        CHECK_INT(compile(a, unsupported[i], &r), HN_EUNSUP);
    hn_arena_free(a);
}

TEST(letters_have_case_beyond_ascii)
{
    static const uint32_t pairs[][2] = { { 'Q', 'q' }, { 0xC4, 0xE4 }, { 0x141, 0x142 }, { 0x178, 0xFF },
                                         { 0x394, 0x3B4 }, { 0x416, 0x436 }, { 0x401, 0x451 }, { 0x1EA0, 0x1EA1 } };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        CHECK_INT(hn_lower(pairs[i][0]), pairs[i][1]);
        CHECK_INT(hn_upper(pairs[i][1]), pairs[i][0]);
        CHECK_INT(hn_lower(pairs[i][1]), pairs[i][1]);
        CHECK_INT(hn_upper(pairs[i][0]), pairs[i][0]);
    }
    CHECK_INT(hn_lower(0xD7), 0xD7);
    CHECK_INT(hn_upper(0xDF), 0xDF);
}

TEST(stop_words_go_and_case_changes)
{
    hn_op_test t;
    hn_tensor x = STR(SHAPE(3), W("Monday"), W("\xC3\x84PFEL"), W("tuesday"));
    hn_attr a[] = { ATEXT("case_change_action", "LOWER"),
                    { .name = "stopwords", .kind = HN_ATTR_TEXTS, .list = { .text = (hn_text[]){ W("MONDAY") }, .count = 1 } } };
    CHECK_INT(hn_test_op(&t, NULL, "StringNormalizer", &x, 1, a, 2, 1), HN_OK);
    const hn_text *y = t.out[0].data;
    CHECK_INT(t.out[0].shape.dim[0], 2);
    CHECK(is(y[0], "\xC3\xA4pfel") && is(y[1], "tuesday"));
    hn_test_done(&t);
}

TEST(texts_split_at_delimiters_or_white_space)
{
    hn_op_test t;
    hn_tensor x = STR(SHAPE(2), W(" a  b c "), W("x"));
    hn_attr most = AINT("maxsplit", 1), comma = ATEXT("delimiter", "  ");
    CHECK_INT(hn_test_op(&t, NULL, "StringSplit", &x, 1, &most, 1, 2), HN_OK);
    const hn_text *y = t.out[0].data;
    CHECK_INT(t.out[0].shape.dim[1], 2);
    CHECK(is(y[0], "a") && is(y[1], "b c ") && is(y[2], "x") && is(y[3], ""));
    CHECK_INT(((int64_t *)t.out[1].data)[1], 1);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "StringSplit", &x, 1, &comma, 1, 2), HN_OK);
    CHECK(is(((hn_text *)t.out[0].data)[0], " a"));
    hn_test_done(&t);
}

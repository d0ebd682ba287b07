/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "fleet/json.h"

static hn_ctx cx;

static void check_canonical(const char *text, const char *want)
{
    json_t *v;
    hn_buf b = { .cx = &cx };
    if (hn_json_parse(&cx, "text", text, strlen(text), &v))
        fail_msg("%s", cx.msg);
    CHECK(hn_json_canonical(&cx, v, &b) == HN_OK);
    CHECK_TEXT(b.data, want);
    hn_buf_free(&b);
    json_decref(v);
}

static void refused(const char *text, size_t len)
{
    json_t *v;
    cx.msg[0] = 0;
    if (hn_json_parse(&cx, "text", text, len, &v) != HN_EFORMAT)
        fail_msg("accepted: %s", text);
    CHECK(cx.msg[0]);
}

TEST(canonical_json_sorts_members_and_drops_space)
{
    check_canonical(" { \"b\" : [ 1 , true, null ] , \"a\" : { } } ", "{\"a\":{},\"b\":[1,true,null]}");
    check_canonical("[]", "[]");
    check_canonical("{\"a\":{\"c\":[[],[{}]],\"b\":false}}", "{\"a\":{\"b\":false,\"c\":[[],[{}]]}}");
    check_canonical("{\"n\":-9223372036854775808}", "{\"n\":-9223372036854775808}");
}

TEST(canonical_json_sorts_by_code_point)
{
    /* U+FF5E comes before U+1F600, though UTF-16 would have it the other way. */
    check_canonical("{\"\xF0\x9F\x98\x80\":1,\"\xEF\xBD\x9E\":2,\"Z\":3,\"a\":4,\"\":5}",
                    "{\"\":5,\"Z\":3,\"a\":4,\"\xEF\xBD\x9E\":2,\"\xF0\x9F\x98\x80\":1}");
}

TEST(canonical_json_escapes_only_quote_and_backslash)
{
    check_canonical("{\"a\":\"\\n\\t\\u00e9\\/\\\"\\\\\"}", "{\"a\":\"\n\t\xC3\xA9/\\\"\\\\\"}");
}

TEST(signed_json_refuses_what_has_two_meanings)
{
    static const char *const bad[] = {
        "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "[1.0]", "[1e3]", "[-0.0]", "[01]", "[9223372036854775808]",
            "{\"a\":1}x", "", "[",
        "[\"\\u0000\"]", "[\"\\ud800\"]", "[\"\xC0\xAF\"]", "[NaN]", "{a:1}", "['a']", "[1,]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(bad[i], strlen(bad[i]));
    refused("[1]\0", 4);
}

TEST(signed_json_has_a_depth_limit)
{
    char deep[4096];
    memset(deep, '[', 2048);
    memset(deep + 2048, ']', 2048);
    refused(deep + 2048 - 65, 130);
    json_t *v;
    CHECK(hn_json_parse(&cx, "text", deep + 2048 - 64, 128, &v) == HN_OK);
    json_decref(v);
}

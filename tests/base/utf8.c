/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/utf8.h"

TEST(every_code_point_comes_back)
{
    for (uint32_t c = 0; c <= 0x110000; c++) {
        char s[4];
        uint32_t back = 0;
        size_t n = hn_utf8_put(c, s);
        bool is_one = c < 0x110000 && (c < 0xD800 || c > 0xDFFF);
        CHECK_INT(n > 0, is_one);
        if (!is_one)
            continue;
        CHECK_INT(hn_utf8_get(s, n, &back), n);
        CHECK_INT(back, c);
        for (size_t k = 1; k < n; k++)
            CHECK(hn_utf8_get(s, k, NULL) == 0 && hn_utf8_partial(s, k));
    }
}

TEST(what_is_not_utf8_is_refused)
{
    static const char *const bad[] = { "\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                                       "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3(", "\xE2\x82(" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(hn_utf8_get(bad[i], strlen(bad[i]), NULL), 0);
        CHECK(!hn_utf8_partial(bad[i], strlen(bad[i])));
    }
}

TEST(valid_stops_at_the_first_bad_byte)
{
    CHECK_INT(hn_utf8_valid("plain ascii text \xC3\xA9\xFFmore", 24), 19);
    CHECK_INT(hn_utf8_valid("12345678\xE2\x82", 10), 8);
    CHECK_INT(hn_utf8_valid("", 0), 0);
    CHECK_INT(hn_utf8_count("a\xC3\xA9\xF0\x9F\xA6\x99", 7), 3);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* schema_number.c: whole numbers between two bounds, digit by digit. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "llm/schema_impl.h"

static void bar(hn_buf *out, bool *first)
{
    if (!*first)
        hn_buf_text(out, " | ");
    *first = false;
}

/* A fixed beginning, one digit from a range, and then any. */
static void branch(hn_buf *out, bool *first, const char *digits, int fixed, char from, char to, int rest)
{
    if (from > to)
        return;
    bar(out, first);
    if (fixed)
        hn_buf_printf(out, "\"%.*s\" ", fixed, digits);
    hn_buf_printf(out, "[%c-%c]", from, to);
    if (rest)
        hn_buf_printf(out, " [0-9]{%d}", rest);
}

/* Numbers of one length from a to b.  Above the digit where they part lies everything between; below it, what
 * follows a's digits must not be less, and what follows b's not more. */
static void same_length(hn_buf *out, bool *first, const char *a, const char *b)
{
    int n = (int)strlen(a), part = 0;
    while (part < n && a[part] == b[part])
        part++;
    if (part == n) {
        bar(out, first);
        hn_buf_printf(out, "\"%s\"", a);
        return;
    }
    branch(out, first, a, part, (char)(a[part] + 1), (char)(b[part] - 1), n - part - 1);
    for (int i = part + 1; i < n; i++) {
        branch(out, first, a, i, (char)(a[i] + 1), '9', n - i - 1);
        branch(out, first, b, i, '0', (char)(b[i] - 1), n - i - 1);
    }
    bar(out, first);
    hn_buf_printf(out, "\"%s\" | \"%s\"", a, b);
}

static uint64_t power_of_ten(int n)
{
    uint64_t v = 1;
    while (n-- > 0)
        v *= 10;
    return v;
}

/* Not below zero. */
static void from_to(hn_buf *out, uint64_t low, uint64_t high)
{
    bool first = true;
    char a[24], b[24];
    int most = snprintf(b, sizeof b, "%" PRIu64, high);
    hn_buf_text(out, "(");
    for (int n = snprintf(a, sizeof a, "%" PRIu64, low); n <= most; n++) {
        uint64_t end = power_of_ten(n) - 1;
        snprintf(b, sizeof b, "%" PRIu64, high < end ? high : end);
        same_length(out, &first, a, b);
        snprintf(a, sizeof a, "%" PRIu64, end + 1);
    }
    hn_buf_text(out, ")");
}

void hn_schema_integers(hn_buf *out, int64_t low, int64_t high)
{
    hn_buf_text(out, "(");
    if (low < 0) {
        hn_buf_text(out, "\"-\" ");
        from_to(out, high < 0 ? (uint64_t)-high : 1, (uint64_t)-low);
    }
    if (high >= 0) {
        hn_buf_text(out, low < 0 ? " | " : "");
        from_to(out, low < 0 ? 0 : (uint64_t)low, (uint64_t)high);
    }
    hn_buf_text(out, ")");
}

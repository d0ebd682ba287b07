/* SPDX-License-Identifier: Apache-2.0 */
/* schema_pattern.c: the regular expressions of schemas, for the inside of a JSON string.
 *
 * Literals, ., classes, groups, alternatives, repeats, \d \w \s and their opposites, ^ and $ at the ends of the whole.
 * Quotes and backslashes are written with their escapes; control characters are left out.  What looks around
 * or back is refused. */
#include <string.h>

#include "base/utf8.h"
#include "llm/schema_impl.h"

#define DEPTH_MAX 32

typedef struct regex {
    hn_ctx *cx;
    const char *at;
    hn_buf *out;
    bool split;                  /* alternatives outside of any group */
} regex;

static hn_err refuse(const regex *r, const char *what)
{
    return hn_fail(r->cx, HN_EUNSUP, "unsupported: schema: pattern with %s", what);
}

void hn_schema_char(hn_buf *out, uint32_t c)
{
    if (c < 0x20 || c == 0x7F)
        hn_buf_printf(out, "\\x%02x", (unsigned)c);
    else if (c < 0x80 && strchr("\\\"[]-^", (int)c))
        hn_buf_printf(out, "\\%c", (char)c);
    else {
        char bytes[4];
        hn_buf_add(out, bytes, hn_utf8_put(c, bytes));
    }
}

/* One character as a JSON string holds it. */
static void literal(hn_buf *out, uint32_t c)
{
    if (c == '"' || c == '\\') {
        hn_buf_text(out, c == '"' ? "\"\\\\\\\"\"" : "\"\\\\\\\\\"");
        return;
    }
    hn_buf_text(out, "\"");
    hn_schema_char(out, c);
    hn_buf_text(out, "\"");
}

static const char *shorthand(char c)
{
    return c == 'd' ? "0-9" : c == 'w' ? "a-zA-Z0-9_" : c == 's' ? " " : NULL;
}

/* What a shorthand's opposite, a dot or a negated class may not be, beside what the class names. */
#define NEVER "\\\"\\\\\\x00-\\x1f\\x7f"

static hn_err read_escape(regex *r, uint32_t *c)
{
    static const char from[] = "nrtfv", to[] = "\n\r\t\f\v";
    char e = *r->at;
    const char *found = e ? strchr(from, e) : NULL;
    if (e == 0)
        return hn_fail(r->cx, HN_EFORMAT, "schema: a pattern ends in \\");
    if (found)
        *c = (uint8_t)to[found - from];
    else if ((e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z') || (e >= '0' && e <= '9'))
        return refuse(r, "an escape other than \\d \\w \\s \\n \\r \\t \\f \\v");
    else
        *c = (uint8_t)e;
    r->at++;
    return HN_OK;
}

static hn_err read_char(regex *r, uint32_t *c)
{
    if (*r->at == '\\') {
        r->at++;
        return read_escape(r, c);
    }
    size_t n = hn_utf8_get(r->at, strlen(r->at), c);
    r->at += n;
    return n ? HN_OK : hn_fail(r->cx, HN_EFORMAT, "schema: a pattern is not valid UTF-8");
}

/* In classes quotes, backslashes and control characters stand apart: they cannot be in a string as they are. */
typedef struct class { hn_buf plain; bool quote, slash; } class;

static void add_range(class *k, uint32_t from, uint32_t to)
{
    k->quote = k->quote || (from <= '"' && '"' <= to);
    k->slash = k->slash || (from <= '\\' && '\\' <= to);
    for (uint32_t a = from < 0x20 ? 0x20 : from; a <= to;) {        /* cut where one of those stands */
        uint32_t b = a < '"' && to >= '"' ? '"' - 1 : a < '\\' && a != '"' && to >= '\\' ? '\\' - 1 : a < 0x7F && a != '\\' && to >= 0x7F ? 0x7E : to;
        if (a == '"' || a == '\\' || a == 0x7F) {
            a++;
            continue;
        }
        hn_schema_char(&k->plain, a);
        if (b > a) {
            hn_buf_text(&k->plain, "-");
            hn_schema_char(&k->plain, b);
        }
        a = b + 1;
    }
}

static hn_err class_items(regex *r, class *k)
{
    for (bool first = true; *r->at != ']' || first; first = false) {
        uint32_t from, to;
        if (*r->at == 0)
            return hn_fail(r->cx, HN_EFORMAT, "schema: a pattern's class has no ]");
        if (*r->at == '\\' && r->at[1] && shorthand(r->at[1])) {
            hn_buf_text(&k->plain, shorthand(r->at[1]));
            r->at += 2;
            continue;
        }
        HN_TRY(read_char(r, &from));
        to = from;
        if (*r->at == '-' && r->at[1] != ']' && r->at[1]) {
            r->at++;
            HN_TRY(read_char(r, &to));
        }
        if (to < from)
            return hn_fail(r->cx, HN_EFORMAT, "schema: a pattern's range goes backwards");
        add_range(k, from, to);
    }
    r->at++;
    return HN_OK;
}

static hn_err read_class(regex *r)
{
    class k = { .plain.cx = r->cx };
    r->at++;
    bool not = *r->at == '^';
    r->at += not;
    hn_err e = class_items(r, &k);
    bool any = k.plain.len > 0;
    if (!e && !not && !any && !k.quote && !k.slash)
        e = refuse(r, "a class of control characters only");
    if (!e) {
        hn_buf_text(r->out, "(");
        if (not)
            hn_buf_printf(r->out, "[^" NEVER "%s]", any ? k.plain.data : "");
        else if (any)
            hn_buf_printf(r->out, "[%s]", k.plain.data);
        const char *sep = not || any ? " | " : "";
        if (k.quote != not) {
            hn_buf_text(r->out, sep);
            literal(r->out, '"');
            sep = " | ";
        }
        if (k.slash != not) {
            hn_buf_text(r->out, sep);
            literal(r->out, '\\');
        }
        hn_buf_text(r->out, ")");
    }
    hn_buf_free(&k.plain);
    return e;
}

static hn_err read_atom(regex *r)
{
    uint32_t c;
    char e = r->at[0] == '\\' ? r->at[1] : 0;
    if (*r->at == '[')
        return read_class(r);
    if (*r->at == '.') {
        r->at++;
        hn_buf_text(r->out, "([^" NEVER "] | \"\\\\\" [\\\"\\\\])");
        return HN_OK;
    }
    if (e && shorthand(e)) {
        hn_buf_printf(r->out, "[%s]", shorthand(e));
        r->at += 2;
        return HN_OK;
    }
    if (e == 'D' || e == 'W' || e == 'S') {
        hn_buf_printf(r->out, "[^" NEVER "%s]", shorthand((char)(e + 32)));
        r->at += 2;
        return HN_OK;
    }
    HN_TRY(read_char(r, &c));
    if (c < 0x20 || c == 0x7F)
        return refuse(r, "control characters");
    literal(r->out, c);
    return HN_OK;
}

/* A repeat as it stands, without its lazy or greedy mark. */
static hn_err read_repeat(regex *r)
{
    const char *from = r->at;
    if (*r->at == '{') {
        r->at += 1 + strspn(r->at + 1, "0123456789");
        bool number = r->at > from + 1;
        r->at += *r->at == ',' ? 1 + strspn(r->at + 1, "0123456789") : 0;
        if (!number || *r->at != '}')
            return hn_fail(r->cx, HN_EFORMAT, "schema: a pattern's { begins no repeat like {2} or {2,5}; escape it, if it is meant");
        r->at++;
    } else if (*r->at == '*' || *r->at == '+' || *r->at == '?') {
        r->at++;
    } else {
        return HN_OK;
    }
    hn_buf_add(r->out, from, (size_t)(r->at - from));
    if (*r->at == '+')
        return refuse(r, "possessive repeats");
    r->at += *r->at == '?';
    return HN_OK;
}

static hn_err open_group(regex *r, size_t *depth)
{
    r->at++;
    if (*r->at == '?') {
        if (r->at[1] != ':')
            return refuse(r, "groups that look around or have names");
        r->at += 2;
    }
    if (++*depth > DEPTH_MAX)
        return refuse(r, "groups in more than 32 groups");
    hn_buf_text(r->out, "(");
    return HN_OK;
}

static hn_err read_body(regex *r)
{
    size_t depth = 0;
    for (; *r->at && !(*r->at == '$' && r->at[1] == 0); hn_buf_text(r->out, " ")) {
        if (*r->at == '(') {
            HN_TRY(open_group(r, &depth));
        } else if (*r->at == '|') {
            hn_buf_text(r->out, "|");
            r->split = r->split || depth == 0;
            r->at++;
        } else if (*r->at == '^' || *r->at == '$') {
            return refuse(r, "^ or $ inside");
        } else if (*r->at == ')') {
            if (depth-- == 0)
                return hn_fail(r->cx, HN_EFORMAT, "schema: a pattern's ) closes nothing");
            hn_buf_text(r->out, ")");
            r->at++;
            HN_TRY(read_repeat(r));
        } else {
            HN_TRY(read_atom(r));
            HN_TRY(read_repeat(r));
        }
    }
    return depth ? hn_fail(r->cx, HN_EFORMAT, "schema: a pattern's ( has no )") : HN_OK;
}

hn_err hn_schema_pattern(hn_ctx *cx, const char *pattern, hn_buf *out)
{
    regex r = { cx, pattern, out, false };
    bool begins = *pattern == '^';
    r.at += begins;
    hn_buf_text(out, begins ? "(" : "(char* (");
    HN_TRY(read_body(&r));
    bool ends = *r.at == '$';
    if (r.split && (begins || ends))
        return refuse(&r, "alternatives beside ^ or $; put them in a group");
    hn_buf_text(out, begins ? "" : ")");
    hn_buf_text(out, ends ? ")" : " char*)");
    return HN_OK;
}

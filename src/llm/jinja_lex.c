/* SPDX-License-Identifier: Apache-2.0 */
/* Template text to tokens, with white space control applied.
 *
 * As model makers set it: the line end after a block tag goes (trim_blocks), and so do blanks before
 * a block tag that begins its line (lstrip_blocks); "{%-" and "-%}" take all white space, "{%+" and
 * "+%}" keep it. */
#include <string.h>

#include "base/num.h"
#include "base/utf8.h"
#include "llm/jinja_impl.h"

typedef struct lexer {
    hn_ctx *cx;
    hn_arena *a;
    const char *s;
    size_t n, at;
    uint32_t line;
    hn_jtoken *token; size_t count, cap;     /* grown in the arena by doubling */
} lexer;

static hn_err fail(lexer *x, const char *what)
{
    return hn_fail(x->cx, HN_EFORMAT, "chat template, line %u: %s", (unsigned)x->line, what);
}

static hn_err add(lexer *x, hn_jtoken t)
{
    if (x->count == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 256;
        hn_jtoken *grown = HN_NEW(x->a, hn_jtoken, cap);
        if (!grown)
            return hn_nomem(x->cx, "a chat template");
        if (x->count)
            memcpy(grown, x->token, x->count * sizeof *grown);
        x->token = grown;
        x->cap = cap;
    }
    t.line = x->line;
    x->token[x->count++] = t;
    return HN_OK;
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80); }

static void advance(lexer *x, size_t to)
{
    for (; x->at < to; x->at++)
        x->line += x->s[x->at] == '\n';
}

static bool at(const lexer *x, size_t i, const char *what)
{
    size_t n = strlen(what);
    return x->n - i >= n && memcmp(x->s + i, what, n) == 0;
}

/* Where the next "{{", "{%" or "{#" begins. */
static size_t next_tag(const lexer *x, size_t from)
{
    for (size_t i = from; i + 1 < x->n; i++)
        if (x->s[i] == '{' && (x->s[i + 1] == '{' || x->s[i + 1] == '%' || x->s[i + 1] == '#'))
            return i;
    return x->n;
}

/* Text in [from, tag), less what the tag's opening takes from its end. */
static hn_err text_before(lexer *x, size_t from, size_t tag)
{
    size_t end = tag;
    char sign = tag + 2 < x->n ? x->s[tag + 2] : 0;
    if (tag < x->n && sign == '-') {
        while (end > from && is_blank(x->s[end - 1]))
            end--;
    } else if (tag < x->n && x->s[tag + 1] != '{' && sign != '+') {
        size_t line = end;
        while (line > from && x->s[line - 1] != '\n' && is_blank(x->s[line - 1]))
            line--;
        if (line == 0 || x->s[line - 1] == '\n')
            end = line;
    }
    if (end > from)
        HN_TRY(add(x, (hn_jtoken){ JT_TEXT, .text = { x->s + from, end - from } }));
    advance(x, tag);
    return HN_OK;
}

/* After a closing "-%}" or "%}": what of the following text goes. */
static void skip_after(lexer *x, char sign, bool is_print)
{
    size_t i = x->at;
    if (sign == '-')
        while (i < x->n && is_blank(x->s[i]))
            i++;
    else if (!is_print && sign != '+' && i < x->n && x->s[i] == '\n')
        i++;
    advance(x, i);
}

/* ---- Inside a tag -------------------------------------------------------------------------- */

static int hex(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One escape after the backslash at s[i - 1]: appends what it means, returns the index after it. */
static size_t escape(const lexer *x, size_t i, size_t end, char *out, size_t *len)
{
    static const char from[] = "nrtbfav0\\'\"", to[] = "\n\r\t\b\f\a\v\0\\'\"";
    char c = x->s[i];
    const char *known = c ? strchr(from, c) : NULL;
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t cp = 0;
    if (digits && i + digits < end) {
        size_t k = 1;
        for (; k <= digits && hex(x->s[i + k]) >= 0; k++)
            cp = cp << 4 | (uint32_t)hex(x->s[i + k]);
        if (k > digits) {
            *len += hn_utf8_put(cp, out + *len);
            return i + k;
        }
    }
    if (c == '\n')                                       /* a continued line */
        return i + 1;
    if (!known)
        out[(*len)++] = '\\';
    out[(*len)++] = known ? to[known - from] : c;
    return i + 1;
}

static hn_err string(lexer *x)
{
    char quote = x->s[x->at];
    size_t end = x->at + 1, len = 0;
    while (end < x->n && x->s[end] != quote)
        end += x->s[end] == '\\' ? 2 : 1;
    if (end >= x->n)
        return fail(x, "a string has no end: expected its closing quote");
    char *out = hn_arena_get(x->a, end - x->at, 1);      /* escapes never grow */
    if (!out)
        return hn_nomem(x->cx, "a chat template");
    for (size_t i = x->at + 1; i < end;)
        if (x->s[i] == '\\')
            i = escape(x, i + 1, end, out, &len);
        else
            out[len++] = x->s[i++];
    HN_TRY(add(x, (hn_jtoken){ JT_STRING, .text = { out, len } }));
    advance(x, end + 1);
    return HN_OK;
}

static hn_err number(lexer *x)
{
    char digits[64];
    size_t i = x->at, n = 0;
    bool real = false;
    for (; i < x->n && n + 1 < sizeof digits; i++) {
        char c = x->s[i];
        bool point = c == '.' && !real && i + 1 < x->n && is_digit(x->s[i + 1]);
        bool power = (c == 'e' || c == 'E') && i + 1 < x->n
                     && (is_digit(x->s[i + 1]) || ((x->s[i + 1] == '-' || x->s[i + 1] == '+') && i + 2 < x->n && is_digit(x->s[i + 2])));
        if (c == '_')
            continue;
        if (!is_digit(c) && !point && !power)
            break;
        digits[n++] = c;
        real = real || point || power;
        if (power && !is_digit(x->s[i + 1]))
            digits[n++] = x->s[++i];
    }
    digits[n] = 0;
    hn_jtoken t = { real ? JT_FLOAT : JT_INT, .text = { x->s + x->at, i - x->at } };
    if (real) {
        t.f = strtod(digits, NULL);
    } else {
        for (size_t k = 0; k < n; k++)
            if (__builtin_mul_overflow(t.i, 10, &t.i) || __builtin_add_overflow(t.i, digits[k] - '0', &t.i))
                return fail(x, "a number is too large: at most 64 bits are supported");
    }
    HN_TRY(add(x, t));
    advance(x, i);
    return HN_OK;
}

static hn_err sign(lexer *x)
{
    static const char *const two[] = { "==", "!=", "<=", ">=", "//", "**" };
    size_t n = 1;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (at(x, x->at, two[i]))
            n = 2;
    if (!strchr("+-*/%~()[]{}<>=.,:|!", x->s[x->at]) || (x->s[x->at] == '!' && n == 1))
        return hn_fail(x->cx, HN_EFORMAT, "chat template, line %u: '%c' has no meaning in an expression", (unsigned)x->line,
                       x->s[x->at] < ' ' ? '?' : x->s[x->at]);
    HN_TRY(add(x, (hn_jtoken){ JT_SIGN, .text = { x->s + x->at, n } }));
    x->at += n;
    return HN_OK;
}

/* Tokens up to the tag's end; brackets may hold its letters ("{{ {'a': {}} }}"). */
static hn_err inside(lexer *x, bool is_print)
{
    const char *close = is_print ? "}}" : "%}";
    int open = 0;
    for (;;) {
        while (x->at < x->n && is_blank(x->s[x->at]))
            advance(x, x->at + 1);
        if (x->at >= x->n)
            return hn_fail(x->cx, HN_EFORMAT, "chat template, line %u: expected '%s', found the end", (unsigned)x->line, close);
        char c = x->s[x->at];
        bool signed_end = (c == '-' || c == '+') && at(x, x->at + 1, close);
        if (open == 0 && (signed_end || at(x, x->at, close))) {
            HN_TRY(add(x, (hn_jtoken){ is_print ? JT_PRINT_END : JT_BLOCK_END }));
            x->at += signed_end ? 3 : 2;
            skip_after(x, signed_end ? c : 0, is_print);
            return HN_OK;
        }
        if (c == '"' || c == '\'') {
            HN_TRY(string(x));
        } else if (is_digit(c)) {
            HN_TRY(number(x));
        } else if (is_name(c)) {
            size_t end = x->at;
            while (end < x->n && (is_name(x->s[end]) || is_digit(x->s[end])))
                end++;
            HN_TRY(add(x, (hn_jtoken){ JT_NAME, .text = { x->s + x->at, end - x->at } }));
            x->at = end;
        } else {
            open += c == '(' || c == '[' || c == '{' ? 1 : c == ')' || c == ']' || c == '}' ? -1 : 0;
            HN_TRY(sign(x));
        }
    }
}

/* ---- Between tags -------------------------------------------------------------------------- */

/* "{% raw %}", with or without signs: the index after its name, or 0. */
static size_t block_name(const lexer *x, size_t tag, const char *name)
{
    size_t i = tag + 2, n = strlen(name);
    if (!at(x, tag, "{%"))
        return 0;
    i += i < x->n && (x->s[i] == '-' || x->s[i] == '+');
    while (i < x->n && is_blank(x->s[i]))
        i++;
    return at(x, i, name) && (i + n == x->n || (!is_name(x->s[i + n]) && !is_digit(x->s[i + n]))) ? i + n : 0;
}

static hn_err close_tag(lexer *x, size_t i)
{
    while (i < x->n && is_blank(x->s[i]))
        i++;
    char c = i < x->n && (x->s[i] == '-' || x->s[i] == '+') ? x->s[i] : 0;
    i += c != 0;
    if (i >= x->n || !at(x, i, "%}"))
        return fail(x, "expected '%}' after raw or endraw");
    advance(x, i + 2);
    skip_after(x, c, false);
    return HN_OK;
}

static hn_err raw(lexer *x, size_t after_name)
{
    HN_TRY(close_tag(x, after_name));
    for (size_t tag = next_tag(x, x->at); tag < x->n; tag = next_tag(x, tag + 1)) {
        size_t end = block_name(x, tag, "endraw");
        if (!end)
            continue;
        HN_TRY(text_before(x, x->at, tag));
        return close_tag(x, end);
    }
    return fail(x, "expected {% endraw %}, found the end");
}

static hn_err comment(lexer *x)
{
    size_t end = x->at + 2;
    while (end < x->n && !at(x, end, "#}"))
        end++;
    if (end >= x->n)
        return fail(x, "a comment has no end: expected '#}'");
    char c = x->s[end - 1];
    advance(x, end + 2);
    skip_after(x, c == '-' || c == '+' ? c : 0, false);
    return HN_OK;
}

static hn_err tag(lexer *x)
{
    size_t name_end = block_name(x, x->at, "raw");
    if (name_end)
        return raw(x, name_end);
    if (x->s[x->at + 1] == '#')
        return comment(x);
    bool is_print = x->s[x->at + 1] == '{';
    HN_TRY(add(x, (hn_jtoken){ is_print ? JT_PRINT_BEGIN : JT_BLOCK_BEGIN }));
    x->at += 2;
    x->at += x->at < x->n && (x->s[x->at] == '-' || x->s[x->at] == '+');
    return inside(x, is_print);
}

/* A copy with "\n" for every line end, and without the last one. */
static hn_err plain_lines(lexer *x, hn_text source)
{
    char *s = hn_arena_get(x->a, hn_add(source.len, 1), 1);
    if (!s)
        return hn_nomem(x->cx, "a chat template");
    for (size_t i = 0; i < source.len; i++) {
        char c = source.ptr[i];
        if (c == '\r' && i + 1 < source.len && source.ptr[i + 1] == '\n')
            continue;
        s[x->n++] = c == '\r' ? '\n' : c;
    }
    x->n -= x->n > 0 && s[x->n - 1] == '\n';
    x->s = s;
    return HN_OK;
}

hn_err hn_jinja_lex(hn_ctx *cx, hn_arena *a, hn_text source, hn_jtoken **out, size_t *count)
{
    lexer x = { .cx = cx, .a = a, .line = 1 };
    if (memchr(source.ptr ? source.ptr : "", 0, source.len))
        return hn_fail(cx, HN_EFORMAT, "chat template: expected text, found a zero byte");
    HN_TRY(plain_lines(&x, source));
    while (x.at < x.n) {
        HN_TRY(text_before(&x, x.at, next_tag(&x, x.at)));
        if (x.at < x.n)
            HN_TRY(tag(&x));
    }
    HN_TRY(add(&x, (hn_jtoken){ JT_END }));
    *out = x.token;
    *count = x.count;
    return HN_OK;
}

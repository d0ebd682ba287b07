/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/regex.h"

#include <string.h>

#include "graph/letter.h"

enum { CODE_MAX = 20000, RANGES_MAX = 4096, DEPTH_MAX = 64, REPEAT_MAX = 1000 };

typedef enum kind { SET, SPLIT, JUMP, BEGIN, END, WORD_EDGE, NO_EDGE, MATCH } kind;

/* Jumps are relative, so that pieces of code can be copied and moved. */
typedef struct step {
    uint8_t kind;
    bool negated;                 /* SET: what is not listed */
    int a, b;                     /* SPLIT, JUMP: where to; SET: first range and count */
} step;

typedef struct range { uint32_t from, to; } range;

struct hn_regex {
    step *code;
    int count;
    range *set;
    int set_count;
    int *now, *next, *stack;      /* places in the code that are alive */
    uint32_t *seen, mark;         /* per place: when it was last added */
};

typedef struct parser {
    hn_regex *r;
    hn_text t;
    size_t at;
    int depth;
    const char *why;
    hn_err e;
} parser;

static void fail(parser *p, hn_err e, const char *why)
{
    if (!p->e) {
        p->e = e;
        p->why = why;
    }
}

static bool more(const parser *p) { return !p->e && p->at < p->t.len; }
static char peek(const parser *p) { return more(p) ? p->t.ptr[p->at] : 0; }

static bool accept(parser *p, const char *word)
{
    size_t n = strlen(word);
    if (p->e || p->t.len - p->at < n || memcmp(p->t.ptr + p->at, word, n) != 0)
        return false;
    p->at += n;
    return true;
}

/* ---- Code --------------------------------------------------------------------------------------- */

/* Puts a step at `at`, moving what follows. */
static void insert(parser *p, int at, step s)
{
    hn_regex *r = p->r;
    if (r->count == CODE_MAX) {
        fail(p, HN_EUNSUP, "larger than 20000 steps");
        return;
    }
    memmove(r->code + at + 1, r->code + at, (size_t)(r->count - at) * sizeof *r->code);
    r->code[at] = s;
    r->count++;
}

static void put(parser *p, kind k, int a, int b) { insert(p, p->r->count, (step){ (uint8_t)k, false, a, b }); }

static void copy(parser *p, int from, int len)
{
    if (len > CODE_MAX - p->r->count) {
        fail(p, HN_EUNSUP, "larger than 20000 steps");
        return;
    }
    memcpy(p->r->code + p->r->count, p->r->code + from, (size_t)len * sizeof *p->r->code);
    p->r->count += len;
}

static void add_range(parser *p, uint32_t from, uint32_t to)
{
    if (p->r->set_count == RANGES_MAX)
        fail(p, HN_EUNSUP, "more than 4096 ranges");
    else if (from > to)
        fail(p, HN_EFORMAT, "a range that ends before it begins");
    else
        p->r->set[p->r->set_count++] = (range){ from, to };
}

static void put_set(parser *p, int first, bool negated)
{
    put(p, SET, first, p->r->set_count - first);
    if (!p->e)
        p->r->code[p->r->count - 1].negated = negated;
}

/* ---- Classes -------------------------------------------------------------------------------------- */

static const struct { const char *name; range r[4]; } named[] = {
    { "d", { { '0', '9' } } },
    { "w", { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } } },
    { "s", { { '\t', '\n' }, { '\f', '\r' }, { ' ', ' ' } } },
    { "[:alnum:]", { { '0', '9' }, { 'A', 'Z' }, { 'a', 'z' } } },
    { "[:alpha:]", { { 'A', 'Z' }, { 'a', 'z' } } },
    { "[:ascii:]", { { 0, 127 } } },
    { "[:blank:]", { { '\t', '\t' }, { ' ', ' ' } } },
    { "[:cntrl:]", { { 0, 31 }, { 127, 127 } } },
    { "[:digit:]", { { '0', '9' } } },
    { "[:graph:]", { { '!', '~' } } },
    { "[:lower:]", { { 'a', 'z' } } },
    { "[:print:]", { { ' ', '~' } } },
    { "[:punct:]", { { '!', '/' }, { ':', '@' }, { '[', '`' }, { '{', '~' } } },
    { "[:space:]", { { '\t', '\r' }, { ' ', ' ' } } },
    { "[:upper:]", { { 'A', 'Z' } } },
    { "[:word:]", { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } } },
    { "[:xdigit:]", { { '0', '9' }, { 'A', 'F' }, { 'a', 'f' } } },
};

/* Ranges of a named class, or everything else; entries past the first that are {0, 0} are not there. */
static void add_named(parser *p, size_t which, bool negated)
{
    uint32_t from = 0;
    for (int i = 0; i < 4; i++) {
        range r = named[which].r[i];
        if (i && !r.to)
            break;
        if (!negated)
            add_range(p, r.from, r.to);
        else if (r.from > from)
            add_range(p, from, r.from - 1);
        from = r.to + 1;
    }
    if (negated)
        add_range(p, from, 0x10FFFF);
}

/* \d and its kin, behind the backslash. */
static bool accept_class(parser *p)
{
    static const char letters[] = "dwsDWS";
    const char *at = more(p) ? memchr(letters, peek(p), 6) : NULL;
    if (!at)
        return false;
    p->at++;
    add_named(p, (size_t)(at - letters) % 3, at - letters >= 3);
    return true;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

static uint32_t hex(parser *p)
{
    bool braces = accept(p, "{");
    uint32_t v = 0;
    int n = 0;
    for (; more(p) && digit(peek(p)) < 16 && n < (braces ? 6 : 2); n++, p->at++)
        v = v * 16 + (uint32_t)digit(peek(p));
    if (n == 0 || (!braces && n != 2) || (braces && !accept(p, "}")) || v > 0x10FFFF)
        fail(p, HN_EFORMAT, "expected \\xHH or \\x{H...}");
    return v;
}

/* One character behind a backslash. */
static uint32_t escaped(parser *p)
{
    static const char letter[] = "afnrtv", code[] = "\a\f\n\r\t\v";
    char c = peek(p);
    const char *at = c ? strchr(letter, c) : NULL;
    if (!more(p)) {
        fail(p, HN_EFORMAT, "ends with a backslash");
        return 0;
    }
    p->at++;
    if (at)
        return (unsigned char)code[at - letter];
    if (c == 'x')
        return hex(p);
    bool letter_or_digit = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    if (letter_or_digit)
        fail(p, HN_EUNSUP, "an escape that is not supported");
    return (unsigned char)c;
}

static uint32_t in_brackets(parser *p)
{
    return accept(p, "\\") ? escaped(p) : hn_letter_next(p->t, &p->at);
}

static bool accept_posix(parser *p)
{
    for (size_t i = 3; i < sizeof named / sizeof named[0]; i++)
        if (accept(p, named[i].name)) {
            add_named(p, i, false);
            return true;
        }
    return false;
}

static void brackets(parser *p)
{
    int first = p->r->set_count;
    bool negated = accept(p, "^"), begun = false;
    for (;; begun = true) {
        if (!more(p)) {
            fail(p, HN_EFORMAT, "a [ without its ]");
            return;
        }
        if (begun && accept(p, "]"))
            break;
        if (accept_posix(p))
            continue;
        size_t back = p->at;
        if (accept(p, "\\") && accept_class(p))
            continue;
        p->at = back;
        uint32_t from = in_brackets(p), to = from;
        if (peek(p) == '-' && p->t.len - p->at > 1 && p->t.ptr[p->at + 1] != ']') {
            p->at++;
            to = in_brackets(p);
        }
        add_range(p, from, to);
    }
    put_set(p, first, negated);
}

/* ---- Structure -------------------------------------------------------------------------------------- */

static void alternatives(parser *p);

static void group(parser *p)
{
    if (accept(p, "?") && !accept(p, ":")) {
        if (!accept(p, "P<") && !accept(p, "<")) {
            fail(p, HN_EUNSUP, "flags in a group");
            return;
        }
        while (more(p) && p->t.ptr[p->at++] != '>')
            continue;
    }
    if (p->depth == DEPTH_MAX) {
        fail(p, HN_EUNSUP, "groups nested more than 64 deep");
        return;
    }
    p->depth++;
    alternatives(p);
    p->depth--;
    if (!accept(p, ")"))
        fail(p, HN_EFORMAT, "a ( without its )");
}

static void atom(parser *p)
{
    int first = p->r->set_count;
    if (accept(p, "("))
        group(p);
    else if (accept(p, "["))
        brackets(p);
    else if (accept(p, "."))
        add_range(p, '\n', '\n'), put_set(p, first, true);
    else if (accept(p, "^") || accept(p, "\\A"))
        put(p, BEGIN, 0, 0);
    else if (accept(p, "$") || accept(p, "\\z"))
        put(p, END, 0, 0);
    else if (accept(p, "\\b"))
        put(p, WORD_EDGE, 0, 0);
    else if (accept(p, "\\B"))
        put(p, NO_EDGE, 0, 0);
    else if (peek(p) == '*' || peek(p) == '+' || peek(p) == '?')
        fail(p, HN_EFORMAT, "a repeat of nothing");
    else if (accept(p, "\\")) {
        if (!accept_class(p)) {
            uint32_t c = escaped(p);
            add_range(p, c, c);
        }
        put_set(p, first, false);
    } else {
        uint32_t c = hn_letter_next(p->t, &p->at);
        add_range(p, c, c);
        put_set(p, first, false);
    }
}

/* {n}, {n,} or {n,m}; anything else in braces is text, and nothing is consumed. */
static bool accept_counts(parser *p, int *low, int *high)
{
    size_t back = p->at;
    int v[2] = { 0, -1 }, i = 0, digits = 0;
    if (!accept(p, "{"))
        return false;
    for (; more(p) && (digit(peek(p)) < 10 || (peek(p) == ',' && i == 0 && digits)); p->at++)
        if (peek(p) == ',') {
            i = 1;
        } else {
            v[i] = (v[i] < 0 ? 0 : v[i]) * 10 + digit(peek(p));
            digits++;
            if (v[i] > REPEAT_MAX)
                fail(p, HN_EUNSUP, "more than 1000 repeats");
        }
    if (digits == 0 || !accept(p, "}")) {
        p->at = back;
        return false;
    }
    *low = v[0];
    *high = i ? v[1] : v[0];
    if (*high >= 0 && *high < *low)
        fail(p, HN_EFORMAT, "a repeat of at most fewer than at least");
    return true;
}

static void star(parser *p, int from)
{
    int len = p->r->count - from;
    insert(p, from, (step){ SPLIT, false, 1, len + 2 });
    put(p, JUMP, -(len + 1), 0);
}

static void maybe(parser *p, int from)
{
    int len = p->r->count - from;
    insert(p, from, (step){ SPLIT, false, 1, len + 1 });
}

/* The code from `from` on, `low` to `high` times (-1: without end). */
static void repeat(parser *p, int from, int low, int high)
{
    int len = p->r->count - from;
    if (high == 0) {
        p->r->count = from;
        return;
    }
    for (int i = 1; i < low && !p->e; i++)
        copy(p, from, len);
    if (low == 0 && high < 0) {
        star(p, from);
        return;
    }
    if (low == 0)
        maybe(p, from);
    int first = low == 0 ? 1 : 0, unit = from + first;         /* behind the step that skips it */
    for (int i = low + first; (high < 0 ? i == low : i < high) && !p->e; i++) {
        int at = p->r->count;
        copy(p, unit, len);
        if (high < 0)
            star(p, at);
        else
            maybe(p, at);
    }
}

static bool accept_repeat(parser *p, int *low, int *high)
{
    char c = peek(p);
    if (c != '*' && c != '+' && c != '?')
        return accept_counts(p, low, high);
    p->at++;
    *low = c == '+';
    *high = c == '?' ? 1 : -1;
    return true;
}

static void repeats(parser *p, int from)
{
    int low, high;
    if (!accept_repeat(p, &low, &high))
        return;
    accept(p, "?");                             /* lazy: other groups, the same texts */
    if (!p->e)
        repeat(p, from, low, high);
    if (accept_repeat(p, &low, &high))
        fail(p, HN_EFORMAT, "a repeat of a repeat");
}

static void alternatives(parser *p)
{
    int from = p->r->count;
    while (more(p) && peek(p) != ')') {
        if (accept(p, "|")) {
            int len = p->r->count - from;
            insert(p, from, (step){ SPLIT, false, 1, len + 2 });
            int jump = p->r->count;
            put(p, JUMP, 0, 0);
            alternatives(p);                    /* the rest, to the right: as deep as there are bars */
            if (!p->e)
                p->r->code[jump].a = p->r->count - jump;
            return;
        }
        int at = p->r->count;
        atom(p);
        repeats(p, at);
    }
}

hn_err hn_regex_new(hn_arena *a, hn_text pattern, hn_regex **out, const char **why)
{
    hn_regex *r = HN_NEW(a, hn_regex, 1);
    parser p = { .r = r, .t = pattern };
    size_t bars = 0;
    for (size_t i = 0; i < pattern.len; i++)
        bars += pattern.ptr[i] == '|';
    if (bars > REPEAT_MAX) {
        *why = "more than 1000 alternatives";
        return HN_EUNSUP;
    }
    if (!r)
        return HN_ENOMEM;
    r->code = HN_NEW(a, step, CODE_MAX);
    r->set = HN_NEW(a, range, RANGES_MAX);
    if (!r->code || !r->set)
        return HN_ENOMEM;
    alternatives(&p);
    if (more(&p))
        fail(&p, HN_EFORMAT, "a ) without its (");
    put(&p, MATCH, 0, 0);
    *why = p.why;
    if (p.e)
        return p.e;
    r->now = HN_NEW(a, int, (size_t)r->count);
    r->next = HN_NEW(a, int, (size_t)r->count);
    r->stack = HN_NEW(a, int, 2 * (size_t)r->count + 2);
    r->seen = HN_NEW(a, uint32_t, (size_t)r->count);
    if (!r->now || !r->next || !r->stack || !r->seen)
        return HN_ENOMEM;
    *out = r;
    return HN_OK;
}

/* ---- Matching ------------------------------------------------------------------------------------------ */

#define NOTHING UINT32_MAX

static bool is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool holds(const step *s, uint32_t before, uint32_t after)
{
    bool edge = (before != NOTHING && is_word(before)) != (after != NOTHING && is_word(after));
    switch (s->kind) {
    case BEGIN:     return before == NOTHING;
    case END:       return after == NOTHING;
    case WORD_EDGE: return edge;
    default:        return !edge;
    }
}

/* Adds `at` and all that is reached from it without reading to the list. */
static int add(hn_regex *r, int at, uint32_t before, uint32_t after, int *list, int count)
{
    int depth = 0;
    r->stack[depth++] = at;
    while (depth > 0) {
        int i = r->stack[--depth];
        const step *s = &r->code[i];
        if (r->seen[i] == r->mark)
            continue;
        r->seen[i] = r->mark;
        if (s->kind == SET || s->kind == MATCH)
            list[count++] = i;
        else if (s->kind == SPLIT) {
            r->stack[depth++] = i + s->b;
            r->stack[depth++] = i + s->a;
        } else if (s->kind == JUMP)
            r->stack[depth++] = i + s->a;
        else if (holds(s, before, after))
            r->stack[depth++] = i + 1;
    }
    return count;
}

static bool reads(const hn_regex *r, const step *s, uint32_t c)
{
    bool found = false;
    for (int i = 0; i < s->b && !found; i++)
        found = c >= r->set[s->a + i].from && c <= r->set[s->a + i].to;
    return found != s->negated;
}

static uint32_t peek_at(hn_text t, size_t at) { return at < t.len ? hn_letter_next(t, &at) : NOTHING; }

bool hn_regex_full(hn_regex *r, hn_text t)
{
    uint32_t before = NOTHING;
    size_t at = 0;
    r->mark++;
    int count = add(r, 0, before, peek_at(t, 0), r->now, 0);
    while (at < t.len && count > 0) {
        uint32_t c = hn_letter_next(t, &at), after = peek_at(t, at);
        int kept = 0;
        r->mark++;
        for (int i = 0; i < count; i++) {
            const step *s = &r->code[r->now[i]];
            if (s->kind == SET && reads(r, s, c))
                kept = add(r, r->now[i] + 1, c, after, r->next, kept);
        }
        int *old = r->now;
        r->now = r->next;
        r->next = old;
        count = kept;
    }
    for (int i = 0; i < count && at == t.len; i++)
        if (r->code[r->now[i]].kind == MATCH)
            return true;
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* grammar_parse.c: the text of a grammar to rules over bytes.
 *
 * One pass, with a frame for the rule and for each group that is open.  A frame gathers elements; closed, it
 * becomes a rule's alternatives.  Repeats become rules that call themselves last:
 *
 *     x*      r ::= x r | ""
 *     x{2,4}  r ::= x x s,  s ::= x t | "",  t ::= x | "" */
#include <string.h>

#include "base/num.h"
#include "base/utf8.h"
#include "llm/grammar_impl.h"

#define DEPTH_MAX 64             /* of groups in groups */
#define CODE_MAX ((size_t)1 << 22)
#define REPEAT_MAX 100000
#define NAME_MAX_LEN 256
#define RANGES_MAX 1024          /* in one class */
#define SETS_MAX 2048            /* different sets of bytes */
#define CODE_POINT_MAX 0x10FFFFu

typedef struct name { const char *text; uint32_t len, rule; uint32_t line; bool defined; } name;
typedef struct run { hn_g_elem *e; size_t count, cap; } run;
typedef struct frame {
    run seq;                     /* of the alternative being read */
    run done;                    /* alternatives read, each closed by END */
    size_t item;                 /* where in seq the last item begins: what a repeat repeats */
    bool has_item;
    uint32_t rule;
} frame;

typedef struct parse {
    hn_ctx *cx;
    hn_grammar *g;
    const char *at, *end;
    uint32_t line;
    name *name; size_t name_count, name_cap;
    uint32_t *slot; size_t slots;       /* names by hash: 1 + index */
    frame f[DEPTH_MAX + 1]; size_t depth;
} parse;

static hn_err bad(parse *p, const char *what)
{
    return hn_fail(p->cx, HN_EFORMAT, "grammar, line %u: %s", (unsigned)p->line, what);
}

static hn_err nomem(parse *p) { return hn_nomem(p->cx, "a grammar"); }

/* ---- Making rules ---------------------------------------------------------------------------- */

static hn_err push(parse *p, run *r, hn_g_elem e)
{
    if (!hn_grow(p->cx, &r->e, r->count, &r->cap, sizeof *r->e))
        return nomem(p);
    r->e[r->count++] = e;
    return HN_OK;
}

static hn_err new_rule(parse *p, uint32_t *out)
{
    hn_grammar *g = p->g;
    if (!hn_grow(p->cx, &g->rule, g->rule_count, &g->rule_cap, sizeof *g->rule))
        return nomem(p);
    g->rule[g->rule_count] = (hn_g_rule){ 0, 0 };
    *out = (uint32_t)g->rule_count++;
    return HN_OK;
}

/* Alternatives, each closed by END, become the rule's. */
static hn_err set_rule(parse *p, uint32_t rule, const hn_g_elem *e, size_t count)
{
    hn_grammar *g = p->g;
    uint32_t first = (uint32_t)g->alt_count;
    bool begins = true;
    if (count > CODE_MAX - g->code_count)
        return hn_fail(p->cx, HN_ELIMIT, "grammar: more than %zu elements once repeats are written out", CODE_MAX);
    for (size_t i = 0; i < count; i++) {
        if (begins) {
            if (!hn_grow(p->cx, &g->alt, g->alt_count, &g->alt_cap, sizeof *g->alt))
                return nomem(p);
            g->alt[g->alt_count++] = (uint32_t)g->code_count;
        }
        if (!hn_grow(p->cx, &g->code, g->code_count, &g->code_cap, sizeof *g->code))
            return nomem(p);
        g->code[g->code_count++] = e[i];
        begins = e[i].kind == HN_G_END;
    }
    g->rule[rule] = (hn_g_rule){ first, (uint32_t)g->alt_count - first };
    return HN_OK;
}

static hn_err find_set(parse *p, const hn_g_set *s, hn_g_elem *out)
{
    hn_grammar *g = p->g;
    size_t i = 0;
    while (i < g->set_count && memcmp(&g->set[i], s, sizeof *s) != 0)
        i++;
    if (i == g->set_count) {
        if (g->set_count == SETS_MAX)
            return hn_fail(p->cx, HN_ELIMIT, "grammar: more than %d different classes", SETS_MAX);
        if (!hn_grow(p->cx, &g->set, g->set_count, &g->set_cap, sizeof *g->set))
            return nomem(p);
        g->set[g->set_count++] = *s;
    }
    *out = (hn_g_elem){ HN_G_SET, (uint32_t)i };
    return HN_OK;
}

static hn_err push_bytes(parse *p, run *r, uint8_t from, uint8_t to)
{
    hn_g_set s = { { 0 } };
    hn_g_elem e;
    for (unsigned b = from; b <= to; b++)
        s.bit[b / 32] |= (uint32_t)1 << b % 32;
    HN_TRY(find_set(p, &s, &e));
    return push(p, r, e);
}

/* ---- Characters as bytes ------------------------------------------------------------------------ */

typedef struct range { uint32_t from, to; } range;

/* Alternatives for characters of one length, cut where a leading byte's followers are not all of 80..BF. */
static hn_err push_range(parse *p, run *out, range c)
{
    static const uint32_t edges[] = { 0x7F, 0x7FF, 0xFFFF, CODE_POINT_MAX };
    range todo[32];
    size_t n = 0;
    for (uint32_t from = c.from, i = 0; i < 4 && from <= c.to; i++)
        if (from <= edges[i]) {
            todo[n++] = (range){ from, (uint32_t)hn_min(c.to, edges[i]) };
            from = edges[i] + 1;
        }
    while (n > 0) {
        range r = todo[--n];
        uint32_t cut = 0;
        size_t len = r.from < 0x80 ? 1 : r.from < 0x800 ? 2 : r.from < 0x10000 ? 3 : 4;
        char a[4], b[4];
        for (uint32_t k = 1; k < len && !cut; k++) {
            uint32_t low = ((uint32_t)1 << 6 * k) - 1;
            if ((r.from & ~low) == (r.to & ~low))
                continue;
            if ((r.from & low) != 0)
                cut = (r.from | low) + 1;
            else if ((r.to & low) != low)
                cut = r.to & ~low;
        }
        if (cut) {
            todo[n++] = (range){ cut, r.to };
            todo[n++] = (range){ r.from, cut - 1 };
            continue;
        }
        if (hn_utf8_put(r.from, a) != len || hn_utf8_put(r.to, b) != len)
            return bad(p, "a class holds what is no character");
        for (size_t i = 0; i < len; i++)
            HN_TRY(push_bytes(p, out, (uint8_t)a[i], (uint8_t)b[i]));
        HN_TRY(push(p, out, (hn_g_elem){ HN_G_END, 0 }));
    }
    return HN_OK;
}

/* Surrogates are no characters. */
static hn_err push_characters(parse *p, run *out, range c)
{
    if (c.from < 0xD800 && c.to > 0xDFFF) {
        HN_TRY(push_range(p, out, (range){ c.from, 0xD7FF }));
        return push_range(p, out, (range){ 0xE000, c.to });
    }
    if (c.from >= 0xD800 && c.from <= 0xDFFF)
        c.from = 0xE000;
    if (c.to >= 0xD800 && c.to <= 0xDFFF)
        c.to = 0xD7FF;
    return c.from <= c.to ? push_range(p, out, c) : HN_OK;
}

static void sort_ranges(range *r, size_t *count)
{
    size_t n = 0;
    for (size_t i = 1; i < *count; i++) {
        range x = r[i];
        size_t j = i;
        for (; j > 0 && r[j - 1].from > x.from; j--)
            r[j] = r[j - 1];
        r[j] = x;
    }
    for (size_t i = 0; i < *count; i++)
        if (n && r[i].from <= r[n - 1].to + 1)
            r[n - 1].to = (uint32_t)hn_max(r[n - 1].to, r[i].to);
        else
            r[n++] = r[i];
    *count = n;
}

static size_t invert(const range *r, size_t count, range *out)
{
    uint32_t next = 0;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (r[i].from > next)
            out[n++] = (range){ next, r[i].from - 1 };
        next = r[i].to + 1;
    }
    if (next <= CODE_POINT_MAX)
        out[n++] = (range){ next, CODE_POINT_MAX };
    return n;
}

/* One element: a set when all are single bytes, else a rule, the single bytes of which are one alternative. */
static hn_err push_class(parse *p, const range *r, size_t count)
{
    frame *f = &p->f[p->depth];
    run alts = { 0 };
    hn_g_set low = { { 0 } };
    hn_g_elem e;
    hn_err err = HN_OK;
    bool wide = false, any = false;
    for (size_t i = 0; i < count && !err; i++) {
        for (uint32_t c = r[i].from; c <= r[i].to && c < 0x80; c++, any = true)
            low.bit[c / 32] |= (uint32_t)1 << c % 32;
        if (r[i].to >= 0x80) {
            wide = true;
            err = push_characters(p, &alts, (range){ (uint32_t)hn_max(r[i].from, 0x80), r[i].to });
        }
    }
    if (!err && (any || !wide)) {                    /* an empty set matches nothing, ever: [^\x00-\U0010FFFF] */
        err = find_set(p, &low, &e);
        if (!err && wide)
            err = push(p, &alts, e);
        if (!err && wide)
            err = push(p, &alts, (hn_g_elem){ HN_G_END, 0 });
    }
    uint32_t rule = 0;
    if (!err && wide)
        err = new_rule(p, &rule);
    if (!err && wide)
        err = set_rule(p, rule, alts.e, alts.count);
    hn_free(p->cx, alts.e);
    HN_TRY(err);
    return push(p, &f->seq, wide ? (hn_g_elem){ HN_G_RULE, rule } : e);
}

/* ---- Text ------------------------------------------------------------------------------------------ */

static bool at_end(const parse *p) { return p->at == p->end; }
static bool peek(const parse *p, char c) { return p->at < p->end && *p->at == c; }

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static void skip_space(parse *p)
{
    for (; !at_end(p); p->at++) {
        if (*p->at == '#')
            while (p->at + 1 < p->end && p->at[1] != '\n')
                p->at++;
        else if (*p->at == '\n')
            p->line++;
        else if (*p->at != ' ' && *p->at != '\t' && *p->at != '\r')
            return;
    }
}

static hn_err read_hex(parse *p, int digits, uint32_t *out)
{
    uint32_t v = 0;
    for (int i = 0; i < digits; i++, p->at++) {
        char c = at_end(p) ? 0 : *p->at;
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0)
            return bad(p, "an escape needs 2 hexadecimal digits behind \\x, 4 behind \\u, 8 behind \\U");
        v = v << 4 | (uint32_t)d;
    }
    *out = v;
    return HN_OK;
}

/* One character, which may be escaped. */
static hn_err read_char(parse *p, uint32_t *out)
{
    static const char from[] = "nrt\\\"[]-^/.'", to[] = "\n\r\t\\\"[]-^/.'";
    if (!peek(p, '\\')) {
        size_t n = hn_utf8_get(p->at, (size_t)(p->end - p->at), out);
        if (n == 0)
            return bad(p, "the text is not valid UTF-8");
        p->line += *out == '\n';
        p->at += n;
        return HN_OK;
    }
    p->at++;
    char c = at_end(p) ? 0 : *p->at++;
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        *out = (uint8_t)to[found - from];
        return HN_OK;
    }
    if (c != 'x' && c != 'u' && c != 'U')
        return bad(p, "an unknown escape; known are \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\^ \\xHH \\uHHHH \\UHHHHHHHH");
    HN_TRY(read_hex(p, c == 'x' ? 2 : c == 'u' ? 4 : 8, out));
    char room[4];
    return hn_utf8_put(*out, room) ? HN_OK : bad(p, "an escape names what is no character");
}

static hn_err read_literal(parse *p)
{
    frame *f = &p->f[p->depth];
    for (p->at++; !peek(p, '"');) {
        uint32_t c;
        char bytes[4];
        if (at_end(p))
            return bad(p, "a \" that closes a literal is missing");
        HN_TRY(read_char(p, &c));
        size_t n = hn_utf8_put(c, bytes);
        for (size_t i = 0; i < n; i++)
            HN_TRY(push_bytes(p, &f->seq, (uint8_t)bytes[i], (uint8_t)bytes[i]));
    }
    p->at++;
    return HN_OK;
}

static hn_err read_class(parse *p)
{
    range r[RANGES_MAX], turned[RANGES_MAX + 1];
    size_t n = 0;
    p->at++;
    bool not = peek(p, '^');
    p->at += not;
    while (!peek(p, ']')) {
        range one;
        if (at_end(p))
            return bad(p, "a ] that closes a class is missing");
        if (n == RANGES_MAX)
            return bad(p, "a class of more than 1024 ranges");
        HN_TRY(read_char(p, &one.from));
        one.to = one.from;
        if (p->end - p->at >= 2 && *p->at == '-' && p->at[1] != ']') {
            p->at++;
            HN_TRY(read_char(p, &one.to));
            if (one.to < one.from)
                return bad(p, "a range of characters goes backwards");
        }
        r[n++] = one;
    }
    p->at++;
    sort_ranges(r, &n);
    if (!not)
        return push_class(p, r, n);
    n = invert(r, n, turned);
    return push_class(p, turned, n);
}

/* ---- Names ------------------------------------------------------------------------------------------ */

static uint32_t hash_of(const char *s, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)s[i]) * 16777619u;
    return h;
}

static void place(parse *p, uint32_t index)
{
    size_t at = hash_of(p->name[index].text, p->name[index].len) & (p->slots - 1);
    while (p->slot[at])
        at = (at + 1) & (p->slots - 1);
    p->slot[at] = index + 1;
}

static hn_err more_slots(parse *p)
{
    size_t slots = p->slots ? p->slots * 2 : 256;
    uint32_t *slot = hn_calloc(p->cx, slots, sizeof *slot);
    if (!slot)
        return nomem(p);
    hn_free(p->cx, p->slot);
    p->slot = slot;
    p->slots = slots;
    for (uint32_t i = 0; i < p->name_count; i++)
        place(p, i);
    return HN_OK;
}

/* The rule of a name, made when it is new. */
static hn_err find_name(parse *p, const char *text, size_t len, name **out)
{
    if (p->slots < 2 * (p->name_count + 1))
        HN_TRY(more_slots(p));
    for (size_t at = hash_of(text, len) & (p->slots - 1); p->slot[at]; at = (at + 1) & (p->slots - 1)) {
        name *n = &p->name[p->slot[at] - 1];
        if (n->len == len && memcmp(n->text, text, len) == 0) {
            *out = n;
            return HN_OK;
        }
    }
    uint32_t rule;
    if (!hn_grow(p->cx, &p->name, p->name_count, &p->name_cap, sizeof *p->name))
        return nomem(p);
    HN_TRY(new_rule(p, &rule));
    p->name[p->name_count] = (name){ text, (uint32_t)len, rule, p->line, false };
    place(p, (uint32_t)p->name_count);
    *out = &p->name[p->name_count++];
    return HN_OK;
}

static hn_err read_name(parse *p, const char **text, size_t *len)
{
    *text = p->at;
    while (!at_end(p) && word_char(*p->at))
        p->at++;
    *len = (size_t)(p->at - *text);
    if (*len == 0)
        return bad(p, "expected a rule's name");
    return *len > NAME_MAX_LEN ? bad(p, "a name of more than 256 letters") : HN_OK;
}

/* Does a definition begin here? */
static bool begins_rule(const parse *p)
{
    const char *s = p->at;
    while (s < p->end && word_char(*s))
        s++;
    if (s == p->at)
        return false;
    while (s < p->end && (*s == ' ' || *s == '\t'))
        s++;
    return p->end - s >= 3 && memcmp(s, "::=", 3) == 0;
}

/* ---- Repeats, groups, rules --------------------------------------------------------------------------- */

/* Of the last item, as one element. */
static hn_err as_element(parse *p, hn_g_elem *out)
{
    frame *f = &p->f[p->depth];
    size_t count = f->seq.count - f->item;
    uint32_t rule;
    if (count == 1) {
        *out = f->seq.e[f->item];
    } else {
        HN_TRY(push(p, &f->seq, (hn_g_elem){ HN_G_END, 0 }));
        HN_TRY(new_rule(p, &rule));
        HN_TRY(set_rule(p, rule, f->seq.e + f->item, count + 1));
        *out = (hn_g_elem){ HN_G_RULE, rule };
    }
    f->seq.count = f->item;
    return HN_OK;
}

/* r ::= x then | "" */
static hn_err optional(parse *p, uint32_t rule, hn_g_elem x, const uint32_t *then)
{
    hn_g_elem e[4] = { x };
    size_t n = 1;
    if (then)
        e[n++] = (hn_g_elem){ HN_G_RULE, *then };
    e[n++] = (hn_g_elem){ HN_G_END, 0 };
    e[n++] = (hn_g_elem){ HN_G_END, 0 };
    return set_rule(p, rule, e, n);
}

static hn_err repeat(parse *p, size_t least, size_t most)
{
    frame *f = &p->f[p->depth];
    hn_g_elem x;
    uint32_t rule, inner;
    if (!f->has_item)
        return bad(p, "a repeat has nothing before it");
    HN_TRY(as_element(p, &x));
    f->has_item = false;
    for (size_t i = 0; i < least; i++)
        HN_TRY(push(p, &f->seq, x));
    if (most == least)
        return HN_OK;
    HN_TRY(new_rule(p, &rule));
    if (most == SIZE_MAX) {
        HN_TRY(optional(p, rule, x, &rule));
        return push(p, &f->seq, (hn_g_elem){ HN_G_RULE, rule });
    }
    HN_TRY(optional(p, rule, x, NULL));              /* the innermost first */
    for (size_t i = least + 1; i < most; i++) {
        inner = rule;
        HN_TRY(new_rule(p, &rule));
        HN_TRY(optional(p, rule, x, &inner));
    }
    return push(p, &f->seq, (hn_g_elem){ HN_G_RULE, rule });
}

static hn_err read_number(parse *p, size_t *out)
{
    size_t v = 0;
    if (at_end(p) || *p->at < '0' || *p->at > '9')
        return bad(p, "expected a number in {}");
    for (; !at_end(p) && *p->at >= '0' && *p->at <= '9'; p->at++)
        if ((v = v * 10 + (size_t)(*p->at - '0')) > REPEAT_MAX)
            return bad(p, "a repeat of more than 100000");
    *out = v;
    return HN_OK;
}

static hn_err read_braces(parse *p)
{
    size_t least, most;
    p->at++;
    skip_space(p);
    if (peek(p, ',')) {
        least = 0;
    } else {
        HN_TRY(read_number(p, &least));
        skip_space(p);
    }
    most = least;
    if (peek(p, ',')) {
        p->at++;
        skip_space(p);
        most = SIZE_MAX;
        if (!peek(p, '}'))
            HN_TRY(read_number(p, &most));
        skip_space(p);
    }
    if (!peek(p, '}') || most < least)
        return bad(p, "expected {N}, {N,} or {N,M} with M not below N");
    p->at++;
    return repeat(p, least, most);
}

static hn_err close_alternative(parse *p)
{
    frame *f = &p->f[p->depth];
    for (size_t i = 0; i < f->seq.count; i++)
        HN_TRY(push(p, &f->done, f->seq.e[i]));
    f->seq.count = 0;
    f->has_item = false;
    return push(p, &f->done, (hn_g_elem){ HN_G_END, 0 });
}

static hn_err close_frame(parse *p)
{
    frame *f = &p->f[p->depth];
    HN_TRY(close_alternative(p));
    HN_TRY(set_rule(p, f->rule, f->done.e, f->done.count));
    f->done.count = 0;
    return HN_OK;
}

static hn_err open_group(parse *p)
{
    uint32_t rule;
    if (p->depth == DEPTH_MAX)
        return bad(p, "groups in more than 64 groups");
    HN_TRY(new_rule(p, &rule));
    p->at++;
    frame *f = &p->f[++p->depth];
    f->seq.count = f->done.count = 0;
    f->has_item = false;
    f->rule = rule;
    return HN_OK;
}

static hn_err close_group(parse *p)
{
    if (p->depth == 0)
        return bad(p, "a ) closes nothing");
    HN_TRY(close_frame(p));
    hn_g_elem e = { HN_G_RULE, p->f[p->depth].rule };
    frame *f = &p->f[--p->depth];
    p->at++;
    f->item = f->seq.count;
    f->has_item = true;
    return push(p, &f->seq, e);
}

static hn_err read_item(parse *p)
{
    frame *f = &p->f[p->depth];
    const char *text;
    size_t len;
    name *n;
    f->item = f->seq.count;
    f->has_item = true;
    if (*p->at == '"')
        return read_literal(p);
    if (*p->at == '[')
        return read_class(p);
    if (*p->at == '.') {
        range any = { 0, CODE_POINT_MAX };
        p->at++;
        return push_class(p, &any, 1);
    }
    if (!word_char(*p->at))
        return bad(p, "expected a literal, a class, a name, a group or a repeat");
    HN_TRY(read_name(p, &text, &len));
    HN_TRY(find_name(p, text, len, &n));
    return push(p, &f->seq, (hn_g_elem){ HN_G_RULE, n->rule });
}

/* Up to the next definition. */
static hn_err read_body(parse *p)
{
    for (skip_space(p); !at_end(p) && !(p->depth == 0 && begins_rule(p)); skip_space(p)) {
        char c = *p->at;
        hn_err e;
        if (c == '(') {
            e = open_group(p);
        } else if (c == ')') {
            e = close_group(p);
        } else if (c == '|' || c == '*' || c == '+' || c == '?') {
            p->at++;
            e = c == '|' ? close_alternative(p) : repeat(p, c == '+', c == '?' ? 1 : SIZE_MAX);
        } else {
            e = c == '{' ? read_braces(p) : read_item(p);
        }
        HN_TRY(e);
    }
    return p->depth ? bad(p, "a ) that closes a group is missing") : close_frame(p);
}

static hn_err read_rules(parse *p)
{
    for (skip_space(p); !at_end(p); skip_space(p)) {
        const char *text;
        size_t len;
        name *n;
        if (!begins_rule(p))
            return bad(p, "expected NAME ::= ...");
        HN_TRY(read_name(p, &text, &len));
        HN_TRY(find_name(p, text, len, &n));
        if (n->defined)
            return hn_fail(p->cx, HN_EFORMAT, "grammar, line %u: rule '%.*s' is defined twice", (unsigned)p->line,
                           (int)len, text);
        n->defined = true;
        p->f[0].rule = n->rule;
        p->at = (const char *)memchr(p->at, '=', (size_t)(p->end - p->at)) + 1;
        HN_TRY(read_body(p));
    }
    for (size_t i = 0; i < p->name_count; i++)
        if (!p->name[i].defined)
            return hn_fail(p->cx, HN_EFORMAT, "grammar, line %u: rule '%.*s' is used but not defined",
                           (unsigned)p->name[i].line, (int)p->name[i].len, p->name[i].text);
    name *root = NULL;
    for (size_t i = 0; i < p->name_count && !root; i++)
        if (p->name[i].len == 4 && memcmp(p->name[i].text, "root", 4) == 0)
            root = &p->name[i];
    if (!root)
        return hn_fail(p->cx, HN_EFORMAT, "grammar: no rule 'root', where everything begins");
    p->g->root = root->rule;
    return HN_OK;
}

/* ---- The whole ------------------------------------------------------------------------------------------ */

/* Bytes that stand in the same sets are one class: steps are found once for all of them. */
static void find_classes(hn_grammar *g)
{
    g->classes = 1;
    for (size_t s = 0; s < g->set_count; s++) {
        int renamed[256];
        uint32_t before = g->classes;
        memset(renamed, -1, sizeof renamed);
        bool inside[256] = { false }, outside[256] = { false };
        for (unsigned b = 0; b < 256; b++)
            *(hn_g_has(&g->set[s], (uint8_t)b) ? &inside[g->class_of[b]] : &outside[g->class_of[b]]) = true;
        for (uint32_t c = 0; c < before; c++)
            if (inside[c] && outside[c])
                renamed[c] = (int)g->classes++;
        for (unsigned b = 0; b < 256; b++)
            if (hn_g_has(&g->set[s], (uint8_t)b) && renamed[g->class_of[b]] >= 0)
                g->class_of[b] = (uint8_t)renamed[g->class_of[b]];
    }
    for (unsigned b = 0; b < 256; b++)
        g->byte_of[g->class_of[b]] = (uint8_t)b;
}

hn_err hn_grammar_new(hn_ctx *cx, hn_text text, hn_grammar **out)
{
    hn_grammar *g = hn_calloc(cx, 1, sizeof *g);
    parse *p = hn_calloc(cx, 1, sizeof *p);
    hn_err e = g && p ? HN_OK : hn_nomem(cx, "a grammar");
    if (g)
        g->cx.env = cx->env;
    if (!e) {
        *p = (parse){ .cx = cx, .g = g, .at = text.ptr, .end = text.ptr + text.len, .line = 1 };
        e = read_rules(p);
    }
    if (!e)
        e = hn_g_check(cx, g);
    if (p) {
        for (size_t i = 0; i <= DEPTH_MAX; i++) {
            hn_free(cx, p->f[i].seq.e);
            hn_free(cx, p->f[i].done.e);
        }
        hn_free(cx, p->name);
        hn_free(cx, p->slot);
    }
    hn_free(cx, p);
    if (e) {
        hn_grammar_free(g);
        return e;
    }
    find_classes(g);
    *out = g;
    return HN_OK;
}

void hn_grammar_free(hn_grammar *g)
{
    if (!g)
        return;
    hn_ctx cx = g->cx;
    hn_free(&cx, g->code);
    hn_free(&cx, g->alt);
    hn_free(&cx, g->rule);
    hn_free(&cx, g->set);
    hn_free(&cx, g);
}

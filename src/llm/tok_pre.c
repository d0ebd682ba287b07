/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/tok_pre.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define PASSES_MAX 6
#define JIT_STACK_MAX ((size_t)1 << 20)     /* enough for any pattern here on words of 100 000 characters */

typedef struct rule { unsigned flags; const char *pass[PASSES_MAX + 1]; } rule;

enum rule_id {
#define PRE_RULE(id, ...) RULE_##id,
#include "llm/tok_pre.def"
};

static const rule rules[] = {
#define PRE_RULE(id, flag_bits, ...) [RULE_##id] = { flag_bits, { __VA_ARGS__, NULL } },
#include "llm/tok_pre.def"
};

static const struct name { const char *name; enum rule_id rule; unsigned flags; } names[] = {
#define PRE_NAME(text, id, flag_bits) { text, RULE_##id, flag_bits },
#include "llm/tok_pre.def"
};

struct hn_pre {
    hn_ctx cx;                              /* a copy: the allocator */
    pcre2_general_context *memory;
    pcre2_match_context *limits;
    pcre2_code *pass[PASSES_MAX];
    int passes;
};

struct hn_pre_match {
    hn_ctx cx;
    pcre2_match_context *limits;            /* carries the stack below */
    pcre2_jit_stack *stack;
    pcre2_match_data *pass[PASSES_MAX];     /* one each: passes nest */
};

static const struct name *find(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}

bool hn_pre_find(const char *name, unsigned *flags)
{
    const struct name *n = find(name);
    if (n)
        *flags = n->flags | rules[n->rule].flags;
    return n != NULL;
}

const char *hn_pre_name_of(const char *const *expression, size_t count)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *const *pass = rules[names[i].rule].pass;
        size_t n = 0;
        while (n < count && pass[n] && strcmp(pass[n], expression[n]) == 0)
            n++;
        if (count > 0 && n == count && !pass[n])
            return names[i].name;
    }
    return NULL;
}

const char *hn_pre_gpt2(void) { return rules[RULE_gpt2].pass[0]; }

static void *take(size_t bytes, void *cx) { return hn_alloc(cx, bytes); }
static void give(void *p, void *cx) { hn_free(cx, p); }

static hn_err compile(hn_ctx *cx, hn_pre *p, const char *expression)
{
    int code;
    size_t at;
    pcre2_compile_context *options = pcre2_compile_context_create(p->memory);
    if (!options)
        return hn_nomem(cx, "a pre-tokenizer");
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
                                  PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_UTF_CHECK,
                                  &code, &at, options);
    pcre2_compile_context_free(options);
    if (!c)
        return hn_fail(cx, HN_EUNSUP, "pre-tokenizer: this PCRE2 cannot compile '%.40s...' (error %d at %zu)",
                       expression, code, at);
    pcre2_jit_compile(c, PCRE2_JIT_COMPLETE);       /* without JIT it is only slower */
    p->pass[p->passes++] = c;
    return HN_OK;
}

hn_err hn_pre_new(hn_ctx *cx, const char *name, hn_pre **out)
{
    const struct name *n = find(name);
    if (!n)
        return hn_fail(cx, HN_EUNSUP, "pre-tokenizer '%s' is not known here (`hone list tokenizers` names those that are)",
                       name);
    hn_pre *p = hn_calloc(cx, 1, sizeof *p);
    if (!p)
        return hn_nomem(cx, "a pre-tokenizer");
    p->cx.env = cx ? cx->env : NULL;
    p->memory = pcre2_general_context_create(take, give, &p->cx);
    hn_err e = p->memory ? HN_OK : hn_nomem(cx, "a pre-tokenizer");
    for (const char *const *x = rules[n->rule].pass; !e && *x; x++)
        e = compile(cx, p, *x);
    if (e)
        hn_pre_free(p);
    else
        *out = p;
    return e;
}

void hn_pre_free(hn_pre *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->passes; i++)
        pcre2_code_free(p->pass[i]);
    pcre2_general_context_free(p->memory);
    hn_ctx cx = p->cx;
    hn_free(&cx, p);
}

hn_err hn_pre_match_new(hn_ctx *cx, const hn_pre *p, hn_pre_match **out)
{
    hn_pre_match *m = hn_calloc(cx, 1, sizeof *m);
    if (!m)
        return hn_nomem(cx, "pre-tokenizer scratch");
    m->cx.env = cx ? cx->env : NULL;
    m->limits = pcre2_match_context_create(p->memory);
    m->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_MAX, p->memory);
    bool ok = m->limits != NULL;
    for (int i = 0; i < p->passes; i++)
        ok = (m->pass[i] = pcre2_match_data_create(1, p->memory)) && ok;
    if (!ok) {
        hn_pre_match_free(m);
        return hn_nomem(cx, "pre-tokenizer scratch");
    }
    if (m->stack)                           /* NULL where PCRE2 has no JIT */
        pcre2_jit_stack_assign(m->limits, NULL, m->stack);
    *out = m;
    return HN_OK;
}

void hn_pre_match_free(hn_pre_match *m)
{
    if (!m)
        return;
    for (int i = 0; i < PASSES_MAX; i++)
        pcre2_match_data_free(m->pass[i]);
    pcre2_jit_stack_free(m->stack);
    pcre2_match_context_free(m->limits);
    hn_ctx cx = m->cx;
    hn_free(&cx, m);
}

typedef struct split {
    hn_ctx *cx;
    const hn_pre *p;
    hn_pre_match *m;
    hn_err (*word)(void *arg, const char *s, size_t n);
    void *arg;
} split;

static hn_err cut(const split *s, int pass, const char *text, size_t len);

static hn_err piece(const split *s, int pass, const char *text, size_t len)
{
    if (len == 0)
        return HN_OK;
    return pass == s->p->passes ? s->word(s->arg, text, len) : cut(s, pass, text, len);
}

/* One pass over one piece.  Each piece is a subject of its own, so that look-ahead and `$` see its
 * end as the end of the text.  Recursion is as deep as the rule has passes. */
static hn_err cut(const split *s, int pass, const char *text, size_t len)
{
    pcre2_match_data *data = s->m->pass[pass];
    size_t done = 0, from = 0;
    while (from < len) {
        int n = pcre2_match(s->p->pass[pass], (PCRE2_SPTR)text, len, from, PCRE2_NO_UTF_CHECK, data, s->m->limits);
        if (n == PCRE2_ERROR_NOMATCH)
            break;
        if (n < 0)
            return hn_fail(s->cx, HN_ELIMIT, "tokenizer: a word of this text needs more work than allowed (PCRE2 error %d)", n);
        size_t *span = pcre2_get_ovector_pointer(data), begin = span[0], end = span[1];
        HN_TRY(piece(s, pass + 1, text + done, begin - done));
        HN_TRY(piece(s, pass + 1, text + begin, end - begin));
        done = end;
        from = end;
        if (begin == end)                   /* a cut without text: go on past the next character */
            do
                from++;
            while (from < len && ((unsigned char)text[from] & 0xC0) == 0x80);
    }
    return piece(s, pass + 1, text + done, len - done);
}

hn_err hn_pre_split(hn_ctx *cx, const hn_pre *p, hn_pre_match *m, const char *text, size_t len,
                    hn_err (*word)(void *arg, const char *s, size_t n), void *arg)
{
    return piece(&(split){ cx, p, m, word, arg }, 0, text, len);
}

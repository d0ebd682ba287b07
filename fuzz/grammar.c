/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a grammar, or as a JSON schema that becomes one; then a walk through it.
 *
 * Input: one byte (odd: a schema), one that chooses the walk, and the text.  A schema's grammar must be understood, and
 * what a mask allows must be accepted. */
#include "fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

#include "llm/grammar.h"
#include "llm/schema.h"

static hn_err make_tok(hn_ctx *cx, hn_tok **out)
{
    static const char *const pieces[] = { "true", "\": ", "},", "ab", "\xC3\xBC", "\xE2\x96\x81the", "0.", "]]", "\\u00" };
    char names[256][7];
    hn_tok_token token[256 + 16];
    hn_tok_spec s = hn_tok_spec_of(HN_TOK_SPM, NULL);
    for (size_t i = 0; i < 256; i++) {
        static const char hex[] = "0123456789ABCDEF";
        memcpy(names[i], "<0x00>", 7);
        names[i][3] = hex[i >> 4];
        names[i][4] = hex[i & 15];
        token[i] = (hn_tok_token){ { names[i], 6 }, 0, HN_TOK_BYTE, 0 };
    }
    s.count = 256;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        token[s.count++] = (hn_tok_token){ { pieces[i], strlen(pieces[i]) }, 0, HN_TOK_NORMAL, 0 };
    token[s.count++] = (hn_tok_token){ { "</s>", 4 }, 0, HN_TOK_CONTROL, 0 };
    s.token = token;
    s.eos = (int32_t)s.count - 1;
    return hn_tok_new(cx, &s, out);
}

static void walk(hn_ctx *cx, hn_match *m, size_t tokens, unsigned choice)
{
    for (int i = 0; i < 40 && !hn_match_done(m); i++) {
        const uint32_t *mask;
        if (hn_match_allowed(cx, m, &mask))
            return;
        size_t id = choice % tokens;
        for (size_t k = 0; k < tokens && !(mask[id / 32] >> id % 32 & 1); k++)
            id = (id + 1) % tokens;
        hn_err e = hn_match_accept(cx, m, (int32_t)id);
        if (e == HN_EARG)
            abort();
        if (e)
            return;
        choice = choice * 31 + 7;
    }
}

static void run(hn_ctx *cx, hn_tok *tok, hn_text text, bool exact, unsigned choice)
{
    hn_grammar *g = NULL;
    hn_vocab *v = NULL;
    hn_match *m = NULL;
    hn_err e = hn_grammar_new(cx, text, &g);
    if (exact && e != HN_OK && e != HN_ENOMEM && e != HN_ELIMIT)
        abort();
    if (!e)
        e = hn_vocab_new(cx, tok, &v);
    if (!e)
        e = hn_match_new(cx, g, v, &m);
    if (!e)
        walk(cx, m, hn_tok_count(tok), choice);
    hn_match_free(m);
    hn_vocab_free(v);
    hn_grammar_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_tok *tok = NULL;
    hn_buf grammar = { .cx = &cx };
    if (len < 2 || len > 1 << 14 || make_tok(&cx, &tok))
        return 0;
    hn_text text = { (const char *)data + 2, len - 2 };
    json_t *schema = data[0] & 1 ? json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL) : NULL;
    if (!(data[0] & 1))
        run(&cx, tok, text, false, data[1]);
    else if (schema && hn_schema_grammar(&cx, schema, &grammar) == HN_OK)
        run(&cx, tok, (hn_text){ grammar.data, grammar.len }, true, data[1]);
    json_decref(schema);
    hn_buf_free(&grammar);
    hn_tok_free(tok);
    if (limit.used)
        abort();
    return 0;
}

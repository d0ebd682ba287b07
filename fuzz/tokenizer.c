/* SPDX-License-Identifier: Apache-2.0 */
/* Any vocabulary and any text, for each kind of tokenizer; what byte-complete kinds encode must decode
 * to the same bytes, at once and streaming alike.
 *
 * Input: one byte of kind and flags, one that picks the pre-tokenizer, then parts that end in zero:
 * tokens (one a line), merges (one a line), the character map; what is left is the text. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "llm/tok.h"

#define LINES_MAX 300

static hn_text part(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *zero = memchr(*at, 0, (size_t)(end - *at)), *stop = zero ? zero : end;
    hn_text t = { (const char *)*at, (size_t)(stop - *at) };
    *at = zero ? zero + 1 : end;
    return t;
}

static size_t lines(hn_text t, hn_text *out, size_t most)
{
    size_t n = 0;
    while (t.len && n < most) {
        const char *stop = memchr(t.ptr, '\n', t.len);
        size_t len = stop ? (size_t)(stop - t.ptr) : t.len;
        out[n++] = (hn_text){ t.ptr, len };
        len += stop != NULL;
        t = (hn_text){ t.ptr + len, t.len - len };
    }
    return n;
}

/* Tokens: all single bytes as <0xAB>, then the input's, some of them marked. */
static size_t vocabulary(hn_text given, char (*names)[7], hn_tok_token *token)
{
    static const uint8_t types[] = { HN_TOK_NORMAL, HN_TOK_NORMAL, HN_TOK_NORMAL, HN_TOK_USER, HN_TOK_CONTROL, HN_TOK_UNUSED };
    hn_text line[LINES_MAX];
    size_t n = lines(given, line, LINES_MAX);
    for (size_t i = 0; i < 256; i++) {
        static const char hex[] = "0123456789ABCDEF";
        memcpy(names[i], "<0x00>", 7);
        names[i][3] = hex[i >> 4];
        names[i][4] = hex[i & 15];
        token[i] = (hn_tok_token){ { names[i], 6 }, 0, HN_TOK_BYTE, 0 };
    }
    for (size_t i = 0; i < n; i++)
        token[256 + i] = (hn_tok_token){ line[i], -(float)(i % 37), types[i % 6], (uint8_t)(i % 7 == 3 ? HN_TOK_RSTRIP : 0) };
    return 256 + n;
}

static void check(hn_ctx *cx, const hn_tok *t, hn_text text, hn_ids ids, bool exact)
{
    hn_buf whole = { .cx = cx }, stream = { .cx = cx };
    hn_detok d = { .tok = t };
    hn_err e = hn_tok_decode(cx, t, ids, false, &whole);
    if (e && e != HN_ENOMEM)
        abort();
    for (size_t i = 0; i < ids.count; i++)
        hn_detok_add(&d, ids.id[i], &stream);
    hn_detok_end(&d, &stream);
    if (!e && exact && (whole.len != text.len || (text.len && memcmp(whole.data, text.ptr, text.len) != 0)))
        abort();
    hn_buf_free(&whole);
    hn_buf_free(&stream);
}

static void run(hn_ctx *cx, const uint8_t *data, size_t len, hn_arena *a)
{
    static const char *const pres[] = { "default", "gpt-2", "llama3", "qwen2", "gpt-4o", "deepseek-llm", "deepseek-v3",
                                        "falcon", "gemma4", "kimi-k2", "superbpe", "tiny_aya", "afmoe", "chameleon",
                                        "exaone-moe", "bloom" };
    char names[256][7];
    hn_tok_token token[256 + LINES_MAX];
    hn_text merge[LINES_MAX];
    const uint8_t *at = data + 2, *end = data + len;
    hn_tok_spec s = hn_tok_spec_of((enum hn_tok_kind)(data[0] & 3), pres[data[1] % 16]);
    bool raw = strcmp(s.pre, "gemma4") == 0, mapped;
    s.count = vocabulary(part(&at, end), names, token);
    s.token = token;
    s.merge_count = lines(part(&at, end), merge, LINES_MAX);
    s.merge = merge;
    s.charsmap = part(&at, end);
    mapped = data[0] & 4;
    if (!mapped)
        s.charsmap.len = 0;
    else if (s.kind == HN_TOK_UNIGRAM && end - at > 64) {     /* zeros are what such maps are made of */
        s.charsmap = (hn_text){ (const char *)at, 64 };
        at += 64;
    }
    s.unk = 0;
    s.bos = s.eos = (int32_t)s.count - 1;
    s.space_prefix = data[0] & 8;
    s.merge_spaces = data[0] & 16;
    s.keep_case = s.keep_accents = data[0] & 32;

    hn_tok *t = NULL;
    hn_ids ids;
    hn_text text = { (const char *)at, (size_t)(end - at) };
    hn_tok_opts opt = { .add_special = data[0] & 64, .parse_special = data[0] & 128 };
    if (hn_tok_new(cx, &s, &t))
        return;
    /* Bytes are certain to come back only from SPM, whose vocabulary has them all; but its mark for
     * spaces, spelled in bytes, stays a mark. */
    bool marks = memmem(text.ptr, text.len, "\xE2\x96\x81", 3) || memchr(text.ptr, ' ', text.len);
    bool exact = s.kind == HN_TOK_SPM && !marks && s.count == 256 && !s.space_prefix && !opt.add_special && !opt.parse_special;
    if (hn_tok_encode(cx, t, text, &opt, a, &ids) == HN_OK)
        check(cx, t, text, ids, exact && !raw);
    hn_tok_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_arena *a;
    if (len < 2 || len > 1 << 16 || hn_arena_new(&cx, 0, &a))
        return 0;
    run(&cx, data, len, a);
    hn_arena_free(a);
    if (limit.used)
        abort();
    return 0;
}

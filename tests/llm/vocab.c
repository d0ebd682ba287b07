/* SPDX-License-Identifier: Apache-2.0 */
/* Real vocabularies against the ids their original tokenizers give. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/clock.h"
#include "llm/tok_gguf.h"

#define BREAK "\n__ggml_vocab_test__\n"

typedef struct vocab { hn_ctx cx; hn_gguf *g; hn_tok *t; hn_arena *a; } vocab;

static bool open_vocab(vocab *v, const char *path)
{
    const char *full = hn_test_data(path);
    *v = (vocab){ 0 };
    if (!full)
        return false;
    hn_err e = hn_gguf_open(&v->cx, full, &v->g);
    e = e ? e : hn_tok_from_gguf(&v->cx, v->g, &v->t);
    e = e ? e : hn_arena_new(&v->cx, 0, &v->a);
    if (e)
        fail_msg("%s: %s", path, v->cx.msg);
    return true;
}

static void close_vocab(vocab *v)
{
    hn_tok_free(v->t);
    hn_arena_free(v->a);
    hn_gguf_close(v->g);
}

/* One string of an .inp file against its line of the .out file. */
static int compare(vocab *v, const char *name, hn_text text, const char *line)
{
    hn_ids ids;
    char *end;
    assert_int_equal(hn_tok_encode(&v->cx, v->t, text, NULL, v->a, &ids), HN_OK);
    size_t i = 0;
    for (;; i++, line = end) {
        long want = strtol(line, &end, 10);
        if (end == line || i == ids.count || want != ids.id[i])
            break;
    }
    while (*line == ' ')
        line++;
    if (i == ids.count && (*line == '\n' || *line == 0))
        return 0;
    print_error("%s: '%.*s': token %zu of %zu is %d, expected %.20s\n", name, (int)text.len, text.ptr, i, ids.count,
                i < ids.count ? (int)ids.id[i] : -1, line);
    return 1;
}

static void check_vectors(const char *name)
{
    char path[128];
    vocab v;
    hn_file in, out;
    snprintf(path, sizeof path, "llm/vocab/ggml-vocab-%s.gguf", name);
    if (!open_vocab(&v, path))
        return;
    strcat(path, ".inp");
    CHECK_INT(hn_file_open(&v.cx, hn_test_data(path), &in), HN_OK);
    snprintf(path, sizeof path, "llm/vocab/ggml-vocab-%s.gguf.out", name);
    CHECK_INT(hn_file_open(&v.cx, hn_test_data(path), &out), HN_OK);
    char *want = hn_arena_text(v.a, (const char *)out.data, out.len);
    char *text = hn_arena_text(v.a, (const char *)in.data, in.len), *last = text + in.len;
    int bad = 0, count = 0;
    while (text < last) {
        char *end = strstr(text, BREAK);
        bad += compare(&v, name, (hn_text){ text, (size_t)((end ? end : last) - text) }, want);
        count++;
        want += strcspn(want, "\n");
        want += *want == '\n';
        text = end ? end + strlen(BREAK) : last;
    }
    CHECK(count > 40);
    CHECK_INT(bad, 0);
    hn_file_close(&in);
    hn_file_close(&out);
    close_vocab(&v);
}

#define VECTORS(id, name) TEST(vectors_of_##id) { check_vectors(name); }
VECTORS(bert_bge, "bert-bge")
VECTORS(deepseek_coder, "deepseek-coder")
VECTORS(deepseek_llm, "deepseek-llm")
VECTORS(falcon, "falcon")
VECTORS(gpt_2, "gpt-2")
VECTORS(llama_spm, "llama-spm")
VECTORS(mpt, "mpt")
VECTORS(phi_3, "phi-3")
VECTORS(refact, "refact")
VECTORS(starcoder, "starcoder")

/* Whatever the bytes, valid text or not, BPE and SPM give them back.  (Other vocabularies here leave
 * out bytes that valid UTF-8 never has.) */
TEST(every_byte_comes_back)
{
    static const char *const names[] = { "gpt-2", "llama-spm", "phi-3" };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char path[128], text[3000];
        vocab v;
        hn_ids ids;
        uint32_t seed = 1;
        snprintf(path, sizeof path, "llm/vocab/ggml-vocab-%s.gguf", names[k]);
        if (!open_vocab(&v, path))
            return;
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (char)(i < 256 ? i : (seed = seed * 1664525u + 1013904223u) >> 24);
        memcpy(text + 2000, "na\xC3\xAFve \xF0\x9F\x8E\x89  \xE4\xBD\xA0\xE5\xA5\xBD", 19);
        hn_buf back = { 0 };
        CHECK_INT(hn_tok_encode(&v.cx, v.t, (hn_text){ text, sizeof text }, NULL, v.a, &ids), HN_OK);
        CHECK_INT(hn_tok_decode(&v.cx, v.t, ids, false, &back), HN_OK);
        CHECK_INT(back.len, sizeof text);
        CHECK(memcmp(back.data, text, sizeof text) == 0);
        hn_buf_free(&back);
        close_vocab(&v);
    }
}

TEST(special_tokens_only_when_asked)
{
    vocab v;
    hn_ids ids;
    if (!open_vocab(&v, "llm/vocab/ggml-vocab-llama-spm.gguf"))
        return;
    hn_text text = { "</s>", 4 };
    CHECK_INT(hn_tok_encode(&v.cx, v.t, text, &(hn_tok_opts){ .parse_special = true }, v.a, &ids), HN_OK);
    CHECK(ids.count == 1 && ids.id[0] == 2);
    CHECK_INT(hn_tok_encode(&v.cx, v.t, text, &(hn_tok_opts){ .add_special = true }, v.a, &ids), HN_OK);
    CHECK(ids.count > 2 && ids.id[0] == 1 && ids.id[1] != 2);
    CHECK_INT(hn_tok_encode(&v.cx, v.t, text, &(hn_tok_opts){ .tokens_max = 2 }, v.a, &ids), HN_ELIMIT);
    CHECK(hn_tok_is_end(v.t, 2) && !hn_tok_is_end(v.t, 1));
    close_vocab(&v);
}

/* Streaming gives the same text as decoding at once, and only whole characters on the way. */
TEST(streaming_never_splits_a_character)
{
    static const char text[] = "Caf\xC3\xA9 \xF0\x9F\xA6\x99 \xE6\x97\xA5\xE6\x9C\xAC";
    static const char *const names[] = { "gpt-2", "llama-spm" };
    for (size_t k = 0; k < 2; k++) {
        char path[128];
        vocab v;
        hn_ids ids;
        snprintf(path, sizeof path, "llm/vocab/ggml-vocab-%s.gguf", names[k]);
        if (!open_vocab(&v, path))
            return;
        CHECK_INT(hn_tok_encode(&v.cx, v.t, (hn_text){ text, strlen(text) }, NULL, v.a, &ids), HN_OK);
        hn_detok d = { .tok = v.t };
        hn_buf out = { 0 };
        for (size_t i = 0; i < ids.count; i++) {
            hn_detok_add(&d, ids.id[i], &out);
            CHECK(out.len == 0 || ((unsigned char)text[out.len] & 0xC0) != 0x80);
        }
        hn_detok_end(&d, &out);
        CHECK_TEXT(out.data, text);
        hn_buf_free(&out);
        close_vocab(&v);
    }
}

/* The same vocabulary as llama-spm in llama2.c's layout: { float score; int32 len; bytes } per piece. */
TEST(llama2c_tokenizer_gives_the_same_ids)
{
    vocab v;
    hn_file f;
    const char *path = hn_test_data("llm/vocab/llama2c-tokenizer-32k.bin");
    if (!path)
        return;
    char keep[4096];
    snprintf(keep, sizeof keep, "%s", path);
    if (!open_vocab(&v, "llm/vocab/ggml-vocab-llama-spm.gguf"))
        return;
    CHECK_INT(hn_file_open(&v.cx, keep, &f), HN_OK);
    hn_tok_token *token = HN_NEW(v.a, hn_tok_token, 32000);
    size_t at = 4;
    for (int i = 0; i < 32000; i++) {
        int32_t len;
        memcpy(&token[i].score, f.data + at, 4);
        memcpy(&len, f.data + at + 4, 4);
        hn_buf text = { 0 };
        for (int32_t k = 0; k < len; k++)                /* this layout writes U+2581 as a space */
            if (f.data[at + 8 + (size_t)k] == ' ')
                hn_buf_text(&text, "\xE2\x96\x81");
            else
                hn_buf_add(&text, &f.data[at + 8 + (size_t)k], 1);
        token[i].text = (hn_text){ hn_arena_text(v.a, text.data, text.len), text.len };
        token[i].type = i < 3 ? HN_TOK_CONTROL : i < 259 ? HN_TOK_BYTE : HN_TOK_NORMAL;
        hn_buf_free(&text);
        at += 8 + (size_t)len;
    }
    hn_tok_spec s = hn_tok_spec_of(HN_TOK_SPM, NULL);
    hn_tok *t;
    s.token = token;
    s.count = 32000;
    s.unk = 0;
    CHECK_INT(hn_tok_new(&v.cx, &s, &t), HN_OK);
    hn_file in;
    CHECK_INT(hn_file_open(&v.cx, hn_test_data("llm/vocab/ggml-vocab-llama-spm.gguf.inp"), &in), HN_OK);
    hn_text text = { (const char *)in.data, in.len };
    hn_ids a, b;
    CHECK_INT(hn_tok_encode(&v.cx, v.t, text, NULL, v.a, &a), HN_OK);
    CHECK_INT(hn_tok_encode(&v.cx, t, text, NULL, v.a, &b), HN_OK);
    CHECK_INT(a.count, b.count);
    CHECK(memcmp(a.id, b.id, a.count * sizeof *a.id) == 0);
    hn_file_close(&in);
    hn_file_close(&f);
    hn_tok_free(t);
    close_vocab(&v);
}

TEST(stories260k_comes_back)
{
    static const char text[] = "Once upon a time, there was a little girl named Lily.";
    vocab v;
    hn_ids ids;
    hn_buf back = { 0 };
    if (!open_vocab(&v, "llm/stories260k/stories260K-f32.gguf"))
        return;
    hn_tok_opts opt = { .add_special = true };
    CHECK_INT(hn_tok_encode(&v.cx, v.t, (hn_text){ text, strlen(text) }, &opt, v.a, &ids), HN_OK);
    CHECK_INT(ids.id[0], 1);
    CHECK_INT(hn_tok_decode(&v.cx, v.t, ids, false, &back), HN_OK);
    CHECK_TEXT(back.data, text);
    hn_buf_free(&back);
    close_vocab(&v);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* llama2.c checkpoints: a trained one becomes what its GGUF file has. */
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "formats/gguf.h"
#include "llm/convert.h"

static void compare_tokens(const hn_gguf *got, const hn_gguf *want)
{
    hn_ctx cx = { 0 };
    hn_arena *a;
    const hn_text *x, *y;
    const float *sx, *sy;
    size_t n, m;
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    CHECK_INT(hn_gguf_texts(&cx, got, "tokenizer.ggml.tokens", true, a, &x, &n), HN_OK);
    CHECK_INT(hn_gguf_texts(&cx, want, "tokenizer.ggml.tokens", true, a, &y, &m), HN_OK);
    CHECK_INT(n, m);
    for (size_t i = 0; i < n; i++)
        CHECK(x[i].len == y[i].len && memcmp(x[i].ptr, y[i].ptr, x[i].len) == 0);
    CHECK_INT(hn_gguf_f32s(&cx, got, "tokenizer.ggml.scores", true, a, &sx, &n), HN_OK);
    CHECK_INT(hn_gguf_f32s(&cx, want, "tokenizer.ggml.scores", true, a, &sy, &m), HN_OK);
    for (size_t i = 3; i < n; i++)                       /* those before are special */
        CHECK(sx[i] == sy[i]);
    hn_arena_free(a);
}

TEST(a_checkpoint_becomes_the_same_tensors_and_tokens)
{
    char out[64], in[512], tokens[512];
    hn_ctx cx = { 0 };
    hn_convert_opts o = { .tokenizer = tokens };
    hn_convert_report r;
    hn_gguf *got, *want;
    const char *found = hn_test_data("llm/stories260k/stories260K.bin");
    if (!found)
        return;
    snprintf(in, sizeof in, "%s", found);
    snprintf(tokens, sizeof tokens, "%s", hn_test_data("llm/stories260k/tok512.bin"));
    snprintf(out, sizeof out, "/tmp/hone-l2c-%ld.gguf", (long)getpid());
    CHECK_INT(hn_convert_llama2c(&cx, in, out, &o, &r), HN_OK);
    CHECK_INT(hn_gguf_open(&cx, out, &got), HN_OK);
    CHECK_INT(hn_gguf_open(&cx, hn_test_data("llm/stories260k/stories260K-f32.gguf"), &want), HN_OK);
    CHECK_INT(got->tensor_count, want->tensor_count);
    for (size_t i = 0; i < want->tensor_count; i++) {
        const hn_gguf_tensor *w = &want->tensors[i], *g = hn_gguf_tensor_find(got, w->name);
        CHECK(g && g->type == w->type && g->size == w->size);
        assert_memory_equal(g->data, w->data, w->size);
    }
    compare_tokens(got, want);
    hn_gguf_close(want);
    hn_gguf_close(got);
    unlink(out);
}

TEST(other_files_are_no_checkpoints)
{
    uint8_t bytes[64] = { 1 };
    CHECK(!hn_llama2c_probe(bytes, sizeof bytes));
    CHECK(!hn_llama2c_probe(bytes, 0));
    memset(bytes, 0xff, sizeof bytes);
    CHECK(!hn_llama2c_probe(bytes, sizeof bytes));
}

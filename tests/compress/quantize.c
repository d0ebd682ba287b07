/* SPDX-License-Identifier: Apache-2.0 */
/* Quantising whole files: the bytes llama.cpp's quantiser wrote from the same weights, its choices of types, and
 * how much memory it takes. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "compress/quantize.h"
#include "formats/gguf_write.h"
#include "tensor/q_lattice.h"

static const char *temp(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "/tmp/hone-%ld-%s", (long)getpid(), name);
    return path;
}

/* ---- Against recorded files ------------------------------------------------------------------------- */

static void compare(const hn_gguf *got, const hn_gguf *want, const char *name)
{
    CHECK_INT(got->tensor_count, want->tensor_count);
    for (size_t i = 0; i < want->tensor_count; i++) {
        const hn_gguf_tensor *w = &want->tensors[i], *g = hn_gguf_tensor_find(got, w->name);
        CHECK(g != NULL);
        if (g->type != w->type || memcmp(g->data, w->data, w->size) != 0)
            fail_msg("%s, %s: %s, expected %s, or other bytes", name, w->name, hn_qtype_get(g->type)->name,
                     hn_qtype_get(w->type)->name);
    }
}

TEST(every_type_gives_the_bytes_that_llama_cpp_wrote)
{
    static const char *const types[] = { "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K_S", "Q4_K_S",
                                         "Q5_K_S", "Q6_K", "IQ4_NL",
                                         "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4_MOE", "Q1_0", "Q2_0" };
    hn_ctx cx = { 0 };
    hn_imatrix importance;
    hn_gguf *in, *want, *got;
    hn_arena *a;
    const char *found = hn_test_data("llm/tiny-quants/tiny.imatrix.gguf");
    if (!found)
        return;
    CHECK_INT(hn_imatrix_open(&cx, found, &importance), HN_OK);
    CHECK_INT(importance.count, 14);
    CHECK_INT(hn_gguf_open(&cx, hn_test_data("llm/tiny-quants/tiny-f16.gguf"), &in), HN_OK);
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char path[128];
        hn_quantize_report r;
        hn_quantize_opts o = { .mix = { .mix = hn_mix_from_name(types[i]), .pure = true, .importance = true },
                               .importance = &importance };
        snprintf(path, sizeof path, "llm/tiny-quants/tiny-%s.gguf", types[i]);
        CHECK_INT(hn_quantize(&cx, in, temp("q.gguf"), &o, a, &r), HN_OK);
        CHECK_INT(hn_gguf_open(&cx, temp("q.gguf"), &got), HN_OK);
        CHECK_INT(hn_gguf_open(&cx, hn_test_data(path), &want), HN_OK);
        compare(got, want, types[i]);
        hn_gguf_close(want);
        hn_gguf_close(got);
    }
    unlink(temp("q.gguf"));
    hn_arena_free(a);
    hn_gguf_close(in);
    hn_imatrix_close(&cx, &importance);
}

/* Lattice types have no bytes to meet: ours may lose no more than theirs, weighted as both were told to. */
static double weighted_error(const hn_gguf *in, const hn_gguf *out, const hn_imatrix *importance)
{
    double sum = 0;
    static float x[1024], y[1024];
    for (size_t i = 0; i < out->tensor_count; i++) {
        const hn_gguf_tensor *t = &out->tensors[i], *from = hn_gguf_tensor_find(in, t->name);
        const hn_importance *worth = hn_imatrix_find(importance, t->name);
        size_t row = (size_t)t->shape.dim[t->shape.rank - 1];
        if (!hn_q_is_lattice(t->type))
            continue;
        CHECK(from && row <= 1024);
        for (size_t r = 0; r < (size_t)t->shape.dim[0]; r++) {
            hn_q_decode(from->type, (const char *)from->data + r * hn_q_bytes(from->type, row), x, row);
            hn_q_decode(t->type, (const char *)t->data + r * hn_q_bytes(t->type, row), y, row);
            for (size_t k = 0; k < row; k++)
                sum += (worth ? (double)worth->value[k]
                        : 1) * ((double)x[k] - (double)y[k]) * ((double)x[k] - (double)y[k]);
        }
    }
    return sum;
}

TEST(lattice_types_lose_no_more_than_llama_cpp)
{
    static const char *const types[] = { "IQ3_S", "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_S", "IQ1_M" };
    hn_ctx cx = { 0 };
    hn_imatrix importance;
    hn_gguf *in, *want, *got;
    hn_arena *a;
    const char *found = hn_test_data("llm/tiny-quants/tiny.imatrix.gguf");
    if (!found)
        return;
    CHECK_INT(hn_imatrix_open(&cx, found, &importance), HN_OK);
    CHECK_INT(hn_gguf_open(&cx, hn_test_data("llm/tiny-quants/tiny-f16.gguf"), &in), HN_OK);
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char path[128];
        hn_quantize_report r;
        bool mixed = strcmp(types[i], "IQ3_S") && strcmp(types[i], "IQ3_XXS") &&
            strcmp(types[i], "IQ1_M");   /* as the files were made */
        hn_quantize_opts o = { .mix = { .mix = hn_mix_from_name(types[i]), .pure = !mixed, .importance = true,
                                        .embedding = mixed ? HN_QT_Q8_0 : HN_QT_NONE }, .importance = &importance };
        snprintf(path, sizeof path, "llm/tiny-quants/tiny-%s.gguf", types[i]);
        CHECK_INT(hn_quantize(&cx, in, temp("q.gguf"), &o, a, &r), HN_OK);
        CHECK_INT(hn_gguf_open(&cx, temp("q.gguf"), &got), HN_OK);
        CHECK_INT(hn_gguf_open(&cx, hn_test_data(path), &want), HN_OK);
        for (size_t t = 0; t < want->tensor_count; t++)
            CHECK_INT(hn_gguf_tensor_find(got, want->tensors[t].name)->type, want->tensors[t].type);
        double ours = weighted_error(in, got, &importance), theirs = weighted_error(in, want, &importance);
        if (!(ours <= theirs))
            fail_msg("%s: weighted error %g, llama.cpp's %g", types[i], ours, theirs);
        hn_gguf_close(want);
        hn_gguf_close(got);
    }
    unlink(temp("q.gguf"));
    hn_arena_free(a);
    hn_gguf_close(in);
    hn_imatrix_close(&cx, &importance);
}

/* ---- A file of our own ---------------------------------------------------------------------------------- */

typedef struct made { const char *arch; uint32_t layers, width, ffn, heads, kv_heads,
                      experts; bool tied; uint32_t vocab; } made;

static hn_err put(hn_ctx *cx, hn_gguf_writer *w, const char *name, int layer, hn_qtype type, int64_t experts,
                  int64_t rows, int64_t row)
{
    char full[64];
    hn_shape s = { 1, { row } };
    if (rows)
        s = (hn_shape){ 2, { rows, row } };
    if (experts)
        s = (hn_shape){ 3, { experts, rows, row } };
    if (layer < 0)
        snprintf(full, sizeof full, "%s", name);
    else
        snprintf(full, sizeof full, "blk.%d.%s", layer, name);
    return hn_gguf_put_tensor(cx, w, full, type, &s);
}

static void make(hn_ctx *cx, const made *m, const char *path)
{
    static char zeros[1 << 16];
    hn_gguf_writer *w;
    char key[64];
    const struct { const char *key; uint32_t v; } keys[] = {
        { "block_count", m->layers }, { "attention.head_count", m->heads }, { "attention.head_count_kv", m->kv_heads },
        { "expert_count", m->experts },
    };
    size_t total = 0;
    CHECK_INT(hn_gguf_writer_new(cx, path, &w), HN_OK);
    hn_gguf_put_text(w, "general.architecture", (hn_text){ m->arch, strlen(m->arch) });
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(key, sizeof key, "%s.%s", m->arch, keys[i].key);
        hn_gguf_put_u32(w, key, keys[i].v);
    }
    int64_t width = m->width, narrow = width / m->heads * m->kv_heads, ffn = m->ffn, e = m->experts;
    hn_err err = put(cx, w, "token_embd.weight", -1, HN_QT_F16, 0, m->vocab, width);
    for (int l = 0; l < (int)m->layers; l++) {
        err |= put(cx, w, "attn_norm.weight", l, HN_QT_F32, 0, 0, width) | put(cx, w, "attn_q.weight", l, HN_QT_F16,
                                                                               0, width, width) |
               put(cx, w, "attn_k.weight", l, HN_QT_F16, 0, narrow, width) | put(cx, w, "attn_v.weight", l,
                                                                                 HN_QT_F16, 0, narrow, width) |
               put(cx, w, "attn_output.weight", l, HN_QT_F16, 0, width, width);
        err |= put(cx, w, e ? "ffn_up_exps.weight" : "ffn_up.weight", l, HN_QT_F16, e, ffn, width) |
               put(cx, w, e ? "ffn_down_exps.weight" : "ffn_down.weight", l, HN_QT_F16, e, width, ffn);
        total += 4 * (size_t)width + 2 * (size_t)(2 * width * width + 2 * narrow * width + 2 * (e ? e
                                                                                                : 1) * ffn * width);
    }
    total += 2 * (size_t)(m->vocab * width) * (m->tied ? 1 : 2);
    if (!m->tied)
        err |= put(cx, w, "output.weight", -1, HN_QT_F16, 0, m->vocab, width);
    CHECK_INT(err, HN_OK);
    /* Pieces end where tensors do: the writer takes what is left of one at a time. */
    for (size_t done = 0, n = sizeof zeros; done < total;) {
        while (hn_gguf_write(cx, w, zeros, n) != HN_OK)
            n /= 2;
        done += n;
        n = sizeof zeros;
    }
    CHECK_INT(hn_gguf_finish(cx, w), HN_OK);
    hn_gguf_writer_free(w);
}

static hn_qtype type_of(const hn_gguf *g, const hn_qtype *types, const char *name)
{
    const hn_gguf_tensor *t = hn_gguf_tensor_find(g, name);
    CHECK(t != NULL);
    return types[t - g->tensors];
}

static void check_choice(const made *m, hn_mix mix, bool importance, const char *tensor, hn_qtype want)
{
    hn_ctx cx = { 0 };
    hn_gguf *g;
    static hn_qtype types[1024];
    hn_mix_opts o = { .mix = mix, .importance = importance };
    make(&cx, m, temp("m.gguf"));
    CHECK_INT(hn_gguf_open(&cx, temp("m.gguf"), &g), HN_OK);
    CHECK_INT(hn_mix_choose(&cx, g, &o, types), HN_OK);
    hn_qtype got = type_of(g, types, tensor);
    if (got != want)
        fail_msg("%s, %s: %s, expected %s", hn_mix_get(mix)->name, tensor, hn_qtype_get(got)->name,
                 hn_qtype_get(want)->name);
    hn_gguf_close(g);
    unlink(temp("m.gguf"));
}

TEST(mixes_choose_by_place_layer_and_shape)
{
    const made dense = { "llama", 16, 256, 256, 4, 2, 0, false, 32 }, grouped = { "llama", 16, 256, 256, 8, 2, 0,
                                                                                  true, 32 };
    const made experts = { "llama", 8, 256, 256, 8, 2, 8, false, 32 },
        odd = { "llama", 2, 288, 96, 4, 2, 0, false, 32 };
    check_choice(&dense, HN_MIX_Q4_K_M, false, "blk.0.attn_v.weight", HN_QT_Q6_K);          /* the first eighth */
    check_choice(&dense, HN_MIX_Q4_K_M, false, "blk.2.attn_v.weight", HN_QT_Q4_K);
    check_choice(&dense, HN_MIX_Q4_K_M, false, "blk.4.ffn_down.weight", HN_QT_Q6_K);        /* every third */
    check_choice(&dense, HN_MIX_Q4_K_M, false, "blk.15.ffn_down.weight", HN_QT_Q6_K);       /* the last eighth */
    check_choice(&dense, HN_MIX_Q4_K_M, false, "output.weight", HN_QT_Q6_K);
    check_choice(&dense, HN_MIX_Q4_K_M, false, "token_embd.weight", HN_QT_Q4_K);
    check_choice(&grouped, HN_MIX_Q4_K_M, false, "token_embd.weight",
                 HN_QT_Q6_K);          /* serves as the output too */
    check_choice(&dense, HN_MIX_Q4_K_M, false, "blk.0.attn_norm.weight", HN_QT_F32);
    check_choice(&dense, HN_MIX_Q2_K, false, "blk.3.attn_v.weight", HN_QT_Q3_K);
    check_choice(&grouped, HN_MIX_Q2_K, false, "blk.3.attn_v.weight", HN_QT_Q4_K);
    check_choice(&dense, HN_MIX_Q3_K_L, false, "blk.9.attn_output.weight", HN_QT_Q5_K);
    check_choice(&dense, HN_MIX_Q4_0, true, "blk.1.ffn_down.weight", HN_QT_Q4_1);
    check_choice(&dense, HN_MIX_Q4_0, false, "blk.1.ffn_down.weight", HN_QT_Q4_0);
    check_choice(&dense, HN_MIX_IQ4_XS, false, "blk.1.ffn_down.weight", HN_QT_Q5_K);
    check_choice(&dense, HN_MIX_IQ2_M, true, "token_embd.weight", HN_QT_IQ3_S);
    check_choice(&experts, HN_MIX_Q4_K_M, false, "blk.3.attn_k.weight", HN_QT_Q8_0);
    check_choice(&experts, HN_MIX_MXFP4, false, "blk.3.ffn_up_exps.weight", HN_QT_MXFP4);
    check_choice(&experts, HN_MIX_MXFP4, false, "blk.3.attn_q.weight", HN_QT_Q8_0);
    check_choice(&odd, HN_MIX_Q4_K_M, false, "blk.0.attn_q.weight",
                 HN_QT_Q5_0);            /* 288 is no multiple of 256 */
    check_choice(&odd, HN_MIX_Q4_K_M, false, "blk.1.ffn_down.weight", HN_QT_Q8_0);
}

TEST(what_would_be_ruined_or_lost_twice_is_refused_before_anything_is_written)
{
    hn_ctx cx = { 0 };
    hn_gguf *g;
    hn_arena *a;
    hn_quantize_report r;
    const made small = { "llama", 1, 256, 256, 4, 2, 0, false, 32 };
    hn_quantize_opts o = { .mix = { .mix = HN_MIX_Q2_K_S } };
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    make(&cx, &small, temp("a.gguf"));
    CHECK_INT(hn_gguf_open(&cx, temp("a.gguf"), &g), HN_OK);
    CHECK_INT(hn_quantize(&cx, g, "/nowhere/at/all.gguf", &o, a, &r), HN_EARG);
    CHECK(strstr(cx.msg, "--imatrix") != NULL);
    o.mix.mix = HN_MIX_Q8_0;
    CHECK_INT(hn_quantize(&cx, g, "/nowhere/at/all.gguf", &o, a, &r), HN_EIO);
    char *q8 = strdup(temp("q8.gguf"));
    CHECK_INT(hn_quantize(&cx, g, q8, &o, a, &r), HN_OK);
    CHECK(r.after < r.before);
    hn_gguf_close(g);
    CHECK_INT(hn_gguf_open(&cx, q8, &g), HN_OK);
    o.mix.mix = HN_MIX_Q4_0;
    CHECK_INT(hn_quantize(&cx, g, temp("b.gguf"), &o, a, &r), HN_EARG);
    CHECK(strstr(cx.msg, "--requantize") != NULL);
    CHECK(access(temp("b.gguf"), F_OK) != 0);
    hn_gguf_close(g);
    hn_arena_free(a);
    unlink(q8);
    unlink(temp("a.gguf"));
    free(q8);
}

/* A file of 7B shape is this one with more of the same rows. */
TEST(memory_does_not_grow_with_the_file)
{
    hn_ctx cx = { 0 };
    hn_gguf *g;
    hn_arena *a;
    hn_quantize_report r;
    const made big = { "llama", 1, 4096, 4096, 32, 8, 0, true,
                       4096 };      /* 180 MB of F16 zeros, rows as long as 7B's */
    hn_quantize_opts o = { .mix = { .mix = HN_MIX_Q8_0 } };
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    make(&cx, &big, temp("big.gguf"));
    size_t before = hn_private_bytes();
    CHECK_INT(hn_gguf_open(&cx, temp("big.gguf"), &g), HN_OK);
    char *out = strdup(temp("small.gguf"));
    CHECK_INT(hn_quantize(&cx, g, out, &o, a, &r), HN_OK);
    size_t after = hn_private_bytes();
    CHECK(before == 0 || after < before + ((size_t)64 << 20));               /* what was read has left again */
    hn_gguf_close(g);
    hn_arena_free(a);
    unlink(out);
    unlink(temp("big.gguf"));
    free(out);
}

/* ---- Importance -------------------------------------------------------------------------------------------- */

static size_t old_form(uint8_t *p, const char *name, uint32_t calls, const float *v, uint32_t n)
{
    uint32_t head[2] = { 1, (uint32_t)strlen(name) }, tail[2] = { calls, n };
    size_t at = 0;
    memcpy(p, head, 8);
    memcpy(p + 8, name, head[1]);
    at = 8 + head[1];
    memcpy(p + at, tail, 8);
    memcpy(p + at + 8, v, 4 * n);
    return at + 8 + 4 * n;
}

TEST(importance_in_its_older_form_is_divided_by_calls)
{
    hn_ctx cx = { 0 };
    hn_imatrix m;
    _Alignas(8) uint8_t bytes[256];
    const float v[3] = { 2, 4, 6 }, bad[3] = { 1, -1, 1 };
    size_t n = old_form(bytes, "blk.0.attn_q.weight", 2, v, 3);
    CHECK_INT(hn_imatrix_read(&cx, bytes, n, &m), HN_OK);
    const hn_importance *i = hn_imatrix_find(&m, "blk.0.attn_q.weight");
    CHECK(i && i->count == 3 && i->value[0] == 1 && i->value[2] == 3);
    CHECK(hn_imatrix_find(&m, "blk.0.attn_k.weight") == NULL);
    hn_imatrix_close(&cx, &m);
    for (size_t cut = 0; cut < n; cut++)
        CHECK_INT(hn_imatrix_read(&cx, bytes, cut, &m), HN_EFORMAT);
    n = old_form(bytes, "x", 1, bad, 3);
    CHECK_INT(hn_imatrix_read(&cx, bytes, n, &m), HN_EFORMAT);
    CHECK(strstr(cx.msg, "column 1 is worth -1") != NULL);
}

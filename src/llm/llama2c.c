/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints of llama2.c, version 0, to GGUF.
 *
 *     7 numbers   width, ffn, layers, heads, key heads, vocabulary (negative: an output matrix of its own), context
 *     floats      embedding; of all layers: attn_norm, q, k, v, output, ffn_norm, gate, down, up; output_norm;
 *                 two tables of the rotation, which nobody needs; the output matrix
 *
 * q and k turn neighbours, as GGUF's llama does.  Its tokenizer.bin is a list of pieces with scores. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/num.h"
#include "formats/gguf_write.h"
#include "llm/convert.h"
#include "llm/tok.h"

typedef struct shape { uint32_t width, ffn, layers, heads, kv_heads, vocab, context; bool tied; } shape;

static int32_t get32(const uint8_t *p) { return (int32_t)(p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16
                                                          | (uint32_t)p[3] << 24); }

static bool read_shape(const uint8_t *p, size_t len, shape *s)
{
    int32_t v[7];
    for (int i = 0; i < 7 && len >= 28; i++)
        v[i] = get32(p + 4 * i);
    if (len < 28 || v[5] == 0 || v[5] == INT32_MIN)
        return false;
    *s = (shape){ (uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2], (uint32_t)v[3], (uint32_t)v[4],
                  (uint32_t)(v[5] < 0 ? -v[5] : v[5]), (uint32_t)v[6], v[5] > 0 };
    for (int i = 0; i < 7; i++)
        if (i != 5 && (v[i] <= 0 || v[i] > 1 << 20))
            return false;
    return s->vocab <= 1 << 24 && s->layers <= 4096 && s->width % s->heads == 0 && s->heads % s->kv_heads == 0 &&
        s->width / s->heads % 2 == 0;
}

/* The tensors in the file's order.  per_layer: one after the other for all layers. */
static const struct part { const char *name; bool per_layer; } parts[] = {
    { "token_embd.weight", false }, { "attn_norm.weight", true }, { "attn_q.weight", true }, { "attn_k.weight", true },
    { "attn_v.weight", true }, { "attn_output.weight", true }, { "ffn_norm.weight", true }, { "ffn_gate.weight", true },
    { "ffn_down.weight", true }, { "ffn_up.weight", true }, { "output_norm.weight", false }, { NULL, false },
        { "output.weight", false },
};
enum { PARTS = sizeof parts / sizeof *parts };

/* Rows and columns of part i; rows 0: a vector. */
static void size_of(const shape *s, int i, size_t *rows, size_t *cols)
{
    size_t narrow = (size_t)s->width / s->heads * s->kv_heads;
    switch (i) {
    case 0: case 12:        *rows = s->vocab; break;
    case 2: case 5: case 8: *rows = s->width; break;
    case 3: case 4:         *rows = narrow; break;
    case 7: case 9:         *rows = s->ffn; break;
    default:                *rows = 0;
    }
    *cols = i == 8 ? s->ffn : i == 11 ? (size_t)s->context * (s->width / s->heads) : s->width;
}

/* Bytes of the whole file, or SIZE_MAX. */
static size_t file_size(const shape *s)
{
    size_t sum = 7;
    for (int i = 0; i < PARTS; i++) {
        size_t rows, cols;
        size_of(s, i, &rows, &cols);
        if (!(i == 12 && s->tied))
            sum = hn_add(sum, hn_mul(hn_mul(rows ? rows : 1, cols), parts[i].per_layer ? s->layers : 1));
    }
    return hn_mul(sum, 4);
}

bool hn_llama2c_probe(const void *data, size_t len)
{
    shape s;
    return read_shape(data, len, &s) && file_size(&s) == len;
}

/* ---- Tokenizer ------------------------------------------------------------------------------------------ */

/* Pieces have plain spaces there, U+2581 here; the first 259 are special and bytes. */
static hn_err read_piece(hn_ctx *cx, hn_arena *a, const uint8_t *p, size_t len, uint32_t id, hn_text *text,
                         int32_t *type)
{
    char *out = hn_arena_get(a, 3 * len + 1, 1);
    size_t n = 0;
    if (!out)
        return hn_nomem(cx, "a vocabulary");
    for (size_t i = 0; i < len; i++)
        if (p[i] == ' ') {
            memcpy(out + n, "\xE2\x96\x81", 3);
            n += 3;
        } else {
            out[n++] = (char)p[i];
        }
    bool byte = n == 6 && memcmp(out, "<0x", 3) == 0;
    *text = id == 1 ? (hn_text){ "<s>", 3 } : id == 2 ? (hn_text){ "</s>", 4 } : (hn_text){ out, n };
    *type = id == 0 ? HN_TOK_UNKNOWN : id <= 2 ? HN_TOK_CONTROL : byte ? HN_TOK_BYTE : HN_TOK_NORMAL;
    return HN_OK;
}

static hn_err read_pieces(hn_ctx *cx, hn_arena *a, const hn_file *f, uint32_t count, hn_text *text, float *score,
                          int32_t *type)
{
    size_t at = 4;                                       /* the longest piece's length comes first */
    for (uint32_t i = 0; i < count; i++) {
        if (f->len < at || f->len - at < 8)
            return hn_fail(cx, HN_EFORMAT, "the tokenizer ends at piece %u of %u", i, count);
        int32_t len = get32(f->data + at + 4), bits = get32(f->data + at);
        memcpy(&score[i], &bits, 4);
        at += 8;
        if (len < 0 || (size_t)len > f->len - at || score[i] != score[i])
            return hn_fail(cx, HN_EFORMAT, "the tokenizer's piece %u has %d bytes, %zu are left", i, len, f->len - at);
        HN_TRY(read_piece(cx, a, f->data + at, (size_t)len, i, &text[i], &type[i]));
        at += (size_t)len;
    }
    return HN_OK;
}

static hn_err put_tokenizer(hn_ctx *cx, hn_arena *a, hn_gguf_writer *w, const char *path, uint32_t count)
{
    hn_file f;
    hn_text *text = HN_NEW(a, hn_text, count);
    float *score = HN_NEW(a, float, count);
    int32_t *type = HN_NEW(a, int32_t, count);
    if (!text || !score || !type)
        return hn_nomem(cx, "a vocabulary");
    HN_TRY(hn_file_open(cx, path, &f));
    hn_err e = read_pieces(cx, a, &f, count, text, score, type);
    hn_file_close(&f);
    HN_TRY(e);
    hn_gguf_put_text(w, "tokenizer.ggml.model", (hn_text){ "llama", 5 });
    hn_gguf_put_texts(w, "tokenizer.ggml.tokens", text, count);
    hn_gguf_put_f32s(w, "tokenizer.ggml.scores", score, count);
    hn_gguf_put_i32s(w, "tokenizer.ggml.token_type", type, count);
    hn_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 1);
    hn_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", 2);
    hn_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 0);
    return HN_OK;
}

/* ---- Tensors ---------------------------------------------------------------------------------------------- */

static void put_keys(hn_gguf_writer *w, const shape *s)
{
    hn_gguf_put_text(w, "general.architecture", (hn_text){ "llama", 5 });
    hn_gguf_put_u32(w, "llama.context_length", s->context);
    hn_gguf_put_u32(w, "llama.embedding_length", s->width);
    hn_gguf_put_u32(w, "llama.block_count", s->layers);
    hn_gguf_put_u32(w, "llama.feed_forward_length", s->ffn);
    hn_gguf_put_u32(w, "llama.attention.head_count", s->heads);
    hn_gguf_put_u32(w, "llama.attention.head_count_kv", s->kv_heads);
    hn_gguf_put_u32(w, "llama.rope.dimension_count", s->width / s->heads);
    hn_gguf_put_f32(w, "llama.rope.freq_base", 10000);
    hn_gguf_put_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    hn_gguf_put_u32(w, "llama.vocab_size", s->vocab);
}

/* Calls each(arg, name, rows, cols, floats) for every tensor, in the order of the file. */
static hn_err walk(const shape *s, const uint8_t *data, hn_err (*each)(void *, const char *, size_t, size_t,
                                                                       const uint8_t *), void *arg)
{
    const uint8_t *at = data + 28;
    for (int i = 0; i < PARTS - (s->tied ? 1 : 0); i++) {
        size_t rows, cols;
        size_of(s, i, &rows, &cols);
        for (uint32_t l = 0; l < (parts[i].per_layer ? s->layers : 1); l++) {
            char name[64];
            if (parts[i].per_layer)
                snprintf(name, sizeof name, "blk.%u.%s", l, parts[i].name);
            else
                snprintf(name, sizeof name, "%s", parts[i].name ? parts[i].name : "");
            if (parts[i].name)
                HN_TRY(each(arg, name, rows, cols, at));
            at += 4 * (rows ? rows : 1) * cols;
        }
    }
    return HN_OK;
}

typedef struct writing { hn_ctx *cx; hn_gguf_writer *w; hn_qtype type; char *row; hn_convert_report *r; } writing;

static hn_err name_tensor(void *arg, const char *name, size_t rows, size_t cols, const uint8_t *data)
{
    writing *g = arg;
    hn_shape s = rows ? (hn_shape){ 2, { (int64_t)rows, (int64_t)cols } } : (hn_shape){ 1, { (int64_t)cols } };
    (void)data;
    g->r->tensors++;
    g->r->parameters += (rows ? rows : 1) * cols;
    return hn_gguf_put_tensor(g->cx, g->w, name, rows ? g->type : HN_QT_F32, &s);
}

static hn_err write_tensor(void *arg, const char *name, size_t rows, size_t cols, const uint8_t *data)
{
    writing *g = arg;
    hn_qtype type = rows ? g->type : HN_QT_F32;
    (void)name;
    for (size_t r = 0; r < (rows ? rows : 1); r++) {
        hn_q_encode(type, (const float *)(const void *)(data + 4 * r * cols), g->row, cols);
        HN_TRY(hn_gguf_write(g->cx, g->w, g->row, hn_q_bytes(type, cols)));
    }
    hn_file_release(data, 4 * (rows ? rows : 1) * cols);
    return HN_OK;
}

static hn_err convert(hn_ctx *cx, const hn_file *f, const char *path, hn_gguf_writer *w, const hn_convert_opts *o,
                      hn_arena *a, hn_convert_report *r)
{
    shape s;
    if (!read_shape(f->data, f->len, &s) || file_size(&s) != f->len)
        return hn_fail(cx, HN_EFORMAT,
                       "%s: not a llama2.c checkpoint of version 0: its seven numbers do not give %zu bytes", path,
                           f->len);
    writing g = { cx, w, o->type ? o->type : HN_QT_F32, HN_NEW(a, char,
                                                               4 * (size_t)(s.width > s.ffn ? s.width : s.ffn)), r };
    if (!g.row)
        return hn_nomem(cx, "rows to convert");
    put_keys(w, &s);
    if (o->tokenizer)
        HN_TRY(put_tokenizer(cx, a, w, o->tokenizer, s.vocab));
    HN_TRY(walk(&s, f->data, name_tensor, &g));
    HN_TRY(walk(&s, f->data, write_tensor, &g));
    HN_TRY(hn_gguf_finish(cx, w));
    r->bytes = hn_gguf_written(w);
    snprintf(r->arch, sizeof r->arch, "llama");
    return HN_OK;
}

hn_err hn_convert_llama2c(hn_ctx *cx, const char *path, const char *out, const hn_convert_opts *o,
                          hn_convert_report *report)
{
    hn_file f;
    hn_arena *a = NULL;
    hn_gguf_writer *w = NULL;
    hn_convert_report r = { 0 };
    HN_TRY(hn_file_open(cx, path, &f));
    hn_err e = hn_arena_new(cx, 0, &a);
    if (!e)
        e = hn_gguf_writer_new(cx, out, &w);
    if (!e)
        e = convert(cx, &f, path, w, o, a, &r);
    hn_gguf_writer_free(w);
    hn_arena_free(a);
    hn_file_close(&f);
    if (!e)
        *report = r;
    return e;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/gguf.h"

enum { D = 256, FF = 1024, HEAD = 800, RANK = 8, ALIGN = 32, TENSORS_MAX = 256 };

const char *const test_form_name[TEST_FORMS] = { "f32", "f16", "q8", "q8fix", "q4" };
const char *const test_change_name[TEST_CHANGES] = { "base", "head", "sparse1pct", "lora", "full_1e-3", "full_1e-2" };

typedef struct tensor { char name[64]; int rows, columns; } tensor;
typedef struct maker {
    test_form form;
    test_change change;
    tensor t[TENSORS_MAX];
    int count;
    hn_buf info, data;
    uint64_t infos, base, noise;       /* two generators: changed weights begin from the same base */
} maker;

static double uniform(uint64_t *s)
{
    *s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
    return ((double)(*s >> 11) + 0.5) * 0x1p-53;
}

static double gauss(uint64_t *s) { return sqrt(-2 * log(uniform(s))) * cos(6.283185307179586 * uniform(s)); }

static void list(maker *m, test_size size)
{
    static const struct { const char *name; int rows, columns; } part[] = {
        { "attn_q", D, D }, { "attn_k", D, D }, { "attn_v", D, D }, { "attn_output", D, D },
        { "ffn_up", FF, D }, { "ffn_down", D, FF },
    };
    tensor *t = m->t;
    *t++ = (tensor){ "token_embd.weight", size.words, D };
    for (int l = 0; l < size.layers; l++)
        for (int p = 0; p < 6; p++, t++) {
            *t = (tensor){ .rows = part[p].rows, .columns = part[p].columns };
            snprintf(t->name, sizeof t->name, "blk.%d.%s.weight", l, part[p].name);
        }
    *t++ = (tensor){ "output.weight", HEAD, D };
    m->count = (int)(t - m->t);
}

static void change(maker *m, const tensor *t, int index, float *w, double deviation)
{
    size_t n = (size_t)t->rows * (size_t)t->columns;
    double noise = m->change == TEST_LIGHT ? 1e-3 : m->change == TEST_STRONG ? 1e-2 : 0;
    if (noise > 0)
        for (size_t i = 0; i < n; i++)
            w[i] += (float)(noise * deviation * gauss(&m->noise));
    if (m->change == TEST_HEAD && index == m->count - 1)
        for (size_t i = 0; i < n; i++)
            w[i] += (float)(deviation * gauss(&m->noise));
    if (m->change == TEST_SPARSE)
        for (size_t i = 0; i < n / 100; i++)
            w[(size_t)(uniform(&m->noise) * (double)n)] += (float)(0.05 * deviation * gauss(&m->noise));
    if (m->change == TEST_LORA && t->rows == D && t->columns == D && index % 2) {
        float a[D][RANK], b[RANK][D];
        for (int i = 0; i < D * RANK; i++) {
            a[i / RANK][i % RANK] = (float)gauss(&m->noise);
            b[i % RANK][i / RANK] = (float)(0.03 * deviation * gauss(&m->noise));
        }
        for (int r = 0; r < D; r++)
            for (int c = 0; c < D; c++)
                for (int k = 0; k < RANK; k++)
                    w[r * D + c] += a[r][k] * b[k][c];
    }
}

static void put(hn_buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        hn_buf_add(b, &(uint8_t){ (uint8_t)(v >> 8 * i) }, 1);
}

static void put_tensor(maker *m, const char *name, hn_qtype type, int rows, int columns, const void *data, size_t size)
{
    static const char zeros[ALIGN];
    hn_buf_add(&m->data, zeros, (ALIGN - m->data.len % ALIGN) % ALIGN);
    put(&m->info, strlen(name), 8);
    hn_buf_text(&m->info, name);
    put(&m->info, rows > 0 ? 2 : 1, 4);
    put(&m->info, (uint64_t)columns, 8);
    if (rows > 0)
        put(&m->info, (uint64_t)rows, 8);
    put(&m->info, hn_qtype_get(type)->number, 4);
    put(&m->info, m->data.len, 8);
    m->infos++;
    hn_buf_add(&m->data, data, size);
}

static void put_q8(maker *m, const tensor *t, const float *w, const float *from)
{
    size_t n = (size_t)t->rows * (size_t)t->columns;
    int8_t *code = malloc(n);
    float *scale = malloc((size_t)t->rows * sizeof *scale);
    char name[80];
    for (int r = 0; r < t->rows && code && scale; r++) {
        float most = 0;
        for (int c = 0; c < t->columns; c++)
            most = fmaxf(most, fabsf(from[r * t->columns + c]));
        scale[r] = most / 127;
        for (int c = 0; c < t->columns; c++)
            code[r * t->columns + c] = (int8_t)fmaxf(-127, fminf(127, rintf(w[r * t->columns + c] / scale[r])));
    }
    snprintf(name, sizeof name, "%s.scale", t->name);
    put_tensor(m, t->name, HN_QT_I8, t->rows, t->columns, code, n);
    put_tensor(m, name, HN_QT_F32, 0, t->rows, scale, (size_t)t->rows * sizeof *scale);
    free(code);
    free(scale);
}

static void add(maker *m, int index, float *w, float *before)
{
    const tensor *t = &m->t[index];
    size_t n = (size_t)t->rows * (size_t)t->columns;
    double deviation = 1 / sqrt(t->columns) * (0.5 + uniform(&m->base));
    for (size_t i = 0; i < n; i++)
        w[i] = before[i] = (float)(deviation * gauss(&m->base));
    change(m, t, index, w, deviation);
    if (m->form == TEST_Q8 || m->form == TEST_Q8FIX) {
        put_q8(m, t, w, m->form == TEST_Q8 ? w : before);
        return;
    }
    hn_qtype q = m->form == TEST_F32 ? HN_QT_F32 : m->form == TEST_F16 ? HN_QT_F16 : HN_QT_Q4_0;
    size_t size = hn_q_bytes(q, n);
    void *packed = malloc(size);
    if (packed)
        hn_q_encode(q, w, packed, n);
    put_tensor(m, t->name, q, t->rows, t->columns, packed, packed ? size : 0);
    free(packed);
}

bool test_weights(test_size size, test_form form, test_change change_, hn_buf *out)
{
    static const char kind[] = "general.architecture", zeros[ALIGN];
    maker *m = calloc(1, sizeof *m);
    size_t most = (size_t)(size.words > FF ? size.words : FF) * D;
    float *w = malloc(most * sizeof *w), *before = malloc(most * sizeof *before);
    bool ok = m && w && before;
    if (ok) {
        m->form = form;
        m->change = change_;
        m->base = 88172645463325252u;
        m->noise = 0x9E3779B97F4A7C15u + (uint64_t)change_;
        list(m, size);
        for (int i = 0; i < m->count; i++)
            add(m, i, w, before);
        *out = (hn_buf){ 0 };
        hn_buf_text(out, "GGUF");
        put(out, 3, 4), put(out, m->infos, 8), put(out, 1, 8);
        put(out, strlen(kind), 8), hn_buf_text(out, kind), put(out, HN_GGUF_TEXT, 4), put(out, 5, 8);
        hn_buf_text(out, "llama");
        hn_buf_add(out, m->info.data, m->info.len);
        hn_buf_add(out, zeros, (ALIGN - out->len % ALIGN) % ALIGN);
        hn_buf_add(out, m->data.data, m->data.len);
        ok = !out->failed && !m->info.failed && !m->data.failed;
        hn_buf_free(&m->info);
        hn_buf_free(&m->data);
    }
    free(m);
    free(w);
    free(before);
    return ok;
}

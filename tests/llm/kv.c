/* SPDX-License-Identifier: Apache-2.0 */
/* The key-value cache under a stream: smaller types stay near, grouping changes no bit, full is said. */
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "llm/lm.h"
#include "tests/support/alloc.h"

#define MODEL "models/storyteller/storyteller.gguf"
#define TOKENS 70                /* more than two pages */

/* Distances of logits from those with an f32 cache, as shares of their root mean square; with room for
 * another model: f16 0.0056 was measured, q8_0 0.0060, q4_0 0.041.  A small difference in the cache moves
 * activations over the borders of their 8-bit rounding, so f16 is no nearer than q8_0. */
static const struct { hn_qtype type; double bound; } kinds[] = {
    { HN_QT_F16, 0.03 }, { HN_QT_Q8_0, 0.03 }, { HN_QT_Q4_0, 0.2 },
};

static void open_lm(hn_ctx *cx, hn_qtype kv, size_t context, hn_lm *m, hn_stream **s)
{
    hn_lm_opts o = { .kv = kv, .context = context };
    CHECK_INT(hn_lm_open(cx, MODEL, &o, m), HN_OK);
    CHECK_INT(hn_stream_new(cx, m, NULL, s), HN_OK);
}

/* Ids that a text could have: all over the vocabulary, none special. */
static void fill(int32_t *ids, size_t n)
{
    ids[0] = 1;
    for (size_t i = 1; i < n; i++)
        ids[i] = (int32_t)(300 + i * 97 % 3000);
}

/* The last position's logits after TOKENS tokens in groups of `group`.  free() them. */
static float *last_logits(hn_qtype kv, size_t group, size_t *vocab, size_t *bytes)
{
    hn_ctx cx = { 0 };
    hn_lm m;
    hn_stream *s;
    int32_t ids[TOKENS];
    float *logits = NULL;
    fill(ids, TOKENS);
    open_lm(&cx, kv, 0, &m, &s);
    for (size_t i = 0; i < TOKENS; i += group)
        CHECK_INT(hn_stream_read(&cx, s, ids + i, i + group < TOKENS ? group : TOKENS - i, false, &logits), HN_OK);
    float *copy = malloc(m.shape.vocab * sizeof *copy);
    memcpy(copy, logits, m.shape.vocab * sizeof *copy);
    *vocab = m.shape.vocab;
    *bytes = hn_stream_kv_bytes(s);
    hn_stream_free(s);
    hn_lm_close(&m);
    return copy;
}

TEST(a_smaller_cache_stays_near_the_f32_one)
{
    size_t n, bytes, full;
    float *want = last_logits(HN_QT_F32, TOKENS, &n, &full);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        float *got = last_logits(kinds[k].type, TOKENS, &n, &bytes);
        double diff = 0, size = 0;
        for (size_t i = 0; i < n; i++) {
            diff += pow((double)got[i] - (double)want[i], 2);
            size += pow((double)want[i], 2);
        }
        const hn_qtype_info *q = hn_qtype_get(kinds[k].type);
        print_message("%s cache: %.5f of the logits' root mean square, %zu of %zu bytes\n", q->name,
                      sqrt(diff / size), bytes, full);
        CHECK(sqrt(diff / size) <= kinds[k].bound);
        CHECK(bytes >= full / 4 * q->block_size / q->block_count &&
              bytes < full / 4 * q->block_size / q->block_count + 1024);
        free(got);
    }
    free(want);
}

TEST(grouping_changes_no_bit_with_any_cache)
{
    static const hn_qtype all[] = { HN_QT_F32, HN_QT_F16, HN_QT_Q8_0, HN_QT_Q4_0 };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        size_t n, bytes;
        float *whole = last_logits(all[k], TOKENS, &n, &bytes), *single = last_logits(all[k], 1, &n, &bytes);
        float *few = last_logits(all[k], 7, &n, &bytes);
        assert_memory_equal(whole, single, n * sizeof *whole);
        assert_memory_equal(whole, few, n * sizeof *whole);
        free(whole);
        free(single);
        free(few);
    }
}

TEST(a_type_whose_blocks_cross_heads_is_refused)
{
    hn_ctx cx = { 0 };
    hn_kv *kv = NULL;
    hn_kv_opts o = { .layers = 1, .width = 96, .head = 24, .type = HN_QT_Q8_0, .tokens_max = 8 };
    CHECK_INT(hn_kv_new(&cx, &o, &kv), HN_EUNSUP);
    CHECK(strstr(cx.msg, "heads of 24; use f16") != NULL);
    o.type = HN_QT_Q4_0;
    CHECK_INT(hn_kv_new(&cx, &o, &kv), HN_EUNSUP);
    o.head = 32;
    CHECK_INT(hn_kv_new(&cx, &o, &kv), HN_OK);
    hn_kv_free(kv);
}

TEST(a_full_context_says_by_how_much_and_keeps_what_was_read)
{
    hn_ctx cx = { 0 };
    hn_lm m;
    hn_stream *s;
    int32_t ids[40];
    float *logits;
    fill(ids, 40);
    open_lm(&cx, HN_QT_Q8_0, 32, &m, &s);
    CHECK_INT(hn_stream_read(&cx, s, ids, 30, false, &logits), HN_OK);
    CHECK_INT(hn_stream_read(&cx, s, ids, 10, false, &logits), HN_ELIMIT);
    CHECK(strstr(cx.msg, "the context holds 32 tokens; 30 are in it and 10 more do not fit, 8 too many") != NULL);
    CHECK(hn_stream_count(s) == 30 && hn_stream_room(s) == 2);
    CHECK_INT(hn_stream_read(&cx, s, ids, 2, false, &logits), HN_OK);
    CHECK_INT(hn_stream_read(&cx, s, ids, 1, false, &logits), HN_ELIMIT);
    CHECK_INT(hn_stream_ids(s).count, 32);
    hn_stream_free(s);
    hn_lm_close(&m);
}

/* ---- Sharing ------------------------------------------------------------------------------------- */

static float *read_one(hn_ctx *cx, hn_stream *s, int32_t id, size_t vocab)
{
    float *logits = NULL, *copy = malloc(vocab * sizeof *copy);
    hn_err e = hn_stream_read(cx, s, &id, 1, false, &logits);
    if (e)
        print_message("%s\n", cx->msg);
    CHECK_INT(e, HN_OK);
    memcpy(copy, logits, vocab * sizeof *copy);
    return copy;
}

TEST(a_prefix_that_eight_streams_share_is_held_once)
{
    enum { PREFIX = 2000, STREAMS = 8 };
    test_alloc heap = { .fail_count = 0 };
    hn_env env = { .alloc = test_alloc_hook, .alloc_user = &heap };
    hn_ctx cx = { .env = &env };
    hn_lm m;
    hn_stream *s[STREAMS];
    int32_t *ids = malloc(PREFIX * sizeof *ids);
    float *logits;
    fill(ids, PREFIX);
    open_lm(&cx, HN_QT_F16, 2100, &m, &s[0]);
    size_t row = hn_q_bytes(HN_QT_F16, (size_t)m.shape.kv_heads * m.shape.head_size);
    size_t page = 2 * HN_KV_PAGE * m.shape.layers * row + HN_KV_HEAD;
    CHECK_INT(hn_stream_read(&cx, s[0], ids, PREFIX, false, &logits), HN_OK);
    CHECK_INT(hn_stream_kv_bytes(s[0]), (PREFIX + HN_KV_PAGE - 1) / HN_KV_PAGE * page);
    for (size_t i = 1; i < STREAMS; i++)
        CHECK_INT(hn_stream_new(&cx, &m, NULL, &s[i]), HN_OK);
    size_t before = heap.bytes;
    for (size_t i = 1; i < STREAMS; i++)
        CHECK_INT(hn_stream_share(&cx, s[i], s[0], PREFIX), HN_OK);
    CHECK_INT(heap.bytes, before);                         /* not a byte more */

    /* Each goes its own way; the last, half page is copied by whoever writes into it. */
    heap.watched = 0;
    float *mine[STREAMS];
    for (size_t i = 0; i < STREAMS; i++)
        mine[i] = read_one(&cx, s[i], (int32_t)(400 + i % 2), m.shape.vocab);
    size_t all = 0;
    for (size_t i = 0; i < STREAMS; i++) {
        CHECK_INT(memcmp(mine[i], mine[i % 2], m.shape.vocab * sizeof(float)), 0);
        all += hn_stream_kv_bytes(s[i]);
    }
    CHECK(memcmp(mine[0], mine[1], m.shape.vocab * sizeof(float)) != 0);
    size_t once = PREFIX / HN_KV_PAGE * page + STREAMS * page;
    print_message("%d streams with a prefix of %d tokens: %zu bytes, one alone %zu\n", STREAMS, PREFIX, all,
                  PREFIX / HN_KV_PAGE * page + page);
    CHECK(all <= once && all + STREAMS * 100 * 64 >= once);

    hn_stream_free(s[0]);                                  /* who shared it first may go first */
    float *again = read_one(&cx, s[1], 77, m.shape.vocab), *same = read_one(&cx, s[3], 77, m.shape.vocab);
    CHECK_INT(memcmp(again, same, m.shape.vocab * sizeof(float)), 0);
    free(again);
    free(same);
    for (size_t i = 0; i < STREAMS; i++) {
        free(mine[i]);
        if (i)
            hn_stream_free(s[i]);
    }
    hn_lm_close(&m);
    CHECK_INT(heap.blocks, 0);
    free(ids);
}

TEST(sharing_what_is_not_there_is_refused)
{
    hn_ctx cx = { 0 };
    hn_lm m, other;
    hn_stream *s, *t, *u;
    float *logits;
    int32_t ids[40];
    fill(ids, 40);
    open_lm(&cx, HN_QT_F16, 64, &m, &s);
    open_lm(&cx, HN_QT_F16, 64, &other, &u);
    CHECK_INT(hn_stream_new(&cx, &m, NULL, &t), HN_OK);
    CHECK_INT(hn_stream_read(&cx, s, ids, 40, false, &logits), HN_OK);
    CHECK_INT(hn_stream_share(&cx, t, s, 41), HN_EARG);
    CHECK_INT(hn_stream_share(&cx, u, s, 40), HN_EARG);
    CHECK_INT(hn_stream_share(&cx, s, s, 40), HN_EARG);
    CHECK_INT(hn_stream_share(&cx, t, s, 33), HN_OK);
    CHECK_INT(hn_stream_count(t), 33);
    CHECK(memcmp(hn_stream_ids(t).id, ids, 33 * sizeof *ids) == 0);
    float *a = read_one(&cx, t, ids[33], m.shape.vocab);
    hn_stream_trim(s, 33);
    float *b = read_one(&cx, s, ids[33], m.shape.vocab);
    CHECK_INT(memcmp(a, b, m.shape.vocab * sizeof(float)), 0);
    free(a);
    free(b);
    hn_stream_free(s);
    hn_stream_free(t);
    hn_stream_free(u);
    hn_lm_close(&m);
    hn_lm_close(&other);
}

/* ---- Rows ---------------------------------------------------------------------------------------- */

TEST(rows_come_back_as_they_went_in_whichever_way_they_lie)
{
    static const hn_qtype types[] = { HN_QT_F32, HN_QT_F16, HN_QT_Q8_0, HN_QT_Q4_0 };
    enum { WIDTH = 96, LAYERS = 2 };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        hn_ctx cx = { 0 };
        hn_kv *kv, *other;
        hn_kv_opts o = { .layers = LAYERS, .width = WIDTH, .type = types[i], .tokens_max = 128 };
        char encoded[WIDTH * sizeof(float)], *rows = malloc(HN_KV_PAGE * sizeof encoded);
        CHECK_INT(hn_kv_new(&cx, &o, &kv), HN_OK);
        CHECK_INT(hn_kv_new(&cx, &o, &other), HN_OK);
        CHECK_INT(hn_kv_reserve(&cx, kv, TOKENS), HN_OK);
        CHECK_INT(hn_kv_reserve(&cx, other, TOKENS), HN_OK);
        for (size_t t = 0; t < TOKENS; t++)
            for (int at = 0; at < 2 * LAYERS; at++) {
                float row[WIDTH];
                for (size_t e = 0; e < WIDTH; e++)
                    row[e] = (float)((t * 31 + e * 7 + (size_t)at * 5) % 101) - 50;
                hn_kv_put(kv, (size_t)at / 2, at % 2, t, row);
            }
        for (size_t page = 0; page < 3; page++)
            for (int at = 0; at < 2 * LAYERS; at++) {
                size_t n = page == 2 ? TOKENS - 64 : HN_KV_PAGE;
                hn_kv_save(kv, (size_t)at / 2, at % 2, page, n, rows);
                hn_kv_load(other, (size_t)at / 2, at % 2, page, n, rows);
                for (size_t r = 0; r < n; r++) {
                    float row[WIDTH], want[WIDTH], loaded[WIDTH];
                    for (size_t e = 0; e < WIDTH; e++)
                        row[e] = (float)(((page * 32 + r) * 31 + e * 7 + (size_t)at * 5) % 101) - 50;
                    hn_q_encode(types[i], row, encoded, WIDTH);
                    hn_q_decode(types[i], encoded, want, WIDTH);
                    hn_kv_get(kv, (size_t)at / 2, at % 2, page * 32 + r, row);
                    hn_kv_get(other, (size_t)at / 2, at % 2, page * 32 + r, loaded);
                    CHECK(memcmp(row, want, sizeof row) == 0 && memcmp(loaded, want, sizeof row) == 0);
                    CHECK(memcmp(rows + r * kv->row_size, encoded, kv->row_size) == 0);
                }
            }
        free(rows);
        hn_kv_free(kv);
        hn_kv_free(other);
    }
}

/* ---- Windows ------------------------------------------------------------------------------------- */

TEST(windows_give_back_the_pages_they_left_behind)
{
    hn_ctx cx = { 0 };
    hn_kv *kv;
    const uint32_t window[4] = { 100, 0, 64, 0 };
    hn_kv_opts o = { .layers = 4, .width = 32, .type = HN_QT_F32, .tokens_max = 4096, .window = window };
    CHECK_INT(hn_kv_new(&cx, &o, &kv), HN_OK);
    float row[32] = { 1 };
    size_t half = HN_KV_HEAD + 2 * 2 * HN_KV_PAGE * 32 * sizeof(float);          /* of a page: two layers of four */
    for (size_t i = 0; i < 2000; i++) {
        CHECK_INT(hn_kv_reserve(&cx, kv, 1), HN_OK);
        for (size_t layer = 0; layer < 4; layer++)
            hn_kv_put(kv, layer, 0, i, row);
        kv->count++;
    }
    CHECK(hn_kv_bytes(kv) < 63 * half + (356 / HN_KV_PAGE + 3) * half);
    CHECK_INT(hn_kv_trim(kv, 1900), 1900);                /* a little can be taken back */
    CHECK_INT(hn_kv_trim(kv, 1000), 0);                   /* this much cannot: what the window needs is gone */
    CHECK_INT(hn_kv_reserve(&cx, kv, 300), HN_OK);
    for (size_t layer = 0; layer < 4; layer++)
        for (size_t page = 0; page < 9; page++)
            memset(hn_kv_page(kv, layer, 1, page), 2, HN_KV_PAGE * kv->row_size);
    hn_kv_free(kv);
}

TEST(windows_change_no_bit)
{
    static const char *const names[] = { "gemma2", "gemma3", "gpt-oss-mxfp4" };
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        enum { LONG = 700 };
        char path[128];
        float *last[2] = { NULL, NULL };
        size_t bytes[2], vocab = 0;
        snprintf(path, sizeof path, "llm/tiny-archs/%s.gguf", names[k]);
        const char *found = hn_test_data(path);
        for (int keep = 0; keep < 2 && found; keep++) {
            hn_ctx cx = { 0 };
            hn_lm_opts o = { .context = 1024, .kv = HN_QT_F16, .keep_all = keep };
            hn_lm m;
            hn_stream *s;
            int32_t ids[LONG];
            float *logits;
            CHECK_INT(hn_lm_open(&cx, found, &o, &m), HN_OK);
            CHECK_INT(hn_stream_new(&cx, &m, NULL, &s), HN_OK);
            for (int i = 0; i < LONG; i++)
                ids[i] = (int32_t)((3 + i * 7) % (int)m.shape.vocab);
            CHECK_INT(hn_stream_read(&cx, s, ids, LONG - 5, false, &logits), HN_OK);
            for (int i = LONG - 5; i < LONG; i++)
                CHECK_INT(hn_stream_read(&cx, s, ids + i, 1, false, &logits), HN_OK);
            vocab = m.shape.vocab;
            last[keep] = malloc(vocab * sizeof(float));
            memcpy(last[keep], logits, vocab * sizeof(float));
            bytes[keep] = hn_stream_kv_bytes(s);
            hn_stream_free(s);
            hn_lm_close(&m);
        }
        if (!found)
            continue;
        print_message("%s: %zu bytes for %d tokens, %zu without giving back\n", names[k], bytes[0], LONG, bytes[1]);
        CHECK(bytes[0] < bytes[1]);
        CHECK_INT(memcmp(last[0], last[1], vocab * sizeof(float)), 0);
        free(last[0]);
        free(last[1]);
    }
}

/* ---- Files --------------------------------------------------------------------------------------- */

static void check_restored(hn_qtype type)
{
    hn_ctx cx = { 0 };
    hn_lm m;
    hn_stream *s, *t;
    char path[] = "/tmp/hone-kv-XXXXXX";
    int32_t ids[TOKENS];
    float *logits;
    close(mkstemp(path));
    fill(ids, TOKENS);
    open_lm(&cx, type, 128, &m, &s);
    CHECK_INT(hn_stream_new(&cx, &m, NULL, &t), HN_OK);
    CHECK_INT(hn_stream_read(&cx, s, ids, TOKENS, false, &logits), HN_OK);
    CHECK_INT(hn_stream_save(&cx, s, path), HN_OK);
    CHECK_INT(hn_stream_read(&cx, t, ids, 5, false, &logits), HN_OK);          /* is replaced */
    hn_err e = hn_stream_load(&cx, t, path);
    if (e)
        print_message("%s\n", cx.msg);
    CHECK_INT(e, HN_OK);
    CHECK_INT(hn_stream_count(t), TOKENS);
    CHECK(memcmp(hn_stream_ids(t).id, ids, sizeof ids) == 0);
    float *a = read_one(&cx, s, 500, m.shape.vocab), *b = read_one(&cx, t, 500, m.shape.vocab);
    CHECK_INT(memcmp(a, b, m.shape.vocab * sizeof(float)), 0);
    free(a);
    free(b);
    hn_stream_free(s);
    hn_stream_free(t);
    hn_lm_close(&m);
    unlink(path);
}

TEST(what_is_saved_comes_back_bit_by_bit)
{
    check_restored(HN_QT_F32);
    check_restored(HN_QT_F16);
    check_restored(HN_QT_Q8_0);
}

TEST(a_damaged_or_foreign_file_is_refused_and_changes_nothing)
{
    hn_ctx cx = { 0 };
    hn_lm m, small, q8;
    hn_stream *s, *t, *u;
    char path[] = "/tmp/hone-kv-XXXXXX";
    int32_t ids[40];
    float *logits;
    hn_file f;
    close(mkstemp(path));
    fill(ids, 40);
    open_lm(&cx, HN_QT_F16, 64, &m, &s);
    open_lm(&cx, HN_QT_F16, 32, &small, &t);
    open_lm(&cx, HN_QT_Q8_0, 64, &q8, &u);
    CHECK_INT(hn_stream_read(&cx, s, ids, 40, false, &logits), HN_OK);
    CHECK_INT(hn_stream_save(&cx, s, path), HN_OK);
    CHECK_INT(hn_stream_load(&cx, t, path), HN_ELIMIT);
    CHECK(strstr(cx.msg, "8 too many") != NULL);
    CHECK_INT(hn_stream_load(&cx, u, path), HN_EFORMAT);
    CHECK(strstr(cx.msg, "another type of cache; this one is Q8_0") != NULL);
    CHECK_INT(hn_stream_load(&cx, s, MODEL), HN_EFORMAT);
    CHECK_INT(hn_stream_load(&cx, s, "nowhere"), HN_EIO);

    CHECK_INT(hn_file_open(&cx, path, &f), HN_OK);
    char *copy = malloc(f.len);
    for (size_t at = 0; at < f.len; at += at < 300 ? 1 : 997) {
        memcpy(copy, f.data, f.len);
        copy[at] ^= 0x41;
        hn_err e = hn_stream_load_memory(&cx, s, copy, f.len);
        if (e == HN_OK && !(at >= 36 && at < 40))          /* a field that is reserved */
            print_message("byte %zu of the file is not looked at\n", at);
        CHECK(e != HN_OK || (at >= 36 && at < 40));
        CHECK_INT(hn_stream_count(s), 40);
    }
    for (size_t len = 0; len < f.len; len += len < 100 ? 1 : 4999)
        CHECK_INT(hn_stream_load_memory(&cx, s, f.data, len), HN_EFORMAT);
    CHECK_INT(hn_stream_load_memory(&cx, s, f.data, f.len), HN_OK);
    free(copy);
    hn_file_close(&f);
    hn_stream_free(s);
    hn_stream_free(t);
    hn_stream_free(u);
    hn_lm_close(&m);
    hn_lm_close(&small);
    hn_lm_close(&q8);
    unlink(path);
}

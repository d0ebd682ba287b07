/* SPDX-License-Identifier: Apache-2.0 */
/* The key-value cache under a stream: smaller types stay near, grouping changes no bit, full is said. */
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>

#include "llm/lm.h"

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
        print_message("%s cache: %.5f of the logits' root mean square, %zu of %zu bytes\n", q->name, sqrt(diff / size), bytes, full);
        CHECK(sqrt(diff / size) <= kinds[k].bound);
        CHECK_INT(bytes, full / 4 * q->block_size / q->block_count);
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

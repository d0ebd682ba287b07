/* SPDX-License-Identifier: Apache-2.0 */
/* Several streams in one pass over the weights: each has the bits it would have alone. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm/lm.h"

enum { STREAMS = 5, STEPS = 40 };

static int32_t token(size_t stream, size_t at, uint32_t vocab) { return (int32_t)((stream * 7919 + at * 104729 + 3) % vocab); }

/* Texts of different lengths, one by one and together. */
static void check_model(const hn_lm *m, hn_pool *pool)
{
    hn_ctx cx = { 0 };
    hn_stream *alone[STREAMS], *beside[STREAMS];
    float *one, *all[STREAMS];
    for (size_t i = 0; i < STREAMS; i++) {
        CHECK_INT(hn_stream_new(&cx, m, pool, &alone[i]), HN_OK);
        CHECK_INT(hn_stream_new(&cx, m, pool, &beside[i]), HN_OK);
        for (size_t t = 0; t < 1 + 17 * i; t++) {
            int32_t id = token(i, t, m->shape.vocab);
            CHECK_INT(hn_stream_read(&cx, alone[i], &id, 1, false, &one), HN_OK);
            CHECK_INT(hn_stream_read(&cx, beside[i], &id, 1, false, &one), HN_OK);
        }
    }
    for (size_t t = 0; t < STEPS; t++) {
        size_t count = 1 + t % STREAMS;                     /* more and fewer, as they come and go */
        int32_t ids[STREAMS];
        for (size_t i = 0; i < count; i++)
            ids[i] = token(i, 200 + t, m->shape.vocab);
        CHECK_INT(hn_stream_read_each(&cx, beside, ids, count, all), HN_OK);
        for (size_t i = 0; i < count; i++) {
            CHECK_INT(hn_stream_read(&cx, alone[i], ids + i, 1, false, &one), HN_OK);
            CHECK(memcmp(one, all[i], m->shape.vocab * sizeof *one) == 0);
            CHECK_INT(hn_stream_count(beside[i]), hn_stream_count(alone[i]));
        }
    }
    for (size_t i = 0; i < STREAMS; i++) {
        hn_stream_free(alone[i]);
        hn_stream_free(beside[i]);
    }
}

TEST(streams_read_together_what_each_reads_alone)
{
    static const char *const names[] = { "llama-yarn", "qwen3", "gemma2", "gpt-oss-mxfp4", "mixtral", "mamba" };
    static const hn_qtype caches[] = { HN_QT_F16, HN_QT_F32, HN_QT_Q8_0 };
    hn_ctx cx = { 0 };
    hn_pool *pool;
    CHECK_INT(hn_pool_new(&cx, 2, &pool), HN_OK);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        for (size_t c = 0; c < sizeof caches / sizeof *caches; c++) {
            char path[128];
            hn_lm m;
            snprintf(path, sizeof path, "llm/tiny-archs/%s.gguf", names[k]);
            const char *found = hn_test_data(path);
            if (!found || hn_lm_open(&cx, found, &(hn_lm_opts){ .kv = caches[c], .context = 256 }, &m) != HN_OK)
                continue;
            if (caches[c] != HN_QT_Q8_0 || m.shape.head_size % 32 == 0)
                check_model(&m, pool);
            hn_lm_close(&m);
        }
    hn_pool_free(pool);
}

TEST(what_does_not_go_together_is_refused_and_nothing_is_read)
{
    const char *found = hn_test_data("llm/tiny-archs/llama-yarn.gguf");
    hn_ctx cx = { 0 };
    hn_lm m, other;
    hn_stream *s[3];
    float *logits[3];
    const int32_t ids[3] = { 1, 2, 3 }, wrong[3] = { 1, 2, -1 };
    if (!found)
        return;
    CHECK_INT(hn_lm_open(&cx, found, &(hn_lm_opts){ .context = 4 }, &m), HN_OK);
    CHECK_INT(hn_lm_open(&cx, found, &(hn_lm_opts){ .context = 4 }, &other), HN_OK);
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(hn_stream_new(&cx, i == 2 ? &other : &m, NULL, &s[i]), HN_OK);
    CHECK_INT(hn_stream_read_each(&cx, s, ids, 0, logits), HN_EARG);
    CHECK_INT(hn_stream_read_each(&cx, s, ids, 3, logits), HN_EARG);                     /* of another model */
    CHECK_INT(hn_stream_read_each(&cx, (hn_stream *[]){ s[0], s[0] }, ids, 2, logits), HN_EARG);
    CHECK_INT(hn_stream_read_each(&cx, s, wrong + 1, 2, logits), HN_EARG);               /* no such token */
    CHECK_INT(hn_stream_read(&cx, s[1], (int32_t[]){ 1, 2, 3, 4 }, 4, false, &logits[0]), HN_OK);
    CHECK_INT(hn_stream_read_each(&cx, s, ids, 2, logits), HN_ELIMIT);                   /* the second one is full */
    CHECK_INT(hn_stream_count(s[0]), 0);
    CHECK_INT(hn_stream_count(s[1]), 4);
    for (size_t i = 0; i < 3; i++)
        hn_stream_free(s[i]);
    hn_lm_close(&m);
    hn_lm_close(&other);
}

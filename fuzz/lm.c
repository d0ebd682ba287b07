/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a language model's file: refused with words, or a graph that reads three tokens (or, for an encoder,
 * makes a vector of them). */
#include "fuzz/fuzz.h"

#include <string.h>

#include "llm/embed.h"

static void use(hn_ctx *cx, const hn_lm *m)
{
    const int32_t ids[3] = { 0, 1, 0 };
    float *logits;
    hn_stream *s;
    hn_embedder *e;
    if (m->shape.encoder) {
        if (hn_embedder_new(cx, m, NULL, &e) != HN_OK)
            return;
        float *v = hn_alloc(cx, (hn_embedder_width(e) + 1) * sizeof *v);
        if (v)
            hn_embed(cx, e, (hn_ids){ ids, 3 }, v);
        hn_free(cx, v);
        hn_embedder_free(e);
        return;
    }
    if (hn_stream_new(cx, m, NULL, &s) != HN_OK)
        return;
    hn_stream_read(cx, s, ids, 2, false, &logits);
    hn_stream_read(cx, s, ids, 1, false, &logits);
    hn_stream_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_lm_opts o = { .context = 8, .kv = HN_QT_F32 };
    hn_lm m;
    void *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    if (hn_lm_open_memory(&cx, copy, len, &o, &m) == HN_OK) {
        use(&cx, &m);
        hn_lm_close(&m);
    } else if (!cx.msg[0]) {
        abort();
    }
    free(copy);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an adapter for the storyteller: refused with words, or put to use. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "llm/lm.h"

static void use(hn_ctx *cx, const hn_lm *m, const hn_lora *l)
{
    hn_stream *s;
    float *logits;
    int32_t id = 7;
    if (hn_stream_new(cx, m, NULL, &s))
        return;
    if (hn_stream_adapt(cx, s, &(hn_lora_use){ l, 0.5f }, 1) == HN_OK)
        hn_stream_read(cx, s, &id, 1, false, &logits);
    hn_stream_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static hn_lm m;
    static bool open;
    hn_ctx cx = { 0 };
    hn_lora l;
    hn_lm_opts o = { .context = 8 };
    if (!open && hn_lm_open(&cx, "models/storyteller/storyteller.gguf", &o, &m))
        abort();
    open = true;
    if (len > 1 << 16)
        return 0;
    void *copy = malloc(len ? len : 1);          /* aligned, and with its end in sight of the sanitizer */
    memcpy(copy, data, len);
    if (hn_lora_open_memory(&cx, copy, len, m.file, &l) == HN_OK) {
        use(&cx, &m, &l);
        hn_lora_close(&l);
    } else if (!cx.msg[0]) {
        abort();
    }
    free(copy);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a GGUF file: opened or refused with words, and what opens decodes to its last block.
 *
 *     clang -fsanitize=fuzzer,address,undefined ... fuzz/gguf.c */
#include <stdlib.h>
#include <string.h>

#include "formats/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void use(const hn_gguf *g)
{
    hn_ctx cx = { 0 };
    hn_arena *a;
    const hn_text *texts;
    const int64_t *ints;
    const float *floats;
    int64_t i;
    size_t count;

    for (size_t t = 0; t < g->tensor_count; t++) {
        float x[HN_Q_BLOCK_MAX];
        size_t block = hn_qtype_get(g->tensors[t].type)->block_count;
        hn_gguf_floats(&g->tensors[t], hn_shape_count(&g->tensors[t].shape) - block, block, x);
        if (hn_gguf_tensor_find(g, g->tensors[t].name) != &g->tensors[t])
            abort();
    }
    if (hn_arena_new(&cx, 64 << 20, &a))
        return;
    for (size_t v = 0; v < g->value_count; v++) {
        hn_gguf_i64(&cx, g, g->values[v].key, NULL, &i);
        hn_gguf_texts(&cx, g, g->values[v].key, true, a, &texts, &count);
        hn_gguf_i64s(&cx, g, g->values[v].key, true, a, &ints, &count);
        hn_gguf_f32s(&cx, g, g->values[v].key, true, a, &floats, &count);
        hn_arena_reset(a);
    }
    hn_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    hn_ctx cx = { 0 };
    hn_gguf *g;
    void *copy = malloc(len ? len : 1);          /* aligned, and with its end in sight of the sanitizer */
    memcpy(copy, data, len);
    if (hn_gguf_open_memory(&cx, copy, len, &g) == HN_OK) {
        use(g);
        hn_gguf_close(g);
    } else if (!cx.msg[0]) {
        abort();
    }
    free(copy);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a safetensors file: opened or refused with words; what opens decodes to its last element. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "llm/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_safetensors s;
    uint8_t *copy = malloc(len ? len : 1);       /* with its end in sight of the sanitizer */
    memcpy(copy, data, len);
    if (hn_safetensors_read(&cx, copy, len, &s) == HN_OK) {
        for (size_t i = 0; i < s.count; i++) {
            float x;
            size_t n = hn_shape_count(&s.tensor[i].shape);
            if (n)
                hn_st_decode(&cx, &s.tensor[i], n - 1, 1, &x);
            if (hn_safetensors_find(&s, s.tensor[i].name) != &s.tensor[i])
                abort();
        }
        hn_safetensors_close(&s);
    } else if (!cx.msg[0]) {
        abort();
    }
    free(copy);
    return 0;
}

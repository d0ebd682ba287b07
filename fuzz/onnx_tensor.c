/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a TensorProto file; what is read must be readable to its last byte. */
#include "fuzz/fuzz.h"

#include "formats/onnx_data.h"

static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit, .tensor_bytes_max = FUZZ_BYTES_MAX };
    hn_ctx cx = { .env = &env };
    hn_arena *a;
    hn_tensor t;
    if (hn_arena_new(&cx, 0, &a))
        return 0;
    if (hn_onnx_read_value(&cx, data, len, HN_NONE, a, &t, NULL) == HN_OK) {
        for (size_t i = 0; i < hn_bytes(&t); i++)
            sink = ((const uint8_t *)t.data)[i];
    }
    hn_arena_free(a);
    if (limit.used)
        abort();
    return 0;
}

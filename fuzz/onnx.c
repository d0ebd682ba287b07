/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ONNX model: probe, read, verify, infer, close. */
#include "fuzz/fuzz.h"

#include "formats/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit, .tensor_bytes_max = FUZZ_BYTES_MAX };
    hn_ctx cx = { .env = &env };
    hn_source s;
    if (hn_source_open_memory(&cx, data, len, &s) == HN_OK)
        hn_source_close(&cx, &s);
    else if (!*cx.msg)
        abort();                         /* every error has words */
    if (limit.used)
        abort();                         /* and gives everything back */
    return 0;
}

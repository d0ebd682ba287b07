/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -lcrypto */
/* Any bytes as a recording: what is read is written and comes back alike. */
#include "fuzz/fuzz.h"

#include "fleet/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit, .tensor_bytes_max = FUZZ_BYTES_MAX };
    hn_ctx cx = { .env = &env };
    hn_arena *a;
    hn_tensors t, again;
    hn_buf b = { .cx = &cx };
    bool nan;
    if (hn_arena_new(&cx, 0, &a))
        return 0;
    if (hn_tensors_read(&cx, data, len, a, &t) == HN_OK && hn_tensors_write(&cx, &t, &b) == HN_OK) {
        hn_err e = hn_tensors_read(&cx, b.data ? b.data : "", b.len, a, &again);
        if (e ? e != HN_ENOMEM && e != HN_ELIMIT : again.count != t.count)
            abort();
        if (!e)
            hn_tensors_agree(&again, &t, 0, 0, &nan);
    }
    hn_buf_free(&b);
    hn_arena_free(a);
    if (limit.used)
        abort();
    return 0;
}

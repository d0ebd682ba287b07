/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a .npy file; what is read is written and must come back alike. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "formats/npy.h"

static void round_trip(hn_ctx *cx, const hn_tensor *t, hn_arena *a)
{
    hn_buf b = { .cx = cx };
    hn_tensor again;
    hn_err e = hn_npy_write(cx, t, &b);
    if (!e)
        e = hn_npy_read(cx, b.data, b.len, a, &again);
    if (e && e != HN_ENOMEM && e != HN_ELIMIT)
        abort();
    if (!e && (again.dtype != t->dtype || !hn_shape_equal(&again.shape, &t->shape) ||
               (t->dtype != HN_STR && hn_bytes(t) && memcmp(again.data, t->data, hn_bytes(t)) != 0)))
        abort();
    hn_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit, .tensor_bytes_max = FUZZ_BYTES_MAX };
    hn_ctx cx = { .env = &env };
    hn_arena *a;
    hn_tensor t;
    if (hn_arena_new(&cx, 0, &a))
        return 0;
    if (hn_npy_read(&cx, data, len, a, &t) == HN_OK)
        round_trip(&cx, &t, a);
    hn_arena_free(a);
    if (limit.used)
        abort();
    return 0;
}

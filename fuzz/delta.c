/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -lcrypto -lzstd */
/* Any bytes as a delta.  Hashes would stop nearly all of them at the door, so they are made right first: the
 * header gets the length and hash of a base that is always the same. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "fleet/delta_impl.h"

typedef struct counted { uint64_t made, most; } counted;

static hn_err count(void *user, hn_ctx *cx, const void *data, size_t len)
{
    counted *c = user;
    (void)cx, (void)data;
    c->made += len;
    if (c->made > c->most)
        abort();                      /* more than the header says: a bomb */
    return HN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t base[4096];
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    const hn_file old = { base, sizeof base };
    hn_delta_info info;
    for (size_t i = 0; i < sizeof base; i++)
        base[i] = (uint8_t)(i * 7 + i / 256);
    uint8_t *delta = malloc(len + 1);
    if (!delta)
        return 0;
    if (len)
        memcpy(delta, data, len);
    if (len >= HN_DELTA_HEAD) {
        memcpy(delta, "HDLT\1\0\0\0", 8);
        hn_le64_put(delta + 8, sizeof base);
        hn_sha256(&cx, base, sizeof base, delta + 24);
    }
    if (hn_delta_read(&cx, delta, len, &info) == HN_OK && info.new_length <= FUZZ_BYTES_MAX) {
        counted c = { 0, info.new_length };
        hn_delta_apply(&cx, delta, len, &old, 1 << 20, count, &c);
    }
    free(delta);
    if (limit.used)
        abort();
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/digest.h"

#include <string.h>

hn_err hn_digest_of(hn_ctx *cx, const void *data, size_t len, hn_digest *out)
{
    return hn_sha256(cx, data, len, out->byte);
}

hn_err hn_digest_of_file(hn_ctx *cx, const char *path, hn_digest *out, uint64_t *length)
{
    uint8_t sum[HN_HASH_MAX];
    HN_TRY(hn_hash_file(cx, HN_SHA256, path, 0, UINT64_MAX, sum, length));
    memcpy(out->byte, sum, sizeof out->byte);
    return HN_OK;
}

hn_err hn_digest_end(hn_hasher *h, hn_digest *out)
{
    uint8_t sum[HN_HASH_MAX];
    HN_TRY(hn_hasher_end(h, sum));
    memcpy(out->byte, sum, sizeof out->byte);
    return HN_OK;
}

hn_digest_text hn_digest_hex(const hn_digest *d)
{
    hn_digest_text t;
    hn_hex(d->byte, sizeof d->byte, t.text);
    return t;
}

bool hn_digest_from_hex(const char *text, hn_digest *out)
{
    const size_t digits = 2 * sizeof out->byte;
    return text && strlen(text) == digits && strspn(text, "0123456789abcdef") == digits &&
           hn_unhex(text, digits, out->byte);
}

bool hn_digest_equal(const hn_digest *a, const hn_digest *b) { return memcmp(a->byte, b->byte, sizeof a->byte) == 0; }

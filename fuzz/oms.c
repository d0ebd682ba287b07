/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -lgnutls -lcrypto */
/* Any bytes as a model's signature: refused with words, or well formed; and never one of ours. */
#include "fleet/oms.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t seed[32] = { 1 };
    static const char trusted[] = "{\"tlogs\":[],\"certificateAuthorities\":[]}";
    hn_ctx cx = { 0 };
    hn_oms b;
    hn_key *key;
    if (hn_oms_parse(&cx, "fuzz", (const char *)data, len, &b)) {
        if (!cx.msg[0])
            abort();
        return 0;
    }
    if (hn_key_from_seed(&cx, HN_KEY_ED25519, seed, &key))
        abort();
    hn_oms_trust t = { .key = key, .roots_pem = "-----BEGIN CERTIFICATE-----\n", .sigstore = trusted, .identity = "a", .issuer = "b" };
    if (hn_oms_check_signature(&cx, &b, &t) == HN_OK)
        abort();
    hn_key_free(key);
    hn_oms_free(&b);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -lgnutls -lcrypto */
/* Any bytes as a key file, in PEM or DER: refused with words, or a key that can be written and compared. */
#include <string.h>

#include "fleet/key.h"
#include "fuzz/fuzz.h"

static int answer(void *user, const char *what, char *out, int cap)
{
    (void)user;
    (void)what;
    (void)cap;
    out[0] = 'x';
    return 1;
}

static void use(hn_key *k)
{
    hn_ctx cx = { 0 };
    hn_buf pem = { 0 };
    hn_key *again;
    if (hn_key_public_pem(&cx, k, &pem) == HN_OK && hn_key_from_pem(&cx, "again", pem.data, pem.len, NULL, &again) == HN_OK) {
        if (!hn_key_equal(k, again))
            abort();
        hn_key_free(again);
    }
    hn_key_verify(&cx, k, "text", 4, "signature", 9);
    hn_buf_free(&pem);
    hn_key_free(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    hn_ctx cx = { 0 };
    hn_ask ask = { answer, NULL };
    hn_key *k;
    if (memmem(data, len, "ENCRYPTED", 9) && len > 2000)     /* a passphrase costs time on purpose */
        return 0;
    if (hn_key_from_pem(&cx, "fuzz", (const char *)data, len, &ask, &k) == HN_OK)
        use(k);
    else if (!cx.msg[0])
        abort();
    if (hn_key_from_der(&cx, data, len, &k) == HN_OK)
        use(k);
    return 0;
}

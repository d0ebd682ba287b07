/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -lcrypto */
/* Any bytes as JSON that is signed: refused with words, or its canonical form is a fixed point: read again
 * it gives the same value and the same bytes. */
#include <string.h>

#include "fleet/json.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    hn_ctx cx = { 0 };
    json_t *v, *again;
    hn_buf one = { 0 }, two = { 0 };
    if (hn_json_parse(&cx, "fuzz", (const char *)data, len, &v)) {
        if (!cx.msg[0])
            abort();
        return 0;
    }
    if (hn_json_canonical(&cx, v, &one))
        abort();
    /* Control characters stand bare in the canonical form and are no JSON: only without them is it read again. */
    bool bare = false;
    for (size_t i = 0; i < one.len; i++)
        bare = bare || (unsigned char)one.data[i] < 32;
    if (!bare) {
        if (hn_json_parse(&cx, "canonical", one.data, one.len, &again) || !json_equal(v, again) ||
            hn_json_canonical(&cx, again, &two) || one.len != two.len || memcmp(one.data, two.data, one.len) != 0)
            abort();
        json_decref(again);
    }
    hn_buf_free(&one);
    hn_buf_free(&two);
    json_decref(v);
    return 0;
}

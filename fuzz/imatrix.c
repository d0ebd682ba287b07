/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an importance matrix of either form: read or refused with words; what is read is finite. */
#include "fuzz/fuzz.h"

#include <math.h>
#include <string.h>

#include "compress/imatrix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_imatrix m;
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    if (hn_imatrix_read(&cx, copy, len, &m) == HN_OK) {
        for (size_t i = 0; i < m.count; i++) {
            const hn_importance *e = hn_imatrix_find(&m, m.entry[i].name);
            for (size_t k = 0; e && k < e->count; k++)
                if (!(e->value[k] >= 0) || isinf(e->value[k]))
                    abort();
            if (!e)
                abort();
        }
        hn_imatrix_close(&cx, &m);
    } else if (!cx.msg[0]) {
        abort();
    }
    free(copy);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any lines as a cache of timings, behind the title of this engine: read, looked up. */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/planfile.h"
#include "runtime/timings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_timings *t;
    char title[128], *text = malloc(len + sizeof title);
    size_t n = (size_t)snprintf(title, sizeof title, "hone timings 1 %s\n", hn_engine_id());
    memcpy(text, title, n);
    memcpy(text + n, data, len);
    if (hn_timings_new(&cx, &t) == HN_OK) {
        hn_timings_parse(&cx, "fuzz", text, n + len, t);
        for (size_t i = 0; i < t->count; i++)
            if (!hn_timings_find(t, t->t[i].key))
                abort();
        hn_timings_free(&cx, t);
    }
    free(text);
    if (limit.used)
        abort();
    return 0;
}

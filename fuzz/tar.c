/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -lcrypto */
/* Any bytes as an archive: every file that is found lies inside it, under a name that stays inside. */
#include "fuzz/fuzz.h"

#include "fleet/manifest.h"
#include "fleet/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_arena *a;
    hn_tar t;
    if (hn_arena_new(&cx, 0, &a))
        return 0;
    if (hn_tar_read(&cx, data, len, a, &t) == HN_OK)
        for (size_t i = 0; i < t.count; i++) {
            if (!hn_package_path_ok(t.file[i].path) || hn_tar_find(&t, t.file[i].path) != &t.file[i])
                abort();
            for (size_t k = 0; k < t.file[i].size; k++)
                (void)*(const volatile uint8_t *)&t.file[i].data[k];
        }
    hn_arena_free(a);
    if (limit.used)
        abort();
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -lcrypto */
/* Any bytes as a package's manifest: what is accepted keeps every rule. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "fleet/manifest.h"

static void check(const hn_manifest *m)
{
    if (!hn_name_ok(m->name) || m->build == 0 || m->build > HN_BUILD_MAX || m->file_count == 0 ||
        !hn_manifest_role(m, "model"))
        abort();
    for (size_t i = 0; i < m->file_count; i++)
        if (!hn_package_path_ok(m->file[i].path) || strstr(m->file[i].path, "..") == m->file[i].path ||
            hn_manifest_file(m, m->file[i].path) != &m->file[i])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_arena *a;
    hn_manifest m;
    hn_reason why = HN_WHY_NONE;
    const hn_device device = { "1.0.0", "x86_64", " avx2 ", " cpu ", 1 << 30, 1 << 30 };
    if (hn_arena_new(&cx, 0, &a))
        return 0;
    if (hn_manifest_read(&cx, data, len, a, &m) == HN_OK) {
        check(&m);
        hn_manifest_fits(&cx, &m, &device, &why);
    }
    hn_arena_free(a);
    if (limit.used)
        abort();
    return 0;
}

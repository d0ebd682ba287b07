/* SPDX-License-Identifier: Apache-2.0 */
/* libs: -lgnutls -lcrypto */
/* Any bytes as a signed file of The Update Framework: refused with words, or well formed; and signed by
 * nobody, unless the file brings its own keys. */
#include "fleet/tuf_meta.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const none = "{\"keyids\":[],\"threshold\":1}";
    hn_ctx cx = { 0 };
    hn_tuf_meta m;
    if (len < 1)
        return 0;
    hn_tuf_type type = (hn_tuf_type)(data[0] % HN_TUF_TYPES);
    if (hn_tuf_meta_parse(&cx, "fuzz", data + 1, len - 1, type, &m)) {
        if (!cx.msg[0])
            abort();
        return 0;
    }
    if (type == HN_TUF_ROOT)
        hn_tuf_meta_check(&cx, "fuzz", &m, hn_tuf_root_signers(&m, HN_TUF_ROOT));
    const json_t *d = json_object_get(m.body, "delegations"), *roles = json_object_get(d, "roles");
    for (size_t i = 0; i < json_array_size(roles); i++)
        hn_tuf_meta_check(&cx, "fuzz", &m, (hn_tuf_signers){ json_object_get(d, "keys"), json_array_get(roles, i) });
    json_t *nobody = json_loads(none, 0, NULL), *keys = json_object();
    if (hn_tuf_meta_check(&cx, "fuzz", &m, (hn_tuf_signers){ keys, nobody }) != HN_EREFUSED)
        abort();
    json_decref(nobody);
    json_decref(keys);
    hn_tuf_meta_free(&m);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as an answer with tool calls: a message comes out, and no text is lost but a call's own. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "llm/tools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    json_t *m = NULL;
    if (len > 1 << 14 || hn_tools_parse(&cx, (hn_text){ (const char *)data, len }, NULL, &m))
        return 0;
    if (!json_is_string(json_object_get(m, "content")))
        abort();
    json_decref(m);
    if (limit.used)
        abort();
    return 0;
}

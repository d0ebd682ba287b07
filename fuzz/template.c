/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a chat template, up to a zero byte, and what follows as its variables in JSON. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "llm/jinja.h"

static const char chat[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \"content\": \"H\\u00e9 \\ud83e\\udd99\"},"
    " {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": {\"a\": [1, 2.5, true]}}}]}],"
    " \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}}}],"
    " \"add_generation_prompt\": true, \"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}";

static void run(hn_ctx *cx, hn_text source, hn_text json)
{
    hn_jinja *j;
    hn_buf out = { .cx = cx };
    hn_jinja_opts o = { .output_max = 1 << 20, .memory_max = 8 << 20, .steps_max = 100000 };
    if (hn_jinja_new(cx, source, &j))
        return;
    json_t *vars = json_loadb(json.len ? json.ptr : chat, json.len ? json.len : sizeof chat - 1, 0, NULL);
    hn_err e = hn_jinja_render(cx, j, vars, &o, &out);
    if (e == HN_OK && out.len > o.output_max)
        abort();
    json_decref(vars);
    hn_buf_free(&out);
    hn_jinja_free(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    const uint8_t *zero = len ? memchr(data, 0, len) : NULL;
    size_t n = zero ? (size_t)(zero - data) : len;
    run(&cx, (hn_text){ (const char *)data, n },
        zero ? (hn_text){ (const char *)zero + 1, len - n - 1 } : (hn_text){ NULL, 0 });
    if (limit.used)
        abort();
    return 0;
}

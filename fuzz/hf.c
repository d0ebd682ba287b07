/* SPDX-License-Identifier: Apache-2.0 */
/* Any config.json and any tokenizer beside weights that are sound: converted to a file that opens, or refused with
 * words.
 *
 * Input: parts that end in zero: config.json, tokenizer.json, tokenizer_config.json; the rest is tokenizer.model.
 * An empty part is a file that is not there. */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "llm/convert.h"
#include "llm/safetensors.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Plainly: nothing here has to survive a crash. */
static void write_part(const char *name, const uint8_t *data, size_t len)
{
    FILE *f = len ? fopen(in_folder(name), "wb") : NULL;
    if (!len)
        unlink(in_folder(name));
    if (f && fwrite(data, 1, len, f) != len)
        abort();
    if (f && fclose(f))
        abort();
}

static void make_folder(void)
{
    static const char *const names[] = { "model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight",
                                         "model.layers.0.self_attn.k_proj.weight", "model.norm.weight" };
    hn_st_tensor t[4];
    hn_ctx cx = { 0 };
    hn_file_out f = { 0 };
    static const uint8_t zeros[8 * 4 * 2];
    snprintf(folder, sizeof folder, "/tmp/hone-fuzz-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    for (int i = 0; i < 4; i++)
        t[i] = (hn_st_tensor){ .name = names[i], .dtype = HN_F16, .shape = { 2, { 8, 4 } }, .size = 64 };
    t[3].shape = (hn_shape){ 1, { 32 } };
    if (hn_file_out_open(&cx, in_folder("model.safetensors"), &f) || hn_safetensors_head(&cx, &f, t, 4))
        abort();
    for (int i = 0; i < 4; i++)
        if (hn_file_out_add(&cx, &f, zeros, sizeof zeros))
            abort();
    f.path = in_folder("model.safetensors");
    if (hn_file_out_finish(&cx, &f))
        abort();
}

static const uint8_t *part(const uint8_t **at, const uint8_t *end, size_t *len)
{
    const uint8_t *from = *at, *zero = from < end ? memchr(from, 0, (size_t)(end - from)) : NULL,
        *stop = zero ? zero : end;
    *len = (size_t)(stop - from);
    *at = zero ? zero + 1 : end;
    return from;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const files[] = { "config.json", "tokenizer.json", "tokenizer_config.json" };
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_convert_opts o = { 0 };
    hn_convert_report r;
    const uint8_t *at = data, *end = data + len;
    if (!folder[0])
        make_folder();
    for (int i = 0; i < 3; i++) {
        size_t n;
        const uint8_t *p = part(&at, end, &n);
        write_part(files[i], p, n);
    }
    write_part("tokenizer.model", at, (size_t)(end - at));
    char out[160];
    snprintf(out, sizeof out, "%s", in_folder("out.gguf"));
    if (hn_convert_hf(&cx, folder, out, &o, &r) != HN_OK && !cx.msg[0])
        abort();
    return 0;
}

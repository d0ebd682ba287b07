/* SPDX-License-Identifier: Apache-2.0 */
/* A saved conversation of the storyteller with some of its bytes changed: it is refused with words and the stream keeps
 * what it had, or it is read.
 *
 * Input: two bytes that say how much of the file there is, then triples: where, and another byte. */
#include "fuzz/fuzz.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "llm/lm.h"

typedef struct base { hn_lm m; hn_stream *s; char *file; size_t len; } base;

static void make(base *b)
{
    hn_ctx cx = { 0 };
    hn_lm_opts o = { .context = 64 };
    char path[] = "/tmp/hone-fuzz-XXXXXX";
    int32_t ids[35] = { 1, 300, 400 };
    float *logits;
    hn_file f;
    close(mkstemp(path));
    if (hn_lm_open(&cx, "models/storyteller/storyteller.gguf", &o, &b->m) || hn_stream_new(&cx, &b->m, NULL, &b->s) ||
        hn_stream_read(&cx, b->s, ids, 35, false, &logits) || hn_stream_save(&cx, b->s, path) || hn_file_open(&cx, path, &f))
        abort();
    b->file = malloc(f.len);
    b->len = f.len;
    memcpy(b->file, f.data, f.len);
    hn_file_close(&f);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static base b;
    hn_ctx cx = { 0 };
    if (!b.file)
        make(&b);
    if (len < 2 || len > 600)
        return 0;
    size_t cut = (size_t)data[0] << 8 | data[1], size = cut < b.len ? b.len - cut : 0, before = hn_stream_count(b.s);
    char *copy = malloc(size ? size : 1);
    memcpy(copy, b.file, size);
    for (size_t i = 2; i + 3 <= len; i += 3) {
        size_t at = (size_t)data[i] << 8 | data[i + 1];
        if (at < size)
            copy[at] = (char)data[i + 2];
    }
    if (hn_stream_load_memory(&cx, b.s, copy, size) && (!cx.msg[0] || hn_stream_count(b.s) != before))
        abort();
    free(copy);
    return 0;
}

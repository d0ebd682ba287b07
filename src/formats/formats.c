/* SPDX-License-Identifier: Apache-2.0 */
/* formats.c: from a path or bytes to a checked graph, whatever the format. */
#include "formats/format.h"

#include <stdio.h>
#include <string.h>

#include "formats/gguf.h"

#define FORMAT(id) extern const hn_format hn_format_##id;
#include "formats/formats.def"
#undef FORMAT

const hn_format *const hn_formats[] = {
#define FORMAT(id) &hn_format_##id,
#include "formats/formats.def"
#undef FORMAT
    NULL
};

/* "formats: onnx, tflite", for the message to someone whose file is none of them. */
static hn_err not_a_model(hn_ctx *cx, const uint8_t *data, size_t len)
{
    char names[128] = "";
    if (hn_gguf_probe(data, len))
        return hn_fail(cx, HN_EUNSUP, "unsupported: a language model, which has no graph of its own: 'hone generate', 'chat' and 'bench' run it, "
                                      "'hone quantize --pack' makes it ready");
    for (const hn_format *const *f = hn_formats; *f; f++) {
        strncat(names, f == hn_formats ? "" : ", ", sizeof names - strlen(names) - 1);
        strncat(names, (*f)->name, sizeof names - strlen(names) - 1);
    }
    return hn_fail(cx, HN_EFORMAT, "not a model Hone can read (formats: %s)", names);
}

static hn_err understand(hn_ctx *cx, const uint8_t *data, size_t len, const char *extension,
                         const char *dir, hn_source *s)
{
    for (const hn_format *const *f = hn_formats; *f && !s->format; f++)
        if ((*f)->probe(data, len, extension))
            s->format = *f;
    if (!s->format)
        return not_a_model(cx, data, len);
    HN_TRY(s->format->read(cx, data, len, dir, s));
    HN_TRY(hn_graph_verify(cx, s->graph));

    /* Placeholders stop inference where they stand; that is no reason not to look at the rest. */
    hn_err e = hn_graph_infer(cx, s->graph);
    return e == HN_EUNSUP && s->unsup_count ? HN_OK : e;
}

hn_err hn_source_open(hn_ctx *cx, const char *path, hn_source *out)
{
    hn_source s = { 0 };
    size_t dir_len = hn_path_dir_len(path);
    char *dir = hn_alloc(cx, dir_len + 1);
    if (!dir)
        return hn_nomem(cx, "a path");
    memcpy(dir, path, dir_len);
    dir[dir_len] = '\0';

    hn_err e = hn_file_open(cx, path, &s.file);
    if (!e) {
        e = understand(cx, s.file.data, s.file.len, hn_path_extension(path), dir, &s);
        if (e && cx)
            hn_fail(cx, e, "%.200s: %s", path, cx->msg);
    }
    hn_free(cx, dir);
    if (e)
        hn_source_close(cx, &s);
    else
        *out = s;
    return e;
}

hn_err hn_source_open_memory(hn_ctx *cx, const void *data, size_t len, hn_source *out)
{
    hn_source s = { 0 };
    hn_err e = understand(cx, data, len, "", NULL, &s);
    if (e)
        hn_source_close(cx, &s);
    else
        *out = s;
    return e;
}

void hn_source_close(hn_ctx *cx, hn_source *s)
{
    hn_graph_free(s->graph);
    for (size_t i = 0; i < s->also_count; i++)
        hn_graph_free(s->also[i]);
    hn_free(cx, s->also);
    hn_file_close(&s->zeros);
    hn_free_aligned(cx, s->moved);
    for (size_t i = 0; i < s->extra_count; i++)
        hn_file_close(&s->extra[i].file);
    hn_free(cx, s->extra);
    hn_file_close(&s->file);
    *s = (hn_source){ 0 };
}

hn_err hn_source_runnable(hn_ctx *cx, const hn_source *s)
{
    const hn_unsup *u = s->unsup;
    char others[64] = "";
    if (!u)
        return HN_OK;
    if (s->unsup_count > 1)
        snprintf(others, sizeof others, ", and %zu other node%s", s->unsup_count - 1,
                 s->unsup_count > 2 ? "s" : "");
    return hn_fail(cx, HN_EUNSUP, "unsupported: operator %.80s%s%.60s%s (node '%.80s'): %.200s%s", u->op,
                   *u->domain ? " of domain '" : "", u->domain, *u->domain ? "'" : "", u->node, u->why,
                   others);
}

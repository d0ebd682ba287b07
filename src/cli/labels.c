/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/labels.h"

#include <string.h>

#include "base/file.h"

static hn_err split(hn_ctx *cx, const char *text, size_t len, hn_arena *a, hn_labels *out)
{
    size_t lines = 0;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;                                   /* trailing empty lines are no labels */
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    out->count = len ? lines + 1 : 0;
    out->name = HN_NEW(a, const char *, out->count);
    if (!out->name)
        return hn_nomem(cx, "labels");
    const char *at = text, *end = text + len;
    for (size_t i = 0; i < out->count; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        size_t n = (size_t)(stop - at);
        while (n > 0 && at[n - 1] == '\r')
            n--;
        out->name[i] = hn_arena_text(a, at, n);
        if (!out->name[i])
            return hn_nomem(cx, "labels");
        at = stop + 1;
    }
    return HN_OK;
}

hn_err hn_labels_read(hn_ctx *cx, const char *path, const hn_graph *g, hn_arena *a, hn_labels *out)
{
    *out = (hn_labels){ .source = path ? path : "the model" };
    if (path) {
        hn_file f;
        HN_TRY(hn_file_open(cx, path, &f));
        hn_err e = split(cx, (const char *)f.data, f.len, a, out);
        hn_file_close(&f);
        return e;
    }
    for (size_t i = 0; i < g->meta_count; i++)
        if (strcmp(g->meta[i].key, "labels") == 0)
            return split(cx, g->meta[i].text, strlen(g->meta[i].text), a, out);
    return HN_OK;
}

void hn_top(const double *score, size_t n, size_t k, size_t *index)
{
    size_t have = 0;
    for (size_t i = 0; i < n; i++) {             /* insertion into a short sorted list */
        if (have == k && (k == 0 || !(score[i] > score[index[k - 1]])))
            continue;
        size_t at = have < k ? have++ : k - 1;
        for (; at > 0 && score[i] > score[index[at - 1]]; at--)
            index[at] = index[at - 1];
        index[at] = i;
    }
}

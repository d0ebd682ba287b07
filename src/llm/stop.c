/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/stop.h"

#include <string.h>

#include "base/num.h"

#define STRINGS_MAX 1024

struct hn_stop {
    hn_ctx cx;
    hn_text *string; size_t count;
    hn_buf held;                       /* an end of the text that begins some stop string */
};

hn_err hn_stop_new(hn_ctx *cx, const hn_text *strings, size_t count, hn_stop **out)
{
    if (count > STRINGS_MAX)
        return hn_fail(cx, HN_ELIMIT, "%zu stop strings, at most %d", count, STRINGS_MAX);
    hn_stop *s = hn_calloc(cx, 1, sizeof *s);
    if (!s)
        return hn_nomem(cx, "stop strings");
    s->cx.env = cx ? cx->env : NULL;
    s->held.cx = &s->cx;
    s->string = hn_calloc(cx, count + 1, sizeof *s->string);
    hn_err e = s->string ? HN_OK : hn_nomem(cx, "stop strings");
    for (; !e && s->count < count; s->count++) {
        size_t n = strings[s->count].len;
        char *copy = n ? hn_alloc(cx, n) : NULL;
        if (!copy) {
            e = n ? hn_nomem(cx, "stop strings") : hn_fail(cx, HN_EARG, "stop string %zu is empty", s->count);
            break;
        }
        memcpy(copy, strings[s->count].ptr, n);
        s->string[s->count] = (hn_text){ copy, n };
    }
    if (e)
        hn_stop_free(s);
    else
        *out = s;
    return e;
}

void hn_stop_free(hn_stop *s)
{
    if (!s)
        return;
    hn_ctx cx = s->cx;
    for (size_t i = 0; i < s->count; i++)
        hn_free(&cx, (void *)(uintptr_t)s->string[i].ptr);
    hn_buf_free(&s->held);
    hn_free(&cx, s->string);
    hn_free(&cx, s);
}

/* The longest string that `text` begins with, or -1; *partial: does it begin one it does not end? */
static int match(const hn_stop *s, const char *text, size_t len, bool *partial)
{
    int best = -1;
    *partial = false;
    for (size_t i = 0; i < s->count; i++) {
        hn_text t = s->string[i];
        if (memcmp(text, t.ptr, hn_min(t.len, len)) != 0)
            continue;
        if (t.len > len)
            *partial = true;
        else if (best < 0 || t.len > s->string[best].len)
            best = (int)i;
    }
    return best;
}

hn_err hn_stop_add(hn_ctx *cx, hn_stop *s, hn_text text, hn_buf *out, int *which)
{
    int found = -1;
    bool partial = false;
    size_t i = 0;
    hn_buf_add(&s->held, text.ptr, text.len);
    if (s->held.failed)
        return hn_nomem(cx, "text before a stop string");
    while (i < s->held.len) {
        found = match(s, s->held.data + i, s->held.len - i, &partial);
        if (found >= 0 || partial)
            break;
        i++;
    }
    hn_buf_add(out, s->held.data, i);
    if (out->failed)
        return hn_nomem(cx, "text before a stop string");
    if (i)
        memmove(s->held.data, s->held.data + i, s->held.len - i);
    s->held.len -= i;
    if (found >= 0)
        s->held.len = 0;
    *which = found;
    return HN_OK;
}

/* What was held may contain a whole stop string behind the beginning of another that never ended. */
void hn_stop_end(hn_stop *s, hn_buf *out)
{
    bool partial;
    size_t i = 0;
    while (i < s->held.len && match(s, s->held.data + i, s->held.len - i, &partial) < 0)
        i++;
    hn_buf_add(out, s->held.data, i);
    s->held.len = 0;
    s->held.failed = false;
}

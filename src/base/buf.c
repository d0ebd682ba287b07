/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"

static bool reserve(hn_buf *b, size_t more)
{
    size_t need = hn_add(hn_add(b->len, more), 1);
    if (need <= b->cap)
        return true;
    size_t cap = hn_max(need, hn_mul(b->cap, 2));
    char *grown = need < SIZE_MAX && !b->failed ? hn_realloc(b->cx, b->data, cap) : NULL;
    if (!grown) {
        b->failed = true;
        return false;
    }
    b->data = grown;
    b->cap = cap;
    return true;
}

void hn_buf_add(hn_buf *b, const void *data, size_t len)
{
    if (b->failed || !reserve(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
}

void hn_buf_text(hn_buf *b, const char *text) { hn_buf_add(b, text, strlen(text)); }

void hn_buf_printf(hn_buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len >= 0 && !b->failed && reserve(b, (size_t)len)) {
        vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

hn_err hn_buf_ok(hn_buf *b, const char *what)
{
    return b->failed ? hn_nomem(b->cx, what) : HN_OK;
}

void hn_buf_free(hn_buf *b)
{
    hn_free(b->cx, b->data);
    *b = (hn_buf){ .cx = b->cx };
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A growing piece of text or bytes. */
#ifndef HN_BASE_BUF_H
#define HN_BASE_BUF_H

#include "base/ctx.h"

/* Zero-initialise, then append.  After the first failed append the buffer stays as it
 * was and `failed` is set: check once at the end with hn_buf_ok. */
typedef struct hn_buf {
    hn_ctx *cx;          /* allocator; NULL for malloc */
    char *data;          /* zero-terminated whenever not NULL */
    size_t len, cap;
    bool failed;
} hn_buf;

void hn_buf_add(hn_buf *b, const void *data, size_t len);
void hn_buf_text(hn_buf *b, const char *text);
void hn_buf_printf(hn_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
hn_err hn_buf_ok(hn_buf *b, const char *what);      /* HN_ENOMEM when an append failed */
void hn_buf_free(hn_buf *b);

#endif

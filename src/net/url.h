/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: http, https and file URLs, and plain folders that stand for file URLs. */
#ifndef HN_NET_URL_H
#define HN_NET_URL_H

#include "base/buf.h"

/* Appends `text` with every byte outside A-Z a-z 0-9 - . _ ~ and those in `keep` as %XX. */
void hn_url_escape(hn_buf *out, const char *text, size_t len, const char *keep);

/* Turns %XX back into bytes, in place; returns the new length.  A '%' without two digits stays. */
size_t hn_url_unescape(char *text);

/* What a person may write as a place: a URL stays as it is, a folder or file becomes file://. */
hn_err hn_url_from_place(hn_ctx *cx, const char *place, hn_buf *out);

/* base, a slash unless it ends in one, and `path`, which is escaped already. */
hn_err hn_url_join(hn_ctx *cx, const char *base, const char *path, hn_buf *out);

bool hn_url_is_file(const char *url);
bool hn_url_is_secure(const char *url);      /* https */
bool hn_url_is_loopback(const char *url);

/* The last part of the path, unescaped, for naming a local file.  Refused when there is none or it
 * could not be a plain file name. */
hn_err hn_url_file_name(hn_ctx *cx, const char *url, hn_buf *out);

#endif

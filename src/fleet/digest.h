/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of bytes, of files, and as text. */
#ifndef HN_FLEET_DIGEST_H
#define HN_FLEET_DIGEST_H

#include "base/ctx.h"

typedef struct hn_digest { uint8_t byte[32]; } hn_digest;

enum { HN_HEX_SIZE = 65 };
typedef struct hn_hex { char text[HN_HEX_SIZE]; } hn_hex;      /* 64 lower-case digits */

typedef struct hn_sha256 hn_sha256;
hn_err hn_sha256_new(hn_ctx *cx, hn_sha256 **out);
bool hn_sha256_add(hn_sha256 *h, const void *data, size_t len);
bool hn_sha256_end(hn_sha256 *h, hn_digest *out);
void hn_sha256_free(hn_sha256 *h);                             /* NULL is fine */

hn_err hn_digest_of(hn_ctx *cx, const void *data, size_t len, hn_digest *out);
/* Reads the file through a small buffer: nothing of it stays in memory. */
hn_err hn_digest_of_file(hn_ctx *cx, const char *path, hn_digest *out, uint64_t *length);

hn_hex hn_digest_hex(const hn_digest *d);
bool hn_digest_from_hex(const char *text, hn_digest *out);     /* exactly 64 lower-case digits */
bool hn_digest_equal(const hn_digest *a, const hn_digest *b);

#endif

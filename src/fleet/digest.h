/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 as a value: what names a blob. */
#ifndef HN_FLEET_DIGEST_H
#define HN_FLEET_DIGEST_H

#include "fleet/hash.h"

typedef struct hn_digest { uint8_t byte[HN_SHA256_SIZE]; } hn_digest;
typedef struct hn_digest_text { char text[HN_SHA256_HEX]; } hn_digest_text;    /* 64 lower-case digits */

hn_err hn_digest_of(hn_ctx *cx, const void *data, size_t len, hn_digest *out);
/* Reads the file through a small buffer: nothing of it stays in memory.  length may be NULL. */
hn_err hn_digest_of_file(hn_ctx *cx, const char *path, hn_digest *out, uint64_t *length);
hn_err hn_digest_end(hn_hasher *h, hn_digest *out);                    /* of a HN_SHA256 hasher */

hn_digest_text hn_digest_hex(const hn_digest *d);
/* exactly 64 lower-case digits; text may be NULL */
bool hn_digest_from_hex(const char *text, hn_digest *out);
bool hn_digest_equal(const hn_digest *a, const hn_digest *b);

#endif

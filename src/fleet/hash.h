/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-2 in one go, in pieces and over files; hexadecimal and base64 text. */
#ifndef HN_FLEET_HASH_H
#define HN_FLEET_HASH_H

#include "base/buf.h"

enum { HN_SHA256_SIZE = 32, HN_HASH_MAX = 64, HN_SHA256_HEX = 65, HN_HASH_HEX_MAX = 129 };

typedef enum hn_hash_kind { HN_SHA256, HN_SHA384, HN_SHA512 } hn_hash_kind;

bool hn_hash_kind_find(const char *name, hn_hash_kind *out);        /* "sha256" */
size_t hn_hash_size(hn_hash_kind k);

hn_err hn_sha256(hn_ctx *cx, const void *data, size_t len, uint8_t out[HN_SHA256_SIZE]);
hn_err hn_hash(hn_ctx *cx, hn_hash_kind k, const void *data, size_t len, uint8_t *out);   /* hn_hash_size(k) bytes */

typedef struct hn_hasher hn_hasher;
hn_err hn_hasher_new(hn_ctx *cx, hn_hash_kind k, hn_hasher **out);
hn_err hn_hasher_add(hn_hasher *h, const void *data, size_t len);
hn_err hn_hasher_end(hn_hasher *h, uint8_t out[HN_HASH_MAX]);       /* and is as new again */
void hn_hasher_free(hn_hasher *h);                                  /* NULL is fine */

/* A part of a file (all of it: 0, UINT64_MAX) through a small buffer; *len, if not NULL: bytes read. */
hn_err hn_hash_file(hn_ctx *cx, hn_hash_kind k, const char *path, uint64_t from, uint64_t most,
                    uint8_t out[HN_HASH_MAX], uint64_t *len);

/* Lower case, zero-terminated: 2 * len + 1 bytes of out. */
void hn_hex(const void *data, size_t len, char *out);
/* text_len must be even and all digits; upper case is read too.  False otherwise. */
bool hn_unhex(const char *text, size_t text_len, uint8_t *out);

hn_err hn_base64_add(hn_buf *out, const void *data, size_t len);
/* Strict: padding as it must be, nothing else between.  HN_EFORMAT otherwise. */
hn_err hn_unbase64(hn_ctx *cx, const char *text, size_t len, hn_buf *out);

#endif

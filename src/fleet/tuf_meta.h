/* SPDX-License-Identifier: Apache-2.0 */
/* One signed file of The Update Framework: its form, and who signed it.
 *
 * Parsing checks everything a file can be wrong in by itself; hn_tuf_meta_check asks whether enough of
 * the right keys signed it.  Nothing may be read from a file for use before both said yes. */
#ifndef HN_FLEET_TUF_META_H
#define HN_FLEET_TUF_META_H

#include <jansson.h>

#include "fleet/hash.h"
#include "fleet/key.h"

typedef enum hn_tuf_type { HN_TUF_ROOT, HN_TUF_TIMESTAMP, HN_TUF_SNAPSHOT, HN_TUF_TARGETS, HN_TUF_TYPES } hn_tuf_type;

const char *hn_tuf_type_name(hn_tuf_type t);     /* "root" */

typedef struct hn_tuf_meta {
    json_t *doc;                 /* NULL: none */
    const json_t *body;          /* its "signed" */
    hn_tuf_type type;
    int64_t version;
    int64_t expires;             /* seconds since 1970 */
} hn_tuf_meta;

/* `what` names the file in messages. */
hn_err hn_tuf_meta_parse(hn_ctx *cx, const char *what, const void *data, size_t len, hn_tuf_type want,
                         hn_tuf_meta *out);
void hn_tuf_meta_free(hn_tuf_meta *m);           /* safe on a zeroed one */

/* Who must sign: an object {keyids, threshold} and the keys {id: key} its ids are looked up in. */
typedef struct hn_tuf_signers { const json_t *keys, *role; } hn_tuf_signers;

hn_tuf_signers hn_tuf_root_signers(const hn_tuf_meta *root, hn_tuf_type of);

/* HN_OK when at least a threshold of different keys signed; HN_EREFUSED otherwise.  Signatures of other
 * keys, empty ones and bad ones beside enough good ones do no harm. */
hn_err hn_tuf_meta_check(hn_ctx *cx, const char *what, const hn_tuf_meta *m, hn_tuf_signers by);

/* The entry NAME.json of a timestamp or a snapshot, NULL when it has none. */
const json_t *hn_tuf_meta_entry(const hn_tuf_meta *m, const char *name);

/* Do these bytes have the length and all the hashes an entry gives, as far as it does? */
hn_err hn_tuf_check_bytes(hn_ctx *cx, const char *what, const json_t *entry, const void *data, size_t len);

/* Keys as TUF writes them.  HN_EUNSUP for kinds that are not in its list. */
hn_err hn_tuf_key_read(hn_ctx *cx, const json_t *key, hn_key **out);
hn_err hn_tuf_key_write(hn_ctx *cx, const hn_key *key, json_t **out);
hn_err hn_tuf_key_id(hn_ctx *cx, const json_t *key, char out[HN_SHA256_HEX]);

/* "2030-01-01T00:00:00Z" and seconds since 1970. */
hn_err hn_tuf_time_read(hn_ctx *cx, const char *text, int64_t *out);
void hn_tuf_time_write(int64_t t, char out[32]);

#endif

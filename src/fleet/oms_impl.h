/* SPDX-License-Identifier: Apache-2.0 */
/* What oms.c (bundle), oms_files.c (resources) and oms_cert.c (certificates) share. */
#ifndef HN_FLEET_OMS_IMPL_H
#define HN_FLEET_OMS_IMPL_H

#include "fleet/oms.h"

#define OMS_PAYLOAD_TYPE "application/vnd.in-toto+json"

/* How a model is turned into a list: a statement's "serialization". */
typedef struct oms_scope {
    const json_t *ignore;        /* paths; NULL for none */
    uint64_t shard_size;         /* 0: whole files */
    bool links;                  /* symbolic links are followed, not refused */
} oms_scope;

/* [{name, digest, algorithm}], sorted by name. */
hn_err hn_oms_resources(hn_ctx *cx, const char *model, const char *bundle, const oms_scope *scope, json_t **out);

/* SHA-256 of the digests, one after another. */
hn_err hn_oms_root(hn_ctx *cx, const char *what, const json_t *resources, char hex[65]);

/* The leaf's key, once its chain and use were checked. */
hn_err hn_oms_certificate_key(hn_ctx *cx, const hn_oms *b, const hn_oms_trust *t, hn_key **out);
hn_err hn_oms_keyless_key(hn_ctx *cx, const hn_oms *b, const hn_oms_trust *t, hn_key **out);

/* DER certificates of PEM text, leaf first, as a bundle's material; the leaf must be `key`'s. */
hn_err hn_oms_chain_material(hn_ctx *cx, const char *pem, const hn_key *key, json_t **out);

#endif

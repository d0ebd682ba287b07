/* SPDX-License-Identifier: Apache-2.0 */
/* Model signatures, OpenSSF Model Signing v1.0: one detached file beside a model that says which files it
 * is made of, signed by a key, by the holder of a certificate, or without a lasting key ("keyless").
 *
 * A bundle is read in steps that do not trust each other: its form, its signature against what the
 * caller trusts, the signed statement, the model's files. */
#ifndef HN_FLEET_OMS_H
#define HN_FLEET_OMS_H

#include <jansson.h>

#include "fleet/key.h"

typedef enum hn_oms_method { HN_OMS_KEY, HN_OMS_CERTIFICATE, HN_OMS_KEYLESS } hn_oms_method;

typedef struct hn_oms {
    json_t *doc;                 /* NULL: none */
    hn_oms_method method;
    const json_t *material;      /* of verification; borrowed from doc */
    hn_buf payload, signature;   /* as signed, and the first signature */
    json_t *statement;           /* the payload; NULL until it was checked */
} hn_oms;

/* The form of a bundle, and of the statement in it.  `what` names it in messages. */
hn_err hn_oms_parse(hn_ctx *cx, const char *what, const char *text, size_t len, hn_oms *out);
void hn_oms_free(hn_oms *b);     /* safe on a zeroed one */

/* What the caller trusts: fill in what the method needs. */
typedef struct hn_oms_trust {
    const hn_key *key;           /* key: the signer's public half */
    const char *roots_pem;       /* certificate: who may vouch for the signer, PEM text */
    const char *sigstore;        /* keyless: a trusted_root.json, its text */
    const char *identity, *issuer;       /* keyless: who signed (mail address or URI), and who says so (URL) */
} hn_oms_trust;

/* HN_EREFUSED when it is not signed so; HN_EARG when what its method needs is missing. */
hn_err hn_oms_check_signature(hn_ctx *cx, const hn_oms *b, const hn_oms_trust *t);

/* The files: every one listed is there with its hash, none is there that is not listed.  `model`: a folder or a file;
 * `bundle`: the signature's own file, which may lie in the folder; may be NULL. */
hn_err hn_oms_check_files(hn_ctx *cx, const hn_oms *b, const char *model, const char *bundle);

/* ---- Signing ---------------------------------------------------------------------------------------- */

typedef struct hn_oms_signing {
    const hn_key *key;
    const char *chain_pem;       /* the key's certificate, then those above it; NULL: the key method */
    const char *const *ignore; size_t ignore_count;      /* paths left out, relative, each with all below it */
    uint64_t shard_size;         /* sign pieces of this size instead of files; 0: files */
} hn_oms_signing;

/* The bundle's text.  `bundle` as above. */
hn_err hn_oms_sign(hn_ctx *cx, const hn_oms_signing *s, const char *model, const char *bundle, hn_buf *out);

/* The bytes a signature covers: "DSSEv1", type and body with their lengths. */
hn_err hn_oms_envelope(hn_ctx *cx, const char *type, const void *body, size_t len, hn_buf *out);

#endif

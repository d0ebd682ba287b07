/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and signatures.
 *
 * A key is public, or has its private half in memory, or reaches it in a PKCS#11 token; whoever signs
 * does not see the difference.  libcrypto does the arithmetic; what is signed, and what a signature
 * means, is decided by tuf.h and oms.h. */
#ifndef HN_FLEET_KEY_H
#define HN_FLEET_KEY_H

#include "base/buf.h"

typedef struct hn_key hn_key;

/* X(ID, the name people type) */
#define HN_KEY_KINDS(X)                 \
    X(ED25519, "ed25519")               \
    X(P256,    "p256")                  \
    X(P384,    "p384")                  \
    X(P521,    "p521")                  \
    X(RSA,     "rsa")                   \
    X(X25519,  "x25519")

typedef enum hn_key_kind {
#define X(id, name) HN_KEY_##id,
    HN_KEY_KINDS(X)
#undef X
    HN_KEY_KIND_COUNT
} hn_key_kind;

const char *hn_key_kind_name(hn_key_kind k);
bool hn_key_kind_find(const char *name, hn_key_kind *out);

/* Asks for what unlocks a key; `what` names it.  Writes at most cap bytes, returns how many, -1 for no
 * answer.  Called only for keys that are locked. */
typedef struct hn_ask {
    int (*answer)(void *user, const char *what, char *out, int cap);
    void *user;
} hn_ask;

/* RSA: 3072 bits.  X25519 keys cannot sign; they are what packages are encrypted for. */
hn_err hn_key_generate(hn_ctx *cx, hn_key_kind k, hn_key **out);
hn_err hn_key_from_seed(hn_ctx *cx, hn_key_kind k, const uint8_t seed[32], hn_key **out);      /* Ed25519, X25519 */
hn_err hn_key_from_raw(hn_ctx *cx, hn_key_kind k, const uint8_t pub[32], hn_key **out);        /* Ed25519, X25519 */

/* PEM: a SubjectPublicKeyInfo, a PKCS#8 private key, locked or not, or a certificate.  ask may be NULL. */
hn_err hn_key_from_pem(hn_ctx *cx, const char *what, const char *text, size_t len, const hn_ask *ask, hn_key **out);
hn_err hn_key_from_der(hn_ctx *cx, const uint8_t *spki, size_t len, hn_key **out);
/* `where`: a PEM file, or a pkcs11: URI (module-path= names the token's library). */
hn_err hn_key_open(hn_ctx *cx, const char *where, const hn_ask *ask, hn_key **out);
void hn_key_free(hn_key *k);             /* NULL is fine; wipes what is private */

hn_key_kind hn_key_kind_of(const hn_key *k);
bool hn_key_can_sign(const hn_key *k);
bool hn_key_equal(const hn_key *a, const hn_key *b);                /* the public halves */
hn_err hn_key_raw(hn_ctx *cx, const hn_key *k, uint8_t pub[32]);    /* Ed25519, X25519 */
hn_err hn_key_public_pem(hn_ctx *cx, const hn_key *k, hn_buf *out); /* ends in a line feed */
hn_err hn_key_public_der(hn_ctx *cx, const hn_key *k, hn_buf *out);

/* Writes PATH, readable by the owner alone, locked with the passphrase (scrypt, AES-256) unless that is
 * NULL, and PATH.pub.  Never over a file that is there. */
hn_err hn_key_save(hn_ctx *cx, const hn_key *k, const char *path, const char *passphrase);

/* Ed25519 plain; ECDSA with SHA-256, SHA-384 or SHA-512 by curve, as DER; RSA as PSS with SHA-256. */
hn_err hn_key_sign(hn_ctx *cx, const hn_key *k, const void *data, size_t len, hn_buf *sig);
/* HN_EREFUSED when it does not fit. */
hn_err hn_key_verify(hn_ctx *cx, const hn_key *k, const void *data, size_t len, const void *sig, size_t sig_len);

/* The secret two X25519 keys share; `mine` has its private half. */
hn_err hn_key_agree(hn_ctx *cx, const hn_key *mine, const hn_key *theirs, uint8_t out[32]);

#endif

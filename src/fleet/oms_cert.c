/* SPDX-License-Identifier: Apache-2.0 */
/* Whose key signed: certificates, and keyless signatures with their entry in a public log. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet/hash.h"
#include "fleet/json.h"
#include "fleet/key_impl.h"
#include "fleet/oms_impl.h"

#define CHAIN_MAX 16
#define PROOF_MAX 64               /* a log of 2^64 entries */

/* ---- Certificates ----------------------------------------------------------------------------------- */

static hn_err certificate_of(hn_ctx *cx, const json_t *holder, X509 **out)
{
    const char *text;
    hn_buf der = { .cx = cx };
    HN_TRY(hn_json_text(cx, "certificate", holder, "rawBytes", &text));
    hn_err e = hn_unbase64(cx, text, strlen(text), &der);
    const unsigned char *at = (const unsigned char *)der.data;
    X509 *x = e || der.len > 65536 ? NULL : d2i_X509(NULL, &at, (long)der.len);
    if (!e && (!x || at != (const unsigned char *)der.data + der.len)) {
        X509_free(x);
        x = NULL;
        e = hn_crypto_fail(cx, HN_EFORMAT, "a certificate cannot be read");
    }
    hn_buf_free(&der);
    if (!e)
        *out = x;
    return e;
}

/* What a certificate is for: signing, and of code, where it says so at all. */
static hn_err check_use(hn_ctx *cx, X509 *leaf)
{
    uint32_t flags = X509_get_extension_flags(leaf);
    bool usage = flags & EXFLAG_KUSAGE, extended = flags & EXFLAG_XKUSAGE;
    if (usage && !(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE))
        return hn_fail(cx, HN_EREFUSED, "the certificate is not for signatures");
    if (extended && !(X509_get_extended_key_usage(leaf) & XKU_CODE_SIGN))
        return hn_fail(cx, HN_EREFUSED, "the certificate is not for signing code");
    if (!usage && !extended)
        return hn_fail(cx, HN_EREFUSED, "the certificate does not say that it is for signatures");
    return HN_OK;
}

static hn_err check_chain(hn_ctx *cx, X509 *leaf, STACK_OF(X509) *between, STACK_OF(X509) *roots, time_t at)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *job = X509_STORE_CTX_new();
    hn_err e = store && job ? HN_OK : hn_nomem(cx, "certificates");
    for (int i = 0; !e && i < sk_X509_num(roots); i++)
        if (X509_STORE_add_cert(store, sk_X509_value(roots, i)) != 1)
            e = hn_nomem(cx, "certificates");
    if (!e && X509_STORE_CTX_init(job, store, leaf, between) != 1)
        e = hn_nomem(cx, "certificates");
    if (!e) {
        X509_STORE_CTX_set_flags(job, X509_V_FLAG_PARTIAL_CHAIN);      /* whoever is trusted is, root or not */
        X509_STORE_CTX_set_time(job, 0, at);
        X509_STORE_CTX_set_depth(job, CHAIN_MAX);
        if (X509_verify_cert(job) != 1)
            e = hn_fail(cx, HN_EREFUSED, "the signer's certificate: %s",
                        X509_verify_cert_error_string(X509_STORE_CTX_get_error(job)));
    }
    X509_STORE_CTX_free(job);
    X509_STORE_free(store);
    ERR_clear_error();
    return e;
}

static hn_err read_pem(hn_ctx *cx, const char *pem, STACK_OF(X509) *out)
{
    BIO *b = BIO_new_mem_buf(pem, -1);
    X509 *x;
    while (b && sk_X509_num(out) < 256 && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)))
        sk_X509_push(out, x);
    BIO_free(b);
    ERR_clear_error();
    return sk_X509_num(out) > 0 ? HN_OK : hn_fail(cx, HN_EFORMAT, "expected certificates in PEM form, found none");
}

static hn_err time_of(hn_ctx *cx, const ASN1_TIME *t, time_t *out)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(t, &parts) != 1)
        return hn_crypto_fail(cx, HN_EFORMAT, "a certificate's time cannot be read");
    *out = timegm(&parts);
    return HN_OK;
}

/* There is no trusted time in such a bundle: as the format has it, the chain must have been good when the
 * leaf's life began. */
static hn_err check_by_roots(hn_ctx *cx, X509 *leaf, STACK_OF(X509) *between, const char *pem)
{
    time_t at = 0;
    STACK_OF(X509) *roots = sk_X509_new_null();
    hn_err e = roots ? read_pem(cx, pem, roots) : hn_nomem(cx, "certificates");
    if (!e)
        e = time_of(cx, X509_get0_notBefore(leaf), &at);
    if (!e)
        e = check_chain(cx, leaf, between, roots, at);
    if (!e)
        e = check_use(cx, leaf);
    sk_X509_pop_free(roots, X509_free);
    return e;
}

hn_err hn_oms_certificate_key(hn_ctx *cx, const hn_oms *b, const hn_oms_trust *t, hn_key **out)
{
    const json_t *list = json_object_get(json_object_get(b->material, "x509CertificateChain"), "certificates");
    X509 *leaf = NULL, *x;
    if (!t->roots_pem)
        return hn_fail(cx, HN_EARG,
                       "this model is signed with a certificate: say who may vouch for it, with a PEM file");
    if (json_array_size(list) > CHAIN_MAX)
        return hn_fail(cx, HN_ELIMIT, "a chain of more than %d certificates", CHAIN_MAX);
    STACK_OF(X509) *between = sk_X509_new_null();
    hn_err e = between ? certificate_of(cx, json_array_get(list, 0), &leaf) : hn_nomem(cx, "certificates");
    for (size_t i = 1; i < json_array_size(list) && !e; i++) {
        e = certificate_of(cx, json_array_get(list, i), &x);
        if (!e)
            sk_X509_push(between, x);
    }
    if (!e)
        e = check_by_roots(cx, leaf, between, t->roots_pem);
    if (!e)
        e = hn_key_wrap(cx, X509_get_pubkey(leaf), false, out);
    X509_free(leaf);
    sk_X509_pop_free(between, X509_free);
    return e;
}

static hn_err add_der(hn_ctx *cx, X509 *x, json_t *list)
{
    unsigned char *der = NULL;
    hn_buf text = { .cx = cx };
    int len = i2d_X509(x, &der);
    hn_err e = len > 0 ? hn_base64_add(&text, der, (size_t)len) :
        hn_crypto_fail(cx, HN_EFORMAT, "a certificate cannot be written");
    if (!e && json_array_append_new(list, json_pack("{s:s}", "rawBytes", text.data)) != 0)
        e = hn_nomem(cx, "certificates");
    OPENSSL_free(der);
    hn_buf_free(&text);
    return e;
}

hn_err hn_oms_chain_material(hn_ctx *cx, const char *pem, const hn_key *key, json_t **out)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    json_t *list = json_array();
    hn_err e = chain && list ? read_pem(cx, pem, chain) : hn_nomem(cx, "certificates");
    if (!e && X509_check_private_key(sk_X509_value(chain, 0), key->pkey) != 1 &&
        EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(chain, 0)), key->pkey) != 1)
        e = hn_fail(cx, HN_EARG, "the first certificate is of another key than the one that signs");
    for (int i = 0; i < sk_X509_num(chain) && !e; i++)
        e = add_der(cx, sk_X509_value(chain, i), list);
    ERR_clear_error();
    sk_X509_pop_free(chain, X509_free);
    json_t *made = e ? NULL : json_pack("{s:{s:O}, s:[]}", "x509CertificateChain", "certificates", list, "tlogEntries");
    json_decref(list);
    if (!made)
        return e ? e : hn_nomem(cx, "a bundle");
    *out = made;
    return HN_OK;
}

/* ---- Keyless: who it was ---------------------------------------------------------------------------- */

static bool is_identity(X509 *leaf, const char *want)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
        if (n->type != GEN_EMAIL && n->type != GEN_URI)
            continue;
        const ASN1_IA5STRING *text = n->d.ia5;
        found = found || ((size_t)ASN1_STRING_length(text) == strlen(want) &&
                          memcmp(ASN1_STRING_get0_data(text), want, strlen(want)) == 0);
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* The extension that names who knows the signer: a UTF8String in the new one, plain text in the old. */
static bool is_issuer(X509 *leaf, const char *want)
{
    static const char *const oids[] = { "1.3.6.1.4.1.57264.1.8", "1.3.6.1.4.1.57264.1.1" };
    size_t len = strlen(want);
    for (int k = 0; k < 2; k++) {
        ASN1_OBJECT *oid = OBJ_txt2obj(oids[k], 1);
        int at = X509_get_ext_by_OBJ(leaf, oid, -1);
        ASN1_OBJECT_free(oid);
        if (at < 0)
            continue;
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(leaf, at));
        const uint8_t *data = ASN1_STRING_get0_data(value);
        size_t size = (size_t)ASN1_STRING_length(value), skip = 0;
        if (k == 0)
            skip = size >= 2 && data[0] == 0x0C && data[1] < 0x80 ? 2 : size >= 3 && data[0] == 0x0C &&
                data[1] == 0x81 ? 3 : size;
        return size - skip == len && memcmp(data + skip, want, len) == 0;
    }
    return false;
}

/* ---- Keyless: the log ------------------------------------------------------------------------------- */

typedef struct entry {             /* of a transparency log, as the bundle has it */
    const json_t *json;
    hn_buf body;
    int64_t index, time;
    hn_key *key;                   /* the log's, from what the caller trusts */
    uint8_t id[32];
} entry;

/* Numbers of 64 bits are texts in this format. */
static hn_err number(hn_ctx *cx, const json_t *object, const char *name, int64_t *out)
{
    const char *text;
    char *end;
    HN_TRY(hn_json_text(cx, "log entry", object, name, &text));
    long long n = strtoll(text, &end, 10);
    if (*end || end == text || n < 0)
        return hn_fail(cx, HN_EFORMAT, "log entry: expected a number as '%s', found '%.40s'", name, text);
    *out = n;
    return HN_OK;
}

static hn_err bytes_of(hn_ctx *cx, const json_t *object, const char *name, hn_buf *out)
{
    const char *text;
    out->cx = cx;
    HN_TRY(hn_json_text(cx, "log entry", object, name, &text));
    return hn_unbase64(cx, text, strlen(text), out);
}

/* The log with this id among those the caller trusts. */
static hn_err find_log(hn_ctx *cx, const json_t *trusted, entry *en)
{
    hn_buf id = { 0 }, der = { 0 };
    const json_t *logs = json_object_get(trusted, "tlogs");
    hn_err e = bytes_of(cx, json_object_get(en->json, "logId"), "keyId", &id);
    if (!e && id.len != 32)
        e = hn_fail(cx, HN_EFORMAT, "log entry: expected an id of 32 bytes");
    for (size_t i = 0; i < json_array_size(logs) && !e && !en->key; i++) {
        const json_t *pub = json_object_get(json_array_get(logs, i), "publicKey");
        uint8_t hash[32];
        der.len = 0;
        if (bytes_of(cx, pub, "rawBytes", &der) || hn_sha256(cx, der.data, der.len, hash) ||
            memcmp(hash, id.data, 32) != 0)
            continue;
        memcpy(en->id, hash, 32);
        e = hn_key_from_der(cx, (const uint8_t *)der.data, der.len, &en->key);
    }
    if (!e && !en->key)
        e = hn_fail(cx, HN_EREFUSED, "the signature is in a log that the trusted root does not name");
    hn_buf_free(&id);
    hn_buf_free(&der);
    return e;
}

/* The log's own promise: a signature over the entry in canonical form. */
static hn_err check_promise(hn_ctx *cx, const entry *en)
{
    char id[65];
    hn_buf sig = { 0 }, body = { .cx = cx }, text = { .cx = cx };
    json_t *said = NULL;
    hn_err e = bytes_of(cx, json_object_get(en->json, "inclusionPromise"), "signedEntryTimestamp", &sig);
    if (!e)
        e = hn_base64_add(&body, en->body.data, en->body.len);
    hn_hex(en->id, 32, id);
    if (!e)
        said = json_pack("{s:s, s:I, s:s, s:I}", "body", body.data, "integratedTime", (json_int_t)en->time, "logID", id,
                         "logIndex", (json_int_t)en->index);
    if (!e)
        e = said ? hn_json_canonical(cx, said, &text) : hn_nomem(cx, "a log entry");
    if (!e && hn_key_verify(cx, en->key, text.data, text.len, sig.data, sig.len))
        e = hn_fail(cx, HN_EREFUSED, "the log did not promise this entry");
    json_decref(said);
    hn_buf_free(&sig);
    hn_buf_free(&body);
    hn_buf_free(&text);
    return e;
}

static hn_err node(hn_ctx *cx, const uint8_t left[32], const uint8_t right[32], uint8_t out[32])
{
    uint8_t both[65] = { 1 };
    memcpy(both + 1, left, 32);
    memcpy(both + 33, right, 32);
    return hn_sha256(cx, both, sizeof both, out);
}

/* From the entry up to the root, RFC 9162 section 2.1.3.2. */
static hn_err climb(hn_ctx *cx, const json_t *hashes, int64_t index, int64_t size, uint8_t at[32])
{
    uint64_t fn = (uint64_t)index, sn = (uint64_t)size - 1;
    for (size_t i = 0; i < json_array_size(hashes); i++) {
        const char *text = json_string_value(json_array_get(hashes, i));
        hn_buf h = { .cx = cx };
        hn_err e = text ? hn_unbase64(cx, text, strlen(text), &h) :
            hn_fail(cx, HN_EFORMAT, "log entry: expected hashes");
        if (!e && (h.len != 32 || sn == 0))
            e = hn_fail(cx, HN_EREFUSED, "log entry: a proof that does not fit the log");
        if (!e && ((fn & 1) || fn == sn)) {
            e = node(cx, (const uint8_t *)h.data, at, at);
            for (; !(fn & 1) && fn; fn >>= 1)
                sn >>= 1;
        } else if (!e) {
            e = node(cx, at, (const uint8_t *)h.data, at);
        }
        hn_buf_free(&h);
        if (e)
            return e;
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 ? HN_OK : hn_fail(cx, HN_EREFUSED, "log entry: a proof that ends too early");
}

/* A note the log signed: name, size, root, an empty line, signatures "— NAME base64(4 bytes of id, signature)". */
static hn_err check_note(hn_ctx *cx, const entry *en, const char *note, int64_t size, const char *root64)
{
    char want[160];
    const char *end = strstr(note, "\n\n"), *second = strchr(note, '\n');
    int n = snprintf(want, sizeof want, "\n%lld\n%s\n", (long long)size, root64);
    if (!end || !second || n < 0 || (size_t)n >= sizeof want || strncmp(second, want, (size_t)n) != 0)
        return hn_fail(cx, HN_EREFUSED, "log entry: the signed checkpoint is of another tree than the proof");
    hn_err e = HN_EREFUSED;
    for (const char *line = end + 2; e && (line = strstr(line, "\xE2\x80\x94 ")); line++) {
        const char *blob = strchr(line + 4, ' ');
        hn_buf sig = { .cx = cx };
        hn_ctx quiet = { .env = cx->env };
        size_t len = blob ? strcspn(blob + 1, "\n") : 0;
        if (blob && hn_unbase64(&quiet, blob + 1, len, &sig) == HN_OK && sig.len > 4 &&
            memcmp(sig.data, en->id, 4) == 0)
            e = hn_key_verify(&quiet, en->key, note, (size_t)(end + 1 - note), sig.data + 4, sig.len - 4);
        hn_buf_free(&sig);
    }
    return e ? hn_fail(cx, HN_EREFUSED, "log entry: the log did not sign the checkpoint") : HN_OK;
}

static hn_err check_proof(hn_ctx *cx, const entry *en)
{
    const json_t *proof = json_object_get(en->json, "inclusionProof"), *hashes;
    const char *root64, *note;
    int64_t index, size;
    uint8_t at[32];
    hn_buf leaf = { .cx = cx }, root = { 0 };
    HN_TRY(number(cx, proof, "logIndex", &index));
    HN_TRY(number(cx, proof, "treeSize", &size));
    HN_TRY(hn_json_text(cx, "log entry", proof, "rootHash", &root64));
    HN_TRY(hn_json_text(cx, "log entry", json_object_get(proof, "checkpoint"), "envelope", &note));
    HN_TRY(hn_json_array(cx, "log entry", proof, "hashes", &hashes));
    if (index >= size || json_array_size(hashes) > PROOF_MAX)
        return hn_fail(cx, HN_EREFUSED, "log entry: a proof that does not fit the log");
    hn_buf_add(&leaf, "", 1);
    hn_buf_add(&leaf, en->body.data, en->body.len);
    hn_err e = hn_buf_ok(&leaf, "a log entry");
    if (!e)
        e = hn_sha256(cx, leaf.data, leaf.len, at);
    if (!e)
        e = climb(cx, hashes, index, size, at);
    if (!e)
        e = bytes_of(cx, proof, "rootHash", &root);
    if (!e && (root.len != 32 || memcmp(root.data, at, 32) != 0))
        e = hn_fail(cx, HN_EREFUSED, "log entry: the proof leads to another root");
    if (!e)
        e = check_note(cx, en, note, size, root64);
    hn_buf_free(&leaf);
    hn_buf_free(&root);
    return e;
}

/* The entry must be about this payload, this signature and this certificate. */
static hn_err check_subject(hn_ctx *cx, const hn_oms *b, const entry *en, X509 *leaf)
{
    json_t *doc;
    uint8_t hash[32];
    char hex[65];
    hn_buf sig64 = { .cx = cx }, verifier = { 0 };
    hn_key *key = NULL, *mine = NULL;
    HN_TRY(hn_json_parse(cx, "log entry", en->body.data, en->body.len, &doc));
    const json_t *spec = json_object_get(doc, "spec"), *one = json_array_get(json_object_get(spec, "signatures"), 0);
    const char *kind = json_string_value(json_object_get(doc, "kind"));
    const char *digest = json_string_value(json_object_get(json_object_get(spec, "payloadHash"), "value"));
    const char *sig = json_string_value(json_object_get(one, "signature"));
    hn_err e = kind && strcmp(kind, "dsse") == 0 ? hn_sha256(cx, b->payload.data, b->payload.len, hash) :
               hn_fail(cx, HN_EUNSUP, "unsupported: log entry of kind %.40s", kind ? kind : "none");
    hn_hex(hash, e ? 0 : 32, hex);
    if (!e)
        e = hn_base64_add(&sig64, b->signature.data, b->signature.len);
    if (!e && (!digest || strcmp(digest, hex) != 0 || !sig || strcmp(sig, sig64.data) != 0))
        e = hn_fail(cx, HN_EREFUSED, "the log entry is of another signature");
    if (!e)
        e = bytes_of(cx, one, "verifier", &verifier);
    if (!e)
        e = hn_key_from_pem(cx, "log entry", verifier.data, verifier.len, NULL, &key);
    if (!e)
        e = hn_key_wrap(cx, X509_get_pubkey(leaf), false, &mine);
    if (!e && !hn_key_equal(key, mine))
        e = hn_fail(cx, HN_EREFUSED, "the log entry is of another signer");
    hn_key_free(key);
    hn_key_free(mine);
    hn_buf_free(&sig64);
    hn_buf_free(&verifier);
    json_decref(doc);
    return e;
}

static hn_err check_entry(hn_ctx *cx, const hn_oms *b, const json_t *trusted, X509 *leaf, entry *en)
{
    bool promise = json_object_get(en->json, "inclusionPromise") != NULL,
        proof = json_object_get(en->json, "inclusionProof") != NULL;
    HN_TRY(bytes_of(cx, en->json, "canonicalizedBody", &en->body));
    HN_TRY(number(cx, en->json, "logIndex", &en->index));
    HN_TRY(number(cx, en->json, "integratedTime", &en->time));
    HN_TRY(find_log(cx, trusted, en));
    if (!promise)                  /* only the promise vouches for the time */
        return hn_fail(cx, HN_EUNSUP, "unsupported: a log entry without the log's signed time");
    HN_TRY(check_promise(cx, en));
    if (proof)
        HN_TRY(check_proof(cx, en));
    return check_subject(cx, b, en, leaf);
}

/* ---- Keyless: all of it ----------------------------------------------------------------------------- */

static hn_err authorities(hn_ctx *cx, const json_t *trusted, STACK_OF(X509) *roots)
{
    const json_t *list = json_object_get(trusted, "certificateAuthorities");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *chain = json_object_get(json_object_get(json_array_get(list, i), "certChain"), "certificates");
        for (size_t k = 0; k < json_array_size(chain); k++) {
            X509 *x;
            HN_TRY(certificate_of(cx, json_array_get(chain, k), &x));
            sk_X509_push(roots, x);
        }
    }
    return sk_X509_num(roots) ? HN_OK : hn_fail(cx, HN_EFORMAT, "the trusted root names no certificate authority");
}

static hn_err check_keyless(hn_ctx *cx, const hn_oms *b, const hn_oms_trust *t, const json_t *trusted, X509 *leaf)
{
    entry en = { .json = json_array_get(json_object_get(b->material, "tlogEntries"), 0) };
    STACK_OF(X509) *roots = sk_X509_new_null();
    hn_err e = roots ? authorities(cx, trusted, roots) : hn_nomem(cx, "certificates");
    if (!e)
        e = check_entry(cx, b, trusted, leaf, &en);
    if (!e)                        /* its ten minutes are over; they were not when the log saw it */
        e = check_chain(cx, leaf, NULL, roots, (time_t)en.time);
    if (!e)
        e = check_use(cx, leaf);
    if (!e && (!is_identity(leaf, t->identity) || !is_issuer(leaf, t->issuer)))
        e = hn_fail(cx, HN_EREFUSED, "signed by somebody else than %.100s as known to %.100s", t->identity, t->issuer);
    sk_X509_pop_free(roots, X509_free);
    hn_key_free(en.key);
    hn_buf_free(&en.body);
    return e;
}

hn_err hn_oms_keyless_key(hn_ctx *cx, const hn_oms *b, const hn_oms_trust *t, hn_key **out)
{
    json_t *trusted;
    X509 *leaf;
    if (!t->sigstore || !t->identity || !t->issuer)
        return hn_fail(cx, HN_EARG,
                       "this model is signed without a lasting key: give the trusted root, the signer's identity and "
                                    "the issuer who knows them");
    HN_TRY(hn_json_parse_real(cx, "trusted root", t->sigstore, strlen(t->sigstore), &trusted));
    hn_err e = certificate_of(cx, json_object_get(b->material, "certificate"), &leaf);
    if (!e) {
        e = check_keyless(cx, b, t, trusted, leaf);
        if (!e)
            e = hn_key_wrap(cx, X509_get_pubkey(leaf), false, out);
        X509_free(leaf);
    }
    json_decref(trusted);
    return e;
}

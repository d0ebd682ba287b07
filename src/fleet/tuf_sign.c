/* SPDX-License-Identifier: Apache-2.0 */
/* Making signed files. */
#include <stdlib.h>
#include <string.h>

#include "fleet/json.h"
#include "fleet/tuf_repo.h"

#define SPEC_VERSION "1.0.34"

json_t *hn_tuf_body(hn_tuf_type type, int64_t version, int64_t expires)
{
    char at[32];
    hn_tuf_time_write(expires, at);
    return json_pack("{s:s, s:s, s:I, s:s}", "_type", hn_tuf_type_name(type), "spec_version", SPEC_VERSION, "version",
                     (json_int_t)version, "expires", at);
}

hn_err hn_tuf_draft(hn_ctx *cx, json_t *body, json_t **out)
{
    json_t *doc = body ? json_pack("{s:[], s:o}", "signatures", "signed", body) : NULL;
    if (!doc)
        return hn_nomem(cx, "a signed file");
    *out = doc;
    return HN_OK;
}

static hn_err put_signature(hn_ctx *cx, json_t *doc, const char *id, const hn_buf *sig)
{
    json_t *list = json_object_get(doc, "signatures");
    char *hex = hn_alloc(cx, 2 * sig->len + 1);
    if (!hex)
        return hn_nomem(cx, "a signature");
    hn_hex(sig->data, sig->len, hex);
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *had = json_string_value(json_object_get(json_array_get(list, i), "keyid"));
        if (had && strcmp(had, id) == 0)
            json_array_remove(list, i);
    }
    int bad = json_array_append_new(list, json_pack("{s:s, s:s}", "keyid", id, "sig", hex));
    hn_free(cx, hex);
    return bad ? hn_nomem(cx, "a signature") : HN_OK;
}

hn_err hn_tuf_sign(hn_ctx *cx, json_t *doc, const hn_key *key)
{
    json_t *form = NULL;
    char id[HN_SHA256_HEX];
    hn_buf text = { .cx = cx }, sig = { .cx = cx };
    hn_err e = hn_tuf_key_write(cx, key, &form);
    if (!e)
        e = hn_tuf_key_id(cx, form, id);
    if (!e)
        e = hn_json_canonical(cx, json_object_get(doc, "signed"), &text);
    if (!e)
        e = hn_key_sign(cx, key, text.data, text.len, &sig);
    if (!e)
        e = put_signature(cx, doc, id, &sig);
    json_decref(form);
    hn_buf_free(&text);
    hn_buf_free(&sig);
    return e;
}

hn_err hn_tuf_write_text(hn_ctx *cx, const json_t *doc, hn_buf *out)
{
    char *text = json_dumps(doc, JSON_INDENT(1) | JSON_SORT_KEYS);
    if (!text)
        return hn_nomem(cx, "a signed file");
    hn_buf_text(out, text);
    hn_buf_text(out, "\n");
    free(text);
    return hn_buf_ok(out, "a signed file");
}

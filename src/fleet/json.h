/* SPDX-License-Identifier: Apache-2.0 */
/* JSON that is signed.
 *
 * Reading is strict: no member twice, no fractions, whole numbers of 64 bits, nothing after the end,
 * a limit on depth.  The canonical form is the one bytes that a value has: it is what gets signed, so
 * unknown members are part of it. */
#ifndef HN_FLEET_JSON_H
#define HN_FLEET_JSON_H

#include <jansson.h>

#include "base/buf.h"

enum { HN_JSON_DEPTH_MAX = 64 };

/* `what` names it in messages.  The caller releases the value. */
hn_err hn_json_parse(hn_ctx *cx, const char *what, const char *text, size_t len, json_t **out);
/* The same with fractions allowed, for what is not signed in canonical form (bundles, manifests). */
hn_err hn_json_parse_real(hn_ctx *cx, const char *what, const char *text, size_t len, json_t **out);

/* Members sorted by code point, no white space, only '"' and '\' escaped. */
hn_err hn_json_canonical(hn_ctx *cx, const json_t *value, hn_buf *out);

/* Members that must be there, of the type asked for: HN_EFORMAT with `what` and the name otherwise.
 * Borrowed from `object`. */
hn_err hn_json_text(hn_ctx *cx, const char *what, const json_t *object, const char *name, const char **out);
hn_err hn_json_int(hn_ctx *cx, const char *what, const json_t *object, const char *name, int64_t min, int64_t *out);
hn_err hn_json_object(hn_ctx *cx, const char *what, const json_t *object, const char *name, const json_t **out);
hn_err hn_json_array(hn_ctx *cx, const char *what, const json_t *object, const char *name, const json_t **out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Chat templates: the part of Jinja that models ship, interpreted.
 *
 * Output is byte for byte what Python's jinja2 gives with the settings model makers test with:
 * trim_blocks, lstrip_blocks, no auto-escaping, break and continue, tojson without HTML escapes.
 * A template is code from a stranger: it reads nothing but its variables, and its steps, output,
 * memory and depth are bounded.  {% include %}, {% import %} and {% extends %} are refused. */
#ifndef HN_LLM_JINJA_H
#define HN_LLM_JINJA_H

#include <jansson.h>
#include <time.h>

#include "base/buf.h"
#include "tensor/tensor.h"

typedef struct hn_jinja hn_jinja;       /* a template, parsed; read-only, for any thread */

typedef struct hn_jinja_opts {
    size_t output_max;                  /* bytes; 0: 16 MiB */
    size_t memory_max;                  /* bytes while rendering; 0: 64 MiB */
    size_t steps_max;                   /* 0: ten million, some seconds */
    const struct tm *now;               /* for strftime_now; NULL: the local time */
} hn_jinja_opts;

/* HN_EFORMAT names the line and what was expected there, HN_EUNSUP what is not supported. */
hn_err hn_jinja_new(hn_ctx *cx, hn_text source, hn_jinja **out);
void hn_jinja_free(hn_jinja *j);        /* NULL is fine */

/* Appends the rendered text.  vars: an object, each member a variable (messages, tools, bos_token, ...).
 * HN_EARG carries the words of the template's own raise_exception(). */
hn_err hn_jinja_render(hn_ctx *cx, const hn_jinja *j, const json_t *vars, const hn_jinja_opts *opts, hn_buf *out);

#endif

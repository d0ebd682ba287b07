/* SPDX-License-Identifier: Apache-2.0 */
/* What the schema files share. */
#ifndef HN_LLM_SCHEMA_IMPL_H
#define HN_LLM_SCHEMA_IMPL_H

#include "llm/schema.h"

typedef struct hn_schema {
    hn_ctx *cx;
    const json_t *root;
    hn_buf *out;
    const json_t **queue; size_t count, cap;     /* rule s<i> is of queue[i] */
    json_t *made;                                /* merged schemas, kept alive; the first is empty */
    size_t done, helpers;                        /* rules written; helper rules named */
} hn_schema;

hn_err hn_schema_put_rule(hn_schema *s, const json_t *of);       /* the name of a subschema's rule, or "any" for NULL */
void hn_schema_put_times(hn_schema *s, json_int_t least, json_int_t most);      /* {least,most}; most -1: no limit */
hn_err hn_schema_count(const hn_schema *s, const json_t *of, const char *key, json_int_t otherwise, json_int_t *out);
bool hn_schema_requires(const json_t *of, const char *name);
hn_err hn_schema_object(hn_schema *s, const json_t *of);

/* Appends a group that matches whole numbers from low to high, both of at most sixteen digits. */
void hn_schema_integers(hn_buf *out, int64_t low, int64_t high);

/* Appends a group that matches the inside of a JSON string whose text a regular expression finds something in. */
hn_err hn_schema_pattern(hn_ctx *cx, const char *pattern, hn_buf *out);

/* Appends a character of a GBNF literal or class. */
void hn_schema_char(hn_buf *out, uint32_t c);

#endif

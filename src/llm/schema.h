/* SPDX-License-Identifier: Apache-2.0 */
/* JSON schemas as grammars.
 *
 * The grammar says no more than the schema allows, and sometimes less: properties come in the order of the schema, numbers
 * have at most sixteen digits, keys that a map makes up are written without escapes, and an object whose
 * schema lists properties gets others only where it says "additionalProperties" itself.
 *
 * Known: type, enum, const, anyOf, oneOf (where no two can both hold), allOf, $ref inside the document; properties,
 * required, additionalProperties, minProperties, maxProperties; items, prefixItems, minItems, maxItems;
 * minLength, maxLength, pattern, format (date, time, date-time, uuid); minimum, maximum and the exclusive ones.
 * What asserts something else is refused by name; what is unknown asserts nothing. */
#ifndef HN_LLM_SCHEMA_H
#define HN_LLM_SCHEMA_H

#include <jansson.h>

#include "base/buf.h"
#include "tensor/tensor.h"

/* Appends the text of a grammar (llm/grammar.h).  HN_EFORMAT for what is no schema. */
hn_err hn_schema_grammar(hn_ctx *cx, const json_t *schema, hn_buf *out);

#endif

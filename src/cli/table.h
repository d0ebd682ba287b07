/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: an array of flat JSON objects, printed as a table, as Markdown or as JSON.
 *
 * A command builds its rows once; what a person and what a script reads cannot differ. */
#ifndef HN_CLI_TABLE_H
#define HN_CLI_TABLE_H

#include <jansson.h>

#include "cli/command.h"

enum hn_table_form { HN_TABLE_TEXT, HN_TABLE_MARKDOWN };

/* columns: keys of the rows, ending with NULL; a column is headed by its key.  Numbers stand to the
 * right, arrays become "a, b", missing values and null "-". */
hn_err hn_table_print(hn_ctx *cx, const json_t *rows, const char *const *columns, enum hn_table_form form);

/* Prints one value and releases it.  NULL, as jansson gives when out of memory, is an error. */
hn_err hn_json_print(hn_ctx *cx, json_t *value);

/* Reads a JSON file; the caller releases the value.  Errors name file and line. */
hn_err hn_json_read(hn_ctx *cx, const char *path, json_t **out);

#endif

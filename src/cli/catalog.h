/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue that the program carries, for the commands that look into it. */
#ifndef HN_CLI_CATALOG_H
#define HN_CLI_CATALOG_H

#include "cli/command.h"
#include "plan/catalog.h"
#include "plan/needs.h"

/* dir: the user's folder, or NULL. */
hn_err hn_catalog_embedded(hn_ctx *cx, const char *dir, hn_catalog **out);

/* Rows for `hone list devices|models|quants|runtimes|clouds`. */
hn_err hn_list_devices(hn_cli *c, json_t *rows);
hn_err hn_list_models(hn_cli *c, json_t *rows);
hn_err hn_list_quants(hn_cli *c, json_t *rows);
hn_err hn_list_runtimes(hn_cli *c, json_t *rows);
hn_err hn_list_clouds(hn_cli *c, json_t *rows);

#endif

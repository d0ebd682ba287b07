/* SPDX-License-Identifier: Apache-2.0 */
/* Shared objects of the program's own, opened by the command that needs one: so `hone --version` and
 * `hone run` never pay for libraries they do not use. */
#ifndef HN_CLI_MODULE_H
#define HN_CLI_MODULE_H

#include "base/ctx.h"

/* Finds libhone-NAME.so beside the program or in ../lib/hone, and `symbol` in it: a table that is valid
 * for the life of the process.  `what` begins the sentence of a failure: "pictures need". */
hn_err hn_module_open(hn_ctx *cx, const char *name, const char *symbol, const char *what, const void **table);

/* The failure of a table that was found and is of another build than this program. */
hn_err hn_module_stale(hn_ctx *cx, const char *name);

#endif

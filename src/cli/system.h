/* SPDX-License-Identifier: Apache-2.0 */
/* The system floors (net, fleet) as one table, made from system.def.
 *
 * They live in libhone-system.so, so that only commands which use them load libcurl, libcrypto and the
 * like.  The table is filled in system_table.c, which is linked there and not into the program. */
#ifndef HN_CLI_SYSTEM_H
#define HN_CLI_SYSTEM_H

#include "fleet/agent.h"
#include "fleet/delta.h"
#include "fleet/oms.h"
#include "fleet/registry.h"
#include "fleet/seal.h"
#include "fleet/tuf.h"
#include "fleet/tuf_repo.h"
#include "net/fetch.h"
#include "net/url.h"

typedef struct hn_system {
    size_t size;                 /* of this struct, and the version: both must be the program's own */
    const char *version;
#define SYSTEM(result, name, args) result (*name) args;
#include "cli/system.def"
#undef SYSTEM
} hn_system;

/* Opens it when first needed; later calls give the same table, valid for the life of the process. */
hn_err hn_system_open(hn_ctx *cx, const hn_system **out);

extern const hn_system hn_system_table;       /* in libhone-system.so only */

#endif

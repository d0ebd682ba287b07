/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/system.h"

#include <string.h>

#include "cli/module.h"
#include "hone.h"

hn_err hn_system_open(hn_ctx *cx, const hn_system **out)
{
    const void *found;
    HN_TRY(hn_module_open(cx, "system", "hn_system_table", "this command needs", &found));
    const hn_system *table = found;
    if (table->size != sizeof *table || strcmp(table->version, HONE_VERSION) != 0)
        return hn_module_stale(cx, "system");
    *out = table;
    return HN_OK;
}

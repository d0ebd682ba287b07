/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media.h"

#include "cli/module.h"

hn_err hn_media_open(hn_ctx *cx, const hn_media **out)
{
    const void *found;
    HN_TRY(hn_module_open(cx, "media", "hn_media_table", "pictures need", &found));
    const hn_media *table = found;
    if (table->abi != HN_MEDIA_ABI)
        return hn_module_stale(cx, "media");
    *out = table;
    return HN_OK;
}

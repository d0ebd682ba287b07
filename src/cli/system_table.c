/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/system.h"
#include "hone.h"

__attribute__((visibility("default"))) const hn_system hn_system_table = {
    .size = sizeof(hn_system), .version = HONE_VERSION,
#define SYSTEM(result, name, args) .name = hn_##name,
#include "cli/system.def"
#undef SYSTEM
};

/* SPDX-License-Identifier: Apache-2.0 */
/* hone plan --device here: this machine, measured, with the model itself if there is a file. */
#ifndef HN_CLI_PLAN_HERE_H
#define HN_CLI_PLAN_HERE_H

#include "cli/command.h"
#include "plan/device.h"
#include "plan/needs.h"

/* Memory, read bandwidth, arithmetic; and of needs->file what a short run of it gave.  Takes about a second. */
hn_err hn_plan_here(hn_cli *c, const hn_needs *n, hn_device *out);

#endif

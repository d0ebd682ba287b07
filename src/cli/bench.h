/* SPDX-License-Identifier: Apache-2.0 */
/* hone bench's other half. */
#ifndef HN_CLI_BENCH_H
#define HN_CLI_BENCH_H

#include "cli/command.h"

hn_err hn_bench_lm(hn_cli *c, const char *path);      /* a GGUF file */

#endif

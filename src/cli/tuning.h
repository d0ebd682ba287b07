/* SPDX-License-Identifier: Apache-2.0 */
/* --tune and --timing-cache, of commands that make plans. */
#ifndef HN_CLI_TUNING_H
#define HN_CLI_TUNING_H

#include "base/file.h"
#include "cli/command.h"
#include "runtime/tune.h"

#define HN_TUNE_OPTS                                                                                                    \
    { "tune", 0, HN_OPT_FLAG, NULL, "time the ways to run each layer and take the fastest; winners are remembered",      \
      NULL, 0, 0 },                                                                                                      \
    { "timing-cache", 0, HN_OPT_FILE, "FILE", "where winners are remembered (with --tune: hone/timings in the cache folder)", \
      NULL, 0, 0 }

typedef struct hn_tuning {
    hn_tuner t;
    char path[HN_PATH_MAX];          /* "": nothing is remembered */
    bool on;                         /* one of the options was given */
} hn_tuning;

/* Reads what is remembered.  End in either case. */
hn_err hn_tuning_begin(hn_cli *c, hn_pool *pool, hn_tuning *out);
void hn_tuning_use(hn_tuning *t, hn_plan_opts *o);
/* Writes what was learnt; a cache that cannot be written is told, not fatal. */
void hn_tuning_end(hn_cli *c, hn_tuning *t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling ahead: a model's plans to a file that is mapped back. */
#ifndef HN_RUNTIME_COMPILE_H
#define HN_RUNTIME_COMPILE_H

#include "formats/planfile.h"
#include "runtime/plan.h"

enum { HN_PROFILES_MAX = 32 };

typedef struct hn_compile_opts {
    const hn_plan_opts *profile; size_t profile_count;     /* one plan each, of different shapes; 1 to HN_PROFILES_MAX */
    bool keep;                          /* weights as they were, too: other kernels and fixed inputs then can be planned */
    const hn_range *range; size_t range_count;             /* how far open dimensions go; others go anywhere */
    bool fixed;                         /* open dimensions are closed: the one profile is all there is */
} hn_compile_opts;

typedef struct hn_compile_report {
    hn_planfile_report file;
    size_t steps, plans;
    bool kept;                          /* weights are there as they were */
} hn_compile_report;

/* `path` names the model that `src` was read from: the file tells its name and checksum.  Models with open dimensions
 * keep their weights unless `fixed`. */
hn_err hn_compile(hn_ctx *cx, const char *path, const hn_source *src, const hn_compile_opts *o, const char *out,
                  hn_compile_report *report);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* hone verify's parts: where expected results come from, and what is done with them. */
#ifndef HN_CLI_VERIFY_H
#define HN_CLI_VERIFY_H

#include "cli/command.h"
#include "cli/compare.h"
#include "cli/runner.h"

/* Inputs of one run and the outputs to expect, in the order of the model's. */
typedef struct hn_testset {
    const char *name;
    hn_tensor *in;    size_t in_count;
    hn_tensor *want;  size_t want_count;
} hn_testset;

/* Sets found in a folder, in the arena: ONNX's test_data_set_N/{input,output}_M.pb, the same files
 * right in the folder, .npy in their place, or a golden folder of ours with an index.json. */
hn_err hn_testsets_read(hn_ctx *cx, const hn_graph *g, const char *dir, hn_arena *a,
                        hn_testset **out, size_t *count);

/* ONNX's light_* models come with outputs only: the input is i / n for element i of n. */
hn_err hn_testset_light(hn_ctx *cx, const hn_graph *g, const char *model, hn_arena *a, hn_testset *out);

/* Reads a tensor file by its ending: .pb or .npy.  like: the type it is wanted for, which tells
 * optionals from sequences; or HN_NONE. */
hn_err hn_tensor_file_read(hn_ctx *cx, const char *path, hn_dtype like, hn_arena *a, hn_tensor *out);

/* The walks; each prints its own lines and fails with HN_ENO when something disagreed. */
hn_err hn_verify_suite(hn_cli *c, const char *dir, const hn_runner_opts *o, const char *report);
/* The command's end: "no" when something failed, without a further sentence. */
hn_err hn_verdict(hn_cli *c, size_t failed);

hn_err hn_verify_lm(hn_cli *c, const char *dir, bool eval);
hn_err hn_verify_cases(hn_cli *c, const char *file, const char *models, const hn_runner_opts *o);

/* Runs a set and compares every output; diff[want_count].  *agree tells whether all did. */
hn_err hn_testset_run(hn_ctx *cx, hn_runner *r, const hn_testset *set, hn_tolerance tol,
                      hn_diff *diff, bool *agree);

#endif

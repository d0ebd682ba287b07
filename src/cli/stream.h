/* SPDX-License-Identifier: Apache-2.0 */
/* A model that remembers, fed with sound piece by piece: `run --stateful`. */
#ifndef HN_CLI_STREAM_H
#define HN_CLI_STREAM_H

#include "cli/input.h"
#include "cli/runner.h"

/* The options of `run` that say how; for the command's table. */
#define HN_STREAM_OPTS                                                                                            \
    { "stateful", 0, HN_OPT_FLAG, NULL, "feed a WAV file piece by piece; what the model remembers goes from step to step", NULL, 0, 0 }, \
    { "chunk", 0, HN_OPT_INT, "N", "with --stateful: samples of a piece, where the model leaves it open", NULL, 1, 1 << 24 },    \
    { "context", 0, HN_OPT_INT, "N", "with --stateful: so many samples before a piece are given again with it", NULL, 0, 1 << 24 }, \
    { "hop", 0, HN_OPT_INT, "N", "with --stateful: from one piece to the next (default: their length)", NULL, 1, 1 << 24 },      \
    { "state", 0, HN_OPT_TEXT, "IN=OUT", "with --stateful: output OUT is input IN of the next step (default: by name, else by shape)", NULL, 0, 0 }, \
    { "wav", 0, HN_OPT_FILE, "FILE", "with --stateful: write the first output as sound; pieces that overlap are added", NULL, 0, 0 }

/* Runs the whole file and tells what came out.  in: what was given, heard: the sound. */
hn_err hn_stream(hn_cli *c, hn_runner *r, hn_arena *a, hn_tensor *in, const hn_heard *heard);

#endif

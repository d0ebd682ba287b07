/* SPDX-License-Identifier: Apache-2.0 */
/* Deltas: what must be sent to make one model file of another.  The format is in doc/package.md.
 *
 * Weights that were trained a little further differ by small numbers nearly everywhere.  Comparing bytes
 * finds nothing to save in that; subtracting numbers of the right type does, because the differences take
 * few values.  So a delta follows the tensors of both files: equal ones are copied, others subtracted, the
 * differences split into planes of bytes and packed (rans.h).  What is no tensor goes through zstd with the
 * old file's bytes at hand.
 *
 * Applying it reads the old file where it lies and holds one piece at a time. */
#ifndef HN_FLEET_DELTA_H
#define HN_FLEET_DELTA_H

#include "base/file.h"
#include "fleet/digest.h"
#include "fleet/reason.h"

enum {
    HN_DELTA_PIECE = 1 << 20,             /* of new bytes, made at once */
    HN_DELTA_SEGMENTS_MAX = 1 << 16,
    HN_DELTA_WINDOW_LOG_MAX = 31,
};

/* What a delta says of itself. */
typedef struct hn_delta_info {
    uint64_t old_length, new_length;
    hn_digest old_sha256, new_sha256;
    uint32_t segments;
    uint64_t window_bytes;                /* the largest window a zstd frame in it may ask for */
    uint64_t ram_bytes;                   /* private memory that applying takes, about */
} hn_delta_info;

/* Checks the frame of it: header, every segment's bounds, and that they add up. */
hn_err hn_delta_read(hn_ctx *cx, const void *delta, size_t len, hn_delta_info *out);

/* Makes the new bytes, in order, for `write`.  Refused with HN_EREFUSED when the old file is not the one it
 * was made from, when it asks for a window over window_max, when it is damaged, or when the result is not
 * what the header says: then what was written must be thrown away. */
hn_err hn_delta_apply(hn_ctx *cx, const void *delta, size_t len, const hn_file *old, uint64_t window_max,
                      hn_err (*write)(void *user, hn_ctx *cx, const void *data, size_t len), void *user);

/* The same from files to a file, which appears complete or not at all. */
hn_err hn_delta_apply_files(hn_ctx *cx, const char *delta, const char *old, const char *out, uint64_t window_max);

/* ---- Making ------------------------------------------------------------------------------------------ */

typedef struct hn_delta_sizes {           /* of the ways that were tried; 0: not tried */
    uint64_t typed, prefix, whole;        /* tensors; zstd with the old file as prefix; zstd alone */
    uint64_t chosen;
    const char *method;                   /* "typed", "prefix", "whole" */
} hn_delta_sizes;

typedef struct hn_delta_opts {
    int level;                            /* of zstd where the bulk goes through it; 0: 9 */
    uint64_t prefix_bytes_max;            /* old + new above this are not tried with a prefix; 0: 1 GiB */
    bool typed_only;
} hn_delta_opts;

/* The smallest way to say it.  The files' own formats tell where tensors lie; any other file works too. */
hn_err hn_delta_make(hn_ctx *cx, const char *old, const char *fresh, const hn_delta_opts *o, hn_buf *out,
                     hn_delta_sizes *sizes);

/* The command: makes or applies, and tells what it did. */
hn_err hn_delta_make_file(hn_ctx *cx, const char *old, const char *fresh, const char *out, hn_delta_sizes *sizes,
                          hn_delta_info *info);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a GGUF file anew with smaller types.
 *
 * With `pack` matrices are laid in panels (kernels/qpack.h), which are mapped and multiplied where they lie; files of
 * panels are read like others, and written without them when it is not set.
 *
 * A few megabytes of rows at a time, all threads at once; the file that is read stays mapped, the one that
 * is written appears when whole. */
#ifndef HN_COMPRESS_QUANTIZE_H
#define HN_COMPRESS_QUANTIZE_H

#include "base/pool.h"
#include "base/progress.h"
#include "compress/imatrix.h"
#include "compress/mix.h"

typedef struct hn_quantize_opts {
    hn_mix_opts mix;                 /* of mix NONE: types stay as they are */
    bool pack;
    const hn_imatrix *importance;    /* NULL: none */
    const char *importance_path;     /* noted in the file */
    bool requantize;                 /* take weights that were rounded before */
    hn_pool *pool;
    hn_progress *progress;           /* started by the caller; NULL: none */
} hn_quantize_opts;

typedef struct hn_quantized {
    const char *name;                /* of the file that was read */
    hn_qtype from, to;
    size_t before, after;            /* bytes */
    size_t elements;
    double error;                    /* root of sum (new - old)^2 / sum old^2; 0 when copied */
    bool heeded;                     /* its importance was known and used */
    bool panels;                     /* as it was written */
} hn_quantized;

typedef struct hn_quantize_report {
    hn_quantized *tensor; size_t count;     /* in the arena given */
    uint64_t before, after, elements;       /* of all tensors */
} hn_quantize_report;

hn_err hn_quantize(hn_ctx *cx, const hn_gguf *in, const char *out, const hn_quantize_opts *o, hn_arena *a,
                   hn_quantize_report *report);

uint64_t hn_quantize_elements(const hn_gguf *in);      /* what progress counts */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Other people's files to GGUF: Hugging Face folders and llama2.c checkpoints.
 *
 * Tensors stay in the mapped files and pass through a few megabytes; what a file has and nobody understands is
 * refused by name, as a weight left out would be a wrong answer. */
#ifndef HN_LLM_CONVERT_H
#define HN_LLM_CONVERT_H

#include "base/ctx.h"
#include "base/progress.h"
#include "tensor/qtypes.h"

typedef struct hn_convert_opts {
    hn_qtype type;               /* of matrices: F32, F16, BF16; NONE: as they are */
    const char *pre;             /* name of the pre-tokenizer, where it cannot be told; or NULL */
    const char *tokenizer;       /* llama2.c: its tokenizer.bin, or NULL for none */
    hn_progress *progress;       /* started by the caller, counts bytes; or NULL */
} hn_convert_opts;

typedef struct hn_convert_report {
    char arch[32];
    size_t tensors;
    uint64_t parameters, bytes;  /* bytes: of the file written */
} hn_convert_report;

/* dir: config.json, *.safetensors, tokenizer.json or tokenizer.model. */
hn_err hn_convert_hf(hn_ctx *cx, const char *dir, const char *out, const hn_convert_opts *o, hn_convert_report *report);
uint64_t hn_convert_hf_bytes(const char *dir);       /* of its tensors' files, for the progress */

/* A checkpoint of llama2.c, version 0: seven numbers, then floats. */
bool hn_llama2c_probe(const void *data, size_t len);
hn_err hn_convert_llama2c(hn_ctx *cx, const char *path, const char *out, const hn_convert_opts *o,
                          hn_convert_report *report);

#endif

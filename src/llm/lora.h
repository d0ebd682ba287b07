/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters: small matrices that change what a model's matrices do, from GGUF files of their own.
 *
 * For each matrix W that an adapter names it has A, of few rows, and B, of few columns; with it, W x becomes
 * W x + scale * alpha / rank * B (A x).  Weights stay where they are: several adapters may be used at once,
 * and each stream has its own.  Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021. */
#ifndef HN_LLM_LORA_H
#define HN_LLM_LORA_H

#include "formats/gguf.h"

typedef struct hn_lora {
    hn_gguf *file;
    float alpha;                 /* 0: as if it were the rank */
} hn_lora;

/* Checks it against the model's file: same architecture, each pair whole and of its matrix's shape. */
hn_err hn_lora_open(hn_ctx *cx, const char *path, const hn_gguf *model, hn_lora *out);
hn_err hn_lora_open_memory(hn_ctx *cx, const void *data, size_t len, const hn_gguf *model, hn_lora *out);
void hn_lora_close(hn_lora *l);          /* after the streams that use it; safe on a zeroed one */

typedef struct hn_lora_use { const hn_lora *lora; float scale; } hn_lora_use;

#endif

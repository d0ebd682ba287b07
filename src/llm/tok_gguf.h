/* SPDX-License-Identifier: Apache-2.0 */
/* The tokenizer a GGUF file carries. */
#ifndef HN_LLM_TOK_GGUF_H
#define HN_LLM_TOK_GGUF_H

#include "formats/gguf.h"
#include "llm/tok.h"

/* HN_EUNSUP names the tokenizer model or pre-tokenizer when it is not known here. */
hn_err hn_tok_from_gguf(hn_ctx *cx, const hn_gguf *g, hn_tok **out);

/* The chat template, borrowed from the file; len 0 when there is none. */
hn_err hn_gguf_chat_template(hn_ctx *cx, const hn_gguf *g, hn_text *out);

#endif

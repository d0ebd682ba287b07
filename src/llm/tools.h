/* SPDX-License-Identifier: Apache-2.0 */
/* Tool calls: what a model said, taken apart.
 *
 * Each family writes calls its own way (tools.def); some write nothing but the call.  Control tokens count, so
 * the text must be made with them (hn_talk_opts.special). */
#ifndef HN_LLM_TOOLS_H
#define HN_LLM_TOOLS_H

#include <jansson.h>

#include "base/buf.h"
#include "tensor/tensor.h"

/* *out: a message as chats hold it, to be freed with json_decref:
 *
 *     {"role": "assistant", "content": "...", "reasoning_content": "...",
 *      "tool_calls": [{"type": "function", "id": "call_0", "function": {"name": "...", "arguments": {...}}}]}
 *
 * Without calls or reasoning those members are absent.  What looks like a call and cannot be read stays in the
 * content.  tools: the list offered, by which values without a type are read; NULL: as JSON where they are. */
hn_err hn_tools_parse(hn_ctx *cx, hn_text said, const json_t *tools, json_t **out);

#endif

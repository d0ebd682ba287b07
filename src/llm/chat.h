/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation as the model's own template writes it. */
#ifndef HN_LLM_CHAT_H
#define HN_LLM_CHAT_H

#include <jansson.h>

#include "base/buf.h"
#include "llm/lm.h"

/* Appends the text.  vars: an object with "messages", and what else the template may know ("tools",
 * "enable_thinking"); "add_generation_prompt", "bos_token" and "eos_token" are filled in where absent, in
 * the caller's object.  HN_EUNSUP when the file carries no template. */
hn_err hn_lm_chat(hn_ctx *cx, const hn_lm *m, json_t *vars, hn_buf *text);

#endif

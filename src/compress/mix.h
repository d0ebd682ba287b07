/* SPDX-License-Identifier: Apache-2.0 */
/* Mixes: which tensor of a language model gets which type.
 *
 * A mix is a name people know ("Q4_K_M"): one type for most tensors and another where the model is most hurt
 * or least helped.  The choices are llama.cpp's, so that a name means one thing. */
#ifndef HN_COMPRESS_MIX_H
#define HN_COMPRESS_MIX_H

#include "formats/gguf.h"

typedef enum hn_mix {
    HN_MIX_NONE,
#define MIX(id, name, number, type) HN_MIX_##id,
#include "compress/mix.def"
#undef MIX
    HN_MIX_COUNT
} hn_mix;

typedef struct hn_mix_info { const char *name; uint32_t number; hn_qtype base; } hn_mix_info;

const hn_mix_info *hn_mix_get(hn_mix m);             /* m is a mix, not NONE */
hn_mix hn_mix_from_name(const char *name);           /* letters of either case; Q3_K, Q4_K, Q5_K are their _M; or NONE */

typedef struct hn_mix_opts {
    hn_mix mix;
    bool pure;                   /* the base type for all that can have it */
    bool importance;             /* there is an importance matrix */
    hn_qtype embedding, output;  /* NONE: as the mix says */
} hn_mix_opts;

/* types[i]: what tensor i of the file is to become. */
hn_err hn_mix_choose(hn_ctx *cx, const hn_gguf *file, const hn_mix_opts *o, hn_qtype *types);

/* Would this type, in this tensor, be ruined without an importance matrix? */
bool hn_mix_needs_importance(hn_mix m, const char *tensor, hn_qtype t);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What making and applying deltas share: the layout of the file. */
#ifndef HN_FLEET_DELTA_IMPL_H
#define HN_FLEET_DELTA_IMPL_H

#include "base/arena.h"
#include "fleet/delta.h"

enum { HN_DELTA_HEAD = 96, HN_DELTA_SEGMENT = 40 };

typedef enum hn_segment_kind { HN_SEG_COPY, HN_SEG_ZSTD, HN_SEG_TYPED, HN_SEG_KINDS } hn_segment_kind;

/* How the bytes of a typed segment are numbers. */
typedef enum hn_delta_form {
    HN_FORM_U8,           /* bytes */
    HN_FORM_U16,          /* f16, bf16, 16-bit integers */
    HN_FORM_U32,          /* f32, 32-bit integers */
    HN_FORM_BLOCK_U8,     /* blocks: `head` bytes of 16-bit scales, then codes of 8 bits */
    HN_FORM_BLOCK_U4,     /* the same with two codes of 4 bits in a byte */
    HN_FORM_COUNT
} hn_delta_form;

typedef struct hn_segment {
    hn_segment_kind kind;
    hn_delta_form form;   /* TYPED */
    uint8_t head;         /* TYPED, blocks: even, at most 16 */
    uint8_t window_log;   /* ZSTD: what the frame may ask for */
    uint16_t block;       /* TYPED, blocks: bytes of one, over head, at most 512 */
    uint64_t old_at, old_len;     /* COPY, TYPED: old_len = new_len; ZSTD: the prefix, may be empty */
    uint64_t new_len, stored;
} hn_segment;

/* Bytes of a typed segment's whole elements: pieces are cut at multiples. */
size_t hn_form_unit(const hn_segment *s);
size_t hn_form_planes(hn_delta_form form);

/* Splits what lies between old and new bytes (whole units) into planes, laid one behind the other in
 * `plane` with their sizes in `size`; and puts new bytes together again. */
void hn_form_split(const hn_segment *s, const uint8_t *old, const uint8_t *fresh, size_t n, uint8_t *plane,
                   size_t size[4]);
void hn_form_sizes(const hn_segment *s, size_t n, size_t size[4]);
void hn_form_join(const hn_segment *s, const uint8_t *old, const uint8_t *plane, size_t n, uint8_t *fresh);

void hn_segment_write(const hn_segment *s, uint8_t out[HN_DELTA_SEGMENT]);
/* Reads and checks one against the lengths of the files. */
hn_err hn_segment_read(hn_ctx *cx, const uint8_t *p, uint64_t old_length, uint64_t new_left, uint64_t stored_left,
                       hn_segment *out);

static inline uint64_t hn_le64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}
static inline void hn_le64_put(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* ---- Where tensors lie in a file ---------------------------------------------------------------------- */

typedef struct hn_tensor_at {
    const char *name;
    uint64_t at, size;
    hn_delta_form form;
    uint8_t head;
    uint16_t block;
} hn_tensor_at;

/* In order of place, none overlapping another, small ones left out.  A file of no known format has none. */
hn_err hn_tensor_map(hn_ctx *cx, const hn_file *f, hn_arena *a, hn_tensor_at **out, size_t *count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Planes: runs of bytes whose values are very unevenly frequent, packed to nearly their entropy.
 *
 * A range coder of the rANS kind with one static table per plane and eight states in turn, so that eight
 * symbols are decoded independently of each other.  A plane says itself how it is packed:
 *
 *     0 VALUE                     all bytes are this one
 *     1 BYTES                     as they are
 *     2 COUNT-1 (SYMBOL FREQ)*    u8, then u8 and u16 each: the table, frequencies out of 4096
 *       STATE*8 WORDS             u32 each, then u16 each, little-endian
 */
#ifndef HN_FLEET_RANS_H
#define HN_FLEET_RANS_H

#include "base/buf.h"

enum { HN_PLANE_MAX = 1 << 20 };                  /* bytes of one plane */

/* Appends n bytes packed; failure shows in the buffer. */
void hn_plane_pack(hn_buf *out, const uint8_t *data, size_t n);

/* Unpacks exactly n bytes from the front of a piece of len bytes; returns how many it took, 0 when it is
 * damaged. */
size_t hn_plane_unpack(const uint8_t *packed, size_t len, uint8_t *out, size_t n);

#endif

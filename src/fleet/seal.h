/* SPDX-License-Identifier: Apache-2.0 */
/* Files only one device can read: for models that must not leak from a stick, a mirror or a stolen disk.
 *
 *     "HNSL", u16 version 1, u16 0, u32 chunk size          numbers are little-endian
 *     32 bytes: an X25519 key made for this file alone
 *     32 bytes: the device's X25519 key, so that it can tell what is meant for it
 *     chunks: ciphertext as long as the plaintext, and a 16-byte tag; all but the last are full
 *
 * Key: HKDF-SHA-256 over what the two keys agree on, salt: the 76 bytes above, info "hone/seal/v1".  Chunks:
 * ChaCha20-Poly1305, nonce: u64 number of the chunk, u8 1 for the last one or 0, three zeros.  So a file that was
 * cut, continued, or whose chunks changed places does not open.  Whoever has the device's public key can
 * make one: sealing hides, it does not sign. */
#ifndef HN_FLEET_SEAL_H
#define HN_FLEET_SEAL_H

#include "fleet/key.h"

/* Both stream through a few hundred KB whatever the size, and leave nothing under `to` on failure. */
hn_err hn_seal_file(hn_ctx *cx, const hn_key *device, const char *from, const char *to);
hn_err hn_unseal_file(hn_ctx *cx, const hn_key *device, const char *from,
                      const char *to);     /* HN_EREFUSED: not so sealed */

#endif

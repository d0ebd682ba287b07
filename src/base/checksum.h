/* SPDX-License-Identifier: Apache-2.0 */
/* Has a file kept its bytes?  XXH64 with seed 0: as fast as memory, no defence against malice. */
#ifndef HN_BASE_CHECKSUM_H
#define HN_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t hn_checksum(const void *data, size_t len);

#endif

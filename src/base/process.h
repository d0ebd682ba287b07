/* SPDX-License-Identifier: Apache-2.0 */
/* What the operating system says of this process. */
#ifndef HN_BASE_PROCESS_H
#define HN_BASE_PROCESS_H

#include <stddef.h>

/* Bytes only this process holds (Private_* of smaps_rollup): what it costs a machine, without
 * mapped files shared through the page cache.  0 where the system does not tell. */
size_t hn_private_bytes(void);
size_t hn_private_dirty_bytes(void);     /* of those, what was written: no pages of files */
size_t hn_peak_resident_bytes(void);     /* the most ever resident, mapped files included */

#endif

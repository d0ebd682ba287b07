/* SPDX-License-Identifier: Apache-2.0 */
/* What the operating system says of this process. */
#ifndef HN_BASE_PROCESS_H
#define HN_BASE_PROCESS_H

#include <stddef.h>

/* Bytes only this process holds (Private_* of smaps_rollup): what it costs a machine, without
 * mapped files shared through the page cache.  0 where the system does not tell. */
size_t hn_private_bytes(void);

/* Of those, what was written: heap, stacks, relocated pointers.  Pages of files never count, nor do a program's own
 * that wait to go to disk since it was linked, so this does not move with what else the machine does. */
size_t hn_written_bytes(void);
size_t hn_large_page_bytes(void);        /* of those, in large pages, whose last one is whole */

/* "AMD EPYC 7763 64-Core Processor", as the system calls it; "processor" where it does not tell. */
enum { HN_CPU_NAME = 64 };
const char *hn_cpu_name(char out[HN_CPU_NAME]);

size_t hn_peak_resident_bytes(void);     /* the most ever resident, mapped files included */

#endif

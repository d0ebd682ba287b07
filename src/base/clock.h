/* SPDX-License-Identifier: Apache-2.0 */
/* Time, monotonic. */
#ifndef HN_BASE_CLOCK_H
#define HN_BASE_CLOCK_H

#include <stdint.h>

uint64_t hn_now_ns(void);
static inline double hn_ms(uint64_t ns) { return (double)ns * 1e-6; }

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on numbers from outside: checked before it happens. */
#ifndef HN_BASE_NUM_H
#define HN_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Saturate at SIZE_MAX, which every limit and allocator then refuses. */
static inline size_t hn_mul(size_t a, size_t b)
{
    size_t r;
    return __builtin_mul_overflow(a, b, &r) ? SIZE_MAX : r;
}

static inline size_t hn_add(size_t a, size_t b)
{
    size_t r;
    return __builtin_add_overflow(a, b, &r) ? SIZE_MAX : r;
}

static inline size_t hn_round_up(size_t n, size_t to) { return hn_add(n, to - 1) / to * to; }
static inline size_t hn_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t hn_max(size_t a, size_t b) { return a > b ? a : b; }
static inline size_t hn_ceil_div(size_t a, size_t b) { return a / b + (a % b != 0); }

#endif

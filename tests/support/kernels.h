/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of kernels: every table this CPU runs, on memory that ends at a forbidden page.
 *
 *     KERNEL_TEST(add_f32) { ... k->add_f32(...) against plain->add_f32(...) ... }
 *
 * runs the body once per table; k is the table under test, plain the scalar one.  Each row of
 * kernels.def needs one: tests/kernels/list.c fails when a row has none. */
#ifndef HN_TEST_KERNELS_H
#define HN_TEST_KERNELS_H

#include "tests/support/test.h"

#include "kernels/kernels.h"

#define KERNEL_TEST(id)                                                                             \
    static void check_##id(const hn_kernels *k, const hn_kernels *plain);                           \
    TEST(id) { hn_test_each_isa(check_##id); }                                                      \
    static void check_##id(const hn_kernels *k __attribute__((unused)),                             \
                           const hn_kernels *plain __attribute__((unused)))

void hn_test_each_isa(void (*check)(const hn_kernels *k, const hn_kernels *plain));

/* `bytes` of memory whose last byte is the last before a page that may not be touched, so odd counts
 * are misaligned and a step too far is a signal.  All of it is 0xAA (a float of -3e-13).  Valid until
 * 64 more were asked for. */
void *hn_guarded(size_t bytes);
/* The same, but its first byte is the first after such a page. */
void *hn_guarded_below(size_t bytes);

float *hn_floats(size_t n);                      /* guarded, zero */
float *hn_noise(size_t n, float lo, float hi);   /* guarded, the same numbers in every run */
uint32_t hn_random(void);

bool hn_same_bits(const void *a, const void *b, size_t bytes);

#endif

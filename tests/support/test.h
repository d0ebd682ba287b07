/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a test is the whole job:
 *
 *     TEST(arena_refuses_past_its_limit) { CHECK(...); }
 *
 * Tests register themselves; tests/support/main.c runs them with cmocka,
 * or with plain.c where that is not installed. */
#ifndef HN_TEST_H
#define HN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef HN_NO_CMOCKA
#include "tests/support/plain.h"
#else
#include <cmocka.h>
#endif

typedef struct hn_test { const char *name; void (*run)(void **state); struct hn_test *next; } hn_test;
void hn_test_register(hn_test *t);

#define TEST(id)                                                                \
    static void test_##id(void **state);                                        \
    static hn_test entry_##id = { #id, test_##id, NULL };                       \
    __attribute__((constructor)) static void register_##id(void) { hn_test_register(&entry_##id); } \
    static void test_##id(void **state __attribute__((unused)))

#define CHECK(cond) assert_true(cond)
#define CHECK_INT(a, b) assert_int_equal(a, b)
#define CHECK_TEXT(a, b) assert_string_equal(a, b)
#define CHECK_NEAR(a, b, eps) assert_float_equal(a, b, eps)

/* A path below $HONE_TEST_DATA (default ../shared/data), or NULL after saying clearly that the
 * test is skipped.  Valid until the next call. */
const char *hn_test_data(const char *path);

#endif

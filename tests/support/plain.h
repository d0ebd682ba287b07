/* SPDX-License-Identifier: Apache-2.0 */
/* The few words of cmocka our tests use, for machines where it is not installed (cross builds):
 * a failed assertion prints and ends its test. */
#ifndef HN_TEST_PLAIN_H
#define HN_TEST_PLAIN_H

#include <math.h>
#include <stdio.h>

struct CMUnitTest { const char *name; void (*run)(void **state); void *setup, *teardown, *initial; };
int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *list, size_t count, void *setup, void *teardown);
_Noreturn void hn_test_failed(const char *what, const char *file, int line);

#define print_message printf
#define hn_assert(cond, text) do { if (!(cond)) hn_test_failed(text, __FILE__, __LINE__); } while (0)
#define fail_msg(...) do { printf(__VA_ARGS__); hn_test_failed("see above", __FILE__, __LINE__); } while (0)
#define assert_true(cond) hn_assert(cond, #cond)
#define assert_false(cond) hn_assert(!(cond), "not " #cond)
#define assert_null(p) hn_assert((p) == NULL, #p " is NULL")
#define assert_non_null(p) hn_assert((p) != NULL, #p " is not NULL")
#define assert_int_equal(a, b) hn_assert((a) == (b), #a " is " #b)
#define assert_string_equal(a, b) hn_assert(strcmp(a, b) == 0, #a " is " #b)
#define assert_memory_equal(a, b, n) hn_assert(memcmp(a, b, n) == 0, #a " is " #b)
#define assert_float_equal(a, b, eps) hn_assert(fabs((double)(a) - (double)(b)) <= (double)(eps), #a " is near " #b)

#endif

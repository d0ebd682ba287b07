/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#ifdef HN_NO_CMOCKA

static jmp_buf back;

void hn_test_failed(const char *what, const char *file, int line)
{
    printf("%s\n%s:%d: error: Failure!\n", what, file, line);
    longjmp(back, 1);
}

/* Volatile where longjmp could lose the value. */
int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *list, size_t count, void *setup, void *teardown)
{
    volatile int failed = 0;
    (void)setup, (void)teardown;
    printf("[==========] %s: %zu tests\n", group, count);
    for (volatile size_t i = 0; i < count; i++) {
        void *state = NULL;
        if (setjmp(back) == 0) {
            list[i].run(&state);
            printf("[       OK ] %s\n", list[i].name);
        } else {
            printf("[  FAILED  ] %s\n", list[i].name);
            failed++;
        }
        fflush(stdout);
    }
    return failed;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static hn_test *all;

void hn_test_register(hn_test *t)
{
    t->next = all;
    all = t;
}

const char *hn_test_data(const char *path)
{
    static char full[4096];
    const char *root = getenv("HONE_TEST_DATA");
    snprintf(full, sizeof full, "%s/%s", root ? root : "../shared/data", path);
    if (access(full, R_OK) == 0)
        return full;
    print_message("skipped: no test data at %s (set HONE_TEST_DATA)\n", full);
    return NULL;
}

/* Run with a test's name to run only that one. */
int main(int argc, char **argv)
{
    struct CMUnitTest list[512] = { { 0 } };
    size_t count = 0;

    for (hn_test *t = all; t; t = t->next)
        if (argc < 2 || strcmp(argv[1], t->name) == 0) {
            if (count == sizeof list / sizeof list[0])
                return fprintf(stderr, "too many tests in one file\n"), 2;
            list[count++] = (struct CMUnitTest){ t->name, t->run, NULL, NULL, NULL };
        }
    const char *name = strrchr(argv[0], '/');
    return _cmocka_run_group_tests(name ? name + 1 : argv[0], list, count, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How long the program takes to start: a figure, not a verdict, since timings depend on the machine. */
#include <stdio.h>
#include <stdlib.h>
#include <spawn.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/test.h"

enum { TIMES = 20 };

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

TEST(the_program_starts_and_says_its_version)
{
    char self[512];
    double ms[TIMES];
    char *argv[] = { self, "--version", NULL }, *env[] = { NULL };
    posix_spawn_file_actions_t quiet;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 8);
    CHECK(n > 0);
    self[n] = 0;
    for (int up = 0; up < 3; up++)                   /* build/x/tests/cli/start -> build/x */
        *strrchr(self, '/') = 0;
    strcat(self, "/hone");
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    for (int i = 0; i < TIMES; i++) {
        pid_t child;
        int status = -1;
        uint64_t begin = hn_now_ns();
        CHECK_INT(posix_spawn(&child, self, &quiet, NULL, argv, env), 0);
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        ms[i] = hn_ms(hn_now_ns() - begin);
    }
    posix_spawn_file_actions_destroy(&quiet);
    qsort(ms, TIMES, sizeof *ms, by_size);
    print_message("hone --version: %.2f ms (median of %d)\n", ms[TIMES / 2], TIMES);
}

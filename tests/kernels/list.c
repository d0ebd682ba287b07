/* SPDX-License-Identifier: Apache-2.0 */
/* The list of kernels itself: each row has a test and a place in every table. */
#include "tests/support/kernels.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const names[] = {
#define KERNEL(type, name, args) #name,
#include "kernels/kernels.def"
#undef KERNEL
};

/* All of tests/kernels in one text, to be freed; NULL when the sources are not here. */
static char *test_sources(void)
{
    glob_t found;
    char *all = NULL;
    size_t size = 0;
    if (glob("tests/kernels/*.c", 0, NULL, &found) != 0)
        return NULL;
    FILE *out = open_memstream(&all, &size);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *in = fopen(found.gl_pathv[i], "r");
        for (int c; in && (c = getc(in)) != EOF;)
            putc(c, out);
        if (in)
            fclose(in);
    }
    fclose(out);
    globfree(&found);
    return all;
}

TEST(every_kernel_has_a_test)
{
    char *text = test_sources();
    if (!text) {
        print_message("skipped: no tests/kernels/*.c below the working directory\n");
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char want[64];
        snprintf(want, sizeof want, "\nKERNEL_TEST(%s)", names[i]);
        if (!strstr(text, want))
            print_message("no KERNEL_TEST(%s) in tests/kernels\n", names[i]);
        CHECK(strstr(text, want) != NULL);
    }
    free(text);
}

TEST(scalar_is_first_and_always_runs)
{
    CHECK_TEXT(hn_kernel_tables[0]->isa, "scalar");
    CHECK(hn_kernels_runs(hn_kernel_tables[0]));
    CHECK(hn_kernels_scalar() == hn_kernel_tables[0]);
}

TEST(the_environment_forces_a_table)
{
    char *before = getenv("HONE_ISA") ? strdup(getenv("HONE_ISA")) : NULL;
    setenv("HONE_ISA", "scalar", 1);
    CHECK(hn_kernels_pick() == hn_kernels_scalar());
    setenv("HONE_ISA", "abacus", 1);
    CHECK(hn_kernels_pick() == NULL);
    setenv("HONE_ISA", "", 1);
    CHECK(hn_kernels_pick() != NULL);                /* as if it were not set */
    unsetenv("HONE_ISA");
    CHECK(hn_kernels_pick() != NULL && hn_kernels_runs(hn_kernels_pick()));
    if (before)
        setenv("HONE_ISA", before, 1);
    free(before);
}

KERNEL_TEST(peak_fma_f32)
{
    double one = k->peak_fma_f32(1);
    CHECK(one >= 2 && k->peak_fma_f32(1000) == 1000 * one);
}

KERNEL_TEST(peak_read_f32)
{
    for (size_t n = 1; n < 300; n++) {
        float *in = hn_noise(n, -3, 3);
        in[n - 1] = 5;
        CHECK(k->peak_read_f32(in, n) == 5);
        in[n / 2] = 6;
        CHECK(k->peak_read_f32(in, n) == 6);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which table: the Makefile says what was built (HN_ISAS(X), plainest first), the CPU what it runs. */
#include "kernels/pick.h"

#include <stdlib.h>
#include <string.h>

#if defined __x86_64__ || defined __i386__
#include <cpuid.h>
#endif
#if defined __x86_64__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define X(isa) extern const hn_kernels hn_kernel_table_##isa;
HN_ISAS(X)
#undef X

const hn_kernels *const hn_kernel_tables[] = {
#define X(isa) &hn_kernel_table_##isa,
    HN_ISAS(X)
#undef X
    NULL
};

#if defined __x86_64__
/* Tile registers are there when the processor has them and the system grants their eight kilobytes of state to
 * this process: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA), which may be asked again. */
static bool has_tiles(void)
{
    unsigned a, b, c, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 3) == 3 && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}
#endif

bool hn_kernels_runs(const hn_kernels *k)
{
#if defined __x86_64__ || defined __i386__
    if (strcmp(k->isa, "avx2") == 0) {
        unsigned a, b, c = 0, d;
        __builtin_cpu_init();
        /* f16c by hand: not every compiler's builtin knows the word. */
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    }
    /* The builtin also asks whether the system saves the wide registers (XCR0). */
    if (strcmp(k->isa, "avx512") == 0 || strcmp(k->isa, "amx") == 0) {
        __builtin_cpu_init();
#if defined __x86_64__
        if (strcmp(k->isa, "amx") == 0 && !has_tiles())
            return false;
#endif
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("bmi2");
    }
#endif
    (void)k;
    return true;                 /* scalar; neon is part of every AArch64 */
}

const hn_kernels *hn_kernels_pick(void)
{
    const char *want = getenv("HONE_ISA");
    const hn_kernels *best = NULL;

    for (size_t i = 0; hn_kernel_tables[i]; i++)
        if ((!want || !*want || strcmp(want, hn_kernel_tables[i]->isa) == 0) && hn_kernels_runs(hn_kernel_tables[i]))
            best = hn_kernel_tables[i];
    return best;
}

hn_err hn_kernels_choose(hn_ctx *cx, const hn_kernels **out)
{
    *out = hn_kernels_pick();
    return *out ? HN_OK : hn_fail(cx, HN_EARG, "HONE_ISA names no instruction set this program has");
}

const hn_kernels *hn_kernels_scalar(void) { return hn_kernel_tables[0]; }

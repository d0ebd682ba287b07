/* SPDX-License-Identifier: Apache-2.0 */
/* device.c: what this device is, as far as manifests ask. */
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <string.h>

#include "fleet/manifest.h"
#include "hone.h"

static const char *features_here(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return " sse2 avx avx2 fma avx512f ";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return " sse2 avx avx2 fma ";
    return __builtin_cpu_supports("avx") ? " sse2 avx " : " sse2 ";
#elif defined(__aarch64__) || defined(__ARM_NEON)
    return " neon ";
#else
    return " ";
#endif
}

hn_device hn_device_here(const char *store)
{
    hn_device d = { .runtime = HONE_VERSION, .features = features_here(), .delegates = " cpu ",
#if defined(__x86_64__)
                    .cpu = "x86_64",
#elif defined(__aarch64__)
                    .cpu = "aarch64",
#elif defined(__arm__)
                    .cpu = "armv7l",
#else
                    .cpu = "unknown",
#endif
    };
    struct sysinfo memory;
    struct statvfs disk;
    if (sysinfo(&memory) == 0)
        d.ram_bytes = (uint64_t)memory.totalram * memory.mem_unit;
    if (statvfs(store, &disk) == 0)
        d.disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    return d;
}

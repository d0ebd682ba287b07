/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* The sum of the lines that begin with `what`. */
static size_t rollup(const char *what)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    unsigned long long kib, sum = 0;

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, what, strlen(what)) == 0 && sscanf(line, "%*s %llu", &kib) == 1)
            sum += kib;
    if (f)
        fclose(f);
    return (size_t)sum * 1024;
}

size_t hn_private_bytes(void) { return rollup("Private_"); }
size_t hn_written_bytes(void) { return rollup("Anonymous:") + rollup("Swap:"); }
size_t hn_large_page_bytes(void) { return rollup("AnonHugePages:"); }

size_t hn_peak_resident_bytes(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? (size_t)u.ru_maxrss * 1024 : 0;
}

const char *hn_cpu_name(char out[HN_CPU_NAME])
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];
    const char *name = "processor";
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
            name = strchr(line, ':') + 1;
            name += *name == ' ';
            line[strcspn(line, "\n")] = '\0';
            break;
        }
    if (f)
        fclose(f);
    snprintf(out, HN_CPU_NAME, "%.63s", name);
    return out;
}

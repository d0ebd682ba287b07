/* SPDX-License-Identifier: Apache-2.0 */
/* engine.c: which engine this is.  The Makefile sums the sources that decide what a plan holds. */
#include "formats/planfile.h"
#include "hone.h"

const char *hn_engine_id(void) { return HONE_VERSION "-" HN_ENGINE; }

const char *hn_machine_name(void)
{
#if defined __x86_64__
    return "x86_64";
#elif defined __aarch64__
    return "aarch64";
#elif defined __i386__
    return "x86";
#elif defined __arm__
    return "arm";
#else
    return "other";
#endif
}

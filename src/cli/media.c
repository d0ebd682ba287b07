/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME "libhone-media.so"

/* dlopen counts references and gives the same handle again, so nothing needs remembering here. */
static void *open_beside(const char *dir, const char *sub)
{
    char path[4096 + 64];
    snprintf(path, sizeof path, "%s%s" NAME, dir, sub);
    return access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

hn_err hn_media_open(hn_ctx *cx, const hn_media **out)
{
    char dir[4096];
    ssize_t len = readlink("/proc/self/exe", dir, sizeof dir - 1);
    dir[len > 0 ? len : 0] = 0;
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[1] = 0;

    void *lib = open_beside(dir, "");
    if (!lib)
        lib = open_beside(dir, "../lib/hone/");
    const char *why = lib ? NULL : dlerror();
    const hn_media *table = lib ? dlsym(lib, "hn_media_table") : NULL;
    if (!table)
        return hn_fail(cx, HN_EIO, "pictures need " NAME " beside the program or in ../lib/hone: %s",
                       why ? why : "it is not there; `make install` puts it in place");
    if (table->abi != HN_MEDIA_ABI)
        return hn_fail(cx, HN_EIO, NAME " is of another version than this program; install both anew");
    *out = table;
    return HN_OK;
}

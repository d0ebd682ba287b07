/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* dlopen counts references and gives the same handle again, so nothing needs remembering here. */
static void *open_beside(const char *dir, const char *sub, const char *name)
{
    char path[4096 + 64];
    snprintf(path, sizeof path, "%s%slibhone-%s.so", dir, sub, name);
    return access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

hn_err hn_module_open(hn_ctx *cx, const char *name, const char *symbol, const char *what, const void **table)
{
    char dir[4096];
    ssize_t len = readlink("/proc/self/exe", dir, sizeof dir - 1);
    dir[len > 0 ? len : 0] = 0;
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[1] = 0;

    void *lib = open_beside(dir, "", name);
    if (!lib)
        lib = open_beside(dir, "../lib/hone/", name);
    const char *why = lib ? NULL : dlerror();
    *table = lib ? dlsym(lib, symbol) : NULL;
    if (!*table)
        return hn_fail(cx, HN_EIO, "%s libhone-%s.so beside the program or in ../lib/hone: %s", what, name,
                       why ? why : "it is not there; `make install` puts it in place");
    return HN_OK;
}

hn_err hn_module_stale(hn_ctx *cx, const char *name)
{
    return hn_fail(cx, HN_EIO, "libhone-%s.so is of another version than this program; install both anew", name);
}

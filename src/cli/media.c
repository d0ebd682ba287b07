/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME "libhone-media.so"

hn_err hn_media_open(hn_ctx *cx, const hn_media **out)
{
    static const char *const places[] = { NAME, "../lib/hone/" NAME };
    char program[4096], path[4096 + 64] = "";
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len < 0)
        return hn_fail(cx, HN_EIO, "cannot tell where this program lies: %s", strerror(errno));
    program[len] = 0;
    int folder = (int)(strrchr(program, '/') - program);

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, sizeof path, "%.*s/%s", folder, program, places[i]);
        if (access(path, R_OK) == 0)
            break;
        path[0] = 0;
    }
    if (!path[0])
        return hn_fail(cx, HN_EIO, "pictures need %s, expected in %.*s or %.*s/../lib/hone, found in "
                       "neither; install Hone again", NAME, folder, program, folder, program);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return hn_fail(cx, HN_EIO, "pictures cannot be read: %s", dlerror());
    const hn_media *media = dlsym(library, "hn_media_table");
    if (!media || media->abi != HN_MEDIA_ABI) {
        dlclose(library);
        return hn_fail(cx, HN_EIO, "%s belongs to another version of Hone; install Hone again", path);
    }
    *out = media;
    return HN_OK;
}

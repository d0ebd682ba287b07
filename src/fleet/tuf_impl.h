/* SPDX-License-Identifier: Apache-2.0 */
/* What tuf.c (refresh) and tuf_find.c (search, download) share. */
#ifndef HN_FLEET_TUF_IMPL_H
#define HN_FLEET_TUF_IMPL_H

#include "fleet/tuf.h"
#include "fleet/tuf_meta.h"

typedef struct hn_tuf_role {       /* a targets role that was loaded */
    struct hn_tuf_role *next;
    char *name;
    hn_tuf_meta meta;
} hn_tuf_role;

struct hn_tuf {
    hn_ctx *cx;
    hn_tuf_opts o;
    int64_t now;
    hn_tuf_meta root, timestamp, snapshot;
    hn_tuf_role *roles;            /* "targets" and delegated ones, this refresh's */
    bool fresh;                    /* a refresh ended well */
};

/* The role as `by` vouches for it, from the folder or from the repository. */
hn_err hn_tuf_load_role(hn_ctx *cx, hn_tuf *t, const char *name, hn_tuf_signers by, const hn_tuf_meta **out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the catalogue's own files share. */
#ifndef HN_PLAN_CATALOG_IMPL_H
#define HN_PLAN_CATALOG_IMPL_H

#include "plan/catalog.h"

#define HN_CATALOG_FILES 12

typedef struct hn_loaded { const char *name; json_t *root; } hn_loaded;

struct hn_catalog {
    hn_ctx cx;
    hn_arena *a;
    const hn_catalog_file *built;
    size_t built_count;
    char *dir;                       /* with its slash; NULL */
    hn_loaded json[HN_CATALOG_FILES];
    size_t json_count;
    hn_csv *table[HN_CATALOG_FILES];
    size_t table_count;
};

/* The user's file `text` against the built-in `root` of the same name: known keys, kinds, sane figures. */
hn_err hn_catalog_check(hn_ctx *cx, const char *path, const char *text, size_t len, const json_t *user,
                        const json_t *built);

/* The same of a table: the built-in one's columns, and numbers where that one has nothing else. */
hn_err hn_catalog_check_table(hn_ctx *cx, const char *path, const hn_csv *user, const hn_csv *built);

/* The line, from 1, on which the value at `path` begins ("devices/3/ram_gb"); 0 when it is not there. */
size_t hn_json_line(const char *text, size_t len, const char *path);

#endif

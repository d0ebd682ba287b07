/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in catalogue, from its files: what the planner's tests stand on. */
#ifndef HN_TEST_PLAN_WORLD_H
#define HN_TEST_PLAN_WORLD_H

#include <stdio.h>

#include "base/file.h"
#include "plan/offer.h"
#include "tests/support/test.h"

enum { WORLD_FILES = 11 };

typedef struct world {
    hn_ctx cx;
    hn_arena *a;
    hn_file file[WORLD_FILES];
    hn_catalog *c;
    hn_world w;
} world;

/* Tests run in the repository's root. */
static inline void world_open(world *w, const char *dir)
{
    static const char *const name[WORLD_FILES] = { "devices.json",   "models.json",      "quants.json",
                                                   "runtimes.json",  "clouds.json",      "decisions.json",
                                                   "use_cases.json", "llm_measured.csv", "mlperf_edge.csv", "mlperf_tiny.csv",
                                                   "gpu_prices.csv" };
    hn_catalog_file built[WORLD_FILES];
    char path[64];
    *w = (world){ .a = NULL };
    for (int i = 0; i < WORLD_FILES; i++) {
        snprintf(path, sizeof path, "catalog/%s", name[i]);
        CHECK(hn_file_open(&w->cx, path, &w->file[i]) == HN_OK);
        built[i] = (hn_catalog_file){ name[i], (const char *)w->file[i].data, w->file[i].len };
    }
    CHECK(hn_arena_new(&w->cx, 0, &w->a) == HN_OK);
    CHECK(hn_catalog_open(&w->cx, built, WORLD_FILES, dir, &w->c) == HN_OK);
    CHECK(hn_world_open(&w->cx, w->c, &w->w) == HN_OK);
}

static inline void world_close(world *w)
{
    hn_catalog_close(w->c);
    hn_arena_free(w->a);
    for (int i = 0; i < WORLD_FILES; i++)
        hn_file_close(&w->file[i]);
}

static inline const json_t *world_find(world *w, hn_shelf s, const char *name)
{
    const json_t *e = NULL;
    const char *others;
    CHECK(hn_catalog_find(&w->cx, w->c, s, name, &e, &others) == HN_OK);
    return e;
}

#endif

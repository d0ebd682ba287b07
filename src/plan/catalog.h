/* SPDX-License-Identifier: Apache-2.0 */
/* Catalogue: what is known about devices, models, formats, runtimes and prices, each value with its
 * source and date.
 *
 * It comes in files, JSON for entries and CSV for measured rows; the program carries a set, and files
 * of the same name in a folder of the user's change entries key by key or add new ones.  Nothing is
 * read before it is asked for.  Where sources disagree all values stay, and a fact says how many more
 * there are. */
#ifndef HN_PLAN_CATALOG_H
#define HN_PLAN_CATALOG_H

#include <jansson.h>

#include "plan/csv.h"

typedef struct hn_catalog hn_catalog;

/* A file that is already in memory: the program's own. */
typedef struct hn_catalog_file {
    const char *name;                /* "devices.json" */
    const char *data;
    size_t len;
} hn_catalog_file;

/* Entries with an id.  X(ID, file, key of the array in it, one of them) */
#define HN_SHELVES(X)                                                  \
    X(DEVICES,   "devices.json",   "devices",       "device")          \
    X(MODELS,    "models.json",    "models",        "model")           \
    X(QUANTS,    "quants.json",    "quants",        "quantisation")    \
    X(RUNTIMES,  "runtimes.json",  "runtimes",      "runtime")         \
    X(CLOUDS,    "clouds.json",    "ml_platforms",  "cloud platform")  \
    X(PROVIDERS, "clouds.json",    "gpu_providers", "GPU provider")

typedef enum hn_shelf {
#define X(id, file, key, one) HN_SHELF_##id,
    HN_SHELVES(X)
#undef X
    HN_SHELF_COUNT
} hn_shelf;

const char *hn_shelf_file(hn_shelf s);       /* "devices.json" */
const char *hn_shelf_one(hn_shelf s);        /* "device" */

/* dir: the user's folder, or NULL.  Its files are checked now: an unknown key, a value of the wrong
 * kind or an absurd one is HN_EFORMAT with file, line, key and the nearest known key. */
hn_err hn_catalog_open(hn_ctx *cx, const hn_catalog_file *built, size_t count, const char *dir,
                       hn_catalog **out);
void hn_catalog_close(hn_catalog *c);        /* NULL is fine */

/* Borrowed; an array of entries, [] never NULL. */
const json_t *hn_catalog_shelf(const hn_catalog *c, hn_shelf s);
const json_t *hn_catalog_root(const hn_catalog *c, const char *file);            /* a whole JSON file */
const char *hn_catalog_date(const hn_catalog *c, const char *file);              /* "2026-11-21" */
hn_err hn_catalog_table(hn_ctx *cx, hn_catalog *c, const char *file, const hn_csv **out);

/* The entry that `name` means: id, name or alias, in any spelling that leaves one candidate.
 * *others lists what it could also have meant ("" when nothing); HN_EARG offers the nearest names. */
hn_err hn_catalog_find(hn_ctx *cx, const hn_catalog *c, hn_shelf s, const char *name, const json_t **out,
                       const char **others);

/* ---- One value ------------------------------------------------------------------------------------ */

typedef struct hn_fact {
    bool known;
    double low, high;                /* equal unless the source gives a range */
    const char *unit, *source, *date, *note;       /* "" when there is none */
    size_t others;                   /* further values of other sources that differ */
} hn_fact;

/* The figure under `key`: a plain number, {value, source}, or a list of them.  The first single number
 * of a list counts, or its first range. */
hn_fact hn_fact_of(const hn_catalog *c, const json_t *entry, const char *key);
/* The same, of the values whose `field` is `is`. */
hn_fact hn_fact_where(const hn_catalog *c, const json_t *entry, const char *key, const char *field,
                      const char *is);
const char *hn_entry_text(const json_t *entry, const char *key);                  /* "" when missing */
bool hn_entry_has_alias(const json_t *entry, const char *name);

/* The whole value under `key`, {value, source} or plain; NULL when there is none. */
const json_t *hn_value_of(const json_t *entry, const char *key);

/* Every value without a source, one line each; the number of them.  For the test that demands none. */
size_t hn_catalog_unsourced(hn_ctx *cx, const hn_catalog *c, char **lines);

#endif

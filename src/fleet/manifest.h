/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest of a package: what it is, what it holds, what it needs, and how to tell that it works.
 *
 * JSON that doc/package.md specifies.  Reading checks every rule, so what is in an hn_manifest can be used
 * without looking again; members it does not know are kept in the bytes, which are never rewritten. */
#ifndef HN_FLEET_MANIFEST_H
#define HN_FLEET_MANIFEST_H

#include "base/arena.h"
#include "fleet/digest.h"
#include "fleet/reason.h"
#include "fleet/store_read.h"

#define HN_MANIFEST_BYTES_MAX ((size_t)4 << 20)
#define HN_MANIFEST_FILES_MAX 1024
#define HN_FILE_BYTES_MAX ((uint64_t)1 << 44)

typedef struct hn_mfile {
    const char *path, *role;        /* role: "model", "labels", "golden", "card", "licence", ... */
    uint64_t length;
    hn_digest sha256;
} hn_mfile;

typedef struct hn_mvector {         /* a recorded run: inputs and the outputs to expect */
    const char *input, *output;     /* paths of files whose role is "golden" */
    double atol, rtol;
} hn_mvector;

typedef struct hn_mdelta {
    uint64_t from_build;
    hn_digest from, to;             /* of the file it starts from, and of the file it makes */
    const char *method, *path;
    uint64_t length;
    hn_digest sha256;
    uint64_t window_bytes, ram_bytes;
} hn_mdelta;

typedef struct hn_mstat {           /* of one input or output over the recorded runs; for drift */
    const char *name;
    double mean, deviation;
} hn_mstat;

typedef struct hn_manifest {
    const char *name, *version;
    uint64_t build;
    const char *framework;
    hn_mfile *file; size_t file_count;             /* sorted by path */
    struct {
        uint64_t ram_bytes, disk_bytes;
        const char *runtime;                        /* "1.0.0"; NULL: any */
        const char **cpu; size_t cpu_count;         /* none: any */
        const char **feature; size_t feature_count;
        const char **delegate; size_t delegate_count;
    } needs;
    struct {
        hn_mvector *vector; size_t vector_count;
        double load_ms_max, p95_ms_max;             /* 0: not limited */
        uint64_t ram_bytes_max;
        unsigned trial_runs;
        double errors_max;                          /* share of reported runs */
        double drift_max;                           /* in deviations; 0: not watched */
        hn_mstat *stat; size_t stat_count;
    } health;
    hn_mdelta *delta; size_t delta_count;
    uint64_t *downgrade_from; size_t downgrade_count;
} hn_manifest;

/* Reads and checks; what *out points to lives in `a`.  HN_EFORMAT names the rule that is broken. */
hn_err hn_manifest_read(hn_ctx *cx, const void *data, size_t len, hn_arena *a, hn_manifest *out);

const hn_mfile *hn_manifest_file(const hn_manifest *m, const char *path);       /* or NULL */
const hn_mfile *hn_manifest_role(const hn_manifest *m, const char *role);       /* the first, or NULL */
uint64_t hn_manifest_bytes(const hn_manifest *m);                               /* of all files together */

/* May a file of a package be called so?  Relative, '/' between parts, no empty, "." or ".." part, no
 * control bytes or backslash, at most 255 bytes a part and 1024 in all, valid UTF-8. */
bool hn_package_path_ok(const char *path);

/* What this device is, as far as manifests ask. */
typedef struct hn_device {
    const char *runtime;             /* version of Hone here */
    const char *cpu;                 /* "x86_64" */
    const char *features;            /* words with spaces around each: " avx2 fma " */
    const char *delegates;           /* " cpu " */
    uint64_t ram_bytes, disk_free_bytes;
} hn_device;

hn_device hn_device_here(const char *store);         /* disk: where the store lies */

/* Runtime, processor, accelerators, memory, disk, in this order: HN_EUNSUP or HN_ELIMIT with the reason
 * for the first that does not fit. */
hn_err hn_manifest_fits(hn_ctx *cx, const hn_manifest *m, const hn_device *d, hn_reason *why);

#endif

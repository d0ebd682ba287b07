/* SPDX-License-Identifier: Apache-2.0 */
/* Packages: a model with all that a device needs to trust and use it, as an OCI image layout.
 *
 * A folder, or the same in an uncompressed tar: oci-layout, index.json, blobs/sha256/HEX.  One manifest
 * names the layers, one of which is the Hone manifest (manifest.h); the rest are the files it lists, each
 * as it is, and deltas.  doc/package.md specifies it. */
#ifndef HN_FLEET_PACKAGE_H
#define HN_FLEET_PACKAGE_H

#include "base/file.h"
#include "fleet/manifest.h"
#include "fleet/probe.h"
#include "fleet/tar.h"

/* ---- Reading ------------------------------------------------------------------------------------------ */

typedef struct hn_layer {
    const char *media_type;
    const char *path;            /* of the file it is, NULL when it has none */
    hn_digest digest;
    uint64_t size;
} hn_layer;

typedef struct hn_package {
    hn_arena *a;
    const char *place;           /* folder or archive */
    hn_file archive;             /* zero for a folder */
    hn_tar tar;
    hn_layer oci;                /* the OCI manifest itself */
    const uint8_t *oci_bytes;
    hn_layer config;
    hn_layer *layer; size_t layer_count;
    const uint8_t *manifest_bytes; size_t manifest_len;     /* the Hone manifest */
    hn_digest manifest_digest;
    hn_manifest m;
} hn_package;

/* A folder with an oci-layout file, or a tar with one. */
bool hn_package_probe(const char *path);

/* Reads index, manifests; of the layers nothing yet. */
hn_err hn_package_open(hn_ctx *cx, const char *path, hn_package *out);
void hn_package_close(hn_package *p);          /* safe on a zeroed one */

/* A blob's bytes, of the length the descriptor says; the hash is not checked.  Close with hn_package_done. */
hn_err hn_package_blob(hn_ctx *cx, const hn_package *p, const hn_layer *l, hn_file *out);
void hn_package_done(const hn_package *p, hn_file *f);

/* Every blob's hash; every file of the manifest has its layer, with the same hash; nothing else is there.
 * HN_EREFUSED with the reason and the thing's name. */
hn_err hn_package_verify(hn_ctx *cx, const hn_package *p, hn_reason *why);

const hn_layer *hn_package_layer(const hn_package *p, const hn_digest *d);        /* or NULL */

/* ---- Making ------------------------------------------------------------------------------------------- */

/* its name inside, role, where it lies */
typedef struct hn_package_file { const char *path, *role, *from; } hn_package_file;

typedef struct hn_package_opts {
    const char *model, *out;            /* out: a folder, or an archive when it ends in .tar */
    const char *name, *version;
    uint64_t build;
    const char *title, *description, *authors, *vendor, *url, *licence;     /* NULL: not said */
    const hn_package_file *file; size_t file_count;      /* labels, licences, and so on */
    const hn_tensors *input; size_t input_count;         /* to record with; none: made-up ones */
    const char *const *metric; size_t metric_count;      /* "accuracy=0.934", "accuracy=0.934,sha256:HEX,4890" */
    const char *const *cpu; size_t cpu_count;
    const char *const *from; size_t from_count;          /* earlier packages to make deltas from */
    const uint64_t *downgrade; size_t downgrade_count;   /* builds that may go back to this one */
    double load_ms_max, p95_ms_max;                      /* 0: no limit */
    double drift_max;                                    /* in recorded deviations; 0: not watched */
    unsigned trial_runs;                                 /* 0: 20 */
    double atol, rtol;                                   /* of the recordings; atol below 0: by the outputs' range */
} hn_package_opts;

typedef struct hn_package_report {      /* what was measured while recording */
    double load_ms, p50_ms, p95_ms;
    uint64_t ram_bytes, bytes, parameters;
    size_t vectors, deltas, files;
    hn_digest manifest;
    uint64_t delta_bytes;               /* the smallest */
} hn_package_report;

hn_err hn_package_make(hn_ctx *cx, const hn_package_opts *o, hn_package_report *out);

/* Puts a whole package from one place into another: folder or tar, each complete or not there. */
hn_err hn_package_copy(hn_ctx *cx, const hn_package *p, const char *to);

#endif

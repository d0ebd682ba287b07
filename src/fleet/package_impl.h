/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a package: what package_make.c and package_write.c share. */
#ifndef HN_FLEET_PACKAGE_IMPL_H
#define HN_FLEET_PACKAGE_IMPL_H

#include <jansson.h>

#include "fleet/package.h"

/* One blob to be: from a file or from memory. */
typedef struct hn_part {
    const char *path, *role;            /* NULL role: not in the Hone manifest's "files" */
    const char *media_type;
    const char *from;                   /* file; NULL: data */
    const void *data;
    uint64_t size;
    hn_digest digest;
} hn_part;

enum { HN_PARTS_MAX = 1024 };

/* Writes layout, index and blobs to a folder or a tar that appears whole.  manifest: the OCI manifest. */
hn_err hn_parts_write(hn_ctx *cx, const char *out, const hn_part *manifest, const hn_part *part, size_t count,
                      const char *title);

/* A part from memory or a file, with its size and hash filled in. */
hn_err hn_part_measure(hn_ctx *cx, hn_part *p);
/* A file of the package behind the parts there are: `from` a file, or `size` bytes of data.  Measured. */
hn_err hn_part_add(hn_ctx *cx, hn_part *part, size_t *count, hn_part p);

/* {mediaType, digest, size, annotations?} */
json_t *hn_part_descriptor(const hn_part *p);

/* Runs the model: the files of weights it names and recordings into parts, what was measured into the manifest's "inputs", "outputs",
 * "requires", "health" and the report. */
hn_err hn_package_record(hn_ctx *cx, const hn_package_opts *o, hn_arena *a, hn_part *part, size_t *count,
                         json_t *manifest,
                         hn_package_report *report);

#endif

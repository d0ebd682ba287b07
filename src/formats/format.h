/* SPDX-License-Identifier: Apache-2.0 */
/* Formats: bytes to graph.  One file per format, one line in formats.def. */
#ifndef HN_FORMATS_FORMAT_H
#define HN_FORMATS_FORMAT_H

#include "base/file.h"
#include "graph/graph.h"

typedef struct hn_format hn_format;

/* A model as it came from a file: the graph, and the mappings its constants point into. */
typedef struct hn_source {
    const hn_format *format;
    hn_graph *graph;
    hn_file file;                    /* the model file; zero when opened from memory */
    hn_file *extra; size_t extra_count;   /* external data */
    size_t mapped_bytes;             /* of constants used in place */
} hn_source;

struct hn_format {
    const char *name;                /* "onnx" */
    const char *extensions;          /* "onnx ort": what people call such files, for messages */

    /* Does it look like this format?  Cheap and sure enough to pick a reader; extension may be "". */
    bool (*probe)(const uint8_t *data, size_t len, const char *extension);

    /* Builds src->graph from the bytes, which outlive the graph.  dir: folder for external data with
     * its slash, NULL when opened from memory.  May add to src->extra. */
    hn_err (*read)(hn_ctx *cx, const uint8_t *data, size_t len, const char *dir, hn_source *src);
};

extern const hn_format *const hn_formats[];      /* ends with NULL */

/* Opens, probes, reads, verifies, infers shapes. */
hn_err hn_source_open(hn_ctx *cx, const char *path, hn_source *out);
hn_err hn_source_open_memory(hn_ctx *cx, const void *data, size_t len, hn_source *out);
void hn_source_close(hn_ctx *cx, hn_source *s);   /* frees the graph; safe on a zeroed source */

#endif

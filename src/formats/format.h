/* SPDX-License-Identifier: Apache-2.0 */
/* Formats: bytes to graph.  One file per format, one line in formats.def. */
#ifndef HN_FORMATS_FORMAT_H
#define HN_FORMATS_FORMAT_H

#include "base/file.h"
#include "graph/built.h"
#include "graph/graph.h"

typedef struct hn_format hn_format;

/* A node of the file that this build cannot run.  It stands in the graph as a placeholder whose
 * infer fails, so the rest can still be looked at. */
typedef struct hn_unsup {
    const char *op, *domain;         /* domain "" for ONNX's own */
    const char *node;
    const char *why;                 /* "no such operator", or what about it is not supported */
    struct hn_unsup *next;
} hn_unsup;

/* A file beside the model that holds constants, and what the model calls it: a path from its own folder. */
typedef struct hn_extra {
    hn_file file;
    const char *name;                /* in the graph's arena */
} hn_extra;

/* A model as it came from a file: the graph, and the mappings its constants point into. */
typedef struct hn_source {
    const hn_format *format;
    hn_graph *graph;
    hn_file file;                    /* the model file; zero when opened from memory */
    hn_extra *extra; size_t extra_count, extra_cap;  /* external data */
    size_t mapped_bytes;             /* of constants used in place */

    /* Of a plan file: what was found out ahead, for hn_plan_opts.built, and what that lies in. */
    const hn_built *built; size_t built_count;
    hn_graph **also; size_t also_count;
    hn_file zeros;                   /* what constants read as that only packs hold */
    void *moved;                     /* a copy of the file, where it did not lie aligned */

    /* In the graph's order, living in its arena.  Not empty: look, but do not run. */
    hn_unsup *unsup; size_t unsup_count;
} hn_source;

struct hn_format {
    const char *name;                /* "onnx" */
    const char *extensions;          /* "onnx ort": what people call such files, for messages */

    /* Does it look like this format?  Cheap and sure enough to pick a reader; extension may be "". */
    bool (*probe)(const uint8_t *data, size_t len, const char *extension);

    /* Builds src->graph from the bytes, which outlive the graph.  dir: folder for external data with
     * its slash ("" for the working folder), NULL when opened from memory.  May add to src->extra.
     * On failure what src already holds is the caller's to close. */
    hn_err (*read)(hn_ctx *cx, const uint8_t *data, size_t len, const char *dir, hn_source *src);
};

extern const hn_format *const hn_formats[];      /* ends with NULL */

/* Opens, probes, reads, verifies, infers shapes.  Succeeds with unsupported nodes noted; shapes
 * behind the first of them are then unknown. */
hn_err hn_source_open(hn_ctx *cx, const char *path, hn_source *out);
hn_err hn_source_open_memory(hn_ctx *cx, const void *data, size_t len, hn_source *out);
void hn_source_close(hn_ctx *cx, hn_source *s);   /* frees the graph; safe on a zeroed source */

/* HN_EUNSUP naming the first unsupported node and how many others there are; HN_OK when the graph
 * can be run.  Ask before compiling. */
hn_err hn_source_runnable(hn_ctx *cx, const hn_source *s);

#endif

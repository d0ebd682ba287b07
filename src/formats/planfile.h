/* SPDX-License-Identifier: Apache-2.0 */
/* Plan files: a model compiled ahead, mapped back.  doc/planfile.md describes the bytes.
 *
 * A header, blobs at multiples of 64, and the tree: graphs, and for each set of input shapes what compiling
 * found out.  Weights are used where they lie.  Every number is checked, every byte is under a checksum. */
#ifndef HN_FORMATS_PLANFILE_H
#define HN_FORMATS_PLANFILE_H

#include "formats/format.h"
#include "graph/built.h"

enum { HN_PLANFILE_VERSION = 1, HN_PLANFILE_HEADER = 256, HN_PLANFILE_ALIGN = 64 };
#define HN_PLANFILE_MAGIC "HONEPLAN"

/* Fields of the header: where they begin.  Texts are padded with zeros, and end with at least one. */
enum {
    HN_PLANFILE_AT_MAGIC = 0,        /* 8 bytes */
    HN_PLANFILE_AT_VERSION = 8,      /* u32 */
    HN_PLANFILE_AT_ENGINE = 16,      /* text[32]: hn_engine_id() */
    HN_PLANFILE_AT_ISA = 48,         /* text[16]: kernels the weights are packed for */
    HN_PLANFILE_AT_MACHINE = 64,     /* text[16]: hn_machine_name() */
    HN_PLANFILE_AT_SOURCE = 80,      /* text[112]: name of the model it was made from, in the same folder */
    HN_PLANFILE_AT_SOURCE_SUM = 192, /* u64: its checksum */
    HN_PLANFILE_AT_SOURCE_LEN = 200, /* u64: its bytes */
    HN_PLANFILE_AT_LEN = 208,        /* u64: bytes of this file */
    HN_PLANFILE_AT_TREE = 216,       /* u64: where the tree begins; it ends with the file */
    HN_PLANFILE_AT_TREE_SUM = 224,   /* u64 */
    HN_PLANFILE_AT_SUM = 248,        /* u64: of the header before it */
};

/* What a value is: made while running or fed, a constant, or one that is only in a pack. */
enum { HN_PLANFILE_MADE, HN_PLANFILE_CONST, HN_PLANFILE_ABSENT };

/* A plan made from `graph` for its shapes. */
typedef struct hn_planfile_build {
    hn_built b;
    const uint32_t *spared;          /* per value of b.graph: uses that read a pack in its place */
} hn_planfile_build;

typedef struct hn_planfile_parts {
    const char *source;              /* path of the model */
    const hn_graph *graph;           /* what the model is to its users; one of the builds' or its own */
    const hn_planfile_build *build; size_t build_count;
    const hn_range *range; size_t range_count;
    bool keep;                       /* constants that are packed are kept as they were, too */
} hn_planfile_parts;

typedef struct hn_planfile_report { uint64_t bytes, packed_bytes, constant_bytes; } hn_planfile_report;

hn_err hn_planfile_write(hn_ctx *cx, const char *path, const hn_planfile_parts *parts, hn_planfile_report *report);

/* What a plan depends on besides the kernels: it is read by the very code that wrote it, or not at all. */
const char *hn_engine_id(void);
const char *hn_machine_name(void);   /* "x86_64" */

#endif

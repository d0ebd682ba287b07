/* SPDX-License-Identifier: Apache-2.0 */
/* Flatbuffers written by hand, parents before their children.  A table has a slot of 8 bytes for each of
 * its fields. */
#ifndef HN_TEST_FB_H
#define HN_TEST_FB_H

#include <stddef.h>
#include <stdint.h>

enum { FB_SIZE = 4096 };
typedef struct fb { uint8_t data[FB_SIZE]; size_t len; } fb;

void fb_start(fb *f, const char *id);
size_t fb_table(fb *f, unsigned fields);                    /* where it begins; the first one is the root */
void fb_int(fb *f, size_t table, unsigned field, int64_t v);
void fb_ref(fb *f, size_t table, unsigned field, size_t to);
size_t fb_bytes(fb *f, const void *data, size_t count, size_t size);      /* a vector */
size_t fb_refs(fb *f, size_t count);                        /* a vector of references, to be set */
void fb_set(fb *f, size_t vector, size_t i, size_t to);

/* A TFLite model: tensors first, then operators, then the bytes. */
typedef struct fb_model {
    fb f;
    size_t root, codes, graph, tensors, buffers, operators;
    size_t options, code, operator;                         /* of the operator added last */
    unsigned tensor_count, buffer_count, operator_count;
} fb_model;

enum { FB_TENSORS = 8, FB_OPERATORS = 4 };                  /* exactly so many must be added */
void fb_model_start(fb_model *m, const int32_t *in, size_t ins, const int32_t *out, size_t outs);
/* data NULL: no constant.  scale 0: not quantised. */
void fb_model_tensor(fb_model *m, int type, const int32_t *dim, size_t rank, const void *data, size_t bytes,
                     float scale, int64_t zero);
/* options: how many fields its table of them has, 0 for no table. */
void fb_model_operator(fb_model *m, int old_code, int code, const int32_t *in, size_t ins, const int32_t *out,
                       size_t outs, unsigned options);
void fb_model_custom(fb_model *m, const char *name, const void *options, size_t bytes);    /* the last one is it */
void fb_model_end(fb_model *m);                             /* fills the places left with nothing */

#endif

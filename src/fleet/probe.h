/* SPDX-License-Identifier: Apache-2.0 */
/* Running a model to see what it does: when a package is made, to record; on a device, to compare.
 *
 * A recording is a file of tensors in the model's order, each as a length (u64, little-endian) and a .npy.
 * A language model takes token ids (i32 [n]) and gives the logits behind the last one (f32 [words]). */
#ifndef HN_FLEET_PROBE_H
#define HN_FLEET_PROBE_H

#include "base/arena.h"
#include "base/buf.h"
#include "graph/graph.h"

typedef struct hn_probe hn_probe;

typedef struct hn_tensors { hn_tensor *t; size_t count; } hn_tensors;

hn_err hn_probe_open(hn_ctx *cx, const char *model, hn_probe **out);      /* one thread */
void hn_probe_close(hn_probe *p);                                         /* NULL is fine */

const char *hn_probe_format(const hn_probe *p);        /* "onnx", "tflite", "gguf" */
const hn_graph *hn_probe_graph(const hn_probe *p);     /* what it computes; of a language model its own */
bool hn_probe_is_lm(const hn_probe *p);
/* The i-th file of weights beside the model, by the path the model gives it; NULL behind the last. */
const char *hn_probe_beside(const hn_probe *p, size_t i);

/* Inputs the model accepts, made from a number: small values of its types, open dimensions 1. */
hn_err hn_probe_inputs(hn_ctx *cx, const hn_probe *p, uint64_t seed, hn_arena *a, hn_tensors *out);

/* Outputs lie in the probe until the next run. */
hn_err hn_probe_run(hn_ctx *cx, hn_probe *p, const hn_tensors *in, hn_tensors *out);

hn_err hn_tensors_write(hn_ctx *cx, const hn_tensors *t, hn_buf *out);
hn_err hn_tensors_read(hn_ctx *cx, const void *data, size_t len, hn_arena *a, hn_tensors *out);

/* Does `got` hold what `want` says, element by element: |got - want| <= atol + rtol |want|?  Texts and bools exactly.
 * *nan: it differs because a number is none where one should be. */
bool hn_tensors_agree(const hn_tensors *got, const hn_tensors *want, double atol, double rtol, bool *nan);

typedef struct hn_spread { double mean, deviation, least, most; } hn_spread;
hn_spread hn_tensor_spread(const hn_tensor *t);        /* of its finite numbers; zero when it has none */

#endif

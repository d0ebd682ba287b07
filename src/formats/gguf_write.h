/* SPDX-License-Identifier: Apache-2.0 */
/* Writing GGUF: values, then tensors are named, then their bytes come in that order.
 *
 * The file is written beside its name and takes it only when whole and read back.  Putting values never
 * fails at once: the first failure is kept and told by the next call that returns one. */
#ifndef HN_FORMATS_GGUF_WRITE_H
#define HN_FORMATS_GGUF_WRITE_H

#include "formats/gguf.h"

typedef struct hn_gguf_writer hn_gguf_writer;

hn_err hn_gguf_writer_new(hn_ctx *cx, const char *path, hn_gguf_writer **out);      /* path is copied */
void hn_gguf_writer_free(hn_gguf_writer *w);         /* unfinished: nothing is left behind; NULL is fine */

void hn_gguf_put_u32(hn_gguf_writer *w, const char *key, uint32_t v);
void hn_gguf_put_f32(hn_gguf_writer *w, const char *key, float v);
void hn_gguf_put_bool(hn_gguf_writer *w, const char *key, bool v);
void hn_gguf_put_text(hn_gguf_writer *w, const char *key, hn_text v);
void hn_gguf_put_texts(hn_gguf_writer *w, const char *key, const hn_text *v, size_t count);
void hn_gguf_put_i32s(hn_gguf_writer *w, const char *key, const int32_t *v, size_t count);
void hn_gguf_put_f32s(hn_gguf_writer *w, const char *key, const float *v, size_t count);
void hn_gguf_put_value(hn_gguf_writer *w, const hn_gguf_value *v);                 /* as another file has it */

/* Tensors begin at multiples of this, a power of two; 32 without.  Before the first tensor. */
void hn_gguf_put_alignment(hn_gguf_writer *w, uint32_t align);

/* shape as hn_gguf_tensor has it: the last dimension is a row.  After the first bytes: an error. */
hn_err hn_gguf_put_tensor(hn_ctx *cx, hn_gguf_writer *w, const char *name, hn_qtype type, const hn_shape *shape);
/* Its bytes will be panels (kernels/qpack.h). */
hn_err hn_gguf_put_panels(hn_ctx *cx, hn_gguf_writer *w, const char *name, hn_qtype type, const hn_shape *shape);

/* The next `len` bytes of the tensor whose turn it is; not past its end. */
hn_err hn_gguf_write(hn_ctx *cx, hn_gguf_writer *w, const void *data, size_t len);
hn_err hn_gguf_finish(hn_ctx *cx, hn_gguf_writer *w);    /* HN_EARG when a tensor's bytes are missing */
uint64_t hn_gguf_written(const hn_gguf_writer *w);       /* bytes so far, the head included */

#endif

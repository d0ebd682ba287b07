/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding the lattice types: IQ1, IQ2, IQ3.
 *
 * One code names four or eight magnitudes at once, and only some combinations exist; the encoder keeps a table
 * of which are near each that does not.  It is made once, read-only then, and shared by threads. */
#ifndef HN_TENSOR_Q_LATTICE_H
#define HN_TENSOR_Q_LATTICE_H

#include "base/ctx.h"
#include "tensor/qtypes.h"

typedef struct hn_q_lattice hn_q_lattice;

bool hn_q_is_lattice(hn_qtype t);
hn_err hn_q_lattice_new(hn_ctx *cx, hn_qtype t, hn_q_lattice **out);      /* t: hn_q_is_lattice */
void hn_q_lattice_free(hn_ctx *cx, hn_q_lattice *l);                      /* NULL is fine */

/* One row; its columns worth `importance`, or NULL. */
void hn_q_lattice_encode_row(const hn_q_lattice *l, const float *src, const float *importance, void *dst, size_t count);

#endif

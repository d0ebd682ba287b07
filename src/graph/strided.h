/* SPDX-License-Identifier: Apache-2.0 */
/* Index arithmetic of the operators that move elements and never look inside them.
 *
 * Elements are moved whole, whatever they are: floats, packed 2, 4 and 6-bit numbers, complex
 * numbers, strings (the hn_text moves, its bytes stay).  Positions and steps count elements. */
#ifndef HN_GRAPH_STRIDED_H
#define HN_GRAPH_STRIDED_H

#include "graph/op.h"

/* A box of elements that lies in two tensors at once, with its own steps in each.  A Transpose is one
 * box, a Slice is one, an Expand is one with steps of 0. */
#define HN_BOX_RANK (2 * HN_RANK_MAX)      /* Tile splits every axis in two */
typedef struct hn_box {
    int rank;
    size_t dim[HN_BOX_RANK];
    ptrdiff_t to[HN_BOX_RANK], from[HN_BOX_RANK];
    size_t to_first, from_first;
} hn_box;

/* Appends an axis inside those already there. */
void hn_box_add(hn_box *b, int64_t dim, ptrdiff_t to, ptrdiff_t from);

/* to[...] = from[...] for every element of the box; the tensors are of one type and do not overlap. */
void hn_box_move(const hn_box *b, hn_tensor *to, const hn_tensor *from);

/* Steps of a dense tensor of shape s. */
void hn_steps(const hn_shape *s, ptrdiff_t step[HN_RANK_MAX]);

/* A run of elements, and one element over and over. */
void hn_elems_copy(hn_tensor *to, size_t at, const hn_tensor *from, size_t first, size_t count);
void hn_elems_fill(hn_tensor *to, size_t at, size_t count, const hn_tensor *from, size_t index);
void hn_elems_zero(hn_tensor *t);          /* 0, false or the empty string, everywhere */
bool hn_elem_equal(const hn_tensor *a, size_t i, const hn_tensor *b, size_t j);   /* bit for bit; strings by text */

/* Every index of a shape in row-major order, with the position it has in up to four operands:
 *
 *     hn_walk w;
 *     hn_walk_start(&w, &y->shape);
 *     hn_walk_operand(&w, 0, &x->shape);          broadcast against the walked shape
 *     for (; w.left; hn_walk_step(&w))
 *         ... w.index is the position in the walked shape, w.at[] its coordinates, w.pos[0] ... */
typedef struct hn_walk {
    int rank;
    size_t left, index;
    size_t at[HN_RANK_MAX], dim[HN_RANK_MAX];
    size_t pos[4], step[4][HN_RANK_MAX];
} hn_walk;

void hn_walk_start(hn_walk *w, const hn_shape *s);
void hn_walk_operand(hn_walk *w, int k, const hn_shape *s);
void hn_walk_step(hn_walk *w);

/* An index into an axis of `size` as data gives it: negative counts from the end; fails outside. */
hn_err hn_index(hn_call *c, int64_t index, int64_t size, size_t *out);

#endif

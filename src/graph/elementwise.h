/* SPDX-License-Identifier: Apache-2.0 */
/* Element-wise operators over every numeric type.
 *
 * Floats are computed in double and rounded once to the type, which for + - * / sqrt gives the
 * correctly rounded result of the type itself (53 >= 2 * 24 + 2 bits).  Integers are computed
 * in 64 bits and wrap. */
#ifndef HN_GRAPH_ELEMENTWISE_H
#define HN_GRAPH_ELEMENTWISE_H

#include "graph/op.h"

/* out 0 = f(in 0).  Pass NULL for a class the operator does not have: that is refused. */
hn_err hn_map(hn_call *c, double (*f)(double), int64_t (*i)(int64_t));

/* The same with the call's attributes already in `arg`. */
hn_err hn_map_with(hn_call *c, double (*f)(double x, const void *arg), const void *arg);

/* out 0 = f(in 0, in 1) with numpy broadcasting.  `u` is for unsigned 64-bit inputs where it differs
 * from `i` on the same bits (division, comparison); NULL: same as i. */
typedef struct hn_zip_fns {
    double (*f)(double, double);
    int64_t (*i)(int64_t, int64_t);
    int64_t (*u)(uint64_t, uint64_t);
} hn_zip_fns;
hn_err hn_zip(hn_call *c, hn_zip_fns fns);

/* y = f(a, b), for operators whose operands are not simply inputs 0 and 1.  The class of a chooses the
 * function; b and y may be of any other numeric type. */
hn_err hn_zip_tensors(hn_call *c, const hn_tensor *a, const hn_tensor *b, hn_zip_fns fns, hn_tensor *y);

/* All inputs, folded from the left (Sum, Max, ...), into y, which is of their type. */
hn_err hn_zip_all(hn_call *c, hn_zip_fns fns, hn_tensor *y);

/* Shape arithmetic: what f makes of the integers known of inputs 0 and 1, of at most one dimension each.
 * f gets a symbol where a number is only a name, and says false when it cannot answer; it must not answer
 * with a fresh symbol unless the result is 0 or more whatever the symbols stand for. */
typedef bool (*hn_known_fn)(hn_call *c, int64_t a, int64_t b, int64_t *out);
void hn_zip_known(hn_call *c, hn_known_fn f);

#endif

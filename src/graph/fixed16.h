/* SPDX-License-Identifier: Apache-2.0 */
/* Sigmoid and tanh of 16-bit fixed-point numbers, as TFLite's quantised recurrent layers define them:
 * every multiplication rounds to 16 bits, so the results are a definition, not an approximation. */
#ifndef HN_GRAPH_FIXED16_H
#define HN_GRAPH_FIXED16_H

#include <stdint.h>

/* x has 3 bits before the point, the result none. */
int16_t hn_sigmoid_16(int16_t x);
/* x has 3 bits before the point. */
int16_t hn_tanh_16(int16_t x);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Sums to bytes in floats: the numbers that requant.c and rescale.h share. */
#ifndef HN_KERNELS_QUICK_H
#define HN_KERNELS_QUICK_H

enum {
    HN_QUICK_BITS = 14,                 /* behind the point */
    HN_QUICK_ONE = 1 << HN_QUICK_BITS,
    HN_QUICK_MARGIN = 2,                /* added to every result: doubts then have their last bits just above 0 */
    HN_QUICK_DOUBT = 4,
    HN_PAIR_MARGIN = 4,                 /* the same for two operands, where more is rounded */
    HN_PAIR_DOUBT = 8,
};

#endif

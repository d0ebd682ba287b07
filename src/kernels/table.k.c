/* SPDX-License-Identifier: Apache-2.0 */
/* The table of one instruction set, filled from kernels.def. */
#include "kernels/isa.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern const hn_kernels K(hn_kernel_table);

const hn_kernels K(hn_kernel_table) = {
    .isa = TEXT(HN_ISA),
#define KERNEL(type, name, args) .name = K(name),
#include "kernels/kernels.def"
#undef KERNEL
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of one instruction set, filled from kernels.def through table.def. */
#include "kernels/isa.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern const hn_kernels K(hn_kernel_table);

#ifdef HN_ISA_amx
#define KERNEL(type, name, args) type name##_avx512 args;
#include "kernels/kernels.def"
#undef KERNEL
#define OTHERS(name) name##_avx512
#undef KERNEL_TILED
#define KERNEL_TILED(type, name, args) .name = K(name),
#else
#define OTHERS(name) K(name)
#endif

const hn_kernels K(hn_kernel_table) = {
    .isa = TEXT(HN_ISA),
#define KERNEL(type, name, args) .name = OTHERS(name),
#include "kernels/table.def"
#undef KERNEL
};

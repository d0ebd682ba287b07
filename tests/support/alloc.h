/* SPDX-License-Identifier: Apache-2.0 */
/* An allocator that counts, and fails on demand: goes where hone_ctx_opts or hn_env want one. */
#ifndef HN_TEST_ALLOC_H
#define HN_TEST_ALLOC_H

#include <stdatomic.h>
#include <stddef.h>

typedef struct test_alloc {
    atomic_size_t calls;         /* that asked for memory */
    atomic_size_t blocks, bytes; /* now held */
    atomic_size_t largest;       /* ever asked for at once */
    size_t fail_from;            /* calls from this one on fail ... */
    size_t fail_count;           /* ... this many of them; 0: none */
    size_t watch;                /* a size to look out for ... */
    atomic_size_t watched;       /* ... and how often it was asked for */
} test_alloc;

void *test_alloc_hook(void *user, void *old, size_t bytes);

#endif

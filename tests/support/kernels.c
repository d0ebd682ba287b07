/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <sys/mman.h>
#include <unistd.h>

enum { BLOCKS = 64 };
static struct { uint8_t *map; size_t size; } blocks[BLOCKS];      /* a ring */
static size_t next;
static uint32_t state = 2463534242u;

static void release(size_t at)
{
    if (blocks[at].map)
        munmap(blocks[at].map, blocks[at].size);
    blocks[at].map = NULL;
}

static void forget(void)
{
    for (size_t i = 0; i < BLOCKS; i++)
        release(i);
    state = 2463534242u;
}

void hn_test_each_isa(void (*check)(const hn_kernels *, const hn_kernels *))
{
    for (size_t i = 0; hn_kernel_tables[i]; i++) {
        if (!hn_kernels_runs(hn_kernel_tables[i])) {
            print_message("skipped: this CPU does not run %s\n", hn_kernel_tables[i]->isa);
            continue;
        }
        forget();
        check(hn_kernel_tables[i], hn_kernels_scalar());
    }
    forget();
}

/* [forbidden page][pages with room for bytes][forbidden page] */
static uint8_t *guarded(size_t bytes, bool below)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
    size_t at = next++ % BLOCKS;
    release(at);
    uint8_t *map = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(room ? mprotect(map + page, room, PROT_READ | PROT_WRITE) : 0, 0);
    memset(map + page, 0xAA, room);
    blocks[at].map = map;
    blocks[at].size = room + 2 * page;
    return below ? map + page : map + page + room - bytes;
}

void *hn_guarded(size_t bytes) { return guarded(bytes, false); }
void *hn_guarded_below(size_t bytes) { return guarded(bytes, true); }

/* xorshift: the same on every machine. */
uint32_t hn_random(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

float *hn_floats(size_t n)
{
    float *p = hn_guarded(n * sizeof(float));
    memset(p, 0, n * sizeof(float));
    return p;
}

float *hn_noise(size_t n, float lo, float hi)
{
    float *p = hn_floats(n);
    for (size_t i = 0; i < n; i++)
        p[i] = lo + (hi - lo) * ((float)(hn_random() >> 8) * 0x1p-24f);
    return p;
}

bool hn_same_bits(const void *a, const void *b, size_t bytes) { return memcmp(a, b, bytes) == 0; }

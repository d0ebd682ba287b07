/* SPDX-License-Identifier: Apache-2.0 */
#include "cost/machine.h"

#include <string.h>

#include "base/clock.h"
#include "base/num.h"

#define SLICES 40
#define SLICE_ROUNDS 40000                      /* about a millisecond */
#define READ_BYTES ((size_t)64 << 20)           /* beyond every cache we know */
#define READ_SLICES 6

typedef struct probe {
    const hn_kernels *k;
    const float *data;
    size_t each;                                /* floats per thread */
    double flops;
} probe;

static void spin(void *arg, size_t piece, unsigned worker)
{
    probe *p = arg;
    (void)worker;
    double flops = p->k->peak_fma_f32(SLICE_ROUNDS);
    if (piece == 0)
        p->flops = flops;
}

static void read(void *arg, size_t piece, unsigned worker)
{
    const probe *p = arg;
    (void)worker;
    volatile float used = p->k->peak_read_f32(p->data + piece * p->each, p->each);
    (void)used;
}

static double best_rate(hn_pool *pool, unsigned threads, int slices, void (*work)(void *, size_t, unsigned),
                        probe *p, double amount)
{
    double best = 0;
    for (int i = 0; i < slices; i++) {
        uint64_t begin = hn_now_ns();
        hn_pool_run(pool, 0, threads, work, p);
        double seconds = (double)(hn_now_ns() - begin) * 1e-9;
        double done = amount > 0 ? amount : p->flops * threads;
        if (seconds > 0 && done / seconds > best)
            best = done / seconds;
    }
    return best * 1e-9;
}

hn_err hn_peak_measure(hn_ctx *cx, const hn_kernels *k, hn_pool *pool, bool bandwidth, hn_peak *out)
{
    unsigned threads = hn_pool_threads(pool);
    probe p = { .k = k, .each = READ_BYTES / sizeof(float) / threads };
    hn_peak peak = { .threads = threads };

    peak.gflops = best_rate(pool, threads, SLICES, spin, &p, 0);
    if (bandwidth) {
        float *data = hn_alloc_aligned(cx, READ_BYTES);
        if (!data)
            return hn_nomem(cx, "measuring the read bandwidth");
        memset(data, 0, READ_BYTES);
        p.data = data;
        peak.gbytes = best_rate(pool, threads, READ_SLICES, read, &p, (double)READ_BYTES);
        hn_free_aligned(cx, data);
    }
    *out = peak;
    return HN_OK;
}

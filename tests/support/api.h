/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of hone.h share. */
#ifndef HN_TEST_API_H
#define HN_TEST_API_H

#include <stdlib.h>

#include "hone.h"
#include "tests/support/test.h"

#define DEMO_MODEL "models/demo/pictograms.onnx"

/* Fails the test with the library's own words. */
#define DONE(call, err)                                        \
    do {                                                       \
        hone_status status_ = (call);                          \
        if (status_)                                           \
            print_message("%s: %s\n", #call, (err).message);   \
        CHECK_INT(status_, HONE_OK);                           \
    } while (0)

static inline hone_ctx *test_ctx(unsigned threads)
{
    hone_ctx_opts o = { .size = sizeof o, .threads = threads };
    hone_error err = { 0 };
    hone_ctx *ctx = NULL;
    DONE(hone_ctx_new(&o, &ctx, &err), err);
    return ctx;
}

static inline size_t test_io_count(const hone_io *io)
{
    size_t n = 1;
    for (int i = 0; i < io->rank; i++)
        n *= io->dim[i] < 0 ? 1 : (size_t)io->dim[i];
    return n;
}

static inline size_t test_io_bytes(const hone_io *io)
{
    static const unsigned char bytes[] = { [HONE_F32] = 4, [HONE_U8] = 1, [HONE_I8] = 1, [HONE_I32] = 4,
                                           [HONE_I64] = 8, [HONE_BOOL] = 1, [HONE_F64] = 8 };
    CHECK(io->dtype < sizeof bytes && bytes[io->dtype]);
    return test_io_count(io) * bytes[io->dtype];
}

/* The same data-like bytes for the same seed: f32 in [0, 1), other types small numbers.  free() it. */
static inline void *test_input_data(const hone_io *io, uint32_t seed)
{
    size_t bytes = test_io_bytes(io);
    unsigned char *p = malloc(bytes ? bytes : 1);
    for (size_t i = 0; i < bytes; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = io->dtype == HONE_U8 || io->dtype == HONE_I8 ? (unsigned char)(seed >> 24) : 0;
    }
    for (size_t i = 0; io->dtype == HONE_F32 && i < bytes / 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        float v = (float)(seed >> 8) * 0x1p-24f;
        memcpy(p + 4 * i, &v, 4);
    }
    return p;
}

#endif

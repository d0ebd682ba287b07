/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/qtypes.h"

#include <math.h>
#include <stdlib.h>

#include "tensor/q_lattice.h"
#include "tests/support/test.h"

enum { COUNT = 2048 };

/* Four draws added up: nearly normal, exact in a float, the same on every machine. */
static void make_x(float x[COUNT])
{
    uint32_t s = 1;
    for (int i = 0; i < COUNT; i++) {
        uint32_t sum = 0;
        for (int k = 0; k < 4; k++) {
            s = s * 1664525u + 1013904223u;
            sum += s >> 16;
        }
        x[i] = (float)sum / 65536 - 2;
    }
}

static uint64_t fnv(const uint8_t *p, size_t n)
{
    uint64_t h = 1469598103934665603u;
    while (n--)
        h = (h ^ *p++) * 1099511628211u;
    return h;
}

/* What the reference implementation makes of x: hash of all bytes, relative squared error, and the
 * first bytes.  Types that differ in the last place of a search may miss the hash, not the error. */
static const struct { hn_qtype type; uint64_t hash; double error; uint8_t first[8]; } vectors[] = {
    { HN_QT_Q4_0,   0x05473d3a6d2c5f93, 0.0068157,   { 0x29, 0x31, 0x77, 0xc6, 0xd4, 0x9c, 0x7a, 0xa0 } },
    { HN_QT_Q4_1,   0xd3deccfbcb61b523, 0.0057754,   { 0xfc, 0x30, 0x29, 0xbd, 0x77, 0xc7, 0xe4, 0xac } },
    { HN_QT_Q5_0,   0x1c22a6c479edf2fe, 0.00172042,  { 0x29, 0x2d, 0x98, 0xa7, 0x6e, 0x79, 0xde, 0x8d } },
    { HN_QT_Q5_1,   0xce03bd7887d11031, 0.00136868,  { 0xd3, 0x2c, 0x29, 0xbd, 0x98, 0xa7, 0x6e, 0x79 } },
    { HN_QT_Q8_0,   0xdbe741de7922cffb, 2.65414e-05, { 0x33, 0x21, 0xee, 0xe7, 0xbe, 0x3f, 0x28, 0x81 } },
    { HN_QT_Q2_K,   0x99046a6017787a41, 0.0814062,   { 0xbc, 0xab, 0xaa, 0xbe, 0x69, 0x38, 0x9c, 0x9c } },
    { HN_QT_Q3_K,   0xaaef985f5de59630, 0.0218232,   { 0xd6, 0x86, 0xe2, 0xd7, 0x39, 0xae, 0x7c, 0x31 } },
    { HN_QT_Q4_K,   0x067516fd60d5cdaa, 0.00481524,  { 0xd0, 0x1a, 0x27, 0x27, 0xee, 0xf4, 0xe6, 0xf8 } },
    { HN_QT_Q5_K,   0xc43b3d4577476629, 0.00120799,  { 0x95, 0x16, 0x49, 0x27, 0xee, 0xf5, 0xe6, 0xf5 } },
    { HN_QT_Q6_K,   0x9c5301298637b8d6, 0.000301214, { 0xcb, 0x4a, 0xbf, 0x00, 0x5a, 0x10, 0xeb, 0x03 } },
    { HN_QT_IQ4_NL, 0x9c4465f36bf9184f, 0.00549855,  { 0x00, 0x21, 0x66, 0xd6, 0xe3, 0xad, 0x6b, 0xa0 } },
    { HN_QT_IQ4_XS, 0x196678b4e02b5bf3, 0.00558401,  { 0x4d, 0x8f, 0xfc, 0xc0, 0x8a, 0xb4, 0x63, 0x90 } },
    { HN_QT_TQ1_0,  0xafacde820bc252d8, 0.554189,    { 0x80, 0x80, 0x80, 0x80, 0x80, 0x27, 0x80, 0x89 } },
    { HN_QT_TQ2_0,  0x57ad5da6be456312, 0.554189,    { 0x55, 0x55, 0x55, 0x55, 0x55, 0x14, 0x55, 0x65 } },
    { HN_QT_MXFP4,  0xdb28ca59fd0b82cd, 0.0129482,   { 0x7d, 0xa9, 0x5a, 0x5d, 0x25, 0xa3, 0x2f, 0x6a } },
    { HN_QT_NVFP4,  0x835e8b11d7eee6e2, 0.00954325,  { 0x26, 0x25, 0x24, 0x26, 0x2a, 0x6a, 0x4d, 0xc5 } },
    { HN_QT_Q1_0,   0x939b29fcc18ffb5a, 0.349637,    { 0x95, 0x37, 0x98, 0x27, 0x6e, 0x79, 0x0e, 0x35 } },
    { HN_QT_Q2_0,   0x3032f76e65a1d658, 0.46339,     { 0x60, 0x3d, 0x55, 0x51, 0x59, 0x45, 0x65, 0x25 } },
};

TEST(encoders_write_the_reference_bytes)
{
    static float x[COUNT], y[COUNT];
    static uint8_t bytes[COUNT * 4];
    make_x(x);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        hn_qtype t = vectors[i].type;
        size_t size = hn_q_bytes(t, COUNT);
        double wrong = 0, all = 0;
        hn_q_encode(t, x, bytes, COUNT);
        hn_q_decode(t, bytes, y, COUNT);
        for (int k = 0; k < COUNT; k++) {
            wrong += ((double)y[k] - x[k]) * ((double)y[k] - x[k]);
            all += (double)x[k] * x[k];
        }
        if (fnv(bytes, size) != vectors[i].hash || fabs(wrong / all / vectors[i].error - 1) > 1e-5)
            fail_msg("%s: hash %016llx, error %g, first bytes %02x %02x %02x %02x", hn_qtype_get(t)->name,
                     (unsigned long long)fnv(bytes, size), wrong / all, bytes[0], bytes[1], bytes[2], bytes[3]);
        assert_memory_equal(bytes, vectors[i].first, sizeof vectors[i].first);
    }
}

/* The same with an importance of the columns, rows of 512. */
static const struct { hn_qtype type; uint64_t hash; } weighted[] = {
    { HN_QT_Q4_0,   0xe24e8b20681f7391 }, { HN_QT_Q4_1, 0xece9ccbc6e65ebe7 }, { HN_QT_Q5_0, 0xa9a414a488f9b892 },
    { HN_QT_Q5_1,   0x924066e5224c9574 }, { HN_QT_Q2_K, 0xbd7702b4f40e6b5a }, { HN_QT_Q3_K, 0x56a89aeb89b5a947 },
    { HN_QT_Q4_K,   0xff8ae74ab8f89602 }, { HN_QT_Q5_K, 0x3060619cdbbe5abb }, { HN_QT_Q6_K, 0x8b4106f8af638f3c },
    { HN_QT_IQ4_NL, 0xb82c651913579b4f }, { HN_QT_IQ4_XS, 0x3aee0f1a3e8d2dd3 },
    { HN_QT_Q8_0,   0xdbe741de7922cffb }, { HN_QT_TQ1_0, 0xafacde820bc252d8 },        /* these do not heed it */
};

TEST(encoders_that_know_what_columns_are_worth_write_the_reference_bytes)
{
    enum { ROW = 512 };
    static float x[COUNT], w[ROW];
    static uint8_t bytes[COUNT * 4];
    uint32_t s = 7;
    make_x(x);
    for (int i = 0; i < ROW; i++) {
        s = s * 1664525u + 1013904223u;
        w[i] = 1 + (float)(s >> 16 & 255) / 16;
    }
    for (size_t i = 0; i < sizeof weighted / sizeof weighted[0]; i++) {
        hn_qtype t = weighted[i].type;
        for (size_t row = 0; row < COUNT / ROW; row++)
            hn_q_encode_row(t, x + row * ROW, w, bytes + row * hn_q_bytes(t, ROW), ROW);
        if (fnv(bytes, hn_q_bytes(t, COUNT)) != weighted[i].hash)
            fail_msg("%s: hash %016llx", hn_qtype_get(t)->name, (unsigned long long)fnv(bytes, hn_q_bytes(t, COUNT)));
        CHECK(hn_q_heeds_importance(t) == (t != HN_QT_Q8_0 && t != HN_QT_TQ1_0));
    }
}

TEST(what_was_decoded_encodes_to_the_same_values)
{
    static const hn_qtype stable[] = { HN_QT_Q4_0, HN_QT_Q5_0, HN_QT_Q8_0, HN_QT_MXFP4, HN_QT_F16, HN_QT_BF16,
                                       HN_QT_F32, HN_QT_TQ1_0, HN_QT_TQ2_0 };
    static float x[COUNT], y[COUNT], z[COUNT];
    static uint8_t bytes[COUNT * 4];
    make_x(x);
    for (size_t i = 0; i < sizeof stable / sizeof stable[0]; i++) {
        hn_q_encode(stable[i], x, bytes, COUNT);
        hn_q_decode(stable[i], bytes, y, COUNT);
        hn_q_encode(stable[i], y, bytes, COUNT);
        hn_q_decode(stable[i], bytes, z, COUNT);
        assert_memory_equal(y, z, sizeof y);
    }
}

TEST(encoders_take_any_float)
{
    const float odd[] = { NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-40f, 3e38f, -3e38f, 1e-15f };
    float x[HN_Q_BLOCK_MAX], y[HN_Q_BLOCK_MAX];
    uint8_t bytes[4 * HN_Q_BLOCK_MAX];

    for (int t = HN_QT_NONE + 1; t < HN_QT_COUNT; t++) {
        size_t n = hn_qtype_get((hn_qtype)t)->block_count;
        if (!hn_q_has_encode((hn_qtype)t))
            continue;
        for (size_t k = 0; k <= sizeof odd / sizeof odd[0]; k++) {
            for (size_t e = 0; e < n; e++)           /* all alike; then all of them mixed */
                x[e] = k < sizeof odd / sizeof odd[0] ? odd[k] : odd[e * 7 % (sizeof odd / sizeof odd[0])];
            hn_q_encode((hn_qtype)t, x, bytes, n);
            hn_q_decode((hn_qtype)t, bytes, y, n);
            for (size_t e = 0; odd[k % 9] == 0 && k < 9 && e < n && t != HN_QT_NONE; e++)
                CHECK(y[e] == 0);
        }
    }
}

TEST(lattice_encoders_take_any_float_and_keep_zeros)
{
    static const hn_qtype types[] = { HN_QT_IQ1_S, HN_QT_IQ1_M, HN_QT_IQ2_XXS, HN_QT_IQ2_XS, HN_QT_IQ2_S,
                                      HN_QT_IQ3_XXS, HN_QT_IQ3_S };
    const float odd[] = { NAN, INFINITY, -INFINITY, 0.0f, 1e-40f, 3e38f, -3e38f, 1.0f };
    hn_ctx cx = { 0 };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        hn_q_lattice *l;
        float x[HN_Q_BLOCK_MAX], y[HN_Q_BLOCK_MAX];
        uint8_t bytes[HN_Q_BLOCK_MAX];
        CHECK(hn_q_is_lattice(types[i]) && !hn_q_has_encode(types[i]));
        CHECK_INT(hn_q_lattice_new(&cx, types[i], &l), HN_OK);
        for (size_t k = 0; k <= sizeof odd / sizeof odd[0]; k++) {
            for (size_t e = 0; e < HN_Q_BLOCK_MAX; e++)
                x[e] = odd[k < sizeof odd / sizeof odd[0] ? k : e % (sizeof odd / sizeof odd[0])];
            hn_q_lattice_encode_row(l, x, NULL, bytes, HN_Q_BLOCK_MAX);
            hn_q_decode(types[i], bytes, y, HN_Q_BLOCK_MAX);
            for (size_t e = 0; e < HN_Q_BLOCK_MAX && k == 3; e++)
                CHECK(y[e] == 0);
        }
        hn_q_lattice_free(&cx, l);
    }
    CHECK(!hn_q_is_lattice(HN_QT_Q4_K));
}

TEST(decoders_take_any_bytes)
{
    uint8_t bytes[8 * HN_Q_BLOCK_MAX];
    float x[HN_Q_BLOCK_MAX];

    srand(5);
    for (int t = HN_QT_NONE + 1; t < HN_QT_COUNT; t++)
        for (int round = 0; round < 200; round++) {
            const hn_qtype_info *q = hn_qtype_get((hn_qtype)t);
            for (size_t i = 0; i < q->block_size; i++)
                bytes[i] = (uint8_t)(round == 0 ? 0 : round == 1 ? 255 : rand() >> 8);
            hn_q_decode((hn_qtype)t, bytes, x, q->block_count);
        }
}

/* Few bytes, worked out by hand from the definitions. */
TEST(layouts_are_as_defined)
{
    float x[256];
    uint8_t q4[18] = { 0x00, 0x3C, [2] = 0x1F };                       /* d = 1; codes 15 and 1, then 0 */
    hn_q_decode(HN_QT_Q4_0, q4, x, 32);
    CHECK(x[0] == 7 && x[16] == -7 && x[1] == -8 && x[31] == -8);

    uint8_t mx[17] = { 128, 0xF7 };                                     /* 2^0: 12 and -12 */
    hn_q_decode(HN_QT_MXFP4, mx, x, 32);
    CHECK(x[0] == 12 && x[16] == -12 && x[1] == 0);
    mx[0] = 0;                                                          /* subnormal scale */
    hn_q_decode(HN_QT_MXFP4, mx, x, 32);
    CHECK(x[0] == 12 * ldexpf(1, -128));

    uint8_t nv[36] = { 0x38, 0x7F, 0x01, 0x7E, [4] = 0x21, [12] = 0x77, [20] = 0x02, [28] = 0x02 };
    hn_q_decode(HN_QT_NVFP4, nv, x, 64);
    CHECK(x[0] == 0.5f && x[8] == 1 && x[16] == 0);                     /* scale 1; scale "NaN" reads 0 */
    CHECK(x[32] == ldexpf(1, -9) && x[48] == 448);

    uint8_t q1[18] = { 0x00, 0x40, 0x05 };                              /* d = 2; bits 0 and 2 set */
    hn_q_decode(HN_QT_Q1_0, q1, x, 128);
    CHECK(x[0] == 2 && x[1] == -2 && x[2] == 2 && x[127] == -2);
}

TEST(sizes_and_names)
{
    CHECK_INT(hn_q_bytes(HN_QT_Q4_K, 512), 288);
    CHECK(hn_q_bytes(HN_QT_Q4_K, 300) == SIZE_MAX);
    CHECK(hn_q_bytes(HN_QT_F64, SIZE_MAX / 2) == SIZE_MAX);
    CHECK(hn_qtype_from_number(12) == HN_QT_Q4_K);
    CHECK(hn_qtype_from_number(4) == HN_QT_NONE);                       /* withdrawn from the format */
    CHECK(hn_qtype_from_name("iq4_nl") == HN_QT_IQ4_NL);
    CHECK(hn_qtype_from_name("q9") == HN_QT_NONE);
    for (int t = HN_QT_NONE + 1; t < HN_QT_COUNT; t++)
        CHECK(hn_qtype_get((hn_qtype)t)->block_count <= HN_Q_BLOCK_MAX);
}

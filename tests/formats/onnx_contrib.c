/* SPDX-License-Identifier: Apache-2.0 */
/* Microsoft's contrib operators: small models that are read and run. */
#include "tests/support/test.h"

#include <math.h>

#include "formats/format.h"
#include "graph/eval.h"
#include "tests/support/graph.h"
#include "tests/support/pb.h"

typedef struct ran {
    hn_ctx cx;
    hn_source s;
    hn_arena *a;
    hn_buf bytes;
    hn_tensor y;
    hn_err e;
} ran;

/* A node of com.microsoft over constants, its output "y". */
static void contrib(test_model *m, const char *op, const char *in, hn_buf *attrs)
{
    hn_buf n = test_node_bytes(op, in, "y", attrs);
    pb_text(&n, 7, "com.microsoft");
    pb_message(&m->graph, 1, &n);
    test_output(m, "y");
    hn_buf set = { 0 };
    pb_text(&set, 1, "com.microsoft");
    pb_varint(&set, 2, 1);
    pb_message(&m->rest, 8, &set);
}

static ran run(test_model *m)
{
    ran r = { .bytes = test_model_bytes(m) };
    CHECK_INT(hn_arena_new(&r.cx, 0, &r.a), HN_OK);
    r.e = hn_source_open_memory(&r.cx, r.bytes.data, r.bytes.len, &r.s);
    if (!r.e)
        r.e = hn_source_runnable(&r.cx, &r.s);
    if (!r.e)
        r.e = hn_eval(&r.cx, r.s.graph, NULL, r.a, &r.y);
    return r;
}

static void done(ran *r)
{
    hn_source_close(&r->cx, &r->s);
    hn_arena_free(r->a);
    hn_buf_free(&r->bytes);
}

static void number(test_model *m, const char *name, float v) { test_const(m, name, F32(SCALAR, v)); }
static void zero(test_model *m, const char *name, uint8_t v) { test_const(m, name, U8(SCALAR, v)); }

TEST(quantised_sums_count_in_their_own_steps)
{
    test_model m = { .opset = 13 };
    test_const(&m, "a", U8(SHAPE(3), 10, 20, 255));
    test_const(&m, "b", U8(SHAPE(3), 128, 130, 255));
    number(&m, "as", 0.5f);
    number(&m, "bs", 2);
    number(&m, "ys", 1);
    zero(&m, "az", 0);
    zero(&m, "bz", 128);
    zero(&m, "yz", 3);
    contrib(&m, "QLinearAdd", "a as az b bs bz ys yz", NULL);
    ran r = run(&m);
    CHECK_INT(r.e, HN_OK);
    const uint8_t *y = r.y.data;
    CHECK(y[0] == 8 && y[1] == 17 && y[2] == 255);       /* 5 + 0 + 3, 10 + 4 + 3, and too much */
    done(&r);
}

TEST(qgemm_adds_a_bias_in_steps_of_both_scales)
{
    test_model m = { .opset = 13 };
    test_const(&m, "a", U8(SHAPE(1, 2), 3, 5));
    test_const(&m, "b", U8(SHAPE(2, 1), 10, 20));
    test_const(&m, "c", T_(I32, SHAPE(1), (int32_t[]){ 7 }));
    number(&m, "as", 0.5f);
    number(&m, "bs", 0.25f);
    zero(&m, "az", 1);
    zero(&m, "bz", 10);
    contrib(&m, "QGemm", "a as az b bs bz c", NULL);
    ran r = run(&m);
    CHECK_INT(r.e, HN_OK);
    CHECK_NEAR(*(float *)r.y.data, (4 * 10 + 7) * 0.125f, 1e-6);
    done(&r);
}

/* K 20 in blocks of 16: the second block is cut short. */
TEST(four_bit_weights_multiply)
{
    test_model m = { .opset = 17 };
    float a[20];
    uint8_t b[2 * 2 * 8], zeros[2] = { 0x98, 0x77 };
    double want[2] = { 0, 0 };
    static const float scale[] = { 0.5f, 2, 1, 0.25f };
    hn_buf attrs = { 0 };
    for (int i = 0; i < 20; i++)
        a[i] = (float)(i % 5) - 1;
    for (int i = 0; i < 32; i++)
        b[i] = (uint8_t)(i * 37 + 11);
    for (int n = 0; n < 2; n++)
        for (int k = 0; k < 20; k++) {
            int block = k / 16, q = b[n * 16 + k / 2] >> (k % 2 * 4) & 15, z = zeros[n] >> (block * 4) & 15;
            want[n] += (double)a[k] * (q - z) * (double)scale[n * 2 + block];
        }
    test_const(&m, "a", (hn_tensor){ HN_F32, SHAPE(1, 20), a });
    test_const(&m, "b", (hn_tensor){ HN_U8, SHAPE(2, 2, 8), b });
    test_const(&m, "s", (hn_tensor){ HN_F32, SHAPE(4), (void *)(uintptr_t)scale });
    test_const(&m, "z", (hn_tensor){ HN_U8, SHAPE(2), zeros });
    test_attr_int(&attrs, "K", 20);
    test_attr_int(&attrs, "N", 2);
    test_attr_int(&attrs, "block_size", 16);
    contrib(&m, "MatMulNBits", "a b s z", &attrs);
    ran r = run(&m);
    CHECK_INT(r.e, HN_OK);
    CHECK_NEAR(((float *)r.y.data)[0], (float)want[0], 1e-4);
    CHECK_NEAR(((float *)r.y.data)[1], (float)want[1], 1e-4);
    done(&r);
}

TEST(a_skip_is_added_before_the_norm)
{
    test_model m = { .opset = 17 };
    test_const(&m, "x", F32(SHAPE(1, 1, 2), 1, 2));
    test_const(&m, "s", F32(SHAPE(1, 1, 2), 0, 3));
    test_const(&m, "g", F32(SHAPE(2), 1, 10));
    contrib(&m, "SkipLayerNormalization", "x s g", NULL);
    ran r = run(&m);
    CHECK_INT(r.e, HN_OK);
    CHECK_NEAR(((float *)r.y.data)[0], -1, 1e-4);
    CHECK_NEAR(((float *)r.y.data)[1], 10, 1e-3);
    done(&r);
}

TEST(a_fused_product_turns_and_scales)
{
    test_model m = { .opset = 17 };
    hn_buf attrs = { 0 };
    test_const(&m, "a", F32(SHAPE(2, 1), 1, 2));
    test_const(&m, "b", F32(SHAPE(2, 1), 3, 4));
    test_attr_int(&attrs, "transA", 1);
    test_attr_float(&attrs, "alpha", 0.5f);
    contrib(&m, "FusedMatMul", "a b", &attrs);
    ran r = run(&m);
    CHECK_INT(r.e, HN_OK);
    CHECK_NEAR(*(float *)r.y.data, 5.5f, 1e-6);
    done(&r);
}

/* One head, two steps, the second masked: the value of the first comes out everywhere. */
TEST(packed_attention_heeds_its_mask)
{
    test_model m = { .opset = 17 };
    hn_buf attrs = { 0 };
    test_const(&m, "x", F32(SHAPE(1, 2, 1), 1, 2));
    test_const(&m, "w", F32(SHAPE(1, 3), 1, 1, 5));
    test_const(&m, "b", F32(SHAPE(3), 0, 0, 1));
    test_const(&m, "m", T_(I32, SHAPE(1, 2), ((int32_t[]){ 1, 0 })));
    test_attr_int(&attrs, "num_heads", 1);
    contrib(&m, "Attention", "x w b m", &attrs);
    ran r = run(&m);
    CHECK_INT(r.e, HN_OK);
    CHECK_NEAR(((float *)r.y.data)[0], 6, 1e-5);
    CHECK_NEAR(((float *)r.y.data)[1], 6, 1e-5);
    done(&r);
}

TEST(forms_that_are_not_there_are_named)
{
    test_model m = { .opset = 17 };
    hn_buf attrs = { 0 };
    test_const(&m, "x", U8(SHAPE(1, 1, 1, 1), 1));
    number(&m, "s", 1);
    zero(&m, "z", 0);
    test_attr_int(&attrs, "channels_last", 1);
    contrib(&m, "QLinearGlobalAveragePool", "x s z s z", &attrs);
    ran r = run(&m);
    CHECK_INT(r.e, HN_EUNSUP);
    CHECK(strstr(r.cx.msg, "channels_last") != NULL);
    done(&r);
}

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
    hn_tensor y[3];
    hn_err e;
} ran;

/* A node of com.microsoft over constants, its first output "y". */
static void contrib_to(test_model *m, const char *op, const char *in, const char *out, hn_buf *attrs)
{
    hn_buf n = test_node_bytes(op, in, out, attrs);
    pb_text(&n, 7, "com.microsoft");
    pb_message(&m->graph, 1, &n);
    test_output(m, "y");
    hn_buf set = { 0 };
    pb_text(&set, 1, "com.microsoft");
    pb_varint(&set, 2, 1);
    pb_message(&m->rest, 8, &set);
}

static void contrib(test_model *m, const char *op, const char *in, hn_buf *attrs) { contrib_to(m, op, in, "y", attrs); }

static ran run(test_model *m)
{
    ran r = { .bytes = test_model_bytes(m) };
    CHECK_INT(hn_arena_new(&r.cx, 0, &r.a), HN_OK);
    r.e = hn_source_open_memory(&r.cx, r.bytes.data, r.bytes.len, &r.s);
    if (!r.e)
        r.e = hn_source_runnable(&r.cx, &r.s);
    if (!r.e)
        r.e = hn_eval(&r.cx, r.s.graph, NULL, r.a, r.y);
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
    const uint8_t *y = r.y[0].data;
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
    CHECK_NEAR(*(float *)r.y[0].data, (4 * 10 + 7) * 0.125f, 1e-6);
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
    CHECK_NEAR(((float *)r.y[0].data)[0], (float)want[0], 1e-4);
    CHECK_NEAR(((float *)r.y[0].data)[1], (float)want[1], 1e-4);
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
    CHECK_NEAR(((float *)r.y[0].data)[0], -1, 1e-4);
    CHECK_NEAR(((float *)r.y[0].data)[1], 10, 1e-3);
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
    CHECK_NEAR(*(float *)r.y[0].data, 5.5f, 1e-6);
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
    CHECK_NEAR(((float *)r.y[0].data)[0], 6, 1e-5);
    CHECK_NEAR(((float *)r.y[0].data)[1], 6, 1e-5);
    done(&r);
}

/* Numbers from -1 to 1 in steps of 1/8 that go round in no short circle. */
static void filled(test_model *m, const char *name, hn_shape shape, int from)
{
    static float v[128];
    hn_tensor t = { HN_F32, shape, v };
    for (int i = 0; i < (int)hn_count(&t); i++)
        v[i] = (float)((i * 37 + from) % 17 - 8) / 8;
    test_const(m, name, t);
}

/* Two rows of two heads over one of keys and values, in a buffer of four places: the first row has all
 * of them, the second three. */
static void group_query(test_model *m, hn_buf *attrs)
{
    filled(m, "qkv", SHAPE(2, 1, 64), 3);
    filled(m, "pk", SHAPE(2, 1, 4, 16), 5);
    filled(m, "pv", SHAPE(2, 1, 4, 16), 7);
    filled(m, "cos", SHAPE(4, 8), 1);
    filled(m, "sin", SHAPE(4, 8), 9);
    test_const(m, "last", T_(I32, SHAPE(2), ((int32_t[]){ 3, 2 })));
    test_const(m, "total", T_(I32, SCALAR, (int32_t[]){ 4 }));
    test_attr_int(attrs, "num_heads", 2);
    test_attr_int(attrs, "kv_num_heads", 1);
}

/* Numbers from ONNX Runtime 1.32. */
TEST(a_group_of_queries_turns_caches_and_looks_back_so_far)
{
    static const float want[2][4] = { { -0.3558577f, 0.1366004f, -0.1337872f, -0.01884896f },
                                      { 0.4195705f, -0.3304295f, 0.45510307f, -0.29489693f } };
    static const int at[4] = { 0, 15, 16, 31 };
    test_model m = { .opset = 21 };
    hn_buf attrs = { 0 };
    group_query(&m, &attrs);
    test_attr_int(&attrs, "do_rotary", 1);
    test_attr_int(&attrs, "local_window_size", 2);
    test_attr_float(&attrs, "scale", 0.5f);
    test_attr_float(&attrs, "softcap", 1.5f);
    contrib_to(&m, "GroupQueryAttention", "qkv - - pk pv last total cos sin", "y nk nv", &attrs);
    test_output(&m, "nk");
    test_output(&m, "nv");
    ran r = run(&m);
    CHECK_INT(r.e, HN_OK);
    const float *y = r.y[0].data, *k = r.y[1].data, *v = r.y[2].data;
    CHECK_INT(hn_count(&r.y[1]), 2 * 4 * 16);
    for (int i = 0; i < 8; i++)
        CHECK_NEAR(y[i / 4 * 32 + at[i % 4]], want[i / 4][i % 4], 1e-6);
    CHECK_NEAR(k[3 * 16], 0.03125f, 1e-7);         /* turned as place 3 of the first row, 2 of the second */
    CHECK_NEAR(k[(4 + 2) * 16], -0.625f, 1e-7);
    CHECK_NEAR(v[(4 + 2) * 16 + 1], -0.75f, 1e-7);
    CHECK_NEAR(v[(4 + 3) * 16], (float)((112 * 37 + 7) % 17 - 8) / 8, 1e-7);       /* as it was */
    done(&r);
}

TEST(forms_of_group_query_attention_that_are_not_there_are_named)
{
    test_model m = { .opset = 21 };
    hn_buf attrs = { 0 };
    group_query(&m, &attrs);
    test_attr_int(&attrs, "smooth_softmax", 1);
    contrib(&m, "GroupQueryAttention", "qkv - - pk pv last total", &attrs);
    ran r = run(&m);
    CHECK_INT(r.e, HN_EUNSUP);
    CHECK(strstr(r.cx.msg, "unsupported: GroupQueryAttention with smooth_softmax") != NULL);
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

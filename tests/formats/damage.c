/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged files and a machine out of memory: an error or success, never anything else.  Worth
 * most under SAN=address,undefined. */
#include "tests/support/test.h"

#include <stdlib.h>

#include "formats/format.h"
#include "tests/support/graph.h"
#include "tests/support/pb.h"

/* A model that visits most of the reader: constants, a body, a function, old operators, a
 * placeholder, sparse. */
static hn_buf small_model(void)
{
    test_model m = { .opset = 6 }, body = { 0 };
    hn_buf a = { 0 }, fn = { 0 }, import = { 0 }, entry = { 0 };

    test_input(&m, "x", HN_F32, SHAPE(-1, 3, 4, 4));
    test_const(&m, "b", F32(SHAPE(3), 1, 2, 3));
    test_const(&m, "p", F32(SHAPE(3), 1, 2, 3));
    test_attr_int(&a, "broadcast", 1);
    test_attr_int(&a, "axis", 1);
    test_node(&m, "Add", "x b", "s", &a);
    test_attr_ints(&a, "axes", (const int64_t[]){ 1, 2 }, 2);
    test_node(&m, "ReduceMean", "s", "r", &a);
    test_attr_float(&a, "min", -1);
    test_node(&m, "Clip", "s", "c", &a);
    test_attr_int(&a, "axis", 1);
    test_node(&m, "Softmax", "c", "f", &a);
    test_attr_int(&a, "to", 1);
    test_node(&m, "Cast", "f", "k", &a);
    test_node(&m, "PRelu", "k p", "q", NULL);
    test_node(&body, "Neg", "q", "n", NULL);
    test_output(&body, "n");
    test_attr_message(&a, "then_branch", 6, 5, &body.graph);
    test_node(&m, "Maybe", "r", "i", &a);
    hn_buf values = test_tensor("v", &F32(SHAPE(1), 5)), at = test_tensor("", &I64(SHAPE(1), 2));
    pb_message(&a, 1, &values);
    pb_message(&a, 2, &at);
    pb_varint(&a, 3, 4);
    pb_message(&m.graph, 15, &a);
    hn_buf call = test_node_bytes("Twice", "i", "y", NULL);
    pb_text(&call, 7, "my");
    pb_message(&m.graph, 1, &call);
    test_output(&m, "y");

    pb_text(&fn, 1, "Twice");
    pb_text(&fn, 4, "in");
    pb_text(&fn, 5, "out");
    hn_buf node = test_node_bytes("Add", "in in", "out", NULL);
    pb_message(&fn, 7, &node);
    pb_varint(&import, 2, 7);
    pb_message(&fn, 9, &import);
    pb_text(&fn, 10, "my");
    pb_message(&m.rest, 25, &fn);
    pb_text(&entry, 1, "key");
    pb_text(&entry, 2, "value");
    pb_message(&m.rest, 14, &entry);
    return test_model_bytes(&m);
}

/* The bytes end where the allocation ends, so that a sanitizer sees one step too far. */
static hn_err try_bytes(const void *data, size_t len)
{
    hn_ctx cx = { 0 };
    hn_source s;
    void *exact = malloc(len ? len : 1);
    memcpy(exact, data, len);
    hn_err e = hn_source_open_memory(&cx, exact, len, &s);
    if (e)
        CHECK(*cx.msg);
    else
        hn_source_close(&cx, &s);
    free(exact);
    return e;
}

static void cut_everywhere(const uint8_t *data, size_t len)
{
    for (size_t n = 0; n < len; n++)
        CHECK(try_bytes(data, n) != HN_OK);
}

static void flip_everywhere(uint8_t *data, size_t len, size_t step)
{
    for (size_t i = 0; i < len; i += step)
        for (int bit = 0; bit < 8; bit++) {
            data[i] ^= (uint8_t)(1u << bit);
            try_bytes(data, len);
            data[i] ^= (uint8_t)(1u << bit);
        }
}

TEST(a_small_model_cut_or_flipped_anywhere_is_survived)
{
    hn_buf b = small_model();
    CHECK_INT(try_bytes(b.data, b.len), HN_OK);
    for (size_t n = 0; n < b.len; n++)           /* a cut between its fields may leave a whole model */
        try_bytes(b.data, n);
    flip_everywhere((uint8_t *)b.data, b.len, 1);
    hn_buf_free(&b);
}

TEST(a_real_model_cut_or_flipped_anywhere_is_survived)
{
    const char *path = hn_test_data("models/kws_dscnn_fp32.onnx");
    hn_file f;
    if (!path)
        return;
    CHECK_INT(hn_file_open(NULL, path, &f), HN_OK);
    CHECK_INT(try_bytes(f.data, f.len), HN_OK);
    hn_buf copy = { 0 };
    hn_buf_add(&copy, f.data, f.len);
    cut_everywhere(f.data, f.len);
    /* Eight flips of each of 92 K bytes take minutes under a sanitizer: a quick run skips along. */
    flip_everywhere((uint8_t *)copy.data, copy.len, getenv("HONE_TEST_FULL") ? 1 : 97);
    hn_buf_free(&copy);
    hn_file_close(&f);
}

/* ---- Out of memory ------------------------------------------------------------------- */

typedef struct miser { size_t left, live; } miser;

static void *miser_alloc(void *user, void *old, size_t bytes)
{
    miser *m = user;
    if (bytes == 0) {
        m->live--;
        free(old);
        return NULL;
    }
    if (m->left == 0)
        return NULL;
    m->left--;
    m->live += !old;
    return realloc(old, bytes);
}

TEST(the_nth_allocation_may_fail_for_every_n)
{
    hn_buf b = small_model();
    hn_err e = HN_ENOMEM;
    for (size_t n = 0; e != HN_OK; n++) {
        miser m = { .left = n };
        hn_env env = { .alloc = miser_alloc, .alloc_user = &m };
        hn_ctx cx = { .env = &env };
        hn_source s;
        CHECK(n < 10000);
        e = hn_source_open_memory(&cx, b.data, b.len, &s);
        CHECK(e == HN_OK || e == HN_ENOMEM);
        if (!e)
            hn_source_close(&cx, &s);
        CHECK_INT(m.live, 0);
    }
    hn_buf_free(&b);
}

/* Arenas take blocks of many objects, so few calls reach the allocator; a limit on bytes makes
 * failures fall between them. */
static size_t bytes_left;
static void *counting_alloc(void *user, void *old, size_t bytes)
{
    (void)user;
    if (bytes == 0) {
        free(old);
        return NULL;
    }
    if (bytes > bytes_left)
        return NULL;
    bytes_left -= bytes;
    return realloc(old, bytes);
}

TEST(any_limit_on_memory_is_survived)
{
    const char *path = hn_test_data("models/kws_dscnn_fp32.onnx");
    if (!path)
        return;
    hn_err e = HN_ENOMEM;
    for (size_t limit = 0; e != HN_OK; limit += 1024) {
        hn_env env = { .alloc = counting_alloc };
        hn_ctx cx = { .env = &env };
        hn_source s;
        bytes_left = limit;
        CHECK(limit < (size_t)64 << 20);
        e = hn_source_open(&cx, path, &s);
        CHECK(e == HN_OK || e == HN_ENOMEM);
        if (!e)
            hn_source_close(&cx, &s);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdlib.h>

#include "formats/npy.h"
#include "tests/support/graph.h"

typedef struct read_back { hn_ctx cx; hn_arena *a; hn_tensor t; hn_err e; void *bytes; } read_back;

static hn_err read_bytes(read_back *r, const void *data, size_t len)
{
    *r = (read_back){ .bytes = malloc(len ? len : 1) };      /* exactly as long as the file */
    memcpy(r->bytes, data, len);
    CHECK_INT(hn_arena_new(&r->cx, 0, &r->a), HN_OK);
    return r->e = hn_npy_read(&r->cx, r->bytes, len, r->a, &r->t);
}

static void done(read_back *r)
{
    hn_arena_free(r->a);
    free(r->bytes);
}

/* A version 1 file with the given header text and data. */
static hn_err read_file(read_back *r, const char *header, const void *data, size_t len)
{
    hn_buf b = { 0 };
    size_t n = strlen(header);
    hn_buf_add(&b, "\x93NUMPY\x01\x00", 8);
    hn_buf_add(&b, (uint8_t[]){ (uint8_t)n, (uint8_t)(n >> 8) }, 2);
    hn_buf_text(&b, header);
    hn_buf_add(&b, data, len);
    hn_err e = read_bytes(r, b.data, b.len);
    hn_buf_free(&b);
    return e;
}

static void check_round_trip(const hn_tensor *t)
{
    hn_buf b = { 0 };
    read_back r;
    CHECK_INT(hn_npy_write(NULL, t, &b), HN_OK);
    CHECK_INT((b.data[8] | b.data[9] << 8) % 64, 64 - 10);
    CHECK_INT(read_bytes(&r, b.data, b.len), HN_OK);
    CHECK(r.t.dtype == t->dtype && hn_shape_equal(&r.t.shape, &t->shape));
    if (t->dtype != HN_STR)
        CHECK(memcmp(r.t.data, t->data, hn_bytes(t)) == 0);
    for (size_t i = 0; t->dtype == HN_STR && i < hn_count(t); i++) {
        const hn_text *a = (const hn_text *)t->data + i, *c = (const hn_text *)r.t.data + i;
        CHECK(a->len == c->len && memcmp(a->ptr, c->ptr, a->len) == 0);
    }
    done(&r);
    hn_buf_free(&b);
}

TEST(what_is_written_is_read_back)
{
    check_round_trip(&F32(SHAPE(2, 3), 1, 2, 3, 4, 5, 6));
    check_round_trip(&I64(SHAPE(1), INT64_MIN));
    check_round_trip(&I64(SCALAR, 7));
    check_round_trip(&U8(SHAPE(3), 1, 2, 255));
    check_round_trip(&F32(SHAPE(0, 4), 0));
    hn_text words[] = { { "na\xC3\xAFve", 6 }, { "", 0 }, { "\xF0\x9F\x94\xAA", 4 } };
    check_round_trip(&(hn_tensor){ HN_STR, SHAPE(3), words });
}

TEST(foreign_orders_are_turned)
{
    read_back r;
    CHECK_INT(read_file(&r, "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n",
                        (uint8_t[]){ 0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6 }, 12), HN_OK);
    for (int i = 0; i < 6; i++)
        CHECK_INT(((int16_t *)r.t.data)[i], i + 1);
    done(&r);
    CHECK_INT(read_file(&r, "{\"descr\": \"|S3\", \"shape\": (2,), \"fortran_order\": False}", "ab\0cde", 6), HN_OK);
    CHECK_INT(((hn_text *)r.t.data)[0].len, 2);
    done(&r);
}

TEST(what_numpy_files_may_hold_beyond_tensors_is_refused)
{
    static const struct { const char *descr, *says; } no[] = {
        { "'|O'", "unpickle" }, { "'<V2'", "bf16" }, { "[('a', '<f4')]", "records" }, { "'<M8[ns]'", "M8" },
        { "'<f16'", "f16" },
    };
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        char header[128] = "{'descr': ";
        read_back r;
        strcat(strcat(header, no[i].descr), ", 'fortran_order': False, 'shape': (1,), }");
        CHECK_INT(read_file(&r, header, "\0\0\0\0", 4), HN_EUNSUP);
        CHECK(strstr(r.cx.msg, no[i].says) != NULL);
        done(&r);
    }
    hn_buf b = { 0 };
    CHECK_INT(hn_npy_write(NULL, &(hn_tensor){ HN_BF16, SHAPE(1), (uint16_t[]){ 0 } }, &b), HN_EUNSUP);
}

TEST(damaged_headers_and_lengths_are_errors)
{
    static const char *const bad[] = {
        "", "{", "{'descr': '<f4'", "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}", "{'descr': '<f4', 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904, 4)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        read_back r;
        CHECK_INT(read_file(&r, bad[i], "\0\0\0\0", 4), HN_EFORMAT);
        done(&r);
    }
}

TEST(a_file_cut_anywhere_is_an_error)
{
    hn_buf b = { 0 };
    CHECK_INT(hn_npy_write(NULL, &F32(SHAPE(2, 2), 1, 2, 3, 4), &b), HN_OK);
    for (size_t n = 0; n < b.len; n++) {
        read_back r;
        CHECK(read_bytes(&r, b.data, n) != HN_OK);
        done(&r);
    }
    hn_buf_free(&b);
}

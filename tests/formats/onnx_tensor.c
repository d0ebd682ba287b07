/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/format.h"
#include "formats/onnx_data.h"
#include "tests/support/graph.h"
#include "tests/support/pb.h"

typedef struct read_back { hn_ctx cx; hn_arena *a; hn_tensor t; hn_text name; hn_err e; } read_back;

static read_back *read_tensor(read_back *r, const hn_buf *b)
{
    *r = (read_back){ 0 };
    CHECK_INT(hn_arena_new(&r->cx, 0, &r->a), HN_OK);
    r->e = hn_onnx_read_value(&r->cx, b->data, b->len, HN_NONE, r->a, &r->t, &r->name);
    return r;
}

static hn_buf typed(hn_dtype t, int64_t count)
{
    hn_buf b = { 0 };
    pb_varint(&b, 1, (uint64_t)count);
    pb_varint(&b, 2, (uint64_t)hn_dtype_to_onnx(t));
    return b;
}

TEST(raw_data_of_the_right_size_is_read)
{
    read_back r;
    hn_buf b = test_tensor("w", &F32(SHAPE(2, 1), 1.5f, -2));
    CHECK_INT(read_tensor(&r, &b)->e, HN_OK);
    CHECK(r.t.shape.rank == 2 && ((float *)r.t.data)[1] == -2 && r.name.len == 1);
    hn_arena_free(r.a);

    b.data[1] = 3;                                     /* [3, 1] now */
    CHECK_INT(read_tensor(&r, &b)->e, HN_EFORMAT);
    CHECK(strstr(r.cx.msg, "'w': 3x1 of f32 needs 12 bytes, the file has 8") != NULL);
    hn_arena_free(r.a);
    hn_buf_free(&b);
}

TEST(typed_lists_hold_small_types_by_their_bits)
{
    read_back r;
    hn_buf b = typed(HN_F16, 2);
    pb_varint(&b, 5, 0x3C00);
    pb_varint(&b, 5, 0xC000);
    CHECK_INT(read_tensor(&r, &b)->e, HN_OK);
    double v[2];
    hn_get_f64(&r.t, 0, 2, v);
    CHECK(v[0] == 1 && v[1] == -2);
    hn_arena_free(r.a);
    hn_buf_free(&b);

    b = typed(HN_I4, 3);                               /* two to a byte */
    pb_bytes(&b, 5, (const uint8_t[]){ 0xF1, 0x01, 0x07 }, 3);
    CHECK_INT(read_tensor(&r, &b)->e, HN_OK);
    hn_get_f64(&r.t, 0, 2, v);
    CHECK(v[0] == 1 && v[1] == -1);
    hn_arena_free(r.a);
    hn_buf_free(&b);

    b = typed(HN_I8, 1);
    pb_varint(&b, 5, (uint64_t)-5);
    CHECK_INT(read_tensor(&r, &b)->e, HN_OK);
    CHECK(*(int8_t *)r.t.data == -5);
    hn_arena_free(r.a);
    hn_buf_free(&b);

    b = typed(HN_U64, 1);
    pb_varint(&b, 11, UINT64_MAX);
    CHECK_INT(read_tensor(&r, &b)->e, HN_OK);
    CHECK(*(uint64_t *)r.t.data == UINT64_MAX);
    hn_arena_free(r.a);
    hn_buf_free(&b);

    b = typed(HN_STR, 2);
    pb_text(&b, 6, "one");
    pb_text(&b, 6, "");
    CHECK_INT(read_tensor(&r, &b)->e, HN_OK);
    CHECK(((hn_text *)r.t.data)[0].len == 3 && ((hn_text *)r.t.data)[1].len == 0);
    hn_arena_free(r.a);
    hn_buf_free(&b);
}

TEST(a_promise_of_many_numbers_costs_nothing)
{
    read_back r;
    hn_buf b = typed(HN_F32, (int64_t)1 << (sizeof(size_t) > 4 ? 40 : 28));
    CHECK_INT(read_tensor(&r, &b)->e, HN_EFORMAT);
    CHECK(strstr(r.cx.msg, "found 0") != NULL);
    hn_arena_free(r.a);
    hn_buf_free(&b);
}

TEST(sequences_and_optionals_are_told_from_tensors)
{
    read_back r;
    hn_buf b = { 0 }, t = test_tensor("x", &F32(SHAPE(1), 1));
    pb_text(&b, 1, "seq");
    pb_varint(&b, 2, 1);
    pb_message(&b, 3, &t);
    CHECK_INT(read_tensor(&r, &b)->e, HN_OK);
    CHECK_INT(r.t.dtype, hn_seq_of(HN_F32));
    CHECK_INT(((const hn_list *)r.t.data)->count, 1);
    hn_arena_free(r.a);
    hn_buf_free(&b);

    pb_bytes(&b, 1, (const uint8_t[]){ 2 }, 1);        /* a tensor with packed dims */
    pb_varint(&b, 2, 1);
    pb_bytes(&b, 4, (const float[]){ 1, 2 }, 8);
    CHECK_INT(read_tensor(&r, &b)->e, HN_OK);
    CHECK(((float *)r.t.data)[1] == 2);
    hn_arena_free(r.a);
    hn_buf_free(&b);
}

TEST(sparse_initialisers_become_dense)
{
    test_model m = { .opset = 13 };
    hn_ctx cx = { 0 };
    hn_source s;
    hn_buf values = test_tensor("w", &F32(SHAPE(2), 5, 6)), at = test_tensor("", &I64(SHAPE(2, 2), 0, 1, 1, 0));
    hn_buf sparse = { 0 };
    pb_message(&sparse, 1, &values);
    pb_message(&sparse, 2, &at);
    pb_varint(&sparse, 3, 2);
    pb_varint(&sparse, 3, 2);
    pb_message(&m.graph, 15, &sparse);
    test_output(&m, "w");
    hn_buf b = test_model_bytes(&m);
    CHECK_INT(hn_source_open_memory(&cx, b.data, b.len, &s), HN_OK);
    const float *w = s.graph->out[0]->t.data;
    CHECK(w[0] == 0 && w[1] == 5 && w[2] == 6 && w[3] == 0);
    hn_source_close(&cx, &s);
    hn_buf_free(&b);
}

/* ---- External data ------------------------------------------------------------------- */

typedef struct folder { char path[64], inside[96]; } folder;

static void make_folder(folder *f)
{
    strcpy(f->path, "/tmp/hone-test-XXXXXX");
    CHECK(mkdtemp(f->path) != NULL);
    snprintf(f->inside, sizeof f->inside, "%s/m", f->path);
    CHECK_INT(mkdir(f->inside, 0700), 0);
}

static void put_file(const char *dir, const char *name, const void *data, size_t len)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_INT(hn_file_write(NULL, path, data, len), HN_OK);
}

static void remove_folder(folder *f)
{
    static const char *const names[] = { "m/model.onnx", "m/w.bin", "m/link", "out.bin", "m" };
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", f->path, names[i]);
        remove(path);
    }
    remove(f->path);
}

static hn_err open_external(folder *f, const char *location, const char *offset, hn_ctx *cx, hn_source *s)
{
    test_model m = { .opset = 13 };
    hn_tensor shape = { HN_F32, SHAPE(2), NULL };
    hn_buf t = test_tensor("w", &shape);
    const char *const entry[][2] = { { "location", location }, { "offset", offset }, { "length", "8" } };
    for (int i = 0; i < 3; i++) {
        hn_buf e = { 0 };
        pb_text(&e, 1, entry[i][0]);
        pb_text(&e, 2, entry[i][1]);
        pb_message(&t, 13, &e);
    }
    pb_varint(&t, 14, 1);
    pb_message(&m.graph, 5, &t);
    test_output(&m, "w");
    hn_buf b = test_model_bytes(&m);
    put_file(f->inside, "model.onnx", b.data, b.len);
    hn_buf_free(&b);
    char path[128];
    snprintf(path, sizeof path, "%s/model.onnx", f->inside);
    *cx = (hn_ctx){ 0 };
    return hn_source_open(cx, path, s);
}

TEST(external_data_is_mapped_and_stays_in_its_folder)
{
    const float data[] = { 1, 2, 3, 4 };
    char out[128], link[128];
    folder f;
    hn_ctx cx;
    hn_source s;

    make_folder(&f);
    put_file(f.inside, "w.bin", data, sizeof data);
    put_file(f.path, "out.bin", data, sizeof data);
    snprintf(out, sizeof out, "%s/out.bin", f.path);
    snprintf(link, sizeof link, "%s/link", f.inside);
    CHECK_INT(symlink(out, link), 0);

    CHECK_INT(open_external(&f, "w.bin", "4", &cx, &s), HN_OK);
    CHECK(((const float *)s.graph->out[0]->t.data)[0] == 2 && s.mapped_bytes == 8 && s.extra_count == 1);
    hn_source_close(&cx, &s);

    CHECK_INT(open_external(&f, "w.bin", "12", &cx, &s), HN_EFORMAT);
    CHECK(strstr(cx.msg, "past the end") != NULL);
    CHECK_INT(open_external(&f, "w.bin", "18446744073709551615", &cx, &s), HN_EFORMAT);
    CHECK_INT(open_external(&f, "w.bin", "-4", &cx, &s), HN_EFORMAT);
    CHECK_INT(open_external(&f, "gone.bin", "0", &cx, &s), HN_EIO);
    CHECK(strstr(cx.msg, "gone.bin") && strstr(cx.msg, "'w'"));
    CHECK_INT(open_external(&f, "../out.bin", "0", &cx, &s), HN_EREFUSED);
    CHECK_INT(open_external(&f, out, "0", &cx, &s), HN_EREFUSED);
    CHECK_INT(open_external(&f, "link", "0", &cx, &s), HN_EREFUSED);
    CHECK(strstr(cx.msg, "link") != NULL);
    remove_folder(&f);
}

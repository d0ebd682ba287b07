/* SPDX-License-Identifier: Apache-2.0 */
/* Opening models and asking them. */
#include <stdio.h>

#include "base/buf.h"
#include "base/file.h"
#include "tests/support/api.h"
#include "tests/support/graph.h"
#include "tests/support/pb.h"

static hn_file bytes_of(const char *path)
{
    hn_ctx cx = { 0 };
    hn_file f = { 0 };
    CHECK_INT(hn_file_open(&cx, path, &f), HN_OK);
    return f;
}

static void check_demo(const hone_model *m)
{
    hone_io io;
    CHECK_INT(hone_model_inputs(m), 1);
    CHECK_INT(hone_model_outputs(m), 1);
    CHECK_INT(hone_model_input(m, 0, &io), HONE_OK);
    CHECK_TEXT(io.name, "image");
    CHECK_INT(io.dtype, HONE_F32);
    CHECK(io.rank == 4 && io.dim[0] == -1 && io.dim[1] == 3 && io.dim[2] == 64 && io.dim[3] == 64);
    CHECK_TEXT(io.dim_name[0], "N");
    CHECK(io.dim_name[1] == NULL);
    CHECK_INT(hone_model_output(m, 0, &io), HONE_OK);
    CHECK_TEXT(io.name, "probabilities");
    CHECK(io.rank == 2 && io.dim[0] == -1 && io.dim[1] == 32);
    CHECK_TEXT(io.dim_name[0], "N");
    CHECK_TEXT(hone_model_meta(m, "license"), "Apache-2.0");
    CHECK(strncmp(hone_model_meta(m, "labels"), "heart\nstar\n", 11) == 0);
    CHECK(hone_model_meta(m, "no such key") == NULL);
}

TEST(a_model_says_what_it_takes_and_gives)
{
    hone_ctx *ctx = test_ctx(1);
    hone_model *m = NULL;
    hone_error err = { 0 };
    DONE(hone_model_open(ctx, DEMO_MODEL, NULL, &m, &err), err);
    check_demo(m);
    hone_model_close(m);
    hone_model_close(NULL);
    hone_ctx_free(ctx);
    hone_ctx_free(NULL);
}

TEST(a_model_opens_from_memory)
{
    hone_ctx *ctx = test_ctx(1);
    hone_model *m = NULL;
    hone_error err = { 0 };
    hn_file f = bytes_of(DEMO_MODEL);
    DONE(hone_model_open_memory(ctx, f.data, f.len, NULL, &m, &err), err);
    check_demo(m);
    hone_model_close(m);
    hn_file_close(&f);
    hone_ctx_free(ctx);
}

TEST(an_index_past_the_end_is_refused)
{
    hone_ctx *ctx = test_ctx(1);
    hone_model *m = NULL;
    hone_error err = { 0 };
    hone_io io = { .rank = 77 };
    DONE(hone_model_open(ctx, DEMO_MODEL, NULL, &m, &err), err);
    CHECK_INT(hone_model_input(m, 1, &io), HONE_ERROR_ARG);
    CHECK_INT(hone_model_output(m, SIZE_MAX, &io), HONE_ERROR_ARG);
    CHECK_INT(io.rank, 77);                      /* written only on success */
    hone_model_close(m);
    hone_ctx_free(ctx);
}

TEST(what_cannot_be_opened_is_said)
{
    hone_ctx *ctx = test_ctx(1);
    hone_model *m = (hone_model *)&ctx;
    hone_error err = { 0 };
    hn_file f = bytes_of(DEMO_MODEL);
    CHECK_INT(hone_model_open(ctx, "no/model.onnx", NULL, &m, &err), HONE_ERROR_IO);
    CHECK_INT(err.status, HONE_ERROR_IO);
    CHECK_TEXT(err.message, "no/model.onnx: No such file or directory");
    CHECK_INT(hone_model_open(ctx, "no/model.onnx", NULL, &m, NULL), HONE_ERROR_IO);
    CHECK_INT(hone_model_open_memory(ctx, "not a model", 11, NULL, &m, &err), HONE_ERROR_FORMAT);
    CHECK(strlen(err.message) > 20);
    CHECK_INT(hone_model_open_memory(ctx, "", 0, NULL, &m, &err), HONE_ERROR_FORMAT);
    CHECK_INT(hone_model_open_memory(ctx, f.data, f.len - 1000, NULL, &m, &err), HONE_ERROR_FORMAT);
    CHECK_INT(hone_model_open_memory(ctx, f.data, f.len - 1000, NULL, &m, NULL), HONE_ERROR_FORMAT);
    CHECK(m == (hone_model *)&ctx);              /* written only on success */
    hn_file_close(&f);
    hone_ctx_free(ctx);
}

TEST(an_unsupported_operator_is_named_when_it_would_run)
{
    hone_ctx *ctx = test_ctx(1);
    hone_model *m = NULL;
    hone_session *s = NULL;
    hone_memory need;
    hone_error err = { 0 };
    test_model t = { .opset = 17 };
    test_input(&t, "x", HN_F32, SHAPE(2, 3));
    test_node(&t, "NoSuchOperator", "x", "y", NULL);
    test_output(&t, "y");
    hn_buf b = test_model_bytes(&t);
    DONE(hone_model_open_memory(ctx, b.data, b.len, NULL, &m, &err), err);      /* looking is allowed */
    CHECK_INT(hone_session_new(m, NULL, &s, &err), HONE_ERROR_UNSUP);
    CHECK(strstr(err.message, "NoSuchOperator") != NULL);
    CHECK_INT(hone_memory_need(m, NULL, &need, &err), HONE_ERROR_UNSUP);
    CHECK(s == NULL);
    hone_model_close(m);
    hn_buf_free(&b);
    hone_ctx_free(ctx);
}

TEST(an_older_shorter_struct_of_options_works)
{
    /* As compiled against a version that knew only the first fields; what lies behind is garbage. */
    hone_ctx_opts c;
    hone_session_opts o;
    hone_model_opts mo;
    hone_ctx *ctx = NULL;
    hone_model *m = NULL;
    hone_session *s = NULL;
    hone_error err = { 0 };
    memset(&c, 0xEE, sizeof c);
    memset(&o, 0xEE, sizeof o);
    memset(&mo, 0xEE, sizeof mo);
    c.size = o.size = mo.size = sizeof(size_t);
    DONE(hone_ctx_new(&c, &ctx, &err), err);
    DONE(hone_model_open(ctx, DEMO_MODEL, &mo, &m, &err), err);
    DONE(hone_session_new(m, &o, &s, &err), err);
    hone_session_free(s);
    hone_model_close(m);
    hone_ctx_free(ctx);
}

TEST(every_status_has_text)
{
    for (int s = HONE_OK; s <= HONE_ERROR_REFUSED; s++)
        CHECK(strlen(hone_status_text((hone_status)s)) > 3);
    CHECK_TEXT(hone_status_text((hone_status)99), "unknown status");
    CHECK_TEXT(hone_version(), HONE_VERSION);
}

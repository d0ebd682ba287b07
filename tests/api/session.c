/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: shapes, buffers, errors, sharing, threads. */
#include <math.h>
#include <pthread.h>

#include "api/api.h"
#include "tests/support/api.h"
#include "tests/support/graph.h"
#include "tests/support/pb.h"

enum { PIXELS = 3 * 64 * 64, CLASSES = 32 };

typedef struct demo {
    hone_ctx *ctx;
    hone_model *model;
    float *in;                   /* three pictures, one after another */
} demo;

static demo demo_open(unsigned threads)
{
    demo d = { .ctx = test_ctx(threads) };
    hone_error err = { 0 };
    hone_io io = { .dtype = HONE_F32, .rank = 1, .dim = { 3 * PIXELS } };
    DONE(hone_model_open(d.ctx, DEMO_MODEL, NULL, &d.model, &err), err);
    d.in = test_input_data(&io, 5);
    return d;
}

static void demo_close(demo *d)
{
    hone_model_close(d->model);
    hone_ctx_free(d->ctx);
    free(d->in);
}

static hone_session *session_of(const demo *d, const hone_session_opts *o)
{
    hone_session *s = NULL;
    hone_error err = { 0 };
    DONE(hone_session_new(d->model, o, &s, &err), err);
    return s;
}

static hone_session_opts rows_opts(hone_dim *dim, int64_t rows)
{
    *dim = (hone_dim){ "N", rows };
    return (hone_session_opts){ .size = sizeof(hone_session_opts), .dims = dim, .dim_count = 1 };
}

static const float *run(hone_session *s, const float *in, size_t rows)
{
    hone_error err = { 0 };
    const void *out = NULL;
    hone_io io;
    DONE(hone_session_set_input(s, 0, in, rows * PIXELS * sizeof *in, &err), err);
    DONE(hone_session_run(s, &err), err);
    CHECK_INT(hone_session_output(s, 0, &out, &io), HONE_OK);
    CHECK(io.rank == 2 && io.dim[0] == (int64_t)rows && io.dim[1] == CLASSES && io.dtype == HONE_F32);
    CHECK_TEXT(io.name, "probabilities");
    CHECK_INT(hone_session_output(s, 0, &out, NULL), HONE_OK);
    return out;
}

TEST(a_run_gives_probabilities)
{
    demo d = demo_open(1);
    hone_session *s = session_of(&d, NULL);
    const float *p = run(s, d.in, 1);
    float sum = 0;
    for (int i = 0; i < CLASSES; i++)
        sum += p[i];
    CHECK_NEAR(sum, 1, 1e-5);
    hone_session_free(s);
    hone_session_free(NULL);
    demo_close(&d);
}

TEST(wrong_calls_are_refused_with_words)
{
    demo d = demo_open(1);
    hone_session *s = session_of(&d, NULL);
    hone_error err = { 0 };
    const void *out = &d;
    float room[CLASSES];

    CHECK_INT(hone_session_output(s, 0, &out, NULL), HONE_ERROR_ARG);          /* before any run */
    CHECK(out == &d);
    CHECK_INT(hone_session_run(s, &err), HONE_ERROR_ARG);
    CHECK_TEXT(err.message, "input 'image' has no data: bind a buffer first");
    CHECK_INT(hone_session_set_input(s, 0, d.in, 5, &err), HONE_ERROR_ARG);
    CHECK_TEXT(err.message, "input 'image': expected 49152 bytes, given 5");
    CHECK_INT(hone_session_set_input(s, 1, d.in, 5, &err), HONE_ERROR_ARG);
    CHECK_TEXT(err.message, "input 1: the model has 1");
    CHECK_INT(hone_session_set_output(s, 1, room, sizeof room, &err), HONE_ERROR_ARG);
    CHECK_INT(hone_session_set_input(s, 0, d.in, 5, NULL), HONE_ERROR_ARG);
    CHECK_INT(hone_session_run(s, NULL), HONE_ERROR_ARG);
    CHECK_INT(hone_session_output(s, 1, &out, NULL), HONE_ERROR_ARG);

    CHECK_INT(hone_session_set_input_shape(s, 0, 4, (int64_t[]){ 1, 3, 64, 65 }, &err), HONE_ERROR_ARG);
    CHECK(strstr(err.message, "given 1x3x64x65") != NULL);
    CHECK_INT(hone_session_set_input_shape(s, 0, 3, (int64_t[]){ 3, 64, 64 }, &err), HONE_ERROR_ARG);
    CHECK_INT(hone_session_set_input_shape(s, 0, -1, NULL, &err), HONE_ERROR_ARG);
    CHECK_INT(hone_session_set_input_shape(s, 0, 9, (int64_t[9]){ 0 }, &err), HONE_ERROR_ARG);
    CHECK_INT(hone_session_set_input_shape(s, 0, 4, (int64_t[]){ -5, 3, 64, 64 }, &err), HONE_ERROR_ARG);
    CHECK_INT(hone_session_set_input_shape(s, 2, 1, (int64_t[]){ 1 }, &err), HONE_ERROR_ARG);

    CHECK_INT(hone_session_set_output(s, 0, room, 5, &err), HONE_OK);          /* told when it matters */
    DONE(hone_session_set_input(s, 0, d.in, PIXELS * sizeof *d.in, &err), err);
    CHECK_INT(hone_session_run(s, &err), HONE_ERROR_ARG);
    CHECK_TEXT(err.message, "output 'probabilities': expected a buffer of 128 bytes, given 5");
    hone_session_free(s);
    demo_close(&d);
}

TEST(a_session_keeps_working_after_a_refusal)
{
    demo d = demo_open(1);
    hone_session *s = session_of(&d, NULL);
    float before[CLASSES];
    hone_error err = { 0 };
    memcpy(before, run(s, d.in, 1), sizeof before);
    CHECK_INT(hone_session_set_input_shape(s, 0, 4, (int64_t[]){ INT64_MAX, 3, 64, 64 }, &err), HONE_OK);
    CHECK(hone_session_run(s, &err) != HONE_OK);
    CHECK(err.message[0] != 0);
    DONE(hone_session_set_input_shape(s, 0, 4, (int64_t[]){ 1, 3, 64, 64 }, &err), err);
    CHECK(memcmp(before, run(s, d.in, 1), sizeof before) == 0);
    hone_session_free(s);
    demo_close(&d);
}

/* Plans of shapes that come again are still there, as long as they fit. */
TEST(idle_plans_are_kept_within_their_bound)
{
    for (int bounded = 0; bounded < 2; bounded++) {
        hone_ctx *ctx = test_ctx(1);
        hone_model_opts mo = { .size = sizeof mo, .idle_plan_bytes = bounded ? 1 << 20 : SIZE_MAX / 2 };
        hone_error err = { 0 };
        hone_io io = { .dtype = HONE_F32, .rank = 1, .dim = { 3 * PIXELS } };
        demo d = { .ctx = ctx, .in = test_input_data(&io, 5) };
        DONE(hone_model_open(ctx, DEMO_MODEL, &mo, &d.model, &err), err);
        hone_session *s = session_of(&d, NULL);
        const hn_plan *first = d.model->plans->plan;
        size_t plans = 0, idle = 0;
        for (int64_t rows = 1; rows <= 3; rows++) {
            DONE(hone_session_set_input_shape(s, 0, 4, (int64_t[]){ rows, 3, 64, 64 }, &err), err);
            run(s, d.in, (size_t)rows);
        }
        DONE(hone_session_set_input_shape(s, 0, 4, (int64_t[]){ 1, 3, 64, 64 }, &err), err);
        run(s, d.in, 1);
        CHECK(bounded || s->shared->plan == first);
        for (const hn_shared_plan *p = d.model->plans; p; p = p->next) {
            plans++;
            idle += p->users ? 0 : p->bytes;
        }
        CHECK(idle <= mo.idle_plan_bytes);
        CHECK(bounded ? plans <= 2 : plans == 3);
        hone_session_free(s);
        demo_close(&d);
    }
}

TEST(a_hint_says_how_many_threads_a_run_takes)
{
    demo d = demo_open(2);
    hone_session_opts o = { .size = sizeof o, .hint = HONE_HINT_THROUGHPUT };
    hone_session *many = session_of(&d, &o), *one = session_of(&d, NULL);
    CHECK_INT(many->shared->plan->threads, 1);
    CHECK_INT(one->shared->plan->threads, 2);
    float a[CLASSES];
    memcpy(a, run(many, d.in, 1), sizeof a);
    CHECK(memcmp(a, run(one, d.in, 1), sizeof a) == 0);
    hone_session_free(many);
    hone_session_free(one);
    demo_close(&d);
}

TEST(open_dimensions_come_from_options)
{
    demo d = demo_open(1);
    hone_dim dim;
    hone_session_opts o = rows_opts(&dim, 3);
    hone_error err = { 0 };
    hone_session *s = session_of(&d, &o), *none = NULL;
    run(s, d.in, 3);
    hone_session_free(s);

    o = rows_opts(&dim, -2);
    CHECK_INT(hone_session_new(d.model, &o, &none, &err), HONE_ERROR_ARG);
    CHECK_TEXT(err.message, "dimension 'N' of input 'image' cannot be -2");
    o = rows_opts(&dim, INT64_MAX / 2);
    CHECK(hone_session_new(d.model, &o, &none, &err) != HONE_OK);
    CHECK(err.message[0] != 0);
    CHECK(none == NULL);
    demo_close(&d);
}

/* A row's result depends on neither its neighbours nor on who computes it. */
TEST(batch_size_and_threads_do_not_change_a_bit)
{
    float want[3][CLASSES];
    demo one = demo_open(1);
    hone_session *s = session_of(&one, NULL);
    for (size_t r = 0; r < 3; r++)
        memcpy(want[r], run(s, one.in + r * PIXELS, 1), sizeof want[r]);
    hone_session_free(s);
    demo_close(&one);

    static const unsigned threads[][2] = { { 1, 0 }, { 2, 0 }, { 5, 0 }, { 6, 2 } };
    for (size_t t = 0; t < 4; t++) {
        demo d = demo_open(threads[t][0]);
        hone_dim dim;
        hone_session_opts o = rows_opts(&dim, 3);
        o.threads = threads[t][1];
        s = session_of(&d, &o);
        for (int again = 0; again < 3; again++)
            CHECK(memcmp(want, run(s, d.in, 3), sizeof want) == 0);
        hone_session_free(s);
        demo_close(&d);
    }
}

TEST(a_new_shape_makes_a_new_plan)
{
    demo d = demo_open(2);
    hone_session *s = session_of(&d, NULL);
    float one[CLASSES], two[2][CLASSES];
    hone_error err = { 0 };
    memcpy(one, run(s, d.in, 1), sizeof one);
    DONE(hone_session_set_input_shape(s, 0, 4, (int64_t[]){ 2, 3, 64, 64 }, &err), err);
    CHECK_INT(hone_session_run(s, &err), HONE_ERROR_ARG);                  /* the old buffer does not fit */
    memcpy(two, run(s, d.in, 2), sizeof two);
    CHECK(memcmp(one, two[0], sizeof one) == 0);
    DONE(hone_session_set_input_shape(s, 0, 4, (int64_t[]){ 0, 3, 64, 64 }, &err), err);
    run(s, d.in, 0);
    DONE(hone_session_set_input_shape(s, 0, 4, (int64_t[]){ 1, 3, 64, 64 }, &err), err);
    CHECK(memcmp(one, run(s, d.in, 1), sizeof one) == 0);
    hone_session_free(s);
    demo_close(&d);
}

TEST(sessions_of_one_shape_share_a_plan)
{
    demo d = demo_open(1);
    hone_dim dim;
    hone_session_opts o = rows_opts(&dim, 2);
    hone_session *a = session_of(&d, NULL), *b = session_of(&d, NULL), *c = session_of(&d, &o);
    CHECK(a->shared == b->shared);
    CHECK_INT(a->shared->users, 2);
    CHECK(c->shared != a->shared);
    float first[CLASSES];
    memcpy(first, run(a, d.in, 1), sizeof first);
    const float *other = run(b, d.in + PIXELS, 1);
    CHECK(memcmp(first, other, sizeof first) != 0);
    hone_session_free(a);
    CHECK(memcmp(first, run(b, d.in, 1), sizeof first) == 0);
    hone_session_free(b);
    hone_session_free(c);
    CHECK(d.model->plans == NULL);
    demo_close(&d);
}

TEST(outputs_go_where_the_caller_wants)
{
    demo d = demo_open(1);
    hone_session *s = session_of(&d, NULL);
    hone_error err = { 0 };
    float want[CLASSES], room[CLASSES + 2];
    memcpy(want, run(s, d.in, 1), sizeof want);
    for (int i = 0; i < CLASSES + 2; i++)
        room[i] = -7;
    DONE(hone_session_set_output(s, 0, room + 1, sizeof want, &err), err);
    CHECK(run(s, d.in, 1) == room + 1);
    CHECK(memcmp(want, room + 1, sizeof want) == 0);
    CHECK(room[0] == -7 && room[CLASSES + 1] == -7);
    DONE(hone_session_set_output(s, 0, NULL, 0, &err), err);
    room[1] = -7;
    CHECK(memcmp(want, run(s, d.in, 1), sizeof want) == 0);
    CHECK(room[1] == -7);
    hone_session_free(s);
    demo_close(&d);
}

/* One input, four outputs: the input itself, a view of a result, that result, a constant. */
static hn_buf odd_model(void)
{
    test_model t = { .opset = 17 };
    test_input(&t, "x", HN_F32, SHAPE(2, 3));
    test_const(&t, "shape", I64(SHAPE(2), 3, 2));
    test_const(&t, "c", F32(SHAPE(2), 5, 6));
    test_node(&t, "Relu", "x", "y", NULL);
    test_node(&t, "Reshape", "y shape", "view", NULL);
    test_node(&t, "Identity", "x", "same", NULL);
    test_node(&t, "Identity", "c", "five", NULL);
    test_output(&t, "same");
    test_output(&t, "view");
    test_output(&t, "y");
    test_output(&t, "five");
    return test_model_bytes(&t);
}

TEST(outputs_that_share_memory_can_each_be_bound)
{
    static const float x[6] = { -1, 2, -3, 4, -5, 6 }, y[6] = { 0, 2, 0, 4, 0, 6 }, five[2] = { 5, 6 };
    static const float *const want[4] = { x, y, y, five };
    static const size_t bytes[4] = { 24, 24, 24, 8 };
    hn_buf b = odd_model();
    hone_ctx *ctx = test_ctx(1);
    hone_model *m = NULL;
    hone_error err = { 0 };
    DONE(hone_model_open_memory(ctx, b.data, b.len, NULL, &m, &err), err);
    for (unsigned bound = 0; bound < 16; bound++) {
        hone_session *s = NULL;
        float room[4][6] = { { 0 } };
        DONE(hone_session_new(m, NULL, &s, &err), err);
        DONE(hone_session_set_input(s, 0, x, sizeof x, &err), err);
        for (size_t i = 0; i < 4; i++)
            if (bound >> i & 1)
                DONE(hone_session_set_output(s, i, room[i], bytes[i], &err), err);
        for (int again = 0; again < 2; again++) {
            DONE(hone_session_run(s, &err), err);
            for (size_t i = 0; i < 4; i++) {
                const void *out = NULL;
                CHECK_INT(hone_session_output(s, i, &out, NULL), HONE_OK);
                CHECK((out == room[i]) == (bound >> i & 1));
                CHECK(memcmp(out, want[i], bytes[i]) == 0);
            }
        }
        hone_session_free(s);
    }
    hone_model_close(m);
    hn_buf_free(&b);
    hone_ctx_free(ctx);
}

/* ---- Many threads, one model ---------------------------------------------------------------------- */

typedef struct worker {
    pthread_t thread;
    const demo *d;
    float out[CLASSES];
    hone_status status;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    hone_session *s = NULL;
    const void *out = NULL;
    hone_error err;
    for (int i = 0; i < 10 && !w->status; i++) {
        w->status = hone_session_new(w->d->model, NULL, &s, &err);
        if (!w->status)
            w->status = hone_session_set_input(s, 0, w->d->in, PIXELS * sizeof(float), &err);
        if (!w->status)
            w->status = hone_session_run(s, &err);
        if (!w->status)
            w->status = hone_session_output(s, 0, &out, NULL);
        if (!w->status)
            memcpy(w->out, out, sizeof w->out);
        hone_session_free(s);
        s = NULL;
    }
    return NULL;
}

TEST(threads_with_a_session_each_get_the_same_bits)
{
    demo d = demo_open(3);
    worker w[6] = { { .d = &d } };
    for (int i = 0; i < 6; i++) {
        w[i].d = &d;
        CHECK_INT(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < 6; i++)
        pthread_join(w[i].thread, NULL);
    for (int i = 0; i < 6; i++) {
        CHECK_INT(w[i].status, HONE_OK);
        CHECK(memcmp(w[0].out, w[i].out, sizeof w[0].out) == 0);
    }
    demo_close(&d);
}

TEST(an_input_is_fixed_before_the_first_session_and_only_with_a_shape)
{
    demo d = demo_open(1);
    hone_error err = { 0 };
    CHECK_INT(hone_model_fix_input(d.model, 0, d.in, PIXELS * sizeof(float), &err), HONE_ERROR_ARG);
    CHECK(strstr(err.message, "its shape is open"));
    CHECK_INT(hone_model_fix_input(d.model, 7, d.in, 4, &err), HONE_ERROR_ARG);
    hone_session *s = session_of(&d, NULL);
    CHECK_INT(hone_model_fix_input(d.model, 0, d.in, PIXELS * sizeof(float), &err), HONE_ERROR_ARG);
    CHECK(strstr(err.message, "sessions already"));
    hone_session_free(s);
    demo_close(&d);
}

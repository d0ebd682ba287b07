/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th allocation fails, for every n, from context to result: an error or a full success, and
 * everything given back. */
#include <stdio.h>

#include "tests/support/alloc.h"
#include "tests/support/api.h"

typedef struct attempt {
    hone_ctx *ctx;
    hone_model *model;
    hone_session *session;
    hone_status status;
    hone_error err;
} attempt;

/* As a program would: stop at the first error. */
static void go(attempt *a, test_alloc *heap, const char *path, unsigned threads, const void *in, size_t bytes)
{
    hone_ctx_opts o = { .size = sizeof o, .threads = threads, .alloc = test_alloc_hook, .alloc_user = heap };
    hone_memory need;
    a->status = hone_ctx_new(&o, &a->ctx, &a->err);
    if (!a->status)
        a->status = hone_model_open(a->ctx, path, NULL, &a->model, &a->err);
    if (!a->status)
        a->status = hone_memory_need(a->model, NULL, &need, &a->err);
    if (!a->status)
        a->status = hone_session_new(a->model, NULL, &a->session, &a->err);
    if (!a->status)
        a->status = hone_session_set_input(a->session, 0, in, bytes, &a->err);
    if (!a->status)
        a->status = hone_session_run(a->session, &a->err);
}

static void *input_of(const char *path, size_t *bytes)
{
    hone_ctx *ctx = test_ctx(1);
    hone_model *m = NULL;
    hone_error err = { 0 };
    hone_io io;
    DONE(hone_model_open(ctx, path, NULL, &m, &err), err);
    CHECK_INT(hone_model_input(m, 0, &io), HONE_OK);
    void *in = test_input_data(&io, 9);
    *bytes = test_io_bytes(&io);
    hone_model_close(m);
    hone_ctx_free(ctx);
    return in;
}

/* count: how many calls fail in a row; 1 finds paths that go on without noticing. */
static void survives(const char *path, unsigned threads, size_t count)
{
    size_t bytes, n = 0;
    void *in = input_of(path, &bytes);
    for (bool failed = true; failed; n++) {
        test_alloc heap = { .fail_from = n, .fail_count = count };
        attempt a = { .status = HONE_OK };
        go(&a, &heap, path, threads, in, bytes);
        bool fine = a.status == HONE_OK || (a.status == HONE_ERROR_NOMEM && strstr(a.err.message, "out of memory for"));
        if (!fine)
            print_message("%s: allocation %zu fails: %d, \"%s\"\n", path, n, a.status, a.err.message);
        CHECK(fine);
        if (a.session && a.status) {               /* the same session works once there is memory */
            heap.fail_count = 0;
            DONE(hone_session_set_input(a.session, 0, in, bytes, &a.err), a.err);
            DONE(hone_session_run(a.session, &a.err), a.err);
        }
        failed = heap.calls > n;
        hone_session_free(a.session);
        hone_model_close(a.model);
        hone_ctx_free(a.ctx);
        if (heap.blocks)
            print_message("%s: allocation %zu fails: %zu blocks, %zu bytes lost\n", path, n, heap.blocks, heap.bytes);
        CHECK_INT(heap.blocks, 0);
    }
    print_message("%s: %zu allocations, each failed once\n", path, n - 1);
    free(in);
}

TEST(the_demo_survives_each_failed_allocation)
{
    survives(DEMO_MODEL, 1, 1);
    survives(DEMO_MODEL, 1, SIZE_MAX);
    survives(DEMO_MODEL, 3, 1);
}

TEST(a_quantised_model_survives_each_failed_allocation)
{
    const char *path = hn_test_data("models/kws_dscnn_int8.qdq.onnx");
    if (path)
        survives(path, 2, 1);
}

TEST(a_detector_survives_each_failed_allocation)
{
    const char *path = hn_test_data("models/ultraface_rfb_320.onnx");
    if (path)
        survives(path, 1, 1);
}

/* Replanning for another shape fails: the session keeps what it had. */
TEST(a_session_survives_failed_replanning)
{
    size_t bytes;
    void *in = input_of(DEMO_MODEL, &bytes);
    hone_error err = { 0 };
    for (size_t n = 0, done = 0; !done; n++) {
        test_alloc heap = { .fail_count = 0 };
        attempt a = { .status = HONE_OK };
        go(&a, &heap, DEMO_MODEL, 1, in, bytes);
        DONE(a.status, a.err);
        DONE(hone_session_set_input_shape(a.session, 0, 4, (int64_t[]){ 0, 3, 64, 64 }, &err), err);
        DONE(hone_session_set_input(a.session, 0, in, 0, &err), err);
        heap.fail_from = heap.calls + n;
        heap.fail_count = 1;
        hone_status s = hone_session_run(a.session, &err);
        CHECK(s == HONE_OK || s == HONE_ERROR_NOMEM);
        done = heap.calls <= heap.fail_from;
        heap.fail_count = 0;
        DONE(hone_session_set_input_shape(a.session, 0, 4, (int64_t[]){ 1, 3, 64, 64 }, &err), err);
        DONE(hone_session_set_input(a.session, 0, in, bytes, &err), err);
        DONE(hone_session_run(a.session, &err), err);
        hone_session_free(a.session);
        hone_model_close(a.model);
        hone_ctx_free(a.ctx);
        CHECK_INT(heap.blocks, 0);
    }
    free(in);
}

/* ---- Language models -------------------------------------------------------------------------- */

typedef struct chat {
    hone_ctx *ctx;
    hone_lm *lm;
    hone_grammar *grammar;
    hone_stream *stream;
    hone_status status;
    hone_error err;
} chat;

static bool listen(void *user, const char *text, size_t len, const hone_token *token)
{
    (void)text;
    (void)token;
    *(size_t *)user += len;
    return true;
}

static void talk(chat *c)
{
    static const char turn[] = "[{\"role\": \"user\", \"content\": \"A story about a fox, please.\"}]";
    static const char *const stop[] = { "fox and" };
    hone_sampling how = { .size = sizeof how, .seed = 3, .temperature = 0.5f, .penalty_window = 8, .repeat = 1.2f };
    hone_answer_opts o = { .size = sizeof o, .tokens_max = 3, .stop = stop, .stop_count = 1 };
    char text[256];
    int32_t ids[64];
    size_t len, count, said = 0;
    c->status = c->grammar ? HONE_OK : hone_grammar_from_schema(c->lm, "{\"type\": \"string\", \"maxLength\": 9}", &c->grammar, &c->err);
    how.grammar = c->grammar;
    if (!c->status)
        c->status = c->stream ? HONE_OK : hone_stream_new(c->lm, &how, &c->stream, &c->err);
    if (!c->status)
        c->status = hone_lm_chat(c->lm, turn, text, sizeof text, &len, &c->err);
    if (!c->status)
        c->status = hone_lm_tokenize(c->lm, text, len, HONE_TOKENS_PARSE, ids, 64, &count, &c->err);
    if (!c->status)
        c->status = hone_stream_answer(c->stream, ids, count, &o, listen, &said, NULL, &c->err);
}

TEST(a_conversation_survives_each_failed_allocation)
{
    const char *path = "models/storyteller/storyteller.gguf";
    size_t n = 0;
    for (bool failed = true; failed; n++) {
        test_alloc heap = { .fail_from = n, .fail_count = 1 };
        hone_ctx_opts o = { .size = sizeof o, .threads = 1, .alloc = test_alloc_hook, .alloc_user = &heap };
        hone_lm_opts lo = { .size = sizeof lo, .context = 128 };
        chat c = { .status = HONE_OK };
        c.status = hone_ctx_new(&o, &c.ctx, &c.err);
        if (!c.status)
            c.status = hone_lm_open(c.ctx, path, &lo, &c.lm, &c.err);
        if (!c.status)
            talk(&c);
        bool fine = c.status == HONE_OK || (c.status == HONE_ERROR_NOMEM && strstr(c.err.message, "out of memory for"));
        if (!fine)
            print_message("%s: allocation %zu fails: %d, \"%s\"\n", path, n, c.status, c.err.message);
        CHECK(fine);
        if (c.lm && c.status) {                    /* the same model answers once there is memory */
            heap.fail_count = 0;
            talk(&c);
            DONE(c.status, c.err);
        }
        failed = heap.calls > n;
        hone_stream_free(c.stream);
        hone_grammar_free(c.grammar);
        hone_lm_close(c.lm);
        hone_ctx_free(c.ctx);
        if (heap.blocks)
            print_message("%s: allocation %zu fails: %zu blocks, %zu bytes lost\n", path, n, heap.blocks, heap.bytes);
        CHECK_INT(heap.blocks, 0);
    }
    print_message("%s: %zu allocations, each failed once\n", path, n - 1);
}

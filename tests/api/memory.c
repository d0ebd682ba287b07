/* SPDX-License-Identifier: Apache-2.0 */
/* Memory is told before it is taken, taken through the caller's hooks, given back, and after the
 * first run there is no more of it. */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/alloc.h"
#include "tests/support/api.h"

static const char *const data_models[] = {
    "ad_toycar_ae_fp32", "ad_toycar_ae_int8.qdq", "deeplabv3_mnv2_dm05_fp32", "ic_resnet8_fp32",
    "ic_resnet8_int8.qdq", "kws_dscnn_fp32", "kws_dscnn_int8.qdq", "mobilenet_v1_025_128_quant_u8.qdq",
    "mobilenet_v2_224_fp32", "mobilenet_v2_224_quant_u8.qdq", "person_detect_int8.qdq", "ultraface_rfb_320",
    "vww_mbv1_96_fp32", "vww_mbv1_96_int8.qdq", "yolox_nano",
};

typedef struct model {
    test_alloc heap;
    hone_ctx *ctx;
    hone_model *model;
    hone_session *session;
    void *in;
} model;

static void open_model(model *m, const char *path, unsigned threads)
{
    *m = (model){ .ctx = NULL };
    hone_ctx_opts o = { .size = sizeof o, .threads = threads, .alloc = test_alloc_hook, .alloc_user = &m->heap };
    hone_error err = { 0 };
    DONE(hone_ctx_new(&o, &m->ctx, &err), err);
    DONE(hone_model_open(m->ctx, path, NULL, &m->model, &err), err);
}

static void make_session(model *m)
{
    hone_error err = { 0 };
    hone_io io;
    DONE(hone_session_new(m->model, NULL, &m->session, &err), err);
    CHECK_INT(hone_model_inputs(m->model), 1);
    CHECK_INT(hone_model_input(m->model, 0, &io), HONE_OK);
    m->in = test_input_data(&io, 3);
    DONE(hone_session_set_input(m->session, 0, m->in, test_io_bytes(&io), &err), err);
}

static void close_model(model *m)
{
    hone_session_free(m->session);
    hone_model_close(m->model);
    hone_ctx_free(m->ctx);
    free(m->in);
    CHECK_INT(m->heap.blocks, 0);
    CHECK_INT(m->heap.bytes, 0);
}

static void allocates_nothing_after_the_first_run(const char *path, unsigned threads)
{
    model m;
    hone_error err = { 0 };
    open_model(&m, path, threads);
    make_session(&m);
    DONE(hone_session_run(m.session, &err), err);
    size_t calls = m.heap.calls;
    for (int i = 0; i < 3; i++)
        DONE(hone_session_run(m.session, &err), err);
    if (m.heap.calls != calls)
        print_message("%s: %zu allocations after the first run\n", path, m.heap.calls - calls);
    CHECK_INT(m.heap.calls, calls);
    close_model(&m);
}

/* Says its need without taking it, then takes it in one block of just that size. */
static void takes_what_it_said(const char *path, unsigned threads)
{
    /* What hn_alloc_aligned adds: room to align, and where the block began. */
    const size_t around = 64 + sizeof(void *);
    model m;
    hone_memory need = { 0 };
    hone_error err = { 0 };
    open_model(&m, path, threads);
    size_t blocks = m.heap.blocks, bytes = m.heap.bytes;
    m.heap.largest = 0;
    DONE(hone_memory_need(m.model, NULL, &need, &err), err);
    if (m.heap.blocks != blocks || m.heap.bytes != bytes)
        print_message("%s: hone_memory_need keeps %zu blocks, %zu bytes\n", path, m.heap.blocks - blocks,
                      m.heap.bytes - bytes);
    CHECK(m.heap.blocks == blocks && m.heap.bytes == bytes);
    CHECK(need.exact && need.arena > 0 && need.total >= need.arena + need.weights);

    m.heap.watch = need.arena + around;
    make_session(&m);
    CHECK(m.heap.watched >= 1);
    bytes = m.heap.bytes - bytes;
    size_t apart = bytes > need.total ? bytes - need.total : need.total - bytes;
    bool near = apart < 65536 + need.total / 100;    /* the session's own lists */
    if (!near)
        print_message("%s: said %zu bytes in all, took %zu\n", path, need.total, bytes);
    CHECK(near);

    /* Weights may be packed into blocks of any size, that one's too; a second session makes none. */
    hone_session *second = NULL;
    m.heap.watched = 0;
    DONE(hone_session_new(m.model, NULL, &second, &err), err);
    CHECK_INT(m.heap.watched, 1);
    hone_session_free(second);
    close_model(&m);
}

TEST(the_demo_allocates_nothing_after_the_first_run)
{
    allocates_nothing_after_the_first_run(DEMO_MODEL, 1);
    allocates_nothing_after_the_first_run(DEMO_MODEL, 3);
}

TEST(static_models_allocate_nothing_after_the_first_run)
{
    for (size_t i = 0; i < sizeof data_models / sizeof *data_models; i++) {
        char name[128];
        snprintf(name, sizeof name, "models/%s.onnx", data_models[i]);
        const char *path = hn_test_data(name);
        if (!path)
            return;
        allocates_nothing_after_the_first_run(path, 2);
    }
}

TEST(the_demo_takes_the_memory_it_said)
{
    takes_what_it_said(DEMO_MODEL, 1);
    takes_what_it_said(DEMO_MODEL, 3);
}

TEST(static_models_take_the_memory_they_said)
{
    for (size_t i = 0; i < sizeof data_models / sizeof *data_models; i++) {
        char name[128];
        snprintf(name, sizeof name, "models/%s.onnx", data_models[i]);
        const char *path = hn_test_data(name);
        if (!path)
            return;
        takes_what_it_said(path, 2);
    }
}

/* The program built beside this test. */
static long inspected_arena(const char *model_path)
{
    char self[512], command[1200], line[256];
    long arena = -1;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK(n > 0);
    self[n] = 0;
    for (int up = 0; up < 3; up++)                   /* build/x/tests/api/memory -> build/x */
        *strrchr(self, '/') = 0;
    snprintf(command, sizeof command, "%s/hone inspect --json --threads 2 %s", self, model_path);
    FILE *f = popen(command, "r");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, " \"arena_bytes\": %ld", &arena);
    CHECK(f && pclose(f) == 0);
    return arena;
}

TEST(inspect_tells_the_same_arena)
{
    model m;
    hone_memory need;
    hone_error err = { 0 };
    open_model(&m, DEMO_MODEL, 2);
    DONE(hone_memory_need(m.model, NULL, &need, &err), err);
    CHECK_INT(need.arena, inspected_arena(DEMO_MODEL));
    close_model(&m);
}

static void count_lines(void *user, int level, const char *line)
{
    CHECK(level >= 0 && level <= 3 && line[0] && !strchr(line, '\n'));
    ++*(unsigned *)user;
}

TEST(without_an_allocator_the_c_library_s_is_used)
{
    unsigned lines = 0;
    hone_ctx_opts o = { .size = sizeof o, .threads = 1, .log = count_lines, .log_user = &lines };
    hone_ctx *ctx = NULL;
    hone_model *m = NULL;
    hone_error err = { 0 };
    DONE(hone_ctx_new(&o, &ctx, &err), err);
    DONE(hone_model_open(ctx, DEMO_MODEL, NULL, &m, &err), err);
    hone_model_close(m);
    hone_ctx_free(ctx);
}

TEST(a_tensor_over_the_limit_is_refused)
{
    hone_ctx_opts o = { .size = sizeof o, .threads = 1, .tensor_bytes_max = 100000 };
    hone_dim dim = { "N", 1000 };
    hone_session_opts so = { .size = sizeof so, .dims = &dim, .dim_count = 1 };
    hone_ctx *ctx = NULL;
    hone_model *m = NULL;
    hone_session *s = NULL;
    hone_error err = { 0 };
    DONE(hone_ctx_new(&o, &ctx, &err), err);
    hone_status opened = hone_model_open(ctx, DEMO_MODEL, NULL, &m, &err);
    CHECK(opened == HONE_ERROR_LIMIT || hone_session_new(m, &so, &s, &err) == HONE_ERROR_LIMIT);
    CHECK(err.message[0] != 0);
    hone_session_free(s);
    hone_model_close(m);
    hone_ctx_free(ctx);
}

static double cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-3;
}

TEST(an_idle_session_uses_no_processor_time)
{
    model m;
    hone_error err = { 0 };
    open_model(&m, DEMO_MODEL, 2);
    make_session(&m);
    DONE(hone_session_run(m.session, &err), err);
    double before = cpu_ms();                        /* the short spin is in the figure */
    nanosleep(&(struct timespec){ 1, 0 }, NULL);
    double used = cpu_ms() - before;
    print_message("%.2f ms of processor time in an idle second\n", used);
    CHECK(used < 10);
    close_model(&m);
}

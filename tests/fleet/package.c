/* SPDX-License-Identifier: Apache-2.0 */
/* Packages: made from a model, read back, and every way of being wrong refused. */
#include "fleet/package.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

#define MODEL "models/demo/pictograms.onnx"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define LABELS "models/demo/labels.txt"

static char folder[64];

static const char *at(const char *name)
{
    static char path[8][160];
    static unsigned next;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s/hone-package-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(folder) != NULL);
    }
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void sh(const char *format)
{
    char command[1024], text[900];
    snprintf(text, sizeof text, format, folder, folder, folder, folder);
    snprintf(command, sizeof command, "set -e; %s", text);
    CHECK_INT(system(command), 0);
}

static void clear(void)
{
    sh("rm -rf %s");
    folder[0] = 0;
}

static void make(const char *out, uint64_t build, const char *from)
{
    static const hn_package_file labels = { "labels.txt", "labels", LABELS };
    hn_ctx cx = { .env = &(hn_env){ 0 } };
    hn_package_report r;
    static const char *const metric[] = { "accuracy=0.91,sha256:00,24" };
    hn_package_opts o = { .model = MODEL, .out = out, .name = "pictograms", .version = "1.0.0", .build = build,
                          .title = "Pictograms",
                          .licence = "Apache-2.0", .file = &labels, .file_count = 1, .metric = metric,
                              .metric_count = 1, .atol = -1,
                          .from = &from, .from_count = from != NULL };
    hn_err e = hn_package_make(&cx, &o, &r);
    if (e)
        fail_msg("%s", cx.msg);
    CHECK(r.vectors == 3 && r.p95_ms > 0 && r.parameters > 10000);
}

static hn_err verify(const char *path, hn_reason *why)
{
    hn_ctx cx = { 0 };
    hn_package p;
    *why = HN_WHY_NONE;
    HN_TRY(hn_package_open(&cx, path, &p));
    hn_err e = hn_package_verify(&cx, &p, why);
    hn_package_close(&p);
    return e;
}

TEST(a_package_is_made_and_says_what_it_is)
{
    hn_ctx cx = { 0 };
    hn_package p;
    hn_reason why = HN_WHY_NONE;
    make(at("a"), 7, NULL);
    CHECK(hn_package_probe(at("a")));
    CHECK_INT(hn_package_open(&cx, at("a"), &p), HN_OK);
    CHECK_INT(hn_package_verify(&cx, &p, &why), HN_OK);
    CHECK_TEXT(p.m.name, "pictograms");
    CHECK(p.m.build == 7 && p.m.health.vector_count == 3 && p.m.health.trial_runs == 20 && p.m.needs.ram_bytes > 0);
    CHECK(hn_manifest_role(&p.m, "labels") && hn_manifest_role(&p.m, "card") && hn_manifest_role(&p.m, "model"));
    hn_device here = hn_device_here(folder), other = here;
    CHECK_INT(hn_manifest_fits(&cx, &p.m, &here, &why), HN_OK);
    other.cpu = "riscv64";
    CHECK_INT(hn_manifest_fits(&cx, &p.m, &other, &why), HN_EUNSUP);
    CHECK_INT(why, HN_WHY_CPU);
    other = here;
    other.ram_bytes = 1000;
    CHECK_INT(hn_manifest_fits(&cx, &p.m, &other, &why), HN_ELIMIT);
    CHECK_INT(why, HN_WHY_RAM);
    other = here;
    other.runtime = "0.0.9";
    CHECK_INT(hn_manifest_fits(&cx, &p.m, &other, &why), HN_EUNSUP);
    CHECK_INT(why, HN_WHY_RUNTIME);
    hn_package_close(&p);
    clear();
}

/* The recorded runs come back when the model in the package is run. */
TEST(recordings_agree_with_the_model)
{
    hn_ctx cx = { .env = &(hn_env){ 0 } };
    hn_package p;
    hn_probe *model;
    hn_arena *a;
    make(at("a"), 7, NULL);
    CHECK_INT(hn_package_open(&cx, at("a"), &p), HN_OK);
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    CHECK_INT(hn_probe_open(&cx, MODEL, &model), HN_OK);
    for (size_t i = 0; i < p.m.health.vector_count; i++) {
        const hn_mvector *v = &p.m.health.vector[i];
        hn_file in, out;
        hn_tensors given, want, got;
        bool nan;
        CHECK_INT(hn_package_blob(&cx, &p, hn_package_layer(&p, &hn_manifest_file(&p.m, v->input)->sha256), &in),
                  HN_OK);
        CHECK_INT(hn_package_blob(&cx, &p, hn_package_layer(&p, &hn_manifest_file(&p.m, v->output)->sha256), &out),
                  HN_OK);
        CHECK_INT(hn_tensors_read(&cx, in.data, in.len, a, &given), HN_OK);
        CHECK_INT(hn_tensors_read(&cx, out.data, out.len, a, &want), HN_OK);
        CHECK_INT(hn_probe_run(&cx, model, &given, &got), HN_OK);
        CHECK(hn_tensors_agree(&got, &want, v->atol, v->rtol, &nan) && !nan);
        ((float *)got.t[0].data)[0] += 10;
        CHECK(!hn_tensors_agree(&got, &want, v->atol, v->rtol, &nan) && !nan);
        ((float *)got.t[0].data)[0] = NAN;
        CHECK(!hn_tensors_agree(&got, &want, v->atol, v->rtol, &nan) && nan);
        hn_package_done(&p, &in);
        hn_package_done(&p, &out);
    }
    hn_probe_close(model);
    hn_arena_free(a);
    hn_package_close(&p);
    clear();
}

TEST(an_archive_is_the_same_package)
{
    hn_ctx cx = { 0 };
    hn_package p, q;
    hn_reason why;
    make(at("a"), 7, NULL);
    CHECK_INT(hn_package_open(&cx, at("a"), &p), HN_OK);
    CHECK_INT(hn_package_copy(&cx, &p, at("a.tar")), HN_OK);
    CHECK(hn_package_probe(at("a.tar")));
    CHECK_INT(verify(at("a.tar"), &why), HN_OK);
    sh("tar -tf %s/a.tar | grep -q blobs/sha256; mkdir %s/x; tar -xf %s/a.tar -C %s/x");       /* others read it */
    CHECK_INT(verify(at("x"), &why), HN_OK);
    /* and write it */
    sh("tar -cf %s/b.tar -C %s/x . ; tar --format=pax -cf %s/c.tar -C %s/x oci-layout index.json blobs");
    CHECK_INT(verify(at("b.tar"), &why), HN_OK);
    CHECK_INT(verify(at("c.tar"), &why), HN_OK);
    CHECK_INT(hn_package_open(&cx, at("a.tar"), &q), HN_OK);
    CHECK_INT(hn_package_copy(&cx, &q, at("y")), HN_OK);
    CHECK(hn_digest_equal(&p.oci.digest, &q.oci.digest));
    hn_package_close(&p);
    hn_package_close(&q);
    sh("diff -r %s/a %s/y");
    clear();
}

TEST(the_same_model_gives_a_small_delta)
{
    hn_ctx cx = { 0 };
    hn_package p;
    hn_reason why;
    make(at("a"), 7, NULL);
    make(at("b.tar"), 8, at("a"));
    CHECK_INT(verify(at("b.tar"), &why), HN_OK);
    CHECK_INT(hn_package_open(&cx, at("b.tar"), &p), HN_OK);
    CHECK(p.m.delta_count == 1 && p.m.delta[0].from_build == 7 && p.m.delta[0].length < 1000);
    hn_package_close(&p);
    clear();
}

/* Attacks A10 and A17: files nobody named, files missing, changed, swapped. */
TEST(A10_what_no_manifest_names_is_refused)
{
    hn_reason why;
    make(at("a"), 7, NULL);
    sh("echo x > %s/a/blobs/sha256/0000000000000000000000000000000000000000000000000000000000000000");
    CHECK_INT(verify(at("a"), &why), HN_EREFUSED);
    CHECK_INT(why, HN_WHY_MANIFEST);
    sh("rm %s/a/blobs/sha256/000*");
    CHECK_INT(verify(at("a"), &why), HN_OK);
    clear();
}

TEST(changed_blobs_are_refused)
{
    hn_reason why;
    make(at("a"), 7, NULL);
    sh("cd %s/a/blobs/sha256; big=$(ls -S | head -n 1); printf x | dd of=$big bs=1 seek=5000 conv=notrunc 2>/dev/null");
    CHECK_INT(verify(at("a"), &why), HN_EREFUSED);
    CHECK_INT(why, HN_WHY_HASH);
    sh("cd %s/a/blobs/sha256; big=$(ls -S | head -n 1); echo more >> $big");
    CHECK_INT(verify(at("a"), &why), HN_EREFUSED);
    CHECK_INT(why, HN_WHY_LENGTH);
    sh("cd %s/a/blobs/sha256; rm $(ls -S | head -n 1)");
    CHECK(verify(at("a"), &why) != HN_OK);
    clear();
}

/* A15: names that lead out of the package; A17: links, devices, bombs, names twice. */
static hn_err read_tar(hn_buf *b)
{
    hn_ctx cx = { 0 };
    hn_arena *a;
    hn_tar t;
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    hn_err e = hn_tar_read(&cx, b->data, b->len, a, &t);
    hn_arena_free(a);
    return e;
}

static void tar_add(hn_buf *b, const char *name, char kind, uint64_t size, uint64_t present)
{
    hn_ctx cx = { 0 };
    uint8_t head[512], zeros[512] = { 0 };
    unsigned sum = 0;
    CHECK_INT(hn_tar_head(&cx, "x", size, head), HN_OK);
    memset(head, 0, 100);
    memcpy(head, name, strlen(name));
    head[156] = (uint8_t)kind;
    memset(head + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += head[i];
    snprintf((char *)head + 148, 8, "%06o", sum);
    head[155] = ' ';
    hn_buf_add(b, head, 512);
    for (uint64_t i = 0; i < present; i += 512)
        hn_buf_add(b, zeros, 512);
}

static hn_err tar_of(const char *name, char kind, uint64_t size, uint64_t present)
{
    static const char end[HN_TAR_END];
    hn_buf b = { 0 };
    tar_add(&b, name, kind, size, present);
    hn_buf_add(&b, end, sizeof end);
    hn_err e = read_tar(&b);
    hn_buf_free(&b);
    return e;
}

TEST(A15_names_that_lead_elsewhere_are_refused)
{
    static const char *const bad[] = { "../x", "/x", "a/../x", "a//x", "a/./x", "a\\x", "a\nx", "a/", ".." };
    hn_ctx cx = { 0 };
    hn_arena *a;
    CHECK_INT(tar_of("good/x", '0', 4, 4), HN_OK);
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[700];
        hn_manifest m;
        CHECK(!hn_package_path_ok(bad[i]));
        CHECK_INT(tar_of(bad[i], '0', 4, 4), HN_EREFUSED);
        json_t *path = json_string(bad[i]);
        char *quoted = json_dumps(path, JSON_ENCODE_ANY);
        snprintf(text, sizeof text, "{\"hone_manifest\":1,\"name\":\"a\",\"version\":\"1.0.0\",\"build\":1,"
                 "\"files\":[{\"path\":%s,"
                 "\"role\":\"model\",\"length\":1,\"sha256\":\"%064d\"}]}", quoted, 0);
        CHECK_INT(hn_manifest_read(&cx, text, strlen(text), a, &m), HN_EREFUSED);
        free(quoted);
        json_decref(path);
    }
    hn_arena_free(a);
}

TEST(A17_archives_that_are_bombs_are_refused)
{
    static const char end[HN_TAR_END];
    hn_buf b = { 0 };
    CHECK_INT(tar_of("x", '2', 0, 0), HN_EREFUSED);                          /* symbolic link */
    CHECK_INT(tar_of("x", '1', 0, 0), HN_EREFUSED);                          /* hard link */
    CHECK_INT(tar_of("x", '3', 0, 0), HN_EREFUSED);                          /* device */
    CHECK_INT(tar_of("x", '0', (uint64_t)1 << 32, 0), HN_EREFUSED);          /* more than is there */
    tar_add(&b, "x", '0', 4, 4);
    tar_add(&b, "x", '0', 4, 4);
    hn_buf_add(&b, end, sizeof end);
    CHECK_INT(read_tar(&b), HN_EREFUSED);                                    /* twice */
    b.len = 0;
    for (int i = 0; i <= HN_TAR_FILES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        tar_add(&b, name, '0', 0, 0);
    }
    hn_buf_add(&b, end, sizeof end);
    CHECK_INT(read_tar(&b), HN_EREFUSED);
    b.len = 512 * 3;
    CHECK_INT(read_tar(&b), HN_EREFUSED);                                    /* cut off */
    hn_buf_free(&b);
}

/* Every rule of the manifest, broken once. */
TEST(manifests_that_break_a_rule_are_refused)
{
    static const char good[] =
        "{\"hone_manifest\":1,\"name\":\"kws-en\",\"version\":\"2.3.1\",\"build\":417,\"files\":["
        "{\"path\":\"a\",\"role\":\"labels\",\"length\":1,\"sha256\":\"" ZEROS "\"},"
        "{\"path\":\"b\",\"role\":\"model\",\"length\":1,\"sha256\":\"" ZEROS "\"}],"
        "\"requires\":{\"min_runtime\":\"1.0.0\"},\"health\":{\"trial_runs\":20},\"deltas\":[],"
        "\"allow_downgrade_from\":[3],\"unknown\":1.5}";
    static const char *const wrong[][2] = {
        { "\"hone_manifest\":1", "\"hone_manifest\":2" }, { "kws-en", "Kws" }, { "kws-en", "" }, { "2.3.1", "2.3" },
            { "2.3.1", "02.3.1" },
        { "417", "0" }, { "417", "9007199254740992" }, { "417", "4.5" }, { "417", "\"417\"" },
            { "\"path\":\"b\"", "\"path\":\"A\"" },
        { "\"path\":\"b\"", "\"path\":\"a\"" }, { "\"role\":\"model\"", "\"role\":\"other\"" },
            { "\"length\":1", "\"length\":-1" },
        { "1.0.0", "new" }, { "\"trial_runs\":20", "\"trial_runs\":0" }, { "[3]", "[0]" }, { "[3]", "3" },
            { "0000\"}]", "000G\"}]" },
        { "\"build\":417", "\"build\":417,\"build\":418" }, { "\"path\":\"a\"", "\"path\":\"manifest.json\"" },
            { "}", "" },
    };
    hn_ctx cx = { 0 };
    hn_arena *a;
    hn_manifest m;
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    CHECK_INT(hn_manifest_read(&cx, good, strlen(good), a, &m), HN_OK);
    CHECK(m.downgrade_count == 1 && m.health.trial_runs == 20);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[1200];
        const char *hit = strstr(good, wrong[i][0]);
        CHECK(hit != NULL);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(hit - good), good, wrong[i][1], hit + strlen(wrong[i][0]));
        hn_err e = hn_manifest_read(&cx, text, strlen(text), a, &m);
        if (e != HN_EFORMAT && e != HN_EUNSUP)
            fail_msg("accepted: %s", text);
    }
    hn_arena_free(a);
}

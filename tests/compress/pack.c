/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose matrices lie in panels: the same numbers to the last bit, the same file when unpacked, and none read wrongly. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "compress/quantize.h"
#include "formats/gguf_write.h"
#include "kernels/qpack.h"
#include "llm/lm.h"

enum { PROMPT = 24, VOCAB = 1024 };

static const char *temp(const char *name)
{
    static char path[4][256];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "/tmp/hone-%ld-%s", (long)getpid(), name);
    return p;
}

static void rewrite(const char *from, const char *to, hn_mix mix, bool pack)
{
    hn_ctx cx = { 0 };
    hn_gguf *in;
    hn_arena *a;
    hn_quantize_report r;
    hn_quantize_opts o = { .mix = { .mix = mix }, .pack = pack, .requantize = true };
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    CHECK_INT(hn_gguf_open(&cx, from, &in), HN_OK);
    if (hn_quantize(&cx, in, to, &o, a, &r) != HN_OK)
        fail_msg("%s: %s", from, cx.msg);
    hn_gguf_close(in);
    hn_arena_free(a);
}

/* The last token's logits, the prompt read in pieces of `chunk`. */
static void read_logits(const char *path, bool eval, size_t chunk, float out[VOCAB])
{
    hn_ctx cx = { 0 };
    hn_lm_opts o = { .context = 64, .kv = HN_QT_F32, .eval = eval };
    hn_lm m;
    hn_stream *s;
    int32_t ids[PROMPT];
    float *logits = NULL;
    if (hn_lm_open(&cx, path, &o, &m) != HN_OK)
        fail_msg("%s: %s", path, cx.msg);
    CHECK(m.shape.vocab <= VOCAB);
    for (size_t i = 0; i < PROMPT; i++)
        ids[i] = (int32_t)((i * 37 + 5) % m.shape.vocab);
    CHECK_INT(hn_stream_new(&cx, &m, NULL, &s), HN_OK);
    for (size_t i = 0; i < PROMPT; i += chunk)
        CHECK_INT(hn_stream_read(&cx, s, ids + i, chunk, false, &logits), HN_OK);
    memset(out, 0, VOCAB * sizeof *out);
    memcpy(out, logits, m.shape.vocab * sizeof *out);
    hn_stream_free(s);
    hn_lm_close(&m);
}

static size_t packed_tensors(const char *path)
{
    hn_ctx cx = { 0 };
    hn_gguf *g;
    size_t n = 0;
    CHECK_INT(hn_gguf_open(&cx, path, &g), HN_OK);
    for (size_t i = 0; i < g->tensor_count; i++)
        n += g->tensors[i].panels;
    hn_gguf_close(g);
    return n;
}

static void check_same(const char *plain, const char *packed, int engines)
{
    static float want[VOCAB], got[VOCAB];
    for (int eval = 0; eval < engines; eval++) {
        read_logits(plain, eval, eval ? PROMPT : 1, want);
        for (size_t chunk = eval ? PROMPT : 1; chunk <= PROMPT; chunk *= PROMPT) {
            read_logits(packed, eval, chunk, got);
            if (memcmp(got, want, sizeof want) != 0)
                fail_msg("%s: other bits when packed (%zu at a time)", plain, chunk);
        }
    }
}

TEST(every_type_that_has_panels_gives_the_same_bits_packed)
{
    static const char *const types[] = { "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K_S", "Q4_K_S", "Q5_K_S", "Q6_K",
                                         "IQ4_NL", "IQ4_XS", "MXFP4_MOE" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char name[128];
        snprintf(name, sizeof name, "llm/tiny-quants/tiny-%s.gguf", types[i]);
        const char *plain = hn_test_data(name);
        if (!plain)
            return;
        char path[512];
        snprintf(path, sizeof path, "%s", plain);
        rewrite(path, temp("packed.gguf"), HN_MIX_NONE, true);
        CHECK(packed_tensors(temp("packed.gguf")) > 0);
        check_same(path, temp("packed.gguf"), 1);
    }
    unlink(temp("packed.gguf"));
}

/* Matrices cut into parts, looked up by position, tied, mixed with experts. */
TEST(architectures_give_the_same_bits_packed)
{
    static const char *const names[] = { "llama-tied", "llama-headdim-bias", "gpt2", "falcon", "gptneox", "gemma2", "mixtral",
                                         "phi3" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[128];
        snprintf(name, sizeof name, "llm/tiny-archs/%s.gguf", names[i]);
        const char *from = hn_test_data(name);
        if (!from)
            return;
        rewrite(from, temp("plain.gguf"), hn_mix_from_name("Q8_0"), false);
        rewrite(temp("plain.gguf"), temp("packed.gguf"), HN_MIX_NONE, true);
        CHECK(packed_tensors(temp("packed.gguf")) > 0);
        check_same(temp("plain.gguf"), temp("packed.gguf"), 2);
    }
    unlink(temp("plain.gguf"));
    unlink(temp("packed.gguf"));
}

TEST(packed_in_one_step_or_two_and_unpacked_the_bytes_agree)
{
    hn_ctx cx = { 0 };
    hn_file a, b;
    const char *from = hn_test_data("llm/tiny-quants/tiny-f16.gguf");
    if (!from)
        return;
    rewrite(from, temp("plain.gguf"), hn_mix_from_name("Q4_K_M"), false);
    rewrite(from, temp("once.gguf"), hn_mix_from_name("Q4_K_M"), true);
    rewrite(temp("plain.gguf"), temp("packed.gguf"), HN_MIX_NONE, true);
    rewrite(temp("packed.gguf"), temp("again.gguf"), HN_MIX_NONE, false);
    const char *const pairs[2][2] = { { "once.gguf", "packed.gguf" }, { "plain.gguf", "again.gguf" } };
    for (int i = 0; i < 2; i++) {
        CHECK_INT(hn_file_open(&cx, temp(pairs[i][0]), &a), HN_OK);
        CHECK_INT(hn_file_open(&cx, temp(pairs[i][1]), &b), HN_OK);
        CHECK_INT(a.len, b.len);
        assert_memory_equal(a.data, b.data, a.len);
        hn_file_close(&a);
        hn_file_close(&b);
        unlink(temp(pairs[i][0]));
        unlink(temp(pairs[i][1]));
    }
}

/* ---- What files say ----------------------------------------------------------------------------------- */

/* A file of one matrix in panels, 3 rows of 64, its type's number changed to `number`. */
static hn_err open_changed(hn_ctx *cx, uint32_t number, hn_gguf **out)
{
    static uint64_t copy[1024];
    hn_gguf_writer *w;
    hn_file f;
    hn_shape s = { 2, { 3, 64 } };
    char *panel = calloc(1, hn_panel_size(HN_QT_Q4_0, 64));
    uint32_t ours = HN_GGUF_PANELS + 256 * HN_PANEL_LAYOUT + 2;
    CHECK_INT(hn_gguf_writer_new(cx, temp("one.gguf"), &w), HN_OK);
    hn_gguf_put_alignment(w, 64);
    CHECK_INT(hn_gguf_put_panels(cx, w, "w", HN_QT_Q4_0, &s), HN_OK);
    CHECK_INT(hn_gguf_write(cx, w, panel, hn_panel_size(HN_QT_Q4_0, 64)), HN_OK);
    CHECK_INT(hn_gguf_finish(cx, w), HN_OK);
    hn_gguf_writer_free(w);
    free(panel);
    CHECK_INT(hn_file_open(cx, temp("one.gguf"), &f), HN_OK);
    CHECK(f.len <= sizeof copy);
    memcpy(copy, f.data, f.len);
    size_t len = f.len, changed = 0;
    for (size_t i = 0; i + 4 <= len; i++)
        if (memcmp((char *)copy + i, &ours, 4) == 0) {
            memcpy((char *)copy + i, &number, 4);
            changed++;
        }
    CHECK_INT(changed, 1);
    hn_file_close(&f);
    unlink(temp("one.gguf"));
    return hn_gguf_open_memory(cx, copy, len, out);
}

TEST(an_unknown_layout_is_refused_with_the_next_step)
{
    hn_ctx cx = { 0 };
    hn_gguf *g;
    CHECK_INT(open_changed(&cx, HN_GGUF_PANELS + 256 * HN_PANEL_LAYOUT + 2, &g), HN_OK);
    CHECK(g->tensors[0].panels && g->tensors[0].type == HN_QT_Q4_0);
    CHECK_INT(g->tensors[0].size, hn_panel_size(HN_QT_Q4_0, 64));
    hn_gguf_close(g);
    CHECK_INT(open_changed(&cx, HN_GGUF_PANELS + 256 * (HN_PANEL_LAYOUT + 1) + 2, &g), HN_EUNSUP);
    CHECK(strstr(cx.msg, "layout 2") && strstr(cx.msg, "--pack"));
    CHECK_INT(open_changed(&cx, HN_GGUF_PANELS + 256 * HN_PANEL_LAYOUT + 1, &g), HN_EFORMAT);         /* F16 */
    CHECK_INT(open_changed(&cx, HN_GGUF_PANELS + 256 * HN_PANEL_LAYOUT + 200, &g), HN_EFORMAT);
    CHECK_INT(open_changed(&cx, HN_GGUF_PANELS + 256 * HN_PANEL_LAYOUT + 8, &g), HN_EFORMAT);         /* Q8_0: larger than the file */
}

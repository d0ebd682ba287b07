/* SPDX-License-Identifier: Apache-2.0 */
/* Architectures: against recorded results, and what no record says of experts, states and encoders. */
#include "tests/support/test.h"

#include <jansson.h>
#include <stdio.h>

#include "llm/embed.h"

#define PROMPT 32

static bool open_tiny(hn_ctx *cx, const char *name, bool eval, hn_lm *m)
{
    char path[256];
    hn_lm_opts o = { .context = 64, .kv = HN_QT_F32, .eval = eval };
    snprintf(path, sizeof path, "llm/tiny-archs/%s.gguf", name);
    const char *found = hn_test_data(path);
    if (!found)
        return false;
    CHECK_INT(hn_lm_open(cx, found, &o, m), HN_OK);
    return true;
}

static void some_ids(int32_t *ids, size_t n, uint32_t vocab)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)((i * 37 + 5) % vocab);
}

/* The last token's logits, `chunk` tokens at a time. */
static void read_by(hn_ctx *cx, const hn_lm *m, size_t chunk, float *out)
{
    int32_t ids[PROMPT];
    float *logits = NULL;
    hn_stream *s;
    some_ids(ids, PROMPT, m->shape.vocab);
    CHECK_INT(hn_stream_new(cx, m, NULL, &s), HN_OK);
    for (size_t i = 0; i < PROMPT; i += chunk)
        CHECK_INT(hn_stream_read(cx, s, ids + i, chunk, false, &logits), HN_OK);
    memcpy(out, logits, m->shape.vocab * sizeof *out);
    hn_stream_free(s);
}

static void check_grouping(const char *name, double near_plain)
{
    static float whole[1024], parts[1024], plain[1024];
    hn_ctx cx = { 0 };
    hn_lm m, slow;
    if (!open_tiny(&cx, name, false, &m))
        return;
    CHECK(m.shape.vocab <= 1024);
    read_by(&cx, &m, PROMPT, whole);
    for (size_t chunk = 1; chunk < PROMPT; chunk *= 2) {
        read_by(&cx, &m, chunk, parts);
        assert_memory_equal(whole, parts, m.shape.vocab * sizeof *whole);
    }
    CHECK(open_tiny(&cx, name, true, &slow));
    read_by(&cx, &slow, PROMPT, plain);
    for (uint32_t i = 0; i < m.shape.vocab; i++)
        CHECK_NEAR(whole[i], plain[i], near_plain);
    hn_lm_close(&m);
    hn_lm_close(&slow);
}

TEST(experts_give_the_same_bits_however_tokens_are_grouped)
{
    check_grouping("mixtral", 1e-3);
    check_grouping("qwen2moe", 1e-3);
    check_grouping("gpt-oss-mxfp4", 0.3);        /* the fast products round activations to 8 bits */
}

TEST(states_give_the_same_bits_however_tokens_are_grouped)
{
    check_grouping("mamba", 1e-3);
    check_grouping("lfm2", 1e-3);
}

TEST(a_state_begins_anew_but_does_not_go_back)
{
    hn_ctx cx = { 0 };
    hn_lm m;
    hn_stream *s;
    float *logits, first;
    const int32_t ids[4] = { 7, 8, 9, 10 };
    if (!open_tiny(&cx, "mamba", false, &m))
        return;
    CHECK_INT(hn_stream_new(&cx, &m, NULL, &s), HN_OK);
    CHECK_INT(hn_stream_read(&cx, s, ids, 4, false, &logits), HN_OK);
    first = logits[0];
    CHECK_INT(hn_stream_trim(s, 2), 0);
    CHECK_INT(hn_stream_read(&cx, s, ids, 4, false, &logits), HN_OK);
    CHECK(logits[0] == first);
    hn_stream_free(s);
    hn_lm_close(&m);
}

TEST(an_encoder_writes_no_text_and_says_what_it_can_read)
{
    hn_ctx cx = { 0 };
    hn_lm m, text;
    hn_stream *s;
    hn_embedder *e;
    static float v[64];
    int32_t ids[80];
    if (!open_tiny(&cx, "bert", false, &m))
        return;
    some_ids(ids, 80, m.shape.vocab);
    CHECK_INT(hn_stream_new(&cx, &m, NULL, &s), HN_EUNSUP);
    CHECK_INT(hn_embedder_new(&cx, &m, NULL, &e), HN_OK);
    CHECK_INT(hn_embedder_width(e), 64);
    CHECK_INT(hn_embed(&cx, e, (hn_ids){ ids, 64 }, v), HN_OK);
    CHECK_INT(hn_embed(&cx, e, (hn_ids){ ids, 65 }, v), HN_ELIMIT);
    CHECK_INT(hn_embed(&cx, e, (hn_ids){ ids, 0 }, v), HN_EARG);
    hn_embed_normalise(v, 64);
    double length = 0;
    for (int i = 0; i < 64; i++)
        length += (double)v[i] * (double)v[i];
    CHECK_NEAR(length, 1, 1e-5);
    hn_embedder_free(e);
    hn_lm_close(&m);
    CHECK(open_tiny(&cx, "gpt2", false, &text));
    CHECK_INT(hn_embedder_new(&cx, &text, NULL, &e), HN_EUNSUP);
    hn_lm_close(&text);
}

/* ---- Records: `hone verify --lm` compares more of them, token by token too --------------------------------- */

static void check_first(const char *name, const float *got, const json_t *want, size_t n, double near)
{
    CHECK(json_array_size(want) >= n);
    for (size_t i = 0; i < n; i++) {
        double w = json_number_value(json_array_get(want, i)), diff = (double)got[i] - w;
        if (!(diff <= near && diff >= -near))
            print_message("%s, number %zu: %g, expected %g\n", name, i, (double)got[i], w);
        CHECK_NEAR(got[i], w, near);
    }
}

static size_t read_tokens(const json_t *entry, int32_t *ids, size_t cap)
{
    const json_t *list = json_object_get(entry, "tokens");
    size_t n = json_array_size(list);
    CHECK(n > 0 && n <= cap);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n;
}

static void check_record(const char *name, double near)
{
    char path[256];
    hn_ctx cx = { 0 };
    hn_lm m;
    int32_t ids[64];
    snprintf(path, sizeof path, "llm/tiny-archs/%s.json", name);
    const char *found = hn_test_data(path);
    if (!found)
        return;
    json_t *root = json_load_file(found, 0, NULL);
    const json_t *vectors = json_object_get(root, "embeddings"), *batches = json_object_get(root, "batches");
    const json_t *list = vectors ? vectors : batches, *last = json_array_get(list, json_array_size(list) - 1);
    CHECK(open_tiny(&cx, name, false, &m));
    hn_ids tokens = { ids, read_tokens(last, ids, 64) };
    if (vectors) {
        hn_embedder *e;
        float v[64];
        CHECK_INT(hn_embedder_new(&cx, &m, NULL, &e), HN_OK);
        CHECK_INT(hn_embed(&cx, e, tokens, v), HN_OK);
        check_first(name, v, json_object_get(last, "values"), 64, near);
        hn_embedder_free(e);
    } else {
        hn_stream *s;
        float *logits;
        CHECK_INT(hn_stream_new(&cx, &m, NULL, &s), HN_OK);
        CHECK_INT(hn_stream_read(&cx, s, tokens.id, tokens.count, false, &logits), HN_OK);
        check_first(name, logits, json_object_get(last, "first64"), 64, near);
        hn_stream_free(s);
    }
    hn_lm_close(&m);
    json_decref(root);
}

TEST(every_architecture_gives_the_recorded_numbers)
{
    static const struct { const char *name; double near; } models[] = {
        { "bert", 5e-3 }, { "bert-cls", 5e-3 }, { "command-r", 1e-3 }, { "falcon", 2e-2 }, { "falcon-norm2", 2e-2 },
        { "gemma", 2e-2 }, { "gemma2", 2e-2 }, { "gemma3", 2e-2 }, { "gpt-oss", 1e-3 }, { "gpt-oss-mxfp4", 0.3 },
        { "gpt2", 2e-2 }, { "gptneox", 2e-2 }, { "gptneox-seq", 2e-2 }, { "granite", 1e-3 }, { "granitemoe", 1e-3 },
        { "lfm2", 1e-3 }, { "llama-f16", 3e-2 }, { "llama-headdim-bias", 1e-3 }, { "llama-linear", 1e-3 },
            { "llama-rope3", 1e-3 },
        { "llama-tied", 1e-3 }, { "llama-yarn", 1e-3 }, { "mamba", 1e-3 }, { "mixtral", 1e-3 }, { "nomic-bert", 1e-3 },
        { "olmo2", 1e-3 }, { "olmo2-swa", 1e-3 }, { "phi3", 1e-3 }, { "phi3-short", 1e-3 }, { "qwen2", 1e-3 },
            { "qwen2moe", 1e-3 },
        { "qwen3", 1e-3 }, { "qwen3moe", 1e-3 }, { "stablelm", 1e-3 }, { "stablelm-par", 1e-3 }, { "starcoder2", 2e-2 },
    };                                          /* not phi3-long: its factors hang on a context of 256 */
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_record(models[i].name, models[i].near);
}

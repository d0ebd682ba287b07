/* SPDX-License-Identifier: Apache-2.0 */
/* Hugging Face folders against the reference library.
 *
 * hf/NAME.json, written by tools/hf_reference.py, holds a configuration, the tensors' names and shapes, tokens and
 * what the library computes; every weight follows from its tensor's name.  The folder is built here in two shards,
 * converted, and has to give the same numbers. */
#include "tests/support/test.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "llm/convert.h"
#include "llm/embed.h"
#include "llm/safetensors.h"
#include "tensor/convert.h"

#define NEAR 1e-3

/* ---- Folders ----------------------------------------------------------------------------------------- */

static char *make_folder(void)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "/tmp/hone-hf-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    return folder;
}

static const char *in_folder(const char *folder, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void drop_folder(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlink(in_folder(folder, e->d_name));
    if (d)
        closedir(d);
    rmdir(folder);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    hn_ctx cx = { 0 };
    CHECK_INT(hn_file_write(&cx, in_folder(folder, name), text, strlen(text)), HN_OK);
}

/* The tool's generator: 16 random bits to a value, norms around one. */
static void weights(const char *name, const hn_shape *shape, hn_dtype type, uint8_t *out)
{
    uint32_t s = 2166136261u;
    bool norm = shape->rank == 1 && !strstr(name, "bias");
    for (const char *c = name; *c; c++)
        s = (s ^ (uint8_t)*c) * 16777619u;
    for (size_t i = 0, n = hn_shape_count(shape); i < n; i++) {
        s = s * 1664525u + 1013904223u;
        float v = (float)((int32_t)(s >> 16) - 32768) / 65536 / 2 + (norm ? 1 : 0);
        uint16_t half = type == HN_F16 ? hn_f32_to_f16(v) : hn_f32_to_bf16(v);
        if (type == HN_F32)
            memcpy(out + 4 * i, &v, 4);
        else
            memcpy(out + 2 * i, &half, 2);
    }
}

static void write_shard(const char *folder, const char *name, hn_st_tensor *t, size_t count)
{
    hn_ctx cx = { 0 };
    hn_file_out f = { 0 };
    CHECK_INT(hn_file_out_open(&cx, in_folder(folder, name), &f), HN_OK);
    CHECK_INT(hn_safetensors_head(&cx, &f, t, count), HN_OK);
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = malloc(t[i].size);
        weights(t[i].name, &t[i].shape, t[i].dtype, bytes);
        CHECK_INT(hn_file_out_add(&cx, &f, bytes, t[i].size), HN_OK);
        free(bytes);
    }
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    f.path = path;
    CHECK_INT(hn_file_out_finish(&cx, &f), HN_OK);
}

static void build_folder(const char *folder, const json_t *record)
{
    const char *key, *type = json_string_value(json_object_get(record, "dtype"));
    json_t *dims, *all = json_object_get(record, "tensors");
    size_t n = 0;
    hn_st_tensor *t = calloc(json_object_size(all) + 1, sizeof *t);
    json_object_foreach(all, key, dims) {
        t[n] = (hn_st_tensor){ .name = key, .dtype = strcmp(type, "f16") == 0 ? HN_F16 : strcmp(type, "bf16") == 0
                               ? HN_BF16 : HN_F32 };
        t[n].shape.rank = (int)json_array_size(dims);
        for (int d = 0; d < t[n].shape.rank; d++)
            t[n].shape.dim[d] = json_integer_value(json_array_get(dims, (size_t)d));
        t[n].size = hn_dtype_bytes(t[n].dtype, hn_shape_count(&t[n].shape));
        n++;
    }
    write_shard(folder, "model-00001-of-00002.safetensors", t, n / 2);
    write_shard(folder, "model-00002-of-00002.safetensors", t + n / 2, n - n / 2);
    free(t);
    char *config = json_dumps(json_object_get(record, "config"), 0);
    write_text(folder, "config.json", config);
    free(config);
}

/* ---- Numbers ----------------------------------------------------------------------------------------- */

static void check_values(const char *name, const float *got, size_t n, const json_t *want)
{
    double worst = 0;
    CHECK_INT(json_array_size(want), n);
    for (size_t i = 0; i < n; i++) {
        double d = (double)got[i] - json_number_value(json_array_get(want, i));
        worst = d > worst ? d : -d > worst ? -d : worst;
    }
    if (!(worst <= NEAR))
        fail_msg("%s: differs by %g, at most %g is allowed", name, worst, NEAR);
}

static void check_model(const char *name, const char *path, const json_t *record)
{
    hn_ctx cx = { 0 };
    hn_lm m;
    /* The fast products round activations to half precision where weights are; the plain ones do not. */
    const char *type = json_string_value(json_object_get(record, "dtype"));
    hn_lm_opts o = { .kv = HN_QT_F32, .context = 64, .eval = strcmp(type, "f16") == 0 };
    int32_t ids[64];
    const json_t *tokens = json_object_get(record, "tokens"), *values = json_object_get(record, "values");
    size_t n = json_array_size(tokens);
    CHECK(n <= 64);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(tokens, i));
    if (hn_lm_open(&cx, path, &o, &m) != HN_OK)
        fail_msg("%s: %s", name, cx.msg);
    if (m.shape.encoder) {
        float v[256];
        hn_embedder *e;
        CHECK_INT(hn_embedder_new(&cx, &m, NULL, &e), HN_OK);
        CHECK(hn_embedder_width(e) <= 256);
        CHECK_INT(hn_embed(&cx, e, (hn_ids){ ids, n }, v), HN_OK);
        check_values(name, v, hn_embedder_width(e), values);
        hn_embedder_free(e);
    } else {
        hn_stream *s;
        float *logits;
        CHECK_INT(hn_stream_new(&cx, &m, NULL, &s), HN_OK);
        CHECK_INT(hn_stream_read(&cx, s, ids, n, false, &logits), HN_OK);
        check_values(name, logits, m.shape.vocab, values);
        hn_stream_free(s);
    }
    hn_lm_close(&m);
}

static void check_record(const char *name)
{
    char path[128];
    hn_ctx cx = { 0 };
    hn_convert_opts o = { 0 };
    hn_convert_report r;
    snprintf(path, sizeof path, "tests/llm/hf/%s.json", name);
    json_t *record = json_load_file(path, 0, NULL);
    if (!record)
        fail_msg("%s cannot be read", path);
    char *folder = strdup(make_folder()), *out = strdup(in_folder(folder, "out.gguf"));
    build_folder(folder, record);
    if (hn_convert_hf(&cx, folder, out, &o, &r) != HN_OK)
        fail_msg("%s: %s", name, cx.msg);
    check_model(name, out, record);
    drop_folder(folder);
    free(out);
    free(folder);
    json_decref(record);
}

TEST(converted_folders_give_the_reference_numbers)
{
    static const char *const names[] = { "llama", "mistral-f16", "mixtral", "qwen2", "qwen3", "qwen2-moe",
                                         "qwen3-moe", "gemma", "gemma2",
                                         "phi3", "granite", "olmo2", "starcoder2", "stablelm", "cohere", "gpt2",
                                             "bert" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_record(names[i]);
}

/* ---- What is refused --------------------------------------------------------------------------------- */

static json_t *load(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "tests/llm/hf/%s.json", name);
    json_t *record = json_load_file(path, 0, NULL);
    CHECK(record != NULL);
    return record;
}

static hn_err convert_record(hn_ctx *cx, const json_t *record)
{
    hn_convert_opts o = { 0 };
    hn_convert_report r;
    char *folder = strdup(make_folder()), *out = strdup(in_folder(folder, "out.gguf"));
    build_folder(folder, record);
    hn_err e = hn_convert_hf(cx, folder, out, &o, &r);
    CHECK((access(out, F_OK) == 0) == (e == HN_OK));
    drop_folder(folder);
    free(out);
    free(folder);
    return e;
}

TEST(what_is_not_understood_is_refused_by_name)
{
    hn_ctx cx = { 0 };
    json_t *record = load("llama"), *config = json_object_get(record, "config"),
        *tensors = json_object_get(record, "tensors");
    json_object_set_new(tensors, "model.layers.0.self_attn.mystery.weight", json_pack("[i, i]", 4, 4));
    CHECK_INT(convert_record(&cx, record), HN_EUNSUP);
    CHECK(strstr(cx.msg, "mystery") != NULL);
    json_object_del(tensors, "model.layers.0.self_attn.mystery.weight");
    json_object_set_new(config, "model_type", json_string("novel"));
    CHECK_INT(convert_record(&cx, record), HN_EUNSUP);
    CHECK(strstr(cx.msg, "novel") != NULL && strstr(cx.msg, "qwen2") != NULL);
    json_object_set_new(config, "model_type", json_string("llama"));
    json_object_set_new(config, "num_attention_heads", json_integer(0));
    CHECK_INT(convert_record(&cx, record), HN_EFORMAT);
    json_decref(record);
}

TEST(safetensors_are_read_as_written_and_refused_when_damaged)
{
#define F32(shape, offsets) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
    static const char good[] = "{\"a\":" F32("[2]", "[0,8]") ",\"b\":{\"dtype\":\"F16\",\"shape\":[],"
                               "\"data_offsets\":[8,10]},\"__metadata__\":{\"k\":\"v\"}}";
    static const char *const bad[] = {
        "{\"a\":" F32("[3]", "[0,8]") "}", "{\"a\":" F32("[2]", "[0,80]") "}", "{\"a\":" F32("[-2]", "[0,8]") "}",
        "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\":" F32("[2]", "[0,8]") ",\"b\":" F32("[1]", "[4,8]") "}",
        "{\"a\":" F32("[4611686018427387904,4]", "[0,0]") "}", "{\"a\":", "{\"a\":1}",
    };
#undef F32
    _Alignas(8) uint8_t bytes[512];
    hn_ctx cx = { 0 };
    hn_safetensors s;
    float x[2] = { 1.5f, -2 };
    for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
        const char *head = i ? bad[i - 1] : good;
        uint64_t len = strlen(head);
        memset(bytes, 0, sizeof bytes);
        memcpy(bytes, &len, 8);
        memcpy(bytes + 8, head, len);
        memcpy(bytes + 8 + len, x, 8);
        hn_err e = hn_safetensors_read(&cx, bytes, 8 + len + 10, &s);
        CHECK_INT(e, i ? HN_EFORMAT : HN_OK);
        if (e)
            continue;
        CHECK_INT(s.count, 2);
        CHECK_TEXT(s.meta[0].text, "v");
        float y[2];
        CHECK_INT(hn_st_decode(&cx, hn_safetensors_find(&s, "a"), 0, 2, y), HN_OK);
        CHECK(y[0] == 1.5f && y[1] == -2);
        CHECK(hn_safetensors_find(&s, "c") == NULL);
        hn_safetensors_close(&s);
    }
}

/* ---- Tokenizers -------------------------------------------------------------------------------------- */

static const char byte_level[] =
    "{\"added_tokens\":[{\"id\":4,\"content\":\"<|end|>\",\"special\":true}],"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\""
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}"
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"
    "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\"},"
    "{\"type\":\"ByteLevel\",\"use_regex\":false}]},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"aba\":3},\"merges\":[[\"a\",\"b\"],\"ab a\"]}}";
static const char pieces[] =
    "{\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":true},"
    "{\"id\":1,\"content\":\"<s>\",\"special\":true}],"
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\\u2581\"}]},"
    "\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{\"<unk>\":0,\"<s>\":1,\"<0x61>\":2,\"a\":3,\"b\":4,"
    "\"ab\":5,\"\\u2581\":6,\"\\u2581ab\":7},\"merges\":[\"a b\",\"\\u2581 ab\"]}}";

static void check_tokens(const char *tokenizer, const char *text, const int32_t *want, size_t count)
{
    hn_ctx cx = { 0 };
    json_t *record = load("qwen2");
    hn_convert_opts o = { 0 };
    hn_convert_report r;
    hn_lm m;
    hn_lm_opts lo = { 0 };
    hn_arena *a;
    hn_ids ids;
    char *folder = strdup(make_folder()), *out = strdup(in_folder(folder, "out.gguf"));
    build_folder(folder, record);
    write_text(folder, "tokenizer.json", tokenizer);
    write_text(folder, "tokenizer_config.json",
               "{\"add_bos_token\":false,\"eos_token\":{\"content\":\"<|end|>\"},"
               "\"chat_template\":\"{{ messages }}\"}");
    if (hn_convert_hf(&cx, folder, out, &o, &r) != HN_OK || hn_lm_open(&cx, out, &lo, &m) != HN_OK)
        fail_msg("%s", cx.msg);
    CHECK(hn_gguf_value_find(m.file, "tokenizer.chat_template") != NULL);
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    CHECK_INT(hn_tok_encode(&cx, m.tok, (hn_text){ text, strlen(text) }, &(hn_tok_opts){ .parse_special = true }, a,
                            &ids), HN_OK);
    CHECK_INT(ids.count, count);
    assert_memory_equal(ids.id, want, count * sizeof *want);
    hn_arena_free(a);
    hn_lm_close(&m);
    drop_folder(folder);
    free(out);
    free(folder);
    json_decref(record);
}

TEST(tokenizers_come_along)
{
    check_tokens(byte_level, "abab<|end|>", (int32_t[]){ 2, 2, 4 }, 3);
    check_tokens(byte_level, "aba", (int32_t[]){ 3 }, 1);
    check_tokens(pieces, "ab", (int32_t[]){ 7 }, 1);
}

/* ---- Memory ------------------------------------------------------------------------------------------ */

TEST(conversion_does_not_hold_the_model)
{
    static const char config[] = "{\"model_type\":\"llama\",\"hidden_size\":2048,\"intermediate_size\":8192,"
                                 "\"num_hidden_layers\":1,"
                                 "\"num_attention_heads\":32,\"vocab_size\":8192}";
    hn_ctx cx = { 0 };
    hn_convert_opts o = { .type = HN_QT_F16 };
    hn_convert_report r;
    char *folder = strdup(make_folder()), *out = strdup(in_folder(folder, "out.gguf"));
    hn_st_tensor t[] = { { .name = "model.embed_tokens.weight", .dtype = HN_F32, .shape = { 2, { 8192, 2048 } } },
                         { .name = "model.layers.0.mlp.down_proj.weight", .dtype = HN_F32,
                           .shape = { 2, { 2048, 8192 } } } };
    write_text(folder, "config.json", config);
    for (int i = 0; i < 2; i++)
        t[i].size = hn_dtype_bytes(t[i].dtype, hn_shape_count(&t[i].shape));
    write_shard(folder, "model.safetensors", t, 2);              /* 134 MB */
    size_t before = hn_private_bytes();
    CHECK_INT(hn_convert_hf(&cx, folder, out, &o, &r), HN_OK);
    size_t after = hn_private_bytes();
    CHECK(before == 0 || after < before + ((size_t)32 << 20));
    drop_folder(folder);
    free(out);
    free(folder);
}

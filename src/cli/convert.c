/* SPDX-License-Identifier: Apache-2.0 */
/* hone convert: other people's model files to ours, and tensors between containers. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/num.h"
#include "cli/table.h"
#include "formats/gguf.h"
#include "llm/convert.h"
#include "llm/safetensors.h"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* ---- Tensors into a safetensors file ------------------------------------------------------------------- */

/* A list of tensors from either container, and how to get floats of them. */
typedef struct source { hn_gguf *gguf; hn_safetensors st; size_t count; } source;

static void describe(const source *s, size_t i, hn_dtype to, hn_st_tensor *out)
{
    if (s->gguf) {
        const hn_gguf_tensor *t = &s->gguf->tensors[i];
        *out = (hn_st_tensor){ .name = t->name, .shape = t->shape };
        out->dtype = to ? to : t->type == HN_QT_F16 ? HN_F16 : t->type == HN_QT_BF16 ? HN_BF16 : HN_F32;
    } else {
        *out = s->st.tensor[i];
        out->dtype = to && hn_is_float(out->dtype) ? to : out->dtype;
    }
    out->size = hn_dtype_bytes(out->dtype, hn_shape_count(&out->shape));
}

/* Elements come in runs that are whole blocks of any type. */
#define RUN ((size_t)1 << 16)

static hn_err copy_tensor(hn_ctx *cx, const source *s, size_t i, const hn_st_tensor *to, float *x, char *bytes,
                          hn_file_out *f)
{
    const hn_gguf_tensor *g = s->gguf ? &s->gguf->tensors[i] : NULL;
    const hn_st_tensor *t = g ? NULL : &s->st.tensor[i];
    hn_qtype type = to->dtype == HN_F16 ? HN_QT_F16 : to->dtype == HN_BF16 ? HN_QT_BF16 : HN_QT_F32;
    if (t && t->dtype == to->dtype)
        return hn_file_out_add(cx, f, t->data, t->size);
    for (size_t at = 0, n, all = hn_shape_count(&to->shape); at < all; at += n) {
        n = hn_min(RUN, all - at);
        if (g)
            hn_gguf_floats(g, at, n, x);
        else
            HN_TRY(hn_st_decode(cx, t, at, n, x));
        hn_q_encode(type, x, bytes, n);
        HN_TRY(hn_file_out_add(cx, f, bytes, hn_q_bytes(type, n)));
    }
    return HN_OK;
}

static hn_err copy_tensors(hn_cli *c, const source *s, const char *out, hn_dtype type, hn_convert_report *r)
{
    hn_ctx *cx = &c->cx;
    hn_file_out f = { 0 };
    hn_st_tensor *to = hn_calloc(cx, s->count + 1, sizeof *to);
    float *x = hn_calloc(cx, RUN, sizeof *x);
    char *bytes = hn_alloc(cx, RUN * sizeof *x);
    hn_err e = to && x && bytes ? hn_file_out_open(cx, out, &f) : hn_nomem(cx, "tensors to copy");
    for (size_t i = 0; i < s->count && !e; i++) {
        describe(s, i, type, &to[i]);
        r->parameters += hn_shape_count(&to[i].shape);
    }
    if (!e)
        e = hn_safetensors_head(cx, &f, to, s->count);
    for (size_t i = 0; i < s->count && !e; i++)
        e = copy_tensor(cx, s, i, &to[i], x, bytes, &f);
    r->tensors = s->count;
    r->bytes = f.len;
    if (e)
        hn_file_out_drop(&f);
    else
        e = hn_file_out_finish(cx, &f);
    hn_free(cx, to);
    hn_free(cx, x);
    hn_free(cx, bytes);
    return e;
}

static hn_err to_safetensors(hn_cli *c, const char *in, const char *out, hn_qtype type, hn_convert_report *r)
{
    source s = { 0 };
    hn_dtype to = type == HN_QT_F16 ? HN_F16 : type == HN_QT_BF16 ? HN_BF16 : type == HN_QT_F32 ? HN_F32 : HN_NONE;
    hn_err e = ends_with(in, ".gguf") ? hn_gguf_open(&c->cx, in, &s.gguf) : hn_safetensors_open(&c->cx, in, &s.st);
    s.count = s.gguf ? s.gguf->tensor_count : s.st.count;
    if (!e)
        e = copy_tensors(c, &s, out, to, r);
    hn_gguf_close(s.gguf);
    hn_safetensors_close(&s.st);
    return e;
}

/* ---- The command -------------------------------------------------------------------------------------------- */

static hn_err convert(hn_cli *c, const char *in, const char *out, hn_convert_opts *o, hn_convert_report *r)
{
    struct stat st;
    hn_progress bar;
    bool folder = stat(in, &st) == 0 && S_ISDIR(st.st_mode);
    if (ends_with(out, ".safetensors") && !folder)
        return to_safetensors(c, in, out, o->type, r);
    if (!ends_with(out, ".gguf"))
        return hn_fail(&c->cx, HN_EARG, "OUT: expected a name that ends in .gguf or .safetensors, found '%s'", out);
    if (folder) {
        hn_progress_start(&bar, "converting", hn_convert_hf_bytes(in), c->quiet);
        o->progress = &bar;
        hn_err e = hn_convert_hf(&c->cx, in, out, o, r);
        hn_progress_end(&bar);
        return e;
    }
    if (ends_with(in, ".bin"))
        return hn_convert_llama2c(&c->cx, in, out, o, r);
    return hn_fail(&c->cx, HN_EUNSUP,
                   "unsupported: %s to GGUF; a Hugging Face folder or a llama2.c checkpoint (.bin) can be converted",
                       in);
}

static hn_err run(hn_cli *c)
{
    const hn_args *a = &c->args;
    hn_convert_report r = { 0 };
    const char *type = hn_arg_text(a, "type", "keep");
    hn_convert_opts o = { .type = strcmp(type, "keep") ? hn_qtype_from_name(type) : HN_QT_NONE,
                          .pre = hn_arg_text(a, "pre", NULL),
                          .tokenizer = hn_arg_text(a, "tokenizer", NULL) };
    HN_TRY(convert(c, a->operand[0], a->operand[1], &o, &r));
    if (c->json)
        return hn_json_print(&c->cx, json_pack("{s:s, s:s, s:I, s:I, s:I}", "out", a->operand[1], "architecture",
                                               r.arch, "tensors",
                                               (json_int_t)r.tensors, "parameters", (json_int_t)r.parameters,
                                                   "bytes", (json_int_t)r.bytes));
    printf("%s: %s%s%zu tensors, %.1f M parameters, %.1f MB\n", a->operand[1], r.arch, *r.arch ? ", " : "", r.tensors,
           (double)r.parameters / 1e6, (double)r.bytes / 1e6);
    return HN_OK;
}

static const hn_operand operands[] = {
    { "IN", HN_OPT_FILE, 0, "a Hugging Face folder, a llama2.c checkpoint (.bin), or a .gguf or .safetensors file",
      NULL },
    { "OUT", HN_OPT_FILE, 0, "the .gguf or .safetensors file to write", NULL }, { 0 }
};

static const hn_opt opts[] = {
    { "type", 't', HN_OPT_CHOICE, "TYPE", "of matrices (default: as they are)", "keep f32 f16 bf16", 0, 0 },
    { "tokenizer", 0, HN_OPT_FILE, "FILE", "a llama2.c checkpoint's tokenizer.bin", NULL, 0, 0 },
    { "pre", 0, HN_OPT_TEXT, "NAME", "the pre-tokenizer, where tokenizer.json does not tell a known one", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_convert = {
    .name = "convert",
    .summary = "turn other people's model files into GGUF",
    .example = "hone convert ~/models/Qwen2.5-0.5B-Instruct qwen.gguf",
    .help = "A Hugging Face folder holds config.json, weights in .safetensors, and a tokenizer; chat template\n"
            "and special tokens come along.  Tensors pass through a few megabytes: memory does not grow with the\n"
            "model.  A tensor nobody understands is an error by its name.\n\n"
            "To .safetensors: the tensors of a GGUF or safetensors file, block types as floats, names as they are.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};

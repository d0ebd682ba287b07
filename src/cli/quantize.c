/* SPDX-License-Identifier: Apache-2.0 */
/* hone quantize: a language model's file anew, in smaller types. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/table.h"
#include "compress/quantize.h"

static hn_err read_type(hn_cli *c, const char *option, hn_qtype *out)
{
    const char *name = hn_arg_text(&c->args, option, NULL);
    *out = name ? hn_qtype_from_name(name) : HN_QT_NONE;
    if (name && !*out)
        return hn_fail(&c->cx, HN_EARG, "--%s: expected a type as `hone list weights` has it, found '%s'", option,
                       name);
    return HN_OK;
}

static hn_err read_mix(hn_cli *c, hn_mix_opts *o)
{
    const char *name = c->args.operand_count > 2 ? c->args.operand[2] : NULL;
    char known[512] = "";
    if (hn_arg_flag(&c->args, "pack") && hn_arg_flag(&c->args, "unpack"))
        return hn_fail(&c->cx, HN_EARG, "--pack and --unpack: expected one of the two");
    if (!name && !hn_arg_flag(&c->args, "pack") && !hn_arg_flag(&c->args, "unpack"))
        return hn_fail(&c->cx, HN_EARG, "TYPE is missing: name a mix, or keep the types and give --pack or --unpack");
    if (!name)
        return HN_OK;
    o->mix = hn_mix_from_name(name);
    o->pure = hn_arg_flag(&c->args, "pure");
    for (int m = HN_MIX_NONE + 1; m < HN_MIX_COUNT; m++) {
        strncat(known, m > 1 ? " " : "", sizeof known - strlen(known) - 1);
        strncat(known, hn_mix_get((hn_mix)m)->name, sizeof known - strlen(known) - 1);
    }
    if (!o->mix)
        return hn_fail(&c->cx, HN_EARG, "TYPE: expected one of '%s', found '%s'", known, name);
    HN_TRY(read_type(c, "embedding", &o->embedding));
    return read_type(c, "output", &o->output);
}

static double bits(uint64_t bytes, uint64_t elements) { return elements ? 8.0 * (double)bytes / (double)elements : 0; }

static json_t *row_of(const hn_quantized *t)
{
    json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:f, s:b, s:b}", "tensor", t->name, "from", hn_qtype_get(t->from)->name,
                            "to",
                            hn_qtype_get(t->to)->name, "bytes", (json_int_t)t->after, "bits",
                                bits(t->after, t->elements),
                            "importance", t->heeded, "packed", t->panels);
    if (t->from != t->to)
        json_object_set_new(row, "error", json_real(t->error));
    return row;
}

static hn_err tell(hn_cli *c, const hn_quantize_report *r)
{
    static const char *const columns[] = { "tensor", "from", "to", "bytes", "bits", "error", NULL };
    json_t *rows = json_array();
    for (size_t i = 0; i < r->count; i++)
        if (c->json || r->tensor[i].from != r->tensor[i].to)
            json_array_append_new(rows, row_of(&r->tensor[i]));
    hn_err e;
    if (c->json) {
        e = hn_json_print(&c->cx, json_pack("{s:s*, s:I, s:I, s:f, s:O}", "mix",
                                            c->args.operand_count > 2 ? hn_mix_get(hn_mix_from_name(c->args.operand[2]))->name : NULL,
                                            "bytes_before", (json_int_t)r->before, "bytes", (json_int_t)r->after,
                                                "bits_per_weight",
                                            bits(r->after, r->elements), "tensors", rows));
    } else {
        e = hn_arg_flag(&c->args, "verbose") ? hn_table_print(&c->cx, rows, columns, HN_TABLE_TEXT) : HN_OK;
        printf("%s: %.1f MB to %.1f MB, %.2f bits per weight\n", c->args.operand[1], (double)r->before / 1e6,
               (double)r->after / 1e6,
               bits(r->after, r->elements));
    }
    json_decref(rows);
    return e;
}

static hn_err quantize(hn_cli *c, const hn_gguf *in, const hn_imatrix *importance, const char *importance_path,
                       const hn_mix_opts *mix)
{
    hn_progress bar;
    hn_arena *a;
    hn_quantize_report r;
    hn_pool *pool = NULL;
    HN_TRY(hn_arena_new(&c->cx, 0, &a));
    hn_err e = hn_pool_new(&c->cx, c->threads, &pool);
    if (!e) {
        hn_quantize_opts o = { .mix = *mix, .pack = hn_arg_flag(&c->args, "pack"), .importance = importance, .importance_path = importance_path, .pool = pool,
                               .requantize = hn_arg_flag(&c->args, "requantize"), .progress = &bar };
        o.mix.importance = importance != NULL;
        hn_progress_start(&bar, mix->mix ? "quantising" : "packing", hn_quantize_elements(in), c->quiet);
        e = hn_quantize(&c->cx, in, c->args.operand[1], &o, a, &r);
        hn_progress_end(&bar);
    }
    if (!e)
        e = tell(c, &r);
    hn_pool_free(pool);
    hn_arena_free(a);
    return e;
}

static hn_err run(hn_cli *c)
{
    const char *path = hn_arg_text(&c->args, "imatrix", NULL);
    hn_imatrix importance = { 0 };
    hn_mix_opts mix = { 0 };
    hn_gguf *in = NULL;
    HN_TRY(read_mix(c, &mix));
    hn_err e = hn_gguf_open(&c->cx, c->args.operand[0], &in);
    if (!e && path)
        e = hn_imatrix_open(&c->cx, path, &importance);
    if (!e)
        e = quantize(c, in, path ? &importance : NULL, path ? path + hn_path_dir_len(path) : NULL, &mix);
    hn_imatrix_close(&c->cx, &importance);
    hn_gguf_close(in);
    return e;
}

static const hn_operand operands[] = {
    { "MODEL", HN_OPT_FILE, 0, "a .gguf file of F32, F16 or BF16 weights", NULL },
    { "OUT", HN_OPT_FILE, 0, "the .gguf file to write", NULL },
    { "TYPE", HN_OPT_TEXT, HN_OPTIONAL, "a mix: Q4_K_M, Q8_0, IQ4_XS, ...; left out with --pack: types stay as they are", NULL }, { 0 }
};

static const hn_opt opts[] = {
    { "imatrix", 'i', HN_OPT_FILE, "FILE",
      "what the columns are worth, measured on text: smaller errors where they count", NULL, 0, 0 },
    { "pure", 0, HN_OPT_FLAG, NULL, "the mix's main type for every tensor that can have it", NULL, 0, 0 },
    { "embedding", 0, HN_OPT_TEXT, "TYPE", "type of the token embedding", NULL, 0, 0 },
    { "output", 0, HN_OPT_TEXT, "TYPE", "type of the output matrix", NULL, 0, 0 },
    { "requantize", 0, HN_OPT_FLAG, NULL, "take weights that were rounded before", NULL, 0, 0 },
    { "pack", 0, HN_OPT_FLAG, NULL, "matrices in the order that kernels read: mapped and used in place, by Hone alone", NULL, 0, 0 },
    { "unpack", 0, HN_OPT_FLAG, NULL, "matrices of a packed file row by row again, for every reader", NULL, 0, 0 },
    { "verbose", 'V', HN_OPT_FLAG, NULL, "list every tensor with its type and its error", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_quantize = {
    .name = "quantize",
    .summary = "write a language model's file anew in smaller types",
    .example = "hone quantize model-f16.gguf model-q4.gguf Q4_K_M",
    .help = "A mix gives each tensor its type, as llama.cpp's mix of that name does, and the bytes are the same, but for\n"
            "IQ1, IQ2 and IQ3, where a longer search leaves a smaller error.\n"
            "The file is read and written piece by piece: memory does not grow with it.  `hone list mixes` names\n"
            "them.  The error of a tensor is the root mean square of what changed, relative to its values.\n"
            "A file written with --pack starts at once, and its weights take no private memory: sixteen rows of a\n"
            "matrix lie side by side, as the kernels read them, instead of being packed whenever the file is opened.\n"
            "The numbers are the same, to the last bit; --unpack gives the file back that every GGUF reader takes.",

    .operand = operands, .opt = opts, .reports = true, .run = run,
};

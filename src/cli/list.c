/* SPDX-License-Identifier: Apache-2.0 */
/* hone list: what this build knows, from the lists it is built from. */
#include <stdlib.h>
#include <string.h>

#include "cli/catalog.h"
#include "cli/command.h"
#include "cli/media.h"
#include "cli/table.h"
#include "compress/mix.h"
#include "llm/build.h"
#include "tensor/q_lattice.h"
#include "formats/format.h"
#include "graph/op.h"
#include "kernels/kernels.h"

/* Takes the row over, NULL included: jansson gives NULL when out of memory. */
static hn_err append(hn_cli *c, json_t *rows, json_t *row)
{
    return json_array_append_new(rows, row) ? hn_nomem(&c->cx, "the list") : HN_OK;
}

/* ---- Operators ------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const hn_op *const *)a)->name, (*(const hn_op *const *)b)->name);
}

/* "2", "1..3", "1.." */
static json_t *span(int min, int max)
{
    if (max == min)
        return json_sprintf("%d", min);
    return max < 0 ? json_sprintf("%d..", min) : json_sprintf("%d..%d", min, max);
}

static json_t *attributes(const hn_op *op)
{
    json_t *list = json_array();
    for (const hn_attr_spec *a = op->attr; a && a->name; a++)
        json_array_append_new(list, json_string(a->name));
    return list;
}

static hn_err list_ops(hn_cli *c, json_t *rows)
{
    size_t n = 0;
    hn_err e = HN_OK;
    while (hn_ops[n])
        n++;
    const hn_op **sorted = hn_alloc(&c->cx, n * sizeof *sorted);
    if (!sorted)
        return hn_nomem(&c->cx, "the list");
    memcpy(sorted, hn_ops, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; !e && i < n; i++) {
        const hn_op *op = sorted[i];
        e = append(c, rows, json_pack("{s:s, s:s, s:i, s:o, s:o, s:o}", "operator", op->name,
                                    "domain", op->domain ? op->domain : "ai.onnx", "opset", op->since,
                                    "inputs", span(op->min_in, op->max_in),
                                    "outputs", span(op->min_out, op->max_out),
                                    "attributes", attributes(op)));
    }
    hn_free(&c->cx, sorted);
    return e;
}

/* ---- The other lists ----------------------------------------------------------------------------- */

static hn_err list_types(hn_cli *c, json_t *rows)
{
    static const char *const kind[] = {
        [HN_CLASS_F] = "float", [HN_CLASS_I] = "signed", [HN_CLASS_U] = "unsigned",
        [HN_CLASS_C] = "complex", [HN_CLASS_S] = "text",
    };
    for (int t = 1; t < HN_DTYPE_COUNT; t++) {
        hn_dtype type = (hn_dtype)t;
        int class = hn_dtype_class(type);
        json_t *bits = class == HN_CLASS_S ? json_null() : json_integer(hn_dtype_bits(type));
        HN_TRY(append(c, rows, json_pack("{s:s, s:o, s:s, s:i}", "type", hn_dtype_name(type), "bits", bits,
                                    "kind", kind[class], "onnx", hn_dtype_to_onnx(type))));
    }
    return HN_OK;
}

static hn_err list_formats(hn_cli *c, json_t *rows)
{
    for (const hn_format *const *f = hn_formats; *f; f++)
        HN_TRY(append(c, rows, json_pack("{s:s, s:s}", "format", (*f)->name, "extensions", (*f)->extensions)));
    return HN_OK;
}

static hn_err list_kernels(hn_cli *c, json_t *rows)
{
    static const char *const kernel[][2] = {
#define KERNEL(type, name, args) { #name, #type " " #args },
#include "kernels/kernels.def"
#undef KERNEL
    };
    const hn_kernels *picked = hn_kernels_pick();
    json_t *isas = json_array();
    hn_err e = isas ? HN_OK : hn_nomem(&c->cx, "the list");
    for (const hn_kernels *const *t = hn_kernel_tables; !e && *t; t++)
        e = append(c, isas, json_sprintf("%s%s", (*t)->isa, *t == picked ? " (in use)" : ""));
    for (size_t i = 0; !e && i < sizeof kernel / sizeof kernel[0]; i++)
        e = append(c, rows, json_pack("{s:s, s:O, s:s}", "kernel", kernel[i][0], "built for", isas,
                                      "signature", kernel[i][1]));
    json_decref(isas);
    return e;
}

static hn_err list_weights(hn_cli *c, json_t *rows)
{
    for (int t = HN_QT_NONE + 1; t < HN_QT_COUNT; t++) {
        const hn_qtype_info *q = hn_qtype_get((hn_qtype)t);
        HN_TRY(append(c, rows, json_pack("{s:s, s:i, s:i, s:f, s:b, s:i}", "type", q->name, "elements", q->block_count, "bytes",
                                    q->block_size, "bits", 8.0 * q->block_size / q->block_count, "writes", hn_q_has_encode((hn_qtype)t) || hn_q_is_lattice((hn_qtype)t),
                                    "gguf", (int)q->number)));
    }
    return HN_OK;
}

static hn_err list_mixes(hn_cli *c, json_t *rows)
{
    for (int m = HN_MIX_NONE + 1; m < HN_MIX_COUNT; m++) {
        const hn_mix_info *i = hn_mix_get((hn_mix)m);
        HN_TRY(append(c, rows, json_pack("{s:s, s:s, s:i, s:b}", "mix", i->name, "most tensors", hn_qtype_get(i->base)->name, "gguf",
                                    (int)i->number, "writes", hn_q_has_encode(i->base) || hn_q_is_lattice(i->base))));
    }
    return HN_OK;
}

static hn_err list_architectures(hn_cli *c, json_t *rows)
{
    for (const hn_arch *const *a = hn_archs; *a; a++)
        HN_TRY(append(c, rows, json_pack("{s:s}", "architecture", (*a)->name)));
    return HN_OK;
}

static hn_err list_commands(hn_cli *c, json_t *rows)
{
    for (const hn_command *const *cmd = hn_commands; *cmd; cmd++)
        HN_TRY(append(c, rows, json_pack("{s:s, s:s, s:s}", "command", (*cmd)->name, "what", (*cmd)->summary,
                                    "example", (*cmd)->example)));
    return HN_OK;
}

static hn_err list_pictures(hn_cli *c, json_t *rows)
{
    const hn_media *media;
    HN_TRY(hn_media_open(&c->cx, &media));
    for (const hn_picture *const *p = media->pictures; *p; p++)
        HN_TRY(append(c, rows, json_pack("{s:s, s:s, s:b, s:b}", "format", (*p)->name, "extensions",
                                    (*p)->extensions, "reads", (*p)->read != NULL, "writes",
                                    (*p)->write != NULL)));
    return HN_OK;
}

/* ---- The command ------------------------------------------------------------------------------------ */

#define COLUMNS(...) (const char *const[]){ __VA_ARGS__, NULL }

static const struct list {
    const char *what;
    const char *const *columns;
    hn_err (*fill)(hn_cli *c, json_t *rows);
} lists[] = {
    { "ops",      COLUMNS("operator", "domain", "opset", "inputs", "outputs", "attributes"), list_ops },
    { "types",    COLUMNS("type", "bits", "kind", "onnx"), list_types },
    { "formats",  COLUMNS("format", "extensions"), list_formats },
    { "pictures", COLUMNS("format", "extensions", "reads", "writes"), list_pictures },
    { "weights",  COLUMNS("type", "elements", "bytes", "bits", "writes", "gguf"), list_weights },
    { "mixes",    COLUMNS("mix", "most tensors", "gguf", "writes"), list_mixes },
    { "architectures", COLUMNS("architecture"), list_architectures },
    { "kernels",  COLUMNS("kernel", "built for", "signature"), list_kernels },
    { "commands", COLUMNS("command", "what"), list_commands },
    { "devices",  COLUMNS("device", "ram_gb", "usable_gb", "gb_s", "tops", "watts", "usd"), hn_list_devices },
    { "models",   COLUMNS("model", "task", "params_m", "q4_k_m_gb", "context", "gmacs"), hn_list_models },
    { "quants",   COLUMNS("quant", "name", "type", "bits", "perplexity_percent"), hn_list_quants },
    { "runtimes", COLUMNS("runtime", "vendor", "latency", "portability", "ease", "hardware"), hn_list_runtimes },
    { "clouds",   COLUMNS("cloud", "cost", "reliability", "data", "best_for"), hn_list_clouds },
};

static hn_err run(hn_cli *c)
{
    const struct list *l = lists;
    while (strcmp(l->what, c->args.operand[0]) != 0)       /* the parser let only these words through */
        l++;
    json_t *rows = json_array();
    hn_err e = rows ? l->fill(c, rows) : hn_nomem(&c->cx, "the list");
    if (!e && c->json)
        e = hn_json_print(&c->cx, json_incref(rows));
    else if (!e)
        e = hn_table_print(&c->cx, rows, l->columns,
                           hn_arg_flag(&c->args, "markdown") ? HN_TABLE_MARKDOWN : HN_TABLE_TEXT);
    json_decref(rows);
    return e;
}

static const hn_operand operands[] = {
    { "WHAT", HN_OPT_CHOICE, 0, "ops, types, weights, mixes, architectures, formats, pictures, kernels, commands, or of the "
      "planner's catalogue: devices, models, quants, runtimes or clouds",
      .choices = "ops types weights mixes architectures formats pictures kernels commands devices models quants runtimes clouds" },
    { NULL }
};

static const hn_opt opts[] = {
    { "markdown", 0, HN_OPT_FLAG, NULL, "print a table in Markdown, as doc/operators.md is made" },
    { "catalog", 0, HN_OPT_DIR, "DIR", "files that change or add to the planner's catalogue" },
    { NULL }
};

const hn_command hn_command_list = {
    .name = "list", .summary = "what this build knows: operators, types, formats, kernels",
    .example = "hone list ops",
    .help = "Prints one of the lists the program is built from, so what it says is what it has. "
            "Operators come with the newest operator set whose definition they follow, how many inputs "
            "and outputs they take, and their attributes.  Devices, models and prices come from the planner's "
            "catalogue; `hone plan --explain ID.KEY` tells the source of each figure.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* hone delta: what makes one model file of another. */
#include <stdio.h>
#include <string.h>

#include "cli/system.h"
#include "cli/table.h"

static hn_err make(hn_cli *c, const hn_system *sys, const char *out)
{
    hn_delta_sizes s;
    hn_delta_info i;
    HN_TRY(sys->delta_make_file(&c->cx, c->args.operand[1], c->args.operand[2], out, &s, &i));
    double full = i.new_length ? 100.0 / (double)i.new_length : 0;
    if (c->json)
        return hn_json_print(&c->cx, json_pack("{s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I}", "delta", out, "bytes",
                                               (json_int_t)s.chosen, "new_bytes", (json_int_t)i.new_length, "method",
                                               s.method, "typed_bytes", (json_int_t)s.typed, "prefix_bytes",
                                               (json_int_t)s.prefix, "whole_bytes", (json_int_t)s.whole,
                                               "window_bytes", (json_int_t)i.window_bytes, "ram_bytes",
                                               (json_int_t)i.ram_bytes));
    printf("%s: %llu bytes, %.2f %% of the new file (%s)\n", out, (unsigned long long)s.chosen,
           full * (double)s.chosen, s.method);
    printf("by tensors %.2f %%, zstd with the old file %.2f %%, zstd alone %.2f %%\n", full * (double)s.typed,
           full * (double)s.prefix,
           full * (double)s.whole);
    printf("applying takes about %.1f MiB of memory\n", (double)i.ram_bytes / (1 << 20));
    return HN_OK;
}

static hn_err run(hn_cli *c)
{
    const hn_system *sys;
    const char *out = hn_arg_text(&c->args, "output", NULL);
    if (!out)
        return hn_fail(&c->cx, HN_EARG, "--output FILE says where to");
    HN_TRY(hn_system_open(&c->cx, &sys));
    if (strcmp(c->args.operand[0], "make") == 0)
        return make(c, sys, out);
    uint64_t window = (uint64_t)hn_arg_int(&c->args, "max-window", 1024) << 20;
    return sys->delta_apply_files(&c->cx, c->args.operand[2], c->args.operand[1], out, window);
}

static const hn_operand operands[] = {
    { "ACTION", HN_OPT_CHOICE, 0, "make, or apply", "make apply" },
    { "OLD", HN_OPT_FILE, 0, "the file to start from", NULL },
    { "NEW", HN_OPT_FILE, 0, "make: the file to end with; apply: the delta", NULL },
    { 0 }
};

static const hn_opt opts[] = {
    { "output", 'o', HN_OPT_FILE, "FILE", "what is made", NULL, 0, 0 },
    { "max-window", 0, HN_OPT_INT, "MIB", "apply: refuse a delta that asks for a larger window (1024)", NULL, 1, 2048 },
    { 0 }
};

const hn_command hn_command_delta = {
    .name = "delta",
    .summary = "make or apply the difference between two model files",
    .example = "hone delta make old.gguf new.gguf -o update.hdlt",
    .help = "A delta follows the tensors of both files: equal ones are copied, others subtracted as the numbers they "
            "are and\n"
            "packed; it is compared with zstd, with and without the old file at hand, and the smallest is kept. "
            "Applying checks\n"
            "the old file before and the result after, and takes a few megabytes whatever the size of the files.",
    .exits = "7: the delta is damaged, or was made from another file",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};

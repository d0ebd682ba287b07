/* SPDX-License-Identifier: Apache-2.0 */
/* hone tokenize: the tokens a model sees in a text. */
#include <jansson.h>
#include <stdio.h>

#include "cli/lm_opts.h"
#include "cli/table.h"
#include "formats/gguf.h"
#include "llm/tok_gguf.h"

static void print_piece(hn_text t)
{
    for (size_t i = 0; i < t.len; i++) {
        unsigned char ch = (unsigned char)t.ptr[i];
        if (ch < 32 || ch == 127)
            printf("\\x%02x", ch);
        else
            putchar(ch);
    }
}

static hn_err tell(hn_cli *c, const hn_tok *tok, hn_ids ids)
{
    if (c->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < ids.count; i++)
            json_array_append_new(list, json_integer(ids.id[i]));
        return hn_json_print(&c->cx, json_pack("{s:o, s:I}", "ids", list, "count", (json_int_t)ids.count));
    }
    for (size_t i = 0; i < ids.count; i++) {
        if (hn_arg_flag(&c->args, "ids")) {
            printf("%s%d", i ? " " : "", ids.id[i]);
            continue;
        }
        printf("%7d  ", ids.id[i]);
        print_piece(hn_tok_text(tok, ids.id[i]));
        putchar('\n');
    }
    if (hn_arg_flag(&c->args, "ids"))
        putchar('\n');
    return HN_OK;
}

static hn_err work(hn_lm_job *j, hn_tok **tok, hn_gguf **file)
{
    hn_cli *c = j->c;
    hn_text text;
    hn_ids ids;
    hn_tok_opts o = { .add_special = !hn_arg_flag(&c->args, "no-special"), .parse_special = hn_arg_flag(&c->args, "parse-special") };
    HN_TRY(hn_gguf_open(&c->cx, c->args.operand[0], file));
    HN_TRY(hn_tok_from_gguf(&c->cx, *file, tok));
    HN_TRY(hn_arena_new(&c->cx, 0, &j->memory));
    HN_TRY(hn_lm_job_prompt(j, &text));
    HN_TRY(hn_tok_encode(&c->cx, *tok, text, &o, j->memory, &ids));
    return tell(c, *tok, ids);
}

/* Only the tokenizer is loaded: a file with a vocabulary and no weights will do. */
static hn_err run(hn_cli *c)
{
    hn_lm_job j = { .c = c };
    hn_tok *tok = NULL;
    hn_gguf *file = NULL;
    hn_err e = work(&j, &tok, &file);
    hn_tok_free(tok);
    hn_gguf_close(file);
    hn_arena_free(j.memory);
    return e;
}

static const hn_operand operands[] = { { "MODEL", HN_OPT_FILE, 0, "a .gguf file", NULL }, { 0 } };

static const hn_opt opts[] = {
    { "prompt", 'p', HN_OPT_TEXT, "TEXT", "the text (default: standard input)", NULL, 0, 0 },
    { "file", 'f', HN_OPT_FILE, "FILE", "read the text from there", NULL, 0, 0 },
    { "ids", 0, HN_OPT_FLAG, NULL, "only the ids, on one line", NULL, 0, 0 },
    { "no-special", 0, HN_OPT_FLAG, NULL, "without the begin and end tokens the model adds", NULL, 0, 0 },
    { "parse-special", 0, HN_OPT_FLAG, NULL, "control tokens written in the text count as such", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_tokenize = {
    .name = "tokenize",
    .summary = "show the tokens of a text",
    .example = "hone tokenize model.gguf -p \"Hello world\" --ids",
    .help = "One token a line: its id and its text, control characters as \\xNN.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};

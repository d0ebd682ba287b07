/* SPDX-License-Identifier: Apache-2.0 */
/* help.c: the tables as text for a terminal, and the command that prints them. */
#include "cli/help.h"

#include <string.h>

#include "cli/term.h"
#include "hone.h"

#define COMMAND(id) extern const hn_command hn_command_##id;
#include "cli/commands.def"
#undef COMMAND

const hn_command *const hn_commands[] = {
#define COMMAND(id) &hn_command_##id,
#include "cli/commands.def"
#undef COMMAND
    NULL
};

const hn_command *hn_command_find(const char *name)
{
    const hn_command *const *c = hn_commands;
    while (*c && strcmp((*c)->name, name) != 0)
        c++;
    return *c;
}

/* ---- Pieces that every rendering uses --------------------------------------------------- */

const char *hn_help_option_text(const hn_opt *o, char out[HN_HELP_TEXT])
{
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(out, HN_HELP_TEXT, "%s--%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    return out;
}

const char *hn_help_usage_text(const hn_command *cmd, char out[HN_HELP_TEXT])
{
    int n = snprintf(out, HN_HELP_TEXT, "hone %s [options]", cmd->name);
    for (const hn_operand *o = cmd->operand; o && o->name && n < HN_HELP_TEXT; o++)
        n += snprintf(out + n, HN_HELP_TEXT - (size_t)n, " %s%s%s%s", o->flags & HN_OPTIONAL ? "[" : "",
                      o->name, o->flags & HN_MANY ? "..." : "", o->flags & HN_OPTIONAL ? "]" : "");
    return out;
}

const char *hn_help_exit_text(int code, char out[HN_HELP_TEXT])
{
    static const struct { int code; const char *text; } meaning[] = {
        { 0, "done" },
#define X(name, exit, text) { exit, text },
        HN_ERRORS(X)
#undef X
    };
    int n = 0;
    for (size_t i = 0; i < sizeof meaning / sizeof meaning[0]; i++)
        if (meaning[i].code == code && n < HN_HELP_TEXT)
            n += snprintf(out + n, HN_HELP_TEXT - (size_t)n, "%s%s", n ? "; " : "", meaning[i].text);
    return n ? out : NULL;
}

/* ---- For a terminal ------------------------------------------------------------------------ */

static void heading(FILE *f, const char *text)
{
    fprintf(f, "\n%s%s%s\n", hn_style(f, HN_STYLE_BOLD), text, hn_style(f, HN_STYLE_PLAIN));
}

/* "  term      what it is, wrapped beside it" */
static void row(FILE *f, const char *term, const char *text, int column)
{
    int at = fprintf(f, "  %s", term);
    if (at + 2 > column) {
        fputc('\n', f);
        at = 0;
    }
    fprintf(f, "%*s", column - at, "");
    hn_wrap(f, text, column, hn_term_width(f), 1);
}

static void option_rows(FILE *f, const hn_command *cmd)
{
    const hn_opt *o;
    char term[HN_HELP_TEXT];
    int column = 0;
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++) {
        int len = (int)strlen(hn_help_option_text(o, term)) + 4;
        column = len > column && len <= 32 ? len : column;
    }
    heading(f, "Options");
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++)
        row(f, hn_help_option_text(o, term), o->help, column);
}

static void command_rows(FILE *f)
{
    int column = 0;
    for (const hn_command *const *c = hn_commands; *c; c++)
        column = (int)strlen((*c)->name) + 4 > column ? (int)strlen((*c)->name) + 4 : column;
    heading(f, "Commands");
    for (const hn_command *const *c = hn_commands; *c; c++)
        row(f, (*c)->name, (*c)->summary, column);
}

void hn_help_short(FILE *f)
{
    fputs("hone " HONE_VERSION ": carries trained models to small machines\n\n"
          "usage: hone COMMAND [options]\n", f);
    command_rows(f);
    fputs("\n`hone COMMAND --help` explains one of them.\n", f);
}

static void print_program(FILE *f)
{
    char text[HN_HELP_TEXT];
    hn_help_short(f);
    option_rows(f, NULL);
    heading(f, "Exit codes");
    for (int code = 0; code <= HN_EXIT_MAX; code++)
        fprintf(f, "  %d  %s\n", code, hn_help_exit_text(code, text));
}

static void print_command(FILE *f, const hn_command *cmd)
{
    char usage[HN_HELP_TEXT];
    int width = hn_term_width(f);

    fprintf(f, "hone %s: %s\n\n  $ %s%s%s\n", cmd->name, cmd->summary, hn_style(f, HN_STYLE_GREEN),
            cmd->example, hn_style(f, HN_STYLE_PLAIN));
    fprintf(f, "\nusage: %s\n\n", hn_help_usage_text(cmd, usage));
    hn_wrap(f, cmd->help, 0, width, 0);
    if (cmd->operand) {
        heading(f, "Arguments");
        for (const hn_operand *o = cmd->operand; o->name; o++)
            row(f, o->name, o->help, 12);
    }
    option_rows(f, cmd);
    if (cmd->exits) {
        heading(f, "Exit codes");
        hn_wrap(f, cmd->exits, 2, width, 0);
    }
}

void hn_help_print(FILE *f, const hn_command *cmd)
{
    if (cmd)
        print_command(f, cmd);
    else
        print_program(f);
}

/* ---- The command ------------------------------------------------------------------------------ */

static hn_err run(hn_cli *c)
{
    const hn_args *a = &c->args;
    const char *shell = hn_arg_text(a, "completion", NULL);

    if (hn_arg_flag(a, "man"))
        hn_help_man(stdout);
    else if (hn_arg_flag(a, "markdown"))
        hn_help_markdown(stdout);
    else if (shell)
        hn_help_completion(stdout, shell);
    else
        hn_help_print(stdout, a->operand_count ? hn_command_find(a->operand[0]) : NULL);
    return HN_OK;
}

static const hn_operand operands[] = {
    { "COMMAND", HN_OPT_COMMAND, HN_OPTIONAL, "the command to explain; all of them in short without" },
    { NULL }
};

static const hn_opt opts[] = {
    { "completion", 0, HN_OPT_CHOICE, "SHELL", "print completions for SHELL: bash, zsh or fish",
      .choices = "bash zsh fish" },
    { "man", 0, HN_OPT_FLAG, NULL, "print the manual page hone.1" },
    { "markdown", 0, HN_OPT_FLAG, NULL, "print the command reference in Markdown" },
    { NULL }
};

const hn_command hn_command_help = {
    .name = "help", .summary = "what a command does and how to call it",
    .example = "hone help list",
    .help = "Explains a command: one real example, then what it takes.  `hone COMMAND --help` says "
            "the same.\n\n"
            "The manual page, the completions for three shells and the reference page come from the "
            "same tables; `make install` puts the first four in place.  To try completion at once: "
            "source <(hone help --completion bash)",
    .operand = operands, .opt = opts, .run = run,
};

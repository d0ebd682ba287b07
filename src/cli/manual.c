/* SPDX-License-Identifier: Apache-2.0 */
/* manual.c: the tables as a manual page and as Markdown. */
#include <ctype.h>
#include <string.h>

#include "cli/help.h"
#include "hone.h"

#define ABOUT "Hone runs trained models on small machines.  Data goes to standard output, talk to "  \
              "standard error; with --json a command that reports prints one JSON value."

/* ---- man ------------------------------------------------------------------------------------ */

/* Text for roff: backslashes and dashes mean something to it, and so does a dot that begins a line. */
static void roff(FILE *f, const char *text)
{
    for (bool fresh = true; *text; text++) {
        if (text[0] == '\n' && text[1] == '\n') {
            fputs("\n.PP\n", f);
            text++;
            fresh = true;
            continue;
        }
        if (fresh && (*text == '.' || *text == '\''))
            fputs("\\&", f);
        if (*text == '\\')
            fputs("\\e", f);
        else if (*text == '-')
            fputs("\\-", f);
        else
            fputc(*text, f);
        fresh = *text == '\n';
    }
    fputc('\n', f);
}

static void roff_options(FILE *f, const hn_command *cmd)
{
    const hn_opt *o;
    char text[HN_HELP_TEXT];
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++) {
        if (cmd && o == hn_global_opts)
            break;                          /* the options of every command have their own section */
        const char *term = hn_help_option_text(o, text);
        fputs(".TP\n.B ", f);
        roff(f, term + strspn(term, " "));
        roff(f, o->help);
    }
}

static void roff_command(FILE *f, const hn_command *cmd)
{
    char usage[HN_HELP_TEXT];
    fprintf(f, ".SS \"%s: %s\"\n.EX\n$ ", cmd->name, cmd->summary);
    roff(f, cmd->example);
    fputs(".EE\n.PP\n.B ", f);
    roff(f, hn_help_usage_text(cmd, usage));
    fputs(".PP\n", f);
    roff(f, cmd->help);
    for (const hn_operand *o = cmd->operand; o && o->name; o++) {
        fprintf(f, ".TP\n.I %s\n", o->name);
        roff(f, o->help);
    }
    roff_options(f, cmd);
    if (cmd->exits) {
        fputs(".PP\n", f);
        roff(f, cmd->exits);
    }
}

void hn_help_man(FILE *f)
{
    char text[HN_HELP_TEXT];
    fputs(".TH HONE 1 \"\" \"hone " HONE_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nhone \\- carry trained models to small machines\n"
          ".SH SYNOPSIS\n.B hone\n.I COMMAND\n[\\fIoptions\\fR] [\\fIarguments\\fR]\n"
          ".SH DESCRIPTION\n", f);
    roff(f, ABOUT);
    fputs(".SH COMMANDS\n", f);
    for (const hn_command *const *c = hn_commands; *c; c++)
        roff_command(f, *c);
    fputs(".SH \"OPTIONS OF EVERY COMMAND\"\n", f);
    roff_options(f, NULL);
    fputs(".SH \"EXIT STATUS\"\n", f);
    for (int code = 0; code <= HN_EXIT_MAX; code++) {
        fprintf(f, ".TP\n.B %d\n", code);
        roff(f, hn_help_exit_text(code, text));
    }
    fputs(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nWhen set and not empty: no colours, also on a terminal.\n"
          ".TP\n.B HONE_ISA\nThe instruction set of the kernels (\"scalar\", \"avx2\", \"avx512\", \"amx\", \"neon\"), to find\n"
          "out which one is at fault.\n", f);
}

/* ---- Markdown ---------------------------------------------------------------------------------- */

static void markdown_options(FILE *f, const hn_command *cmd)
{
    const hn_opt *o;
    char text[HN_HELP_TEXT];
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++) {
        if (cmd && o == hn_global_opts)
            break;
        const char *term = hn_help_option_text(o, text);
        fprintf(f, "%s| `%s` | %s |\n", i ? "" : "\n| option | what it does |\n| --- | --- |\n",
                term + strspn(term, " "), o->help);
    }
}

static void markdown_command(FILE *f, const hn_command *cmd)
{
    char usage[HN_HELP_TEXT];
    fprintf(f, "\n## hone %s\n\n%c%s.\n\n    $ %s\n\nUsage: `%s`\n\n%s\n", cmd->name,
            toupper((unsigned char)cmd->summary[0]), cmd->summary + 1, cmd->example,
            hn_help_usage_text(cmd, usage), cmd->help);
    for (const hn_operand *o = cmd->operand; o && o->name; o++)
        fprintf(f, "%s| `%s` | %s |\n",
                o == cmd->operand ? "\n| argument | what it is |\n| --- | --- |\n" : "", o->name, o->help);
    markdown_options(f, cmd);
    if (cmd->exits)
        fprintf(f, "\nExit codes: %s\n", cmd->exits);
}

void hn_help_markdown(FILE *f)
{
    char text[HN_HELP_TEXT];
    fputs("# Commands\n\nThis page is made by `hone help --markdown`.\n\n" ABOUT "\n", f);
    for (const hn_command *const *c = hn_commands; *c; c++)
        markdown_command(f, *c);
    fputs("\n## Options of every command\n", f);
    markdown_options(f, NULL);
    fputs("\n## Exit codes\n\n| code | meaning |\n| --- | --- |\n", f);
    for (int code = 0; code <= HN_EXIT_MAX; code++)
        fprintf(f, "| %d | %s |\n", code, hn_help_exit_text(code, text));
}

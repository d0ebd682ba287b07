/* SPDX-License-Identifier: Apache-2.0 */
/* completion.c: the tables as completion scripts for bash, zsh and fish. */
#include <string.h>

#include "cli/help.h"

static void command_names(FILE *f, const char *before)
{
    for (const hn_command *const *c = hn_commands; *c; c++)
        fprintf(f, "%s%s", c == hn_commands ? "" : before, (*c)->name);
}

/* Text inside single quotes of a shell; our tables hold no control characters. */
static void quoted(FILE *f, const char *text, const char *also)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", f);
        else if (strchr(also, *text))
            fprintf(f, "\\%c", *text);
        else
            fputc(*text, f);
    }
}

/* ---- bash: one case per command, one per option that takes a value -------------------------- */

/* What completes a value of this kind: arguments for compgen. */
static void bash_value(FILE *f, hn_opt_kind kind, const char *choices)
{
    switch (kind) {
    case HN_OPT_FILE: fputs("-f", f); break;
    case HN_OPT_DIR: fputs("-d", f); break;
    case HN_OPT_CHOICE: fprintf(f, "-W '%s'", choices); break;
    case HN_OPT_COMMAND:
        fputs("-W '", f);
        command_names(f, " ");
        fputc('\'', f);
        break;
    default: fputs("-W ''", f);
    }
}

static void bash_command(FILE *f, const hn_command *cmd)
{
    const hn_opt *o;
    fprintf(f, "    %s)\n        case $before in\n", cmd ? cmd->name : "*");
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++) {
        if (o->kind == HN_OPT_FLAG)
            continue;
        fprintf(f, "        --%s", o->name);
        if (o->letter)
            fprintf(f, "|-%c", o->letter);
        fputs(") what=\"", f);
        bash_value(f, o->kind, o->choices);
        fputs("\" ;;\n", f);
    }
    fputs("        *)\n            case $word in\n            -*) what=\"-W '", f);
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++)
        fprintf(f, "%s--%s", i ? " " : "", o->name);
    fputs("'\" ;;\n            *) what=\"", f);
    if (!cmd)
        bash_value(f, HN_OPT_COMMAND, NULL);
    else if (cmd->operand && cmd->operand->name)
        bash_value(f, cmd->operand->kind, cmd->operand->choices);
    else
        bash_value(f, HN_OPT_TEXT, NULL);
    fputs("\" ;;\n            esac ;;\n        esac ;;\n", f);
}

static void bash(FILE *f)
{
    fputs("# bash completion for hone, made by `hone help --completion bash`\n"
          "_hone()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} cmd= what= i\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in -*) ;; *) cmd=${COMP_WORDS[i]}; break ;; esac\n"
          "    done\n"
          "    case $cmd in\n", f);
    for (const hn_command *const *c = hn_commands; *c; c++)
        bash_command(f, *c);
    bash_command(f, NULL);
    fputs("    esac\n"
          "    eval \"mapfile -t COMPREPLY < <(compgen $what -- \\\"\\$word\\\")\"\n"
          "}\n"
          "complete -o filenames -F _hone hone\n", f);
}

/* ---- zsh: _arguments does the work -------------------------------------------------------------- */

static void zsh_value(FILE *f, hn_opt_kind kind, const char *choices)
{
    switch (kind) {
    case HN_OPT_FILE: fputs("_files", f); break;
    case HN_OPT_DIR: fputs("_files -/", f); break;
    case HN_OPT_CHOICE: fprintf(f, "(%s)", choices); break;
    case HN_OPT_COMMAND:
        fputc('(', f);
        command_names(f, " ");
        fputc(')', f);
        break;
    default: break;
    }
}

static void zsh_options(FILE *f, const hn_command *cmd)
{
    const hn_opt *o;
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++) {
        for (int letter = 0; letter <= (o->letter != 0); letter++) {
            if (letter)
                fprintf(f, " \\\n            '*-%c%s[", o->letter, o->arg ? "+" : "");
            else
                fprintf(f, " \\\n            '*--%s%s[", o->name, o->arg ? "=" : "");
            quoted(f, o->help, "[]:");
            fputc(']', f);
            if (o->arg) {
                fprintf(f, ":%s:", o->arg);
                zsh_value(f, o->kind, o->choices);
            }
            fputc('\'', f);
        }
    }
}

static void zsh(FILE *f)
{
    fputs("#compdef hone\n# zsh completion for hone, made by `hone help --completion zsh`\n"
          "_hone()\n{\n"
          "    local context state state_descr line\n"
          "    typeset -A opt_args\n"
          "    _arguments -C", f);
    zsh_options(f, NULL);
    fputs(" \\\n            '1:command:((", f);
    for (const hn_command *const *c = hn_commands; *c; c++) {
        fprintf(f, "%s%s\\:\"", c == hn_commands ? "" : " ", (*c)->name);
        quoted(f, (*c)->summary, "[]:\"");
        fputc('"', f);
    }
    fputs("))' '*::argument:->rest'\n"
          "    [[ $state == rest ]] || return\n"
          "    case $line[1] in\n", f);
    for (const hn_command *const *c = hn_commands; *c; c++) {
        fprintf(f, "    %s)\n        _arguments", (*c)->name);
        zsh_options(f, *c);
        for (const hn_operand *o = (*c)->operand; o && o->name; o++) {
            fprintf(f, " \\\n            '%s:%s:", o->flags & HN_MANY ? "*" : "", o->name);
            zsh_value(f, o->kind, o->choices);
            fputc('\'', f);
        }
        fputs(" ;;\n", f);
    }
    fputs("    esac\n}\n_hone \"$@\"\n", f);
}

/* ---- fish: one line per fact ----------------------------------------------------------------------- */

static void fish_value(FILE *f, hn_opt_kind kind, const char *choices)
{
    switch (kind) {
    case HN_OPT_FILE: fputs(" -F", f); break;
    case HN_OPT_DIR: fputs(" -a '(__fish_complete_directories)'", f); break;
    case HN_OPT_CHOICE: fprintf(f, " -a '%s'", choices); break;
    case HN_OPT_COMMAND:
        fputs(" -a '", f);
        command_names(f, " ");
        fputc('\'', f);
        break;
    default: break;
    }
}

static void fish_options(FILE *f, const hn_command *cmd)
{
    const hn_opt *o;
    for (size_t i = 0; (o = hn_opt_at(cmd, i)); i++) {
        if (cmd && o == hn_global_opts)
            break;
        fputs("complete -c hone", f);
        if (cmd)
            fprintf(f, " -n '__fish_seen_subcommand_from %s'", cmd->name);
        fprintf(f, " -l %s", o->name);
        if (o->letter)
            fprintf(f, " -s %c", o->letter);
        if (o->arg) {
            fputs(" -x", f);
            fish_value(f, o->kind, o->choices);
        }
        fputs(" -d '", f);
        quoted(f, o->help, "");
        fputs("'\n", f);
    }
}

static void fish(FILE *f)
{
    fputs("# fish completion for hone, made by `hone help --completion fish`\n"
          "complete -c hone -f\n", f);
    for (const hn_command *const *c = hn_commands; *c; c++) {
        fprintf(f, "complete -c hone -n __fish_use_subcommand -a %s -d '", (*c)->name);
        quoted(f, (*c)->summary, "");
        fputs("'\n", f);
    }
    fish_options(f, NULL);
    for (const hn_command *const *c = hn_commands; *c; c++) {
        fish_options(f, *c);
        for (const hn_operand *o = (*c)->operand; o && o->name; o++) {
            if (o->kind == HN_OPT_TEXT)
                continue;
            fprintf(f, "complete -c hone -n '__fish_seen_subcommand_from %s'", (*c)->name);
            fish_value(f, o->kind, o->choices);
            fputc('\n', f);
        }
    }
}

void hn_help_completion(FILE *f, const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        bash(f);
    else if (strcmp(shell, "zsh") == 0)
        zsh(f);
    else
        fish(f);
}

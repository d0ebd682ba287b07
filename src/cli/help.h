/* SPDX-License-Identifier: Apache-2.0 */
/* Everything the program says about its commands, made from their tables. */
#ifndef HN_CLI_HELP_H
#define HN_CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"

void hn_help_short(FILE *f);                            /* `hone` alone */
void hn_help_print(FILE *f, const hn_command *cmd);     /* NULL: the program itself */
void hn_help_man(FILE *f);                              /* hone.1 */
void hn_help_markdown(FILE *f);                         /* doc/commands.md */
void hn_help_completion(FILE *f, const char *shell);    /* "bash", "zsh", "fish" */

/* "-t, --threads N"; "[options] WHAT [FILE...]"; into `out`, which is returned. */
enum { HN_HELP_TEXT = 128 };
const char *hn_help_option_text(const hn_opt *o, char out[HN_HELP_TEXT]);
const char *hn_help_usage_text(const hn_command *cmd, char out[HN_HELP_TEXT]);

/* What exit code `code` means, gathered from the list of errors; NULL when it means nothing. */
const char *hn_help_exit_text(int code, char out[HN_HELP_TEXT]);

#define HN_EXIT_MAX 7

#endif

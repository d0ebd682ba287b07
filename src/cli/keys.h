/* SPDX-License-Identifier: Apache-2.0 */
/* Keys named on the command line, and what unlocks them. */
#ifndef HN_CLI_KEYS_H
#define HN_CLI_KEYS_H

#include "cli/command.h"
#include "cli/system.h"

/* Put among a command's options: --passphrase-file. */
#define HN_PASSPHRASE_OPT \
    { "passphrase-file", 0, HN_OPT_FILE, "FILE",                                                     \
      "the first line of FILE unlocks the keys (else $HONE_PASSPHRASE, or it is asked for)", NULL, 0, 0 }

enum { HN_PASSPHRASE_MAX = 1024 };

/* For hn_key_open; `c` must outlive it. */
hn_ask hn_cli_ask(hn_cli *c);

/* A passphrase for a new key: the option's, the environment's, or asked for twice. */
hn_err hn_cli_new_passphrase(hn_cli *c, const char *what, char out[HN_PASSPHRASE_MAX]);

/* Opens every value of `option`; free with hn_cli_keys_free, on failure too. */
typedef struct hn_cli_keys { hn_key **key; size_t count; } hn_cli_keys;
hn_err hn_cli_keys_open(hn_cli *c, const hn_system *sys, const char *option, hn_cli_keys *out);
void hn_cli_keys_free(hn_cli *c, const hn_system *sys, hn_cli_keys *k);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Packages where commands take models: inspect and verify. */
#ifndef HN_CLI_PACKAGE_H
#define HN_CLI_PACKAGE_H

#include "cli/command.h"

/* A folder, or a file called .tar, that holds a package.  Anything else costs one stat. */
bool hn_cli_is_package(hn_cli *c, const char *path);

hn_err hn_cli_package_inspect(hn_cli *c, const char *path);
/* Every blob against its hash, every file against the manifest; "no" with the reason otherwise. */
hn_err hn_cli_package_verify(hn_cli *c, const char *path);

#endif

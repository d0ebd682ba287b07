/* SPDX-License-Identifier: Apache-2.0 */
/* What push and pull share. */
#ifndef HN_CLI_REGISTRY_H
#define HN_CLI_REGISTRY_H

#include "cli/command.h"
#include "cli/system.h"

#define HN_REGISTRY_OPTS { "ca", 0, HN_OPT_FILE, "FILE", "who may sign the registry's certificate, PEM (the system's)", NULL, 0, 0 }

/* From --ca and the environment. */
hn_registry_opts hn_cli_registry_opts(const hn_cli *c);

/* The end of both: which package it was. */
hn_err hn_cli_package_said(hn_cli *c, const hn_system *sys, const hn_package *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* hone version: what this build is. */
#include <jansson.h>

#include "cli/command.h"
#include "cli/table.h"
#include "graph/graph.h"
#include "hone.h"

static const char machine[] =
#if defined(__x86_64__)
    "x86_64";
#elif defined(__aarch64__)
    "aarch64";
#elif defined(__arm__)
    "arm";
#else
    "other";
#endif

static hn_err run(hn_cli *c)
{
    if (c->json)
        return hn_json_print(&c->cx, json_pack("{s:s, s:s, s:i}", "version", HONE_VERSION,
                                               "machine", machine, "opset", HN_OPSET));
    puts("hone " HONE_VERSION);
    return HN_OK;
}

const hn_command hn_command_version = {
    .name = "version", .summary = "what this build is",
    .example = "hone version --json",
    .help = "Prints the version; with --json also the machine the program was built for and the newest "
            "ONNX operator set it follows.",
    .reports = true, .run = run,
};

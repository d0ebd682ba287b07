/* SPDX-License-Identifier: Apache-2.0 */
/* What `hone pull` does with a URL that is no package: the file itself, to the end and with its hash. */
#ifndef HN_CLI_DOWNLOAD_H
#define HN_CLI_DOWNLOAD_H

#include "cli/command.h"

#define HN_DOWNLOAD_OPTS                                                                                        \
    { "output", 'o', HN_OPT_FILE, "OUT", "URL: where to put it, a file or a folder (the URL's last part)", NULL, 0, 0 }, \
    { "sha256", 0, HN_OPT_TEXT, "HEX", "URL: what it must hash to; anything else is not kept", NULL, 0, 0 },      \
    { "rate", 0, HN_OPT_INT, "BYTES", "URL: use at most so many bytes a second", NULL, 1024, 1e12 }

hn_err hn_cli_download(hn_cli *c, const char *from);

#endif

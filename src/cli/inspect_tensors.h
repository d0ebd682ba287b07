/* SPDX-License-Identifier: Apache-2.0 */
/* hone inspect for containers of tensors, which carry no graph: GGUF and safetensors. */
#ifndef HN_CLI_INSPECT_TENSORS_H
#define HN_CLI_INSPECT_TENSORS_H

#include "cli/command.h"

/* Does the file begin like one of them? */
bool hn_is_tensor_file(const char *path);
hn_err hn_inspect_tensors(hn_cli *c, const char *path, bool list);     /* list: every tensor */

#endif

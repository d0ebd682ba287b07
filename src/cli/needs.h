/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows of the lists a model uses: all that a library made for it alone has to hold. */
#ifndef HN_CLI_NEEDS_H
#define HN_CLI_NEEDS_H

#include "cli/command.h"
#include "formats/format.h"

/* Prints them as the lists write them, FORMAT(onnx) OP(conv) PASS(fold) IMPL(conv_gemm), for a plan with these
 * shapes of the inputs.  Bodies keep every pass: those run on them unseen. */
hn_err hn_needs_print(hn_cli *c, const hn_source *src, const hn_shape *shape);

#endif

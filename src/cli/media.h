/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures, for the commands that read them. */
#ifndef HN_CLI_MEDIA_H
#define HN_CLI_MEDIA_H

#include "media/media.h"

/* Loads libhone-media.so, once, from beside the program or from ../lib/hone; nowhere else is looked,
 * so nobody can slip another in.  It stays until the program ends. */
hn_err hn_media_open(hn_ctx *cx, const hn_media **out);

#endif

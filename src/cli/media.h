/* SPDX-License-Identifier: Apache-2.0 */
/* The media floor, opened when first needed: commands without pictures never load its libraries. */
#ifndef HN_CLI_MEDIA_H
#define HN_CLI_MEDIA_H

#include "media/media.h"

/* Finds libhone-media.so beside the program or in ../lib/hone.  The table is valid for the life of the
 * process; later calls give the same one. */
hn_err hn_media_open(hn_ctx *cx, const hn_media **out);

#endif

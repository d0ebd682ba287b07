/* SPDX-License-Identifier: Apache-2.0 */
/* Files carried inside the program: the default model and what shows it.
 *
 * The Makefile lists them; adding one is adding it to EMBEDDED there. */
#ifndef HN_CLI_EMBEDDED_H
#define HN_CLI_EMBEDDED_H

#include <stdbool.h>
#include <stddef.h>

typedef struct hn_embedded {
    const char *path;            /* as in the tree: "models/demo/labels.txt" */
    const unsigned char *data;   /* aligned to 64 bytes */
    size_t len;
} hn_embedded;

size_t hn_embedded_count(void);
hn_embedded hn_embedded_at(size_t i);
bool hn_embedded_find(const char *path, hn_embedded *out);   /* false when there is none */

#endif

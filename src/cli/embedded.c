/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/embedded.h"

#include <string.h>

/* EMBED(number, "path") per file, written by the Makefile. */
#define EMBED(n, file)                                                          \
    __asm__(".section .rodata\n"                                                \
            ".balign 64\n"                                                      \
            ".global hn_embed_" #n ", hn_embed_end_" #n "\n"                    \
            ".hidden hn_embed_" #n "\n.hidden hn_embed_end_" #n "\n"            \
            "hn_embed_" #n ":\n.incbin \"" file "\"\n"                          \
            "hn_embed_end_" #n ":\n.byte 0\n"                                   \
            ".text\n");                                                         \
    extern const unsigned char hn_embed_##n[], hn_embed_end_##n[];
#include "embedded.inc"
#undef EMBED

/* Lengths are differences of addresses, which only run time knows; so the table asks for them there. */
typedef struct entry { const char *path; const unsigned char *begin, *end; } entry;
static const entry entries[] = {
#define EMBED(n, file) { file, hn_embed_##n, hn_embed_end_##n },
#include "embedded.inc"
#undef EMBED
};

size_t hn_embedded_count(void) { return sizeof entries / sizeof *entries; }

hn_embedded hn_embedded_at(size_t i)
{
    return (hn_embedded){ entries[i].path, entries[i].begin, (size_t)(entries[i].end - entries[i].begin) };
}

bool hn_embedded_find(const char *path, hn_embedded *out)
{
    for (size_t i = 0; i < hn_embedded_count(); i++)
        if (strcmp(entries[i].path, path) == 0) {
            *out = hn_embedded_at(i);
            return true;
        }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a terminal can show.  Colours appear only on a terminal and never with NO_COLOR set. */
#ifndef HN_CLI_TERM_H
#define HN_CLI_TERM_H

#include <stdio.h>

enum hn_style { HN_STYLE_PLAIN, HN_STYLE_BOLD, HN_STYLE_DIM, HN_STYLE_RED, HN_STYLE_GREEN, HN_STYLE_YELLOW };

/* The bytes that switch `f` to a style, "" where it shows none. */
const char *hn_style(FILE *f, enum hn_style style);

int hn_term_width(FILE *f);      /* columns, 80 where it is no terminal; 40 to 100 */

/* Writes text wrapped to `width` columns, every line after `indent` spaces; a blank line in the
 * text starts a new paragraph.  The first line's indent is left out when `hang` is set: the
 * caller has written that much already. */
void hn_wrap(FILE *f, const char *text, int indent, int width, int hang);

#endif

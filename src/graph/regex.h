/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions that match or do not, in time linear in the text.
 *
 * The syntax is RE2's as far as it says which texts match: alternatives, groups, repeats (lazy ones match
 * the same texts), classes with \d \w \s and [:names:], ^ $ \b \B \A \z.  The expression becomes a list of
 * instructions, and all ways through it are followed at once, so no expression takes longer than its size
 * times the text's.  Not there: flags, Unicode classes (\p), \C, \Q. */
#ifndef HN_GRAPH_REGEX_H
#define HN_GRAPH_REGEX_H

#include "base/arena.h"
#include "tensor/tensor.h"

typedef struct hn_regex hn_regex;

/* In the arena.  HN_EFORMAT or HN_EUNSUP: *why says what is wrong, static text. */
hn_err hn_regex_new(hn_arena *a, hn_text pattern, hn_regex **out, const char **why);
bool hn_regex_full(hn_regex *r, hn_text t);         /* does all of t match?  uses r's memory */

#endif

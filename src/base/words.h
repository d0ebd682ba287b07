/* SPDX-License-Identifier: Apache-2.0 */
/* Words that are nearly right: what someone typed, and what they may have meant. */
#ifndef HN_BASE_WORDS_H
#define HN_BASE_WORDS_H

#include <stddef.h>

#define HN_WORD_MAX 32     /* longer words are not names of ours */

/* How many letters to change, add, drop or swap to make `b` of `a`. */
size_t hn_edit_distance(const char *a, size_t a_len, const char *b, size_t b_len);

#endif

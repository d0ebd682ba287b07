/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef HN_BASE_UTF8_H
#define HN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HN_UTF8_REPLACEMENT "\xEF\xBF\xBD"      /* U+FFFD, for what cannot be shown */

/* Bytes of the character at s, 1 to 4, with its code point in *cp; 0 when the bytes are not a
 * character, or not yet all of one (see hn_utf8_partial).  cp may be NULL. */
size_t hn_utf8_get(const char *s, size_t len, uint32_t *cp);

/* Writes the bytes of `cp`, at most 4, and returns how many; 0 for what is no code point. */
size_t hn_utf8_put(uint32_t cp, char out[4]);

/* Length of the longest prefix made of whole characters. */
size_t hn_utf8_valid(const char *s, size_t len);

/* Can more bytes turn the first `len` (1 to 3) bytes of s into one character? */
bool hn_utf8_partial(const char *s, size_t len);

/* Characters in valid text. */
size_t hn_utf8_count(const char *s, size_t len);

#endif

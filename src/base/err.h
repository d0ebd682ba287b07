/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: a code to branch on, a sentence to read.
 *
 * Functions that can fail return hn_err.  The sentence is written once, where
 * the fact is known, into the call context (base/ctx.h); results leave through
 * pointers that come last and are written only on success. */
#ifndef HN_BASE_ERR_H
#define HN_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(NAME, exit code of the program, what it means) */
#define HN_ERRORS(X)                                                     \
    X(NO,       1, "the answer is no")                                   \
    X(ARG,      2, "the call or command was used wrongly")               \
    X(FORMAT,   3, "input is damaged or not understood")                 \
    X(UNSUP,    4, "valid, but not supported here")                      \
    X(NOMEM,    5, "out of memory")                                      \
    X(LIMIT,    5, "over a configured limit")                            \
    X(IO,       3, "a file cannot be read or written")                   \
    X(NET,      6, "the network or a peer failed")                       \
    X(REFUSED,  7, "refused on security grounds")

typedef enum hn_err {
    HN_OK = 0,
#define X(name, exit, text) HN_E##name,
    HN_ERRORS(X)
#undef X
} hn_err;

typedef struct hn_ctx hn_ctx;

/* The only control-flow macro: pass a failure on to the caller. */
#define HN_TRY(call) do { hn_err e_ = (call); if (e_) return e_; } while (0)

/* Records the message in `cx` (which may be NULL) and returns `code`. */
hn_err hn_fail(hn_ctx *cx, hn_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* hn_fail for a failed allocation; `what` names what the bytes were for. */
hn_err hn_nomem(hn_ctx *cx, const char *what) __attribute__((cold));

const char *hn_err_text(hn_err e);   /* one line of English, static */
const char *hn_err_name(hn_err e);   /* "FORMAT", static */
int hn_err_exit(hn_err e);           /* the program's exit code, 0 for HN_OK */

#endif

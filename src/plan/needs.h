/* SPDX-License-Identifier: Apache-2.0 */
/* Needs: what a plan is asked for, from options or from a scenario file.
 *
 * A number that was not given is NAN, a word NULL.  Nothing is filled in here: who has to assume something
 * says so in the plan. */
#ifndef HN_PLAN_NEEDS_H
#define HN_PLAN_NEEDS_H

#include <jansson.h>

#include "base/arena.h"

typedef struct hn_needs {
#define TXT(field, option, arg, words, help) const char *field;
#define NUM(field, option, arg, unit, least, most, help) double field;
#include "plan/needs.def"
#undef TXT
#undef NUM
    const char *file;                /* a model file; NULL */
} hn_needs;

void hn_needs_clear(hn_needs *n);
/* One value as it was typed, by option name; HN_EARG says what is wrong with it. */
hn_err hn_needs_set(hn_ctx *cx, hn_needs *n, const char *option, const char *value);
/* A scenario: an object with these keys and "file".  HN_EFORMAT names file, line, key. */
hn_err hn_needs_read(hn_ctx *cx, const char *path, hn_arena *a, hn_needs *n);
hn_err hn_needs_parse(hn_ctx *cx, const char *path, const char *text, size_t len, hn_arena *a, hn_needs *n);
/* Demands that rule each other out: HN_EARG says which two. */
hn_err hn_needs_check(hn_ctx *cx, const hn_needs *n);
/* The currency has a code that exists and, unless it is USD, a rate. */
hn_err hn_currency_check(hn_ctx *cx, const hn_needs *n);
/* What was given, and only that. */
json_t *hn_needs_json(const hn_needs *n);

bool hn_needs_lm(const hn_needs *n);         /* the task makes tokens */
static inline bool hn_given_number(double x) { return x == x; }

#endif

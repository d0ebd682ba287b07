/* SPDX-License-Identifier: Apache-2.0 */
/* Comma-separated tables: a first row of names, quoted cells, "" for a quote.  Cells are text. */
#ifndef HN_PLAN_CSV_H
#define HN_PLAN_CSV_H

#include "base/arena.h"

typedef struct hn_csv {
    const char *name;                /* of the file, for messages */
    size_t rows, columns;            /* rows without the heading */
    const char **head;               /* [columns] */
    const char **cell;               /* [rows, columns] */
    const size_t *line;              /* [rows] where each begins, counted from 1 */
} hn_csv;

/* Everything lives in `a`.  Fails with HN_EFORMAT, naming file and line. */
hn_err hn_csv_read(hn_ctx *cx, const char *name, const char *data, size_t len, hn_arena *a, hn_csv *out);

/* "" when the table has no such column. */
const char *hn_csv_text(const hn_csv *t, size_t row, const char *column);
double hn_csv_real(const hn_csv *t, size_t row, const char *column);     /* NAN when empty or no number */

#endif

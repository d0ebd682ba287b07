/* SPDX-License-Identifier: Apache-2.0 */
/* page.c: the report as one HTML file. */
#include "plan/report.h"

void hn_report_page(const json_t *r, hn_buf *b)
{
    hn_buf_printf(b, "<!doctype html><title>%s</title>\n", hn_entry_text(r, "sentence"));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Plots as inline SVG, from a report: memory bars, speed bands, a latency chain, cost curves.  Colours are
 * classes of the page's style. */
#ifndef HN_PLAN_PLOT_H
#define HN_PLAN_PLOT_H

#include <jansson.h>

#include "base/buf.h"

void hn_html_text(hn_buf *b, const char *text);                     /* escaped */

/* rows: offers of a report; label: the key that names each. */
void hn_plot_fit(hn_buf *b, const json_t *rows, const char *label);
void hn_plot_bands(hn_buf *b, const json_t *rows, const char *label, const char *key, const char *unit,
                   const char *bound);
void hn_plot_chain(hn_buf *b, const json_t *chain);
void hn_plot_cost(hn_buf *b, const json_t *money);

#endif

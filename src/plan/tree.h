/* SPDX-License-Identifier: Apache-2.0 */
/* Trees and tables of decisions: the ones people know, walked with this plan's answers.
 *
 * They are data (decisions.json); what is code here is how a question is answered from needs and device,
 * and every step taken is kept, so that `--explain` can show the path. */
#ifndef HN_PLAN_TREE_H
#define HN_PLAN_TREE_H

#include "plan/money.h"
#include "plan/offer.h"

/* One walk: {"tree", "path": [{"ask", "answer", "because"}], "then": [ids], "why", "or", "source"}; a new
 * reference, NULL when a question has no answer yet. */
json_t *hn_tree_runtime(const hn_catalog *c, const hn_device *d);
json_t *hn_tree_quant(const hn_catalog *c, const hn_device *d, const hn_needs *n);
json_t *hn_tree_cloud(const hn_catalog *c, const hn_needs *n);

/* Edge or cloud by the six factors: [{"factor", "says": "edge" | "cloud" | "-", "because"}]. */
json_t *hn_factors(const hn_catalog *c, const hn_needs *n, hn_way cheapest);
/* "edge", "cloud" or "hybrid" of them; *why in words. */
const char *hn_factors_verdict(const hn_needs *n, const json_t *factors, const char **why);

/* The ten dimensions, as the table has them. */
json_t *hn_dimensions(const hn_catalog *c);
/* Steps advised for an audience: {"audience", "steps", "source"}; NULL when not asked. */
json_t *hn_advice(const hn_catalog *c, const hn_needs *n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Ours and a peer, turn by turn in one process. */
#ifndef HN_CLI_AGAINST_H
#define HN_CLI_AGAINST_H

#include <jansson.h>

#include "cli/peer.h"
#include "runtime/session.h"

typedef struct hn_against {
    const hn_peer *peer;
    char version[32];
    size_t pairs;
    double ours_ms, peer_ms;            /* medians of the turns' medians */
    double ours_min_ms, peer_min_ms;
    double peer_load_ms;
    double worst;                       /* largest difference of a float output, in units of its largest element */
} hn_against;

/* "ort:LIB" into a peer and its library's path. */
hn_err hn_against_parse(hn_ctx *cx, const char *text, const hn_peer **peer, const char **lib);

/* At least nine pairs of turns over `seconds`; out_count float results are compared after the first. */
hn_err hn_against_measure(hn_ctx *cx, const hn_peer *peer, const hn_peer_job *job, hn_session *session,
                          double seconds, hn_against *out);

void hn_against_report(const hn_against *a, json_t *j);
void hn_against_print(const hn_against *a);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A peer on 127.0.0.1 that does what no honest server does: a script of bytes and pauses for each
 * connection, whatever was asked. */
#ifndef HN_TEST_PEER_H
#define HN_TEST_PEER_H

#include <stddef.h>

typedef struct hn_peer hn_peer;

/* Plays one connection, the n-th from 0; `request` is what came up to the empty line.  Returns when it has
 * nothing more to say; the connection is closed then. */
typedef void (*hn_peer_play)(void *user, int fd, size_t n, const char *request);

hn_peer *hn_peer_start(hn_peer_play play, void *user);       /* fails the test when it cannot */
const char *hn_peer_url(const hn_peer *p);                   /* "http://127.0.0.1:4711" */
void hn_peer_stop(hn_peer *p);                               /* whatever it is playing ends */
size_t hn_peer_count(const hn_peer *p);                      /* connections so far */

/* False once the other side is gone or the peer is stopped. */
int hn_peer_say(int fd, const void *data, size_t len);
int hn_peer_text(int fd, const char *text);
void hn_peer_wait_ms(int ms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/system/peer.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct hn_peer {
    int listener;
    _Atomic int current;           /* the connection being played, -1 for none */
    _Atomic size_t count;
    _Atomic int stopped;
    hn_peer_play play;
    void *user;
    pthread_t thread;
    char url[64];
};

int hn_peer_say(int fd, const void *data, size_t len)
{
    const char *at = data;
    char byte;
    if (len == 0)
        return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return 0;
        at += n;
        len -= (size_t)n;
    }
    return 1;
}

int hn_peer_text(int fd, const char *text) { return hn_peer_say(fd, text, strlen(text)); }

void hn_peer_wait_ms(int ms)
{
    struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
    nanosleep(&t, NULL);
}

static void read_request(int fd, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = 0;
    while (len + 1 < cap && !strstr(out, "\r\n\r\n")) {
        ssize_t n = recv(fd, out + len, cap - 1 - len, 0);
        if (n <= 0)
            return;
        len += (size_t)n;
        out[len] = 0;
    }
}

static void *serve(void *user)
{
    hn_peer *p = user;
    char request[8192];
    while (!atomic_load(&p->stopped)) {
        int fd = accept(p->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        atomic_store(&p->current, fd);
        read_request(fd, request, sizeof request);
        if (!atomic_load(&p->stopped))
            p->play(p->user, fd, atomic_fetch_add(&p->count, 1), request);
        atomic_store(&p->current, -1);
        shutdown(fd, SHUT_RDWR);
        close(fd);
    }
    return NULL;
}

hn_peer *hn_peer_start(hn_peer_play play, void *user)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    hn_peer *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->play = play;
    p->user = user;
    p->current = -1;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(p->listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(p->listener, 16) != 0 ||
        getsockname(p->listener, (struct sockaddr *)&at, &len) != 0 || pthread_create(&p->thread, NULL, serve, p) != 0)
        abort();
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u", ntohs(at.sin_port));
    return p;
}

const char *hn_peer_url(const hn_peer *p) { return p->url; }
size_t hn_peer_count(const hn_peer *p) { return atomic_load(&((hn_peer *)(uintptr_t)p)->count); }

void hn_peer_stop(hn_peer *p)
{
    atomic_store(&p->stopped, 1);
    shutdown(p->listener, SHUT_RDWR);
    int fd = atomic_load(&p->current);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->listener);
    free(p);
}

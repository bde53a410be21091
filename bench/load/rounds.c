/* Connect, one message, its echo, end of ours, end of theirs, close; one after the other. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

static bool one_round(const struct plan *p, unsigned i)
{
    int fd = dial(p, i);
    if (fd < 0) {
        perror("load: connect");
        return false;
    }
    char byte;
    bool right = echo_once(p, fd, i, i) && shutdown(fd, SHUT_WR) == 0 && recv(fd, &byte, 1, 0) == 0;
    close(fd);
    return right;
}

struct result rounds(const struct plan *p)
{
    struct result r = {0};
    gate(p, "ready");
    uint64_t started = now_ns(), now = started;
    uint64_t deadline = started + (uint64_t)(p->seconds * 1e9);
    for (unsigned i = 0; now < deadline && (!p->requests || i < p->requests) && r.errors < 100; i++) {
        bool right = one_round(p, i);
        uint64_t then = now_ns();
        if (right) {
            record_latency(then - now);
            r.requests++;
            r.bytes += p->size;
        } else {
            r.errors++;
        }
        now = then;
    }
    r.seconds = (double)(now - started) / 1e9;
    return r;
}

/* Many connections that do nothing; at the end some talk, and none may have been lost. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "load.h"

static bool is_open(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void hold(const struct plan *p)
{
    if (p->gate) {
        gate(p, "ready");
        return;
    }
    struct timespec rest = {.tv_sec = (time_t)p->seconds,
                            .tv_nsec = (long)((p->seconds - (double)(time_t)p->seconds) * 1e9)};
    nanosleep(&rest, NULL);
}

static void talk(const struct plan *p, int fd, unsigned i, struct result *r)
{
    uint64_t since = now_ns();
    if (!echo_once(p, fd, i, 2)) {
        r->errors++;
        return;
    }
    record_latency(now_ns() - since);
    r->requests++;
    r->bytes += p->size;
}

struct result idle(const struct plan *p)
{
    struct result r = {0};
    int *fds = calloc(p->conns, sizeof *fds);
    if (!fds) {
        perror("load");
        exit(1);
    }
    uint64_t started = now_ns();
    for (unsigned i = 0; i < p->conns; i++) {
        fds[i] = dial(p, i);
        if (fds[i] < 0) {
            fprintf(stderr, "load: connection %u: ", i);
            perror("connect");
            exit(1);
        }
        if (!echo_once(p, fds[i], i, 1)) { /* accepted by the kernel is not yet served */
            fprintf(stderr, "load: connection %u got no echo\n", i);
            exit(1);
        }
    }
    hold(p);
    for (unsigned i = 0; i < p->conns && r.requests + r.errors < p->active; i++)
        talk(p, fds[(uint64_t)i * p->conns / p->active], i * p->conns / p->active, &r);
    for (unsigned i = 0; i < p->conns; i++)
        r.lost += !is_open(fds[i]);
    r.errors += r.lost;
    r.seconds = (double)(now_ns() - started) / 1e9;
    return r;
}

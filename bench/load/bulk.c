/* As much as goes through a relay, one way or both: we are its clients and, on --sink, its
 * target. When time is up each sender ends its direction; all that was sent must have come, and
 * both ends with it. One thread, epoll. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load.h"

enum { EVENTS = 64, TICK_MS = 100, TURN = 4 /* pieces, then the others get theirs */ };

/* One end of one connection through the relay. */
struct end {
    int fd;
    struct end *other;
    uint64_t sent, got;
    bool sends, has_ended, has_heard_end, is_dead;
};

static struct result sum;
static struct end *ends;
static unsigned count;
static uint64_t deadline;
static int epfd;
static char buffer[STREAM_PIECE];

static void die(const char *call)
{
    perror(call);
    exit(1);
}

static int listen_on(int port, unsigned backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    if (fd < 0)
        die("load: socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
        die("load: bind");
    if (listen(fd, (int)backlog) < 0)
        die("load: listen");
    return fd;
}

static void settle(struct end *e, int fd, struct end *other, bool sends)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    *e = (struct end){.fd = fd, .other = other, .sends = sends};
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = e};
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
        die("load: epoll_ctl");
}

/* One after the other, so that we know whose far end it is that the relay dials. */
static void open_all(const struct plan *p, bool both)
{
    int listener = listen_on(p->sink, p->conns);
    for (unsigned i = 0; i < p->conns; i++) {
        int near = dial(p, i);
        if (near < 0)
            die("load: connect");
        int far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (far < 0)
            die("load: the relay does not dial");
        struct end *e = &ends[2 * (uint64_t)i];
        settle(e, near, e + 1, true);
        settle(e + 1, far, e, both);
    }
    close(listener);
}

static void give_up(struct end *e)
{
    sum.errors += !e->is_dead;
    e->is_dead = e->has_heard_end = e->has_ended = true;
}

static void end_ours(struct end *e)
{
    e->has_ended = true;
    if (shutdown(e->fd, SHUT_WR) < 0)
        give_up(e);
}

/* True: there may be more to do at once. */
static bool push(struct end *e)
{
    if (e->has_ended)
        return false;
    if (!e->sends) { /* its end comes after the other's, as an answer's does */
        if (e->has_heard_end)
            end_ours(e);
        return false;
    }
    if (now_ns() >= deadline) {
        end_ours(e);
        return false;
    }
    ssize_t n = send(e->fd, stream_at(e->sent), STREAM_PIECE, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            give_up(e);
        return false;
    }
    e->sent += (uint64_t)n;
    return n == STREAM_PIECE;
}

static bool pull(struct end *e)
{
    if (e->has_heard_end)
        return false;
    ssize_t n = recv(e->fd, buffer, sizeof buffer, 0);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            give_up(e);
        return false;
    }
    e->has_heard_end = n == 0;
    if (!is_stream(buffer, e->got, (size_t)n))
        give_up(e);
    e->got += (uint64_t)n;
    sum.bytes += (uint64_t)n;
    return n > 0;
}

/* Edges come once: who stopped before its socket did has to be asked again. */
static bool turn(struct end *e)
{
    bool more = false;
    for (int i = 0; i < TURN; i++) {
        bool pulled = pull(e), pushed = push(e);
        more = pulled || pushed;
        if (!more)
            break;
    }
    return more;
}

static bool all_done(void)
{
    for (unsigned i = 0; i < count; i++)
        if (!ends[i].has_ended || !ends[i].has_heard_end)
            return false;
    return true;
}

static void loop(void)
{
    uint64_t patience = deadline + PATIENCE_S * 1000000000ull;
    bool more = true;
    while (!all_done() && now_ns() < patience) {
        struct epoll_event events[EVENTS];
        epoll_wait(epfd, events, EVENTS, more ? 0 : TICK_MS);
        more = false;
        for (unsigned i = 0; i < count; i++)
            more |= turn(&ends[i]);
    }
}

static void settle_up(void)
{
    for (unsigned i = 0; i < count; i++) {
        struct end *e = &ends[i];
        sum.errors += !e->is_dead && (!e->has_heard_end || e->got != e->other->sent);
    }
}

struct result bulk(const struct plan *p)
{
    bool both = strcmp(p->mode, "both") == 0;
    count = 2 * p->conns;
    ends = calloc(count, sizeof *ends);
    epfd = epoll_create1(EPOLL_CLOEXEC);
    if (!ends || epfd < 0)
        die("load");
    open_all(p, both);
    gate(p, "ready");
    uint64_t started = now_ns();
    deadline = started + (uint64_t)(p->seconds * 1e9);
    loop();
    settle_up();
    sum.seconds = (double)(now_ns() - started) / 1e9;
    return sum;
}

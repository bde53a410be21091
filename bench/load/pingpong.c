/* The closed loop: every connection has one message on its way and sends the next one when
 * the answer is whole and right. One thread, epoll. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

enum { EVENTS = 256, TICK_MS = 100 };
static const uint64_t LOST_NS = 1000000000; /* a datagram without an answer by then is lost */
static const uint64_t DRAIN_NS = 5000000000;

struct peer {
    int fd; /* -1: given up */
    bool waiting, wants_room;
    size_t sent, got;
    uint64_t number, since;
};

static const struct plan *plan;
static struct peer *peers;
static struct result sum;
static unsigned waiting, alive;
static uint64_t started, deadline, asked;
static int epfd;
static char buffer[MAX_MESSAGE + 1];

static void give_up(struct peer *p)
{
    sum.errors++;
    if (p->waiting)
        waiting--;
    close(p->fd);
    *p = (struct peer){.fd = -1};
    alive--;
}

static void watch(struct peer *p, int op, bool room)
{
    struct epoll_event ev = {.events = EPOLLIN | (room ? EPOLLOUT : 0), .data.ptr = p};
    if (epoll_ctl(epfd, op, p->fd, &ev) < 0) {
        perror("epoll_ctl");
        exit(1);
    }
    p->wants_room = room;
}

static void push(struct peer *p)
{
    const char *message = message_for((uint32_t)(p - peers), p->number, plan->size);
    ssize_t n = send(p->fd, message + p->sent, plan->size - p->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        give_up(p);
        return;
    }
    p->sent += n > 0 ? (size_t)n : 0;
    bool room = p->sent < plan->size;
    if (room != p->wants_room)
        watch(p, EPOLL_CTL_MOD, room);
}

static void ask(struct peer *p, uint64_t now)
{
    if (now >= deadline || (plan->requests && asked >= plan->requests))
        return;
    asked++;
    waiting++;
    p->waiting = true;
    p->number++;
    p->sent = p->got = 0;
    p->since = now;
    push(p);
}

static void answered(struct peer *p)
{
    uint64_t now = now_ns();
    record_latency(now - p->since);
    sum.requests++;
    waiting--;
    p->waiting = false;
    if (plan->pause_ns) {
        struct timespec pause = {(time_t)(plan->pause_ns / 1000000000u), (long)(plan->pause_ns % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        now = now_ns();
    }
    ask(p, now);
}

static void pull_datagram(struct peer *p)
{
    ssize_t n = recv(p->fd, buffer, sizeof buffer, 0);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            give_up(p);
        return;
    }
    uint32_t id = (uint32_t)(p - peers);
    if (!p->waiting || (size_t)n != plan->size ||
        !is_message(buffer, 0, (size_t)n, id, p->number, plan->size)) {
        sum.errors++; /* wrong, or the late answer to one that was given up: both are errors */
        return;
    }
    sum.bytes += (uint64_t)n;
    answered(p);
}

static void pull_bytes(struct peer *p)
{
    size_t room = p->waiting ? plan->size - p->got : 1;
    ssize_t n = recv(p->fd, buffer, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    uint32_t id = (uint32_t)(p - peers);
    if (n <= 0 || !p->waiting || !is_message(buffer, p->got, (size_t)n, id, p->number, plan->size)) {
        give_up(p);
        return;
    }
    sum.bytes += (uint64_t)n;
    p->got += (size_t)n;
    if (p->got == plan->size)
        answered(p);
}

static void look_for_lost(uint64_t now)
{
    for (unsigned i = 0; plan->udp && i < plan->conns; i++) {
        struct peer *p = &peers[i];
        if (p->fd >= 0 && p->waiting && now - p->since > LOST_NS) {
            sum.lost++;
            sum.errors++;
            waiting--;
            p->waiting = false;
            ask(p, now);
        }
    }
}

static void loop(void)
{
    struct epoll_event events[EVENTS];
    uint64_t next_look = started;
    while (alive && waiting) {
        int n = epoll_wait(epfd, events, EVENTS, TICK_MS);
        for (int i = 0; i < n; i++) {
            struct peer *p = events[i].data.ptr;
            if (p->fd >= 0 && events[i].events & EPOLLOUT)
                push(p);
            if (p->fd < 0 || !(events[i].events & ~(uint32_t)EPOLLOUT))
                continue;
            if (plan->udp)
                pull_datagram(p);
            else
                pull_bytes(p);
        }
        uint64_t now = now_ns();
        if (now > next_look) {
            look_for_lost(now);
            next_look = now + TICK_MS * 1000000u;
        }
        if (now > deadline && now - deadline > DRAIN_NS)
            break;
    }
    sum.errors += waiting;
    sum.seconds = (double)(now_ns() - started) / 1e9;
}

static void open_all(void)
{
    for (unsigned i = 0; i < plan->conns; i++) {
        peers[i].fd = dial(plan, i);
        if (peers[i].fd < 0) {
            perror("load: connect");
            exit(1);
        }
    }
    for (unsigned i = 0; i < plan->conns; i++) { /* one answer each before the clock starts */
        if (!echo_once(plan, peers[i].fd, i, 0)) {
            fprintf(stderr, "load: connection %u got no echo\n", i);
            exit(1);
        }
        fcntl(peers[i].fd, F_SETFL, O_NONBLOCK);
        watch(&peers[i], EPOLL_CTL_ADD, false);
    }
    alive = plan->conns;
}

struct result pingpong(const struct plan *p)
{
    plan = p;
    peers = calloc(p->conns, sizeof *peers);
    epfd = epoll_create1(EPOLL_CLOEXEC);
    if (!peers || epfd < 0) {
        perror("load");
        exit(1);
    }
    open_all();
    gate(p, "ready");
    started = now_ns();
    deadline = started + (uint64_t)(p->seconds * 1e9);
    for (unsigned i = 0; i < p->conns; i++)
        ask(&peers[i], started);
    loop();
    return sum;
}

/* The bare epoll echo loop that hobnob is measured against: one thread, level-triggered,
 * nonblocking, TCP_NODELAY, one 64 KiB buffer for all connections.
 *
 *     cc -O2 -o echo_tcp echo_tcp.c && ./echo_tcp 9100
 *
 * With a second number it spins for so many microseconds before each answer: a server that is slower by so much.
 */
#define _GNU_SOURCE
#include "listen.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 64 * 1024, EVENTS = 256, MAX_FDS = 1 << 20 };

/* What a slow peer has not taken yet. A connection with a rest is not read from. */
struct rest {
    size_t at, len;
    char data[];
};

static struct rest *rests[MAX_FDS];
static char buffer[BUFFER];
static int epfd;
static uint64_t spin_ns;

static void watch(int op, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};
    if (epoll_ctl(epfd, op, fd, &ev) < 0)
        die("epoll_ctl");
}

static void drop(int fd)
{
    free(rests[fd]);
    rests[fd] = NULL;
    close(fd);
}

static void welcome(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return;
        die("accept4"); /* EMFILE would spin here: better to end */
    }
    if (fd >= MAX_FDS) {
        close(fd);
        return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

static void keep_rest(int fd, const char *data, size_t len)
{
    struct rest *r = malloc(sizeof *r + len);
    if (!r)
        die("malloc");
    r->at = 0;
    r->len = len;
    memcpy(r->data, data, len);
    rests[fd] = r;
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void send_rest(int fd)
{
    struct rest *r = rests[fd];
    ssize_t n = send(fd, r->data + r->at, r->len - r->at, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            drop(fd);
        return;
    }
    r->at += (size_t)n;
    if (r->at == r->len) {
        free(r);
        rests[fd] = NULL;
        watch(EPOLL_CTL_MOD, fd, EPOLLIN);
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void spin(void)
{
    uint64_t end = spin_ns ? now_ns() + spin_ns : 0;
    while (end && now_ns() < end)
        ;
}

static void echo(int fd)
{
    ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            drop(fd);
        return;
    }
    spin();
    ssize_t sent = send(fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            drop(fd);
            return;
        }
        sent = 0;
    }
    if (sent < got)
        keep_rest(fd, buffer + sent, (size_t)(got - sent));
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: %s PORT [MICROSECONDS]\n", argv[0]);
        return 2;
    }
    if (argc == 3)
        spin_ns = strtoull(argv[2], NULL, 10) * 1000;
    raise_files();
    int listener = listen_on(atoi(argv[1]));
    epfd = epoll_create1(EPOLL_CLOEXEC);
    if (epfd < 0)
        die("epoll_create1");
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epfd, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                welcome(fd);
            else if (rests[fd])
                send_rest(fd);
            else
                echo(fd);
        }
    }
}

/* The bare relay that hobnob is measured against: one thread, level-triggered epoll, and
 * splice through a pipe of 1 MiB each way. Ends are passed on one by one.
 *
 *     cc -O2 -o relay_splice relay_splice.c && ./relay_splice 9102 9100
 */
#define _GNU_SOURCE
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { PIPE = 1 << 20, EVENTS = 256 };

/* One socket, and the pipe that takes what comes from it to the other one. */
struct side {
    struct side *other;
    struct session *session;
    int fd, in, out;   /* the socket; the pipe's writing and reading end */
    size_t filled;     /* bytes in the pipe */
    uint32_t watched;  /* events asked for; 0: not in epoll */
    bool has_ended, is_dialling;
};

struct session {
    struct side down, up;
    struct session *next_dead;
    bool is_dead;
};

static struct sockaddr_in target;
static struct session *dead; /* freed after the batch: it may hold more of their events */
static int epfd;

static void watch(struct side *s, uint32_t events)
{
    if (events == s->watched)
        return;
    int op = !events ? EPOLL_CTL_DEL : s->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    struct epoll_event ev = {.events = events, .data.ptr = s};
    if (epoll_ctl(epfd, op, s->fd, &ev) < 0)
        die("epoll_ctl");
    s->watched = events;
}

static void shut(struct side *s)
{
    int fds[] = {s->fd, s->in, s->out};
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void drop(struct session *it)
{
    shut(&it->down);
    shut(&it->up);
    it->is_dead = true;
    it->next_dead = dead;
    dead = it;
}

static bool is_over(const struct side *s)
{
    return s->has_ended && !s->filled;
}

/* Reads while its pipe is empty; writes while the other's is not. */
static void watch_what_matters(struct side *s)
{
    bool reads = !s->filled && !s->has_ended && !s->other->is_dialling;
    bool writes = s->other->filled || s->is_dialling;
    watch(s, (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0));
}

static bool blocked(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* Out of its pipe into the other socket; false: that is gone. */
static bool pour(struct side *s)
{
    ssize_t n = splice(s->out, NULL, s->other->fd, NULL, s->filled, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0)
        return blocked();
    s->filled -= (size_t)n;
    return true;
}

/* Into its pipe, which is empty, and on; false: a socket is gone. */
static bool fill(struct side *s)
{
    ssize_t n = splice(s->fd, NULL, s->in, NULL, PIPE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0)
        return blocked();
    if (n > 0) {
        s->filled = (size_t)n;
        return pour(s);
    }
    s->has_ended = true;
    return shutdown(s->other->fd, SHUT_WR) == 0;
}

static bool has_connected(struct side *s)
{
    int error = 0;
    socklen_t len = sizeof error;
    s->is_dialling = false;
    return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && !error;
}

static void move(struct side *s, uint32_t events)
{
    bool lives = true;
    if (s->is_dialling)
        lives = has_connected(s);
    else if (events & EPOLLOUT)
        lives = !s->other->filled || pour(s->other);
    if (lives && s->watched & EPOLLIN && events & ~(uint32_t)EPOLLOUT)
        lives = fill(s);
    if (!lives || (is_over(s) && is_over(s->other))) {
        drop(s->session);
        return;
    }
    watch_what_matters(s);
    watch_what_matters(s->other);
}

static void make_pipe(struct side *s)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
        die("pipe2");
    if (fcntl(ends[1], F_SETPIPE_SZ, PIPE) < 0)
        die("F_SETPIPE_SZ");
    s->out = ends[0];
    s->in = ends[1];
}

static void set_up(struct session *it, struct side *s, struct side *other, int fd)
{
    int one = 1;
    *s = (struct side){.other = other, .session = it, .fd = fd};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    make_pipe(s);
}

static void welcome(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (blocked() || errno == ECONNABORTED)
            return;
        die("accept4"); /* EMFILE would spin here: better to end */
    }
    int to = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct session *it = calloc(1, sizeof *it);
    if (to < 0 || !it)
        die("socket");
    set_up(it, &it->down, &it->up, fd);
    set_up(it, &it->up, &it->down, to);
    if (connect(to, (struct sockaddr *)&target, sizeof target) < 0) {
        if (errno != EINPROGRESS) {
            drop(it);
            return;
        }
        it->up.is_dialling = true;
    }
    watch_what_matters(&it->down);
    watch_what_matters(&it->up);
}

static void bury(void)
{
    while (dead) {
        struct session *it = dead;
        dead = it->next_dead;
        free(it);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s PORT TARGET_PORT\n", argv[0]);
        return 2;
    }
    raise_files();
    signal(SIGPIPE, SIG_IGN); /* splice has no MSG_NOSIGNAL */
    target = loopback(atoi(argv[2]));
    int listener = listen_on(atoi(argv[1]));
    epfd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &ev) < 0)
        die("epoll");
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epfd, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct side *s = events[i].data.ptr;
            if (!s)
                welcome(listener);
            else if (!s->session->is_dead)
                move(s, events[i].events);
        }
        bury();
    }
}

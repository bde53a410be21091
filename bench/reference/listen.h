/* What the reference servers have in common: where they listen, and an end with a reason. Each
 * defines _GNU_SOURCE and includes this before all else.
 */
#ifndef LISTEN_H
#define LISTEN_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { BACKLOG = 4096 };

static inline void die(const char *call)
{
    perror(call);
    exit(1);
}

static inline struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A socket of this type and flags on loopback. */
static inline int bound(int type, int flags, int port)
{
    int fd = socket(AF_INET, type | flags | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    int one = 1;
    if (type == SOCK_STREAM) /* two datagram sockets could share the port with it */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = loopback(port);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
        die("bind");
    return fd;
}

/* Says which port it is. */
static inline int said(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        die("getsockname");
    printf("listening %d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static inline int listen_on(int port)
{
    int fd = bound(SOCK_STREAM, SOCK_NONBLOCK, port);
    if (listen(fd, BACKLOG) < 0)
        die("listen");
    return said(fd);
}

/* As many descriptors as there may be. */
static inline void raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

#endif

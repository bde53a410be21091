#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "load.h"

/* A source address of its own for every 127.0.1.x, because one has only 28,000 ports. */
static int bind_source(const struct plan *p, int fd, unsigned index)
{
    if (p->sources < 2 || p->there.ss_family != AF_INET)
        return 0;
    int one = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000101 + index % p->sources)};
    return bind(fd, (struct sockaddr *)&from, sizeof from);
}

int dial(const struct plan *p, unsigned index)
{
    int type = p->udp ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(p->there.ss_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int one = 1;
    if (!p->udp)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind_source(p, fd, index) < 0 ||
        connect(fd, (const struct sockaddr *)&p->there, p->there_len) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

bool echo_once(const struct plan *p, int fd, uint32_t peer, uint64_t number)
{
    static char buffer[MAX_MESSAGE + 1];
    size_t sent = 0, got = 0;
    do {
        ssize_t n = send(fd, message_for(peer, number, p->size) + sent, p->size - sent, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        sent += (size_t)n;
    } while (sent < p->size);
    do {
        ssize_t n = recv(fd, buffer, p->udp ? sizeof buffer : p->size - got, 0);
        if (n < 0 || (n == 0 && p->size) || got + (size_t)n > p->size ||
            !is_message(buffer, got, (size_t)n, peer, number, p->size))
            return false;
        got += (size_t)n;
        if (p->udp && got < p->size)
            return false;
    } while (got < p->size);
    return true;
}

void gate(const struct plan *p, const char *word)
{
    if (!p->gate)
        return;
    char line[16];
    if (word) {
        puts(word);
        fflush(stdout);
    }
    if (!fgets(line, sizeof line, stdin))
        exit(0); /* whoever started us is gone or wants no more */
}

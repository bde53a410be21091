/* The bare UDP echo that hobnob is measured against: one thread, whole batches with
 * recvmmsg and sendmmsg.
 *
 *     cc -O2 -o echo_udp echo_udp.c && ./echo_udp 9101
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BATCH = 32, BUFFER = 64 * 1024 };

static char buffers[BATCH][BUFFER];
static struct sockaddr_in peers[BATCH];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];

static void die(const char *call)
{
    perror(call);
    exit(1);
}

static int bind_to(int port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    if (bind(fd, (struct sockaddr *)&at, len) < 0)
        die("bind");
    if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        die("getsockname");
    printf("listening %d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

/* Room for the next batch: sizes and address lengths are overwritten by every call. */
static void make_room(int count)
{
    for (int i = 0; i < count; i++) {
        vectors[i] = (struct iovec){buffers[i], BUFFER};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                              .msg_namelen = sizeof peers[i],
                                              .msg_iov = &vectors[i],
                                              .msg_iovlen = 1};
    }
}

static void answer(int fd, int count)
{
    for (int i = 0; i < count; i++)
        vectors[i].iov_len = messages[i].msg_len;
    for (int done = 0; done < count;) {
        int n = sendmmsg(fd, messages + done, (unsigned)(count - done), 0);
        if (n > 0)
            done += n;
        else if (errno != EINTR)
            done += 1; /* this peer cannot be answered; the others can */
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return 2;
    }
    int fd = bind_to(atoi(argv[1]));
    make_room(BATCH);
    for (;;) {
        int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (n < 0) {
            if (errno == EINTR || errno == ECONNREFUSED)
                continue;
            die("recvmmsg");
        }
        answer(fd, n);
        make_room(n);
    }
}

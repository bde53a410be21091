/* The bare UDP echo that hobnob is measured against: one thread, whole batches with
 * recvmmsg and sendmmsg.
 *
 *     cc -O2 -o echo_udp echo_udp.c && ./echo_udp 9101
 */
#define _GNU_SOURCE
#include "listen.h"

#include <errno.h>

enum { BATCH = 32, BUFFER = 64 * 1024 };

static char buffers[BATCH][BUFFER];
static struct sockaddr_in peers[BATCH];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];

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
    int fd = said(bound(SOCK_DGRAM, 0, atoi(argv[1])));
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

/* The parts that every kind of load shares. */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { MAX_MESSAGE = 65507, STREAM_PIECE = 128 * 1024, PATIENCE_S = 10 };

struct plan {
    const char *mode;
    struct sockaddr_storage there;
    socklen_t there_len;
    bool udp;
    bool gate;         /* wait for a line on stdin before the load and before the end */
    unsigned conns;    /* connections or UDP sockets */
    int sink;          /* push, both: the port of ours that the relay dials */
    unsigned active;   /* idle: how many talk at the end */
    unsigned sources;  /* rounds: how many 127.0.1.x addresses to dial from */
    uint64_t pause_ns; /* tcp, udp: before each question but the first */
    size_t size;       /* bytes a message */
    double seconds;    /* the end by time ... */
    uint64_t requests; /* ... or by count, whichever comes first; 0: no count */
};

struct result {
    uint64_t requests, bytes, errors, lost;
    double seconds;
};

/* clock.c */
uint64_t now_ns(void);
void record_latency(uint64_t ns);
double latency_us(double quantile);
double latency_max_us(void);

/* message.c: messages differ by peer and number, so that a mixed-up answer shows. */
const char *message_for(uint32_t peer, uint64_t number, size_t size);
bool is_message(const char *data, size_t at, size_t len, uint32_t peer, uint64_t number, size_t size);

/* stream.c: an endless stream; what stands where shows what was lost, doubled or misplaced. */
const char *stream_at(uint64_t offset); /* at least STREAM_PIECE bytes of it */
bool is_stream(const char *data, uint64_t offset, size_t len); /* len at most STREAM_PIECE */

/* dial.c */
int dial(const struct plan *p, unsigned index); /* blocking, PATIENCE_S timeouts, TCP_NODELAY; -1: errno */
bool echo_once(const struct plan *p, int fd, uint32_t peer, uint64_t number);
void gate(const struct plan *p, const char *word);

/* One file each. */
struct result pingpong(const struct plan *p);
struct result idle(const struct plan *p);
struct result rounds(const struct plan *p);
struct result bulk(const struct plan *p);

void print_result(const struct plan *p, const struct result *r); /* main.c */

#endif

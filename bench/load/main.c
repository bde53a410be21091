/* A load driver for echo servers and for relays; one JSON line when it is done.
 *
 *     load tcp      HOST PORT [options]   closed loop over connections
 *     load udp      HOST PORT [options]   closed loop over as many UDP sockets
 *     load idle     HOST PORT [options]   open, hold, let --active of them talk, look for lost ones
 *     load idle-udp HOST PORT [options]   the same with as many UDP sockets
 *     load rounds   HOST PORT [options]   connect, talk, close, one after the other
 *     load push     HOST PORT --sink PORT [options]   bulk through a relay to us on --sink
 *     load both     HOST PORT --sink PORT [options]   the same, both ways at once
 *
 *     --conns N (50)  --size BYTES (64)  --seconds S (2)  --requests N (no count)
 *     --pause MS (0): of tcp and udp, before each question but the first; with one connection
 *     --active N (0)  --sources N (1)    --gate: print `ready`, wait for a line, and after the
 *                                        result wait for another before closing
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "load.h"

static void fail(const char *why, const char *what)
{
    fprintf(stderr, "load: %s: %s\n", why, what);
    exit(2);
}

static double number(const char *text, double least, double most)
{
    char *end;
    double n = strtod(text, &end);
    if (end == text || *end || !(n >= least && n <= most))
        fail("not a number in range", text);
    return n;
}

static void resolve(struct plan *p, const char *host, const char *port)
{
    struct addrinfo want = {.ai_socktype = p->udp ? SOCK_DGRAM : SOCK_STREAM}, *found;
    int wrong = getaddrinfo(host, port, &want, &found);
    if (wrong)
        fail(gai_strerror(wrong), host);
    memcpy(&p->there, found->ai_addr, found->ai_addrlen);
    p->there_len = found->ai_addrlen;
    freeaddrinfo(found);
}

static void read_options(struct plan *p, int argc, char **argv)
{
    static const struct option names[] = {
        {"conns", 1, NULL, 'c'},   {"size", 1, NULL, 's'},    {"seconds", 1, NULL, 't'},
        {"requests", 1, NULL, 'n'}, {"active", 1, NULL, 'a'}, {"sources", 1, NULL, 'f'},
        {"pause", 1, NULL, 'p'}, {"sink", 1, NULL, 'k'},    {"gate", 0, NULL, 'g'},   {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'c': p->conns = (unsigned)number(optarg, 1, 200000); break;
        case 's': p->size = (size_t)number(optarg, 1, MAX_MESSAGE); break;
        case 't': p->seconds = number(optarg, 0.01, 3600); break;
        case 'n': p->requests = (uint64_t)number(optarg, 1, 1e12); break;
        case 'a': p->active = (unsigned)number(optarg, 0, 200000); break;
        case 'f': p->sources = (unsigned)number(optarg, 1, 200); break;
        case 'p': p->pause_ns = (uint64_t)(number(optarg, 0, 10000) * 1e6); break;
        case 'k': p->sink = (int)number(optarg, 1, 65535); break;
        case 'g': p->gate = true; break;
        default: exit(2);
        }
    }
}

static bool is_bulk(const char *mode)
{
    return strcmp(mode, "push") == 0 || strcmp(mode, "both") == 0;
}

void print_result(const struct plan *p, const struct result *r)
{
    printf("{\"mode\": \"%s\", \"connections\": %u, \"size\": %zu, \"requests\": %llu, "
           "\"bytes\": %llu, \"seconds\": %.3f, \"p50_us\": %.0f, \"p99_us\": %.0f, "
           "\"max_us\": %.0f, \"lost\": %llu, \"errors\": %llu}\n",
           p->mode, p->conns, p->size, (unsigned long long)r->requests,
           (unsigned long long)r->bytes, r->seconds, latency_us(0.5), latency_us(0.99),
           latency_max_us(), (unsigned long long)r->lost, (unsigned long long)r->errors);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct plan p = {.conns = 50, .size = 64, .seconds = 2, .sources = 1};
    read_options(&p, argc, argv);
    if (argc - optind != 3)
        fail("usage", "load tcp|udp|idle|idle-udp|rounds|push|both HOST PORT [options]");
    p.mode = argv[optind];
    p.udp = strcmp(p.mode, "udp") == 0 || strcmp(p.mode, "idle-udp") == 0;
    if (is_bulk(p.mode) != (p.sink != 0))
        fail("push and both, and nothing else, take --sink", p.mode);
    resolve(&p, argv[optind + 1], argv[optind + 2]);
    if (p.active > p.conns)
        fail("--active is more than --conns", p.mode);
    if (p.pause_ns && p.conns != 1)
        fail("--pause is for one connection", p.mode);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct result r;
    if (strcmp(p.mode, "udp") == 0 || strcmp(p.mode, "tcp") == 0)
        r = pingpong(&p);
    else if (strcmp(p.mode, "idle") == 0 || strcmp(p.mode, "idle-udp") == 0)
        r = idle(&p);
    else if (is_bulk(p.mode))
        r = bulk(&p);
    else if (strcmp(p.mode, "rounds") == 0)
        r = rounds(&p);
    else
        fail("unknown mode", p.mode);
    print_result(&p, &r);
    gate(&p, NULL);
    return r.errors ? 1 : 0;
}

/* Time, and the distribution of round-trip times: a counter per microsecond. */
#define _GNU_SOURCE
#include <time.h>

#include "load.h"

enum { SLOTS = 1 << 20 }; /* about a second; what takes longer counts as the last slot */

static uint32_t slots[SLOTS];
static uint64_t count, max_ns;

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void record_latency(uint64_t ns)
{
    uint64_t us = ns / 1000;
    slots[us < SLOTS ? us : SLOTS - 1]++;
    count++;
    if (ns > max_ns)
        max_ns = ns;
}

double latency_us(double quantile)
{
    uint64_t rank = (uint64_t)(quantile * (double)count), seen = 0;
    for (uint32_t us = 0; us < SLOTS; us++) {
        seen += slots[us];
        if (seen > rank)
            return us == SLOTS - 1 ? latency_max_us() : us;
    }
    return latency_max_us();
}

double latency_max_us(void)
{
    return (double)max_ns / 1000;
}

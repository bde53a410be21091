/* The period is a prime, so that no buffer, page or segment fits into it a whole number of times. */
#include <string.h>

#include "load.h"

enum { PERIOD = 65521 };

static char stream[PERIOD + STREAM_PIECE];

const char *stream_at(uint64_t offset)
{
    if (!stream[0]) {
        uint32_t noise = 1;
        for (size_t i = 0; i < sizeof stream; i++) {
            noise = i % PERIOD ? noise * 1664525 + 1013904223 : 1;
            stream[i] = (char)('!' + (noise >> 16) % 94); /* printable: a person may look at it */
        }
    }
    return stream + offset % PERIOD;
}

bool is_stream(const char *data, uint64_t offset, size_t len)
{
    return memcmp(data, stream_at(offset), len) == 0;
}

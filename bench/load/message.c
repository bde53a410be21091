#include <string.h>

#include "load.h"

static char pattern[MAX_MESSAGE];

const char *message_for(uint32_t peer, uint64_t number, size_t size)
{
    if (!pattern[MAX_MESSAGE - 1]) {
        for (size_t i = 0; i < MAX_MESSAGE; i++)
            pattern[i] = (char)('!' + i * 31 % 94); /* printable: a person may look at it */
    }
    uint64_t stamp = number << 24 | (peer & 0xffffff);
    memcpy(pattern, &stamp, size < sizeof stamp ? size : sizeof stamp);
    return pattern;
}

bool is_message(const char *data, size_t at, size_t len, uint32_t peer, uint64_t number, size_t size)
{
    return memcmp(data, message_for(peer, number, size) + at, len) == 0;
}

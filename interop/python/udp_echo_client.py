#!/usr/bin/env python3
"""UDP echo client: every datagram comes back whole, the empty one too.

    python3 udp_echo_client.py 127.0.0.1 9999
"""

import address
import datagrams

MESSAGES = [b"one", b"", "你好,世界".encode("utf-8"), b"a line\n", b"\x00\xff\x1b", b"x" * 8000]


def main():
    datagrams.ask(__doc__, [(data, data) for data in MESSAGES])


address.run(main)

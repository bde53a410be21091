#!/usr/bin/env python3
"""UDP greeting client: sendto a name, recvfrom a greeting.

    python3 udp_greeting_client.py 127.0.0.1 9999
"""

import address
import datagrams

NAMES = ["Michael", "Tracy", "Sarah", "李雷"]


def main():
    names = [name.encode("utf-8") for name in NAMES]
    datagrams.ask(__doc__, [(name, b"Hello, " + name + b"!") for name in names])


address.run(main)

#!/usr/bin/env python3
"""TCP server that listens and never says a word.

    python3 discard_server.py 127.0.0.1 9000
"""

import address
import threads


def serve(sock, peer):
    while sock.recv(65536):
        pass  # 只听不说


address.run(lambda: threads.serve(__doc__, serve))

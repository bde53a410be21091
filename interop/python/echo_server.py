#!/usr/bin/env python3
"""TCP echo server, a thread per connection.

    python3 echo_server.py 127.0.0.1 9000
"""

import address
import threads


def serve(sock, peer):
    while data := sock.recv(4096):
        sock.sendall(data)  # 收到什么就发回什么


address.run(lambda: threads.serve(__doc__, serve))

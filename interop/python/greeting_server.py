#!/usr/bin/env python3
"""TCP greeting server, a thread per connection.

    python3 greeting_server.py 127.0.0.1 9000
"""

import address
import threads


def serve(sock, peer):
    sock.send(b"Welcome!")
    while True:
        data = sock.recv(1024)
        if not data or data == b"exit":
            break
        sock.send(b"Hello, " + data + b"!")


address.run(lambda: threads.serve(__doc__, serve))

#!/usr/bin/env python3
"""UDP greeting server.

    python3 udp_greeting_server.py 127.0.0.1 9999
"""

import address
import datagrams

address.run(lambda: datagrams.answer(__doc__, lambda name: b"Hello, " + name + b"!"))

#!/usr/bin/env python3
"""UDP echo server.

    python3 udp_echo_server.py 127.0.0.1 9999
"""

import address
import datagrams

address.run(lambda: datagrams.answer(__doc__, lambda data: data))

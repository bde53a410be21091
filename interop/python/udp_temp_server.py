#!/usr/bin/env python3
"""UDP temperature server: a bare number is Celsius, 20C and 68F name their unit.

    python3 udp_temp_server.py 127.0.0.1 9998
"""

import address
import datagrams


def convert(data):
    text = data.decode("utf-8", "replace").strip()
    try:
        if text[-1:] in ("C", "c"):
            return f"{float(text[:-1]) * 1.8 + 32} F".encode()
        if text[-1:] in ("F", "f"):
            return f"{(float(text[:-1]) - 32) / 1.8} C".encode()
        return str(float(text) * 1.8 + 32).encode()
    except ValueError:
        return b"send a number such as 20, 20C or 68F"


address.run(lambda: datagrams.answer(__doc__, convert))

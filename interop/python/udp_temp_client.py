#!/usr/bin/env python3
"""UDP temperature client: Celsius to Fahrenheit and back.

    python3 udp_temp_client.py 127.0.0.1 9998
"""

import address
import datagrams

# 左边是问题, 右边是答案; 数字要和 Python 打印浮点数一样
PAIRS = [
    (b"20", b"68.0"),
    (b"37.7", b"99.86000000000001"),
    (b"-40", b"-40.0"),
    (b"20C", b"68.0 F"),
    (b"68F", b"20.0 C"),
]

address.run(lambda: datagrams.ask(__doc__, PAIRS))

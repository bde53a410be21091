#!/usr/bin/env python3
"""Text client: sends one line, reads once, shows what came.

    python3 line_client.py 127.0.0.1 9000 --say hello --wanted 'hello'
"""

import address


def main():
    p = address.parser(__doc__)
    p.add_argument("--say", default="hello")
    p.add_argument("--wanted", help="what must come; anything where it is not given")
    args = p.parse_args()
    with address.connect(args) as s:
        s.sendall(args.say.encode("utf-8") + b"\n")
        came = s.recv(1024).decode("utf-8").rstrip("\n")  # 只收一次
    if not came:
        raise address.Unexpected("the peer closed without an answer")
    if args.wanted is not None:
        address.expect("the answer", came, args.wanted)
    print(f"ok: {came}")


address.run(main)

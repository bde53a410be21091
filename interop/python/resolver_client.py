#!/usr/bin/env python3
"""A resolver: asks numbered questions over UDP, waits for each answer, and asks again.

    python3 resolver_client.py 127.0.0.1 5301 --questions 60

What answers has to give each question back as it was.
"""

import address

# DNS 的解析器就是这样做的: UDP 会丢包, 所以等一会儿没有回音就再问一次
WAIT = 0.2  # seconds until it asks again
TRIES = 40
SILENCE = 1  # after the last answer: nothing more is on its way


def main():
    p = address.parser(__doc__)
    p.add_argument("--questions", type=int, default=20, metavar="N")
    args = p.parse_args()
    s, there = address.datagram_client(args)
    asked, answers = 0, 0

    def hear(seconds):
        """One answer, or none in time."""
        s.settimeout(seconds)
        try:
            return s.recv(65536)
        except TimeoutError:
            return None

    for number in range(args.questions):
        question = f"question {number}".encode()
        for _ in range(TRIES):
            s.sendto(question, there)
            asked += 1
            answer = hear(WAIT)
            while answer is not None and answer != question:
                answers += 1  # 迟到的回答: 上一个问题问了两次
                answer = hear(WAIT)
            if answer:
                answers += 1
                break
        else:
            raise address.Unexpected(f"question {number} was asked {TRIES} times, and never answered")
    while hear(SILENCE) is not None:
        answers += 1
    print(f"ok: {args.questions} questions answered, asked {asked} times, {answers} answers")


address.run(main)

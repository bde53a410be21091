#!/usr/bin/env python3
"""What a captured packet costs: `hobnob sniff` beside tcpdump, into a capture file and as lines.

    python3 bench/sniff.py --name sniff

The capturers take turns. Each sees the same packets, sent as fast as one Python loop can over
loopback from core 1, and has core 0; what it costs is its CPU time until it has ended. Needs root.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import paired

BASES = {"file": "tcpdump -w", "lines": "tcpdump -nn"}
PATIENCE = 30


def kinds(hobnob, port, folder):
    """{name: (what is compared with it, its command)}; each shows or writes the packets to one port."""
    words = ["udp", "and", "port", str(port)]
    return {
        "tcpdump -w": ("file", ["tcpdump", "-i", "lo", "-w", f"{folder}/theirs", *words]),
        "hobnob -w": ("file", [hobnob, "sniff", "lo", *words, "-w", f"{folder}/ours", "--force"]),
        "tcpdump -nn": ("lines", ["tcpdump", "-nn", "-i", "lo", *words]),
        "hobnob": ("lines", [hobnob, "sniff", "lo", *words]),
    }


def flood(port, packets, size):
    """Packets a second; nobody reads them, and the kernel drops what their socket has no room for."""
    message = bytes(size)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", port))
        began = time.perf_counter()
        for _ in range(packets):
            s.send(message)
        return packets / (time.perf_counter() - began)


def told(said):
    """How many packets it says to have had, and how many the kernel dropped."""
    theirs = re.search(r"(\d+) packets captured", said), re.search(r"(\d+) packets dropped", said)
    ours = re.search(r"([\d,]+) packets? (?:written|shown)", said), re.search(r"([\d,]+) dropped", said)
    found = theirs if all(theirs) else ours
    if not all(found):
        sys.exit(f"bench: it said {said!r}")
    return tuple(int(match[1].replace(",", "")) for match in found)


def capture(command, port, args, folder):
    """One turn: starts it, floods it, ends it, and reads what it took."""
    with open(f"{folder}/lines", "wb") as lines:
        process = subprocess.Popen(["taskset", "-c", paired.SERVER_CORE, *command], stdout=lines, stderr=subprocess.PIPE, text=True)
    said = ""
    while "listening on" not in said and "capturing on" not in said:
        line = process.stderr.readline()
        if not line:
            sys.exit(f"bench: {command[0]} ended: {said}")
        said += line
    rate = flood(port, args.packets, args.size)
    time.sleep(1.2)  # tcpdump hands over what it has after a second
    before = os.times()
    process.send_signal(signal.SIGINT)
    said += process.communicate(timeout=PATIENCE)[1]
    after = os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])  # of children that were waited for meanwhile
    had, dropped = told(said)
    return {
        "cpu_us_per_packet": cpu * 1e6 / max(had, 1),
        "packets": had,
        "dropped": dropped,
        "sent_per_s": round(rate),
    }


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_run_arguments(p)
    p.add_argument("--cycles", type=int, default=7)
    p.add_argument("--packets", type=int, default=300_000)
    p.add_argument("--size", type=int, default=100)
    args = p.parse_args()
    os.chdir(paired.ROOT)
    if not os.access(args.hobnob, os.X_OK):
        sys.exit(f"bench: no {args.hobnob}; cargo build --release")
    os.sched_setaffinity(0, {int(paired.CLIENT_CORE)})
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
        table = kinds(args.hobnob, port, folder)
        cycles = {name: [] for name in table}
        for _ in range(args.cycles):
            for name, (_, command) in table.items():
                cycles[name].append(capture(command, port, args, folder))
    found = {}
    print(f"{'CPU us a packet':<16} {'p50':>6} {'low':>6} {'high':>6} {'ratio':>6} {'spread':>13} {'dropped':>8}")
    for name, (what, _) in table.items():
        costs = [turn["cpu_us_per_packet"] for turn in cycles[name]]
        base = [turn["cpu_us_per_packet"] for turn in cycles[BASES[what]]]
        ratio = paired.spread([cost / of for cost, of in zip(costs, base)])
        cost = paired.spread(costs)
        dropped = sum(turn["dropped"] for turn in cycles[name])
        sent_per_s = paired.spread([turn["sent_per_s"] for turn in cycles[name]])
        found[name] = {"cpu_us_per_packet": cost, "ratio": ratio, "dropped": dropped, "sent_per_s": sent_per_s}
        print(
            f"  {name:<14} {cost['median']:>6.2f} {cost['low']:>6.2f} {cost['high']:>6.2f} {ratio['median']:>6.2f}"
            f" {ratio['low']:>6.2f}-{ratio['high']:.2f} {dropped:>8}"
        )
    facts = {"cycles": args.cycles, "packets": args.packets, "size": args.size, "kinds": found}
    paired.write_result(args, "sniff.py", facts)


if __name__ == "__main__":
    main()

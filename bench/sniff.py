#!/usr/bin/env python3
"""What a captured packet costs: `hobnob sniff` beside tcpdump, into a capture file and as lines.

    python3 bench/sniff.py --name sniff

The capturers take turns. Each sees the same packets, sent as fast as one Python loop can over
loopback from core 1, and has core 0; what it costs is its CPU time until it has ended. Needs root.
"""

import argparse
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

import paired

PATIENCE = 30
# What tcpdump and hobnob say at the end: packets had, and packets that the kernel dropped.
TOLD = [
    (r"(\d+) packets captured", r"(\d+) packets dropped"),
    (r"([\d,]+) packets? (?:written|shown)", r"([\d,]+) dropped"),
]


def kinds(hobnob, port, folder):
    """{what is written: {name: command}}; the first of each is what the other is compared with."""
    words = ["udp", "and", "port", str(port)]
    return {
        "into a file": {
            "tcpdump -w": ["tcpdump", "-i", "lo", "-w", f"{folder}/theirs", *words],
            "hobnob -w": [hobnob, "sniff", "lo", *words, "-w", f"{folder}/ours", "--force"],
        },
        "as lines": {
            "tcpdump -nn": ["tcpdump", "-nn", "-i", "lo", *words],
            "hobnob": [hobnob, "sniff", "lo", *words],
        },
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
    for patterns in TOLD:
        found = [re.search(pattern, said) for pattern in patterns]
        if all(found):
            return tuple(int(match[1].replace(",", "")) for match in found)
    sys.exit(f"bench: it said {said!r}")


def start(command, folder):
    """Starts it on its core, and waits until it captures; with what it said."""
    pinned = ["taskset", "-c", paired.SERVER_CORE, *command]
    with open(f"{folder}/lines", "wb") as lines:
        process = subprocess.Popen(pinned, stdout=lines, stderr=subprocess.PIPE, text=True)
    said = ""
    while "listening on" not in said and "capturing on" not in said:
        line = process.stderr.readline()
        if not line:
            sys.exit(f"bench: {command[0]} ended: {said}")
        said += line
    return process, said


def children_seconds():
    """CPU time of all children that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def capture(command, port, args, folder):
    """One turn: starts it, floods it, ends it, and reads what it took."""
    process, said = start(command, folder)
    rate = flood(port, args.packets, args.size)
    time.sleep(1.2)  # tcpdump hands over what it has after a second
    before = children_seconds()
    process.send_signal(signal.SIGINT)
    said += process.communicate(timeout=PATIENCE)[1]
    cpu = children_seconds() - before
    had, dropped = told(said)
    if had + dropped != args.packets:
        sys.exit(f"bench: {command[0]}: {args.packets} sent, {had} had, {dropped} dropped: {said}")
    return {"cpu_us_per_packet": cpu * 1e6 / had, "dropped": dropped, "sent_per_s": rate}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_run_arguments(p)
    p.add_argument("--cycles", type=int, default=7)
    p.add_argument("--packets", type=int, default=300_000)
    p.add_argument("--size", type=int, default=100)
    args = p.parse_args()
    os.chdir(paired.ROOT)
    paired.check_hobnob(args)
    os.sched_setaffinity(0, {int(paired.CLIENT_CORE)})
    found = {}
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with tempfile.TemporaryDirectory() as folder, udp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
        table = kinds(args.hobnob, port, folder)
        cycles = {what: {name: [] for name in pair} for what, pair in table.items()}
        for _ in range(args.cycles):
            for what, pair in table.items():
                for name, command in pair.items():
                    cycles[what][name].append(capture(command, port, args, folder))
    for what, turns in cycles.items():
        base = next(iter(turns))
        figures = ("dropped", "sent_per_s")
        found[what] = paired.summarise(turns, "cpu_us_per_packet", figures, base)
        columns = [("cpu_us_per_packet", "us/pkt", 2), ("dropped", "dropped", 0), ("sent_per_s", "sent/s", 0)]
        paired.print_table(what, found[what], columns)
    facts = {"cycles": args.cycles, "packets": args.packets, "size": args.size, "kinds": found}
    paired.write_result(args, "sniff.py", facts)


if __name__ == "__main__":
    main()

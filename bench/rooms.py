#!/usr/bin/env python3
"""What a room costs its server: 50 members, one of whom says lines as fast as they are taken.

    python3 bench/rooms.py --before PROGRAM --name rooms
    python3 bench/rooms.py                           # the same program twice: what the harness itself sees
    python3 bench/rooms.py --cluster nats://127.0.0.1:4222    # a room over nodes beside one of a process

The server's CPU for each line at each member, of this hobnob as a ratio to that of another one, in turn, each on core 0; the
members have core 1. Loopback only.
"""

import argparse
import os
import selectors
import shlex
import socket
import time

import paired

BASE = "before"
MEMBERS = 50
TEXT = b"x" * 63 + b"\n"
PATIENCE_S = 60


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_turn_arguments(p, ["burst"])
    p.add_argument("--before", metavar="PROGRAM", help="the hobnob of the ratio's other side")
    p.add_argument("--cluster", metavar="URL", help="the other side's room is one of the cluster at these servers")
    p.add_argument("--lines", type=int, default=20_000, help="that are said in a turn")
    p.set_defaults(no_hobnob=False, only_build=False)
    return p.parse_args()


def welcomes(port):
    try:
        enter(port, f"look-{time.monotonic_ns() % 10**9}").close()
        return True
    except OSError:
        return False


def enter(port, name):
    member = socket.create_connection(("127.0.0.1", port), 5)
    member.sendall(name.encode() + b"\n")
    heard = b""
    while b"* welcome" not in heard:
        heard += member.recv(65536)
    return member


def measure(server, lines):
    """The server's CPU for a burst, and how many lines arrived."""
    talker = enter(server.port, "talker")
    members = [enter(server.port, f"m{number}") for number in range(MEMBERS - 1)]
    time.sleep(0.2)  # who joined is told to everybody
    wait = selectors.DefaultSelector()
    for member in members:
        member.setblocking(False)
        wait.register(member, selectors.EVENT_READ)
    talker.setblocking(False)
    wait.register(talker, selectors.EVENT_READ | selectors.EVENT_WRITE)
    unsaid, heard, wanted = memoryview(TEXT * lines), 0, lines * len(members)
    last = {member: b"" for member in members}  # its last byte: the end of a line may come in two pieces
    before, began = server.cpu_seconds(), time.monotonic()
    while heard < wanted:
        if time.monotonic() - began > PATIENCE_S:
            raise SystemExit(f"bench: {server.name}: {heard} of {wanted} lines arrived")
        for key, is_ready in wait.select(1):
            if key.fileobj is not talker:
                came = last[key.fileobj] + key.fileobj.recv(262_144)
                heard += came.count(b"x\n")
                last[key.fileobj] = came[-1:]
            elif is_ready & selectors.EVENT_WRITE:
                unsaid = unsaid[talker.send(unsaid[:65_536]):]
                if not unsaid:
                    wait.modify(talker, selectors.EVENT_READ)
            else:
                talker.recv(65_536)
    seconds, cpu = time.monotonic() - began, server.cpu_seconds() - before
    for member in [talker, *members]:
        member.close()
    return {"cpu_us_per_delivery": cpu * 1e6 / heard, "deliveries_per_s": heard / seconds}


def main():
    args = arguments()
    paired.set_up(args)
    os.sched_setaffinity(0, {int(paired.CLIENT_CORE)})
    programs = {BASE: args.before or args.hobnob, "now": args.hobnob}
    print(f"{args.cycles} cycles of {args.lines} lines to {MEMBERS - 1} members, of both in turn", flush=True)
    with paired.stage() as (folder, stack):
        over_nodes = f" --cluster {shlex.quote(args.cluster)} --room bench-{os.getpid()}" if args.cluster else ""
        wanted = [(name, "tcp", f"{shlex.quote(program)} serve chat tcp://127.0.0.1:{{port}} -q{over_nodes * (name != BASE)}", False)
                  for name, program in programs.items()]
        servers = paired.start(wanted, folder, stack, look=lambda _: welcomes)
        turns, cycles, order = list(servers), {name: [] for name in programs}, paired.order_of(args)
        for server in servers:
            measure(server, args.lines // 4)  # what the first ones allocate is nobody's turn
        for _ in range(args.cycles):
            order.shuffle(turns)
            for server in turns:
                cycles[server.name].append(measure(server, args.lines))
    figures = paired.summarise(cycles, "cpu_us_per_delivery", ["deliveries_per_s"], base=BASE)
    paired.print_table("CPU of a delivery", figures, [("cpu_us_per_delivery", "us", 3), ("deliveries_per_s", "a second", 0)])
    paired.write_report(args, "rooms.py", programs, {"rooms": figures})


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Echo servers side by side: server CPU per request as a ratio to a bare C loop.

    python3 bench/echo.py --name today              # hobnob -q and --json beside C
    python3 bench/echo.py --name self --no-hobnob \\
        --server 'c again=target/bench/echo_tcp {port}' \\
        --udp-server 'c again=target/bench/echo_udp {port}'

How the turns are taken is in paired.py. Loopback only; the time is bounded by cycles x servers x
seconds and printed first.
"""

import argparse
import os
import shlex

import paired
from paired import BASE, BUILT

WORKLOADS = {
    "tcp-64x50": ("tcp", ["tcp", "--size", "64", "--conns", "50"]),
    "tcp-64x1000": ("tcp", ["tcp", "--size", "64", "--conns", "1000"]),
    "tcp-16kx50": ("tcp", ["tcp", "--size", "16384", "--conns", "50"]),
    "udp-64x16": ("udp", ["udp", "--size", "64", "--conns", "16"]),
    "rounds": ("tcp", ["rounds", "--size", "64", "--sources", "50"]),
}
USUAL = ["tcp-64x50", "tcp-64x1000", "tcp-16kx50", "udp-64x16"]
COST = "cpu_us_per_request"
OTHERS = ["requests_per_s", "p50_us", "p99_us"]
COLUMNS = [(COST, "CPU us", 2), ("requests_per_s", "req/s", 0), ("p99_us", "p99 us", 0)]


def pair(text):
    name, _, command = text.partition("=")
    if not command or "{port}" not in command:
        raise argparse.ArgumentTypeError("write NAME=COMMAND with {port} in it")
    return name, command


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_arguments(p, WORKLOADS)
    p.add_argument("--server", action="append", default=[], type=pair, metavar="NAME=COMMAND",
                   help="one more TCP echo server; {port} is where it listens on 127.0.0.1")
    p.add_argument("--udp-server", action="append", default=[], type=pair, metavar="NAME=COMMAND")
    return p.parse_args()


def servers_wanted(args):
    """(name, wire, command, does its stdout go to a file) for each server."""
    wanted = [(BASE, w, f"{BUILT}/echo_{w} {{port}}", False) for w in ("tcp", "udp")]
    if not args.no_hobnob:
        for wire in ("tcp", "udp"):
            serve = f"{shlex.quote(args.hobnob)} serve echo {wire}://127.0.0.1:{{port}}"
            wanted.append(("hobnob -q", wire, f"{serve} -q", False))
            wanted.append(("hobnob --json", wire, f"{serve} --json", True))
    wanted += [(n, "tcp", c, False) for n, c in args.server]
    wanted += [(n, "udp", c, False) for n, c in args.udp_server]
    used = {WORKLOADS[w][0] for w in args.workload or USUAL}
    return [w for w in wanted if w[1] in used]


def run(args, servers):
    """Takes the turns; {workload: figures}."""
    order, found = paired.order_of(args), {}
    for workload in args.workload or USUAL:
        wire, words = WORKLOADS[workload]
        turns = [s for s in servers if s.kind == wire]
        cycles = paired.take_turns(turns, words, args, order)
        found[workload] = paired.summarise(cycles, COST, OTHERS)
        paired.print_table(workload, found[workload], COLUMNS)
    for server in servers:
        if server.output:
            print(f"\n{server.kind} {server.name} wrote {os.path.getsize(server.output):,} bytes")
    return found


def main():
    args = arguments()
    paired.set_up(args)
    wanted = servers_wanted(args)
    pairs = sum(WORKLOADS[w][0] == s[1] for w in args.workload or USUAL for s in wanted)
    paired.announce(args, pairs, f"{pairs} pairs of server and workload")
    with paired.stage() as (folder, stack):
        found = run(args, paired.start(wanted, folder, stack))
    commands = {f"{wire} {name}": command for name, wire, command, _ in wanted}
    paired.write_report(args, "echo.py", commands, {"workloads": found})
    paired.exit_if_wrong(found)


if __name__ == "__main__":
    main()

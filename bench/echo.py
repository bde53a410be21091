#!/usr/bin/env python3
"""Echo servers side by side: server CPU per request as a ratio to a bare C loop.

    python3 bench/echo.py --name today              # hobnob -q and --json beside C
    python3 bench/echo.py --name self --no-hobnob \\
        --server 'c again=target/bench/echo_tcp {port}' \\
        --udp-server 'c again=target/bench/echo_udp {port}'

The load is `hobnob bench`. As its check the C loop is asked by the C load driver, too: its CPU per request has to be the
same, whoever asks. `--driver c` leaves all to the C driver. How the turns are taken is in paired.py. Loopback only; the time is bounded by cycles x servers x
seconds and printed first.
"""

import argparse
import copy
import os
import shlex
import shutil

import paired
from paired import BASE, BUILT

# The wire, the flags of `hobnob bench`, and the words of the C driver for the same.
WORKLOADS = {
    "tcp-64x50": ("tcp", ["-c", "50"], ["tcp", "--size", "64", "--conns", "50"]),
    "tcp-64x1000": ("tcp", ["-c", "1000"], ["tcp", "--size", "64", "--conns", "1000"]),
    "tcp-16kx50": ("tcp", ["-c", "50", "--size", "16k"], ["tcp", "--size", "16384", "--conns", "50"]),
    "udp-64x16": ("udp", ["-c", "16"], ["udp", "--size", "64", "--conns", "16"]),
    "rounds": ("tcp", ["-c", "1", "--mode", "connect"], ["rounds", "--size", "64", "--sources", "50"]),
}
USUAL = ["tcp-64x50", "tcp-64x1000", "tcp-16kx50", "udp-64x16"]
CHECK = "c, by the C driver"
# Servers of others, for the workloads that each can bear.
PEERS = {
    "socat": ("socat TCP-LISTEN:{port},fork,reuseaddr,bind=127.0.0.1,backlog=1024 PIPE", ["tcp-64x50", "rounds"]),
    "ncat": ("ncat -lk -e /bin/cat -m 1000 127.0.0.1 {port}", ["tcp-64x50"]),
    "python, a thread each": ("python3 bench/reference/echo_threads.py {port}", ["tcp-64x50", "tcp-16kx50", "rounds"]),
}
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
    p.add_argument("--driver", choices=["hobnob", "c"], default="hobnob", help="who asks")
    p.add_argument("--all", action="store_true", help="every workload, the one that is left out as a rule too")
    p.add_argument("--peers", action="store_true", help="socat, ncat and threads in Python beside them")
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
    workloads = args.workload or USUAL
    used = {WORKLOADS[w][0] for w in workloads}
    wanted = [w for w in wanted if w[1] in used]
    for name, (command, its) in PEERS.items():
        program = command.split()[0]
        if args.peers and set(its) & set(workloads):
            if shutil.which(program):
                wanted.append((name, "tcp", command, False))
            else:
                print(f"{program} is missing, and left out")
    return wanted


def turns_of(args, servers, workload):
    """Those that take turns; and the first once more, for the other driver, as the check of ours."""
    wire = WORKLOADS[workload][0]
    turns = [s for s in servers if s.kind == wire and workload in PEERS.get(s.name, (None, WORKLOADS))[1]]
    if args.driver == "c":
        return turns
    again = copy.copy(turns[0])
    again.name = CHECK
    return [*turns, again]


def run(args, servers):
    """Takes the turns; {workload: figures}."""
    order, found = paired.order_of(args), {}
    for workload in args.workload or USUAL:
        _, flags, words = WORKLOADS[workload]

        def by(server, _, seconds):
            if args.driver == "c" or server.name == CHECK:
                return paired.measure(server, words, seconds)
            return paired.measure_by_hobnob(args.hobnob, server, flags, seconds)

        cycles = paired.take_turns(turns_of(args, servers, workload), None, args, order, by)
        found[workload] = paired.summarise(cycles, COST, OTHERS)
        paired.print_table(workload, found[workload], COLUMNS)
    for server in servers:
        if server.output:
            print(f"\n{server.kind} {server.name} wrote {os.path.getsize(server.output):,} bytes")
    return found


def main():
    args = arguments()
    if args.all:
        args.workload = list(WORKLOADS)
    if args.no_hobnob:
        args.driver = "c"
    paired.set_up(args)
    wanted = servers_wanted(args)
    pairs = sum(WORKLOADS[w][0] == s[1] for w in args.workload or USUAL for s in wanted)
    pairs += (args.driver == "hobnob") * len(args.workload or USUAL)
    paired.announce(args, pairs, f"{pairs} pairs of server and workload")
    with paired.stage() as (folder, stack):
        found = run(args, paired.start(wanted, folder, stack))
    commands = {f"{wire} {name}": command for name, wire, command, _ in wanted}
    paired.write_report(args, "echo.py", commands, {"workloads": found})
    paired.exit_if_wrong(found)


if __name__ == "__main__":
    main()

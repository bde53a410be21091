#!/usr/bin/env python3
"""HTTP servers side by side: server CPU per request as a ratio to nginx.

    python3 bench/http.py --name http        # hobnob -q and --json beside nginx's `return 200`

As in echo.py: all servers are up at once on core 0, wrk has core 1, they take turns in a random
order, and the ratio is taken within the cycle. Loopback only. Needs nginx and wrk.
"""

import argparse
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys

import paired

BASE = "nginx"
CONNS = 50
WORKLOADS = {"keep-alive-x50": 1, "pipelined-16-x50": 16}  # requests in one write
COST = "cpu_us_per_request"
OTHERS = ["requests_per_s", "p50_us", "p99_us"]
COLUMNS = [(COST, "CPU us", 2), ("requests_per_s", "req/s", 0), ("p99_us", "p99 us", 0)]
WANTED = (b"HTTP/1.1 200", b"Hello, world!\n")


def answers(port):
    """Whether it gives the page that all of them give."""
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            said = b"".join(iter(lambda: s.recv(65536), b""))
            return said.startswith(WANTED[0]) and said.endswith(WANTED[1])
    except OSError:
        return False


def measure(server, depth, seconds):
    """One run of wrk: what it says, and the server's CPU from its start to its end."""
    command = ["taskset", "-c", paired.CLIENT_CORE, "wrk", "-t1", f"-c{CONNS}", f"-d{seconds}s",
               "-s", "bench/http.lua", f"http://127.0.0.1:{server.port}/", "--", str(depth)]
    before = server.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    cpu = server.cpu_seconds() - before
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        sys.exit(f"bench: {server.name}: {(done.stderr or done.stdout).strip()}")
    result = json.loads(lines[-1])
    if not result["requests"]:
        sys.exit(f"bench: {server.name} answered nothing: {lines[-1]}")
    result["cpu_us_per_request"] = cpu * 1e6 / result["requests"]
    result["requests_per_s"] = result["requests"] / result["seconds"]
    return result


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_turn_arguments(p, WORKLOADS, seconds=int)  # wrk takes no parts of one
    return p.parse_args()


def servers_wanted(args, folder):
    """(name, wire, command, does its stdout go to a file) for each server."""
    missing = [word for word in ("nginx", "wrk", "taskset") if not shutil.which(word)]
    if missing or not os.access(args.hobnob, os.X_OK):
        sys.exit(f"bench: needs {' '.join(missing) or args.hobnob}")
    serve = f"{shlex.quote(args.hobnob)} serve http 127.0.0.1:{{port}}"
    return [
        (BASE, "tcp", f"sh bench/reference/nginx.sh {{port}} {folder}", False),
        ("hobnob -q", "tcp", f"{serve} -q", False),
        ("hobnob --json", "tcp", f"{serve} --json", True),
    ]


def run(args, servers):
    """Takes the turns; {workload: figures}."""
    order, found = paired.order_of(args), {}
    for workload in args.workload or WORKLOADS:
        cycles = paired.take_turns(servers, WORKLOADS[workload], args, order, measure)
        found[workload] = paired.summarise(cycles, COST, OTHERS, BASE)
        paired.print_table(workload, found[workload], COLUMNS)
    return found


def main():
    args = arguments()
    os.chdir(paired.ROOT)
    with paired.stage() as (folder, stack):
        os.chmod(folder, 0o755)  # nginx's worker is another user
        wanted = servers_wanted(args, folder)
        pairs = len(args.workload or WORKLOADS) * len(wanted)
        paired.announce(args, pairs, f"{pairs} pairs of server and workload")
        found = run(args, paired.start(wanted, folder, stack, lambda _: answers))
    commands = {name: command.replace(folder, "FOLDER") for name, _, command, _ in wanted}
    paired.write_report(args, "http.py", commands, {"workloads": found})
    paired.exit_if_wrong(found)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""`hobnob bench` beside other load generators: its own CPU per request, and what it says of one server.

    python3 bench/bench.py --name bench

The servers are nginx's `return 200` and the C echo loop, on core 0. On core 1 wrk and hobnob bench load
the one, the C load driver and hobnob bench the other, in turn and in a random order; each ratio is taken within the
cycle. CPU is what the client's process has used from its start to its end. Loopback only. Needs nginx and wrk.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys

import paired
from paired import BUILT, CLIENT_CORE

CONNS, SIZE = 50, 64
COST = "cpu_us_per_request"
FIGURES = [COST, "requests_per_s", "p50_us", "p99_us"]
# (client, server, what it is compared with)
CLIENTS = [
    ("wrk", "http", "wrk"),
    ("hobnob bench, http", "http", "wrk"),
    ("c", "echo", "c"),
    ("hobnob bench, echo", "echo", "c"),
]


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_turn_arguments(p, ["http", "echo"], seconds=int)  # wrk takes no parts of one
    p.set_defaults(no_hobnob=False, only_build=False)
    return p.parse_args()


def command_of(client, port, args, seconds):
    ours = [args.hobnob, "bench", "-c", str(CONNS), "-d", f"{seconds}s", "--json", "-q"]
    return {
        "wrk": ["wrk", "-t1", f"-c{CONNS}", f"-d{seconds}s", "-s", "bench/http.lua",
                f"http://127.0.0.1:{port}/", "--", "1"],
        "c": [f"{BUILT}/load", "tcp", "127.0.0.1", str(port), "--conns", str(CONNS),
              "--size", str(SIZE), "--seconds", str(seconds)],
        "hobnob bench, http": [*ours, f"http://127.0.0.1:{port}/"],
        "hobnob bench, echo": [*ours, f"tcp://127.0.0.1:{port}"],
    }[client]


def read(client, said):
    """What a client says, in the words of all."""
    lines = [line for line in said.splitlines() if line.startswith("{")]
    if not lines:
        sys.exit(f"bench: {client} said nothing: {said.strip()}")
    told = json.loads(lines[-1])
    if "latency_us" not in told:
        return told
    return paired.told_by_hobnob(told)


def measure(client, port, args):
    """One run of a client, with the CPU of its whole process."""
    command = ["taskset", "-c", CLIENT_CORE, *command_of(client, port, args, args.seconds)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    result = read(client, said)
    if process.returncode or not result["requests"]:
        sys.exit(f"bench: {client} ended with {process.returncode}: {result}")
    result[COST] = (used.ru_utime + used.ru_stime) * 1e6 / result["requests"]
    result["requests_per_s"] = result["requests"] / result["seconds"]
    return result


def start(args, folder, stack, wanted):
    """{kind: port}"""
    commands = {"http": f"sh bench/reference/nginx.sh {{port}} {folder}", "echo": f"{BUILT}/echo_tcp {{port}}"}
    ports = {}
    for kind in wanted:
        look = answers_http if kind == "http" else paired.answers("tcp")
        port = paired.free_port("tcp")
        server = paired.Server(kind, "tcp", commands[kind], folder, port=port, is_up=look)
        stack.callback(server.stop)
        server.wait_until_up()
        ports[kind] = port
    return ports


def answers_http(port):
    url = f"http://127.0.0.1:{port}/"
    return subprocess.run(["curl", "-sf", "-o", os.devnull, url], check=False).returncode == 0


def run(args, ports):
    """{client: [result per cycle]}"""
    order = paired.order_of(args)
    turns = [client for client, kind, _ in CLIENTS if kind in ports]
    kinds = {client: kind for client, kind, _ in CLIENTS}
    cycles = {client: [] for client in turns}
    for _ in range(args.cycles):
        order.shuffle(turns)
        for client in turns:
            cycles[client].append(measure(client, ports[kinds[client]], args))
    return cycles


def ratios(cycles, client, base):
    """Of each figure, the ratio within the cycle."""
    pairs = list(zip(cycles[client], cycles[base]))
    return {figure: paired.spread([r[figure] / b[figure] for r, b in pairs]) for figure in FIGURES}


def main():
    args = arguments()
    missing = [word for word in ("nginx", "wrk", "curl", "taskset") if not shutil.which(word)]
    if missing:
        sys.exit(f"bench: needs {' '.join(missing)}")
    paired.set_up(args)
    wanted = args.workload or ["http", "echo"]
    paired.announce(args, 2 * len(wanted), f"{2 * len(wanted)} pairs of client and server")
    with paired.stage() as (folder, stack):
        os.chmod(folder, 0o755)  # nginx's worker is another user
        cycles = run(args, start(args, folder, stack, wanted))
    found = {}
    for kind in wanted:
        found[kind] = of_kind(cycles, kind)
        show(kind, found[kind])
    if set(wanted) == {"http", "echo"}:
        found["echo beside wrk"] = {COST: ratios(cycles, "hobnob bench, echo", "wrk")[COST]}
        spread = found["echo beside wrk"][COST]
        print(f"\na message to the echo, beside a request of wrk: CPU {spread['median']:.2f}, "
              f"{spread['low']:.2f}-{spread['high']:.2f}")
    commands = {c: shlex.join(command_of(c, "{port}", args, args.seconds)) for c, _, _ in CLIENTS}
    paired.write_result(args, "bench.py", {"cycles": args.cycles, "seconds": args.seconds,
                                           "clients": commands, "workloads": found})


def of_kind(cycles, kind):
    return {
        client: {
            "ratios": ratios(cycles, client, base),
            **{figure: paired.spread([r[figure] for r in cycles[client]]) for figure in FIGURES},
            "errors": sum(r["errors"] for r in cycles[client]),
        }
        for client, its, base in CLIENTS
        if its == kind
    }


def show(kind, figures):
    heads = "".join(f" {name:>22}" for name in ("CPU", "requests/s", "p50", "p99"))
    print(f"\n{kind:<20}{heads}   CPU us")
    for client, f in figures.items():
        cells = [f["ratios"][figure] for figure in FIGURES]
        cells = "".join(f" {c['median']:>8.2f} {c['low']:>6.2f}-{c['high']:<6.2f}" for c in cells)
        wrong = f"   {f['errors']} ERRORS" if f["errors"] else ""
        print(f"  {client:<18}{cells}   {f[COST]['median']:.2f}{wrong}", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Echo servers side by side: server CPU per request as a ratio to a bare C loop.

    python3 bench/echo.py --name today              # hobnob -q and --json beside C
    python3 bench/echo.py --name self --no-hobnob \\
        --server 'c again=target/bench/echo_tcp {port}' \\
        --udp-server 'c again=target/bench/echo_udp {port}'

All servers are up at once, each pinned to core 0; the client has core 1. In every cycle they
take turns in a random order, and the ratio is taken within the cycle: the machine's speed
drifts, so that only figures from the same few seconds may be compared. Loopback only; the
time is bounded by cycles x servers x seconds and printed first.
"""

import argparse
import contextlib
import datetime
import json
import os
import random
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", "target")
BUILT = os.path.join(TARGET, "bench")
SERVER_CORE, CLIENT_CORE = "0", "1"
BASE = "c"
START_S = 10  # how long a server may take to answer its first message

WORKLOADS = {
    "tcp-64x50": ("tcp", ["tcp", "--size", "64", "--conns", "50"]),
    "tcp-64x1000": ("tcp", ["tcp", "--size", "64", "--conns", "1000"]),
    "tcp-16kx50": ("tcp", ["tcp", "--size", "16384", "--conns", "50"]),
    "udp-64x16": ("udp", ["udp", "--size", "64", "--conns", "16"]),
    "rounds": ("tcp", ["rounds", "--size", "64", "--sources", "50"]),
}
USUAL = ["tcp-64x50", "tcp-64x1000", "tcp-16kx50", "udp-64x16"]


def build():
    """The C programs, each when it is older than its source."""
    os.makedirs(BUILT, exist_ok=True)
    load = sorted(f"bench/load/{f}" for f in os.listdir("bench/load"))
    for name, sources in (
        ("echo_tcp", ["bench/reference/echo_tcp.c"]),
        ("echo_udp", ["bench/reference/echo_udp.c"]),
        ("load", load),
    ):
        out = os.path.join(BUILT, name)
        newest = max(os.path.getmtime(s) for s in sources)
        if not os.path.exists(out) or os.path.getmtime(out) <= newest:
            flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", out]
            subprocess.run(["cc", *flags, *(s for s in sources if s.endswith(".c"))], check=True)


class Server:
    """One process, pinned, with its CPU clock."""

    def __init__(self, name, wire, command, folder, keep_stdout):
        self.name, self.wire, self.command = name, wire, command
        self.port = free_port(wire)
        words = [w.replace("{port}", str(self.port)) for w in shlex.split(command)]
        base = os.path.join(folder, f"{wire}-{name.replace(' ', '-').replace('/', '-')}")
        self.output = base + ".out" if keep_stdout else None
        self.errors = base + ".err"
        with open(self.output or os.devnull, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen(
                ["taskset", "-c", SERVER_CORE, *words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )

    def wait_until_up(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            if answers(self.wire, self.port):
                return
            time.sleep(0.02)
        with open(self.errors, errors="replace") as f:
            sys.exit(f"bench: {self.name} ({self.command}) does not answer: {f.read().strip()}")

    def cpu_seconds(self):
        """utime + stime of all threads and all processes of a server that forks."""
        pid = self.process.pid
        return sum(cpu_clock(p) for p in [pid, *descendants(pid)]) + reaped_seconds(pid)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def cpu_clock(pid):
    """The CPU time of a process, its ended threads too, in nanoseconds rather than ticks."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) computes
    except OSError:
        return 0.0  # ended since we listed it; its parent has reaped or will reap its time


def descendants(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            children = [int(word) for word in f.read().split()]
    except OSError:
        return []
    return children + [d for child in children for d in descendants(child)]


def reaped_seconds(pid):
    """cutime + cstime: what children used that have ended."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def kind(wire):
    return socket.SOCK_DGRAM if wire == "udp" else socket.SOCK_STREAM


def free_port(wire):
    with socket.socket(socket.AF_INET, kind(wire)) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(wire, port):
    with socket.socket(socket.AF_INET, kind(wire)) as s:
        s.settimeout(0.5)
        try:
            s.connect(("127.0.0.1", port))
            s.send(b"up?")
            return s.recv(16) == b"up?"
        except OSError:
            return False


def measure(server, words, seconds):
    """One run of the load driver: what it says, and the server's CPU between its two gates."""
    command = ["taskset", "-c", CLIENT_CORE, os.path.join(BUILT, "load"), words[0], "127.0.0.1",
               str(server.port), *words[1:], "--seconds", str(seconds), "--gate"]
    pipe = subprocess.PIPE
    load = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        if load.stdout.readline() != "ready\n":
            sys.exit(f"bench: {server.name}: {load.communicate()[1].strip()}")
        before = server.cpu_seconds()
        load.stdin.write("go\n")
        load.stdin.flush()
        said = load.stdout.readline()
        cpu = server.cpu_seconds() - before
        load.communicate("end\n", timeout=30)
    finally:
        load.kill()
        load.wait()
    result = json.loads(said)
    if not result["requests"]:
        sys.exit(f"bench: {server.name} answered nothing: {said.strip()}")
    result["cpu_us_per_request"] = cpu * 1e6 / result["requests"]
    return result


def spread(values):
    return {
        "median": round(statistics.median(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
    }


def summarise(cycles, to=BASE):
    """{server: [result per cycle]} -> {server: figures}; the ratio is taken cycle by cycle."""
    base = [r["cpu_us_per_request"] for r in cycles[to]]
    return {
        name: {
            "ratio": spread([r["cpu_us_per_request"] / b for r, b in zip(results, base)]),
            "cpu_us_per_request": spread([r["cpu_us_per_request"] for r in results]),
            "requests_per_s": spread([r["requests"] / r["seconds"] for r in results]),
            "p50_us": spread([r["p50_us"] for r in results]),
            "p99_us": spread([r["p99_us"] for r in results]),
            "errors": sum(r["errors"] for r in results),
        }
        for name, results in cycles.items()
    }


def print_table(workload, figures):
    print(f"\n{workload:<22} {'ratio':>6} {'spread':>13} {'CPU us':>8} {'req/s':>8} {'p99 us':>8}")
    for name, f in figures.items():
        ratio = f["ratio"]
        wrong = f"   {f['errors']} ERRORS" if f["errors"] else ""
        print(
            f"  {name:<20} {ratio['median']:>6.2f} {ratio['low']:>6.2f}-{ratio['high']:<6.2f}"
            f" {f['cpu_us_per_request']['median']:>8.2f} {f['requests_per_s']['median']:>8.0f}"
            f" {f['p99_us']['median']:>8.0f}{wrong}",
            flush=True,
        )


def machine():
    with open("/proc/cpuinfo") as f:
        models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return {
        "cpu": models[0] if models else os.uname().machine,
        "cores": os.cpu_count(),
        "kernel": os.uname().release,
        "pinning": f"servers on core {SERVER_CORE}, client on core {CLIENT_CORE}",
    }


def version():
    said = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return said.stdout.strip() or "unknown"


def pair(text):
    name, _, command = text.partition("=")
    if not command or "{port}" not in command:
        raise argparse.ArgumentTypeError("write NAME=COMMAND with {port} in it")
    return name, command


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--name", help="write bench/results/NAME.json")
    p.add_argument("--cycles", type=int, default=7)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--workload", action="append", choices=WORKLOADS, help="again for more")
    p.add_argument("--server", action="append", default=[], type=pair, metavar="NAME=COMMAND",
                   help="one more TCP echo server; {port} is where it listens on 127.0.0.1")
    p.add_argument("--udp-server", action="append", default=[], type=pair, metavar="NAME=COMMAND")
    p.add_argument("--hobnob", default=os.path.join(TARGET, "release/hobnob"), metavar="PROGRAM")
    p.add_argument("--no-hobnob", action="store_true")
    p.add_argument("--only-build", action="store_true", help="the C programs, then end")
    p.add_argument("--seed", type=int, help="of the order; a new one each time")
    return p.parse_args()


def servers_wanted(args):
    """(name, wire, command, does its stdout go to a file) for each server."""
    wanted = [(BASE, w, f"{BUILT}/echo_{w} {{port}}", False) for w in ("tcp", "udp")]
    if not args.no_hobnob:
        if not os.access(args.hobnob, os.X_OK):
            sys.exit(f"bench: no {args.hobnob}; cargo build --release, or --no-hobnob")
        for wire in ("tcp", "udp"):
            serve = f"{shlex.quote(args.hobnob)} serve echo {wire}://127.0.0.1:{{port}}"
            wanted.append(("hobnob -q", wire, f"{serve} -q", False))
            wanted.append(("hobnob --json", wire, f"{serve} --json", True))
    wanted += [(n, "tcp", c, False) for n, c in args.server]
    wanted += [(n, "udp", c, False) for n, c in args.udp_server]
    used = {WORKLOADS[w][0] for w in args.workload or USUAL}
    return [w for w in wanted if w[1] in used]


def run(args, folder, stack):
    """Start everything, take the turns; {workload: figures}."""
    servers = []
    for name, wire, command, keep in servers_wanted(args):
        server = Server(name, wire, command, folder, keep)
        stack.callback(server.stop)
        servers.append(server)
    for server in servers:
        server.wait_until_up()
    order = random.Random(args.seed)
    found = {}
    for workload in args.workload or USUAL:
        wire, words = WORKLOADS[workload]
        turns = [s for s in servers if s.wire == wire]
        cycles = {s.name: [] for s in turns}
        for _ in range(args.cycles):
            order.shuffle(turns)
            for server in turns:
                cycles[server.name].append(measure(server, words, args.seconds))
        found[workload] = summarise(cycles)
        print_table(workload, found[workload])
    for server in servers:
        if server.output:
            print(f"\n{server.wire} {server.name} wrote {os.path.getsize(server.output):,} bytes")
    return found


def write_report(args, script, commands, found):
    """bench/results/NAME.json: what was run where, and all figures."""
    report = {
        "command": shlex.join(["python3", script, *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "version": version(),
        "machine": machine(),
        "cycles": args.cycles,
        "seconds": args.seconds,
        "servers": commands,
        "workloads": found,
    }
    os.makedirs("bench/results", exist_ok=True)
    with open(f"bench/results/{args.name}.json", "w") as f:
        json.dump(report, f, indent=2)
        f.write("\n")
    print(f"\nbench/results/{args.name}.json")


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    os.chdir(ROOT)
    build()
    if args.only_build:
        return
    wanted = servers_wanted(args)
    runs = sum(WORKLOADS[w][0] == s[1] for w in args.workload or USUAL for s in wanted)
    print(f"at least {runs * args.cycles * args.seconds:.0f} s: {runs} pairs of server and workload, "
          f"{args.cycles} cycles of {args.seconds:g} s", flush=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        found = run(args, folder, stack)
    if args.name:
        commands = {f"{wire} {name}": command for name, wire, command, _ in wanted}
        write_report(args, "bench/echo.py", commands, found)
    wrong = sum(f["errors"] for figures in found.values() for f in figures.values())
    if wrong:
        sys.exit(f"bench: {wrong} errors")


if __name__ == "__main__":
    main()

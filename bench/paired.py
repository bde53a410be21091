"""What the harnesses have in common: C programs, pinned servers with their CPU clocks, paired turns.

All servers are up at once, each pinned to core 0; the client has core 1. In every cycle they
take turns in a random order, and the ratio to the first is taken within the cycle: the machine's
speed drifts, so that only figures from the same few seconds may be compared.
"""

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

import check

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", "target")
BUILT = os.path.join(TARGET, "bench")
SERVER_CORE, CLIENT_CORE = "0", "1"
BASE = "c"
START_S = 10  # how long a server may take to answer its first message
REFERENCES = ["echo_tcp", "echo_udp", "relay_splice"]


def build():
    """The C programs, each when it is older than its source."""
    os.makedirs(BUILT, exist_ok=True)
    programs = {name: [f"bench/reference/{name}.c", "bench/reference/listen.h"] for name in REFERENCES}
    programs["load"] = sorted(f"bench/load/{f}" for f in os.listdir("bench/load"))
    for name, sources in programs.items():
        out = os.path.join(BUILT, name)
        newest = max(os.path.getmtime(s) for s in sources)
        if not os.path.exists(out) or os.path.getmtime(out) <= newest:
            flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", out]
            subprocess.run(["cc", *flags, *(s for s in sources if s.endswith(".c"))], check=True)


class Server:
    """One process, pinned, with its CPU clock."""

    def __init__(self, name, kind, command, folder, *, port, is_up, core=SERVER_CORE, output=None):
        self.name, self.kind, self.command, self.port = name, kind, command, port
        self.is_up, self.output = is_up, output
        self.errors = os.path.join(folder, file_name(kind, name) + ".err")
        words = [w.replace("{port}", str(port)) for w in shlex.split(command)]
        with open(output or os.devnull, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen(
                ["taskset", "-c", core, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )

    def wait_until_up(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            if self.is_up(self.port):
                return
            time.sleep(0.02)
        with open(self.errors, errors="replace") as f:
            sys.exit(f"bench: {self.name} ({self.command}) does not answer: {f.read().strip()}")

    def pids(self):
        return [self.process.pid, *descendants(self.process.pid)]

    def cpu_seconds(self):
        """utime + stime of all threads and all processes of a server that forks."""
        return sum(cpu_clock(p) for p in self.pids()) + reaped_seconds(self.process.pid)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def file_name(kind, name):
    return f"{kind}-{name}".replace(" ", "-").replace("/", "-")


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


def resident_bytes(pid):
    """What a process has in memory."""
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def socket_kind(wire):
    return socket.SOCK_DGRAM if wire == "udp" else socket.SOCK_STREAM


def free_port(wire):
    with socket.socket(socket.AF_INET, socket_kind(wire)) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(wire):
    """A look whether something on a port echoes."""
    def look(port):
        with socket.socket(socket.AF_INET, socket_kind(wire)) as s:
            s.settimeout(0.5)
            try:
                s.connect(("127.0.0.1", port))
                s.send(b"up?")
                return s.recv(16) == b"up?"
            except OSError:
                return False
    return look


class Load:
    """The load driver on the client's core, stopped at its gates: ready, and said but not yet gone."""

    def __init__(self, server, words):
        command = ["taskset", "-c", CLIENT_CORE, os.path.join(BUILT, "load"), words[0],
                   "127.0.0.1", str(server.port), *words[1:], "--gate"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"bench: {server.name}: {self.process.communicate()[1].strip()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def go(self):
        """Lets it run; what it says."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        if not said:
            sys.exit(f"bench: {self.process.communicate()[1].strip()}")
        return json.loads(said)

    def end(self):
        self.process.communicate("end\n", timeout=30)


def measure(server, words, seconds):
    """One run of the load driver: what it says, and the server's CPU between its two gates."""
    with Load(server, [*words, "--seconds", str(seconds)]) as load:
        before = server.cpu_seconds()
        result = load.go()
        cpu = server.cpu_seconds() - before
        load.end()
    if not result["bytes"]:
        sys.exit(f"bench: {server.name} passed nothing: {result}")
    result["gb_per_s"] = result["bytes"] / 1e9 / result["seconds"]
    result["cpu_s_per_gb"] = cpu * 1e9 / result["bytes"]
    if result["requests"]:
        result["requests_per_s"] = result["requests"] / result["seconds"]
        result["cpu_us_per_request"] = cpu * 1e6 / result["requests"]
    return result


def measure_by_hobnob(hobnob, server, flags, seconds):
    """One run of `hobnob bench`, and the server's CPU from before its first conn to after its last."""
    wire = "udp" if server.kind == "udp" else "tcp"
    command = ["taskset", "-c", CLIENT_CORE, hobnob, "bench", f"{wire}://127.0.0.1:{server.port}",
               *flags, "-d", f"{seconds}s", "--json", "-q"]
    before = server.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    cpu = server.cpu_seconds() - before
    if not done.stdout:
        sys.exit(f"bench: {server.name}: {done.stderr.strip()}")
    result = told_by_hobnob(json.loads(done.stdout.splitlines()[-1]))
    if not result["requests"]:
        sys.exit(f"bench: {server.name} answered nothing: {done.stdout.strip()}")
    result["requests_per_s"] = result["requests"] / result["seconds"]
    result["cpu_us_per_request"] = cpu * 1e6 / result["requests"]
    return result


def told_by_hobnob(told):
    """What `hobnob bench --json` says, in the words of the load driver."""
    wrong = sum(told[count] for count in ("lost", "wrong", "failed", "failed_here", "unanswered"))
    times = {name: told["latency_us"][share] for name, share in (("p50_us", "p50"), ("p99_us", "p99"))}
    return {"requests": told["done"], "seconds": told["lasted"], "errors": wrong, **times}


def take_turns(servers, words, args, order, by=measure):
    """{server: [result per cycle]}"""
    turns, cycles = list(servers), {s.name: [] for s in servers}
    for _ in range(args.cycles):
        order.shuffle(turns)
        for server in turns:
            cycles[server.name].append(by(server, words, args.seconds))
    return cycles


def start(wanted, folder, stack, look=answers, core=SERVER_CORE):
    """Servers of (name, wire, command, does its stdout go to a file), all up; `look` is for a wire."""
    servers = []
    for name, wire, command, is_kept in wanted:
        output = os.path.join(folder, file_name(wire, name) + ".out") if is_kept else None
        server = Server(name, wire, command, folder, port=free_port(wire), is_up=look(wire), core=core, output=output)
        stack.callback(server.stop)
        servers.append(server)
    for server in servers:
        server.wait_until_up()
    return servers


@contextlib.contextmanager
def stage():
    """A folder for one run, and a stack on which each server is stopped, whatever ends us."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        yield folder, stack


def set_up(args):
    """From any folder: the C programs, and a look whether there is a hobnob."""
    os.chdir(ROOT)
    build()
    if args.only_build:
        sys.exit()
    check_hobnob(args)


def announce(args, pairs, what):
    total = pairs * args.cycles * args.seconds
    print(f"at least {total:g} s: {what}, {args.cycles} cycles of {args.seconds:g} s", flush=True)


def order_of(args):
    return random.Random(args.seed)


def spread(values):
    return {
        "median": round(statistics.median(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
    }


def summarise(cycles, cost, others, base=BASE):
    """{server: [result per cycle]} -> {server: figures}; the ratio is taken cycle by cycle."""
    costs = [r[cost] for r in cycles[base]]
    return {
        name: {
            "ratio": spread([r[cost] / b for r, b in zip(results, costs)]),
            **{figure: spread([r[figure] for r in results]) for figure in (cost, *others)},
            "errors": sum(r.get("errors", 0) for r in results),
        }
        for name, results in cycles.items()
    }


def print_table(title, figures, columns):
    """`columns`: (figure, heading, decimals) of each but the ratio."""
    heads = "".join(f" {heading:>8}" for _, heading, _ in columns)
    print(f"\n{title:<22} {'ratio':>6} {'spread':>13}{heads}")
    for name, f in figures.items():
        ratio = f["ratio"]
        cells = "".join(f" {f[figure]['median']:>8.{decimals}f}" for figure, _, decimals in columns)
        wrong = f"   {f['errors']} ERRORS" if f["errors"] else ""
        print(
            f"  {name:<20} {ratio['median']:>6.2f} {ratio['low']:>6.2f}-{ratio['high']:<6.2f}{cells}{wrong}",
            flush=True,
        )


def add_run_arguments(p):
    """What every harness takes."""
    p.add_argument("--name", help="write NAME.json")
    p.add_argument("--out", default="bench/results", metavar="FOLDER", help="where NAME.json goes (bench/results)")
    p.add_argument("--hobnob", default=os.path.join(TARGET, "release/hobnob"), metavar="PROGRAM")


def add_turn_arguments(p, workloads, seconds=float):
    """And what each takes in which servers take turns."""
    add_run_arguments(p)
    p.add_argument("--cycles", type=int, default=7)
    p.add_argument("--seconds", type=seconds, default=2)
    p.add_argument("--workload", action="append", choices=workloads, help="again for more")
    p.add_argument("--seed", type=int, help="of the order; a new one each time")


def add_arguments(p, workloads):
    """And where the C programs are what hobnob is measured against."""
    add_turn_arguments(p, workloads)
    p.add_argument("--no-hobnob", action="store_true")
    p.add_argument("--only-build", action="store_true", help="the C programs, then end")


def check_hobnob(args):
    if getattr(args, "no_hobnob", False) or os.access(args.hobnob, os.X_OK):
        return
    way_out = ", or --no-hobnob" if hasattr(args, "no_hobnob") else ""
    sys.exit(f"bench: no {args.hobnob}; cargo build --release{way_out}")


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


def write_report(args, script, servers, found):
    """Of turns: what was compared, and how long."""
    facts = {"cycles": args.cycles, "seconds": args.seconds, "servers": servers}
    write_result(args, script, {**facts, **found})


def write_result(args, script, found):
    if not args.name:
        return
    report = {
        "command": shlex.join(["python3", f"bench/{script}", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "version": version(),
        "machine": machine(),
        **found,
    }
    os.makedirs(args.out, exist_ok=True)
    path = os.path.join(args.out, f"{args.name}.json")
    with open(path, "w") as f:
        json.dump(report, f, indent=2)
        f.write("\n")
    print(f"\n{path}")
    wrong = check.faults_of(path)
    if wrong:
        sys.exit("bench: " + "; ".join(wrong))


def exit_if_wrong(workloads):
    wrong = sum(f["errors"] for figures in workloads.values() for f in figures.values())
    if wrong:
        sys.exit(f"bench: {wrong} errors")

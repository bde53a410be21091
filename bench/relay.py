#!/usr/bin/env python3
"""Relays side by side: CPU per GB and per request as a ratio to a bare C splice loop.

    python3 bench/relay.py --name today       # C, hobnob -q, haproxy and nginx where they are
    python3 bench/relay.py --weights          # what 5,000 idle sessions weigh, in place of the turns

How the turns are taken is in paired.py. Every relay is there twice, before the C echo loop and
before the load driver's own sink, both of which are on the client's core. Loopback only; the
time is bounded by cycles x relays x seconds and printed first.
"""

import argparse
import os
import shlex
import shutil
import socket
import sys
import time

import paired
from paired import BASE, BUILT, CLIENT_CORE, START_S

WORKLOADS = {
    "one-way": ("bulk", ["push", "--conns", "1"]),
    "both-ways": ("bulk", ["both", "--conns", "1"]),
    "one-way-x8": ("bulk", ["push", "--conns", "8"]),
    "both-ways-x8": ("bulk", ["both", "--conns", "8"]),
    "64x50": ("echo", ["tcp", "--size", "64", "--conns", "50"]),
}
USUAL = ["one-way", "both-ways", "64x50"]
FIGURES = {
    "bulk": ("cpu_s_per_gb", ["gb_per_s"], [("cpu_s_per_gb", "s/GB", 3), ("gb_per_s", "GB/s", 2)]),
    "echo": (
        "cpu_us_per_request",
        ["requests_per_s", "p50_us", "p99_us"],
        [("cpu_us_per_request", "CPU us", 2), ("requests_per_s", "req/s", 0), ("p99_us", "p99 us", 0)],
    ),
}
NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"  # libnginx-mod-stream
UDP_FORGOTTEN_S = 80  # a silent UDP peer is forgotten after 60 s; hobnob looks every 7.5 s

# Both as they come, but for a single process or thread each, and for half-close.
HAPROXY = """\
global
    maxconn 9000
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 300s
    timeout server 300s
listen relay
    bind 127.0.0.1:{port}
    server target 127.0.0.1:{target}
"""
NGINX = """\
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 20000; }}
stream {{
    server {{
        listen 127.0.0.1:{port}{udp};
        proxy_pass 127.0.0.1:{target};
        proxy_timeout 60s;
        {half_close}
    }}
}}
"""


def written(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    return shlex.quote(path)


def haproxy(folder, wire, port, target):
    text = HAPROXY.format(port=port, target=target)
    return f"haproxy -db -f {written(folder, 'haproxy.cfg', text)}"


def nginx(folder, wire, port, target):
    udp, half_close = (" udp", "") if wire == "udp" else ("", "proxy_half_close on;")
    text = NGINX.format(module=NGINX_STREAM, folder=folder, port=port, target=target,
                        udp=udp, half_close=half_close)
    return f"nginx -e {shlex.quote(folder)}/nginx.log -c {written(folder, 'nginx.conf', text)}"


def hobnob(program):
    return ["tcp", "udp"], lambda _, wire, port, target: (
        f"{shlex.quote(program)} relay -q {wire}://127.0.0.1:{port} {wire}://127.0.0.1:{target}")


def relays(args):
    """{name: (the wires it relays, its command for (folder, wire, port, target))}; tells who is missing."""
    splice = os.path.join(BUILT, "relay_splice")
    found = {BASE: (["tcp"], lambda _, wire, port, target: f"{splice} {port} {target}")}
    if not args.no_hobnob:
        found["hobnob -q"] = hobnob(args.hobnob)
    if args.before:
        found["before -q"] = hobnob(args.before)
    for name, package, is_there, wires, command in (
        ("haproxy", "haproxy", shutil.which("haproxy"), ["tcp"], haproxy),
        ("nginx stream", "nginx libnginx-mod-stream",
         shutil.which("nginx") and os.path.exists(NGINX_STREAM), ["tcp", "udp"], nginx),
    ):
        if is_there:
            found[name] = (wires, command)
        else:
            print(f"without {name}: not installed (apt-get install {package})")
    return found


def is_taken(wire):
    """A look whether a port is bound, which costs a relay no session."""
    def look(port):
        with socket.socket(socket.AF_INET, paired.socket_kind(wire)) as s:
            try:
                s.bind(("127.0.0.1", port))
                return False
            except OSError:
                return True
    return look


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_arguments(p, WORKLOADS)
    p.add_argument("--before", metavar="PROGRAM", help="an earlier build of hobnob, in the same turns")
    p.add_argument("--weights", action="store_true", help="idle sessions instead of turns")
    p.add_argument("--idle", type=int, default=5000, help="of how many, with --weights")
    return p.parse_args()


class Stage:
    """The targets, and the relays before them."""

    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack
        self.targets = {}

    def echo(self, wire):
        if wire not in self.targets:
            command = f"{BUILT}/echo_{wire} {{port}}"
            target = paired.Server("target", wire, command, self.folder, core=CLIENT_CORE,
                                   port=paired.free_port(wire), is_up=paired.answers(wire))
            self.stack.callback(target.stop)
            target.wait_until_up()
            self.targets[wire] = target
        return self.targets[wire].port

    def relay(self, name, kind, wire, command, target, is_up):
        port = paired.free_port(wire)
        folder = os.path.join(self.folder, paired.file_name(f"{kind}-{wire}", name))
        os.mkdir(folder)
        command = command(folder, wire, port, target)
        server = paired.Server(name, kind, command, folder, port=port, is_up=is_up)
        self.stack.callback(server.stop)
        return server


def start(found, kinds, sink, stage):
    servers = []
    for name, (_, command) in found.items():
        if "echo" in kinds:
            target, is_up = stage.echo("tcp"), paired.answers("tcp")
            servers.append(stage.relay(name, "echo", "tcp", command, target, is_up))
        if "bulk" in kinds:
            servers.append(stage.relay(name, "bulk", "tcp", command, sink, accepts))
    for server in servers:
        server.wait_until_up()
    return servers


def run(args, servers, sink):
    """Takes the turns; {workload: figures}."""
    order, found = paired.order_of(args), {}
    for workload in args.workload or USUAL:
        kind, words = WORKLOADS[workload]
        words = [*words, "--sink", str(sink)] if kind == "bulk" else words
        turns = [s for s in servers if s.kind == kind]
        cost, others, columns = FIGURES[kind]
        cycles = paired.take_turns(turns, words, args, order)
        found[workload] = paired.summarise(cycles, cost, others)
        paired.print_table(workload, found[workload], columns)
    return found


def resident(server):
    """Bytes, of all its processes."""
    return sum(paired.resident_bytes(pid) for pid in server.pids())


def descriptors(server):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in server.pids())


def settled_descriptors(server):
    """How many are open once it has opened what it opens at its start."""
    end, last = time.monotonic() + START_S, -1
    while time.monotonic() < end and last != (last := descriptors(server)):
        time.sleep(0.5)
    return last


def left_over(server, open_before):
    """How many more stay open when nobody is left."""
    end = time.monotonic() + UDP_FORGOTTEN_S
    while descriptors(server) > open_before and time.monotonic() < end:
        time.sleep(0.1)
    return descriptors(server) - open_before


def weigh(server, wire, count):
    mode = "idle-udp" if wire == "udp" else "idle"
    open_before = settled_descriptors(server)
    # What the first sessions allocate once and for all is not theirs alone.
    with paired.Load(server, [mode, "--conns", "64"]) as load:
        load.go()
        load.end()
    before = resident(server)
    with paired.Load(server, [mode, "--conns", str(count), "--active", "200"]) as load:
        full = resident(server)
        errors = load.go()["errors"]
        load.end()
    return {
        "bytes_each": round((full - before) / count),
        "descriptors_left": left_over(server, open_before),
        "errors": errors,
    }


def weights(args, found, stage):
    """{wire: {relay: figures}}"""
    said = {"tcp": {}, "udp": {}}
    for wire in said:
        print(f"\n{args.idle:,} idle over {wire:<6} {'bytes each':>12} {'descriptors left':>18}")
        for name, (wires, command) in found.items():
            if wire not in wires:
                continue
            if name == BASE:
                print(f"  {name:<20}   left out: six descriptors a session are too many")
                continue
            server = stage.relay(name, "idle", wire, command, stage.echo(wire), is_taken(wire))
            server.wait_until_up()
            figures = said[wire][name] = weigh(server, wire, args.idle)
            wrong = f"   {figures['errors']} ERRORS" if figures["errors"] else ""
            print(f"  {name:<20} {figures['bytes_each']:>12,} {figures['descriptors_left']:>18}{wrong}",
                  flush=True)
            server.stop()
    return said


def main():
    args = arguments()
    paired.set_up(args)
    found, wanted = relays(args), args.workload or USUAL
    with paired.stage() as (folder, stack):
        stage = Stage(folder, stack)
        if args.weights:
            said = {"weights": weights(args, found, stage)}
        else:
            what = f"{len(found)} relays, {len(wanted)} workloads"
            paired.announce(args, len(found) * len(wanted), what)
            sink = paired.free_port("tcp")
            servers = start(found, {WORKLOADS[w][0] for w in wanted}, sink, stage)
            said = {"workloads": run(args, servers, sink)}
    paired.write_report(args, "relay.py", sorted(found), said)
    paired.exit_if_wrong(next(iter(said.values())))


if __name__ == "__main__":
    main()

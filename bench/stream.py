#!/usr/bin/env python3
"""`hobnob bench --mode stream` beside iperf3: bytes a second up one connection, in turn.

    python3 bench/stream.py --name stream

Each has its own receiver on core 0, as iperf3 only talks to itself: `iperf3 -s`, and `hobnob serve discard -q`. The senders
have core 1. Loopback only. Needs iperf3.
"""

import argparse
import json
import shlex
import shutil
import socket
import subprocess
import sys

import paired

BASE = "iperf3"


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_turn_arguments(p, ["up"], seconds=int)
    p.set_defaults(no_hobnob=False, only_build=False)
    return p.parse_args()


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


def measure(server, hobnob, seconds):
    at = str(server.port)
    commands = {
        BASE: ["iperf3", "-c", "127.0.0.1", "-p", at, "-t", str(seconds), "-J"],
        "hobnob bench": [hobnob, "bench", f"tcp://127.0.0.1:{at}", "--mode", "stream", "--way", "up", "-c", "1",
                         "-d", f"{seconds}s", "--json", "-q"],
    }
    command = ["taskset", "-c", paired.CLIENT_CORE, *commands[server.name]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    if done.returncode:
        sys.exit(f"bench: {server.name} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    told = json.loads(done.stdout)
    if server.name == BASE:
        return told["end"]["sum_received"]["bits_per_second"] / 8e9
    return told["sent"] / told["lasted"] / 1e9


def main():
    args = arguments()
    paired.set_up(args)
    if not shutil.which("iperf3"):
        sys.exit("bench: needs iperf3")
    paired.announce(args, 2, "both senders")
    receivers = {BASE: "iperf3 -s -B 127.0.0.1 -p {port}",
                 "hobnob bench": f"{shlex.quote(args.hobnob)} serve discard tcp://127.0.0.1:{{port}} -q"}
    rates = {name: [] for name in receivers}
    with paired.stage() as (folder, stack):
        turns = []
        for name, command in receivers.items():
            port = paired.free_port("tcp")
            server = paired.Server(name, "tcp", command, folder, port=port, is_up=listens)
            stack.callback(server.stop)
            server.wait_until_up()
            turns.append(server)
        order = paired.order_of(args)
        for _ in range(args.cycles):
            order.shuffle(turns)
            for server in turns:
                rates[server.name].append(measure(server, args.hobnob, args.seconds))
    ratio = paired.spread([ours / theirs for ours, theirs in zip(rates["hobnob bench"], rates[BASE])])
    found = {name: {"gb_per_s": paired.spread(all_of)} for name, all_of in rates.items()}
    for name, figures in found.items():
        print(f"{name:<14} {figures['gb_per_s']['median']:.2f} GB/s, {figures['gb_per_s']['low']:.2f}-"
              f"{figures['gb_per_s']['high']:.2f}")
    print(f"ratio {ratio['median']:.2f}, {ratio['low']:.2f}-{ratio['high']:.2f}")
    paired.write_report(args, "stream.py", receivers, {"ratio": ratio, "senders": found})


if __name__ == "__main__":
    main()

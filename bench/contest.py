#!/usr/bin/env python3
"""Whether hobnob bench tells two servers apart where they differ, and only there.

    python3 bench/contest.py --name contest

Two echo servers that spin for the same time a message, and two of which one takes a tenth longer: `hobnob bench ONE
OTHER` has to say `no difference` of the first pair in at least 19 of 20 runs, and which is slower of the second in at
least 18 of 20. Both servers run on core 0, where one is idle while the other is asked. Loopback only.
"""

import argparse
import json
import subprocess
import sys

import paired
from paired import BUILT

# Microseconds of each server: what a message costs beside its spinning is some 8, so that the last is a tenth slower.
SPINS = {"one": 90, "its twin": 90, "a tenth slower": 101}
LEAST = {"its twin": 0.95, "a tenth slower": 0.9}
CONNS = 20
TRIES = 3  # of a run in which too little came back to be compared, and hobnob says so


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    paired.add_run_arguments(p)
    p.add_argument("--runs", type=int, default=20)
    p.add_argument("--seconds", type=float, default=2, help="of each server in each run")
    p.add_argument("--rounds", type=int, default=10, help="turns of each in a run")
    p.set_defaults(no_hobnob=False, only_build=False)
    return p.parse_args()


def compare(args, ports):
    """What is said of the second: its rate as a ratio to the first's, and whether that is a tie."""
    addresses = [f"tcp://127.0.0.1:{port}" for port in ports]
    command = ["taskset", "-c", paired.CLIENT_CORE, args.hobnob, "bench", *addresses, "-c", str(CONNS),
               "-d", f"{args.seconds}s", "--rounds", str(args.rounds), "--json", "-q"]
    for _ in range(TRIES):
        done = subprocess.run(command, capture_output=True, text=True, timeout=args.seconds * 4 + 60)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        contests = [line for line in lines if line["type"] == "contest"]
        if done.returncode:
            sys.exit(f"bench: hobnob ended with {done.returncode}: {done.stderr.strip()}")
        if contests:
            return contests[0]
    sys.exit("bench: too little comes back to be compared: this machine does something else")


def main():
    args = arguments()
    paired.set_up(args)
    print(f"at least {4 * args.runs * args.seconds:g} s", flush=True)
    with paired.stage() as (folder, stack):
        ports = {}
        for name, spin in SPINS.items():
            ports[name] = paired.free_port("tcp")
            server = paired.Server(name, "tcp", f"{BUILT}/echo_tcp {{port}} {spin}", folder, port=ports[name],
                                   is_up=paired.answers("tcp"))
            stack.callback(server.stop)
            server.wait_until_up()
        said = {name: [] for name in LEAST}
        for _ in range(args.runs):
            for name, told in said.items():
                told.append(compare(args, [ports["one"], ports[name]]))
    found, wrong = {}, []
    for name, told in said.items():
        ties = sum(contest["tie"] for contest in told)
        slower = sum(not contest["tie"] and contest["ratio"] < 1 for contest in told)
        right = ties if name == "its twin" else slower
        ratio = paired.spread([contest["ratio"] for contest in told])
        found[name] = {"runs": len(told), "ties": ties, "slower": slower, "ratio": ratio}
        print(f"{name:<16} {right} of {len(told)} right   ratio {ratio['median']:.3f}, "
              f"{ratio['low']:.3f}-{ratio['high']:.3f}", flush=True)
        if right < LEAST[name] * len(told):
            wrong.append(name)
    paired.write_result(args, "contest.py", {"runs": args.runs, "seconds": args.seconds, "contests": found})
    if wrong:
        sys.exit(f"bench: too often wrong about {' and '.join(wrong)}")


if __name__ == "__main__":
    main()

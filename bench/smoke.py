#!/usr/bin/env python3
"""A minute of every harness: that each runs, finds no errors, and writes what the schema says. Its figures mean nothing.

    python3 bench/smoke.py [--hobnob target/debug/hobnob]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

import paired

SHORT = ["--cycles", "1", "--seconds", "1"]
# (harness, its arguments, what it needs beside cc)
RUNS = [
    ("echo", [*SHORT, "--workload", "tcp-64x50", "--workload", "udp-64x16"], []),
    ("relay", [*SHORT, "--workload", "one-way", "--workload", "64x50"], []),
    ("http", [*SHORT, "--workload", "keep-alive-x50"], ["nginx", "wrk"]),
    ("bench", SHORT, ["nginx", "wrk", "curl"]),
    ("stream", SHORT, ["iperf3"]),
    ("start", ["--starts", "2"], []),
    ("rooms", ["--cycles", "1", "--lines", "2000"], []),
    ("mail", ["--cycles", "1", "--letters", "200", "--kept", "300"], [f"{paired.TARGET}/peers/postfix/usr/sbin/smtp-source"]),
]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--hobnob", default=os.path.join(paired.TARGET, "debug/hobnob"), metavar="PROGRAM")
    args = p.parse_args()
    os.chdir(paired.ROOT)
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for name, words, needs in RUNS:
            missing = [word for word in [*needs, "taskset"] if not shutil.which(word)]
            if missing:
                print(f"{name} is left out: {' '.join(missing)} is missing", flush=True)
                continue
            command = ["python3", f"bench/{name}.py", "--hobnob", args.hobnob, *words, "--name", name, "--out", folder]
            done = subprocess.run(command, capture_output=True, text=True)
            is_written = os.path.exists(os.path.join(folder, f"{name}.json"))
            print(f"{name}: {'ok' if done.returncode == 0 and is_written else 'failed'}", flush=True)
            if done.returncode or not is_written:
                failed.append(name)
                print(done.stdout + done.stderr)
    if failed:
        sys.exit(f"bench: {' '.join(failed)} failed")


if __name__ == "__main__":
    main()

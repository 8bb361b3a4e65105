#!/usr/bin/env python3
"""How long a press takes: from the start of `redkey stop` to verified dead, and what `redkey run` adds to a start.

    cargo build --release && python3 bench/key.py [--trials 100]

Everything runs in throw-away directories; ratios in one run say more than milliseconds.
"""
import argparse, json, os, statistics, subprocess, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REDKEY = ROOT / "target" / "release" / "redkey"


def percentile(values, percent):
    values = sorted(values)
    return values[max(0, -(-len(values) * percent // 100) - 1)]


def row(name, values):
    print(f"{name:<44} {percentile(values, 50):>8.1f} {percentile(values, 99):>8.1f}")


def press(env, command, now):
    """One run, one stop: milliseconds by the receipt, and as the caller sees them."""
    run = subprocess.Popen([REDKEY, "run", "--contain", "subreaper", "--", "sh", "-c", command], env=env,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    run.stdout.readline()  # the command says that all of it is up
    name = json.loads(subprocess.run([REDKEY, "status", "--json"], env=env, capture_output=True).stdout)[0]["run"]
    began = time.perf_counter()
    stop = subprocess.run([REDKEY, "stop", name, "--json", *(["--now"] if now else [])], env=env, capture_output=True)
    seen = (time.perf_counter() - began) * 1e3
    answer = json.loads(stop.stdout)
    assert stop.returncode == 0 and answer["result"] == "verified", answer
    run.wait(10)
    return answer["stop"]["receipt"]["took_us"] / 1e3, seen


def start(env, command):
    began = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1e3


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, default=100)
    trials = options.parse_args().trials
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:  # a meter may still write its last line
        runtime = Path(home) / "run"
        runtime.mkdir(mode=0o700)
        env = {"PATH": os.environ["PATH"], "HOME": home, "XDG_RUNTIME_DIR": str(runtime)}
        print(f"{'milliseconds, ' + str(trials) + ' trials':<44} {'p50':>8} {'p99':>8}")
        plain = "sleep 60 & echo up; wait"
        hundred = "for i in $(seq 99); do sleep 60 & done; echo up; wait"
        for name, command in [("plain tree", plain), ("100 processes", hundred)]:
            for now in [False, True]:
                took, seen = zip(*[press(env, command, now) for _ in range(trials)])
                how = "--now" if now else "ladder"
                row(f"{name}, {how}: receipt", took)
                row(f"{name}, {how}: the whole command", seen)
        bare = [start(env, ["true"]) for _ in range(trials)]
        under = [start(env, [REDKEY, "run", "--", "true"]) for _ in range(trials)]
        row("true", bare)
        row("redkey run -- true", under)
        print(f"redkey run adds {statistics.median(under) - statistics.median(bare):.1f} ms to start and end")


if __name__ == "__main__":
    main()

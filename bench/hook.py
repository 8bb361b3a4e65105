#!/usr/bin/env python3
"""How long an agent waits for `redkey hook run`: process start to exit, N calls one after the other.

    bench/hook.py [--redkey target/release/redkey] [-n 300] [--transcript-mb 100] [--stand-in]

Needs a release binary. By default a real `redkey attend` is started by the first call, for a session whose transcript
has the given size; --stand-in answers `pass` from this script, which measures the hook's own process alone. Prints a
table; the exit code is 1 if p99 is over 30 ms."""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from common import ROOT, percentile, table

SESSION = "e2692cf9-57ad-4745-8c8b-4094b4df4dc0"
GOAL_MS = 30.0


def stand_in(path):
    """Listens at `path` and lets everything pass."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)

    def serve(connection):
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                call = json.loads(line)
                welcome = dict(proto="1.0", run="bench", boot_id="bench", server="bench")
                result = welcome if call["method"] == "hello" else dict(answer="pass")
                stream.write(json.dumps(dict(jsonrpc="2.0", id=call["id"], result=result)).encode() + b"\n")
                stream.flush()

    def accept():
        while True:
            serve(listener.accept()[0])

    threading.Thread(target=accept, daemon=True).start()


def transcript(path, megabytes):
    """A Claude Code transcript of about this size: messages with usage, and tool results of a few KB."""
    result = "x" * 4000
    written, number = 0, 0
    with open(path, "w") as file:
        while written < megabytes << 20:
            base = dict(parentUuid=None, isSidechain=False, sessionId=SESSION, cwd="/home/dev/project", timestamp="2026-11-23T13:56:11.743Z", uuid=f"u{number}")
            use = dict(type="tool_use", id=f"toolu_{number}", name="Bash", input=dict(command=f"make step-{number}"))
            usage = dict(input_tokens=6, cache_read_input_tokens=22112, cache_creation_input_tokens=98, output_tokens=120)
            message = dict(id=f"msg_{number}", role="assistant", model="claude-sonnet-4-5", content=[use], usage=usage)
            done = dict(type="tool_result", tool_use_id=f"toolu_{number}", content=result, is_error=False)
            for line in (dict(base, type="assistant", message=message), dict(base, type="user", message=dict(role="user", content=[done]))):
                text = json.dumps(line, separators=(",", ":")) + "\n"
                file.write(text)
                written += len(text)
            number += 1


def call(redkey, env, text):
    begun = time.perf_counter()
    done = subprocess.run([redkey, "hook", "run", "claude", "--within", "20s"], env=env, input=text, capture_output=True)
    return (time.perf_counter() - begun) * 1000, done


def nothing(env):
    """What it costs to start any process at all, from here."""
    begun = time.perf_counter()
    subprocess.run(["/bin/true"], env=env, input=b"", capture_output=True)
    return (time.perf_counter() - begun) * 1000


def row(name, times):
    return [name, len(times), *(f"{value:.1f}" for value in (percentile(times, 0.5), percentile(times, 0.9), percentile(times, 0.99), max(times)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redkey", default=os.path.join(ROOT, "target/release/redkey"))
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("--transcript-mb", type=int, default=100)
    parser.add_argument("--stand-in", action="store_true")
    args = parser.parse_args()
    top = tempfile.mkdtemp(prefix="redkey-hook-")
    try:
        return measure(args, top)
    finally:
        shutil.rmtree(top, ignore_errors=True)


def measure(args, top):
    folder = os.path.join(top, ".claude/projects/-home-dev-project")
    run = os.path.join(top, "run")
    os.makedirs(folder)
    os.makedirs(os.path.join(run, "redkey"), mode=0o700)
    path = os.path.join(folder, SESSION + ".jsonl")
    agent = subprocess.Popen(["sleep", "600"])  # stands for the agent: whoever attends lives as long as it
    # So much transcript has used up any ordinary clock, and the answer would be a refusal.
    config = os.path.join(top, ".config", "redkey")
    os.makedirs(config)
    with open(os.path.join(config, "policy.toml"), "w") as policy:
        policy.write('version = 1\n[budget]\ndefault = "8000h"\n')
    env = dict(HOME=top, PATH="/usr/bin:/bin", LANG="C.UTF-8", XDG_RUNTIME_DIR=run, CLAUDE_PID=str(agent.pid))
    tell = dict(session_id=SESSION, transcript_path=path, cwd="/home/dev/project", hook_event_name="PreToolUse", tool_name="Bash",
                tool_input=dict(command="make test"), tool_use_id="toolu_1")
    text = json.dumps(tell).encode()
    try:
        if args.stand_in:
            stand_in(os.path.join(run, "redkey", "h-claude-e2692cf9.sock"))
        else:
            transcript(path, args.transcript_mb)
        first, done = call(args.redkey, env, text)
        if done.returncode != 0:
            raise SystemExit(f"the first call was refused: {done.stderr.decode().strip()}")
        times, floor = [], []
        for _ in range(args.n):
            took, done = call(args.redkey, env, text)
            if done.returncode != 0 or done.stdout:
                raise SystemExit(f"a call was not passed: {done.stdout!r} {done.stderr!r}")
            times.append(took)
            floor.append(nothing(env))
    finally:
        agent.send_signal(signal.SIGKILL)
        agent.wait()
    table(["milliseconds", "calls", "p50", "p90", "p99", "max"], [
        row("first call (starts whoever attends)", [first]), row("hook", times), row("/bin/true, for comparison", floor),
    ])
    print(f"goal: p99 <= {GOAL_MS:.0f} ms: {'met' if percentile(times, 0.99) <= GOAL_MS else 'MISSED'}")
    return 0 if percentile(times, 0.99) <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())

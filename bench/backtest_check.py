#!/usr/bin/env python3
"""Recomputes by other means what `redkey backtest` says of sessions, and compares.

    bench/backtest_check.py [--redkey FILE] [--budget 30m] POLICY FILE...

POLICY as for `redkey backtest` (`shipped`, or a file). For each FILE, a transcript of one session:

- when the clock hit zero: from the lines of the statement (`redkey tail --json`), added up here. A charge that is not time
  hits it when it is charged; time hits it on the way, at the pace of `wall_percent`;
- spent, and what was spent after zero: the same sums;
- tokens in all and after zero: from the transcript itself, as JSON (Claude Code and Codex).

It knows nothing of redkey's engine beyond that. Exit code 1 if anything disagrees.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import datetime

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def span(text):
    return int(sum(float(n) * UNITS[u] for n, u in re.findall(r"([\d.]+)(ms|s|m|h|d)", text)))


def stamp(text):
    return int(round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000))


def redkey(args, *command):
    """Its standard output, in a home of its own so that nothing but the named policy has a say."""
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "PATH": os.environ["PATH"]}
        run = subprocess.run([args.redkey, *command], env=env, cwd=home, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)}: {run.stderr.strip()}")
    return run.stdout


def zero_of(lines, budget, wall_percent):
    """(time, spent before it, spent by its end) of the charge that used the budget up; None: none did."""
    spent = 0
    for at, rule, amount in lines:
        if spent + amount >= budget:
            if rule != "wall":
                return at, spent, spent + amount
            # The line ends at `at`; so much of it, in real time, lies after zero.
            after = (spent + amount - budget) * 100 // wall_percent
            return at - after, budget, budget
        spent += amount
    return None


def tokens_claude(lines):
    """(time, tokens so far) after each line: an answer that is told again replaces itself, kind by kind the larger."""
    kinds = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    answers, out = {}, []
    for line in lines:
        message = line.get("message") or {}
        if line.get("type") == "assistant" and message.get("usage") and message.get("model") != "<synthetic>":
            key = (message["id"], line.get("requestId"))
            new = [message["usage"].get(kind) or 0 for kind in kinds]
            answers[key] = [max(pair) for pair in zip(answers.get(key, [0] * 4), new)]
        if line.get("timestamp"):
            out.append((stamp(line["timestamp"]), sum(map(sum, answers.values()))))
    return out


def tokens_codex(lines):
    total, out = 0, []
    for line in lines:
        payload = line.get("payload") or {}
        if payload.get("type") == "token_count" and payload.get("info"):
            total = payload["info"]["total_token_usage"]["total_tokens"]
        out.append((stamp(line["timestamp"]), total))
    return out


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def tokens(path, subagents):
    """None: not a format that this reads, or one whose subagents have files that only their content ties to it."""
    lines = read(path)
    if any("payload" in line for line in lines[:3]):
        return None if subagents else tokens_codex(lines)
    if any(line.get("type") == "assistant" and (line.get("message") or {}).get("usage") for line in lines):
        below = os.path.join(path[: -len(".jsonl")], "subagents")
        for folder, _, names in os.walk(below):
            for name in sorted(names):
                if name.endswith(".jsonl"):
                    lines += read(os.path.join(folder, name))
        lines.sort(key=lambda line: line.get("timestamp") or "")
        return tokens_claude(lines)
    return None


class Check:
    def __init__(self):
        self.wrong = 0

    def same(self, what, told, mine):
        ok = told == mine
        self.wrong += not ok
        print(f"  {'ok' if ok else 'WRONG':5} {what:22} backtest {told}, recomputed {mine}")

    def within(self, what, told, low, high):
        ok = low <= told <= high
        self.wrong += not ok
        print(f"  {'ok' if ok else 'WRONG':5} {what:22} backtest {told}, recomputed {low}{'' if low == high else f' to {high}'}")


def check(args, path, check):
    path = os.path.abspath(path)
    more = ["--budget", args.budget] if args.budget else []
    told = json.loads(redkey(args, "backtest", args.policy, path, "--json", *more))["sessions"]
    if len(told) != 1:
        raise SystemExit(f"{path} holds {len(told)} sessions, not one")
    told, verdict = told[0], told[0]["policy"]
    policy = [] if args.policy == "shipped" else ["--policy", args.policy]
    charges = [json.loads(line) for line in redkey(args, *policy, "tail", "--json", path).splitlines()]
    lines = [(c["at"], c["rule"], c["amount_ms"]) for c in charges if c["rule"] != "grant"]
    merged = json.loads(redkey(args, *policy, "policy", "show", "--json"))
    wall_percent = wall(merged)
    print(f"{told['run']}  {path}")
    spent = sum(amount for _, _, amount in lines)
    check.same("spent, ms", verdict["spent_ms"], spent)
    zero, mine = verdict["zero"], zero_of(lines, verdict["budget_ms"], wall_percent)
    if zero and zero["meter"] != "clock":
        print(f"  --    ran out by {zero['meter']}, a cap: not recomputed")
        return
    check.same("zero at", zero and zero["at"], mine and mine[0])
    counted = tokens(path, told["subagents"])
    if counted:
        check.same("tokens", told["total"]["tokens"], counted[-1][1])
    if not zero or not mine or not verdict["saved"]:
        return
    at, low, _ = mine
    # Everything of the event that used it up happened, and more may have happened in the same millisecond.
    by_charge = low != verdict["budget_ms"]
    # A millisecond of time may cost more than one of the clock.
    until = sum(amount for t, _, amount in lines if t <= at) if by_charge else low + (wall_percent - 1) // 100
    check.within("clock after zero, ms", verdict["saved"]["clock_ms"], spent - until, spent - mine[2])
    if counted:
        before = max((n for t, n in counted if t < at), default=0)
        upto = max((n for t, n in counted if t <= at), default=0)
        check.within("tokens after zero", verdict["saved"]["tokens"], counted[-1][1] - upto, counted[-1][1] - before)


def wall(policy):
    """`wall_percent` wherever `policy show --json` puts it."""
    if isinstance(policy, dict):
        if "wall_percent" in policy:
            found = policy["wall_percent"]
            return found["value"] if isinstance(found, dict) else found
        for value in policy.values():
            found = wall(value)
            if found is not None:
                return found
    if isinstance(policy, list):
        for value in policy:
            found = wall(value)
            if found is not None:
                return found
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--redkey", default=os.path.join(root, "target/release/redkey"))
    parser.add_argument("--budget", help="as of `redkey backtest --budget`")
    parser.add_argument("policy")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    args.redkey = os.path.abspath(args.redkey)
    if os.path.exists(args.policy):
        args.policy = os.path.abspath(args.policy)
    found = Check()
    for path in args.files:
        check(args, path, found)
    print(f"{len(args.files)} sessions, {found.wrong} figures disagree")
    sys.exit(bool(found.wrong))


if __name__ == "__main__":
    main()

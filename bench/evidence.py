#!/usr/bin/env python3
"""What the shipped policy does to runs whose scenario is known: ordinary ones, and those that run away.

    bench/evidence.py [--redkey FILE] [--policy POLICY]... PATH...

PATH: transcripts of agents that played a scenario, named in their working directory or file (AGENT-SCENARIO_N,
SCENARIO.transcript.jsonl). Marks each by what its scenario is, in a home of its own, runs `redkey backtest`, and prints a
line for each scenario: how many sessions, what they spent, how many ran out and after how many of their tool calls.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile

# What each scenario is. The others tell nothing of a policy: stopped from outside, refused by the provider, or so short that
# there is nothing to stop.
ORDINARY = {"success", "subagents", "burst", "apierr", "api_503_recovered", "api_529_recovered", "errors", "work", "pwork"}
RUNAWAY = {"loop", "loopok", "fails", "spawns"}
AGENTS = "claude|codex|gemini|opencode|pi|qwen"


def scenario(session):
    """(name, size) of the scenario, as far as the paths tell."""
    place = os.path.basename(session["cwd"].rstrip("/"))
    found = re.fullmatch(rf"(?:{AGENTS})-([a-z]+)(?:_(\w+))?", place)
    if found:
        return found[1], found[2] or ""
    return os.path.basename(session["source"]).split(".")[0], ""


def backtest(args, home, policy, paths):
    env = {"HOME": home, "PATH": os.environ["PATH"]}
    run = subprocess.run([args.redkey, "backtest", policy, *paths, "--json"], env=env, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(run.stderr)
    return json.loads(run.stdout)


def mark(home, sessions):
    state = os.path.join(home, ".local/state/redkey")
    os.makedirs(state, mode=0o700, exist_ok=True)
    with open(os.path.join(state, "marks.jsonl"), "w") as file:
        for session in sessions:
            name = scenario(session)[0]
            is_stopped = session["outcome"] == "unfinished" and session["run"].startswith("gemini")
            word = "good" if name in ORDINARY else "bad" if name in RUNAWAY else None
            # Gemini CLI ends some loops by itself, after four calls: nothing is left to be stopped.
            if word and not (word == "bad" and (is_stopped or session["total"]["tool_calls"] < 7)):
                file.write(json.dumps({"at": 0, "run": session["run"], "mark": word, "note": name}) + "\n")


def short(ms):
    minutes, seconds = divmod(int(ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{seconds:02}s"


def lines(outcome):
    groups = {}
    for session in outcome["sessions"]:
        if session["basis"] == "mark":
            name, size = scenario(session)
            size = size if size.isdigit() else ""
            name = "api error, recovered" if name.startswith("api") else name
            groups.setdefault((session["ended"] == "bad", f"{name} {size}".strip()), []).append(session)
    for (bad, name), sessions in sorted(groups.items(), key=lambda g: (g[0][0], re.sub(r"\d+", lambda n: n[0].zfill(4), g[0][1]))):
        spent = sorted(s["policy"]["spent_ms"] for s in sessions)
        cut = [s for s in sessions if s["policy"]["saved"]]
        calls = [s["policy"]["zero"]["tool_calls"] for s in cut]
        of = statistics.median(s["total"]["tool_calls"] for s in sessions)
        agents = len({s["run"].split(":")[0] for s in sessions})
        after = f"{min(calls)} to {max(calls)}" if calls else ""
        yield ["runaway" if bad else "ordinary", name, f"{len(sessions)} ({agents})", f"{of:.0f}", f"{short(spent[0])} to {short(spent[-1])}", str(len(cut) or ""), after]


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--redkey", default=os.path.join(root, "target/release/redkey"))
    parser.add_argument("--policy", action="append", help="default: shipped")
    parser.add_argument("paths", nargs="+")
    args = parser.parse_args()
    args.redkey = os.path.abspath(args.redkey)
    paths = [os.path.abspath(path) for path in args.paths]
    with tempfile.TemporaryDirectory() as home:
        mark(home, backtest(args, home, "shipped", paths)["sessions"])
        for policy in args.policy or ["shipped"]:
            outcome = backtest(args, home, os.path.abspath(policy) if os.path.exists(policy) else policy, paths)
            side, summary = outcome["summary"]["policy"], outcome["summary"]
            print(f"policy {policy}: {summary['sessions']} sessions")
            table([["", "SCENARIO", "RUNS (AGENTS)", "CALLS", "SPENT", "RAN OUT", "AFTER CALLS"], *lines(outcome)])
            good, bad = (sum(summary[how].values()) for how in ("good", "bad"))
            print(f"    false stops {side['false_stops']} of {good}, caught {side['caught']} of {bad}, missed {side['missed_stops']} of {bad}\n")


if __name__ == "__main__":
    main()

"""What the measuring scripts share: a throw-away home, a slim way to run and time a program, small arithmetic."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# A program is started by a small interpreter of its own: the kernel counts the starter's memory at the moment of the
# start as the program's, and this one has about 8 MB. What is under that shows as that.
RUNNER = """
import json, os, resource, sys, time, signal
limit, out, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
fd = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
err = os.open(out + '.err', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
null = os.open('/dev/null', os.O_RDONLY)
begun = time.perf_counter()
pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, fd, 1), (os.POSIX_SPAWN_DUP2, err, 2)])
signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
signal.alarm(limit)
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - begun
print(json.dumps(dict(wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak_kb=usage.ru_maxrss, code=os.waitstatus_to_exitcode(status))))
"""


def run(argv, env, out, limit=300):
    """Runs `argv` and returns seconds, CPU seconds, peak KB and exit code; its output goes to the file `out`."""
    try:
        done = subprocess.run([sys.executable, "-I", "-S", "-c", RUNNER, str(limit), out, *argv], env=env, capture_output=True, timeout=limit + 30)
    except subprocess.TimeoutExpired:
        return dict(wall=float(limit), cpu=0.0, peak_kb=0, code=-9)
    if done.returncode != 0:
        raise SystemExit(f"cannot run {argv[0]}: {done.stderr.decode()[-400:]}")
    return json.loads(done.stdout)


class Home:
    """A home whose transcripts are the corpus's own files under second names, so that making it costs nothing and
    whatever a program writes beside them goes away with it. Use as a context manager."""

    def __init__(self, corpus, links=True):
        parent = os.path.dirname(corpus)
        for left in os.listdir(parent):  # of a measurement that was killed
            pid = left.split("-")[1] if left.startswith("home-") else ""
            if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                shutil.rmtree(os.path.join(parent, left), ignore_errors=True)
        self.top = tempfile.mkdtemp(prefix=f"home-{os.getpid()}-", dir=parent)
        self.path = os.path.join(self.top, "home")
        if links:
            shutil.copytree(os.path.join(corpus, "home"), self.path, copy_function=link, symlinks=True)
        else:
            os.makedirs(os.path.join(self.path, ".claude/projects"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.top, ignore_errors=True)

    def own(self, relative):
        """Gives a file a copy of its own, so that it may be changed."""
        path = os.path.join(self.path, relative)
        copy = path + ".copy"
        shutil.copy2(path, copy)
        os.replace(copy, path)
        return path

    def forget(self):
        """Takes away all that programs have kept."""
        for name in (".cache", ".config", ".local", "run"):
            shutil.rmtree(os.path.join(self.path, name), ignore_errors=True)

    def env(self, **more):
        run_dir = os.path.join(self.path, "run")
        os.makedirs(run_dir, mode=0o700, exist_ok=True)
        return dict(
            PATH=os.environ.get("PATH", "/usr/bin:/bin"), HOME=self.path, LANG="C.UTF-8", TZ="UTC", TERM="xterm-256color", NO_COLOR="1",
            XDG_CACHE_HOME=os.path.join(self.path, ".cache"), XDG_CONFIG_HOME=os.path.join(self.path, ".config"),
            XDG_DATA_HOME=os.path.join(self.path, ".local/share"), XDG_STATE_HOME=os.path.join(self.path, ".local/state"),
            XDG_RUNTIME_DIR=run_dir, **more,
        )


def link(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def warm(folder):
    """Reads every file once, so that the page cache holds them."""
    buffer, total = bytearray(1 << 20), 0
    for where, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(where, name), "rb", buffering=0) as file:
                while n := file.readinto(buffer):
                    total += n
    return total


def percentile(values, q):
    """The smallest value with at least the share `q` at or below it."""
    values = sorted(values)
    return values[min(len(values) - 1, max(0, -(-int(q * 1000) * len(values) // 1000) - 1))] if values else float("nan")


def table(head, rows, out=sys.stdout):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for k, row in enumerate([head, *rows]):
        print("  ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip(), file=out)
        if k == 0:
            print("  ".join("-" * w for w in widths), file=out)


median = statistics.median

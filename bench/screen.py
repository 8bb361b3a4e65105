"""As much of a terminal as is needed to read a screen: programs send only the cells that changed, so text that is to be
found must be looked for on the screen, not in what was sent. And a program in a pseudo-terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unicodedata

SEQUENCE = re.compile(
    r"\x1b\[([0-9;:?<>=!]*)([ -/]*)([@-~])|\x1b[\]P_^X].*?(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\r\n\b\t]|[^\x1b\r\n\b\t\x00-\x1f]+|[\x00-\x1f]", re.S
)
# A sequence whose end has not come yet.
TORN = re.compile(r"\x1b(?:\[[0-9;:?<>=!]*[ -/]*|[\]P_^X][^\x07\x1b]*|[ -/]*)?\x1b?$")


class Screen:
    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.x = self.y = 0
        self.rest = b""
        self.clear()

    def clear(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]

    def feed(self, data):
        """Takes what the program sent; returns answers to questions that it asked."""
        data = self.rest + data
        cut = len(data)
        for back in range(1, min(4, len(data)) + 1):  # a letter torn in the middle
            byte = data[-back]
            if byte >= 0xC0:
                cut = len(data) - back if back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else cut
                break
            if byte < 0x80:
                break
        text = data[:cut].decode("utf-8", "replace")
        torn = TORN.search(text[-400:])
        tail = text[-400:][torn.start() :] if torn else ""
        self.rest = tail.encode() + data[cut:]
        answers = b""
        for match in SEQUENCE.finditer(text[: len(text) - len(tail)]):
            if match[3]:
                answers += self.control(match[1], match[2], match[3])
            else:
                answers += self.plain(match[0])
        return answers

    def plain(self, text):
        if text == "\r":
            self.x = 0
        elif text == "\n":
            self.down()
        elif text == "\b":
            self.x = max(0, self.x - 1)
        elif text == "\t":
            self.x = min(self.columns - 1, self.x // 8 * 8 + 8)
        elif text.startswith("\x1b]1") and "?" in text:  # what are your colours?
            return b"\x1b]" + text[2:4].encode() + b";rgb:0000/0000/0000\x1b\\"
        elif text[0] >= " ":
            self.write(text)
        return b""

    def write(self, text):
        for letter in text:
            width = 1 if letter < "\u0300" else 0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
            if width == 0:
                continue
            if self.x + width > self.columns:
                self.x = 0
                self.down()
            self.cells[self.y][self.x] = letter
            if width == 2:
                self.cells[self.y][self.x + 1] = ""
            self.x += width

    def down(self):
        if self.y + 1 < self.rows:
            self.y += 1
        else:
            self.cells.append([" "] * self.columns)
            del self.cells[0]

    def control(self, given, middle, final):
        if middle:
            return b""
        if given[:1] in ("?", "<", ">", "="):
            if final == "u" and given == "?":
                return b""  # no keyboard protocol
            if final == "h" and given[1:] in ("1049", "47"):
                self.clear()
            return b"\x1b[?62;22c" if final == "c" and given[:1] == "?" else b""
        n = [int(p) if p.isdigit() else 0 for p in given.split(";")]
        one = max(1, n[0])
        if final in "Hf":
            self.y, self.x = one - 1, (max(1, n[1]) if len(n) > 1 else 1) - 1
        elif final in "ABCDEF":
            dx, dy = {"A": (0, -1), "B": (0, 1), "C": (1, 0), "D": (-1, 0), "E": (0, 1), "F": (0, -1)}[final]
            self.x, self.y = (0 if final in "EF" else self.x) + dx * one, self.y + dy * one
        elif final in "G`":
            self.x = one - 1
        elif final == "d":
            self.y = one - 1
        elif final == "J":
            if n[0] == 2 or n[0] == 3:
                self.clear()
            elif n[0] == 0:
                self.blank(self.y, self.x, self.columns)
                for y in range(self.y + 1, self.rows):
                    self.blank(y, 0, self.columns)
        elif final == "K":
            self.blank(self.y, 0 if n[0] else self.x, self.x + 1 if n[0] == 1 else self.columns)
        elif final == "X":
            self.blank(self.y, self.x, self.x + one)
        elif final == "c":
            return b"\x1b[?62;22c"
        elif final == "n" and n[0] == 6:
            return f"\x1b[{self.y + 1};{self.x + 1}R".encode()
        self.x, self.y = min(max(self.x, 0), self.columns - 1), min(max(self.y, 0), self.rows - 1)
        return b""

    def blank(self, y, begin, end):
        end = min(end, self.columns)
        self.cells[y][begin:end] = [" "] * max(0, end - begin)

    def text(self):
        return "\n".join("".join(row) for row in self.cells)


class Program:
    """A program in a pseudo-terminal. What it sends is read, put on a screen and counted."""

    def __init__(self, argv, env, columns=200, rows=60):
        self.screen = Screen(columns, rows)
        self.sent, self.ended, self.chunks = 0, False, 0
        self.begun = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                os.execvpe(argv[0], argv, env)
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.set_blocking(self.fd, False)

    def read(self, wait):
        """Waits at most `wait` seconds for output; the time of its arrival, or None."""
        if self.ended:
            time.sleep(min(wait, 0.05))
            return None
        ready, _, _ = select.select([self.fd], [], [], max(0.0, wait))
        if not ready:
            return None
        at = time.perf_counter()
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return None
        self.sent += len(data)
        self.chunks += 1
        if answers := self.screen.feed(data):
            os.write(self.fd, answers)
        return at

    def watch(self, seconds):
        """Reads for a while."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self.read(left)

    def ticks(self):
        """CPU seconds of the program and its living and ended children."""
        total = 0
        for pid in [self.pid, *children(self.pid)]:
            try:
                with open(f"/proc/{pid}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                total += sum(int(f) for f in fields[11:15])
            except (OSError, IndexError):
                pass
        return total / os.sysconf("SC_CLK_TCK")

    def cpu(self):
        """CPU seconds, to the nanosecond where the kernel keeps them (the program's own threads alone)."""
        total = 0
        try:
            for task in os.listdir(f"/proc/{self.pid}/task"):
                with open(f"/proc/{self.pid}/task/{task}/schedstat") as file:
                    total += int(file.read().split()[0])
            return total / 1e9
        except (OSError, IndexError, ValueError):
            return self.ticks()

    def memory(self):
        """Resident MB now, and at most."""
        try:
            with open(f"/proc/{self.pid}/status") as file:
                found = dict(line.split(":", 1) for line in file)
            return tuple(int(found[k].split()[0]) / 1024 for k in ("VmRSS", "VmHWM"))
        except (OSError, KeyError):
            return float("nan"), float("nan")

    def stop(self, key=b"q"):
        """Asks with a key, then with signals, this process alone."""
        for ask in (lambda: os.write(self.fd, key), lambda: os.kill(self.pid, signal.SIGTERM), lambda: os.kill(self.pid, signal.SIGKILL)):
            try:
                ask()
            except OSError:
                pass
            until = time.perf_counter() + 2
            while time.perf_counter() < until:
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    os.close(self.fd)
                    return
                self.read(0.02)
        raise SystemExit(f"process {self.pid} does not end")


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            own = [int(p) for p in file.read().split()]
    except (OSError, ValueError):
        return []
    return own + [c for p in own for c in children(p)]

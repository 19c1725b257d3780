"""What the client scripts share: cases, records to send, and the line protocol to the test driver.

A script prints one JSON object a line. {"case": ..., "error": null or text, "seconds": ...} is a verdict;
{"restart": true} asks the driver to kill the broker with SIGKILL and to start it again on the same data, and the
script goes on when the driver has answered. Everything else on stdout is talk.
"""

import json
import random
import sys
import time
import traceback

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
BOUND_S = 90


class Driver:
    """One script's run: `address` to speak to, cases to run, a name for every topic."""

    def __init__(self):
        self.address, chosen = sys.argv[1], sys.argv[2:]
        self.chosen = set(chosen)
        self.made = 0
        self.run_id = f"{random.randrange(1 << 24):06x}"
        self.admin = None

    def name(self, stem):
        """A topic or group name that no other case uses."""
        self.made += 1
        return f"{stem}-{self.run_id}-{self.made}"

    def restart_broker(self):
        print(json.dumps({"restart": True}), flush=True)
        if sys.stdin.readline().strip() != "restarted":
            raise SystemExit("the driver is gone")

    def run(self, cases):
        """Runs the chosen cases (all, if none is named) and reports each."""
        for case in cases:
            name = case.__name__.replace("_", "-")
            if name not in self.chosen:
                continue
            began = time.monotonic()
            error = None
            try:
                case(self)
            except Exception:
                error = traceback.format_exc()
            seconds = time.monotonic() - began
            print(json.dumps({"case": name, "error": error, "seconds": seconds}), flush=True)


def main(cases):
    """`SCRIPT --list` names the cases; `SCRIPT ADDRESS CASE...` runs them."""
    if sys.argv[1:] == ["--list"]:
        for case in cases:
            print(case.__name__.replace("_", "-"))
        return
    Driver().run(cases)


def check(condition, message):
    """An assertion that `python -O` keeps."""
    if not condition:
        raise AssertionError(message)


def same(got, wanted, what):
    check(got == wanted, f"{what}: got {short(got)}, wanted {short(wanted)}")


def short(value):
    text = repr(value)
    return text if len(text) <= 400 else text[:400] + "..."


def until(condition, what, bound_s=BOUND_S):
    """Evaluates `condition`, which must itself wait a little, until it is true."""
    end = time.monotonic() + bound_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
    raise AssertionError(f"not within {bound_s} s: {what}")


def awkward_records(count, seed):
    """(key, value, headers, timestamp in ms): absent and empty keys, tombstones, other scripts, raw bytes,
    repeated and absent headers, one value that does not fit a small buffer."""
    random_source = random.Random(seed)
    now = int(time.time() * 1000) - count
    records = []
    for i in range(count):
        key = [None, b"", f"key-{i % 17}".encode(), "ключ-鍵".encode(), bytes([0, 255, i % 256])][i % 5]
        value = f"value {seed} {i} ".encode() + random_source.randbytes(random_source.choice([0, 1, 30, 900]))
        if i % 41 == 7:
            value = None
        if i % 41 == 8:
            value = b""
        if i == count // 2:
            value = random_source.randbytes(60_000)
        headers = [("trace", str(i).encode()), ("trace", b"again"), ("nothing", None)] if i % 3 == 0 else []
        records.append((key, value, headers, now + i))
    return records

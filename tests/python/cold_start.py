"""How long a function takes to start, to answer first and to answer again, and what it needs: ours beside the same in Python.

    cold_start.py BOOTSTRAP ZIP [--rounds N]     the built function `sweep`, and its archive

Both are processes that speak the Lambda Runtime API, and both look through the executions of two state machines (six calls of
ListExecutions), answered at once on loopback, so that what is measured is the function. The last line is JSON.
"""

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
MACHINES = "arn:aws:states:eu-west-1:123456789012:stateMachine:crossfade"
WARM = 20
# What the project aims at: so many times less initialisation than Python, so many megabytes.
AIMS = {"initTimesFaster": 25, "residentMb": 8.0, "zippedMb": 2.5}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A process that was ended does not wait for its answer."""

    @property
    def address(self):
        return f"127.0.0.1:{self.server_port}"


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self, status, body=b"", headers=()):
        # Head and body in one write, or Nagle's algorithm is measured.
        lines = [f"HTTP/1.1 {status} OK", f"content-length: {len(body)}", "content-type: application/x-amz-json-1.0"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


class StepFunctions(Quiet):
    """Answers every call as a state machine without executions does."""

    calls = 0

    def do_POST(self):
        self.body()
        type(self).calls += 1
        self.answer(200, b'{"executions":[]}')


class Runtime(Quiet):
    """The Lambda Runtime API of one environment."""

    events = queue.Queue()
    seen = queue.Queue()

    def do_GET(self):
        self.seen.put(("next", time.perf_counter(), b""))
        request = self.events.get()
        self.answer(200, b"{}", [
            ("lambda-runtime-aws-request-id", request),
            ("lambda-runtime-deadline-ms", str(int(time.time() * 1000) + 60_000)),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:crossfade-sweep"),
        ])

    def do_POST(self):
        body = self.body()
        self.seen.put(("response" if self.path.endswith("/response") else "error", time.perf_counter(), body))
        self.answer(202)


def resident_mb(pid):
    """The most that the process has had resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def environment(runtime, account):
    return {
        "PATH": os.environ.get("PATH", ""),
        "AWS_LAMBDA_RUNTIME_API": runtime.address,
        "AWS_LAMBDA_FUNCTION_NAME": "crossfade-sweep",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_ENDPOINT_URL": f"http://{account.address}",
        "TABLE_NAME": "crossfade",
        "DEPLOY_STATE_MACHINE_ARN": f"{MACHINES}-deploy",
        "ROLLBACK_STATE_MACHINE_ARN": f"{MACHINES}-rollback",
    }


def expect(runtime, kind, process):
    try:
        found, at, body = Runtime.seen.get(timeout=30)
    except queue.Empty:
        sys.exit(f"the function says nothing; it has {'ended' if process.poll() is not None else 'not ended'}")
    if found != kind:
        sys.exit(f"the function answered with {found}: {body.decode(errors='replace')}")
    return at, body


def measure(command, runtime, account):
    """One environment: init, first call, warm calls (milliseconds), memory (megabytes)."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment(runtime, account), stdout=subprocess.DEVNULL)
    try:
        ready, _ = expect(runtime, "next", process)
        took = []
        for nth in range(1 + WARM):
            sent = time.perf_counter()
            Runtime.events.put(f"request-{nth}")
            at, body = expect(runtime, "response", process)
            if json.loads(body) != {"rollbacks": []}:
                sys.exit(f"{command[0]} answered {body!r}")
            took.append((at - sent) * 1000)
            expect(runtime, "next", process)
        return (ready - started) * 1000, took[0], statistics.median(took[1:]), resident_mb(process.pid)
    finally:
        process.kill()
        process.wait()
        # Whoever waits for an event in the server's thread is gone with the process.
        Runtime.events.put("nobody")
        time.sleep(0.05)
        while not Runtime.events.empty():
            Runtime.events.get()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bootstrap", type=Path)
    arguments.add_argument("zip", type=Path)
    arguments.add_argument("--rounds", type=int, default=15)
    given = arguments.parse_args()
    account, runtime = Server(StepFunctions), Server(Runtime)
    rows = {
        "rust": [str(given.bootstrap.resolve())],
        "python": [sys.executable, "-X", "frozen_modules=on", str(HERE / "cold_start_handler.py")],
    }
    found = {name: [] for name in rows}
    # In turn, so that whatever else the machine does meets both; the first of each only warms the disk's cache.
    for nth in range(given.rounds + 1):
        for name, command in rows.items():
            measured = measure(command, runtime, account)
            if nth > 0:
                found[name].append(measured)
    if StepFunctions.calls < 2 * given.rounds * (1 + WARM) * 6:
        sys.exit(f"only {StepFunctions.calls} calls were made: something was not measured")
    medians = {name: [statistics.median(column) for column in zip(*rounds)] for name, rounds in found.items()}
    print(f"{'':8}{'init ms':>10}{'first ms':>10}{'warm ms':>10}{'MB':>8}")
    for name, (init, first, warm, resident) in medians.items():
        print(f"{name:8}{init:>10.1f}{first:>10.1f}{warm:>10.1f}{resident:>8.1f}")
    size = given.zip.stat().st_size / 1024 / 1024
    figures = {
        "initTimesFaster": round(medians["python"][0] / medians["rust"][0], 1),
        "residentMb": round(medians["rust"][3], 1),
        "zippedMb": round(size, 2),
    }
    met = figures["initTimesFaster"] >= AIMS["initTimesFaster"] and all(
        figures[name] <= AIMS[name] for name in ("residentMb", "zippedMb")
    )
    names = ("initMs", "firstMs", "warmMs", "residentMb")
    rounded = {name: dict(zip(names, (round(value, 1) for value in row))) for name, row in medians.items()}
    print(json.dumps({"rounds": given.rounds, **rounded, **figures, "aims": AIMS, "met": met}))


if __name__ == "__main__":
    main()

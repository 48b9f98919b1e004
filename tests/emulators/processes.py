"""Starts the emulators, each on a free port of loopback, and always stops what it has started."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCOUNT, REGION = "123456789012", "eu-west-1"
ROOT = Path(__file__).resolve().parents[2]
SECRET = "emulated"
# Long enough for a machine that is busy with everything else.
PATIENCE_SECONDS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(endpoint=None, **more):
    """What a program sees: nothing of the machine's own AWS configuration, and this endpoint."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}
    if endpoint:
        kept["AWS_ENDPOINT_URL"] = endpoint
    return kept | {
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
        # Twelve digits: to ministack this is the account's root user.
        "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": SECRET, "SAM_CLI_TELEMETRY": "0",
    } | more


def dies_with_us():
    """Even if we are killed: Linux sends it SIGTERM then."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Process:
    """A program that runs until it is stopped. What it says goes into a file."""

    def __init__(self, name, command, env, logs):
        self.name = name
        self.log = logs / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([str(word) for word in command], env=env, stdin=subprocess.DEVNULL, cwd=ROOT,
                                            stdout=log, stderr=subprocess.STDOUT, preexec_fn=dies_with_us)

    def alive(self):
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{tail}")
        return True

    def patiently(self, what, look):
        """The first answer that is one, while the program lives."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until and self.alive():
            if seen := look():
                return seen
            time.sleep(0.1)
        raise RuntimeError(f"{self.name}: no {what} within {PATIENCE_SECONDS} s")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def answers(url):
    """Whether somebody answers there, whatever it is."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def ministack(logs, gate_url, port, temporary):
    """ministack, which checks every signature and role. `gate_url` is where its functions find AWS. It unpacks them into
    `temporary`, and leaves that to others to remove."""
    env = environment(gate_url, BIND_HOST="127.0.0.1", GATEWAY_PORT=str(port), SFTP_ENABLED="0", IOT_MTLS_ENABLED="0",
                      AUTH="true", TMPDIR=temporary, MINISTACK_ACCOUNT_ID=ACCOUNT, MINISTACK_REGION=REGION,
                      SFN_WAIT_SCALE="0.2")
    process = Process("ministack", [sys.executable, "-m", "ministack"], env, logs)
    process.patiently("answer", lambda: answers(f"http://127.0.0.1:{port}/_ministack/health"))
    return process


def moto(logs, gate_port, port):
    """moto, whose state machines find their functions at the gate."""
    env = environment(None, MOTO_PORT=str(gate_port), MOTO_ACCOUNT_ID=ACCOUNT)
    process = Process("moto", [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", port], env, logs)
    process.patiently("answer", lambda: answers(f"http://127.0.0.1:{port}/moto-api/data.json"))
    return process


def local(logs, crossfade, layout, fail=None, speed=30):
    """This project's simulated AWS, and its endpoint."""
    command = [crossfade, "local", "--port", 0, "--speed", speed, "--layout", layout]
    process = Process(f"crossfade-local-{layout}{'-' + fail if fail else ''}", command + (["--fail", fail] if fail else []),
                      environment(), logs)

    def endpoint():
        said = process.log.read_text(errors="replace")
        if "Ctrl-C" not in said:
            return None
        return next(word.split("=", 1)[1] for word in said.split() if word.startswith("AWS_ENDPOINT_URL="))

    return process, process.patiently("endpoint", endpoint)

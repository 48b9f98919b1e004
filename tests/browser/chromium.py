"""A headless Chromium, driven over two pipes (`--remote-debugging-pipe`): nothing but Python and the browser itself.

It knows nothing of crossfade.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

PROGRAMS = ["chromium", "chromium-browser", "google-chrome"]
PATIENCE = 30.0


class Missing(Exception):
    """There is no browser on this machine."""


class Failed(Exception):
    """The browser refused something, or a page never came to be as expected."""


def find():
    program = next((found for found in map(shutil.which, PROGRAMS) if found), None)
    if program is None:
        raise Missing(f"none of {', '.join(PROGRAMS)} is installed; on Debian: apt-get install chromium")
    return program


class Browser:
    """One browser process, with a profile of its own."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="crossfade-chromium-")
        commands_read, self.commands = os.pipe()
        self.answers, answers_write = os.pipe()
        options = [
            "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self.profile}", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--disable-extensions", "--hide-scrollbars", "--force-color-profile=srgb", "about:blank",
        ]
        if os.geteuid() == 0:
            # As in a container: the sandbox refuses root.
            options.insert(0, "--no-sandbox")
        # The browser reads commands from 3 and answers on 4. The shell moves what Python has opened there.
        script = f'exec "$0" "$@" 3<&{commands_read} 4>&{answers_write}'
        self.errors = open(os.path.join(self.profile, "errors.txt"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["bash", "-c", script, find(), *options], pass_fds=(commands_read, answers_write),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors)
        os.close(commands_read)
        os.close(answers_write)
        self.last = 0
        self.waiting, self.pages = {}, {}
        self.changed, self.writing = threading.Condition(), threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        rest = b""
        while chunk := os.read(self.answers, 1 << 16):
            *whole, rest = (rest + chunk).split(b"\0")
            for text in whole:
                message = json.loads(text)
                with self.changed:
                    if "id" in message:
                        self.waiting[message["id"]] = message
                    elif page := self.pages.get(message.get("sessionId")):
                        page.events.append((message["method"], message["params"]))
                    self.changed.notify_all()

    def send(self, method, session=None, **params):
        with self.changed:
            self.last += 1
            number = self.last
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        with self.writing:
            os.write(self.commands, json.dumps(message).encode() + b"\0")
        with self.changed:
            if not self.changed.wait_for(lambda: number in self.waiting or self.process.poll() is not None, PATIENCE):
                raise Failed(f"{method}: no answer within {PATIENCE} s")
            answer = self.waiting.pop(number, None)
        if answer is None:
            self.errors.seek(0)
            raise Failed(f"the browser has ended: {self.errors.read()[-2000:]}")
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def page(self, width=1280, height=900):
        return Page(self, width, height)

    def close(self):
        try:
            self.send("Browser.close")
            self.process.wait(10)
        except (Failed, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """One tab with cookies of its own."""

    def __init__(self, browser, width, height):
        self.browser = browser
        self.events = []
        self.context = browser.send("Target.createBrowserContext")["browserContextId"]
        self.target = browser.send("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = browser.send("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        browser.pages[self.session] = self
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.send(f"{domain}.enable")
        # Several pages are looked at at once, and each is to believe that it is the one.
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)
        self.size(width, height)

    def send(self, method, **params):
        return self.browser.send(method, self.session, **params)

    def size(self, width, height, **media):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, **features):
        """For example prefers_color_scheme="dark"."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.send("Emulation.setEmulatedMedia", features=wanted)

    def open(self, url):
        """Answers the status of the last response on the way, redirects included."""
        with self.browser.changed:
            self.events.clear()
        self.send("Page.navigate", url=url)
        self.event("Page.loadEventFired")
        answers = [params for name, params in self.events if name == "Network.responseReceived"]
        found = [params["response"]["status"] for params in answers if params["type"] == "Document"]
        return found[-1] if found else None

    def event(self, wanted):
        with self.browser.changed:
            if not self.browser.changed.wait_for(lambda: any(name == wanted for name, _ in self.events), PATIENCE):
                raise Failed(f"{wanted} never came")

    def run(self, script):
        """The value of an expression; promises are waited for."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if problem := answer.get("exceptionDetails"):
            raise Failed(f"{script}: {problem.get('exception', {}).get('description', problem['text'])}")
        return answer["result"].get("value")

    def until(self, script, seconds=PATIENCE, why=""):
        """Waits until an expression is true."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise Failed(f"never: {why or script}; the page says:\n{self.text()}")
            time.sleep(0.1)
        return value

    def text(self):
        return self.run("document.body.innerText")

    def says(self, text, seconds=PATIENCE):
        self.until(f"document.body.innerText.includes({json.dumps(text)})", seconds, f"it says {text!r}")

    def click(self, selector, text=""):
        """Presses the first that is so, as a person does: in its middle, where it has to be what is on top."""
        found = self.until(f"""(() => {{
            const it = [...document.querySelectorAll({json.dumps(selector)})].find((one) => one.innerText.includes({json.dumps(text)}));
            if (!it) return null;
            it.scrollIntoView({{block: 'center', behavior: 'instant'}});
            const box = it.getBoundingClientRect();
            const at = {{x: box.x + box.width / 2, y: box.y + box.height / 2}};
            const top = document.elementFromPoint(at.x, at.y);
            return top && (it.contains(top) || top.contains(it)) ? at : null;
        }})()""", why=f"{selector} with {text!r} can be pressed")
        for kind in ["mousePressed", "mouseReleased"]:
            self.send("Input.dispatchMouseEvent", type=kind, x=found["x"], y=found["y"], button="left", clickCount=1)

    def key(self, key, shift=False):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        text = {"Enter": "\r", " ": " "}.get(key)
        common = {"key": key, "windowsVirtualKeyCode": codes[key], "modifiers": 8 if shift else 0}
        self.send("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        self.send("Input.insertText", text=text)

    def picture(self, path, whole=True):
        """A screenshot; `whole` is all of the page, however long it is."""
        self.run("scrollTo(0, 0)")
        options = {"format": "png"}
        if whole:
            size = self.send("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
            options |= {"captureBeyondViewport": True, "clip": clip}
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.send("Page.captureScreenshot", **options)["data"]))

    def problems(self):
        """What the page complained of: errors in its scripts, and what its policy refused."""
        logged = [params["entry"] for name, params in self.events if name == "Log.entryAdded"]
        found = [entry["text"] for entry in logged if entry["level"] == "error"]
        found += [params["exceptionDetails"]["text"] for name, params in self.events if name == "Runtime.exceptionThrown"]
        return found

    def close(self):
        self.browser.send("Target.closeTarget", targetId=self.target)
        self.browser.send("Target.disposeBrowserContext", browserContextId=self.context)

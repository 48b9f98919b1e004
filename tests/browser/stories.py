"""The dashboard in a real browser, against `crossfade local`: deployments with every ending, seen and decided on the page.

    python3 tests/browser/stories.py target/debug/crossfade [--story NAME] [--pictures FOLDER]

Each story has an account of its own. What the page must never do is checked in all of them: no error in its scripts, nothing that its
policy refuses, nothing secret in what it is told.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import chromium

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
# How many times faster than the clock on the wall the account's time passes: a question waits for 3 minutes of ours.
SPEED = 20
# The same where nobody is asked.
FAST = 100
# How many stories are played at once.
AT_ONCE = 3
# Markup in every text that comes from outside.
MARKUP = "<img src=x onerror='window.struck=1'><script>window.struck=1</script>\"'&amp;"
SECRET = "verysecretkeyoftheoperator"


class Shop:
    """A simulated account with the shop, crossfade, and a dashboard of it."""

    def __init__(self, program, *local, speed=SPEED, actions=True):
        self.program = program
        self.ends = contextlib.ExitStack()
        self.server = self._start(["local", "--port", "0", "--speed", str(speed), *local], dict(os.environ))
        url = self._line(self.server, r"listens on (http://[^,]+),")
        self.environment = {
            **os.environ, "AWS_ENDPOINT_URL": url, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": SECRET, "USER": "alice",
        }
        self.url = url
        options = ["dashboard", "--port", "0"] + (["--actions"] if actions else [])
        self.dashboard = self._start(options, self.environment)
        self.link = self._line(self.dashboard, r"(http://127\.0\.0\.1:\d+/\?token=\w+)")

    def _start(self, arguments, environment):
        process = subprocess.Popen([self.program, *arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.ends.callback(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @staticmethod
    def _line(process, pattern):
        for line in process.stdout:
            if found := re.search(pattern, line):
                return found[1]
        raise chromium.Failed(f"it ended without {pattern}: {process.stderr.read()}")

    def crossfade(self, *arguments, code=0):
        done = subprocess.run([self.program, *arguments], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def deploy(self, name, **changes):
        with open(os.path.join(ROOT, "examples/blue-green-shift.json"), encoding="utf-8") as file:
            document = json.load(file) | changes
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            self.crossfade("deploy", file.name, "--name", name, "--yes")

    def status(self, name):
        arguments = [self.program, "status", name, "--output", "json"]
        return json.loads(subprocess.run(arguments, env=self.environment, capture_output=True, text=True, timeout=120).stdout)

    def by_hand(self, operation, **form):
        """A call to Elastic Load Balancing that crossfade has not made. The simulated account checks no signature."""
        body = urllib.parse.urlencode({"Action": operation, "Version": "2015-12-01", **form}).encode()
        credential = "Credential=somebody/20260101/eu-west-1/elasticloadbalancing/aws4_request"
        headers = {"authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0",
                   "content-type": "application/x-www-form-urlencoded"}
        request = urllib.request.Request(self.url, body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()

    def close(self):
        self.ends.close()


def look_at(page, name):
    page.run(f"location.hash = '#/deployment/{name}'")
    shown = f"document.querySelector('h1')?.innerText === {json.dumps(name)} && document.querySelector('#stages')"
    page.until(shown, why=f"{name} is shown")


def confirm(page, comment=None, typed=None):
    """Goes through the dialog that a button has opened."""
    page.until("document.querySelector('dialog[open] .will li')", why="the dialog says what will happen")
    if comment is not None:
        page.click("dialog label", "Why, for the record")
        page.type(comment)
    if typed is not None:
        assert page.run("document.querySelector('dialog button[type=submit]').getAttribute('aria-disabled')") == "true", "it has to be typed first"
        page.click("dialog label", "To be sure")
        page.type(typed)
    page.click("dialog button[type=submit]")
    page.until("!document.querySelector('dialog').open", why="it was done")


def chip(page, word):
    page.until(f"document.querySelector('.head .chip')?.innerText.includes({json.dumps(word)})", 60, f"it is {word!r}")


def accessible(page):
    """What can be said without a person: names, landmarks, contrast, no sideways scrolling."""
    nameless = page.run("""[...document.querySelectorAll('button, a, input, select')]
        .filter((it) => it.checkVisibility() && !(it.innerText || it.getAttribute('aria-label') || it.labels?.[0]?.textContent || '').trim()).map((it) => it.outerHTML)""")
    assert not nameless, nameless
    landmarks = page.run("['header', 'main', 'footer'].filter((it) => document.querySelectorAll(it).length !== 1)")
    assert not landmarks, landmarks
    assert page.run("document.querySelectorAll('h1').length") == 1
    wide = page.run("""document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('main *')]
        .filter((it) => it.getBoundingClientRect().right > innerWidth).map((it) => it.outerHTML.slice(0, 90)).slice(0, 5)""")
    assert not wide, wide
    pale = page.run(CONTRAST)
    assert not pale, pale


# The texts whose contrast is less than WCAG's AA asks for. Colours are painted, so that the browser computes them.
CONTRAST = """(() => {
    const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
    const paint = (colours) => {
        pen.clearRect(0, 0, 1, 1);
        for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = (rgb) => rgb.map((it) => it / 255).map((it) => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4)
        .reduce((sum, it, i) => sum + it * [0.2126, 0.7152, 0.0722][i], 0);
    const pale = [];
    for (const it of document.querySelectorAll('body *')) {
        const own = [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!own || it.closest('.unseen, .skip, svg, noscript, .part') || it.getClientRects().length === 0) continue;
        const behind = [];
        for (let at = it; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
        const style = getComputedStyle(it);
        const ground = ['white', ...behind];
        const [a, b] = [light(paint(ground)), light(paint([...ground, style.color]))].sort((x, y) => y - x);
        const big = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < (big ? 3 : 4.5)) pale.push(`${ratio.toFixed(2)} ${it.tagName}.${it.className}: ${it.innerText?.slice(0, 40)}`);
    }
    return [...new Set(pale)];
})()"""


def in_every_light(page, name, pictures):
    for width in [1280, 390]:
        for scheme in ["light", "dark"]:
            page.size(width, 900)
            page.media(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
            time.sleep(0.3)
            accessible(page)
            if pictures:
                page.picture(os.path.join(pictures, f"{name}-{width}-{scheme}.png"))
    page.size(1280, 900)
    page.media(prefers_color_scheme="light", prefers_reduced_motion="no-preference")


# ── The stories ──────────────────────────────────────────────────────────────

def asks_and_succeeds(shop, page, pictures):
    """It asks; somebody looks, approves on the page, and it succeeds; somebody goes back, and has to type what they mean."""
    shop.deploy("shop-1", description="Faster search")
    page.until("document.querySelector('#needs .card .asks')", 60, "it needs somebody")
    assert page.run("document.title").startswith("(1)")
    assert "10 % of the traffic is on the new version" in page.text()
    in_every_light(page, "overview-asks", pictures)
    page.click("#needs .card a", "shop-1")
    page.until("document.querySelector('.panel.ask')", why="the question is shown")
    page.until("document.querySelectorAll('#members .member.healthy').length === 8", 60, "all members are well")
    assert "90 %" in page.run("document.querySelector('.share').getAttribute('aria-label')")
    assert page.run("document.querySelectorAll('#curves svg').length") == 2
    in_every_light(page, "deployment-asks", pictures)
    page.click(".panel.ask button", "Reject stage 5")
    means = "The traffic goes back at once: shop-a 100 : shop-b 0, now shop-a 90 : shop-b 10."
    page.until(f"document.querySelector('dialog[open]')?.innerText.includes('{means}')", why="what rejecting means")
    page.key("Escape")
    page.until("!document.querySelector('dialog').open", why="escape closes it")
    page.click(".panel.ask button", "Approve stage 5")
    confirm(page, comment="error rate as before")
    page.says("Approved: Approve shop__7 at 10 % (stage 5)")
    chip(page, "succeeded")
    said = shop.status("shop-1")
    assert (said["approvals"][0]["by"], said["approvals"][0]["comment"]) == ("alice", "error rate as before"), said["approvals"]
    assert "Nothing is asked" in page.text(), "a button that is void says why"
    in_every_light(page, "deployment-succeeded", pictures)
    page.click("#deeds button", "Roll back")
    confirm(page, typed="shop")
    page.says("back to revision 6")
    page.run("location.hash = '#/'")
    page.until("document.querySelector('#needs, #runs').innerText && document.body.innerText.includes('shop-1-back-to-6')", 60, "the way back runs")


def is_rejected(shop, page, pictures):
    """Rejected on the page: everything is as it was."""
    shop.deploy("shop-1")
    look_at_when_it_asks(page, "shop-1")
    page.click(".panel.ask button", "Reject stage 5")
    confirm(page, comment="latency doubled")
    chip(page, "failed, all as it was")
    page.says("ApprovalRejected")
    page.says("latency doubled")
    page.until("document.querySelectorAll('#stages ol').length === 2", why="the way back is shown")
    in_every_light(page, "deployment-rejected", pictures)
    assert shop.status("shop-1")["status"] == "failedClean"


def look_at_when_it_asks(page, name):
    page.until("document.querySelector('#needs .card .asks')", 60, f"{name} needs somebody")
    look_at(page, name)
    page.until("document.querySelector('.panel.ask') && document.querySelector('.share')", why="the question and the traffic are shown")


def is_stuck_and_kept(shop, page, pictures):
    """Somebody else sets the weights: it is stuck, says who has set what, and is kept as it is."""
    shop.deploy("shop-1")
    look_at_when_it_asks(page, "shop-1")
    set_weights_by_hand(shop, "shop-1", 30, 70)
    page.click(".panel.ask button", "Approve stage 5")
    confirm(page)
    chip(page, "FAILED DIRTY")
    page.says("Somebody else has set the weights")
    in_every_light(page, "deployment-dirty", pictures)
    page.run("location.hash = '#/'")
    page.until("document.querySelector('#needs .card.bad')", why="it needs somebody")
    in_every_light(page, "overview-dirty", pictures)
    look_at(page, "shop-1")
    page.click("#deeds button", "Accept")
    confirm(page, comment="it serves well", typed="shop")
    chip(page, "what it left is kept")
    assert shop.status("shop-1")["status"] == "accepted"


def is_stuck_and_set_back(shop, page, pictures):
    """Somebody else sets the weights: the page offers to set them back, says from what, and all goes back."""
    shop.deploy("shop-1")
    look_at_when_it_asks(page, "shop-1")
    page.says("There are no weights to set back: it runs")
    set_weights_by_hand(shop, "shop-1", 30, 70)
    page.click(".panel.ask button", "Approve stage 5")
    confirm(page)
    chip(page, "FAILED DIRTY")
    free = "[...document.querySelectorAll('#deeds button')].some((it) => it.innerText.startsWith('Set the weights back') && it.getAttribute('aria-disabled') !== 'true')"
    page.until(free, 60, "the weights can be set back")
    page.click("#deeds button", "Set the weights back")
    means = "is set back: shop-a 30 : shop-b 70."
    page.until(f"document.querySelector('dialog[open]')?.innerText.includes('{means}')", why="what is set back")
    confirm(page, comment="nobody knows who it was", typed="shop")
    chip(page, "failed, all as it was")
    assert shop.status("shop-1")["status"] == "failedClean"


def set_weights_by_hand(shop, name, old, new):
    """Sets the weights of a deployment's rule by another way than crossfade's."""
    rule = shop.status(name)["now"]["switches"][0]["on"]
    groups = shop.by_hand("DescribeTargetGroups")
    arns = {name: arn for arn, name in re.findall(r"<TargetGroupArn>([^<]*targetgroup/(shop-[ab])/[^<]*)<", groups)}
    members = {}
    for i, (group, weight) in enumerate([("shop-a", old), ("shop-b", new)], 1):
        place = f"Actions.member.1.ForwardConfig.TargetGroups.member.{i}"
        members |= {f"{place}.TargetGroupArn": arns[group], f"{place}.Weight": weight}
    shop.by_hand("ModifyRule", RuleArn=rule, **{"Actions.member.1.Type": "forward"}, **members)


def is_aborted(shop, page, pictures):
    """Stopped on the page while it runs, and everything goes back."""
    shop.deploy("shop-1")
    page.until("document.querySelector('#runs .card, #needs .card')", 60, "it runs")
    look_at(page, "shop-1")
    page.click("#deeds button", "Abort")
    confirm(page, comment="wrong image")
    page.until("document.querySelectorAll('#stages ol').length === 2", 60, "it goes back")
    chip(page, "failed, all as it was")
    page.says("Aborted by alice: wrong image")
    assert shop.status("shop-1")["failure"]["error"] == "HaltRequested"


def pauses_and_goes_on(shop, page, pictures):
    """Paused on the page, resumed, its own pauses ended before their time, and started once more."""
    shop.deploy("shop-1", strategy={"blueGreenShift": {"percents": [10, 50, 100], "pauseSeconds": 36000}})
    page.until("document.querySelector('#runs .card, #needs .card')", 60, "it runs")
    look_at(page, "shop-1")
    page.says("It is not paused")
    page.click("#deeds button", "Pause")
    confirm(page, comment="latency looks odd")
    page.until("document.querySelector('.panel.ask')?.innerText.includes('Paused by alice: latency looks odd')", 60, "it stands")
    in_every_light(page, "deployment-paused", pictures)
    page.click(".panel.ask button", "Resume")
    confirm(page, comment="it was the load test")
    page.says("Resumed by alice: it was the load test")
    free = "[...document.querySelectorAll('#deeds button')].some((it) => it.innerText.startsWith(%s) && it.getAttribute('aria-disabled') !== 'true')"
    page.until(free % json.dumps("End the pause"), 60, "it is in a pause of its document")
    page.click("#deeds button", "End the pause")
    confirm(page, comment="it is good")
    page.says("The pause is over before its time, says alice: it is good")
    page.click("#deeds button", "End all pauses")
    confirm(page)
    chip(page, "succeeded")
    page.click("#deeds button", "Retry")
    confirm(page, typed="shop")
    page.says("Started deployment shop-1-retry-1")
    assert shop.status("shop-1-retry-1")["status"] in ["preparing", "running"]


def takes_texts_for_texts(shop, page, pictures):
    """Markup in every text from outside stays text; the line is stopped and goes on; a page that nobody tells anything says so."""
    shop.deploy("shop-1", description=f"It {MARKUP}")
    look_at_when_it_asks(page, "shop-1")
    page.click(".panel.ask button", "Reject stage 5")
    confirm(page, comment=MARKUP)
    chip(page, "failed, all as it was")
    page.run("location.hash = '#/'")
    page.click("#serves button", "Stop the line")
    confirm(page, comment=MARKUP)
    page.until("document.querySelector('.notice.ask')?.innerText.includes('production is frozen')", why="it is frozen")
    page.run(f"location.hash = '#/deployment/' + encodeURIComponent({json.dumps(MARKUP)})")
    page.says("There is no deployment")
    look_at(page, "shop-1")
    for place in [".description", ".panel .why", "#log .log", ".notice.ask"]:
        as_it_is = f"document.querySelector({json.dumps(place)})?.innerText.includes({json.dumps(MARKUP[:40])})"
        page.until(as_it_is, why=f"{place} shows it as it is")
    assert page.run("window.struck") is None and page.run("document.querySelectorAll('main img, main script').length") == 0
    page.click(".notice.ask button", "Unfreeze")
    confirm(page)
    page.until("!document.querySelector('.notice.ask')", why="the line goes on")
    page.click("#log input[type=search]")
    page.type("Weights are")
    found = "[...document.querySelectorAll('#log .log li')].every((it) => it.innerText.includes('Weights are'))"
    page.until(found, why="the log is searched")
    shop._end(shop.dashboard)
    old = "document.body.classList.contains('stale') && document.body.innerText.includes('does not answer')"
    page.until(old, why="it says that it is old")


def is_verified(shop, page, pictures):
    """A new version that answers with errors: its checks say so over time, and it goes back."""
    shop.crossfade("deploy", "examples/verified-shift.yaml", "--name", "shop-1", "--yes")
    page.until("document.querySelector('#runs .card')", 60, "it runs")
    look_at(page, "shop-1")
    page.until("document.querySelectorAll('#checks .cell').length > 3", 60, "the checks answer")
    chip(page, "failed, all as it was")
    page.until("document.querySelector('#checks .verdict.bad')", why="one of them is bad")
    in_every_light(page, "deployment-verified", pictures)


def breaks(shop, page, pictures):
    """Faults in the simulated account: it is throttled, and no more; a member is sickened, and is seen to be ill; nobody loses a request."""
    page.until("document.querySelector('#users .figure.good b')?.innerText.replace(',', '') > 10", why="the users are served")
    page.click("#users button", "Throttle")
    confirm(page)
    page.until("document.querySelector('#users .notice')?.innerText.includes('one too many')", why="it says what goes wrong")
    page.click("#users button", "Let nothing go wrong")
    confirm(page)
    page.until("!document.querySelector('#users .notice')", why="nothing goes wrong any more")
    shop.deploy("shop-1")
    look_at_when_it_asks(page, "shop-1")
    new = shop.status("shop-1")["made"][0]
    page.until(f"[...document.querySelectorAll('.member')].some((it) => it.innerText.includes('{new}'))", why="the new members are shown")
    page.run(f"[...document.querySelectorAll('.member')].find((it) => it.innerText.includes('{new}')).querySelector('details:not(.console)').open = true")
    page.click(".member details:not(.console)[open] button", "Sicken it")
    confirm(page)
    # Its group replaces what is ill, and the account's time is fast: it may be gone before it is seen.
    well = f"[...document.querySelectorAll('.member.healthy')].some((it) => it.innerText.includes('{new}'))"
    page.until(f"!{well}", 60, "it is seen to be ill, or gone")
    in_every_light(page, "deployment-broken", pictures)
    page.run("location.hash = '#/'")
    page.until("document.querySelectorAll('#users .figure.good')[1]?.innerText.startsWith('0 ')", why="no request is lost by the deployment")
    in_every_light(page, "overview-local", pictures)


def only_looks(shop, page, pictures):
    """Read-only, by keyboard: it says what would happen and how to do it in a terminal, and does nothing."""
    shop.deploy("shop-1")
    look_at_when_it_asks(page, "shop-1")
    assert "read-only" in page.run("document.querySelector('#top').innerText")
    page.open(page.run("location.href.split('#')[0]") + "?again#/deployment/shop-1")
    page.until("document.querySelector('.panel.ask')", why="the question is shown after a reload, too")
    page.key("Tab")
    assert page.run("document.activeElement.className") == "skip", "the first stop leads past the frame"
    for _ in range(40):
        page.key("Tab")
        if page.run("document.activeElement.innerText") == "Approve stage 5…":
            break
    else:
        raise chromium.Failed("the button cannot be reached by keyboard")
    page.key("Enter")
    how = "document.querySelector('dialog[open]')?.innerText.includes('crossfade approve shop-1 --stage 5')"
    page.until(how, why="it says how")
    assert page.run("document.querySelector('dialog button[type=submit]')") is None
    page.key("Escape")
    status = page.run("""fetch('/act', {method: 'POST', headers: {'content-type': 'application/json'}, body: '{"act": "unfreeze"}'})
        .then((it) => it.status)""")
    assert status == 403, status
    page.events[:] = [event for event in page.events if "403" not in json.dumps(event)]
    # The link works once; who comes without the cookie sees nothing.
    stranger = page.browser.page()
    assert stranger.open(shop.link) == 401
    assert stranger.open(shop.link.split("?")[0]) == 401
    stranger.close()
    assert shop.status("shop-1")["question"]["stage"] == 5


def shows_consoles(shop, page, pictures):
    """What a member has printed is shown when somebody opens it, as text, to who only looks, too; and what AWS says where it has none."""
    shop.deploy("shop-1")
    look_at_when_it_asks(page, "shop-1")
    asked = "performance.getEntriesByType('resource').filter((it) => it.name.includes('/console?')).length"
    page.until("document.querySelectorAll('#members .member.healthy').length === 8", 60, "all members are well")
    assert page.run(asked) == 0, "nothing is fetched before somebody asks"
    page.click("#members .member.healthy .console summary", "console")
    page.until("document.querySelector('.console[open] pre')?.innerText.includes('app: ready on :8080')", why="the console is shown")
    shown = page.run("document.querySelector('.console[open]').innerText")
    assert "<b>network</b>" in shown and "[  OK  ]" in shown and "\x1b" not in shown, shown
    assert page.run("document.querySelector('.console[open] pre b')") is None, "no markup is made from it"
    assert "as AWS took it at" in shown, shown
    assert page.run(asked) == 1, "and once"
    in_every_light(page, "deployment-console", pictures)
    page.click(".console[open] button", "Look again")
    page.until(f"{asked} === 2 && document.querySelector('.console[open] pre')", why="it is asked again")
    page.click(".console[open] summary", "console")
    page.until("!document.querySelector('.console pre')", why="closed, it is forgotten")
    refused = page.run("fetch('/console?deployment=shop-1&member=i-00000000000000000').then((it) => it.text())")
    assert "InvalidInstanceID.NotFound" in refused, refused
    page.events[:] = [event for event in page.events if "409" not in json.dumps(event)]


def shows_logs_of_tasks(shop, page, pictures):
    """Of a task the end of the log of each of its containers."""
    shop.crossfade("deploy", "examples/ecs-shift.yaml", "--name", "shop-1", "--yes")
    look_at(page, "shop-1")
    page.until("document.querySelector('#members .member.healthy .console summary')", 60, "a member is well")
    page.click("#members .member.healthy .console summary", "console")
    page.until("document.querySelectorAll('.console[open] pre').length === 2", 60, "both containers are shown")
    assert "in the log group /shop" in page.run("document.querySelector('.console[open]').innerText")


def is_answered_by_nobody(shop, page, pictures):
    """Nobody answers in time: the page says what silence meant, and everything is as it was."""
    shop.deploy("shop-1", strategy={"blueGreenShift": {"percents": [10, 100], "approveAfterPercents": [10], "approval": {"timeoutMinutes": 30}}})
    look_at_when_it_asks(page, "shop-1")
    assert "REJECTED" in page.text().upper(), "what silence means is said before"
    chip(page, "failed, all as it was")
    page.says("ApprovalExpired")
    in_every_light(page, "deployment-expired", pictures)
    assert shop.status("shop-1")["approvals"][0]["by"] == "the deadline"


STORIES = {
    "expired": (is_answered_by_nobody, [], {"speed": FAST}),
    "consoles": (shows_consoles, [], {"actions": False}),
    "logs": (shows_logs_of_tasks, ["--compute", "ecs"], {}),
    "succeeds": (asks_and_succeeds, [], {}),
    "rejected": (is_rejected, [], {}),
    "stuck": (is_stuck_and_kept, [], {}),
    "set-back": (is_stuck_and_set_back, [], {}),
    "aborted": (is_aborted, [], {}),
    "paused": (pauses_and_goes_on, [], {}),
    "texts": (takes_texts_for_texts, [], {}),
    "verified": (is_verified, ["--fail", "errors"], {"speed": FAST}),
    "breaks": (breaks, [], {}),
    "only-looks": (only_looks, [], {"actions": False}),
}

# Keeps all that the page is told.
EAVESDROP = """(() => { const Real = EventSource; window.told = []; window.EventSource = class extends Real {
    addEventListener(name, act) { super.addEventListener(name, (event) => { window.told.push(event.data); act(event); }); } }; })()"""


def play(program, browser, name, pictures):
    story, local, options = STORIES[name]
    shop = Shop(program, *local, **options)
    page = None
    try:
        page = browser.page()
        page.send("Page.addScriptToEvaluateOnNewDocument", source=EAVESDROP)
        assert page.open(shop.link) == 200
        page.until("document.querySelector('#needs')", why="the overview is there")
        story(shop, page, pictures)
        told = page.run("window.told.join('\\n') + document.documentElement.outerHTML")
        session = page.send("Network.getCookies")["cookies"]
        assert len(session) == 1 and session[0]["httpOnly"] and session[0]["sameSite"] == "Strict", session
        for secret in [SECRET, session[0]["value"], "taskToken", shop.link.split("=")[1]]:
            assert secret not in told, f"{secret} is in the page"
        ended = ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED"]
        complaints = [text for text in page.problems() if not any(word in text for word in ended)]
        assert not complaints, complaints
    except Exception:
        if page and pictures:
            page.picture(os.path.join(pictures, f"failed-{name}.png"))
        raise
    finally:
        if page:
            page.close()
        shop.close()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("--story", action="append", choices=STORIES)
    options.add_argument("--pictures", help="a folder for pictures of everything")
    chosen = options.parse_args()
    if chosen.pictures:
        os.makedirs(chosen.pictures, exist_ok=True)
    program = os.path.abspath(chosen.program)
    try:
        browser = chromium.Browser()
    except chromium.Missing as missing:
        sys.exit(f"The dashboard is tested in a real browser, and there is none: {missing}.")
    def outcome(name):
        began = time.monotonic()
        try:
            play(program, browser, name, chosen.pictures)
        except (AssertionError, chromium.Failed, OSError, subprocess.TimeoutExpired) as problem:
            print(f"✗ {name} after {time.monotonic() - began:.1f} s: {type(problem).__name__}: {problem}", flush=True)
            return [name]
        print(f"✓ {name}: {STORIES[name][0].__doc__}  ({time.monotonic() - began:.1f} s)", flush=True)
        return []

    try:
        # They wait more than they compute.
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            failed = [name for names in pool.map(outcome, chosen.story or STORIES) for name in names]
    finally:
        browser.close()
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()

"""Gets every address of `input.urls` and wants 200 of each: a smoke test of the new version, where it has an address of its own."""

import urllib.error
import urllib.request


def handler(event, context):
    urls = event["input"].get("urls", [])
    if not urls:
        return {"verdict": "fail", "message": "input.urls names no address: there is nothing to test"}
    wrong = [f"{url}: {why}" for url in urls if (why := trouble(url))]
    if wrong:
        return {"verdict": "fail", "message": "; ".join(wrong)}
    return {"verdict": "pass", "message": f"{len(urls)} of {len(urls)} answer 200"}


def trouble(url):
    """What is wrong with an address; nothing when it answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return None if answer.status == 200 else f"HTTP {answer.status}"
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except OSError as error:
        return str(error)

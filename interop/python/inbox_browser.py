#!/usr/bin/env python3
"""The inbox page in Chromium: hostile letters show, run nothing and load nothing.

    inbox_browser.py SMTP_PORT HTTP_PORT

Chromium is driven by its own protocol over two pipes, so that nothing but Python and Chromium is needed.
"""

import json
import os
import queue
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
from email.message import EmailMessage

PATIENCE = 20


class Trap:
    """A port that a letter would have a browser ask. What connects to it is counted."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def caught(self):
        """How many have connected since it was last asked."""
        count = 0
        self.socket.setblocking(False)
        while True:
            try:
                self.socket.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def wait(self):
        """Waits for one that connects."""
        self.socket.settimeout(PATIENCE)
        self.socket.accept()[0].close()


class Browser:
    """Chromium, and one page of it."""

    def __init__(self, folder):
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()

        def pipes():
            # Chromium reads commands at 3 and answers at 4. Both may be in each other's way.
            reads, writes = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(reads, 3)
            os.dup2(writes, 4)

        self.process = subprocess.Popen(
            [
                shutil.which("chromium") or "chromium",
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-features=IsolateSandboxedIframes",
                "--no-first-run",
                "--lang=en",
                f"--user-data-dir={folder}",
                "--remote-debugging-pipe",
                "about:blank",
            ],
            preexec_fn=pipes,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_out)
        os.close(theirs_in)
        self.writes, self.reads = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self.answers, self.events, self.number, self.session = {}, queue.Queue(), 0, None
        self.has_come = threading.Condition()
        threading.Thread(target=self.hear, daemon=True).start()
        pages = self.ask("Target.getTargets")["targetInfos"]
        page = next(one for one in pages if one["type"] == "page")
        attached = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.ask(f"{domain}.enable")

    def hear(self):
        held = b""
        while piece := self.reads.read1(65536):
            *messages, held = (held + piece).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    with self.has_come:
                        self.answers[message["id"]] = message
                        self.has_come.notify_all()
                else:
                    self.events.put(message)

    def tell(self, method, **params):
        """Asks for something whose answer nobody waits for; the number of the answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.writes.write(json.dumps(message).encode() + b"\0")
        self.writes.flush()
        return self.number

    def ask(self, method, **params):
        number = self.tell(method, **params)
        with self.has_come:
            if not self.has_come.wait_for(lambda: number in self.answers, PATIENCE):
                raise TimeoutError(f"{method} {params}")
            answer = self.answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method} {params}: {answer['error']}")
        return answer["result"]

    def says(self, expression, **more):
        """What an expression of the page comes to."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, **more
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, condition):
        """Waits until something holds in the page, which is asked whenever the page changes."""
        said = self.says(
            f"""new Promise((done, fail) => {{
                const holds = () => {{ try {{ return {condition}; }} catch {{ return false; }} }};
                const look = () => {{ if (holds()) {{ watch.disconnect(); done(true); }} }};
                const watch = new MutationObserver(look);
                watch.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
                setTimeout(() => done(document.body.innerText), {PATIENCE * 900});
                look();
            }})"""
        )
        assert said is True, f"{condition} did not come to hold: {said}"

    def event(self, method):
        """Waits for the next event of this name."""
        while True:
            event = self.events.get(timeout=PATIENCE)
            if event["method"] == method:
                return event["params"]

    def goes(self, url):
        self.events = queue.Queue()
        self.ask("Page.navigate", url=url)
        self.event("Page.loadEventFired")

    def types(self, key):
        text = key if len(key) == 1 else ""
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def frame(self):
        """A context of the frame that is in the page."""
        tree = self.ask("Page.getFrameTree")["frameTree"]
        (child,) = tree["childFrames"]
        world = self.ask("Page.createIsolatedWorld", frameId=child["frame"]["id"])
        return world["executionContextId"]

    def end(self):
        self.process.kill()
        self.process.wait()


def hostile_html(port):
    far = f"http://127.0.0.1:{port}"
    return f"""<!doctype html><html><head><base href="{far}/"><meta http-equiv="refresh" content="0;url={far}/refresh">
<link rel="stylesheet" href="{far}/a.css"><link rel="preconnect" href="{far}"><link rel="dns-prefetch" href="{far}">
<link rel="prefetch" href="{far}/prefetch"><link rel="icon" href="{far}/icon">
<style>@import url({far}/import.css); body {{ background: url({far}/bg.png) }} b {{ color: rgb(1, 2, 3) }}
@font-face {{ font-family: x; src: url({far}/font) }} p {{ font-family: x }}</style>
<script>top.ran = 'script'</script><script src="{far}/a.js"></script></head>
<body onload="top.ran = 'onload'"><p>seen <b>你好</b></p>
<img src="{far}/pixel.png" onerror="top.ran = 'onerror'"><img srcset="{far}/set.png 1x">
<svg onload="top.ran = 'svg'"><script>top.ran = 'svg script'</script><image href="{far}/svg.png"/></svg>
<iframe src="{far}/frame"></iframe><iframe srcdoc="<script>top.ran = 'srcdoc'</script>"></iframe>
<object data="{far}/object"></object><embed src="{far}/embed"><video src="{far}/video" poster="{far}/poster"></video>
<audio autoplay src="{far}/audio"></audio><input type="image" src="{far}/input">
<form action="{far}/form"><button id="go">go</button></form><a href="javascript:top.ran = 'link'">link</a>
<table background="{far}/table.png"><tr><td>cell</td></tr></table>
<details open ontoggle="top.ran = 'toggle'"></details><input autofocus onfocus="top.ran = 'focus'">
</body></html>"""


MARKUP = "<img src=x onerror=\"window.ran='{0}'\">{0}"


def letter(subject, text, html=None, sender="app@test"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, "li@test", subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def deliver(port, message):
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(message, "app@test", ["li@test", "hidden@test"])


def look(browser, page, smtp, trap):
    hostile = letter(MARKUP.format("subject"), MARKUP.format("text"), hostile_html(trap.port))
    del hostile["From"]
    hostile["From"] = '"<script>window.ran=1</script>" <app@test>'
    name = MARKUP.format("file")
    hostile.add_attachment(b"\0\1\2", maintype="image", subtype="png", filename=name)
    deliver(smtp, hostile)
    browser.goes(page)
    rows = "document.querySelectorAll('#list button').length"
    browser.until(f"{rows} === 1")
    assert "onerror" in browser.says("document.querySelector('#list').innerText")
    # The list grows by itself, and a search makes it smaller.
    deliver(smtp, letter("second", "something \u202eelse\x1b"))
    browser.until(f"{rows} === 2")
    search = "const w = document.querySelector('#words'); w.value = {!r}; w.dispatchEvent(new Event('input'))"
    browser.says(f"{{ {search.format('subject:second')} }}")
    browser.until(f"{rows} === 1")
    browser.says(f"{{ {search.format('')} }}")
    browser.until(f"{rows} === 2")
    # By keys alone: the newest, the one below it, and its sides.
    browser.says("document.activeElement.blur()")
    browser.types("j")
    browser.until("document.querySelector('#subject').textContent === 'second'")
    # What cannot be seen, and what turns a text around, is shown by its number.
    browser.until(r"document.querySelector('#panel').innerText.includes('\\u202eelse\\u001b')")
    browser.types("j")
    browser.until("document.querySelector('#subject').textContent.includes('onerror')")
    sides = {"1": "text", "3": "Subject: ", "4": "onerror", "5": "TO:<hidden@test>", "6": "no-date"}
    for key, text in sides.items():
        browser.types(key)
        browser.until(f"document.querySelector('#panel').innerText.includes({text!r})")
    assert "hidden@test" in browser.says("document.querySelector('#facts').innerText")
    browser.events = queue.Queue()
    browser.types("2")
    browser.until("document.querySelector('#panel iframe') !== null")
    browser.event("Page.frameStoppedLoading")
    context = browser.frame()
    shown = browser.says("document.body.innerText", contextId=context)
    assert "seen 你好" in shown and "cell" in shown and "ran" not in shown, shown
    colour = browser.says("getComputedStyle(document.querySelector('b')).color", contextId=context)
    assert colour == "rgb(1, 2, 3)", colour
    for element in ("script", "link", "meta", "base", "iframe", "object", "embed", "form"):
        count = browser.says(f"document.querySelectorAll('{element}').length", contextId=context)
        assert count == 0, element
    assert browser.says("typeof window.ran") == "undefined", browser.says("window.ran")
    # Another language and other colours, without a reload.
    select = "const s = document.querySelector('#{}'); s.value = '{}'; s.dispatchEvent(new Event('change'))"
    browser.says(f"{{ {select.format('lang', 'zh')} }}")
    browser.until("document.documentElement.lang === 'zh-CN'")
    assert "邮件" in browser.says("document.querySelector('h1').textContent")
    background = "getComputedStyle(document.body).backgroundColor"
    browser.says(f"{{ {select.format('theme', 'light')} }}")
    light = browser.says(background)
    browser.says(f"{{ {select.format('theme', 'dark')} }}")
    assert browser.says(background) != light
    # What a screen reader is told: everything that can be used has a name.
    unnamed = browser.says(
        """[...document.querySelectorAll('button, input, select, iframe, [role=tablist], nav')].filter((one) =>
            !(one.innerText || one.title || one.getAttribute('aria-label') || one.labels?.length)).map((one) => one.outerHTML)"""
    )
    assert unnamed == [], unnamed
    # The letter alone, as a page of its own, may do no more.
    number = browser.says("document.querySelector('#list [aria-current=true]').dataset.id")
    browser.goes(f"{page}view/{number}.html")
    assert "seen 你好" in browser.says("document.body.innerText")
    assert browser.says("typeof window.ran") == "undefined"
    narrow(browser, page, rows)


def narrow(browser, page, rows):
    """Where there is no room for both there is the list, or the letter, and the keyboard goes along."""
    browser.ask("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=False)
    browser.goes(page)
    browser.until(f"{rows} === 2")
    browser.says("document.querySelectorAll('#list button')[1].click()")
    browser.until("document.activeElement.id === 'letter' && document.querySelector('#subject').innerText.includes('onerror')")
    assert browser.says("document.querySelector('#list').offsetParent === null")
    assert browser.says("document.documentElement.scrollWidth") <= 390
    browser.says("document.querySelector('#back').click()")
    browser.until("document.activeElement === document.querySelectorAll('#list button')[1]")
    assert browser.says("document.querySelector('#letter').offsetParent === null")


def main():
    smtp, http = map(int, sys.argv[1:])
    trap = Trap()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            look(browser, f"http://127.0.0.1:{http}/", smtp, trap)
            caught = trap.caught()
            assert caught == 0, f"{caught} conns were opened by letters"
            # The trap does catch what asks it.
            browser.tell("Page.navigate", url=f"http://127.0.0.1:{trap.port}/")
            trap.wait()
        finally:
            browser.end()
    print("ok: letters show, and run and load nothing")


main()

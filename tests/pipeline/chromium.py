"""Chromium at a page on disk: what it asked for, what it complained of, what a person would see."""

import contextlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from chatlib.collect.youtube import browser

AXE = "axe-core@4.10.3"  # MPL-2.0; fetched by the test that needs it, never committed
SWITCHES = (
    "--blink-settings=imagesEnabled=true",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",
    "--allow-file-access-from-files",
)
LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd > 0"
OPEN_ALL = """
document.querySelectorAll('details').forEach(d => d.open = true);
document.querySelector('#show-code:not(:checked)')?.click();
"""
MEASURE = """
const wide = [...document.querySelectorAll('body *')].filter(e =>
    e.checkVisibility() && !e.closest('.scroll > *') && e.getBoundingClientRect().right > innerWidth + 1);
const shown = [...document.images].filter(i => i.checkVisibility());
return {
  width: document.documentElement.scrollWidth,
  wide: wide.map(e => e.outerHTML.slice(0, 200)),
  broken: shown.filter(i => !i.complete || !i.naturalWidth).length,
  silent: [...document.images].filter(i => !(i.alt || '').trim()).length,
  blurred: shown.filter(i => i.naturalWidth < 1.9 * i.getBoundingClientRect().width).map(i => i.alt),
  images: document.images.length,
  scripts: document.querySelectorAll('script:not([type="application/json"])').length,
  hacked: !!window.hacked,
}
"""


class Chromium:
    """A browser of the tests. `driver` is Selenium's."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, *, width=390, dark=False, anchor=""):
        """Show a file as a phone or a screen of that width does; wait until all of it is loaded."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        size = {"width": width, "height": 844, "deviceScaleFactor": 2, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get("about:blank")
        self.forget()
        self.driver.get(path.as_uri() + anchor)
        WebDriverWait(self.driver, 120, poll_frequency=0.02).until(lambda d: d.execute_script(LOADED))

    def measure(self):
        """Return what is to be seen of the page that is open."""
        return self.driver.execute_script(MEASURE)

    def forget(self):
        """Start new lists of complaints and requests."""
        self.driver.get_log("browser")
        self.driver.get_log("performance")

    def complaints(self):
        """Return what the console said since the page was opened."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]

    def requests_elsewhere(self):
        """Return the addresses it asked for that are neither on the disk nor in the page."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        assert sent, "the log of requests is empty, so it proves nothing"
        return [url[:200] for url in sent if not url.startswith(("file:", "data:", "about:"))]

    def unfold(self):
        """Show the code and what else is folded away."""
        self.driver.execute_script(OPEN_ALL)

    def check_accessibility(self, axe):
        """Return what axe-core finds against WCAG 2.1 A and AA: (rule, element, what)."""
        if not self.driver.execute_script("return !!window.axe"):
            self.driver.execute_script(axe)
        found = self.driver.execute_async_script(
            """const done = arguments[arguments.length - 1];
            axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
                               resultTypes: ['violations'], elementRef: false})
               .then(r => done(r.violations), e => done([{id: String(e), nodes: []}]))"""
        )
        return [
            (rule["id"], node.get("html", "")[:200], node.get("failureSummary", "")[:300])
            for rule in found
            for node in rule["nodes"] or [{}]
        ]


@contextlib.contextmanager
def open_chromium():
    """Yield a Chromium that cannot reach any host; skip, saying so, where there is none."""
    if not all(shutil.which(path) for path in ("/usr/bin/chromium", "/usr/bin/chromedriver")):
        pytest.skip("no browser here: /usr/bin/chromium and /usr/bin/chromedriver are needed")
    profile = tempfile.mkdtemp(prefix="chatlib-report-")
    options = browser._make_options(profile, SWITCHES)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    try:
        with browser._start(options, profile) as driver:
            driver.set_script_timeout(120)
            yield Chromium(driver)
    finally:
        shutil.rmtree(profile, ignore_errors=True)


def load_axe(folder):
    """Return axe-core's script, from `folder` or from npm; skip, saying so, where it cannot be had."""
    script = Path(folder) / f"{AXE}.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm here: contrast and alternative texts are checked with axe-core")
        with tempfile.TemporaryDirectory() as place:
            command = [npm, "pack", AXE, "--silent"]
            try:
                done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60)
            except subprocess.TimeoutExpired:
                pytest.skip(f"npm gave no {AXE} within 60 s: contrast and names are not checked")
            if done.returncode:
                pytest.skip(f"npm gave no {AXE}: {done.stderr.strip()[-200:]}")
            with tarfile.open(next(Path(place).glob("*.tgz"))) as package:
                script.write_bytes(package.extractfile("package/axe.min.js").read())
    return script.read_text(encoding="utf-8")

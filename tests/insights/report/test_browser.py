"""A report of hostile texts in a real browser: nothing runs, nothing is loaded, and the texts are there to be read."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from srp_assets.insights.report.page import report_html
from support.reported import content

RUNS = "window.ran = true; document.title = 'ran'"

HOSTILE = (
    f"<script>{RUNS}</script>",
    f'"><script>{RUNS}</script>',
    f'\' onmouseover="{RUNS}" autofocus onfocus="{RUNS}" x=\'',
    f'<img src=x onerror="{RUNS}">',
    f'<svg onload="{RUNS}"><animate onbegin="{RUNS}" attributeName=x dur=1s></svg>',
    '<iframe srcdoc="<script>parent.ran = true</script>"></iframe>',
    f'<a href="javascript:{RUNS}" id=trap>javascript:{RUNS}</a>',
    f"</style><script>{RUNS}</script>",
    f'</title><body onload="{RUNS}">',
    "<meta http-equiv=refresh content='0;url=https://example.invalid/'>",
    "<link rel=stylesheet href=https://example.invalid/x.css><base href=https://example.invalid/>",
    f'<math><mtext><table><mglyph><style><img src=x onerror="{RUNS}">',
    f'<details open ontoggle="{RUNS}"><form action=javascript:{RUNS}><button autofocus>',
)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """A headless chromium of this machine, with a profile of its own."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with TemporaryDirectory() as profile:
        # Containers have neither the rights for chromium's sandbox nor much shared memory.
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
        try:
            yield opened
        finally:
            opened.quit()


def test_hostile_texts_run_nothing_and_load_nothing(browser: webdriver.Chrome, tmp_path: Path) -> None:
    text = "\n".join(HOSTILE)
    page = tmp_path / "report.html"
    page.write_text(report_html(content(text, drawn=True)), encoding="utf-8")
    browser.get(page.as_uri())
    browser.execute_script(
        "for (const element of [window, ...document.querySelectorAll('*')])"
        " for (const type of ['load', 'error', 'mouseover', 'click', 'focus', 'toggle', 'begin', 'submit'])"
        "  element.dispatchEvent(new Event(type, {bubbles: true}))"
    )
    assert browser.execute_script("return window.ran === undefined")
    assert browser.current_url == page.as_uri()
    elements = (
        "script, svg, iframe, a, form, button, link, base, object, embed, math, details, [onload], [onerror], [onfocus], [onmouseover]"
    )
    assert browser.find_elements(By.CSS_SELECTOR, elements) == []
    assert browser.execute_script("return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length") == 0
    shown = browser.find_elements(By.CSS_SELECTOR, ".case dd")[0]
    assert shown.get_property("textContent") == text
    pictures = browser.find_elements(By.TAG_NAME, "img")
    assert pictures
    assert all(browser.execute_script("return arguments[0].naturalWidth > 100", picture) for picture in pictures)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_policy_stops_a_script_that_would_get_in(browser: webdriver.Chrome, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    planted = f'<script>{RUNS}</script><img src=x onerror="{RUNS}"><p style="color: red">styled</p></body>'
    page.write_text(report_html(content("sharks")).replace("</body>", planted), encoding="utf-8")
    browser.get(page.as_uri())
    assert browser.execute_script("return window.ran === undefined")
    stopped = [entry["message"] for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]]
    assert len(stopped) >= 3

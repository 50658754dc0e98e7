"""A real browser on a page: what a reader would stumble over."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

WIDTHS = (1400, 800, 390)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
# Elements that reach beyond the window or their own box, outside of boxes that scroll.
TOO_WIDE = """() => {
  const out = [], edge = document.documentElement.clientWidth + 1;
  for (const each of document.body.querySelectorAll('*')) {
    if (each.closest('.scroll, pre, dialog, .skip, script, svg')) continue;
    const box = each.getBoundingClientRect();
    const block = each.clientWidth && getComputedStyle(each).display !== 'inline';
    const cut = block && each.scrollWidth > each.clientWidth + 1;
    if (box.width && (box.right > edge || box.left < -1 || cut))
      out.push(`${each.tagName}#${each.id}.${each.className}: ${(each.textContent || '').trim().slice(0, 60)}`);
  }
  return out;
}"""
DUPLICATES = """() => {
  const ids = [...document.querySelectorAll('[id]')].map((each) => each.id);
  return ids.filter((id, i) => ids.indexOf(id) !== i);
}"""
BROKEN_LINKS = """() => [...document.querySelectorAll('a[href^="#"]')]
  .map((link) => decodeURIComponent(link.hash.slice(1))).filter((id) => !document.getElementById(id))"""
BROKEN_PICTURES = """() => [...document.images].filter((image) => !image.naturalWidth).map((image) => image.alt)"""


# Axe copies elements as text: without pictures in them, and without the tens of thousands of coloured words of code.
LIGHTEN = """() => {
  document.querySelectorAll('details.code').forEach((each) => each.remove());
  document.querySelectorAll('a[href^="data:"]').forEach((each) => { each.href = 'data:,'; });
  document.querySelectorAll('img').forEach((each) => {
    [each.width, each.height] = [each.clientWidth, each.clientHeight];
    each.src = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';
  });
}"""


@contextmanager
def chromium() -> Iterator:
    """A started browser: the one that SFACE_BROWSER names, else one on the path; without any the test is skipped.

    SFACE_BROWSER that names no file fails, so that it is noticed in CI.
    """
    named = os.environ.get("SFACE_BROWSER")
    found = named or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium on the path; install it, or set SFACE_BROWSER")
    if not Path(found).is_file():
        pytest.fail(f"SFACE_BROWSER is {found}, which is not a file")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(browser, path: Path, width: int = 1400, **context) -> Iterator:
    """A page in a window of some width; gives the page, on which `complaints` lists errors and further requests."""
    inside = browser.new_context(viewport={"width": width, "height": 900}, **context)
    page = inside.new_page()
    page.complaints = []
    page.on("console", lambda said: page.complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    address = path.resolve().as_uri()
    page.on("request", lambda asked: page.complaints.append(asked.url[:80]) if not own(asked.url, address) else None)
    page.goto(address)
    yield page
    inside.close()


def own(asked: str, address: str) -> bool:
    """Whether what was asked for is the page itself, or lies within it."""
    return asked.split("#")[0] == address or asked.startswith(("data:", "blob:"))


def violations(page) -> list[dict]:
    """What axe finds wrong with a page that is open."""
    from axe_playwright_python.sync_playwright import Axe

    return Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]


def faults(browser, path: Path) -> list[str]:
    """What is wrong with a page, in words: at three widths, and by axe at the widest and the narrowest."""
    found = []
    for width in WIDTHS:
        with opened(browser, path, width) as page:
            for fold in page.query_selector_all("details:not(.code)"):
                fold.evaluate("each => { each.open = true; }")
            found += [f"{width} px: {text}" for text in page.complaints]
            found += [f"{width} px, too wide: {text}" for text in page.evaluate(TOO_WIDE)]
            if width == WIDTHS[0]:
                found += [f"id twice: {text}" for text in page.evaluate(DUPLICATES)]
                found += [f"link to nothing: {text}" for text in page.evaluate(BROKEN_LINKS)]
                found += [f"picture that cannot be shown: {text}" for text in page.evaluate(BROKEN_PICTURES)]
            if width in (WIDTHS[0], WIDTHS[-1]):
                page.evaluate(LIGHTEN)
                for fold in page.query_selector_all("details"):
                    fold.evaluate("each => { each.open = false; }")
                for wrong in violations(page):
                    where = "; ".join(node["html"][:120] for node in wrong["nodes"][:3])
                    found.append(f"{width} px, axe {wrong['id']} ({len(wrong['nodes'])}): {wrong['help']}: {where}")
    return found

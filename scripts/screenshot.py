"""Takes the pictures in docs/images: what `make screenshot` runs.

Each is JupyterLab itself with a notebook of notebooks/ in it while the run goes on. Driven by what drives the browser
tests (tests/browser/lab.py).
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import chromium

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser.lab import DARK, LIGHT, LabServer, OpenNotebook, chromium_browser, lab_server  # noqa: E402
from playwright.sync_api import Browser, FloatRect, ViewportSize  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SIZE: ViewportSize = {"width": 1280, "height": 900}
WITHOUT_STATUS_BAR: FloatRect = {"x": 0, "y": 0, "width": 1280, "height": 872}
SHOWING_CELL = 1
LARGEST_BYTES = 150_000

# A server has no desktop fonts: without a word JupyterLab's text would be in DejaVu, wider than anybody's own.
FONT = '"Liberation Sans", Arial, sans-serif'
FONTS = f"body {{ --jp-ui-font-family: {FONT}; --jp-content-font-family: {FONT} }}"
FLIGHT_MS = 300  # twice what the camera takes

MOSTLY_DONE = """() => {
    const rows = [...document.querySelectorAll('.roma-widget [role=row][data-status]')]
    const done = rows.filter((row) => row.dataset.status === 'DONE').length
    return rows.length > 12 && done / rows.length >= 0.6
        && rows.some((row) => row.dataset.status === 'RUNNING')
}"""
ASKED = "() => document.querySelector('.roma-widget [data-state=open] .rw-answers') !== null"
ANSWERED_BY_THE_KERNEL = (
    "() => !document.querySelector('.roma-widget').textContent.includes('Asking the kernel')"
)


@dataclass(frozen=True)
class Picture:
    """`until` is when it is taken, `selects` the task that is clicked before."""

    name: str
    theme: str
    notebook: str
    until: str
    selects: str | None = None


PICTURES = (
    Picture("live-run-light", LIGHT, "01_live_run.ipynb", MOSTLY_DONE),
    Picture("live-run-dark", DARK, "01_live_run.ipynb", MOSTLY_DONE, selects="root.2"),
    Picture("question-light", LIGHT, "03_answering_hitl.ipynb", ASKED),
)


def main() -> None:
    browser_path = chromium.find()
    if browser_path is None:
        sys.exit(f"screenshot: {chromium.PURPOSE}: `make screenshot` installs one.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="roma-widget-screenshot-", ignore_cleanup_errors=True) as own:
        for picture in PICTURES:
            image = IMAGES / f"{picture.name}.png"
            with (
                lab_server(Path(own) / picture.name, picture.theme) as server,
                chromium_browser(browser_path) as browser,
            ):
                take(server, browser, picture, image)
            size = image.stat().st_size
            print(f"screenshot: {image.relative_to(ROOT)}, {size / 1000:.0f} kB", flush=True)
            if size > LARGEST_BYTES:
                sys.exit(f"screenshot: {image.name} is over {LARGEST_BYTES / 1000:.0f} kB")


def take(server: LabServer, browser: Browser, picture: Picture, image: Path) -> None:
    notebook = ROOT / "notebooks" / picture.notebook
    path = server.save(notebook.stem, json.loads(notebook.read_text("utf-8")))
    nice = (server.folder / path).rename(server.folder / notebook.name).name
    with browser.new_context(viewport=SIZE, locale="en-US", timezone_id="UTC") as context:
        lab = OpenNotebook(context.new_page(), server, nice)
        lab.open(server.lab_address(nice))
        lab.page.add_style_tag(content=FONTS)
        lab.command("application:toggle-left-area")
        for side in ("left", "right"):
            lab.command("application:toggle-side-tabbar", side=side)
        lab.start_cell(SHOWING_CELL)
        lab.finish()
        lab.until(picture.until, timeout_s=60)
        if picture.selects is not None:
            lab.card(picture.selects).click()
            lab.page.wait_for_selector(
                f'[data-task-id="{picture.selects}"][aria-selected="true"]', state="attached"
            )
            lab.until(ANSWERED_BY_THE_KERNEL)
        lab.root.get_by_role("button", name="Fit the whole run").click()
        lab.page.mouse.move(0, 0)
        # last, because each click brings its place into view
        lab.page.locator(f'.jp-Notebook [data-windowed-list-index="{SHOWING_CELL}"]').evaluate(
            "(cell) => cell.scrollIntoView({block: 'start'})"
        )
        lab.page.wait_for_timeout(FLIGHT_MS)
        lab.page.screenshot(path=image, clip=WITHOUT_STATUS_BAR)
        server.end_kernels()


if __name__ == "__main__":
    main()

"""Takes docs/images/live-run-light.png and live-run-dark.png: what `make screenshot` runs.

Both are JupyterLab itself with notebooks/01_live_run.ipynb in it while the run goes on; in the dark one a task is
selected. Driven by what drives the browser tests (tests/browser/lab.py).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import chromium

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser.lab import DARK, LIGHT, LabServer, OpenNotebook, chromium_browser, lab_server  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402

IMAGES = ROOT / "docs" / "images"
NOTEBOOK = ROOT / "notebooks" / "01_live_run.ipynb"
WATCH_CELL = 1
SIZE = {"width": 1280, "height": 900}
DONE_SHARE = 0.6
SELECTED = "root.2"
LARGEST_BYTES = 300_000

# A server has no desktop fonts: without a word JupyterLab's text would be in DejaVu, wider than anybody's own.
FONT = '"Liberation Sans", Arial, sans-serif'
FONTS = f"body {{ --jp-ui-font-family: {FONT}; --jp-content-font-family: {FONT} }}"
FLIGHT_MS = 300  # twice what the camera takes

MOSTLY_DONE = """(share) => {
    const rows = [...document.querySelectorAll('.roma-widget [role=row][data-status]')]
    const done = rows.filter((row) => row.dataset.status === 'DONE').length
    return rows.length > 12 && done / rows.length >= share
        && rows.some((row) => row.dataset.status === 'RUNNING')
}"""


def main() -> None:
    browser_path = chromium.find()
    if browser_path is None:
        sys.exit(f"screenshot: {chromium.PURPOSE}: `make screenshot` installs one.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="roma-widget-screenshot-", ignore_cleanup_errors=True) as own:
        for theme, name, selected in ((LIGHT, "light", None), (DARK, "dark", SELECTED)):
            image = IMAGES / f"live-run-{name}.png"
            with lab_server(Path(own) / name, theme) as server, chromium_browser(browser_path) as browser:
                take(server, browser, image, selected)
            size = image.stat().st_size
            print(f"screenshot: {image.relative_to(ROOT)}, {size / 1000:.0f} kB", flush=True)
            if size > LARGEST_BYTES:
                sys.exit(f"screenshot: {image.name} is over {LARGEST_BYTES / 1000:.0f} kB")


def take(server: LabServer, browser: Browser, image: Path, selected: str | None) -> None:
    path = server.save("01_live_run", json.loads(NOTEBOOK.read_text("utf-8")))
    nice = (server.folder / path).rename(server.folder / NOTEBOOK.name).name
    with browser.new_context(viewport=SIZE, locale="en-US", timezone_id="UTC") as context:
        lab = OpenNotebook(context.new_page(), server, nice)
        lab.open(server.lab_address(nice))
        lab.page.add_style_tag(content=FONTS)
        lab.command("application:toggle-left-area")
        for side in ("left", "right"):
            lab.command("application:toggle-side-tabbar", side=side)
        lab.start_cell(WATCH_CELL)
        lab.finish()
        lab.until(MOSTLY_DONE, DONE_SHARE, timeout_s=60)
        if selected is not None:
            lab.card(selected).click()
            lab.page.wait_for_selector(f'[data-task-id="{selected}"][aria-selected="true"]', state="attached")
            lab.until(
                "() => !document.querySelector('.roma-widget').textContent.includes('Asking the kernel')"
            )
        lab.root.get_by_role("button", name="Fit the whole run").click()
        lab.page.mouse.move(0, 0)
        # last, because each click brings its place into view
        lab.page.locator(f'.jp-Notebook [data-windowed-list-index="{WATCH_CELL}"]').evaluate(
            "(cell) => cell.scrollIntoView({block: 'start'})"
        )
        lab.page.wait_for_timeout(FLIGHT_MS)
        lab.page.screenshot(path=image)
        server.end_kernels()


if __name__ == "__main__":
    main()

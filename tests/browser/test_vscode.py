"""The look on a page that is dressed as VS Code dresses the page of a notebook's outputs: classes and variables."""

from __future__ import annotations

import pytest
from browser.axe import serious
from browser.stage import dev_page
from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

# Body classes, color-scheme that must follow, and colours: those of VS Code's own four default themes.
THEMES = {
    "Dark Modern": ("vscode-dark", "dark", "#1f1f1f", "#cccccc", None),
    "Light Modern": ("vscode-light", "light", "#ffffff", "#3b3b3b", None),
    "Dark High Contrast": ("vscode-high-contrast", "dark", "#000000", "#ffffff", "#6fc3df"),
    "Light High Contrast": (
        "vscode-high-contrast vscode-high-contrast-light",
        "light",
        "#ffffff",
        "#292929",
        "#0f4a85",
    ),
}
DRESS = """([classes, ground, ink, border]) => {
    document.body.className = classes
    const { style } = document.documentElement
    style.setProperty('--vscode-editor-background', ground)
    style.setProperty('--vscode-editor-foreground', ink)
    style.setProperty('--vscode-font-family', 'vscode-sans')
    if (border === null) style.removeProperty('--vscode-contrastBorder')
    else style.setProperty('--vscode-contrastBorder', border)
}"""
SEEN = """() => {
    const look = getComputedStyle(document.querySelector('.roma-widget'))
    const probe = document.createElement('i')
    const hex = (colour) => '#' + colour.match(/[0-9]+/g).slice(0, 3)
        .map((part) => Number(part).toString(16).padStart(2, '0')).join('')
    document.querySelector('.roma-widget').append(probe)
    probe.style.color = 'var(--rw-edge)'
    const edge = hex(getComputedStyle(probe).color)
    probe.remove()
    return [look.colorScheme, hex(look.backgroundColor), hex(look.color), edge, look.fontFamily.split(',')[0]]
}"""


@pytest.mark.parametrize("os_scheme", ["light", "dark"])
def test_each_theme_of_vs_code_is_followed_while_the_view_is_open(browser: Browser, os_scheme: str) -> None:
    with dev_page(browser, "n=15&asks=1&select=root.1", color_scheme=os_scheme) as page:
        page.evaluate("document.body.style.setProperty('--jp-ui-font-family', 'initial')")  # the page has one
        for name, (classes, scheme, ground, ink, border) in THEMES.items():
            page.evaluate(DRESS, [classes, ground, ink, border])
            # The ink comes a millisecond after the ground, by the transition that tells the canvas of it.
            page.wait_for_function(
                f"(look) => String(({SEEN})().slice(0, 3)) === look", arg=f"{scheme},{ground},{ink}"
            )
            *_, edge, font = page.evaluate(SEEN)
            assert font == "vscode-sans", name
            assert border in (None, edge), name
            assert serious(page, rules=["color-contrast"]) == [], name

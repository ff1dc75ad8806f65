"""axe-core, which knows what assistive technology cannot read, looks at what is on a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = """async ([root, rules]) => {
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame)  // a theme that has just turned
    await Promise.all(document.getAnimations().filter((each) => each.effect.getTiming().iterations !== Infinity)
        .map((each) => each.finished.catch(() => null)))
    const {violations} = await axe.run(root, {resultTypes: ['violations'], ...(rules && {runOnly: rules})})
    return violations.filter(({impact}) => ['serious', 'critical'].includes(impact))
        .flatMap(({id, nodes}) => nodes.slice(0, 4).map((node) => [id, node.html.slice(0, 160), node.failureSummary]))
}"""


def serious(page: Page, root: str = ".roma-widget", rules: list[str] | None = None) -> list[list[str]]:
    """What axe-core finds serious or critical there, by all the rules that are on by default, or by these."""
    page.evaluate(AXE.read_text("utf-8"))  # not as a script element: a page's policy lets none in
    found: list[list[str]] = page.evaluate(SERIOUS, [root, rules])
    return found

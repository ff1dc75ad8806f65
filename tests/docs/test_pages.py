"""What README and docs/ name is there: commands with their options, make's targets, files, headings."""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path

import pytest
from docs.pages import LANGUAGES, ROOT, anchors, blocks, commands, indented_code, links, pages

from roma_widget.cli import _parser

README_LINES = 200
PICTURE_BYTES = 150_000
ALL = pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())


def subcommands() -> dict[str, argparse.ArgumentParser]:
    actions = _parser()._actions
    (commands,) = (each for each in actions if isinstance(each, argparse._SubParsersAction))
    return dict(commands.choices)


@ALL
def test_every_block_says_its_language(page: Path) -> None:
    assert [str(block) for block in blocks(page) if block.language not in LANGUAGES] == []
    assert list(indented_code(page)) == []


@ALL
def test_commands_of_ours_exist_with_their_options(page: Path) -> None:
    known = subcommands()
    for typed in commands(page, "roma-widget"):
        words = typed.split()[1:]
        name = next((word for word in words if not word.startswith("-")), None)
        options = set(re.findall(r"--[a-z-]+", typed))
        if name is not None:
            assert name in known, typed
            assert options <= set(known[name]._option_string_actions), typed
        else:
            assert options <= {"--version", "--help"}, typed


@ALL
def test_a_command_in_a_block_can_be_typed_as_it_stands(page: Path) -> None:
    for block in blocks(page):
        for line in block.body.splitlines() if block.language == "console" else ():
            program, *words = line.partition("  #")[0].split() or [""]
            if program == "roma-widget":
                _parser().parse_args([word.strip("[]") for word in words])  # [URL]: it may be left out


@ALL
def test_verbs_of_make_and_extras_exist(page: Path) -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for typed in commands(page, "make"):
        assert {word for word in typed.split()[1:] if "=" not in word} <= verbs, typed
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"roma-widget\[([\w,]+)\]", page.read_text("utf-8"))) <= set(extras)


@ALL
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def test_the_readme_is_short_and_its_pictures_are_small() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= README_LINES
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    assert {each.name for each in pictures if each.stat().st_size > PICTURE_BYTES} == set()

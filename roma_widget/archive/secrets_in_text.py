"""Finds what should not leave a machine in any text: keys, tokens, passwords, e-mail addresses.

Each kind is looked for by a literal that it cannot do without and matched only there: megabytes of prose cost a few
searches, and hostile text finds nothing to be slow with. What each kind covers: docs/redaction.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .assigned_secrets import assigned, is_mixed, may_be_assigned, places

SHORTEST_TEXT, SHORTEST_CUT = 6, 100
_LONGEST_CUT = 4_096
_BEGINS = r"(?:(?<![\w-])|(?<=\\[nrt]))"
"""At the edge of a word, or behind an escape of JSON within a text. No pattern begins inside what it takes itself,
so that none is tried again and again over the same characters."""
_WITH_A_DIGIT = r"(?=[A-Za-z_-]{0,48}[0-9])"

# kind, the literals it begins with, what follows them
_KEYS = (
    (
        "API key",
        "sk-",
        r"(?:ant|proj|or-v1|svcacct|admin|lf)-[\w-]{16,}+"
        rf"|{_WITH_A_DIGIT}(?:[a-z0-9]{{1,12}}-){{0,3}}[A-Za-z0-9_]{{20,}}+[\w-]*+",
    ),
    ("API key", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", "[A-Za-z0-9]{16,}+"),
    ("API key", "AIza", r"[\w-]{35}(?![\w-])"),
    ("API key", "GOCSPX- nvapi- xai- pplx- tvly- lsv2_ tgp_v1_ csk-", _WITH_A_DIGIT + r"[\w-]{20,}+"),
    ("API key", "gsk_ r8_ jina_ e2b_ fw_ npm_ dop_v1_ dapi", _WITH_A_DIGIT + "[A-Za-z0-9]{20,}+"),
    ("API key", "ya29. shpat_ dckr_pat_ pypi-AgE glpat-", r"[\w-]{20,}+"),
    ("API key", "SG.", r"[\w-]{16,}+\.[\w-]{16,}+"),
    ("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", "[A-Za-z0-9]{30,}+"),
    ("GitHub token", "github_pat_", r"\w{22,}+"),
    ("Hugging Face token", "hf_ api_org_", _WITH_A_DIGIT + "[A-Za-z0-9]{20,}+|[A-Za-z]{30,}+"),
    ("Slack token", "xox", r"[abeoprs][-.][\w-]{10,}+"),
    ("Slack token", "xapp-", r"[\w-]{10,}+"),
    ("AWS key", "AKIA ASIA AROA AIDA AGPA", r"[A-Z0-9]{16}(?![\w-])"),
    ("JWT", "eyJ", r"[\w-]{6,}+\.[\w-]{6,}+\.[\w-]*+"),
)
_PEM = (
    r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[\w+/=\s\\:,.]|-(?!----))*+"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_URL = r"(?<=\w)://[^\s/:@?#\"'<>\\]{0,256}:(?P<secret>[^\s/\"'<>\\]{1,256})@"
_MAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]++(?:@|%40)(?!self\.|cls\.)"
    r"(?:[\w-]++\.){1,8}(?:[A-Za-z]{2,24}|xn--[a-z0-9-]{2,60})(?![\w(\[-])"
)
_NO_MAIL = ("git@", "git%40")
"""As in git@github.com:…, the address of a repository."""

_HIDDEN_ASCII = re.compile(r"\\u(?:00[2-7]|212[aA])")
"""Letters and signs that are written as escapes; of the sign for kelvin the small letter is a k."""
_SCHEME = re.compile(
    r"(?:bearer|basic)\s{1,3}(?P<secret>[\w.~+/-]{16,4096}={0,2}|[A-Za-z0-9+/]{8,15}={1,2})", re.IGNORECASE
)
_SCHEMES = ("bearer", "basic")
_JUDGED = 200
"""Characters of a value by which it is judged."""
_ASCII_LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


class Found(NamedTuple):
    """What stands at `start:end` of a text, and its kind in words."""

    start: int
    end: int
    kind: str


class _Kind(NamedTuple):
    words: str
    literal: str
    pattern: re.Pattern[str]


def _kinds() -> Iterator[_Kind]:
    yield _Kind("private key", "-----BEGIN ", re.compile("-----BEGIN " + _PEM))
    for words, literals, rest in _KEYS:
        for literal in literals.split():
            yield _Kind(words, literal, re.compile(f"{_BEGINS}{re.escape(literal)}(?:{rest})"))
    yield _Kind(
        "Slack token", "hooks.slack.com/", re.compile(r"hooks\.slack\.com/services/(?P<secret>[\w/-]{20,}+)")
    )
    yield _Kind("password", "://", re.compile(_URL))


_KINDS = tuple(_kinds())


def without_secrets(text: str) -> tuple[str, tuple[str, ...]]:
    """`text` with "[redacted: e-mail]" and the like where a secret stood, and the kinds of what was found.

    The same text where there was none. Example: `without_secrets("ask a@b.org")[0] == "ask [redacted: e-mail]"`
    """
    found = sorted(_all_in(text)) if len(text) >= SHORTEST_TEXT else []
    if not found:
        return text, ()
    parts: list[str] = []
    kinds: list[str] = []
    at = 0
    for start, end, kind in found:
        if start < at:  # what sticks out of the last one goes, too, but for the host behind a password
            at = at if kind == "e-mail" else max(at, end)
            continue
        parts += (text[at:start], f"[redacted: {kind}]")
        kinds.append(kind)
        at = end
    return "".join((*parts, text[at:])), tuple(kinds)


def may_hold_secrets(json_text: str) -> bool:
    """Could a string in this JSON, or what stands under a name, be a secret? Only a "no" is certain.

    Most of what agents say holds none, and is not decoded for it.
    """
    if "\\/" in json_text or ("\\u" in json_text and _HIDDEN_ASCII.search(json_text)):
        return True
    if any(literal in json_text for _, literal, _ in _KINDS if literal != "://") or "@" in json_text:
        return True
    if "%40" in json_text:
        return True
    lower = json_text.lower()
    if len(lower) != len(json_text):
        return True
    for at in (at + len(scheme) for scheme in _SCHEMES for at in places(lower, scheme)):
        if lower[at : at + 1].isspace() or lower[at : at + 1] == "\\":
            return True
    return may_be_assigned(lower)


def _all_in(text: str) -> Iterator[Found]:
    for words, literal, pattern in _KINDS:
        at = text.find(literal)
        while at >= 0:
            match = pattern.match(text, at)
            if match is not None:
                group = "secret" if "secret" in pattern.groupindex else 0
                yield Found(*match.span(group), words)
            at = text.find(literal, match.end() if match is not None else at + len(literal))
    if "@" in text or "%40" in text:
        for match in _MAIL.finditer(text):
            if not match[0].startswith(_NO_MAIL):
                yield Found(*match.span(), "e-mail")
    yield from _named(text)
    if text.endswith("…") and len(text) >= SHORTEST_CUT:
        yield from _cut(text)


def _cut(text: str) -> Iterator[Found]:
    """The last word of a text that was cut, where it may be the beginning of a secret."""
    end = len(text) - 1
    start = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end), end - _LONGEST_CUT) + 1
    word = text[start:end]
    if "@" in word or any(literal in word for _, literal, _ in _KINDS if literal != "://"):
        yield Found(start, end, "end of a cut text")


def _named(text: str) -> Iterator[Found]:
    """`Authorization: Bearer …`, `api_key = "…"`, and the like."""
    lower = text.lower()
    if len(lower) != len(text):  # some letters of other scripts become two
        lower = text.translate(_ASCII_LOWER)
    for at in (at for scheme in _SCHEMES for at in places(lower, scheme)):
        scheme = _SCHEME.match(text, at)
        if scheme is not None and is_mixed(scheme["secret"][:_JUDGED]):
            yield Found(*scheme.span("secret"), "token")
    for found in assigned(text, lower):
        yield Found(*found)

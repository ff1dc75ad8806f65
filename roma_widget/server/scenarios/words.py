"""Sentences with gaps, and what fills them: the words of a topic, figures, years."""

from __future__ import annotations

import random

from roma_widget.server.scenarios.topics.topic import Topic

SENTENCES = (
    "{claim}.",
    "according to {source}, {claim}.",
    "{claim}; {source} puts a figure on it: {measure}.",
    "{people} in {place} report {change}.",
    "in {place}, {thing} account for {percent} % of {effect}.",
    "where {cause} sets the limit, {thing} are seldom the answer on their own.",
    "{people} tend to underestimate {effect}, because {claim}.",
    "between {year} and {later} the number of {thing} around {place} went from {few} to {many}.",
    "none of this settles {effect}: {claim}, but the evidence comes from {few} sites.",
    "compared with {place}, {place2} stands out with {measure}.",
    "the figures disagree: {source} gives {range}, and {people} in {place} call even that optimistic.",
    "{cause} explains {percent} % of {effect} in the sample from {place}.",
    "for {people}, {effect} weighs more than {measure}.",
    "what {people} call {effect} turns out, on a second look, to be {cause}.",
    "{source} found {measure} for {thing}, with a spread that {cause} may explain.",
    "a visit to {place} in {month} {year} showed {thing} beside {thing2}, and {measure}.",
    "if {claim}, then {effect} should fall as {thing} spread; in {place} it did, by {percent} %.",
    "the exception is {place}, where {thing} run at {measure}.",
    "{people} and {people2} read the same numbers differently: for the former it is {cause}, for the latter {effect}.",
    "until {later}, {source} had counted {many} {thing}, of which {percent} % were still in use.",
    "one caveat belongs here: {cause} was not controlled for in {place}.",
    "the median across {few} cases is {measure}; the best of them lies in {place}.",
    "{thing} without {thing2} save money in the first year and lose it to {cause} afterwards.",
    "asked what they would do differently, {people} in {place} named {cause} first and {effect} second.",
    "since {year}, {place} has published {range}, revised twice because of {cause}.",
    "{claim}, which is why {people} in {place} now plan with {measure}.",
    "it is tempting to blame {cause}; yet {claim}.",
    "taken together, {source} and the records of {place} support the reading that {claim}.",
)
SOURCES = (
    "a {year} survey of {few} sites",
    "the {year} annual report of {place}",
    "an audit published in {month} {year}",
    "a working paper from {place} ({year})",
    "a review of {few} studies up to {year}",
    "the public register of {place}",
    "a thesis defended in {year}",
    "an inquiry among {many} {people}",
    "measurements taken every hour since {year}",
)
HEADINGS = (
    "What was measured",
    "Where the figures disagree",
    "What it costs",
    "Limits of the evidence",
    "What follows from it",
    "The case of {place}",
    "{Thing} in practice",
    "Why {effect} matters",
    "The role of {cause}",
    "{People} and {people2}",
    "A closer look at {thing}",
    "Open questions about {effect}",
    "{Place} and {place2} compared",
    "{Thing} since {year}",
)
TITLES = (
    "{Thing} in practice: {few} cases",
    "Notes on {effect}",
    "{Place}: a review after {few} years",
    "On {cause} and {thing}",
    "{Thing}, {thing2} and {effect}",
    "Annual report {year}, {place}",
    "What {people} know about {effect}",
)
MONTHS = tuple(
    "January February March April May June July August September October November December".split()
)


class Words:
    """What stands for a name in a template; asked anew at every place, so that no two fillings are alike."""

    def __init__(self, topic: Topic, rng: random.Random) -> None:
        self._topic = topic
        self._rng = rng
        self._last: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name[0].isupper():
            return capitalized(self[name.lower()])
        if name.endswith("2"):
            return self._another(name[:-1])
        word = self._word(name)
        self._last[name] = word
        return word

    def _another(self, name: str) -> str:
        choices = self._choices(name)
        at = choices.index(self._last[name]) if name in self._last else 0
        return choices[(at + self._rng.randrange(1, len(choices))) % len(choices)]

    def _choices(self, name: str) -> tuple[str, ...]:
        topic = self._topic
        match name:
            case "thing":
                return topic.things
            case "people":
                return topic.people
            case "effect":
                return topic.effects
            case "cause":
                return topic.causes
            case "place":
                return topic.places
            case "claim":
                return topic.claims
            case "month":
                return MONTHS
        raise KeyError(name)

    def _word(self, name: str) -> str:
        rng = self._rng
        match name:
            case "year":
                return str(rng.randrange(1994, 2016))
            case "later":
                return str(rng.randrange(2016, 2026))
            case "percent":
                return str(rng.randrange(3, 88))
            case "few":
                return str(rng.randrange(4, 60))
            case "many":
                return str(rng.randrange(80, 2400))
            case "source":
                return rng.choice(SOURCES).format_map(self)
            case "measure" | "range" | "change":
                return self._measured(name)
        return rng.choice(self._choices(name))

    def _measured(self, name: str) -> str:
        measure = self._rng.choice(self._topic.measures)
        first, second = measure.value(self._rng), measure.value(self._rng)
        low, high = sorted((first, second), key=float)
        if name == "measure" or low == high:
            return measure.phrase.format(first)
        if name == "range":
            return measure.phrase.format(f"{low} to {high}")
        return f"{measure.phrase.format(first)}, {'down' if first == low else 'up'} from {second}"


def capitalized(text: str) -> str:
    """`text` with a capital at its start, the rest as it is."""
    return text[:1].upper() + text[1:]

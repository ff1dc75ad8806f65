"""Texts read like research on their topic: many forms, no sentence twice, the same for the same seed."""

from __future__ import annotations

import contextlib
import io
import json
import re

import pytest

from roma_widget.server.scenarios.texts import Writer, seeded
from roma_widget.server.scenarios.topics import TOPICS, topic_for, topic_of
from roma_widget.server.scenarios.topics.topic import Topic

topics = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


def writer(topic: Topic, seed: int = 0) -> Writer:
    return Writer(topic, seeded(seed, "a task"))


@topics
def test_the_same_seed_writes_the_same(topic: Topic) -> None:
    assert writer(topic).markdown("A title", 9_000) == writer(topic).markdown("A title", 9_000)
    assert writer(topic).markdown("A title", 9_000) != writer(topic, seed=1).markdown("A title", 9_000)


@topics
def test_a_long_article_has_everything_markdown_has(topic: Topic) -> None:
    text = writer(topic).markdown("what we know", 50_000)
    assert 49_000 < len(text) < 54_000
    assert text.startswith("# What we know\n")
    for feature in (
        r"^## ",
        r"^### ",
        r"^- \*\*",
        r"^1\. ",
        r"^\| --- \|",
        r"^```python$",
        r"^> ",
        r"\]\(https://",
    ):
        assert re.search(feature, text, re.MULTILINE), feature
    assert text.count("```") % 2 == 0


@topics
def test_no_sentence_comes_twice(topic: Topic) -> None:
    sentences = re.split(r"(?<=[.;]) (?=[A-Z])|\n+", writer(topic).prose(50_000))
    assert len(sentences) > 250
    assert len(set(sentences)) == len(sentences)


@topics
def test_no_gap_is_left_open_and_no_place_is_compared_with_itself(topic: Topic) -> None:
    text = writer(topic).prose(80_000)
    assert "{" not in text
    for pattern in (r"Compared with (.+?), (.+?) stands", r"(?:^|\. )([\w -]+?) without ([\w -]+?) save"):
        pairs = re.findall(pattern, text)
        assert pairs
        assert all(one.lower() != other.lower() for one, other in pairs)


@topics
def test_sentences_are_about_the_topic(topic: Topic) -> None:
    own = [
        word.lower() for word in (*topic.things, *topic.people, *topic.effects, *topic.causes, *topic.places)
    ]
    own += [claim.lower() for claim in topic.claims]
    sentences = [writer(topic, seed).sentence().lower() for seed in range(200)]
    assert all(any(word in sentence for word in own) for sentence in sentences)


@topics
def test_code_and_tables_are_well_formed(topic: Topic) -> None:
    author = writer(topic)
    blocks = [author.code() for _ in range(5)]
    for block in blocks:
        compile(block.removeprefix("```python\n").removesuffix("```"), "<code>", "exec")
    assert len(set(blocks)) == 5
    code, printed = author.calculation()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {})
    assert said.getvalue() == printed
    rows = [line.count("|") for line in author.table(6).splitlines()]
    assert rows == [rows[0]] * 8


@topics
def test_what_tools_answer_is_json(topic: Topic) -> None:
    author = writer(topic)
    hits = author.search_hits("a query", 6)
    assert json.loads(json.dumps(hits)) == hits
    assert [hit["rank"] for hit in hits["hits"]] == [1, 2, 3, 4, 5, 6]
    assert all(hit["url"].startswith("https://example.org/") for hit in hits["hits"])
    assert 1_000 < len(author.page(1_200)["text"]) < 2_600


@topics
def test_a_goal_is_known_by_its_words(topic: Topic) -> None:
    for goal in (f"Write about {topic.subject}", *topic.chats):
        assert topic_for(goal, 0) is topic, goal


def test_a_goal_about_something_else_gets_the_seeds_topic() -> None:
    for seed in range(9):
        assert topic_for("Instead of a team, record a teaser", seed) is topic_of(seed)
    assert {topic_of(seed).name for seed in range(40)} == {topic.name for topic in TOPICS}


@topics
def test_a_topic_has_enough_words(topic: Topic) -> None:
    for words in (topic.things, topic.people, topic.effects, topic.causes, topic.places, topic.claims):
        assert len(words) >= 8
        assert len(set(words)) == len(words)
        assert all(word and word == word.strip() for word in words)
    assert len(topic.questions) == 14
    assert len(topic.strands) == 4

"""What the scenarios write about: the words of five topics. Places, figures and sources are invented."""

from __future__ import annotations

import random
import re

from roma_widget.server.scenarios.topics.catalogue import CATALOGUE
from roma_widget.server.scenarios.topics.heat import HEAT
from roma_widget.server.scenarios.topics.soil import SOIL
from roma_widget.server.scenarios.topics.tea import TEA
from roma_widget.server.scenarios.topics.tides import TIDES
from roma_widget.server.scenarios.topics.topic import Topic

TOPICS = (HEAT, TEA, SOIL, CATALOGUE, TIDES)


def topic_for(goal: str, seed: int) -> Topic:
    """The topic the goal speaks of; where it speaks of none, one that the seed picks."""
    words = set(re.findall(r"\w+", goal.lower()))
    hits = {topic.name: len(words.intersection(topic.keywords)) for topic in TOPICS}
    best = max(hits.values())
    if best:
        return next(topic for topic in TOPICS if hits[topic.name] == best)
    return topic_of(seed)


def topic_of(seed: int) -> Topic:
    """The topic of a seed."""
    return random.Random(f"{seed}:topic").choice(TOPICS)

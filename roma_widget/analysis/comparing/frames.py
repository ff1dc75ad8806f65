"""Two runs side by side -> pandas.DataFrame: of their tasks, of their stages. See docs/compare.md.

Names, order and types of the columns are a contract, and the same when a frame is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ...core.model import Stage, Task
from .. import columns
from ..run import Totals
from .differences import Sides, change, change_of_count, differ
from .stage_texts import texts_of

if TYPE_CHECKING:
    import pandas as pd

_Thing = TypeVar("_Thing")
_Value = TypeVar("_Value")


def tasks(sides: Sides) -> pd.DataFrame:
    """See `Compared.tasks`."""
    import pandas as pd

    pairs, totals = sides.pairs, sides.totals
    of_a, of_b = [pair.a for pair in pairs], [pair.b for pair in pairs]
    made: dict[str, Any] = {
        "task_id_a": columns.texts(_of(of_a, lambda task: task.task_id)),
        "task_id_b": columns.texts(_of(of_b, lambda task: task.task_id)),
        "match": columns.texts(pair.match for pair in pairs),
        "rule": columns.texts(pair.rule for pair in pairs),
        "similarity": columns.numbers(pair.similarity for pair in pairs),
        "why": columns.texts(pair.why for pair in pairs),
        "depth": columns.wholes(pair.depth for pair in pairs),
    }

    def both(name: str, read: Callable[[Task], str | None]) -> None:
        said = [_of(each, read) for each in (of_a, of_b)]
        made[f"{name}_a"], made[f"{name}_b"] = map(columns.texts, said)
        made[f"{name}_changed"] = _flags(map(differ, *said))

    both("goal", lambda task: task.goal)
    both("status", lambda task: str(task.status))
    both("agent", lambda task: task.agent)
    both("model", lambda task: task.model)
    made["result_changed"] = _flags(sides.results_changed)
    durations = [_of(each, lambda task: task.duration_s) for each in (of_a, of_b)]
    made["duration_a_s"], made["duration_b_s"] = map(columns.numbers, durations)
    made["duration_change_s"] = columns.numbers(map(change, *durations))

    def counted(name: str, read: Callable[[Totals], int | None]) -> None:
        said = [[read(each[side]) for each in totals] for side in (0, 1)]
        made[f"{name}_a"], made[f"{name}_b"] = map(columns.wholes, said)
        made[f"{name}_change"] = columns.wholes(map(change_of_count, *said))

    counted("retries", lambda each: each.retries)
    counted("prompt_tokens", lambda each: each.prompt_tokens)
    counted("completion_tokens", lambda each: each.completion_tokens)
    costs = [[each[side].cost_usd for each in totals] for side in (0, 1)]
    made["cost_usd_a"], made["cost_usd_b"] = map(columns.numbers, costs)
    made["cost_usd_change"] = columns.numbers(map(change, *costs))
    made["error_a"] = columns.texts(_of(of_a, lambda task: task.error))
    made["error_b"] = columns.texts(_of(of_b, lambda task: task.error))
    frame = pd.DataFrame(made, copy=False)
    frame.attrs.update(_missing(sides))
    frame.attrs["unread_results_a"] = sides.results_a.n_unread
    frame.attrs["unread_results_b"] = sides.results_b.n_unread
    return frame


def stages(sides: Sides) -> pd.DataFrame:
    """See `Compared.stages`."""
    import numpy as np
    import pandas as pd

    rows = sides.stages
    of_a, of_b = [row[1] for row in rows], [row[2] for row in rows]
    shown = [stage for _, a, b in rows if (stage := b or a) is not None]
    made: dict[str, Any] = {
        "task_id_a": columns.texts(_of((pair.a for pair, _, _ in rows), lambda task: task.task_id)),
        "task_id_b": columns.texts(_of((pair.b for pair, _, _ in rows), lambda task: task.task_id)),
        "stage": columns.texts(stage.stage or None for stage in shown),
        "attempt": np.array([stage.attempt for stage in shown], np.int64),
        "match": columns.texts("both" if a and b else "a" if a else "b" for _, a, b in rows),
    }

    def both(name: str, read: Callable[[Stage], str | None]) -> None:
        for side, each in (("a", of_a), ("b", of_b)):
            made[f"{name}_{side}"] = columns.texts(_of(each, read))

    both("status", lambda stage: str(stage.status) or None)
    both("agent", lambda stage: stage.agent)
    both("model", lambda stage: stage.model)
    durations = [_of(each, lambda stage: stage.duration_s) for each in (of_a, of_b)]
    made["duration_a_s"], made["duration_b_s"] = map(columns.numbers, durations)
    made["duration_change_s"] = columns.numbers(map(change, *durations))

    def counted(name: str, read: Callable[[Stage], int | None]) -> None:
        said = [_of(each, read) for each in (of_a, of_b)]
        made[f"{name}_a"], made[f"{name}_b"] = map(columns.wholes, said)
        made[f"{name}_change"] = columns.wholes(map(change_of_count, *said))

    counted("prompt_tokens", lambda stage: stage.prompt_tokens)
    counted("completion_tokens", lambda stage: stage.completion_tokens)
    flags = [_texts_changed(a, b) for a, b in zip(of_a, of_b, strict=True)]
    for place, name in enumerate(("prompt_changed", "response_changed", "output_changed")):
        made[name] = _flags(each[place] for each in flags)
    both("error", lambda stage: stage.error)
    frame = pd.DataFrame(made, copy=False)
    frame.attrs.update(_missing(sides))
    return frame


def _texts_changed(a: Stage | None, b: Stage | None) -> tuple[bool | None, bool | None, bool | None]:
    """Prompt, response, output."""
    if a is None or b is None:
        return None, None, None
    prompts, responses, outputs = zip(texts_of(a), texts_of(b), strict=True)
    return differ(*prompts), differ(*responses), differ(*outputs)


def _of(each: Iterable[_Thing | None], read: Callable[[_Thing], _Value | None]) -> list[_Value | None]:
    return [None if thing is None else read(thing) for thing in each]


def _missing(sides: Sides) -> dict[str, int]:
    return {"missing_traces_a": sides.a.missing_traces, "missing_traces_b": sides.b.missing_traces}


def _flags(values: Iterable[bool | None]) -> pd.api.extensions.ExtensionArray:
    """`boolean`; missing is NA."""
    import numpy as np
    import pandas as pd

    said = list(values)
    is_missing = np.array([value is None for value in said], np.bool_)
    return pd.arrays.BooleanArray(np.array([bool(value) for value in said], np.bool_), is_missing)

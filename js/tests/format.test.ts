import { expect, test } from "vitest";
import {
  characters,
  count,
  dayAndTime,
  duration,
  elapsed,
  epoch,
  plural,
  prettyJson,
  size,
  timeOfDay,
  trip,
} from "../src/format";
import { isHollow, statusOf, wordOf } from "../src/status";

test.each([
  [null, "—"],
  [Number.NaN, "—"],
  [0, "0.00 s"],
  [520, "0.52 s"],
  [999, "1.0 s"],
  [5_300, "5.3 s"],
  [9_960, "10 s"],
  [17_100, "17 s"],
  [59_600, "1:00"],
  [73_000, "1:13"],
  [2_520_000, "42:00"],
  [3_723_000, "1:02:03"],
  [-5, "0.00 s"],
])("duration(%s) is %s", (ms, text) => expect(duration(ms)).toBe(text));

test.each([
  [null, "—"],
  [48_900, "0:48"],
  [2_520_000, "42:00"],
  [-1, "0:00"],
])("elapsed(%s) is %s", (ms, text) => expect(elapsed(ms)).toBe(text));

test.each([
  [0, "0"],
  [999, "999"],
  [1000, "1,000"],
  [1234567, "1,234,567"],
  [null, "—"],
])("count(%s) is %s", (n, text) => expect(count(n)).toBe(text));

test.each([
  [850, "850 B"],
  [1500, "1.5 kB"],
  [14_200, "14 kB"],
  [2_400_000, "2.4 MB"],
])("size(%s) is %s", (bytes, text) => expect(size(bytes)).toBe(text));

test.each([
  [null, "—"],
  [0, "0 ms"],
  [0.0004, "0.4 ms"],
  [0.0124, "12 ms"],
  [1.2, "1.2 s"],
])("trip(%s) is %s", (seconds, text) => expect(trip(seconds)).toBe(text));

test("a day is named as far as today leaves it open", () => {
  const at = (...when: [number, number, number, number, number]) => new Date(...when).getTime();
  const now = at(2026, 0, 5, 20, 51);
  expect(dayAndTime(at(2026, 0, 5, 9, 7), now)).toBe("09:07:00");
  expect(dayAndTime(at(2026, 0, 4, 9, 7), now)).toBe("4 Jan 09:07");
  expect(dayAndTime(at(2025, 0, 5, 9, 7), now)).toBe("5 Jan 2025 09:07");
  expect(dayAndTime(null, now)).toBe("—");
  expect(dayAndTime(Number.NaN, now)).toBe("—");
});

test("plurals, times and JSON", () => {
  expect(plural(1, "task")).toBe("1 task");
  expect(plural(1000, "task")).toBe("1,000 tasks");
  expect(timeOfDay(null)).toBe("—");
  expect(timeOfDay(8.64e15 + 1)).toBe("—");
  expect(timeOfDay(1000, true)).toMatch(/^\d\d:\d\d:01\.0$/);
  expect(epoch("2026-01-05T20:50:56Z")).toBe(Date.UTC(2026, 0, 5, 20, 50, 56));
  expect(epoch("soon")).toBeNull();
  expect(prettyJson('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(prettyJson("{not json")).toBe("{not json");
  const deep = `${"[".repeat(1_500)}${"]".repeat(1_500)}`;
  expect(prettyJson(deep)).toBe(deep);
});

test("a status we do not know is shown as the server says it", () => {
  expect(statusOf("ON_HOLD")).toBe("UNKNOWN");
  expect(wordOf("ON_HOLD")).toBe("ON_HOLD");
  expect(statusOf("__proto__")).toBe("UNKNOWN");
  expect(wordOf("PLAN_DONE")).toBe("planned");
  expect(isHollow("PENDING")).toBe(true);
});

test("texts are counted in characters", () => {
  expect([1, 850, 14_200, 2_400_000].map(characters)).toEqual([
    "1 character",
    "850 characters",
    "14 k characters",
    "2.4 M characters",
  ]);
});

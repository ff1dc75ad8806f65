import { expect, test } from "vitest";
import { codeOfFound } from "../src/find/code";
import { ALL } from "../src/find/match";
import { CODE } from "../src/status";

test("a search and a filter as lines of pandas", () => {
  expect(codeOfFound("m", ALL)).toBeNull();
  const codes = new Set([CODE.FAILED]);
  expect(codeOfFound("m", { ...ALL, codes })).toBe('df = m.tasks()\ndf[df["status"].isin(["FAILED"])]');
  expect(codeOfFound("m", { ...ALL, words: 'a "b"', types: new Set(["SEARCH"]) })).toBe(
    [
      "df = m.tasks()",
      'fields = df.reset_index()[["goal", "task_id", "agent", "model", "error"]].fillna("")',
      'texts = fields.agg("\\n".join, axis=1).set_axis(df.index)',
      'df[texts.str.contains("a", case=False, regex=False) & texts.str.contains("\\"b\\"", case=False, regex=False) & df["task_type"].isin(["SEARCH"])]',
    ].join("\n"),
  );
});

test("what the frame cannot say is no code", () => {
  expect(codeOfFound("m", { ...ALL, codes: new Set([CODE.UNKNOWN]) })).toBeNull();
});

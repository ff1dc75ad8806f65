import { expect, test } from "vitest";
import { Typing } from "../src/tree/typing";

const ROWS = ["Find yields", "Compare", "find costs", "Write"];
const typed = (typing: Typing, letter: string, now: number, here: number): number =>
  typing.row(letter, now, here, ROWS.length, (row) => ROWS[row] as string);

test("letters in quick succession lead to the row that begins with them, one letter again to the next", () => {
  const typing = new Typing();
  expect(typed(typing, "f", 0, 0)).toBe(2);
  expect(typed(typing, "f", 100, 2)).toBe(0);
  let here = 0;
  for (const [at, letter] of [..."find c"].entries()) here = typed(typing, letter, 2000 + at, here);
  expect(here).toBe(2);
  expect(typing.isUnderWay(2100)).toBe(true);
  expect(typing.isUnderWay(3000)).toBe(false);
  expect(typed(typing, "x", 9000, 1)).toBe(-1);
});

import { expect, test } from "vitest";
import { ringOf } from "../src/graph/picture";

test("the ring of a selected card is a shadow without blur", () => {
  expect(ringOf("rgb(25, 118, 210) 0px 0px 0px 1px")).toEqual({ colour: "rgb(25, 118, 210)", width: 1 });
  expect([ringOf("none"), ringOf("rgba(0, 0, 0, 0.2) 0px 1px 3px 0px")]).toEqual([null, null]);
});

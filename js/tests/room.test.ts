import { expect, test } from "vitest";
import { Room } from "../src/room";

test("what was used longest ago makes room, the newest always stays", () => {
  const gone: string[] = [];
  const room = new Room(10);
  const [a, b, c] = [{}, {}, {}];
  room.keep(a, 4, () => gone.push("a"));
  room.keep(b, 4, () => gone.push("b"));
  room.use(a);
  room.keep(c, 4, () => gone.push("c"));
  expect(gone).toEqual(["b"]);
  room.keep(c, 100, () => gone.push("c again"));
  expect(gone).toEqual(["b", "a"]);
  room.keep(a, 1, () => gone.push("a"));
  expect(gone).toEqual(["b", "a", "c again"]);
});

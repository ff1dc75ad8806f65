import { describe, expect, test } from "vitest";
import type { ListedProject, Traits } from "../src/messages";
import { cut, isAside, matching, nameOf, newestFirst, shortIds } from "../src/projects";
import { readProjects } from "../src/read";

const listed = (id: string, more: object = {}) => {
  const fields = { id, title: id, status: "running", created: null, updated: null, is_current: false };
  return readProjects([{ ...fields, ...more }])[0] as ListedProject;
};
const ids = (projects: readonly { id: string }[]) => projects.map(({ id }) => id);

describe("reading", () => {
  test("what is no project, and an id that came before, is left out; wrong types are null", () => {
    expect(readProjects("x")).toEqual([]);
    expect(readProjects([null, 7, {}, { id: 3 }, { id: "a", title: 5, is_current: 1 }, { id: "a" }])).toEqual(
      [{ id: "a", title: null, status: null, created: null, is_current: false, questions: 0 }],
    );
  });

  test("a list without end and a title without end are bounded", () => {
    const many = readProjects(Array.from({ length: 9_000 }, (_, i) => ({ id: `p${i}` })));
    expect(many).toHaveLength(5_000);
    expect(listed("a", { title: "x".repeat(10_000) }).title).toHaveLength(301);
  });
});

describe("the list", () => {
  test("is newest first; those without a time come last, in the server's order", () => {
    const projects = [
      listed("none"),
      listed("old", { created: "2026-01-01T00:00:00Z" }),
      listed("bad", { created: "soon" }),
      listed("new", { created: "2026-01-02T00:00:00Z" }),
    ];
    expect(ids(newestFirst(projects))).toEqual(["new", "old", "none", "bad"]);
  });

  test("finds by every word of title and status, and by how an id begins", () => {
    const projects = [
      listed("p1", { title: "City roofs" }),
      listed("p2", { title: "City parks", status: "done" }),
    ];
    expect(ids(matching(projects, " city ROOFS "))).toEqual(["p1"]);
    expect(ids(matching(projects, "done city"))).toEqual(["p2"]);
    expect(ids(matching(projects, "p2 parks"))).toEqual(["p2"]);
    expect(matching(projects, "2")).toEqual([]);
    expect(matching(projects, " ")).toBe(projects);
  });

  test("is cut after a hundred, but what is shown stays in it", () => {
    const projects = Array.from({ length: 500 }, (_, i) => listed(`p${i}`));
    const rows = cut(projects, ({ id }) => id === "p300");
    expect(rows).toHaveLength(101);
    expect(rows.at(-1)?.id).toBe("p300");
  });

  test("shortens ids as far as the same titles can still be told apart", () => {
    const same = { title: "The same" };
    const shown = shortIds([
      listed("0123456789abcdef0001", same),
      listed("0123456789abcdef0002", same),
      listed("0123456789abcdef0003"),
      listed("p1"),
    ]);
    expect([...shown.values()]).toEqual(["0123456789abcdef0001", "0123456789abcdef0002", "01234567…", "p1"]);
  });

  test("an empty title is a missing one: named, found and told apart as such", () => {
    const projects = ["", null, " \n"].map((title, i) => listed(`0123456789abc-${i}`, { title }));
    expect(projects.map(nameOf)).toEqual(Array(3).fill("Untitled project"));
    expect(matching(projects, "untitled")).toHaveLength(3);
    expect(new Set(shortIds(projects).values()).size).toBe(3);
  });
});

test("a view is aside only when it is known that another project is current", () => {
  const aside = (watching: string | null, projects: ListedProject[]) =>
    isAside({ watching, projects } as unknown as Traits);
  const [a, b, current] = [listed("a"), listed("b"), listed("c", { is_current: true })];
  expect(aside(null, [a, current])).toBe(false);
  expect(aside("a", [a, current])).toBe(true);
  expect(aside("c", [a, current])).toBe(false);
  expect(aside("a", [a, b])).toBe(true);
  expect(aside("a", [])).toBe(false);
});

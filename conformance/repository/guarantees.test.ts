import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { filesWith } from "./repository-files.ts";

/** docs/guarantees.md and the tests speak of each other. */

const page = filesWith(".md").find((file) => file.path === "docs/guarantees.md")?.text ?? "";
const sections = [...page.matchAll(/^## (G\d+) (.+)\n([\s\S]*?)(?=^## |$(?![\s\S]))/gm)].map((match) => ({
  id: match[1] as string,
  title: match[2] as string,
  text: match[3] as string,
}));

/** Tests, and the cases of contract suites, which are tests of many engines. */
const proofs = filesWith(".ts").filter(
  (file) =>
    (file.path.endsWith(".test.ts") || file.path.endsWith("-cases.ts")) &&
    !file.path.startsWith("conformance/repository/"),
);

test("the page has every guarantee, in order", () => {
  expect(sections.map((section) => section.id)).toEqual(Array.from({ length: 11 }, (_, index) => `G${index + 1}`));
});

describe.each(sections)("$id $title", ({ id, text }) => {
  const named = [...text.matchAll(/\]\(([^)#]+\.ts)\)/g)].map((match) => posix.join("docs", match[1] as string));
  const mentioning = proofs.filter((file) => new RegExp(`\\b${id}\\b`).test(file.text)).map((file) => file.path);

  test("says how it is kept, by which tests it is held, and where the proof has gaps", () => {
    for (const part of ["**How.**", "**Tests.**", "**Gaps.**"]) expect(text).toContain(part);
    expect(named).not.toEqual([]);
  });

  test("every test that the page names is there and names the guarantee", () => {
    expect(
      named.filter((path) => !mentioning.includes(path)),
      `Say ${id} in the title of the test that holds it.`,
    ).toEqual([]);
  });

  test("every test that names the guarantee is on the page", () => {
    expect(
      mentioning.filter((path) => !named.includes(path)),
      `Name these under ${id} in docs/guarantees.md.`,
    ).toEqual([]);
  });
});

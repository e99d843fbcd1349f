/** CHANGELOG.md, which has the entries of both packages once, out of what `changeset version` writes for each of them. */

/**
 * The changelog with the release's section: in place of "## Unreleased", whose text it keeps, or above the last release.
 * `packages` are the texts of the packages' own changelogs.
 */
export function withRelease(changelog, version, packages) {
  if (changelog.includes(`\n## ${version}\n`)) return changelog;
  const entries = new Map();
  for (const text of packages) {
    for (const [kind, entry] of entriesOf(text, version))
      entries.set(kind, (entries.get(kind) ?? new Set()).add(entry));
  }
  const kinds = ["Major Changes", "Minor Changes", "Patch Changes"].filter((kind) => entries.has(kind));
  const body = kinds.map((kind) => `### ${kind}\n\n${[...entries.get(kind)].join("\n")}\n`).join("\n");
  const [above, ...sections] = changelog.split(/^(?=## )/m);
  const unreleased = sections[0]?.startsWith("## Unreleased\n") ? sections.shift() : "";
  const said = unreleased.replace("## Unreleased\n", "");
  const parts = [above, `## ${version}`, said, body, sections.join("")].map((part) => part.trim());
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}

/** Kind and text of each entry that a package's changelog has for a version, but for those of its dependencies. */
function entriesOf(text, version) {
  const [, section = ""] = text.split(new RegExp(`^## ${version.replaceAll(".", "\\.")}$`, "m"));
  const [own] = section.split(/^## /m);
  return own.split(/^### /m).flatMap((part) => {
    const [kind, ...lines] = part.trim().split("\n");
    const entries = lines
      .join("\n")
      .trim()
      .split(/\n(?=- )/);
    return entries
      .map((entry) => entry.trimEnd().replace(/^ +$/gm, ""))
      .filter((entry) => entry.startsWith("- ") && !entry.startsWith("- Updated dependencies"))
      .map((entry) => [kind, entry]);
  });
}

/** A document with another release's number wherever it has the old one's, in the name of something that is released. */
export function renumbered(document, from, to) {
  const number = new RegExp(
    `(\\binitwrap(?:-init-core)?(?:\\/initwrap)?[@:_-])${from.replaceAll(".", "\\.")}(?!\\.?\\d)`,
    "g",
  );
  return document.replace(number, `$1${to}`);
}

/** What the templates of a list may name, for images in engines. */
import { expect, it } from "vitest";
import { readImageList } from "../../../packages/cli/src/wrap/image-list.ts";

it.each([
  "docker:team/app:1",
  "podman:team/app:1",
  "containers-storage:team/app:1",
  "containers-storage:[overlay@/root+/run]team/app:1",
])("has the fields of a name for %s", async (text) => {
  const names = ["{{name}}:{{tag}}-{{scheme}}"];
  const [image] = await readImageList({ text, where: "refs.txt", names, push: false });
  expect(image).toMatchObject({ source: text, names: [`app:1-${text.replace(/:.*/, "")}`] });
});

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

const read = (text: string, names: readonly string[], output?: string) =>
  readImageList({ text, where: "refs.txt", names, push: false, ...(output === undefined ? {} : { output }) });

it.each([
  ["{{repository}}:{{hex}}", "needs hex, which this image does not have"],
  ["{{repository}}:{{{hex}}}", "needs hex, which this image does not have"],
  ["{{repository}}:{{@root.hex}}", "needs hex, which this image does not have"],
  ["{{constructor}}", "needs constructor, which this image does not have"],
  ["{{toString}}", "needs toString, which this image does not have"],
  ["{{repository}}:{{upper tag}}", "needs upper, which this image does not have"],
  ["{{this}}", "cannot be read as a template"],
])("says what is wrong with %s", async (template, message) => {
  await expect(read("host.example/app:1", [template])).rejects.toMatchObject({
    code: "TEMPLATE_INVALID",
    message: expect.stringContaining(message),
  });
});

it("tells tags and digests of one list apart by Handlebars' own helpers", async () => {
  const hex = "0".repeat(64);
  const list = `host.example/app:1\nhost.example/app@sha256:${hex}`;
  const images = await read(list, ["{{repository}}:init-{{#if tag}}{{tag}}{{else}}{{hex}}{{/if}}"]);
  expect(images.flatMap(({ names }) => names)).toEqual(["host.example/app:init-1", `host.example/app:init-${hex}`]);
});

it.each([
  ["host.example/app:1\nhost.example/app:1-init", ["{{repository}}:{{tag}}-init"], undefined, 1, 2],
  ["host.example/app:1-init\nhost.example/app:1", ["{{repository}}:{{tag}}-init"], undefined, 2, 1],
  ["app:x\ndocker.io/library/x:1", [], "registry:library/{{tag}}:1", 1, 2],
])("refuses %j with %j, %s: what one line makes another one reads", async (text, names, output, line, other) => {
  const expected = {
    code: "USAGE",
    where: `refs.txt:${other}`,
    message: expect.stringContaining(`the result of line ${line} would replace this image`),
  };
  await expect(read(text, names, output)).rejects.toMatchObject(expected);
});

it.each(["-", "oci-archive:-", "docker-archive:-"])("refuses %s as the place of a list's results", async (output) => {
  await expect(read("host.example/app:1", [], output)).rejects.toMatchObject({ code: "USAGE", where: "refs.txt:1" });
});

it("never names a folder above the one that a template puts before it", async () => {
  const [image] = await read("oci:/fleet/layout/..", [], "oci:/out/{{name}}");
  expect(image).toMatchObject({ output: "oci:/out/fleet", place: "/out/fleet" });
});

/** Options that the init would not take, or with which it would start nothing, never get into an image. */
import { expect, it } from "vitest";
import { wrapFleet } from "../../../packages/cli/src/wrap/image-fleet.ts";
import { checkInitOptions } from "../../../packages/cli/src/wrap/init-options.ts";

it.each([[[]], [["-g"]]])("takes %j", (options) => {
  expect(() => checkInitOptions(options)).not.toThrow();
});

it.each([[["--bogus"]], [["--"]], [["-g", "--"]], [["sleep"]], [["--version"]], [["--help"]]])(
  "refuses %j",
  (options) => {
    expect(() => checkInitOptions(options)).toThrow(expect.objectContaining({ code: "USAGE", exit: 2 }));
  },
);

it("refuses them once for a whole list", async () => {
  const list = wrapFleet({ images: [], jobs: 1, failFast: false, initOptions: ["--bogus"] });
  await expect(list).rejects.toMatchObject({ code: "USAGE" });
});

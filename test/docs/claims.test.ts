/** Figures and verdicts of the documentation that no other test holds. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lookUpBase } from "../../packages/cli/src/wrap/base-table.ts";
import { initFor, initPlatforms } from "../../packages/init-core/lib/index.ts";
import { requireCapability } from "../support/capability.ts";
import { requireEngine } from "../support/engine.ts";
import { buildsByBuildah, hasBuildah } from "../support/image-readers.ts";
import { freshTag } from "../support/images.ts";
import { ROOT } from "../support/programs.ts";

const page = (name: string): Promise<string> => readFile(join(ROOT, name), "utf8");

describe("the documentation", () => {
  it("has the init's sizes and architectures", async () => {
    const sizes = initPlatforms().map((platform) => initFor(platform).bytes().length);
    const [least, most] = [Math.min(...sizes), Math.max(...sizes)].map((size) => Math.floor(size / 1000));
    expect(await page("README.md")).toContain(`one static file of ${least} to ${most} kilobytes`);
    const names = new Set(initPlatforms().map((one) => JSON.stringify(one)));
    expect(names.size).toBe(11);
    expect(await page("docs/init.md")).toContain("one static file without a libc, for eleven architectures");
  });

  it("says of every command whom it asks", async () => {
    const [, table = ""] = /## What leaves the machine\n([^#]*)/.exec(await page("docs/security.md")) ?? [];
    const named = [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = ""]) => cell.match(/[\w-]+/g) ?? []);
    const commands = (await readdir(join(ROOT, "packages/cli/src/commands"))).map((file) => file.replace(/\.ts$/, ""));
    expect(named.toSorted()).toEqual(commands.toSorted());
  });

  it("says of the picture of the terminal what it shows", async () => {
    const texts = [...(await page("docs/assets/demo.svg")).matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(
      ([, text]) => text,
    );
    const [before, after] = texts.filter((_, at) => texts[at + 1] === "seconds");
    expect(await page("docs/index.md")).toContain(`before and after initwrap image: ${before} seconds, then ${after}]`);
  });

  it("says of the picture of probe what it shows", async () => {
    const picture = await page("docs/images/probe.svg");
    const [, before = "", after = ""] =
      /As it is: ([\d.]+ s), exit code 137\. With the init: ([\d.]+ s), exit code 143/.exec(picture) ?? [];
    const alt = `${before} and exit code 137 become ${after} and 143`;
    expect(await page("README.md")).toContain(alt);
    expect(await page("docs/probe.md")).toContain(`![${alt}; five of six lost signals and twenty zombies become none]`);
    expect(await page("docs/probe.md")).toMatch(new RegExp(`^Stop by SIGTERM +${before}, killed +${after}$`, "m"));
  });

  it("has the stop signals of the official images that it names", async () => {
    const text = await page("docs/recipes/nginx.md");
    const images = {
      Apache: ["httpd:2.4", "php:8.4-apache"],
      "php-fpm": ["php:8.4-fpm"],
      HAProxy: ["haproxy:3.2"],
      PostgreSQL: ["postgres:17"],
    };
    const rows = [...text.matchAll(/^\| (\S+) \| `(SIG\w+)` \|$/gm)];
    expect(rows.map(([, program]) => program)).toEqual(Object.keys(images));
    for (const [, program = "", signal] of rows) {
      for (const image of images[program as keyof typeof images]) {
        expect([image, (await lookUpBase(image))?.stopSignal]).toEqual([image, signal]);
      }
    }
  });

  it("is right that the classic builder and buildah ignore a frontend, and build the image without an init", async (context) => {
    expect(await page("docs/ways.md")).toContain(
      "| classic builder, buildah | yes | `--inject context` | **no: they ignore it** |",
    );
    const engine = requireEngine(context, "classic");
    requireCapability(context, "buildah", hasBuildah);
    const folder = await mkdtemp(join(tmpdir(), "initwrap-claims-"));
    const tag = freshTag("claims");
    try {
      // BuildKit would fail to find this frontend.
      const lines = ["# syntax=registry.invalid/none:1", "FROM scratch", "COPY app /", 'ENTRYPOINT ["/app"]'];
      await writeFile(join(folder, "Dockerfile"), `${lines.join("\n")}\n`);
      await writeFile(join(folder, "app"), "");
      await engine.docker(["build", "--quiet", "--tag", tag, folder], { env: { DOCKER_BUILDKIT: "0" } });
      const { stdout } = await engine.docker(["inspect", "--format", "{{json .Config.Entrypoint}}", tag]);
      expect(JSON.parse(stdout)).toEqual(["/app"]);
      expect(await buildsByBuildah(folder)).toEqual(["/app"]);
    } finally {
      await engine.docker(["rmi", "--force", tag], { check: false });
      await rm(folder, { recursive: true });
    }
  });
});

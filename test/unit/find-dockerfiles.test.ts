/** Which files a folder, a glob or a name means. */
import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { findDockerfiles } from "../../packages/cli/src/wrap/find-dockerfiles.ts";

let root: string;
let plain: string;

async function write(folder: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "initwrap-find-"));
  await mkdir(join(root, ".git"));
  await write(root, {
    ".git/Dockerfile": "",
    ".gitignore": "build/\n*.tmp.Dockerfile\n/only-root.Dockerfile\n!keep.tmp.Dockerfile\n",
    Dockerfile: "",
    "Dockerfile.dockerignore": "",
    "Dockerfile.j2": "",
    "only-root.Dockerfile": "",
    "x.tmp.Dockerfile": "",
    "keep.tmp.Dockerfile": "",
    "app/Dockerfile.web": "",
    "app/api.Dockerfile": "",
    "app/Containerfile": "",
    "app/only-root.Dockerfile": "",
    "app/dockerfile-notes.txt": "",
    "app/README.md": "",
    "build/Dockerfile": "",
    "app/build/Dockerfile": "",
    "node_modules/p/Dockerfile": "",
    ".devcontainer/Dockerfile": "",
    "nested/.gitignore": "*\n!.gitignore\n!Dockerfile\n",
    "nested/Dockerfile": "",
    "nested/b.Dockerfile": "",
    "odd [1]/Dockerfile": "",
  });
  await symlink("Dockerfile", join(root, "link.Dockerfile"));
  await symlink("missing", join(root, "dangling.Dockerfile"));
  await symlink("app", join(root, "linked-folder"));
  plain = await mkdtemp(join(tmpdir(), "initwrap-find-"));
  await write(plain, { ".gitignore": "Dockerfile\n", "sub/Dockerfile": "", "none/x.txt": "" });
});

const ALL = [
  ".devcontainer/Dockerfile",
  "Dockerfile",
  "app/Containerfile",
  "app/Dockerfile.web",
  "app/api.Dockerfile",
  "app/only-root.Dockerfile",
  "keep.tmp.Dockerfile",
  "link.Dockerfile",
  "nested/Dockerfile",
  "odd [1]/Dockerfile",
];

describe("Dockerfiles", () => {
  it("of a folder are those named so, in the order of their names, without what git ignores", async () => {
    expect(await findDockerfiles(["."], root)).toEqual(ALL);
    expect(await findDockerfiles([root], "/")).toEqual(ALL.map((file) => join(root, file)));
  });

  it("of a folder inside a repository obey the files above it too", async () => {
    expect(await findDockerfiles(["app"], root)).toEqual(ALL.filter((file) => file.startsWith("app/")));
  });

  it("of a glob are what it matches", async () => {
    expect(await findDockerfiles(["**/Dockerfile*"], root)).toEqual([
      ".devcontainer/Dockerfile",
      "Dockerfile",
      "Dockerfile.j2",
      "app/Dockerfile.web",
      "nested/Dockerfile",
      "odd [1]/Dockerfile",
    ]);
    expect(await findDockerfiles(["app/*.Dockerfile"], root)).toEqual([
      "app/api.Dockerfile",
      "app/only-root.Dockerfile",
    ]);
    expect(await findDockerfiles(["./app/{Dockerfile.*,Containerfile}"], root)).toEqual([
      "app/Containerfile",
      "app/Dockerfile.web",
    ]);
  });

  it("that are named are taken, ignored or not, in the order of the names, none twice", async () => {
    const inputs = ["build/Dockerfile", "only-root.Dockerfile", "./Dockerfile", "*", "odd [1]/Dockerfile"];
    expect(await findDockerfiles(inputs, root)).toEqual([
      "build/Dockerfile",
      "only-root.Dockerfile",
      "./Dockerfile",
      ".gitignore",
      "Dockerfile.j2",
      "keep.tmp.Dockerfile",
      "link.Dockerfile",
      "odd [1]/Dockerfile",
    ]);
  });

  it("that are not there are an error", async () => {
    for (const input of ["missing", "build/**", "none*", "app/Dockerfile.web/x"]) {
      await expect(findDockerfiles([input], root), input).rejects.toMatchObject({
        code: "INPUT_NOT_FOUND",
        where: input,
      });
    }
    await expect(findDockerfiles(["none"], plain)).rejects.toMatchObject({ code: "INPUT_NOT_FOUND" });
  });
});

describe("outside of a repository", () => {
  it("a .gitignore in the folder itself still counts, one above it does not", async () => {
    await expect(findDockerfiles(["."], plain)).rejects.toMatchObject({ code: "INPUT_NOT_FOUND" });
    expect(await findDockerfiles(["sub"], plain)).toEqual(["sub/Dockerfile"]);
  });
});

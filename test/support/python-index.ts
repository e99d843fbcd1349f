/** A small package index on this machine, as pip and Poetry understand one: https://peps.python.org/pep-0503/ */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Engine } from "./engine.ts";
import { ROOT } from "./programs.ts";

export interface PythonIndex {
  /** `http://127.0.0.1:PORT/simple/`. */
  readonly url: string;
  /** `NAME==VERSION --hash=sha256:...` for each package, by its name. */
  readonly pins: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Serves wheels of the packages that an image has: a table from a package's name to its module. */
export async function startPythonIndex(
  engine: Engine,
  image: string,
  packages: Readonly<Record<string, string>>,
): Promise<PythonIndex> {
  const names = Object.entries(packages).map(([name, module]) => `${name}=${module}`);
  const made = await engine.docker(
    ["run", "--rm", "--interactive", "--network=none", image, "python3", "-", ...names],
    {
      input: await readFile(join(ROOT, "test/support/wheels.py")),
    },
  );
  const wheels = new Map<string, Buffer>(
    Object.entries(JSON.parse(made.stdout) as Record<string, string>).map(([file, text]) => [
      file,
      Buffer.from(text, "base64"),
    ]),
  );
  const hashOf = (file: string): string =>
    createHash("sha256")
      .update(wheels.get(file) as Buffer)
      .digest("hex");
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://index").pathname;
    const wheel = wheels.get(path.replace("/files/", ""));
    const project = /^\/simple\/([^/]+)\/$/.exec(path)?.[1];
    const files = [...wheels.keys()].filter((file) => file.startsWith(`${project}-`));
    if (wheel !== undefined) response.end(wheel);
    else if (files.length === 0) response.writeHead(404).end();
    else {
      const links = files.map((file) => `<a href="/files/${file}#sha256=${hashOf(file)}">${file}</a>`);
      response.writeHead(200, { "content-type": "text/html" }).end(`<!doctype html>${links.join("")}`);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const pins = [...wheels.keys()].map((file) => {
    const [name = "", version = ""] = file.split("-");
    return [name, `${name}==${version} --hash=sha256:${hashOf(file)}`];
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`,
    pins: Object.fromEntries(pins),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

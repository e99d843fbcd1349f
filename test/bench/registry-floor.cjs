/**
 * What Node needs for one image in a registry at the least: the requests of a wrap, and nothing else. No command line is read, no
 * credentials, and no digest is checked; nothing is planned or proved, and the config only gets a label. A floor for
 * `pnpm bench:image`. CommonJS, which starts sooner.
 *
 *   node test/bench/registry-floor.cjs HOST:PORT/REPOSITORY:FROM TO NUMBER
 */
"use strict";
const { createHash } = require("node:crypto");
const { Agent, request } = require("node:http");

const [, host, repository, from] = /^([^/]+)\/(.+):(.+)$/.exec(process.argv[2]);
const [to, number] = process.argv.slice(3);
const agent = new Agent({ keepAlive: true });

function ask(method, path, { body, headers = {} } = {}) {
  const target = path.startsWith("http") ? path : `http://${host}/v2/${repository}/${path}`;
  return new Promise((resolve, reject) => {
    const sent = request(target, { agent, method, headers }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => {
        if (answer.statusCode < 300) resolve({ headers: answer.headers, body: Buffer.concat(parts) });
        else reject(new Error(`${method} ${target} answered ${answer.statusCode}`));
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const digestOf = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function main() {
  const accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
  const manifest = JSON.parse((await ask("GET", `manifests/${from}`, { headers: { accept } })).body);
  const opened = ask("POST", "blobs/uploads/", { headers: { "content-length": "0" } });
  const config = JSON.parse((await ask("GET", `blobs/${manifest.config.digest}`)).body);
  // In a wrap it is the init's layer that is asked for.
  const held = ask("HEAD", `blobs/${manifest.layers[0].digest}`);
  config.config.Labels = { ...config.config.Labels, run: number };
  const bytes = Buffer.from(JSON.stringify(config));
  manifest.config = { ...manifest.config, digest: digestOf(bytes), size: bytes.length };
  const place = new URL((await opened).headers.location, `http://${host}`);
  place.searchParams.set("digest", manifest.config.digest);
  await ask("PUT", place.href, { body: bytes, headers: { "content-type": "application/octet-stream" } });
  await held;
  const headers = { "content-type": manifest.mediaType };
  await ask("PUT", `manifests/${to}`, { body: Buffer.from(JSON.stringify(manifest)), headers });
  agent.destroy();
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});

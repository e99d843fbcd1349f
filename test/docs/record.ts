/**
 * Makes docs/assets/demo.svg: records a terminal with asciinema while the README's commands run on the machine of the
 * examples' tests, and draws the recording with svg-term. By hand, after what the commands print has changed:
 *
 *   apt-get install asciinema
 *   npm test -- test/unit/model && node test/docs/record.ts
 */
import { execFile, spawnSync } from "node:child_process";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Engine, findEngine } from "../support/engine.ts";
import { ROOT } from "../support/programs.ts";
import { provideImages } from "./given.ts";
import { startMachine } from "./machine.ts";

/** What is typed. */
const COMMANDS = [
  "docker run -d --name before app",
  "time docker stop before",
  "initwrap image app:latest",
  "docker run -d --name after app",
  "time docker stop after",
];
const SIZE = { columns: 90, rows: 22 };
const TARGET = join(ROOT, "docs/assets/demo.svg");

/** What up.sh prints for an engine or the base image: NAME=VALUE. */
function started(script: string, ...args: string[]): void {
  const path = join(ROOT, "test/support/engines", script);
  const { stdout } = spawnSync("bash", [path, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", 2] });
  const [name = "", value] = stdout.trim().split("=");
  process.env[name] = value;
}

started("up.sh", "modern");
started("base-image.sh");
const machine = await startMachine(findEngine("modern") as Engine);
try {
  await provideImages(machine, process.env["INITWRAP_TEST_BASE"] ?? "");
  const folder = join(machine.folder, "demo");
  await mkdir(folder);
  const typed = COMMANDS.map((command) => `type_out '${command}'\n${command}\nsleep 1`);
  await writeFile(
    join(folder, "demo.sh"),
    `TIMEFORMAT='%1R seconds'
type_out() { printf '\\033[32m$\\033[0m '; for ((i = 0; i < \${#1}; i++)); do printf '%s' "\${1:i:1}"; sleep .03; done; echo; }
sleep 1
${typed.join("\n")}
sleep 4
`,
  );
  await machine.bash(
    [
      `cp -r ${ROOT}/test/fixtures/docs/node/. . && BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build -q -t app .`,
      `export TERM=xterm-256color`,
      `asciinema rec -q --cols ${SIZE.columns} --rows ${SIZE.rows} --idle-time-limit 3 -c 'bash demo.sh' demo.cast`,
    ].join("\n"),
    folder,
  );
  await copyFile(join(folder, "demo.cast"), join(ROOT, ".cache/demo.cast"));
} finally {
  await machine.stop();
}
await promisify(execFile)("npx", [
  "--yes",
  "svg-term-cli@2.1.1",
  "--in",
  join(ROOT, ".cache/demo.cast"),
  "--out",
  TARGET,
  "--window",
  "--no-cursor",
]);

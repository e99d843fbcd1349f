// Children and orphans mixed, for a Node.js program that has imported @initwrap/init-core/register. Arguments: the program
// child.c, how many rounds. One round: spawn, exec, spawnSync, a worker's spawn and spawnSync, and eight orphans. Prints
// what went wrong, and how many zombies are left in the end.
import { exec, spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";

const [child, count] = process.argv.slice(2);
const rounds = Number(count);
const wrong = [];
const check = (what, expected, found) => {
  if (expected !== found) wrong.push([what, expected, found]);
};
const ended = (process) => new Promise((resolve) => process.on("exit", (code, signal) => resolve(signal ?? code)));

const worker = new Worker(
  `const { parentPort, workerData } = require("node:worker_threads");
   const { spawn, spawnSync } = require("node:child_process");
   parentPort.on("message", (code) => {
     const sync = spawnSync(workerData, ["exit", String(code)]).status;
     spawn(workerData, ["exit", String(code)]).on("exit", (later) => parentPort.postMessage([code, sync, later]));
   });`,
  { eval: true, workerData: child },
);
let answered = 0;
worker.on("message", ([expected, sync, later]) => {
  answered++;
  check("spawnSync in a worker", expected, sync);
  check("spawn in a worker", expected, later);
});

let started = 0;
async function run() {
  while (started < rounds) {
    const code = started++ % 256;
    worker.postMessage(code);
    const orphans = spawn(child, ["orphans", "8", "0"], { stdio: "ignore" });
    const killed = spawn(child, ["pause"], { stdio: "ignore" });
    killed.kill("SIGKILL");
    const [status, , signal, shell] = await Promise.all([
      ended(spawn(child, ["exit", String(code)])),
      ended(orphans),
      ended(killed),
      ended(exec(`exit ${code}`)),
    ]);
    check("spawn", code, status);
    check("kill", "SIGKILL", signal);
    check("exec", code, shell);
    check("spawnSync", code, spawnSync(child, ["exit", String(code)]).status);
  }
}
await Promise.all(Array.from({ length: 8 }, run));
while (answered < rounds) await sleep(10);
await worker.terminate();

function zombies() {
  return readdirSync("/proc").filter((name) => {
    try {
      const [state, parent] = readFileSync(`/proc/${name}/stat`, "latin1")
        .replace(/^.*\) /s, "")
        .split(" ");
      return state === "Z" && Number(parent) === process.pid;
    } catch {
      return false;
    }
  }).length;
}
let left = zombies();
for (const end = Date.now() + 5000; left > 0 && Date.now() < end; left = zombies()) await sleep(20);
console.log(JSON.stringify({ wrong, left }));

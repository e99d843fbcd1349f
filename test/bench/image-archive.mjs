/**
 * The archive rows of `pnpm bench:image`: in place beside every way there is to wrap an archive, none of which can do it in
 * place, and to a new file beside `cp`. "Moved" is what went to files, as the kernel counts it for the whole tree of
 * processes; for an engine, which writes elsewhere, what went through its API.
 */
import { copyFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { archivedImage, checkImage } from "./image-check.mjs";
import { contest, INITWRAP, quote, run } from "./image-run.mjs";
import { buildContext, CMD, initFiles, NAME, WRAPPED } from "./image-source.mjs";

const words = (list) => quote(JSON.stringify(list));

/** What changes the config in skopeo's layouts. */
export function umociScript(layout) {
  const options = WRAPPED.map((word) => `--config.entrypoint=${word}`).concat(
    CMD.map((word) => `--config.cmd=${word}`),
  );
  return (
    `gzip -dc ${quote(initFiles().layer)} > ${layout}.init.tar; umoci raw add-layer --image ${layout}:1 ${layout}.init.tar; ` +
    `umoci config --image ${layout}:1 ${options.map(quote).join(" ")}`
  );
}

/** `buildah COMMANDS` on a storage of its own, which is gone afterwards. */
export function storageOf(program, folder) {
  return `${program} --root ${folder}/root --runroot ${folder}/run --storage-driver overlay`;
}

export function buildahScript(buildah, from, to, options = "") {
  return (
    `c=$(${buildah} from -q ${options} ${from}); ${buildah} copy -q "$c" ${quote(initFiles().file)} /initwrap >/dev/null; ` +
    `${buildah} config --entrypoint ${words(WRAPPED)} --cmd ${words(CMD)} "$c"; ${buildah} commit -q ${options} "$c" ${to} >/dev/null`
  );
}

export async function archiveRows({ archive, folder, rounds, engine, registry }) {
  const before = archivedImage(archive);
  const [own, peer, target] = ["own", "peer", "copy"].map((name) => join(folder, `${name}.tar`));
  const written = (done) => done.written;
  const clear = () => {
    for (const name of ["peer.tar", "layout", "layout.init.tar", "storage"]) {
      rmSync(join(folder, name), { recursive: true, force: true });
    }
  };
  const check = (path) => () => checkImage({ before, after: archivedImage(path), read: archivedImage(path).read });
  const made = { before: clear, bytes: written, verify: check(peer), after: clear };
  const layout = join(folder, "layout");
  const storage = join(folder, "storage");
  const [buildah, podman] = ["buildah", "podman"].map((program) => storageOf(program, storage));
  const skopeo = "skopeo copy -q --insecure-policy";

  copyFileSync(archive, own);
  const inPlace = await contest(
    "an archive, in place",
    [
      {
        program: "initwrap",
        before: () => run(`${INITWRAP} image --undo ${own} -q`),
        script: () => `${INITWRAP} image ${own} -q`,
        bytes: written,
        verify: check(own),
      },
      {
        program: "skopeo to a layout, umoci, skopeo to a new file",
        needs: ["skopeo", "umoci"],
        ...made,
        script: () =>
          `${skopeo} oci-archive:${archive} oci:${layout}:1; ${umociScript(layout)}; ${skopeo} oci:${layout}:1 oci-archive:${peer}`,
      },
      {
        program: "buildah from, copy, commit to a new file",
        needs: ["buildah"],
        ...made,
        script: () => buildahScript(buildah, `oci-archive:${archive}`, `oci-archive:${peer}`),
      },
      {
        program: "podman load, build, save to a new file",
        needs: ["podman"],
        ...made,
        script: () =>
          `${podman} load -q -i ${archive} >/dev/null; ` +
          `${podman} build -q -t wrapped:1 ${quote(buildContext(join(folder, "context"), NAME))} >/dev/null; ` +
          `${podman} save -q --format oci-archive -o ${peer} localhost/wrapped:1`,
      },
      ...(registry ? [registry.archivePeer({ archive, peer, made })] : []),
      ...(engine ? [engine.archivePeer({ archive, peer, made })] : []),
    ],
    { rounds, aim: 0.1 },
  );
  rmSync(own);

  // A writer is slowed down by what the one before it left to be written back: so the disk is quiet before each.
  const quiet = () => {
    rmSync(target, { force: true });
    run("sync");
  };
  const { size } = statSync(archive);
  const newFile = await contest(
    "an archive, to a new file",
    [
      {
        program: "initwrap",
        before: quiet,
        script: () => `${INITWRAP} image ${archive} -o ${target} -q`,
        bytes: written,
        verify: check(target),
      },
      {
        program: "cp, which changes nothing",
        limit: 1.15,
        before: quiet,
        script: () => `cp ${archive} ${target}`,
        bytes: written,
        verify: async () => {
          if (statSync(target).size !== size) throw new Error("it did not copy");
        },
      },
    ],
    { rounds },
  );
  rmSync(target, { force: true });
  return [...inPlace, ...newFile];
}

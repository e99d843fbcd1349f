/**
 * Whom to trust over TLS, and who we are: the CAs and client certificates of one registry host.
 *
 * CAs: Node's own (with NODE_EXTRA_CA_CERTS), the system's, SSL_CERT_FILE and SSL_CERT_DIR, and the `*.crt` files of
 * certs.d. Docker, podman and crane trust the system's store, so a company's CA that is installed there works here too.
 *
 * Source: docker docs, "Verify repository client with certificates"; containers-certs.d(5). A `NAME.cert` goes with
 * `NAME.key`.
 */
import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import * as tls from "node:tls";
import { InitwrapError } from "../../model/errors.ts";
import { printable } from "./failures.ts";
import type { Environment } from "./proxy.ts";

/** PEM texts. `certificate` and `key` are present together or not at all. */
export interface HostTrust {
  readonly authorities: readonly string[];
  readonly certificate?: string;
  readonly key?: string;
}

/** The directories that may hold a folder named after a host, the user's own first. */
export function certificateRoots(env: Environment): readonly string[] {
  const home = env["HOME"] || homedir();
  const config = env["XDG_CONFIG_HOME"] || join(home, ".config");
  return [
    join(config, "containers/certs.d"),
    join(env["DOCKER_CONFIG"] || join(home, ".docker"), "certs.d"),
    join(config, "docker/certs.d"),
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
  ];
}

/**
 * What certs.d says about a host under any of its names (`name` or `name:port`): every folder's CAs, the first client
 * certificate. Throws INPUT_UNREADABLE for what is no certificate, and for one without its key.
 */
export async function readHostTrust(hosts: readonly string[], roots: readonly string[]): Promise<HostTrust> {
  const authorities: string[] = [];
  let pair: { certificate: string; key: string } | undefined;
  // A host comes from a reference, whose grammar has no slash; `..` would still be a way up.
  const known = hosts.filter((host) => /^[\w.:[\]-]+$/.test(host) && !host.includes(".."));
  for (const folder of roots.flatMap((root) => known.map((host) => join(root, host)))) {
    const names = (await readdir(folder).catch(() => [])).sort();
    for (const name of names) {
      if (name.endsWith(".crt")) authorities.push(await readText(join(folder, name)));
      if (name.endsWith(".cert") && !pair) {
        const key = `${name.slice(0, -".cert".length)}.key`;
        if (!names.includes(key)) {
          throw new InitwrapError("INPUT_UNREADABLE", `${join(folder, name)} has no key ${key} beside it`, {
            where: folder,
            hint: "CA certificates end in .crt, client certificates in .cert with a .key of the same name.",
          });
        }
        pair = { certificate: await readText(join(folder, name)), key: await readText(join(folder, key)) };
        try {
          tls.createSecureContext({ cert: pair.certificate, key: pair.key });
        } catch (cause) {
          const why = printable(cause instanceof Error ? cause.message : "", 80);
          throw new InitwrapError(
            "INPUT_UNREADABLE",
            `${join(folder, name)} and ${key} are no client certificate: ${why}`,
            {
              where: folder,
              hint: "They have to be a certificate in PEM and its own key, without a passphrase.",
            },
          );
        }
      }
    }
  }
  return { authorities, ...pair };
}

/** One TLS context for every connection to a host: parsing hundreds of CAs for each connection would cost 15 ms each. */
export async function secureContext(trust: HostTrust, env: Environment): Promise<tls.SecureContext> {
  const authorities = new Set([...baseAuthorities(), ...(await environmentAuthorities(env)), ...trust.authorities]);
  return tls.createSecureContext({
    ca: [...authorities],
    minVersion: "TLSv1.2",
    ...(trust.certificate === undefined ? {} : { cert: trust.certificate, key: trust.key! }),
  });
}

function baseAuthorities(): readonly string[] {
  // Node 22.15 and later know the system's store.
  if (typeof tls.getCACertificates !== "function") return tls.rootCertificates;
  return [...tls.getCACertificates("default"), ...tls.getCACertificates("system")];
}

async function environmentAuthorities(env: Environment): Promise<readonly string[]> {
  const found: string[] = [];
  const file = env["SSL_CERT_FILE"];
  if (file) found.push(...pemBlocks(await readText(file)));
  for (const folder of (env["SSL_CERT_DIR"] ?? "").split(":").filter(Boolean)) {
    for (const name of await readdir(folder).catch(() => [])) {
      found.push(...pemBlocks(await readFile(join(folder, name), "utf8").catch(() => "")));
    }
  }
  return found;
}

function pemBlocks(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new InitwrapError("INPUT_UNREADABLE", `cannot read ${path}`, { where: path, cause: error });
  }
}

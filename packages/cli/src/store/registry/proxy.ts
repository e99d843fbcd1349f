/**
 * Which proxy, if any, a request goes through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go programs read them, for that is
 * how docker, podman and crane behave in the same environment.
 *
 * Source: golang.org/x/net/http/httpproxy. Loopback hosts never go through a proxy.
 */
import { BlockList, isIP } from "node:net";

export type Environment = Readonly<Record<string, string | undefined>>;

/** True for `localhost`, its subdomains, 127.0.0.0/8 and ::1. `hostname` as in `URL.hostname`, brackets allowed. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  return (
    host === "localhost" || host.endsWith(".localhost") || host === "::1" || (isIP(host) === 4 && /^127\./.test(host))
  );
}

/** The proxy for `url`, or undefined for a direct connection. Throws a TypeError when the variable holds no URL of one. */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  if (isLoopback(url.hostname)) return undefined;
  const value =
    url.protocol === "https:" ? env["HTTPS_PROXY"] || env["https_proxy"] : env["HTTP_PROXY"] || env["http_proxy"];
  if (!value || isExempt(url, env["NO_PROXY"] || env["no_proxy"] || "")) return undefined;
  const proxy = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`);
  if (proxy.protocol !== "http:" && proxy.protocol !== "https:") {
    throw new TypeError(`a proxy by ${proxy.protocol.slice(0, -1)} is not supported`);
  }
  try {
    decodeURIComponent(proxy.username + proxy.password);
  } catch {
    throw new TypeError("the proxy's user or password has a % that is none");
  }
  return proxy;
}

/** True when `list` (hosts, `.suffixes`, `*.suffixes`, IPs, CIDR blocks, each with an optional port, or `*`) names `url`. */
function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .filter(Boolean)
    .some((entry) => {
      if (entry === "*") return true;
      const block = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(entry);
      if (block) return inBlock(host, block[1]!, Number(block[2]));
      const split = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(entry);
      const name = canonical((split?.[1] ?? entry).replace(/^\[|\]$/g, ""));
      if (split?.[2] !== undefined && split[2] !== port) return false;
      if (name.startsWith("*.")) return host.endsWith(name.slice(1));
      if (name.startsWith(".")) return host.endsWith(name);
      return host === name || (isIP(name) === 0 && host.endsWith(`.${name}`));
    });
}

/** An IPv6 address in the spelling that URLs have. */
function canonical(name: string): string {
  return isIP(name) === 6 ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name;
}

function inBlock(host: string, network: string, prefix: number): boolean {
  const family = isIP(host);
  if (family === 0 || isIP(network) !== family || prefix > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(network, prefix, type);
  return list.check(host, type);
}

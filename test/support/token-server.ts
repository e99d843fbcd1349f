/** A token server as docker-registry trusts one: RS256 tokens, signed by a key whose certificate the registry was given. */
import { execFileSync } from "node:child_process";
import { createSign, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TokenRequest {
  readonly method: string;
  readonly scopes: readonly string[];
  readonly service: string | null;
  readonly authorization: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly form: URLSearchParams;
}

export interface TokenServer {
  readonly realm: string;
  /** `auth.token` of docker-registry's configuration. */
  readonly auth: Readonly<Record<string, string>>;
  readonly requests: TokenRequest[];
  /** Seconds that tokens live; the next tokens have it. */
  lifetime: number;
  stop(): Promise<void>;
}

const SERVICE = "test registry";
const ISSUER = "test issuer";

/**
 * Starts one. It gives `user` with `password`, and whoever holds the refresh token `identity`, everything; anonymous
 * users may pull from `public/...`; any other user is refused.
 */
export async function startTokenServer(user: string, password: string, identity: string): Promise<TokenServer> {
  const folder = mkdtempSync(join(tmpdir(), "initwrap-token-"));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=token",
      "-keyout",
      key,
      "-out",
      certificate,
    ],
    { stdio: "ignore" },
  );
  const pem = readFileSync(key, "utf8");
  const der = readFileSync(certificate, "utf8").replace(/-----[^-]+-----|\s/g, "");
  const requests: TokenRequest[] = [];
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  let lifetime = 300;
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const url = new URL(incoming.url ?? "/", "http://token");
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const isPost = incoming.method === "POST";
      const scopes = isPost ? (form.get("scope") ?? "").split(" ") : url.searchParams.getAll("scope");
      const { authorization } = incoming.headers;
      const service = (isPost ? form : url.searchParams).get("service");
      requests.push({ method: incoming.method!, scopes, service, authorization, headers: incoming.headers, form });
      const isUser = authorization === basic || form.get("refresh_token") === identity;
      if (!isUser && (authorization !== undefined || isPost)) {
        outgoing.writeHead(401).end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "wrong password" }] }));
        return;
      }
      const access = scopes.filter(Boolean).map((scope) => {
        const [type, name, actions] = scope.split(":") as [string, string, string];
        const allowed = isUser ? actions.split(",") : name.startsWith("public/") ? ["pull"] : [];
        return { type, name, actions: actions.split(",").filter((action) => allowed.includes(action)) };
      });
      const token = sign(pem, der, access, isUser ? user : "", lifetime);
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.end(
        JSON.stringify(isPost ? { access_token: token, expires_in: lifetime } : { token, expires_in: lifetime }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const realm = `http://127.0.0.1:${port}/token`;
  return {
    realm,
    auth: { realm, service: SERVICE, issuer: ISSUER, rootcertbundle: certificate },
    requests,
    get lifetime() {
      return lifetime;
    },
    set lifetime(seconds: number) {
      lifetime = seconds;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          rmSync(folder, { recursive: true, force: true });
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function sign(key: string, certificate: string, access: unknown, subject: string, lifetime: number): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = part({ typ: "JWT", alg: "RS256", x5c: [certificate] });
  const claims = {
    iss: ISSUER,
    sub: subject,
    aud: SERVICE,
    exp: now + lifetime,
    nbf: now - 10,
    iat: now,
    jti: randomUUID(),
    access,
  };
  const text = `${head}.${part(claims)}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key, "base64url")}`;
}

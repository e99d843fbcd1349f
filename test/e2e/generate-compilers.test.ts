/** Generated Dockerfiles of languages with a compiler that is hundreds of megabytes: built, checked, run and stopped. */
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireCapability, type SkippableContext } from "../support/capability.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { stopContainer } from "../support/images.ts";
import { askInside, firstProcess, generateAndBuild, provideStandIns } from "../support/stand-ins.ts";

const images: string[] = [];
const containers: string[] = [];
let unavailable: string | undefined;
const folders: string[] = [];
/** What no other run's caches hold: in the sources it makes a build do its work. */
const FRESH = randomBytes(6).toString("hex");

beforeAll(async () => {
  const engine = findEngine("newest");
  if (engine === undefined) return;
  try {
    await provideStandIns(engine, ["base", "rust", "java"]);
  } catch (error) {
    unavailable = (error as Error).message;
  }
}, 1_800_000);

afterAll(async () => {
  const engine = findEngine("newest");
  if (engine && containers.length > 0) await engine.docker(["rm", "-f", ...containers], { check: false });
  if (engine && images.length > 0) await engine.docker(["rmi", "-f", ...images], { check: false });
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

function requireStandIns(context: SkippableContext): Engine {
  const engine = requireEngine(context, "newest");
  requireCapability(context, `the stand-in for official images (${unavailable})`, unavailable === undefined);
  return engine;
}

/** A folder with these files, last changed at `time`. */
async function projectOf(files: Readonly<Record<string, string>>, time = new Date()): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-generate-"));
  folders.push(folder);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
    await utimes(join(folder, path), time, time);
  }
  return folder;
}

async function buildAndStart(engine: Engine, folder: string, network: "none" | "host" = "none"): Promise<string> {
  const image = await generateAndBuild(engine, folder, { network });
  images.push(image);
  const id = (await engine.docker(["run", "--detach", "--network=none", image])).stdout.trim();
  containers.push(id);
  return id;
}

async function expectToServe(engine: Engine, id: string, text: string, uid: string): Promise<void> {
  expect(await askInside(engine, id, 8080)).toMatch(new RegExp(`^HTTP/1.1 200 [\\s\\S]*${text}$`));
  expect(await firstProcess(engine, id)).toEqual({ uid, program: "/initwrap" });
  const stopped = await stopContainer(engine, id, 5);
  expect(stopped.exitCode).toBe(143);
  expect(stopped.milliseconds).toBeLessThan(1000);
}

const JAVA = `package shop;

import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public final class Main {
  public static void main(String[] args) throws Exception {
    var server = HttpServer.create(new InetSocketAddress(Integer.parseInt(System.getenv("PORT"))), 0);
    server.createContext("/", exchange -> {
      var body = GREETING.getBytes();
      exchange.sendResponseHeaders(200, body.length);
      exchange.getResponseBody().write(body);
      exchange.close();
    });
    server.start();
  }
}
`;

/** With the releases of Maven's plugins that Debian has. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId>
  <artifactId>shop</artifactId>
  <version>1.0</version>
  <properties>
    <maven.compiler.release>21</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency>
      <groupId>org.apache.commons</groupId>
      <artifactId>commons-lang3</artifactId>
      <version>3.17.0</version>
    </dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin><artifactId>maven-resources-plugin</artifactId><version>3.3.1</version></plugin>
      <plugin><artifactId>maven-compiler-plugin</artifactId><version>3.13.0</version></plugin>
      <plugin><artifactId>maven-surefire-plugin</artifactId><version>2.22.3</version></plugin>
      <plugin><artifactId>maven-jar-plugin</artifactId><version>3.3.0</version></plugin>
      <plugin>
        <artifactId>maven-shade-plugin</artifactId>
        <version>3.6.0</version>
        <executions>
          <execution>
            <phase>package</phase>
            <goals><goal>shade</goal></goals>
            <configuration>
              <transformers>
                <transformer implementation="org.apache.maven.plugins.shade.resource.ManifestResourceTransformer">
                  <mainClass>shop.Main</mainClass>
                </transformer>
              </transformers>
            </configuration>
          </execution>
        </executions>
      </plugin>
    </plugins>
  </build>
</project>
`;

describe("a generated Dockerfile", () => {
  it("of Rust brings the binary of these sources, whichever were built before and whenever they are from", async (context) => {
    const engine = requireStandIns(context);
    // The network is for Debian's packages.
    const rust = (greeting: string) => ({
      "Cargo.toml":
        '[package]\nname = "shop"\nversion = "1.0.0"\nedition = "2021"\n[dependencies]\ngreeting = { path = "greeting" }\n',
      "Cargo.lock":
        'version = 4\n\n[[package]]\nname = "greeting"\nversion = "1.0.0"\n\n[[package]]\nname = "shop"\nversion = "1.0.0"\ndependencies = [\n "greeting",\n]\n',
      "greeting/Cargo.toml": '[package]\nname = "greeting"\nversion = "1.0.0"\nedition = "2021"\n',
      "greeting/src/lib.rs": `pub const TEXT: &str = "${greeting}";\n`,
      "src/main.rs": `use std::io::{Read, Write};

fn main() {
    let port = std::env::var("PORT").unwrap();
    let server = std::net::TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    for client in server.incoming() {
        let mut client = client.unwrap();
        let _ = client.read(&mut [0; 4096]);
        let _ = write!(client, "HTTP/1.1 200 OK\\r\\n\\r\\n{}", greeting::TEXT);
    }
}
`,
    });
    const greetings = [`hello from rust ${FRESH}`, `hello from older rust ${FRESH}`] as const;
    const first = await buildAndStart(engine, await projectOf(rust(greetings[0])), "host");
    await expectToServe(engine, first, greetings[0], "65532");
    // As an archive or a checkout of an older commit has them.
    const older = await buildAndStart(engine, await projectOf(rust(greetings[1]), new Date(2001, 1, 1)), "host");
    await expectToServe(engine, older, greetings[1], "65532");
  }, 600_000);

  it("of Maven brings one jar with what it depends on, serves, and stops at once", async (context) => {
    const engine = requireStandIns(context);
    const folder = await projectOf({
      "pom.xml": POM,
      "src/main/java/shop/Main.java": JAVA.replace(
        "GREETING",
        `org.apache.commons.lang3.StringUtils.capitalize("hello from maven ${FRESH}")`,
      ),
    });
    await expectToServe(engine, await buildAndStart(engine, folder), `Hello from maven ${FRESH}`, "10001");
  }, 600_000);

  it("of Gradle brings the application's distribution, serves, and stops at once", async (context) => {
    const engine = requireStandIns(context);
    const folder = await projectOf({
      "settings.gradle": "rootProject.name = 'shop'\n",
      "build.gradle": "plugins {\n  id 'java'\n  id 'application'\n}\nmainClassName = 'shop.Main'\n",
      "src/main/java/shop/Main.java": JAVA.replace("GREETING", `"hello from gradle ${FRESH}"`),
    });
    await expectToServe(engine, await buildAndStart(engine, folder), `hello from gradle ${FRESH}`, "10001");
  }, 600_000);
});

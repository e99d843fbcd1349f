/** Java and its relatives: a build with Maven or Gradle, and what it makes on a JRE. */
import { has, type Project, present, textOf } from "./project.ts";
import { type Recipe, type Stack, settleProgram, settleVersion, startUnknown, type Wishes } from "./recipe.ts";
import { compare, numbers } from "./versions.ts";
import { execForm, plainName, plainPath } from "./words.ts";

/** Versions with a build image and a JRE, in order. */
const VERSIONS = ["8", "11", "17", "21", "25"];
const PREFERRED = "21";

const JVM_OPTIONS = ["-XX:MaxRAMPercentage=75"];

export const MAVEN: Stack = {
  name: "java-maven",
  evidence: (project) => present(project, "pom.xml"),
  recipe: mavenRecipe,
};

export const GRADLE: Stack = {
  name: "java-gradle",
  evidence: (project) => present(project, "build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"),
  recipe: gradleRecipe,
};

const START_HINT = "initwrap generate needs a plugin that makes a program: Spring Boot, Quarkus, shade, application.";

function mavenRecipe(project: Project, wishes: Wishes): Recipe {
  const poms = project.paths.filter((path) => /(^|\/)pom\.xml$/.test(path) && project.texts.has(path));
  const runnable = poms.filter((path) => mavenKind(xml(project, path)) !== undefined);
  const folders = runnable.map((path) => path.slice(0, -"/pom.xml".length));
  // A parent's plugins are its modules' too, so a parent only counts when there is nothing below it.
  const modules = folders.filter((folder) => folder !== "");
  const module = settleProgram(modules, wishes) ?? (folders.includes("") ? "" : undefined);
  if (module === undefined) throw startUnknown("no pom.xml makes a jar that can be started", START_HINT);
  const pom = xml(project, module === "" ? "pom.xml" : `${module}/pom.xml`);
  const version = javaVersion(wishes, tagged(pom, JAVA_TAGS) ?? tagged(xml(project, "pom.xml"), JAVA_TAGS));
  const quarkus = mavenKind(pom) === "quarkus";
  const target = `${module === "" ? "" : `${plainPath(module)}/`}target`;
  const port = wishes.port ?? 8080;
  const jar = quarkus ? "quarkus-run.jar" : "app.jar";
  const start = wishes.start ?? ["java", ...JVM_OPTIONS, "-jar", jar];
  return {
    stack: "java-maven",
    template: "maven",
    runtime: `Java ${version}`,
    start,
    port,
    locked: true,
    data: {
      buildImage: `maven:3.9-eclipse-temurin-${version}-noble`,
      image: `eclipse-temurin:${version}-jre-noble`,
      module: module === "" ? "" : plainName(module, "module"),
      target,
      quarkus,
      port: String(port),
      command: execForm(start),
    },
    ignore: ["**/target"],
  };
}

const JAVA_TAGS = [
  "maven.compiler.release",
  "java.version",
  "maven.compiler.target",
  "maven.compiler.source",
  "release",
];

/** A document without its comments. */
function xml(project: Project, path: string): string {
  return textOf(project, path).replace(/<!--[\s\S]*?-->/g, "");
}

function tagged(document: string, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = new RegExp(`<${name.replaceAll(".", "\\.")}>\\s*([\\d.]+)\\s*</`).exec(document)?.[1];
    if (value !== undefined) return value;
  }
  return undefined;
}

function mavenKind(pom: string): "jar" | "quarkus" | undefined {
  if (/<artifactId>quarkus-maven-plugin</.test(pom)) return "quarkus";
  return /<artifactId>(?:spring-boot-maven-plugin|maven-shade-plugin)<|<mainClass>/.test(pom) ? "jar" : undefined;
}

/** The oldest version with images that is not older than the wanted one; `1.8` is 8. */
function javaVersion(wishes: Wishes, wanted: string | undefined): string {
  if (wishes.runtime !== undefined)
    return settleVersion("Java", wishes, undefined, { candidates: VERSIONS, preferred: PREFERRED });
  if (wanted === undefined) return PREFERRED;
  const clean = wanted.replace(/^1\./, "");
  const found = VERSIONS.find((version) => compare(numbers(version), [Number.parseInt(clean, 10)]) >= 0);
  return found ?? clean;
}

function gradleRecipe(project: Project, wishes: Wishes): Recipe {
  const builds = project.paths.filter((path) => /(^|\/)build\.gradle(\.kts)?$/.test(path) && project.texts.has(path));
  const runnable = builds.filter((path) => gradleTask(code(project, path)) !== undefined);
  const folders = runnable.map((path) => path.replace(/\/?build\.gradle(\.kts)?$/, ""));
  const modules = folders.filter((folder) => folder !== "");
  const module = settleProgram(modules, wishes) ?? (folders.includes("") ? "" : undefined);
  if (module === undefined) throw startUnknown("no build.gradle makes a program", START_HINT);
  const index = folders.indexOf(module);
  const build = code(project, runnable[index] as string);
  const root = builds
    .filter((path) => !path.includes("/"))
    .map((path) => code(project, path))
    .join("\n");
  const version = javaVersion(wishes, gradleJava(build) ?? gradleJava(root));
  const task = gradleTask(build) as GradleTask;
  const settings = present(project, "settings.gradle", "settings.gradle.kts")
    .map((path) => code(project, path))
    .join("\n");
  // Without a settings file the project is called as its folder in the build stage is.
  const rootName = /rootProject\.name\s*=\s*["']([^"']+)["']/.exec(settings)?.[1] ?? "src";
  const name = plainName(module === "" ? rootName : module, "module");
  const wrapper = has(project, "gradlew") && has(project, "gradle/wrapper/gradle-wrapper.jar");
  const port = wishes.port ?? 8080;
  const distribution = task === "installDist";
  const start = wishes.start ?? (distribution ? [`bin/${name}`] : ["java", ...JVM_OPTIONS, "-jar", "app.jar"]);
  return {
    stack: "java-gradle",
    template: "gradle",
    runtime: `Java ${version}`,
    start,
    port,
    locked: true,
    data: {
      // The wrapper brings the very Gradle that the project is built with.
      buildImage: wrapper ? `eclipse-temurin:${version}-jdk-noble` : `gradle:${gradleFor(version)}-jdk${version}`,
      image: `eclipse-temurin:${version}-jre-noble`,
      gradle: wrapper ? "./gradlew" : "gradle",
      task: module === "" ? task : `:${name}:${task}`,
      build: `${module === "" ? "" : `${name}/`}build`,
      name,
      distribution,
      port: String(port),
      command: execForm(start),
    },
    ignore: ["**/build", "**/.gradle", "**/out"],
  };
}

/** Gradle 9 runs on Java 17 and later. */
function gradleFor(java: string): string {
  return Number(java) >= 17 ? "9" : "8";
}

type GradleTask = "bootJar" | "shadowJar" | "buildFatJar" | "installDist";

/** The task that makes something to be started, by the plugin that brings it. */
function gradleTask(build: string): GradleTask | undefined {
  if (/["']org\.springframework\.boot["'](?!.*apply\s+false)/.test(build)) return "bootJar";
  if (/["']io\.ktor\.plugin["'](?!.*apply\s+false)/.test(build)) return "buildFatJar";
  if (/["'](?:com\.gradleup\.shadow|com\.github\.johnrengelman\.shadow)["'](?!.*apply\s+false)/.test(build))
    return "shadowJar";
  return /\bid\s*\(?\s*["']application["']|^\s*`?application`?\s*$|apply plugin:\s*["']application["']/m.test(build)
    ? "installDist"
    : undefined;
}

/** A build script without its comments. */
function code(project: Project, path: string): string {
  return textOf(project, path)
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/(^|\s)\/\/.*$/gm, "");
}

function gradleJava(build: string): string | undefined {
  return /(?:JavaLanguageVersion\.of|jvmToolchain)\s*\(\s*(\d+)|JavaVersion\.VERSION_(?:1_)?(\d+)|(?:source|target)Compatibility\s*=?\s*["']?(?:1\.)?(\d+)/
    .exec(build)
    ?.slice(1)
    .find((group) => group !== undefined);
}

/** A static site: pages as they are, or as `npm run build` makes them, behind nginx. */

import { InitwrapError } from "../model/errors.ts";
import { installation, managersOf, NODE_IGNORE, siteFolder } from "./node.ts";
import { has, type Project, present, readJson } from "./project.ts";
import type { Recipe, Stack, Wishes } from "./recipe.ts";

const IMAGE = "nginx:1.30-trixie";

export const STATIC_SITE: Stack = {
  name: "static",
  fallback: true,
  evidence(project) {
    if (buildFolder(project) !== undefined) return present(project, "package.json", "index.html");
    return present(project, "index.html", "public/index.html").slice(0, 1);
  },
  recipe,
};

function buildFolder(project: Project): string | undefined {
  return has(project, "package.json") ? siteFolder(readJson(project, "package.json")) : undefined;
}

function recipe(project: Project, wishes: Wishes): Recipe {
  if (wishes.start !== undefined) {
    throw new InitwrapError("USAGE", "a static site is served by nginx, and has no --start of its own");
  }
  const built = buildFolder(project);
  const port = wishes.port ?? 8080;
  const common = { image: IMAGE, port: String(port) };
  if (built === undefined) {
    const folder = has(project, "index.html") ? "." : "public";
    return {
      stack: "static",
      template: "static",
      runtime: "nginx 1.30",
      start: undefined,
      port,
      locked: true,
      data: { ...common, build: "", folder },
      ignore: [],
    };
  }
  const pkg = readJson(project, "package.json");
  const [manager, ...others] = managersOf(project, pkg);
  if (manager === undefined || others.length > 0) {
    throw new InitwrapError("STACK_AMBIGUOUS", "the site has lockfiles of several package managers", {
      hint: 'Name the right one in package.json: "packageManager": "pnpm@10.0.0"',
    });
  }
  const { data, version, locked, ignore } = installation(project, pkg, manager, wishes);
  return {
    stack: "static",
    template: "static",
    runtime: `nginx 1.30, built with Node ${version}`,
    start: undefined,
    port,
    locked,
    data: { ...data, ...common, buildImage: data["image"], folder: built },
    ignore: [...NODE_IGNORE, ...ignore, built],
  };
}

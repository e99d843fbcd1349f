/** The lines of a generated `.dockerignore`: what a build does not need, and what must never get into an image. */
import type { Recipe } from "./recipe.ts";

const COMMON = [
  "**/.git",
  "**/.gitignore",
  "**/.gitattributes",
  ".github",
  ".gitlab-ci.yml",
  "**/.DS_Store",
  "**/.idea",
  "**/.vscode",
  "**/Dockerfile*",
  "**/*.Dockerfile",
  "**/.dockerignore",
  "**/compose*.y*ml",
  "**/docker-compose*.y*ml",
];

/** Bundlers read settings that are meant for the public from `.env.production`; a server's are secrets. */
const SECRETS = ["**/.env", "**/.env.*", "!**/.env.example"];
const SITE_SECRETS = ["**/.env", "**/.env.local", "**/.env.*.local"];

/** What the template gets. */
export function ignoreData(recipe: Recipe): Readonly<Record<string, unknown>> {
  const secrets = recipe.stack === "static" ? SITE_SECRETS : SECRETS;
  return { stack: recipe.stack, common: COMMON, secrets, own: recipe.ignore };
}

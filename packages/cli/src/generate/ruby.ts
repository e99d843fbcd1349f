/** Ruby: Rails, or any Rack application, with the server of its Gemfile. */

import { procfileCommand } from "./procfile.ts";
import { has, type Project, present, textOf, versionFile } from "./project.ts";
import { type Recipe, type Stack, settleVersion, startUnknown, type Wishes } from "./recipe.ts";
import { execForm } from "./words.ts";

const VERSIONS = { candidates: ["3.3", "3.4", "4.0"], preferred: "3.4" };

/** Debian's packages with what a gem needs at run time. */
const LIBRARIES: Readonly<Record<string, string>> = {
  pg: "libpq5",
  mysql2: "libmariadb3",
  "ruby-vips": "libvips42t64",
  image_processing: "libvips42t64",
};

export const RUBY: Stack = {
  name: "ruby",
  evidence: (project) => present(project, "Gemfile", "Gemfile.lock", "config.ru"),
  recipe,
};

function recipe(project: Project, wishes: Wishes): Recipe {
  const gems = gemsOf(project);
  const gemfile = textOf(project, "Gemfile");
  const pinned = versionFile(project, ".ruby-version")?.replace(/^ruby-/, "");
  const declared = /^\s*ruby\s*\(?\s*["']([^"']+)["']/m.exec(gemfile)?.[1]?.replace("~>", "~=");
  const version = settleVersion("Ruby", wishes, pinned ?? declared, VERSIONS);
  const rails = has(project, "config/application.rb") && gems.has("rails");
  const port = wishes.port ?? (rails ? 3000 : 9292);
  const start = wishes.start ?? startOf(project, gems, rails, port);
  if (start === undefined) {
    throw startUnknown(
      "the project does not say how it is started",
      'Add puma to the Gemfile and a config.ru, or say what starts it: --start \'["bundle", "exec", "ruby", "app.rb"]\'',
    );
  }
  const packages = new Set(
    Object.keys(LIBRARIES)
      .filter((gem) => gems.has(gem))
      .map((gem) => LIBRARIES[gem]),
  );
  return {
    stack: "ruby",
    template: "ruby",
    runtime: `Ruby ${version}`,
    start,
    port,
    locked: has(project, "Gemfile.lock"),
    data: {
      image: `ruby:${version}-slim-trixie`,
      buildImage: `ruby:${version}-trixie`,
      manifests: present(project, "Gemfile", "Gemfile.lock", ".ruby-version").join(" "),
      copyAllFirst:
        /^\s*gemspec\b|[\s,{(]path:|:path\s*=>|^\s*path\b|\beval_gemfile\b/m.test(gemfile) ||
        /^PATH$/m.test(textOf(project, "Gemfile.lock")),
      locked: has(project, "Gemfile.lock"),
      rails,
      assets: rails && ["propshaft", "sprockets-rails", "sprockets"].some((gem) => gems.has(gem)),
      packages: [...packages].join(" "),
      port: String(port),
      command: execForm(start),
    },
    ignore: [
      "**/.bundle",
      "vendor/bundle",
      "log/*",
      "tmp/*",
      "storage/*",
      "**/node_modules",
      "config/master.key",
      "config/credentials/*.key",
    ],
  };
}

/** Every gem of the Gemfile and, with its dependencies, of the lockfile. */
function gemsOf(project: Project): ReadonlySet<string> {
  const named = [...textOf(project, "Gemfile").matchAll(/^\s*gem\s*\(?\s*["']([\w.-]+)["']/gm)];
  const locked = [...textOf(project, "Gemfile.lock").matchAll(/^ {4}([\w.-]+) \(/gm)];
  return new Set([...named, ...locked].map((match) => match[1] as string));
}

function startOf(
  project: Project,
  gems: ReadonlySet<string>,
  rails: boolean,
  port: number,
): readonly string[] | undefined {
  const web = procfileCommand(project, port);
  if (web !== undefined) return web;
  if (rails) return ["bundle", "exec", "rails", "server", "--binding", "0.0.0.0", "--port", String(port)];
  if (!has(project, "config.ru")) return undefined;
  if (gems.has("puma")) return ["bundle", "exec", "puma", "--bind", `tcp://0.0.0.0:${port}`];
  if (gems.has("rackup")) return ["bundle", "exec", "rackup", "--host", "0.0.0.0", "--port", String(port)];
  return undefined;
}

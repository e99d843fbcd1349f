/** PHP: Apache with the module, as a user without rights, and Composer's packages. */
import { isRecord } from "../model/record.ts";
import { has, hasFolder, type Project, present, readJson, stringAt, table } from "./project.ts";
import { type Recipe, type Stack, settleVersion, startUnknown, type Wishes } from "./recipe.ts";
import { execForm } from "./words.ts";

const VERSIONS = { candidates: ["8.2", "8.3", "8.4", "8.5"], preferred: "8.4" };

/** Extensions that the image lacks, with the Debian packages that they are compiled with. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  bcmath: "",
  calendar: "",
  exif: "",
  gd: "libpng-dev",
  gettext: "",
  gmp: "libgmp-dev",
  intl: "libicu-dev",
  mysqli: "",
  pcntl: "",
  pdo_mysql: "",
  pdo_pgsql: "libpq-dev",
  pgsql: "libpq-dev",
  shmop: "",
  soap: "libxml2-dev",
  sockets: "",
  sysvmsg: "",
  sysvsem: "",
  sysvshm: "",
  xsl: "libxslt1-dev",
  zip: "libzip-dev",
};

export const PHP: Stack = {
  name: "php",
  evidence: (project) => present(project, "composer.json", "composer.lock", "index.php", "public/index.php"),
  recipe,
};

function recipe(project: Project, wishes: Wishes): Recipe {
  const composer = has(project, "composer.json");
  const manifest = composer ? readJson(project, "composer.json") : {};
  const requires = table(manifest, "require");
  const version = settleVersion("PHP", wishes, stringAt(requires, "php")?.replace(/(?<!\|)\|(?!\|)/g, "||"), VERSIONS);
  const [index] = present(project, "public/index.php", "web/index.php", "index.php");
  if (index === undefined && wishes.start === undefined) {
    throw startUnknown(
      "there is no index.php, neither at the root nor in public/ or web/",
      'Say what starts it: --start \'["php", "worker.php"]\'',
    );
  }
  const folder = (index ?? "index.php").split("/").slice(0, -1).join("/");
  const extensions = Object.keys(requires)
    .flatMap((name) => /^ext-([a-z_]+)$/.exec(name)?.[1] ?? [])
    .filter((name) => Object.hasOwn(EXTENSIONS, name));
  const packages = new Set(extensions.map((name) => EXTENSIONS[name]).filter(Boolean));
  const port = wishes.port ?? 8080;
  return {
    stack: "php",
    template: "php",
    runtime: `PHP ${version}`,
    start: wishes.start,
    port,
    locked: !composer || has(project, "composer.lock"),
    data: {
      image: `php:${version}-apache-trixie`,
      composer,
      manifests: present(project, "composer.json", "composer.lock").join(" "),
      // Repositories are a list, or a table by name.
      copyAllFirst: Object.values((manifest["repositories"] ?? {}) as object).some(
        (repository) => isRecord(repository) && /^(path|artifact)$/.test(stringAt(repository, "type") ?? ""),
      ),
      root: folder === "" ? "/var/www/html" : `/var/www/html/${folder}`,
      extensions: extensions.join(" "),
      packages: [...packages].join(" "),
      // What frameworks write at run time.
      writable: ["storage", "bootstrap/cache", "var"].filter((path) => hasFolder(project, path)).join(" "),
      port: String(port),
      start: wishes.start !== undefined,
      command: wishes.start === undefined ? "" : execForm(wishes.start),
    },
    ignore: ["**/vendor", "**/node_modules", "**/.phpunit*", "storage/logs/*", "var/cache/*", "var/log/*"],
  };
}

/**
 * Who makes a release, and where its sources are: what packages/cli/package.json says as `author`, `repository`, `homepage` and
 * `bugs`. Everything else takes it from there, but for the package of the inits, whose own package.json npm reads.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../workspace.mjs";

const manifestOf = (name) => JSON.parse(readFileSync(join(ROOT, "packages", name, "package.json"), "utf8"));

/** `version`, `author` (`NAME <ADDRESS>`), `homepage`, and `repository`, the address of its page. */
export function sources() {
  const { version, author, homepage, repository } = manifestOf("cli");
  return { version, author, homepage, repository: pageOf(repository) };
}

/** git+https://HOST/OWNER/NAME.git is what npm wants for https://HOST/OWNER/NAME. */
function pageOf({ url }) {
  return url.replace(/^git\+/, "").replace(/\.git$/, "");
}

/** Names that belong to nobody: RFC 2606, and example.com, .org and .net. */
const RESERVED = /\.(invalid|example|test|localhost)>?$|[@./]example\.(com|org|net)>?$/i;

/** Why nothing can be built from these sources: what would show too late otherwise. `here` is GitHub's OWNER/NAME, in its CI. */
export function problems(here = process.env.GITHUB_REPOSITORY) {
  const [cli, core] = ["cli", "init-core"].map(manifestOf);
  const found = [];
  for (const field of ["version", "author", "license", "homepage", "bugs", "engines", "publishConfig"]) {
    const [one, other] = [cli, core].map((manifest) => JSON.stringify(manifest[field]));
    if (one !== other) found.push(`"${field}" is ${one} in initwrap and ${other} in @initwrap/init-core`);
  }
  if (cli.repository.url !== core.repository.url) {
    found.push(`"repository" is ${cli.repository.url} in initwrap and ${core.repository.url} in @initwrap/init-core`);
  }
  for (const field of ["homepage", "bugs"]) {
    if (!cli[field].startsWith(pageOf(cli.repository))) {
      found.push(`"${field}" is ${cli[field]}, which is not of ${pageOf(cli.repository)}`);
    }
  }
  if (here && cli.repository.url !== `git+https://github.com/${here}.git`) {
    found.push(`this is ${here}, and "repository" says ${cli.repository.url}: npm would refuse its provenance`);
  }
  return found;
}

/** Why these sources can be built, and must not be published. */
export function placeholders(here = process.env.GITHUB_REPOSITORY) {
  const { author, repository, homepage } = sources();
  const found = [];
  if (RESERVED.test(author)) found.push(`"author" is ${author}, an address that nobody can have`);
  for (const [field, value] of Object.entries({ repository, homepage })) {
    if (RESERVED.test(new URL(value).hostname)) found.push(`"${field}" is ${value}, a host that nobody can have`);
  }
  if (!here)
    found.push('GITHUB_REPOSITORY is not set, so that nothing shows that "repository" is where the sources are');
  return found;
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PROJECT_PAGES } from "../.vitepress/repository-links.ts";

/** The repository's own documents, as pages. */
export default {
  paths: () =>
    Object.entries(PROJECT_PAGES).map(([file, page]) => ({
      params: { page },
      content: readFileSync(join(import.meta.dirname, "../..", file), "utf8"),
    })),
};

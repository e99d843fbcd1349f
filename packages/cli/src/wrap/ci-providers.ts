/** The CI systems that `initwrap ci` has a file for. */

export interface Provider {
  /** Where the file goes in a repository. */
  readonly place: string;
  /** What the image is called when nobody says it; undefined for files that are about no image. */
  readonly image?: string;
  /** True when that name is only an example. */
  readonly isExample?: boolean;
}

export const PROVIDERS = {
  github: { place: ".github/workflows/image.yml", image: "ghcr.io/${{ github.repository }}:${{ github.sha }}" },
  "github-action": { place: "action.yml", image: "" },
  gitlab: { place: "templates/initwrap.yml", image: "$CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA" },
  tekton: { place: "task.yaml", image: "" },
  jenkins: { place: "Jenkinsfile", image: "registry.example.com/app:${env.BUILD_NUMBER}", isExample: true },
  circleci: { place: ".circleci/config.yml", image: "registry.example.com/app:$CIRCLE_SHA1", isExample: true },
  "pre-commit": { place: ".pre-commit-config.yaml" },
  "pre-commit-hooks": { place: ".pre-commit-hooks.yaml" },
} as const satisfies Readonly<Record<string, Provider>>;

export type ProviderName = keyof typeof PROVIDERS;

export const PROVIDER_NAMES = Object.keys(PROVIDERS);

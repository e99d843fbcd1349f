/** `initwrap init-image`: the init as a multi-platform image, for `COPY --from`. */
import { string } from "@oclif/core/flags";
import { formatPlatform } from "../model/platform.ts";
import { BaseCommand } from "../terminal/base-command.ts";
import { imagePlaceFlags } from "../terminal/image-place-flags.ts";
import { insecureRegistries, registryFlags } from "../terminal/registry-flags.ts";

export default class InitImage extends BaseCommand {
  static override summary = "Build the image that holds the init, and push it or write it to disk.";
  static override description =
    `The image has one small layer for each platform, and nothing but /initwrap in it. Its digest depends on the
version of initwrap alone. What is printed on stdout can be used as it is in a Dockerfile:

  COPY --from=REF@sha256:... /initwrap /initwrap`;
  static override examples = [
    "<%= config.bin %> init-image --push ghcr.io/acme/initwrap:1",
    "<%= config.bin %> init-image --output initwrap-image --platform linux/amd64",
  ];
  static override flags = {
    ...imagePlaceFlags,
    platform: string({
      description: "Only this platform; may be repeated or hold a list.",
      helpValue: "OS/ARCH[/VARIANT]",
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ",",
    }),
    ...registryFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(InitImage);
    const { runInitImage } = await import("../wrap/init-image.ts");
    const { image, places, bytesMoved } = await runInitImage({
      ...(flags.push === undefined ? {} : { push: flags.push }),
      ...(flags.output === undefined ? {} : { output: flags.output }),
      platforms: flags.platform ?? [],
      insecureRegistries: insecureRegistries(flags["insecure-registry"]),
      context: { env: process.env, signal: this.signal },
    });
    if (flags.json) {
      return this.emitJson({
        version: 1,
        digest: image.root.digest,
        places,
        initVersion: image.version,
        bytesMoved,
        platforms: image.platforms.map(({ platform, digest, layer }) => ({
          platform: formatPlatform(platform),
          digest,
          layer,
        })),
      });
    }
    this.say(
      `initwrap ${image.version} for ${image.platforms.map(({ platform }) => formatPlatform(platform)).join(", ")}`,
    );
    await this.product(`${places.join("\n")}\n`);
  }
}

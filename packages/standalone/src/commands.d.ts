/** Made by the build: each module that oclif may ask for, by its path in the package. */
declare module "initwrap:commands" {
  export const commands: Readonly<Record<string, () => Promise<unknown>>>;
}

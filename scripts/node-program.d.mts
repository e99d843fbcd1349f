/** The program of `node-linux-ARCH` at a version, or undefined when the registry does not give it. */
export function nodeProgram(arch: "x64" | "arm64", version: string): Promise<string | undefined>;

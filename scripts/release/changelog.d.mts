export function withRelease(changelog: string, version: string, packages: readonly string[]): string;
export function renumbered(document: string, from: string, to: string): string;

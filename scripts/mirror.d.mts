export function codename(): string | undefined;
export function mirrorOf(name: string): string | undefined;

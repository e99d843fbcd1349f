/** Writes both tarballs to `folder` and gives their paths, the one that the other depends on first. */
export function pack(folder: string): readonly string[];

export function renderedFiles(): Promise<Map<string, string>>;
export function outdated(files: ReadonlyMap<string, string>): readonly string[];

/**
 * `[ENGINE]NAME`: an image of another engine than the environment's, as skopeo has it for `containers-storage:[STORE]NAME`.
 *
 * A name may begin with a bracket too, `[::1]:5000/app`: a port or a path follows there.
 */
export interface EngineLocation {
  /** What stands in the brackets; empty where there are none. */
  readonly engine: string;
  /** The image's name in it. */
  readonly name: string;
}

export function splitEngineLocation(location: string): EngineLocation {
  const match = /^\[([^\]]*)\]([^:/].*)$/.exec(location);
  return match ? { engine: match[1]!, name: match[2]! } : { engine: "", name: location };
}

/** The location of an image of that name in the same engine. */
export function besideInEngine(location: string, name: string): string {
  return location.slice(0, location.length - splitEngineLocation(location).name.length) + name;
}

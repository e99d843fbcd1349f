/** The image builds that a Compose file describes: one for each service with `build`. In work. */
export {};

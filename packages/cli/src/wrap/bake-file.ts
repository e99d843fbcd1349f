/** The image builds that a bake file (HCL or JSON) describes: one for each target. In work. */
export {};

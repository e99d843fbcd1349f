/** From files, folders and globs to the Dockerfiles they mean. In work. */
export {};

import { connect } from "node:net";

/** True when something listens: on a loopback port, on an address's port, or on a socket's path. */
export function accepts(place: number | string | { readonly host: string; readonly port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(
      typeof place === "object"
        ? place
        : typeof place === "number"
          ? { port: place, host: "127.0.0.1" }
          : { path: place },
    );
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

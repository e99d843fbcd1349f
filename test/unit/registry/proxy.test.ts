import { describe, expect, it } from "vitest";
import { isLoopback, proxyFor } from "../../../packages/cli/src/store/registry/proxy.ts";

const env = { HTTPS_PROXY: "http://proxy.example:3128", HTTP_PROXY: "plain.example:8080" };

describe("a proxy", () => {
  it.each([
    ["https://registry.example/v2/", "", "http://proxy.example:3128/"],
    ["http://registry.example/v2/", "", "http://plain.example:8080/"],
    ["https://registry.example/", "*", undefined],
    ["https://registry.example/", "registry.example", undefined],
    ["https://registry.example/", "example", undefined],
    ["https://registry.example/", ".example", undefined],
    ["https://registry.example/", "*.example", undefined],
    ["https://registry.example/", "y.example, xregistry.example", "http://proxy.example:3128/"],
    ["https://registry.example:5000/", "registry.example:5000", undefined],
    ["https://registry.example:5001/", "registry.example:5000", "http://proxy.example:3128/"],
    ["https://10.1.2.3/", "10.0.0.0/8", undefined],
    ["https://11.1.2.3/", "10.0.0.0/8", "http://proxy.example:3128/"],
    ["https://[fd00::1]/", "fd00::/8", undefined],
    ["https://10.1.2.3/", "10.1.2.3", undefined],
    ["https://10.1.2.3/", "10.1.2.3:443", undefined],
    ["https://10.1.2.3/", "10.1.2.3:80", "http://proxy.example:3128/"],
    ["https://registry.example/", "registry.example:443", undefined],
    ["http://registry.example/", "registry.example:80", undefined],
    ["https://registry.example/", " REGISTRY.Example ", undefined],
    ["https://example/", ".example", "http://proxy.example:3128/"],
    ["https://example/", "*.example", "http://proxy.example:3128/"],
    ["https://[fd00::1]/", "fd00:0:0:0:0:0:0:1", undefined],
    ["https://[fd00::1]/", "[FD00::1]", undefined],
    ["https://[fd00::1]:5000/", "[fd00:0::1]:5000", undefined],
    ["https://[fd00::1]:5001/", "[fd00::1]:5000", "http://proxy.example:3128/"],
    ["https://[fd00::1]/", "10.0.0.0/8", "http://proxy.example:3128/"],
    ["https://110.1.2.3/", "10.1.2.3", "http://proxy.example:3128/"],
    ["https://10.1.2.3/", "10.0.0.0/99", "http://proxy.example:3128/"],
    ["http://127.0.0.1:5000/", "", undefined],
    ["https://localhost/", "", undefined],
  ])("for %s with NO_PROXY=%s is %s", (url, list, expected) => {
    expect(proxyFor(new URL(url), { ...env, NO_PROXY: list })?.href).toBe(expected);
  });

  it("is read from lower-case variables too, and from none", () => {
    expect(proxyFor(new URL("https://a.example"), { https_proxy: "http://p:1" })?.host).toBe("p:1");
    expect(proxyFor(new URL("https://a.example"), {})).toBeUndefined();
  });

  it.each(["socks5://p:1080", "ftp://p", "http://user:100%@p:1", "http://", "http://p:99999"])("is not %s", (value) => {
    expect(() => proxyFor(new URL("https://a.example"), { HTTPS_PROXY: value })).toThrow(TypeError);
  });
});

describe("loopback", () => {
  it.each(["localhost", "x.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "::1"])("is %s", (host) => {
    expect(isLoopback(host)).toBe(true);
  });
  it.each(["127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "1270.0.0.1", "notlocalhost"])(
    "is not %s",
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );
});

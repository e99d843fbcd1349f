import { describe, expect, it } from "vitest";
import {
  ExchangeError,
  exchangeFailure,
  parseComplaints,
  printable,
  redactUrl,
  responseError,
} from "../../../packages/cli/src/store/registry/failures.ts";
import { mergeScopes } from "../../../packages/cli/src/store/registry/token.ts";

const asked = { method: "GET", url: new URL("https://user:word@r.example/v2/a?_state=secret#x"), where: "r.example/a" };
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

describe("a failure", () => {
  it("shows the registry's code and words, and neither users nor queries", () => {
    const complaints = parseComplaints(bytes({ errors: [{ code: "DENIED", message: "no\u001b[2J\u202egnp" }] }));
    const error = responseError(asked, 403, complaints);
    expect(error.message).toBe("r.example answered 403 to GET https://r.example/v2/a?...: DENIED: no [2J gnp");
    expect(redactUrl(asked.url)).toBe("https://r.example/v2/a?...");
  });

  it.each([
    [401, "AUTH_REQUIRED", 4],
    [403, "AUTH_REQUIRED", 4],
    [404, "IMAGE_NOT_FOUND", 3],
    [400, "REGISTRY_FAILED", 6],
    [429, "REGISTRY_FAILED", 6],
    [500, "REGISTRY_FAILED", 6],
  ])("of status %i has the code %s", (status, code, exit) => {
    expect(responseError(asked, status, [])).toMatchObject({ code, exit, where: "r.example/a" });
  });

  it("of an exchange keeps its hint", () => {
    const error = exchangeFailure(asked, new ExchangeError("broken\r\n", { retryable: true, hint: "try" }));
    expect(error).toMatchObject({
      code: "REGISTRY_FAILED",
      hint: "try",
      message: "GET https://r.example/v2/a?... failed: broken",
    });
  });

  it("is understood from any body", () => {
    for (const body of ["", "<html>", "null", "[]", '{"errors":1}', '{"errors":[]}']) {
      expect(parseComplaints(new TextEncoder().encode(body))).toEqual([]);
    }
    expect(parseComplaints(bytes({ errors: [null, { code: 1 }] }))).toEqual([
      { code: "", message: "" },
      { code: "", message: "" },
    ]);
    expect(printable("x".repeat(1000)).length).toBe(303);
  });
});

describe("scopes", () => {
  it("are merged by resource, with their actions in order", () => {
    expect(mergeScopes(["repository:a/b:pull,push", "repository:c:pull", "repository:a/b:push,pull", "odd"])).toEqual([
      "repository:a/b:pull,push",
      "repository:c:pull",
      "odd",
    ]);
  });
});

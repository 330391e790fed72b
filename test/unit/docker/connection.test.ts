import { describe, expect, it } from "vitest";
import { engineName } from "../../../src/docker/connection.js";

describe("an engine's name", () => {
  it("tells Podman, which has no BuildKit, from Docker, by the Server header", () => {
    expect(engineName("Docker/28.5.2+dfsg4 (linux)")).toEqual({ version: "28.5.2+dfsg4", isPodman: false });
    expect(engineName("Libpod/4.3.1 (linux)")).toEqual({ version: "4.3.1", isPodman: true });
    expect(engineName("nginx")).toEqual({ version: "", isPodman: false });
    expect(engineName(undefined)).toEqual({ version: "", isPodman: false });
  });
});

import { createPrivateKey, createPublicKey, sign, type JsonWebKey, type KeyObject } from "node:crypto";
import { SshReader, sshInteger, sshString } from "./ssh-wire.js";

/** A private key that can sign for ssh. */
export interface SshKey {
  /** The public key as ssh writes it on the wire. */
  readonly publicBlob: Buffer;
  readonly comment: string;
  /** A signature on the wire, its algorithm's name in front. `flags`: the agent protocol's choice of hash for RSA. */
  sign(data: Buffer, flags: number): Buffer;
}

/** A key that cannot be used, and why. */
export class SshKeyError extends Error {}

/**
 * Reads a private key without a passphrase: OpenSSH's own format, or PEM (PKCS #8, PKCS #1, SEC 1); RSA, Ed25519 and
 * ECDSA on the NIST curves, as buildx does. Throws SshKeyError.
 */
export function parseSshKey(text: string, name: string): SshKey {
  const armoured = /-----BEGIN OPENSSH PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END OPENSSH PRIVATE KEY-----/.exec(text);
  if (armoured?.[1] !== undefined) return parseOpenSsh(Buffer.from(armoured[1], "base64"), name);
  if (/ENCRYPTED/.test(text)) throw locked(name);
  try {
    return sshKey(createPrivateKey(text), name);
  } catch (error) {
    if (error instanceof SshKeyError) throw error;
    throw new SshKeyError(`${name} is neither an agent's socket nor a private key`, { cause: error });
  }
}

const magic = "openssh-key-v1\0";

/** OpenSSH's PROTOCOL.key. */
function parseOpenSsh(data: Buffer, name: string): SshKey {
  if (data.subarray(0, magic.length).toString("latin1") !== magic)
    throw new SshKeyError(`${name} is no OpenSSH private key`);
  try {
    const outer = new SshReader(data.subarray(magic.length));
    const cipher = outer.string().toString();
    outer.string();
    outer.string();
    if (cipher !== "none") throw locked(name);
    if (outer.uint32() !== 1) throw new SshKeyError(`${name} holds more than one key`);
    outer.string();
    const inner = new SshReader(outer.string());
    if (inner.uint32() !== inner.uint32()) throw new SshKeyError(`${name} is damaged`);
    const jwk = readPrivateKey(inner, name);
    const comment = inner.string().toString();
    return sshKey(createPrivateKey({ key: jwk, format: "jwk" }), comment || name);
  } catch (error) {
    if (error instanceof SshKeyError) throw error;
    throw new SshKeyError(`${name} is damaged`, { cause: error });
  }
}

/** The private part of a key file, in the form that node:crypto reads. */
function readPrivateKey(reader: SshReader, name: string): JsonWebKey {
  const type = reader.string().toString();
  if (type === "ssh-ed25519") {
    const x = reader.string();
    return { kty: "OKP", crv: "Ed25519", x: base64(x), d: base64(reader.string().subarray(0, 32)) };
  }
  if (type === "ssh-rsa") {
    const [n, e, d, qi, p, q] = [0, 1, 2, 3, 4, 5].map(() => reader.integer());
    if (!n || !e || !d || !qi || !p || !q) throw new SshKeyError(`${name} is damaged`);
    const exponent = toBigInt(d);
    return {
      kty: "RSA",
      n: base64(n),
      e: base64(e),
      d: base64(d),
      p: base64(p),
      q: base64(q),
      dp: base64(toBytes(exponent % (toBigInt(p) - 1n))),
      dq: base64(toBytes(exponent % (toBigInt(q) - 1n))),
      qi: base64(qi),
    };
  }
  const curve = curves.find((candidate) => `ecdsa-sha2-${candidate.ssh}` === type);
  if (!curve) throw new SshKeyError(`${name} is of the type ${type}, which cannot be used here`);
  reader.string();
  const point = reader.string();
  const d = reader.integer();
  return {
    kty: "EC",
    crv: curve.jwk,
    x: base64(point.subarray(1, 1 + curve.size)),
    y: base64(point.subarray(1 + curve.size)),
    d: base64(leftPad(d, curve.size)),
  };
}

/** The NIST curves of RFC 5656; `size`: bytes of a coordinate. */
const curves = [
  { ssh: "nistp256", jwk: "P-256", size: 32, hash: "sha256" },
  { ssh: "nistp384", jwk: "P-384", size: 48, hash: "sha384" },
  { ssh: "nistp521", jwk: "P-521", size: 66, hash: "sha512" },
] as const;

function sshKey(key: KeyObject, comment: string): SshKey {
  const jwk = createPublicKey(key).export({ format: "jwk" });
  if (jwk.kty === "OKP" && jwk.crv === "Ed25519")
    return {
      publicBlob: Buffer.concat([sshString("ssh-ed25519"), sshString(bytes(jwk.x))]),
      comment,
      sign: (data) => Buffer.concat([sshString("ssh-ed25519"), sshString(sign(null, data, key))]),
    };
  if (jwk.kty === "RSA")
    return {
      publicBlob: Buffer.concat([sshString("ssh-rsa"), sshInteger(bytes(jwk.e)), sshInteger(bytes(jwk.n))]),
      comment,
      sign: (data, flags) => {
        const [algorithm, hash] = rsaAlgorithm(flags);
        return Buffer.concat([sshString(algorithm), sshString(sign(hash, data, key))]);
      },
    };
  const curve = curves.find((candidate) => candidate.jwk === jwk.crv);
  if (jwk.kty !== "EC" || !curve) throw new SshKeyError(`${comment} is of a type that ssh cannot use`);
  const algorithm = `ecdsa-sha2-${curve.ssh}`;
  return {
    publicBlob: Buffer.concat([
      sshString(algorithm),
      sshString(curve.ssh),
      sshString(Buffer.concat([Buffer.of(4), bytes(jwk.x), bytes(jwk.y)])),
    ]),
    comment,
    sign: (data) => {
      const signature = sign(curve.hash, data, { key, dsaEncoding: "ieee-p1363" });
      const half = signature.length / 2;
      const pair = Buffer.concat([sshInteger(signature.subarray(0, half)), sshInteger(signature.subarray(half))]);
      return Buffer.concat([sshString(algorithm), sshString(pair)]);
    },
  };
}

/** SSH_AGENT_RSA_SHA2_256 and _512; neither: the SHA-1 of old servers. */
function rsaAlgorithm(flags: number): readonly [algorithm: string, hash: string] {
  if (flags & 4) return ["rsa-sha2-512", "sha512"];
  if (flags & 2) return ["rsa-sha2-256", "sha256"];
  return ["ssh-rsa", "sha1"];
}

function locked(name: string): SshKeyError {
  return new SshKeyError(`${name} is protected by a passphrase: add it to an agent (ssh-add) and use --ssh default`);
}

function base64(value: Uint8Array): string {
  return Buffer.from(value).toString("base64url");
}

function bytes(value: string | undefined): Buffer {
  return Buffer.from(value ?? "", "base64url");
}

function toBigInt(value: Buffer): bigint {
  return BigInt(`0x${value.toString("hex") || "0"}`);
}

function toBytes(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}

function leftPad(value: Buffer, size: number): Buffer {
  return value.length >= size ? value : Buffer.concat([Buffer.alloc(size - value.length), value]);
}

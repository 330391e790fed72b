import type { CredentialLookup } from "../../../docker/credentials.js";
import type { GrpcMethod } from "./grpc-server.js";
import { bytesField, encodeMessage } from "./protobuf.js";

/**
 * moby.filesync.v1.Auth/Credentials. GetTokenAuthority and FetchToken are left unserved on purpose: told UNIMPLEMENTED,
 * every BuildKit since 0.8 asks for the credentials and fetches its tokens itself.
 */
export function getCredentials(lookup: CredentialLookup): GrpcMethod {
  return {
    kind: "unary",
    answer: async (request) => {
      const found = await lookup(bytesField(request, 1).toString());
      return found.secret === undefined ? new Uint8Array() : encodeMessage({ 1: found.username, 2: found.secret });
    },
  };
}

import { readFileSync } from "node:fs";
import { connect, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { createServer, type Server } from "node:tls";
import type { TestEngine } from "./engines.js";
import { script } from "./servers.js";

/** TLS before an engine's socket, as dockerd --tlsverify serves it: only clients with a certificate of its CA come in. */
export class TlsEngine implements AsyncDisposable {
  readonly host: string;
  private readonly server: Server;
  private readonly sockets: ReadonlySet<Socket>;

  private constructor(server: Server, sockets: ReadonlySet<Socket>) {
    this.server = server;
    this.sockets = sockets;
    this.host = `tcp://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  }

  /** `folder` gets client/ (ca.pem, cert.pem, key.pem) and other/ (the same, of another CA). */
  static async start(engine: TestEngine, folder: string): Promise<TlsEngine> {
    makeCertificates(folder);
    const sockets = new Set<Socket>();
    const server = createServer(
      {
        ca: readFileSync(join(folder, "client/ca.pem")),
        cert: readFileSync(join(folder, "server/cert.pem")),
        key: readFileSync(join(folder, "server/key.pem")),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (client) => {
        const upstream = connect(engine.host.replace(/^unix:\/\//, ""));
        for (const socket of [client, upstream]) {
          sockets.add(socket);
          socket.on("close", () => sockets.delete(socket));
        }
        client.on("error", () => upstream.destroy());
        upstream.on("error", () => client.destroy());
        client.pipe(upstream).pipe(client);
      },
    ).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    return new TlsEngine(server, sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function makeCertificates(folder: string): void {
  script(
    `cd "$1"; mkdir client server other
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1 CA" -keyout "$1/ca-key.pem" -out "$1/ca.pem"
}
leaf() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$2/key.pem" -out "$2/request.pem"
  printf '%s' "$3" > "$2/extensions"
  openssl x509 -req -in "$2/request.pem" -CA "$1/ca.pem" -CAkey "$1/ca-key.pem" -CAcreateserial -days 2 -extfile "$2/extensions" -out "$2/cert.pem"
}
authority client; authority other
leaf client server "subjectAltName=IP:127.0.0.1
extendedKeyUsage=serverAuth"
leaf client client "extendedKeyUsage=clientAuth"
leaf other other "extendedKeyUsage=clientAuth"`,
    folder,
  );
}

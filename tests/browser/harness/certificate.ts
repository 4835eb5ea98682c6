import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate for this machine from an authority of its own, as a company has them; made with openssl. */
export class Certificate {
  readonly #directory = mkdtempSync(join(tmpdir(), "dunlin-certificate-"));
  /** PEM files for a server. */
  readonly chain = join(this.#directory, "chain.pem");
  readonly key = join(this.#directory, "leaf.key");

  constructor() {
    const names = join(this.#directory, "names");
    writeFileSync(names, "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"];
    this.#openssl(
      "req",
      "-x509",
      ...newKey,
      "ca.key",
      "-out",
      "ca.pem",
      "-days",
      "90",
      "-subj",
      "/CN=Authority",
    );
    this.#openssl("req", ...newKey, "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost");
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "90", "-extfile", names];
    this.#openssl("x509", "-req", "-in", "leaf.csr", ...signed, "-out", "leaf.pem");
    writeFileSync(this.chain, this.#read("leaf.pem") + this.#read("ca.pem"));
  }

  /** What Chromium wants to know to trust it: SHA-256 of its public key. */
  get keyHash(): string {
    const { publicKey } = new X509Certificate(this.#read("leaf.pem"));
    return createHash("sha256")
      .update(publicKey.export({ type: "spki", format: "der" }))
      .digest("base64");
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #openssl(...command: string[]): void {
    execFileSync("openssl", command, { cwd: this.#directory, stdio: "pipe" });
  }

  #read(name: string): string {
    return readFileSync(join(this.#directory, name), "utf8");
  }
}

import type { ClientOptions } from "@dunlin/client";

/** How a page reaches a server: the arguments of `new Client`, in a form that can be handed into a page. */
export interface Way {
  readonly url: string;
  readonly options: Omit<ClientOptions, "token" | "certificateHashes"> & {
    readonly certificateHashes?: readonly string[];
  };
}

const NAME = "dunlin-console-token";

/**
 * The token of this tab: gone when the tab is closed. Where the browser keeps nothing for this page, it is gone with
 * the next reload.
 */
export class StoredToken {
  #token: string | undefined = read();

  get value(): string | undefined {
    return this.#token;
  }

  set value(token: string | undefined) {
    this.#token = token;
    try {
      if (token === undefined) sessionStorage.removeItem(NAME);
      else sessionStorage.setItem(NAME, token);
    } catch {
      // The browser forbids it, and the field above is all there is.
    }
  }
}

function read(): string | undefined {
  try {
    return sessionStorage.getItem(NAME) ?? undefined;
  } catch {
    return undefined;
  }
}

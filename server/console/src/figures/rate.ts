/** Makes a rate out of a total that only grows. */
export class Rate {
  #last: { readonly at: number; readonly total: number } | undefined;

  /** By the second since the call before; undefined for the first one, and when the total began anew. */
  next(at: number, total: number): number | undefined {
    const last = this.#last;
    this.#last = { at, total };
    if (last === undefined || at <= last.at || total < last.total) return undefined;
    return ((total - last.total) * 1000) / (at - last.at);
  }
}

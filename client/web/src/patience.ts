/** What was promised, or undefined when so many milliseconds are over before. */
export function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, new Promise<undefined>((over) => setTimeout(over, ms))]);
}

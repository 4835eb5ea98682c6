/** An attempt that can be called off. */
export type Attempt<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Starts the attempts one after the other, each when the ones before have had no answer for `headStart` milliseconds or have
 * failed, and takes the first that succeeds. The others are called off; what they bring nevertheless goes to `discard`.
 * Rejects with what the last one to fail says.
 */
export function race<T>(
  attempts: readonly Attempt<T>[],
  headStart: number,
  signal: AbortSignal,
  discard: (late: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const calledOff = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let started = 0;
    let failed = 0;
    let settled = false;
    const settle = () => {
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      calledOff.abort();
    };
    const abort = () => {
      if (settled) return;
      settle();
      reject(new Error("no answer in time"));
    };
    const startNext = () => {
      clearTimeout(timer);
      const attempt = attempts[started];
      if (attempt === undefined || settled) return;
      started += 1;
      attempt(calledOff.signal).then(
        (value) => {
          if (settled) return discard(value);
          settle();
          resolve(value);
        },
        (error) => {
          failed += 1;
          if (settled) return;
          if (failed === attempts.length) {
            settle();
            reject(error);
          } else if (failed === started) startNext();
        },
      );
      if (started < attempts.length) timer = setTimeout(startNext, headStart);
    };
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    else startNext();
  });
}

import type { Page } from "./environment.ts";

/** What a page's life means for a connection. */
export interface PageHooks {
  /** The page goes away for good. */
  vanish(): void;
  /** The page is put aside, to come back perhaps (the back/forward cache). */
  suspend(): void;
  /** The page is back, or its timers run again. */
  wake(): void;
  /** Another network, or one at all. */
  networkChanged(): void;
}

/**
 * Listens to the page until the function that is returned is called. `setHidden` is told that nobody has looked at the page for
 * `hiddenGrace` milliseconds, and that it is looked at.
 */
export function watchPage(
  page: Page,
  hiddenGrace: number,
  hooks: PageHooks,
  setHidden: (hidden: boolean) => void,
): () => void {
  const { window, document, connection } = page;
  let grace: ReturnType<typeof setTimeout> | undefined;
  const onVisibility = () => {
    clearTimeout(grace);
    if (document.visibilityState === "visible") {
      setHidden(false);
      hooks.wake();
    } else if (Number.isFinite(hiddenGrace)) {
      grace = setTimeout(() => setHidden(true), hiddenGrace);
    }
  };
  const onPageHide = (event: Event) => {
    if ((event as PageTransitionEvent).persisted) hooks.suspend();
    else hooks.vanish();
  };
  const onPageShow = (event: Event) => {
    if ((event as PageTransitionEvent).persisted) hooks.wake();
  };
  const listeners: [Page["window"] | undefined, string, (event: Event) => void][] = [
    [document as Page["window"], "visibilitychange", onVisibility],
    // Chromium tells when it runs the timers of a frozen page again (Page Lifecycle).
    [document as Page["window"], "resume", () => hooks.wake()],
    [window, "pagehide", onPageHide],
    [window, "pageshow", onPageShow],
    [window, "online", () => hooks.networkChanged()],
    // The way that is left may be another network: a sign of life shows it.
    [window, "offline", () => hooks.wake()],
    [connection, "change", () => hooks.networkChanged()],
  ];
  for (const [target, event, listener] of listeners) target?.addEventListener(event, listener);
  if (document.visibilityState !== "visible") onVisibility();
  return () => {
    clearTimeout(grace);
    for (const [target, event, listener] of listeners) target?.removeEventListener(event, listener);
  };
}

/** Numbers and times as people read them. The same everywhere, so always in English. */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** Stands where nothing is known. */
export const UNKNOWN = "–";

/** `12,345` */
export function showCount(value: number): string {
  return WHOLE.format(value);
}

/** `0`, `0.4`, `7.5`, `120`: with a decimal while it means something. */
export function showRate(value: number): string {
  if (value === 0) return "0";
  if (value < 0.05) return "<0.1";
  return value < 9.95 ? value.toFixed(1) : WHOLE.format(value);
}

/** `512 B`, `1.5 KiB`, `24 MiB` */
export function showBytes(value: number): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 1023.5 && unit < UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && scaled < 9.95 ? scaled.toFixed(1) : scaled.toFixed(0);
  return `${digits} ${UNITS[unit]}`;
}

/** A share of one as `3.5 %`, `42 %`. */
export function showShare(value: number): string {
  const percent = value * 100;
  if (percent > 0 && percent < 0.05) return "<0.1 %";
  return `${percent > 0 && percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

/** A round trip: `<1 ms`, `1.4 ms`, `32 ms`. */
export function showRoundTrip(ms: number | undefined): string {
  if (ms === undefined) return UNKNOWN;
  if (ms < 0.1) return "<1 ms";
  return Number.isInteger(ms) || ms >= 9.95 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`;
}

/** A span in its two greatest units: `340 ms`, `2.1 s`, `3 min 12 s`, `4 h 5 min`, `9 d 1 h`. */
export function showSpan(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return twoUnits(minutes, "min", seconds % 60, "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return twoUnits(hours, "h", minutes % 60, "min");
  return twoUnits(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** The time of day here: `09:05:02`. */
export function showClock(at: number): string {
  const time = new Date(at);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(twoDigits).join(":");
}

/** The same with milliseconds: `09:05:02.040`. */
export function showInstant(at: number): string {
  return `${showClock(at)}.${String(new Date(at).getMilliseconds()).padStart(3, "0")}`;
}

/** `1 event`, `2 events` */
export function showNumberOf(count: number, one: string, many = `${one}s`): string {
  return `${showCount(count)} ${count === 1 ? one : many}`;
}

function twoUnits(great: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${great} ${unit}` : `${great} ${unit} ${small} ${smallUnit}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

import * as client from "@dunlin/client";
import { Ear } from "./ear.ts";
import * as raw from "./raw.ts";
import { Ticker } from "./ticker.ts";

const api = { ...client, ...raw, Ear, Ticker };

/** What the page offers to the tests, as `dunlin`. */
export type Api = typeof api;

Object.assign(globalThis, { dunlin: api });
